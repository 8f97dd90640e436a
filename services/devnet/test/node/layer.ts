import { Effect } from "effect"
import { Anvil } from "../../src/Anvil.ts"
import { Contracts } from "../../src/Contracts.ts"
import * as Devnet from "../../src/Devnet.ts"
import { IpcNode } from "../../src/IpcNode.ts"
import { withSettings } from "../devnet.ts"
import * as Client from "./client.ts"

/** A devnet whose node can be looked into. */
export const devnet = (values?: Record<string, string>) => withSettings(Devnet.layer, values)

/** A new owner with a bucket. */
export const session = Effect.gen(function*() {
  const { rpcUrl } = yield* Anvil
  const { storageAddress } = yield* Contracts
  const { address } = yield* IpcNode
  const session = yield* Effect.acquireRelease(
    Effect.promise(() => Client.session(address, rpcUrl, storageAddress)),
    (session) => Effect.sync(() => Client.close(session))
  )
  yield* Effect.promise(() => Client.createBucket(session, "photos"))
  return session
})
