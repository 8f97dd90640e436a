import { assert, describe, it } from "@effect/vitest"
import { keyOf } from "../src/FileKey.ts"
import { fit } from "../src/Style.ts"
import { clock, label, shown, size, total } from "../src/Transfer.ts"

it.each([
  [0, "0 B"],
  [1.7, "2 B"],
  [999, "999 B"],
  [1_000, "1.00 kB"],
  [12_345_678, "12.3 MB"],
  [999_999_999, "1000 MB"],
  [1e9, "1.00 GB"],
  [1e16, "10000 TB"]
])("%d bytes are %s", (bytes, text) => assert.strictEqual(size(bytes), text))

it.each([[0, "0:00"], [7.4, "0:07"], [754, "12:34"], [3_723, "1:02:03"], [-1, "0:00"]])(
  "%d seconds are %s",
  (seconds, text) => assert.strictEqual(clock(seconds), text)
)

describe("a transfer", () => {
  const one = { phase: "sending", bytesDone: 25_000_000, bytesTotal: 100_000_000, since: 1_000 }
  it("has a bar, its rate and the time that is left", () =>
    assert.strictEqual(shown(one, 3_500), "sending ████░░░░░░░░░░ 25% of 100 MB 10.0 MB/s 0:08 left"))
  it("says nothing of the time that it can't know", () => {
    assert.strictEqual(shown({ ...one, bytesDone: 1_000 }, 3_500), "sending ░░░░░░░░░░░░░░ 0% of 100 MB 400 B/s")
    assert.strictEqual(shown({ ...one, bytesDone: 0 }, 1_000), "sending ░░░░░░░░░░░░░░ 0% of 100 MB")
    assert.strictEqual(
      shown({ ...one, bytesDone: 100_000_000 }, 11_000),
      "sending ██████████████ 100% of 100 MB 10.0 MB/s"
    )
  })
  it("has no bar where its size is not known", () =>
    assert.strictEqual(shown({ ...one, bytesTotal: undefined }, 3_500), "sending 25.0 MB 10.0 MB/s"))
  it("has the end of a long name", () => {
    assert.strictEqual(label("cat.jpg"), "cat.jpg")
    assert.strictEqual(label("a/very/long/path/to/photos/cat.jpg"), "…/path/to/photos/cat.jpg")
    assert.lengthOf(label("x".repeat(100)), 24)
  })
})

it("several transfers are one, of which those that have ended count whole", () => {
  const several = total([100, 300])
  several.report(1, 150)
  several.end(0)
  assert.match(several.shown(), /^1 of 2 files ██+░+ 62% of 400 B/)
  several.end(1)
  assert.match(several.shown(), /^2 of 2 files █+ 100% of 400 B/)
})

it("a key is 64 hex digits or 32 bytes in base64, and nothing else", () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, n) => n * 7))
  for (
    const text of [
      key.toString("hex"),
      `${key.toString("hex").toUpperCase()}\r\n`,
      key.toString("base64"),
      key.toString("base64url")
    ]
  ) {
    assert.isTrue(key.equals(keyOf(text) ?? new Uint8Array()), text)
  }
  for (
    const text of ["", "secret", key.toString("hex").slice(2), `${key.toString("base64")}AAAA`, key.toString("latin1")]
  ) {
    assert.isUndefined(keyOf(text), text)
  }
})

it("a text fits no columns at all where a terminal does not say how many it has", () => {
  assert.strictEqual(fit("text", 0), "")
  assert.strictEqual(fit("text", -3), "")
})
