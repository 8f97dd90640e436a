import * as ProcessTable from "@akave-async/local/ProcessTable"
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as ChainView from "../support/ChainView.ts"
import { createBucket, ended, eventually, freshName, request, tryRequest } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

const scope = Scope.makeUnsafe()
let stack: Stack.Stack
let gateway: string

beforeAll(async () => {
  const options = {
    counts: { executor: 2, projector: 2 },
    env: { executor: { EXECUTOR_ACK_WAIT: "2 seconds" } }
  }
  stack = await Effect.runPromise(Effect.provideService(TestStack.started(options), Scope.Scope, scope))
  gateway = stack.gatewayUrl
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** Every bucket was created by exactly one transaction, which succeeded, and no nonce is missing. */
const assertOneEach = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
  assert.deepStrictEqual(transactions.map(({ nonce }) => nonce), transactions.map((_, n) => n))
  for (const name of names) {
    const carrying = transactions.filter(({ bucketName }) => bucketName === name)
    assert.deepStrictEqual(carrying.map(({ succeeded }) => succeeded), [true], name)
  }
})

const createMany = (count: number) =>
  Effect.gen(function*() {
    const names = Array.from({ length: count }, freshName)
    const answers = yield* Effect.forEach(names, (name) => createBucket(gateway, name), { concurrency: 20 })
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [202])
    return { names, jobIds: answers.map(({ body }): string => body.job_id) }
  })
const assertCompleted = Effect.fnUntraced(function*(jobIds: ReadonlyArray<string>) {
  const jobs = yield* Effect.forEach(jobIds, (id) => ended(gateway, id), { concurrency: 20 })
  assert.deepStrictEqual([...new Set(jobs.map(({ body }) => body.status))], ["completed"])
})

describe("kill -9", () => {
  it.live("of an executor in the middle of jobs costs none and sends none twice", () =>
    Effect.gen(function*() {
      const { jobIds, names } = yield* createMany(40)
      // As soon as one is under way; the rest is at every other step.
      yield* eventually(request(`${gateway}/jobs/${jobIds[0]}`), ({ body }) => body.status !== "queued")
      yield* stack.executor(0).kill("SIGKILL")
      yield* stack.executor(1).kill("SIGKILL")
      yield* Effect.all([stack.executor(0).start, stack.executor(1).start], { concurrency: 2 })
      yield* assertCompleted(jobIds)
      yield* assertOneEach(names)
    }))

  it.live("of the only executor before it has seen a job leaves it to the next one", () =>
    Effect.gen(function*() {
      yield* stack.executor(1).stop
      yield* stack.executor(0).kill("SIGSTOP")
      const { jobIds, names } = yield* createMany(3)
      yield* stack.executor(0).kill("SIGKILL")
      yield* Effect.all([stack.executor(0).start, stack.executor(1).start], { concurrency: 2 })
      yield* assertCompleted(jobIds)
      yield* assertOneEach(names)
    }))

  it.live("is no worse than SIGTERM, after which another executor goes on at once", () =>
    Effect.gen(function*() {
      const { jobIds, names } = yield* createMany(20)
      yield* stack.executor(0).stop
      yield* assertCompleted(jobIds)
      yield* stack.executor(0).start
      yield* assertOneEach(names)
    }))

  it.live("of the projectors loses nothing, and no job is said not to exist meanwhile", () =>
    Effect.gen(function*() {
      yield* Effect.all([stack.projector(0).kill("SIGKILL"), stack.projector(1).kill("SIGKILL")])
      const { jobIds, names } = yield* createMany(10)
      // What the gateway remembers needs no read model; of anything else it can't say yet whether it is there.
      const known = yield* request(`${gateway}/jobs/${jobIds[0]}`)
      assert.deepStrictEqual([known.status, known.body.job_id], [200, jobIds[0]])
      const unknown = yield* request(`${gateway}/jobs/019845e1-682f-7b02-a706-3b2422d13aec`)
      assert.strictEqual(unknown.status, 503)
      assert.strictEqual(unknown.body.code, "read_model_unavailable")
      assert.strictEqual(unknown.headers.get("retry-after"), "1")
      yield* Effect.all([stack.projector(0).start, stack.projector(1).start], { concurrency: 2 })
      yield* assertCompleted(jobIds)
      yield* assertOneEach(names)
    }))

  it.live("of the gateway loses no job that it accepted", () =>
    Effect.gen(function*() {
      const accepted: Array<{ readonly name: string; readonly jobId: string }> = []
      const clients = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 5 }), () =>
        Effect.gen(function*() {
          const name = freshName()
          const answer = yield* tryRequest(`${gateway}/buckets`, { method: "POST", body: JSON.stringify({ name }) })
          if (answer.status === 202) accepted.push({ name, jobId: answer.body.job_id })
        }).pipe(Effect.repeat({ while: () => accepted.length < 60 })), { concurrency: 5 }))
      yield* Effect.yieldNow.pipe(Effect.delay("10 millis"), Effect.repeat({ while: () => accepted.length < 20 }))
      yield* stack.gateway(0).kill("SIGKILL")
      yield* stack.gateway(0).start
      yield* Fiber.join(clients)
      yield* assertCompleted(accepted.map(({ jobId }) => jobId))
      yield* assertOneEach(accepted.map(({ name }) => name))
    }))
})

describe("two executors", () => {
  it.live("share 200 requests with one wallet, each exactly once", () =>
    Effect.gen(function*() {
      const { jobIds, names } = yield* createMany(200)
      yield* assertCompleted(jobIds)
      yield* assertOneEach(names)
    }))
})

describe("readiness is right when", () => {
  const reported = (part: string, ready: boolean) =>
    eventually(
      tryRequest(`${gateway}/health/ready`),
      ({ body, status }) => body[part]?.ready === ready && status === (ready ? 200 : 503)
    )

  it.live("NATS is away, and a request is then refused in time and taken later", () =>
    Effect.gen(function*() {
      yield* stack.nats.kill("SIGKILL")
      yield* reported("event_log", false)
      const refused = yield* createBucket(gateway, freshName())
      assert.deepInclude(refused.body, { status: 503, code: "event_log_unavailable" })
      assert.strictEqual(refused.headers.get("retry-after"), "1")
      yield* stack.nats.start
      yield* reported("event_log", true)
      const { jobIds } = yield* createMany(3)
      yield* assertCompleted(jobIds)
    }))

  it.live("Postgres is away, and requests are still accepted", () =>
    Effect.gen(function*() {
      yield* stack.postgres.kill("SIGKILL")
      yield* reported("read_model", false)
      const { jobIds } = yield* createMany(3)
      assert.strictEqual((yield* request(`${gateway}/jobs/${jobIds[0]}`)).status, 200)
      const unreadable = yield* request(`${gateway}/buckets`)
      assert.deepInclude(unreadable.body, { status: 503, code: "read_model_unavailable" })
      yield* stack.postgres.start
      yield* reported("read_model", true)
      yield* assertCompleted(jobIds)
    }))

  it.live("the chain is away but not its node, and jobs wait for it", () =>
    Effect.gen(function*() {
      const devnet = yield* stack.devnet.pid
      const anvil = ProcessTable.tree(devnet ?? 0).filter((pid) => ProcessTable.program(pid) === "anvil")
      assert.lengthOf(anvil, 1)
      for (const pid of anvil) process.kill(pid, "SIGSTOP")
      yield* reported("chain", false)
      const { body } = yield* request(`${gateway}/health/ready`)
      assert.isTrue(body.node.ready)
      const { jobIds } = yield* createMany(3)
      for (const pid of anvil) process.kill(pid, "SIGCONT")
      yield* reported("chain", true)
      yield* assertCompleted(jobIds)
    }))

  it.live("the node is away, and jobs go on when it is back", () =>
    Effect.gen(function*() {
      yield* stack.devnet.stop
      yield* reported("node", false)
      const { jobIds, names } = yield* createMany(3)
      yield* stack.devnet.start
      yield* reported("node", true)
      yield* reported("chain", true)
      yield* assertCompleted(jobIds)
      yield* assertOneEach(names)
    }))
})
