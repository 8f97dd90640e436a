/**
 * Signed requests: HMAC-SHA256 over `timestamp:METHOD:path:body`, the path with its query and the body as they were sent.
 */
import { createHmac, timingSafeEqual } from "node:crypto"

/** How far a request's time may be from the gateway's, in seconds. */
export const maxSkew = 300

export interface Signed {
  /** Unix time in seconds, as `X-Timestamp` has it. */
  readonly timestamp: string
  readonly method: string
  /** The path with its query, as it was sent. */
  readonly path: string
  readonly body: Uint8Array | string
}

/** The signature in 64 hex digits. */
export const sign = (secret: string, { body, method, path, timestamp }: Signed): string =>
  createHmac("sha256", secret).update(`${timestamp}:${method}:${path}:`).update(body).digest("hex")

/** Compares in a time that says nothing of where they differ. */
export const isEqual = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

const emptyObject = (body: Uint8Array | string): boolean => Buffer.from(body).toString() === "{}"

/** Whether a signature is this secret's for the request. A body `{}` may have been signed as none: a known client does so. */
export const verify = (secret: string, signed: Signed, signature: string): boolean =>
  /^[0-9a-f]{64}$/.test(signature)
  && (isEqual(sign(secret, signed), signature)
    || (emptyObject(signed.body) && isEqual(sign(secret, { ...signed, body: "" }), signature)))

/** Whether a request's time is one that is taken at this time, in milliseconds. */
export const isInTime = (timestamp: string, nowMillis: number): boolean =>
  /^\d{1,12}$/.test(timestamp) && Math.abs(Number(timestamp) - nowMillis / 1000) <= maxSkew
