/** The read model made anew from the history, beside the live one whose place it takes; and what rebuilds leave. */
import { ReadModelSchema } from "@akave-async/platform/Postgres"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import * as Dump from "@akave-async/read-model/Dump"
import { Effect, Option, Schedule, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as Build from "./rebuild/Build.ts"
import { beforeName, complete, find, rebuiltName, validName } from "./rebuild/Schema.ts"
import * as Switch from "./rebuild/Switch.ts"

export { asOf, parsePlace, type Place, sequenceOf } from "./rebuild/AsOf.ts"
export { type Progress, type Source, source, sourceOfFiles } from "./rebuild/Build.ts"
export { list } from "./rebuild/Schema.ts"

/** A build is near enough to the end of the log, so that what is left can be done when it is switched. */
const near = Switch.mostUnderLock / 5
/** How often a switch is tried: each time it may find others that hold the tables, or that were faster. */
const tries = 20

/**
 * Builds the read model of the service's schema anew beside it, from where an earlier run has come to, and lets it take the live
 * one's place, unless it `isBuiltOnly`.
 */
export const run = Effect.fnUntraced(function*<E>(
  source: Build.Source<E>,
  { isBuiltOnly, isForced, report }: {
    readonly isBuiltOnly: boolean
    /** Switches also where the histories differ. */
    readonly isForced: boolean
    readonly report: Build.Report
  }
) {
  const live = yield* ReadModelSchema
  const rebuilt = yield* validName(rebuiltName(live))
  yield* validName(beforeName(live, "2026-01-01T00:00:00Z"))
  const onRebuilt = Effect.provideService(ReadModelSchema, rebuilt)
  return yield* Build.alone(
    rebuilt,
    Effect.gen(function*() {
      yield* onRebuilt(Build.open(source, null))
      let of = yield* source.last
      const report_ = yield* onRebuilt(Build.reporter(report, () => of))
      const buildTo = (to: number) => onRebuilt(Build.build(source, to, (done) => report_("events", done)))
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
      yield* onRebuilt(complete())
      const standing = yield* catchUp
      if (isBuiltOnly) return Build.builtOf(rebuilt, standing)
      yield* report_("switch", standing.sequence)
      const last = source.last
      const switched = yield* Switch.once({ rebuilt, isForced, last, catchUp: buildTo }).pipe(
        Effect.tap((switched) => Option.isNone(switched) ? catchUp : Effect.void),
        Effect.repeat({ until: Option.isSome, times: tries }),
        retryHeld
      )
      if (Option.isNone(switched)) return yield* new Switch.LiveIsHeld({ cause: "it was never near enough" })
      return Build.builtOf(live, yield* checkpoint(), Option.some(switched.value))
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
      (cause) => Effect.fail(new Switch.LiveIsHeld({ cause }))
    )
  )
const isHeld = (error: unknown): boolean => {
  const reason = Object(error)._tag === "SqlError" ? (error as SqlError.SqlError).reason : undefined
  return reason !== undefined
    && (reason._tag === "LockTimeoutError" || reason._tag === "DeadlockError" || isRenamed(reason))
}
/** The live schema, or a table of it, was made or renamed between two statements (SQLSTATE 42P06, 3F000, 42P01). */
const isRenamed = ({ cause }: { readonly cause: unknown }) => ["42P06", "3F000", "42P01"].includes(Object(cause).code)

/** There is no such schema, or none that a rebuild has made or put aside. */
export class NotDroppable extends Schema.TaggedError<NotDroppable>()("NotDroppable", { schema: Schema.String }) {
  override readonly message =
    `${this.schema} is no schema that a rebuild has made or put aside: akave-async rebuild list shows those`
}

/** Drops a schema that a rebuild has made or put aside; never the live one. */
export const drop = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* Build.alone(
    schema,
    Effect.gen(function*() {
      const found = Option.flatMap(yield* find(schema), ({ mark }) => mark)
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
