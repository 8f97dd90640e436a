/** The admin port: faults and counts, for tests. See Faults.ts for what it serves. */
import * as Listener from "@akave-async/platform/Listener"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { NodeConfig } from "../DevnetConfig.ts"
import { Blocks } from "./Blocks.ts"
import { Document, Faults } from "./Faults.ts"
import { FillQueue } from "./FillQueue.ts"
import { NodeState } from "./NodeState.ts"

export class AdminPortUnavailable extends Schema.TaggedError<AdminPortUnavailable>()("AdminPortUnavailable", {
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override readonly message =
    `The admin port ${this.port} cannot be listened on: free it, or set DEVNET_ADMIN_PORT to another one`
}

const decode = Schema.decodeUnknownEffect(Document, { onExcessProperty: "error" })

const routes = Layer.unwrap(Effect.gen(function*() {
  const blocks = yield* Blocks
  const faults = yield* Faults
  const queue = yield* FillQueue
  const state = yield* NodeState

  const putFaults = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const document = yield* Effect.flatMap(request.json, decode)
    yield* faults.set(document)
    if (document.forget_announcements === true) yield* state.forget()
    return HttpServerResponse.jsonUnsafe(document)
  }).pipe(
    Effect.catchTags({
      SchemaError: (error) => answer(400, error.message),
      HttpServerError: () => answer(400, "The body is not JSON"),
      JournalFailed: (error) => answer(503, error.message)
    })
  )

  const getState = Effect.gen(function*() {
    const { announcements, fills, references } = state.counts()
    const { Mined, Pending, Sent, Unknown } = queue.counts()
    return HttpServerResponse.jsonUnsafe({
      blocks: yield* blocks.count,
      references,
      announcements,
      fills,
      fill_progress: { unknown: Unknown, pending: Pending, sent: Sent, mined: Mined }
    })
  }).pipe(Effect.catchTag("BlockStoreFailed", (error) => answer(503, error.message)))

  return Layer.mergeAll(
    HttpRouter.add("GET", "/faults", Effect.map(faults.current, HttpServerResponse.jsonUnsafe)),
    HttpRouter.add("PUT", "/faults", putFaults),
    HttpRouter.add("DELETE", "/faults", Effect.as(faults.set({}), HttpServerResponse.empty())),
    HttpRouter.add("GET", "/state", getState)
  )
}))

const answer = (status: number, message: string) =>
  Effect.succeed(HttpServerResponse.jsonUnsafe({ message }, { status }))

/** The admin port, if one is set. */
export class Admin extends Context.Service<Admin, {
  /** http://127.0.0.1:port */
  readonly url: Option.Option<string>
}>()("@akave-async/devnet/Admin") {
  static readonly layer = Layer.unwrap(Effect.gen(function*() {
    const { adminPort } = yield* NodeConfig
    if (Option.isNone(adminPort)) return Layer.succeed(Admin, Admin.of({ url: Option.none() }))
    const port = adminPort.value
    const url = Layer.effect(
      Admin,
      Effect.map(HttpServer.HttpServer, ({ address }) =>
        Admin.of({
          url: Option.some(`http://127.0.0.1:${"port" in address ? address.port : port}`)
        }))
    )
    return Layer.mergeAll(url, HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true })).pipe(
      Layer.provide(Listener.layer({ host: "127.0.0.1", port })),
      Layer.catchTag(
        "ServeError",
        (cause) => Layer.effect(Admin, Effect.fail(new AdminPortUnavailable({ port, cause })))
      )
    )
  }))
}
