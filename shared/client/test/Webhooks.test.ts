import { assert, it } from "@effect/vitest"
import { Webhook } from "standardwebhooks"
import { SignatureInvalid } from "../src/Errors.ts"
import { verify } from "../src/Webhooks.ts"

const secret = `whsec_${Buffer.from("a secret of 24 bytes....").toString("base64")}`
const other = `whsec_${Buffer.from("another secret, 24 bytes").toString("base64")}`
const body = JSON.stringify({
  specversion: "1.0",
  id: "1",
  type: "akave.BucketCreated.v1",
  sequence: "7",
  data: { ä: "ö" }
})

/** What is sent with the body, signed as the library of the standard's authors does it. */
const headersOf = (at = new Date(), by = [secret]) => ({
  "webhook-id": "msg_1",
  "webhook-timestamp": `${Math.floor(at.getTime() / 1000)}`,
  "webhook-signature": by.map((secret) => new Webhook(secret).sign("msg_1", at, body)).join(" ")
})
const hours = (n: number) => new Date(Date.now() + n * 3_600_000)

it("takes what the secret has signed, however the headers come", async () => {
  const headers = headersOf()
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]))
  for (const given of [headers, upper, new Headers(headers)]) {
    assert.strictEqual((await verify(body, given, secret)).sequence, "7")
  }
  assert.strictEqual((await verify(new TextEncoder().encode(body), headers, secret)).sequence, "7")
})

it("takes either of two signatures, while a secret is rotated", async () => {
  const headers = headersOf(new Date(), [other, secret])
  for (const one of [secret, other]) assert.strictEqual((await verify(body, headers, one)).id, "1")
})

it.each<[string, string, Readonly<Record<string, string>>, string, RegExp]>([
  ["another secret", body, headersOf(), other, /not signed/],
  ["another body", `${body} `, headersOf(), secret, /not signed/],
  ["another id", body, { ...headersOf(), "webhook-id": "msg_2" }, secret, /not signed/],
  ["an old delivery", body, headersOf(hours(-1)), secret, /300 s/],
  ["one of tomorrow", body, headersOf(hours(24)), secret, /300 s/],
  ["no signature", body, { ...headersOf(), "webhook-signature": "" }, secret, /not signed/],
  ["no headers", body, {}, secret, /webhook-id/],
  ["another version's signature", body, { ...headersOf(), "webhook-signature": "v1a,AAAA" }, secret, /not signed/],
  ["what is no secret", body, headersOf(), "whsec_%%%", /whsec_/]
])("refuses %s", async (_, body, headers, secret, message) => {
  const error = await verify(body, headers, secret).then(() => assert.fail("it was taken"), (error: Error) => error)
  assert.instanceOf(error, SignatureInvalid)
  assert.match(error.message, message)
})
