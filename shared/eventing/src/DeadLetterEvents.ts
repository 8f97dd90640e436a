/** How the events of dead letters stand in the log, and how a dead letter is read from it and changed in it. */
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(DeadLetter.Event)

export type Loaded = Aggregate.Loaded<DeadLetter.State>

/** What is known of a letter of which nothing is in the log. */
export const unknown: Loaded = { state: DeadLetter.initial, revision: 0 }

/** The id of an event: each round has one death and one redrive. */
export const idOf = ({ _tag, round, sequence }: DeadLetter.Event): string =>
  `${DeadLetter.subject(sequence)}.${round}.${_tag === "DeadLettered" ? "dead" : "redriven"}`

const aggregate: Aggregate.Aggregate<DeadLetter.State, DeadLetter.Event> = {
  ...DeadLetter,
  codec,
  idOf,
  jobIdOf: (event) => event._tag === "DeadLettered" ? event.jobId : undefined
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.make(DeadLetter.kind, ["sequence"], aggregate)
