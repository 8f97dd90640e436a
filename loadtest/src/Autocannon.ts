/** The scenario `create-bucket` without k6: the same rules, on autocannon's connections. */
import autocannon, { type Client } from "autocannon"
import { setTimeout as sleep } from "node:timers/promises"
import type { Values } from "./Rules.ts"
import type { Sample } from "./Samples.ts"
import {
  bucketName,
  courseOf,
  fieldsOf,
  firstPause,
  hasEnded,
  jobOf,
  notSeen,
  pause,
  type Request,
  routes,
  runId,
  type Settings,
  timeoutSeconds
} from "./Scenario.ts"

type RecordSample = (
  metric: string,
  value: number,
  tags?: Sample["data"]["tags"],
  metadata?: Sample["data"]["metadata"]
) => void

/** Runs the scenario; gives what k6 would have measured, and records its samples as k6 does. */
export const run = async (settings: Settings, onSample: (sample: Sample) => void): Promise<Values> => {
  const record: RecordSample = (metric, value, tags = {}, metadata = {}) =>
    onSample({ metric, data: { time: new Date().toISOString(), value, tags, metadata } })
  const asked = await ask(settings, record)
  const followed = await follow(asked.jobs, settings, record)
  const [count, failed] = [asked.count + followed.count, asked.failed + followed.failed]
  const [accepted, completed] = [asked.jobs.length, followed.jobTimes.length]
  return {
    "http_req_duration{request:create}": trendOf(asked.times),
    "http_req_duration{request:job}": trendOf(followed.times),
    http_req_failed: { rate: failed / count },
    checks: { rate: 1 - failed / count },
    jobs_accepted: { count: accepted },
    jobs_completed: { count: completed },
    jobs_outstanding: { count: accepted - completed },
    job_duration: trendOf(followed.jobTimes)
  }
}

const tagsOf = (request: Request, why: { readonly status?: number; readonly error?: string }) => ({
  request,
  name: routes[request],
  status: `${why.status ?? 0}`,
  error: why.error ?? ""
})

const signIn = ({ apiKey }: Settings): Readonly<Record<string, string>> =>
  apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }

/** Each of autocannon's connections is a user. */
const ask = (settings: Settings, record: RecordSample) => {
  const { baseUrl, seconds, thinkSeconds, users } = settings
  const run = runId(Date.now(), Math.random())
  const end = Date.now() + seconds * 1000
  const jobs: Array<string> = []
  const times: Array<number> = []
  let count = 0
  let answers = 0
  let startedUsers = 0

  // A connection of autocannon sends again as soon as it has an answer. A user thinks in between, and leaves at the end.
  const setupClient = (client: Client) => {
    const user = startedUsers++
    const send = client._doRequest.bind(client)
    let number = 0
    let isThinking = false
    client._doRequest = () => {
      // A connection that is lost meanwhile is made anew, and then asks to send again.
      if (isThinking) return
      isThinking = true
      const seconds = number === 0 ? firstPause(settings, Math.random()) : pause(thinkSeconds, Math.random())
      setTimeout(() => {
        isThinking = false
        if (Date.now() >= end) return client.destroy()
        count++
        client.setBody(JSON.stringify({ name: bucketName(run, user, number++) }))
        send()
      }, seconds * 1000)
    }
  }
  const onResponse = (status: number, body: string) => {
    answers++
    const job = jobOf(status, body)
    if (job === undefined) record("http_req_failed", 1, tagsOf("create", { status }))
    else jobs.push(job)
  }
  const url = new URL(`${baseUrl}/buckets`)

  return new Promise<Asked>((resolve, reject) => {
    const instance = autocannon({
      url: url.origin,
      connections: users,
      // Users leave by themselves; this only bounds the wait for the last of them.
      duration: seconds + 2 * (thinkSeconds + timeoutSeconds),
      timeout: timeoutSeconds + 2 * thinkSeconds,
      requests: [{
        method: "POST",
        path: url.pathname,
        headers: { "content-type": "application/json", ...signIn(settings) },
        body: "",
        onResponse
      }],
      setupClient
    }, (error) => {
      if (error !== null) return reject(error)
      for (let n = answers; n < count; n++) record("http_req_failed", 1, tagsOf("create", { error: "no answer" }))
      resolve({ jobs, times, count, failed: count - jobs.length })
    })
    instance.on("response", (_client, status, _bytes, millis) => {
      times.push(millis)
      record("http_req_duration", millis, tagsOf("create", { status }))
    })
  })
}

interface Asked {
  readonly jobs: ReadonlyArray<string>
  readonly times: ReadonlyArray<number>
  readonly count: number
  readonly failed: number
}

/** As many followers as users, each with its share of the jobs, oldest first. */
const follow = async (jobs: ReadonlyArray<string>, settings: Settings, record: RecordSample) => {
  const { baseUrl, followSeconds, lookSeconds, users } = settings
  const deadline = Date.now() + followSeconds * 1000
  const times: Array<number> = []
  const jobTimes: Array<number> = []
  let count = 0
  let failed = 0

  const look = async (job: string) => {
    const start = performance.now()
    const fail = (why: { readonly status?: number; readonly error?: string }) => {
      failed++
      record("http_req_failed", 1, tagsOf("job", why))
      return notSeen
    }
    count++
    try {
      const signal = AbortSignal.timeout(timeoutSeconds * 1000)
      const response = await fetch(`${baseUrl}/jobs/${job}`, { signal, headers: signIn(settings) })
      const { status } = response
      const body = await response.text()
      times.push(performance.now() - start)
      record("http_req_duration", performance.now() - start, tagsOf("job", { status }))
      return status === 200 ? courseOf(fieldsOf(body)) : fail({ status })
    } catch (error) {
      return fail({ error: error instanceof Error ? error.name : String(error) })
    }
  }
  const untilEnded = async (job: string) => {
    let course = notSeen
    do {
      if (Date.now() < deadline) await sleep(pause(lookSeconds, Math.random()) * 1000)
      const seen = await look(job)
      if (seen !== notSeen) course = seen
    } while (!hasEnded(course.status) && Date.now() < deadline)
    if (hasEnded(course.status)) record("job_duration", course.millis)
    if (course.status === "completed") jobTimes.push(course.millis)
    else record("jobs_not_completed", 1, { last_status: course.status, job_error: course.error ?? "" }, { job })
  }

  const next = jobs.values()
  await Promise.all(Array.from({ length: users }, async () => {
    for (const job of next) await untilEnded(job)
  }))
  return { times, jobTimes, count, failed }
}

const trendOf = (values: ReadonlyArray<number>) => {
  const sorted = values.toSorted((a, b) => a - b)
  return {
    med: percentile(sorted, 50),
    "p(95)": percentile(sorted, 95),
    "p(99)": percentile(sorted, 99),
    max: sorted.at(-1) ?? 0,
    count: sorted.length
  }
}

/** The smallest of the sorted values that so many percent of them do not exceed. */
export const percentile = (sorted: ReadonlyArray<number>, percent: number): number =>
  sorted[Math.max(1, Math.ceil(sorted.length * percent / 100)) - 1] ?? 0
