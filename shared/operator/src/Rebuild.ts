/** The read model made anew from the history, beside the live one, and the state as of an event or a time. */
import * as AtTime from "@akave-async/eventing/AtTime"
import { EventLog, LogUnavailable, type Sequence, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as Build from "@akave-async/platform/Build"
import { type Database, readModelMigration, ReadModelSchema } from "@akave-async/platform/Postgres"
import * as Archive from "@akave-async/read-model/Archive"
import { type Checkpoint, checkpoint } from "@akave-async/read-model/Checkpoint"
import * as Dump from "@akave-async/read-model/Dump"
import * as Reader from "@akave-async/read-model/Reader"
import * as ReadModel from "@akave-async/read-model/ReadModel"
import { Clock, DateTime, Duration, Effect, Option, Result, Schedule, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as History from "./History.ts"
import * as RebuildSchema from "./RebuildSchema.ts"
import * as RebuildSwitch from "./RebuildSwitch.ts"

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
/** There is no such place in the history. */
export class PlaceUnknown extends Schema.TaggedError<PlaceUnknown>()("PlaceUnknown", { problem: Schema.String }) {
  override readonly message = this.problem
}

// ---------------------------------------------------------------------------------------------------------------------
// Building

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
  found: Option.Option<RebuildSchema.Found>,
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
const open = Effect.fnUntraced(function*<E>(source: Source<E>, until: number | null) {
  const schema = yield* ReadModelSchema
  const { hash } = yield* Build.build
  const release = `${hash ?? "unknown"}, migration ${readModelMigration}`
  const opening = openingOf(yield* RebuildSchema.find(schema), { release, until })
  if (opening._tag === "Refuse") return yield* new SchemaTaken({ schema, what: opening.what })
  if (opening._tag === "GoOn" && (yield* isOfHistory(source, until))) return
  yield* RebuildSchema.create({ release, until })
})

/** How long whoever holds the lock may be silent before the server takes it for dead, and how often it says something. */
const [silence, sign] = ["60s", Duration.seconds(10)] as const

/** Runs alone with this schema, over all processes; a lock that is lost ends it. */
const alone = <A, E, R>(schema: string, effect: Effect.Effect<A, E, R>) =>
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
    const signs = Effect.repeat(execute("select 1"), Schedule.spaced(sign))
    return yield* Effect.raceFirst(effect, Effect.andThen(signs, Effect.never))
  }).pipe(Effect.scoped)

/** Reports how far a build is, with its rate since the start. */
const reporter = Effect.fnUntraced(function*(report: Report, of: () => number) {
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

// ---------------------------------------------------------------------------------------------------------------------
// In the live one's place

/** A build is near enough to the end of the log, so that what is left can be done when it is switched. */
const near = RebuildSwitch.mostUnderLock / 5
/** How often a switch is tried: each time it may find others that hold the tables, or that were faster. */
const tries = 20

export interface Rebuilt {
  readonly schema: string
  readonly sequence: Sequence
  /** Of the hash chain, in hexadecimal digits. */
  readonly hash: string
  readonly switched: boolean
  /** The schema that holds what was live before. */
  readonly before: string | null
}

/**
 * Builds the read model of the service's schema anew beside it, from where an earlier run has come to, and lets it take the live
 * one's place, unless it `isBuiltOnly`.
 */
export const run = Effect.fnUntraced(function*<E>(
  source: Source<E>,
  { isBuiltOnly, isForced, report }: {
    readonly isBuiltOnly: boolean
    /** Switches also where the histories differ. */
    readonly isForced: boolean
    readonly report: Report
  }
) {
  const live = yield* ReadModelSchema
  const rebuilt = yield* RebuildSchema.validName(RebuildSchema.rebuiltName(live))
  yield* RebuildSchema.validName(RebuildSchema.beforeName(live, "2026-01-01T00:00:00Z"))
  const onRebuilt = Effect.provideService(ReadModelSchema, rebuilt)
  return yield* alone(
    rebuilt,
    Effect.gen(function*() {
      yield* onRebuilt(open(source, null))
      let of = yield* source.last
      const report_ = yield* onRebuilt(reporter(report, () => of))
      const buildTo = (to: number) => onRebuilt(build(source, to, (done) => report_("events", done)))
      const catchUp = Effect.gen(function*() {
        do {
          of = yield* source.last
          yield* report_("events", (yield* onRebuilt(checkpoint())).sequence)
          yield* buildTo(of)
        } while ((yield* source.last) - of > near)
        return yield* onRebuilt(checkpoint())
      })
      const { sequence: done } = yield* catchUp
      yield* report_("indexes", done)
      yield* onRebuilt(RebuildSchema.complete())
      const standing = yield* catchUp
      if (isBuiltOnly) return resultOf(rebuilt, standing, Option.none())
      yield* report_("switch", standing.sequence)
      const last = source.last
      const switched = yield* RebuildSwitch.once({ rebuilt, isForced, last, catchUp: buildTo }).pipe(
        Effect.tap((switched) => Option.isNone(switched) ? catchUp : Effect.void),
        Effect.repeat({ until: Option.isSome, times: tries }),
        retryHeld
      )
      if (Option.isNone(switched)) return yield* new RebuildSwitch.LiveIsHeld({ cause: "it was never near enough" })
      return resultOf(live, yield* checkpoint(), Option.some(switched.value))
    })
  )
})

/** Others that hold the tables, or have made or renamed the live schema just now, are gone in a moment, or the switch is given up. */
const retryHeld = <A, E, R>(effect: Effect.Effect<A, E | SqlError.SqlError, R>) =>
  effect.pipe(
    Effect.retry({
      times: tries,
      schedule: Schedule.spaced("500 millis"),
      while: (error) => isHeld(error)
    }),
    Effect.catchIf(
      (error): error is Extract<typeof error, SqlError.SqlError> => isHeld(error),
      (cause) => Effect.fail(new RebuildSwitch.LiveIsHeld({ cause }))
    )
  )
const isHeld = (error: unknown): boolean => {
  const reason = Object(error)._tag === "SqlError" ? (error as SqlError.SqlError).reason : undefined
  return reason !== undefined
    && (reason._tag === "LockTimeoutError" || reason._tag === "DeadlockError" || isRenamed(reason))
}
/** The live schema, or a table of it, was made or renamed between two statements (SQLSTATE 42P06, 3F000, 42P01). */
const isRenamed = ({ cause }: { readonly cause: unknown }) => ["42P06", "3F000", "42P01"].includes(Object(cause).code)

const resultOf = (
  schema: string,
  { hash, sequence }: Checkpoint,
  switched: Option.Option<RebuildSwitch.Switched>
): Rebuilt => ({
  schema,
  sequence,
  hash: Buffer.from(hash).toString("hex"),
  switched: Option.isSome(switched),
  before: Option.getOrNull(Option.flatMap(switched, ({ before }) => before))
})

// ---------------------------------------------------------------------------------------------------------------------
// As of an event or a time

/** A place in the history, as a person writes it. */
export type Place = { readonly sequence: Sequence } | { readonly time: DateTime.Utc }

/** Reads a sequence, or a time as ISO 8601 writes it; without a zone it is UTC. */
export const parsePlace = (text: string): Result.Result<Place, PlaceUnknown> => {
  if (/^\d+$/.test(text)) return Result.succeed({ sequence: Number(text) })
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? DateTime.make(text) : Option.none()
  return Option.match(time, {
    onNone: () =>
      Result.fail(
        new PlaceUnknown({
          problem: `${JSON.stringify(text)} is no sequence and no time: write it as 1234 or 2026-01-31T12:00:00Z`
        })
      ),
    onSome: (time) => Result.succeed({ time: DateTime.toUtc(time) })
  })
}

/** The last event that the state as of a place has. */
export const sequenceOf = Effect.fnUntraced(function*(place: Place) {
  const log = yield* EventLog
  const last = yield* log.lastSequence
  if ("sequence" in place) {
    const { sequence } = place
    if (sequence >= 1 && sequence <= last) return sequence
    return yield* new PlaceUnknown({ problem: `There is no event ${sequence}: the log has the events 1 to ${last}` })
  }
  const time = DateTime.formatIso(place.time)
  if (DateTime.isGreaterThan(place.time, yield* DateTime.now)) {
    return yield* new PlaceUnknown({ problem: `${time} is yet to come` })
  }
  const sequence = (yield* AtTime.firstSince(log, DateTime.add(place.time, { milliseconds: 1 }))) - 1
  if (sequence >= 1) return sequence
  return yield* new PlaceUnknown({ problem: `No event had happened at ${time}` })
})

/** Builds the state as of an event, in a schema of its own that nothing else writes to. */
export const asOf = Effect.fnUntraced(function*<E>(
  source: Source<E>,
  { report, schema: named, until }: {
    readonly until: Sequence
    /** `<schema>_as_of_<sequence>`, where none is given. */
    readonly schema: Option.Option<string>
    readonly report: Report
  }
) {
  const live = yield* ReadModelSchema
  const schema = yield* RebuildSchema.validName(Option.getOrElse(named, () => RebuildSchema.asOfName(live, until)))
  return yield* alone(
    schema,
    Effect.gen(function*() {
      yield* open(source, until)
      const report_ = yield* reporter(report, () => until)
      yield* report_("events", (yield* checkpoint()).sequence)
      yield* build(source, until, (done) => report_("events", done))
      yield* report_("indexes", until)
      yield* RebuildSchema.complete()
      yield* RebuildSchema.mark(schema, RebuildSchema.AsOf.make({ until }))
      return resultOf(schema, yield* checkpoint(), Option.none())
    }).pipe(Effect.provideService(ReadModelSchema, schema))
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// What is left

export { list } from "./RebuildSchema.ts"

/** There is no such schema, or none that a rebuild has made or put aside. */
export class NotDroppable extends Schema.TaggedError<NotDroppable>()("NotDroppable", { schema: Schema.String }) {
  override readonly message =
    `${this.schema} is no schema that a rebuild has made or put aside: akave-async rebuild list shows those`
}

/** Drops a schema that a rebuild has made or put aside; never the live one. */
export const drop = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* alone(
    schema,
    Effect.gen(function*() {
      const found = Option.flatMap(yield* RebuildSchema.find(schema), ({ mark }) => mark)
      if (Option.isNone(found) || schema === (yield* ReadModelSchema)) return yield* new NotDroppable({ schema })
      yield* sql`drop schema ${sql(schema)} cascade`
    })
  )
})

/** Prints the canonical dump of a schema, the service's where none is given, page by page; gives its size and digest. */
export const dump = Effect.fnUntraced(function*(
  schema: Option.Option<string>,
  print: (lines: ReadonlyArray<string>) => Effect.Effect<void>
) {
  const live = yield* ReadModelSchema
  const rows = Dump.rows(Option.getOrElse(schema, () => live))
  return yield* Dump.digest(Stream.mapArrayEffect(rows, (page) => Effect.as(print(page.map(({ line }) => line)), page)))
})
