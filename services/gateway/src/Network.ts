/**
 * The storage network, as far as a gateway reads it: with no wallet, and from its first use on, since it may be away when the gateway
 * starts.
 */
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Chain } from "@akave-async/sdk/Chain"
import { ChunkCoder } from "@akave-async/sdk/encoding/ChunkCoder"
import * as Download from "@akave-async/sdk/files/Download"
import { FileContract } from "@akave-async/sdk/files/FileContract"
import { FileNode } from "@akave-async/sdk/files/FileNode"
import { Context, Effect, Layer, Scope, Semaphore } from "effect"

/** Neither node nor chain have answered so far. */
export interface NetworkAway {
  readonly _tag: "NetworkAway"
  readonly message: string
}

interface Reading {
  readonly open: Effect.Success<typeof Download.make>
  readonly node: FileNode["Service"]
}

/** What nodes are given at a time, and how long they may take, in milliseconds. */
const nodeOptions = { timeout: 10_000, blockTimeout: 60_000, partSize: 131_072 }
/** How long it is waited for at its first use. */
const patience = "5 seconds"

export class Network extends Context.Service<Network, {
  /** What reads files, once node and chain have answered. */
  readonly reading: Effect.Effect<Reading, NetworkAway>
}>()("@akave-async/gateway/Network") {
  static readonly layer = Layer.effect(
    Network,
    Effect.gen(function*() {
      const node = yield* AkaveNode
      const scope = yield* Effect.scope
      const context = yield* Effect.context<never>()
      const layer = Layer.effectContext(Effect.gen(function*() {
        return Context.make(FileNode, yield* FileNode).pipe(Context.add(Opening, yield* Download.make))
      })).pipe(
        Layer.provide([FileContract.layer, FileNode.layer(nodeOptions), ChunkCoder.layer()]),
        Layer.provide(Chain.layerConfig),
        Layer.provide(Layer.succeed(AkaveNode, node))
      )
      let known: Reading | undefined
      const one = yield* Semaphore.make(1)
      const build = Effect.gen(function*() {
        if (known !== undefined) return known
        const own = yield* Scope.fork(scope)
        const built = yield* Layer.buildWithScope(layer, own).pipe(
          Effect.provideContext(context),
          Effect.onError((cause) => Scope.close(own, { _tag: "Failure", cause } as never))
        )
        known = { open: Context.get(built, Opening), node: Context.get(built, FileNode) }
        return known
      }).pipe(
        Effect.timeout(patience),
        Effect.catch((error) => {
          const away: NetworkAway = { _tag: "NetworkAway", message: error.message }
          return Effect.fail(away)
        })
      )
      return Network.of({
        reading: Effect.suspend(() => known === undefined ? one.withPermit(build) : Effect.succeed(known))
      })
    })
  )
}

class Opening extends Context.Service<Opening, Effect.Success<typeof Download.make>>()(
  "@akave-async/gateway/Network/Opening"
) {}
