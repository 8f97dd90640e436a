/** The last events of the log, by what is asked for: the same tokens that a filter of the log has. */
import type { Sequence, StoredEvent } from "./EventLog.ts"

/** All events of one owner, as a filter of the log. */
export const ofOwner = (owner: string): string => `*.${owner.toLowerCase()}.>`

/** All events of one kind, as a filter of the log. */
export const ofKind = (kind: string): string => `${kind}.>`

/** The filters, of those that are followed, that an event of this subject matches: its own subject, its kind's, and its owner's. */
export const filtersOf = (subject: string): ReadonlyArray<string> => {
  const [kind = "", owner = ""] = subject.split(".", 2)
  return owner.startsWith("0x") ? [subject, ofKind(kind), ofOwner(owner)] : [subject, ofKind(kind)]
}

export class Recent {
  readonly #keep: number
  #events: Array<StoredEvent> = []
  #byFilter = new Map<string, Array<StoredEvent>>()
  #byJob = new Map<string, Array<StoredEvent>>()
  #next: Sequence

  /**
   * @param next The sequence of the first event that will come.
   * @param keep Events that are remembered at least, once they have come; twice as many at most.
   */
  constructor(next: Sequence, keep: number) {
    this.#next = next
    this.#keep = keep
  }

  /** The first sequence from which on every event is remembered. */
  get first(): Sequence {
    return this.#events[0]?.sequence ?? this.#next
  }

  /** The sequence of the event that will come next. */
  get next(): Sequence {
    return this.#next
  }

  /** Remembers an event, which is the next one. */
  push(event: StoredEvent): void {
    if (this.#events.length >= 2 * this.#keep) this.#forget()
    this.#events.push(event)
    this.#index(event)
    this.#next = event.sequence + 1
  }

  /** What is remembered from this sequence on of what a filter matches, in order. */
  from(filter: string, sequence: Sequence): ReadonlyArray<StoredEvent> {
    const events = this.#byFilter.get(filter) ?? []
    // What is asked for is usually at the end.
    let start = events.length
    while (start > 0 && (events[start - 1]?.sequence ?? 0) >= sequence) start--
    return events.slice(start)
  }

  /** What is remembered of a job's events, in order. */
  ofJob(jobId: string): ReadonlyArray<StoredEvent> {
    return this.#byJob.get(jobId) ?? []
  }

  #index(event: StoredEvent): void {
    for (const filter of filtersOf(event.subject)) add(this.#byFilter, filter, event)
    const jobId = event.headers["ce-correlationid"]
    if (jobId !== undefined) add(this.#byJob, jobId, event)
  }

  /** All at once, so that it costs little per event. */
  #forget(): void {
    this.#events = this.#events.slice(-this.#keep)
    this.#byFilter = new Map()
    this.#byJob = new Map()
    for (const event of this.#events) this.#index(event)
  }
}

const add = (index: Map<string, Array<StoredEvent>>, key: string, event: StoredEvent): void => {
  const events = index.get(key)
  if (events === undefined) index.set(key, [event])
  else events.push(event)
}
