import * as Checkpoints from "@akave-async/eventing/Checkpoints"
import * as EventLine from "@akave-async/eventing/EventLine"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { codec } from "@akave-async/eventing/LogEvents"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result, Stream } from "effect"
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as BackupFile from "../src/BackupFile.ts"
import { verify } from "../src/Verify.ts"
import * as Changes from "./audit/Changes.ts"

const { privateKey } = generateKeyPairSync("ed25519")
const publicKey = Buffer.from(createPublicKey(privateKey).export({ format: "jwk" }).x ?? "", "base64url").toString(
  "base64"
)
const at = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const signed = (events: ReadonlyArray<StoredEvent>, sequence: number) =>
  Checkpoints.sign({ privateKey, publicKey }, { sequence, hash: HashChain.over(events.slice(0, sequence)) }, at)

/** Twenty events, a checkpoint of them, and two more. */
const events = Effect.gen(function*() {
  const before = Changes.logOf(20)
  const record = yield* codec.encode(signed(before, 20), {
    id: "checkpoint",
    source: "/test",
    subject: "log.checkpoints",
    time: at
  })
  const after = Changes.logOf(23).slice(21)
  return [...before, { sequence: 21, subject: "log.checkpoints", headers: record.headers, data: record.data }, ...after]
})

const textOf = (some: ReadonlyArray<StoredEvent>) => some.map((event) => `${EventLine.toLine(event)}\n`).join("")
const verified = (contents: ReadonlyArray<string | Buffer>, options: Parameters<typeof verify>[1] = {}) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "verify-"))),
    (folder) =>
      verify(
        contents.map((content, n) => {
          const file = join(folder, `${n}.ndjson`)
          writeFileSync(file, content)
          return file
        }),
        options
      ),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

it.effect("events that are as they were signed are confirmed, in one file or in several, or in a backup", () =>
  Effect.gen(function*() {
    const all = yield* events
    const expected = {
      events: 23,
      hash: Buffer.from(HashChain.over(all)).toString("hex"),
      confirmed: 1,
      signedUpTo: 20,
      keys: { [publicKey]: 1 },
      findings: []
    }
    assert.deepStrictEqual(yield* verified([textOf(all)]), expected)
    assert.deepStrictEqual(yield* verified([textOf(all.slice(0, 9)), textOf(all.slice(9))]), expected)
    const backup = yield* Stream.runFold(
      BackupFile.text({
        time: "2026-01-01T00:00:00.000Z",
        release: "0.1.0",
        sources: [
          {
            name: "EVENTS",
            prefix: "events",
            kind: "events",
            first_sequence: 1,
            last_sequence: all.length,
            hash_before: BackupFile.hexOf(HashChain.genesis),
            events: Stream.fromIterable(all)
          },
          {
            name: "WALLET",
            prefix: "wallet",
            kind: "ledger",
            first_sequence: 1,
            last_sequence: 2,
            hash_before: BackupFile.hexOf(HashChain.genesis),
            events: Stream.fromIterable(Changes.logOf(2))
          }
        ]
      }),
      () => "",
      (text, more) => text + more
    )
    assert.deepStrictEqual(yield* verified([gzipSync(backup)]), expected)
    assert.deepStrictEqual(yield* verified([textOf(all)], { checkpoints: [signed(all, 20)], publicKey }), expected)
  }))

it.effect("a changed event is reported by the checkpoint that it does not fit", () =>
  Effect.gen(function*() {
    const changed = (yield* events).map((one) => one.sequence === 7 ? { ...one, data: Buffer.from("{}") } : one)
    const { confirmed, findings } = yield* verified([textOf(changed)])
    assert.strictEqual(confirmed, 0)
    assert.match(
      findings.join(),
      /^the events 1 to 20 are not those of the checkpoint of 2026-01-01T00:00:00.000Z, signed by /
    )
  }))

it.effect("events that end before a checkpoint are reported", () =>
  Effect.gen(function*() {
    const all = yield* events
    const { findings } = yield* verified([textOf(all.slice(0, 10))], { checkpoints: [signed(all, 20)] })
    assert.match(findings.join(), /^the events end at 10, before the checkpoint of .* \(event 20\)$/)
  }))

it.effect("a key that is not trusted confirms nothing", () =>
  Effect.gen(function*() {
    const { confirmed, findings } = yield* verified([textOf(yield* events)], {
      publicKey: Buffer.alloc(32, 1).toString("base64")
    })
    assert.strictEqual(confirmed, 0)
    assert.match(findings.join(), /that key is not the one to trust$/)
  }))

describe("files that can't be verified are refused with what to do:", () => {
  const refused = (contents: (all: ReadonlyArray<StoredEvent>) => ReadonlyArray<string | Buffer>, reason: RegExp) =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(verified(contents(yield* events)))
      assert.match(message, reason)
    })
  it.effect("one that begins later", () =>
    refused(
      (all) => [textOf(all.slice(3))],
      /^The first event is 4: give the files before it as well, from event 1 on$/
    ))
  it.effect("one without an event", () =>
    refused((all) => [textOf(all.filter(({ sequence }) => sequence !== 5))], /^Event 4 is followed by event 6: /))
  it.effect("files in another order", () =>
    refused((all) => [textOf(all.slice(9)), textOf(all.slice(0, 9))], /^The first event is 10: /))
  it.effect("a line that is no event", () =>
    refused((all) => [`${textOf(all)}{"sequence":24}\n`], /^Line 24 of .* is no event: give a backup, or /))
  it.effect("a file that was cut", () =>
    refused((all) => [gzipSync(textOf(all)).subarray(0, 300)], /can't be used: it/))
  it.effect("a file that is not there", () =>
    Effect.map(
      Effect.flip(verify(["/nowhere/at-all"], {})),
      ({ message }) => assert.match(message, /^\/nowhere\/at-all can't be read: ENOENT/)
    ))
})

it("a line keeps every byte of an event", () => {
  const event = {
    sequence: 7,
    subject: "a.\"b\"",
    headers: { "x-text": "ü \u2028 \" \\ \t", "": "" },
    data: Buffer.from("\ufeff{\"n\": 1.0, \"ü\":\"\\u00fc\"}")
  }
  for (const data of [event.data, Buffer.alloc(0), Buffer.from([0xff, 0, 0xfe])]) {
    assert.deepStrictEqual(
      EventLine.fromLine(EventLine.toLine({ ...event, data })),
      Result.succeed({ ...event, data })
    )
  }
})
