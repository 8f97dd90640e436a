import { NodeServices } from "@effect/platform-node"
import { Layer } from "effect"
import { Anvil } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"
import { IpcNode } from "./IpcNode.ts"
import { Storage } from "./Storage.ts"

/** The whole development network: chain, contracts, node. */
export const layer = IpcNode.layer.pipe(
  Layer.provideMerge(Storage.layer),
  Layer.provideMerge(Contracts.layer),
  Layer.provideMerge(Anvil.layer),
  Layer.provide(NodeServices.layer)
)
