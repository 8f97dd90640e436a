import { ReedSolomonErasure } from "@digitaldefiance/reed-solomon-erasure.wasm"
import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { kernelModule } from "../../scripts/kernel.ts"
import * as ErasureCoding from "../../src/encoding/ErasureCoding.ts"

// Its own loader does not work in modules.
const oracleFolder = dirname(createRequire(import.meta.url).resolve("@digitaldefiance/reed-solomon-erasure.wasm"))
const oracle = ReedSolomonErasure.fromBytes(readFileSync(join(oracleFolder, "reed_solomon_erasure_bg.wasm")))

const shards = (count: number, length: number): fc.Arbitrary<Array<Uint8Array>> =>
  fc.array(fc.uint8Array({ minLength: length, maxLength: length }), { minLength: count, maxLength: count })

/** Numbers of data and parity shards, their length, and their data. */
const shapes = fc.record({
  data: fc.integer({ min: 1, max: 24 }),
  parity: fc.integer({ min: 1, max: 20 }),
  length: fc.integer({ min: 1, max: 100 })
}).chain((shape) => fc.record({ shape: fc.constant(shape), data: shards(shape.data, shape.length) }))

const coded = (data: ReadonlyArray<Uint8Array>, parity: number): ReadonlyArray<Uint8Array> => {
  const made = Array.from({ length: parity }, () => new Uint8Array(data[0]?.length ?? 0))
  ErasureCoding.encode(data, made)
  return [...data, ...made]
}

it("is assembled from the script", async () => {
  const committed = readFileSync(join(import.meta.dirname, "../../src/encoding/kernel.ts"), "utf8")
  const digits = (text: string) => /"([A-Za-z0-9+/=]+)"/.exec(text)?.[1]
  assert.strictEqual(digits(committed), digits(await kernelModule()))
})

it("makes the parity that other libraries make", () => {
  fc.assert(
    fc.property(shapes, ({ data, shape }) => {
      const all = Buffer.concat([...data, ...data.slice(0, 0), Buffer.alloc(shape.parity * shape.length)])
      assert.strictEqual(oracle.encode(all, shape.data, shape.parity), ReedSolomonErasure.RESULT_OK)
      assert.deepStrictEqual(Buffer.concat(coded(data, shape.parity)), all)
    }),
    { numRuns: 200 }
  )
})

it("has as many shards as the field has elements, and no more", () => {
  for (const [data, parity] of [[31, 1], [16, 1], [1, 1], [1, 255], [200, 56], [255, 1]] as const) {
    const inputs = Array.from({ length: data }, (_, r) => Uint8Array.of(r, r * 7, 255 - r))
    const all = Buffer.concat([...inputs, Buffer.alloc(parity * 3)])
    assert.strictEqual(oracle.encode(all, data, parity), ReedSolomonErasure.RESULT_OK)
    const shards = coded(inputs, parity)
    assert.deepStrictEqual(Buffer.concat(shards), all)
    const present = shards.map((shard, n) => n < Math.min(data, parity) ? undefined : shard)
    assert.deepStrictEqual(
      Buffer.concat(Result.getOrThrow(ErasureCoding.reconstruct(present, data))),
      Buffer.concat(inputs)
    )
  }
  for (const [data, parity] of [[256, 1], [1, 256], [0, 1]] as const) {
    assert.throws(() => ErasureCoding.matrixOf(data, parity), /at most 256 shards/)
  }
})

it("restores data from any shards that suffice, and from no fewer", () => {
  const losses = shapes.chain((one) =>
    fc.record({
      one: fc.constant(one),
      lost: fc.shuffledSubarray(Array.from({ length: one.shape.data + one.shape.parity }, (_, n) => n))
    })
  )
  fc.assert(
    fc.property(losses, ({ lost, one: { data, shape } }) => {
      const present = coded(data, shape.parity).map((shard, n) => lost.includes(n) ? undefined : shard)
      const restored = ErasureCoding.reconstruct(present, shape.data)
      if (lost.length > shape.parity) {
        assert.deepStrictEqual(
          restored,
          Result.fail(
            new ErasureCoding.TooFewShards({
              present: shape.data + shape.parity - lost.length,
              needed: shape.data
            })
          )
        )
      } else {
        assert.deepStrictEqual(
          Result.getOrThrow(restored).map((shard) => Buffer.from(shard)),
          data.map((shard) => Buffer.from(shard))
        )
      }
    }),
    { numRuns: 300 }
  )
})

it("gives the same bytes by WebAssembly and without it, whatever the length", () => {
  const byKernel = ErasureCoding.multiplyByKernel()
  if (byKernel === undefined) return assert.fail("this runtime has SIMD")
  for (const length of [1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 8_191, 8_192, 8_193, 20_000]) {
    for (const [data, parity] of [[16, 16], [24, 8], [31, 1], [2, 2], [5, 3], [17, 7]] as const) {
      const inputs = Array.from(
        { length: data },
        (_, r) => Uint8Array.from({ length }, (_, n) => (r * 31 + n * 7) % 256)
      )
      const rows = ErasureCoding.matrixOf(data, parity).slice(data)
      const [kernel, tables] = [byKernel, ErasureCoding.multiplyByTables].map((multiply) => {
        const outputs = rows.map(() => new Uint8Array(length).fill(255))
        multiply(rows, inputs, outputs)
        return Buffer.concat(outputs)
      })
      assert.isTrue(kernel?.equals(tables ?? Buffer.alloc(0)), `${data}+${parity}, ${length} bytes`)
    }
  }
})

it("knows what was wrapped, and nothing else", () => {
  const data = Buffer.from("some bytes")
  const { after, before } = ErasureCoding.wrapping(data.length)
  const whole = Buffer.concat([before, data, after, Buffer.alloc(5)])
  assert.deepStrictEqual(ErasureCoding.unwrap([whole.subarray(0, 9), whole.subarray(9)]), Result.succeed(data))
  const changed = Buffer.from(whole)
  changed[8 + data.length] = 0
  const tooLong = Buffer.from(whole)
  tooLong[0] = 1
  for (const bad of [changed, tooLong, Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(100, 7)]) {
    assert.isTrue(Result.isFailure(ErasureCoding.unwrap([bad])))
  }
})
