/** What tests of files share: the services on a devnet, bytes to store, and a node that is told to misbehave. */
import { Effect, Layer, Option, Redacted, Stream } from "effect"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { Transform } from "node:stream"
import { AkaveNode } from "../../src/AkaveNode.ts"
import { Buckets } from "../../src/Buckets.ts"
import { Chain } from "../../src/Chain.ts"
import { ChunkCoder } from "../../src/encoding/ChunkCoder.ts"
import { Encryption } from "../../src/Encryption.ts"
import { type DownloadOptions, type FileAt, Files } from "../../src/Files.ts"
import { UploadJournal } from "../../src/files/Journal.ts"
import { Wallet } from "../../src/Wallet.ts"
import { Devnet, privateKeys } from "../devnet.ts"

/** A devnet whose blocks come fast, and whose node can be told to misbehave. */
export const FastDevnet = Devnet.layerOf({ DEVNET_BLOCK_TIME: "0.1", DEVNET_ADMIN_PORT: "0" })

/** 32 bytes that are no secret. */
export const encryptionKey = Redacted.make(Uint8Array.from({ length: 32 }, (_, n) => n))

export interface SdkOptions {
  /** In place of those of the devnet. */
  readonly nodeAddress?: string
  readonly rpcUrl?: string
  readonly privateKey?: string
  readonly encryption?: { readonly key: Redacted.Redacted<Uint8Array>; readonly encryptsNames?: boolean }
  readonly journal?: Layer.Layer<UploadJournal>
}

/** Buckets and files of a wallet, the first development account unless another one is named. */
export const sdk = ({ encryption, journal, nodeAddress, privateKey = privateKeys.first, rpcUrl }: SdkOptions = {}) =>
  Layer.merge(Buckets.layer, Files.layer()).pipe(
    Layer.provideMerge(Layer.unwrap(Effect.gen(function*() {
      const devnet = yield* Devnet
      return Chain.layer(rpcUrl === undefined ? {} : { rpcUrl }).pipe(
        Layer.provideMerge(AkaveNode.layer({ address: nodeAddress ?? devnet.nodeAddress }))
      )
    }))),
    Layer.provideMerge(Layer.mergeAll(
      Wallet.layer(Redacted.make(privateKey)),
      ChunkCoder.layer(),
      journal ?? UploadJournal.layerMemory,
      Layer.succeed(Encryption, Option.fromUndefinedOr(encryption))
    ))
  )

/** Bytes that look random, the same ones for the same seed. */
export const randomBytes = (length: number, seed = "bytes"): Uint8Array => {
  const bytes = Buffer.alloc(Math.ceil(length / 32) * 32)
  let block = createHash("sha256").update(seed).digest()
  for (let at = 0; at < bytes.length; at += 32) {
    bytes.set(block, at)
    block = createHash("sha256").update(block).digest()
  }
  return bytes.subarray(0, length)
}

export const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** The bytes of a file, or of a range of it. */
export const read = Effect.fnUntraced(function*(at: FileAt, options?: DownloadOptions) {
  const { bytes } = yield* (yield* Files).open(at, options)
  return Buffer.concat(yield* Stream.runCollect(bytes))
})

/** Tells the node how to misbehave, from now on; nothing of it, where nothing is said. */
export const misbehave = Effect.fnUntraced(function*(faults: object = {}) {
  const { adminUrl } = yield* Devnet
  const { ok, text } = yield* Effect.promise(async () => {
    const response = await fetch(`${adminUrl}/faults`, { method: "PUT", body: JSON.stringify(faults) })
    return { ok: response.ok, text: await response.text() }
  })
  if (!ok) return yield* Effect.die(new Error(text))
})

/** Hands on each piece of a stream so many milliseconds later. */
const delayed = (millis: number) =>
  new Transform({
    transform: (piece, _, done) => {
      setTimeout(done, millis, null, piece)
    }
  })

/**
 * A way to an address that can be cut: what goes over it ends then, and what is new is refused until it is mended. Each piece that
 * goes over it takes so many milliseconds.
 */
export const cuttable = Effect.fnUntraced(function*(address: string, millis = 0) {
  const [host = "", port = ""] = address.split(":")
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((socket) => {
    if (isCut) return void socket.destroy()
    const other = connect(Number(port), host)
    for (const [from, to] of [[socket, other], [other, socket]] as const) {
      sockets.add(from)
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
      if (millis === 0) from.pipe(to)
      else from.pipe(delayed(millis)).pipe(to)
    }
  })
  yield* Effect.acquireRelease(
    Effect.promise(async () => {
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
    }),
    () =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: Effect.sync(() => {
      isCut = true
      for (const socket of sockets) socket.destroy()
    }),
    mend: Effect.sync(() => {
      isCut = false
    })
  }
})
