import { NodeServices } from "@effect/platform-node"
import { Layer } from "effect"
import { Anvil } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"
import { IpcNode } from "./IpcNode.ts"
import { Admin } from "./node/Admin.ts"
import { Blocks } from "./node/Blocks.ts"
import { BlockStore } from "./node/BlockStore.ts"
import * as Deletions from "./node/Deletions.ts"
import { Downloads } from "./node/Downloads.ts"
import { Faults } from "./node/Faults.ts"
import { FileContract } from "./node/FileContract.ts"
import { FillChain } from "./node/FillChain.ts"
import { FillQueue } from "./node/FillQueue.ts"
import { NodeFolder } from "./node/NodeFolder.ts"
import { NodeIdentity } from "./node/NodeIdentity.ts"
import { NodeState } from "./node/NodeState.ts"
import { Uploads } from "./node/Uploads.ts"
import { Views } from "./node/Views.ts"
import { Storage } from "./Storage.ts"

const chain = FileContract.layer.pipe(
  Layer.provideMerge(Storage.layer),
  Layer.provideMerge(Contracts.layer),
  Layer.provideMerge(Anvil.layer)
)

/** What the node keeps, and how it tells the chain of it. */
const keeping = Deletions.layer.pipe(
  Layer.provideMerge(FillQueue.layer),
  Layer.provideMerge(FillChain.layer),
  Layer.provideMerge(Blocks.layer),
  Layer.provideMerge(BlockStore.layer),
  Layer.provideMerge(NodeState.layer),
  Layer.provideMerge(NodeIdentity.layer),
  Layer.provideMerge(NodeFolder.layer),
  Layer.provideMerge(Faults.layer)
)

/** The whole development network: chain, contracts, node. */
export const layer = IpcNode.layer.pipe(
  Layer.provideMerge(Admin.layer),
  Layer.provide(Layer.merge(Uploads.layer, Downloads.layer)),
  Layer.provide(Views.layer),
  Layer.provideMerge(keeping),
  Layer.provideMerge(chain),
  Layer.provide(NodeServices.layer)
)
