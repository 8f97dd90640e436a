/** Those who follow the log live, and what waits for each. */
import type { Sequence, StoredEvent } from "@akave-async/eventing/EventLog"
import { type Duration, Effect, Schema } from "effect"
import { filtersOf } from "./Recent.ts"

/** Events that wait for one follower at most. */
const maxWaiting = 1_000

/** The follower took its events more slowly than they came, and was cut off; it can follow again from where it was. */
export class TooSlow extends Schema.TaggedError<TooSlow>()("TooSlow", {}) {
  override readonly message = `More than ${maxWaiting} events wait to be taken`
}

/** The followers, by the filter that each follows. */
export class Followers {
  readonly #byFilter = new Map<string, Set<Follower>>()

  add(filter: string, follower: Follower): void {
    const group = this.#byFilter.get(filter)
    if (group === undefined) this.#byFilter.set(filter, new Set([follower]))
    else group.add(follower)
  }

  remove(filter: string, follower: Follower): void {
    const group = this.#byFilter.get(filter)
    if (group?.delete(follower) === true && group.size === 0) this.#byFilter.delete(filter)
  }

  /** Hands an event to all that it concerns. */
  offer(event: StoredEvent): void {
    for (const filter of filtersOf(event.subject)) {
      for (const follower of this.#byFilter.get(filter) ?? []) follower.offer(event)
    }
  }
}

/** What waits for one who follows. */
export class Follower {
  /** The first event to be handed over. */
  next: Sequence = 0
  #waiting: Array<StoredEvent> = []
  #isCut = false
  #wake: (() => void) | undefined

  offer(event: StoredEvent): void {
    if (this.#isCut || event.sequence < this.next) return
    this.#waiting.push(event)
    if (this.#waiting.length > maxWaiting) {
      this.#isCut = true
      this.#waiting = []
    }
    this.#wake?.()
  }

  /** What waits; where nothing does, what comes first within this time. */
  take(wait: Duration.Input): Effect.Effect<ReadonlyArray<StoredEvent>, TooSlow> {
    return Effect.suspend(() =>
      // Nothing is taken where an interruption, such as the end of the time, could lose it.
      this.#isCut || this.#waiting.length > 0
        ? this.#taken
        : Effect.andThen(Effect.timeoutOption(this.#event, wait), this.#taken)
    )
  }

  readonly #taken = Effect.suspend(() => {
    if (this.#isCut) return Effect.fail(new TooSlow())
    const events = this.#waiting
    this.#waiting = []
    return Effect.succeed<ReadonlyArray<StoredEvent>>(events)
  })

  readonly #event = Effect.callback<void>((resume) => {
    if (this.#isCut || this.#waiting.length > 0) return resume(Effect.void)
    this.#wake = () => {
      this.#wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })
}
