import { assert, describe, it } from "@effect/vitest"
import * as Secrets from "../src/Secrets.ts"

describe("a registered secret", () => {
  const secret = "p4ss/w0rd+with\"quotes\" & more"
  const key = "0x1c0de1c0de1c0de1c0de1c0de1c0de1c0de1c0de1c0de1c0de1c0de1c0de1c0d"
  Secrets.register(secret)
  Secrets.register(key)

  it.each([
    ["as it is", secret],
    ["in JSON", JSON.stringify({ a: secret })],
    ["in a URL", `https://a:${encodeURIComponent(secret)}@b`],
    ["in base64", Buffer.from(secret).toString("base64")],
    ["in base64 for URLs", Buffer.from(secret).toString("base64url")],
    ["in hexadecimal", Buffer.from(secret).toString("hex")],
    ["in capitals of hexadecimal", Buffer.from(secret).toString("hex").toUpperCase()],
    ["as a key without 0x", `the key ${key.slice(2)} is wrong`]
  ])("is concealed %s", (_, text) => {
    const concealed = Secrets.conceal(`before ${text} after`)
    assert.include(concealed, "[secret]")
    assert.match(concealed, /^before .* after$/)
    for (
      const form of [
        "p4ss",
        "w0rd",
        "1c0de1c0de",
        Buffer.from(secret).toString("base64").slice(0, 12),
        Buffer.from(secret).toString("hex").slice(0, 12)
      ]
    ) {
      assert.notInclude(concealed.toLowerCase(), form.toLowerCase())
    }
  })

  it("leaves other text as it is, also what is as short as a word", () => {
    Secrets.register("akave")
    const text = "{\"message\":\"akave 0x1234 p4ss\"}"
    assert.strictEqual(Secrets.conceal(text), text)
  })
})
