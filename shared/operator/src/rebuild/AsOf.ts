/** The state as of an event or a time, in a schema of its own. */
import { EventLog, type Sequence } from "@akave-async/eventing/EventLog"
import { ReadModelSchema } from "@akave-async/platform/Postgres"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { DateTime, Effect, Option, Result, Schema } from "effect"
import * as History from "../History.ts"
import * as Build from "./Build.ts"
import { AsOf, asOfName, complete, mark, validName } from "./Schema.ts"

/** There is no such place in the history. */
export class PlaceUnknown extends Schema.TaggedError<PlaceUnknown>()("PlaceUnknown", { problem: Schema.String }) {
  override readonly message = this.problem
}

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
  const sequence = (yield* History.firstSince(DateTime.add(place.time, { milliseconds: 1 }))) - 1
  if (sequence >= 1) return sequence
  return yield* new PlaceUnknown({ problem: `No event had happened at ${time}` })
})

/** Builds the state as of an event, in a schema of its own that nothing else writes to. */
export const asOf = Effect.fnUntraced(function*<E>(
  source: Build.Source<E>,
  { report, schema: named, until }: {
    readonly until: Sequence
    /** `<schema>_as_of_<sequence>`, where none is given. */
    readonly schema: Option.Option<string>
    readonly report: Build.Report
  }
) {
  const live = yield* ReadModelSchema
  const schema = yield* validName(Option.getOrElse(named, () => asOfName(live, until)))
  return yield* Build.alone(
    schema,
    Effect.gen(function*() {
      yield* Build.open(source, until)
      const report_ = yield* Build.reporter(report, () => until)
      yield* report_("events", (yield* checkpoint()).sequence)
      yield* Build.build(source, until, (done) => report_("events", done))
      yield* report_("indexes", until)
      yield* complete()
      yield* mark(schema, AsOf.make({ until }))
      return Build.builtOf(schema, yield* checkpoint())
    }).pipe(Effect.provideService(ReadModelSchema, schema))
  )
})
