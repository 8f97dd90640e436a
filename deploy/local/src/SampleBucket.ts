import { ApiClient } from "@akave-async/api/Api"
import type { JobResource } from "@akave-async/api/Resources"
import { BucketName } from "@akave-async/domain/BucketName"
import { Clock, Console, DateTime, Effect, Option } from "effect"
import type { HttpClient } from "effect/http"
import { randomUUID } from "node:crypto"

type Job = typeof JobResource.Type

/** A job on the devnet takes one or two blocks; on a public network some tens of seconds. */
const patience = "120 seconds"

/** Creates a bucket by the API and prints each change of its job. A failure is printed, and stops nothing. */
export const showSampleBucket = (gatewayUrl: string): Effect.Effect<void, never, HttpClient.HttpClient> =>
  show.pipe(
    Effect.provide(ApiClient.layer(new URL(gatewayUrl))),
    Effect.timeoutOption(patience),
    Effect.flatMap((shown) =>
      Option.isSome(shown)
        ? Effect.void
        : Console.log(`  still not done after ${patience}; its job can be followed on.`)
    ),
    Effect.catchTag(
      "Unauthorized",
      () => Console.log("  not asked for: there are accounts, and a request needs a key")
    ),
    Effect.catch((error) => Console.log(`  The sample bucket failed: ${error.message}`))
  )

const show = Effect.gen(function*() {
  const { buckets, jobs } = yield* ApiClient
  const name = `sample-${DateTime.formatIso(yield* DateTime.now).replace(/\D/g, "").slice(0, 14)}-${
    randomUUID().slice(0, 4)
  }`
  const startedAt = yield* Clock.currentTimeMillis

  const print = Effect.fnUntraced(function*(job: Job) {
    const elapsed = `${(((yield* Clock.currentTimeMillis) - startedAt) / 1000).toFixed(2)} s`
    const facts = [
      ["transaction", job.tx_hash],
      ["bucket id", job.result !== null && "bucket_id" in job.result ? job.result.bucket_id : undefined],
      ["because", job.error?.message]
    ].flatMap(([label, value]) => value ? [`${label} ${value}`] : [])
    yield* Console.log(`  ${elapsed.padStart(8)}  ${job.status.padEnd(10)}  ${facts.join("  ")}`.trimEnd())
  })

  yield* Console.log(`\nSample bucket ${name}:`)
  let { body: job, headers: { etag } } = yield* buckets.create({
    headers: {},
    payload: { name: BucketName.make(name) }
  })
  yield* print(job)
  while (!["completed", "failed", "cancelled"].includes(job.status)) {
    const next = yield* jobs.get({
      params: { job_id: job.job_id },
      query: { wait: 30 },
      headers: { "if-none-match": etag }
    })
    // Nothing has changed.
    if (next === undefined) continue
    if (next.body.status !== job.status || next.body.tx_hash !== job.tx_hash) yield* print(next.body)
    job = next.body
    etag = next.headers.etag
  }
})
