import {
  type IPCArchivalAPIServer,
  IPCArchivalAPIService,
  type IPCFileBlockData,
  type IPCNodeAPIServer,
  IPCNodeAPIService
} from "@akave-async/proto/ipcnode"
import { logVerbosity, Server, ServerCredentials, type ServerOptions, setLogVerbosity } from "@grpc/grpc-js"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { Anvil } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"
import { inUrl, NodeConfig, reachable } from "./DevnetConfig.ts"
import { Downloads } from "./node/Downloads.ts"
import { Faults, type Rpc } from "./node/Faults.ts"
import { handlers, receiveOne } from "./node/Grpc.ts"
import { NoArchivalCopy, type Refusal } from "./node/Refusals.ts"
import { Uploads } from "./node/Uploads.ts"
import { Views } from "./node/Views.ts"
import * as Windows from "./node/Windows.ts"

export class NodePortUnavailable extends Schema.TaggedError<NodePortUnavailable>()("NodePortUnavailable", {
  host: Schema.String,
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override readonly message =
    `The node cannot listen on ${this.host}:${this.port}: free the port, or set DEVNET_NODE_PORT to another one`
}

/** How long calls under way may take when the node stops. */
const stopTimeout = "2 seconds"
/** Bytes in a message to a client; clients take 4 MiB at most. */
const largestMessage = 262_144
const serverOptions: ServerOptions = {
  /** In bytes. A block fits twice. */
  "grpc.max_receive_message_length": 4_194_304,
  /** Of one connection. Each may hold a block in memory. */
  "grpc.max_concurrent_streams": 128
}

/** The node that clients speak to, by gRPC over plaintext HTTP/2. */
export class IpcNode extends Context.Service<IpcNode, {
  /** host:port, as this machine reaches it. */
  readonly address: string
  readonly port: number
}>()("@akave-async/devnet/IpcNode") {
  static readonly layer = Layer.effect(
    IpcNode,
    Effect.gen(function*() {
      const config = yield* NodeConfig
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => {
          // What the library writes to standard error on its own is reported by typed errors here.
          setLogVerbosity(logVerbosity.NONE)
          return new Server(serverOptions)
        }),
        (server) =>
          Effect.callback<void>((resume) => server.tryShutdown(() => resume(Effect.void))).pipe(
            Effect.timeoutOption(stopTimeout),
            Effect.andThen(Effect.sync(() => server.forceShutdown()))
          )
      )
      const place = { address: "" }
      yield* addServices(server, place)
      yield* Windows.widened

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
      const address = `${reachable(config.host)}:${port}`
      place.address = Option.getOrElse(config.publicAddress, () => address)
      return IpcNode.of({ address, port })
    })
  )
}

/** `place` has the node's address as clients reach it, once it listens. */
const addServices = Effect.fnUntraced(function*(server: Server, place: { readonly address: string }) {
  const config = yield* NodeConfig
  const anvil = yield* Anvil
  const contracts = yield* Contracts
  const downloads = yield* Downloads
  const faults = yield* Faults
  const uploads = yield* Uploads
  const views = yield* Views

  const context = yield* Effect.context()
  const { clientStream, serverStream, unary } = handlers(Effect.runForkWith(context))
  /** An rpc with one answer, and its faults. */
  const rpc = <A, B>(name: Rpc, handle: (request: A) => Effect.Effect<B, Refusal>) =>
    unary(name, (request: A) => Effect.andThen(faults.before(name), handle(request)))

  server.addService(
    service,
    {
      connectionParams: rpc("ConnectionParams", () =>
        Effect.succeed({
          dialUri: Option.getOrElse(config.publicRpcUrl, () => anvil.rpcUrl),
          storageAddress: contracts.storageAddress,
          accessAddress: contracts.accessAddress
        })),
      bucketView: rpc("BucketView", views.bucket),
      bucketList: rpc("BucketList", views.buckets),
      fileView: rpc("FileView", views.file),
      fileList: rpc("FileList", views.files),
      fileUploadChunkCreate: rpc("FileUploadChunkCreate", (request) => uploads.announce(request, place.address)),
      fileUploadBlock: clientStream(
        "FileUploadBlock",
        uploads.begin,
        (upload, received) =>
          faults.before("FileUploadBlock", upload.reference.blockIndex).pipe(
            Effect.andThen(uploads.end(upload, received)),
            Effect.as({})
          )
      ),
      fileUploadBlockUnary: unary(
        "FileUploadBlockUnary",
        (message: IPCFileBlockData) =>
          faults.before("FileUploadBlockUnary", Number(message.index)).pipe(
            Effect.andThen(Effect.fromResult(uploads.begin(message))),
            Effect.flatMap((upload) => uploads.end(upload, receiveOne(message))),
            Effect.as({})
          )
      ),
      fileDownloadCreate: rpc("FileDownloadCreate", downloads.create),
      fileDownloadRangeCreate: rpc("FileDownloadRangeCreate", downloads.createRange),
      fileDownloadChunkCreate: rpc(
        "FileDownloadChunkCreate",
        (request) => downloads.createChunk(request, place.address)
      ),
      fileDownloadBlock: serverStream(
        "FileDownloadBlock",
        (request) =>
          Effect.andThen(faults.before("FileDownloadBlock", Number(request.blockIndex)), downloads.block(request)),
        toMessage,
        largestMessage
      )
    } satisfies IPCNodeAPIServer
  )
  server.addService(
    IPCArchivalAPIService,
    {
      fileResolveBlock: rpc("FileResolveBlock", () => Effect.fail(new NoArchivalCopy()))
    } satisfies IPCArchivalAPIServer
  )
})

const nothing = new Uint8Array()
/** Clients read nothing but the data. */
const toMessage = (data: Buffer): IPCFileBlockData => ({
  data,
  cid: "",
  index: 0n,
  chunk: undefined,
  bucketId: nothing,
  fileName: "",
  nonce: nothing,
  nodeId: nothing,
  signature: "",
  deadline: 0n
})

/** The tag of `data` and the largest length before it take 6 bytes. */
const scratch = Buffer.allocUnsafeSlow(largestMessage + 6)
/** The message of {@link toMessage}. The library copies it at once, so that one buffer does for all. */
const serializeData = ({ data }: IPCFileBlockData): Buffer => {
  let length = scratch.writeUInt8(0x0a)
  let rest = data.length
  for (; rest >= 0x80; rest >>= 7) length = scratch.writeUInt8((rest & 0x7f) | 0x80, length)
  length = scratch.writeUInt8(rest, length)
  scratch.set(data, length)
  return scratch.subarray(0, length + data.length)
}
const service = {
  ...IPCNodeAPIService,
  fileDownloadBlock: { ...IPCNodeAPIService.fileDownloadBlock, responseSerialize: serializeData }
}
