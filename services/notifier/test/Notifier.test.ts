/** A notifier on a log in memory, and endpoints that answer as they should, or not. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as Delivery from "@akave-async/domain/Delivery"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Webhook from "@akave-async/domain/Webhook"
import { WebhookUrl } from "@akave-async/domain/WebhookUrl"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import * as DeliveryEvents from "@akave-async/eventing/DeliveryEvents"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Tail } from "@akave-async/eventing/Tail"
import * as WebhookEvents from "@akave-async/eventing/WebhookEvents"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import * as WebhookSecrets from "@akave-async/platform/WebhookSecrets"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import * as Standard from "standardwebhooks"
import { Deliveries } from "../src/Deliveries.ts"
import { Endpoints } from "../src/Endpoints.ts"
import * as Notifier from "../src/Notifier.ts"
import * as Receiver from "./Receiver.ts"

const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const master = Redacted.make("a master secret of enough length")
const often = Schedule.spaced("10 millis")
const origin = { source: "/test" }
const by = { by: "a client" }

const settings = {
  WEBHOOK_ALLOW_PRIVATE: "true",
  WEBHOOK_RETRY_FIRST: "20 millis",
  WEBHOOK_RETRY_LONGEST: "200 millis",
  WEBHOOK_RETRY_WITHIN: "1 minute",
  WEBHOOK_TIMEOUT: "500 millis",
  NOTIFIER_ACK_WAIT: "1 second"
}
const masters = MasterSecret.of({ current: () => master, taken: () => [master] })

/** A notifier on this log, until the scope closes. */
const start = (log: EventLogShape, env: Readonly<Record<string, string>> = {}) =>
  Effect.forkScoped(
    Notifier.run.pipe(
      Effect.provide(Deliveries.layer.pipe(Layer.provideMerge(Endpoints.layer), Layer.provide(Tail.layer))),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...settings, ...env } }))),
      Effect.provideService(EventLog, log),
      Effect.provideService(MasterSecret, masters),
      Effect.scoped,
      Effect.tapCause((cause) => Effect.logError("the notifier has ended", cause))
    )
  )

let ids = 0
const register = Effect.fnUntraced(function*(
  log: EventLogShape,
  url: string,
  of: {
    readonly eventTypes?: ReadonlyArray<string>
    readonly operations?: ReadonlyArray<string>
    readonly tenant?: string
  } = {}
) {
  const id = Webhook.Id.make(`${++ids}`.padStart(16, "0"))
  const asked = {
    id,
    owner,
    url: WebhookUrl.make(url),
    eventTypes: [],
    operations: [],
    description: "",
    allowsPrivate: true
  }
  const decision = Webhook.register({ ...asked, ...of, ...by })
  yield* WebhookEvents.execute(log, Webhook.subject(owner, id), WebhookEvents.unknown, decision, origin)
  return id
})
const change = Effect.fnUntraced(function*<Rejection>(
  log: EventLogShape,
  id: Webhook.Id,
  decide: Parameters<typeof WebhookEvents.execute<Rejection>>[3]
) {
  const subject = Webhook.subject(owner, id)
  const loaded = yield* WebhookEvents.execute(log, subject, yield* WebhookEvents.load(log, subject), decide, origin)
  return loaded.revision
})
const switched = (enabled: boolean) => Webhook.change({ enabled, allowsPrivate: true, ...by })
const webhookOf = (log: EventLogShape, id: Webhook.Id) =>
  Effect.map(WebhookEvents.load(log, Webhook.subject(owner, id)), ({ state }) => state)

let jobs = 0
/** Asks for a bucket, and gives the sequence of the request. */
const ask = Effect.fnUntraced(function*(log: EventLogShape, tenant?: string) {
  const jobId = Job.Id.make(`019845e1-682f-7b02-a706-${`${++jobs}`.padStart(12, "0")}`)
  const name = BucketName.make(`bucket-${jobs}`)
  const decision = Bucket.requestCreation({ jobId, name, owner, ...(tenant === undefined ? {} : { tenant }) })
  const { revision } = yield* BucketEvents.execute(
    log,
    Bucket.subject(owner, name),
    { state: Bucket.initial, revision: 0 },
    decision,
    origin
  )
  return { jobId, name, sequence: revision }
})
const cancel = Effect.fnUntraced(
  function*(log: EventLogShape, { jobId, name }: Effect.Success<ReturnType<typeof ask>>) {
    const subject = Bucket.subject(owner, name)
    const decision = Bucket.cancel({ jobId, cancelledBy: "a client", reason: "no more" })
    const loaded = yield* BucketEvents.load(log, subject)
    return (yield* BucketEvents.execute(log, subject, loaded, decision, origin)).revision
  }
)

const until = <E>(isSo: Effect.Effect<boolean, E>) => Effect.repeat(isSo, { until: (is) => is, schedule: often })
const untilReceived = ({ received }: Receiver.Receiver, count: number) =>
  until(Effect.sync(() => received.length >= count))
const delivery = (log: EventLogShape, id: Webhook.Id, sequence: number, tenant?: string) =>
  Effect.map(
    DeliveryEvents.load(
      log,
      Delivery.subject({ webhookId: id, sequence, ...(tenant === undefined ? {} : { tenant }) })
    ),
    ({ state }) => state
  )
const untilOutcome = (log: EventLogShape, id: Webhook.Id, sequence: number, outcome: Delivery.Outcome) =>
  until(Effect.map(delivery(log, id, sequence), (state) => state?.outcome === outcome))
const sequencesOf = ({ received }: Receiver.Receiver) => received.map(({ body }) => Number(JSON.parse(body).sequence))

const verify = (id: Webhook.Id, version: number, { body, headers }: Receiver.Received) =>
  new Standard.Webhook(Redacted.value(WebhookSecrets.secretOf(master, id, version))).verify(
    body,
    headers as Record<string, string>
  )

const test = (
  sentence: string,
  body: (log: EventLogShape, receiver: Receiver.Receiver) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.live(sentence, () =>
    Effect.gen(function*() {
      const log = yield* EventLogMemory.open
      yield* body(log, yield* Receiver.start)
    }).pipe(Effect.scoped))

describe("an endpoint", () => {
  test(
    "is sent what happens from its registration on, signed and as the log has it",
    (log, receiver) =>
      Effect.gen(function*() {
        yield* ask(log)
        const id = yield* register(log, receiver.url)
        yield* start(log)
        const asked = yield* ask(log)
        const cancelled = yield* cancel(log, asked)
        yield* untilReceived(receiver, 2)
        yield* untilOutcome(log, id, cancelled, "succeeded")
        assert.sameMembers(sequencesOf(receiver), [asked.sequence, cancelled])
        for (const received of receiver.received) {
          const event = verify(id, 1, received) as { readonly type: string; readonly correlationid: string }
          assert.strictEqual(event.correlationid, asked.jobId)
          assert.match(event.type, /^akave\.Bucket(Requested|Cancelled)\.v1$/)
          assert.deepInclude(received.headers, {
            "content-type": "application/cloudevents+json",
            "user-agent": "akave-async-webhooks/1"
          })
        }
      })
  )

  test(
    "is sent the types and operations that it is for, as they are from a change on",
    (log, receiver) =>
      Effect.gen(function*() {
        const id = yield* register(log, receiver.url, { eventTypes: ["akave.BucketCancelled.v1"] })
        yield* register(log, `${receiver.url}/none`, { operations: ["bucket.delete"] })
        yield* start(log)
        const asked = yield* ask(log)
        const cancelled = yield* cancel(log, asked)
        yield* untilReceived(receiver, 1)
        const more = { eventTypes: ["akave.BucketRequested.v1"], operations: ["bucket.create"], allowsPrivate: true }
        yield* change(log, id, Webhook.change({ ...more, ...by }))
        const second = yield* ask(log)
        yield* cancel(log, second)
        yield* untilReceived(receiver, 2)
        assert.deepStrictEqual(sequencesOf(receiver), [cancelled, second.sequence])
      })
  )

  test(
    "is sent nothing again, and nothing that it was not for, by a consumer that was lost and begins anew",
    (log, receiver) =>
      Effect.gen(function*() {
        const id = yield* register(log, receiver.url, { eventTypes: ["akave.BucketRequested.v1"] })
        const first = yield* Effect.scoped(Effect.gen(function*() {
          yield* start(log)
          const asked = yield* Effect.forEach([1, 2, 3], () => ask(log))
          yield* cancel(log, asked[0] ?? (yield* ask(log)))
          for (const { sequence } of asked) yield* untilOutcome(log, id, sequence, "succeeded")
          yield* change(log, id, Webhook.change({ eventTypes: [], operations: [], allowsPrivate: true, ...by }))
          return asked.map(({ sequence }) => sequence)
        }))
        const undelivered = yield* ask(log)
        yield* log.forget(Notifier.consumerOf(id))
        yield* start(log)
        const last = yield* ask(log)
        yield* untilOutcome(log, id, last.sequence, "succeeded")
        yield* untilOutcome(log, id, undelivered.sequence, "succeeded")
        yield* until(Effect.map(log.load(Notifier.consumerOf(id)), ({ waiting }) => waiting === 0))
        assert.sameMembers(sequencesOf(receiver), [...first, undelivered.sequence, last.sequence])
      })
  )

  test("of an account is sent nothing of another one", (log, receiver) =>
    Effect.gen(function*() {
      yield* register(log, `${receiver.url}/one`, { tenant: "one" })
      yield* register(log, `${receiver.url}/two`, { tenant: "two" })
      yield* register(log, `${receiver.url}/local`)
      yield* start(log)
      const asked = yield* Effect.forEach(["one", "two", undefined], (tenant) => ask(log, tenant))
      yield* untilReceived(receiver, 3)
      const found = receiver.received.map(({ body, path }) => `${path} ${JSON.parse(body).sequence}`)
      assert.sameMembers(found, ["one", "two", "local"].map((name, n) => `/hook/${name} ${asked[n]?.sequence}`))
    }))

  test("that fails is tried again, with pauses that grow, and the same id", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      receiver.answer = (response) => Receiver.status(receiver.received.length < 4 ? 500 : 200, {}, "not now")(response)
      yield* start(log)
      const { sequence } = yield* ask(log)
      yield* untilOutcome(log, id, sequence, "succeeded")
      const [first, second, third, fourth] = receiver.received
      assert.lengthOf(receiver.received, 4)
      assert.lengthOf(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])), 1)
      assert.isAtLeast((second?.at ?? 0) - (first?.at ?? 0), 19)
      assert.isAtLeast((fourth?.at ?? 0) - (third?.at ?? 0), 79)
      assert.deepInclude(yield* delivery(log, id, sequence), { attempts: 4, statusCode: 200 })
    }))

  test("that asks to wait is left alone for that long", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      receiver.answer = (response) =>
        Receiver.status(receiver.received.length === 1 ? 503 : 200, { "retry-after": "1" })(response)
      yield* start(log, { WEBHOOK_RETRY_LONGEST: "1 minute" })
      const { sequence } = yield* ask(log)
      yield* untilOutcome(log, id, sequence, "succeeded")
      const [first, second] = receiver.received
      assert.isAtLeast((second?.at ?? 0) - (first?.at ?? 0), 999)
    }))

  test("is given up when its time is over", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      receiver.answer = Receiver.status(500)
      yield* start(log, { WEBHOOK_RETRY_WITHIN: "200 millis" })
      const { sequence } = yield* ask(log)
      yield* untilOutcome(log, id, sequence, "given_up")
      assert.isAtLeast(receiver.received.length, 3)
    }))

  test("that says that it is gone is disabled at once", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      receiver.answer = Receiver.status(410)
      yield* start(log)
      const { sequence } = yield* ask(log)
      yield* until(Effect.map(webhookOf(log, id), (state) => state?.status === "disabled"))
      assert.deepInclude(yield* webhookOf(log, id), { disabledReason: "gone" })
      yield* untilOutcome(log, id, sequence, "given_up")
      assert.lengthOf(receiver.received, 1)
    }))

  test(
    "that answers nothing but failures for too long is disabled, over restarts of the notifier",
    (log, receiver) =>
      Effect.gen(function*() {
        const id = yield* register(log, receiver.url)
        receiver.answer = Receiver.status(500)
        const env = { WEBHOOK_DISABLE_AFTER: "1 second" }
        yield* Effect.scoped(Effect.gen(function*() {
          yield* start(log, env)
          yield* ask(log)
          yield* until(Effect.map(webhookOf(log, id), (state) => state?.failingSince !== undefined))
        }))
        yield* start(log, env)
        yield* until(Effect.map(webhookOf(log, id), (state) => state?.status === "disabled"))
        assert.deepInclude(yield* webhookOf(log, id), { disabledReason: "failing" })
      })
  )

  test("that failed and takes events again has recovered", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      receiver.answer = Receiver.status(500)
      yield* start(log, { WEBHOOK_DISABLE_AFTER: "1 minute" })
      yield* ask(log)
      yield* until(Effect.map(webhookOf(log, id), (state) => state?.failingSince !== undefined))
      receiver.answer = Receiver.status(200)
      yield* until(Effect.map(webhookOf(log, id), (state) => state?.failingSince === undefined))
      assert.strictEqual((yield* webhookOf(log, id))?.status, "enabled")
    }))

  test("whose secret was rotated gets a signature by both for the overlap", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      yield* start(log)
      yield* change(log, id, Webhook.rotate({ grace: Duration.minutes(1), ...by }))
      yield* ask(log)
      yield* untilReceived(receiver, 1)
      const [received] = receiver.received
      if (received === undefined) return assert.fail("nothing was received")
      for (const version of [1, 2]) verify(id, version, received)
      assert.throws(() => verify(id, 3, received))
      assert.lengthOf(String(received.headers["webhook-signature"]).split(" "), 2)
    }))

  test("that is dead delays no other one", (log, receiver) =>
    Effect.gen(function*() {
      const dead = yield* register(log, "http://127.0.0.1:1/")
      const silent = yield* Receiver.start
      silent.answer = () => {}
      yield* register(log, silent.url)
      yield* register(log, receiver.url)
      // Longer than this test may take: the silent one holds what waits for it.
      yield* start(log, { WEBHOOK_TIMEOUT: "5 minutes" })
      const asked = yield* Effect.forEach(Array.from({ length: 50 }), () => ask(log))
      yield* untilReceived(receiver, 50)
      assert.sameMembers(sequencesOf(receiver), asked.map(({ sequence }) => sequence))
      yield* untilOutcome(log, dead, asked[0]?.sequence ?? 0, "retrying")
    }))

  test(
    "that is disabled is sent nothing, and later nothing of that time unless it is asked for",
    (log, receiver) =>
      Effect.gen(function*() {
        const id = yield* register(log, receiver.url)
        yield* start(log)
        const first = yield* ask(log)
        yield* untilReceived(receiver, 1)
        yield* change(log, id, switched(false))
        const [missed, alsoMissed] = [yield* ask(log), yield* ask(log)]
        yield* Effect.sleep("300 millis")
        yield* change(log, id, switched(true))
        const last = yield* ask(log)
        yield* untilReceived(receiver, 2)
        assert.deepStrictEqual(sequencesOf(receiver), [first.sequence, last.sequence])

        const { sequence: until } = alsoMissed
        yield* change(log, id, Webhook.resend({ since: missed.sequence, until, ...by }))
        yield* untilReceived(receiver, 4)
        assert.sameMembers(sequencesOf(receiver).slice(2), [missed.sequence, alsoMissed.sequence])
      })
  )

  test("that is removed is sent nothing more, what waits neither", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      const live = yield* Receiver.start
      yield* register(log, live.url)
      receiver.answer = Receiver.status(500)
      yield* start(log)
      yield* ask(log)
      yield* untilReceived(receiver, 1)
      yield* change(log, id, Webhook.remove(by))
      yield* Effect.sleep("300 millis")
      const count = receiver.received.length
      yield* ask(log)
      yield* untilReceived(live, 2)
      yield* Effect.sleep("300 millis")
      assert.lengthOf(receiver.received, count)
    }))
})

describe("what is asked for", () => {
  test("a test is sent to the endpoint alone, whatever it is for", (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url, { eventTypes: ["akave.BucketCreated.v1"] })
      yield* register(log, `${receiver.url}/other`)
      yield* start(log)
      const sequence = yield* change(log, id, Webhook.test(by))
      yield* untilOutcome(log, id, sequence, "succeeded")
      assert.deepStrictEqual(receiver.received.map(({ path }) => path), ["/hook"])
      const [received] = receiver.received
      assert.deepInclude(JSON.parse(received?.body ?? ""), {
        type: "akave.WebhookTestAsked.v1",
        sequence: `${sequence}`
      })
    }))

  test(
    "an event is sent once more under its id, and tried again until it is taken",
    (log, receiver) =>
      Effect.gen(function*() {
        const id = yield* register(log, receiver.url)
        yield* start(log)
        const { sequence } = yield* ask(log)
        yield* untilOutcome(log, id, sequence, "succeeded")
        receiver.answer = (response) => Receiver.status(receiver.received.length < 3 ? 500 : 200)(response)
        yield* change(log, id, Webhook.resend({ since: sequence, until: sequence, ...by }))
        yield* untilReceived(receiver, 3)
        yield* untilOutcome(log, id, sequence, "succeeded")
        assert.lengthOf(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])), 1)
        assert.deepInclude(yield* delivery(log, id, sequence), { attempts: 3, attemptsOfRound: 2 })
      })
  )

  test(
    "a range is sent once more without what the endpoint is not for, each event until it is taken",
    (log, receiver) =>
      Effect.gen(function*() {
        const asked = yield* Effect.forEach(Array.from({ length: 30 }), () => ask(log))
        yield* cancel(log, asked[0] ?? assert.fail("there is none"))
        yield* ask(log, "another")
        const id = yield* register(log, receiver.url, { eventTypes: ["akave.BucketRequested.v1"] })
        const seen = new Set<string>()
        receiver.answer = (response, { headers }) => {
          const key = String(headers["webhook-id"])
          Receiver.status(seen.has(key) ? 200 : 500)(response)
          seen.add(key)
        }
        yield* start(log)
        yield* change(log, id, Webhook.resend({ since: 1, until: yield* log.lastSequence, ...by }))
        yield* until(Effect.map(
          Effect.forEach(asked, ({ sequence }) => delivery(log, id, sequence)),
          (all) => all.every((one) => one?.outcome === "succeeded")
        ))
        // Twice each; more often where an answer came too late.
        assert.isAtLeast(receiver.received.length, 60)
        assert.sameMembers([...new Set(sequencesOf(receiver))], asked.map(({ sequence }) => sequence))
      })
  )
})

test(
  "two notifiers share the work, and what one has recorded the other does not do again",
  (log, receiver) =>
    Effect.gen(function*() {
      const id = yield* register(log, receiver.url)
      yield* start(log)
      yield* start(log)
      const asked = yield* Effect.forEach(Array.from({ length: 100 }), () => ask(log))
      yield* untilReceived(receiver, 100)
      for (const { sequence } of asked) yield* untilOutcome(log, id, sequence, "succeeded")
      // Where the log has lost the consumer, all comes again.
      yield* log.forget(Notifier.consumerOf(id))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* start(log)
        const last = yield* ask(log)
        yield* untilOutcome(log, id, last.sequence, "succeeded")
      }))
      assert.lengthOf(receiver.received, 101)
    })
)
