/** The routes that are about the gateway itself. */
import { Api, version } from "@akave-async/api/Api"
import { Caller } from "@akave-async/api/Caller"
import { maxPage, maxWait } from "@akave-async/api/Conventions"
import * as Resources from "@akave-async/api/Resources"
import { Capabilities } from "@akave-async/api/System"
import * as Job from "@akave-async/domain/Job"
import { type Name, operations } from "@akave-async/domain/Operations"
import * as LaneReports from "@akave-async/eventing/LaneReports"
import { durabilityConfig, Nats } from "@akave-async/platform/Nats"
import { Effect, Schema, Struct } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { createHash } from "node:crypto"
import { Accounts } from "./Accounts.ts"
import * as Answers from "./Answers.ts"
import { maxBody } from "./Edge.ts"
import { FileBodyConfig } from "./FileBody.ts"
import { Statistics } from "./Statistics.ts"
import { lookupFailures } from "./Unavailable.ts"

/** How each operation is asked for. */
const asked: Readonly<Record<Name, { readonly method: string; readonly path: string }>> = {
  "bucket.create": { method: "POST", path: "/buckets" },
  "bucket.delete": { method: "DELETE", path: "/buckets/{name}" },
  "file.upload": { method: "PUT", path: "/buckets/{name}/files/{file_name}" },
  "file.delete": { method: "DELETE", path: "/buckets/{name}/files/{file_name}" },
  "file.access": { method: "PATCH", path: "/buckets/{name}/files/{file_name}" },
  "file.download": { method: "POST", path: "/buckets/{name}/files/{file_name}/downloads" }
}

const capabilities = {
  version,
  operations: Struct.keys(asked).map((operation) => ({
    operation,
    ...asked[operation],
    input: Schema.toJsonSchemaDocument(Schema.Struct(operations[operation].request)).schema as Schema.Json
  })),
  limits: {
    body_bytes: maxBody,
    batch_names: Resources.maxBatch,
    page_size: maxPage,
    wait_seconds: maxWait,
    idempotency_key_characters: Resources.maxIdempotencyKey
  },
  error_categories: Job.ErrorCategory.literals
}
const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Capabilities)))

export const SystemHttp = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fnUntraced(function*(handlers) {
    const accounts = yield* Accounts
    const statistics = yield* Statistics
    const durability = yield* durabilityConfig
    const { maxBytes } = yield* FileBodyConfig
    const nats = yield* Nats

    return handlers.handleAll({
      capabilities: Effect.fnUntraced(function*({ headers }) {
        const signing_schemes = accounts.isEmpty() ? [] : ["hmac-sha256"]
        const limits = { ...capabilities.limits, max_file_bytes: maxBytes }
        const text = encode({ ...capabilities, limits, signing_schemes, durability: yield* durability })
        const etag = `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`
        return Answers.names(headers["if-none-match"], etag)
          ? HttpServerResponse.empty({ status: 304, headers: { etag } })
          : HttpServerResponse.text(text, { contentType: "application/json", headers: { etag } })
      }),
      stats: Effect.fnUntraced(function*({ query: { minutes } }) {
        const caller = yield* Caller
        const executors = LaneReports.ask.pipe(
          Effect.map((reports) => LaneReports.ofOwner(caller.owner)(reports).length),
          Effect.provideService(Nats, nats),
          Effect.orElseSucceed(() => null)
        )
        const { alive, operations, stored } = yield* Effect.all({
          operations: statistics.operations(caller, minutes),
          stored: statistics.stored(caller),
          alive: executors
        }, { concurrency: "unbounded" })
        return { window_minutes: minutes, operations, stored, executors: alive }
      }, Effect.catchTags({ SqlError: lookupFailures.SqlError }))
    })
  })
)
