/** What operations on files need, where none is worked on: whatever is asked of it is a defect. */
import { ChunkCoder } from "@akave-async/sdk/encoding/ChunkCoder"
import { FileContract } from "@akave-async/sdk/files/FileContract"
import { FileNode } from "@akave-async/sdk/files/FileNode"
import { Staging } from "@akave-async/staging/Staging"
import { Effect, Layer } from "effect"
import { ChunkMemory } from "../src/operations/StagedChunks.ts"

export const noFiles = Layer.mergeAll(
  Layer.mock(ChunkCoder, { buffers: { take: (size) => new Uint8Array(size), give: () => {} } }),
  Layer.mock(FileContract, {}),
  Layer.mock(FileNode, {}),
  Layer.mock(Staging, { check: Effect.void, description: "none" }),
  Layer.succeed(ChunkMemory, { with: (_, use) => use })
)
