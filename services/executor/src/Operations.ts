/** The operations that an executor can work on. */
import type { Buckets } from "@akave-async/sdk/Buckets"
import { Context, Effect, Layer } from "effect"
import type { Operation } from "./Operation.ts"
import * as BucketOperations from "./operations/Bucket.ts"

/** The operations on one kind of aggregate, by name. */
export type OfKind = Effect.Effect<Readonly<Record<string, Operation>>, never, Buckets>

/** Those of this release, by kind. */
export const kinds: ReadonlyArray<OfKind> = [BucketOperations.make]
/** Where {@link Operations} come from: those of this release, unless others are provided. */
export const Kinds = Context.Reference<ReadonlyArray<OfKind>>("@akave-async/executor/Operations/Kinds", {
  defaultValue: () => kinds
})

/** All operations, by name. */
export class Operations extends Context.Service<Operations, ReadonlyMap<string, Operation>>()(
  "@akave-async/executor/Operations"
) {
  static readonly layer: Layer.Layer<Operations, never, Buckets> = Layer.effect(
    Operations,
    Effect.gen(function*() {
      const found = yield* Effect.all(yield* Kinds)
      return new Map(found.flatMap((operations) => Object.entries(operations)))
    })
  )
}
