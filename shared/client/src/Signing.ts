/** How a client says who it is: by a key's secret, or by what only its holder can sign. */
import type { webcrypto } from "node:crypto"

export type Credentials =
  | { readonly apiKey: string }
  | { readonly publicKey: string; readonly secretKey: string }

/** A request as it is signed. */
export interface Signable {
  readonly method: string
  /** With its query, as it is sent. */
  readonly path: string
  readonly body: string
}

const toHex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("")

const text = new TextEncoder()

/** Node 18 has it, but not as a global. */
export const webCrypto = async (): Promise<webcrypto.Crypto> =>
  globalThis.crypto ?? (await import("node:crypto")).webcrypto

/** HMAC-SHA256 of a text, by a secret. */
export const hmac = async (secret: string | Uint8Array, signed: string): Promise<ArrayBuffer> => {
  const { subtle } = await webCrypto()
  const bytes = typeof secret === "string" ? text.encode(secret) : Uint8Array.from(secret)
  const key = await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
  return subtle.sign("HMAC", key, text.encode(signed))
}

/**
 * The headers that sign a request in, as the guide to the HTTP API has them.
 * @param seconds The gateway's time as Unix time.
 */
export const headersOf = async (
  credentials: Credentials | undefined,
  { body, method, path }: Signable,
  seconds: number
): Promise<Readonly<Record<string, string>>> => {
  if (credentials === undefined) return {}
  if ("apiKey" in credentials) return { authorization: `Bearer ${credentials.apiKey}` }
  const timestamp = `${Math.floor(seconds)}`
  return {
    authorization: `Bearer ${credentials.publicKey}`,
    "x-timestamp": timestamp,
    "x-signature": toHex(await hmac(credentials.secretKey, `${timestamp}:${method}:${path}:${body}`))
  }
}
