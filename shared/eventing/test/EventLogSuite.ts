/** What every event log must do, run on each layer of the port. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, Result, Schema, type Scope, Stream } from "effect"
import * as fc from "fast-check"
import * as CloudEvent from "../src/CloudEvent.ts"
import {
  type ConsumerOptions,
  type Delivery,
  type EventLogShape,
  keepInProgress,
  LogLost,
  type StoredEvent
} from "../src/EventLog.ts"

export interface Subject {
  readonly log: EventLogShape
  /** Cuts the connection to the log once; it comes back by itself. */
  readonly interrupt: Effect.Effect<void>
  /** Puts a log of these events in the place of the one that is open, or none. */
  readonly replace: (events: ReadonlyArray<StoredEvent> | undefined) => Effect.Effect<void>
}

let ids = 0
const event = (text: string, id = `event-${++ids}`): CloudEvent.NewEvent => ({
  id,
  headers: { "ce-id": id, "ce-type": "akave.Said.v1" },
  data: new TextEncoder().encode(JSON.stringify({ text }))
})
const textOf = (stored: { readonly data: Uint8Array }): string => JSON.parse(new TextDecoder().decode(stored.data)).text

const consumer = (name: string, options?: Partial<ConsumerOptions>): ConsumerOptions => ({
  name,
  ackWait: Duration.millis(400),
  maxAckPending: 100,
  ...options
})
const first = (log: EventLogShape, options: ConsumerOptions): Effect.Effect<Delivery, unknown> =>
  Stream.runHead(log.consume(options)).pipe(Effect.flatMap(Effect.fromOption))

/** Appends events behind a sequence, each stating that it follows on the one before it. */
const appendGroup = (log: EventLogShape, sequence: number, names: ReadonlyArray<string>) => {
  const events = names.map((name) => event(name))
  return Effect.all(
    events.map((member, n) =>
      Effect.exit(
        log.append(`claim.${textOf(member)}`, { lastSequence: sequence + n, lastId: events[n - 1]?.id }, member)
      )
    ),
    { concurrency: "unbounded" }
  )
}

/** A log whose server can be stopped until it has forgotten what it keeps for a time only, and started again. */
export interface Restartable {
  readonly log: EventLogShape
  readonly pause: Effect.Effect<void>
}

/** What must hold after a pause that is longer than the dedup window. */
export const pauseSuite = (name: string, make: Effect.Effect<Restartable, unknown, Scope.Scope>) =>
  describe(name, () => {
    const test = (sentence: string, body: (subject: Restartable) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.live(sentence, () => Effect.scoped(Effect.flatMap(make, body)))

    test("stores a group that follows on the end of the log after a pause", ({ log, pause }) =>
      Effect.gen(function*() {
        const { sequence } = yield* log.append("ledger", { revision: 0 }, event("opening"))
        yield* pause
        const exits = yield* appendGroup(log, sequence, ["a1", "a2", "a3"])
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, true])
        assert.strictEqual(yield* log.lastSequence, 4)
      }))

    test("refuses what was decided before the pause and is no longer so, and knows what is stored on a subject", ({ log, pause }) =>
      Effect.gen(function*() {
        const { sequence } = yield* log.append("a", { revision: 0 }, event("one", "same"))
        yield* log.append("b", { revision: 0 }, event("other"))
        yield* pause
        const late = yield* Effect.flip(log.append("c", { lastSequence: sequence }, event("late")))
        assert.strictEqual(late._tag, "WrongRevision")
        const again = yield* log.append("a", { revision: 0 }, event("one", "same"))
        assert.deepStrictEqual(again, { sequence, isDuplicate: true })
        assert.strictEqual(yield* log.lastSequence, 2)
      }))

    test("goes on with a consumer and a subscriber where they were before the pause", ({ log, pause }) =>
      Effect.gen(function*() {
        const options = consumer("c", { ackWait: Duration.seconds(2) })
        for (const n of [1, 2]) yield* log.append(`s${n}`, { revision: 0 }, event(`${n}`))
        yield* Effect.flatMap(first(log, options), ({ ack }) => ack)
        const seen = yield* log.subscribe(1).pipe(
          Stream.take(3),
          Stream.map(textOf),
          Stream.runCollect,
          Effect.forkScoped
        )
        yield* pause
        yield* log.append("s3", { revision: 0 }, event("3")).pipe(Effect.retry({ times: 50 }))
        // A server that was killed may have forgotten that an event was acknowledged; it owes the others.
        const owed = new Set(["2", "3"])
        yield* log.consume(options).pipe(
          Stream.tap(({ ack, event }) => Effect.andThen(ack, Effect.sync(() => owed.delete(textOf(event))))),
          Stream.takeUntil(() => owed.size === 0),
          Stream.runDrain
        )
        assert.deepStrictEqual(yield* Fiber.join(seen), ["1", "2", "3"])
      }))
  })

export const eventLogSuite = (name: string, make: Effect.Effect<Subject, unknown, Scope.Scope>) =>
  describe(name, () => {
    const test = (sentence: string, body: (subject: Subject) => Effect.Effect<void, unknown, Scope.Scope>) =>
      it.live(sentence, () => Effect.scoped(Effect.flatMap(make, body)))

    test("reads back what was appended, with its headers, in order", ({ log }) =>
      Effect.gen(function*() {
        const { sequence: one } = yield* log.append("a", { revision: 0 }, event("one"))
        const { sequence: two } = yield* log.append("a", { revision: one }, event("two"))
        yield* log.append("b", { revision: 0 }, event("other"))
        const { events, revision } = yield* log.read("a")
        assert.deepStrictEqual(events.map(textOf), ["one", "two"])
        assert.deepStrictEqual(events.map((stored) => stored.subject), ["a", "a"])
        assert.strictEqual(events[0]?.headers["ce-type"], "akave.Said.v1")
        assert.strictEqual(revision, two)
        assert.strictEqual(textOf(Option.getOrThrow(yield* log.last("a"))), "two")
        assert.strictEqual(textOf(Option.getOrThrow(yield* log.get(one))), "one")
        assert.strictEqual(yield* log.lastSequence, 3)
      }))

    test("reads a subject of more events than one request gives, among others, whole and in order", ({ log }) =>
      Effect.gen(function*() {
        const count = 2500
        let revision = 0
        for (let n = 1; n <= count; n++) {
          if (n % 500 === 0) yield* log.append(`other${n}`, { revision: 0 }, event("other"))
          revision = (yield* log.append("a", { revision }, event(`${n}`))).sequence
        }
        const read = yield* log.read("a")
        assert.deepStrictEqual(read.events.map(textOf), Array.from({ length: count }, (_, n) => `${n + 1}`))
        assert.strictEqual(read.revision, revision)
        yield* log.append("a", { revision: read.revision }, event("after"))
      }))

    test("gives a page of what a filter matches, from any sequence on", ({ log }) =>
      Effect.gen(function*() {
        const subjects = ["k.a.1", "k.b.1", "k.a.2", "l.a.1", "k.a.1.2", "other"]
        for (const subject of subjects) yield* log.append(subject, { revision: 0 }, event(subject))
        const page = (filter: string, from: number, limit: number) =>
          Effect.map(log.page(filter, from, limit), (events) => events.map(({ sequence }) => sequence))
        assert.deepStrictEqual(yield* page("*.a.>", 1, 100), [1, 3, 4, 5])
        assert.deepStrictEqual(yield* page("*.a.>", 0, 2), [1, 3])
        assert.deepStrictEqual(yield* page("*.a.>", 4, 100), [4, 5])
        assert.deepStrictEqual(yield* page("k.a.1", 1, 100), [1])
        assert.deepStrictEqual(yield* page(">", 5, 100), [5, 6])
        assert.deepStrictEqual(yield* page("*.a.>", 6, 100), [])
        assert.deepStrictEqual(yield* page("*.nobody.>", 1, 100), [])
      }))

    test("gives every page whole, of whatever is in the log", ({ log }) =>
      Effect.gen(function*() {
        const owners = ["a", "a", "a", "b", ""]
        const subjects = fc.sample(
          fc.tuple(fc.constantFrom(...owners), fc.nat(30)).map(([owner, n]) =>
            owner === "" ? `other.${n}` : `k.${owner}.${n}`
          ),
          { numRuns: 400, seed: 1 }
        )
        for (const [n, subject] of subjects.entries()) yield* log.append(subject, { lastSequence: n }, event(subject))
        const pages = fc.sample(
          fc.record({
            filter: fc.constantFrom("*.a.>", "k.>", "other.>", "k.a.1", "*.b.>"),
            from: fc.nat(410),
            limit: fc.nat(200)
          }),
          { numRuns: 300, seed: 2 }
        )
        for (const { filter, from, limit } of pages) {
          const pattern = new RegExp(`^${filter.replace("*", "[^.]+").replace(/>$/, ".+")}$`)
          const expected = subjects.flatMap((subject, n) => pattern.test(subject) && n + 1 >= from ? [n + 1] : [])
          const found = yield* log.page(filter, from, limit)
          assert.deepStrictEqual(
            found.map(({ sequence }) => sequence),
            expected.slice(0, limit),
            `${filter} ${from} ${limit}`
          )
        }
      }))

    test("reports how full it is, and what a consumer has before it", ({ log }) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* log.load("reader")).waiting, 0)
        const before = (yield* log.load("reader")).storedBytes
        for (const subject of ["k.a.1", "k.b.1", "k.a.2"]) yield* log.append(subject, { revision: 0 }, event(subject))
        const options = { name: "reader", ackWait: Duration.seconds(10), maxAckPending: 1, filter: "*.a.>" }
        const [first] = yield* log.consume(options).pipe(Stream.take(1), Stream.runCollect)
        const load = yield* log.load("reader")
        assert.strictEqual(first?.event.sequence, 1)
        assert.strictEqual(load.waiting, 1)
        assert.isAbove(load.storedBytes, before)
      }))

    test("reports the absence of a subject and of a sequence", ({ log }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* log.read("nothing"), { events: [], revision: 0 })
        assert.isTrue(Option.isNone(yield* log.last("nothing")))
        assert.isTrue(Option.isNone(yield* log.get(99)))
        assert.strictEqual(yield* log.lastSequence, 0)
      }))

    test("gives one event alike, however it is asked for", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append("a", { revision: 0 }, event("one"))
        const [subscribed] = yield* log.subscribe(1).pipe(Stream.take(1), Stream.runCollect)
        const { events } = yield* log.read("a")
        const delivery = yield* first(log, consumer("c"))
        for (
          const other of [events[0], ...Option.toArray(yield* log.get(1)), ...Option.toArray(yield* log.last("a"))]
        ) {
          assert.deepStrictEqual(other, subscribed)
        }
        assert.deepStrictEqual(delivery.event, subscribed)
      }))

    test("finds the next event under a beginning of subjects", ({ log }) =>
      Effect.gen(function*() {
        for (const subject of ["a.x", "ab.x", "a", "a.y.z"]) yield* log.append(subject, { revision: 0 }, event(subject))
        const texts = (tokens: string) =>
          Effect.forEach([0, 1, 2, 4, 5], (from) => Effect.map(log.nextUnder(tokens, from), Option.map(textOf)))
        const [x, z, none] = [Option.some("a.x"), Option.some("a.y.z"), Option.none<string>()]
        assert.deepStrictEqual(yield* texts("a"), [x, x, z, z, none])
        assert.deepStrictEqual(yield* texts("b"), [none, none, none, none, none])
      }))

    test("refuses an append that was decided on an older revision", ({ log }) =>
      Effect.gen(function*() {
        const { sequence } = yield* log.append("a", { revision: 0 }, event("one"))
        for (const revision of [0, sequence + 1]) {
          const error = yield* Effect.flip(log.append("a", { revision }, event("late")))
          assert.strictEqual(error._tag, "WrongRevision")
        }
        assert.lengthOf((yield* log.read("a")).events, 1)
      }))

    test("lets one of many writers with the same revision win", ({ log }) =>
      Effect.gen(function*() {
        const exits = yield* Effect.all(
          Array.from({ length: 20 }, (_, n) => Effect.exit(log.append("a", { revision: 0 }, event(`${n}`)))),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(exits.filter(Exit.isSuccess), 1)
        assert.lengthOf((yield* log.read("a")).events, 1)
      }))

    test("stores an event once, also when its expectation no longer holds", ({ log }) =>
      Effect.gen(function*() {
        const stored = yield* log.append("a", { revision: 0 }, event("one", "same"))
        yield* log.append("a", { revision: stored.sequence }, event("two"))
        const again = yield* log.append("a", { revision: 0 }, event("one", "same"))
        assert.deepStrictEqual(again, { sequence: stored.sequence, isDuplicate: true })
        assert.lengthOf((yield* log.read("a")).events, 2)
      }))

    test("stores a group that follows on the end of the log, all or a beginning of it", ({ log }) =>
      Effect.gen(function*() {
        const { sequence } = yield* log.append("ledger", { revision: 0 }, event("opening"))
        const group = (names: ReadonlyArray<string>) => appendGroup(log, sequence, names)
        const exits = yield* Effect.all([group(["a1", "a2", "a3"]), group(["b1", "b2", "b3"])], {
          concurrency: "unbounded"
        })
        const stored = yield* log.subscribe(sequence + 1).pipe(Stream.take(3), Stream.map(textOf), Stream.runCollect)
        assert.isTrue(stored.join() === "a1,a2,a3" || stored.join() === "b1,b2,b3", stored.join())
        assert.strictEqual(yield* log.lastSequence, 4)
        assert.lengthOf(exits.flat().filter(Exit.isSuccess), 3)
      }))

    test("subscribes from a sequence and goes on with what comes later", ({ log }) =>
      Effect.gen(function*() {
        for (const n of [1, 2, 3]) yield* log.append(`s${n}`, { revision: 0 }, event(`${n}`))
        const seen = yield* log.subscribe(2).pipe(
          Stream.take(4),
          Stream.map(textOf),
          Stream.runCollect,
          Effect.forkScoped
        )
        for (const n of [4, 5]) yield* log.append(`s${n}`, { revision: 0 }, event(`${n}`))
        assert.deepStrictEqual(yield* Fiber.join(seen), ["2", "3", "4", "5"])
      }))

    test("gives a subscriber everything in order though its connection is lost in between", ({ interrupt, log }) =>
      Effect.gen(function*() {
        const total = 300
        const seen = yield* log.subscribe(1).pipe(
          Stream.take(total),
          Stream.map(textOf),
          Stream.runCollect,
          Effect.forkScoped
        )
        for (let n = 0; n < total; n++) {
          if (n === 100 || n === 200) yield* interrupt
          yield* log.append(`s${n % 7}.${n}`, { revision: 0 }, event(`${n}`)).pipe(Effect.retry({ times: 50 }))
        }
        assert.deepStrictEqual(yield* Fiber.join(seen), Array.from({ length: total }, (_, n) => `${n}`))
      }))

    /** Three events, and what reports them. */
    const three = Effect.fnUntraced(function*(log: EventLogShape) {
      for (const n of [1, 2, 3]) yield* log.append(`s${n}`, { revision: 0 }, event(`${n}`))
      return yield* log.subscribe(1).pipe(Stream.take(3), Stream.runCollect)
    })
    const isRefused = Effect.fnUntraced(function*(log: EventLogShape, loss: RegExp) {
      const reported = yield* Effect.flip(log.lastSequence).pipe(
        // Whatever was under way when the connection was cut has got no answer.
        Effect.repeat({ until: ({ cause }) => cause instanceof LogLost })
      )
      const errors = yield* Effect.all([
        Effect.succeed(reported),
        Effect.flip(log.append("new", { revision: 0 }, event("new"))),
        Effect.flip(log.read("s1")),
        Effect.flip(log.get(1)),
        Effect.flip(log.last("s1"))
      ])
      for (const error of errors) {
        assert.match(error.message, loss)
        assert.isTrue(error._tag === "LogUnavailable" && error.cause instanceof LogLost)
      }
    })
    const goesOn = Effect.fnUntraced(function*(log: EventLogShape) {
      yield* log.lastSequence
      const { sequence } = yield* log.append("new", { revision: 0 }, event("new"))
      assert.strictEqual(sequence, 4)
    })

    for (
      const [loss, left, reported] of [
        ["is missing", undefined, /is missing\. It had 3 events: restore it$/],
        ["was emptied", 0, /has 0 events, and it had 3: restore it$/],
        ["ends before what was seen of it", 2, /has 2 events, and it had 3: restore it$/]
      ] as const
    ) {
      test(`answers nothing and takes nothing while it ${loss}, and goes on when it is restored`, (subject) =>
        Effect.gen(function*() {
          const { interrupt, log, replace } = subject
          const events = yield* three(log)
          yield* replace(left === undefined ? undefined : events.slice(0, left))
          yield* interrupt
          yield* isRefused(log, reported)
          yield* replace(events)
          yield* goesOn(log)
        }))
    }

    test("answers nothing and takes nothing while another log of its length is in its place", ({ interrupt, log, replace }) =>
      Effect.gen(function*() {
        const events = yield* three(log)
        yield* replace(
          events.map((one) => ({ ...one, headers: { ...one.headers, "nats-msg-id": `other-${one.sequence}` } }))
        )
        yield* interrupt
        yield* isRefused(log, /was replaced: its event 3 is another than before\. Restore it$/)
        yield* replace(events)
        yield* goesOn(log)
      }))

    test("is lost without a word of the connection too", ({ log, replace }) =>
      Effect.gen(function*() {
        const events = yield* three(log)
        yield* replace(events.slice(0, 1))
        assert.match((yield* Effect.flip(log.append("new", { revision: 0 }, event("new")))).message, /had 3/)
        yield* replace(events)
        yield* goesOn(log)
      }))

    test("delivers what was acknowledged once, in order", ({ log }) =>
      Effect.gen(function*() {
        for (const n of [1, 2, 3]) yield* log.append("a", { revision: n - 1 }, event(`${n}`))
        const seen: Array<string> = []
        yield* log.consume(consumer("c")).pipe(
          Stream.take(3),
          Stream.runForEach((delivery) => {
            seen.push(`${textOf(delivery.event)}/${delivery.deliveryCount}`)
            return delivery.ack
          })
        )
        yield* log.append("a", { revision: 3 }, event("4"))
        const next = yield* first(log, consumer("c"))
        assert.deepStrictEqual([...seen, `${textOf(next.event)}/${next.deliveryCount}`], ["1/1", "2/1", "3/1", "4/1"])
      }))

    test("hands a consumer the events of its filter, and what it holds does not count for others", ({ log }) =>
      Effect.gen(function*() {
        for (const subject of ["bucket.a.x", "bucket.b.x", "crate.a.y.z", "bucket.a", "dead-letter.1", "bucket.b.y"]) {
          yield* log.append(subject, { revision: 0 }, event(subject))
        }
        const take = (name: string, filter: string, count: number) =>
          log.consume(consumer(name, { filter, maxAckPending: 2, ackWait: Duration.minutes(1) })).pipe(
            Stream.take(count),
            Stream.runCollect,
            Effect.map((deliveries) => deliveries.map((delivery) => textOf(delivery.event)))
          )
        assert.deepStrictEqual(yield* take("a", "*.a.>", 2), ["bucket.a.x", "crate.a.y.z"])
        assert.deepStrictEqual(yield* take("b", "*.b.>", 2), ["bucket.b.x", "bucket.b.y"])
        assert.deepStrictEqual(yield* take("d", "dead-letter.>", 1), ["dead-letter.1"])
      }))

    test("begins again where it is asked to, when a consumer's filter has changed", ({ log }) =>
      Effect.gen(function*() {
        for (const subject of ["a.x", "b.x", "a.y"]) yield* log.append(subject, { revision: 0 }, event(subject))
        const take = (options: Partial<ConsumerOptions>) =>
          Effect.flatMap(
            first(log, consumer("c", options)),
            (delivery) => Effect.as(delivery.ack, textOf(delivery.event))
          )
        assert.strictEqual(yield* take({ filter: "a.>" }), "a.x")
        assert.strictEqual(yield* take({ filter: "b.>", startAt: Effect.succeed(1) }), "b.x")
        assert.strictEqual(yield* take({ filter: "a.>", startAt: Effect.succeed(2) }), "a.y")
      }))

    test("forgets a consumer, which then begins where it is asked to; one that is not there too", ({ log }) =>
      Effect.gen(function*() {
        for (const text of ["one", "two", "three"]) yield* log.append(text, { revision: 0 }, event(text))
        const take = (startAt: number) =>
          Effect.flatMap(
            first(log, consumer("c", { startAt: Effect.succeed(startAt) })),
            (delivery) => Effect.as(delivery.ack, textOf(delivery.event))
          )
        assert.strictEqual(yield* take(1), "one")
        assert.strictEqual(yield* take(1), "two")
        yield* log.forget("c")
        yield* log.forget("c")
        assert.strictEqual(yield* take(1), "one")
      }))

    test("delivers again after the ack wait, also to another reader after the first one died", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append("a", { revision: 0 }, event("one"))
        const dead = yield* first(log, consumer("c"))
        const again = yield* first(log, consumer("c"))
        assert.deepStrictEqual([dead.deliveryCount, again.deliveryCount], [1, 2])
        yield* again.ack
      }))

    test("delivers again after the delay of a nak, and never after a term", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append("a", { revision: 0 }, event("one"))
        yield* log.append("b", { revision: 0 }, event("two"))
        const seen: Array<string> = []
        yield* log.consume(consumer("c", { ackWait: Duration.seconds(30) })).pipe(
          Stream.take(3),
          Stream.runForEach((delivery) => {
            seen.push(textOf(delivery.event))
            if (textOf(delivery.event) === "two") return delivery.term("never")
            return delivery.deliveryCount === 1 ? delivery.nak(Duration.millis(100)) : delivery.ack
          })
        )
        assert.deepStrictEqual(seen, ["one", "two", "one"])
      }))

    test("does not deliver again while work is in progress", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append("a", { revision: 0 }, event("one"))
        const options = consumer("c")
        const delivery = yield* first(log, options)
        const rival = yield* first(log, options).pipe(Effect.forkScoped)
        yield* Effect.sleep("1200 millis").pipe(keepInProgress(delivery, options.ackWait))
        yield* delivery.ack
        yield* log.append("a", { revision: 1 }, event("two"))
        assert.strictEqual(textOf((yield* Fiber.join(rival)).event), "two")
      }))

    test("hands out no more than may be pending", ({ log }) =>
      Effect.gen(function*() {
        for (const n of [1, 2, 3]) yield* log.append("a", { revision: n - 1 }, event(`${n}`))
        const options = consumer("c", { maxAckPending: 1, ackWait: Duration.seconds(30) })
        const seen: Array<number> = []
        let pending = 0
        yield* log.consume(options).pipe(
          Stream.take(3),
          Stream.mapEffect((delivery) =>
            Effect.gen(function*() {
              seen.push(++pending)
              yield* Effect.yieldNow
              pending--
              yield* delivery.ack
            }), { concurrency: 3 }),
          Stream.runDrain
        )
        assert.deepStrictEqual(seen, [1, 1, 1])
      }))

    test("shares the events of one consumer between its readers", ({ interrupt, log }) =>
      Effect.gen(function*() {
        const total = 60
        const seen = new Set<string>()
        const reader = log.consume(consumer("c", { maxAckPending: 10 })).pipe(
          Stream.tap((delivery) => Effect.sync(() => seen.add(textOf(delivery.event)))),
          Stream.tap((delivery) => Effect.ignore(delivery.ack)),
          Stream.takeUntil(() => seen.size === total),
          Stream.runDrain
        )
        const readers = yield* Effect.forkScoped(Effect.raceFirst(reader, reader))
        for (let n = 0; n < total; n++) {
          if (n === 30) yield* interrupt
          yield* log.append(`s${n}`, { revision: 0 }, event(`${n}`)).pipe(Effect.retry({ times: 50 }))
        }
        yield* Fiber.join(readers)
        assert.strictEqual(seen.size, total)
      }))

    test("is handled right by a reader that gets every message twice", ({ log }) =>
      Effect.gen(function*() {
        for (const n of [1, 2, 3]) yield* log.append(`s${n}`, { revision: 0 }, event(`${n}`))
        yield* log.consume(consumer("c")).pipe(
          Stream.flatMap((delivery) => Stream.make(delivery, delivery)),
          Stream.mapEffect(({ ack, event: { sequence } }) =>
            log.append(`done.${sequence}`, { revision: 0 }, event("done", `done-${sequence}`)).pipe(Effect.andThen(ack))
          ),
          Stream.take(6),
          Stream.runDrain
        )
        assert.strictEqual(yield* log.lastSequence, 6)
      }))

    test("reports what can't be decoded and decodes the rest", ({ log }) =>
      Effect.gen(function*() {
        const codec = CloudEvent.make(Schema.TaggedUnion({ Said: { text: Schema.NonEmptyString } }))
        yield* log.append("a", { revision: 0 }, event("hello"))
        yield* log.append("b", { revision: 0 }, event(""))
        yield* log.append("c", { revision: 0 }, {
          id: "bytes",
          headers: { "ce-type": "akave.Said.v1" },
          data: Uint8Array.of(255)
        })
        yield* log.append("d", { revision: 0 }, { id: "other", headers: {}, data: new Uint8Array() })
        const decoded = yield* log.subscribe(1).pipe(Stream.take(4), Stream.map(codec.decode), Stream.runCollect)
        assert.deepStrictEqual(decoded.map(Result.isSuccess), [true, false, false, false])
      }))
  })
