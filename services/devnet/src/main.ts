import * as Service from "@akave-async/platform/Service"
import { Effect, Layer, Option } from "effect"
import { setFlagsFromString } from "node:v8"
import { Anvil, chainId } from "./Anvil.ts"
import { Contracts } from "./Contracts.ts"
import * as Devnet from "./Devnet.ts"
import { IpcNode } from "./IpcNode.ts"
import { Admin } from "./node/Admin.ts"

const run = Effect.gen(function*() {
  const { rpcUrl, stopped } = yield* Anvil
  const { accessAddress, storageAddress } = yield* Contracts
  const { address } = yield* IpcNode
  const { url } = yield* Admin
  yield* Service.ready({
    node_address: address,
    rpc_url: rpcUrl,
    storage_address: storageAddress,
    access_address: accessAddress,
    chain_id: chainId,
    ...Option.match(url, { onNone: () => ({}), onSome: (url) => ({ admin_url: url }) })
  })
  return yield* stopped
})

// Blocks pass through buffers outside the heap. By itself the collector counts them as growth of the heap, which it then goes
// through for every few blocks: that takes half of the node's time.
setFlagsFromString("--heap-growing-percent=400")

Service.main("devnet", Layer.effectDiscard(run).pipe(Layer.provide(Devnet.layer)))
