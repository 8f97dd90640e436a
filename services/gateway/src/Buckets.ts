/** Commands on buckets: decided on the log's state, settled by the log. */
import * as Bucket from "@akave-async/domain/Bucket"
import type { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Chain"
import * as Job from "@akave-async/domain/Job"
import { codec, idOf, load, type Loaded } from "@akave-async/eventing/BucketEvents"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { Config, Context, DateTime, Effect, Layer } from "effect"
import { HttpTraceContext } from "effect/http"
import { v7 as uuidv7 } from "uuid"

export class Buckets extends Context.Service<Buckets, {
  /** Stores the request for a bucket and gives the job that will create it. */
  request(name: BucketName): Effect.Effect<Job.Job, Bucket.Rejection | LogUnavailable>
}>()("@akave-async/gateway/Buckets") {
  static readonly layer = Layer.effect(
    Buckets,
    Effect.gen(function*() {
      const log = yield* EventLog
      const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")

      const request = Effect.fn("Buckets.request")(function*(name: BucketName) {
        const subject = Bucket.subject(owner, name)
        const occurredAt = yield* DateTime.now
        const jobId = yield* Effect.sync(() => Job.Id.make(uuidv7()))
        yield* Effect.annotateCurrentSpan({ "job.id": jobId, "bucket.name": name })
        const { traceparent } = HttpTraceContext.toHeaders(yield* Effect.orDie(Effect.currentSpan))
        const command = Bucket.RequestBucket.make({ jobId, name, owner })

        const decideOn = Effect.fnUntraced(function*({ revision, state }: Loaded) {
          const events = yield* Effect.fromResult(Bucket.decide(state, command, occurredAt))
          for (const event of events) {
            const metadata = { id: idOf(event), source, subject, time: occurredAt, correlationId: jobId, traceparent }
            yield* log.append(subject, { revision }, yield* Effect.orDie(codec.encode(event, metadata)))
          }
          return yield* Effect.orDie(Effect.fromNullishOr(events.reduce(Bucket.evolve, state).job))
        })
        // A name that was never asked for is the usual case, and then one append is all there is to do.
        return yield* decideOn({ state: Bucket.initial, revision: 0 }).pipe(
          Effect.catchTag("WrongRevision", () =>
            Effect.flatMap(load(log, subject), decideOn).pipe(
              Effect.retry({ while: (error) => error._tag === "WrongRevision", times: rereads })
            )),
          Effect.catchTag("WrongRevision", Effect.die)
        )
      })

      return Buckets.of({ request })
    })
  )
}

const source = "/akave/gateway"
/** Writers that race for one name: each round one of them wins, so a longer run of losses is a defect. */
const rereads = 20
