/** The staging store: bytes of files on their way to the network, or back from it. */
import type { Nats } from "@akave-async/platform/Nats"
import { Config, Context, Effect, Layer, Schema } from "effect"
import * as Folder from "./Folder.ts"
import * as Memory from "./Memory.ts"
import * as ObjectStore from "./ObjectStore.ts"
import * as S3 from "./S3.ts"
import type { StagingShape, StagingUnavailable } from "./StagedObject.ts"

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
