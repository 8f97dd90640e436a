/** Signatures of deliveries, judged by the library that those who receive them use. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { Webhook } from "standardwebhooks"
import * as WebhookSecrets from "../src/WebhookSecrets.ts"

const master = Redacted.make("a master secret of enough length")
const another = Redacted.make("another master secret of length")
const webhookId = "00112233445566aa"
const secret = (version: number, of = master) => Redacted.value(WebhookSecrets.secretOf(of, webhookId, version))
const signed = { id: "msg_1", timestamp: Math.floor(Date.now() / 1_000), body: "{\"a\":\"ü\"}" }

const verifies = (secret: string, signatures: string, body = signed.body) => {
  try {
    new Webhook(secret).verify(body, {
      "webhook-id": signed.id,
      "webhook-timestamp": `${signed.timestamp}`,
      "webhook-signature": signatures
    })
    return true
  } catch {
    return false
  }
}

describe("the secret of a webhook", () => {
  it("is the same each time, and another for each master secret, webhook and version", () => {
    assert.match(secret(1), /^whsec_[A-Za-z0-9+/]{43}=$/)
    assert.strictEqual(secret(1), secret(1))
    const other = Redacted.value(WebhookSecrets.secretOf(master, "00112233445566ab", 1))
    assert.lengthOf(new Set([secret(1), secret(2), secret(1, another), other]), 4)
  })
})

describe("the signatures", () => {
  it("of a rotated secret are taken by both of its versions, and by no other", () => {
    const signatures = WebhookSecrets.signaturesOf([master], webhookId, [3, 2], signed)
    assert.deepStrictEqual([1, 2, 3, 4].map((version) => verifies(secret(version), signatures)), [
      false,
      true,
      true,
      false
    ])
    assert.isFalse(verifies(secret(3), signatures, "{\"a\":1}"))
  })

  it("are taken by the secrets of both master secrets, while there are two", () => {
    const signatures = WebhookSecrets.signaturesOf([master, another], webhookId, [1], signed)
    assert.deepStrictEqual([secret(1), secret(1, another), secret(2)].map((one) => verifies(one, signatures)), [
      true,
      true,
      false
    ])
  })
})
