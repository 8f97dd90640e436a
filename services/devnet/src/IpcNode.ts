import {
  type ConnectionParamsResponse,
  type IPCArchivalAPIServer,
  IPCArchivalAPIService,
  type IPCBucketListRequest,
  type IPCBucketListResponse,
  type IPCBucketViewRequest,
  type IPCBucketViewResponse,
  type IPCNodeAPIServer,
  IPCNodeAPIService
} from "@akave-async/proto/ipcnode"
import { type handleUnaryCall, logVerbosity, Server, ServerCredentials, setLogVerbosity, status } from "@grpc/grpc-js"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { Anvil } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"
import { inUrl, NodeConfig, reachable } from "./DevnetConfig.ts"
import { type ChainUnavailable, Storage } from "./Storage.ts"

export class NodePortUnavailable extends Schema.TaggedError<NodePortUnavailable>()("NodePortUnavailable", {
  host: Schema.String,
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override readonly message =
    `The node cannot listen on ${this.host}:${this.port}: free the port, or set DEVNET_NODE_PORT to another one`
}

/** Clients look for this very text. */
export class BucketNotFound extends Schema.TaggedError<BucketNotFound>()("BucketNotFound", {}) {
  override readonly message = "BucketNotFound"
}
export class NoArchivalCopy extends Schema.TaggedError<NoArchivalCopy>()("NoArchivalCopy", {}) {
  override readonly message = "The block has no archival copy"
}
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  detail: Schema.String
}) {
  override readonly message = this.detail
}
type Refusal = BucketNotFound | NoArchivalCopy | InvalidArgument | ChainUnavailable

const codes: Record<Refusal["_tag"], status> = {
  BucketNotFound: status.NOT_FOUND,
  NoArchivalCopy: status.NOT_FOUND,
  InvalidArgument: status.INVALID_ARGUMENT,
  ChainUnavailable: status.UNAVAILABLE
}

/** Buckets in a page when the request asks for 0 or fewer. */
export const defaultPage = 100
/** Buckets in a page at most; a client of the network asks for as many to get all at once. */
export const maximumPage = 10_000
/** How long calls under way may take when the node stops. */
const stopTimeout = "2 seconds"

/** The node that clients speak to, by gRPC over plaintext HTTP/2. */
export class IpcNode extends Context.Service<IpcNode, {
  /** host:port, as this machine reaches it. */
  readonly address: string
  readonly port: number
}>()("@akave-async/devnet/IpcNode") {
  static readonly layer = Layer.effect(
    IpcNode,
    // oxlint-disable-next-line max-lines-per-function -- its calls share one chain
    Effect.gen(function*() {
      const config = yield* NodeConfig
      const anvil = yield* Anvil
      const contracts = yield* Contracts
      const storage = yield* Storage

      const connectionParams = (): Effect.Effect<ConnectionParamsResponse> =>
        Effect.succeed({
          dialUri: Option.getOrElse(config.publicRpcUrl, () => anvil.rpcUrl),
          storageAddress: contracts.storageAddress,
          accessAddress: contracts.accessAddress
        })

      const bucketView = Effect.fnUntraced(function*(request: IPCBucketViewRequest) {
        const owner = yield* addressOf(request.address)
        const bucket = yield* storage.bucketByName(request.name, owner)
        if (Option.isNone(bucket)) return yield* new BucketNotFound()
        const { createdAt, id, name } = bucket.value
        return { id: id.slice(2), name, createdAt } satisfies IPCBucketViewResponse
      })

      const bucketList = Effect.fnUntraced(function*({ address, limit, offset }: IPCBucketListRequest) {
        const owner = yield* addressOf(address)
        if (offset < 0n) return yield* new InvalidArgument({ detail: "The offset is negative" })
        const page = limit <= 0n ? defaultPage : Number(limit < maximumPage ? limit : maximumPage)
        const buckets = yield* storage.ownerBuckets(owner, offset, page)
        return {
          buckets: buckets.map(({ createdAt, name }) => ({ name, createdAt }))
        } satisfies IPCBucketListResponse
      })

      const context = yield* Effect.context()
      const fork = Effect.runForkWith(context)
      const unary = <A, B>(
        name: string,
        handle: (request: A) => Effect.Effect<B, Refusal>
      ): handleUnaryCall<A, B> =>
      (call, callback) => {
        const fiber = fork(Effect.withSpan(handle(call.request), `IpcNode.${name}`))
        call.on("cancelled", () => fork(Fiber.interrupt(fiber)))
        fiber.addObserver(Exit.match({
          onSuccess: (response) => callback(null, response),
          onFailure: (cause) => {
            const refusal = Cause.findErrorOption(cause)
            if (Option.isSome(refusal)) {
              return callback({ code: codes[refusal.value._tag], details: refusal.value.message })
            }
            if (!Cause.hasInterruptsOnly(cause)) fork(Effect.logError(`${name} failed`, cause))
            callback({ code: status.INTERNAL, details: "The node failed" })
          }
        }))
      }

      const server = yield* Effect.acquireRelease(
        Effect.sync(() => {
          // What the library writes to standard error on its own is reported by typed errors here.
          setLogVerbosity(logVerbosity.NONE)
          return new Server()
        }),
        (server) =>
          Effect.callback<void>((resume) => server.tryShutdown(() => resume(Effect.void))).pipe(
            Effect.timeoutOption(stopTimeout),
            Effect.andThen(Effect.sync(() => server.forceShutdown()))
          )
      )
      // The server answers UNIMPLEMENTED for every rpc that has no handler here.
      server.addService(
        IPCNodeAPIService,
        {
          connectionParams: unary("ConnectionParams", connectionParams),
          bucketView: unary("BucketView", bucketView),
          bucketList: unary("BucketList", bucketList)
        } satisfies Partial<IPCNodeAPIServer>
      )
      server.addService(
        IPCArchivalAPIService,
        {
          fileResolveBlock: unary("FileResolveBlock", () => Effect.fail(new NoArchivalCopy()))
        } satisfies IPCArchivalAPIServer
      )

      const port = yield* Effect.callback<number, NodePortUnavailable>((resume) =>
        server.bindAsync(
          `${inUrl(config.host)}:${config.port}`,
          ServerCredentials.createInsecure(),
          (cause, port) =>
            resume(
              cause === null
                ? Effect.succeed(port)
                : Effect.fail(new NodePortUnavailable({ host: config.host, port: config.port, cause }))
            )
        )
      )
      return IpcNode.of({ address: `${reachable(config.host)}:${port}`, port })
    })
  )
}

const addressOf = (text: string): Effect.Effect<string, InvalidArgument> =>
  /^0x[0-9a-fA-F]{40}$/.test(text)
    ? Effect.succeed(text.toLowerCase())
    : Effect.fail(new InvalidArgument({ detail: "The address is not 0x and 40 hexadecimal digits" }))
