/** Checkpoints and public keys in files, as they leave the system. */
import * as Log from "@akave-async/domain/Log"
import { Effect, FileSystem, Option, Schema } from "effect"
import { createPublicKey } from "node:crypto"

/** A file that was given can't be used; says why, and what to give. */
export class FileInvalid extends Schema.TaggedError<FileInvalid>()("FileInvalid", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** A checkpoint as JSON has it: the fields of its event. */
export const Checkpoint = Schema.toCodecJson(Log.CheckpointSigned)
const Line = Schema.fromJsonString(Checkpoint)

/** The checkpoint as a line of JSON. */
export const toLine = Schema.encodeSync(Line)

const readText = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  return yield* Effect.mapError(
    files.readFileString(file),
    ({ message }) => new FileInvalid({ reason: `${file} can't be read: ${message}` })
  )
})

/** The checkpoints of a file, one in each line. */
export const read = Effect.fnUntraced(function*(file: string) {
  const lines = (yield* readText(file)).split("\n").filter((line) => line.trim() !== "")
  return yield* Effect.forEach(lines, (line, n) =>
    Effect.mapError(
      Schema.decodeUnknownEffect(Line)(line),
      () =>
        new FileInvalid({
          reason: `Line ${n + 1} of ${file} is no checkpoint: give what checkpoint list --json prints`
        })
    ))
})

const bytesInKey = 32

/** The public key that a file in PEM holds, or that is given in base64, as checkpoints have it. */
export const publicKeyOf = Effect.fnUntraced(function*(given: string) {
  if (Buffer.from(given, "base64").length === bytesInKey) return Buffer.from(given, "base64").toString("base64")
  const pem = yield* readText(given)
  const key = Option.liftThrowable(createPublicKey)(pem)
  if (Option.isNone(key) || key.value.asymmetricKeyType !== "ed25519") {
    return yield* new FileInvalid({
      reason: `${given} has no Ed25519 public key: make it by openssl pkey -in checkpoint-key.pem -pubout`
    })
  }
  return Buffer.from(key.value.export({ format: "jwk" }).x ?? "", "base64url").toString("base64")
})

/** The checkpoints of a file and the public key that were given. */
export const options = Effect.fnUntraced(function*(
  given: { readonly checkpoints: Option.Option<string>; readonly publicKey: Option.Option<string> }
) {
  return {
    ...(Option.isNone(given.publicKey) ? {} : { publicKey: yield* publicKeyOf(given.publicKey.value) }),
    ...(Option.isNone(given.checkpoints) ? {} : { checkpoints: yield* read(given.checkpoints.value) })
  }
})
