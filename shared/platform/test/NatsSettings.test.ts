import { assert, describe, it } from "@effect/vitest"
import { nkeys } from "@nats-io/transport-node"
import { ConfigProvider, Effect, Result } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type NatsSettings, natsSettings, parseServers } from "../src/NatsSettings.ts"

describe("NATS_URL", () => {
  it.for(
    [
      ["nats://127.0.0.1:4222", ["127.0.0.1:4222"]],
      ["localhost:34224", ["localhost:34224"]],
      ["localhost", ["localhost:4222"]],
      ["nats://nats.example.com", ["nats.example.com:4222"]],
      ["NATS://host:1/", ["host:1"]],
      ["[::1]:4333", ["[::1]:4333"]],
      ["nats://[::1]", ["[::1]:4222"]],
      ["2001:db8::7", ["[2001:db8::7]:4222"]],
      ["nats://a:1,nats://b:2, c", ["a:1", "b:2", "c:4222"]],
      ["a,a:4222,b", ["a:4222", "b:4222"]]
    ] as const
  )("may be %s", ([text, addresses]) => {
    assert.deepStrictEqual(
      parseServers(text),
      Result.succeed({ addresses, isSecure: false, login: undefined }) as never
    )
  })

  it("demands TLS by tls://, for hosts without a scheme beside it too", () => {
    const { addresses, isSecure } = Result.getOrThrow(parseServers("tls://a,b:7,tls://c:8"))
    assert.deepStrictEqual([addresses, isSecure], [["a:4222", "b:7", "c:8"], true])
  })

  it.for(
    [
      ["nats://user:pass@a", { user: "user", password: "pass" }],
      ["user:pass@a:1", { user: "user", password: "pass" }],
      ["nats://s3cr3t@a", { user: "s3cr3t", password: undefined }],
      ["nats://user:@a", { user: "user", password: "" }],
      ["nats://u%40v:p%2Cw%3A%25@a", { user: "u@v", password: "p,w:%" }],
      ["nats://user:p/w:x@y@a", { user: "user", password: "p/w:x@y" }],
      ["nats://user:pass@a,nats://b,nats://user:pass@c", { user: "user", password: "pass" }]
    ] as const
  )("reads the login of %s", ([text, login]) => {
    assert.deepStrictEqual(Result.getOrThrow(parseServers(text)).login, login)
  })

  it.for(
    [
      ["", /names no server/],
      [" , ", /names no server/],
      ["ws://s3cr3t@a:8080", /ws:\/\/; .*WebSocket.*as nats:\/\//],
      ["wss://user:s3cr3t@a", /wss:\/\/; .*WebSocket.*as tls:\/\//],
      ["http://a:8222", /http:\/\/; .*monitoring/],
      ["https://user:s3cr3t@a", /https:\/\/; .*monitoring/],
      ["postgres://user:s3cr3t@a", /postgres:\/\/; write nats:\/\//],
      ["nats://a,tls://b", /nats:\/\/ and tls:\/\/ in one list/],
      ["nats://user:s3cr3t@a,nats://user:s3cr3t2@b", /different logins/],
      ["nats://user:s3cr3t,more@a", /server 1 of 2; .*%2C/],
      ["nats://user:s3cr3t", /is not nats:\/\/host:port/],
      ["nats://s3cr3t%zz@a", /login can't be read; .*%25/],
      ["nats://a:99999", /is not nats:\/\/host:port/],
      ["nats://a:0", /is not nats:\/\/host:port/],
      ["nats://[::zz]:4222", /is not nats:\/\/host:port/],
      ["nats://a/s3cr3t", /is not nats:\/\/host:port/],
      ["nats://user:s3cr3t#1@", /is not nats:\/\/host:port/]
    ] as const
  )("may not be %j, and the refusal repeats no secret", ([text, problem]) => {
    const { message } = Result.getOrThrow(Result.flip(parseServers(text)))
    assert.match(message, /^NATS_URL can't be used: /)
    assert.match(message, problem)
    assert.notInclude(message, "s3cr3t")
  })
})

const settingsOf = (variables: Readonly<Record<string, string>>) =>
  Effect.provideService(
    natsSettings,
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown({ NATS_URL: "nats://a", ...variables })
  )
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-nats-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)
/** What a server is shown. */
const shown = ({ authenticator }: NatsSettings) =>
  authenticator?.("nonce") as { readonly nkey: string; readonly jwt: string }
const newSeed = () => Buffer.from(nkeys.createUser().getSeed()).toString()
const publicKey = (seed: string) => nkeys.fromSeed(Buffer.from(seed)).getPublicKey()

describe("the login", () => {
  it.effect("may come by each variable that NATS' tools know, and is none without them", () =>
    Effect.gen(function*() {
      const loginOf = (variables: Readonly<Record<string, string>>) =>
        Effect.map(
          settingsOf(variables),
          ({ authenticator, loginSettings }) => [authenticator?.("nonce"), loginSettings]
        )
      assert.deepStrictEqual(yield* loginOf({}), [undefined, ""])
      assert.deepStrictEqual(yield* loginOf({ NATS_USER: "", NATS_TOKEN: "", NATS_CREDS: "" }), [undefined, ""])
      assert.deepStrictEqual(yield* loginOf({ NATS_USER: "u", NATS_PASSWORD: "p" }), [
        { user: "u", pass: "p" },
        "NATS_USER and NATS_PASSWORD"
      ])
      assert.deepStrictEqual(yield* loginOf({ NATS_USER: "t" }), [{ auth_token: "t" }, "NATS_USER"])
      assert.deepStrictEqual(yield* loginOf({ NATS_TOKEN: "t" }), [{ auth_token: "t" }, "NATS_TOKEN"])
      assert.deepStrictEqual(yield* loginOf({ NATS_URL: "nats://t@a" }), [{ auth_token: "t" }, "NATS_URL"])
      const file = join(yield* folder, "secret")
      writeFileSync(file, "of a file\n", { mode: 0o600 })
      assert.deepStrictEqual(yield* loginOf({ NATS_USER: "u", NATS_PASSWORD_FILE: file }), [
        { user: "u", pass: "of a file" },
        "NATS_USER and NATS_PASSWORD"
      ])
      assert.deepStrictEqual(yield* loginOf({ NATS_TOKEN_FILE: file }), [{ auth_token: "of a file" }, "NATS_TOKEN"])
    }))

  it.effect("by a file follows the file, and keeps to what it was while the file can't be used", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "seed.nk")
      const [first, second] = [newSeed(), newSeed()]
      writeFileSync(file, `${first}\n`)
      const settings = yield* settingsOf({ NATS_NKEY: file })
      const nkey = () => shown(settings).nkey
      assert.strictEqual(nkey(), publicKey(first))
      writeFileSync(file, second)
      assert.strictEqual(nkey(), publicKey(second))
      writeFileSync(file, "being written")
      assert.strictEqual(nkey(), publicKey(second))
      rmSync(file)
      assert.strictEqual(nkey(), publicKey(second))
    }).pipe(Effect.scoped))

  it.effect("by a credentials file takes line ends of every kind", () =>
    Effect.gen(function*() {
      const seed = newSeed()
      const lines = [
        "-----BEGIN NATS USER JWT-----",
        "header.claims.signature",
        "------END NATS USER JWT------",
        "",
        "-----BEGIN USER NKEY SEED-----",
        seed,
        "------END USER NKEY SEED------"
      ]
      const file = join(yield* folder, "user.creds")
      for (const text of [lines.join("\n"), lines.join("\r\n"), `${lines.join("\n")}\n\n***\n`]) {
        writeFileSync(file, text)
        const login = shown(yield* settingsOf({ NATS_CREDS: file }))
        assert.deepStrictEqual([login.jwt, login.nkey], ["header.claims.signature", publicKey(seed)])
      }
    }).pipe(Effect.scoped))

  it.effect("is refused where it is two, is half of one, or is in a file that can't be used", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const [empty, missing] = [join(root, "empty"), join(root, "missing")]
      writeFileSync(empty, "")
      const refusals = [
        [
          { NATS_URL: "nats://s3cr3t@a", NATS_TOKEN: "s3cr3t" },
          "NATS_URL and NATS_TOKEN can't be used: each is a login"
        ],
        [
          { NATS_USER: "u", NATS_PASSWORD: "s3cr3t", NATS_NKEY: newSeed() },
          "NATS_PASSWORD and NATS_NKEY can't be used"
        ],
        [{ NATS_PASSWORD: "s3cr3t" }, "NATS_PASSWORD can't be used: it needs NATS_USER"],
        [{ NATS_CREDS: missing }, "NATS_CREDS can't be used: its file can't be read (ENOENT)"],
        [{ NATS_CREDS: empty }, "NATS_CREDS can't be used: its file is not one of credentials"],
        [{ NATS_NKEY: "SUs3cr3t" }, "NATS_NKEY can't be used: its file can't be read (ENOENT)"],
        [{ NATS_NKEY: empty }, "NATS_NKEY can't be used: its file has no seed"],
        [{ NATS_NKEY: `SU${"A".repeat(56)}` }, "NATS_NKEY can't be used: it can't be used"],
        [{ NATS_CA: missing }, "NATS_CA can't be used: its file can't be read (ENOENT)"],
        [{ NATS_CERT: empty }, "NATS_CERT can't be used: it needs NATS_KEY"],
        [{ NATS_KEY: empty }, "NATS_KEY can't be used: it needs NATS_CERT"]
      ] as const
      for (const [variables, reported] of refusals) {
        const { message } = yield* Effect.flip(settingsOf(variables))
        assert.include(message, reported)
        assert.notInclude(message, "s3cr3t")
      }
    }).pipe(Effect.scoped))
})

it.effect("certificates demand TLS, as tls:// does", () =>
  Effect.gen(function*() {
    const file = join(yield* folder, "file")
    writeFileSync(file, "")
    assert.isUndefined((yield* settingsOf({})).tls)
    assert.deepStrictEqual((yield* settingsOf({ NATS_URL: "tls://a" })).tls, {})
    assert.deepStrictEqual((yield* settingsOf({ NATS_CA: file })).tls, { caFile: file })
    assert.deepStrictEqual((yield* settingsOf({ NATS_CERT: file, NATS_KEY: file })).tls, {
      certFile: file,
      keyFile: file
    })
  }).pipe(Effect.scoped))
