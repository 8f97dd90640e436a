/** Receives webhooks: Standard Webhooks 1.0, https://www.standardwebhooks.com. */
import { SignatureInvalid } from "./Errors.ts"
import { hmac } from "./Signing.ts"
import type { Event } from "./Wire.ts"

/** How far a delivery's time may be from now, in seconds. */
const tolerance = 300

const toBase64 = (bytes: ArrayBuffer) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

/** Compares in a time that says nothing of where they differ. */
const isEqual = (a: string, b: string): boolean => {
  let difference = a.length ^ b.length
  for (let n = 0; n < b.length; n++) difference |= a.charCodeAt(n) ^ b.charCodeAt(n)
  return difference === 0
}

type HeadersLike = Headers | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
const headerOf = (headers: HeadersLike, name: string): string => {
  const value = headers instanceof Headers
    ? headers.get(name)
    : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  return typeof value === "string" ? value : ""
}

/**
 * The event that a delivery brings, once it is sure that the gateway has sent it.
 * @param body The body as it came, not parsed and written again.
 * @param headers Of the request: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
 * @param secret The endpoint's, `whsec_…`.
 * @throws SignatureInvalid where the secret has not signed this, or not within the last five minutes.
 */
export const verify = async (body: string | Uint8Array, headers: HeadersLike, secret: string): Promise<Event> => {
  const text = typeof body === "string" ? body : new TextDecoder().decode(body)
  const [id, timestamp] = [headerOf(headers, "webhook-id"), headerOf(headers, "webhook-timestamp")]
  if (id === "" || !/^\d+$/.test(timestamp)) {
    throw new SignatureInvalid("a delivery has the headers webhook-id, webhook-timestamp and webhook-signature")
  }
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > tolerance) {
    throw new SignatureInvalid(`webhook-timestamp is more than ${tolerance} s from now: look at the clock`)
  }
  let key: Uint8Array
  try {
    key = fromBase64(secret.replace(/^whsec_/, ""))
  } catch {
    throw new SignatureInvalid("the secret is not one of a webhook: it begins with whsec_ and goes on in base64")
  }
  const expected = `v1,${toBase64(await hmac(key, `${id}.${timestamp}.${text}`))}`
  const given = headerOf(headers, "webhook-signature").split(" ")
  // All are looked at: where it stands says nothing.
  if (given.filter((one) => isEqual(one, expected)).length === 0) {
    throw new SignatureInvalid("the endpoint's secret has not signed this delivery")
  }
  return JSON.parse(text) as Event
}
