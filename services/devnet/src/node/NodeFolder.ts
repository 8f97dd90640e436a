import { Context, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { AnvilConfig } from "../DevnetConfig.ts"

export class NodeFolderUnusable extends Schema.TaggedError<NodeFolderUnusable>()("NodeFolderUnusable", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The node's folder ${this.path} cannot be used: ${
    this.cause instanceof Error ? this.cause.message : String(this.cause)
  }`
}

/** Where the node keeps its identity, its state and its blocks: `node` in DEVNET_DATA_DIR, or a folder that ends with the process. */
export class NodeFolder extends Context.Service<NodeFolder, {
  readonly path: string
}>()("@akave-async/devnet/NodeFolder") {
  static readonly layer = Layer.effect(
    NodeFolder,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const { dataDir } = yield* AnvilConfig
      if (Option.isNone(dataDir)) {
        const path = yield* fs.makeTempDirectoryScoped({ prefix: "akave-devnet-" }).pipe(
          Effect.mapError((cause) => new NodeFolderUnusable({ path: "in the temporary folder", cause }))
        )
        return NodeFolder.of({ path })
      }
      const path = join(dataDir.value, "node")
      yield* fs.makeDirectory(path, { recursive: true, mode: 0o700 }).pipe(
        Effect.mapError((cause) => new NodeFolderUnusable({ path, cause }))
      )
      return NodeFolder.of({ path })
    })
  )
}
