/** The README's commands, run as they stand there, and what they print. */
import { maxWebhooks } from "@akave-async/api/WebhooksApi"
import * as Tool from "@akave-async/loadtest/Tool"
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { createBucket, ended, eventually, freshName, request, settled } from "../support/Gateway.ts"
import * as Leaks from "../support/Leaks.ts"
import * as TestStack from "../support/TestStack.ts"

const { repository } = Stack
const read = (file: string) => readFileSync(join(repository, file), "utf8")
const readme = read("README.md")
const documents = ["README.md", ...globSync("docs/**/*.md", { cwd: repository })]
const blocks = (text: string, language: string) =>
  Array.from(text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g")), ([, block = ""]) => block)

const differing = new Set([
  "job_id",
  "created_at",
  "updated_at",
  "tx_hash",
  "block_number",
  "gas_used",
  "effective_gas_price",
  "root_cid"
])
/** What differs from run to run: ids, hashes of transactions and contents, numbers of blocks and gas, times. */
const masked = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, field) =>
      differing.has(key) && field !== null
        ? typeof field
        : field)
  )

/** The README's example is for a machine with curl; everything else runs without. */
const hasCurl = spawnSync("curl", ["--version"]).status === 0
if (!hasCurl) console.warn("curl is not on this machine: the README's example is not run")

const hasSpin = ["spin", "cc"].every((tool) => spawnSync(tool, ["--version"]).error === undefined)
if (!hasSpin) {
  console.warn("spin or a C compiler is not on this machine: the commands that check the models are not run")
}

/** A root script, as a person would run it. */
const npmRun = (...args: ReadonlyArray<string>) =>
  spawnSync("npm", ["run", "--silent", ...args], { cwd: repository, encoding: "utf8" })

describe("the documents", () => {
  it("show how to measure", () => {
    const parts = [...read("docs/performance.md").matchAll(/^\| `([a-z]+)` \|/gm)].map(([, part = ""]) => part)
    const known = /choose from (.*)$/m.exec(npmRun("bench", "--", "nothing").stderr)?.[1]?.split(", ") ?? []
    assert.sameMembers(parts, known)
    // The parts of the guide's own example.
    const quick = ["--rounds", "1", "--millis", "200", "--jobs", "20", "--executors", "1"]
    const results = mkdtempSync(join(tmpdir(), "akave-async-bench-"))
    const { status, stdout } = npmRun("bench", "--", "drain", "memory", ...quick, "--results", results)
    rmSync(results, { recursive: true })
    assert.strictEqual(status, 0, stdout)
    for (const row of ["20 signed before", "20 jobs, 1 executor", "after 20 jobs"]) {
      assert.match(stdout, new RegExp(`^${row} +\\d`, "m"))
    }
  })

  const guide = read("docs/testing.md")
  it("show how to replay a simulated run, and how to run more", () => {
    const shown = blocks(guide, "console").join("").split("\n").filter((line) => line.startsWith("SIMULATION_"))
    assert.lengthOf(shown, 2)
    for (const command of shown) {
      const { status, stdout } = spawnSync("sh", ["-c", command.replace("=100000", "=100")], {
        cwd: repository,
        encoding: "utf8"
      })
      assert.strictEqual(status, 0, stdout)
    }
  })

  it.skipIf(!hasSpin)("show how to check the models", () => {
    const [script = ""] = blocks(guide, "sh")
    const folder = mkdtempSync(join(tmpdir(), "akave-async-model-"))
    try {
      const { status, stdout } = spawnSync("sh", ["-ec", script], {
        cwd: folder,
        encoding: "utf8",
        env: { ...process.env, R: repository },
        maxBuffer: 64 * 1024 * 1024
      })
      assert.strictEqual(status, 0, stdout)
      assert.deepStrictEqual(stdout.match(/errors: \d+/g), ["errors: 0", "errors: 0", "errors: 1"])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it.live("show how to load a gateway", () =>
    Effect.gen(function*() {
      const { gatewayUrl } = yield* TestStack.started({})
      const k6 = Tool.choose({
        k6: process.env["K6"],
        path: process.env["PATH"] ?? "",
        builtK6: join(repository, ".tools/bin/k6")
      })
      const shown = blocks(guide, "console").join("").split("\n").filter((line) => /loadtest/.test(line))
      assert.lengthOf(shown, 4)
      // Without k6 only the first of them runs.
      for (const command of k6.name === "k6" ? shown : shown.slice(0, 1)) {
        const few = " --users 2 --duration 1s" + (k6.name === "k6" ? "" : " --tool autocannon")
        const short = command.startsWith("VUS")
          ? command.replace("VUS=500 k6", `VUS=2 DURATION=1s ${k6.name === "k6" ? k6.path : ""}`)
          : command.replace(/^BASE_URL=\S+ /, "") + (command.includes(" -- ") ? few : ` --${few}`)
        const { status, stdout } = spawnSync("sh", ["-c", short], {
          cwd: repository,
          encoding: "utf8",
          env: { ...process.env, BASE_URL: gatewayUrl, RESULTS_DIR: yield* Stack.temporaryFolder }
        })
        // 99 is for speed here.
        assert.include([0, 99], status, stdout)
        assert.include(stdout, "kept    every accepted job is completed")
      }
    }).pipe(Effect.scoped))

  it("show how to run faults", () => {
    const { status, stdout } = npmRun("test:faults", "--", "--faults", "2.projector", "--jobs", "10", "--seed", "1")
    assert.strictEqual(status, 0, stdout)
    assert.match(stdout, /1 faults? passed, 0 broke an invariant \(seed 1\)/)
  })

  it("show how to try a backlog", () => {
    const { status, stdout } = npmRun("test:backlog", "--", "--jobs", "600", "--executors", "2", "--limit", "50")
    assert.strictEqual(status, 0, stdout)
    assert.match(stdout, /most jobs in flight: 50, of 50 that may be; 0 began too early/)
  })
})

describe("the guide to the API", () => {
  const guide = read("docs/http-api.md")
  const [, waiting = "", following = ""] = blocks(guide, "sh")
  const [, script = ""] = blocks(guide, "js")

  it.live.skipIf(!hasCurl)("shows how to wait for a job, and how to follow events", () =>
    Effect.gen(function*() {
      const { gatewayUrl } = yield* TestStack.started({})
      const at = (text: string) => text.replaceAll("http://127.0.0.1:8000", gatewayUrl)
      const created = spawnSync("sh", ["-c", at(waiting)], { encoding: "utf8" })
      assert.match(created.stdout, /^HTTP\/1.1 201 Created[^]*location: \/buckets\/waited-for/i)
      // Streams have no end of their own.
      const stream = spawnSync("sh", ["-c", at(following).replace("curl", "curl --max-time 2")], { encoding: "utf8" })
      assert.match(
        stream.stdout,
        /^retry: \d+\n\nid: 1\ndata: {.*akave\.BucketRequested\.v1[^]*akave\.BucketCreated\.v1/
      )

      const follower = spawn(process.execPath, ["--experimental-eventsource", "--input-type=module", "-e", at(script)])
      const lines = createInterface(follower.stdout)
      const printed = once(lines, "line")
      try {
        yield* Effect.repeat(createBucket(gatewayUrl, freshName()), {
          until: () =>
            Effect.race(Effect.as(Effect.promise(() => printed), true), Effect.delay(Effect.succeed(false), 200))
        })
        assert.match(String((yield* Effect.promise(() => printed))[0]), /^akave\.Bucket\w+\.v1$/)
      } finally {
        follower.kill()
      }
    }).pipe(Effect.scoped))
})

describe("the guide to files", () => {
  const [, , , files = "", download = ""] = blocks(read("docs/http-api.md"), "sh")
  it.live.skipIf(!hasCurl)("shows how a file is sent, read, listed and downloaded", () =>
    Effect.gen(function*() {
      const { gatewayUrl } = yield* TestStack.started({})
      const folder = mkdtempSync(join(tmpdir(), "akave-async-files-"))
      const bytes = randomBytes(2_000_000)
      writeFileSync(join(folder, "cat.jpg"), bytes)
      const run = (script: string) =>
        spawnSync("sh", ["-c", script.replaceAll("http://127.0.0.1:8000", gatewayUrl)], {
          cwd: folder,
          encoding: "utf8"
        })
      const [create = "", put = "", ...others] = files.trim().split("\n")
      assert.deepInclude(JSON.parse(run(create).stdout), { status: "completed" })
      assert.deepInclude(JSON.parse(run(put).stdout), { status: "completed", file_name: "2026/cat.jpg" })
      const listed = others.pop() ?? ""
      for (const command of others) assert.strictEqual(run(command).status, 0, command)
      assert.isTrue(bytes.equals(readFileSync(join(folder, "back.jpg"))))
      assert.isTrue(bytes.subarray(0, 100).equals(readFileSync(join(folder, "head.bin"))))
      yield* settled(gatewayUrl)
      assert.deepInclude(JSON.parse(run(listed).stdout).files[0], {
        file_name: "2026/cat.jpg",
        content_type: "image/jpeg"
      })
      const job = JSON.parse(run(download).stdout)
      assert.deepInclude(job, { operation: "file.download", status: "completed" })
      const link = new URL(job.result.url, gatewayUrl).href
      const { headers } = yield* eventually(request(link), ({ status }) => status === 200)
      assert.strictEqual(headers.get("content-length"), `${bytes.length}`)
      rmSync(folder, { recursive: true })
    }).pipe(Effect.scoped))
})

describe("the README", () => {
  it.live.skipIf(!hasCurl)("shows commands that work, and what they print", () =>
    Effect.gen(function*() {
      const stack = yield* TestStack.started({})
      const shown = blocks(readme, "console").join("").split("\n").filter((line) => /^(curl|cmp) /.test(line))
      const printed = blocks(readme, "json").map((block) => JSON.parse(block))
      assert.lengthOf(shown, 5)
      assert.lengthOf(printed, 3)
      const folder = yield* Stack.temporaryFolder
      writeFileSync(join(folder, "photo.jpg"), randomBytes(printed[1].progress.bytes_total))
      const run = (command: string) =>
        execFileSync("sh", ["-c", command.replace("http://127.0.0.1:8000", stack.gatewayUrl)], {
          cwd: folder,
          encoding: "utf8"
        })
      const [post = "", put = "", follow = "", get = "", compare = ""] = shown
      assert.deepStrictEqual(masked(JSON.parse(run(post))), masked(printed[0]))
      const accepted = JSON.parse(run(put))
      assert.deepStrictEqual(masked(accepted), masked(printed[1]))
      yield* ended(stack.gatewayUrl, accepted.job_id)
      const job = run(follow.replace(printed[1].job_id, accepted.job_id))
      assert.deepStrictEqual(masked(JSON.parse(job)), masked(printed[2]))
      run(get)
      // Prints nothing, and ends well, where they are the same.
      assert.strictEqual(run(compare), "")
    }).pipe(Effect.scoped))

  it("names scripts that there are", () => {
    const { scripts } = JSON.parse(read("package.json"))
    const named = documents.flatMap((file) =>
      Array.from(read(file).matchAll(/(?:`|^)npm (?:run )?([a-z:]+)/gm), ([, name = ""]) => name)
    )
    assert.includeMembers(named, ["start", "test", "loadtest"])
    for (const name of named) assert.property(scripts, name)
  })
})

it("documents every setting that the README and the documents name", () => {
  const settings = read(".env.example")
  const named = documents.flatMap((file) =>
    Array.from(read(file).matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=\w+)?`/g), ([, name = ""]) => name)
  )
  // Those of the client and the command line are in their guides; terminals have NO_COLOR; tests have their own.
  const ofClients = new Set(
    globSync("shared/client/src/*.ts", { cwd: repository }).flatMap((file) =>
      read(file).match(/\bAKAVE_ASYNC_\w+/g) ?? []
    )
  ).add("NO_COLOR").add("UPDATE_GUIDE")
  for (const name of named) if (!ofClients.has(name)) assert.include(settings, name)
})

it("marks the public development key as such wherever it is used", () => {
  const files = globSync("{deploy,docs,loadtest,proto,services,shared,test}/**/*.{ts,mjs,md,json,yml}", {
    cwd: repository,
    exclude: (path) => String(path).includes("node_modules")
  })
  const holders = [...files, "docker-compose.yml", ".env.example", "README.md"]
    .filter((file) => read(file).includes(Stack.publicDevelopmentKey.slice(2)))
  assert.isNotEmpty(holders)
  for (const file of holders) assert.match(read(file), /public[^\n]*development|development[^\n]*public/i, file)
})

describe("the guide to monitoring", () => {
  const [preview = ""] = blocks(read("docs/operations/monitoring.md"), "sh")

  it.live("shows how to see the dashboard without Grafana", () =>
    Effect.gen(function*() {
      const [folder, port] = [yield* Stack.temporaryFolder, yield* Ports.free]
      // What Prometheus answers: one line, that goes up.
      const prometheus = createServer((question, answer) => {
        const isRange = question.url?.includes("query_range")
        const end = Math.floor(Date.now() / 1_000)
        const values = isRange ? { values: [[end - 60, "1"], [end, "2"]] } : { value: [end, "0.5"] }
        answer.end(JSON.stringify({ status: "success", data: { result: [{ metric: { slo: "<b>" }, ...values }] } }))
      })
      prometheus.listen(port, Ports.host)
      yield* Effect.promise(() => once(prometheus, "listening"))
      const command = preview.replace("http://127.0.0.1:9090", `http://${Ports.host}:${port}`)
        .replace("node ", `"${process.execPath}" --disable-warning=ExperimentalWarning `)
        .replace("page.html", join(folder, "page.html"))
      const shown = spawn("sh", ["-ec", command], { cwd: repository })
      const [status] = yield* Effect.promise(() => once(shown, "close"))
      prometheus.close()
      assert.strictEqual(status, 0)
      const page = readFileSync(join(folder, "page.html"), "utf8")
      const { panels } = JSON.parse(read("deploy/observability/grafana-dashboard.json"))
      const kinds = panels.map(({ type }: { readonly type: string }) => type)
      assert.lengthOf(page.match(/<h2>/g) ?? [], kinds.filter((kind: string) => kind === "row").length)
      assert.lengthOf(page.match(/<svg /g) ?? [], kinds.filter((kind: string) => kind === "timeseries").length)
      assert.lengthOf(page.match(/class="value /g) ?? [], kinds.filter((kind: string) => kind === "stat").length)
      assert.notInclude(page, "No data")
      assert.include(page, "&lt;b&gt;")
    }).pipe(Effect.scoped))
})

describe("the guide to security", () => {
  const [master = "", open = "", accounts = ""] = blocks(read("docs/security.md"), "sh")
  const guide = read("docs/http-api.md")
  const [asked = ""] = blocks(guide, "sh")
  const [signed = ""] = blocks(guide, "js")
  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0
  if (!hasOpenssl) console.warn("openssl is not on this machine: the guide to security is not run")

  it.live.skipIf(!hasCurl || !hasOpenssl)(
    "shows how accounts are opened, and how to sign in to one",
    () =>
      Effect.gen(function*() {
        const folder = yield* Stack.temporaryFolder
        const sh = (script: string, env: Readonly<Record<string, string>>, cwd = repository) =>
          spawnSync("sh", ["-ec", script], { cwd, encoding: "utf8", env: { ...process.env, ...env } })
        const { stdout: file } = sh(`${master}\nprintf %s "$MASTER_SECRET_FILE"`, {}, folder)
        const { gatewayUrl, natsUrl, ownerAddress } = yield* TestStack.started({
          env: { gateway: { MASTER_SECRET_FILE: file } }
        })
        const settings = { MASTER_SECRET_FILE: file, NATS_URL: natsUrl, AKAVE_OWNER_ADDRESS: ownerAddress }
        const command = open.replace("node ", `${process.execPath} --disable-warning=ExperimentalWarning `)
        const opened = sh(command, settings)
        assert.strictEqual(opened.status, 0, opened.stderr)
        const adminKey = opened.stdout.trim()
        yield* eventually(request(`${gatewayUrl}/jobs`), ({ status }) => status === 401)

        const at = (text: string) => text.replaceAll("http://127.0.0.1:8000", gatewayUrl)
        const { stdout: answers } = sh(at(accounts), { ADMIN_KEY: adminKey })
        const key = /"secret":"(aag_sk_\w{16}_1_[\w-]{43})"/.exec(answers)?.[1] ?? assert.fail(answers)
        yield* eventually(
          request(`${gatewayUrl}/account`, { headers: { authorization: `Bearer ${key}` } }),
          ({ status }) => status === 200
        )
        assert.deepInclude(JSON.parse(sh(at(asked), { KEY: key }).stdout), {
          account: "acme",
          scopes: ["read", "write"]
        })
        const { stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", at(signed)], {
          encoding: "utf8",
          env: { ...process.env, KEY: key }
        })
        assert.match(stdout, /^queued [0-9a-f-]{36}\n$/, stderr)
      }).pipe(Effect.scoped)
  )
})

describe("the guide to webhooks", () => {
  const guide = read("docs/webhooks.md")
  const [register = "", look = "", resend = ""] = blocks(guide, "sh")
  const [script = ""] = blocks(guide, "js")

  it.live.skipIf(!hasCurl)(
    "shows how to register an endpoint, to receive and verify, and to have events sent once more",
    () =>
      Effect.gen(function*() {
        const { gatewayUrl } = yield* TestStack.started({ counts: { notifier: 1 } })
        const port = yield* Ports.free
        const at = (text: string) => text.replaceAll("http://127.0.0.1:8000", gatewayUrl).replaceAll("9000", `${port}`)
        const sh = (text: string, env: Readonly<Record<string, string>> = {}) =>
          spawnSync("sh", ["-ec", at(text)], { encoding: "utf8", env: { ...process.env, ...env } }).stdout
        const { secret, webhook_id: WEBHOOK_ID } = JSON.parse(sh(register))
        const receiver = spawn(process.execPath, ["--input-type=module", "-e", at(script)], {
          env: { ...process.env, WEBHOOK_SECRET: Leaks.register(secret) }
        })
        const printed: Array<string> = []
        createInterface(receiver.stdout).on("line", (line) => printed.push(line))
        const untilPrinted = (count: number) =>
          Effect.repeat(Effect.sync(() => printed.length), {
            until: (length) => length >= count,
            schedule: Schedule.spaced("20 millis")
          })
        try {
          assert.include(sh(look, { WEBHOOK_ID }), "\"deliveries\":")
          yield* untilPrinted(1)
          assert.match(printed[0] ?? "", /^msg_\w+ \d+ akave\.WebhookTestAsked\.v1$/)
          const { body: { job_id } } = yield* createBucket(gatewayUrl, freshName())
          yield* ended(gatewayUrl, job_id)
          yield* untilPrinted(2)
          assert.match(printed[1] ?? "", /akave\.BucketCreated\.v1$/)
          const range = JSON.parse(sh(resend.replace(/"20[^"]+"/, "\"2000-01-01T00:00:00Z\""), { WEBHOOK_ID }))
          assert.strictEqual(range.since_sequence, 1)
          yield* untilPrinted(3)
          assert.strictEqual(printed[2], printed[1])
          // Without a signature by the secret it takes nothing.
          const { status } = yield* request(`http://127.0.0.1:${port}/akave`, { method: "POST", body: "{}" })
          assert.strictEqual(status, 401)
        } finally {
          receiver.kill()
        }
      }).pipe(Effect.scoped)
  )

  it("says what is so by default", () => {
    const settings = read(".env.example")
    const defaults = { WEBHOOK_TIMEOUT: "10 s", WEBHOOK_RETRY_FIRST: "5 s", WEBHOOK_RETRY_LONGEST: "4 h" }
    const more = { WEBHOOK_RETRY_WITHIN: "24 h", WEBHOOK_DISABLE_AFTER: "5 d", NOTIFIER_ACK_WAIT: "30 s" }
    for (const [name, start] of Object.entries({ ...defaults, ...more })) {
      assert.match(settings, new RegExp(`^#${name}=${start}`, "m"))
      assert.include(guide, start)
    }
    assert.include(guide, `${maxWebhooks} webhooks`)
  })
})
