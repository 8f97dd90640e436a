import * as Job from "@akave-async/domain/Job"
import { again, done, type Outcome } from "@akave-async/eventing/Outcome"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Duration, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Lane, progressed, waitsFor } from "../src/Lane.ts"

const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

const bench = Effect.gen(function*() {
  const said: Array<string> = []
  const logger = Logger.make(({ message }) => void said.push(String(message)))
  const layer = Lane.layer.pipe(
    Layer.provide(Layer.mock(Wallet, { address: owner })),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ LANE_STALLED_AFTER: "30 seconds" }))),
    Layer.provideMerge(Logger.layer([logger]))
  )
  return { said, lane: Context.get(yield* Layer.build(layer), Lane) }
})

it.effect("a lane without work is never stalled", () =>
  Effect.gen(function*() {
    const { lane, said } = yield* bench
    yield* TestClock.adjust("2 days")
    assert.deepStrictEqual(yield* lane.report, { owner, steps: 0, isStalled: false })
    assert.deepStrictEqual(said, [])
  }))

it.effect("a lane that finishes no step reports itself stalled, with what its oldest step waits for, until one is done", () =>
  Effect.gen(function*() {
    const { lane, said } = yield* bench
    const first = yield* Deferred.make<Outcome>()
    const begin = (sequence: number, what: string, end: Effect.Effect<Outcome>) =>
      Effect.forkChild(lane.work({ sequence, jobId }, Effect.andThen(waitsFor(what), end)), { startImmediately: true })
    yield* begin(1, "waits for the chain to use nonce 7", Deferred.await(first))
    yield* TestClock.adjust("20 seconds")
    yield* begin(2, "waits for the chain to use nonce 8", Effect.never)
    yield* TestClock.adjust("5 seconds")
    assert.deepInclude(yield* lane.report, { steps: 2, isStalled: false, quietMillis: 25_000 })
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(yield* lane.report, {
      owner,
      steps: 2,
      isStalled: true,
      quietMillis: 35_000,
      waitsFor: "waits for the chain to use nonce 7"
    })
    yield* TestClock.adjust("2 minutes")
    const sentence = `the lane of ${owner} is stalled: its oldest step waits for the chain to use nonce 7`
    assert.deepStrictEqual([...new Set(said)], [sentence])
    assert.isAtMost(said.length, 5)
    yield* Deferred.succeed(first, done)
    yield* TestClock.adjust("5 seconds")
    assert.deepInclude(yield* lane.report, { steps: 1, isStalled: false })
    assert.strictEqual(said.at(-1), `the lane of ${owner} gets on`)
  }))

it.effect("a step that is wanted again is work still, unless another executor takes it over, and failures are its reason", () =>
  Effect.gen(function*() {
    const { lane } = yield* bench
    for (let n = 0; n < 4; n++) {
      yield* lane.work({ sequence: 1, jobId }, Effect.succeed(again(Duration.seconds(10))))
      yield* TestClock.adjust("10 seconds")
      yield* Effect.exit(lane.work({ sequence: 1, jobId }, Effect.fail(new Error("the ledger is full"))))
    }
    assert.deepInclude(yield* lane.report, { steps: 1, isStalled: true, waitsFor: "failed: the ledger is full" })
    yield* TestClock.adjust("31 seconds")
    assert.deepInclude(yield* lane.report, { steps: 0, isStalled: false })
  }))

it.effect("a step that was interrupted keeps its reason", () =>
  Effect.gen(function*() {
    const { lane } = yield* bench
    const fiber = yield* Effect.forkChild(
      lane.work({ sequence: 1, jobId }, Effect.andThen(waitsFor("waits for funds"), Effect.never)),
      {
        startImmediately: true
      }
    )
    yield* Fiber.interrupt(fiber)
    assert.deepInclude(yield* lane.report, { steps: 1, waitsFor: "waits for funds" })
  }))

it.effect("a job that comes nearer to its end is not stalled, however long it takes", () =>
  Effect.gen(function*() {
    const { lane } = yield* bench
    const steps = Effect.forever(Effect.andThen(progressed, Effect.sleep("20 seconds")))
    yield* Effect.forkChild(lane.work({ sequence: 1, jobId }, steps), { startImmediately: true })
    yield* TestClock.adjust("10 minutes")
    assert.deepInclude(yield* lane.report, { steps: 1, isStalled: false })
  }))

it.effect("a job is known as long as the lane has it, with what it waits for and since when", () =>
  Effect.gen(function*() {
    const { lane } = yield* bench
    const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
    const end = yield* Deferred.make<Outcome>()
    const steps = Effect.andThen(waitsFor("waits for funds", { needed: 7n }), Deferred.await(end))
    yield* Effect.forkChild(lane.work({ sequence: 1, jobId }, steps), { startImmediately: true })
    yield* TestClock.adjust("3 seconds")
    assert.deepStrictEqual(yield* lane.held(jobId), { heldMillis: 3_000, waitsFor: "waits for funds", needed: 7n })
    assert.isUndefined(yield* lane.held(other))
    // What is wanted again is still held, as long as no other executor can have taken it over.
    yield* Deferred.succeed(end, again(Duration.seconds(10)))
    yield* TestClock.adjust("10 seconds")
    yield* Effect.exit(lane.work({ sequence: 1, jobId }, Effect.fail(new Error("the ledger is full"))))
    assert.deepStrictEqual(yield* lane.held(jobId), { heldMillis: 13_000, waitsFor: "failed: the ledger is full" })
    yield* TestClock.adjust("31 seconds")
    assert.isUndefined(yield* lane.held(jobId))
    yield* lane.work({ sequence: 1, jobId }, Effect.succeed(done))
    assert.isUndefined(yield* lane.held(jobId))
  }))
