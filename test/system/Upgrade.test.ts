/** What earlier releases have left is started with this one. */
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Release from "../fixtures/Release.ts"
import * as CommandLine from "../support/CommandLine.ts"
import { createBucket, deleteBucket, ended, eventually, request } from "../support/Gateway.ts"

/** A job as it was answered, without what later releases may add. */
const known = (job: unknown, now: unknown): unknown =>
  typeof job === "object" && job !== null && typeof now === "object" && now !== null
    ? Object.fromEntries(Object.entries(job).map(([name, value]) => [name, known(value, Reflect.get(now, name))]))
    : now

it.live.each(Release.names())(
  "the data of %s is taken over: nothing is lost, and work goes on",
  (name) =>
    Effect.gen(function*() {
      const release = Release.read(name)
      const dataDir = yield* Stack.temporaryFolder
      Release.putFiles(dataDir, release.files)
      const stack = yield* Stack.make({ dataDir, counts: { notifier: 1 } })
      yield* stack.postgres.start
      yield* Effect.promise(() => Release.run(stack.databaseUrl, release.sql))
      yield* stack.start()
      const gateway = stack.gatewayUrl

      const jobs = release.jobs as ReadonlyArray<Readonly<Record<string, unknown>>>
      for (const job of jobs) {
        const { body, status } = yield* request(`${gateway}/jobs/${job["job_id"]}`)
        assert.strictEqual(status, 200)
        if (job["status"] !== "queued") assert.deepStrictEqual(known(job, body), job)
      }
      // Its events say neither which executor did it nor what was paid.
      const done = jobs.find(({ result, tx_hash }) =>
        Object(result)["tx_hash"] === tx_hash && Object(result)["gas_used"] > 0
      )
      const { body: { fees, timeline } } = yield* request(`${gateway}/jobs/${done?.["job_id"]}/explanation`)
      assert.isAtLeast(timeline.length, 4)
      for (const { executor } of timeline) assert.isNull(executor)
      assert.strictEqual(fees.paid_wei, null)
      assert.strictEqual(BigInt(fees.at_most_wei), BigInt(fees.gas_used) * BigInt(fees.max_fee_per_gas))
      const waiting = jobs.filter(({ status }) => status === "queued")
      assert.isNotEmpty(waiting)
      for (const job of waiting) {
        assert.strictEqual((yield* ended(gateway, `${job["job_id"]}`)).body.status, "completed")
      }
      const { body: { buckets } } = yield* eventually(
        request(`${gateway}/buckets`),
        ({ body }) => body.buckets.length === release.buckets.length + waiting.length
      )
      assert.includeMembers(buckets.map((bucket: { readonly name: string }) => bucket.name), [...release.buckets])

      // A key that was used is known, and so is what it was used for.
      const repeated = yield* request(`${gateway}/buckets`, {
        method: "POST",
        headers: { "idempotency-key": "the same request" },
        body: JSON.stringify({ name: "release-made-again" })
      })
      assert.isTrue(jobs.some((job) => job["job_id"] === repeated.body.job_id))
      for (const asked of [createBucket(gateway, "release-deleted"), deleteBucket(gateway, "release-kept")]) {
        const { body } = yield* asked
        assert.strictEqual((yield* ended(gateway, body.job_id)).body.status, "completed")
      }
      const audit = yield* CommandLine.run(["audit", "--json"], stack)
      assert.strictEqual(audit.code, 0, audit.stdout + audit.stderr)
    }),
  120_000
)
