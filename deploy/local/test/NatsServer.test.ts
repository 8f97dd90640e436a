import { parseVersion } from "@akave-async/platform/NatsVersion"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NatsServer from "../src/NatsServer.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

/** A program that says that it is this version of nats-server. */
const fake = (folder: string, version: string) => {
  const path = join(folder, "nats-server")
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`)
  chmodSync(path, 0o755)
  return path
}

const offline = { path: "", systemFolders: [], mayFetch: false }

describe("versions of nats-server", () => {
  it("are read from what the server prints", () => {
    assert.deepStrictEqual(parseVersion("nats-server: v2.10.4\n"), [2, 10, 4])
    assert.deepStrictEqual(parseVersion("nats-server: v2.12.0-RC.3"), [2, 12, 0])
    assert.isUndefined(parseVersion("nats-server: unknown"))
  })

  it.each([[2, 9, 10], [2, 9, 25], [2, 10, 19], [2, 10, 23], [2, 15, 2], [3, 0, 0]] as const)(
    "accept %i.%i.%i",
    (...version) => {
      assert.isUndefined(NatsServer.refusal(version))
    }
  )

  it.each([[2, 10, 20], [2, 10, 21], [2, 10, 22]] as const)("refuse %i.%i.%i for its defects", (...version) => {
    assert.match(NatsServer.refusal(version) ?? "", /known JetStream defects .* install 2\.10\.23 or newer/)
  })

  it.each([[2, 9, 9], [2, 8, 99], [1, 99, 99]] as const)("refuse %i.%i.%i for its age", (...version) => {
    assert.match(NatsServer.refusal(version) ?? "", /older than 2\.9\.10/)
  })
})

describe("finding nats-server", () => {
  it.live("takes the one that NATS_SERVER_BIN names before the one on PATH", () =>
    Effect.gen(function*() {
      const [named, onPath] = [fake(yield* folder, "2.11.0"), yield* folder]
      fake(onPath, "2.12.0")
      const found = yield* NatsServer.find({ ...offline, explicit: named, path: onPath })
      assert.deepStrictEqual(found, { path: named, version: [2, 11, 0] })
    }))

  it.live("takes the one on PATH, then the copy fetched earlier", () =>
    Effect.gen(function*() {
      const onPath = yield* folder
      fake(onPath, "2.12.0")
      const found = yield* NatsServer.find({ ...offline, path: `:${onPath}` })
      assert.deepStrictEqual(found.version, [2, 12, 0])
    }))

  it.live("refuses a version with known defects, wherever it is", () =>
    Effect.gen(function*() {
      const named = fake(yield* folder, "2.10.21")
      const error = yield* Effect.flip(NatsServer.find({ ...offline, explicit: named }))
      assert.include(error.message, "known JetStream defects")
      assert.include(error.message, named)
    }))

  it.live("says so in one sentence when the named file is missing", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(NatsServer.find({ ...offline, explicit: "/nowhere/nats-server" }))
      assert.match(error.message, /NATS_SERVER_BIN names it, but it doesn't run \(\/nowhere\/nats-server/)
    }))

  it.live("says how to get one when there is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(NatsServer.find({ ...offline, tools: yield* folder }))
      assert.match(error.message, /^nats-server was not found .* NATS_SERVER_BIN .* NATS_URL .*\.$/)
    }))
})
