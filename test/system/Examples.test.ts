/** The examples, run as they stand there. */
import * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HDNodeWallet } from "ethers"
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { freshName, request } from "../support/Gateway.ts"
import * as Packages from "../support/Packages.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
SharedStack.use({ counts: { notifier: 1 }, env: { gateway: { CORS_ORIGINS: "null" } } }, (started) => {
  stack = started
})

/** The key of one of the public development accounts, which the devnet's chain has funds for. */
const developmentKey = (account: number) =>
  HDNodeWallet.fromPhrase(`${"test ".repeat(11)}junk`, undefined, `m/44'/60'/0'/0/${account}`).privateKey

const folder = join(Stack.repository, "docs/examples")
const run = (file: string, args: ReadonlyArray<string>, options: Partial<Parameters<typeof Packages.ran>[2]> = {}) =>
  Packages.ran(process.execPath, ["--disable-warning=ExperimentalWarning", join(folder, file), ...args], {
    cwd: folder,
    ...options,
    env: { AKAVE_ASYNC_URL: stack.gatewayUrl, ...options.env }
  })

describe("the example of", () => {
  it.live("a first bucket", () =>
    Effect.gen(function*() {
      const name = freshName()
      const { code, stdout } = yield* run("first-bucket.ts", [name])
      assert.strictEqual(code, 0)
      assert.match(stdout, new RegExp(`completed\\n${name} is 0x[0-9a-f]{64}, by transaction 0x`))
    }))

  it.live("a hundred at once", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* run("hundred-at-once.ts", [])).stdout, "100 accepted\n100 completed\n")
    }))

  it.live("fire and forget, with a webhook", () =>
    Effect.gen(function*() {
      const name = freshName()
      const { code, stdout } = yield* run("fire-and-forget.ts", [name])
      assert.strictEqual(code, 0)
      assert.match(stdout, new RegExp(`^accepted .*\\nakave.BucketCreated.v1 bucket\\..*\\.${name}\\n$`))
    }))

  it.live("following live, which goes on where it was", () =>
    Effect.gen(function*() {
      const temporary = yield* Stack.temporaryFolder
      const place = join(temporary, "place.txt")
      const until = (pattern: RegExp) =>
        run("follow-live.ts", [place], { onOutput: (output, kill) => pattern.test(output) && kill("SIGTERM") })
      const first = yield* until(/BucketCreated/)
      const last = readFileSync(place, "utf8")
      const name = freshName()
      yield* request(`${stack.gatewayUrl}/buckets`, { method: "POST", body: JSON.stringify({ name }) })
      const second = yield* until(new RegExp(`BucketCreated.*${name}`))
      assert.match(first.stdout, /^\d+ akave.BucketRequested.v1/)
      assert.isTrue(Number(second.stdout.split(" ", 1)[0]) > Number(last) - 1)
    }).pipe(Effect.scoped))

  it.live("every error", () =>
    Effect.gen(function*() {
      const name = freshName()
      const results = [
        yield* run("handle-every-error.ts", [name]),
        yield* run("handle-every-error.ts", [name]),
        yield* run("handle-every-error.ts", ["X"]),
        yield* run("handle-every-error.ts", [name], { env: { AKAVE_ASYNC_PUBLIC_KEY: "half" } }),
        yield* run("handle-every-error.ts", [name], { env: { AKAVE_ASYNC_URL: "http://localhost:2" } })
      ].map(({ code, stderr, stdout }) => `${code} ${stdout}${stderr}`)
      const patterns = [
        /^0 completed/,
        /^0 completed/,
        /^1 a bucket name has 3 to 63/,
        /^1 credentials: AKAVE_ASYNC_PUBLIC_KEY is set without/,
        /^1 later: /
      ]
      for (const [n, pattern] of patterns.entries()) assert.match(results[n] ?? "", pattern)
    }))

  it.live("the client with Effect", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("effect.ts", [freshName()])
      assert.strictEqual(code, 0)
      assert.lengthOf(stdout.trim().split("\n"), 4)
    }))

  it.live("files through the gateway", () =>
    Effect.gen(function*() {
      const path = join(yield* Stack.temporaryFolder, "words.txt")
      writeFileSync(path, "hello world, and more")
      const { code, stderr, stdout } = yield* run("files-through-the-gateway.ts", [path, freshName()])
      assert.strictEqual(code, 0, stderr)
      const shown = stdout.split("\n")
      assert.match(
        shown.slice(0, 6).join("\n"),
        /^sending\nstoring\nwords\.txt has the root bafy\w+, by job [0-9a-f-]{36}\n21 bytes of text\/plain\nhello\nnot replaced: file_exists$/
      )
      assert.strictEqual(readFileSync(`${path}.copy`, "utf8"), "hello world, and more")
      assert.include(shown, "secret")
      const read = yield* request(shown.at(-2) ?? "")
      assert.strictEqual(read.body, "next")
    }).pipe(Effect.scoped))

  it.live("files, encrypted ones, resumed ones, and files with Effect", () =>
    Effect.gen(function*() {
      const HOME = yield* Stack.temporaryFolder
      const path = join(HOME, "some-words.txt")
      writeFileSync(path, "hello world, and more")
      // Beside each other, each with a wallet of its own.
      const withAccount = (account: number, file: string, ...more: ReadonlyArray<string>) =>
        run(file, [stack.nodeAddress, freshName(), ...more], {
          env: { AKAVE_PRIVATE_KEY: developmentKey(account), HOME }
        })
      const [files, encrypted, resumed, effect] = yield* Effect.all([
        withAccount(1, "files.ts", path),
        withAccount(2, "encrypted-files.ts"),
        withAccount(3, "resumed-upload.ts"),
        withAccount(4, "files-with-effect.ts")
      ], { concurrency: "unbounded" })
      assert.match(
        files.stdout,
        new RegExp(
          "^some-words.txt: 21 bytes in 1 chunk, 3 transactions\nsome-words.txt bafy\\w+\ncountdown bafy\\w+\nhello world\n" +
            "any 16 of 32 blocks restore a chunk\npublic\n$"
        ),
        files.stderr
      )
      assert.strictEqual(readFileSync(`${path}.copy`, "utf8"), "hello world, and more")
      assert.match(
        encrypted.stdout,
        /^Dear diary\na file of 10 bytes, named [0-9a-f]{8}…\nand no key to read it with\n$/,
        encrypted.stderr
      )
      assert.strictEqual(
        resumed.stdout,
        "photo was broken off\nand done, with commit\ndraft was broken off\nand stored anew, with other bytes\n",
        resumed.stderr
      )
      assert.match(
        effect.stdout,
        /^bafy\w+\n1000 lines\n1\n2\n3\nThe bucket .* has a file "numbers.txt" already/,
        effect.stderr
      )
      assert.deepStrictEqual([files, encrypted, resumed, effect].map(({ code }) => code), [0, 0, 0, 0])
    }).pipe(Effect.scoped))

  it.live("the SDK without a gateway", () =>
    Effect.gen(function*() {
      const name = freshName()
      const { code, stderr, stdout } = yield* run("sdk-without-gateway.ts", [stack.nodeAddress, name], {
        env: { AKAVE_PRIVATE_KEY: Stack.publicDevelopmentKey }
      })
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, new RegExp(`^${name} is 0x[0-9a-f]{64}, in block \\d+\\n`))
    }))

  it.live("the log, read by a NATS client", () =>
    Effect.gen(function*() {
      const name = freshName()
      yield* request(`${stack.gatewayUrl}/buckets`, { method: "POST", body: JSON.stringify({ name }) })
      const { stdout } = yield* run("replay-with-nats.ts", ["1"], {
        env: { NATS_URL: stack.natsUrl },
        onOutput: (output, kill) => new RegExp(`BucketCreated.*${name}`).test(output) && kill("SIGTERM")
      })
      assert.match(stdout, /^\d+ akave\.BucketRequested\.v1 akave\.events\.bucket\.0x/)
    }))

  const page = join(folder, "page.html")
  const isDone = /accepted: page-\d+[^]*completed[^]*transaction 0x[0-9a-f]{64}/
  it.live("a page, by its script", () =>
    Effect.gen(function*() {
      const [, script = ""] = /<script type="module">([^]*)<\/script>/.exec(readFileSync(page, "utf8")) ?? []
      const steps: Array<string> = []
      const document = {
        createElement: () => ({ textContent: "" }),
        getElementById: () => ({ append: (step: { readonly textContent: string }) => steps.push(step.textContent) })
      }
      const location = { search: `?gateway=${encodeURIComponent(stack.gatewayUrl)}` }
      const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor
      yield* Effect.promise(() => AsyncFunction("document", "location", script)(document, location))
      assert.match(steps.join("\n"), isDone)
    }))

  const hasChromium = spawnSync("chromium", ["--version"]).error === undefined
  if (!hasChromium) console.info("Skipped: there is no chromium here to open the page with.")
  it.live.skipIf(!hasChromium)("a page, in a browser", () =>
    Effect.gen(function*() {
      const profile = yield* Stack.temporaryFolder
      const url = `${pathToFileURL(page)}?gateway=${encodeURIComponent(stack.gatewayUrl)}`
      const flags = ["--headless", "--no-sandbox", `--user-data-dir=${profile}`, "--virtual-time-budget=20000"]
      const { stdout } = yield* Packages.ran("chromium", [...flags, "--dump-dom", url], { cwd: profile })
      assert.match(stdout, isDone)
    }).pipe(Effect.scoped))
})
