/** What a user of the gateway does, for k6: each action is a request, what it is expected to lead to, and what is counted. */
import { check, sleep } from "k6"
import exec from "k6/execution"
import http from "k6/http"
import { Counter, Trend } from "k6/metrics"
import type { Options } from "k6/options"
import { summaryOfValues } from "./Report.ts"
import { thresholdsOf, type Values } from "./Rules.ts"
import {
  bucketName,
  type Course,
  courseOf,
  courseOfEvents,
  eventsOf,
  fieldsOf,
  firstPause,
  hasEnded,
  jobOf,
  namePrefix,
  notSeen,
  pause,
  type Request,
  routes,
  runId,
  type Settings,
  timeoutSeconds
} from "./Scenario.ts"

const accepted = new Counter("jobs_accepted")
const completed = new Counter("jobs_completed")
const notCompleted = new Counter("jobs_not_completed")
const outstanding = new Counter("jobs_outstanding")
const jobDuration = new Trend("job_duration", true)

/** What all users of a run share. */
export interface Run {
  readonly id: string
}

/** k6's `setup`. */
export const newRun = (): Run => ({ id: runId(Date.now(), Math.random()) })

/** The options of every script, beside its scenario. */
export const optionsOf = (settings: Settings, scenario: NonNullable<Options["scenarios"]>[string]): Options => ({
  scenarios: { [settings.scenario]: scenario },
  thresholds: thresholdsOf(settings),
  summaryTrendStats: ["med", "p(95)", "p(99)", "max", "count"],
  // Of the tags that k6 adds by itself, those that tell why a request failed.
  systemTags: ["status", "error", "error_code", "name"],
  teardownTimeout: `${Math.ceil(settings.followSeconds + 3 * timeoutSeconds)}s`
})

/** Users who do the same again and again. What is under way at the end has the time to be followed. */
export const repeating = ({ followSeconds, seconds, thinkSeconds, users }: Settings) => ({
  executor: "constant-vus" as const,
  vus: users,
  duration: `${seconds}s`,
  gracefulStop: `${Math.ceil(1.5 * thinkSeconds + followSeconds + 3 * timeoutSeconds)}s`
})

/** The user who is asking: users share no memory, so this module is each one's own. */
let buckets = 0

/** Counts a job that nobody follows any longer. */
export const settle = (job: string, { error, millis, status }: Course): boolean => {
  if (hasEnded(status)) jobDuration.add(millis)
  if (status === "completed") {
    completed.add(1)
    outstanding.add(-1)
    return true
  }
  exec.vu.metrics.metadata["job"] = job
  notCompleted.add(1, { last_status: status, job_error: error ?? "" })
  delete exec.vu.metrics.metadata["job"]
  return false
}

/** How requests are sent. */
const requests = ({ apiKey, baseUrl }: Settings) => {
  const params = (request: Request, headers: Record<string, string> = {}) => ({
    headers: { ...headers, ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) },
    tags: { request, name: routes[request] },
    timeout: `${timeoutSeconds}s`
  })

  /** Gives the body of an answer with 200. To parse it takes k6 longer than to receive it, so only who needs it does. */
  const get = (request: Request, path: string): string | undefined => {
    const { body, status } = http.get(`${baseUrl}${path}`, params(request))
    const isFound = check(status, { [`${routes[request]} is answered with 200`]: (status) => status === 200 })
    return isFound ? String(body) : undefined
  }

  return { get, params }
}

/** What users can do. */
export const actions = (settings: Settings) => {
  const { baseUrl, followSeconds, lookSeconds, thinkSeconds } = settings

  const { get, params } = requests(settings)

  /** Asks for a new bucket; gives its name and job where it is accepted. */
  const create = (run: Run) => {
    const name = bucketName(run.id, exec.vu.idInTest, buckets++)
    const response = http.post(
      `${baseUrl}/buckets`,
      JSON.stringify({ name }),
      params("create", { "content-type": "application/json" })
    )
    const job = jobOf(response.status, response.body)
    check(response, { "POST /buckets is answered with 202 and a job_id": () => job !== undefined })
    if (job === undefined) return undefined
    accepted.add(1)
    outstanding.add(1)
    return { name, job }
  }

  const look = (job: string) => courseOf(fieldsOf(get("job", `/jobs/${job}`)))

  /** Looks at a job until it has ended or the time is over, once at least; gives whether it is completed. */
  const follow = (job: string, deadline = Date.now() + followSeconds * 1000): boolean => {
    let course = notSeen
    do {
      if (Date.now() < deadline) sleep(pause(lookSeconds, Math.random()))
      const seen = look(job)
      if (seen !== notSeen) course = seen
    } while (!hasEnded(course.status) && Date.now() < deadline)
    return settle(job, course)
  }

  /** Follows a job by its events; a stream that ends before the job is taken up again. Gives whether it is completed. */
  const followEvents = (job: string): boolean => {
    const deadline = Date.now() + followSeconds * 1000
    const events: Array<Readonly<Record<string, unknown>>> = []
    let course = notSeen
    while (!hasEnded(course.status) && Date.now() < deadline) {
      const last = events.at(-1)?.["sequence"]
      const response = http.get(`${baseUrl}/jobs/${job}/events`, {
        ...params("events", {
          accept: "text/event-stream",
          ...(last === undefined ? {} : { "last-event-id": String(last) })
        }),
        timeout: deadline - Date.now()
      })
      events.push(...eventsOf(response.body))
      course = courseOfEvents(events)
      const isAsExpected = check(response, {
        "the stream of a job ends with the job": ({ status }) => status === 200 && hasEnded(course.status)
      })
      if (!isAsExpected) sleep(pause(lookSeconds, Math.random()))
    }
    // Events of failures are not read here: the job says why.
    return settle(job, course.status === "completed" ? course : look(job))
  }

  return {
    create,
    follow,
    followEvents,
    listJobs: (query = "") => get("jobs", `/jobs${query}`),
    listBuckets: () => get("buckets", "/buckets"),
    readBucket: (name: string) => get("bucket", `/buckets/${name}`),
    /** Waits until the first request of this user. */
    arrive: () => sleep(firstPause(settings, Math.random())),
    think: () => sleep(pause(thinkSeconds, Math.random())),
    /** What the names of this run's buckets begin with, for lists. */
    ofRun: (run: Run) => `?prefix=${namePrefix(run.id)}`
  }
}

/** The part that is used here of what k6 hands over at the end. */
interface Summary {
  readonly metrics: Readonly<Record<string, { readonly values: Readonly<Record<string, number>> }>>
}

/** k6's `handleSummary`: the values as JSON for the program that runs k6, a report for a person who does. */
export const summaryOf = (settings: Settings) => ({ metrics }: Summary): Record<string, string> => {
  const values: Values = Object.fromEntries(Object.entries(metrics).map(([name, { values }]) => [name, values]))
  const file = __ENV["SUMMARY_FILE"]
  return file ? { [file]: JSON.stringify(values) } : { stdout: summaryOfValues("k6", settings, values) }
}
