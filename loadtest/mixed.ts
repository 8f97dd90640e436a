/** Many users write and read at once. For k6 0.57 and newer. */
import exec from "k6/execution"
import { settingsOf } from "./src/Scenario.ts"
import { actions, newRun, optionsOf, repeating, type Run, summaryOf } from "./src/User.ts"

const settings = settingsOf(__ENV, "mixed")
const { arrive, create, follow, listBuckets, listJobs, ofRun, readBucket, think } = actions(settings)

export const options = optionsOf(settings, repeating(settings))
export const setup = newRun
export const handleSummary = summaryOf(settings)

export default function user(run: Run): void {
  if (exec.vu.iterationInScenario === 0) arrive()
  const created = create(run)
  listJobs()
  listJobs(ofRun(run))
  listBuckets()
  if (created !== undefined && follow(created.job)) readBucket(created.name)
  think()
}
