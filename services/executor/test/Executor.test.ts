import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Chain"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import { execute } from "@akave-async/eventing/BucketEvents"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { maxDeaths } from "../src/DeadLetters.ts"
import * as Executor from "../src/Executor.ts"
import { Lane } from "../src/Lane.ts"
import type { Outcome } from "../src/Outcome.ts"
import { Steps } from "../src/Steps.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = (n: number) => Job.Id.make(`019845e1-682f-7b02-a706-${`${n}`.padStart(12, "0")}`)

/** An executor on a log of its own, whose steps are these. */
const bench = (attempt: Steps["Service"]["attempt"]) =>
  Effect.gen(function*() {
    const log = yield* EventLogMemory.open
    const steps = Layer.mock(Steps, { attempt })
    yield* Effect.forkScoped(
      Executor.run.pipe(
        Effect.provide([steps, Lane.layer.pipe(Layer.provide(Layer.mock(Wallet, { address: owner })))]),
        Effect.provideService(EventLog, log),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
      )
    )
    const request = (n: number) => {
      const name = BucketName.make(`bucket-${n}`)
      const command = Bucket.RequestBucket.make({ jobId: jobId(n), name, owner })
      const unknown = { state: Bucket.initial, revision: 0 }
      return execute(log, Bucket.subject(owner, name), unknown, command, { source: "/test" })
    }
    const letter = (sequence: number) =>
      Effect.map(
        DeadLetterEvents.load(log, DeadLetter.subject(DeadLetter.Sequence.make(sequence))),
        ({ state }) => state
      )
    return { log, request, letter }
  })

it.effect("sets an event aside whose step dies each time, and meanwhile delays no other", () =>
  Effect.gen(function*() {
    const deliveries = new Map<string, number>()
    const { letter, request } = yield* bench((_, { event }) => {
      deliveries.set(event.jobId, (deliveries.get(event.jobId) ?? 0) + 1)
      return event.jobId === jobId(1) ? Effect.die(new Error("a defect")) : Effect.succeed({ _tag: "Done" })
    })
    const { revision } = yield* request(1)
    yield* TestClock.adjust("100 millis")
    for (const n of [2, 3, 4]) {
      yield* request(n)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(deliveries.get(jobId(n)), 1)
    }
    yield* TestClock.adjust(Duration.seconds(maxDeaths - 2))
    assert.isBelow(deliveries.get(jobId(1)) ?? 0, maxDeaths)
    assert.isUndefined(yield* letter(revision))
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(deliveries.get(jobId(1)), maxDeaths)
    const dead = yield* letter(revision)
    assert.deepInclude(dead, { deliveries: maxDeaths, jobId: jobId(1) })
    assert.include(dead?.reason, "a defect")
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(deliveries.get(jobId(1)), maxDeaths)
  }))

it.effect("gives an event back at the time that its step asks for, however often, and also if it dies now and then", () =>
  Effect.gen(function*() {
    const times: Array<number> = []
    const { letter, request } = yield* bench(() =>
      Effect.flatMap(DateTime.now, (now): Effect.Effect<Outcome> => {
        times.push(DateTime.toEpochMillis(now) / 1000)
        if (times.length > 4 * maxDeaths) return Effect.succeed({ _tag: "Done" })
        return times.length % 2 === 0
          ? Effect.die(new Error("a defect"))
          : Effect.succeed({ _tag: "Again", after: Duration.seconds(10) })
      })
    )
    const { revision } = yield* request(1)
    yield* TestClock.adjust("10 minutes")
    assert.deepStrictEqual(times.slice(0, 5), [0, 10, 11, 21, 22])
    assert.lengthOf(times, 4 * maxDeaths + 1)
    assert.isUndefined(yield* letter(revision))
  }))
