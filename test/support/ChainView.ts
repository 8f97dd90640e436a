/** What is on chain, read beside the product. */
import * as Stack from "@akave-async/local/Stack"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Buckets } from "@akave-async/sdk/Buckets"
import { Chain } from "@akave-async/sdk/Chain"
import { Wallet } from "@akave-async/sdk/Wallet"
import { Layer, Redacted } from "effect"
import { AbiCoder, id, JsonRpcProvider } from "ethers"

/** The SDK's view of a stack's network. */
export const layer = (stack: Stack.Stack) =>
  Buckets.layer.pipe(
    Layer.provideMerge(Chain.layer()),
    Layer.provideMerge([
      AkaveNode.layer({ address: stack.nodeAddress }),
      Wallet.layer(Redacted.make(Stack.publicDevelopmentKey))
    ])
  )

export interface Transaction {
  readonly hash: string
  readonly nonce: number
  /** The bucket that it creates; undefined for a transaction of another kind. */
  readonly bucketName: string | undefined
  readonly succeeded: boolean
}

/** All transactions that an account has in the chain's blocks, in their order. */
export const transactionsOf = async (rpcUrl: string, from: string): Promise<ReadonlyArray<Transaction>> => {
  const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true })
  try {
    const head = await provider.getBlockNumber()
    const found: Array<Transaction> = []
    for (let number = 0; number <= head; number++) {
      const block = await provider.getBlock(number, true)
      for (const { data, from: sender, hash, nonce } of block?.prefetchedTransactions ?? []) {
        if (sender.toLowerCase() !== from.toLowerCase()) continue
        const receipt = await provider.getTransactionReceipt(hash)
        found.push({ hash, nonce, bucketName: bucketNameIn(data), succeeded: receipt?.status === 1 })
      }
    }
    return found
  } finally {
    provider.destroy()
  }
}

const createBucket = id("createBucket(string)").slice(0, 10)
const bucketNameIn = (data: string): string | undefined =>
  data.startsWith(createBucket) ? AbiCoder.defaultAbiCoder().decode(["string"], `0x${data.slice(10)}`)[0] : undefined
