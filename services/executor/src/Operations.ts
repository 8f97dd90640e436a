/** The operations that an executor can work on. */
import { type EventLog } from "@akave-async/eventing/EventLog"
import type { Buckets } from "@akave-async/sdk/Buckets"
import type { Chain } from "@akave-async/sdk/Chain"
import type { ChunkCoder } from "@akave-async/sdk/encoding/ChunkCoder"
import type { FileContract } from "@akave-async/sdk/files/FileContract"
import type { FileNode } from "@akave-async/sdk/files/FileNode"
import type { Wallet } from "@akave-async/sdk/Wallet"
import type { Staging } from "@akave-async/staging/Staging"
import { type Config, Context, Effect, Layer, type Scope } from "effect"
import type { Operation } from "./Operation.ts"
import * as BucketOperations from "./operations/Bucket.ts"
import * as Download from "./operations/Download.ts"
import * as FileChanges from "./operations/FileChanges.ts"
import type { ChunkMemory } from "./operations/StagedChunks.ts"
import * as Upload from "./operations/Upload.ts"

/** What operations are made of. */
export type Means =
  | Buckets
  | Chain
  | ChunkCoder
  | ChunkMemory
  | EventLog
  | FileContract
  | FileNode
  | Staging
  | Wallet

/** Operations on one kind of aggregate, by name. */
export type OfKind = Effect.Effect<Readonly<Record<string, Operation>>, Config.ConfigError, Means | Scope.Scope>

/** Those of this release. */
export const kinds: ReadonlyArray<OfKind> = [BucketOperations.make, Upload.make, FileChanges.make, Download.make]
/** Where {@link Operations} come from: those of this release, unless others are provided. */
export const Kinds = Context.Reference<ReadonlyArray<OfKind>>("@akave-async/executor/Operations/Kinds", {
  defaultValue: () => kinds
})

/** All operations, by name. */
export class Operations extends Context.Service<Operations, ReadonlyMap<string, Operation>>()(
  "@akave-async/executor/Operations"
) {
  static readonly layer: Layer.Layer<Operations, Config.ConfigError, Means> = Layer.effect(
    Operations,
    Effect.gen(function*() {
      const found = yield* Effect.all(yield* Kinds)
      return new Map(found.flatMap((operations) => Object.entries(operations)))
    })
  )
}
