/** How much an account may do. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Accounts from "../support/Accounts.ts"
import { type Answer, eventually, freshName, request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
let admin: Accounts.Send
// Without executors, jobs stay queued until they are cancelled.
SharedStack.use(
  { counts: { executor: 0, gateway: 2 }, env: { gateway: { MASTER_SECRET: masterSecret } } },
  (started) => {
    stack = started
  }
)
beforeAll(async () => {
  const secret = await Effect.runPromise(Accounts.init("operator", Accounts.settingsOf(stack, masterSecret)))
  admin = Accounts.withKey(stack.gatewayUrl, secret)
  await Effect.runPromise(eventually(admin("/account"), ({ status }) => status === 200))
})

let accounts = 0
/** The client of a new account on each gateway. */
const client = Effect.fnUntraced(function*(limits: { requests_per_second?: number; jobs_in_flight?: number }) {
  const secret = yield* Accounts.open(admin, `limited-${++accounts}`, { owner: stack.ownerAddress, limits })
  const clients = stack.gatewayUrls.map((gateway) => Accounts.withKey(gateway, secret))
  for (const send of clients) yield* eventually(send("/account"), ({ status }) => status === 200)
  return clients as [Accounts.Send, Accounts.Send]
})
const post = (path: string, value: unknown, headers: Readonly<Record<string, string>> = {}) =>
  [path, { method: "POST", body: JSON.stringify(value), headers }] as const
const bucket = (name = freshName(), headers = {}) => post("/buckets", { name }, headers)
const tooMany = ({ body, headers, status }: Answer) => {
  assert.deepStrictEqual([status, body.code], [429, "too_many_jobs"])
  assert.match(headers.get("retry-after") ?? "", /^\d+$/)
}

describe("requests of an account", () => {
  it.live("are answered with 429 beyond so many a second, and every answer says what is left", () =>
    Effect.gen(function*() {
      const [send] = yield* client({ requests_per_second: 5 })
      const answers = yield* Effect.forEach(Array.from({ length: 40 }), () => send("/account"), {
        concurrency: "unbounded"
      })
      for (const { body, headers, status } of answers) {
        assert.strictEqual(headers.get("ratelimit-policy"), "\"account\";q=5;w=1")
        assert.match(headers.get("ratelimit") ?? "", /^"account";r=[0-5];t=[01]$/)
        if (status === 200) continue
        assert.deepStrictEqual([status, body.code], [429, "rate_limited"])
        assert.strictEqual(headers.get("retry-after"), "1")
        assert.match(headers.get("ratelimit") ?? "", /;r=0;/)
      }
      const taken = answers.filter(({ status }) => status === 200).length
      assert.isAtLeast(taken, 1)
      assert.isBelow(taken, 40)
      yield* eventually(send("/account"), ({ status }) => status === 200)
    }))

  it.live("count for this account alone", () =>
    Effect.gen(function*() {
      const [one] = yield* client({ requests_per_second: 1 })
      const [other] = yield* client({ requests_per_second: 1_000 })
      yield* Effect.forEach(Array.from({ length: 10 }), () => one("/account"), { concurrency: "unbounded" })
      assert.strictEqual((yield* other("/account")).status, 200)
    }))
})

describe("jobs of an account in flight", () => {
  it.live("are no more than it may have, on either gateway, until some have ended", () =>
    Effect.gen(function*() {
      const [first, second] = yield* client({ jobs_in_flight: 3 })
      const jobs: Array<string> = []
      for (let n = 0; n < 3; n++) {
        const { body, status } = yield* first(...bucket())
        assert.strictEqual(status, 202)
        jobs.push(body.job_id)
      }
      tooMany(yield* first(...bucket()))
      tooMany(yield* eventually(second(...bucket()), ({ status }) => status === 429))
      tooMany(yield* first(...post("/buckets/batch", { names: [freshName()] })))
      assert.strictEqual((yield* first(`/jobs/${jobs[0]}`, { method: "DELETE" })).body.status, "cancelled")
      for (const send of [first, second]) {
        const { body: { job_id } } = yield* eventually(send(...bucket()), ({ status }) => status === 202)
        tooMany(yield* eventually(first(...bucket()), ({ status }) => status === 429))
        yield* send(`/jobs/${job_id}`, { method: "DELETE" })
      }
    }))

  it.live("are no more, however many are asked for at the same time", () =>
    Effect.gen(function*() {
      const [send] = yield* client({ jobs_in_flight: 10 })
      const answers = yield* Effect.forEach(Array.from({ length: 50 }), () => send(...bucket()), {
        concurrency: "unbounded"
      })
      assert.lengthOf(answers.filter(({ status }) => status === 202), 10)
      for (const answer of answers.filter(({ status }) => status !== 202)) tooMany(answer)
      assert.lengthOf((yield* eventually(send("/jobs"), ({ body }) => body.jobs.length === 10)).body.jobs, 10)
    }))

  it.live("count those that were refused no more, and a batch as one", () =>
    Effect.gen(function*() {
      const [send] = yield* client({ jobs_in_flight: 3 })
      const name = freshName()
      assert.strictEqual((yield* send(...bucket(name))).status, 202)
      for (let n = 0; n < 5; n++) assert.strictEqual((yield* send(...bucket(name))).status, 409)
      tooMany(yield* send(...post("/buckets/batch", { names: [freshName(), freshName(), freshName()] })))
      const { body } = yield* send(...post("/buckets/batch", { names: [freshName(), name] }))
      assert.deepInclude(body, { accepted: 1, refused: 1 })
      assert.strictEqual((yield* eventually(send(...bucket()), ({ status }) => status === 202)).status, 202)
      tooMany(yield* send(...bucket()))
    }))

  it.live("are not asked for again by a signed request that is sent once more", () =>
    Effect.gen(function*() {
      for (
        const [path, { body }] of [
          bucket(),
          post("/buckets/batch", { names: ["x", freshName()] })
        ]
      ) {
        const secret = yield* Accounts.open(admin, `limited-${++accounts}`, {
          owner: stack.ownerAddress,
          limits: { jobs_in_flight: 2 }
        })
        const sent = { method: "POST", body }
        const headers = {
          ...Accounts.signatureOf(secret, { ...sent, path }),
          "content-type": "application/json"
        }
        const send = eventually(
          request(`${stack.gatewayUrl}${path}`, { ...sent, headers }),
          ({ status }) => status !== 401
        )
        const first = yield* send
        assert.isBelow(first.status, 300)
        const { body: refused } = yield* eventually(
          Accounts.withKey(stack.gatewayUrl, secret)(...bucket()),
          ({ status }) => status === 429
        )
        assert.strictEqual(refused.code, "too_many_jobs")
        assert.deepStrictEqual(yield* Effect.map(send, ({ body, status }) => ({ body, status })), {
          body: first.body,
          status: first.status
        })
      }
    }))

  it.live("are not asked for again by a request that is repeated with its key", () =>
    Effect.gen(function*() {
      const [first, second] = yield* client({ jobs_in_flight: 1 })
      const asked = bucket(freshName(), { "idempotency-key": "once" })
      const { body: { job_id } } = yield* first(...asked)
      tooMany(yield* first(...bucket()))
      for (const send of [first, second]) {
        const { body, status } = yield* send(...asked)
        assert.deepStrictEqual([status, body.job_id], [202, job_id])
      }
    }))

  it.live("are counted on a wallet that others keep busy", () =>
    Effect.gen(function*() {
      const [busy] = yield* client({})
      const flood = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 20 }, () => Effect.forever(Effect.suspend(() => busy(...bucket())))), {
          concurrency: "unbounded"
        })
      )
      yield* eventually(busy("/jobs"), ({ body }) => body.jobs.length > 50)
      const [send] = yield* client({ jobs_in_flight: 2 })
      for (const status of [202, 202, 429, 429]) assert.strictEqual((yield* send(...bucket())).status, status)
      yield* Fiber.interrupt(flood)
    }))

  it.live("are known to a gateway that starts anew", () =>
    Effect.gen(function*() {
      const [first] = yield* client({ jobs_in_flight: 2 })
      const { body: { job_id } } = yield* first(...bucket())
      yield* first(...bucket())
      yield* stack.gateway(0).kill("SIGKILL")
      yield* stack.gateway(0).start
      tooMany(yield* first(...bucket()))
      yield* first(`/jobs/${job_id}`, { method: "DELETE" })
      yield* eventually(first(...bucket()), ({ status }) => status === 202)
    }))
})
