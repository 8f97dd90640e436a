/**
 * `npm run bench [-- part… --rounds N --millis N --jobs N --executors N --results FOLDER --page]`: measures this machine, candidates side by side and
 * in turn. Prints tables, keeps the last rounds of each part in `test/bench/results/bench.json` and, with `--page`, writes the tables
 * of all parts into `docs/performance.md`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, type Scope } from "effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { Options } from "./Options.ts"
import * as Accept from "./parts/Accept.ts"
import * as Delivery from "./parts/Delivery.ts"
import * as Drain from "./parts/Drain.ts"
import * as Files from "./parts/Files.ts"
import * as Idle from "./parts/Idle.ts"
import * as Memory from "./parts/Memory.ts"
import * as Projection from "./parts/Projection.ts"
import * as Rebuild from "./parts/Rebuild.ts"
import * as Retention from "./parts/Retention.ts"
import * as Uploads from "./parts/Uploads.ts"
import * as Table from "./Table.ts"

type Run = (options: Options) => Effect.Effect<Table.Table, unknown, Scope.Scope>
const parts = {
  accept: Accept.run,
  drain: Drain.run,
  delivery: Delivery.run,
  projection: Projection.run,
  rebuild: Rebuild.run,
  retention: Retention.run,
  files: Files.run,
  uploads: Uploads.run,
  memory: Memory.run,
  idle: Idle.run
} satisfies Readonly<Record<string, Run>>
type Part = keyof typeof parts

const repository = join(import.meta.dirname, "../..")

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    millis: { type: "string", default: "3000" },
    jobs: { type: "string" },
    executors: { type: "string" },
    results: { type: "string", default: join(import.meta.dirname, "results") },
    page: { type: "boolean", default: false }
  }
})
const refuse = (sentence: string): never => {
  process.stderr.write(`${sentence}\n`)
  return process.exit(2)
}
const number = (name: "rounds" | "millis" | "jobs" | "executors") => {
  const text = values[name]
  if (text === undefined) return undefined
  const number = Number(text)
  return Number.isSafeInteger(number) && number > 0
    ? number
    : refuse(`--${name} takes a whole number from 1 on, not "${text}"`)
}
const isPart = (name: string): name is Part => name in parts
const chosen = positionals.length === 0
  ? Object.keys(parts) as ReadonlyArray<Part>
  : positionals.map((name) =>
    isPart(name) ? name : refuse(`There is no part ${name}: choose from ${Object.keys(parts).join(", ")}`)
  )
const options: Options = {
  rounds: number("rounds") ?? 1,
  millis: number("millis") ?? 1,
  jobs: number("jobs"),
  executors: number("executors")
}

const machine =
  `${cpus().length} cores of ${cpus()[0]?.model ?? "an unknown CPU"}, ${Math.round(totalmem() / 2 ** 30)} GB, `
  + `Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`

/** Where the tables stand on the page. */
const place = /(?<=<!-- measured -->\n)[^]*(?=<!-- end -->)/

/** What was measured of each part, and where. */
interface Measured {
  readonly machine: string
  readonly options: Options
  readonly table: Table.Table
}
const file = join(values.results, "bench.json")

/** The last results of all parts, these among them. */
const keep = (part: Part, measured: Measured): Readonly<Partial<Record<Part, Measured>>> => {
  mkdirSync(values.results, { recursive: true })
  const before = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
  const all = { ...before, [part]: measured }
  writeFileSync(file, `${JSON.stringify(all, undefined, 1)}\n`)
  return all
}

const program = Effect.gen(function*() {
  yield* Console.log(`${machine}\n`)
  let all: Readonly<Partial<Record<Part, Measured>>> = {}
  for (const part of chosen) {
    const run: Run = parts[part]
    const table = yield* Effect.scoped(run(options))
    all = keep(part, { machine, options, table })
    yield* Console.log(Table.toText(table))
  }
  if (!values.page) return
  const page = join(repository, "docs/performance.md")
  const sections = Object.values(all).map(({ machine, table }) => `${Table.toMarkdown(table)}\n\n${machine}.`)
  writeFileSync(page, readFileSync(page, "utf8").replace(place, () => `\n${sections.join("\n\n")}\n\n`))
})

NodeRuntime.runMain(program)
