/** Many users ask for a bucket and follow its job to the end by Server-Sent Events, again and again. For k6 0.57 and newer. */
import exec from "k6/execution"
import { settingsOf } from "./src/Scenario.ts"
import { actions, newRun, optionsOf, repeating, type Run, summaryOf } from "./src/User.ts"

const settings = settingsOf(__ENV, "follow-events")
const { arrive, create, followEvents, think } = actions(settings)

export const options = optionsOf(settings, repeating(settings))
export const setup = newRun
export const handleSummary = summaryOf(settings)

export default function user(run: Run): void {
  if (exec.vu.iterationInScenario === 0) arrive()
  const created = create(run)
  if (created !== undefined) followEvents(created.job)
  think()
}
