/** An identity provider on this machine: it gives its keys by HTTP, and issues tokens. */
import { Effect } from "effect"
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export const issuer = "https://id.example.org/"
export const audience = "akave-async"

type Key = Awaited<ReturnType<typeof newKey>>

const newKey = async (alg: string) => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = Math.random().toString(36).slice(2)
  return { alg, kid, privateKey, publicKey, jwk: { ...await exportJWK(publicKey), alg, kid, use: "sig" } }
}

/** Gives keys until the scope closes. */
export const start = Effect.gen(function*() {
  let keys: ReadonlyArray<Key> = yield* Effect.promise(() => Promise.all([newKey("RS256"), newKey("ES256")]))
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    () =>
      Effect.promise(() =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        })
      )
  )
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/keys`,
    /** How often the keys were asked for. */
    get asked() {
      return asked
    },
    /** Signs by other keys from now on, as after a rotation. */
    rotate: Effect.promise(async () => {
      keys = await Promise.all([newKey("RS256"), newKey("ES256")])
    }),
    keyOf: (alg = "RS256") => keys.find((key) => key.alg === alg) ?? fail(),
    publicKeyPem: Effect.suspend(() => Effect.promise(() => exportSPKI((keys[0] ?? fail()).publicKey)))
  }
})
export type IdentityProvider = Effect.Success<typeof start>

const fail = (): never => {
  throw new Error("there is no such key")
}

/** What a token says where a test does not say otherwise. */
export const claims = (account: string): JWTPayload => ({ iss: issuer, aud: audience, account, scope: "read write" })

/** A token by a key, for ten minutes. */
export const issue = (
  { alg, kid, privateKey }: Key,
  payload: JWTPayload,
  expiresIn: string | number | null = "10 minutes"
): Effect.Effect<string> =>
  Effect.promise(() => {
    const token = new SignJWT(payload).setProtectedHeader({ alg, kid }).setSubject("alice").setIssuedAt()
    return (expiresIn === null ? token : token.setExpirationTime(expiresIn)).sign(privateKey)
  })

/** A token whose parts are these, whatever they are. */
export const token = (header: unknown, payload: unknown, signature = ""): string =>
  [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".") + `.${signature}`
