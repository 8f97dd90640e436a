/** What must hold of a run, and whether it does. Pure, for k6 and Node. */
import { type Request, routes, scenarios, type Settings } from "./Scenario.ts"

/** What a run measured: numbers by k6's names for metrics and their statistics, such as `http_reqs` and `count`. */
export type Values = Readonly<Record<string, Readonly<Record<string, number>> | undefined>>

/** A bound on one statistic of one metric. */
export interface Rule {
  readonly says: string
  readonly metric: string
  readonly statistic: string
  readonly is: "<" | ">" | "=="
  readonly bound: number
}

/** A rule, and what was measured of it. */
export interface Verdict extends Rule {
  readonly value: number
  readonly isKept: boolean
}

/** The 95th percentile of the time to answer must stay below this, in milliseconds. */
export const answerMillis = 200

/** The metric of the time to answer. A stream of events is answered when it begins. */
export const answerMetric = (request: Request): string =>
  `${request === "events" ? "http_req_waiting" : "http_req_duration"}{request:${request}}`

/** The rules of a scenario. */
export const rulesOf = ({ scenario }: Settings): ReadonlyArray<Rule> => [
  ...scenarios[scenario].requests.map((request): Rule => ({
    says: `95 of 100 ${routes[request]} are answered in less than ${answerMillis} ms`,
    metric: answerMetric(request),
    statistic: "p(95)",
    is: "<",
    bound: answerMillis
  })),
  { says: "no request fails", metric: "http_req_failed", statistic: "rate", is: "==", bound: 0 },
  { says: "every answer is as expected", metric: "checks", statistic: "rate", is: "==", bound: 1 },
  { says: "at least one job is accepted", metric: "jobs_accepted", statistic: "count", is: ">", bound: 0 },
  // Counts up when a job is accepted and down when it is seen to be completed: so no user who was cut off is forgotten.
  { says: "every accepted job is completed", metric: "jobs_outstanding", statistic: "count", is: "==", bound: 0 },
  ...(scenario === "spike"
    ? [
      {
        says: "no arrival is left out",
        metric: "dropped_iterations",
        statistic: "count",
        is: "==",
        bound: 0
      } as const
    ]
    : [])
]

/** The rules as k6's thresholds. */
export const thresholdsOf = (settings: Settings): Record<string, Array<string>> =>
  Object.fromEntries(
    rulesOf(settings).map(({ bound, is, metric, statistic }) => [metric, [`${statistic}${is}${bound}`]])
  )

/** Judges what was measured; what was not measured is 0. */
export const judge = (values: Values, settings: Settings): ReadonlyArray<Verdict> =>
  rulesOf(settings).map((rule) => {
    const { bound, is } = rule
    const value = values[rule.metric]?.[rule.statistic] ?? 0
    return { ...rule, value, isKept: is === "<" ? value < bound : is === ">" ? value > bound : value === bound }
  })
