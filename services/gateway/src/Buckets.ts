/** Commands on buckets and their jobs. */
import type { Caller } from "@akave-async/api/Caller"
import * as Bucket from "@akave-async/domain/Bucket"
import type { BucketName } from "@akave-async/domain/BucketName"
import * as Job from "@akave-async/domain/Job"
import type { Decision } from "@akave-async/eventing/Aggregate"
import { execute, load, type Loaded } from "@akave-async/eventing/BucketEvents"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { Context, Effect, Layer } from "effect"
import { v7 as uuidv7 } from "uuid"

type By = Caller["Service"]

export class Buckets extends Context.Service<Buckets, {
  /** Stores the request for a bucket of the caller, and gives the job that will create it. */
  request(
    caller: By,
    name: BucketName
  ): Effect.Effect<Bucket.BucketJob, Bucket.BucketBusy | Bucket.BucketExists | LogUnavailable>
  /** Stores the request for the deletion of a bucket of the caller, and gives the job that will delete it. */
  requestDeletion(
    caller: By,
    name: BucketName
  ): Effect.Effect<Bucket.BucketJob, Bucket.BucketBusy | Bucket.BucketMissing | LogUnavailable>
  /** Cancels a job that no executor has started, and gives it as it is then. */
  cancel(
    caller: By,
    job: Bucket.BucketJob
  ): Effect.Effect<Bucket.BucketJob, Job.JobOver | Job.TooLateToCancel | LogUnavailable>
}>()("@akave-async/gateway/Buckets") {
  static readonly layer = Layer.effect(
    Buckets,
    Effect.gen(function*() {
      const log = yield* EventLog

      const run = Effect.fnUntraced(function*<Rejection>(
        { traceparent }: By,
        subject: string,
        known: Loaded,
        decide: Decision<Bucket.State, Bucket.Event, Rejection>
      ) {
        const { state } = yield* execute(log, subject, known, decide, { source: "/akave/gateway", traceparent })
        return yield* Effect.orDie(Effect.fromNullishOr(state.job))
      })

      const newJob = Effect.fnUntraced(function*({ owner }: By, name: BucketName) {
        const jobId = yield* Effect.sync(() => Job.Id.make(uuidv7()))
        yield* Effect.annotateCurrentSpan({ "job.id": jobId, "bucket.name": name })
        return { jobId, name, owner }
      })

      const request = Effect.fn("Buckets.request")(function*(caller: By, name: BucketName) {
        // A name that was never asked for is the usual case, and then one append is all there is to do.
        const unknown = { state: Bucket.initial, revision: 0 }
        const decide = Bucket.requestCreation(yield* newJob(caller, name))
        return yield* run(caller, Bucket.subject(caller.owner, name), unknown, decide)
      })

      const requestDeletion = Effect.fn("Buckets.requestDeletion")(function*(caller: By, name: BucketName) {
        const decide = Bucket.requestDeletion(yield* newJob(caller, name))
        const subject = Bucket.subject(caller.owner, name)
        return yield* run(caller, subject, yield* load(log, subject), decide)
      })

      const cancel = Effect.fn("Buckets.cancel")(
        function*(caller: By, { id: jobId, owner, request }: Bucket.BucketJob) {
          yield* Effect.annotateCurrentSpan({ "job.id": jobId })
          const subject = Bucket.subject(owner, request.name)
          const decide = Bucket.cancel({ jobId, cancelledBy: caller.actor, reason: "Cancelled on request" })
          return yield* run(caller, subject, yield* load(log, subject), decide)
        }
      )

      return Buckets.of({ request, requestDeletion, cancel })
    })
  )
}
