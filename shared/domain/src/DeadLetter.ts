/**
 * The dead-letter aggregate: one event of the log that could not be processed, set aside with its reason for a person to
 * look at. A dead letter that is redriven is processed again; if it dies again, that is its next round.
 */
import { type DateTime, Result, Schema, Struct } from "effect"
import * as Job from "./Job.ts"

/** The place in the log of the event that died, which is what a dead letter is known by. */
export const Sequence = Schema.Int.check(Schema.isGreaterThan(0)).pipe(Schema.brand("DeadLetterSequence"))
export type Sequence = typeof Sequence.Type

const common = {
  sequence: Sequence,
  /** How often the event has died. */
  round: Schema.Int.check(Schema.isGreaterThan(0)),
  occurredAt: Schema.DateTimeUtc
}
const letter = {
  sequence: Sequence,
  /** The subject that the event lies on, below the log's prefix. */
  subject: Schema.String,
  /** The event's CloudEvents type; empty where it has none. */
  type: Schema.String,
  reason: Schema.String,
  /** How often it was delivered before it was given up. */
  deliveries: Schema.Natural,
  /** The job that the event belongs to, where it names one. */
  jobId: Schema.optionalKey(Job.Id),
  /** The account that the event is of, where it names one. */
  account: Schema.optionalKey(Schema.String)
}
const redriven = {
  redrivenBy: Schema.NonEmptyString,
  /** The request that asked for it, where its repeats are known by this. */
  requestId: Schema.optionalKey(Schema.NonEmptyString)
}

// Tags and fields are the stored format: add an event or an optional field, never rename, retype or remove one.
export const Event = Schema.TaggedUnion({
  DeadLettered: { ...letter, ...common },
  DeadLetterRedriven: { ...redriven, ...common }
})
export type Event = typeof Event.Type
export const { DeadLetterRedriven, DeadLettered } = Event.cases

/** What the subjects of all dead letters begin with. */
export const kind = "dead-letter"
/** The subject, below the log's prefix, that holds all events of one dead letter. */
export const subject = (sequence: Sequence): string => `${kind}.${sequence}`

export const Status = Schema.Literals(["dead", "redriven"])
export type Status = typeof Status.Type

/** A dead letter as the fold of its events. */
export const DeadLetter = Schema.Struct({
  ...letter,
  ...Struct.omit(common, ["occurredAt"]),
  status: Status,
  diedAt: Schema.DateTimeUtc,
  redrivenAt: Schema.optionalKey(Schema.DateTimeUtc),
  redrivenBy: Schema.optionalKey(redriven.redrivenBy),
  requestId: redriven.requestId
})
export type DeadLetter = typeof DeadLetter.Type

/** Undefined while the event has not died. */
export type State = DeadLetter | undefined
export const initial: State = undefined

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "DeadLettered": {
      const { _tag, occurredAt, ...letter } = event
      return { ...letter, ...requestOf(state), status: "dead", diedAt: occurredAt }
    }
    case "DeadLetterRedriven": {
      if (state === undefined) return undefined
      const { occurredAt: redrivenAt, redrivenBy } = event
      const letter = Struct.omit(state, ["requestId"])
      return { ...letter, ...requestOf(event), status: "redriven", redrivenAt, redrivenBy }
    }
  }
}

/** The request that has redriven a letter last. */
const requestOf = (of: { readonly requestId?: string } | undefined) =>
  of?.requestId === undefined ? {} : { requestId: of.requestId }

/** No event of this sequence has died. */
export class NotDead extends Schema.TaggedError<NotDead>()("NotDead", { sequence: Sequence }) {
  override readonly message = `Event ${this.sequence} is no dead letter`
}
/** It is being processed again, or was processed; if it dies again it can be redriven again. */
export class AlreadyRedriven extends Schema.TaggedError<AlreadyRedriven>()("AlreadyRedriven", { sequence: Sequence }) {
  override readonly message = `Dead letter ${this.sequence} was redriven and has not died since`
}
/** What is known of an event that can't be processed. */
export type Letter = Omit<typeof DeadLettered.Type, "_tag" | "round" | "occurredAt">

type Decision<Event, Rejection> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, Rejection>

/** Sets an event aside; one that is set aside already stays as it is. */
export const setAside = (letter: Letter): Decision<typeof DeadLettered.Type, never> => (state, occurredAt) =>
  Result.succeed(
    state?.status === "dead" ? [] : [DeadLettered.make({ ...letter, round: (state?.round ?? 0) + 1, occurredAt })]
  )

/** Has a dead letter processed again; by the same request once. */
export const redrive = (
  asked: Pick<typeof DeadLetterRedriven.Type, "sequence" | "redrivenBy" | "requestId">
): Decision<typeof DeadLetterRedriven.Type, NotDead | AlreadyRedriven> =>
(state, occurredAt) => {
  if (state === undefined) return Result.fail(new NotDead(asked))
  if (asked.requestId !== undefined && asked.requestId === state.requestId) return Result.succeed([])
  if (state.status === "redriven") return Result.fail(new AlreadyRedriven(asked))
  return Result.succeed([DeadLetterRedriven.make({ ...asked, round: state.round, occurredAt })])
}
