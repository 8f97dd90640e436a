/** Many users ask for buckets at once, each then looks at its jobs until they have ended. For k6 0.57 and newer. */
import exec from "k6/execution"
import { settingsOf, timeoutSeconds } from "./src/Scenario.ts"
import { actions, newRun, optionsOf, type Run, summaryOf } from "./src/User.ts"

const settings = settingsOf(__ENV, "create-bucket")
const { followSeconds, seconds, thinkSeconds, users } = settings
const { arrive, create, follow, think } = actions(settings)

// Users share no memory, so each one follows its own jobs: asking and following are one iteration, made once.
export const options = optionsOf(settings, {
  executor: "per-vu-iterations",
  vus: users,
  iterations: 1,
  maxDuration: `${Math.ceil(seconds + 1.5 * thinkSeconds + followSeconds + 3 * timeoutSeconds)}s`,
  gracefulStop: "0s"
})
export const setup = newRun
export const handleSummary = summaryOf(settings)

export default function user(run: Run): void {
  const end = exec.scenario.startTime + seconds * 1000
  const jobs: Array<string> = []
  arrive()
  while (Date.now() < end) {
    const created = create(run)
    if (created !== undefined) jobs.push(created.job)
    think()
  }
  // Oldest first: jobs end about in the order they were accepted, so most of the later ones need only one look.
  const deadline = Date.now() + followSeconds * 1000
  for (const job of jobs) follow(job, deadline)
}
