/** What is staged, and what can be wrong with it. */
import { type DateTime, type Effect, type Option, Schema, type Stream } from "effect"

export const ObjectId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u, { message: "a UUID in lower case" })
).pipe(Schema.brand("StagedId"))
export type ObjectId = typeof ObjectId.Type

const reasonOf = (cause: unknown): string => cause instanceof Error ? `: ${cause.message}` : ""

/** The store did not do what it was asked for; it may later. */
export class StagingUnavailable extends Schema.TaggedError<StagingUnavailable>()("StagingUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The staging store did not ${this.operation}${reasonOf(this.cause)}`
  readonly isRetryable = true
}

/** There is no room for more. */
export class StagingFull extends Schema.TaggedError<StagingFull>()("StagingFull", { cause: Schema.Defect() }) {
  override readonly message = `The staging store is full${reasonOf(this.cause)}`
  readonly isRetryable = false
}

export class StagedMissing extends Schema.TaggedError<StagedMissing>()("StagedMissing", { id: ObjectId }) {
  override readonly message = `The staging store has no object ${this.id}`
  readonly isRetryable = false
}

/** Something staged that is there whole. */
export interface StagedObject {
  readonly id: ObjectId
  /** Bytes. */
  readonly size: number
  readonly storedAt: DateTime.Utc
}

/** What a staging store does. */
export interface StagingShape {
  /**
   * Stores bytes under a new id, and returns once they are durable. After a failure or an interruption nothing is kept; what a crash
   * leaves is swept. An id is used once: a second use fails, and changes nothing.
   */
  put<E, R>(
    id: ObjectId,
    bytes: Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<StagedObject, E | StagingUnavailable | StagingFull, R>
  /** Bytes from `start` to before `end`, the whole by default, as fast as they are taken. */
  read(
    id: ObjectId,
    range?: { readonly start: number; readonly end: number }
  ): Stream.Stream<Uint8Array, StagedMissing | StagingUnavailable>
  stat(id: ObjectId): Effect.Effect<Option.Option<StagedObject>, StagingUnavailable>
  /** Removing what is not there is no error. */
  remove(id: ObjectId): Effect.Effect<void, StagingUnavailable>
  /** What is there whole, in any order. */
  readonly list: Stream.Stream<StagedObject, StagingUnavailable>
  /** Removes what puts have left that began before this time and have not ended; returns how many. */
  sweepUnfinished(before: DateTime.Utc): Effect.Effect<number, StagingUnavailable>
  /** Fails where it can't be used now. */
  readonly check: Effect.Effect<void, StagingUnavailable>
  /** What it is, for people, without credentials. */
  readonly description: string
}
