/** Webhooks from end to end: an endpoint that is registered with a gateway receives what happens, whatever happens to notifiers. */
import type * as Stack from "@akave-async/local/Stack"
import { names as failpoints } from "@akave-async/notifier/Failpoints"
import * as Receiver from "@akave-async/notifier/test/Receiver"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Accounts from "../support/Accounts.ts"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"
import * as Webhooks from "../support/Webhooks.ts"

const { post, register, sequencesOf, untilReceived, verified } = Webhooks
const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
let points: string
/** The second gateway lets no webhook lead into its network, and the third has no master secret. */
SharedStack.useWithFailpoints({
  counts: { gateway: 3, notifier: 2 },
  env: {
    gateway: { MASTER_SECRET: masterSecret },
    "gateway-1": { WEBHOOK_ALLOW_PRIVATE: "false" },
    "gateway-2": { MASTER_SECRET: "" },
    notifier: {
      NOTIFIER_ACK_WAIT: "2 seconds",
      WEBHOOK_RETRY_FIRST: "100 millis",
      WEBHOOK_RETRY_LONGEST: "5 seconds",
      WEBHOOK_TIMEOUT: "2 seconds"
    }
  }
}, (started) => {
  stack = started.stack
  points = started.points
})

const send: Accounts.Send = (path, sent) => Webhooks.anonymous(stack.gatewayUrl)(path, sent)
const requested = { event_types: ["akave.BucketRequested.v1"] }

/** An endpoint of its own, and its webhook, which is removed when the scope closes. */
const endpoint = Effect.fnUntraced(function*(settings: object = {}) {
  const receiver = yield* Receiver.start
  const webhook = yield* Effect.acquireRelease(
    register(send, receiver.url, settings),
    ({ path }) => send(path, { method: "DELETE" })
  )
  return { receiver, ...webhook }
})

/** The delivery of an event, once it is as wanted. */
const delivery = (path: string, sequence: number, isWanted: (delivery: Record<string, unknown>) => boolean) =>
  Effect.map(
    eventually(
      send(`${path}/deliveries?after=${sequence + 1}&limit=1`),
      ({ body }) => body.deliveries?.[0]?.sequence === sequence && isWanted(body.deliveries[0])
    ),
    ({ body }) => body.deliveries[0]
  )
const hasSucceeded = ({ outcome }: Record<string, unknown>) => outcome === "succeeded"

describe("a webhook", () => {
  it.live("is shown with its secret once, and as it is from then on", () =>
    Effect.gen(function*() {
      const { id, path, secret } = yield* endpoint({ ...requested, description: "ours" })
      assert.match(secret, /^whsec_[\w+/]{43}=$/)
      const { body: listed } = yield* send("/webhooks")
      const { body: shown } = yield* send(path)
      assert.deepInclude(listed.webhooks, shown)
      assert.deepInclude(shown, {
        webhook_id: id,
        ...requested,
        operations: [],
        description: "ours",
        enabled: true,
        disabled_reason: null,
        secret_version: 1
      })
      assert.notProperty(shown, "secret")
      const { body: changed } = yield* send(path, post({ enabled: false, operations: ["bucket.create"] }, "PATCH"))
      assert.deepInclude(changed, { enabled: false, disabled_reason: "asked", operations: ["bucket.create"] })
      assert.deepStrictEqual((yield* send(path)).body, changed)
      assert.strictEqual((yield* send(`${path}/test`, post())).body.code, "webhook_disabled")
      assert.strictEqual((yield* send(path, { method: "DELETE" })).status, 204)
      for (
        const answer of [yield* send(path), yield* send(`${path}/deliveries`), yield* send(`${path}/test`, post())]
      ) {
        assert.strictEqual(answer.body.code, "webhook_not_found")
      }
      assert.notInclude(JSON.stringify((yield* send("/webhooks")).body), id)
    }).pipe(Effect.scoped))

  it.live("receives the events of a job as CloudEvents that are signed, and its deliveries are listed", () =>
    Effect.gen(function*() {
      const { path, receiver, secret } = yield* endpoint()
      const { body: { job_id } } = yield* createBucket(stack.gatewayUrl, freshName())
      yield* ended(stack.gatewayUrl, job_id)
      const own = () => receiver.received.filter(({ body }) => JSON.parse(body).correlationid === job_id)
      yield* Effect.repeat(Effect.sync(own), { until: ({ length }) => length === 4, schedule: Schedule.spaced(20) })
      const { body: { events } } = yield* request(`${stack.gatewayUrl}/jobs/${job_id}/events`)
      const received = own().map((one) => verified(secret, one) as { readonly sequence: string })
      assert.sameDeepMembers(received, events)
      const last = Number(events.at(-1).sequence)
      const listed = yield* delivery(path, last, hasSucceeded)
      assert.deepInclude(listed, { event_type: "akave.BucketCreated.v1", attempts: 1, status_code: 204, error: null })
      const { body: page } = yield* send(`${path}/deliveries?outcome=succeeded&limit=2`)
      assert.lengthOf(page.deliveries, 2)
      assert.strictEqual(page.next, page.deliveries[1].sequence)
      assert.deepStrictEqual((yield* send(`${path}/deliveries?outcome=given_up`)).body, { deliveries: [], next: null })
    }).pipe(Effect.scoped))

  it.live("that fails, asks to wait, and is rotated meanwhile gets the event with both signatures", () =>
    Effect.gen(function*() {
      const { path, receiver, secret } = yield* endpoint(requested)
      receiver.answer = Receiver.status(503, { "retry-after": "2" }, "later")
      yield* createBucket(stack.gatewayUrl, freshName())
      yield* untilReceived(receiver, 1)
      const [sequence = 0] = sequencesOf(receiver)
      const waiting = yield* delivery(path, sequence, ({ outcome }) => outcome === "retrying")
      assert.deepInclude(waiting, { status_code: 503, error: "The endpoint has answered 503", answer: "later" })
      receiver.answer = Receiver.status(204)
      const { body: rotated } = yield* send(`${path}/rotate`, post())
      assert.deepInclude(rotated, { secret_version: 2 })
      yield* delivery(path, sequence, hasSucceeded)
      const [first, second] = receiver.received
      if (first === undefined || second === undefined) return assert.fail("there was no second attempt")
      assert.isAtLeast(second.at - first.at, 1_990)
      assert.strictEqual(second.headers["webhook-id"], first.headers["webhook-id"])
      assert.isUndefined(verified(rotated.secret, first))
      for (const one of [secret, rotated.secret]) assert.isDefined(verified(one, second))
    }).pipe(Effect.scoped))

  it.live("that says that it is gone is disabled", () =>
    Effect.gen(function*() {
      const { path, receiver } = yield* endpoint()
      receiver.answer = Receiver.status(410)
      yield* send(`${path}/test`, post())
      const { body } = yield* eventually(send(path), ({ body }) => body.enabled === false)
      assert.strictEqual(body.disabled_reason, "gone")
      assert.lengthOf(receiver.received, 1)
    }).pipe(Effect.scoped))

  it.live("that is dead delays no other one", () =>
    Effect.gen(function*() {
      const dead = yield* endpoint(requested)
      dead.receiver.answer = () => {}
      const live = yield* endpoint(requested)
      const begun = Date.now()
      yield* Effect.forEach(Array.from({ length: 40 }), () => createBucket(stack.gatewayUrl, freshName()), {
        concurrency: 10
      })
      yield* untilReceived(live.receiver, 40)
      // One attempt at the dead one after the other would take 8 s.
      assert.isBelow(Date.now() - begun, 6_000)
    }).pipe(Effect.scoped))
})

describe("what is asked for", () => {
  it.live("a test is sent, and anything is sent once more: one event, or all since a sequence or a time", () =>
    Effect.gen(function*() {
      const since = new Date()
      yield* createBucket(stack.gatewayUrl, freshName())
      const { path, receiver } = yield* endpoint({ event_types: ["akave.BucketRequested.v1"] })
      const { body: { sequence: test }, status } = yield* send(`${path}/test`, post())
      assert.strictEqual(status, 202)
      yield* delivery(path, test, hasSucceeded)

      const { body: range } = yield* send(`${path}/resend`, post({ since_at: since.toISOString() }))
      yield* untilReceived(receiver, 2)
      const [, again = 0] = sequencesOf(receiver)
      assert.isTrue(range.since_sequence <= again && again < test && test <= range.until_sequence)
      yield* delivery(path, again, hasSucceeded)

      assert.strictEqual((yield* send(`${path}/deliveries/${again}/resend`, post())).status, 202)
      yield* untilReceived(receiver, 3)
      yield* send(`${path}/resend`, post({ since_sequence: again }))
      yield* untilReceived(receiver, 4)
      assert.deepStrictEqual(sequencesOf(receiver), [test, again, again, again])
      assert.lengthOf(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])), 2)
      yield* delivery(path, again, ({ attempts, outcome }) => outcome === "succeeded" && attempts === 3)
      // The registration is no event that is sent.
      const none = yield* send(`${path}/deliveries/${range.until_sequence + 1000}/resend`, post())
      assert.strictEqual(none.body.code, "delivery_not_found")
    }).pipe(Effect.scoped))
})

describe("notifiers", () => {
  const notifiers = () => [stack.notifier(0), stack.notifier(1)]

  it.live("share the events, and none is lost or sent twice", () =>
    Effect.gen(function*() {
      const { path, receiver } = yield* endpoint(requested)
      const names = Array.from({ length: 200 }, freshName)
      yield* send("/buckets/batch", post({ names }))
      yield* untilReceived(receiver, 200)
      yield* eventually(
        send(`${path}/deliveries?outcome=succeeded&limit=1000`),
        ({ body }) => body.deliveries.length === 200
      )
      assert.lengthOf(receiver.received, 200)
      assert.sameMembers(receiver.received.map(({ body }) => JSON.parse(body).data.name), names)
    }).pipe(Effect.scoped))

  it.live.each(failpoints)(
    "of which one is killed at the point \"%s\" bring every event, again under the same id",
    (point) =>
      Effect.gen(function*() {
        yield* Effect.forEach(notifiers(), ({ start }) => start)
        const pids = yield* Effect.forEach(notifiers(), ({ pid }) => pid)
        const { path, receiver } = yield* endpoint(requested)
        writeFileSync(join(points, point), "")
        const names = Array.from({ length: 20 }, freshName)
        yield* send("/buckets/batch", post({ names }))
        yield* Effect.forEach(notifiers(), ({ pid }) => pid).pipe(
          Effect.repeat({
            until: (now) => now.some((pid, n) => pid !== pids[n]),
            schedule: Schedule.spaced("20 millis")
          })
        )
        yield* eventually(
          send(`${path}/deliveries?outcome=succeeded`),
          ({ body }) => body.deliveries.length === 20
        )
        const ids = new Map<string, number>()
        for (const { headers } of receiver.received) {
          const id = String(headers["webhook-id"])
          ids.set(id, (ids.get(id) ?? 0) + 1)
        }
        assert.strictEqual(ids.size, 20)
        // What was answered and not recorded came again; what was recorded did not.
        if (point === "answered") assert.isTrue([...ids.values()].some((count) => count > 1))
        yield* Effect.forEach(notifiers(), ({ start }) => start)
      }).pipe(Effect.scoped)
  )
})

describe("a gateway", () => {
  const at = (n: number) => Webhooks.anonymous(stack.gatewayUrls[n] ?? assert.fail("there is none"))

  it.live("refuses what leads into its network", () =>
    Effect.gen(function*() {
      for (
        const url of ["http://example.org/", "https://127.1/", "https://[::ffff:10.0.0.1]/", "https://a:b@example.org/"]
      ) {
        const { body } = yield* at(1)("/webhooks", post({ url }))
        assert.deepInclude(body, { status: 422, code: "webhook_url_refused" }, url)
      }
      assert.strictEqual((yield* at(1)("/webhooks", post({ url: "ftp://example.org" }))).status, 400)
      const { body, status } = yield* at(1)("/webhooks", post({ url: "https://hooks.example.org/akave" }))
      assert.strictEqual(status, 201)
      yield* send(`/webhooks/${body.webhook_id}`, { method: "DELETE" })
    }))

  it.live("without a master secret says what to set, and changes nothing", () =>
    Effect.gen(function*() {
      const { path } = yield* endpoint()
      for (const [route, value] of [["/webhooks", { url: "https://example.org/" }], [`${path}/rotate`, {}]] as const) {
        const { body } = yield* at(2)(route, post(value))
        assert.deepInclude(body, { status: 503, code: "master_secret_missing" })
        assert.include(body.detail, "MASTER_SECRET")
      }
      assert.deepInclude((yield* send(path)).body, { secret_version: 1 })
    }).pipe(Effect.scoped))

  it.live("takes 20 of an account", () =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach(
        Array.from({ length: 21 }),
        () => send("/webhooks", post({ url: "http://127.0.0.1:9/" })),
        { concurrency: 5 }
      )
      assert.lengthOf(answers.filter(({ status }) => status === 201), 20)
      assert.deepInclude(answers.find(({ status }) => status !== 201)?.body, { status: 409, code: "too_many_webhooks" })
      const { body: { webhooks } } = yield* send("/webhooks")
      assert.lengthOf(webhooks, 20)
      for (const { webhook_id } of webhooks) yield* send(`/webhooks/${webhook_id}`, { method: "DELETE" })
    }))
})
