/**
 * Where NATS is and how to sign in there, as the environment says it: URLs and variables mean what they mean to NATS' own
 * tools. No message here repeats what was given: any part of it may hold a secret.
 */
import { NodeServices } from "@effect/platform-node"
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator
} from "@nats-io/transport-node"
import { Config, Effect, Option, Redacted, Result, Schema } from "effect"
import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import type { SecretFileRefused } from "./SecretFile.ts"
import * as Secrets from "./Secrets.ts"
import * as SecretSetting from "./SecretSetting.ts"

/** What is set can't be used; says which setting, and what to do. */
export class NatsSettingsInvalid extends Schema.TaggedError<NatsSettingsInvalid>()("NatsSettingsInvalid", {
  setting: Schema.String,
  problem: Schema.String
}) {
  override readonly message = `${this.setting} can't be used: ${this.problem}`
}

/** What a list of servers says. */
export interface Servers {
  /** Each as `host:port`, an IPv6 address in brackets. */
  readonly addresses: readonly [string, ...Array<string>]
  /** True where nothing may go over the network without TLS. */
  readonly isSecure: boolean
  /** A user with a password, or a token in the place of the user. */
  readonly login: Login | undefined
}

interface Login {
  readonly user: string
  readonly password: string | undefined
}

const defaultPort = 4222
const entryPattern = /^(?:([a-z][a-z\d+.-]*):\/\/)?(?:(.*)@)?(.*?)\/?$/i
const hostPattern = /^(\[[^[\]]+\]|[\w.-]+)(?::(\d+))?$/
const encoding = "in a user name, password or token write each of , : / ? # @ % as %2C %3A %2F %3F %23 %40 %25"

/** Reads the value of `NATS_URL`: servers separated by commas, each with or without scheme, login and port. */
export const parseServers = (text: string): Result.Result<Servers, NatsSettingsInvalid> => {
  const wrong = (problem: string) => Result.fail(new NatsSettingsInvalid({ setting: "NATS_URL", problem }))
  const entries = text.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "")
  const addresses: Array<string> = []
  const schemes = new Set<string>()
  const logins = new Map<string, Login>()
  for (const [index, entry] of entries.entries()) {
    const which = entries.length === 1 ? "" : `, server ${index + 1} of ${entries.length}`
    const [, givenScheme, login, place = ""] = entryPattern.exec(entry) ?? []
    const scheme = givenScheme?.toLowerCase()
    if (scheme !== undefined) {
      if (scheme !== "nats" && scheme !== "tls") return wrong(`it has ${scheme}://${which}; ${remedyForScheme(scheme)}`)
      schemes.add(scheme)
    }
    const [, host, port = `${defaultPort}`] = isIP(place) === 6 ? [place, `[${place}]`] : hostPattern.exec(place) ?? []
    const isHost = host !== undefined && (!host.startsWith("[") || isIP(host.slice(1, -1)) === 6)
    if (!isHost || Number(port) < 1 || Number(port) > 65_535) {
      return wrong(`it is not nats://host:port or tls://host:port${which}; ${encoding}`)
    }
    addresses.push(`${host}:${Number(port)}`)
    if (login !== undefined && login !== "") {
      const [user = "", ...rest] = login.split(":")
      try {
        const password = rest.length === 0 ? undefined : decodeURIComponent(rest.join(":"))
        logins.set(login, { user: decodeURIComponent(user), password })
      } catch {
        return wrong(`its login can't be read${which}; ${encoding}`)
      }
    }
  }
  const [first, ...others] = new Set(addresses)
  if (first === undefined) return wrong("it names no server, such as nats://127.0.0.1:4222")
  if (schemes.size > 1) {
    return wrong("it has nats:// and tls:// in one list; write tls:// for all, so that nothing goes unencrypted")
  }
  if (logins.size > 1) return wrong("its servers have different logins; give all of them the same one")
  const [login] = logins.values()
  return Result.succeed({ addresses: [first, ...others], isSecure: schemes.has("tls"), login })
}

const remedyForScheme = (scheme: string): string => {
  if (scheme === "ws" || scheme === "wss") {
    return `this is no WebSocket client: give the server's client port, as ${
      scheme === "ws" ? "nats" : "tls"
    }://host:4222`
  }
  return scheme.startsWith("http")
    ? "that is the server's monitoring: give its client port, as nats://host:4222 or tls://host:4222"
    : "write nats://host:4222, or tls://host:4222 where TLS is demanded"
}

/** How a connection is to be made. */
export interface NatsSettings {
  readonly addresses: Servers["addresses"]
  /** Given where TLS is demanded: nothing is sent to a server that has none. */
  readonly tls: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string } | undefined
  readonly authenticator: Authenticator | undefined
  /** What to look at when the server refuses the sign-in. */
  readonly loginSettings: string
}

const optional = <A>(config: Config.Config<A>, isEmpty: (value: A) => boolean) =>
  Config.option(config).pipe(
    Config.map((option) => Option.getOrUndefined(Option.filter(option, (value) => !isEmpty(value))))
  )
const isEmptyText = (text: string) => text === ""
const isEmptySecret = (secret: Redacted.Redacted) => Redacted.value(secret) === ""

const variables = Config.all({
  url: Config.Redacted("NATS_URL"),
  user: optional(Config.String("NATS_USER"), isEmptyText),
  // The seed itself may be given in the place of its file.
  nkey: optional(Secrets.setting("NATS_NKEY"), isEmptySecret),
  creds: optional(Config.String("NATS_CREDS"), isEmptyText),
  caFile: optional(Config.String("NATS_CA"), isEmptyText),
  certFile: optional(Config.String("NATS_CERT"), isEmptyText),
  keyFile: optional(Config.String("NATS_KEY"), isEmptyText)
})

/** The settings of this process. Files that they name are read once here, so that a wrong one is reported at the start. */
export const natsSettings: Effect.Effect<
  NatsSettings,
  NatsSettingsInvalid | SecretFileRefused | Config.ConfigError
> = Effect.gen(
  function*() {
    const { caFile, certFile, creds, keyFile, nkey, url, user } = yield* variables
    const password = Option.getOrUndefined(yield* SecretSetting.read("NATS_PASSWORD"))
    const token = Option.getOrUndefined(yield* SecretSetting.read("NATS_TOKEN"))
    const { addresses, isSecure, login } = yield* Effect.fromResult(parseServers(Redacted.value(url)))
    const wrong = (setting: string, problem: string) => new NatsSettingsInvalid({ setting, problem })

    const logins: Array<readonly [setting: string, make: () => Authenticator]> = []
    const add = (setting: string, { password, user }: Login) =>
      logins.push([
        setting,
        () => password === undefined ? tokenAuthenticator(user) : usernamePasswordAuthenticator(user, password)
      ])
    if (login !== undefined) {
      // Where there is no password, the user is a token.
      Secrets.register(login.password ?? login.user)
      add("NATS_URL", login)
    }
    if (user !== undefined) {
      const secret = password === undefined ? undefined : Redacted.value(password)
      add(secret === undefined ? "NATS_USER" : "NATS_USER and NATS_PASSWORD", { user, password: secret })
    } else if (password !== undefined) return yield* wrong("NATS_PASSWORD", "it needs NATS_USER beside it")
    if (token !== undefined) logins.push(["NATS_TOKEN", () => tokenAuthenticator(Redacted.value(token))])
    if (nkey !== undefined) logins.push(["NATS_NKEY", () => byNkey(Redacted.value(nkey))])
    if (creds !== undefined) logins.push(["NATS_CREDS", () => byCreds(creds)])
    if (logins.length > 1) {
      return yield* wrong(logins.map(([setting]) => setting).join(" and "), "each is a login; leave one of them")
    }
    const [setting, make] = logins[0] ?? []
    const authenticator = setting === undefined || make === undefined ? undefined : yield* Effect.try({
      try: make,
      catch: (cause) => wrong(setting, problemOf(cause))
    })

    if ((certFile === undefined) !== (keyFile === undefined)) {
      const [given, missing] = certFile === undefined ? ["NATS_KEY", "NATS_CERT"] : ["NATS_CERT", "NATS_KEY"]
      return yield* wrong(given, `it needs ${missing} beside it`)
    }
    for (const [setting, file] of [["NATS_CA", caFile], ["NATS_CERT", certFile], ["NATS_KEY", keyFile]] as const) {
      if (file === undefined) continue
      yield* Effect.try({ try: () => readFileSync(file), catch: (cause) => wrong(setting, problemOf(cause)) })
    }
    const files = {
      ...(caFile === undefined ? {} : { caFile }),
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile })
    }
    return {
      addresses,
      // As with NATS' own tools, naming certificates demands TLS.
      tls: isSecure || Object.keys(files).length > 0 ? files : undefined,
      authenticator,
      loginSettings: setting ?? ""
    }
  }
).pipe(Effect.provide(NodeServices.layer))

/** A file may be replaced at any time: each sign-in reads it again, and keeps to the last one that could be used. */
const reread = (read: () => Authenticator): Authenticator => {
  let last = usable(read)
  return (nonce) => {
    try {
      last = usable(read)
    } catch {
      // The server says whether the last one still does.
    }
    return last(nonce)
  }
}

/** An authenticator reads what it is made of when it signs: so it has to sign once to be known to work. */
const usable = (read: () => Authenticator): Authenticator => {
  const authenticator = read()
  authenticator("nonce")
  return authenticator
}

class Unreadable extends Error {}

const seedPattern = /^SU[A-Z2-7]{56}$/
const byNkey = (seedOrFile: string): Authenticator => {
  if (seedPattern.test(seedOrFile)) return usable(() => nkeyAuthenticator(Buffer.from(seedOrFile)))
  return reread(() => {
    const seed = readFileSync(seedOrFile, "utf8").split("\n").map((line) => line.trim()).find((line) =>
      seedPattern.test(line)
    )
    if (seed === undefined) throw new Unreadable("its file has no seed of a user, which begins with SU")
    Secrets.register(seed)
    return nkeyAuthenticator(Buffer.from(seed))
  })
}

const byCreds = (file: string): Authenticator =>
  reread(() => {
    // The library knows neither line ends of Windows nor a last line without an end.
    const text = `${readFileSync(file, "utf8").replaceAll("\r\n", "\n")}\n`
    for (const [secret] of text.matchAll(/^[\w.-]{40,}$/gm)) Secrets.register(secret)
    const authenticator = credsAuthenticator(Buffer.from(text))
    try {
      return usable(() => authenticator)
    } catch {
      throw new Unreadable("its file is not one of credentials, as nsc makes it with a JWT and a seed")
    }
  })

const problemOf = (cause: unknown): string => {
  if (cause instanceof Unreadable) return cause.message
  const code = cause instanceof Error && "code" in cause ? `${cause.code}` : ""
  return code.startsWith("E") ? `its file can't be read (${code})` : "it can't be used"
}
