/** How fast a projector fills an empty read model, and how much the log and the read model take of the disk and of memory. */
import * as Stack from "@akave-async/local/Stack"
import * as Postgres from "@akave-async/platform/Postgres"
import { ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { globSync, statSync } from "node:fs"
import { eventually, request } from "../../support/Gateway.ts"
import * as Log from "../../support/Log.ts"
import * as History from "../History.ts"
import type { Options } from "../Options.ts"
import * as Processes from "../Processes.ts"
import type { Row, Table } from "../Table.ts"

const bytesIn = (folder: string) =>
  globSync(`${folder}/**/*`).reduce((sum, file) => {
    const stat = statSync(file)
    return stat.isFile() ? sum + stat.size : sum
  }, 0)

const measured = Effect.fnUntraced(function*(jobs: number) {
  const stack = yield* Stack.started({ counts: { executor: 0 } })
  const [projector, gateway] = [stack.projector(0), stack.gateway(0)]
  yield* projector.stop
  const log = yield* Log.open(stack.natsUrl)
  yield* History.append(log, jobs)
  const events = yield* log.lastSequence
  const database = yield* Layer.build(Postgres.layerConfig(Duration.seconds(30))).pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromUnknown({ DATABASE_URL: stack.databaseUrl })
    )
  )
  const sql = Context.get(database, SqlClient.SqlClient)
  const applied = Effect.map(
    sql<{ sequence: number }>`select sequence from akave_async.projection_checkpoint`,
    ([row]) => row?.sequence ?? 0
  )
  yield* projector.start
  const begun = performance.now()
  while ((yield* applied) < events) yield* Effect.sleep("20 millis")
  const seconds = (performance.now() - begun) / 1000
  const memory = Processes.memory(stack, "projector")
  yield* sql`checkpoint`
  const [size] = yield* sql<{ bytes: number }>`
    select sum(pg_total_relation_size(oid))::bigint as bytes from pg_class
    where relnamespace = 'akave_async'::regnamespace and relkind = 'r'`
  const restarted = Effect.fnUntraced(function*(process: typeof gateway, isReady: Effect.Effect<unknown>) {
    yield* process.stop
    const begun = performance.now()
    yield* process.start
    yield* isReady
    return (performance.now() - begun) / 1000
  })
  const ready = eventually(request(`${stack.gatewayUrl}/health`), ({ status }) => status === 200)
  return {
    name: `${jobs} jobs, ${events} events`,
    values: {
      rebuild: [events / seconds],
      "read model": [(size?.bytes ?? 0) / jobs / 1000],
      log: [bytesIn(`${stack.dataDir}/nats`) / jobs / 1000],
      projector: [memory],
      gateway: [Processes.memory(stack, "gateway")],
      "gateway again": [yield* restarted(gateway, Effect.orDie(ready))],
      "projector again": [yield* restarted(projector, Effect.void)]
    }
  } satisfies Row
}, Effect.scoped)

export const run = Effect.fnUntraced(function*({ jobs }: Options) {
  const rows: Array<Row> = []
  for (const size of jobs === undefined ? [10_000, 100_000] : [jobs]) rows.push(yield* measured(size))
  return {
    title: "Projection and footprint",
    about:
      "A log with the events of so many creations of buckets, four each, and an empty read model: events a second until all are "
      + "applied, what both take of the disk for each job, resident memory, and the seconds until a service is up again.",
    columns: [
      { name: "rebuild", unit: "events/s", digits: 0, isDrawn: true },
      { name: "read model", unit: "KB a job", digits: 2 },
      { name: "log", unit: "KB a job", digits: 2 },
      { name: "projector", unit: "MB", digits: 0 },
      { name: "gateway", unit: "MB", digits: 0 },
      { name: "gateway again", unit: "s", digits: 2 },
      { name: "projector again", unit: "s", digits: 2 }
    ],
    rows
  } satisfies Table
})
