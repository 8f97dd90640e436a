/** The load test without k6: the same rules, on autocannon's connections. */
import autocannon, { type Client } from "autocannon"
import { setTimeout as sleep } from "node:timers/promises"
import {
  bucketName,
  type Figures,
  firstPause,
  hasEnded,
  pause,
  runId,
  type Settings,
  timeoutSeconds,
  type Times
} from "./Scenario.ts"

export const run = async (settings: Settings, report: (line: string) => void): Promise<Figures> => {
  const asked = await ask(settings)
  const followed = await follow(asked.jobs, settings, report)
  return {
    asked: asked.count,
    accepted: asked.jobs.length,
    askTimes: timesOf(asked.times),
    allTimes: timesOf([...asked.times, ...followed.times]),
    failedRequests: asked.count - asked.jobs.length + followed.failed,
    completed: followed.jobTimes.length,
    notCompleted: asked.jobs.length - followed.jobTimes.length,
    jobTimes: timesOf(followed.jobTimes),
    finishedUsers: asked.finishedUsers
  }
}

/** Each of autocannon's connections is a user. */
const ask = (settings: Settings) => {
  const { baseUrl, seconds, thinkSeconds, users } = settings
  const run = runId(Date.now(), Math.random())
  const end = Date.now() + seconds * 1000
  const jobs: Array<string> = []
  const times: Array<number> = []
  let count = 0
  let startedUsers = 0
  let finishedUsers = 0

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
        if (Date.now() >= end) {
          finishedUsers++
          return client.destroy()
        }
        count++
        client.setBody(JSON.stringify({ name: bucketName(run, user, number++) }))
        send()
      }, seconds * 1000)
    }
  }
  const onResponse = (status: number, body: string) => {
    const job = status === 202 ? jobOf(body) : undefined
    if (job !== undefined) jobs.push(job)
  }
  const url = new URL(`${baseUrl}/buckets`)

  return new Promise<{
    readonly jobs: ReadonlyArray<string>
    readonly times: ReadonlyArray<number>
    readonly count: number
    readonly finishedUsers: number
  }>((resolve, reject) => {
    const instance = autocannon({
      url: url.origin,
      connections: users,
      // Users leave by themselves; this only bounds the wait for the last of them.
      duration: seconds + 2 * (thinkSeconds + timeoutSeconds),
      timeout: timeoutSeconds + 2 * thinkSeconds,
      requests: [{
        method: "POST",
        path: url.pathname,
        headers: { "content-type": "application/json" },
        body: "",
        onResponse
      }],
      setupClient
    }, (error) => error === null ? resolve({ jobs, times, count, finishedUsers }) : reject(error))
    instance.on("response", (_client, _status, _bytes, millis) => {
      times.push(millis)
    })
  })
}

const jobOf = (body: string): string | undefined => {
  const job = fieldsOf(body)["job_id"]
  return typeof job === "string" && job !== "" ? job : undefined
}

const fieldsOf = (body: string): Readonly<Record<string, unknown>> => {
  try {
    return Object(JSON.parse(body))
  } catch {
    return {}
  }
}

/** As many followers as users, each with its share of the jobs, oldest first. */
const follow = async (jobs: ReadonlyArray<string>, settings: Settings, report: (line: string) => void) => {
  const { baseUrl, followSeconds, lookSeconds, users } = settings
  const deadline = Date.now() + followSeconds * 1000
  const times: Array<number> = []
  const jobTimes: Array<number> = []
  let failed = 0

  const look = async (job: string) => {
    const start = performance.now()
    try {
      const signal = AbortSignal.timeout(timeoutSeconds * 1000)
      const response = await fetch(`${baseUrl}/jobs/${job}`, { signal })
      const body = await response.text()
      times.push(performance.now() - start)
      if (response.status === 200) return fieldsOf(body)
    } catch {
      // Counted below, as an answer that was not expected is.
    }
    failed++
    return {}
  }
  const untilEnded = async (job: string) => {
    let status: unknown = "not seen"
    while (Date.now() < deadline) {
      await sleep(pause(lookSeconds, Math.random()) * 1000)
      const found = await look(job)
      status = found["status"] ?? status
      if (status === "completed") {
        jobTimes.push(Date.parse(String(found["updated_at"])) - Date.parse(String(found["created_at"])))
        return
      }
      if (hasEnded(status)) break
    }
    report(`job ${job} is not completed: ${status}`)
  }

  const next = jobs.values()
  await Promise.all(Array.from({ length: users }, async () => {
    for (const job of next) await untilEnded(job)
  }))
  return { times, jobTimes, failed }
}

const timesOf = (values: ReadonlyArray<number>): Times => {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: percentile(sorted, 50), p95: percentile(sorted, 95), max: sorted.at(-1) ?? 0 }
}

/** The smallest of the sorted values that so many percent of them do not exceed. */
export const percentile = (sorted: ReadonlyArray<number>, percent: number): number =>
  sorted[Math.max(1, Math.ceil(sorted.length * percent / 100)) - 1] ?? 0
