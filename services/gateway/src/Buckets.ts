/** Commands on buckets and their jobs. */
import * as Bucket from "@akave-async/domain/Bucket"
import type { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Chain"
import * as Job from "@akave-async/domain/Job"
import type { Decision } from "@akave-async/eventing/Aggregate"
import { execute, load, type Loaded } from "@akave-async/eventing/BucketEvents"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { Config, Context, Effect, Layer } from "effect"
import { HttpTraceContext } from "effect/http"
import { v7 as uuidv7 } from "uuid"

export class Buckets extends Context.Service<Buckets, {
  /** Stores the request for a bucket and gives the job that will create it. */
  request(name: BucketName): Effect.Effect<Bucket.BucketJob, Bucket.BucketBusy | Bucket.BucketExists | LogUnavailable>
  /** Stores the request for a bucket's deletion and gives the job that will delete it. */
  requestDeletion(
    name: BucketName
  ): Effect.Effect<Bucket.BucketJob, Bucket.BucketBusy | Bucket.BucketMissing | LogUnavailable>
  /** Cancels a job that no executor has started, and gives it as it is then. */
  cancel(job: Bucket.BucketJob): Effect.Effect<Bucket.BucketJob, Job.JobOver | Job.TooLateToCancel | LogUnavailable>
}>()("@akave-async/gateway/Buckets") {
  static readonly layer = Layer.effect(
    Buckets,
    Effect.gen(function*() {
      const log = yield* EventLog
      const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")

      const run = Effect.fnUntraced(function*<Rejection>(
        subject: string,
        known: Loaded,
        decide: Decision<Bucket.State, Bucket.Event, Rejection>
      ) {
        const { traceparent } = HttpTraceContext.toHeaders(yield* Effect.orDie(Effect.currentSpan))
        const { state } = yield* execute(log, subject, known, decide, { source: "/akave/gateway", traceparent })
        return yield* Effect.orDie(Effect.fromNullishOr(state.job))
      })

      const newJob = Effect.fnUntraced(function*(name: BucketName) {
        const jobId = yield* Effect.sync(() => Job.Id.make(uuidv7()))
        yield* Effect.annotateCurrentSpan({ "job.id": jobId, "bucket.name": name })
        return { jobId, name, owner }
      })

      const request = Effect.fn("Buckets.request")(function*(name: BucketName) {
        // A name that was never asked for is the usual case, and then one append is all there is to do.
        const unknown = { state: Bucket.initial, revision: 0 }
        return yield* run(Bucket.subject(owner, name), unknown, Bucket.requestCreation(yield* newJob(name)))
      })

      const requestDeletion = Effect.fn("Buckets.requestDeletion")(function*(name: BucketName) {
        const asked = yield* newJob(name)
        const subject = Bucket.subject(owner, name)
        return yield* run(subject, yield* load(log, subject), Bucket.requestDeletion(asked))
      })

      const cancel = Effect.fn("Buckets.cancel")(function*({ id: jobId, owner, request }: Bucket.BucketJob) {
        yield* Effect.annotateCurrentSpan({ "job.id": jobId })
        const subject = Bucket.subject(owner, request.name)
        const command = { jobId, cancelledBy: "a client", reason: "Cancelled on request" }
        return yield* run(subject, yield* load(log, subject), Bucket.cancel(command))
      })

      return Buckets.of({ request, requestDeletion, cancel })
    })
  )
}
