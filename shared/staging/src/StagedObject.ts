/** What is staged, and what can be wrong with it. */
import { Schema } from "effect"

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
