/** Users write, read and follow for a long time. For k6 0.57 and newer. */
import exec from "k6/execution"
import { settingsOf } from "./src/Scenario.ts"
import { actions, newRun, optionsOf, repeating, type Run, summaryOf } from "./src/User.ts"

const settings = settingsOf(__ENV, "soak")
const { arrive, create, follow, followEvents, listBuckets, listJobs, readBucket, think } = actions(settings)

export const options = optionsOf(settings, repeating(settings))
export const setup = newRun
export const handleSummary = summaryOf(settings)

export default function user(run: Run): void {
  if (exec.vu.iterationInScenario === 0) arrive()
  for (const followed of [follow, followEvents]) {
    const created = create(run)
    if (created !== undefined && followed(created.job)) readBucket(created.name)
    think()
  }
  listJobs()
  listBuckets()
}
