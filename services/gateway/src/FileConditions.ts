/** What requests for jobs on files say of the file that they are for. */
import type * as Problems from "@akave-async/api/Problems"
import { Effect } from "effect"
import { digestOf, tagsOf } from "./FileHeaders.ts"
import { invalid } from "./FileProblems.ts"
import type { Condition } from "./Files.ts"

/** The headers of a request that say so. */
export interface Conditions {
  readonly "if-match"?: string
  readonly "if-none-match"?: string
}

/**
 * Which file a request is for, by its headers.
 * @param overwrite Whether a file that is there may be changed where no header says which one.
 */
export const preconditionOf = Effect.fnUntraced(function*(
  { "if-match": match, "if-none-match": noneMatch }: Conditions,
  overwrite: boolean
): Effect.fn.Return<Condition, Problems.InvalidRequest> {
  if (match !== undefined && noneMatch !== undefined) {
    return yield* invalid("Send If-Match or If-None-Match, not both")
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== "*") return yield* invalid("If-None-Match of a request that changes a file can only be *")
    if (overwrite) {
      return yield* invalid(
        "overwrite=true says that a file that is there is replaced, and If-None-Match that it is not"
      )
    }
    return "none"
  }
  if (match === undefined) return overwrite ? "any" : "none"
  const tags = yield* Effect.mapError(Effect.fromResult(tagsOf(match)), (reason) => invalid(`If-Match: ${reason}`))
  return tags === "any" ? "existing" : tags
})

/** The SHA-256 that the client says the body has. */
export const expectedDigest = Effect.fnUntraced(function*(headers: Readonly<Record<string, string | undefined>>) {
  const named = [["Content-Digest", headers["content-digest"]], ["Repr-Digest", headers["repr-digest"]]] as const
  const found: Array<string> = []
  for (const [name, header] of named) {
    if (header !== undefined) found.push(yield* Effect.mapError(Effect.fromResult(digestOf(name, header)), invalid))
  }
  if (new Set(found).size > 1) return yield* invalid("Content-Digest and Repr-Digest are of different bytes")
  return found[0]
})
