/** The product on Postgres as other people run it, and while that does not answer. */
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { readFileSync } from "node:fs"
import { Client } from "pg"
import { vi } from "vitest"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as PgBouncer from "../support/PgBouncer.ts"
import * as Postgres from "../support/Postgres.ts"
import * as TestStack from "../support/TestStack.ts"

/** A read is answered within the gateway's own bound, with time to spare on a machine that has other work. */
const bound = 5000 + 5000

const rows = (url: string, statement: string) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(statement)).rows
    } finally {
      await client.end()
    }
  })
/** The tables that are not Postgres' own, by schema. */
const tables = (url: string) =>
  Effect.map(
    rows(
      url,
      `select schemaname as schema, string_agg(tablename, ' ' order by tablename) as names from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') group by schemaname order by schemaname`
    ),
    (found) => Object.fromEntries(found.map(({ names, schema }) => [schema, names]))
  )
const ours =
  "bucket_jobs buckets dead_letters event_segments files projection_checkpoint schema_migrations webhook_deliveries webhooks"

/** Has a bucket created, and looks at it by every kind of read. */
const creates = Effect.fnUntraced(function*(gateway: string) {
  const name = freshName()
  const { body: { job_id: jobId } } = yield* createBucket(gateway, name)
  const { body: job } = yield* ended(gateway, jobId)
  assert.strictEqual(job.status, "completed")
  const { body: { buckets } } = yield* eventually(
    request(`${gateway}/buckets`),
    ({ body }) => body.buckets.some((bucket: { readonly name: string }) => bucket.name === name)
  )
  assert.strictEqual((yield* request(`${gateway}/buckets/${name}`)).body.job_id, jobId)
  assert.deepStrictEqual((yield* request(`${gateway}/dead-letters`)).body.dead_letters, [])
  yield* eventually(request(`${gateway}/health/ready`), ({ status }) => status === 200)
  return { name, jobId, buckets }
})

it.live("while Postgres is frozen, reads are answered with 503 in time, writes are taken, and all goes on afterwards", () =>
  Effect.gen(function*() {
    const stack = yield* TestStack.started({})
    const gateway = stack.gatewayUrl
    const { jobId, name } = yield* creates(gateway)
    yield* stack.postgres.kill("SIGSTOP")
    const unknown = "019845e1-682f-7b02-a706-3b2422d13aec"
    const paths = [`buckets`, `buckets/${name}`, `jobs`, `stats`, `jobs/${unknown}`, `dead-letters`, `dead-letters/1`]
    // More at once than there are connections.
    yield* Effect.forEach([...paths, ...paths, ...paths], (path) =>
      Effect.gen(function*() {
        const begun = yield* Clock.currentTimeMillis
        const { body, headers, status } = yield* request(`${gateway}/${path}`)
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, bound, path)
        assert.deepInclude({ status, code: body.code }, { status: 503, code: "read_model_unavailable" }, path)
        assert.strictEqual(headers.get("retry-after"), "1")
        assert.notInclude(JSON.stringify(body), "127.0.0.1")
      }), { concurrency: "unbounded" })
    // A job that the gateway remembers.
    assert.strictEqual((yield* request(`${gateway}/jobs/${jobId}`)).body.status, "completed")
    const { body: ready } = yield* request(`${gateway}/health/ready`)
    assert.isFalse(ready.read_model.ready)
    const later = yield* createBucket(gateway, freshName())
    assert.strictEqual(later.status, 202)
    assert.match(
      readFileSync(stack.gateway(0).logFile, "utf8"),
      /the read model can't be read","Postgres at 127\.0\.0\.1:\d+ (did not answer|gave no connection) within/
    )

    yield* stack.postgres.kill("SIGCONT")
    assert.strictEqual((yield* ended(gateway, later.body.job_id)).body.status, "completed")
    yield* creates(gateway)
  }).pipe(Effect.scoped))

it.live("what a database refuses is reported at the start of a projector and in the gateway's readiness", () =>
  Effect.gen(function*() {
    const postgres = yield* Ports.free
    const wrong = { DATABASE_URL: `postgres://akave:s3cr3t@${Ports.host}:${postgres}/none` }
    const stack = yield* Stack.make({ ports: { postgres }, env: { projector: wrong, gateway: wrong } })
    const says = `Postgres at ${Ports.host}:${postgres} says: database "none" does not exist (SQLSTATE 3D000)`
    const { message } = yield* Effect.flip(stack.start())
    assert.include(message, `The read model's tables can't be made: ${says}`)
    yield* stack.gateway(0).start
    const { body } = yield* request(`${stack.gatewayUrl}/health/ready`)
    assert.deepStrictEqual(body.read_model, { ready: false, detail: says })
    for (const { process } of stack.services) {
      if (process.name !== "postgres") assert.notInclude(readFileSync(process.logFile, "utf8"), "s3cr3t")
    }
  }).pipe(Effect.scoped))

it.live.skipIf(!PgBouncer.hasPgBouncer)(
  "all works behind PgBouncer in transaction mode, in the schema that is set",
  () =>
    Effect.gen(function*() {
      const server = yield* Postgres.server
      const { url } = yield* PgBouncer.make(server.port)
      const env = { READ_MODEL_SCHEMA: "somewhere" }
      const stack = yield* TestStack.started({
        databaseUrl: url,
        counts: { projector: 2 },
        env: { projector: env, gateway: env }
      })
      yield* Effect.all([creates(stack.gatewayUrl), creates(stack.gatewayUrl)], { concurrency: 2 })
      assert.deepStrictEqual(yield* tables(server.url), { somewhere: ours })
    }).pipe(Effect.scoped)
)

it.live("what is set for servers elsewhere does not reach those that run here", () =>
  Effect.gen(function*() {
    const elsewhere = {
      NATS_TOKEN: "s3cr3t",
      NATS_CA: "/missing.pem",
      PGSSLMODE: "verify-full",
      PGOPTIONS: "-c role=none"
    }
    for (const [name, value] of Object.entries(elsewhere)) vi.stubEnv(name, value)
    yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
    const stack = yield* TestStack.started({})
    yield* creates(stack.gatewayUrl)
  }).pipe(Effect.scoped))

it.live("tables stay where they are and are read as they are, whatever a session is set to", () =>
  Effect.gen(function*() {
    const [dataDir, postgres] = [yield* Stack.temporaryFolder, yield* Ports.free]
    const before = yield* TestStack.started({ dataDir, ports: { postgres } }).pipe(
      Effect.tap((stack) =>
        // Tables of the same names, where sessions are then made to look first.
        rows(
          stack.databaseUrl,
          "create schema elsewhere; create table elsewhere.buckets (); create table elsewhere.projection_checkpoint ()"
        )
      ),
      Effect.flatMap((stack) => creates(stack.gatewayUrl)),
      Effect.scoped
    )
    const url =
      `postgres://akave@${Ports.host}:${postgres}/akave?options=-c%20search_path%3Delsewhere,public%20-c%20datestyle%3DGerman`
    const env = { DATABASE_URL: url }
    const stack = yield* TestStack.started({ dataDir, ports: { postgres }, env: { projector: env, gateway: env } })
    const { buckets } = yield* creates(stack.gatewayUrl)
    assert.include(buckets.map(({ name }: { readonly name: string }) => name), before.name)
    assert.deepStrictEqual(yield* tables(stack.databaseUrl), {
      akave_async: ours,
      elsewhere: "buckets projection_checkpoint"
    })
  }).pipe(Effect.scoped))
