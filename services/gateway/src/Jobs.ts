/** Jobs as they are now: what the read model holds of them, and what has happened since. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { type Current, evolveJob, kindOf, subjectOf } from "@akave-async/eventing/JobEvents"
import { Tail } from "@akave-async/eventing/Tail"
import { Context, type Duration, Effect, Layer, Option, Result } from "effect"
import { type LookupError, ReadModel } from "./ReadModel.ts"

type By = Caller["Service"]

const onlyOf = (caller: By, current: Current) =>
  current.job.owner.toLowerCase() === caller.owner.toLowerCase() && current.job.tenant === tenantOf(caller).tenant
    ? Option.some(current)
    : Option.none()

export class Jobs extends Context.Service<Jobs, {
  /** A job of the caller. None is certain: whatever the log held when this was called has been looked at. */
  find(caller: By, id: Job.Id): Effect.Effect<Option.Option<Current>, LookupError>
  /** The job as soon as it is as wanted, or as it is after this time. */
  wait(current: Current, isWanted: (job: Current) => boolean, time: Duration.Input): Effect.Effect<Current>
  /**
   * Cancels a job of the caller, and gives it as it is then: at once where no executor has begun it; one that can take back what it
   * has done ends after that.
   */
  cancel(caller: By, job: AnyJob): Effect.Effect<Current, Job.JobOver | Job.TooLateToCancel | LogUnavailable>
}>()("@akave-async/gateway/Jobs") {
  static readonly layer = Layer.effect(
    Jobs,
    Effect.gen(function*() {
      const readModel = yield* ReadModel
      const tail = yield* Tail
      const log = yield* EventLog

      const find = Effect.fn("Jobs.find")(function*(caller: By, id: Job.Id) {
        // A job whose request is remembered needs no database.
        const remembered = () => evolveJob(id, undefined, tail.recent(id))
        const recent = remembered()
        if (recent !== undefined) return onlyOf(caller, recent)
        const stored = yield* Effect.result(readModel.storedJob(caller, id))
        if (Result.isSuccess(stored) && Option.isSome(stored.success)) {
          const known = stored.success.value
          return Option.some(evolveJob(id, known, tail.recent(id)) ?? known)
        }
        // It may be so new that neither has seen it.
        yield* tail.caughtUp
        const found = remembered()
        if (found !== undefined) return onlyOf(caller, found)
        yield* Effect.fromResult(stored)
        return yield* readModel.job(caller, id)
      })

      const wait = Effect.fn("Jobs.wait")(
        function*(current: Current, isWanted: (job: Current) => boolean, time: Duration.Input) {
          let latest = current
          if (isWanted(latest)) return latest
          yield* Effect.gen(function*() {
            const { take } = yield* tail.follow(subjectOf(latest.job), latest.revision + 1)
            while (!isWanted(latest) && !Job.isTerminal(latest.job.status)) {
              latest = evolveJob(latest.job.id, latest, yield* take(time)) ?? latest
            }
          }).pipe(
            Effect.scoped,
            // What can't be followed is answered as it is: the client asks again.
            Effect.ignore,
            Effect.timeoutOption(time)
          )
          return latest
        }
      )

      const cancel = Effect.fn("Jobs.cancel")(
        function*({ actor, traceparent }: By, { id: jobId, operation, ...job }: AnyJob) {
          yield* Effect.annotateCurrentSpan({ "job.id": jobId })
          const kind = kindOf(operation)
          const subject = subjectOf({ ...job, id: jobId, operation } as AnyJob)
          const command = { jobId, cancelledBy: actor, reason: "Cancelled on request" }
          const origin = { source: "/akave/gateway", traceparent }
          const { revision, state } = yield* kind.cancel(log, subject, yield* kind.load(log, subject), command, origin)
          return { job: (yield* Effect.orDie(Effect.fromNullishOr(state.job))) as AnyJob, revision }
        }
      )

      return Jobs.of({ find, wait, cancel })
    })
  )
}
