import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { createHash } from "node:crypto"
import * as FileHeaders from "../src/FileHeaders.ts"

const digest = createHash("sha256").update("x").digest()
const base64 = digest.toString("base64")

describe("the digest of a field", () => {
  it.each([
    `sha-256=:${base64}:`,
    `SHA-256=:${base64}:`,
    `md5=:AAAA:, sha-256=:${base64}:`,
    `sha-256=:${base64}: , sha-512=:AAAA:`
  ])("is read from %s", (field) => {
    assert.deepStrictEqual(FileHeaders.digestOf("Content-Digest", field), Result.succeed(digest.toString("hex")))
  })

  it.each([
    "",
    base64,
    `sha-256=${base64}`,
    `sha-256=:${base64}`,
    `sha-256=:${base64.slice(1)}:`,
    `sha-256=:${digest.toString("base64url")}:`,
    `sha-256=:${digest.toString("hex")}:`,
    "sha-512=:AAAA:",
    `sha-256="${base64}"`
  ])("is not there, or none, in %o", (field) => {
    const found = FileHeaders.digestOf("Content-Digest", field)
    assert.isTrue(Result.isFailure(found))
    if (Result.isFailure(found)) assert.include(found.failure, "Content-Digest")
  })

  it("is what it was made from", () => {
    const field = FileHeaders.digestField(digest.toString("hex"))
    assert.deepStrictEqual(FileHeaders.digestOf("Repr-Digest", field), Result.succeed(digest.toString("hex")))
  })
})

describe("entity tags", () => {
  it.each<readonly [string, "any" | ReadonlyArray<string>]>([
    ["*", "any"],
    [" * ", "any"],
    ["\"a\"", ["a"]],
    ["\"a\", \"b\"", ["a", "b"]],
    ["\"\"", [""]]
  ])("in %o are %o", (header, tags) => {
    assert.deepStrictEqual(FileHeaders.tagsOf(header), Result.succeed(tags))
  })

  it.each(["", ",", "a", "\"a", "\"a\" \"b\"", "*, \"a\"", "'a'", "\"a b\""])("are not understood in %o", (header) => {
    assert.isTrue(Result.isFailure(FileHeaders.tagsOf(header)))
  })

  it("that are weak match nothing: no root is compared weakly", () => {
    assert.deepStrictEqual(FileHeaders.tagsOf("W/\"a\""), Result.succeed([]))
    assert.deepStrictEqual(FileHeaders.tagsOf("W/\"a\", \"b\""), Result.succeed(["b"]))
  })
})

describe("a range of 10 bytes", () => {
  it.each([
    [undefined, "whole"],
    ["bytes=0-0", { start: 0, end: 1 }],
    ["bytes=0-9", { start: 0, end: 10 }],
    ["BYTES=9-", { start: 9, end: 10 }],
    ["bytes=3-100", { start: 3, end: 10 }],
    ["bytes=-1", { start: 9, end: 10 }],
    ["bytes=-100", { start: 0, end: 10 }],
    ["bytes= 1-2 ", { start: 1, end: 3 }],
    ["bytes=1-2,", { start: 1, end: 3 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=10-11", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=0-1,2-3", "several"],
    ["bytes=0-1, -1", "several"],
    ["bytes=2-1", "whole"],
    ["bytes=", "whole"],
    ["bytes=-", "whole"],
    ["bytes=a-b", "whole"],
    ["bytes=1", "whole"],
    ["bytes=0-1,x", "whole"],
    ["bytes=1-2-3", "whole"],
    ["bytes=0x1-2", "whole"],
    ["bytes=1e1-", "whole"],
    ["bytes=9999999999999999-", "whole"],
    ["lines=0-1", "whole"],
    ["0-1", "whole"]
  ])("of %o is %o", (header, range) => {
    assert.deepStrictEqual(FileHeaders.rangeOf(header, 10), range as never)
  })
})

describe("a content disposition", () => {
  it.each([
    ["cat.jpg", "attachment; filename=\"cat.jpg\""],
    ["a \"b\".txt", "attachment; filename=\"a _b_.txt\"; filename*=UTF-8''a%20%22b%22.txt"],
    ["a\\b", "attachment; filename=\"a_b\""],
    ["100%", "attachment; filename=\"100_\"; filename*=UTF-8''100%25"],
    ["é.txt", "attachment; filename=\"e_.txt\"; filename*=UTF-8''%C3%A9.txt"],
    ["😀", "attachment; filename=\"__\"; filename*=UTF-8''%F0%9F%98%80"],
    ["it's (a) *", "attachment; filename=\"it's (a) *\""],
    ["ö'(*)", "attachment; filename=\"o_'(*)\"; filename*=UTF-8''%C3%B6%27%28%2A%29"],
    ["a\r\nX-Injected: 1", "attachment; filename=\"a__X-Injected: 1\"; filename*=UTF-8''a%0D%0AX-Injected%3A%201"],
    ["../../etc/passwd", "attachment; filename=\".._.._etc_passwd\""],
    ["\ud800", "attachment; filename=\"_\"; filename*=UTF-8''%EF%BF%BD"]
  ])("for %o is one that every client understands", (name, value) => {
    assert.strictEqual(FileHeaders.disposition("attachment", name), value)
  })
})

it("names a file by its last segment", () => {
  assert.deepStrictEqual(["a", "a/b", "a/b/c d"].map(FileHeaders.baseName), ["a", "b", "c d"])
})
