/** `akave-async rebuild …` */
import type { Progress } from "@akave-async/operator/Rebuild"
import { Console, Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ArgumentsInvalid } from "../Failures.ts"
import { operating } from "../Operating.ts"
import { bar, Output } from "../Output.ts"

const load = async () => {
  const [Rebuild, Settings] = await Promise.all([
    import("@akave-async/operator/Rebuild"),
    import("@akave-async/operator/Settings")
  ])
  return { Rebuild, Settings }
}

/** Shows how far a rebuild is: as a bar for people, as lines with `--json`. */
const reporting = Effect.fnUntraced(function*<A, E, R>(
  title: string,
  work: (report: (progress: Progress) => Effect.Effect<void>) => Effect.Effect<A, E, R>
) {
  const output = yield* Output
  let state = ""
  const report = (progress: Progress) => {
    const { done, eventsPerSecond, of, phase, secondsLeft } = progress
    state = phase === "events"
      ? `${bar(done, of)} events, ${eventsPerSecond}/s, ${secondsLeft ?? "?"} s left,`
      : phase === "indexes"
      ? "indexes,"
      : "switching,"
    return output.flags.json && !output.flags.quiet ? output.line(state, { progress }) : Effect.void
  }
  return yield* output.during(title, () => state, work(report))
})

const schema = Flag.String("schema").pipe(Flag.withMetavar("NAME"), Flag.optional)

const build = Command.make(
  "rebuild",
  {
    until: Flag.String("until").pipe(
      Flag.withMetavar("SEQUENCE|TIME"),
      Flag.withDescription("Build the state as of an event, or of a time as ISO 8601, in a schema of its own"),
      Flag.optional
    ),
    schema: schema.pipe(Flag.withDescription("With --until: the schema, in place of one named after the event")),
    switch: Flag.Boolean("switch").pipe(
      Flag.withDescription(
        "Let it take the live one's place; --no-switch builds it only, for a later rebuild to go on with"
      ),
      Flag.withDefault(true)
    ),
    files: Flag.String("from-file").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("A backup that has the first events; may be given again, for one that follows on it"),
      Flag.atLeast(0)
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Switch also where the live one was made from other events"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ files, force, schema, switch: isSwitched, until }) {
    if (Option.isSome(until)) return yield* buildAsOf(until.value, schema, files)
    if (Option.isSome(schema)) {
      return yield* new ArgumentsInvalid({
        message: "--schema goes with --until: a rebuilt read model has its own name"
      })
    }
    return yield* buildAnew({ isBuiltOnly: !isSwitched, isForced: force }, files)
  })
).pipe(Command.withDescription("Make the read model anew from the event log, beside the live one, and switch to it"))

const buildAnew = (
  options: { readonly isBuiltOnly: boolean; readonly isForced: boolean },
  files: ReadonlyArray<string>
) =>
  operating(load, ({ Rebuild, Settings }) =>
    Effect.gen(function*() {
      const source = files.length === 0 ? yield* Rebuild.source : yield* Rebuild.sourceOfFiles(files)
      const { show } = yield* Output
      yield* show(yield* reporting("rebuilding", (report) => Rebuild.run(source, { ...options, report })))
    }).pipe(Effect.provide([Settings.log, Settings.database])))

const buildAsOf = (text: string, schema: Option.Option<string>, files: ReadonlyArray<string>) =>
  operating(load, ({ Rebuild, Settings }) =>
    Effect.gen(function*() {
      const place = yield* Effect.fromResult(Rebuild.parsePlace(text)).pipe(
        Effect.mapError(({ message }) => new ArgumentsInvalid({ message }))
      )
      const until = yield* Rebuild.sequenceOf(place)
      const source = files.length === 0 ? yield* Rebuild.source : yield* Rebuild.sourceOfFiles(files)
      const { note, show } = yield* Output
      const built = yield* reporting("building", (report) => Rebuild.asOf(source, { until, schema, report }))
      yield* show({ schema: built.schema, sequence: built.sequence, hash: built.hash })
      yield* note(
        `Look into it by: set search_path = ${built.schema}; it goes by: akave-async rebuild drop ${built.schema}`
      )
    }).pipe(Effect.provide([Settings.log, Settings.database])))

const list = Command.make("list", {}, () =>
  operating(load, ({ Rebuild, Settings }) =>
    Effect.gen(function*() {
      const { rows } = yield* Output
      const found = yield* Rebuild.list
      yield* rows(Stream.fromIterable(found), ["schema", "what", "sequence", "bytes"])
    }).pipe(Effect.provide(Settings.database)))).pipe(
    Command.withDescription("List the schemas that rebuilds have made or put aside")
  )

const drop = Command.make(
  "drop",
  {
    schemas: Argument.String("schema").pipe(
      Argument.withDescription("As akave-async rebuild list has it; never the live one"),
      Argument.variadic({ min: 1 })
    )
  },
  ({ schemas }) =>
    operating(load, ({ Rebuild, Settings }) =>
      Effect.forEach(
        schemas,
        Effect.fnUntraced(function*(schema) {
          const { line } = yield* Output
          yield* Rebuild.drop(schema)
          yield* line(`dropped ${schema}`, { dropped: schema })
        }),
        { discard: true }
      ).pipe(Effect.provide(Settings.database)))
).pipe(
  Command.withDescription("Drop schemas that rebuilds have made or put aside")
)

const dump = Command.make("dump", {
  schema: schema.pipe(Flag.withDescription("The schema, in place of READ_MODEL_SCHEMA"))
}, ({ schema }) =>
  operating(load, ({ Rebuild, Settings }) =>
    Effect.gen(function*() {
      const { note } = yield* Output
      const { rows, sha256 } = yield* Rebuild.dump(schema, (lines) => Console.log(lines.join("\n")))
      yield* note(`${rows} rows, SHA-256 ${sha256}`)
    }).pipe(Effect.provide(Settings.database)))).pipe(
    Command.withDescription("Print every row of a read model as a line of JSON, the same for all that hold the same")
  )

export const rebuild = build.pipe(Command.withSubcommands([list, drop, dump]))
