/** `npm run loadtest` as a person runs it: few users, for a second. How fast the answers come is not looked at. */
import { isScenario, scenarios } from "@akave-async/loadtest/Scenario"
import * as Tool from "@akave-async/loadtest/Tool"
import * as Ports from "@akave-async/local/Ports"
import { Reaper } from "@akave-async/local/Reaper"
import * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Accounts from "../support/Accounts.ts"
import { request, tryRequest } from "../support/Gateway.ts"
import * as Leaks from "../support/Leaks.ts"
import * as SharedStack from "../support/SharedStack.ts"

const tool = Tool.choose({
  k6: process.env["K6"],
  path: process.env["PATH"] ?? "",
  builtK6: join(Stack.repository, ".tools", "bin", "k6")
})
const hasK6 = tool.name === "k6"
if (!hasK6) console.warn("k6 is not on this machine: its scripts are not run")

/** Runs the command in a process group of its own, as a terminal does; it is ended with this process. */
const start = Effect.fnUntraced(function*(args: ReadonlyArray<string>, settings: Readonly<Record<string, string>>) {
  const reaper = yield* Reaper
  const results = join(reaper.temporaryFolder(), "results")
  const child = spawn("npm", ["run", "--silent", "loadtest", "--", ...args], {
    cwd: Stack.repository,
    // Vitest has a BASE_URL of its own.
    env: { ...process.env, BASE_URL: "", RESULTS_DIR: results, ...settings },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"]
  })
  if (child.pid !== undefined) reaper.watch(child.pid, "SIGTERM")
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve))
  return { child, results, output: () => output, exited: Effect.promise(() => exited) }
})

/** Runs it to its end. */
const run = Effect.fnUntraced(function*(args: ReadonlyArray<string>, settings: Readonly<Record<string, string>>) {
  const { exited, output, results } = yield* start(args, settings)
  const code = yield* exited
  const files = existsSync(results) ? readdirSync(results) : []
  const read = (file: string) => readFileSync(join(results, file), "utf8")
  const reports = files.filter((file) => file.endsWith(".json")).map((file) => JSON.parse(read(file)))
  return { code, output: output(), results, files, reports }
})

const few = ["--users", "3", "--duration", "1s", "--think", "200ms"]

interface Verdict {
  readonly says: string
  readonly isKept: boolean
}
const brokenOf = (verdicts: ReadonlyArray<Verdict>) => verdicts.filter(({ isKept }) => !isKept).map(({ says }) => says)

/** Every rule is kept, but for those about speed, and the exit code says so. */
const assertGood = ({ code, output, reports }: Effect.Success<ReturnType<typeof run>>) => {
  const broken = reports.flatMap(({ verdicts }) => brokenOf(verdicts))
  assert.deepStrictEqual(broken.filter((rule) => !rule.includes("answered in less than")), [], output)
  assert.strictEqual(code, broken.length === 0 ? 0 : 99, output)
  assert.deepStrictEqual(reports.map(({ troubles }) => troubles), reports.map(() => ({ requests: [], jobs: [] })))
}

const refused = (args: ReadonlyArray<string>, settings: Readonly<Record<string, string>>, reason: RegExp) =>
  Effect.map(run(args, settings), ({ code, files, output }) => {
    assert.match(output, reason)
    assert.lengthOf(output.trim().split("\n"), 1, output)
    assert.strictEqual(code, 1)
    assert.deepStrictEqual(files, [])
  })

describe("where no gateway runs", () => {
  const ownGateway = (output: string) => /Its gateway answers at (\S+)\.\n/.exec(output)?.[1] ?? assert.fail(output)

  it.live("starts a stack of its own, which ends with the load test", () =>
    Effect.gen(function*() {
      const outcome = yield* run(["--tool", "autocannon", ...few], { PORT: `${yield* Ports.free}` })
      assertGood(outcome)
      assert.deepStrictEqual(outcome.files.map((file) => file.replace(/-\d.*\./, ".")).toSorted(), [
        "create-bucket.html",
        "create-bucket.json",
        "create-bucket.txt"
      ])
      const { status } = yield* tryRequest(`${ownGateway(outcome.output)}/health`)
      assert.strictEqual(status, 0)
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live("ends that stack on Ctrl-C", () =>
    Effect.gen(function*() {
      const started = yield* start([...few, "--duration", "1h", ...(hasK6 ? [] : ["--tool", "autocannon"])], {
        PORT: `${yield* Ports.free}`
      })
      // Until users have asked for buckets.
      yield* Effect.suspend(() => request(`${ownGateway(started.output())}/jobs`)).pipe(
        Effect.catchDefect(() => Effect.fail("not yet")),
        Effect.filterOrFail(({ body }) => body.jobs?.length > 0, () => "not yet"),
        Effect.retry({ while: () => started.child.exitCode === null, schedule: Schedule.spaced("50 millis") })
      )
      // A terminal sends it to the whole group.
      process.kill(-(started.child.pid ?? assert.fail()), "SIGINT")
      const code = yield* started.exited
      assert.notStrictEqual(code, 0)
      assert.include(started.output(), "Stopping the stack.")
      const { status } = yield* tryRequest(`${ownGateway(started.output())}/health`)
      assert.strictEqual(status, 0)
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live("refuses to guess where BASE_URL names another one", () =>
    Effect.gen(function*() {
      const url = `http://127.0.0.1:${yield* Ports.free}`
      yield* refused(["--tool", "autocannon"], { BASE_URL: url }, new RegExp(`^No gateway answers at ${url}: `))
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live("says in one sentence what it does not understand", () =>
    Effect.gen(function*() {
      yield* Effect.all([
        refused(["sprint"], {}, /^There is no scenario sprint: choose from create-bucket, follow-events, /),
        refused(["--duration", "soon"], {}, /^DURATION is "soon", but must be a time /),
        refused(["--speed", "9"], {}, /^Unknown option '--speed'/)
      ], { concurrency: "unbounded" })
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))
})

describe("a gateway that has accounts", () => {
  const masterSecret = Accounts.newMasterSecret()
  let stack: Stack.Stack
  SharedStack.use({ env: { gateway: { MASTER_SECRET: masterSecret } } }, (started) => {
    stack = started
  })
  /** The settings of a user who has signed in. */
  const signedIn = Effect.cached(
    Effect.suspend(() => Accounts.init("operator", Accounts.settingsOf(stack, masterSecret)))
  ).pipe(
    Effect.runSync,
    Effect.map((key) => ({ BASE_URL: stack.gatewayUrl, API_KEY: key, FOLLOW: "60s" }))
  )

  it.live("is only loaded with a key", () =>
    Effect.gen(function*() {
      const { BASE_URL } = yield* signedIn
      yield* refused(["--tool", "autocannon"], { BASE_URL }, /^The gateway at \S+ answers 401: set API_KEY /)
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live.skipIf(!hasK6)(
    "serves every scenario, and each is reported by what its users do",
    () =>
      Effect.gen(function*() {
        const names = Object.keys(scenarios).filter(isScenario)
        const outcome = yield* run(["--tool", "k6", ...names, ...few], yield* signedIn)
        assertGood(outcome)
        assert.sameMembers(outcome.reports.map(({ settings }) => settings.scenario), names)
        for (const { series, settings } of outcome.reports) {
          assert.hasAllKeys(series, [...scenarios[settings.scenario as keyof typeof scenarios].requests])
        }
        assert.lengthOf(outcome.files, 3 * names.length)
        assert.deepStrictEqual(Leaks.filesWithSecrets(outcome.results), [])
      }).pipe(Effect.provide(Reaper.layer), Effect.scoped)
  )

  it.live("breaks a rule when its jobs are not completed, which is summarised", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      for (const args of [["--tool", "autocannon"], ...(hasK6 ? [["--tool", "k6", "create-bucket", "spike"]] : [])]) {
        const outcome = yield* run([...args, ...few], { ...yield* signedIn, FOLLOW: "1s" })
        const { code, output, reports } = outcome
        assert.strictEqual(code, 99, output)
        assert.lengthOf(reports, args.includes("spike") ? 2 : 1)
        for (const { troubles, values, verdicts } of reports) {
          assert.include(brokenOf(verdicts), "every accepted job is completed")
          const { count } = values.jobs_accepted
          assert.deepStrictEqual(troubles.jobs.map(({ count, what }: typeof troubles.jobs[0]) => ({ count, what })), [{
            count,
            what: "last seen queued"
          }])
          const [{ examples }] = troubles.jobs
          assert.include(output, `${count}  last seen queued, such as ${examples.join(", ")}\n`)
        }
        const shown = output.match(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{22}/g) ?? []
        assert.isAtMost(shown.length, 3 * reports.length)
        assert.deepStrictEqual(Leaks.filesWithSecrets(outcome.results), [])
        assert.notInclude(output, (yield* signedIn).API_KEY)
      }
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))
})
