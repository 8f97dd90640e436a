import { assert, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { BucketName, fromToken, toToken } from "../src/BucketName.ts"

const decode = Schema.decodeUnknownResult(BucketName)

it.for([
  "abc",
  "my-bucket",
  "a.b.c",
  "0-0",
  "1.2.3",
  "1.2.3.4.5",
  "a".repeat(63),
  "xn--bucket"
])("accepts %s", (name) => {
  assert.isTrue(Result.isSuccess(decode(name)))
})

it.for(
  [
    ["", "3 to 63 characters"],
    ["ab", "3 to 63 characters"],
    ["a".repeat(64), "3 to 63 characters"],
    ["My-bucket", "lower-case letters"],
    ["my_bucket", "lower-case letters"],
    ["bücket", "lower-case letters"],
    ["my bucket", "lower-case letters"],
    ["abc\n", "lower-case letters"],
    ["-abc", "starts and ends"],
    ["abc-", "starts and ends"],
    [".abc", "starts and ends"],
    ["a..b", "two dots"],
    ["127.0.0.1", "IP address"],
    ["999.999.999.999", "IP address"]
  ] as const
)("refuses %j and names the rule", ([name, rule]) => {
  const result = decode(name)
  assert.isTrue(Result.isFailure(result))
  if (Result.isFailure(result)) assert.include(String(result.failure), rule)
})

it.effect.prop("turns every name into a subject token and back", [BucketName], ([name]) =>
  Effect.sync(() => {
    const token = toToken(name)
    assert.match(token, /^[a-z0-9_-]+$/)
    assert.strictEqual(fromToken(token), name)
  }))
