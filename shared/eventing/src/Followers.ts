/** Those who follow the log live, and what waits for each. */
import { type Duration, Effect, Schema } from "effect"
import type { Sequence, StoredEvent } from "./EventLog.ts"
import { filtersOf } from "./Recent.ts"

/** Events that wait for one follower at most. */
const maxWaiting = 1_000

/** The follower took its events more slowly than they came, or the process ends. It can follow again from where it was. */
export class CutOff extends Schema.TaggedError<CutOff>()("CutOff", {}) {
  override readonly message = `More than ${maxWaiting} events wait to be taken, or the process ends`
}

/** The followers, by the filter that each follows. */
export class Followers {
  readonly #byFilter = new Map<string, Set<Follower>>()

  #isOver = false

  add(filter: string, follower: Follower): void {
    if (this.#isOver) follower.cut()
    const group = this.#byFilter.get(filter)
    if (group === undefined) this.#byFilter.set(filter, new Set([follower]))
    else group.add(follower)
  }

  remove(filter: string, follower: Follower): void {
    const group = this.#byFilter.get(filter)
    if (group?.delete(follower) === true && group.size === 0) this.#byFilter.delete(filter)
  }

  /** Cuts off all followers, and those to come. */
  cutAll(): void {
    this.#isOver = true
    for (const group of this.#byFilter.values()) {
      for (const follower of group) follower.cut()
    }
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
    if (this.#waiting.length > maxWaiting) this.cut()
    this.#wake?.()
  }

  cut(): void {
    this.#isCut = true
    this.#waiting = []
    this.#wake?.()
  }

  /** What waits; where nothing does, what comes first within this time. */
  take(wait: Duration.Input): Effect.Effect<ReadonlyArray<StoredEvent>, CutOff> {
    return Effect.suspend(() =>
      // Nothing is taken where an interruption, such as the end of the time, could lose it.
      this.#isCut || this.#waiting.length > 0
        ? this.#taken
        : Effect.andThen(Effect.timeoutOption(this.#event, wait), this.#taken)
    )
  }

  readonly #taken = Effect.suspend(() => {
    if (this.#isCut) return Effect.fail(new CutOff())
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
