/**
 * The rules of the load test: what users do, what must hold, how it is reported. Shared by k6 and by its stand-in, so it is
 * pure and imports nothing: k6 is not Node.
 */

export interface Settings {
  /** The gateway, without a slash at the end. */
  readonly baseUrl: string
  readonly users: number
  /** For so long users ask for buckets. */
  readonly seconds: number
  /** What a user waits between two requests, on average. */
  readonly thinkSeconds: number
  /** How long a user waits at most, after the last request, for the jobs to end. */
  readonly followSeconds: number
  /** What a user waits before each look at a job, on average. */
  readonly lookSeconds: number
}

export const standardBaseUrl = "http://127.0.0.1:8000"

/** Reads BASE_URL, VUS, DURATION, THINK and FOLLOW; those that are missing or empty have their standard value. */
export const settingsOf = (env: Readonly<Record<string, string | undefined>>): Settings => ({
  baseUrl: (env["BASE_URL"] || standardBaseUrl).replace(/\/+$/, ""),
  users: usersOf(env["VUS"] || "100"),
  seconds: secondsOf("DURATION", env["DURATION"] || "10s", 1),
  thinkSeconds: secondsOf("THINK", env["THINK"] || "1s", 0),
  followSeconds: secondsOf("FOLLOW", env["FOLLOW"] || "120s", 1),
  lookSeconds: 0.5
})

const usersOf = (text: string): number => {
  const users = Number(text)
  if (!Number.isInteger(users) || users < 1 || users > 10_000) {
    throw new Error(`VUS is "${text}", but must be a whole number from 1 to 10000`)
  }
  return users
}

const unitSeconds: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, "": 1 }

/** One number with one unit; without a unit it means seconds. */
const secondsOf = (name: string, text: string, minimum: number): number => {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(text.trim()) ?? []
  const seconds = Number(digits) * (unitSeconds[unit] ?? Number.NaN)
  if (seconds >= minimum && seconds <= 3600) return seconds
  throw new Error(`${name} is "${text}", but must be a time from ${minimum}s to 60m, such as 500ms, 10s or 2m`)
}

/** Distinguishes one run from all others, so that each may ask for new buckets on a chain that keeps the old ones. */
export const runId = (now: number, random: number): string =>
  now.toString(36) + Math.floor(random * 36 ** 4).toString(36).padStart(4, "0")

/** Different for every run, user and number, and valid by the rules for bucket names. */
export const bucketName = (run: string, user: number, number: number): string => `load-${run}-${user}-${number}`

/** Seconds until the first request: users come one by one within the first think time, not in step. */
export const firstPause = ({ seconds, thinkSeconds }: Settings, random: number): number =>
  Math.min(thinkSeconds, seconds / 2) * random

/** Seconds from half to one and a half times as long as the average. */
export const pause = (averageSeconds: number, random: number): number => averageSeconds * (0.5 + random)

/** No answer within this time is a failed request. */
export const timeoutSeconds = 10

export const hasEnded = (status: unknown): boolean =>
  status === "completed" || status === "failed" || status === "cancelled"

/** The 95th percentile of the time to answer must stay below this. */
export const answerMillis = 200

export interface Times {
  readonly median: number
  readonly p95: number
  readonly max: number
}

/** What a run measured; times are in milliseconds, and 0 where there is nothing to measure. */
export interface Figures {
  readonly asked: number
  readonly accepted: number
  readonly askTimes: Times
  /** Of every request, the ones that look at jobs included. */
  readonly allTimes: Times
  /** Requests without an answer or with another one than expected. */
  readonly failedRequests: number
  readonly completed: number
  readonly notCompleted: number
  /** From the request to the bucket on chain. */
  readonly jobTimes: Times
  /** Users who came to the end of what they had to do. */
  readonly finishedUsers: number
}

export interface Verdict {
  readonly rule: string
  readonly isKept: boolean
}

export const judge = (figures: Figures, { users }: Settings): ReadonlyArray<Verdict> => [
  {
    rule: `95 of 100 requests for a bucket are answered in less than ${answerMillis} ms`,
    isKept: figures.askTimes.p95 < answerMillis
  },
  {
    rule: `95 of 100 requests of all kinds are answered in less than ${answerMillis} ms`,
    isKept: figures.allTimes.p95 < answerMillis
  },
  { rule: "every request is answered as expected", isKept: figures.failedRequests === 0 },
  { rule: "at least one job is accepted", isKept: figures.accepted > 0 },
  { rule: "every accepted job is completed", isKept: figures.notCompleted === 0 },
  { rule: "every user comes to the end", isKept: figures.finishedUsers === users }
]

export const summary = (tool: string, settings: Settings, figures: Figures): string => {
  const { accepted, asked, completed, failedRequests, notCompleted } = figures
  const { baseUrl, seconds, thinkSeconds, users } = settings
  const verdicts = judge(figures, settings)
  const lines = [
    "",
    `Load test of ${baseUrl} by ${tool}: ${users} users for ${seconds} s, thinking ${thinkSeconds} s between requests`,
    "",
    `  requests for a bucket   ${asked} (${(asked / seconds).toFixed(1)} per second), ${accepted} accepted`,
    `  time to answer them     ${timesText(figures.askTimes)}`,
    `  all requests            ${timesText(figures.allTimes)}; ${failedRequests} failed`,
    `  jobs                    ${completed} completed, ${notCompleted} not`,
    `  request to bucket       ${timesText(figures.jobTimes)}`,
    "",
    ...verdicts.map(({ isKept, rule }) => `  ${isKept ? "kept  " : "BROKEN"}  ${rule}`),
    "",
    verdicts.every(({ isKept }) => isKept) ? "Every rule was kept." : "Not every rule was kept.",
    ""
  ]
  return lines.join("\n")
}

const timesText = ({ max, median, p95 }: Times) =>
  `median ${millisText(median)}, p95 ${millisText(p95)}, longest ${millisText(max)}`

const millisText = (millis: number) => millis < 1000 ? `${millis.toFixed(1)} ms` : `${(millis / 1000).toFixed(2)} s`
