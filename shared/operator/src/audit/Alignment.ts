/**
 * Lays the events of two stores side by side, so that what is only in one of them, or is another in the other, is named, and not
 * all that lies behind it. It is pure, and needs the same memory however many events there are.
 */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"

/** The stores that are compared. */
export const sides = ["log", "archive"] as const
export type Side = typeof sides[number]
export const other = (side: Side): Side => side === "log" ? "archive" : "log"

/** An event, and its bytes in the hash chain. */
export interface Entry {
  readonly event: StoredEvent
  readonly encoded: Buffer
}
export const entryOf = (event: StoredEvent): Entry => ({ event, encoded: HashChain.encode(event) })

/** What stands in the two stores side by side; the same where both are there and their bytes are equal. */
export type Pair = { readonly [S in Side]: Entry | undefined }

/** Whether both stores have the event, with the same bytes. */
export const isSame = ({ archive, log }: Pair): boolean =>
  log !== undefined && archive !== undefined && log.encoded.equals(archive.encoded)

/** What an event says, wherever it stands. */
export const contentOf = ({ encoded }: Entry): string => encoded.toString("latin1", sequenceBytes)
const sequenceBytes = 8

/** The events that are looked at ahead, to find where two stores are the same again. */
const window = 512

export class Alignment {
  readonly #entries: Record<Side, Array<Entry>> = { log: [], archive: [] }
  readonly #start: Record<Side, number> = { log: 0, archive: 0 }
  readonly #ended: Record<Side, boolean> = { log: false, archive: false }
  readonly #sparseUpTo: number

  /** @param sparseUpTo Up to this sequence the log need not have what the archive has. */
  constructor(sparseUpTo: number) {
    this.#sparseUpTo = sparseUpTo
  }

  /** The next events of a store. */
  offer(side: Side, events: ReadonlyArray<Entry>): void {
    this.#entries[side] = this.#entries[side].slice(this.#start[side])
    this.#start[side] = 0
    for (const entry of events) this.#entries[side].push(entry)
  }

  /** A store has no more events. */
  end(side: Side): void {
    this.#ended[side] = true
  }

  /** The store that is to be read on, because more of it is needed to go on; undefined at the end. */
  get wanted(): Side | undefined {
    const open = sides.filter((side) => !this.#ended[side])
    return open.toSorted((a, b) => this.#left(a) - this.#left(b))[0]
  }

  #left(side: Side): number {
    return this.#entries[side].length - this.#start[side]
  }
  #at(side: Side, n: number): Entry | undefined {
    return this.#entries[side][this.#start[side] + n]
  }
  #take(side: Side): Entry | undefined {
    const entry = this.#at(side, 0)
    if (entry !== undefined) this.#start[side]++
    return entry
  }
  #isReady(side: Side, n: number): boolean {
    return this.#ended[side] || this.#left(side) >= n
  }

  /** What is laid side by side by now, in order. */
  *pairs(): Generator<Pair> {
    while (this.#isReady("log", 1) && this.#isReady("archive", 1)) {
      const [log, archive] = [this.#at("log", 0), this.#at("archive", 0)]
      if (log === undefined && archive === undefined) return
      if (isSame({ log, archive })) yield { log: this.#take("log"), archive: this.#take("archive") }
      else if (log !== undefined && archive !== undefined && archive.event.sequence <= this.#sparseUpTo) {
        yield* this.#bySequence(log, archive)
      } else {
        if (!this.#isReady("log", window) || !this.#isReady("archive", window)) return
        yield* this.#differing()
      }
    }
  }

  *#bySequence(log: Entry, archive: Entry): Generator<Pair> {
    const ahead = log.event.sequence - archive.event.sequence
    yield {
      log: ahead <= 0 ? this.#take("log") : undefined,
      archive: ahead >= 0 ? this.#take("archive") : undefined
    }
  }

  /** The events up to where both stores say the same again. */
  *#differing(): Generator<Pair> {
    const lengths = this.#untilSame()
    const blocks = {
      log: Array.from({ length: lengths.log }, () => this.#take("log")),
      archive: Array.from({ length: lengths.archive }, () => this.#take("archive"))
    }
    const bySequence = new Map(blocks.archive.map((entry) => [entry?.event.sequence, entry]))
    for (const log of blocks.log) {
      const archive = bySequence.get(log?.event.sequence)
      if (archive !== undefined) bySequence.delete(archive.event.sequence)
      yield { log, archive }
    }
    for (const archive of blocks.archive) {
      if (archive !== undefined && bySequence.get(archive.event.sequence) === archive) yield { log: undefined, archive }
    }
    // The same event under another sequence: it is laid beside itself.
    if (lengths.log + lengths.archive === 0) yield { log: this.#take("log"), archive: this.#take("archive") }
  }

  /** How many events of each store stand before the first that both have; the fewest in all. */
  #untilSame(): Record<Side, number> {
    const places = new Map<string, number>()
    const ahead = (side: Side) => Math.min(window, this.#left(side))
    for (let n = ahead("archive") - 1; n >= 0; n--) places.set(contentOf(this.#at("archive", n) as Entry), n)
    let best = { log: ahead("log"), archive: ahead("archive"), cost: Infinity }
    for (let n = 0; n < ahead("log") && 2 * n < best.cost; n++) {
      const entry = this.#at("log", n) as Entry
      const place = places.get(contentOf(entry))
      if (place === undefined) continue
      // Of two ways as short the one that keeps sequences.
      const keeps = this.#at("archive", place)?.event.sequence === entry.event.sequence
      const cost = 2 * (n + place) + (keeps ? 0 : 1)
      if (cost < best.cost) best = { log: n, archive: place, cost }
    }
    return best
  }
}
