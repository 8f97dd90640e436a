/**
 * Many users ask for buckets at once, each then follows its jobs until they have ended. For k6 0.57 and newer:
 * `k6 run loadtest/create-bucket.ts`, with BASE_URL, VUS, DURATION, THINK and FOLLOW as in `src/Scenario.ts`.
 */
import { check, sleep } from "k6"
import exec from "k6/execution"
import http from "k6/http"
import { Counter, Trend } from "k6/metrics"
import type { Options } from "k6/options"
import {
  answerMillis,
  bucketName,
  firstPause,
  hasEnded,
  pause,
  runId,
  settingsOf,
  summary,
  timeoutSeconds
} from "./src/Scenario.ts"

const settings = settingsOf(__ENV)
const { baseUrl, followSeconds, lookSeconds, seconds, thinkSeconds, users } = settings

const accepted = new Counter("jobs_accepted")
const completed = new Counter("jobs_completed")
const notCompleted = new Counter("jobs_not_completed")
const jobDuration = new Trend("job_duration", true)

// Users share no memory, so each one follows its own jobs: asking and following are one iteration, made once.
const maxSeconds = Math.ceil(seconds + 1.5 * thinkSeconds + followSeconds + 3 * timeoutSeconds)

export const options: Options = {
  scenarios: {
    users: {
      executor: "per-vu-iterations",
      vus: users,
      iterations: 1,
      maxDuration: `${maxSeconds}s`,
      gracefulStop: "0s"
    }
  },
  thresholds: {
    http_req_duration: [`p(95)<${answerMillis}`],
    "http_req_duration{request:create}": [`p(95)<${answerMillis}`],
    // Counts the requests for a bucket; a metric is reported at the end only if a threshold names it.
    "http_reqs{request:create}": ["count>0"],
    http_req_failed: ["rate==0"],
    checks: ["rate==1"],
    jobs_accepted: ["count>0"],
    jobs_not_completed: ["count==0"],
    // A user who was cut off has jobs that nobody followed.
    iterations: [`count==${users}`]
  },
  summaryTrendStats: ["med", "p(95)", "max"]
}

const timeout = `${timeoutSeconds}s`
const createRequest = {
  headers: { "content-type": "application/json" },
  tags: { request: "create", name: "POST /buckets" },
  timeout
}
const jobRequest = { tags: { request: "job", name: "GET /jobs/{job_id}" }, timeout }

interface Run {
  readonly id: string
}

export const setup = (): Run => ({ id: runId(Date.now(), Math.random()) })

export default function user(run: Run): void {
  const end = exec.scenario.startTime + seconds * 1000
  const jobs: Array<string> = []
  sleep(firstPause(settings, Math.random()))
  for (let number = 0; Date.now() < end; number++) {
    const name = bucketName(run.id, exec.vu.idInTest, number)
    const response = http.post(`${baseUrl}/buckets`, JSON.stringify({ name }), createRequest)
    const job = response.status === 202 ? response.json("job_id") : undefined
    check(response, { "accepted (202) with a job_id": () => typeof job === "string" && job !== "" })
    if (typeof job === "string") {
      jobs.push(job)
      accepted.add(1)
    }
    sleep(pause(thinkSeconds, Math.random()))
  }
  follow(jobs)
}

/** Oldest first: jobs end about in the order they were accepted, so most of the later ones need only one look. */
const follow = (jobs: ReadonlyArray<string>) => {
  const deadline = Date.now() + followSeconds * 1000
  notCompleted.add(0)
  for (const job of jobs) {
    const status = statusAtEnd(job, deadline)
    if (status === "completed") completed.add(1)
    else {
      notCompleted.add(1)
      console.warn(`job ${job} is not completed: ${status}`)
    }
  }
}

/** The job's status when it ended, or the last that was seen when there is no more time to wait. */
const statusAtEnd = (job: string, deadline: number) => {
  let status: unknown = "not seen"
  while (Date.now() < deadline) {
    sleep(pause(lookSeconds, Math.random()))
    const response = http.get(`${baseUrl}/jobs/${job}`, jobRequest)
    if (check(response, { "job is reported (200)": ({ status }) => status === 200 })) {
      status = response.json("status")
      if (hasEnded(status)) {
        jobDuration.add(millisOf(response.json("updated_at")) - millisOf(response.json("created_at")))
        return status
      }
    }
  }
  return status
}

const millisOf = (time: unknown) => Date.parse(String(time))

/** The part that is used here of what k6 hands over at the end. */
interface Summary {
  readonly metrics: Readonly<Record<string, { readonly values: Readonly<Record<string, number>> } | undefined>>
}

export const handleSummary = ({ metrics }: Summary): Record<string, string> => {
  const value = (metric: string, key: string) => metrics[metric]?.values[key] ?? 0
  const times = (metric: string) => ({
    median: value(metric, "med"),
    p95: value(metric, "p(95)"),
    max: value(metric, "max")
  })
  return {
    stdout: summary("k6", settings, {
      asked: value("http_reqs{request:create}", "count"),
      accepted: value("jobs_accepted", "count"),
      askTimes: times("http_req_duration{request:create}"),
      allTimes: times("http_req_duration"),
      // An answer with another status fails as a request and as a check; one without a job_id fails the check alone.
      failedRequests: value("checks", "fails"),
      completed: value("jobs_completed", "count"),
      notCompleted: value("jobs_not_completed", "count"),
      jobTimes: times("job_duration"),
      finishedUsers: value("iterations", "count")
    })
  }
}
