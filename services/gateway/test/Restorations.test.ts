import * as Log from "@akave-async/domain/Log"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { Tail } from "@akave-async/eventing/Tail"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import * as Restorations from "../src/Restorations.ts"

it("a client is sent what follows on what it has of the log as it is now", () => {
  const { seenAt } = Restorations
  // Restored up to 10, up to 30, and up to 20.
  const ends = [10, 30, 20]
  const cases: ReadonlyArray<readonly [id: string, ends: ReadonlyArray<number>, last: number, seen: number]> = [
    ["0", [], 5, 0],
    ["5", [], 5, 5],
    // There is no such event, as far as this log knows.
    ["6", [], 5, 5],
    ["10", [10], 12, 10],
    ["11", [10], 12, 10],
    ["11.1", [10], 12, 11],
    ["99.1", [10], 12, 10],
    ["99.7", [10], 12, 10],
    ["9", ends, 40, 9],
    ["15", ends, 40, 10],
    ["15.1", ends, 40, 15],
    ["25.1", ends, 40, 20],
    ["35.2", ends, 40, 20],
    ["35.3", ends, 40, 35],
    [`${Number.MAX_SAFE_INTEGER}`, ends, 40, 10]
  ]
  for (const [id, ends, last, seen] of cases) assert.strictEqual(seenAt(id, ends, last), seen, `${id} of ${ends}`)
  assert.deepStrictEqual([Restorations.idOf(7, 0), Restorations.idOf(7, 2)], ["7", "7.2"])
})

const append = Effect.fnUntraced(function*(log: EventLogShape, count: number) {
  for (let n = 0; n < count; n++) {
    const lastSequence = yield* log.lastSequence
    yield* log.append("a.b", { lastSequence }, { id: `${lastSequence}`, headers: {}, data: new Uint8Array() })
  }
})
const restored = (log: EventLogShape) =>
  Effect.gen(function*() {
    const subject = Log.subject("LogRestored")
    const known = yield* LogEvents.load(log, subject)
    const decide = Log.recordRestoration({ lastSequence: yield* log.lastSequence, from: "backup" })
    yield* LogEvents.execute(log, subject, known, decide, { source: "/test" })
  })

it.live("a gateway knows the restorations that the log holds, and those that come", () =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    yield* append(log, 3)
    yield* restored(log)
    yield* append(log, 2)
    const context = yield* Layer.build(Layer.provideMerge(Tail.layer, Layer.succeed(EventLog, log)))
    const restorations = yield* Effect.provideContext(Restorations.make, context)
    assert.strictEqual(yield* restorations.seenAt("5"), 3)
    assert.strictEqual(yield* restorations.seenAt("5.1"), 5)
    assert.strictEqual(restorations.idOf(2), "2.1")
    yield* restored(log)
    yield* Effect.repeat(Effect.sync(() => restorations.idOf(2)), {
      until: (id) => id === "2.2",
      schedule: Schedule.spaced("5 millis")
    })
    assert.strictEqual(yield* restorations.seenAt("5.1"), 5)
    assert.strictEqual(yield* restorations.seenAt("7.1"), 6)
    // Sequences, of the log as it is.
    assert.strictEqual(yield* restorations.seenAt(5), 5)
    assert.strictEqual(yield* restorations.seenAt(900), 6)
  }).pipe(Effect.scoped))
