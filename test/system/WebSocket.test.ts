import * as Ports from "@akave-async/local/Ports"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { createBucket, ended, eventually, freshName, tryRequest } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

it.live("jobs complete over a WebSocket, and still do after the chain was away", () =>
  Effect.gen(function*() {
    const rpc = yield* Ports.free
    const url = `ws://${Ports.host}:${rpc}`
    const stack = yield* TestStack.started({
      ports: { rpc },
      // The chain reports its blocks: within this test, no executor asks for one. The stack gives it the chain's WebSocket.
      env: {
        executor: { CHAIN_POLL_INTERVAL: "10 minutes" },
        devnet: { DEVNET_PUBLIC_RPC_URL: url }
      }
    })
    const gateway = stack.gatewayUrl
    const createMany = Effect.gen(function*() {
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }, freshName),
        (name) => createBucket(gateway, name),
        {
          concurrency: 20
        }
      )
      return answers.map(({ body }): string => body.job_id)
    })
    const assertCompleted = Effect.fnUntraced(function*(jobIds: ReadonlyArray<string>) {
      const jobs = yield* Effect.forEach(jobIds, (id) => ended(gateway, id), { concurrency: 20 })
      assert.deepStrictEqual(jobs.map(({ body }) => body.status), jobIds.map(() => "completed"))
    })
    const chainIs = (ready: boolean) =>
      eventually(tryRequest(`${gateway}/health/ready`), ({ body }) => body.chain?.ready === ready)

    yield* chainIs(true)
    yield* assertCompleted(yield* createMany)
    yield* stack.devnet.stop
    yield* chainIs(false)
    const waiting = yield* createMany
    yield* stack.devnet.start
    yield* chainIs(true)
    yield* assertCompleted(waiting)
    yield* assertCompleted(yield* createMany)
  }).pipe(Effect.scoped))
