/** Two wallets, each a lane of its own: three executors, of which one has both keys, are killed while they work. */
import * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { JsonRpcProvider, parseEther, toBeHex, Wallet } from "ethers"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ChainView from "../support/ChainView.ts"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

/** Jobs of each wallet. */
const jobs = 60

const putKey = (folder: string, name: string, key: string) => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), key)
  chmodSync(join(folder, name), 0o600)
}
const setBalance = (stack: Stack.Stack, address: string, ether: string) =>
  Effect.promise(() =>
    new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true }).send("anvil_setBalance", [
      address,
      toBeHex(parseEther(ether))
    ])
  )

/** Stacks whose first gateway serves wallet A, the development key's, and whose second one serves wallet B. */
const world = Effect.gen(function*() {
  const b = Wallet.createRandom()
  const dataDir = yield* Stack.temporaryFolder
  // Beside the stack's data, which must hold no key.
  const keys = yield* Stack.temporaryFolder
  const options: Stack.Options = {
    dataDir,
    counts: { gateway: 2 },
    env: { "gateway-1": { AKAVE_OWNER_ADDRESS: b.address }, executor: { EXECUTOR_ACK_WAIT: "2 seconds" } }
  }
  return { b, dataDir, keys, options }
})

/** Asks for buckets at a gateway, and gives them with the ids of their jobs. */
const ask = (gateway: string, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, freshName),
    (name) => Effect.map(createBucket(gateway, name), ({ body }) => ({ name, jobId: String(body.job_id) })),
    { concurrency: 10 }
  )
const statuses = (gateway: string, asked: ReadonlyArray<{ readonly jobId: string }>) =>
  Effect.map(
    Effect.forEach(asked, ({ jobId }) => ended(gateway, jobId), { concurrency: 10 }),
    (answers) => [...new Set(answers.map(({ body }) => body.status))]
  )

/** Each bucket has one transaction, of its own wallet, whose nonces have no gap. */
const assertOneEach = Effect.fnUntraced(function*(
  stack: Stack.Stack,
  owner: string,
  asked: ReadonlyArray<{ readonly name: string }>
) {
  const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, owner))
  assert.deepStrictEqual(transactions.map(({ nonce }) => nonce), transactions.map((_, n) => n))
  const created = transactions.flatMap(({ bucketName = "" }) => bucketName === "" ? [] : [bucketName])
  assert.sameMembers(created, asked.map(({ name }) => name))
})

describe("two wallets", () => {
  it.live("are served by executors with the key of one, of the other, or of both, whichever of them are killed", () =>
    Effect.gen(function*() {
      const { b, keys, options } = yield* world
      putKey(keys, "b", b.privateKey)
      const none = join(options.dataDir ?? "", "none")
      mkdirSync(none)
      const stack = yield* TestStack.started({
        ...options,
        counts: { gateway: 2, executor: 3 },
        env: {
          ...options.env,
          executor: { EXECUTOR_ACK_WAIT: "2 seconds", EXECUTOR_RETRY_DELAY: "1 second" },
          // The first has both keys, the second that of A, the third that of B.
          "executor-1": { AKAVE_PRIVATE_KEYS_DIR: none },
          "executor-2": { AKAVE_PRIVATE_KEYS_DIR: none, AKAVE_PRIVATE_KEY: b.privateKey }
        },
        privateKeysDir: keys
      })
      yield* setBalance(stack, b.address, "100")
      const [ofA = "", ofB = ""] = stack.gatewayUrls
      const executors = [stack.executor(0), stack.executor(1), stack.executor(2)]
      const [askedA, askedB] = yield* Effect.all([ask(ofA, jobs), ask(ofB, jobs)], { concurrency: 2 })
      for (const n of [0, 2, 1, 0]) {
        yield* Effect.sleep("1 second")
        yield* executors[n]?.kill("SIGKILL") ?? Effect.void
        yield* executors[n]?.start ?? Effect.void
      }
      assert.deepStrictEqual(yield* statuses(ofA, askedA), ["completed"])
      assert.deepStrictEqual(yield* statuses(ofB, askedB), ["completed"])
      yield* assertOneEach(stack, stack.ownerAddress, askedA)
      yield* assertOneEach(stack, b.address, askedB)

      // Neither gateway shows what belongs to the other's wallet.
      const listed = (gateway: string) =>
        Effect.map(
          request(`${gateway}/buckets?limit=1000`),
          ({ body }) => body.buckets.map(({ name }: { readonly name: string }) => name)
        )
      assert.sameMembers(yield* listed(ofA), askedA.map(({ name }) => name))
      assert.sameMembers(yield* listed(ofB), askedB.map(({ name }) => name))
      for (const { jobId, name } of askedB.slice(0, 1)) {
        for (const path of [`jobs/${jobId}`, `buckets/${name}`]) {
          assert.strictEqual((yield* request(`${ofA}/${path}`)).status, 404)
        }
      }
      const page = yield* request(`${ofB}/buckets?limit=${jobs - 10}`)
      const rest = yield* request(`${ofB}/buckets?limit=${jobs}&after=${page.body.next}`)
      assert.lengthOf(rest.body.buckets, 10)
    }).pipe(Effect.scoped))

  it.live("do not delay each other: one without funds, or whose key is nowhere until a file brings it", () =>
    Effect.gen(function*() {
      const { b, keys, options } = yield* world
      const stack = yield* TestStack.started({ ...options, privateKeysDir: keys })
      const [ofA = "", ofB = ""] = stack.gatewayUrls
      const askedB = yield* ask(ofB, 5)
      const lanes = Effect.map(request(`${ofB}/health/ready`), ({ body }) => body.lanes)
      assert.deepStrictEqual(yield* lanes, {
        ready: false,
        detail: `no executor that answers has the key of ${b.address}`
      })
      assert.deepStrictEqual(yield* statuses(ofA, yield* ask(ofA, 5)), ["completed"])
      const look = (jobId: string) => request(`${ofB}/jobs/${jobId}`)
      for (const { jobId } of askedB) assert.strictEqual((yield* look(jobId)).body.status, "queued")

      // The key comes while the executor runs, to a wallet without funds.
      putKey(keys, "b", b.privateKey)
      const [first] = askedB
      assert.isDefined(first)
      const { body } = yield* eventually(look(first.jobId), ({ body }) => body.error !== null)
      assert.deepInclude(body.error, { category: "insufficient_funds" })
      assert.deepStrictEqual(yield* statuses(ofA, yield* ask(ofA, 5)), ["completed"])
      yield* setBalance(stack, b.address, "100")
      assert.deepStrictEqual(yield* statuses(ofB, askedB), ["completed"])
      yield* assertOneEach(stack, b.address, askedB)
      yield* Effect.repeat(lanes, { until: ({ ready }) => ready === true, schedule: Schedule.spaced("100 millis") })
    }).pipe(Effect.scoped))
})
