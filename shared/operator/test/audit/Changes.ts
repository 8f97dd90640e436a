/** Logs of tests, and the changes that somebody may make to a copy of one. */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as fc from "fast-check"

/** A log of so many events, as writers leave it: each with an id of its own. */
export const logOf = (size: number): ReadonlyArray<StoredEvent> =>
  Array.from({ length: size }, (_, n) => ({
    sequence: n + 1,
    subject: `bucket.0xab.name-${n % 7}`,
    headers: {
      "ce-type": "akave.BucketRequested.v1",
      "ce-time": new Date(1_750_000_000_000 + n * 100).toISOString(),
      "nats-msg-id": `event-${n + 1}`,
      "nats-expected-last-subject-sequence": `${Math.max(0, n - 6)}`
    },
    data: Buffer.from(JSON.stringify({ n, text: `"${n}" ü ${"x".repeat(n % 5)}` }))
  }))

export const hashAt = (events: ReadonlyArray<StoredEvent>, sequence: number): string =>
  Buffer.from(HashChain.over(events.slice(0, sequence))).toString("hex")

export interface Change {
  readonly name: string
  readonly apply: (events: ReadonlyArray<StoredEvent>) => ReadonlyArray<StoredEvent>
  /** The sequences in the original log that a finding must name, one at least. */
  readonly places: ReadonlyArray<number>
}

const flipBit = (bytes: Uint8Array, bit: number): Buffer => {
  const flipped = Buffer.from(bytes)
  const at = Math.floor(bit / 8) % flipped.length
  flipped[at] = (flipped[at] ?? 0) ^ (1 << bit % 8)
  return flipped
}
const renumbered = (events: ReadonlyArray<StoredEvent>) => events.map((event, n) => ({ ...event, sequence: n + 1 }))

/** One change to a log of so many events. */
export const change = (size: number): fc.Arbitrary<Change> => {
  const place = fc.integer({ min: 1, max: size })
  const changed = (
    name: string,
    n: number,
    to: (event: StoredEvent) => StoredEvent
  ): Change => ({ name, places: [n], apply: (events) => events.map((one) => one.sequence === n ? to(one) : one) })
  const headerOf = ({ headers }: StoredEvent, n: number) => Object.keys(headers)[n % Object.keys(headers).length] ?? ""

  return fc.oneof(
    fc.tuple(place, fc.nat(10_000)).map(([n, bit]) =>
      changed("a bit of the data flipped", n, (event) => ({ ...event, data: flipBit(event.data, bit) }))
    ),
    fc.tuple(place, fc.nat(10), fc.nat(10_000)).map(([n, header, bit]) =>
      changed("a bit of a header flipped", n, (event) => {
        const name = headerOf(event, header)
        const value = flipBit(Buffer.from(event.headers[name] ?? "", "latin1"), bit).toString("latin1")
        return { ...event, headers: { ...event.headers, [name]: value } }
      })
    ),
    fc.tuple(place, fc.nat(10)).map(([n, header]) =>
      changed("a header removed", n, (event) => {
        const { [headerOf(event, header)]: _, ...headers } = event.headers
        return { ...event, headers }
      })
    ),
    place.map((n) =>
      changed("a header added", n, (event) => ({ ...event, headers: { ...event.headers, "ce-extra": "" } }))
    ),
    place.map((n) => changed("another subject", n, (event) => ({ ...event, subject: `${event.subject}x` }))),
    place.map((n) => changed("data cut short", n, (event) => ({ ...event, data: event.data.subarray(1) }))),
    place.map((n): Change => ({
      name: "an event removed",
      places: [n],
      apply: (events) => events.filter(({ sequence }) => sequence !== n)
    })),
    place.map((n): Change => ({
      name: "an event removed, and those behind it moved up",
      places: [n],
      apply: (events) => renumbered(events.filter(({ sequence }) => sequence !== n))
    })),
    fc.tuple(place, fc.boolean(), fc.boolean()).map(([n, isCopy, isRenumbered]): Change => ({
      name: `an event added${isCopy ? ", the copy of another" : ""}${
        isRenumbered ? ", and those behind it moved down" : ""
      }`,
      places: [n, n + 1],
      apply: (events) => {
        const copied = events[n - 1] as StoredEvent
        const added = isCopy ? copied : { ...copied, headers: { ...copied.headers, "nats-msg-id": "added" } }
        const all = [...events.slice(0, n), added, ...events.slice(n)]
        return isRenumbered ? renumbered(all) : all
      }
    })),
    fc.tuple(place, place).filter(([a, b]) => a !== b).map(([a, b]): Change => ({
      name: "two events swapped",
      places: [a, b],
      apply: (events) =>
        events.map((one) => {
          const from = one.sequence === a ? b : one.sequence === b ? a : one.sequence
          return { ...events[from - 1] as StoredEvent, sequence: one.sequence }
        })
    }))
  )
}
