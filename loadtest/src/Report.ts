/** The report of a run as text. Pure, for k6 and Node. */
import { answerMetric, judge, type Values, type Verdict } from "./Rules.ts"
import { routes, scenarios, type Settings } from "./Scenario.ts"

/** Things of one kind that are not as wanted. */
export interface Group {
  readonly what: string
  readonly count: number
  /** The ids of the first few. */
  readonly examples: ReadonlyArray<string>
}

/** What is not as wanted, by kind, the most frequent first. */
export interface Troubles {
  readonly requests: ReadonlyArray<Group>
  readonly jobs: ReadonlyArray<Group>
}

/** What was run, in a few words. */
export const titleOf = (tool: string, { baseUrl, scenario, seconds, thinkSeconds, users }: Settings): string => {
  const load = scenario === "spike"
    ? `up to ${users} requests per second for ${seconds} s`
    : `${users} users for ${seconds} s, thinking ${thinkSeconds} s between requests`
  return `${scenario} at ${baseUrl} by ${tool}: ${load}`
}

/** How the requests of a kind went, in k6's statistics. */
export const requestsOf = ({ scenario }: Settings, values: Values) =>
  scenarios[scenario].requests.map((request) => {
    const times = values[answerMetric(request)] ?? {}
    return { route: routes[request], count: times["count"] ?? 0, times }
  })

/** A time in milliseconds or seconds. */
export const timeText = (millis: number): string =>
  millis < 1000 ? `${millis.toFixed(1)} ms` : `${(millis / 1000).toFixed(2)} s`

/** The statistics of times that are reported, by their names in k6. */
export const statistics = { med: "median", "p(95)": "p95", "p(99)": "p99", max: "longest" } as const

const timesText = (times: Readonly<Record<string, number>>) =>
  Object.entries(statistics).map(([key, name]) => `${name} ${timeText(times[key] ?? 0)}`).join(", ")

/** What was measured of a rule. */
export const measuredText = ({ metric, value }: Verdict): string =>
  /duration|waiting/.test(metric) ? timeText(value) : `${Number(value.toFixed(4))}`

/** Numbers of jobs that were accepted, and how they ended. */
export const jobsOf = (values: Values) => ({
  accepted: values["jobs_accepted"]?.["count"] ?? 0,
  completed: values["jobs_completed"]?.["count"] ?? 0,
  outstanding: values["jobs_outstanding"]?.["count"] ?? 0,
  times: values["job_duration"] ?? {}
})

/** The report; `troubles` are known where the samples of the run are. */
export const summaryOfValues = (
  tool: string,
  settings: Settings,
  values: Values,
  troubles: Troubles = { requests: [], jobs: [] }
): string => {
  const verdicts = judge(values, settings)
  const jobs = jobsOf(values)
  const lines = [
    "",
    `Load test: ${titleOf(tool, settings)}`,
    "",
    ...requestsOf(settings, values).map(({ count, route, times }) =>
      `  ${route.padEnd(27)} ${`${count}`.padStart(6)} answered; ${timesText(times)}`
    ),
    `  ${"jobs".padEnd(27)} ${`${jobs.accepted}`.padStart(6)} accepted (${
      (jobs.accepted / settings.seconds).toFixed(1)
    } per second), ${jobs.completed} completed, ${jobs.outstanding} not`,
    `  ${"from request to end".padEnd(27)} ${`${jobs.times["count"] ?? 0}`.padStart(6)} ended; ${
      timesText(jobs.times)
    }`,
    "",
    ...verdicts.map((verdict) =>
      `  ${verdict.isKept ? "kept  " : "BROKEN"}  ${verdict.says}${verdict.isKept ? "" : `: ${measuredText(verdict)}`}`
    ),
    ...groupsText("Requests that failed", troubles.requests),
    ...groupsText("Jobs that are not completed", troubles.jobs),
    "",
    verdicts.every(({ isKept }) => isKept) ? "Every rule was kept." : "Not every rule was kept.",
    ""
  ]
  return lines.join("\n")
}

const groupsText = (title: string, groups: ReadonlyArray<Group>) =>
  groups.length === 0
    ? []
    : ["", `  ${title}:`, ...groups.map((group) => `  ${`${group.count}`.padStart(6)}  ${groupText(group)}`)]

const groupText = ({ examples, what }: Group) =>
  examples.length === 0 ? what : `${what}, such as ${examples.join(", ")}`
