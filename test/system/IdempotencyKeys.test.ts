import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Answer, ended, eventually, freshName, request, tryRequest } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let points: string
SharedStack.useWithFailpoints({ counts: { gateway: 2 } }, (started) => {
  stack = started.stack
  points = started.points
})

const other = () => stack.gatewayUrls[1] ?? assert.fail("there is no second gateway")
const withKey = (key: string, method: string, body?: unknown): RequestInit => ({
  method,
  headers: { "idempotency-key": key },
  ...(body === undefined ? {} : { body: JSON.stringify(body) })
})
const create = (gateway: string, key: string, name: string) =>
  request(`${gateway}/buckets`, withKey(key, "POST", { name }))
const jobOf = ({ body }: Answer) => body.job_id
/** The requests for a bucket that the log holds. */
const requestsFor = Effect.fnUntraced(function*(name: string) {
  const log = yield* Log.open(stack.natsUrl)
  const { events } = yield* log.read(Bucket.subject(Address.make(stack.ownerAddress), BucketName.make(name)))
  return events.filter(({ headers }) => headers["ce-type"] === "akave.BucketRequested.v1")
}, Effect.scoped)

describe("an idempotency key", () => {
  it.live("gives its request the same job for ever: on any gateway, without the projector, after later jobs on the name", () =>
    Effect.gen(function*() {
      const [key, deletionKey, name] = [crypto.randomUUID(), crypto.randomUUID(), freshName()]
      const first = yield* create(stack.gatewayUrl, key, name)
      assert.strictEqual(first.status, 202)
      yield* stack.projector(0).stop
      const second = yield* create(other(), key, name)
      assert.deepStrictEqual([second.status, jobOf(second)], [202, jobOf(first)])
      yield* stack.projector(0).start
      yield* ended(stack.gatewayUrl, jobOf(first))

      const third = yield* create(other(), key, name)
      assert.strictEqual(third.status, 202)
      assert.deepInclude(third.body, { job_id: jobOf(first), status: "completed" })
      const remove = (gateway: string) => request(`${gateway}/buckets/${name}`, withKey(deletionKey, "DELETE"))
      const deletion = yield* remove(stack.gatewayUrl)
      assert.strictEqual(deletion.status, 202)
      yield* ended(stack.gatewayUrl, jobOf(deletion))
      const again = yield* create(stack.gatewayUrl, crypto.randomUUID(), name)
      assert.notStrictEqual(jobOf(again), jobOf(first))
      yield* ended(stack.gatewayUrl, jobOf(again))
      for (const gateway of [stack.gatewayUrl, other()]) {
        assert.deepInclude((yield* create(gateway, key, name)).body, { job_id: jobOf(first), status: "completed" })
        assert.deepInclude((yield* remove(gateway)).body, { job_id: jobOf(deletion), status: "completed" })
      }
      assert.lengthOf(yield* requestsFor(name), 2)
    }))

  it.live("is refused for another request", () =>
    Effect.gen(function*() {
      const [key, name] = [crypto.randomUUID(), freshName()]
      yield* create(stack.gatewayUrl, key, name)
      for (
        const answer of [
          yield* create(other(), key, freshName()),
          yield* request(`${stack.gatewayUrl}/buckets/${name}`, withKey(key, "DELETE"))
        ]
      ) {
        assert.deepInclude(answer.body, { status: 422, code: "idempotency_key_reused" })
        assert.notInclude(JSON.stringify(answer.body), key)
      }
    }))

  it.live.each([{ is: "empty", key: "" }, { is: "too long", key: "k".repeat(256) }, {
    is: "no ASCII",
    key: "k\u00e9y"
  }])(
    "that is $is is refused, and nothing is stored",
    ({ key }) =>
      Effect.gen(function*() {
        const name = freshName()
        const answer = yield* create(stack.gatewayUrl, key, name)
        assert.deepInclude(answer.body, { status: 400, code: "invalid_request" })
        assert.lengthOf(yield* requestsFor(name), 0)
      })
  )

  it.live("of 200 requests at once on two gateways makes one job", () =>
    Effect.gen(function*() {
      const [key, name] = [crypto.randomUUID(), freshName()]
      const answers = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, n) => n % 2 === 0 ? stack.gatewayUrl : other()),
        (gateway) => create(gateway, key, name),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [202])
      assert.lengthOf(new Set(answers.map(jobOf)), 1)
      assert.lengthOf(yield* requestsFor(name), 1)
    }))

  it.live("whose gateway died before it stored the request gives the request its job at the next try", () =>
    Effect.gen(function*() {
      const [key, name] = [crypto.randomUUID(), freshName()]
      const point = join(points, "key-used")
      writeFileSync(point, "")
      const lost = yield* tryRequest(`${stack.gatewayUrl}/buckets`, withKey(key, "POST", { name }))
      assert.strictEqual(lost.status, 0)
      assert.isFalse(existsSync(point))
      assert.lengthOf(yield* requestsFor(name), 0)

      const second = yield* create(other(), key, name)
      assert.strictEqual(second.status, 202)
      const isUp = eventually(tryRequest(`${stack.gatewayUrl}/health`), ({ status }) => status === 200)
      yield* Effect.andThen(stack.gateway(0).start, isUp)
      const third = yield* create(stack.gatewayUrl, key, name)
      assert.strictEqual(jobOf(third), jobOf(second))
      assert.lengthOf(yield* requestsFor(name), 1)
    }))
})
