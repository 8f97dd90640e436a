/**
 * The idempotency-key aggregate: one key of one account, and the request that it stands for from its first use on, for ever.
 */
import { type DateTime, Result, Schema } from "effect"
import * as Job from "./Job.ts"

/** A SHA-256 hash: 64 lower-case hex digits. */
export const Hash = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/u, { message: "a hash is 64 lower-case hex digits" })
).pipe(Schema.brand("Hash"))
export type Hash = typeof Hash.Type

const use = {
  account: Schema.NonEmptyString,
  /** Of the key as the client gave it: the log holds no key. */
  keyHash: Hash,
  /** Of what was asked for. */
  requestHash: Hash,
  /** The job that the request becomes, or the first of its jobs. */
  jobId: Job.Id
}

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  IdempotencyKeyUsed: { ...use, occurredAt: Schema.DateTimeUtc }
})
export type Event = typeof Event.Type
export const { IdempotencyKeyUsed } = Event.cases

/** What the subjects of all idempotency keys begin with. */
export const kind = "key"
/** The subject, below the log's prefix, that holds the use of one key of one account. */
export const subject = ({ account, keyHash }: Pick<Event, "account" | "keyHash">): string =>
  `${kind}.${account}.${keyHash}`

/** The use of the key, once there was one. */
export type State = Event | undefined
export const initial: State = undefined

export const evolve = (state: State, event: Event): State => state ?? event

/** The key stands for another request. */
export class KeyReused extends Schema.TaggedError<KeyReused>()("KeyReused", {}) {
  override readonly message = "The idempotency key was used for another request"
}

export type Use = Omit<Event, "_tag" | "occurredAt">

/** Has the key stand for a request; for one that it stands for already, nothing happens. */
export const useFor =
  (use: Use) => (state: State, occurredAt: DateTime.Utc): Result.Result<ReadonlyArray<Event>, KeyReused> => {
    if (state === undefined) return Result.succeed([IdempotencyKeyUsed.make({ ...use, occurredAt })])
    return state.requestHash === use.requestHash ? Result.succeed([]) : Result.fail(new KeyReused())
  }
