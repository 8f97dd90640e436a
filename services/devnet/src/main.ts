import * as Service from "@akave-async/platform/Service"
import { Effect, Layer } from "effect"
import { Anvil, chainId } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"
import * as Devnet from "./Devnet.ts"
import { IpcNode } from "./IpcNode.ts"

const run = Effect.gen(function*() {
  const { rpcUrl, stopped } = yield* Anvil
  const { accessAddress, storageAddress } = yield* Contracts
  const { address } = yield* IpcNode
  yield* Service.ready({
    node_address: address,
    rpc_url: rpcUrl,
    storage_address: storageAddress,
    access_address: accessAddress,
    chain_id: chainId
  })
  return yield* stopped
})

Service.main("devnet", Layer.effectDiscard(run).pipe(Layer.provide(Devnet.layer)))
