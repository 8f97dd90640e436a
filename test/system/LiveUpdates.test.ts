import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schedule, Stream } from "effect"
import * as EventSource from "../support/EventSource.ts"
import { createBucket, ended, eventually, freshName, request, tryRequest } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({ counts: { gateway: 3 } }, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

const create = (name: string, prefer: string) =>
  request(`${gateway}/buckets`, { method: "POST", headers: { prefer }, body: JSON.stringify({ name }) })
const isUp = (url: string) => eventually(tryRequest(`${url}/health`), ({ status }) => status === 200)

describe("a request that is to wait", () => {
  it.live("is answered with the end of its job, also while Postgres is away", () =>
    Effect.gen(function*() {
      yield* stack.postgres.stop
      const name = freshName()
      const created = yield* create(name, "respond-async, wait=30")
      assert.strictEqual(created.status, 201)
      assert.strictEqual(created.headers.get("preference-applied"), "wait=30")
      assert.strictEqual(created.headers.get("location"), `/buckets/${name}`)
      assert.deepInclude(created.body, { status: "completed", bucket_name: name })

      const { body: { job_id } } = yield* createBucket(gateway, freshName())
      let answer = yield* request(`${gateway}/jobs/${job_id}`)
      const statuses = [answer.body.status]
      while (answer.body.status !== "completed") {
        const headers = { "if-none-match": answer.headers.get("etag") ?? "" }
        answer = yield* request(`${gateway}/jobs/${job_id}?wait=30`, { headers })
        statuses.push(answer.body.status)
      }
      assert.isAtMost(statuses.length, 5, "each answer but the last waits for an event")
      yield* stack.postgres.start
      const deleted = yield* request(`${gateway}/buckets/${name}`, { method: "DELETE", headers: { prefer: "wait=30" } })
      assert.deepInclude(deleted.body, { status: "completed", operation: "bucket.delete" })
      assert.deepStrictEqual([deleted.status, deleted.headers.get("location")], [200, `/jobs/${deleted.body.job_id}`])
    }))

  it.live("is answered with the job as it is after its time", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      const created = yield* create(freshName(), "wait=1")
      assert.deepStrictEqual([created.status, created.body.status], [202, "queued"])
      const { body: { job_id } } = created
      const etag = created.headers.get("etag") ?? ""
      const same = yield* request(`${gateway}/jobs/${job_id}?wait=1`, { headers: { "if-none-match": etag } })
      assert.deepStrictEqual([same.status, same.body, same.headers.get("etag")], [304, "", etag])
      const other = yield* request(`${gateway}/jobs/${job_id}?wait=60`, { headers: { "if-none-match": "\"0\"" } })
      assert.deepStrictEqual([other.status, other.body.job_id], [200, job_id])
      yield* stack.executor(0).start
      yield* ended(gateway, job_id)
    }))
})

describe("a stream of events", () => {
  it.live("of a job has its whole life, ends with it, and is not begun again", () =>
    Effect.gen(function*() {
      const { body: { job_id } } = yield* createBucket(gateway, freshName())
      const url = `${gateway}/jobs/${job_id}/events`
      const events: Array<{ readonly id: number; readonly type: string }> = []
      const onEvent = (id: number, data: string) => {
        const event = JSON.parse(data)
        assert.deepStrictEqual([event.sequence, event.correlationid], [`${id}`, job_id])
        return events.push({ id, type: event.type }) > 0
      }
      assert.strictEqual(yield* Effect.promise(() => EventSource.read({ url, onEvent })), 200)
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["Requested", "Started", "Submitted", "Created"].map((step) => `akave.Bucket${step}.v1`)
      )
      const lastEventId = events.at(-1)?.id ?? 0
      assert.strictEqual(yield* Effect.promise(() => EventSource.read({ url, onEvent, lastEventId })), 204)

      const page = yield* request(`${url}?limit=3`)
      const rest = yield* request(`${url}?limit=3&after=${page.body.next}`)
      assert.deepStrictEqual(
        [...page.body.events, ...rest.body.events].map(({ sequence }) => Number(sequence)),
        events.map(({ id }) => id)
      )
      assert.isNull(rest.body.next)
    }))

  it.live("and a request that waits are answered to their end when their gateway is stopped", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      const { body: { job_id } } = yield* createBucket(gateway, freshName())
      const other = stack.gatewayUrls[1] ?? ""
      const begun = yield* Deferred.make<void>()
      const waiting = yield* Effect.forkChild(request(`${other}/jobs/${job_id}?wait=60`), { startImmediately: true })
      const stream = yield* Effect.forkChild(Effect.promise(() =>
        EventSource.read({
          url: `${other}/jobs/${job_id}/events`,
          onEvent: () => Effect.runSync(Deferred.succeed(begun, undefined))
        })
      ))
      yield* Deferred.await(begun)
      // What is answered now came after the request that waits.
      yield* request(`${other}/health`)
      yield* stack.gateway(1).stop
      assert.strictEqual(yield* Fiber.join(stream), 200)
      assert.deepInclude((yield* Fiber.join(waiting)).body, { job_id, status: "queued" })
      yield* Effect.all([stack.gateway(1).start, stack.executor(0).start])
      yield* ended(gateway, job_id)
    }))

  it.live("loses and repeats nothing, though connections are cut and gateways are killed", () =>
    Effect.gen(function*() {
      const run = { isOver: false }
      let last = Infinity
      const follower = async (n: number) => {
        const received: Array<number> = []
        for (let tries = n; !run.isOver && (received.at(-1) ?? 0) < last; tries++) {
          let rest = 1 + Math.floor(Math.random() * 120)
          let before = received.at(-1) ?? 0
          const url = `${stack.gatewayUrls[tries % stack.gatewayUrls.length]}/events`
          await EventSource.read({
            url,
            lastEventId: before,
            onEvent: (id) => {
              assert.isAbove(id, before, "an event came again, or out of order")
              before = id
              received.push(id)
              return --rest > 0 && id < last
            }
          })
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
        }
        return received
      }
      const following = yield* Effect.forkChild(
        Effect.promise(() => Promise.all(Array.from({ length: followers }, (_, n) => follower(n))))
      )
      yield* Effect.gen(function*() {
        const asking = yield* Effect.forkChild(
          createBucket(gateway, freshName()).pipe(
            Effect.flatMap(({ body }) => ended(gateway, body.job_id)),
            Effect.repeat(Schedule.recurs(14)),
            Effect.replicateEffect(8, { concurrency: 8 })
          )
        )
        for (const index of [1, 2, 1, 2]) {
          yield* stack.gateway(index).kill("SIGKILL")
          yield* stack.gateway(index).start
          yield* isUp(stack.gatewayUrls[index] ?? "")
        }
        yield* Fiber.join(asking)
        const log = yield* Log.open(stack.natsUrl)
        const all = yield* log.subscribe(1).pipe(Stream.take(yield* log.lastSequence), Stream.runCollect)
        const wanted = all.filter(({ subject }) => subject.startsWith("bucket.")).map(({ sequence }) => sequence)
        last = wanted.at(-1) ?? 0
        // Whoever has them all already hears nothing more.
        yield* Effect.repeat(createBucket(gateway, freshName()), Schedule.recurs(1))
        const received = yield* Fiber.join(following)
        for (const one of received) assert.deepStrictEqual(one.filter((id) => id <= last), wanted)
      }).pipe(Effect.ensuring(Effect.sync(() => run.isOver = true)))
    }).pipe(Effect.scoped))
})

/** Streams at the same time. */
const followers = 1_000
