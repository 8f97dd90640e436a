/** What services report of themselves, and what the gateway makes of it while things are wrong. */
import type { JobExplanation } from "@akave-async/client"
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Ports from "@akave-async/local/Ports"
import type * as Stack from "@akave-async/local/Stack"
import { readModelMigration } from "@akave-async/platform/Postgres"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import { JsonRpcProvider, parseEther, toBeHex, Wallet } from "ethers"
import { Client } from "pg"
import { afterAll, beforeAll } from "vitest"
import * as RpcProxy from "../faults/src/RpcProxy.ts"
import { type Answer, createBucket, ended, eventually, freshName, tryRequest } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as TestStack from "../support/TestStack.ts"

const wallet = Wallet.createRandom()
const scope = Scope.makeUnsafe()
let stack: Stack.Stack
let chain: JsonRpcProvider

/** Moves a process's wall clock by this many milliseconds. */
const clockAhead = (millis: number) =>
  `--import=data:text/javascript,${encodeURIComponent(`const now = Date.now; Date.now = () => now() + ${millis}`)}`

beforeAll(async () => {
  const start = Effect.gen(function*() {
    const port = yield* Ports.free
    const otherChain = yield* RpcProxy.make({ to: port, random: Math.random })
    yield* otherChain.behave(RpcProxy.as({
      name: "another chain",
      reword: ({ method }, answer) => method === "eth_chainId" ? { ...answer, result: "0x1" } : answer
    }))
    stack = yield* TestStack.started({
      privateKey: Redacted.make(wallet.privateKey),
      ports: { rpc: port },
      counts: { executor: 2 },
      env: {
        "executor-1": {
          AKAVE_RPC_URL: `http://${Ports.host}:${otherChain.port}`,
          NODE_OPTIONS: clockAhead(60_000),
          GIT_HASH: "another"
        }
      }
    })
    chain = new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true })
    yield* setBalance("1")
  })
  await Effect.runPromise(Effect.provideService(start, Scope.Scope, scope))
})
afterAll(async () => {
  chain.destroy()
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

const setBalance = (ether: string) =>
  Effect.promise(() => chain.send("anvil_setBalance", [wallet.address, toBeHex(parseEther(ether))]))

const services = Effect.suspend(() => tryRequest(`${stack.gatewayUrl}/services`))
const diagnosis = Effect.suspend(() => tryRequest(`${stack.gatewayUrl}/diagnosis`))

interface Found {
  readonly check: string
  readonly status: string
  readonly message: string
  readonly advice: string | null
}
/** Beside durability, which is what the server's settings make it. */
const wrongIn = ({ body }: Answer): ReadonlyArray<Found> =>
  (body.findings ?? []).filter(({ check, status }: Found) => status !== "ok" && check !== "durability")
const isWell = (answer: Answer) => answer.status === 200 && wrongIn(answer).length === 0
const untilWell = Effect.suspend(() => eventually(diagnosis, isWell))

const explanation = (jobId: string): Effect.Effect<JobExplanation> =>
  Effect.map(tryRequest(`${stack.gatewayUrl}/jobs/${jobId}/explanation`), ({ body, status }) => {
    assert.strictEqual(status, 200, JSON.stringify(body))
    return body
  })
const untilWaiting = (jobId: string, reason: string) =>
  Effect.map(
    eventually(
      tryRequest(`${stack.gatewayUrl}/jobs/${jobId}/explanation`),
      ({ body }) => body.waiting?.reason === reason
    ),
    ({ body }): NonNullable<JobExplanation["waiting"]> => body.waiting
  )
const nonceOf = ({ timeline }: JobExplanation) => timeline.find(({ step }) => step === "submitted")?.nonce ?? -1

/** Waits until a check has found this, and gives all that is wrong then. */
const untilFound = (check: string, status: string, message: RegExp) =>
  Effect.map(
    eventually(
      diagnosis,
      (answer) =>
        wrongIn(answer).some((found) => found.check === check && found.status === status && message.test(found.message))
    ),
    (answer) => {
      assert.strictEqual(answer.status, 200)
      for (const found of wrongIn(answer)) assert.isNotEmpty(found.advice, found.message)
      return wrongIn(answer)
    }
  )

const database = <A>(run: (client: Client) => Promise<A>) =>
  Effect.promise(async () => {
    const client = new Client({ connectionString: stack.databaseUrl })
    await client.connect()
    return run(client).finally(() => client.end())
  })

describe("services", () => {
  it.live("that answer are listed, each as it describes itself", () =>
    Effect.gen(function*() {
      const { body } = yield* eventually(services, ({ body }) => body.services?.length === 4)
      const byName = Map.groupBy(body.services, ({ name }: { readonly name: string }) => name)
      assert.sameMembers([...byName.keys()], ["akave-gateway", "akave-executor", "akave-projector"])
      for (const service of body.services) {
        assert.deepInclude(service, { version: "0.1.0", node: process.versions.node, ready: true })
        assert.match(service.id, /^\w+$/)
        // A copy without its history has no commit.
        assert.match(service.build ?? "another", /^([0-9a-f]{40}|another)$/)
        assert.isAtMost(Date.parse(service.started_at), Date.now() + 60_000)
        assert.isNotEmpty(Object.keys(service.checks))
        for (const check of Object.values<object>(service.checks)) assert.hasAllKeys(check, ["ready", "detail"])
        assert.deepStrictEqual(service.lanes, service.name === "akave-executor" ? [wallet.address] : [])
      }
    }))

  it.live("on another chain, with another time and of another build are found", () =>
    Effect.gen(function*() {
      yield* untilFound("chain", "failed", /works with the chain_id 1, and the node says 31337/)
      yield* untilFound("clocks", "warning", /the clock of executor \w+ is (59|60)\.\d s ahead of/)
      yield* untilFound("versions", "warning", /0\.1\.0 of commit another: executor/)
      yield* stack.executor(1).stop
      const { body } = yield* untilWell
      assert.lengthOf(body.findings, 14)
    }))
})

describe("while it lasts, and no longer,", () => {
  it.live("a wallet that is low or empty is found", () =>
    Effect.gen(function*() {
      yield* setBalance("0.01")
      yield* untilFound("wallets", "warning", new RegExp(`${wallet.address} holds 10000000000000000 wei`))
      yield* setBalance("0")
      yield* untilFound("wallets", "failed", new RegExp(`${wallet.address} holds 0 wei`))
      const { body: { job_id } } = yield* createBucket(stack.gatewayUrl, freshName())
      const waiting = yield* untilWaiting(job_id, "funds")
      assert.match(
        waiting.detail,
        new RegExp(`^the wallet ${wallet.address} holds 0 wei, and \\d+ wei are needed; its`)
      )
      yield* setBalance("1")
      yield* ended(stack.gatewayUrl, job_id)
      const { timeline } = yield* explanation(job_id)
      const failed = timeline.findIndex(({ step }) => step === "attempt_failed")
      assert.deepInclude(timeline[failed]?.error, { category: "insufficient_funds" })
      assert.deepInclude(timeline[failed + 1], { step: "started", attempt: 2, waited_for: "funds" })
      yield* untilWell
    }))

  it.live("a contract that is not there is found", () =>
    Effect.gen(function*() {
      const { storageAddress } = yield* AkaveNode.use((node) => node.connectionParams).pipe(
        Effect.provide(AkaveNode.layer({ address: stack.nodeAddress }))
      )
      const code = yield* Effect.promise(() => chain.getCode(storageAddress))
      yield* Effect.promise(() => chain.send("anvil_setCode", [storageAddress, "0x"]))
      yield* untilFound("contract", "failed", new RegExp(`no contract at ${storageAddress} of chain 31337`))
      yield* Effect.promise(() => chain.send("anvil_setCode", [storageAddress, code]))
      yield* untilWell
    }))

  it.live("migrations that are missing, or that the gateway does not know, are found", () =>
    Effect.gen(function*() {
      const renumber = (from: number, to: number) =>
        database((client) =>
          client.query("update akave_async.schema_migrations set migration_id = $2 where migration_id = $1", [from, to])
        )
      const [last, next] = [readModelMigration, readModelMigration + 1]
      yield* renumber(last, next)
      yield* untilFound("migrations", "warning", new RegExp(`at migration ${next}, and this gateway knows ${last}`))
      yield* database((client) =>
        client.query("update akave_async.schema_migrations set migration_id = -1 where migration_id = $1", [next])
      )
      yield* untilFound(
        "migrations",
        "failed",
        new RegExp(`at migration ${last - 1}, and services of this deployment know ${last}`)
      )
      yield* renumber(-1, last)
      yield* untilWell
    }))

  it.live("an open dead letter is found", () =>
    Effect.gen(function*() {
      const name = freshName()
      yield* Effect.scoped(Effect.gen(function*() {
        const log = yield* Log.open(stack.natsUrl)
        const event = {
          id: "unreadable",
          headers: { "ce-type": "akave.BucketRequested.v1" },
          data: Uint8Array.of(255)
        }
        const subject = Bucket.subject(Address.make(wallet.address), BucketName.make(name))
        yield* log.append(subject, { revision: 0 }, event)
      }))
      yield* untilFound("dead_letters", "warning", /^1 events are set aside/)
      // It dies again when it is redriven, so it goes from the table.
      yield* database((client) => client.query("update akave_async.dead_letters set status = 'redriven'"))
      yield* untilWell
    }))

  it.live("an executor that is away is found, and the wallet whose jobs wait for it", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      yield* untilFound("services", "failed", /^no executor answers$/)
      const { body: { job_id } } = yield* createBucket(stack.gatewayUrl, freshName())
      const wrong = yield* untilFound("lanes", "failed", new RegExp(`key of ${wallet.address}, and 1 of its jobs`))
      assert.includeMembers(wrong.map(({ check }) => check), ["services", "readiness", "lanes"])
      assert.deepInclude(yield* untilWaiting(job_id, "executors_away"), { executor: null, deadline: null })
      yield* stack.executor(0).start
      assert.strictEqual((yield* ended(stack.gatewayUrl, job_id)).body.status, "completed")
      yield* untilWell
      const { fees, timeline, waiting } = yield* explanation(job_id)
      assert.isNull(waiting)
      const { body } = yield* services
      const executor = body.services.find(({ name }: { readonly name: string }) => name === "akave-executor")
      assert.deepStrictEqual(timeline.map(({ executor }) => executor), [null, executor.id, executor.id, executor.id])
      assert.deepStrictEqual(
        timeline.map(({ waited_for }) => waited_for),
        [null, "executor", "preparation", "chain"]
      )
      const receipt = yield* Effect.promise(() => chain.getTransactionReceipt(timeline[3]?.tx_hash ?? ""))
      assert.deepInclude(fees, {
        paid_wei: `${receipt?.fee}`,
        gas_used: Number(receipt?.gasUsed),
        effective_gas_price: `${receipt?.gasPrice}`
      })
    }))

  it.live("a job says which nonces are before its own where the chain makes no blocks, and that the chain or the event log is away", () =>
    Effect.gen(function*() {
      const pid = (yield* stack.devnet.pid) ?? assert.fail("the devnet runs")
      // What makes the blocks is stopped, and the chain still answers.
      process.kill(pid, "SIGSTOP")
      const jobs = [
        yield* createBucket(stack.gatewayUrl, freshName()),
        yield* createBucket(stack.gatewayUrl, freshName())
      ]
      const submitted = yield* Effect.forEach(
        jobs,
        ({ body: { job_id } }) =>
          eventually(tryRequest(`${stack.gatewayUrl}/jobs/${job_id}`), ({ body }) => body.tx_hash !== null)
      )
      const ids: ReadonlyArray<string> = submitted.map(({ body }) => body.job_id)
      const explained = (yield* Effect.forEach(ids, explanation)).toSorted((a, b) => nonceOf(a) - nonceOf(b))
      assert.deepStrictEqual(explained.map(({ waiting }) => waiting?.reason), ["mining", "earlier_nonce"])
      const [first, second] = explained
      assert(first !== undefined && second !== undefined)
      const detail = `the chain has not mined nonce ${nonceOf(first)}, the wallet's next, for `
      assert.include(first.waiting?.detail, detail)
      assert.include(
        second.waiting?.detail,
        `is ${nonceOf(first)}: 1 transaction is to be mined before it; its deadline is in`
      )
      assert.isString(first.waiting?.executor)
      yield* stack.devnet.kill("SIGSTOP")
      assert.match((yield* untilWaiting(first.job_id, "chain_away")).detail, /^the chain does not answer the executor/)
      yield* stack.nats.kill("SIGSTOP")
      assert.match((yield* untilWaiting(first.job_id, "event_log_away")).detail, /^the event log does not answer/)
      // What the gateway remembers is shown.
      const { timeline } = yield* explanation(first.job_id)
      assert.deepStrictEqual(timeline.map(({ step }) => step), ["requested", "started", "submitted"])
      yield* stack.nats.kill("SIGCONT")
      yield* stack.devnet.kill("SIGCONT")
      for (const id of ids) assert.strictEqual((yield* ended(stack.gatewayUrl, id)).body.status, "completed")
      yield* untilWell
    }).pipe(Effect.ensuring(Effect.andThen(stack.nats.kill("SIGCONT"), stack.devnet.kill("SIGCONT")))))

  it.live("a projector that is away is found, and how far the read model is behind", () =>
    Effect.gen(function*() {
      yield* stack.projector(0).stop
      yield* untilFound("services", "failed", /^no projector answers$/)
      yield* createBucket(stack.gatewayUrl, freshName())
      yield* untilFound("lag", "warning", /is \d+ ms behind the event log$/)
      yield* stack.projector(0).start
      yield* untilWell
    }))

  it.live("a database that is away is found, and what it would show is unknown", () =>
    Effect.gen(function*() {
      yield* stack.postgres.stop
      const wrong = yield* untilFound("readiness", "failed", /^this gateway's read_model: /)
      assert.includeMembers(wrong.map(({ check }) => check), ["lanes", "migrations", "dead_letters", "lag"])
      yield* stack.postgres.start
      yield* untilWell
    }))

  it.live("nats-server that is away is answered with what is left, and services answer again after it", () =>
    Effect.gen(function*() {
      yield* stack.nats.kill("SIGKILL")
      yield* untilFound("readiness", "failed", /^this gateway's event_log: /)
      assert.strictEqual((yield* eventually(services, ({ status }) => status !== 0)).body.code, "event_log_unavailable")
      yield* stack.nats.start
      yield* eventually(services, ({ body }) => body.services?.length === 3)
      yield* untilWell
    }))
})
