/** Files by the command line, from the disk to the network and back. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { createServer, request as forward } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as CommandLine from "../support/CommandLine.ts"
import * as Files from "../support/Files.ts"
import { eventually, request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let bucket: string
SharedStack.use({ env: { devnet: { DEVNET_BLOCK_TIME: "0.2" } } }, (started) => {
  stack = started
})
const folder = mkdtempSync(join(tmpdir(), "command-line-"))
afterAll(() => rmSync(folder, { recursive: true }))
beforeAll(async () => {
  bucket = await Effect.runPromise(Files.bucket(stack.gatewayUrl))
})

type Options = Parameters<typeof CommandLine.run>[2]
const akave = (args: ReadonlyArray<string>, options: Options = {}) =>
  CommandLine.run(["file", ...args], stack, { cwd: folder, ...options })
/** The same, which must end well; gives what it prints. */
const done = (args: ReadonlyArray<string>, options: Options = {}) =>
  Effect.map(akave(args, options), ({ code, stderr, stdout }) => {
    assert.strictEqual(code, 0, `${args.join(" ")}: ${stdout}${stderr}`)
    return stdout
  })
const lines = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

/** Ctrl-C when the output is such for the first time: one more would not wait. */
const once = (isDue: (output: string) => boolean) => {
  let isOver = false
  return (output: string, kill: (signal: NodeJS.Signals) => void) => {
    if (isOver || !isDue(output)) return
    isOver = true
    kill("SIGINT")
  }
}

const write = (path: string, bytes: Uint8Array | string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), bytes)
}
const read = (path: string) => readFileSync(join(folder, path))

/** A gateway of which every answer with a file is cut after so many bytes, as often as is said; `cut` gives how often it was. */
const cutting = (bytes: number, times: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let cut = 0
      const { hostname, port } = new URL(stack.gatewayUrl)
      const ranges: Array<string | undefined> = []
      const server = createServer((asked, response) => {
        asked.pipe(
          forward({ hostname, port, path: asked.url, method: asked.method, headers: asked.headers }, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            if (answer.headers["accept-ranges"] === undefined) return void answer.pipe(response)
            ranges.push(asked.headers.range)
            if (cut >= times) return void answer.pipe(response)
            cut++
            if (bytes === 0) return void response.destroy()
            let passed = 0
            answer.on("data", (piece: Buffer) => {
              const rest = bytes - passed
              passed += piece.length
              if (rest <= 0) return
              response.write(piece.subarray(0, rest), () => passed >= bytes && response.socket?.destroy())
            })
          })
        )
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { server, ranges, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

describe("a file", () => {
  const bytes = randomBytes(17_000_000)

  it.live("is put, shown, listed, got and removed", () =>
    Effect.gen(function*() {
      write("cat.jpg", bytes)
      const [job] = lines(yield* done(["put", bucket, "cat.jpg", "--name", "photos/cat.jpg", "--json"]))
      assert.deepInclude(job, { status: "completed", file_name: "photos/cat.jpg" })
      assert.match(yield* done(["info", bucket, "photos/cat.jpg"]), /^content_type +image\/jpeg$/m)
      const [network] = lines(yield* done(["info", bucket, "photos/cat.jpg", "--network", "--json"]))
      assert.deepInclude(network, { size: bytes.length, sha256: null })
      yield* eventually(request(`${stack.gatewayUrl}/buckets/${bucket}/files`), ({ body }) => body.files.length === 1)
      const listed = lines(yield* done(["list", bucket, "--prefix", "photos/", "--json"]))
      assert.deepStrictEqual(listed.map(({ file_name, size }) => [file_name, size]), [["photos/cat.jpg", bytes.length]])
      const saved = yield* done(["get", bucket, "photos/cat.jpg", "-o", "copy.jpg"])
      assert.strictEqual(saved, "saved copy.jpg, 17.0 MB\n")
      assert.isTrue(bytes.equals(read("copy.jpg")))
      // Nothing else is left of it.
      assert.deepStrictEqual(globSync("copy*", { cwd: folder }), ["copy.jpg"])
      const there = yield* akave(["get", bucket, "photos/cat.jpg", "-o", "copy.jpg"])
      assert.strictEqual(there.code, 2)
      assert.include(there.stderr, "--overwrite")
      yield* done(["get", bucket, "photos/cat.jpg", "-o", "copy.jpg", "--overwrite"])
      mkdirSync(join(folder, "into"))
      yield* done(["get", bucket, "photos/cat.jpg", "-o", "into"])
      assert.isTrue(bytes.equals(read("into/cat.jpg")))

      const again = yield* akave(["put", bucket, "cat.jpg", "--name", "photos/cat.jpg"])
      assert.strictEqual(again.code, 4)
      assert.include(again.stderr, "overwrite")
      write("cat.jpg", "another")
      yield* done(["put", bucket, "cat.jpg", "--name", "photos/cat.jpg", "--overwrite"])
      assert.strictEqual(yield* done(["get", bucket, "photos/cat.jpg", "-o", "-"]), "another")

      assert.match(yield* done(["access", bucket, "photos/cat.jpg", "public"]), /^ +is_public +true$/m)
      const link = (yield* done(["link", bucket, "photos/cat.jpg", "--keep", "1m"])).trim()
      const linked = yield* eventually(request(link), ({ status }) => status === 200)
      assert.strictEqual(linked.body, "another")
      yield* done(["rm", bucket, "photos/cat.jpg"])
      const gone = yield* akave(["get", bucket, "photos/cat.jpg", "-o", "gone"])
      assert.strictEqual(gone.code, 4)
      assert.include(gone.stderr, "has no file")
    }))

  it.live("goes through pipes, and in parts", () =>
    Effect.gen(function*() {
      const [program, ...args] = [...CommandLine.program, "file", "put", bucket, "-", "--name", "piped", "--json"]
      const put = yield* Effect.promise(() =>
        new Promise<number | null>((resolve) => {
          const child = spawn(program ?? "", args, { env: { ...process.env, ...CommandLine.settingsOf(stack) } })
          child.on("close", resolve)
          child.stdout.resume()
          child.stdin.end(bytes)
        })
      )
      assert.strictEqual(put, 0)
      const piped = execFileSync(program ?? "", [
        ...CommandLine.program.slice(1),
        "file",
        "get",
        bucket,
        "piped",
        "-o",
        "-"
      ], {
        env: { ...process.env, ...CommandLine.settingsOf(stack) },
        maxBuffer: 100_000_000
      })
      assert.isTrue(bytes.equals(piped))
      yield* done(["get", bucket, "piped", "--range", "16777210-16777220", "-o", "part"])
      assert.isTrue(bytes.subarray(16_777_210, 16_777_221).equals(read("part")))
      yield* done(["get", bucket, "piped", "--range", "16999990-", "-o", "end"])
      assert.isTrue(bytes.subarray(16_999_990).equals(read("end")))
    }))

  it.live("is encrypted with the account's key, or with one in a file", () =>
    Effect.gen(function*() {
      write("secret.txt", "secret")
      write("key", `${randomBytes(32).toString("hex")}\n`)
      write("other-key", randomBytes(32).toString("base64"))
      yield* done(["put", bucket, "secret.txt", "--name", "by-account", "--encrypt"])
      yield* done(["put", bucket, "secret.txt", "--name", "by-key", "--key-file", "key", "--encrypt-name"])
      assert.strictEqual(yield* done(["get", bucket, "by-account", "-o", "-"]), "secret")
      assert.strictEqual(yield* done(["get", bucket, "by-key", "--key-file", "key", "-o", "-"]), "secret")
      assert.strictEqual((yield* akave(["get", bucket, "by-key", "-o", "x"])).code, 4)
      const wrong = yield* akave(["get", bucket, "by-key", "--key-file", "other-key", "-o", "x"])
      assert.strictEqual(wrong.code, 4)
      assert.include(wrong.stderr, "not encrypted with this key")
      assert.isFalse(existsSync(join(folder, "x")))
    }))
})

describe("a folder", () => {
  const files = Object.fromEntries(
    ["one", "a/two.txt", "a/b/drei ä.md", "a/b/c/4.bin", "a/5", "six"].map((
      name,
      n
    ) => [name, randomBytes(n * 1_000 + 1)])
  )

  it.live("is put and got with all that is in it, without links; what fails stops nothing else", () =>
    Effect.gen(function*() {
      for (const [name, content] of Object.entries(files)) write(`tree/${name}`, content)
      write("outside/secret", "not to be sent")
      symlinkSync(join(folder, "outside"), join(folder, "tree/a/linked"))
      symlinkSync(join(folder, "outside/secret"), join(folder, "tree/link"))
      write("tree/empty", "")
      const put = yield* akave(["put", bucket, "tree", "--recursive", "--name", "2026/", "--json"])
      assert.strictEqual(put.code, 4, put.stderr)
      const reported = lines(put.stdout)
      assert.deepStrictEqual(
        reported.filter(({ status }) => status === "completed").map(({ file_name }) => file_name).toSorted(),
        Object.keys(files).map((name) => `2026/${name}`).toSorted()
      )
      assert.deepStrictEqual(reported.filter(({ error }) => error != null).map(({ file_name }) => file_name), [
        "2026/empty"
      ])
      yield* eventually(
        request(`${stack.gatewayUrl}/buckets/${bucket}/files?prefix=2026/`),
        ({ body }) => body.files.length === 6
      )
      write("back/2026/six", "is kept")
      const got = yield* akave(["get", bucket, "2026/", "-r", "-o", "back"])
      assert.strictEqual(got.code, 4)
      assert.match(got.stdout, /^2026\/six failed: .*--overwrite/m)
      assert.strictEqual(read("back/2026/six").toString(), "is kept")
      for (const [name, content] of Object.entries(files).slice(0, -1)) {
        assert.isTrue(content.equals(read(`back/2026/${name}`)), name)
      }
      const none = yield* akave(["get", bucket, "2027/", "-r"])
      assert.strictEqual(none.code, 2)
    }))
})

describe("a download that is cut", () => {
  it.live("goes on by itself over another connection", () =>
    Effect.gen(function*() {
      const bytes = randomBytes(5_000_000)
      write("long", bytes)
      yield* done(["put", bucket, "long"])
      const { ranges, url } = yield* cutting(1_000_000, 3)
      yield* done(["get", bucket, "long", "-o", "long-copy"], { env: { AKAVE_ASYNC_URL: url } })
      assert.isTrue(bytes.equals(read("long-copy")))
      // Some of the last bytes before a cut may be lost.
      const starts = ranges.map((range) => Number(/^bytes=(\d+)-4999999$/.exec(range ?? "")?.[1] ?? 0))
      assert.lengthOf(starts, 4)
      for (const [n, start] of starts.entries()) assert.isTrue(n === 0 ? start === 0 : start > (starts[n - 1] ?? 0))
    }).pipe(Effect.scoped))

  it.live("leaves nothing where it can't go on, or with --continue what has come, from where another one goes on", () =>
    Effect.gen(function*() {
      const { url } = yield* cutting(0, Infinity)
      const failed = yield* akave(["get", bucket, "long", "-o", "cut"], { env: { AKAVE_ASYNC_URL: url } })
      assert.strictEqual(failed.code, 1, failed.stderr)
      assert.deepStrictEqual(globSync("cut*", { cwd: folder }), [])

      const interrupted = yield* akave(["get", bucket, "long", "-o", "cut", "--continue"], {
        env: { AKAVE_ASYNC_URL: (yield* cutting(1_000_000, Infinity)).url, AKAVE_ASYNC_DEBUG: "1" },
        onOutput: once((output) => /goes on from byte [23]\d{6}/.test(output))
      })
      assert.strictEqual(interrupted.code, 130)
      assert.include(interrupted.stderr, "give the same command again")
      const [part = ""] = globSync("cut*.part", { cwd: folder })
      assert.isAtLeast(statSync(join(folder, part)).size, 1_500_000)
      truncateSync(join(folder, part), 1_500_000)
      const { ranges, url: whole } = yield* cutting(0, 0)
      yield* done(["get", bucket, "long", "-o", "cut", "--continue"], { env: { AKAVE_ASYNC_URL: whole } })
      assert.deepStrictEqual(ranges, ["bytes=1500000-"])
      assert.isTrue(read("long").equals(read("cut")))
      assert.deepStrictEqual(globSync("cut*", { cwd: folder }), ["cut"])

      // A part that is not of the file is found out.
      writeFileSync(join(folder, part.replace("cut", "other")), randomBytes(1_000))
      const damaged = yield* akave(["get", bucket, "long", "-o", "other", "--continue"])
      assert.strictEqual(damaged.code, 1)
      assert.include(damaged.stderr, "was not of this file")
      yield* done(["get", bucket, "long", "-o", "other", "--continue"])
      assert.isTrue(read("long").equals(read("other")))
    }).pipe(Effect.scoped))
})

describe("Ctrl-C", () => {
  it.live("while a file is sent leaves nothing, and says so", () =>
    Effect.gen(function*() {
      const ended = yield* akave(["put", bucket, "-", "--name", "never"], {
        env: { AKAVE_ASYNC_DEBUG: "1" },
        onOutput: once((output) => output.includes("credentials:"))
      })
      assert.strictEqual(ended.code, 130)
      assert.include(ended.stderr, "nothing of it is stored")
      const { body } = yield* request(`${stack.gatewayUrl}/jobs?bucket=${bucket}&operation=file.upload`)
      assert.notInclude(body.jobs.map((job: { readonly file_name: string }) => job.file_name), "never")
    }))

  it.live("while a job is waited for leaves it to itself, and says how it is followed and cancelled", () =>
    Effect.gen(function*() {
      write("late", "late")
      yield* stack.executor(0).kill("SIGSTOP")
      const ended = yield* akave(["put", bucket, "late"], {
        env: { AKAVE_ASYNC_DEBUG: "1" },
        onOutput: once((output) => /PUT .* 202/.test(output) && output.includes("GET /events 200"))
      })
      assert.strictEqual(ended.code, 130)
      const [, id = ""] = /akave-async job cancel (\S+)/.exec(ended.stderr) ?? []
      assert.include(ended.stderr, `job ${id} goes on: follow it by akave-async job wait ${id}`)
      const late = yield* akave(["put", bucket, "late", "--name", "later", "--timeout", "2s"])
      assert.strictEqual(late.code, 5)
      assert.include(late.stderr, "akave-async job wait")
      const cancelled = yield* CommandLine.run(["job", "cancel", id, "--json"], stack)
      assert.deepInclude(lines(cancelled.stdout)[0], { status: "cancelled", file_name: "late" })
      const listed = yield* CommandLine.run(["job", "list", "--status", "queued"], stack)
      assert.match(listed.stdout, /file\.upload +\S+ +later +queued +waiting 0% of 4 B/)
    }).pipe(Effect.ensuring(stack.executor(0).kill("SIGCONT"))))
})

describe("what is wrong is said before anything is sent, where", () => {
  it.live.each<[string, ReadonlyArray<string>, RegExp]>([
    ["there is no such file", ["put", "b", "nowhere"], /there is no file nowhere/],
    ["it is a folder", ["put", "b", "."], /--recursive/],
    ["it is no folder", ["put", "b", "key", "-r"], /is no folder/],
    ["standard input has no name", ["put", "b", "-"], /--name/],
    ["there are two keys", ["put", "b", "key", "--encrypt", "--key-file", "key"], /not both/],
    ["a key is none", ["put", "b", "key", "--key-file", "secret.txt"], /64 hex digits or in base64/],
    ["parity blocks are too many", ["put", "b", "key", "--parity-blocks", "17"], /0 to 16/],
    ["one key is for many requests", ["put", "b", ".", "-r", "--idempotency-key", "k"], /names one request/],
    ["a name leads elsewhere", ["put", "b", "key", "--name", "../x"], /are no names/],
    ["a range is none", ["get", "b", "n", "--range", "5-1"], /0-99/],
    ["a range is of many", ["get", "b", "n", "--range", "0-1", "-r"], /--range is of one file/],
    ["a pipe is to go on", ["get", "b", "n", "-o", "-", "--continue"], /takes one file/]
  ])("%s", ([, args, message]) =>
    Effect.gen(function*() {
      write("key", randomBytes(32).toString("hex"))
      write("secret.txt", "secret")
      const { code, stderr, stdout } = yield* akave(args)
      assert.strictEqual(code, 2, stdout + stderr)
      assert.match(stdout + stderr, message)
    }))
})

it.live("a disk that takes no more is named, and nothing is left of the file", () =>
  Effect.gen(function*() {
    const full = yield* akave(["get", bucket, "long", "-o", "/proc/full"])
    assert.strictEqual(full.code, 1)
    assert.match(full.stderr, /\/proc\/full.* can't be written/)
    assert.isFalse(readdirSync(folder).some((name) => name.includes(".part")))
  }))
