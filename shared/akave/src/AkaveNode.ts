/** The IPC node: where the chain is, and views of what the chain holds. gRPC over one plaintext HTTP/2 channel. */
import { type IPCBucketListResponse, type IPCBucketViewResponse, IPCNodeAPIClient } from "@akave-async/proto/ipcnode"
import { credentials } from "@grpc/grpc-js"
import { Config, Context, DateTime, Duration, Effect, Layer, Result } from "effect"
import { getAddress, isAddress } from "ethers"
import { BucketNotFound, InvalidArgument, type NodeError } from "./Errors.ts"
import { malformed, optionsFor, unary } from "./Grpc.ts"
import { transient } from "./Retry.ts"

export interface ConnectionParams {
  /** URL of the chain's JSON-RPC. */
  readonly rpcUrl: string
  /** Address of the Storage contract, with EIP-55's checksum. */
  readonly storageAddress: string
  /** Address of the AccessManager contract, with EIP-55's checksum. */
  readonly accessAddress: string
}

export interface BucketEntry {
  readonly name: string
  /** The time of the bucket's block, in whole seconds. */
  readonly createdAt: DateTime.Utc
}

export interface BucketView extends BucketEntry {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
}

export interface AkaveNodeOptions {
  /** host:port, without a scheme. */
  readonly address: string
  /** Deadline of each rpc; 10 seconds by default. */
  readonly timeout?: Duration.Input
}

/** Checks an address of the form host:port; a host is a name, an IPv4 address, or an IPv6 address in brackets. */
export const parseNodeAddress = (address: string): Result.Result<string, InvalidArgument> => {
  const refuse = (what: string) =>
    Result.fail(
      new InvalidArgument({ field: "node address", reason: `${what}; give it as host:port, such as 127.0.0.1:5500` })
    )
  if (address.includes("://")) return refuse("it has a scheme, but the node speaks gRPC, not HTTP")
  const parts = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(address)
  if (parts === null) return refuse("it is not a host and a port")
  if (parts[2] === undefined) return refuse("the port is missing")
  const port = Number(parts[2])
  return port >= 1 && port <= 65_535 ? Result.succeed(address) : refuse("the port is not between 1 and 65535")
}

export class AkaveNode extends Context.Service<AkaveNode, {
  /** host:port of the node. */
  readonly address: string
  /** Where the chain and its contracts are. */
  readonly connectionParams: Effect.Effect<ConnectionParams, NodeError>
  /** One bucket of an owner (0x address, in any case). */
  bucketView(of: {
    readonly name: string
    readonly owner: string
  }): Effect.Effect<BucketView, BucketNotFound | NodeError>
  /** One page of an owner's buckets in the chain's order, empty beyond the end. `offset` and `limit` count buckets. */
  bucketList(of: {
    readonly owner: string
    readonly offset: number
    readonly limit: number
  }): Effect.Effect<ReadonlyArray<BucketEntry>, NodeError>
  /** One question, not repeated: succeeds if the node answers it. */
  readonly ping: Effect.Effect<void, NodeError>
  readonly isReachable: Effect.Effect<boolean>
}>()("@akave-async/sdk/AkaveNode") {
  /** The channel connects with the first call, so the node need not be up while the layer is built. */
  static readonly layer = (options: AkaveNodeOptions): Layer.Layer<AkaveNode, InvalidArgument> =>
    Layer.effect(AkaveNode, make(options))

  /** Reads `AKAVE_NODE_ADDRESS`. */
  static readonly layerConfig: Layer.Layer<AkaveNode, InvalidArgument | Config.ConfigError> = Layer.unwrap(
    Effect.map(Config.String("AKAVE_NODE_ADDRESS"), (address) => AkaveNode.layer({ address }))
  )
}

const make = Effect.fnUntraced(function*(options: AkaveNodeOptions) {
  const address = yield* Effect.fromResult(parseNodeAddress(options.address))
  const timeout = Duration.toMillis(options.timeout ?? "10 seconds")
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new IPCNodeAPIClient(address, credentials.createInsecure(), optionsFor(address))),
    (client) => Effect.sync(() => client.close())
  )

  const askConnectionParams = unary("ConnectionParams", timeout, client.connectionParams.bind(client, {}))

  const connectionParams = Effect.gen(function*() {
    const { accessAddress, dialUri, storageAddress } = yield* Effect.retry(askConnectionParams, transient)
    if (!isAddress(storageAddress) || !isAddress(accessAddress)) {
      return yield* malformed("ConnectionParams", "a contract's address is not an address")
    }
    return {
      rpcUrl: dialUri,
      storageAddress: getAddress(storageAddress),
      accessAddress: getAddress(accessAddress)
    }
  }).pipe(Effect.withSpan("AkaveNode.connectionParams"))

  const bucketView = Effect.fn("AkaveNode.bucketView")(
    function*({ name, owner }: { readonly name: string; readonly owner: string }) {
      const bucket = yield* unary<IPCBucketViewResponse>(
        "BucketView",
        timeout,
        (metadata, options, done) => client.bucketView({ name, address: owner }, metadata, options, done)
      ).pipe(Effect.retry(transient))
      if (!/^[0-9a-f]{64}$/i.test(bucket.id)) return yield* malformed("BucketView", "the bucket's id is not 32 bytes")
      return { id: `0x${bucket.id.toLowerCase()}`, ...(yield* entry("BucketView", bucket)) }
    },
    (effect, { name, owner }) =>
      Effect.catchIf(effect, isBucketNotFound, () => Effect.fail(new BucketNotFound({ name, owner })))
  )

  const bucketList = Effect.fn("AkaveNode.bucketList")(
    function*({ limit, offset, owner }: { readonly owner: string; readonly offset: number; readonly limit: number }) {
      const request = { address: owner, offset: BigInt(offset), limit: BigInt(limit) }
      const { buckets } = yield* unary<IPCBucketListResponse>(
        "BucketList",
        timeout,
        (metadata, options, done) => client.bucketList(request, metadata, options, done)
      ).pipe(Effect.retry(transient))
      return yield* Effect.forEach(buckets, (bucket) => entry("BucketList", bucket))
    }
  )

  const ping = Effect.asVoid(askConnectionParams)
  return AkaveNode.of({ address, connectionParams, bucketView, bucketList, ping, isReachable: Effect.isSuccess(ping) })
})

/** The text is what all nodes share; the code is a convention of some. */
const isBucketNotFound = (error: NodeError): boolean =>
  error.code === "NOT_FOUND" || error.details.includes("BucketNotFound")

const entry = (
  rpc: string,
  { createdAt, name }: { readonly name: string; readonly createdAt: Date | undefined }
): Effect.Effect<BucketEntry, NodeError> =>
  createdAt === undefined
    ? Effect.fail(malformed(rpc, "a bucket has no time"))
    : Effect.succeed({ name, createdAt: DateTime.fromDateUnsafe(createdAt) })
