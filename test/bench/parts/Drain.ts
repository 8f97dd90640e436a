/** A backlog of bucket creations of one wallet: how many blocks the executors need for it, beside the blocks that its gas alone fills. */
import * as Stack from "@akave-async/local/Stack"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Effect } from "effect"
import { Contract, JsonRpcProvider, Wallet } from "ethers"
import { setTimeout } from "node:timers/promises"
import { createBucket, ended, freshName } from "../../support/Gateway.ts"
import type { Options } from "../Options.ts"
import * as Processes from "../Processes.ts"
import type { Row, Table } from "../Table.ts"

/** What the chain holds of a sender's transactions. */
const minedOf = async (rpcUrl: string, sender: string) => {
  const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true })
  try {
    const blocks: Array<{ readonly number: number; readonly nonces: ReadonlyArray<number>; readonly gas: bigint }> = []
    let gasLimit = 0n
    for (let number = 1; number <= (await provider.getBlockNumber()); number++) {
      const block = await provider.getBlock(number, true)
      const own = block?.prefetchedTransactions.filter(({ from }) => from === sender) ?? []
      if (block === null || own.length === 0) continue
      gasLimit = block.gasLimit
      blocks.push({ number, nonces: own.map(({ nonce }) => nonce), gas: block.gasUsed })
    }
    return { blocks, gasLimit }
  } finally {
    provider.destroy()
  }
}

const inBlocks = ({ blocks, gasLimit }: Awaited<ReturnType<typeof minedOf>>, jobs: number) => {
  const nonces = blocks.flatMap(({ nonces }) => nonces)
  if (nonces.length !== jobs || nonces.some((nonce, n) => nonce !== n)) {
    throw new Error(`${jobs} jobs have led to ${nonces.length} transactions, or to nonces with a gap`)
  }
  const gas = blocks.reduce((sum, block) => sum + block.gas, 0n)
  const used = (blocks.at(-1)?.number ?? 0) - (blocks[0]?.number ?? 0) + 1
  return { used, least: Number((gas + gasLimit - 1n) / gasLimit) }
}

const drained = Effect.fnUntraced(function*(jobs: number, executors: number) {
  const stack = yield* Stack.started({ counts: { executor: executors } })
  const each = Array.from({ length: executors }, (_, n) => stack.executor(n))
  yield* Effect.forEach(each, (executor) => executor.kill("SIGSTOP"))
  const accepted = yield* Effect.forEach(
    Array.from({ length: jobs }, freshName),
    (name) => createBucket(stack.gatewayUrl, name),
    { concurrency: 50 }
  )
  const cpu = () => each.reduce((sum, { name }) => sum + Processes.cpuMillis(stack, name), 0)
  const before = cpu()
  const begun = performance.now()
  yield* Effect.forEach(each, (executor) => executor.kill("SIGCONT"))
  const answers = yield* Effect.forEach(accepted, ({ body }) => ended(stack.gatewayUrl, body.job_id), {
    concurrency: 4
  })
  const seconds = (performance.now() - begun) / 1000
  const completed = answers.filter(({ body }) => body.status === "completed").length
  if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs were completed`)
  const { least, used } = inBlocks(yield* Effect.promise(() => minedOf(stack.rpcUrl, stack.ownerAddress)), jobs)
  return {
    name: `${jobs} jobs, ${executors} executor${executors === 1 ? "" : "s"}`,
    values: {
      blocks: [used],
      "gas alone": [least],
      ratio: [used / least],
      seconds: [seconds],
      "executor CPU": [(cpu() - before) / jobs]
    }
  } satisfies Row
}, Effect.scoped)

/** As many transactions of the same kind that are signed before, and sent as they are. */
const presigned = Effect.fnUntraced(function*(jobs: number) {
  const stack = yield* Stack.started({ counts: { executor: 0, gateway: 0, projector: 0 } })
  const { storageAddress } = yield* AkaveNode.use(({ connectionParams }) => connectionParams).pipe(
    Effect.provide(AkaveNode.layer({ address: stack.nodeAddress }))
  )
  const seconds = yield* Effect.promise(() => sendAll(stack.rpcUrl, storageAddress, jobs))
  const { least, used } = inBlocks(yield* Effect.promise(() => minedOf(stack.rpcUrl, stack.ownerAddress)), jobs)
  return {
    name: `${jobs} signed before`,
    values: { blocks: [used], "gas alone": [least], ratio: [used / least], seconds: [seconds] }
  } satisfies Row
}, Effect.scoped)

/** Sends the creations of so many buckets; gives the seconds until all are mined. */
const sendAll = async (rpcUrl: string, storageAddress: string, jobs: number) => {
  const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true })
  try {
    const wallet = new Wallet(Stack.publicDevelopmentKey, provider)
    const storage = new Contract(storageAddress, ["function createBucket(string) returns (bytes32)"], wallet)
    const { chainId } = await provider.getNetwork()
    const { maxFeePerGas, maxPriorityFeePerGas } = await provider.getFeeData()
    const raw = await Promise.all(Array.from({ length: jobs }, async (_, nonce) => {
      const call = await storage.getFunction("createBucket").populateTransaction(freshName())
      const fees = { maxFeePerGas: 100n * (maxFeePerGas ?? 1n), maxPriorityFeePerGas }
      return wallet.signTransaction({ ...call, ...fees, type: 2, chainId, nonce, gasLimit: 200_000 })
    }))
    const begun = performance.now()
    await Promise.all(raw.map((bytes) => provider.send("eth_sendRawTransaction", [bytes])))
    while ((await wallet.getNonce("latest")) < jobs) await setTimeout(50)
    return (performance.now() - begun) / 1000
  } finally {
    provider.destroy()
  }
}

export const run = Effect.fnUntraced(function*({ executors, jobs }: Options) {
  const sizes = jobs === undefined ? [1_000, 3_000, 10_000] : [jobs]
  const rows: Array<Row> = []
  for (const size of sizes) {
    rows.push(yield* presigned(size))
    for (const count of executors === undefined ? [1, 3] : [executors]) rows.push(yield* drained(size, count))
  }
  return {
    title: "Drain",
    about:
      "Creations of buckets that wait when the executors begin, one wallet, blocks of 1 s. Blocks are counted from the first "
      + "transaction to the last, beside those that the gas of the same transactions fills.",
    columns: [
      { name: "blocks", unit: "", digits: 0 },
      { name: "gas alone", unit: "blocks", digits: 0 },
      { name: "ratio", unit: "", digits: 2, isDrawn: true },
      { name: "seconds", unit: "", digits: 1 },
      { name: "executor CPU", unit: "ms a job", digits: 2 }
    ],
    rows
  } satisfies Table
})
