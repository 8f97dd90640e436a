/** Signed checkpoints of the log: who has the signer's public key can tell, without any server, whether events are those that it saw. */
import * as Log from "@akave-async/domain/Log"
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import { DateTime, Effect, Option, Redacted, Schema } from "effect"
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from "node:crypto"
import type { EventLogShape, Sequence } from "./EventLog.ts"
import * as LogEvents from "./LogEvents.ts"

/** The key can't sign checkpoints; says what to do. */
export class CheckpointKeyInvalid extends Schema.TaggedError<CheckpointKeyInvalid>()("CheckpointKeyInvalid", {}) {
  override readonly message =
    "CHECKPOINT_KEY is no Ed25519 private key in PEM: make one by openssl genpkey -algorithm ed25519 -out checkpoint-key.pem"
}

export interface SigningKey {
  readonly privateKey: KeyObject
  /** As checkpoints have it. */
  readonly publicKey: string
}

const publicKeyOf = (key: KeyObject): string =>
  Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url").toString("base64")

/** The key of `CHECKPOINT_KEY`, or of the file `CHECKPOINT_KEY_FILE`; none where neither is set. */
export const signingKey = Effect.gen(function*() {
  const pem = yield* SecretSetting.read("CHECKPOINT_KEY")
  if (Option.isNone(pem)) return Option.none<SigningKey>()
  return yield* Effect.try({
    try: () => {
      const privateKey = createPrivateKey(Redacted.value(pem.value))
      if (privateKey.asymmetricKeyType !== "ed25519") throw new Error("another algorithm")
      return Option.some({ privateKey, publicKey: publicKeyOf(createPublicKey(privateKey)) })
    },
    // The cause is left out: it could hold the key.
    catch: () => new CheckpointKeyInvalid()
  })
})

/** The place of the log that a checkpoint is of, and the hash chain's hash there. */
export interface Place {
  readonly sequence: Sequence
  readonly hash: Uint8Array
}

const bytesOf = ({ hash, occurredAt, sequence }: Omit<Log.CheckpointSigned, "_tag" | "publicKey" | "signature">) =>
  Buffer.from(Log.statementOf({ sequence, hash, time: DateTime.formatIso(occurredAt) }))

/** States at this time what the log holds. */
export const sign = ({ privateKey, publicKey }: SigningKey, place: Place, occurredAt: DateTime.Utc) => {
  const statement = { sequence: place.sequence, hash: Buffer.from(place.hash).toString("hex"), occurredAt }
  const signature = signBytes(null, bytesOf(statement), privateKey).toString("base64")
  return Log.CheckpointSigned.make({ ...statement, publicKey, signature })
}

/** Whether the key that a checkpoint names has signed it; whether that key is to be trusted is up to who asks. */
export const isSigned = (checkpoint: Log.CheckpointSigned): boolean => {
  try {
    const x = Buffer.from(checkpoint.publicKey, "base64").toString("base64url")
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
    return verifyBytes(null, bytesOf(checkpoint), key, Buffer.from(checkpoint.signature, "base64"))
  } catch {
    return false
  }
}

/** The checkpoint that was recorded last, if there is one, and the sequence of its record. */
const latest = Effect.fnUntraced(function*(log: EventLogShape) {
  const loaded = yield* LogEvents.load(log, Log.subject("CheckpointSigned"))
  return { loaded, checkpoint: loaded.state?._tag === "CheckpointSigned" ? loaded.state : undefined }
})

/** Whether there is anything to sign: a record of a checkpoint is no news by itself. */
export const isNews = (
  sequence: Sequence,
  before: { readonly sequence: Sequence; readonly record: Sequence }
): boolean => sequence > before.sequence + 1 || (sequence === before.sequence + 1 && sequence !== before.record)

/**
 * Signs where the log stands and records it there, unless that would be no news.
 * @param minAge Nothing is signed this soon after the last checkpoint, in milliseconds.
 * @returns The checkpoint, if one was recorded.
 */
export const record = Effect.fnUntraced(
  function*(log: EventLogShape, key: SigningKey, place: Place, source: string, minAge = 0) {
    const now = yield* DateTime.now
    const { checkpoint, loaded } = yield* latest(log)
    if (place.sequence === 0) return Option.none<Log.CheckpointSigned>()
    if (checkpoint !== undefined) {
      const age = now.epochMilliseconds - checkpoint.occurredAt.epochMilliseconds
      const isNew = isNews(place.sequence, { sequence: checkpoint.sequence, record: loaded.revision })
      // One that seems to be of a time to come was signed by a clock that has been set back since.
      if (!isNew || (age >= 0 && age < minAge)) return Option.none<Log.CheckpointSigned>()
    }
    const signed = sign(key, place, now)
    yield* LogEvents.execute(log, Log.subject("CheckpointSigned"), loaded, Log.recordCheckpoint(signed), { source })
    return Option.some(signed)
  }
)
