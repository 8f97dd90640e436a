import * as Bucket from "@akave-async/domain/Bucket"
import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import { codec, idOf } from "../src/BucketEvents.ts"
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

const stored = { sequence: 1, subject: "a", headers: { x: "1", y: "2" }, data: Uint8Array.of(1, 2, 3) }

it("has one hash for one event, whatever the order of its headers", () => {
  const turned = { ...stored, headers: { y: "2", x: "1" } }
  assert.deepStrictEqual(HashChain.next(HashChain.genesis, stored), HashChain.next(HashChain.genesis, turned))
})

it.for([
  { ...stored, sequence: 2 },
  { ...stored, subject: "b" },
  { ...stored, headers: { x: "1", y: "3" } },
  { ...stored, data: Uint8Array.of(1, 2, 4) },
  // The same bytes, cut elsewhere.
  { ...stored, subject: "", headers: { x: "1", y: "2" }, data: Uint8Array.of(97, 1, 2, 3) }
])("has another hash for another event", (other) => {
  assert.notDeepEqual(HashChain.next(HashChain.genesis, stored), HashChain.next(HashChain.genesis, other))
})

it("has another hash behind another past", () => {
  const past = HashChain.next(HashChain.genesis, stored)
  assert.notDeepEqual(HashChain.next(HashChain.genesis, stored), HashChain.next(past, stored))
})
