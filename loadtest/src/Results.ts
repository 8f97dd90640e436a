/** What is kept of a run: the same as text, as JSON and as a page. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pageOf, type Results } from "./Page.ts"
import { jobsOf, summaryOfValues, titleOf, type Troubles } from "./Report.ts"
import { judge, type Values } from "./Rules.ts"
import type { Samples } from "./Samples.ts"
import type { Settings } from "./Scenario.ts"

/** Writes the results of a run into a folder, under the scenario's name and the time; gives the report and the page's file. */
export const write = (
  folder: string,
  run: {
    readonly tool: string
    readonly settings: Settings
    readonly startedAt: Date
    readonly values: Values
    readonly samples: Samples
  }
) => {
  const { samples, startedAt, tool, values } = run
  const settings = { ...run.settings, apiKey: undefined }
  const troubles = troublesOf(values, samples)
  const results: Results = {
    title: titleOf(tool, settings),
    startedAt: startedAt.toISOString(),
    settings,
    verdicts: judge(values, settings),
    values,
    series: samples.series(),
    jobBars: samples.jobBars(),
    troubles
  }
  const text = summaryOfValues(tool, settings, values, troubles)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${settings.scenario}-${startedAt.toISOString().replaceAll(/[:.]/g, "-")}`)
  writeFileSync(`${file}.txt`, text)
  writeFileSync(`${file}.json`, `${JSON.stringify(results, undefined, 2)}\n`)
  writeFileSync(`${file}.html`, pageOf(results))
  return { text, page: `${file}.html`, isKept: results.verdicts.every(({ isKept }) => isKept) }
}

/** What is not as wanted, the jobs that nobody followed to their end included. */
const troublesOf = (values: Values, samples: Samples): Troubles => {
  const { jobs, requests } = samples.troubles()
  const left = jobsOf(values).outstanding - jobs.reduce((sum, { count }) => sum + count, 0)
  return { requests, jobs: left > 0 ? [...jobs, { what: "not followed to the end", count: left, examples: [] }] : jobs }
}
