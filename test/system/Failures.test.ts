import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Wallet } from "ethers"
import { readFileSync } from "node:fs"
import { createBucket, ended, freshName, request } from "../support/Client.ts"

it.live("a wallet without funds makes jobs fail after their attempts, and says so; the next ones too", () =>
  Effect.gen(function*() {
    const poor = Wallet.createRandom()
    const stack = yield* Stack.started({
      privateKey: Redacted.make(poor.privateKey),
      env: { executor: { EXECUTOR_RETRY_DELAY: "200 millis", EXECUTOR_RETRIES: "2" } }
    })
    const { body: accepted } = yield* createBucket(stack.gatewayUrl, freshName())
    assert.strictEqual(accepted.owner, poor.address)
    const { body: job } = yield* ended(stack.gatewayUrl, accepted.job_id)
    assert.deepInclude(job, { status: "failed", attempts: 3, tx_hash: null, result: null })
    assert.deepInclude(job.error, { category: "insufficient_funds", code: "InsufficientFunds" })
    assert.include(job.error.message, "send it funds")

    // A name whose job failed is free again.
    const again = yield* createBucket(stack.gatewayUrl, accepted.bucket_name)
    assert.strictEqual(again.status, 202)
    yield* ended(stack.gatewayUrl, again.body.job_id)
    assert.deepStrictEqual((yield* request(`${stack.gatewayUrl}/buckets`)).body.buckets, [])

    for (const name of ["gateway", "executor", "projector", "devnet"]) {
      assert.notInclude(readFileSync(stack.process(name).logFile, "utf8"), poor.privateKey.slice(2))
    }
  }).pipe(Effect.scoped))

it.live("a job for another wallet than the executors' fails at once and names the setting", () =>
  Effect.gen(function*() {
    const owner = Wallet.createRandom().address
    const stack = yield* Stack.started({ env: { gateway: { AKAVE_OWNER_ADDRESS: owner } } })
    const { body: accepted } = yield* createBucket(stack.gatewayUrl, freshName())
    const { body: job } = yield* ended(stack.gatewayUrl, accepted.job_id)
    assert.deepInclude(job, { status: "failed", attempts: 1 })
    assert.deepInclude(job.error, { category: "invalid_request", code: "ForeignOwner" })
    assert.include(job.error.message, "AKAVE_OWNER_ADDRESS")
  }).pipe(Effect.scoped))
