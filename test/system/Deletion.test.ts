import type * as Stack from "@akave-async/local/Stack"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as ChainView from "../support/ChainView.ts"
import { createBucket, deleteBucket, ended, freshName, request, settled } from "../support/Gateway.ts"
import { eventsOf } from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({}, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

/** A bucket on chain, and the job that created it. */
const created = Effect.fnUntraced(function*(name = freshName()) {
  const { body: { job_id } } = yield* createBucket(gateway, name)
  const { body: job } = yield* ended(gateway, job_id)
  assert.strictEqual(job.status, "completed")
  return { name, job }
})
/** What queries show comes a moment after the job has ended. */
const look = (name: string) => Effect.andThen(settled(gateway), request(`${gateway}/buckets/${name}`))
const isOnChain = (name: string) =>
  Effect.flatMap(Buckets, (buckets) => buckets.onChain({ name, owner: stack.ownerAddress })).pipe(
    Effect.map(Option.isSome),
    Effect.provide(ChainView.layer(stack))
  )

describe("a bucket", () => {
  it.live("is deleted from the chain and the read model, and can then be created again", () =>
    Effect.gen(function*() {
      const { name } = yield* created()
      const accepted = yield* deleteBucket(gateway, name)
      assert.strictEqual(accepted.status, 202)
      assert.strictEqual(accepted.headers.get("location"), `/jobs/${accepted.body.job_id}`)
      assert.deepInclude(accepted.body, { operation: "bucket.delete", bucket_name: name, status: "queued" })

      const { body: job } = yield* ended(gateway, accepted.body.job_id)
      assert.deepInclude(job, { status: "completed", operation: "bucket.delete", error: null })
      const id = bucketId(name, stack.ownerAddress)
      assert.deepInclude(job.result, { bucket_id: id, tx_hash: job.tx_hash, adopted: false })
      assert.isFalse(yield* isOnChain(name))
      const gone = yield* look(name)
      assert.deepInclude(gone.body, { status: 404, code: "bucket_not_found" })
      const { body: { buckets } } = yield* request(`${gateway}/buckets?limit=1000`)
      assert.notInclude(buckets.map((bucket: { readonly name: string }) => bucket.name), name)
      assert.strictEqual((yield* deleteBucket(gateway, name)).body.code, "bucket_not_found")

      const again = yield* created(name)
      assert.deepInclude(again.job.result, { bucket_id: id, adopted: false })
      assert.isTrue(yield* isOnChain(name))
      assert.deepInclude((yield* look(name)).body, { bucket_id: id, job_id: again.job.job_id })
    }))

  it.live("that the wallet has deleted outside the gateway is deleted for its job too", () =>
    Effect.gen(function*() {
      const { name } = yield* created()
      const outside = yield* Effect.flatMap(Buckets, (buckets) => buckets.deleteBucket(name)).pipe(
        Effect.provide(ChainView.layer(stack))
      )
      const { body: { job_id } } = yield* deleteBucket(gateway, name)
      const { body: job } = yield* ended(gateway, job_id)
      assert.deepInclude(job, { status: "completed", tx_hash: outside.transactionHash })
      assert.deepInclude(job.result, { adopted: true, block_number: outside.blockNumber })
      assert.strictEqual((yield* look(name)).status, 404)
    }))

  it.live("that is being created or deleted is busy", () =>
    Effect.gen(function*() {
      const { name } = yield* created()
      const other = freshName()
      // The executor rests, so that both jobs are still queued.
      yield* stack.executor(0).kill("SIGSTOP")
      const { body: deletion } = yield* deleteBucket(gateway, name)
      const { body: creation } = yield* createBucket(gateway, other)
      const refused = [
        [yield* deleteBucket(gateway, name), deletion.job_id],
        [yield* createBucket(gateway, name), deletion.job_id],
        [yield* deleteBucket(gateway, other), creation.job_id]
      ] as const
      yield* stack.executor(0).kill("SIGCONT")
      for (const [{ body }, job_id] of refused) assert.deepInclude(body, { status: 409, code: "bucket_busy", job_id })
      yield* ended(gateway, deletion.job_id)
      yield* ended(gateway, creation.job_id)
    }))
})

describe("a deletion", () => {
  it.live("is cancelled while it is queued, and the bucket stays", () =>
    Effect.gen(function*() {
      const { job, name } = yield* created()
      yield* stack.executor(0).kill("SIGSTOP")
      const { body: deletion } = yield* deleteBucket(gateway, name)
      const cancelled = yield* request(`${gateway}/jobs/${deletion.job_id}`, { method: "DELETE" })
      yield* stack.executor(0).kill("SIGCONT")
      assert.strictEqual(cancelled.status, 200)
      assert.deepInclude(cancelled.body, { job_id: deletion.job_id, operation: "bucket.delete", status: "cancelled" })

      assert.strictEqual((yield* createBucket(gateway, name)).body.code, "bucket_exists")
      assert.isTrue(yield* isOnChain(name))
      assert.deepInclude((yield* look(name)).body, { job_id: job.job_id })
    }))

  it.live("reports its steps as events of its own", () =>
    Effect.gen(function*() {
      const { name } = yield* created()
      const { body: { job_id } } = yield* deleteBucket(gateway, name)
      yield* ended(gateway, job_id)
      const events = yield* eventsOf(stack.natsUrl, job_id)
      assert.deepStrictEqual(events.map((event) => event["ce-type"]), [
        "akave.BucketDeletionRequested.v1",
        "akave.BucketDeletionStarted.v1",
        "akave.BucketDeletionSubmitted.v1",
        "akave.BucketDeleted.v1"
      ])
    }))

  it.live("of 50 buckets at once deletes them all, though each moves another one in the owner's list", () =>
    Effect.gen(function*() {
      const buckets = yield* Effect.forEach(Array.from({ length: 50 }), () => created(), { concurrency: 50 })
      const accepted = yield* Effect.forEach(buckets, ({ name }) => deleteBucket(gateway, name), { concurrency: 50 })
      const jobs = yield* Effect.forEach(accepted, ({ body }) => ended(gateway, body.job_id), { concurrency: 10 })
      assert.deepStrictEqual([...new Set(jobs.map(({ body }) => body.status))], ["completed"])
      assert.isFalse(jobs.some(({ body }) => body.result.adopted))
      const left = yield* Effect.forEach(buckets, ({ name }) => look(name), { concurrency: 10 })
      assert.deepStrictEqual([...new Set(left.map(({ status }) => status))], [404])
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      const mined = new Map(transactions.map(({ hash, succeeded }) => [hash, succeeded]))
      for (const { body } of jobs) assert.isTrue(mined.get(body.result.tx_hash))
      assert.strictEqual(new Set(jobs.map(({ body }) => body.result.tx_hash)).size, 50)
    }))
})
