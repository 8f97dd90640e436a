/**
 * Requests for buckets come at their own pace, whether the gateway keeps up or not: few, then many at once, then few again.
 * For k6 0.57 and newer.
 */
import { sleep } from "k6"
import { courseOf, fieldsOf, hasEnded, settingsOf, spikeOf } from "./src/Scenario.ts"
import { actions, newRun, optionsOf, type Run, settle, summaryOf } from "./src/User.ts"

const settings = settingsOf(__ENV, "spike")
const { followSeconds, lookSeconds, users } = settings
const { create, follow, listJobs, ofRun } = actions(settings)
const { calm, stages } = spikeOf(settings)

export const options = optionsOf(settings, {
  executor: "ramping-arrival-rate",
  startRate: calm,
  timeUnit: "1s",
  stages,
  preAllocatedVUs: users,
  maxVUs: 10 * users
})
export const setup = newRun
export const handleSummary = summaryOf(settings)

export default function user(run: Run): void {
  create(run)
}

/** Who asked has gone: the lists show how the jobs end. The last job of all is followed first, as lists are a moment late. */
export const teardown = (run: Run): void => {
  const deadline = Date.now() + followSeconds * 1000
  const last = create(run)
  if (last !== undefined) follow(last.job, deadline)
  let jobs = jobsOf(run)
  const isOver = () => jobs.some((job) => job["job_id"] === last?.job) && jobs.every((job) => hasEnded(job["status"]))
  while (!isOver() && Date.now() < deadline) {
    sleep(lookSeconds)
    jobs = jobsOf(run)
  }
  for (const job of jobs) if (job["job_id"] !== last?.job) settle(String(job["job_id"]), courseOf(job))
}

/** All jobs of the run that the lists show. */
const jobsOf = (run: Run) => {
  const jobs: Array<Readonly<Record<string, unknown>>> = []
  for (let after: unknown = ""; after !== null && after !== undefined;) {
    const page = fieldsOf(listJobs(`${ofRun(run)}&limit=1000${after === "" ? "" : `&after=${after}`}`))
    if (Array.isArray(page["jobs"])) jobs.push(...page["jobs"])
    after = page["next"]
  }
  return jobs
}
