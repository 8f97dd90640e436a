/** The command line, installed from its package into an empty folder, with a gateway that has accounts. */
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as Accounts from "../support/Accounts.ts"
import { eventually, freshName } from "../support/Gateway.ts"
import * as Leaks from "../support/Leaks.ts"
import * as Packages from "../support/Packages.ts"
import * as SharedStack from "../support/SharedStack.ts"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
SharedStack.use({ env: { gateway: { MASTER_SECRET: masterSecret } } }, (started) => {
  stack = started
})

const scope = Scope.makeUnsafe()
let [folder, home, admin] = ["", "", ""]
beforeAll(() =>
  Effect.runPromise(
    Effect.gen(function*() {
      const tarballs = yield* Packages.built
      folder = yield* Packages.installed(tarballs.find((file) => file.includes("akave-async-0")) ?? "")
      home = yield* Stack.temporaryFolder
      admin = yield* Accounts.init("operator", Accounts.settingsOf(stack, masterSecret))
      yield* eventually(Accounts.withKey(stack.gatewayUrl, admin)("/account"), ({ status }) => status === 200)
    }).pipe(Effect.provideService(Scope.Scope, scope))
  )
)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

type Options = Partial<Parameters<typeof Packages.ran>[2]>
const environment = () => ({
  HOME: home,
  PATH: `${join(folder, "node_modules/.bin")}:${join(process.execPath, "..")}:${process.env["PATH"]}`,
  AKAVE_ASYNC_URL: stack.gatewayUrl,
  AKAVE_ASYNC_API_KEY: admin
})
/** Runs the command as `npx` does; with the administrator's key unless the environment says otherwise. */
const akave = (line: string, { env = {}, ...options }: Options = {}) =>
  Packages.ran(join(folder, "node_modules/.bin/akave-async"), line === "" ? [] : line.split(" "), {
    cwd: folder,
    env: { ...environment(), ...env },
    ...options
  })
/** Runs a line as somebody types it. */
const inShell = (line: string, env: Readonly<Record<string, string>>) =>
  Packages.ran("bash", ["-c", line], { cwd: folder, env: { ...environment(), ...env } })
const lines = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

describe("a new user's way", () => {
  const name = freshName()
  let key = ""
  let jobId = ""

  it.live("begins with an account and a key, whose secret is shown once", () =>
    Effect.gen(function*() {
      const opened = yield* akave(
        `account open acme --owner ${stack.ownerAddress} --requests-per-second 1000 --jobs-in-flight 1000`
      )
      assert.strictEqual(opened.code, 0, opened.stderr)
      const issued = yield* akave("key issue acme --label laptop --scope read --scope write --json")
      const [one] = lines(issued.stdout)
      key = Leaks.register(String(one?.["secret"]))
      const { keyId, publicKey } = { keyId: one?.["key_id"], publicKey: one?.["public_key"] }
      mkdirSync(join(home, ".akave-async"))
      writeFileSync(join(home, ".akave-async/accounts.csv"), `${publicKey},${key},acme\n`, { mode: 0o600 })
      const listed = yield* akave("key list acme")
      assert.include(listed.stdout, String(keyId))
      assert.notInclude(listed.stdout, key)
      const whoami = yield* akave("whoami", { env: { AKAVE_ASYNC_API_KEY: "" } })
      assert.match(whoami.stdout, /^account +acme$/m)
      assert.match(whoami.stdout, /^credentials +.*accounts.csv, account 0$/m)
    }))

  const mine = { env: { AKAVE_ASYNC_API_KEY: "", AKAVE_ASYNC_ACCOUNT: "acme" } }
  it.live("goes on with a bucket, and its job", () =>
    Effect.gen(function*() {
      const created = yield* akave(`bucket create ${name} --json`, mine)
      assert.strictEqual(created.code, 0, created.stderr)
      const [job] = lines(created.stdout)
      assert.include(job, { bucket_name: name, status: "completed" })
      jobId = String(job?.["job_id"])
      const plain = yield* akave(`job get ${jobId}`, mine)
      assert.match(plain.stdout, /^status +completed$/m)
      // oxlint-disable-next-line no-control-regex -- none may be there
      assert.notMatch(plain.stdout + plain.stderr, /\u001b/)
      const waited = yield* akave(`job wait ${jobId}`, mine)
      assert.strictEqual(waited.code, 0)
      const events = yield* akave(`job events ${jobId} --json`, mine)
      assert.lengthOf(lines(events.stdout), 4)
      const explained = yield* akave(`job explain ${jobId}`, mine)
      assert.match(explained.stdout, /^[\d:.]{12} +\+\d+ ms {2}started {9}attempt 1 begun \(executor \w+\)$/m)
      assert.match(explained.stdout, /^fee {2}\d+ wei \(0\.\d+ ether\): \d+ gas units for [\d.]+ gwei each$/m)
      const [explanation] = lines((yield* akave(`job explain ${jobId} --json`, mine)).stdout)
      assert.include(explanation, { job_id: jobId, status: "completed", waiting: null })
      // It is another account's.
      assert.strictEqual((yield* akave(`job explain ${jobId}`)).code, 4)
      const listed = yield* akave("bucket list", mine)
      assert.include(listed.stdout, name)
    }))

  it.live("with many at once, of which each is reported", () =>
    Effect.gen(function*() {
      const names = Array.from({ length: 20 }, freshName)
      writeFileSync(join(folder, "names.txt"), `${names.join("\n")}\n\n`)
      const created = yield* akave(`bucket create Wrong_Name ${name} --from names.txt --json`, mine)
      assert.strictEqual(created.code, 4)
      const reported = lines(created.stdout)
      assert.lengthOf(reported, 22)
      assert.lengthOf(reported.filter(({ status }) => status === "completed"), 20)
      assert.lengthOf(reported.filter(({ problem }) => problem !== undefined), 2)
    }))

  it.live("with jobs that are left to themselves, cancelled and listed", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).kill("SIGSTOP")
      const left = yield* akave(`bucket create ${freshName()} --no-wait --quiet`, mine)
      const id = left.stdout.trim()
      const late = yield* akave(`job wait ${id} --timeout 300ms`, mine)
      assert.strictEqual(late.code, 5)
      assert.include(late.stderr, `akave-async job wait ${id}`)
      const queued = yield* akave("job list --status queued --json", mine)
      assert.deepStrictEqual(lines(queued.stdout).map(({ job_id }) => job_id), [id])
      const explained = yield* akave(`job explain ${id}`, mine)
      assert.match(explained.stdout, /^waiting now: {2}no executor answers \(executors_away\)$/m)
      const interrupted = yield* akave(`job wait ${id}`, {
        ...mine,
        env: { ...mine.env, AKAVE_ASYNC_DEBUG: "1" },
        onOutput: (output, kill) => output.includes("GET /events 200") && kill("SIGINT")
      })
      assert.strictEqual(interrupted.code, 130)
      const cancelled = yield* akave(`job cancel ${id} --json`, mine)
      assert.deepStrictEqual(lines(cancelled.stdout).map(({ status }) => status), ["cancelled"])
      const waited = yield* akave(`job wait ${id}`, mine)
      assert.strictEqual(waited.code, 4)
      assert.include(waited.stderr, "was cancelled")
    }).pipe(Effect.ensuring(stack.executor(0).kill("SIGCONT"))))

  it.live("to a key's rotation and its end", () =>
    Effect.gen(function*() {
      const [{ key_id } = {}] = lines((yield* akave("key list acme --json")).stdout)
      const rotated = yield* akave(`key rotate acme ${key_id} --grace-seconds 0 --json`)
      const secret = Leaks.register(String(lines(rotated.stdout)[0]?.["secret"]))
      const old = yield* akave("whoami", mine)
      assert.strictEqual(old.code, 3)
      assert.include(old.stderr, "AKAVE_ASYNC_API_KEY")
      assert.strictEqual((yield* akave("whoami", { env: { AKAVE_ASYNC_API_KEY: secret } })).code, 0)
      assert.strictEqual((yield* akave(`key revoke acme ${key_id}`)).code, 0)
      assert.strictEqual((yield* akave("whoami", { env: { AKAVE_ASYNC_API_KEY: secret } })).code, 3)
    }))
})

describe("the command", () => {
  it.live.each<[string, string, number, RegExp]>([
    ["without a command", "", 0, /SUBCOMMANDS/],
    ["for help", "--help", 0, /bucket +Buckets on chain/],
    ["for its version", "--version", 0, /^akave-async v\d/],
    ["for a shell's completions", "completions bash", 0, /complete.*akave-async/],
    ["with a slip", "bukcet list", 2, /Did you mean this\?\s+bucket/],
    ["with a slip in a flag", "job list --statsu failed", 2, /--status/],
    ["with a value that is none", "job list --status done", 2, /queued/],
    ["with a time that is none", "whoami --timeout soon", 2, /500ms, 30s, 5m/],
    ["without an argument", "job get", 2, /job-id/],
    ["without a bucket", "bucket create", 2, /name a bucket/],
    ["for a name that breaks a rule", "bucket create X", 2, /3 to 63 characters/],
    ["for JSON that is none", "submit bucket.create --input {", 2, /JSON/],
    ["for an operation that there is not", "submit bucket.paint", 2, /it has bucket.create/],
    ["for a job that there is not", "job get 01a1fd96-6aed-70f8-9e47-556db4c9cbc3", 4, /No job has the id/],
    [
      "as JSON for a job that there is not",
      "job get 01a1fd96-6aed-70f8-9e47-556db4c9cbc3 --json",
      4,
      /"job_not_found"/
    ],
    ["for an account that no file has", "whoami --account nobody", 3, /no account nobody/],
    ["with a key that nobody has", "whoami --api-key aag_sk_x", 3, /unknown, has expired or was revoked/],
    ["where no gateway is", "whoami --url http://127.0.0.1:1 --timeout 500ms", 5, /before: .*can.t be reached/]
  ])("%s", ([, line, code, output]) =>
    Effect.gen(function*() {
      const ran = yield* akave(line)
      assert.strictEqual(ran.code, code, ran.stdout + ran.stderr)
      assert.match(ran.stdout + ran.stderr, output)
    }))

  it.live("refuses a file with secrets that others can read, and says what to do", () =>
    Effect.gen(function*() {
      const path = join(folder, "accounts.csv")
      writeFileSync(path, "aag_pk_x,aag_sk_x\n")
      chmodSync(path, 0o644)
      const env = { AKAVE_ASYNC_API_KEY: "", HOME: join(folder, "nowhere") }
      const refused = yield* akave("whoami", { env })
      assert.strictEqual(refused.code, 3)
      assert.include(refused.stderr, `chmod 600 ${path}`)
      const doctor = yield* akave("doctor", { env })
      assert.strictEqual(doctor.code, 4)
      assert.include(doctor.stdout, `✗ credentials: ${path} is open to others`)
    }))
})

it.live("every command of the guide runs", () =>
  Effect.gen(function*() {
    const guide = readFileSync(join(Stack.repository, "docs/command-line.md"), "utf8")
    const blocks = Array.from(guide.matchAll(/```sh\n([^]*?)```/g), ([, block = ""]) => block.trim().split("\n"))
    mkdirSync(join(folder, "folder/in-it"), { recursive: true })
    for (const file of ["cat.jpg", "folder/one.txt", "folder/in-it/two.txt"]) {
      writeFileSync(join(folder, file), file.repeat(50))
    }
    const env = { NATS_URL: stack.natsUrl, DATABASE_URL: stack.databaseUrl }
    for (const line of blocks.flat()) {
      // The list of files follows what has ended.
      if (line.includes("get photos 2026/")) {
        yield* Effect.repeat(akave("file list photos --prefix 2026/ --json"), {
          until: ({ stdout }) => lines(stdout).length === 2
        })
      }
      const ran = yield* inShell(`set -o pipefail; ${line}`, env)
      assert.strictEqual(ran.code, 0, line + ran.stdout + ran.stderr)
    }
    assert.strictEqual(readFileSync(join(folder, "copy.jpg"), "utf8"), "cat.jpg".repeat(50))
    assert.strictEqual(
      readFileSync(join(folder, "copies/2026/in-it/two.txt"), "utf8"),
      "folder/in-it/two.txt".repeat(50)
    )
  }))

describe("the doctor", () => {
  const ill = (line: RegExp, code: number) =>
    Effect.gen(function*() {
      const { stdout } = yield* Effect.repeat(akave("doctor"), { until: ({ stdout }) => line.test(stdout) })
      assert.match(stdout, line)
      assert.strictEqual((yield* akave("doctor")).code, code)
    })

  it.live("finds nothing that has failed where all is well, and says so of each", () =>
    ill(/✓ services: .*1 executor/, 0))

  it.live("finds an executor that is away, and one that is back", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      yield* ill(/✗ services: .*no executor/i, 4)
      yield* stack.executor(0).start
      yield* ill(/✓ services/, 0)
    }))

  it.live("finds a gateway that is away", () =>
    Effect.gen(function*() {
      const port = yield* Ports.free
      const { code, stdout } = yield* akave(`doctor --timeout 500ms --url http://${Ports.host}:${port}`)
      assert.strictEqual(code, 4)
      assert.match(stdout, /✗ gateway: .*ECONNREFUSED/)
    }))
})
