import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { createHash } from "node:crypto"
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { syncFolder } from "./Journal.ts"
import { NodeFolder } from "./NodeFolder.ts"

export class BlockStoreFailed extends Schema.TaggedError<BlockStoreFailed>()("BlockStoreFailed", {
  cause: Schema.Defect()
}) {
  override readonly message = "The node cannot use its block store"
}
export class BlockMissing extends Schema.TaggedError<BlockMissing>()("BlockMissing", { digest: Schema.String }) {
  override readonly message = "The node does not have the block"
}
export class BlockCorrupt extends Schema.TaggedError<BlockCorrupt>()("BlockCorrupt", { digest: Schema.String }) {
  override readonly message = "The block was damaged on the node's disk"
}

/** Encoded blocks by their SHA-256 digest, 64 lower-case hexadecimal digits. */
export class BlockStore extends Context.Service<BlockStore, {
  /** Stores a block, whose digest the caller has checked. On the disk when the effect ends; interrupted, it leaves nothing. */
  put(digest: string, parts: ReadonlyArray<Uint8Array>): Effect.Effect<void, BlockStoreFailed>
  /** The whole block, whose digest is checked. It is valid until the scope ends: its memory is used again. */
  get(digest: string): Effect.Effect<Buffer, BlockMissing | BlockCorrupt | BlockStoreFailed, Scope.Scope>
  /** Does nothing if there is no such block. */
  remove(digest: string): Effect.Effect<void, BlockStoreFailed>
  /** The digests of all blocks. */
  readonly list: Effect.Effect<ReadonlyArray<string>, BlockStoreFailed>
}>()("@akave-async/devnet/BlockStore") {
  /** Files in 256 folders, named by the first byte of the digest. */
  static readonly layer = Layer.effect(
    BlockStore,
    Effect.gen(function*() {
      const folder = yield* NodeFolder
      const root = join(folder.path, "blocks")
      const unfinished = join(root, "unfinished")
      const attempt = <A>(run: () => Promise<A>) =>
        Effect.tryPromise({ try: run, catch: (cause) => new BlockStoreFailed({ cause }) })
      const pathOf = (digest: string) => join(root, digest.slice(0, 2), digest)

      yield* attempt(async () => {
        // What a crash left.
        await rm(unfinished, { recursive: true, force: true })
        await mkdir(unfinished, { recursive: true })
        await Promise.all(Array.from({ length: 256 }, (_, byte) => mkdir(join(root, shard(byte)), { recursive: true })))
        await syncFolder(root)
      })

      const pool = makePool()
      let count = 0
      return BlockStore.of({
        put: (digest, parts) => {
          const path = join(unfinished, String(count++))
          return attempt(() => write(path, parts)).pipe(
            Effect.andThen(attempt(async () => {
              await rename(path, pathOf(digest))
              await syncFolder(join(root, digest.slice(0, 2)))
            })),
            Effect.uninterruptible,
            Effect.onError(() => Effect.promise(() => rm(path, { force: true })))
          )
        },
        get: (digest) =>
          Effect.acquireRelease(Effect.sync(pool.take), (buffer) => Effect.sync(() => pool.give(buffer))).pipe(
            Effect.flatMap((buffer) =>
              Effect.uninterruptible(Effect.tryPromise({
                try: () => read(pathOf(digest), buffer),
                catch: (cause) => isAbsent(cause) ? new BlockMissing({ digest }) : new BlockStoreFailed({ cause })
              }))
            ),
            Effect.filterOrFail(
              (block) => createHash("sha256").update(block).digest("hex") === digest,
              () => new BlockCorrupt({ digest })
            )
          ),
        remove: (digest) => attempt(() => rm(pathOf(digest), { force: true })),
        list: attempt(async () => {
          const shards = await Promise.all(
            Array.from({ length: 256 }, (_, byte) => readdir(join(root, shard(byte))))
          )
          return shards.flat().filter((name) => /^[0-9a-f]{64}$/.test(name))
        })
      })
    })
  )
}

/** An encoded block in bytes at most: twice what the network's clients make. */
export const largestBlock = 2_097_152
/** Buffers that wait to be used again. */
const mostPooled = 16

/**
 * Buffers for blocks that are read. Where each read allocates its own, the collector of garbage takes as much time as all
 * the rest.
 */
const makePool = () => {
  const free: Array<Buffer> = []
  return {
    // A byte more, by which a file that is too long is seen.
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(largestBlock + 1),
    give: (buffer: Buffer) => {
      if (free.length < mostPooled) free.push(buffer)
    }
  }
}

/** Reads a file to its end, or to the end of the buffer. */
const read = async (path: string, buffer: Buffer) => {
  const file = await open(path, "r")
  try {
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length)
      length += bytesRead
      if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length)
    }
  } finally {
    await file.close()
  }
}

const shard = (byte: number) => byte.toString(16).padStart(2, "0")
const isAbsent = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const write = async (path: string, parts: ReadonlyArray<Uint8Array>) => {
  const file = await open(path, "wx", 0o600)
  try {
    await writeAll(file, parts)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** One system call for all parts, as a rule. */
const writeAll = async (file: FileHandle, parts: ReadonlyArray<Uint8Array>) => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const { bytesWritten } = await file.writev(parts)
  if (bytesWritten < length) {
    const rest = Buffer.concat(parts).subarray(bytesWritten)
    await file.appendFile(rest)
  }
}
