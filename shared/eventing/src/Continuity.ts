/** Whether a log is still the one that was seen before. */
import type { Sequence } from "./EventLog.ts"

/** What is remembered of a log. */
export interface Seen {
  /** When its storage was made. */
  readonly created: string
  /** The highest sequence that it was known to have. */
  readonly lastSequence: Sequence
  /** One event, to know the log by. */
  readonly mark: Mark | undefined
}

export interface Mark {
  readonly sequence: Sequence
  /** The id that the event was appended with. */
  readonly id: string
}

/** What is there now. */
export interface Found {
  readonly lastSequence: Sequence
  /** The id of the event at the mark's sequence. */
  readonly idAtMark: string | undefined
}

/** What was lost since the log was seen, in a sentence; undefined where nothing was. */
export const loss = (name: string, seen: Seen, found: Found | undefined): string | undefined => {
  const { lastSequence, mark } = seen
  if (found === undefined) return `The event log ${name} is missing. It had ${count(lastSequence)}: restore it`
  if (found.lastSequence < lastSequence) {
    return `The event log ${name} has ${count(found.lastSequence)}, and it had ${lastSequence}: restore it`
  }
  if (mark !== undefined && found.idAtMark !== mark.id) {
    return `The event log ${name} was replaced: its event ${mark.sequence} is another than before. Restore it`
  }
  return undefined
}

const count = (events: number): string => events === 1 ? "1 event" : `${events} events`
