/** Builds a read model in a schema from the history, alone with it and from where an earlier build has come to. */
import { EventLog, type LogUnavailable, type Sequence, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Release from "@akave-async/platform/Build"
import { type Database, readModelMigration, ReadModelSchema } from "@akave-async/platform/Postgres"
import * as Archive from "@akave-async/read-model/Archive"
import { type Checkpoint, checkpoint } from "@akave-async/read-model/Checkpoint"
import * as Reader from "@akave-async/read-model/Reader"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { Clock, Duration, Effect, Option, Result, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { BackupInvalid } from "../BackupFile.ts"
import * as BackupFiles from "../BackupFiles.ts"
import * as BackupReader from "../BackupReader.ts"
import * as History from "../History.ts"
import { create, find, type Found } from "./Schema.ts"
import type { Switched } from "./Switch.ts"

/** Where the history is read. */
export interface Source<E> {
  /** The last event that there is; 0 for none. */
  readonly last: Effect.Effect<Sequence, E>
  /** All events of a range, in order; `to` is one that there is. */
  readonly events: (from: Sequence, to: Sequence) => Stream.Stream<StoredEvent, E>
}

/** The log, and for what was taken out of its stream the archive of the live read model. */
export const source = Effect.gen(function*() {
  const log = yield* EventLog
  const context = yield* Effect.context<EventLog | Database>()
  return {
    last: log.lastSequence,
    events: (from, to) => Stream.provideContext(History.events(from, to), context)
  } satisfies Source<LogUnavailable | SqlError.SqlError | Archive.SegmentUnreadable>
})

/** As {@link source}, with backup files for what they have: where the archive was lost with the read model. */
export const sourceOfFiles = Effect.fnUntraced(function*(files: ReadonlyArray<string>) {
  const own = yield* source
  const log = yield* EventLog
  const [ofLog] = yield* BackupFiles.verify(files)
  if (ofLog === undefined) return own
  const stored = yield* log.get(ofLog.last)
  const isOther = Option.exists(
    stored,
    (event) => ofLog.event !== undefined && !HashChain.encode(event).equals(HashChain.encode(ofLog.event))
  )
  if (ofLog.first !== 1 || isOther) {
    return yield* new BackupInvalid({
      file: files.at(-1) ?? "",
      problem: isOther
        ? `event ${ofLog.last} of the event log is another: it is of another log`
        : "give the files that it follows on before it"
    })
  }
  const ofFiles = Stream.flatMap(Stream.fromIterable(files), BackupReader.read).pipe(
    Stream.map(({ events }) => events.filter(({ stream }) => stream === ofLog.name).map(({ event }) => event)),
    Stream.flattenIterable
  )
  return {
    last: own.last,
    events: (from, to) =>
      Stream.concat(
        Stream.filter(ofFiles, ({ sequence }) => sequence >= from && sequence <= to),
        to > ofLog.last ? own.events(Math.max(from, ofLog.last + 1), to) : Stream.empty
      )
  } satisfies Source<Effect.Error<typeof own.last> | BackupInvalid | SqlError.SqlError | Archive.SegmentUnreadable>
})

/** How far a rebuild is. */
export interface Progress {
  readonly phase: "events" | "indexes" | "switch"
  /** Events that are in it, and that are to be. */
  readonly done: number
  readonly of: number
  readonly eventsPerSecond: number
  /** Until the events are in it; none before any is. */
  readonly secondsLeft: number | null
}
export type Report = (progress: Progress) => Effect.Effect<void>

/** Another rebuild of the same schema runs. */
export class AlreadyRunning extends Schema.TaggedError<AlreadyRunning>()("AlreadyRunning", { schema: Schema.String }) {
  override readonly message = `Another rebuild writes to the schema ${this.schema}: wait for its end, or end it`
}
/** The schema is there, and is no rebuild's to write to. */
export class SchemaTaken extends Schema.TaggedError<SchemaTaken>()("SchemaTaken", {
  schema: Schema.String,
  what: Schema.String
}) {
  override readonly message =
    `There is a schema ${this.schema} already, ${this.what}: drop it, or name another one by --schema`
}
/** The history has a gap. */
export class HistoryIncomplete extends Schema.TaggedError<HistoryIncomplete>()("HistoryIncomplete", {
  missing: Schema.Natural,
  next: Schema.NullOr(Schema.Natural)
}) {
  override readonly message = `Event ${this.missing} is in neither the event log nor the archive${
    this.next === null ? "" : `, where event ${this.next} comes next`
  }: nothing was built beyond it`
}
/** Builds on from the checkpoint up to an event, in the service's schema. */
export const build = <E>(source: Source<E>, to: Sequence, onRun: (done: Sequence) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { hash, sequence } = yield* checkpoint()
    if (sequence >= to) return
    const reader = yield* Reader.make(hash)
    let last = sequence
    let closed = sequence
    yield* source.events(sequence + 1, to).pipe(
      // As they come: what is folded at once is not held.
      Stream.mapArrayEffect(Effect.fnUntraced(function*(stored) {
        const gap = stored.find((event) => event.sequence !== ++last)
        if (gap !== undefined) return yield* new HistoryIncomplete({ missing: last, next: gap.sequence })
        yield* reader.add(stored)
        if (last - closed < Reader.runSize && last < to) return [Option.none<Reader.Run>()] as const
        closed = last
        return [Option.some(yield* reader.close)] as const
      })),
      Stream.filterMap(Result.fromOption(() => undefined)),
      // While one run is written, the next one is read.
      Stream.buffer({ capacity: 1 }),
      Stream.runForEach((run) => Effect.andThen(ReadModel.append(run), onRun(run.lastSequence)))
    )
    if (last < to) return yield* new HistoryIncomplete({ missing: last + 1, next: null })
  })

/** What is done with a schema that a build is to go to. */
export type Opening =
  | { readonly _tag: "Create" }
  | { readonly _tag: "GoOn" }
  | { readonly _tag: "Refuse"; readonly what: string }

/** @param found The schema of that name, if there is one. */
export const openingOf = (
  found: Option.Option<Found>,
  { release, until }: { readonly release: string; readonly until: number | null }
): Opening => {
  if (Option.isNone(found)) return { _tag: "Create" }
  const mark = Option.getOrUndefined(found.value.mark)
  if (mark === undefined) return { _tag: "Refuse", what: "which no rebuild has made" }
  switch (mark._tag) {
    case "AsOf":
      return { _tag: "Refuse", what: `the state as of event ${mark.until}` }
    case "Before":
      return { _tag: "Refuse", what: `the read model that was live until ${mark.replacedAt}` }
    case "Building":
      if (mark.until !== until) return { _tag: "Refuse", what: "which another rebuild has begun" }
      return mark.release === release ? { _tag: "GoOn" } : { _tag: "Create" }
  }
}

/** Whether what the schema holds is of this history, so that the rest can follow. */
const isOfHistory = Effect.fnUntraced(function*<E>(source: Source<E>, until: number | null) {
  const { sequence } = yield* checkpoint()
  if (sequence === 0) return true
  if (sequence > (until ?? (yield* source.last))) return false
  const one = <E, R>(events: Stream.Stream<StoredEvent, E, R>) =>
    Effect.map(Stream.runHead(events), Option.map(HashChain.encode))
  const [stored, archived] = [
    yield* one(source.events(sequence, sequence)),
    yield* one(Archive.events(sequence, sequence))
  ]
  return Option.isSome(stored) && Option.exists(archived, (bytes) => bytes.equals(stored.value))
})

/** Makes the schema, or goes on with it. */
export const open = Effect.fnUntraced(function*<E>(source: Source<E>, until: number | null) {
  const schema = yield* ReadModelSchema
  const { hash } = yield* Release.build
  const release = `${hash ?? "unknown"}, migration ${readModelMigration}`
  const opening = openingOf(yield* find(schema), { release, until })
  if (opening._tag === "Refuse") return yield* new SchemaTaken({ schema, what: opening.what })
  if (opening._tag === "GoOn" && (yield* isOfHistory(source, until))) return
  yield* create({ release, until })
})

/** How long whoever holds the lock may be silent before the server takes it for dead, and how often it says something. */
const [silence, sign] = ["60s", Duration.seconds(10)] as const

/** Runs alone with this schema, over all processes; a lock that is lost ends it. */
export const alone = <A, E, R>(schema: string, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const connection = yield* sql.reserve
    const execute = (text: string, values: ReadonlyArray<unknown> = []) => connection.execute(text, values, undefined)
    // Of a transaction, so that it holds also where a pooler gives each transaction another session.
    yield* Effect.acquireRelease(execute("begin"), () => Effect.ignore(execute("rollback")))
    yield* execute(`set local idle_in_transaction_session_timeout = '${silence}'`)
    const [row] = yield* execute("select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as locked", [
      `akave-async rebuild ${schema}`
    ])
    if (Object(row).locked !== true) return yield* new AlreadyRunning({ schema })
    // A statement that was interrupted would cost the connection, and the lock would outlive this for a moment.
    const signs = Effect.forever(Effect.delay(Effect.uninterruptible(execute("select 1")), sign))
    return yield* Effect.raceFirst(effect, signs)
  }).pipe(Effect.scoped)

/** Reports how far a build is, with its rate since the start. */
export const reporter = Effect.fnUntraced(function*(report: Report, of: () => number) {
  const begun = yield* Clock.currentTimeMillis
  const { sequence: from } = yield* checkpoint()
  return (phase: Progress["phase"], done: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const rate = now > begun ? (done - from) / (now - begun) * 1000 : 0
      return report({
        phase,
        done,
        of: of(),
        eventsPerSecond: Math.round(rate),
        secondsLeft: rate === 0 ? null : Math.round((of() - done) / rate)
      })
    })
})

/** What was built, or switched to. */
export interface Built {
  readonly schema: string
  readonly sequence: Sequence
  /** Of the hash chain, in hexadecimal digits. */
  readonly hash: string
  readonly switched: boolean
  /** The schema that holds what was live before. */
  readonly before: string | null
}

export const builtOf = (
  schema: string,
  { hash, sequence }: Checkpoint,
  switched: Option.Option<Switched> = Option.none()
): Built => ({
  schema,
  sequence,
  hash: Buffer.from(hash).toString("hex"),
  switched: Option.isSome(switched),
  before: Option.getOrNull(Option.flatMap(switched, ({ before }) => before))
})
