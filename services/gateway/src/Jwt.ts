/** Who asks, by a JSON Web Token (RFC 7519) of an identity provider. */
import { Scope } from "@akave-async/domain/Account"
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import { Config, Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from "jose"
import { isLoopback } from "./Exposure.ts"
import { Unauthorized } from "./SignIn.ts"

/** Characters of the shortest secret: as many bytes as a signature by HS256 has. */
const minSecret = 32
/** How far the clocks of provider and gateway may differ, in seconds. */
const clockTolerance = 5
/** What a gateway waits for the provider's keys, in milliseconds. */
const patience = 2_000
/** A key that is not known makes the keys be asked for again, at most so often, in milliseconds. */
const cooldown = 5_000
/** Characters of a subject that are kept. */
const maxSubject = 100

const ofSecret = ["HS256", "HS384", "HS512"]
const ofKeys = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]

/** The settings of JWT don't go together; says what to do. */
export class JwtRefused extends Schema.TaggedError<JwtRefused>()("JwtRefused", { reason: Schema.String }) {
  override readonly message = this.reason
}
/** The provider does not give its keys. */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {}) {
  override readonly message = "The identity provider does not give its keys"
}

/** What a token says. */
export interface Claims {
  readonly account: string
  readonly subject: string
  readonly scopes: ReadonlyArray<Scope>
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

export class Jwt extends Context.Service<Jwt, {
  /** What a token says, if it is to be believed now. */
  verify(token: string): Effect.Effect<Claims, Unauthorized | ProviderUnavailable>
}>()("@akave-async/gateway/Jwt") {
  /**
   * Takes the tokens of `JWT_ISSUER` for `JWT_AUDIENCE`, checked with the keys at `JWT_JWKS_URL` or with `JWT_SECRET(_FILE)`, by
   * one of `JWT_ALGORITHMS`; `JWT_ACCOUNT_CLAIM` names the account. None, where neither URL nor secret is set.
   */
  static readonly layerConfig = Layer.effect(
    Jwt,
    Effect.gen(function*() {
      const secret = yield* SecretSetting.watched("JWT_SECRET", minSecret)
      const url = yield* Config.option(Config.URL("JWT_JWKS_URL"))
      if (Option.isNone(url) && Option.isNone(secret())) return Jwt.of({ verify: () => Effect.fail(notTaken) })
      if (Option.isSome(url) && Option.isSome(secret())) {
        return yield* refused("Set JWT_JWKS_URL or JWT_SECRET, not both")
      }
      const issuer = yield* required("JWT_ISSUER")
      const audience = yield* required("JWT_AUDIENCE")
      const accountClaim = yield* Config.NonEmptyString("JWT_ACCOUNT_CLAIM").pipe(Config.withDefault("account"))
      const algorithms = yield* algorithmsOf(
        Option.isSome(url) ? ofKeys : ofSecret,
        Option.isSome(url) ? "RS256,ES256" : "HS256"
      )
      const options = { issuer, audience, algorithms, clockTolerance, requiredClaims: ["exp", "iss", "aud"] }
      const verifyWith = Option.isSome(url) ? yield* byKeys(url.value) : bySecret(secret)

      const verify = Effect.fn("Jwt.verify")(function*(token: string) {
        const payload = yield* Effect.tryPromise({
          try: async () => (await verifyWith(token, options)).payload,
          catch: (error) => isOfToken(error) ? notBelieved : new ProviderUnavailable()
        })
        return yield* claimsOf(payload, accountClaim)
      })
      return Jwt.of({ verify })
    })
  )
}

/** Whether a bearer token is a JSON Web Token rather than a key: three parts in base64url. */
export const isToken = (bearer: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(bearer)

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ readonly payload: JWTPayload }>

const bySecret = (secret: () => Option.Option<Redacted.Redacted>): Verify => (token, options) =>
  jwtVerify(token, new TextEncoder().encode(Redacted.value(Option.getOrThrow(secret()))), options)

const byKeys = Effect.fnUntraced(function*(url: URL) {
  if (url.protocol !== "https:" && !isLoopback(url.hostname.replaceAll(/^\[|\]$/g, ""))) {
    return yield* refused("JWT_JWKS_URL is no https URL: whoever changes what it gives could sign in as anybody")
  }
  const keys = createRemoteJWKSet(url, { timeoutDuration: patience, cooldownDuration: cooldown })
  return ((token, options) => jwtVerify(token, keys, options)) satisfies Verify
})

const refused = (reason: string) => Effect.fail(new JwtRefused({ reason }))

const required = Effect.fnUntraced(function*(name: string) {
  const value = yield* Config.option(Config.NonEmptyString(name))
  return Option.isSome(value)
    ? value.value
    : yield* refused(`Set ${name}: without it, tokens that were made for others would be taken`)
})

/** Those of `JWT_ALGORITHMS`; a list never mixes those of secrets and of keys, so that neither is taken for the other. */
const algorithmsOf = Effect.fnUntraced(function*(possible: ReadonlyArray<string>, standard: string) {
  const text = yield* Config.String("JWT_ALGORITHMS").pipe(Config.withDefault(standard))
  const algorithms = text.split(",").map((one) => one.trim())
  const unusable = algorithms.filter((one) => !possible.includes(one))
  if (unusable.length === 0) return algorithms
  return yield* refused(`JWT_ALGORITHMS has ${unusable.join(", ")}; possible are ${possible.join(", ")}`)
})

const notTaken = new Unauthorized({ reason: "This gateway takes no JSON Web Tokens: send an API key" })
const notBelieved = new Unauthorized({
  reason: "The token is not signed by the provider, is for others, or has expired"
})

/** Whether a token, rather than the way to the provider's keys, is what is wrong. */
const isOfToken = (error: unknown): boolean =>
  error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout) && !(error instanceof errors.JWKSInvalid)
  && error.code !== "ERR_JOSE_GENERIC"

const claimsOf = (payload: JWTPayload, accountClaim: string): Effect.Effect<Claims, Unauthorized> => {
  const account = payload[accountClaim]
  if (typeof account !== "string") {
    return Effect.fail(new Unauthorized({ reason: `The token has no claim ${accountClaim} that names an account` }))
  }
  const { exp = 0, scope, sub = "" } = payload
  const scopes = (typeof scope === "string" ? scope.split(" ") : []).filter(Schema.is(Scope))
  // Events name the subject: characters that could forge a line are left out.
  const subject = sub.replaceAll(/[^\x21-\x7e]/g, "").slice(0, maxSubject)
  return Effect.succeed({ account, subject, scopes, expiresAt: exp * 1_000 })
}
