import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { chunkSealer, encryptionOverhead, openChunk } from "../../src/encoding/Encryption.ts"

const key = createHash("sha256").update("key").digest()
const length = 1_000

/** What the sealer gives for bytes that come in pieces of these lengths, over and over. */
const sealed = (bytes: Uint8Array, lengths: ReadonlyArray<number>): Buffer => {
  const sealer = chunkSealer(key, length)
  const out: Array<Uint8Array> = []
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const piece = bytes.subarray(at, at + (lengths[n % lengths.length] ?? 1))
    out.push(...sealer.update(piece))
    at += piece.length
  }
  return Buffer.concat([...out, ...sealer.end()])
}

it.each(
  [1, 999, 1_000, 1_001, 2_000, 3_500].flatMap((size) =>
    [[1], [999, 2], [1_000], [7, 1_300], [10_000]].map((lengths) => ({ size, lengths }))
  )
)("of $size bytes in pieces of $lengths makes chunks that are opened one by one", ({ lengths, size }) => {
  const bytes = randomBytes(size)
  const all = sealed(bytes, lengths)
  const chunks = Math.ceil(size / length)
  assert.strictEqual(all.length, size + chunks * encryptionOverhead)
  const step = length + encryptionOverhead
  const opened = Array.from(
    { length: chunks },
    (_, index) => Result.getOrThrow(openChunk(key, index, all.subarray(index * step, (index + 1) * step)))
  )
  assert.isTrue(bytes.equals(Buffer.concat(opened)))
  // A chunk is opened at its own place only.
  if (chunks > 1) assert.isTrue(Result.isFailure(openChunk(key, 1, all.subarray(0, step))))
})

it("gives each chunk a nonce of its own, also of the same bytes", () => {
  const bytes = Buffer.alloc(5 * length)
  const nonces = [sealed(bytes, [300]), sealed(bytes, [300])].flatMap((all) =>
    Array.from({ length: 5 }, (_, n) => all.subarray(n * (length + 28), n * (length + 28) + 12).toString("hex"))
  )
  assert.strictEqual(new Set(nonces).size, 10)
})

it("gives nothing for no bytes", () => {
  const sealer = chunkSealer(key, length)
  assert.deepStrictEqual([...sealer.update(new Uint8Array()), ...sealer.end()], [])
})
