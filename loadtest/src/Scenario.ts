/**
 * What users do in each scenario: how many, for how long, which requests, under which names. Shared by k6 and by its stand-in,
 * so it is pure and imports nothing: k6 is not Node.
 */

/** A scenario's name is its script's. */
export const scenarios = {
  "create-bucket": {
    says: "users ask for buckets, and then look at their jobs until they have ended",
    requests: ["create", "job"],
    seconds: 10
  },
  "follow-events": {
    says: "users ask for a bucket, and follow its job to the end by Server-Sent Events",
    requests: ["create", "events"],
    seconds: 30
  },
  mixed: {
    says: "users write and read: requests for buckets, jobs, lists of jobs and buckets, buckets by name",
    requests: ["create", "job", "jobs", "buckets", "bucket"],
    seconds: 30
  },
  spike: {
    says: "requests for buckets come at a tenth of the rate, at once at the whole of it, and at a tenth again",
    requests: ["create", "job", "jobs"],
    seconds: 30
  },
  soak: {
    says: "users write, read and follow for a long time",
    requests: ["create", "job", "events", "jobs", "buckets", "bucket"],
    seconds: 600
  }
} as const satisfies Readonly<
  Record<string, { readonly says: string; readonly requests: ReadonlyArray<Request>; readonly seconds: number }>
>

/** The name of a scenario. */
export type Scenario = keyof typeof scenarios

/** Whether there is a scenario of this name. */
export const isScenario = (name: string): name is Scenario => Object.hasOwn(scenarios, name)

/** The kinds of requests, each with its route. */
export const routes = {
  create: "POST /buckets",
  job: "GET /jobs/{job_id}",
  jobs: "GET /jobs",
  events: "GET /jobs/{job_id}/events",
  buckets: "GET /buckets",
  bucket: "GET /buckets/{name}"
} as const

/** A kind of request. */
export type Request = keyof typeof routes

/** What a run is told. */
export interface Settings {
  readonly scenario: Scenario
  /** The gateway, without a slash at the end. */
  readonly baseUrl: string
  /** The secret of a key, for a gateway that has accounts. */
  readonly apiKey: string | undefined
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

/** Where `npm start` has its gateway. */
export const standardBaseUrl = "http://127.0.0.1:8000"

/** Reads BASE_URL, API_KEY, VUS, DURATION, THINK and FOLLOW; those that are missing or empty have their standard value. */
export const settingsOf = (env: Readonly<Record<string, string | undefined>>, scenario: Scenario): Settings => ({
  scenario,
  baseUrl: (env["BASE_URL"] || standardBaseUrl).replace(/\/+$/, ""),
  apiKey: env["API_KEY"] || undefined,
  users: usersOf(env["VUS"] || "100"),
  seconds: secondsOf("DURATION", env["DURATION"] || `${scenarios[scenario].seconds}`, 1),
  thinkSeconds: secondsOf("THINK", env["THINK"] || "1s", 0),
  followSeconds: secondsOf("FOLLOW", env["FOLLOW"] || "120s", 1),
  lookSeconds: 0.5
})

/** The variables that {@link settingsOf} reads the same settings from. */
export const variablesOf = (settings: Settings): Readonly<Record<string, string>> => ({
  BASE_URL: settings.baseUrl,
  ...(settings.apiKey === undefined ? {} : { API_KEY: settings.apiKey }),
  VUS: `${settings.users}`,
  DURATION: `${settings.seconds}s`,
  THINK: `${settings.thinkSeconds}s`,
  FOLLOW: `${settings.followSeconds}s`
})

const usersOf = (text: string): number => {
  const users = Number(text)
  if (!Number.isInteger(users) || users < 1 || users > 10_000) {
    throw new Error(`VUS is "${text}", but must be a whole number from 1 to 10000`)
  }
  return users
}

const unitSeconds: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, "": 1 }

/** One number with one unit; without a unit it means seconds. */
const secondsOf = (name: string, text: string, minimum: number): number => {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text.trim()) ?? []
  const seconds = Number(digits) * (unitSeconds[unit] ?? Number.NaN)
  if (seconds >= minimum && seconds <= 72 * 3600) return seconds
  throw new Error(`${name} is "${text}", but must be a time from ${minimum}s to 72h, such as 500ms, 10s, 2m or 1h`)
}

/** Distinguishes one run from all others, so that each may ask for new buckets on a chain that keeps the old ones. */
export const runId = (now: number, random: number): string =>
  now.toString(36) + Math.floor(random * 36 ** 4).toString(36).padStart(4, "0")

/** What the names of all buckets of a run begin with. */
export const namePrefix = (run: string): string => `load-${run}-`

/** Different for every run, user and number, and valid by the rules for bucket names. */
export const bucketName = (run: string, user: number, number: number): string => `${namePrefix(run)}${user}-${number}`

/** Seconds until the first request: users come one by one within the first think time, not in step. */
export const firstPause = ({ seconds, thinkSeconds }: Settings, random: number): number =>
  Math.min(thinkSeconds, seconds / 2) * random

/** Seconds from half to one and a half times as long as the average. */
export const pause = (averageSeconds: number, random: number): number => averageSeconds * (0.5 + random)

/** No answer within this time is a failed request. */
export const timeoutSeconds = 10

/** Requests per second, and for how many seconds they change to that, of a spike: a tenth of the users, all of them, a tenth. */
export const spikeOf = ({ seconds, users }: Settings) => {
  const calm = Math.max(1, Math.round(users / 10))
  const stages = [[calm, 0.3], [users, 0.05], [users, 0.25], [calm, 0.05], [calm, 0.35]] as const
  return {
    calm,
    stages: stages.map(([target, share]) => ({ target, duration: `${Math.round(seconds * share * 1000)}ms` }))
  }
}

/** What a job or an event of JSON holds; nothing where the text is not an object of JSON. */
export const fieldsOf = (body: unknown): Readonly<Record<string, unknown>> => {
  try {
    return Object(JSON.parse(String(body)))
  } catch {
    return {}
  }
}

/** The job of an answer that accepts a request. */
export const jobOf = (status: number, body: unknown): string | undefined => {
  const job = status === 202 ? fieldsOf(body)["job_id"] : undefined
  return typeof job === "string" && job !== "" ? job : undefined
}

/** Whether a job never leaves this status. */
export const hasEnded = (status: unknown): boolean =>
  status === "completed" || status === "failed" || status === "cancelled"

/** What is known of a job's course. */
export interface Course {
  /** Its last status, or that nobody saw one. */
  readonly status: string
  /** The code of its error, if it has one. */
  readonly error: string | undefined
  /** From its request to its last event. */
  readonly millis: number
}

/** The course of a job of which nothing is known. */
export const notSeen: Course = { status: "not seen", error: undefined, millis: 0 }

/** The course of a job as `GET /jobs/{job_id}` reports it. */
export const courseOf = (job: Readonly<Record<string, unknown>>): Course =>
  typeof job["status"] === "string"
    ? {
      status: job["status"],
      error: Object(job["error"])["code"],
      millis: millisBetween(job["created_at"], job["updated_at"])
    }
    : notSeen

const millisBetween = (start: unknown, end: unknown) => Date.parse(String(end)) - Date.parse(String(start))

/** The CloudEvents of a stream of Server-Sent Events. */
export const eventsOf = (stream: unknown): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  Array.from(String(stream).matchAll(/^data: (.*)$/gm), ([, data]) => fieldsOf(data))

const statusAfter: Readonly<Record<string, string>> = {
  BucketRequested: "queued",
  BucketCreated: "completed",
  BucketFailed: "failed",
  BucketCancelled: "cancelled"
}

/** The course of a bucket's creation by its events so far. */
export const courseOfEvents = (events: ReadonlyArray<Readonly<Record<string, unknown>>>): Course => {
  const [first, last] = [events[0], events.at(-1)]
  if (first === undefined || last === undefined) return notSeen
  const [, name = ""] = /^akave\.(\w+)\.v\d+$/.exec(String(last["type"])) ?? []
  return {
    status: statusAfter[name] ?? "processing",
    error: undefined,
    millis: millisBetween(first["time"], last["time"])
  }
}
