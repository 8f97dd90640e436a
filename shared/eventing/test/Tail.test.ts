import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, type Scope } from "effect"
import { EventLog, type EventLogShape, type StoredEvent } from "../src/EventLog.ts"
import * as EventLogMemory from "../src/EventLogMemory.ts"
import { ofOwner } from "../src/Recent.ts"
import { type Following, Tail } from "../src/Tail.ts"

const owner = "0xaa"
const subjectOf = (n: number) => `bucket.${owner}.b${n % 10}`
/** Appends events of ten subjects, and one of another owner after each tenth. */
const append = Effect.fnUntraced(function*(log: EventLogShape, count: number) {
  for (let n = 0; n < count; n++) {
    const lastSequence = yield* log.lastSequence
    const subject = lastSequence % 11 === 10 ? "bucket.0xbb.b" : subjectOf(lastSequence % 11)
    yield* log.append(subject, { lastSequence }, {
      id: `${lastSequence + 1}`,
      headers: { "ce-correlationid": subject },
      data: new Uint8Array()
    })
  }
})
const isOwn = (sequence: number) => sequence % 11 !== 0
const own = (from: number, to: number) => {
  const sequences = Array.from({ length: to - from + 1 }, (_, n) => from + n)
  return sequences.filter(isOwn)
}
const until = Effect.fnUntraced(function*({ take }: Following, last: number) {
  const taken: Array<StoredEvent> = []
  while ((taken.at(-1)?.sequence ?? 0) < last) taken.push(...yield* take("10 seconds"))
  return taken.map(({ sequence }) => sequence)
})

const withTail = <A, E>(
  before: number,
  test: (log: EventLogShape, tail: Tail["Service"]) => Effect.Effect<A, E, EventLog | Scope.Scope>
) =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    yield* append(log, before)
    return yield* Effect.flatMap(Tail, (tail) => test(log, tail)).pipe(
      Effect.provide(Layer.provideMerge(Tail.layer, Layer.succeed(EventLog, log))),
      Effect.scoped
    )
  })

describe("a follower", () => {
  it.live.each([{ before: 0, from: 1 }, { before: 100, from: 1 }, { before: 100, from: 95 }, {
    before: 100,
    from: 101
  }])(
    "from $from on, with $before events before, gets each event once and in order, those to come too",
    ({ before, from }) =>
      withTail(before, (log, tail) =>
        Effect.gen(function*() {
          const following = yield* tail.follow(ofOwner(owner), from)
          const taking = yield* Effect.forkChild(until(following, 120))
          yield* append(log, 120 - before)
          assert.deepStrictEqual(yield* Fiber.join(taking), own(from, 120))
        }))
  )

  it.live("of one subject gets what is on it", () =>
    withTail(50, (log, tail) =>
      Effect.gen(function*() {
        const following = yield* tail.follow(subjectOf(3), 1)
        yield* append(log, 50)
        const sequences = yield* until(following, 92)
        assert.deepStrictEqual(sequences, [4, 15, 26, 37, 48, 59, 70, 81, 92])
      })))

  it.live(
    "that begins before what is remembered gets the rest from the log, while more comes",
    () =>
      withTail(6_500, (log, tail) =>
        Effect.gen(function*() {
          assert.isAbove(yield* tail.next, 1_000)
          const following = yield* tail.follow(ofOwner(owner), 10)
          const taking = yield* Effect.forkChild(until(following, 7_000))
          yield* append(log, 500)
          assert.deepStrictEqual(yield* Fiber.join(taking), own(10, 7_000))
        })),
    30_000
  )

  it.live(
    "that takes nothing is cut off, and the others get all",
    () =>
      withTail(0, (log, tail) =>
        Effect.gen(function*() {
          const slow = yield* tail.follow(ofOwner(owner), 1)
          const quick = yield* tail.follow(ofOwner(owner), 1)
          yield* append(log, 1)
          assert.deepStrictEqual((yield* slow.take("10 seconds")).map(({ sequence }) => sequence), [1])
          const taking = yield* Effect.forkChild(until(quick, 1_300))
          yield* append(log, 1_299)
          assert.deepStrictEqual(yield* Fiber.join(taking), own(1, 1_300))
          assert.strictEqual((yield* Effect.flip(slow.take("10 seconds")))._tag, "CutOff")

          const again = yield* tail.follow(ofOwner(owner), 2)
          assert.deepStrictEqual(yield* until(again, 1_300), own(2, 1_300))
        })),
    30_000
  )

  it.live("is cut off when the process is about to end, and so is one that comes then", () =>
    withTail(5, (_, tail) =>
      Effect.gen(function*() {
        const following = yield* tail.follow(ofOwner(owner), 6)
        const taking = yield* Effect.forkChild(Effect.flip(following.take("1 minute")), { startImmediately: true })
        yield* tail.cutAll
        assert.strictEqual((yield* Fiber.join(taking))._tag, "CutOff")
        const late = yield* tail.follow(ofOwner(owner), 6)
        assert.strictEqual((yield* Effect.flip(late.take("1 minute")))._tag, "CutOff")
      })))

  it.live("finds the recent events of a job", () =>
    withTail(30, (log, tail) =>
      Effect.gen(function*() {
        yield* append(log, 1)
        const following = yield* tail.follow(ofOwner(owner), 31)
        yield* until(following, 31)
        const recent = tail.recent(subjectOf(0) as never)
        assert.deepStrictEqual(recent.map(({ sequence }) => sequence), [1, 12, 23])
      })))
})
