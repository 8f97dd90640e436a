/** Who reaches a gateway, and from where. */
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { request } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
SharedStack.use({
  counts: { executor: 0 },
  env: { gateway: { CORS_ORIGINS: "https://app.example.org, https://other.example.org" } }
}, (started) => {
  stack = started
})

/** What a gateway of its own logs, until it is ready or has ended, and its exit code if it has. */
const run = Effect.fnUntraced(function*(env: Readonly<Record<string, string>>) {
  const port = yield* Ports.free
  return yield* Effect.promise(() =>
    new Promise<{ readonly output: string; readonly exitCode: number | null }>((resolve) => {
      const gateway = spawn(process.execPath, [join(Stack.repository, "services/gateway/src/main.ts")], {
        env: {
          PORT: `${port}`,
          NATS_URL: stack.natsUrl,
          DATABASE_URL: stack.databaseUrl,
          AKAVE_NODE_ADDRESS: stack.nodeAddress,
          AKAVE_OWNER_ADDRESS: stack.ownerAddress,
          ...env
        }
      })
      let output = ""
      gateway.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        if (output.includes("\"message\":\"ready\"")) gateway.kill()
      })
      gateway.on("close", (exitCode) => resolve({ output, exitCode }))
    })
  )
}, Effect.scoped)

describe("a gateway without accounts", () => {
  it.live.each(["0.0.0.0", "::", "gateway.example.org"])("does not listen on %s", (host) =>
    Effect.gen(function*() {
      const { exitCode, output } = yield* run({ HOST: host })
      assert.strictEqual(exitCode, 1)
      assert.include(output, `HOST is ${host}: there are no accounts`)
      assert.notInclude(output, "ready")
    }))

  it.live("listens where others reach it if it is allowed to, and says what that means", () =>
    Effect.gen(function*() {
      // An address of this machine in a form that is not known as one.
      const { exitCode, output } = yield* run({ HOST: "::ffff:127.0.0.1", ALLOW_ANONYMOUS: "true" })
      assert.strictEqual(exitCode, 0, output)
      assert.include(output, "whoever reaches ::ffff:127.0.0.1 can use the wallet")
      assert.include(output, "\"message\":\"ready\"")
    }))
})

describe("a page of another origin", () => {
  const from = (origin: string, init: RequestInit = {}) =>
    request(`${stack.gatewayUrl}/buckets`, { ...init, headers: { origin, ...init.headers } })
  const preflight = { method: "OPTIONS", headers: { "access-control-request-method": "POST" } }

  it.live.each(["https://app.example.org", "https://other.example.org"])(
    "%s that is named may use the API",
    (origin) =>
      Effect.gen(function*() {
        const asked = yield* from(origin, preflight)
        assert.strictEqual(asked.headers.get("access-control-allow-origin"), origin)
        assert.include(asked.headers.get("access-control-allow-methods"), "POST")
        assert.strictEqual((yield* from(origin)).headers.get("access-control-allow-origin"), origin)
      })
  )

  it.live.each(["https://evil.example.org", "https://app.example.org.evil.org", "null"])(
    "%s may not",
    (origin) =>
      Effect.gen(function*() {
        for (const init of [preflight, {}]) {
          assert.isNull((yield* from(origin, init)).headers.get("access-control-allow-origin"))
        }
      })
  )
})
