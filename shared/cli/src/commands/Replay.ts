/** `akave-async replay` */
import { BucketName } from "@akave-async/domain/BucketName"
import { Console, DateTime, Effect, FileSystem, Option, Result, Schema, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { ArgumentsInvalid } from "../Failures.ts"
import { given } from "../Flags.ts"
import { operating } from "../Operating.ts"
import { Output } from "../Output.ts"

const load = async () => ({
  Replay: await import("@akave-async/operator/Replay"),
  Settings: await import("@akave-async/operator/Settings")
})

/** A time of ISO 8601. */
const time = (name: string) =>
  Flag.String(name).pipe(
    Flag.filterMap((text) => DateTime.make(text), (text) => `${JSON.stringify(text)} is no time: write it in ISO 8601`),
    Flag.withMetavar("TIME")
  )
const sequence = (name: string) =>
  Flag.Int(name).pipe(Flag.filter((n) => n > 0, (n) => `${n} is no sequence: the first event has 1`))

const bucketName = Schema.decodeUnknownResult(BucketName)

export const replay = Command.make(
  "replay",
  {
    from: sequence("from").pipe(Flag.withDescription("The first sequence"), Flag.optional),
    to: sequence("to").pipe(
      Flag.withDescription("The last sequence; the last there is now, if not given"),
      Flag.optional
    ),
    since: time("since").pipe(Flag.withDescription("What happened at this time or later"), Flag.optional),
    until: time("until").pipe(Flag.withDescription("What happened before this time"), Flag.optional),
    bucket: Flag.String("bucket").pipe(
      Flag.filterMap(
        (name) => Result.getSuccess(bucketName(name)),
        (name) => `${JSON.stringify(name)} is no bucket name`
      ),
      Flag.withDescription("The bucket that events are about"),
      Flag.optional
    ),
    job: Flag.String("job").pipe(Flag.withDescription("The job that events are of"), Flag.optional),
    types: Flag.String("type").pipe(
      Flag.withDescription("A type of events, such as akave.BucketCreated.v1; may be given again"),
      Flag.atLeast(0)
    ),
    // The flag --account names credentials.
    ofAccount: Flag.String("of-account").pipe(Flag.withDescription("The account that events are of"), Flag.optional),
    rate: Flag.Int("rate").pipe(
      Flag.filter((n) => n > 0, (n) => `${n} events a second are too few`),
      Flag.withDescription("Events a second, at most"),
      Flag.optional
    ),
    exact: Flag.Boolean("exact").pipe(
      Flag.withDescription("Lines that keep the stored bytes, which can be verified, in place of CloudEvents"),
      Flag.withDefault(false)
    ),
    out: Flag.String("out").pipe(
      Flag.withAlias("o"),
      Flag.withDescription("The file to write to, else standard output"),
      Flag.optional
    ),
    intoStream: Flag.String("into-stream").pipe(
      Flag.withDescription("The JetStream stream to publish to; it is made if it is missing"),
      Flag.optional
    ),
    intoPrefix: Flag.String("into-prefix").pipe(
      Flag.withDescription("What subjects begin with there, such as staging.events"),
      Flag.optional
    )
  },
  ({ exact, intoPrefix, intoStream, ofAccount, out, types, ...filter }) =>
    operating(load, ({ Replay, Settings }) =>
      Effect.gen(function*() {
        if (Option.isSome(intoStream) !== Option.isSome(intoPrefix)) {
          return yield* new ArgumentsInvalid({ message: "--into-stream and --into-prefix need each other" })
        }
        if (Option.isSome(intoStream) && Option.isSome(out)) {
          return yield* new ArgumentsInvalid({
            message: "Replay into a stream or to a file: leave out --out or --into-stream"
          })
        }
        const output = yield* Output
        const files = yield* FileSystem.FileSystem
        const { account, ...options } = { ...given(filter), ...given({ account: ofAccount }) }
        const { events, from, to } = yield* Replay.events({
          ...options,
          ...(account === undefined ? {} : { account }),
          ...(types.length === 0 ? {} : { types })
        })
        let [count, last] = [0, from]
        const counted = Stream.tap(events, ({ sequence }) =>
          Effect.sync(() => {
            count++
            last = sequence
          }))
        const lines = Stream.map(counted, (event) => Replay.lineOf(event, exact))
        const during = <A, E, R>(work: Effect.Effect<A, E, R>) =>
          output.during("replaying", () => `${count} events, at ${last} of ${to}`, work)
        if (Option.isSome(intoStream) && Option.isSome(intoPrefix)) {
          const target = { stream: intoStream.value, prefix: intoPrefix.value }
          const published = yield* during(Replay.into(target, counted))
          return yield* output.show({ events: published, ...target })
        }
        if (Option.isSome(out)) {
          const file = yield* files.open(out.value, { flag: "wx" })
          yield* during(Stream.runForEachArray(lines, (chunk) =>
            file.writeAll(new TextEncoder().encode(
              chunk.map((line) => `${line}\n`).join("")
            ))))
          return yield* output.note(`${count} events`)
        }
        yield* Stream.runForEachArray(lines, (chunk) => Console.log(chunk.join("\n")))
      }).pipe(Effect.provide(Settings.log), Effect.scoped))
).pipe(
  Command.withDescription("Read the log once more: CloudEvents as lines of JSON, to a file, a pipe or another stream")
)
