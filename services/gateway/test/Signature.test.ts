import { assert, describe, it } from "@effect/vitest"
import * as Signature from "../src/Signature.ts"

const secret = "unsb-sk-test0-test0-test0-test0"
const timestamp = "1700000000"

describe("a signature", () => {
  it.each([
    ["GET", "/jobs", "", "3636000c91686b18f82c36b42f72085eecd924619e478dbbadec54712c7e0988"],
    ["DELETE", "/jobs/job_123", "", "672636321cd3d5e365214bc3f66cc376914183b4bf9fed0dde9830849eb4e564"],
    [
      "POST",
      "/execute",
      "{\"language\": \"python\", \"code\": \"print(1)\"}",
      "5e8ebd3e6067f91cdd2d03d310cfd013a0cc5c9d2f66802ae0d8c69221118f69"
    ]
  ])("of %s %s is the one that other clients make", (method, path, body, signature) => {
    const signed = { timestamp, method, path, body }
    assert.strictEqual(Signature.sign(secret, signed), signature)
    assert.isTrue(Signature.verify(secret, signed, signature))
    for (
      const [other, changed] of [
        [`${secret}x`, signed],
        [secret, { ...signed, timestamp: "1700000001" }],
        [secret, { ...signed, method: "PUT" }],
        [secret, { ...signed, path: `${path}?a=1` }],
        [secret, { ...signed, body: `${body} ` }]
      ] as const
    ) {
      assert.isFalse(Signature.verify(other, changed, signature))
    }
  })

  it("of a body {} may be the one of no body, and no other may", () => {
    const signed = { timestamp, method: "POST", path: "/x" }
    const empty = Signature.sign(secret, { ...signed, body: "" })
    assert.isTrue(Signature.verify(secret, { ...signed, body: "{}" }, empty))
    assert.isTrue(
      Signature.verify(secret, { ...signed, body: "{}" }, Signature.sign(secret, { ...signed, body: "{}" }))
    )
    assert.isFalse(Signature.verify(secret, { ...signed, body: "[]" }, empty))
    assert.isFalse(Signature.verify(secret, { ...signed, body: "" }, Signature.sign(secret, { ...signed, body: "{}" })))
  })

  it.each(["", "00", "zz".repeat(32), "A".repeat(64), `${"0".repeat(64)}0`])("is not %j", (signature) => {
    assert.isFalse(Signature.verify(secret, { timestamp, method: "GET", path: "/jobs", body: "" }, signature))
  })
})

describe("a timestamp", () => {
  const now = 1_700_000_000_000
  it.each([["1700000000", true], ["1700000300", true], ["1699999700", true], ["1700000301", false], [
    "1699999699",
    false
  ]])(
    "of %s is in time: %o",
    (text, isInTime) => assert.strictEqual(Signature.isInTime(text, now), isInTime)
  )
  it.each(["", "now", "-1700000000", "1.7e9", "1700000000.5", "1700000000000", " 1700000000", "NaN"])(
    "is not %j",
    (text) => {
      assert.isFalse(Signature.isInTime(text, now))
    }
  )
})
