import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
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

const encodedLength = (name: string) => Buffer.byteLength(name, "utf8")
it.effect.prop("is its token's name again, whichever it is", [FileName], ([name]) =>
  Effect.sync(() => {
    assert.strictEqual(fromToken(toToken(name)), name)
    assert.match(toToken(name), /^[A-Za-z0-9_-]+$/)
    // Four characters of a token are three bytes of a name.
    assert.strictEqual(toToken(name).length, Math.ceil(encodedLength(name) * 4 / 3))
  }))

it.effect.prop("is accepted exactly where it breaks no rule", [Schema.String], ([text]) =>
  Effect.sync(() => {
    const segments = text.split("/")
    const breaks = text === "" || encodedLength(text) > maxBytes || !text.isWellFormed() ||
      text !== text.normalize("NFC") || segments.some((segment) => ["", ".", ".."].includes(segment)) ||
      [...text].some((character) => /[\p{Cc}\u2028\u2029]/u.test(character))
    assert.strictEqual(Result.isSuccess(decode(text)), !breaks)
  }))
