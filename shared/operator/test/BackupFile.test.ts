import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { afterAll } from "vitest"
import * as BackupFile from "../src/BackupFile.ts"
import * as BackupFiles from "../src/BackupFiles.ts"
import * as BackupReader from "../src/BackupReader.ts"

const folder = mkdtempSync(join(tmpdir(), "backup-"))
afterAll(() => rmSync(folder, { recursive: true }))

const event = (sequence: number, of: Partial<StoredEvent> = {}): StoredEvent => ({
  sequence,
  subject: `bucket.${sequence}`,
  headers: { "ce-id": `${sequence}`, "nats-msg-id": `${sequence}` },
  data: Buffer.from(`{"n":${sequence}}`),
  ...of
})
/** Whatever an event can hold. */
const log: ReadonlyArray<StoredEvent> = [
  event(1),
  event(2, { data: new Uint8Array() }),
  event(3, { data: Uint8Array.of(0, 255, 254, 10, 13) }),
  event(4, { headers: { x: "\"quotes\" \\ and ünïcode  \u2028 \u2029 🪣", y: "" } }),
  event(5, { data: Buffer.from("\ufeffline\nline\r\n\u2028\u0000") }),
  event(6, { subject: "key.a.b" })
]
const ledger = [event(1, { subject: "opened" }), event(2, { subject: "nonce.1" })]

interface Given {
  readonly name: string
  readonly kind: BackupFile.Part["kind"]
  readonly before?: ReadonlyArray<StoredEvent>
  readonly events: ReadonlyArray<StoredEvent>
}
const sourceOf = ({ before = [], events, kind, name }: Given): BackupFile.Source<never, never> => ({
  name,
  prefix: name.toLowerCase(),
  kind,
  first_sequence: before.length + 1,
  last_sequence: before.length + events.length,
  hash_before: BackupFile.hexOf(HashChain.over(before)),
  events: Stream.fromIterable(events)
})
const textOf = (...given: ReadonlyArray<Given>) =>
  BackupFile.text({ time: "2026-01-01T00:00:00.000Z", release: "0.1.0", sources: given.map(sourceOf) }).pipe(
    Stream.mkString
  )
const whole = textOf({ name: "LOG", kind: "events", events: log }, { name: "W_1", kind: "ledger", events: ledger })

let files = 0
const save = (bytes: Uint8Array) => {
  const file = join(folder, `${++files}`)
  writeFileSync(file, bytes)
  return file
}
const saveText = (text: string | Uint8Array) => save(gzipSync(text))
const read = (file: string) =>
  BackupReader.read(file).pipe(Stream.map(({ events }) => events), Stream.flattenIterable, Stream.runCollect)
/** Why a file is refused; undefined where it is not. */
const refusal = (file: string) =>
  Effect.map(
    Effect.result(read(file)),
    Result.match({
      onFailure: (error) => {
        assert.instanceOf(error, BackupFile.BackupInvalid)
        assert.strictEqual(error.file, file)
        return error.problem
      },
      onSuccess: () => undefined
    })
  )

it.effect("reads what was written, byte for byte", () =>
  Effect.gen(function*() {
    const file = saveText(yield* whole)
    assert.deepStrictEqual(
      (yield* read(file)).map(({ event, stream }) => [stream, HashChain.encode(event)]),
      [...log.map((event) => ["LOG", event] as const), ...ledger.map((event) => ["W_1", event] as const)].map((
        [stream, event]
      ) => [stream, HashChain.encode(event)])
    )
    assert.deepStrictEqual(
      (yield* BackupFiles.verify([file])).map(({ hash, last, name }) => [name, last, BackupFile.hexOf(hash)]),
      [["LOG", 6, BackupFile.hexOf(HashChain.over(log))], ["W_1", 2, BackupFile.hexOf(HashChain.over(ledger))]]
    )
  }))

it.effect("keeps an empty log, and a part to which nothing was added", () =>
  Effect.gen(function*() {
    const empty = saveText(yield* textOf({ name: "LOG", kind: "events", events: [] }))
    const idle = saveText(yield* textOf({ name: "LOG", kind: "events", before: log, events: [] }))
    assert.deepStrictEqual((yield* BackupFiles.verify([empty])).map(({ last }) => last), [0])
    assert.deepStrictEqual((yield* BackupFiles.verify([idle])).map(({ first, last }) => [first, last]), [[7, 6]])
  }))

it.effect("writes nothing of a log that does not give what it has to", () =>
  Effect.gen(function*() {
    const [first, second, ...others] = log
    assert.isDefined(first)
    assert.isDefined(second)
    for (const events of [[first, ...others], [second, first, ...others], log.slice(0, -1), [...log, event(8)]]) {
      const source = { ...sourceOf({ name: "LOG", kind: "events", events: log }), events: Stream.fromIterable(events) }
      const text = BackupFile.text({ time: "", release: "", sources: [source] })
      assert.match((yield* Effect.flip(Stream.runDrain(text))).message, /LOG does not give its event \d/)
    }
  }))

describe("a file is refused, with what is wrong,", () => {
  it.effect("wherever its text is cut off", () =>
    Effect.gen(function*() {
      const text = Buffer.from(yield* whole)
      for (let length = 0; length < text.length; length += 7) {
        assert.match(`${yield* refusal(saveText(text.subarray(0, length)))}`, /^it is cut off: its last line/)
      }
    }))

  it.effect("wherever it is cut off", () =>
    Effect.gen(function*() {
      const file = gzipSync(yield* whole)
      for (let length = 0; length < file.length; length += 3) {
        assert.match(`${yield* refusal(save(file.subarray(0, length)))}`, /^it is cut off/)
      }
    }))

  it.effect("whichever bit of its text is another", () =>
    Effect.gen(function*() {
      const text = Buffer.from(yield* whole)
      for (let bit = 0; bit < text.length * 8; bit += 53) {
        const changed = Buffer.from(text)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.isDefined(yield* refusal(saveText(changed)), `bit ${bit}`)
      }
    }))

  it.effect("whichever bit of it is another, or what it holds is the same", () =>
    Effect.gen(function*() {
      const text = yield* whole
      const file = gzipSync(text)
      for (let bit = 0; bit < file.length * 8; bit += 13) {
        const changed = Buffer.from(file)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        // Of gzip's own header some bits mean nothing.
        const isSame = yield* Effect.sync(() => {
          try {
            return gunzipSync(changed).toString() === text
          } catch {
            return false
          }
        })
        assert.strictEqual((yield* refusal(save(changed))) === undefined, isSame, `bit ${bit}`)
      }
    }))

  it.effect("if lines are missing, twice, swapped or added", () =>
    Effect.gen(function*() {
      const lines = (yield* whole).split("\n").slice(0, -1)
      const changed = (change: (lines: Array<string>) => void) => {
        const copy = [...lines]
        change(copy)
        return refusal(saveText(copy.map((line) => `${line}\n`).join("")))
      }
      for (const n of lines.keys()) {
        assert.isDefined(yield* changed((lines) => lines.splice(n, 1)), `without line ${n}`)
        assert.isDefined(yield* changed((lines) => lines.splice(n, 0, lines[n] ?? "")), `line ${n} twice`)
        assert.isDefined(yield* changed((lines) => lines.splice(n, 0, "")), `an empty line ${n}`)
        for (let other = 0; other < n; other++) {
          const swap = (lines: Array<string>) => {
            ;[lines[n], lines[other]] = [lines[other] ?? "", lines[n] ?? ""]
          }
          assert.isDefined(yield* changed(swap), `lines ${n} and ${other} swapped`)
        }
      }
      assert.strictEqual(
        yield* changed((lines) => lines.splice(2, 1)),
        "line 3 has event 3 of LOG, and has to have event 2 of LOG"
      )
      assert.strictEqual(
        yield* changed((lines) => lines.push("{}")),
        `line ${lines.length + 1} stands behind what has to be the last one`
      )
    }))

  it.effect("if it is something else", () =>
    Effect.gen(function*() {
      const first = (yield* whole).split("\n", 1)[0] ?? ""
      const withFirst = (line: string) => refusal(saveText(`${line}\n`))
      const other = "its first line is not that of the format \"akave-async backup v1\""
      assert.match(`${yield* refusal(save(Buffer.from("no gzip")))}`, /^it is no gzip file, or is damaged/)
      assert.strictEqual(yield* refusal(join(folder, "none")), "there is no such file")
      assert.match(`${yield* refusal(folder)}`, /^it can't be read \(EISDIR/)
      assert.match(`${yield* refusal(saveText("no line"))}`, /^it is cut off/)
      assert.strictEqual(yield* withFirst("{}"), other)
      assert.strictEqual(yield* withFirst(first.replace("v1", "v2")), other)
      assert.strictEqual(
        yield* withFirst(first.replace("\"ledger\"", "\"events\"")),
        "its first line does not name one event log, and then ledgers"
      )
      assert.strictEqual(
        yield* withFirst(first.replace("\"last_sequence\":6", "\"last_sequence\":6.5")),
        other
      )
      assert.strictEqual(
        yield* withFirst(first.replace("\"first_sequence\":1", "\"first_sequence\":9")),
        "its first line has no range of events of LOG"
      )
      assert.strictEqual(yield* refusal(saveText(Uint8Array.of(255, 10))), "line 1 is no UTF-8 text")
    }))
})

describe("files follow on each other", () => {
  const part = (from: number, to: number, of = log) =>
    textOf({ name: "LOG", kind: "events", before: of.slice(0, from - 1), events: of.slice(from - 1, to) }).pipe(
      Effect.map(saveText)
    )
  const problem = (...files: ReadonlyArray<string>) =>
    Effect.map(Effect.flip(BackupFiles.verify(files)), ({ file, problem }) => `${files.indexOf(file)}: ${problem}`)

  it.effect("in the order in which they were made, each once", () =>
    Effect.gen(function*() {
      const [one, two, three] = [yield* part(1, 2), yield* part(3, 3), yield* part(4, 6)]
      const [found] = yield* BackupFiles.verify([one, two, three])
      assert.deepStrictEqual([found?.first, found?.last], [1, 6])
      assert.deepStrictEqual(found?.hash, HashChain.over(log))
      const order = "name the files in the order in which they were made, each once"
      assert.strictEqual(
        yield* problem(one, three),
        `1: it begins with event 4 of LOG, and ${one} ends with event 2: ${order}`
      )
      assert.strictEqual(
        yield* problem(two, one),
        `1: it begins with event 1 of LOG, and ${two} ends with event 3: ${order}`
      )
      assert.match(yield* problem(one, one), /^0: it begins with event 1 of LOG/)
      assert.match(yield* problem(one, two, two), /^1: it begins with event 3 of LOG/)
    }))

  it.effect("in one log", () =>
    Effect.gen(function*() {
      const others = log.map((one) => ({ ...one, subject: `${one.subject}.other` }))
      const [one, other] = [yield* part(1, 3), yield* part(4, 6, others)]
      assert.strictEqual(
        yield* problem(one, other),
        `1: it follows on other events of LOG than those of ${one}: it is of another log`
      )
      const both = saveText(yield* whole)
      const without = saveText(yield* textOf({ name: "LOG", kind: "events", before: log, events: [event(7)] }))
      assert.strictEqual(yield* problem(both, without), `1: it has nothing of W_1, which ${both} has`)
    }))
})
