/**
 * The log's own records: what was done to it as a whole, and signed statements of what it held. Each sort of record has one
 * subject.
 */
import { type DateTime, Result, Schema } from "effect"

const Sequence = Schema.Int.check(Schema.isGreaterThan(0))
/** SHA-256, as 64 lower-case hexadecimal digits. */
export const Sha256 = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { message: "a SHA-256 has 64 lower-case hexadecimal digits" })
)

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  /** Whoever signed this had seen the log up to a sequence, with this hash of the hash chain after it. */
  CheckpointSigned: {
    sequence: Sequence,
    hash: Sha256,
    occurredAt: Schema.DateTimeUtc,
    /** The 32 bytes of the Ed25519 key (RFC 8032), base64. */
    publicKey: Schema.String,
    /** The 64 bytes of the Ed25519 signature of {@link statementOf}, base64. */
    signature: Schema.String
  },
  /** The log was lost and made again with the events up to a sequence; those behind them that it may have had are lost. */
  LogRestored: {
    lastSequence: Schema.Natural,
    /** How often the log was restored, this time included. */
    restoration: Sequence,
    from: Schema.Literals(["archive", "backup"]),
    occurredAt: Schema.DateTimeUtc
  },
  /** Events up to a sequence, of aggregates that had ended, were taken out of the log's stream; the archive has them. */
  EventsArchived: {
    upTo: Sequence,
    aggregates: Schema.Natural,
    events: Schema.Natural,
    /** The name and the SHA-256 of the file that has all events up to that sequence that no file before it has. */
    file: Schema.String,
    sha256: Sha256,
    occurredAt: Schema.DateTimeUtc
  }
})
export type Event = typeof Event.Type
export const { CheckpointSigned, EventsArchived, LogRestored } = Event.cases
export type CheckpointSigned = typeof CheckpointSigned.Type

/** What the subjects of all records begin with. */
export const kind = "log"
export const records = {
  CheckpointSigned: "checkpoints",
  LogRestored: "restorations",
  EventsArchived: "archivals"
} as const satisfies Readonly<Record<Event["_tag"], string>>
/** The subject, below the log's prefix, that holds all records of a sort. */
export const subject = (tag: Event["_tag"]): string => `${kind}.${records[tag]}`

/** The text that the signature of a checkpoint is over: four lines, each with its line feed. The time is ISO 8601 with milliseconds. */
export const statementOf = (
  { hash, sequence, time }: { readonly sequence: number; readonly hash: string; readonly time: string }
): string => `akave-async checkpoint v1\n${sequence}\n${hash}\n${time}\n`

/** The last record of a subject. */
export type State = Event | undefined
export const initial: State = undefined
export const evolve = (_: State, event: Event): State => event

type Decision<Event> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, never>

/** Records a checkpoint, unless one as late is recorded. It brings the time that was signed. */
export const recordCheckpoint = (checkpoint: CheckpointSigned): Decision<CheckpointSigned> => (state) =>
  Result.succeed(state?._tag === "CheckpointSigned" && state.sequence >= checkpoint.sequence ? [] : [checkpoint])

/** Records that the log was restored. */
export const recordRestoration = (
  restored: Pick<typeof LogRestored.Type, "lastSequence" | "from">
): Decision<typeof LogRestored.Type> =>
(state, occurredAt) => {
  const before = state?._tag === "LogRestored" ? state.restoration : 0
  return Result.succeed([LogRestored.make({ ...restored, restoration: before + 1, occurredAt })])
}

/** Records that events are taken out of the stream; once for a file. */
export const recordArchival = (
  archived: Omit<typeof EventsArchived.Type, "_tag" | "occurredAt">
): Decision<typeof EventsArchived.Type> =>
(state, occurredAt) =>
  Result.succeed(
    state?._tag === "EventsArchived" && state.sha256 === archived.sha256
      ? []
      : [EventsArchived.make({ ...archived, occurredAt })]
  )
