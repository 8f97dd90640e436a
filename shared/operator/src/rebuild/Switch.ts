/**
 * The rebuilt read model takes the live one's place: schemas are renamed in one transaction.
 *
 * Every statement of a service names its schema, so that the next one finds the new tables. A projector reads the checkpoint at the
 * start of a transaction and holds it; a migration holds the table of migrations. The switch locks both tables first: such a
 * transaction has ended then, or begins after the switch, on the new tables. Under the lock the rebuilt read model is brought to the
 * live one's checkpoint, so that none who reads sees it go back, and the projector goes on where it was.
 */
import * as HashChain from "@akave-async/eventing/HashChain"
import { migrationsTable, ReadModelSchema } from "@akave-async/platform/Postgres"
import * as Archive from "@akave-async/read-model/Archive"
import { type Checkpoint, checkpoint } from "@akave-async/read-model/Checkpoint"
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Before, beforeName, find, mark, migrationOf, tablesOf, validName } from "./Schema.ts"

/** The two were not made from the same events. */
export class HistoryDiffers extends Schema.TaggedError<HistoryDiffers>()("HistoryDiffers", {
  sequence: Schema.Natural,
  live: Schema.String,
  rebuilt: Schema.String
}) {
  override readonly message =
    `After event ${this.sequence} the live read model has the hash ${this.live}, and the rebuilt one ${this.rebuilt}: they were not made`
    + " from the same events. Nothing was switched; --force switches all the same."
}
/** The live read model was made from events that the log has not. */
export class LogBehind extends Schema.TaggedError<LogBehind>()("LogBehind", {
  live: Schema.Natural,
  last: Schema.Natural
}) {
  override readonly message =
    `The live read model stands at event ${this.live}, and the event log ends at ${this.last}: restore the log first. Nothing was`
    + " switched; --force switches all the same."
}
/** The live read model has tables that this release does not know. */
export class LiveIsNewer extends Schema.TaggedError<LiveIsNewer>()("LiveIsNewer", {
  live: Schema.Natural,
  rebuilt: Schema.Natural
}) {
  override readonly message =
    `The live read model has the migration ${this.live}, and this release ends with ${this.rebuilt}: rebuild with the release that`
    + " the projector has"
}
/** Others hold the live read model's tables. */
export class LiveIsHeld extends Schema.TaggedError<LiveIsHeld>()("LiveIsHeld", { cause: Schema.Defect() }) {
  override readonly message =
    "Others have held the live read model's checkpoint all the time, such as a dump or a backup: switch again once they have ended"
}

/** How long services may have to wait for the switch, before it is given up to be tried again, in seconds. */
const lockSeconds = 5
/** The most events that are applied while services wait. */
export const mostUnderLock = 5_000

/** What the switch finds under its lock. */
export type Finding =
  | { readonly _tag: "Ready" }
  /** The rebuilt read model has first to be brought to this event, under the lock or, where it is far, without it. */
  | { readonly _tag: "Behind"; readonly to: number; readonly isFar: boolean }
  | { readonly _tag: "Refused"; readonly error: LogBehind }

/** @param last The last event of the log. */
export const compare = (live: number, rebuilt: number, last: number, isForced: boolean): Finding => {
  if (live <= rebuilt || (isForced && rebuilt >= last)) return { _tag: "Ready" }
  if (live > last && !isForced) return { _tag: "Refused", error: new LogBehind({ live, last }) }
  const to = Math.min(live, last)
  return { _tag: "Behind", to, isFar: to - rebuilt > mostUnderLock }
}

export interface Switched {
  /** What the schema is called that was live; none where there was none. */
  readonly before: Option.Option<string>
  /** The event that the read model stands at. */
  readonly sequence: number
}

interface Options<E, R> {
  readonly rebuilt: string
  readonly isForced: boolean
  readonly last: Effect.Effect<number, E, R>
  /** Brings the rebuilt read model to an event. */
  readonly catchUp: (to: number) => Effect.Effect<unknown, E, R>
}

/**
 * Switches once. Gives none where the rebuilt read model is far behind the live one, and has to catch up first.
 * The service's schema is the live one.
 */
export const once = Effect.fnUntraced(function*<E, R>({ catchUp, isForced, last, rebuilt }: Options<E, R>) {
  const sql = yield* SqlClient.SqlClient
  const live = yield* ReadModelSchema
  const ofRebuilt = Effect.provideService(checkpoint(), ReadModelSchema, rebuilt)
  const before = yield* validName(beforeName(live, DateTime.formatIso(yield* DateTime.now)))
  const end = yield* last
  return yield* sql.withTransaction(Effect.gen(function*() {
    yield* sql`set local lock_timeout = ${sql.literal(`'${lockSeconds}s'`)}`
    const isThere = Option.isSome(yield* find(live))
    const isFilled = isThere && (yield* lock)
    if (isFilled) {
      const [ofLive, own] = [yield* migrationOf(live), yield* migrationOf(rebuilt)]
      if (ofLive > own) return yield* new LiveIsNewer({ live: ofLive, rebuilt: own })
      const standing = yield* checkpoint()
      const found = compare(standing.sequence, (yield* ofRebuilt).sequence, end, isForced)
      if (found._tag === "Refused") return yield* found.error
      if (found._tag === "Behind") {
        if (found.isFar) return Option.none<Switched>()
        yield* catchUp(found.to)
      }
      if (!isForced) yield* verify(standing, yield* ofRebuilt, rebuilt)
    }
    if (isThere) {
      yield* takeOver(live, rebuilt)
      yield* sql`alter schema ${sql(live)} rename to ${sql(before)}`
      yield* mark(before, Before.make({ replacedAt: DateTime.formatIso(yield* DateTime.now) }))
    }
    const { sequence } = yield* ofRebuilt
    yield* sql`comment on schema ${sql(rebuilt)} is null`
    yield* sql`alter schema ${sql(rebuilt)} rename to ${sql(live)}`
    // What was written before waits for no disk; this does, and all before it with it.
    yield* sql`set local synchronous_commit = on`
    return Option.some<Switched>({ before: isThere ? Option.some(before) : Option.none(), sequence })
  }))
})

/** Keeps projectors and migrations from the live read model until the transaction ends; whether it has a checkpoint at all. */
const lock = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const live = yield* ReadModelSchema
  const tables = yield* tablesOf(live)
  // In the order in which a projector that starts takes them.
  for (const name of [migrationsTable, "projection_checkpoint"]) {
    if (tables.includes(name)) yield* sql`lock table ${sql(`${live}.${name}`)} in access exclusive mode`
  }
  return tables.includes("projection_checkpoint")
})

/** Fails unless the rebuilt read model, which is as far as the live one or further, has the same history up to there. */
export const verify = Effect.fnUntraced(function*(live: Checkpoint, rebuilt: Checkpoint, schema: string) {
  const archived = (from: number, to: number) =>
    Stream.provideService(Archive.events(from, to), ReadModelSchema, schema)
  const hashOver = (previous: Uint8Array, from: number, to: number) =>
    Stream.runFold(archived(from, to), () => previous, (hash, event) => HashChain.next(hash, HashChain.encode(event)))
  const isSame = live.sequence <= rebuilt.sequence
    && Buffer.from(rebuilt.hash).equals(yield* hashOver(live.hash, live.sequence + 1, rebuilt.sequence))
  if (isSame) return
  const hash = yield* hashOver(HashChain.genesis, 1, live.sequence)
  const hex = (hash: Uint8Array) => Buffer.from(hash).toString("hex")
  return yield* new HistoryDiffers({ sequence: live.sequence, live: hex(live.hash), rebuilt: hex(hash) })
})

/** Whoever owns and may use the live schema and its tables owns and may use the rebuilt ones. */
const takeOver = Effect.fnUntraced(function*(live: string, rebuilt: string) {
  const sql = yield* SqlClient.SqlClient
  const statements = yield* sql<{ statement: string }>`
    with live as (select * from pg_catalog.pg_namespace where nspname = ${live}),
    rebuilt as (select * from pg_catalog.pg_namespace where nspname = ${rebuilt}),
    tables as (
      select a.relname, a.relacl, a.relowner, b.relowner as owner from pg_catalog.pg_class a
      join pg_catalog.pg_class b on b.relname = a.relname and b.relkind = a.relkind
      where a.relnamespace = (select oid from live) and b.relnamespace = (select oid from rebuilt)
        and a.relkind in ('r', 'p')),
    wanted as (
      select 1 as step, format('alter table %I.%I owner to %I', ${rebuilt}::text, relname, pg_get_userbyid(relowner))
        as statement from tables where relowner <> owner
      union all
      select 2, format('grant %s on table %I.%I to %s%s', privilege_type, ${rebuilt}::text, relname, ${to(sql)})
        from tables, aclexplode(relacl)
      union all
      select 2, format('grant %s on schema %I to %s%s', privilege_type, ${rebuilt}::text, ${to(sql)})
        from live, aclexplode(nspacl)
      union all
      select 2, format('alter default privileges for role %I in schema %I grant %s on tables to %s%s',
          pg_get_userbyid(defaclrole), ${rebuilt}::text, privilege_type, ${to(sql)})
        from pg_catalog.pg_default_acl, aclexplode(defaclacl)
        where defaclnamespace = (select oid from live) and defaclobjtype = 'r'
      union all
      -- Last: who is not its owner any more may change nothing of it.
      select 3, format('alter schema %I owner to %I', ${rebuilt}::text, pg_get_userbyid(live.nspowner))
        from live, rebuilt where live.nspowner <> rebuilt.nspowner)
    select statement from wanted order by step`
  for (const { statement } of statements) yield* sql.unsafe(statement)
})

/** To whom a privilege is granted, and whether it may be granted on: two arguments of `format`. */
const to = (sql: SqlClient.SqlClient) =>
  sql.literal(`case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
    case when is_grantable then ' with grant option' else '' end`)
