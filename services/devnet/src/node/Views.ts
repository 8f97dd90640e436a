/** Buckets and files as clients list them. */
import type {
  IPCBucketListRequest,
  IPCBucketListResponse,
  IPCBucketViewRequest,
  IPCBucketViewResponse,
  IPCFileListRequest,
  IPCFileListResponse,
  IPCFileViewRequest,
  IPCFileViewResponse
} from "@akave-async/proto/ipcnode"
import { Context, Effect, Layer, Option } from "effect"
import { type ChainUnavailable, Storage } from "../Storage.ts"
import { textOf } from "./Cids.ts"
import { type File, FileContract } from "./FileContract.ts"
import { fileIdOf } from "./Ids.ts"
import { BucketNotFound, FileNotFound, InvalidArgument } from "./Refusals.ts"

/** Buckets or files in a page when the request asks for 0 or fewer. */
export const defaultPage = 100
/** Buckets or files in a page at most; a client of the network asks for as many to get all at once. */
export const maximumPage = 10_000
/** Files asked for at the same time. */
const filesAtOnce = 16

export class Views extends Context.Service<Views, {
  bucket(
    request: IPCBucketViewRequest
  ): Effect.Effect<IPCBucketViewResponse, BucketNotFound | InvalidArgument | ChainUnavailable>
  buckets(request: IPCBucketListRequest): Effect.Effect<IPCBucketListResponse, InvalidArgument | ChainUnavailable>
  /** The file as the chain has it, committed or not. */
  find(
    request: IPCFileViewRequest
  ): Effect.Effect<File, BucketNotFound | FileNotFound | InvalidArgument | ChainUnavailable>
  file(
    request: IPCFileViewRequest
  ): Effect.Effect<IPCFileViewResponse, BucketNotFound | FileNotFound | InvalidArgument | ChainUnavailable>
  files(request: IPCFileListRequest): Effect.Effect<IPCFileListResponse, InvalidArgument | ChainUnavailable>
}>()("@akave-async/devnet/Views") {
  static readonly layer = Layer.effect(
    Views,
    Effect.gen(function*() {
      const storage = yield* Storage
      const contract = yield* FileContract

      const bucket = Effect.fn("Views.bucket")(function*(request: IPCBucketViewRequest) {
        const owner = yield* addressOf(request.address)
        const found = yield* storage.bucketByName(request.name, owner)
        if (Option.isNone(found)) return yield* new BucketNotFound()
        const { createdAt, id, name } = found.value
        return { id: id.slice(2), name, createdAt } satisfies IPCBucketViewResponse
      })

      const buckets = Effect.fn("Views.buckets")(function*({ address, limit, offset }: IPCBucketListRequest) {
        const owner = yield* addressOf(address)
        const page = yield* pageOf(offset, limit)
        const found = yield* storage.ownerBuckets(owner, offset, page)
        return {
          buckets: found.map(({ createdAt, name }) => ({ name, createdAt }))
        } satisfies IPCBucketListResponse
      })

      const find = Effect.fn("Views.find")(function*({ address, bucketName, fileName }: IPCFileViewRequest) {
        const { id } = yield* bucket({ name: bucketName, address })
        const found = yield* contract.file(fileIdOf(`0x${id}`, fileName))
        return Option.isSome(found) ? found.value : yield* new FileNotFound()
      })

      const file = Effect.fn("Views.file")(function*(request: IPCFileViewRequest) {
        const { actualSize, createdAt, encodedSize, id, name, rootCid } = yield* find(request)
        return {
          bucketName: request.bucketName,
          fileName: name,
          rootCid: textOf(rootCid),
          encodedSize,
          actualSize,
          isPublic: yield* contract.isPublic(id),
          createdAt
        } satisfies IPCFileViewResponse
      })

      const files = Effect.fn("Views.files")(
        function*({ address, bucketName, limit, offset }: IPCFileListRequest) {
          const owner = yield* addressOf(address)
          const page = yield* pageOf(offset, limit)
          const ids = yield* contract.fileIds(bucketName, owner, offset, page)
          const found = yield* Effect.forEach(ids, contract.file, { concurrency: filesAtOnce })
          return {
            // One deleted since the ids were read is left out.
            list: found.flatMap(Option.toArray).map(({ actualSize, createdAt, encodedSize, name, rootCid }) => ({
              rootCid: textOf(rootCid),
              name,
              encodedSize,
              createdAt,
              actualSize
            }))
          } satisfies IPCFileListResponse
        }
      )

      return Views.of({ bucket, buckets, find, file, files })
    })
  )
}

const pageOf = (offset: bigint, limit: bigint): Effect.Effect<number, InvalidArgument> =>
  offset < 0n
    ? Effect.fail(new InvalidArgument({ detail: "The offset is negative" }))
    : Effect.succeed(limit <= 0n ? defaultPage : Number(limit < maximumPage ? limit : maximumPage))

/** An owner's address in lower case. */
export const addressOf = (text: string): Effect.Effect<string, InvalidArgument> =>
  /^0x[0-9a-fA-F]{40}$/.test(text)
    ? Effect.succeed(text.toLowerCase())
    : Effect.fail(new InvalidArgument({ detail: "The address is not 0x and 40 hexadecimal digits" }))
