import { assert, it } from "@effect/vitest"
import * as dagPb from "@ipld/dag-pb"
import { Result } from "effect"
import * as fc from "fast-check"
import { UnixFS } from "ipfs-unixfs"
import { CID } from "multiformats/cid"
import * as Cid from "../../src/encoding/Cid.ts"
import * as Dag from "../../src/encoding/Dag.ts"

/** A leaf as the IPLD libraries write it. */
const leafOf = (payload: Uint8Array) =>
  dagPb.encode({ Data: new UnixFS({ type: "file", data: payload }).marshal(), Links: [] })

const rootOf = (links: ReadonlyArray<{ readonly cid: Cid.Cid; readonly size: number; readonly payload: number }>) =>
  Cid.ofBlock(dagPb.encode({
    Data: new UnixFS({ type: "file", blockSizes: links.map(({ payload }) => BigInt(payload)) }).marshal(),
    Links: links.map(({ cid, size }) => ({ Hash: CID.parse(cid), Name: "", Tsize: size }))
  }))

it("writes the blocks that IPLD's libraries write, and reads them back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20_000 }), (payload) => {
      const block = Dag.leaf(payload)
      assert.deepStrictEqual(Buffer.from(block), Buffer.from(leafOf(payload)))
      assert.strictEqual(block.length, Dag.leafLength(payload.length))
      assert.strictEqual(Dag.leafCid(payload), Cid.ofBlock(leafOf(payload)))
      assert.deepStrictEqual(Dag.payloadOf(block), Result.succeed(payload))
    }),
    { numRuns: 200 }
  )
})

it("finds the payload of a length, and none where no block has it", () => {
  for (const around of [0, 127, 128, 16_383, 16_384, 1_000_000, 2_097_151, 2_097_152]) {
    for (let payload = Math.max(1, around - 20); payload < around + 20; payload++) {
      assert.strictEqual(Dag.payloadLength(Dag.leafLength(payload)), payload)
    }
  }
  const lengths = new Set(Array.from({ length: 20_000 }, (_, payload) => Dag.leafLength(payload)))
  for (let length = 1; length < 20_000; length++) {
    assert.strictEqual(Dag.payloadLength(length) !== undefined, lengths.has(length), String(length))
  }
})

it("takes nothing but blocks for blocks", () => {
  const block = Dag.leaf(Uint8Array.from({ length: 300 }, (_, n) => n % 256))
  for (const n of [0, 1, 2, 3, 4, 5, 6, 7, block.length - 1, block.length - 2, block.length - 3]) {
    const changed = Uint8Array.from(block)
    changed[n] = (changed[n] ?? 0) ^ 1
    assert.isTrue(Result.isFailure(Dag.payloadOf(changed)), String(n))
  }
  for (const bad of [new Uint8Array(), block.subarray(1), block.subarray(0, -1)]) {
    assert.isTrue(Result.isFailure(Dag.payloadOf(bad)))
  }
})

it("has the roots that IPLD's libraries make", () => {
  const blocks = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 2, maxLength: 32 })
  const named = (payload: number, n: number) => ({
    cid: Cid.ofBlock(Uint8Array.of(n, payload % 256)),
    size: Dag.leafLength(payload),
    payload
  })
  fc.assert(fc.property(blocks, (payloads) => {
    const links = payloads.map(named)
    assert.strictEqual(Dag.chunkRoot(links), rootOf(links))
    const chunks = links.map(({ cid, payload, size }) => ({ cid, encodedSize: size, rawSize: payload }))
    assert.strictEqual(Dag.fileRoot(chunks), rootOf(links))
  }))
})

it("reads one form of CIDs only", () => {
  const cid = Cid.ofBlock(Uint8Array.of(1))
  assert.deepStrictEqual(Cid.parse(cid), Result.succeed(cid))
  assert.strictEqual(Cid.fromDigest(Cid.digest(cid)), cid)
  assert.deepStrictEqual(Cid.fromBytes(Cid.toBytes(cid)), Result.succeed(cid))
  const raw = CID.createV1(0x55, CID.parse(cid).multihash).toString()
  const zero = CID.createV0(CID.parse(cid).multihash as never).toString()
  for (const bad of ["", "b", cid.toUpperCase(), `${cid}a`, cid.slice(0, -1), raw, zero, "not a CID"]) {
    const refused = Cid.parse(bad)
    assert.isTrue(Result.isFailure(refused), bad)
  }
  assert.isTrue(Result.isFailure(Cid.fromBytes(new Uint8Array(36))))
})
