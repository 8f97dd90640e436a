/**
 * Whether more requests are accepted: not while the log is nearly full, a lane has more before it than it may, or an account has
 * as many jobs in flight as it may. A request that was accepted before is accepted again: it asks for nothing more.
 */
import type { Caller } from "@akave-async/api/Caller"
import { EventLog, type Load } from "@akave-async/eventing/EventLog"
import type { Current } from "@akave-async/eventing/JobEvents"
import * as LaneConsumer from "@akave-async/eventing/LaneConsumer"
import { Clock, Config, Context, Effect, Exit, Layer, Schema } from "effect"
import { IdempotencyKeys } from "./IdempotencyKeys.ts"
import { JobsInFlight, type TooManyJobs } from "./JobsInFlight.ts"

/** How old what is known of the log may be, in milliseconds, before it is asked again. */
const maxAge = 1_000

/** A log that does not answer within this is left to the append, which has its own time. */
const patience = "250 millis"

/** More can't be accepted now; says what there is too much of. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", { reason: Schema.String }) {
  override readonly message = this.reason
}

export interface Limits {
  /** Events that the executors of one lane may have before them. */
  readonly maxWaiting: number
  /** The share of the log's storage that may be used. */
  readonly maxStorageShare: number
}

/** Why more jobs are not accepted, given the load of the log and what was accepted since it was asked; undefined where they are. */
export const refusal = (
  { maxStorageShare, maxWaiting }: Limits,
  load: Load,
  acceptedSince: number
): string | undefined => {
  const waiting = load.waiting + acceptedSince
  if (waiting >= maxWaiting) return `${waiting} events wait for this wallet's executors, of ${maxWaiting} that may`
  if (load.maxBytes !== undefined && load.storedBytes >= maxStorageShare * load.maxBytes) {
    return `The event log uses ${load.storedBytes} of its ${load.maxBytes} bytes`
  }
  return undefined
}

export interface Asked {
  readonly jobs: number
  /** The idempotency key of the request. */
  readonly key: string | undefined
}

interface Known {
  load: Load
  askedAt: number
  acceptedSince: number
}

export class Admission extends Context.Service<Admission, {
  /**
   * Runs a request for jobs of the caller, or refuses it.
   * @param acceptedOf The jobs that the request was answered with.
   */
  admit<A, E, R>(
    caller: Caller["Service"],
    asked: Asked,
    request: Effect.Effect<A, E, R>,
    acceptedOf: (answer: A) => ReadonlyArray<Current>
  ): Effect.Effect<A, E | Overloaded | TooManyJobs, R>
}>()("@akave-async/gateway/Admission") {
  static readonly layerConfig = Layer.effect(
    Admission,
    Effect.gen(function*() {
      const log = yield* EventLog
      const keys = yield* IdempotencyKeys
      const jobsInFlight = yield* JobsInFlight
      const limits = yield* Config.all({
        maxWaiting: Config.schema(Schema.Int.check(Schema.isGreaterThan(0)), "OVERLOAD_WAITING_EVENTS").pipe(
          Config.withDefault(1_000_000)
        ),
        maxStorageShare: Config.schema(
          Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
          "OVERLOAD_STORAGE_SHARE"
        )
          .pipe(Config.withDefault(0.95))
      })
      const lanes = new Map<string, Known>()

      /** What is known of a lane. */
      const look = Effect.fnUntraced(function*(owner: string) {
        const now = yield* Clock.currentTimeMillis
        const known = lanes.get(owner)
        if (known !== undefined && now - known.askedAt < maxAge) return known
        const next: Known = known ??
          { load: { storedBytes: 0, maxBytes: undefined, waiting: 0 }, askedAt: now, acceptedSince: 0 }
        // Those who come meanwhile go by what was known.
        next.askedAt = now
        lanes.set(owner, next)
        const before = next.acceptedSince
        const load = yield* log.load(LaneConsumer.nameOf(owner)).pipe(Effect.timeout(patience), Effect.option)
        if (load._tag === "Some") {
          next.load = load.value
          next.acceptedSince -= before
        }
        return next
      })

      const notOverloaded = Effect.fnUntraced(function*({ owner }: Caller["Service"], jobs: number) {
        const known = yield* look(owner.toLowerCase())
        const reason = refusal(limits, known.load, known.acceptedSince)
        if (reason !== undefined) return yield* new Overloaded({ reason })
        known.acceptedSince += jobs
      })

      const admit: Admission["Service"]["admit"] = (caller, { jobs, key }, request, acceptedOf) =>
        Effect.acquireUseRelease(
          Effect.andThen(notOverloaded(caller, jobs), jobsInFlight.reserve(caller, jobs)).pipe(
            Effect.catch((refused) =>
              Effect.flatMap(
                keys.isRepeat(caller, key, jobs),
                (isRepeat) => isRepeat ? Effect.succeed(() => {}) : Effect.fail(refused)
              )
            )
          ),
          () => request,
          (settle, exit) => Effect.sync(() => settle(Exit.isSuccess(exit) ? acceptedOf(exit.value) : []))
        )
      return Admission.of({ admit })
    })
  )
}
