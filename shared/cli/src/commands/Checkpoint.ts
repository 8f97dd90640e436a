/** `akave-async checkpoint …` */
import { Effect, Option, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import { NotAsItShould } from "../Failures.ts"
import { operating } from "../Operating.ts"
import { Output } from "../Output.ts"
import { paint } from "../Style.ts"
import { checkpointFlags } from "./Audit.ts"

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

const loadVerify = async () => ({
  CheckpointFile: await import("@akave-async/operator/CheckpointFile"),
  Verify: await import("@akave-async/operator/Verify")
})

const verify = Command.make("verify", {
  files: Argument.String("file").pipe(
    Argument.withDescription("A backup, or what replay --exact has written, from the first event on"),
    Argument.atLeast(1)
  ),
  ...checkpointFlags
}, ({ checkpoints, files, publicKey }) =>
  operating(loadVerify, ({ CheckpointFile, Verify }) =>
    Effect.gen(function*() {
      const { during, line, look } = yield* Output
      const options = yield* CheckpointFile.options({ checkpoints, publicKey })
      const verified = yield* during("verifying", () => "", Verify.verify(files, options))
      const { confirmed, events, findings, hash, keys, signedUpTo } = verified
      const covered = confirmed === 0
        ? "no signed checkpoint covers them"
        : `signed checkpoints confirm those up to ${signedUpTo}`
      const lines = [
        `${events} events in one hash chain; ${covered}`,
        `the hash after event ${events} is ${hash}`,
        ...Object.entries(keys).map(([key, n]) => `${n} signed by the key ${key}`),
        ...findings.map((finding) => paint(finding, "red", look.hasColor))
      ]
      yield* line(lines.join("\n"), verified)
      if (findings.length > 0) return yield* new NotAsItShould({ findings: findings.length })
    }))).pipe(
    Command.withDescription("Verify events in files against the checkpoints that were signed, without any server")
  )

export const checkpoint = Command.make("checkpoint").pipe(
  Command.withDescription("Signed statements of what the log held"),
  Command.withSubcommands([create, list, verify])
)
