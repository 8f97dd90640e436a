import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { StoredEvent } from "../src/EventLog.ts"
import * as HashChain from "../src/HashChain.ts"
import * as Segment from "../src/Segment.ts"

const Events = Schema.NonEmptyArray(Schema.Struct({
  subject: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String),
  data: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
}))

it.effect.prop(
  "holds what the hash chain is made of, so that the chain can be computed again from it",
  [Events],
  ([given]) =>
    Effect.promise(async () => {
      // What is stored was a text of Unicode before.
      const wellFormed = (text: string) => text.toWellFormed()
      const events = given.map(({ data, headers, subject }, n): StoredEvent => ({
        sequence: n + 1,
        subject: wellFormed(subject),
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [wellFormed(name), wellFormed(value)])
        ),
        data: Uint8Array.from(data)
      }))
      const unpacked = await Segment.unpack(await Segment.pack(events.map(HashChain.encode)))
      assert.deepStrictEqual(unpacked.map((event) => ({ ...event, data: Uint8Array.from(event.data) })), events)
      assert.deepEqual(HashChain.over(unpacked), HashChain.over(events))
      const past = HashChain.over(events.slice(0, 1))
      const { encoded, hash } = HashChain.encodeAll(past, events)
      assert.deepEqual(Buffer.from(encoded), Buffer.concat(events.map(HashChain.encode)))
      assert.deepEqual(hash, HashChain.over(events, past))
    })
)

it("holds events of any size", () => {
  const events = [1, 100_000, 2, 1_000_000].map((size, n): StoredEvent => ({
    sequence: n + 1,
    subject: "ü".repeat(n * 1_000),
    headers: { name: "value" },
    data: new Uint8Array(size).fill(n)
  }))
  const { encoded, hash } = HashChain.encodeAll(HashChain.genesis, events)
  assert.isTrue(encoded.equals(Buffer.concat(events.map(HashChain.encode))))
  assert.deepEqual(hash, HashChain.over(events))
})

it("is refused where a byte of it was changed, or some are missing", async () => {
  const event: StoredEvent = { sequence: 1, subject: "a", headers: { name: "value" }, data: Uint8Array.of(1, 2, 3) }
  const segment = await Segment.pack([HashChain.encode(event)])
  const refuses = (bytes: Uint8Array) => Segment.unpack(bytes).then(() => false, () => true)
  for (const n of segment.keys()) {
    const changed = Buffer.from(segment)
    changed[n] = (changed[n] ?? 0) ^ 0xff
    assert.isTrue(await refuses(changed), `byte ${n}`)
  }
  assert.isTrue(await refuses(segment.subarray(0, -1)))
})
