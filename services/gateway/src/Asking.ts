/** What requests for jobs have in common, whatever they ask for. */
import * as Problems from "@akave-async/api/Problems"
import type { Current } from "@akave-async/eventing/JobEvents"
import { Effect } from "effect"
import type { Overloaded } from "./Admission.ts"
import * as Answers from "./Answers.ts"
import { Jobs } from "./Jobs.ts"
import type { TooManyJobs } from "./JobsInFlight.ts"
import { logUnavailable } from "./Unavailable.ts"

const keyReused = () =>
  new Problems.IdempotencyKeyReused({
    detail: "The key in Idempotency-Key was used for another request. Give each request a key of its own"
  })
const overloaded = ({ message }: Overloaded) =>
  new Problems.Overloaded({ detail: `${message}. Ask again after the time in Retry-After` })
const tooManyJobs = ({ message }: TooManyJobs) =>
  new Problems.TooManyJobs({ detail: `${message}. Ask again when some of them have ended` })

/** Why a request for jobs is refused, whatever it asks for. */
export const refusals = {
  KeyReused: keyReused,
  Overloaded: overloaded,
  TooManyJobs: tooManyJobs,
  LogUnavailable: logUnavailable
}

/** The answer to a request that was stored, after the wait that it prefers. */
export const accepted = Effect.fnUntraced(
  function*(asked: Current, prefer: string | undefined, created?: string) {
    const jobs = yield* Jobs
    const waited = Answers.waitOf(prefer)
    const current = waited === undefined ? asked : yield* jobs.wait(asked, () => false, `${waited} seconds`)
    return yield* Answers.accepted(current, { created, waited })
  }
)
