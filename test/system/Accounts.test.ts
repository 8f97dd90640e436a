/** Accounts, their keys, and the ways to sign in, on two gateways. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { createHmac } from "node:crypto"
import * as Accounts from "../support/Accounts.ts"
import { eventually, freshName, request } from "../support/Gateway.ts"
import * as IdentityProvider from "../support/IdentityProvider.ts"
import * as Log from "../support/Log.ts"
import * as RawHttp from "../support/RawHttp.ts"
import * as SharedStack from "../support/SharedStack.ts"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
let provider: IdentityProvider.IdentityProvider
SharedStack.useWith(
  Effect.map(IdentityProvider.start, (started): Stack.Options => {
    provider = started
    return {
      counts: { executor: 0, gateway: 2 },
      env: {
        gateway: {
          MASTER_SECRET: masterSecret,
          JWT_JWKS_URL: started.url,
          JWT_ISSUER: IdentityProvider.issuer,
          JWT_AUDIENCE: IdentityProvider.audience
        }
      }
    }
  }),
  (started) => {
    stack = started
  }
)

const gatewayOf = (n: number) => stack.gatewayUrls[n] ?? assert.fail(`there is no gateway ${n}`)
const post = (value: unknown = {}): Accounts.Sent => ({ method: "POST", body: JSON.stringify(value) })
const bucket = (name = freshName()) => post({ name })
const remove: Accounts.Sent = { method: "DELETE" }

/** The first administrator's key. */
let admin: Accounts.Send
let adminSecret = ""
const open = (account: string, options: Partial<Parameters<typeof Accounts.open>[2]> = {}) =>
  Accounts.open(admin, account, { owner: stack.ownerAddress, ...options })
/** On both gateways, once they know the key. */
const known = Effect.fnUntraced(function*(secret: string) {
  for (const n of [0, 1]) {
    yield* eventually(Accounts.withKey(gatewayOf(n), secret)("/account"), ({ status }) => status === 200)
  }
  return secret
})
let accounts = 0
const freshAccount = () => `account-${++accounts}`

describe("a gateway whose log has no accounts", () => {
  it.live("serves whoever reaches it, and opens none for them", () =>
    Effect.gen(function*() {
      const { body, status } = yield* request(`${gatewayOf(0)}/account`)
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(body, {
        account: "local",
        owner: stack.ownerAddress,
        limits: null,
        scopes: ["read", "write"],
        actor: "a client"
      })
      for (const path of ["/accounts", "/accounts/acme", "/accounts/acme/keys"]) {
        const answer = yield* request(`${gatewayOf(0)}${path}`, path.endsWith("keys") ? post() : {})
        assert.deepInclude(answer.body, { status: 403, code: "forbidden" })
        assert.match(answer.body.detail, /there are no accounts/i)
      }
      assert.deepStrictEqual((yield* request(`${gatewayOf(0)}/capabilities`)).body.signing_schemes, [])
    }))
})

describe("once the command has opened an account", () => {
  let local = ""
  beforeAll(async () => {
    local = (await Effect.runPromise(request(`${gatewayOf(0)}/buckets`, bucket()))).body.job_id
    adminSecret = await Effect.runPromise(Accounts.init("operator", Accounts.settingsOf(stack, masterSecret)))
    admin = Accounts.withKey(gatewayOf(0), adminSecret)
    for (const n of [0, 1]) {
      await Effect.runPromise(eventually(request(`${gatewayOf(n)}/jobs`), ({ status }) => status === 401))
    }
  }, 60_000)

  it.live("nobody is let in without a key, and what they did before is the local account's", () =>
    Effect.gen(function*() {
      for (
        const path of [
          "/jobs",
          `/jobs/${local}`,
          "/buckets",
          "/events",
          "/stats",
          "/capabilities",
          "/dead-letters",
          "/services",
          "/diagnosis"
        ]
      ) {
        const { body, headers, status } = yield* request(`${gatewayOf(1)}${path}`)
        assert.deepStrictEqual([status, body.code], [401, "unauthorized"], path)
        assert.strictEqual(headers.get("www-authenticate"), "Bearer")
      }
      // What says whether it is well, and how it is used, is for anybody.
      for (const path of ["/health", "/openapi.json", "/asyncapi.json", "/docs"]) {
        assert.strictEqual((yield* request(`${gatewayOf(1)}${path}`)).status, 200, path)
      }
      assert.strictEqual((yield* admin(`/jobs/${local}`)).status, 404)
      assert.strictEqual((yield* admin(`/jobs/${local}/explanation`)).body.code, "job_not_found")
      const own = Accounts.withKey(gatewayOf(0), yield* open("local"))
      assert.strictEqual((yield* own(`/jobs/${local}`)).body.job_id, local)
      assert.deepStrictEqual((yield* admin("/capabilities")).body.signing_schemes, ["hmac-sha256"])
    }))

  it.live("the command issues a further key of it, and refuses what it can't use", () =>
    Effect.gen(function*() {
      const settings = Accounts.settingsOf(stack, masterSecret)
      const further = yield* Accounts.init("operator", settings)
      assert.notStrictEqual(further, adminSecret)
      assert.strictEqual((yield* Accounts.withKey(gatewayOf(0), yield* known(further))("/accounts")).status, 200)
      for (
        const [account, changed, reason] of [
          ["No Account", {}, /lower-case/],
          ["acme", { MASTER_SECRET: "" }, /MASTER_SECRET/],
          ["acme", { MASTER_SECRET: "short" }, /32 characters/]
        ] as const
      ) {
        const exit = yield* Effect.exit(Accounts.init(account, { ...settings, ...changed }))
        assert.match(String(exit), reason)
      }
      assert.strictEqual((yield* admin("/accounts/acme")).status, 404)
    }))

  it.live("accounts are opened and listed, and their limits changed, by administrators", () =>
    Effect.gen(function*() {
      const account = freshAccount()
      yield* open(account)
      const { body } = yield* admin(`/accounts/${account}`)
      assert.deepInclude(body, {
        account,
        owner: stack.ownerAddress,
        limits: { requests_per_second: 10_000, jobs_in_flight: 100_000 }
      })
      assert.notProperty(body.keys[0], "secret")
      assert.deepInclude(
        (yield* admin("/accounts", post({ account, owner: stack.ownerAddress, limits: body.limits }))).body,
        { status: 409, code: "account_exists" }
      )
      const limits = { requests_per_second: 7, jobs_in_flight: 8 }
      const put = { method: "PUT", body: JSON.stringify(limits) }
      assert.deepStrictEqual((yield* admin(`/accounts/${account}/limits`, put)).body.limits, limits)
      assert.strictEqual((yield* admin("/accounts/nobody/limits", put)).body.code, "account_not_found")
      const first = (yield* eventually(
        admin("/accounts?limit=1"),
        ({ body }) => body.next !== null
      )).body
      const rest = (yield* admin(`/accounts?after=${first.next}`)).body
      assert.includeMembers(
        [...first.accounts, ...rest.accounts].map(({ account }: { readonly account: string }) => account),
        ["local", "operator", account]
      )
    }))

  it.live("a key does what its scopes allow, and nothing else", () =>
    Effect.gen(function*() {
      const account = freshAccount()
      const secrets = { write: yield* open(account, { scopes: ["write"] }), read: "", admin: "", all: "" }
      secrets.read = yield* Accounts.issue(admin, account, ["read"])
      secrets.admin = yield* Accounts.issue(admin, account, ["admin"])
      const needs: ReadonlyArray<readonly ["read" | "write" | "admin", string, Accounts.Sent]> = [
        ["read", "/jobs", {}],
        ["read", "/buckets", {}],
        ["read", "/events", {}],
        ["read", "/stats", {}],
        ["read", "/account", {}],
        ["read", "/dead-letters", {}],
        ["write", "/buckets", bucket()],
        ["write", "/buckets/batch", post({ names: [freshName()] })],
        ["write", "/buckets/none-of-that-name", remove],
        ["write", "/jobs/01a1fd96-6aed-70f8-9e47-556db4c9cbc3", remove],
        ["write", "/dead-letters/redrive", post({ all: true })],
        ["admin", "/accounts", {}],
        ["admin", "/services", {}],
        ["admin", "/diagnosis", {}],
        ["admin", `/accounts/${account}`, {}],
        ["admin", `/accounts/${account}/keys`, post({ label: "", scopes: ["read"] })],
        ["admin", `/accounts/${account}/keys/0011223344556677`, remove]
      ]
      for (const scope of ["read", "write", "admin"] as const) {
        const send = Accounts.withKey(gatewayOf(1), secrets[scope])
        yield* eventually(send("/account"), ({ status }) => status !== 401)
        for (const [needed, path, sent] of needs) {
          const { body, status } = yield* send(path, sent)
          if (needed === scope) assert.notInclude([401, 403], status, `${scope} ${path}`)
          else assert.deepInclude(body, { status: 403, code: "forbidden" }, `${scope} ${path}`)
        }
      }
    }))

  it.live("a key is rotated, and the secret before is taken for its grace time", () =>
    Effect.gen(function*() {
      const account = freshAccount()
      const secret = yield* known(yield* open(account))
      const { body: { keys: [{ key_id }] } } = yield* admin(`/accounts/${account}`)
      const rotated = yield* admin(`/accounts/${account}/keys/${key_id}/rotate`, post({ grace_seconds: 3 }))
      assert.deepInclude(rotated.body, { key_id, version: 2 })
      yield* known(rotated.body.secret)
      const old = Accounts.withKey(gatewayOf(1), secret)
      assert.strictEqual((yield* old("/account")).status, 200)
      yield* eventually(old("/account"), ({ status }) => status === 401)
      assert.strictEqual((yield* Accounts.withKey(gatewayOf(1), rotated.body.secret)("/account")).status, 200)
      yield* admin(`/accounts/${account}/keys/${key_id}`, remove)
      assert.deepInclude((yield* admin(`/accounts/${account}/keys/${key_id}/rotate`, post())).body, {
        status: 409,
        code: "key_revoked"
      })
    }))

  it.live("a key that was revoked, or has expired, counts nowhere any more, and its streams end", () =>
    Effect.gen(function*() {
      const account = freshAccount()
      const secret = yield* known(yield* open(account))
      const { body: { keys: [{ key_id }] } } = yield* admin(`/accounts/${account}`)
      const [first, second] = [0, 1].map((n) => Accounts.withKey(gatewayOf(n), secret)) as [
        Accounts.Send,
        Accounts.Send
      ]
      const other = Accounts.withKey(gatewayOf(0), yield* Accounts.issue(admin, account, ["write"]))
      const before = freshName()
      const stream = yield* Effect.forkChild(second("/events?after=0", { headers: { accept: "text/event-stream" } }))
      assert.strictEqual((yield* first("/buckets", bucket(before))).status, 202)
      const own = Accounts.withKey(gatewayOf(1), secret)
      yield* eventually(own("/events"), ({ body }) => JSON.stringify(body).includes(before))
      assert.strictEqual((yield* admin(`/accounts/${account}/keys/${key_id}`, remove)).status, 200)
      for (const send of [first, second]) yield* eventually(send("/jobs"), ({ status }) => status === 401)
      const after = freshName()
      assert.strictEqual((yield* other("/buckets", bucket(after))).status, 202)
      const { body: streamed } = yield* Fiber.join(stream)
      assert.include(streamed, before)
      assert.notInclude(streamed, after)

      const expires_at = new Date(Date.now() + 2_000).toISOString()
      const { body: { secret: short } } = yield* admin(
        `/accounts/${account}/keys`,
        post({ label: "", scopes: ["read"], expires_at })
      )
      yield* known(short)
      yield* eventually(Accounts.withKey(gatewayOf(1), short)("/jobs"), ({ status }) => status === 401)
    }))
})

describe("a signed request", () => {
  const signer = Effect.fnUntraced(function*() {
    const account = freshAccount()
    const secret = yield* known(yield* open(account, { scopes: ["read", "write", "admin"] }))
    return { account, secret }
  })
  /** Sends a request to a gateway with headers that were made before. */
  const send = (n: number, path: string, sent: Accounts.Sent, headers: Readonly<Record<string, string>>) =>
    request(`${gatewayOf(n)}${path}`, { ...sent, headers: { ...sent.headers, ...headers } })

  it.live("is let in as it is signed, and not as anything else", () =>
    Effect.gen(function*() {
      const { secret } = yield* signer()
      const path = "/jobs?prefix=a%20b&limit=3"
      const headers = Accounts.signatureOf(secret, { path })
      assert.strictEqual((yield* send(0, path, {}, headers)).status, 400, "a prefix with a space is not valid")
      assert.strictEqual((yield* send(0, "/jobs", {}, Accounts.signatureOf(secret, { path: "/jobs" }))).status, 200)
      for (
        const [changed, value] of [
          ["x-signature", "0".repeat(64)],
          ["x-signature", (headers["x-signature"] ?? "").toUpperCase()],
          ["x-signature", `${headers["x-signature"]}00`],
          ["x-signature", ""],
          ["x-timestamp", `${headers["x-timestamp"]}0`],
          ["x-timestamp", ""],
          ["authorization", "Bearer aag_pk_0011223344556677"]
        ] as const
      ) {
        const { body } = yield* send(0, path, {}, { ...headers, [changed]: value })
        assert.deepInclude(body, { status: 401, code: "unauthorized" }, `${changed}: ${value}`)
      }
      const created = bucket()
      const signedBody = Accounts.signatureOf(secret, { ...created, path: "/buckets" })
      for (
        const [changedPath, sent] of [
          ["/buckets", { ...created, body: `${created.body} ` }],
          ["/buckets/batch", created],
          ["/buckets?", created],
          ["/buckets", { ...created, method: "GET", body: undefined }]
        ] as const
      ) {
        const { status } = yield* request(
          `${gatewayOf(0)}${changedPath}`,
          { ...sent, headers: signedBody } as RequestInit
        )
        assert.strictEqual(status, 401, changedPath)
      }
      const colon = yield* send(0, "/jobs?prefix=a:b", {}, Accounts.signatureOf(secret, { path: "/jobs?prefix=a:b" }))
      assert.strictEqual(colon.status, 401)
      assert.include(colon.body.detail, "%3A")
    }))

  it.live("is let in within 300 s of the gateway's time, which it is told otherwise", () =>
    Effect.gen(function*() {
      const { secret } = yield* signer()
      const now = Math.floor(Date.now() / 1000)
      const at = (seconds: number) =>
        send(0, "/jobs", {}, Accounts.signatureOf(secret, { path: "/jobs" }, now + seconds))
      for (const seconds of [-290, 290]) assert.strictEqual((yield* at(seconds)).status, 200)
      for (const seconds of [-310, 310]) {
        const { body } = yield* at(seconds)
        assert.deepInclude(body, { status: 401, code: "clock_skew" })
        assert.closeTo(body.server_time, now, 5)
      }
    }))

  it.live("without a body may be sent with {}", () =>
    Effect.gen(function*() {
      const { account, secret } = yield* signer()
      const { body: { keys: [{ key_id }] } } = yield* admin(`/accounts/${account}`)
      const path = `/accounts/${account}/keys/${key_id}/rotate`
      const headers = Accounts.signatureOf(secret, { method: "POST", path })
      assert.strictEqual((yield* send(0, path, post({}), headers)).status, 200)
    }))

  it.live("that is repeated gets its first answer, on every gateway, and does nothing more", () =>
    Effect.gen(function*() {
      const { account, secret } = yield* signer()
      const log = yield* Log.open(stack.natsUrl)
      const other = freshAccount()
      yield* open(other)
      const { body: { keys: [{ key_id }] } } = yield* admin(`/accounts/${other}`)
      const name = freshName()
      const { body: { job_id: cancelled } } = yield* admin("/buckets", bucket())
      const opened = freshAccount()
      const limits = { requests_per_second: 1, jobs_in_flight: 1 }
      const requests: ReadonlyArray<readonly [path: string, Accounts.Sent]> = [
        ["/buckets", bucket(name)],
        ["/buckets/batch", post({ names: [freshName(), freshName()] })],
        ["/accounts", post({ account: opened, owner: stack.ownerAddress, limits })],
        [`/accounts/${account}/keys`, post({ label: "", scopes: ["read"] })],
        [`/accounts/${other}/keys/${key_id}/rotate`, post({})],
        [`/accounts/${other}/keys/${key_id}/rotate`, post({ grace_seconds: 60 })],
        [`/accounts/${other}/limits`, { method: "PUT", body: JSON.stringify(limits) }],
        [`/accounts/${other}/keys/${key_id}`, remove]
      ]
      for (const [path, sent] of requests) {
        const headers = Accounts.signatureOf(secret, { ...sent, path })
        const first = yield* send(0, path, sent, headers)
        assert.include([200, 201, 202], first.status, JSON.stringify(first.body))
        const last = yield* log.lastSequence
        for (const n of [0, 1, 1, 0]) {
          const repeat = yield* send(n, path, sent, headers)
          assert.deepStrictEqual([repeat.status, repeat.body], [first.status, first.body], path)
        }
        assert.strictEqual(yield* log.lastSequence, last, `${path} stores nothing more`)
      }
      // The same request at another time is another one.
      const [path, sent] = ["/buckets", bucket(name)] as const
      const later = Accounts.signatureOf(secret, { ...sent, path }, Math.floor(Date.now() / 1000) + 5)
      assert.strictEqual((yield* send(1, path, sent, later)).body.code, "bucket_busy")
      assert.strictEqual((yield* admin(`/jobs/${cancelled}`)).body.status, "queued")
    }).pipe(Effect.scoped))

  it.live("is taken once, however many of it come at the same time", () =>
    Effect.gen(function*() {
      const { secret } = yield* signer()
      const sent = bucket()
      const headers = Accounts.signatureOf(secret, { ...sent, path: "/buckets" })
      const answers = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, n) => n % 2),
        (n) => send(n, "/buckets", sent, headers),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(new Set(answers.map(({ body, status }) => `${status} ${body.job_id}`)), 1)
    }))
})

describe("a JSON Web Token", () => {
  const withToken = (token: string) => Accounts.withKey(gatewayOf(0), token)
  const account = "tokens"
  beforeAll(async () => {
    await Effect.runPromise(open(account))
    await Effect.runPromise(eventually(
      Effect.flatMap(
        IdentityProvider.issue(provider.keyOf(), IdentityProvider.claims(account)),
        (token) => withToken(token)("/account")
      ),
      ({ status }) => status === 200
    ))
  })

  it.live("of the provider signs in to the account that it names, with its scopes", () =>
    Effect.gen(function*() {
      for (const alg of ["RS256", "ES256"]) {
        const token = yield* IdentityProvider.issue(provider.keyOf(alg), IdentityProvider.claims(account))
        const { body } = yield* withToken(token)("/account")
        assert.deepInclude(body, { account, scopes: ["read", "write"], actor: `alice of account ${account}` })
        assert.strictEqual((yield* withToken(token)("/buckets", bucket())).status, 202)
        assert.strictEqual((yield* withToken(token)("/accounts")).status, 403)
      }
      const reader = { ...IdentityProvider.claims(account), scope: "openid read" }
      const token = yield* IdentityProvider.issue(provider.keyOf(), reader)
      assert.strictEqual((yield* withToken(token)("/buckets", bucket())).status, 403)
    }))

  const claims = IdentityProvider.claims(account)
  const { scope: _, ...withoutScope } = claims
  const cases: ReadonlyArray<readonly [string, () => Effect.Effect<string>, status: number]> = [
    [
      "that has expired",
      () => IdentityProvider.issue(provider.keyOf(), claims, Math.floor(Date.now() / 1000) - 60),
      401
    ],
    ["without an end", () => IdentityProvider.issue(provider.keyOf(), claims, null), 401],
    ["of another issuer", () => IdentityProvider.issue(provider.keyOf(), { ...claims, iss: "https://evil.org/" }), 401],
    ["for others", () => IdentityProvider.issue(provider.keyOf(), { ...claims, aud: "another" }), 401],
    ["without an audience", () => IdentityProvider.issue(provider.keyOf(), { ...claims, aud: [] }), 401],
    ["of no account", () => IdentityProvider.issue(provider.keyOf(), { ...claims, account: "nobody" }), 401],
    [
      "whose account is no text",
      () => IdentityProvider.issue(provider.keyOf(), { ...claims, account: ["tokens"] }),
      401
    ],
    ["without scopes", () => IdentityProvider.issue(provider.keyOf(), withoutScope), 403],
    [
      "of a key that the provider does not give",
      () => Effect.map(IdentityProvider.issue(provider.keyOf(), claims), (token) => `${token.slice(0, -8)}AAAAAAAA`),
      401
    ],
    ["that is not signed", () => Effect.succeed(IdentityProvider.token({ alg: "none" }, unsigned())), 401],
    [
      "that is not signed, in other letters",
      () => Effect.succeed(IdentityProvider.token({ alg: "nOnE" }, unsigned())),
      401
    ],
    ["that is signed with the public key as a secret", () =>
      Effect.map(provider.publicKeyPem, (pem) => {
        const { kid } = provider.keyOf()
        const text = IdentityProvider.token({ alg: "HS256", kid }, unsigned()).replace(/\.$/, "")
        return `${text}.${createHmac("sha256", pem).update(text).digest("base64url")}`
      }), 401],
    ["that brings its own key", () => {
      const { jwk } = provider.keyOf()
      return Effect.succeed(
        IdentityProvider.token({ alg: "RS256", jwk, jku: "http://127.0.0.1:1/" }, unsigned(), "AAAA")
      )
    }, 401],
    [
      "that says that it is critical",
      () => Effect.succeed(IdentityProvider.token({ alg: "RS256", crit: ["x"], x: 1 }, unsigned(), "AAAA")),
      401
    ],
    ["that is no JSON", () => Effect.succeed("aaaa.bbbb.cccc"), 401]
  ]
  const unsigned = () => ({ ...claims, exp: Math.floor(Date.now() / 1000) + 600, sub: "mallory" })

  it.live.each(cases)("%s is let in or not", ([, token, status]) =>
    Effect.gen(function*() {
      const answer = yield* withToken(yield* token())("/jobs")
      assert.strictEqual(answer.status, status, JSON.stringify(answer.body))
    }))

  it.live("is taken after the provider has changed its keys, without a restart", () =>
    Effect.gen(function*() {
      yield* provider.rotate
      const token = yield* IdentityProvider.issue(provider.keyOf(), claims)
      // Keys are asked for again when one is not known, and not too often.
      yield* eventually(withToken(token)("/account"), ({ status }) => status === 200)
    }))
})

describe("what is presented in a way that none should", () => {
  const get = (path: string, ...headers: ReadonlyArray<string>) =>
    [`GET ${path} HTTP/1.1`, "Host: gateway", ...headers, "", ""].join("\r\n")
  const key = () => `Authorization: Bearer ${adminSecret}`
  const padded = (secret: string, n: number) => `${secret.slice(0, n)}\0${secret.slice(n)}`

  it.live.each<readonly [string, () => string, status: number]>([
    ["the key alone", () => get("/account", key()), 200],
    ["a key twice", () => get("/account", key(), key()), 401],
    ["a key, and another scheme", () => get("/account", key(), "Authorization: Basic YTpi"), 401],
    ["a key behind another scheme", () => get("/account", "Authorization: Basic YTpi", key()), 401],
    ["a folded key", () => get("/account", "Authorization: Bearer", ` ${adminSecret}`), 400],
    ["a key with a NUL", () => get("/account", `Authorization: Bearer ${padded(adminSecret, 20)}`), 400],
    ["a key of 20 KiB", () => get("/account", `Authorization: Bearer ${"a".repeat(20 * 1024)}`), 431],
    ["a key in the path", () => get(`/account?access_token=${adminSecret}`), 401],
    ["a key as a cookie", () => get("/account", `Cookie: authorization=Bearer ${adminSecret}`), 401],
    ["a key as a proxy's", () => get("/account", `Proxy-Authorization: Bearer ${adminSecret}`), 401],
    [
      "an account that someone else names",
      () => get("/account", "X-Account: operator", "X-Forwarded-User: operator"),
      401
    ],
    ["a key to a path in other letters", () => get("/ACCOUNTS", key()), 404],
    ["no key to a path in other letters", () => get("/ACCOUNTS"), 404],
    ["no key to a path with a slash more", () => get("/accounts/"), 401],
    ["no key to an encoded path", () => get("/%61ccounts"), 401],
    ["no key by another method", () => get("/accounts").replace("GET", "HEAD"), 401],
    ["no key to a method that is not served", () => get("/accounts").replace("GET", "PATCH"), 405],
    ["no key, and the method in a header", () => get("/health", "X-HTTP-Method-Override: DELETE"), 200]
  ])("%s is answered with what it deserves", ([, bytes, status]) =>
    Effect.gen(function*() {
      const received = yield* Effect.promise(() => RawHttp.exchange(gatewayOf(0), bytes()))
      assert.deepStrictEqual(RawHttp.statusesOf(received), [status], received)
      assert.notInclude(received, adminSecret)
    }))
})
