import * as Bucket from "@akave-async/domain/Bucket"
import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import { codec, idOf } from "../src/BucketEvents.ts"
import * as CloudEvent from "../src/CloudEvent.ts"
import * as HashChain from "../src/HashChain.ts"

it.effect.prop(
  "reads back every bucket event from its headers and data",
  [Bucket.Event],
  ([event]) =>
    Effect.gen(function*() {
      const metadata = {
        id: idOf(event),
        source: "/test",
        subject: "bucket.1.a",
        time: event.occurredAt,
        correlationId: event.jobId,
        causationId: "cause",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      }
      const encoded = yield* codec.encode(event, metadata)
      const stored = { sequence: 1, subject: "s", headers: encoded.headers, data: encoded.data }
      assert.deepStrictEqual(codec.decode(stored), Result.succeed(event))
      assert.deepStrictEqual(encoded.headers, {
        "ce-specversion": "1.0",
        "ce-id": metadata.id,
        "ce-type": `akave.${event._tag}.v1`,
        "ce-source": "/test",
        "ce-subject": "bucket.1.a",
        "ce-time": DateTime.formatIso(event.occurredAt),
        "ce-correlationid": event.jobId,
        "ce-causationid": "cause",
        traceparent: metadata.traceparent,
        "content-type": "application/json"
      })
      assert.notProperty(JSON.parse(new TextDecoder().decode(encoded.data)), "_tag")
    })
)

/** An event whose shape has changed twice: a name, then two, then also how the two are shown. */
const Renamed = Schema.TaggedUnion({
  Named: { first: Schema.String, last: Schema.String, isFormal: Schema.Boolean },
  Left: { at: Schema.DateTimeUtc }
})
const renamed = CloudEvent.make(Renamed, {
  Named: [
    CloudEvent.upcaster(Schema.Struct({ name: Schema.NonEmptyString }), ({ name }) => {
      const [first = "", last = ""] = name.split(" ")
      return Renamed.cases.Named.make({ first, last, isFormal: false })
    }),
    CloudEvent.upcaster(
      Schema.Struct({ first: Schema.String, last: Schema.String }),
      (named) => Renamed.cases.Named.make({ ...named, isFormal: false })
    )
  ]
})
const messageOf = (type: string, fields: unknown) => ({
  sequence: 7,
  subject: "s",
  headers: { "ce-type": type },
  data: new TextEncoder().encode(JSON.stringify(fields))
})

it("reads an event of every version that was ever stored as the event of today", () => {
  const ada = { first: "Ada", last: "Lovelace" }
  const named = Result.succeed(Renamed.cases.Named.make({ ...ada, isFormal: false }))
  assert.deepStrictEqual(renamed.decode(messageOf("akave.Named.v1", { name: "Ada Lovelace" })), named)
  assert.deepStrictEqual(renamed.decode(messageOf("akave.Named.v2", ada)), named)
  assert.deepStrictEqual(renamed.decode(messageOf("akave.Named.v3", { ...ada, isFormal: false })), named)
  assert.deepStrictEqual(renamed.types, ["akave.Named.v1", "akave.Named.v2", "akave.Named.v3", "akave.Left.v1"])
})

it.effect("writes an event as its last version", () =>
  Effect.gen(function*() {
    const event = Renamed.cases.Named.make({ first: "Ada", last: "Lovelace", isFormal: true })
    const time = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
    const { data, headers } = yield* renamed.encode(event, { id: "1", source: "/test", subject: "s", time })
    assert.strictEqual(headers["ce-type"], "akave.Named.v3")
    assert.deepStrictEqual(renamed.decode({ sequence: 1, subject: "s", headers, data }), Result.succeed(event))
  }))

it.each([
  ["akave.Named.v1", { name: "" }],
  ["akave.Named.v2", { name: "Ada Lovelace" }],
  ["akave.Named.v3", { first: "Ada", last: "Lovelace" }],
  ["akave.Named.v4", { first: "Ada", last: "Lovelace", isFormal: true }],
  ["akave.Named.v1", null]
])("does not read a %s that is none", (type, fields) => {
  const decoded = renamed.decode(messageOf(type, fields))
  assert.isTrue(Result.isFailure(decoded) && decoded.failure.type === type)
})

const stored = { sequence: 1, subject: "a", headers: { x: "1", y: "2" }, data: Uint8Array.of(1, 2, 3) }

it("has one hash for one event, whatever the order of its headers", () => {
  const turned = { ...stored, headers: { y: "2", x: "1" } }
  assert.deepStrictEqual(HashChain.over([stored]), HashChain.over([turned]))
})

it.for([
  { ...stored, sequence: 2 },
  { ...stored, subject: "b" },
  { ...stored, headers: { x: "1", y: "3" } },
  { ...stored, data: Uint8Array.of(1, 2, 4) },
  // The same bytes, cut elsewhere.
  { ...stored, subject: "", headers: { x: "1", y: "2" }, data: Uint8Array.of(97, 1, 2, 3) }
])("has another hash for another event", (other) => {
  assert.notDeepEqual(HashChain.over([stored]), HashChain.over([other]))
})

it("has another hash behind another past", () => {
  const past = HashChain.over([stored])
  assert.notDeepEqual(HashChain.over([stored]), HashChain.over([stored], past))
})
