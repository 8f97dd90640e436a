/** Backup files that follow on each other. */
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { Effect, Stream } from "effect"
import { BackupInvalid, hexOf, type Manifest, type Part, type Placed } from "./BackupFile.ts"
import { read } from "./BackupReader.ts"

/** How far files go in one stream. */
export interface Reached {
  readonly name: string
  readonly prefix: string
  readonly kind: Part["kind"]
  /** The first event that the files have, and the last. */
  readonly first: number
  readonly last: number
  /** The hash chain's hash after the last. */
  readonly hash: Uint8Array
  /** The last one; undefined where there is none. */
  readonly event: StoredEvent | undefined
}

/**
 * Reads files that follow on each other, and gives how far they go in each stream. Fails with the first file that is damaged, or does
 * not follow.
 * @param look Is handed all events, and the hash of the hash chain after each.
 */
export const verify = Effect.fnUntraced(function*(
  files: ReadonlyArray<string>,
  look: (placed: Placed, hash: Uint8Array) => void = () => {}
) {
  const reached = new Map<string, Reached>()
  let before: string | undefined
  for (const file of files) {
    let isFirst = true
    yield* Stream.runForEach(read(file), ({ events, manifest }) =>
      Effect.suspend(() => {
        if (isFirst) {
          const problem = whyNotBehind(reached, manifest, before)
          if (problem !== undefined) return Effect.fail(new BackupInvalid({ file, problem }))
          for (const { first_sequence, hash_before, kind, name, prefix } of manifest.streams) {
            if (reached.has(name)) continue
            const hash = Buffer.from(hash_before, "hex")
            reached.set(name, {
              name,
              prefix,
              kind,
              first: first_sequence,
              last: first_sequence - 1,
              hash,
              event: undefined
            })
          }
        }
        isFirst = false
        for (const placed of events) {
          const known = reached.get(placed.stream)
          if (known === undefined) continue
          const hash = HashChain.next(known.hash, HashChain.encode(placed.event))
          reached.set(placed.stream, { ...known, last: placed.event.sequence, hash, event: placed.event })
          look(placed, hash)
        }
        return Effect.void
      }))
    before = file
  }
  return Array.from(reached.values())
})

/** Why a file with this first line does not follow on what was read, which ended with the file before. */
const whyNotBehind = (
  reached: ReadonlyMap<string, Reached>,
  { streams }: Manifest,
  before: string | undefined
): string | undefined => {
  if (before === undefined) return undefined
  for (const { first_sequence, hash_before, name, prefix } of streams) {
    const known = reached.get(name) ?? { hash: HashChain.genesis, last: 0, prefix }
    if (first_sequence !== known.last + 1) {
      return `it begins with event ${first_sequence} of ${name}, and ${before} ends with event ${known.last}: `
        + "name the files in the order in which they were made, each once"
    }
    if (hash_before !== hexOf(known.hash) || prefix !== known.prefix) {
      return `it follows on other events of ${name} than those of ${before}: it is of another log`
    }
  }
  const missing = Array.from(reached.keys()).find((name) => !streams.some((one) => one.name === name))
  return missing === undefined ? undefined : `it has nothing of ${missing}, which ${before} has`
}
