/**
 * `npm run bench [-- --jobs N --executors N]`: a backlog of bucket creations for one wallet, and how many blocks the executors need for it, beside the
 * blocks that its gas alone would fill.
 */
import * as Stack from "@akave-async/local/Stack"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect } from "effect"
import { JsonRpcProvider } from "ethers"
import { parseArgs } from "node:util"
import { createBucket, ended, freshName } from "../support/Gateway.ts"

const { values } = parseArgs({
  options: { jobs: { type: "string", default: "1000" }, executors: { type: "string", default: "3" } }
})
const count = (name: keyof typeof values) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number > 0) return number
  process.stderr.write(`--${name} takes a whole number from 1 on, not "${values[name]}"\n`)
  return process.exit(2)
}
const [jobs, executors] = [count("jobs"), count("executors")]

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

const bench = Effect.gen(function*() {
  const stack = yield* Stack.started({ counts: { executor: executors } })
  const each = Array.from({ length: executors }, (_, n) => stack.executor(n))
  yield* Effect.forEach(each, (executor) => executor.kill("SIGSTOP"))
  const accepted = yield* Effect.forEach(
    Array.from({ length: jobs }, freshName),
    (name) => createBucket(stack.gatewayUrl, name),
    { concurrency: 50 }
  )
  const begin = yield* Clock.currentTimeMillis
  yield* Effect.forEach(each, (executor) => executor.kill("SIGCONT"))
  const answers = yield* Effect.forEach(accepted, ({ body }) => ended(stack.gatewayUrl, body.job_id), {
    concurrency: 4
  })
  const seconds = ((yield* Clock.currentTimeMillis) - begin) / 1000
  const completed = answers.filter(({ body }) => body.status === "completed").length

  const { blocks, gasLimit } = yield* Effect.promise(() => minedOf(stack.rpcUrl, stack.ownerAddress))
  const nonces = blocks.flatMap(({ nonces }) => nonces)
  const gas = blocks.reduce((sum, block) => sum + block.gas, 0n)
  const isGapless = nonces.every((nonce, n) => nonce === n)
  const [first, last] = [blocks[0]?.number ?? 0, blocks.at(-1)?.number ?? 0]
  const least = Number((gas + gasLimit - 1n) / gasLimit)
  yield* Console.log(
    [
      `${jobs} bucket creations, ${executors} executors, one wallet, blocks of 1 s and ${gasLimit / 1_000_000n} M gas`,
      `completed: ${completed} in ${seconds.toFixed(1)} s; ${nonces.length} transactions, ${gas} gas`,
      `nonces without gap: ${isGapless ? "yes" : "no"}`,
      `blocks from the first transaction to the last: ${last - first + 1}; gas alone needs ${least} (${
        ((last - first + 1) / least).toFixed(2)
      } ×)`,
      `transactions by block: ${blocks.map(({ nonces, number }) => `${number}: ${nonces.length}`).join(", ")}`
    ].join("\n")
  )
  process.exitCode = completed === jobs && nonces.length === jobs && isGapless ? 0 : 1
})

NodeRuntime.runMain(Effect.scoped(bench))
