/** A bucket that others have asked the chain for is not there before a block has it. */
import * as Stack from "@akave-async/local/Stack"
import { storage } from "@akave-async/sdk/Abi"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { JsonRpcProvider, parseUnits, Wallet } from "ethers"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

it.live("a job is not completed by a transaction from elsewhere that only waits to be mined", () =>
  Effect.gen(function*() {
    const stack = yield* TestStack.started({})
    const { details, pid } = yield* stack.devnet.start
    const chain = yield* Effect.acquireRelease(
      Effect.sync(() => new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true, cacheTimeout: -1 })),
      (chain) => Effect.sync(() => chain.destroy())
    )
    const to = String(details["storage_address"])
    const name = freshName()
    const wallet = new Wallet(Stack.publicDevelopmentKey, chain)
    const nonce = yield* Effect.promise(() => wallet.getNonce())
    const send = (to: string, data: string, gwei: string) =>
      Effect.promise(async () => {
        const fee = parseUnits(gwei, "gwei")
        const fees = { gasLimit: 500_000, maxFeePerGas: fee, maxPriorityFeePerGas: fee }
        await wallet.sendTransaction({ type: 2, nonce, to, data, ...fees })
      })

    // The devnet's own process has the blocks mined; the chain's goes on without them.
    yield* Effect.sync(() => process.kill(pid, "SIGSTOP"))
    yield* send(to, storage.encodeFunctionData("createBucket", [name]), "100")
    const { body: asked } = yield* createBucket(stack.gatewayUrl, name)
    const { body: waiting } = yield* eventually(
      request(`${stack.gatewayUrl}/jobs/${asked.job_id}`),
      ({ body }) => body.tx_hash !== null || body.result !== null
    )
    assert.deepInclude(waiting, { status: "processing", result: null })

    // It will never be mined.
    yield* send(wallet.address, "0x", "200")
    yield* Effect.sync(() => process.kill(pid, "SIGCONT"))
    const { body: job } = yield* ended(stack.gatewayUrl, asked.job_id)
    assert.strictEqual(job.status, "completed")
    assert.isFalse(job.result.adopted)
    const data = storage.encodeFunctionData("getBucketByName", [name, wallet.address, 0, 0])
    const [bucket] = storage.decodeFunctionResult(
      "getBucketByName",
      yield* Effect.promise(() => chain.call({ to, data }))
    )
    assert.strictEqual(bucket.id, job.result.bucket_id)
  }).pipe(Effect.scoped))
