/** Events that an executor can't process: set aside in the log with their reason, and found again when they are redriven. */
import type * as Bucket from "@akave-async/domain/Bucket"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import type { UndecodableEvent } from "@akave-async/eventing/CloudEvent"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import type { EventLogShape, LogUnavailable, StoredEvent } from "@akave-async/eventing/EventLog"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { Effect, Option, Result, Schema } from "effect"

/** A step that dies by a defect so often in a row, in one executor, is not tried again. */
export const maxDeaths = 10

/** Characters of a reason that are kept: a defect's text may be of any length. */
const maxReason = 2_000

/**
 * Sets an event aside; one that is set aside already stays as it is. To be done before the event is terminated: what a crash
 * leaves in between is set aside at the next delivery.
 */
export const record = Effect.fn("DeadLetters.record")(
  function*(log: EventLogShape, dead: StoredEvent, reason: string, deliveries: number) {
    const { headers, subject } = dead
    const sequence = DeadLetter.Sequence.make(dead.sequence)
    yield* Effect.logError(`event ${sequence} is set aside: ${reason}`)
    const jobId = Option.getOrUndefined(decodeJobId(headers["ce-correlationid"]))
    const command = DeadLetter.SetAside.make({
      sequence,
      subject,
      type: headers["ce-type"] ?? "",
      reason: reason.slice(0, maxReason),
      deliveries,
      ...(jobId === undefined ? {} : { jobId })
    })
    yield* DeadLetterEvents.execute(log, DeadLetter.subject(sequence), DeadLetterEvents.unknown, command, {
      source: "/akave/executor",
      causationId: headers["ce-id"],
      traceparent: headers["traceparent"]
    })
  },
  // To set aside is never refused.
  Effect.catchTag(["NotDead", "AlreadyRedriven"], Effect.die)
)

/** What is to be processed. It is this event that is dead if it can't be. */
export interface Wanted {
  readonly stored: StoredEvent
  readonly event: Result.Result<Bucket.Event, UndecodableEvent>
  /** Whether it was delivered before, and its step may have been taken in part. */
  readonly isRedriven: boolean
}

/**
 * What a delivered event asks to be processed: itself or, where it redrives a dead letter, the event that had died. None
 * where there is nothing to do.
 */
export const wanted: (
  log: EventLogShape,
  delivered: StoredEvent
) => Effect.Effect<Option.Option<Wanted>, LogUnavailable> = Effect.fnUntraced(function*(log, delivered) {
  let stored = delivered
  while (true) {
    const decoded = LogEvents.decode(stored)
    const isRedriven = stored !== delivered
    if (Result.isFailure(decoded)) return Option.some({ stored, event: Result.fail(decoded.failure), isRedriven })
    const { aggregate, event } = decoded.success
    if (aggregate === "bucket") return Option.some({ stored, event: Result.succeed(event), isRedriven })
    if (event._tag === "DeadLettered") return Option.none()
    const original = yield* log.get(event.sequence)
    // Only what came before can have died, so this comes to an end, whatever is on the subject.
    if (Option.isNone(original) || original.value.sequence >= stored.sequence) {
      yield* Effect.logError(`event ${stored.sequence} redrives event ${event.sequence}, which the log does not have`)
      return Option.none()
    }
    stored = original.value
  }
})

const decodeJobId = Schema.decodeUnknownOption(Job.Id)
