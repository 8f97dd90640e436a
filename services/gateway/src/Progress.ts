/**
 * Events that say how far a job has come, as live streams get them: of each job at most one of a kind in a second. Those between are
 * left out, but for the last one, which is sent before another event of the job is, or once the second is over. Pages have all.
 */
import type * as Job from "@akave-async/domain/Job"
import { operations } from "@akave-async/domain/Operations"
import type { Sequence, StoredEvent } from "@akave-async/eventing/EventLog"

/** Between two of them, in milliseconds. */
const interval = 1_000

/** The steps of jobs with parts that each part has. */
const steps: ReadonlyArray<Job.StepName> = ["submitted", "advanced"]
const tags: ReadonlySet<string> = new Set(
  Object.values(operations).flatMap((
    { events }: { readonly events: Readonly<Partial<Record<Job.StepName, string>>> }
  ) => events.advanced === undefined ? [] : steps.flatMap((step) => events[step] ?? []))
)
const isProgress = ({ headers }: StoredEvent): boolean => tags.has(headers["ce-type"]?.split(".")[1] ?? "")

const jobOf = ({ headers }: StoredEvent): string => headers["ce-correlationid"] ?? ""
const kindOf = (event: StoredEvent): string => `${jobOf(event)} ${event.headers["ce-type"]}`

/** The progress that one follower is sent. Times are in milliseconds, of one clock. */
export class Progress {
  /** When one of a job and kind was last sent. */
  readonly #sentAt = new Map<string, number>()
  /** Those that are left out unless they turn out to be the last, in their order. */
  readonly #held = new Map<string, StoredEvent>()
  #last: Sequence = 0

  /** When the next of those that are held is to be sent; undefined where there is none. */
  get dueAt(): number | undefined {
    const times = Array.from(this.#held.keys(), (kind) => (this.#sentAt.get(kind) ?? 0) + interval)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** What is sent of these events, which are the next ones, and of those that are held. */
  pass(events: ReadonlyArray<StoredEvent>, now: number): ReadonlyArray<StoredEvent> {
    const passed: Array<StoredEvent> = []
    for (const event of events) {
      if (!isProgress(event)) {
        this.#release(passed, now, (held) => jobOf(held) === jobOf(event))
        this.#send(passed, event)
        continue
      }
      const kind = kindOf(event)
      this.#held.delete(kind)
      if (this.#isDue(kind, now)) {
        this.#sentAt.set(kind, now)
        this.#send(passed, event)
      } else this.#held.set(kind, event)
    }
    this.#release(passed, now, (held) => this.#isDue(kindOf(held), now))
    for (const [kind] of this.#sentAt) {
      if (this.#isDue(kind, now) && !this.#held.has(kind)) this.#sentAt.delete(kind)
    }
    return passed
  }

  #isDue(kind: string, now: number): boolean {
    return now - (this.#sentAt.get(kind) ?? -interval) >= interval
  }

  #release(passed: Array<StoredEvent>, now: number, isReleased: (held: StoredEvent) => boolean): void {
    for (const [kind, event] of this.#held) {
      if (!isReleased(event)) continue
      this.#held.delete(kind)
      if (this.#send(passed, event)) this.#sentAt.set(kind, now)
    }
  }

  /** Ids of a stream never go back: what was held for too long is left out for good. */
  #send(passed: Array<StoredEvent>, event: StoredEvent): boolean {
    if (event.sequence <= this.#last) return false
    this.#last = event.sequence
    passed.push(event)
    return true
  }
}
