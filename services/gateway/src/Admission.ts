/** Whether more requests are accepted: not while the log is nearly full, or a lane has more before it than it may. */
import type { Caller } from "@akave-async/api/Caller"
import { EventLog, type Load } from "@akave-async/eventing/EventLog"
import * as LaneConsumer from "@akave-async/eventing/LaneConsumer"
import { Clock, Config, Context, Effect, Layer, Schema } from "effect"

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

interface Known {
  load: Load
  askedAt: number
  acceptedSince: number
}

export class Admission extends Context.Service<Admission, {
  /** Counts so many jobs of the caller as accepted, or refuses them. */
  admit(caller: Caller["Service"], jobs: number): Effect.Effect<void, Overloaded>
}>()("@akave-async/gateway/Admission") {
  static readonly layerConfig = Layer.effect(
    Admission,
    Effect.gen(function*() {
      const log = yield* EventLog
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

      const admit = Effect.fnUntraced(function*({ owner }: Caller["Service"], jobs: number) {
        const known = yield* look(owner.toLowerCase())
        const reason = refusal(limits, known.load, known.acceptedSince)
        if (reason !== undefined) return yield* new Overloaded({ reason })
        known.acceptedSince += jobs
      })
      return Admission.of({ admit })
    })
  )
}
