/**
 * `npm run loadtest [-- scenario… --users N --duration T --think T --follow T --tool k6|autocannon]`: makes the load, on a
 * stack of its own where no gateway runs, reports, and ends with 0 only if every rule was kept.
 */
import { Reaper } from "@akave-async/local/Reaper"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Effect, Schema } from "effect"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Autocannon from "./Autocannon.ts"
import * as K6 from "./K6.ts"
import * as OwnStack from "./OwnStack.ts"
import * as Results from "./Results.ts"
import { Samples } from "./Samples.ts"
import { isScenario, type Scenario, scenarios, type Settings, settingsOf } from "./Scenario.ts"
import * as Tool from "./Tool.ts"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const builtK6 = join(repository, ".tools", "bin", process.platform === "win32" ? "k6.exe" : "k6")
/** k6's own code for a broken threshold. */
const broken = 99

/** What was asked for can't be done; printed as its one sentence. */
class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** What throws says in one sentence what is wrong with what was asked for. */
const refusing = <A>(work: () => A) =>
  Effect.try({
    try: work,
    catch: (cause) => new Refused({ reason: cause instanceof Error ? cause.message : String(cause) })
  })

/** Reads the command line and the variables, whose values an option replaces. */
const asked = refusing(() => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      users: { type: "string" },
      duration: { type: "string" },
      think: { type: "string" },
      follow: { type: "string" },
      tool: { type: "string" }
    }
  })
  const { env } = process
  const chosen = {
    ...env,
    BASE_URL: env["BASE_URL"] || `http://127.0.0.1:${env["PORT"] || 8000}`,
    // k6's own names for the number of users and the duration count too, unless ours are set.
    VUS: values.users ?? (env["VUS"] || env["K6_VUS"]),
    DURATION: values.duration ?? (env["DURATION"] || env["K6_DURATION"]),
    THINK: values.think ?? env["THINK"],
    FOLLOW: values.follow ?? env["FOLLOW"]
  }
  if (![undefined, "k6", "autocannon"].includes(values.tool)) throw new Error("--tool takes k6 or autocannon.")
  const names = positionals.length === 0 ? ["create-bucket"] : positionals
  const runs = names.map((name) => settingsOf(chosen, known(name)))
  return { runs, tool: values.tool, isOurGateway: !env["BASE_URL"] }
})

const known = (name: string): Scenario => {
  if (isScenario(name)) return name
  throw new Error(`There is no scenario ${name}: choose from ${Object.keys(scenarios).join(", ")}.`)
}

/** What `GET /account` is answered with; 0 where nothing answers. */
const answerOf = ({ apiKey, baseUrl }: Settings) =>
  Effect.promise(async () => {
    try {
      const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
      const { status } = await fetch(`${baseUrl}/account`, { headers, signal: AbortSignal.timeout(5_000) })
      return status
    } catch {
      return 0
    }
  })

/** The same settings with a gateway that answers. */
const withGateway = Effect.fnUntraced(function*(settings: Settings, isOurGateway: boolean) {
  const { baseUrl } = settings
  const status = yield* answerOf(settings)
  if (status === 200) return { baseUrl, apiKey: settings.apiKey }
  if (status === 401 || status === 403) {
    return yield* new Refused({
      reason: `The gateway at ${baseUrl} answers ${status}: set API_KEY to the secret of a key that may read and write.`
    })
  }
  if (status !== 0) {
    return yield* new Refused({
      reason: `${baseUrl} answers ${status} to GET /account: it is not a gateway that is ready.`
    })
  }
  if (!isOurGateway) {
    return yield* new Refused({
      reason:
        `No gateway answers at ${baseUrl}: start it, or set BASE_URL to one that runs, or to nothing for a stack of its own.`
    })
  }
  yield* Console.log(`No gateway answers at ${baseUrl}: starting a stack for this load test, on a folder of its own.`)
  const own = yield* OwnStack.started
  yield* Console.log(`Its gateway answers at ${own}.`)
  return { baseUrl: own, apiKey: undefined }
})

/** The k6 to use, or undefined for autocannon. */
const findK6 = Effect.fnUntraced(function*(wanted: string | undefined) {
  if (wanted === "autocannon") return undefined
  const { K6: k6, PATH: path = "" } = process.env
  const tool = yield* refusing(() => Tool.choose({ k6, path, builtK6 }))
  if (tool.name === "k6") return tool.path
  if (tool.name === "go") {
    yield* Console.log(
      `k6 is not here: building k6 ${Tool.k6Version} with Go into .tools/bin, once. This takes some minutes.`
    )
    if (yield* Effect.promise(() => Tool.build(tool.path, builtK6))) return builtK6
    yield* Console.log("k6 could not be built.")
  }
  if (wanted === "k6") return yield* new Refused({ reason: "There is no k6: install k6, or Go to build it." })
  return undefined
})

/** Runs one scenario and reports it; gives whether every rule was kept. */
const runOne = Effect.fnUntraced(function*(settings: Settings, k6: string | undefined) {
  const startedAt = new Date()
  const samples = new Samples(settings.seconds, startedAt.getTime())
  const tool = k6 === undefined ? "autocannon" : "k6"
  yield* Console.log(
    `Running ${settings.scenario} with ${k6 ?? tool} for ${settings.seconds} s, and until its jobs have ended.`
  )
  const { lines, values } = k6 === undefined
    ? { lines: [], values: yield* Effect.promise(() => Autocannon.run(settings, (sample) => samples.add(sample))) }
    : yield* K6.run(k6, settings, samples)
  const folder = process.env["RESULTS_DIR"] || join(repository, "loadtest", "results")
  const { isKept, page, text } = Results.write(folder, { tool, settings, startedAt, values, samples })
  for (const line of lines) yield* Console.log(`  k6: ${line}`)
  yield* Console.log(text)
  yield* Console.log(`The charts are in ${relative("", page)}, beside the same as text and JSON.\n`)
  return isKept
})

const program = Effect.gen(function*() {
  const { isOurGateway, runs, tool } = yield* asked
  const k6 = yield* findK6(tool)
  const others = runs.filter(({ scenario }) => scenario !== "create-bucket").map(({ scenario }) => scenario)
  if (k6 === undefined && others.length > 0) {
    return yield* new Refused({ reason: `Only k6 runs ${others.join(", ")}: install k6, or Go to build it.` })
  }
  const [first] = runs
  if (first === undefined) return
  const gateway = yield* withGateway(first, isOurGateway)
  const kept = yield* Effect.forEach(runs, (settings) => runOne({ ...settings, ...gateway }, k6))
  process.exitCode = kept.every(Boolean) ? 0 : broken
})

/** An expected failure in its own words; anything else is a mistake in this program, and shown whole. */
const report = (cause: Cause.Cause<{ readonly message: string }>) => {
  const failure = Cause.squash(cause)
  const isExpected = cause.reasons.every(({ _tag }) => _tag !== "Die")
  return Console.error(isExpected && failure instanceof Error ? failure.message : Cause.pretty(cause))
}

Effect.scoped(program).pipe(
  Effect.provide(Reaper.layer),
  Effect.tapCause(report),
  (program) => NodeRuntime.runMain(program, { disableErrorReporting: true })
)
