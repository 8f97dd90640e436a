/** Buckets for programs that use Promises instead of Effect. Every promise rejects with one of the errors of `Errors.ts`. */
import { DateTime, Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { AkaveNode, type BucketEntry } from "./AkaveNode.ts"
import { Buckets, type DeletedBucket, type SettleOptions } from "./Buckets.ts"
import { Chain } from "./Chain.ts"
import { Wallet } from "./Wallet.ts"

export interface ConnectOptions {
  /** host:port of an Akave node. */
  readonly nodeAddress: string
  /** 64 hex digits, with or without 0x. */
  readonly privateKey: string
  /** URL of the chain's JSON-RPC, instead of the one that the node names. */
  readonly rpcUrl?: string
}

export interface ListedBucket {
  readonly name: string
  readonly createdAt: Date
}

export interface Bucket extends ListedBucket {
  /** 0x and 64 lower-case hex digits. */
  readonly id: string
}

export interface CreatedBucket extends Bucket {
  readonly transactionHash: string
  readonly blockNumber: number
  /** Gas units. */
  readonly gasUsed: number
}

export interface AkaveClient extends AsyncDisposable {
  /** The owner of the buckets: the address of the private key, with EIP-55's checksum. */
  readonly address: string
  /** Creates a bucket and waits until it is mined. */
  createBucket(name: string, options?: SettleOptions): Promise<CreatedBucket>
  /** Deletes an empty bucket and waits until that is mined. */
  deleteBucket(name: string, options?: SettleOptions): Promise<DeletedBucket>
  viewBucket(name: string): Promise<Bucket>
  /** One page of the buckets in the chain's order; the first 100 by default. */
  listBuckets(page?: { readonly offset?: number; readonly limit?: number }): Promise<ReadonlyArray<ListedBucket>>
  /** Ends all connections; calls that still wait are interrupted. */
  close(): Promise<void>
}

/**
 * Connects to a node and the chain behind it.
 *
 * @example
 * await using akave = await connect({ nodeAddress: "127.0.0.1:5500", privateKey })
 * const { id } = await akave.createBucket("my-bucket")
 */
export const connect = async (options: ConnectOptions): Promise<AkaveClient> => {
  const { nodeAddress, rpcUrl } = options
  const node = AkaveNode.layer({ address: nodeAddress })
  const chain = Chain.layer(rpcUrl === undefined ? {} : { rpcUrl }).pipe(Layer.provideMerge(node))
  const wallet = Wallet.layer(Redacted.make(options.privateKey))
  const runtime = ManagedRuntime.make(Buckets.layer.pipe(Layer.provideMerge(Layer.merge(chain, wallet))))
  const close = () => runtime.dispose()

  const { address, buckets } = await runtime.runPromise(Effect.gen(function*() {
    return { address: (yield* Wallet).address, buckets: yield* Buckets }
  })).catch(async (error: unknown) => {
    await close()
    throw error
  })

  return {
    address,
    createBucket: (name, settle) => runtime.runPromise(Effect.map(buckets.createBucket(name, settle), withDate)),
    deleteBucket: (name, settle) => runtime.runPromise(buckets.deleteBucket(name, settle)),
    viewBucket: (name) => runtime.runPromise(Effect.map(buckets.viewBucket(name), withDate)),
    listBuckets: (page) => runtime.runPromise(Effect.map(buckets.listBuckets(page), (listed) => listed.map(withDate))),
    close,
    [Symbol.asyncDispose]: close
  }
}

const withDate = <B extends BucketEntry>(bucket: B): Omit<B, "createdAt"> & { readonly createdAt: Date } => ({
  ...bucket,
  createdAt: DateTime.toDateUtc(bucket.createdAt)
})
