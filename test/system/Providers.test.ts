/** The main job over the chain's JSON-RPC as families of nodes and providers offer it. */
import * as Ports from "@akave-async/local/Ports"
import type * as Stack from "@akave-async/local/Stack"
import { Buckets } from "@akave-async/sdk/Buckets"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as RpcProvider from "../faults/src/RpcProvider.ts"
import * as RpcProxy from "../faults/src/RpcProxy.ts"
import * as ChainView from "../support/ChainView.ts"
import { createBucket, deleteBucket, ended, freshName } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

const scope = Scope.makeUnsafe()
let stack: Stack.Stack
let rpc: RpcProxy.RpcProxy

beforeAll(async () => {
  const start = Effect.gen(function*() {
    const port = yield* Ports.free
    rpc = yield* RpcProxy.make({ to: port, random: Math.random })
    stack = yield* TestStack.started({
      ports: { rpc: port },
      counts: { executor: 2 },
      env: {
        devnet: { DEVNET_BLOCK_TIME: "0.5" },
        executor: { AKAVE_RPC_URL: `http://${Ports.host}:${rpc.port}`, JOB_DEADLINE: "60 seconds" }
      }
    })
  })
  await Effect.runPromise(Effect.provideService(start, Scope.Scope, scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

it.live.each(RpcProvider.all.map((provider) => ({ provider, name: provider.name })))(
  "buckets are created, adopted and deleted over $name JSON-RPC",
  ({ provider }) =>
    Effect.gen(function*() {
      const { gatewayUrl } = stack
      const completed = Effect.fnUntraced(function*(answers: ReadonlyArray<{ readonly body: { job_id: string } }>) {
        const jobs = yield* Effect.forEach(answers, ({ body }) => ended(gatewayUrl, body.job_id), { concurrency: 20 })
        assert.deepStrictEqual(
          jobs.map(({ body: { error, status } }) => ({ status, error })),
          jobs.map(() => ({ status: "completed", error: null }))
        )
        return jobs
      })
      // What executors have learnt of another provider is not for this one.
      const executors = [stack.executor(0), stack.executor(1)]
      yield* Effect.forEach(executors, (executor) => executor.stop, { concurrency: 2 })
      const existing = freshName()
      yield* Buckets.use((buckets) => buckets.createBucket(existing)).pipe(Effect.provide(ChainView.layer(stack)))
      const before = rpc.misbehaved()
      yield* rpc.behave(RpcProxy.as(provider))
      yield* Effect.forEach(executors, (executor) => executor.start, { concurrency: 2 })

      const names = Array.from({ length: 60 }, freshName)
      const [found, ...made] = yield* Effect.forEach(
        [existing, ...names],
        (name) => createBucket(gatewayUrl, name),
        { concurrency: 20 }
      )
      yield* completed(made)
      const [adopted] = yield* completed(found === undefined ? [] : [found])
      assert.isTrue(adopted?.body.result.adopted)
      yield* completed(
        yield* Effect.forEach(names.slice(0, 5), (name) => deleteBucket(gatewayUrl, name), { concurrency: 5 })
      )
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      for (const name of names) {
        const creations = transactions.filter(({ bucketName, succeeded }) => bucketName === name && succeeded)
        assert.lengthOf(creations, 1, name)
      }
      assert.isAbove(rpc.misbehaved(), before)
    })
)
