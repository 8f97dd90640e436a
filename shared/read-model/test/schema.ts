/** Tests on a schema of their own in the database of the test run. */
import * as Postgres from "@akave-async/platform/Postgres"
import { it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"

let schemas = 0
/** A test on a schema that does not exist yet, and goes with the test. */
export const onSchema = (
  prefix: string,
  sentence: string,
  body: Effect.Effect<void, unknown, Postgres.Database | Scope.Scope>
) =>
  it.live(sentence, () =>
    Effect.gen(function*() {
      const schema = `${prefix}_${process.pid}_${++schemas}`
      // The tests' own statements name no schema.
      const connection = Redacted.make({
        connectionString: inject("databaseUrl"),
        options: `-c search_path=${schema}`
      })
      const context = yield* Layer.build(
        Postgres.layer({ connection, schema, maxConnections: 4, patience: Duration.seconds(30) })
      )
      const sql = Context.get(context, SqlClient.SqlClient)
      yield* Effect.addFinalizer(() => Effect.orDie(sql`drop schema if exists ${sql(schema)} cascade`))
      return yield* Effect.provideContext(body, context)
    }).pipe(Effect.scoped))
