import { type IPCNodeAPIServer, IPCNodeAPIService } from "@akave-async/proto/ipcnode"
import { assert, it } from "@effect/vitest"
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from "@grpc/grpc-js"
import { Context, DateTime, Deferred, Effect, Fiber, Layer } from "effect"
import { vi } from "vitest"
import { AkaveNode } from "../src/AkaveNode.ts"

type Handlers = Pick<IPCNodeAPIServer, "connectionParams" | "bucketView" | "bucketList">

const owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
const params = { dialUri: "http://127.0.0.1:1", storageAddress: owner.toLowerCase(), accessAddress: owner }
const bucket = { id: "AB".repeat(32), name: "my-bucket", createdAt: new Date(1_700_000_000_000) }

/** Handlers that answer as a healthy node does. */
const healthy: Handlers = {
  connectionParams: (_, done) => done(null, params),
  bucketView: (_, done) => done(null, bucket),
  bucketList: (_, done) => done(null, { buckets: [bucket] })
}

/** A node that answers as reported; gives its port and a way to take it down. */
const serve = (handlers: Partial<Handlers>, port = 0) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<{ readonly port: number; readonly server: Server }>((resolve, reject) => {
        const server = new Server()
        const missing = (_: unknown, done: sendUnaryData<never>) => done({ code: status.UNIMPLEMENTED })
        const implementation = Object.fromEntries(Object.keys(IPCNodeAPIService).map((name) => [name, missing]))
        server.addService(IPCNodeAPIService, { ...implementation, ...healthy, ...handlers })
        server.bindAsync(
          `127.0.0.1:${port}`,
          ServerCredentials.createInsecure(),
          (error, port) => error === null ? resolve({ server, port }) : reject(error)
        )
      })
    ),
    ({ server }) => Effect.sync(() => server.forceShutdown())
  )

const connected = (port: number, timeout = 10_000) =>
  Effect.map(
    Layer.build(AkaveNode.layer({ address: `127.0.0.1:${port}`, timeout })),
    (context) => Context.get(context, AkaveNode)
  )

/** Answers the first calls with these status codes, then as `then` does; counts the calls. */
const failing = <Request, Answer>(
  codes: ReadonlyArray<status>,
  then: (call: ServerUnaryCall<Request, Answer>, done: sendUnaryData<Answer>) => void
) => {
  const calls = { count: 0 }
  const handler = (call: ServerUnaryCall<Request, Answer>, done: sendUnaryData<Answer>) => {
    const code = codes[calls.count]
    calls.count += 1
    if (code === undefined) then(call, done)
    else done({ code, details: "as reported" })
  }
  return { calls, handler }
}

it.live("reaches a node on this machine whatever proxy the environment names", () =>
  Effect.gen(function*() {
    const { port } = yield* serve({})
    // Nobody listens there.
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        vi.stubEnv("http_proxy", "http://127.0.0.1:1").stubEnv("no_proxy", "").stubEnv("no_grpc_proxy", "")
      ),
      () => Effect.sync(() => vi.unstubAllEnvs())
    )
    const node = yield* connected(port, 2_000)
    assert.strictEqual((yield* node.connectionParams).rpcUrl, params.dialUri)
  }).pipe(Effect.scoped))

it.live("reads what a healthy node answers", () =>
  Effect.gen(function*() {
    const { port } = yield* serve({})
    const node = yield* connected(port)
    const createdAt = DateTime.makeUnsafe("2023-11-14T22:13:20Z")
    assert.deepStrictEqual(yield* node.connectionParams, {
      rpcUrl: "http://127.0.0.1:1",
      storageAddress: owner,
      accessAddress: owner
    })
    assert.deepStrictEqual(yield* node.bucketView({ name: "my-bucket", owner }), {
      id: `0x${"ab".repeat(32)}`,
      name: "my-bucket",
      createdAt
    })
    assert.deepStrictEqual(yield* node.bucketList({ owner, offset: 0, limit: 10 }), [{ name: "my-bucket", createdAt }])
    yield* node.ping
  }))

it.live("asks again while the node is unavailable", () =>
  Effect.gen(function*() {
    const view = failing([status.UNAVAILABLE, status.RESOURCE_EXHAUSTED, status.ABORTED], healthy.bucketView)
    const { port } = yield* serve({ bucketView: view.handler })
    const node = yield* connected(port)
    assert.strictEqual((yield* node.bucketView({ name: "my-bucket", owner })).name, "my-bucket")
    assert.strictEqual(view.calls.count, 4)
  }))

it.live("stops asking after six times", () =>
  Effect.gen(function*() {
    const list = failing(Array.from({ length: 20 }, () => status.UNAVAILABLE), healthy.bucketList)
    const { port } = yield* serve({ bucketList: list.handler })
    const node = yield* connected(port)
    const error = yield* Effect.flip(node.bucketList({ owner, offset: 0, limit: 10 }))
    assert.include(error, { _tag: "NodeError", code: "UNAVAILABLE", rpc: "BucketList", details: "as reported" })
    assert.isTrue(error.isRetryable)
    assert.strictEqual(list.calls.count, 6)
  }))

it.live("asks once where asking again can't help", () =>
  Effect.gen(function*() {
    const list = failing([status.INVALID_ARGUMENT], healthy.bucketList)
    const { port } = yield* serve({ bucketList: list.handler })
    const node = yield* connected(port)
    const error = yield* Effect.flip(node.bucketList({ owner, offset: 0, limit: 10 }))
    assert.include(error, { code: "INVALID_ARGUMENT", isRetryable: false })
    assert.strictEqual(list.calls.count, 1)
  }))

it.live.each([
  { code: status.NOT_FOUND, details: "BucketNotFound" },
  { code: status.NOT_FOUND, details: "" },
  { code: status.UNKNOWN, details: "rpc failed: BucketNotFound" }
])("says that there is no such bucket", (answer) =>
  Effect.gen(function*() {
    const { port } = yield* serve({ bucketView: (_, done) => done(answer) })
    const node = yield* connected(port)
    const error = yield* Effect.flip(node.bucketView({ name: "my-bucket", owner }))
    assert.include(error, { _tag: "BucketNotFound", name: "my-bucket", owner })
  }))

it.live("gives up on an answer at the deadline", () =>
  Effect.gen(function*() {
    const deadlines: Array<unknown> = []
    const { port } = yield* serve({ connectionParams: (call) => deadlines.push(call.getDeadline()) })
    const node = yield* connected(port, 100)
    const error = yield* Effect.flip(node.ping)
    assert.include(error, { code: "DEADLINE_EXCEEDED", rpc: "ConnectionParams", isRetryable: true })
    assert.lengthOf(deadlines, 1)
    assert.isFalse(yield* node.isReachable)
  }))

it.live("cancels the call when it is interrupted", () =>
  Effect.gen(function*() {
    const started = yield* Deferred.make<void>()
    const cancelled = yield* Deferred.make<void>()
    const { port } = yield* serve({
      bucketView: (call) => {
        call.on("cancelled", () => Deferred.doneUnsafe(cancelled, Effect.void))
        Deferred.doneUnsafe(started, Effect.void)
      }
    })
    const node = yield* connected(port)
    const fiber = yield* Effect.forkChild(node.bucketView({ name: "my-bucket", owner }))
    yield* Deferred.await(started)
    yield* Fiber.interrupt(fiber)
    yield* Deferred.await(cancelled)
  }))

it.live("does not need the node at first, and finds it once it is there, also after a restart", () =>
  Effect.gen(function*() {
    const { port } = yield* Effect.scoped(serve({}))
    const node = yield* connected(port)
    const becomes = (reachable: boolean) => Effect.repeat(node.isReachable, { until: (is) => is === reachable })
    assert.isFalse(yield* node.isReachable)
    for (const _ of ["first start", "restart"]) {
      yield* Effect.scoped(Effect.andThen(serve({}, port), becomes(true)))
      yield* becomes(false)
    }
  }))

it.live.each([
  { bucketView: { ...bucket, id: "0xab" }, details: /id is not 32 bytes/ },
  { bucketView: { ...bucket, createdAt: undefined }, details: /has no time/ }
])("refuses an answer that breaks the protocol", ({ bucketView, details }) =>
  Effect.gen(function*() {
    const { port } = yield* serve({ bucketView: (_, done) => done(null, bucketView) })
    const node = yield* connected(port)
    const error = yield* Effect.flip(node.bucketView({ name: "my-bucket", owner }))
    assert.strictEqual(error._tag, "NodeError")
    assert.match(error.message, details)
  }))

it.live("refuses contracts without an address", () =>
  Effect.gen(function*() {
    const { port } = yield* serve({ connectionParams: (_, done) => done(null, { ...params, storageAddress: "" }) })
    const error = yield* Effect.flip((yield* connected(port)).connectionParams)
    assert.strictEqual(error.code, "DATA_LOSS")
  }))
