/** Who reaches a gateway, and from where. */
import * as KeySecrets from "@akave-async/gateway/KeySecrets"
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Schedule } from "effect"
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Accounts from "../support/Accounts.ts"
import { eventually, request } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
SharedStack.use({
  counts: { executor: 0 },
  env: { gateway: { CORS_ORIGINS: "https://app.example.org, https://other.example.org" } }
}, (started) => {
  stack = started
})

/** What a gateway of its own logs, until it has ended, and its exit code. Once it is ready it is used, and ended. */
const run = Effect.fnUntraced(function*(
  env: Readonly<Record<string, string>>,
  use: (url: string) => Promise<unknown> = () => Promise.resolve()
) {
  const port = yield* Ports.free
  return yield* Effect.promise(() =>
    new Promise<{ readonly output: string; readonly exitCode: number | null }>((resolve, reject) => {
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
      let isUsed = false
      gateway.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        if (!isUsed && output.includes("\"message\":\"ready\"")) {
          isUsed = true
          use(`http://127.0.0.1:${port}`).catch(reject).finally(() => gateway.kill())
        }
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

describe("a gateway with accounts", () => {
  const masterSecret = Accounts.newMasterSecret()
  let key = ""
  /** A log of its own: the others have no accounts. */
  const log = { EVENTS_STREAM: "AKAVE_WITH_ACCOUNTS", EVENTS_PREFIX: "akave.accounts" }
  beforeAll(async () => {
    await Effect.runPromise(Log.create(stack.natsUrl, {
      stream: log.EVENTS_STREAM,
      prefix: log.EVENTS_PREFIX,
      replicas: 1,
      dedupWindow: Duration.minutes(2)
    }))
    key = await Effect.runPromise(Accounts.init("acme", { ...Accounts.settingsOf(stack, masterSecret), ...log }))
  })
  const statusOf = (url: string, secret: string) =>
    Effect.runPromise(Accounts.withKey(url, secret)("/account")).then(({ status }) => status)

  it.live.each(["0.0.0.0", "127.0.0.1"])("listens on %s, for those who have a key", (host) =>
    Effect.gen(function*() {
      const statuses: Array<number> = []
      const { output } = yield* run({ HOST: host, MASTER_SECRET: masterSecret, ...log }, async (url) => {
        statuses.push(await statusOf(url, key), await statusOf(url, `${key.slice(0, -1)}x`))
        statuses.push((await fetch(`${url}/jobs`)).status)
      })
      assert.deepStrictEqual(statuses, [200, 401, 401], output)
      assert.notInclude(output, "there are no accounts")
    }))

  it.live.each<readonly [string, Readonly<Record<string, string>>, RegExp]>([
    ["no master secret", {}, /There are accounts: set MASTER_SECRET/],
    ["a short one", { MASTER_SECRET: "short" }, /MASTER_SECRET has fewer than 32 characters/],
    ["two", { MASTER_SECRET: masterSecret, MASTER_SECRET_FILE: "/dev/null" }, /MASTER_SECRET or MASTER_SECRET_FILE/],
    ["no audience of tokens", { JWT_SECRET: masterSecret, JWT_ISSUER: "x" }, /Set JWT_AUDIENCE/],
    [
      "an algorithm of the other kind",
      { JWT_SECRET: masterSecret, JWT_ISSUER: "x", JWT_AUDIENCE: "x", JWT_ALGORITHMS: "HS256, RS256" },
      /JWT_ALGORITHMS has RS256/
    ],
    [
      "keys of tokens that are not given by https",
      { JWT_JWKS_URL: "http://id.example.org/keys", JWT_ISSUER: "x", JWT_AUDIENCE: "x" },
      /is no https URL/
    ],
    [
      "both keys and a secret of tokens",
      { JWT_SECRET: masterSecret, JWT_JWKS_URL: "https://id.example.org/keys", JWT_ISSUER: "x", JWT_AUDIENCE: "x" },
      /JWT_JWKS_URL or JWT_SECRET/
    ]
  ])("does not start with %s", ([, env, reason]) =>
    Effect.gen(function*() {
      const { exitCode, output } = yield* run({ ...log, ...env })
      assert.strictEqual(exitCode, 1, output)
      assert.match(output, reason)
      assert.notInclude(output, masterSecret)
    }))

  it.live(
    "takes another master secret from its files without a restart, and for a time the one before too",
    () =>
      Effect.gen(function*() {
        const folder = yield* Stack.temporaryFolder
        const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 })
        const next = Accounts.newMasterSecret()
        write("secret", masterSecret)
        write("before", masterSecret)
        const env = { MASTER_SECRET_FILE: join(folder, "secret"), MASTER_SECRET_BEFORE_FILE: join(folder, "before") }
        let derived = ""
        const { output } = yield* run({ ...log, ...env }, async (url) => {
          assert.strictEqual(await statusOf(url, key), 200)
          write("secret", next)
          const admin = Accounts.withKey(url, key)
          // Keys are derived from the new one, as soon as that is in use.
          derived = await Effect.runPromise(Effect.repeat(Accounts.issue(admin, "acme", ["read"]), {
            until: (secret) => {
              const { keyId, version } = KeySecrets.claimOf(secret) ?? assert.fail("it is no secret of a key")
              return secret === Redacted.value(KeySecrets.secretOf(Redacted.make(next), keyId, version))
            },
            schedule: Schedule.spaced("200 millis")
          }))
          await Effect.runPromise(
            eventually(Accounts.withKey(url, derived)("/account"), ({ status }) => status === 200)
          )
          write("before", next)
          await Effect.runPromise(
            eventually(Accounts.withKey(url, key)("/account"), ({ status }) => status === 401)
          )
          assert.strictEqual(await statusOf(url, derived), 200)
        })
        for (const secret of [masterSecret, next, key, derived]) assert.notInclude(output, secret)
      }).pipe(Effect.scoped),
    30_000
  )
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
