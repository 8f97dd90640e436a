/** The staging stores of servers: JetStream's object store, and an S3-compatible service. */
import { Nats } from "@akave-async/platform/Nats"
import { connect } from "@nats-io/transport-node"
import { Effect, Layer, Redacted } from "effect"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import S3rver from "s3rver"
import { inject } from "vitest"
import { Staging } from "../src/Staging.ts"
import { suite } from "./StagingSuite.ts"

const nats = Layer.effect(
  Nats,
  Effect.acquireRelease(
    Effect.promise(() => connect({ servers: inject("natsUrl") })),
    (connection) => Effect.promise(() => connection.close())
  )
)
suite("nats", Layer.provide(Staging.layerNats({ bucket: `test_${process.pid}` }), nats))

const bucket = "staging"
/** Keys that the server is made with, and that no other one has. */
const [accessKeyId, secretAccessKey] = ["S3RVER", "S3RVER"]
const s3 = Layer.unwrap(Effect.gen(function*() {
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: mkdtempSync(join(tmpdir(), "s3-")),
    configureBuckets: [{ name: bucket, configs: [] }]
  })
  const { port } = yield* Effect.acquireRelease(
    Effect.promise(() => server.run()),
    () => Effect.promise(() => server.close())
  )
  return Staging.layerS3({
    endpoint: `http://127.0.0.1:${port}/${bucket}`,
    region: "us-east-1",
    accessKeyId,
    secretAccessKey: Redacted.make(secretAccessKey),
    prefix: "akave-staging/"
  })
}))
suite("s3", s3)
