import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted, Result } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import { databaseUrl, parseUrl } from "../src/PostgresSettings.ts"

/** Where pg would go, with what. */
const target = (url: string, mode?: string) => {
  const config = Result.getOrThrow(parseUrl(url, mode))
  const { database, host, port, user } = new Client(config)
  return { host, port, user, database, password: config.password }
}
const tls = (url: string, mode?: string) => Result.getOrThrow(parseUrl(url, mode)).ssl

describe("DATABASE_URL", () => {
  it.for(
    [
      ["postgres://u:p@h:1/d", { host: "h", port: 1, user: "u", database: "d", password: "p" }],
      ["postgresql://u:p@h/d", { host: "h", port: 5432, user: "u", database: "d", password: "p" }],
      ["postgres://u%40x:p%2F%3F%23%40%3A%25+@h/d", {
        host: "h",
        port: 5432,
        user: "u@x",
        database: "d",
        password: "p/?#@:%+"
      }],
      ["postgres://u:p@[::1]:1/d", { host: "::1", port: 1, user: "u", database: "d", password: "p" }],
      ["postgres://u:p@/d?host=/run/postgresql", {
        host: "/run/postgresql",
        port: 5432,
        user: "u",
        database: "d",
        password: "p"
      }],
      ["postgres://u:p@%2Frun%2Fpostgresql/d", {
        host: "/run/postgresql",
        port: 5432,
        user: "u",
        database: "d",
        password: "p"
      }]
    ] as const
  )("may be %s", ([url, expected]) => assert.deepStrictEqual(target(url), expected))

  it("hands on what it says of the session", () => {
    const config = Result.getOrThrow(parseUrl("postgres://h/d?application_name=a%20b&options=-c%20role%3Dx", undefined))
    assert.deepInclude(config, { application_name: "a b", options: "-c role=x" })
  })

  it("leaves out what is meant for other clients", () => {
    const others = "pgbouncer=true&connection_limit=1&schema=x&max=1&log=x&Client=x&binary=true&pipeline=true"
    assert.deepStrictEqual(
      parseUrl(`postgres://u:p@h:1/d?${others}`, undefined),
      parseUrl("postgres://u:p@h:1/d", undefined)
    )
  })

  it.for(
    [
      "localhost:5432/d",
      "host=h password=s3cr3t",
      "jdbc:postgresql://h/d?password=s3cr3t",
      "mysql://u:s3cr3t@h/d",
      "postgres://u:s3c/r3t@h/d",
      "postgres://u:12/s3cr3t@h/d",
      "postgres://u:12?s3cr3t@h/d",
      "postgres://u:12#s3cr3t@h/d",
      "postgres://u:s3cr3t@h1:1,h2:2/d",
      "postgres://u:s3cr3t@h/d?sslmode=prefer",
      "postgres://u:s3cr3t@h/d?sslmode=allow",
      "postgres://u:s3cr3t@h/d?ssl=s3cr3t",
      "postgres://u:s3cr3t@h/d?sslmode=verify-ca",
      "postgres://u:s3cr3t@h/d?sslmode=disable&sslnegotiation=direct",
      "postgres://u:s3cr3t@h/d?sslmode=require&sslrootcert=/missing.pem"
    ]
  )("may not be %s, and the refusal says what to do and repeats no secret", (url) => {
    const { message } = Result.getOrThrow(Result.flip(parseUrl(url, undefined)))
    assert.match(
      message,
      /^DATABASE_URL can't be used: .*(write it as|in user name and password write|take|needs|look at)/
    )
    assert.notMatch(message, /s3c|r3t/)
  })
})

describe("TLS", () => {
  it("is as with libpq", () => {
    const folder = mkdtempSync(join(tmpdir(), "akave-async-postgres-"))
    const ca = join(folder, "ca.pem")
    try {
      writeFileSync(ca, "certificate")
      const url = "postgres://h/d"
      assert.isUndefined(tls(url))
      assert.isFalse(tls(`${url}?sslmode=disable`))
      for (const off of ["false", "0"]) assert.isFalse(tls(`${url}?ssl=${off}`))
      for (const encrypted of ["sslmode=require", "sslmode=no-verify", "ssl=no-verify"]) {
        assert.deepStrictEqual(tls(`${url}?${encrypted}`), { rejectUnauthorized: false })
      }
      for (
        const verified of ["sslmode=verify-full", "ssl=true", "ssl=1", "sslmode=require&sslrootcert=system"].flatMap(
          (parameters) => [parameters, `${parameters}&uselibpqcompat=true`]
        )
      ) assert.deepStrictEqual(tls(`${url}?${verified}`), {})
      assert.deepStrictEqual(tls(`${url}?sslmode=verify-full&sslrootcert=${ca}`), { ca: "certificate" })
      for (const mode of ["require", "verify-ca"]) {
        assert.hasAllKeys(tls(`${url}?sslmode=${mode}&sslrootcert=${ca}`), ["ca", "checkServerIdentity"])
      }
      const own = tls(`${url}?sslmode=no-verify&sslcert=${ca}&sslkey=${ca}`)
      assert.deepInclude(own, { cert: "certificate", key: "certificate", rejectUnauthorized: false })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it.effect("may be asked for by PGSSLMODE, which the URL overrides", () =>
    Effect.gen(function*() {
      const read = (variables: Readonly<Record<string, string>>) =>
        Effect.provideService(databaseUrl, ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables)).pipe(
          Effect.map((config) => Redacted.value(config).ssl)
        )
      assert.deepStrictEqual(yield* read({ DATABASE_URL: "postgres://h/d", PGSSLMODE: "require" }), {
        rejectUnauthorized: false
      })
      assert.isFalse(yield* read({ DATABASE_URL: "postgres://h/d?sslmode=disable", PGSSLMODE: "require" }))
      assert.isFalse(yield* read({ DATABASE_URL: "postgres://h/d?ssl=0", PGSSLMODE: "require" }))
      assert.isUndefined(yield* read({ DATABASE_URL: "postgres://h/d", PGSSLMODE: "" }))
      const refused = yield* Effect.flip(read({ DATABASE_URL: "postgres://h/d", PGSSLMODE: "prefer" }))
      assert.include(refused.message, "sslmode=prefer is not known here; take disable, require")
    }))

  it.effect("may be in a file that only its owner may read", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "akave-async-postgres-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "url")
      const read = (variables: Readonly<Record<string, string>>) =>
        Effect.provideService(databaseUrl, ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))
      writeFileSync(file, "postgres://u:p@h/d\n", { mode: 0o600 })
      assert.deepInclude(Redacted.value(yield* read({ DATABASE_URL_FILE: file })), {
        host: "h",
        user: "u",
        password: "p"
      })
      chmodSync(file, 0o640)
      assert.include((yield* Effect.flip(read({ DATABASE_URL_FILE: file }))).message, "chmod 600")
      assert.include((yield* Effect.flip(read({}))).message, "DATABASE_URL")
    }))

  it("ties the password's proof to the connection where the URL asks for that", () => {
    for (const [parameters, enableChannelBinding] of [["", false], ["?channel_binding=require", true]] as const) {
      assert.deepInclude(Result.getOrThrow(parseUrl(`postgres://h/d${parameters}`, undefined)), {
        enableChannelBinding
      })
    }
  })
})
