/**
 * Reed-Solomon codes over GF(2^8) with the polynomial 0x11D: any `data` of `data + parity` shards give the others. The matrix is the systematic
 * form of the Vandermonde matrix whose element in row r and column c is r^c, as Backblaze's and compatible libraries have it.
 */
import { Result, Schema } from "effect"
import * as kernel from "./kernel.ts"

export class TooFewShards extends Schema.TaggedError<TooFewShards>()("TooFewShards", {
  present: Schema.Natural,
  needed: Schema.Natural
}) {
  override readonly message = `${this.present} shards are present, and ${this.needed} are needed`
  readonly isRetryable = false
}

export class NotErasureCoded extends Schema.TaggedError<NotErasureCoded>()("NotErasureCoded", {}) {
  override readonly message = "The data is not erasure coded, or coded with another number of data blocks"
  readonly isRetryable = false
}

/** Shards are at most as many as the field has elements: beyond, two rows of the matrix would be one. */
const maxShards = 256

// ── The field ──────────────────────────────────────────────────────────────────────────────────────────────────────

const polynomial = 0x11d
const exp = new Uint8Array(510)
const log = new Uint8Array(256)
for (let n = 0, x = 1; n < 255; n++) {
  exp[n] = exp[n + 255] = x
  log[x] = n
  x = (x << 1) ^ (x & 0x80 ? polynomial : 0)
}
const multiply = (a: number, b: number): number => a === 0 || b === 0 ? 0 : exp[at(log, a) + at(log, b)] ?? 0
const inverse = (a: number): number => at(exp, 255 - at(log, a))
const power = (a: number, n: number): number => n === 0 ? 1 : a === 0 ? 0 : at(exp, (at(log, a) * n) % 255)
const at = (bytes: Uint8Array, n: number): number => bytes[n] ?? 0

// ── Matrices: rows of elements ─────────────────────────────────────────────────────────────────────────────────────

type Matrix = ReadonlyArray<Uint8Array>

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => {
    const result = new Uint8Array(b[0]?.length ?? 0)
    for (const [n, factor] of row.entries()) {
      for (const [c, element] of (b[n] ?? []).entries()) result[c] = at(result, c) ^ multiply(factor, element)
    }
    return result
  })

/** By Gauss and Jordan. The matrices here can all be inverted. */
const inverted = (matrix: Matrix): Matrix => {
  const size = matrix.length
  const rows = matrix.map((row, n) => {
    const wide = new Uint8Array(2 * size)
    wide.set(row)
    wide[size + n] = 1
    return wide
  })
  for (let c = 0; c < size; c++) {
    const pivot = rows.findIndex((row, r) => r >= c && row[c] !== 0)
    if (pivot < 0) throw new Error("the matrix is singular")
    const [chosen = new Uint8Array()] = rows.splice(pivot, 1)
    const factor = inverse(at(chosen, c))
    for (const [n, element] of chosen.entries()) chosen[n] = multiply(factor, element)
    rows.splice(c, 0, chosen)
    for (const row of rows) {
      const times = at(row, c)
      if (row === chosen || times === 0) continue
      for (const [n, element] of chosen.entries()) row[n] = at(row, n) ^ multiply(times, element)
    }
  }
  return rows.map((row) => row.slice(size))
}

const matrices = new Map<string, Matrix>()
/** The coding matrix: a row for each shard, of which the first `data` are the identity. */
export const matrixOf = (data: number, parity: number): Matrix => {
  const key = `${data} ${parity}`
  const found = matrices.get(key)
  if (found !== undefined) return found
  if (data < 1 || data + parity > maxShards) {
    throw new Error(`there must be at least one data shard, and at most ${maxShards} shards, not ${data} + ${parity}`)
  }
  const vandermonde = Array.from(
    { length: data + parity },
    (_, r) => Uint8Array.from({ length: data }, (_, c) => power(r, c))
  )
  const made = product(vandermonde, inverted(vandermonde.slice(0, data)))
  matrices.set(key, made)
  return made
}

// ── Shards ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Writes the products of a matrix with inputs of one length into outputs of that length. */
export type Multiply = (rows: Matrix, inputs: ReadonlyArray<Uint8Array>, outputs: ReadonlyArray<Uint8Array>) => void

/** What is used of the runtime's WebAssembly: the types of Node don't have it. */
declare const WebAssembly: {
  validate(code: Uint8Array): boolean
  readonly Module: new(code: Uint8Array) => object
  readonly Instance: new(module: object) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
      readonly multiply: (...args: ReadonlyArray<number>) => void
    }
  }
}

/** Bytes of each shard that are in the kernel's memory at once: with 32 shards they fit the cache of a core. */
const tile = 8_192
const page = 65_536

/** By the kernel in WebAssembly; undefined where the runtime has no SIMD. */
export const multiplyByKernel = (): Multiply | undefined => {
  const code = Buffer.from(kernel.wasm, "base64")
  if (!WebAssembly.validate(code)) return undefined
  const { memory, multiply: run } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports

  return (rows, inputs, outputs) => {
    const groups = Math.ceil(rows.length / kernel.outputsAtOnce)
    const tablesSize = groups * kernel.outputsAtOnce * inputs.length * 32
    const inputsAt = Math.ceil(tablesSize / page) * page
    const outputsAt = inputsAt + inputs.length * tile
    const size = outputsAt + groups * kernel.outputsAtOnce * tile
    const missing = size - memory.buffer.byteLength
    if (missing > 0) memory.grow(Math.ceil(missing / page))
    const bytes = new Uint8Array(memory.buffer)
    bytes.set(tablesOf(rows, inputs.length))
    const length = inputs[0]?.length ?? 0
    for (let from = 0; from < length; from += tile) {
      const to = Math.min(length, from + tile)
      for (const [n, input] of inputs.entries()) bytes.set(input.subarray(from, to), inputsAt + n * tile)
      run(0, inputsAt, inputs.length, tile, outputsAt, groups, to - from)
      for (const [n, output] of outputs.entries()) {
        const start = outputsAt + n * tile
        output.set(bytes.subarray(start, start + to - from), from)
      }
    }
  }
}

/** The products of each coefficient with all low and all high halves of a byte, in the kernel's order. */
const tablesOf = (rows: Matrix, inputs: number): Uint8Array => {
  const groups = Math.ceil(rows.length / kernel.outputsAtOnce)
  const tables = new Uint8Array(groups * kernel.outputsAtOnce * inputs * 32)
  for (const [r, row] of rows.entries()) {
    const group = Math.floor(r / kernel.outputsAtOnce)
    for (const [c, coefficient] of row.entries()) {
      const start = 32 * ((group * inputs + c) * kernel.outputsAtOnce + (r % kernel.outputsAtOnce))
      for (let half = 0; half < 16; half++) {
        tables[start + half] = multiply(coefficient, half)
        tables[start + 16 + half] = multiply(coefficient, half << 4)
      }
    }
  }
  return tables
}

/** In plain JavaScript, by a table of the products of each coefficient. */
export const multiplyByTables: Multiply = (rows, inputs, outputs) => {
  for (const [r, row] of rows.entries()) {
    const output = outputs[r]
    if (output === undefined) continue
    output.fill(0)
    for (const [c, coefficient] of row.entries()) {
      const input = inputs[c]
      if (input === undefined || coefficient === 0) continue
      const products = Uint8Array.from({ length: 256 }, (_, x) => multiply(coefficient, x))
      for (let n = 0; n < output.length; n++) output[n] = at(output, n) ^ at(products, at(input, n))
    }
  }
}

let chosen: Multiply | undefined
const multiplyShards: Multiply = (...args) => {
  chosen ??= multiplyByKernel() ?? multiplyByTables
  chosen(...args)
}

/** Fills parity shards from the data shards; all have one length. */
export const encode = (data: ReadonlyArray<Uint8Array>, parity: ReadonlyArray<Uint8Array>): void => {
  if (parity.length === 0) return
  multiplyShards(matrixOf(data.length, parity.length).slice(data.length), data, parity)
}

/**
 * The data shards, from any `data` of all shards. Those that are present are returned as they are; `shards` holds undefined for those
 * that are not.
 */
export const reconstruct = (
  shards: ReadonlyArray<Uint8Array | undefined>,
  data: number
): Result.Result<ReadonlyArray<Uint8Array>, TooFewShards> => {
  const present = shards.flatMap((shard, index) => shard === undefined ? [] : [{ shard, index }]).slice(0, data)
  if (present.length < data) return Result.fail(new TooFewShards({ present: present.length, needed: data }))
  const missing = Array.from({ length: data }, (_, n) => n).filter((n) => shards[n] === undefined)
  const length = present[0]?.shard.length ?? 0
  const made = new Map(missing.map((n) => [n, new Uint8Array(length)]))
  if (missing.length > 0) {
    const coding = matrixOf(data, shards.length - data)
    const decoding = inverted(present.map(({ index }) => coding[index] ?? new Uint8Array(data)))
    multiplyShards(
      missing.map((n) => decoding[n] ?? new Uint8Array(data)),
      present.map(({ shard }) => shard),
      [...made.values()]
    )
  }
  return Result.succeed(Array.from({ length: data }, (_, n) => shards[n] ?? made.get(n) ?? new Uint8Array(length)))
}

// ── What is coded: the length of the data, the data, and a mark ────────────────────────────────────────────────────

const [lengthBytes, mark] = [8, Uint8Array.of(0xde, 0xad, 0xbe, 0xef)]

/** Bytes that wrapping adds to the data. */
export const wrappingLength = lengthBytes + mark.length

/** Bytes of each shard for so many bytes of data. */
export const shardLength = (length: number, data: number): number => Math.ceil((length + wrappingLength) / data)

/** What stands before and after the data: its length in 8 bytes, big-endian, and a mark. */
export const wrapping = (length: number): { readonly before: Uint8Array; readonly after: Uint8Array } => {
  const before = Buffer.alloc(lengthBytes)
  before.writeBigUInt64BE(BigInt(length))
  return { before, after: mark }
}

/** The data that data shards hold, as parts that follow each other. */
export const unwrap = (shards: ReadonlyArray<Uint8Array>): Result.Result<Uint8Array, NotErasureCoded> => {
  const joined = Buffer.concat(shards)
  const refused = Result.fail(new NotErasureCoded())
  if (joined.length < wrappingLength) return refused
  const length = joined.readBigUInt64BE(0)
  if (length > BigInt(joined.length - wrappingLength)) return refused
  const end = lengthBytes + Number(length)
  return mark.every((byte, n) => joined[end + n] === byte)
    ? Result.succeed(joined.subarray(lengthBytes, end))
    : refused
}
