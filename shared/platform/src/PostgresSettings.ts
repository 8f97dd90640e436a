/**
 * Where Postgres is, as `DATABASE_URL` says it: a URL as libpq takes it. What `pg` would misread in silence is refused. No
 * message here repeats what was given: any part of it may hold a secret.
 */
import { NodeServices } from "@effect/platform-node"
import { Config, Effect, Option, Redacted, Result, Schema } from "effect"
import { Client, type ClientConfig } from "pg"
import { parse, toClientConfig } from "pg-connection-string"
import * as Secrets from "./Secrets.ts"
import * as SecretSetting from "./SecretSetting.ts"

/** The URL can't be used; says why, and what to do. */
export class DatabaseUrlInvalid extends Schema.TaggedError<DatabaseUrlInvalid>()("DatabaseUrlInvalid", {
  problem: Schema.String
}) {
  override readonly message = `DATABASE_URL can't be used: ${this.problem}`
}

const shape = "write it as postgres://user:password@host:port/database"
const encoding = "in user name and password write each of / ? # @ : % as %2F %3F %23 %40 %3A %25"
const modeOfSsl: Readonly<Record<string, string>> = {
  true: "verify-full",
  1: "verify-full",
  "no-verify": "no-verify",
  false: "disable",
  0: "disable"
}
const modes = new Set(["disable", "require", "verify-ca", "verify-full", "no-verify"])

/** Other parameters are for other clients, or would be taken for settings of `pg` itself. */
const taken = new Set([
  "host",
  "port",
  "user",
  "password",
  "database",
  "ssl",
  "sslnegotiation",
  "application_name",
  "options",
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout"
])

/**
 * Reads a URL. TLS is as with libpq: `require` encrypts without looking at the certificate (unless `sslrootcert` says who
 * must have signed it), `verify-ca` looks at who signed it, `verify-full` at its name too. Without a mode there is no TLS.
 */
export const parseUrl = (
  text: string,
  defaultMode: string | undefined
): Result.Result<ClientConfig, DatabaseUrlInvalid> => {
  const wrong = (problem: string) => Result.fail(new DatabaseUrlInvalid({ problem }))
  const [address = "", ...query] = text.trim().split("?")
  if (!/^(postgres(ql)?|socket):\/|^\//.test(address)) return wrong(`it is no URL of Postgres; ${shape}`)
  const parameters = new URLSearchParams(query.join("?"))
  // What follows such a character in a password would be taken for host, database or parameters.
  if (text.includes("#") || [...parameters.keys()].some((name) => name.includes("@"))) {
    return wrong(`it can't be read; ${shape}; ${encoding}`)
  }

  const ssl = parameters.get("ssl")
  const mode = parameters.get("sslmode") ?? (ssl === null ? defaultMode : modeOfSsl[ssl] ?? "unknown")
  if (mode !== undefined && !modes.has(mode)) {
    const unknown = /^[a-z-]{1,20}$/.test(mode) ? `sslmode=${mode} is not known here` : "its sslmode is not known"
    return wrong(`${unknown}; take disable, require, verify-ca or verify-full`)
  }
  const isSystem = parameters.get("sslrootcert") === "system"
  for (const name of ["ssl", "sslmode", "uselibpqcompat", ...(isSystem ? ["sslrootcert"] : [])]) parameters.delete(name)
  if (mode !== undefined) parameters.set("sslmode", mode === "no-verify" ? "require" : mode)

  let config
  try {
    // A plus sign is what a URL's own encoding makes of a space; here it would stay one.
    const encoded = parameters.toString().replaceAll("+", "%20")
    config = parse(encoded === "" ? address : `${address}?${encoded}`, { useLibpqCompat: true })
  } catch (cause) {
    const isFile = cause instanceof Error && "syscall" in cause && "code" in cause
    if (isFile) {
      return wrong(`a file that it names can't be read (${cause.code}); look at sslrootcert, sslcert and sslkey`)
    }
    return mode === "verify-ca"
      ? wrong("sslmode=verify-ca needs sslrootcert, the file of the authority; or take verify-full")
      : wrong(`it can't be read; ${shape}; ${encoding}`)
  }
  if ([config.host, config.database].some((part) => part?.includes("@"))) return wrong(`it has a second @; ${encoding}`)
  if (typeof config.ssl === "object") {
    if (mode === "no-verify") config.ssl.rejectUnauthorized = false
    // As with libpq, asking for the system's authorities asks for the name as well.
    if (isSystem) config.ssl = {}
  }
  const usable: ClientConfig = {
    ...Object.fromEntries(Object.entries(toClientConfig(config)).filter(([name]) => taken.has(name))),
    // The password's proof is tied to the TLS connection, where the server offers that.
    enableChannelBinding: ["prefer", "require"].includes(parameters.get("channel_binding") ?? "")
  }
  // A client looks at what it is given, and at the variables that it knows; nothing is connected yet.
  const problem = "sslnegotiation is postgres or direct, and direct needs an sslmode with TLS"
  const client = Result.try({ try: () => new Client(usable), catch: () => new DatabaseUrlInvalid({ problem }) })
  return Result.map(client, () => usable)
}

/** The connection of `DATABASE_URL(_FILE)`; what that leaves out comes from the variables that libpq knows, as `PGPASSWORD`. */
export const databaseUrl = Effect.gen(function*() {
  const read = yield* SecretSetting.read("DATABASE_URL")
  const url = Option.isSome(read) ? read.value : yield* Config.Redacted("DATABASE_URL")
  const mode = yield* Config.option(Config.String("PGSSLMODE"))
  const config = parseUrl(Redacted.value(url), Option.getOrUndefined(Option.filter(mode, (text) => text !== "")))
  const client = yield* Effect.fromResult(config)
  if (typeof client.password === "string") Secrets.register(client.password)
  yield* Config.option(Secrets.setting("PGPASSWORD"))
  return Redacted.make(client)
}).pipe(Effect.provide(NodeServices.layer))
