import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Side } from "../../src/audit/Alignment.ts"
import { Comparison } from "../../src/audit/Comparison.ts"
import { type Finding, placeOf, sentenceOf, type Statement } from "../../src/audit/Findings.ts"
import * as Changes from "./Changes.ts"

const compare = (
  stores: { readonly [S in Side]: ReadonlyArray<StoredEvent> },
  statements: ReadonlyArray<Statement>,
  { chunk = 100, sparseUpTo = 0 } = {}
) => {
  const comparison = new Comparison(statements, sparseUpTo)
  const at = { log: 0, archive: 0 }
  for (let side; (side = comparison.wanted) !== undefined;) {
    const events = stores[side].slice(at[side], at[side] + chunk)
    at[side] += chunk
    if (events.length === 0) comparison.end(side)
    else comparison.offer(side, events)
  }
  return comparison.result()
}

const size = 60
const original = Changes.logOf(size)
const stated = (sequence: number, events = original): Statement => ({
  sequence,
  hash: Changes.hashAt(events, sequence),
  by: `checkpoint ${sequence}`
})
const statements = [20, 40, size].map((sequence) => stated(sequence))

/** The sequences that a finding names. */
const named = (finding: Finding): ReadonlyArray<number> => {
  switch (finding._tag) {
    case "OnlyIn":
      return [finding.event.sequence]
    case "Differs":
      return [finding.log.sequence, finding.archive.sequence]
    case "Swapped":
      return [finding.first.sequence, finding.second.sequence]
    case "Moved":
      return [finding.event.sequence, finding.inArchive]
    default:
      return [placeOf(finding)]
  }
}

it("stores that have the same events give no finding, and confirm what was stated", () => {
  const result = compare({ log: original, archive: original }, statements, { chunk: 7 })
  assert.deepStrictEqual(result, {
    findings: [],
    more: 0,
    same: size,
    archivedOut: 0,
    confirmed: statements,
    lastSequence: size,
    hash: Changes.hashAt(original, size)
  })
})

it("any single change of either store is found, where it is and in which store", () => {
  fc.assert(
    fc.property(
      Changes.change(size),
      fc.constantFrom<Side>("log", "archive"),
      fc.integer({ min: 1, max: 70 }),
      ({ apply, name, places }, side, chunk) => {
        const stores = { log: original, archive: original, [side]: apply(original) }
        const { findings } = compare(stores, statements, { chunk })
        const about = `${name} in the ${side} at ${places.join(", ")}: ${findings.map(sentenceOf).join("; ")}`
        assert.isNotEmpty(findings, about)
        assert.isTrue(findings.some((finding) => named(finding).some((place) => places.includes(place))), about)
        for (const finding of findings) {
          if (!("blame" in finding)) continue
          // No checkpoint covers what lies behind the last event.
          assert.include(placeOf(finding) > size ? [side, "unknown"] : [side], finding.blame, about)
        }
      }
    ),
    { numRuns: 10_000 }
  )
})

it("a single change behind the last checkpoint is found as well, and that it can't be told which store was changed", () => {
  fc.assert(
    fc.property(Changes.change(size), fc.constantFrom<Side>("log", "archive"), ({ apply, places }, side) => {
      const { findings } = compare({ log: original, archive: original, [side]: apply(original) }, [])
      assert.isTrue(findings.some((finding) => named(finding).some((place) => places.includes(place))))
      for (const finding of findings) if ("blame" in finding) assert.strictEqual(finding.blame, "unknown")
    }),
    { numRuns: 500 }
  )
})

describe("what is the same in both stores, and not as it was signed,", () => {
  const changed = original.map((one) => one.sequence === 30 ? { ...one, data: Buffer.from("other") } : one)

  it("is named by the checkpoints that it lies between", () => {
    const { confirmed, findings } = compare({ log: changed, archive: changed }, statements)
    assert.deepStrictEqual(findings.map(({ _tag }) => _tag), ["NotAsStated"])
    assert.include(findings.map(sentenceOf)[0], "the same events 21 to 40, and not those of checkpoint 40")
    assert.deepStrictEqual(confirmed.map(({ sequence }) => sequence), [20, size])
  })

  it("is found where both were cut short", () => {
    const cut = original.slice(0, 50)
    const { findings } = compare({ log: cut, archive: cut }, statements)
    assert.deepStrictEqual(findings.map(sentenceOf), [
      "log and archive end at event 50, before checkpoint 60 (event 60)"
    ])
  })

  it("is not blamed on what lies around a false statement", () => {
    const { confirmed, findings } = compare({ log: original, archive: original }, [
      stated(20),
      { ...stated(40), hash: "0".repeat(64) },
      stated(60)
    ])
    assert.deepStrictEqual(findings.map(({ _tag }) => _tag), ["NotAsStated"])
    assert.deepStrictEqual(confirmed.map(({ sequence }) => sequence), [20, 60])
  })
})

describe("a log whose old events were taken out", () => {
  const isKept = ({ sequence }: StoredEvent) => sequence > 40 || sequence % 7 === 0
  const sparse = original.filter(isKept)

  it("is compared across the seam", () => {
    const result = compare({ log: sparse, archive: original }, statements, { sparseUpTo: 40, chunk: 3 })
    assert.deepStrictEqual(result.findings, [])
    assert.strictEqual(result.archivedOut, size - sparse.length)
    assert.strictEqual(result.hash, Changes.hashAt(original, size))
  })

  it("has what is missing behind the seam, or was changed before it, found", () => {
    const damaged = sparse.filter(({ sequence }) => sequence !== 50).map((one) =>
      one.sequence === 14 ? { ...one, data: Buffer.from("other") } : one
    )
    const { findings } = compare({ log: damaged, archive: original }, statements, { sparseUpTo: 40 })
    assert.deepStrictEqual(findings.map((finding) => [finding._tag, ...named(finding)]), [
      ["Differs", 14, 14],
      ["OnlyIn", 50]
    ])
    for (const finding of findings) if ("blame" in finding) assert.strictEqual(finding.blame, "log")
  })
})

describe("findings", () => {
  const on = (side: Side, apply: (events: ReadonlyArray<StoredEvent>) => ReadonlyArray<StoredEvent>) =>
    compare({ log: original, archive: original, [side]: apply(original) }, statements).findings.map(sentenceOf)
  const event = (n: number) => `event ${n} (akave.BucketRequested.v1, event-${n})`
  const swapped = (a: number, b: number) => (events: ReadonlyArray<StoredEvent>) =>
    events.map((one) => {
      const from = one.sequence === a ? b : one.sequence === b ? a : one.sequence
      return { ...events[from - 1] as StoredEvent, sequence: one.sequence }
    })
  const without = (n: number) => (events: ReadonlyArray<StoredEvent>) => events.filter(({ sequence }) => sequence !== n)

  it.each<[string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    ["a missing event", on("archive", without(9)), [`${event(9)} is missing in the archive`]],
    ["one missing in the log", on("log", without(9)), [`${event(9)} is missing in the event log`]],
    ["neighbours that are swapped", on("archive", swapped(9, 10)), [
      `${event(9)} and ${event(10)} are swapped; the archive was changed`
    ]],
    ["events far from each other that are swapped", on("archive", swapped(3, 18)), [
      `${event(3)} and ${event(18)} are swapped; the archive was changed`
    ]],
    [
      "what differs in an event",
      on(
        "log",
        (events) => events.map((one) => one.sequence === 9 ? { ...one, subject: "a", data: Buffer.of(1) } : one)
      ),
      [`${event(9)} has another subject, data in the log than in the archive; the event log was changed`]
    ]
  ])("name %s", (_, sentences, expected) => assert.deepStrictEqual(sentences, expected))

  it("are kept up to a limit, and counted beyond it", () => {
    const long = Changes.logOf(3_000)
    const { findings, more } = compare({
      log: long,
      archive: long.map((one) => ({ ...one, data: Buffer.from(`${one.sequence}`) }))
    }, [])
    assert.strictEqual(findings.length, 1_000)
    assert.strictEqual(more, 2_000)
  })
})
