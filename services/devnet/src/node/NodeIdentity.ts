import { Context, Effect, Layer, Schema } from "effect"
import { base58btc } from "multiformats/bases/base58"
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { open, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import { NodeFolder } from "./NodeFolder.ts"

export class IdentityUnusable extends Schema.TaggedError<IdentityUnusable>()("IdentityUnusable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override readonly message =
    `The node's key ${this.path} cannot be used: move it away to give the node a new identity (${this.detail})`
}

/** A multihash of 36 bytes, "identity": a protobuf of type Ed25519 with 32 bytes of data. */
const prefix = Buffer.from("002408011220", "hex")

/** The libp2p peer id of an Ed25519 public key, as text and in its binary form of 38 bytes. */
export const peerIdOf = (publicKey: Uint8Array): { readonly text: string; readonly bytes: Buffer } => {
  const bytes = Buffer.concat([prefix, publicKey])
  return { text: base58btc.baseEncode(bytes), bytes }
}

/** The node's libp2p peer identity, made at the first start. */
export class NodeIdentity extends Context.Service<NodeIdentity, {
  /** `12D3KooW…` */
  readonly text: string
  /** 38 bytes, as clients send it. */
  readonly bytes: Buffer
  /** The public key, 0x and 64 hexadecimal digits: the node's id on the chain. */
  readonly onChain: string
}>()("@akave-async/devnet/NodeIdentity") {
  static readonly layer = Layer.effect(
    NodeIdentity,
    Effect.gen(function*() {
      const path = join((yield* NodeFolder).path, "identity.pem")
      const key = yield* Effect.tryPromise({
        try: () => load(path),
        catch: (cause) => new IdentityUnusable({ path, detail: cause instanceof Error ? cause.message : String(cause) })
      })
      if (key.asymmetricKeyType !== "ed25519") {
        return yield* new IdentityUnusable({ path, detail: "it is no Ed25519 key" })
      }
      const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32)
      return NodeIdentity.of({ ...peerIdOf(publicKey), onChain: `0x${publicKey.toString("hex")}` })
    })
  )
}

const load = async (path: string): Promise<KeyObject> => {
  const kept = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  })
  if (kept !== undefined) return createPrivateKey(kept)
  const { privateKey } = generateKeyPairSync("ed25519")
  const file = await open(`${path}.next`, "w", 0o600)
  try {
    await file.writeFile(privateKey.export({ format: "pem", type: "pkcs8" }))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.next`, path)
  return privateKey
}
