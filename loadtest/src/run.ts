/** `npm run loadtest`: finds what can make the load, runs it, and ends with 0 only if every rule was kept. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Autocannon from "./Autocannon.ts"
import { judge, type Settings, settingsOf, summary } from "./Scenario.ts"
import * as Tool from "./Tool.ts"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const builtK6 = join(repository, ".tools", "bin", process.platform === "win32" ? "k6.exe" : "k6")
/** k6's own code for a broken threshold. */
const broken = 99

const main = async (): Promise<number> => {
  const settings = readSettings()
  await ensureGateway(settings)
  const tool = await ensureTool()
  return tool.name === "k6" ? runK6(tool.path, settings) : runAutocannon(settings)
}

/** k6's own names for the number of users and the duration count too, unless ours are set. */
const readSettings = (): Settings => {
  const { K6_DURATION, K6_VUS, ...env } = process.env
  try {
    return settingsOf({ ...env, DURATION: env["DURATION"] || K6_DURATION, VUS: env["VUS"] || K6_VUS })
  } catch (error) {
    throw new Tool.Refusal(`${error instanceof Error ? error.message : error}.`)
  }
}

const ensureGateway = async ({ baseUrl }: Settings) => {
  try {
    if ((await fetch(`${baseUrl}/health`, { signal: AbortSignal.timeout(5_000) })).ok) return
  } catch {
    // Reported below.
  }
  throw new Tool.Refusal(
    process.env["BASE_URL"]
      ? `No gateway answers at ${baseUrl}/health: start it, or set BASE_URL to one that runs.`
      : `No gateway answers at ${baseUrl}: run \`npm start\` in another terminal first, or set BASE_URL to one that runs.`
  )
}

const ensureTool = async () => {
  const { K6: k6, PATH: path = "" } = process.env
  const tool = Tool.choose({ k6, path, builtK6 })
  if (tool.name !== "go") return tool
  say(`k6 is not here: building k6 ${Tool.k6Version} with Go into .tools/bin, once. This takes some minutes.`)
  if (await Tool.build(tool.path, builtK6)) return { name: "k6", path: builtK6 } as const
  say("k6 could not be built.")
  return { name: "autocannon" } as const
}

/** k6 reads its own variables before the scenario's options and would replace them. */
const runK6 = (k6: string, { baseUrl, followSeconds, seconds, thinkSeconds, users }: Settings) => {
  const others = Object.entries(process.env).filter(([name]) => !replacesOptions.has(name))
  const env = {
    ...Object.fromEntries(others),
    BASE_URL: baseUrl,
    VUS: `${users}`,
    DURATION: `${seconds}s`,
    THINK: `${thinkSeconds}s`,
    FOLLOW: `${followSeconds}s`
  }
  const quiet = process.stdout.isTTY ? [] : ["--quiet"]
  say(`Running the load test with ${k6}.`)
  return Tool.run(
    k6,
    ["run", "--no-usage-report", ...quiet, ...process.argv.slice(2), "loadtest/create-bucket.ts"],
    env,
    repository
  )
}

const replacesOptions = new Set(["K6_VUS", "K6_DURATION", "K6_ITERATIONS", "K6_STAGES"])

const runAutocannon = async (settings: Settings) => {
  say("Running the load test with autocannon, because there is neither k6 nor Go to build it. The rules are the same.")
  const figures = await Autocannon.run(settings, say)
  say(summary("autocannon", settings, figures))
  return judge(figures, settings).every(({ isKept }) => isKept) ? 0 : broken
}

const say = (text: string) => process.stdout.write(`${text}\n`)

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Tool.Refusal)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
