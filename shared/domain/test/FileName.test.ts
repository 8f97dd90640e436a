import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { FileName, fromToken, maxBytes, toToken } from "../src/FileName.ts"

const decode = Schema.decodeUnknownResult(FileName)
const reasonOf = (name: string): string | undefined => {
  const decoded = decode(name)
  return Result.isFailure(decoded) ? decoded.failure.message : undefined
}

describe("a file name", () => {
  it.each([
    "a",
    "photo.jpg",
    "2026/photos/cat.jpg",
    "with space",
    "ümläut/日本語/🎉",
    ".hidden/..dots/...",
    "a".repeat(maxBytes),
    "é".repeat(maxBytes / 2),
    "back\\slash",
    "per%2Fcent"
  ])("can be %j", (name) => {
    assert.isUndefined(reasonOf(name))
  })

  it.each([
    ["", "at least 1 character"],
    ["/a", "no slash at its start or end, and no two in a row"],
    ["a/", "no slash at its start or end, and no two in a row"],
    ["a//b", "no slash at its start or end, and no two in a row"],
    ["..", "no segment that is . or .."],
    ["a/../b", "no segment that is . or .."],
    ["a/.", "no segment that is . or .."],
    ["a\0b", "no control characters"],
    ["a\nb", "no control characters"],
    ["a\u2028b", "no control characters"],
    ["a\u007fb", "no control characters"],
    ["e\u0301", "in Unicode's form NFC"],
    ["a\ud800b", "valid Unicode"],
    ["a".repeat(maxBytes + 1), `at most ${maxBytes} bytes`],
    ["é".repeat(maxBytes / 2) + "a", `at most ${maxBytes} bytes`]
  ])("is refused as %j, with the rule that it breaks", (name, rule) => {
    assert.include(reasonOf(name), rule)
  })

  it.each(["photo.jpg", "ümläut/日本語", "a".repeat(maxBytes), "*.>"])("is one token of a subject: %j", (name) => {
    const token = toToken(FileName.make(name))
    assert.match(token, /^[A-Za-z0-9_-]+$/)
    assert.strictEqual(fromToken(token), name)
  })
})
