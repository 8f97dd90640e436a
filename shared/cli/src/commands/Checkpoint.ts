/** `akave-async checkpoint …` */
import { Effect, Option, Stream } from "effect"
import { Command } from "effect/cli"
import { operating } from "../Operating.ts"
import { Output } from "../Output.ts"

const load = async () => ({
  CheckpointFile: await import("@akave-async/operator/CheckpointFile"),
  Settings: await import("@akave-async/operator/Settings"),
  SignCheckpoint: await import("@akave-async/operator/SignCheckpoint")
})

const create = Command.make(
  "create",
  {},
  () =>
    operating(load, ({ CheckpointFile, Settings, SignCheckpoint }) =>
      Effect.gen(function*() {
        const { note, show } = yield* Output
        const signed = yield* SignCheckpoint.create
        if (Option.isNone(signed)) return yield* note("nothing has happened since the last checkpoint")
        yield* show(JSON.parse(CheckpointFile.toLine(signed.value)))
      }).pipe(Effect.provide([Settings.log, Settings.database])))
).pipe(
  Command.withDescription("Sign what the log holds now, as the archive has it")
)

const list = Command.make(
  "list",
  {},
  () =>
    operating(load, ({ CheckpointFile, Settings, SignCheckpoint }) =>
      Effect.gen(function*() {
        const { rows } = yield* Output
        const all = yield* SignCheckpoint.list
        yield* rows(Stream.map(Stream.fromIterable(all), (one) => JSON.parse(CheckpointFile.toLine(one))), [
          "sequence",
          "occurredAt",
          "hash",
          "publicKey"
        ])
      }).pipe(Effect.provide(Settings.log)))
).pipe(
  Command.withDescription("List the checkpoints that were signed; with --json to keep them elsewhere")
)

export const checkpoint = Command.make("checkpoint").pipe(
  Command.withDescription("Signed statements of what the log held"),
  Command.withSubcommands([create, list])
)
