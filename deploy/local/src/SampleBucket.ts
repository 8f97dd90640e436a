import { Clock, Console, DateTime, Effect, Option, Schema } from "effect"
import { HttpBody, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { randomUUID } from "node:crypto"

const Job = Schema.Struct({
  job_id: Schema.String,
  status: Schema.String,
  tx_hash: Schema.optional(Schema.NullOr(Schema.String)),
  result: Schema.optional(Schema.NullOr(Schema.Struct({ bucket_id: Schema.optional(Schema.String) }))),
  error: Schema.optional(Schema.NullOr(Schema.Struct({ message: Schema.optional(Schema.String) })))
})
type Job = typeof Job.Type

/** A job on the devnet takes one or two blocks; on a public network some tens of seconds. */
const patience = "120 seconds"

/** Creates a bucket by the API and prints each change of its job. What goes wrong is told, and stops nothing. */
export const showSampleBucket = (gatewayUrl: string): Effect.Effect<void, never, HttpClient.HttpClient> =>
  show(gatewayUrl).pipe(
    Effect.timeoutOption(patience),
    Effect.flatMap((shown) =>
      Option.isSome(shown)
        ? Effect.void
        : Console.log(`  still not done after ${patience}; its job can be followed on.`)
    ),
    Effect.catch((error) => Console.log(`  The sample bucket failed: ${error.message}`))
  )

const show = Effect.fnUntraced(function*(gatewayUrl: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const read = HttpClientResponse.schemaBodyJson(Job)
  const name = `sample-${DateTime.formatIso(yield* DateTime.now).replace(/\D/g, "").slice(0, 14)}-${
    randomUUID().slice(0, 4)
  }`
  const startedAt = yield* Clock.currentTimeMillis

  const print = Effect.fnUntraced(function*(job: Job) {
    const elapsed = `${(((yield* Clock.currentTimeMillis) - startedAt) / 1000).toFixed(2)} s`
    const facts = [
      ["transaction", job.tx_hash],
      ["bucket id", job.result?.bucket_id],
      ["because", job.error?.message]
    ].flatMap(([label, value]) => value ? [`${label} ${value}`] : [])
    yield* Console.log(`  ${elapsed.padStart(8)}  ${job.status.padEnd(10)}  ${facts.join("  ")}`.trimEnd())
  })

  yield* Console.log(`\nSample bucket ${name}:`)
  const request = HttpClientRequest.post(`${gatewayUrl}/buckets`, { body: HttpBody.jsonUnsafe({ name }) })
  let job = yield* Effect.flatMap(client.execute(request), read)
  yield* print(job)
  while (!["completed", "failed", "cancelled"].includes(job.status)) {
    yield* Effect.sleep("25 millis")
    const next = yield* Effect.flatMap(client.get(`${gatewayUrl}/jobs/${job.job_id}`), read)
    if (next.status !== job.status || next.tx_hash !== job.tx_hash) yield* print(next)
    job = next
  }
})
