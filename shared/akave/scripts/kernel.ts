/**
 * Assembles the kernel of erasure coding into `src/encoding/kernel.ts`: `node scripts/kernel.ts`.
 *
 * It multiplies a matrix of GF(2^8) with the shards: for 4 outputs and 32 bytes at a time it goes through all inputs, splits each byte into
 * its halves, and looks the two products up in tables of 16 bytes (`i8x16.swizzle`), which are made for each coefficient beforehand.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import wabt from "wabt"

/** Outputs that are made in one go through the inputs. */
export const outputsAtOnce = 4
/** Bytes of each input, and output, that are worked on at once. */
export const step = 32

const outputs = Array.from({ length: outputsAtOnce }, (_, n) => n)
const halves = ["a", "b"]
const each = (text: (output: number) => string): string => outputs.map(text).join("\n")

/** For output n, adds the products of both vectors of the input: table of the low halves first, then of the high ones. */
const product = (n: number): string => `
          (local.set $low (v128.load offset=${n * 32} (local.get $t)))
          (local.set $high (v128.load offset=${n * 32 + 16} (local.get $t)))
          ${
  halves.map((half) => `
          (local.set $${half}${n} (v128.xor (local.get $${half}${n}) (v128.xor
            (i8x16.swizzle (local.get $low) (local.get $${half}l))
            (i8x16.swizzle (local.get $high) (local.get $${half}h)))))`).join("")
}`

const split = (half: string, offset: number): string => `
          (local.set $x (v128.load offset=${offset} (local.get $in)))
          (local.set $${half}l (v128.and (local.get $x) (local.get $mask)))
          (local.set $${half}h (i8x16.shr_u (local.get $x) (i32.const 4)))`

const source = `(module
  (memory (export "memory") 1)
  ;; Outputs come in groups. The tables lie in the order in which they are used: by group, input, and output of the group.
  (func (export "multiply")
    (param $tables i32) (param $inputs i32) (param $count i32) (param $stride i32)
    (param $outputs i32) (param $groups i32) (param $length i32)
    (local $at i32) (local $t i32) (local $in i32) (local $i i32) (local $out i32)
    (local $x v128) (local $mask v128) (local $low v128) (local $high v128)
    (local $al v128) (local $ah v128) (local $bl v128) (local $bh v128)
    ${each((n) => `(local $a${n} v128) (local $b${n} v128)`)}
    (local.set $mask (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15))
    (loop $group
      (local.set $at (i32.const 0))
      (loop $position
        (local.set $t (local.get $tables))
        (local.set $in (i32.add (local.get $inputs) (local.get $at)))
        (local.set $i (local.get $count))
        ${
  each((n) => `
        (local.set $a${n} (v128.const i64x2 0 0))
        (local.set $b${n} (v128.const i64x2 0 0))`)
}
        (loop $input
          ${split("a", 0)}
          ${split("b", 16)}
          ${each(product)}
          (local.set $t (i32.add (local.get $t) (i32.const ${32 * outputsAtOnce})))
          (local.set $in (i32.add (local.get $in) (local.get $stride)))
          (br_if $input (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (local.set $out (i32.add (local.get $outputs) (local.get $at)))
        ${
  each((n) => `
        (v128.store (local.get $out) (local.get $a${n}))
        (v128.store offset=16 (local.get $out) (local.get $b${n}))
        (local.set $out (i32.add (local.get $out) (local.get $stride)))`)
}
        (br_if $position (i32.lt_u
          (local.tee $at (i32.add (local.get $at) (i32.const ${step}))) (local.get $length))))
      (local.set $tables (i32.add (local.get $tables) (i32.mul (local.get $count) (i32.const ${32 * outputsAtOnce}))))
      (local.set $outputs (i32.add (local.get $outputs) (i32.mul (local.get $stride) (i32.const ${outputsAtOnce}))))
      (br_if $group (local.tee $groups (i32.sub (local.get $groups) (i32.const 1)))))))`

/** The module that holds the assembled kernel, as a file of this package. */
export const kernelModule = async (): Promise<string> => {
  const { parseWat } = await wabt()
  const { buffer } = parseWat("kernel.wat", source, { simd: true }).toBinary({})
  return `// Assembled by scripts/kernel.ts.
/** Outputs that are made in one go through the inputs. */
export const outputsAtOnce = ${outputsAtOnce}
/** Bytes of each shard that are worked on at once. */
export const step = ${step}
/** The WebAssembly module, in base64. */
export const wasm =
  "${Buffer.from(buffer).toString("base64")}"
`
}

if (import.meta.main) await writeFile(join(import.meta.dirname, "../src/encoding/kernel.ts"), await kernelModule())
