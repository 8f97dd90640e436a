import { Api } from "@akave-async/api/Api"
import { Caller, Identification } from "@akave-async/api/Caller"
import { local } from "@akave-async/domain/Account"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address } from "@akave-async/domain/Ethereum"
import * as DeadLetterEvents from "@akave-async/eventing/DeadLetterEvents"
import { EventLog, type EventLogShape, LogUnavailable } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiTest } from "effect/http-api"
import { DeadLetters } from "../src/DeadLetters.ts"
import { DeadLettersHttp } from "../src/DeadLettersHttp.ts"
import { ValidationHttp } from "../src/Edge.ts"
import { type DeadLetterQuery, ReadModel, ReadModelBehind } from "../src/ReadModel.ts"

const administrator: Caller["Service"] = {
  account: local,
  owner: Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
  limits: undefined,
  scopes: new Set(["read", "write", "admin"]),
  actor: "a client",
  requestId: undefined,
  isCurrent: () => true,
  traceparent: undefined
}

const sequenceOf = (n: number) => DeadLetter.Sequence.make(n)
const setAside = (log: EventLogShape, n: number) => {
  const sequence = sequenceOf(n)
  const letter = { sequence, subject: `bucket.a.${n}`, type: "akave.BucketRequested.v1", reason: "it died" }
  const command = DeadLetter.setAside({ ...letter, deliveries: 10 })
  return DeadLetterEvents.execute(log, DeadLetter.subject(sequence), DeadLetterEvents.unknown, command, {
    source: "/test"
  })
}

/** The routes on a log, and on a read model that shows these letters as they were when the client was made. */
const bench = Effect.fnUntraced(function*(
  log: EventLogShape,
  sequences: ReadonlyArray<number>,
  { caller = administrator, isBehind = false }: { readonly caller?: Caller["Service"]; readonly isBehind?: boolean } =
    {}
) {
  const loaded = yield* Effect.forEach(sequences, (n) => DeadLetterEvents.load(log, DeadLetter.subject(sequenceOf(n))))
  const letters = loaded.flatMap(({ state }) => state === undefined ? [] : [state])
  const asked: Array<DeadLetterQuery> = []
  const readModel = Layer.mock(ReadModel, {
    caughtUp: isBehind ? Effect.fail(new ReadModelBehind({ applied: 1, wanted: 2 })) : Effect.void,
    deadLetter: (_, sequence) =>
      Effect.succeed(Option.fromUndefinedOr(letters.find((letter) => letter.sequence === sequence))),
    deadLetters: (_, query) =>
      Effect.sync(() => {
        asked.push(query)
        return letters.slice(0, query.limit)
      })
  })
  const handlers = DeadLettersHttp.pipe(
    Layer.provide(DeadLetters.layer),
    Layer.provide(readModel),
    Layer.provide(Layer.succeed(EventLog, log)),
    Layer.provideMerge(ValidationHttp),
    Layer.provideMerge(
      Layer.succeed(Identification, Identification.of((handled) => Effect.provideService(handled, Caller, caller)))
    ),
    Layer.provideMerge(HttpServer.layerServices)
  )
  const { deadLetters } = yield* Effect.provideContext(
    HttpApiTest.groups(Api, ["deadLetters"]),
    yield* Layer.build(handlers)
  )
  return { deadLetters, asked }
})

const statusOf = (log: EventLogShape, n: number) =>
  Effect.map(
    DeadLetterEvents.load(log, DeadLetter.subject(sequenceOf(n))),
    ({ state }) => `${state?.status} ${state?.round}`
  )

describe("a dead letter", () => {
  it.effect("is redriven, once for each time that it dies", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      yield* setAside(log, 7)
      const { deadLetters } = yield* bench(log, [])
      const params = { sequence: sequenceOf(7) }
      const redriven = yield* deadLetters.redrive({ params })
      assert.deepInclude(redriven, { ...params, status: "redriven", round: 1, redriven_by: "a client", job_id: null })
      const twice = yield* Effect.flip(deadLetters.redrive({ params }))
      assert.deepInclude(twice, { code: "dead_letter_redriven", status: 409 })
      yield* setAside(log, 7)
      assert.deepInclude(yield* deadLetters.redrive({ params }), { status: "redriven", round: 2 })
    }))

  it.effect("that is none is not found, and not redriven", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      const { deadLetters } = yield* bench(log, [])
      const params = { sequence: sequenceOf(7) }
      const errors = yield* Effect.all([
        Effect.flip(deadLetters.get({ params })),
        Effect.flip(deadLetters.redrive({ params }))
      ])
      for (const error of errors) assert.deepInclude(error, { code: "dead_letter_not_found", status: 404 })
      assert.strictEqual(yield* log.lastSequence, 0)
    }))

  it.effect("is not redriven without the log's word", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      yield* setAside(log, 7)
      const append = () => Effect.fail(new LogUnavailable({ operation: "append", cause: "away" }))
      const { deadLetters } = yield* bench({ ...log, append }, [7])
      const error = yield* Effect.flip(deadLetters.redrive({ params: { sequence: sequenceOf(7) } }))
      assert.deepInclude(error, { code: "event_log_unavailable", status: 503 })
      const all = yield* Effect.flip(deadLetters.redriveAll({ payload: { all: true } }))
      assert.deepInclude(all, { code: "event_log_unavailable", status: 503 })
      assert.strictEqual(yield* statusOf(log, 7), "dead 1")
    }))
})

describe("all dead letters of a filter", () => {
  it.effect("are redriven, but for those that were meanwhile", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      for (const n of [7, 8, 9]) yield* setAside(log, n)
      const { asked, deadLetters } = yield* bench(log, [7, 8, 9])
      yield* deadLetters.redrive({ params: { sequence: sequenceOf(8) } })
      const answer = yield* deadLetters.redriveAll({ payload: { reason: "died" } })
      assert.deepStrictEqual(answer, { redriven: 2, sequences: [sequenceOf(7), sequenceOf(9)], more: false })
      assert.deepStrictEqual(asked, [{ reason: "died", status: "dead", redrivenBy: undefined, limit: 1_001 }])
      for (const n of [7, 8, 9]) assert.strictEqual(yield* statusOf(log, n), "redriven 1")
    }))

  it.effect("are redriven a thousand at a time, and the answer says that there are more", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      const sequences = Array.from({ length: 1_001 }, (_, n) => n + 1)
      for (const n of sequences) yield* setAside(log, n)
      const { deadLetters } = yield* bench(log, sequences)
      const { more, redriven } = yield* deadLetters.redriveAll({ payload: { all: true } })
      assert.deepStrictEqual({ more, redriven }, { more: true, redriven: 1_000 })
      assert.strictEqual(yield* statusOf(log, 1_001), "dead 1")
    }))

  it.effect("are left alone while the read model may not know them all", () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      yield* setAside(log, 7)
      const { deadLetters } = yield* bench(log, [7], { isBehind: true })
      const error = yield* Effect.flip(deadLetters.redriveAll({ payload: { all: true } }))
      assert.deepInclude(error, { code: "read_model_unavailable", status: 503 })
      assert.strictEqual(yield* statusOf(log, 7), "dead 1")
    }))
})
