/** The staging store: bytes of files on their way to the network, or back from it. */
import type { Nats } from "@akave-async/platform/Nats"
import { Config, Context, type DateTime, Effect, Layer, type Option, Schema, type Stream } from "effect"
import * as Folder from "./Folder.ts"
import * as Memory from "./Memory.ts"
import * as ObjectStore from "./ObjectStore.ts"
import * as S3 from "./S3.ts"
import type { ObjectId, StagedMissing, StagingFull, StagingUnavailable } from "./StagedObject.ts"

/** Something staged that is there whole. */
export interface StagedObject {
  readonly id: ObjectId
  /** Bytes. */
  readonly size: number
  readonly storedAt: DateTime.Utc
}

export interface StagingShape {
  /**
   * Stores bytes under a new id, and returns once they are durable. After a failure or an interruption nothing is kept; what a crash
   * leaves is swept. An id is used once: a second use fails, and changes nothing.
   */
  put<E, R>(
    id: ObjectId,
    bytes: Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<StagedObject, E | StagingUnavailable | StagingFull, R>
  /** Bytes from `start` to before `end`, the whole by default, as fast as they are taken. */
  read(
    id: ObjectId,
    range?: { readonly start: number; readonly end: number }
  ): Stream.Stream<Uint8Array, StagedMissing | StagingUnavailable>
  stat(id: ObjectId): Effect.Effect<Option.Option<StagedObject>, StagingUnavailable>
  /** Removing what is not there is no error. */
  remove(id: ObjectId): Effect.Effect<void, StagingUnavailable>
  /** What is there whole, in any order. */
  readonly list: Stream.Stream<StagedObject, StagingUnavailable>
  /** Removes what puts have left that began before this time and have not ended; returns how many. */
  sweepUnfinished(before: DateTime.Utc): Effect.Effect<number, StagingUnavailable>
  /** Fails where it can't be used now. */
  readonly check: Effect.Effect<void, StagingUnavailable>
  /** What it is, for people, without credentials. */
  readonly description: string
}

export class Staging extends Context.Service<Staging, StagingShape>()("@akave-async/staging/Staging") {
  /** In the memory of this process. */
  static readonly layerMemory: Layer.Layer<Staging> = Layer.sync(Staging, Memory.make)

  /** In a folder, which is made when it is needed; processes share it that have it on a common volume. */
  static readonly layerFolder = (folder: string): Layer.Layer<Staging> => Layer.sync(Staging, () => Folder.make(folder))

  /** In a bucket of an S3-compatible service. */
  static readonly layerS3 = (settings: S3.Settings): Layer.Layer<Staging> =>
    Layer.sync(Staging, () => S3.make(settings))

  /** In JetStream's object store. */
  static readonly layerNats = (
    settings: ObjectStore.Settings = {}
  ): Layer.Layer<Staging, StagingUnavailable, Nats> => Layer.effect(Staging, ObjectStore.make(settings))

  /** As `STAGING` says: `folder`, `s3` or `nats`. */
  static readonly layerConfig = Layer.unwrap(Effect.gen(function*() {
    const kind = yield* Config.schema(Schema.Literals(["folder", "s3", "nats"]), "STAGING").pipe(
      Config.withDefault("folder" as const)
    )
    switch (kind) {
      case "folder":
        return Staging.layerFolder(yield* Config.String("STAGING_DIR").pipe(Config.withDefault("staging")))
      case "s3":
        return Staging.layerS3(yield* S3.settings)
      case "nats":
        return Staging.layerNats({ replicas: yield* ObjectStore.replicas })
    }
  }))
}
