/** nats-server comes back without its data: everything waits, nothing is made anew, and goes on when the data is back. */
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { JsonRpcProvider } from "ethers"
import { spawn } from "node:child_process"
import { readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { createBucket, ended, eventually, freshName, tryRequest } from "../support/Gateway.ts"
import { deleteStream, streamsOn } from "../support/Nats.ts"
import * as TestStack from "../support/TestStack.ts"

it.live("an emptied event log stops everything and is not made anew, and all goes on when its data is put back", () =>
  Effect.gen(function*() {
    const [projectorPort, executorPort] = [yield* Ports.free, yield* Ports.free]
    const stack = yield* TestStack.started({
      env: { projector: { HEALTH_PORT: `${projectorPort}` }, executor: { HEALTH_PORT: `${executorPort}` } }
    })
    const readiness = {
      gateway: `${stack.gatewayUrl}/health/ready`,
      executor: `http://${Ports.host}:${executorPort}/health/ready`,
      projector: `http://${Ports.host}:${projectorPort}/health/ready`
    }
    const reported = (kind: keyof typeof readiness, sentence: RegExp) =>
      eventually(
        tryRequest(readiness[kind]),
        ({ body, status }) => status === 503 && body.ready === false && sentence.test(body.event_log.detail)
      )
    const untilReady = Effect.forEach(
      Object.values(readiness),
      (url) => eventually(tryRequest(url), ({ status }) => status === 200)
    )
    const folder = join(stack.dataDir, "nats")
    const restartNatsOn = (from: string, away: string) =>
      Effect.gen(function*() {
        yield* stack.nats.kill("SIGKILL")
        renameSync(folder, `${folder}.${away}`)
        if (from !== "") renameSync(`${folder}.${from}`, folder)
        yield* stack.nats.start
      })

    yield* untilReady
    const { body: ready } = yield* tryRequest(readiness.gateway)
    assert.match(ready.event_log.detail, /^at event 0; nats-server \d+\.\d+\.\d+, synced to disk /)
    const { body: first } = yield* createBucket(stack.gatewayUrl, freshName())
    assert.strictEqual((yield* ended(stack.gatewayUrl, first.job_id)).body.status, "completed")
    const streams = yield* streamsOn(stack.natsUrl)
    assert.deepStrictEqual(streams, ["AKAVE_EVENTS", `AKAVE_WALLET_${stack.ownerAddress.toLowerCase()}`])
    yield* stack.executor(0).stop
    const { body: queued } = yield* createBucket(stack.gatewayUrl, freshName())
    yield* stack.executor(0).start

    yield* restartNatsOn("", "lost")
    yield* reported("gateway", /AKAVE_EVENTS is missing\. It had \d+ events: restore it/)
    yield* reported("executor", /AKAVE_EVENTS is missing\. It had \d+ events: restore it/)
    yield* reported("projector", /AKAVE_EVENTS is missing\. It had \d+ events: restore it/)
    const refused = yield* createBucket(stack.gatewayUrl, freshName())
    assert.deepInclude(refused.body, { status: 503, code: "event_log_unavailable" })
    assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), [])

    const restarted = [
      ["projector", /missing, and the read model has applied \d+ events of it: nothing is applied until/],
      ["executor", /There is no event log AKAVE_EVENTS/],
      ["gateway", /There is no event log AKAVE_EVENTS/]
    ] as const
    for (const [kind, sentence] of restarted) {
      yield* stack[kind](0).restart
      yield* reported(kind, sentence)
      assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), [])
    }
    const again = yield* createBucket(stack.gatewayUrl, freshName())
    assert.deepInclude(again.body, { status: 503, code: "event_log_unavailable" })
    assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), [])

    yield* restartNatsOn("lost", "emptied")
    yield* untilReady
    assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), streams)
    const { body: last } = yield* createBucket(stack.gatewayUrl, freshName())
    for (const jobId of [queued.job_id, last.job_id]) {
      assert.strictEqual((yield* ended(stack.gatewayUrl, jobId)).body.status, "completed")
    }
  }).pipe(Effect.scoped))

it.live("a lost ledger is made anew by the command that the guide shows, also while jobs are under way", () =>
  Effect.gen(function*() {
    const stack = yield* TestStack.started({ counts: { executor: 2 } })
    const ledger = `AKAVE_WALLET_${stack.ownerAddress.toLowerCase()}`
    const complete = Effect.gen(function*() {
      const { body } = yield* createBucket(stack.gatewayUrl, freshName())
      assert.strictEqual((yield* ended(stack.gatewayUrl, body.job_id)).body.status, "completed")
    })
    const guide = readFileSync(join(Stack.repository, "docs/runbook.md"), "utf8")
    const [, line = ""] = /^akave-async (ledger renew 0x\S+)$/m.exec(guide) ?? []
    const run = Effect.promise(() =>
      new Promise<string>((resolve, reject) => {
        const program = join(Stack.repository, "shared/cli/src/main.ts")
        const child = spawn(process.execPath, [program, "--json", ...line.split(" ")], {
          env: { PATH: process.env["PATH"], NATS_URL: stack.natsUrl, AKAVE_NODE_ADDRESS: stack.nodeAddress }
        })
        let output = ""
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
        child.once("error", reject)
        child.once("close", (code) => resolve(`${code} ${output}`))
      })
    )
    const executors = [stack.executor(0), stack.executor(1)]

    yield* complete
    assert.match(yield* run, /^1 .*is there, and stays as it is/)
    yield* Effect.forEach(executors, ({ stop }) => stop)
    yield* deleteStream(stack.natsUrl, ledger)
    const first = yield* run
    assert.match(first, new RegExp(`^0 .*"stream":"${ledger}"`))
    assert.match(first, /"unsettled":0,"open_jobs":0/)
    yield* Effect.forEach(executors, ({ start }) => start)
    yield* complete

    // Jobs that have begun: of their claims the new ledger knows nothing, and the chain does not mine them.
    const chain = new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true })
    yield* Effect.addFinalizer(() => Effect.sync(() => chain.destroy()))
    const rpc = (method: string, ...params: Array<unknown>) => Effect.promise(() => chain.send(method, params))
    yield* rpc("evm_setIntervalMining", 0)
    yield* rpc("evm_setAutomine", false)
    const begun = yield* Effect.forEach([1, 2, 3, 4], () => createBucket(stack.gatewayUrl, freshName()))
    for (const { body: { job_id } } of begun) {
      yield* eventually(
        tryRequest(`${stack.gatewayUrl}/jobs/${job_id}`),
        ({ body }) => body.status === "processing" && body.tx_hash !== null
      )
    }
    yield* Effect.forEach(executors, ({ kill }) => kill("SIGKILL"))
    yield* deleteStream(stack.natsUrl, ledger)
    // The chain's node has forgotten two of them.
    const { transactions } = yield* rpc("eth_getBlockByNumber", "pending", false)
    assert.lengthOf(transactions, 4)
    for (const hash of transactions.slice(2)) yield* rpc("anvil_dropTransaction", hash)
    assert.match(yield* run, /^0 .*"open_jobs":4/)
    yield* rpc("evm_setIntervalMining", 1)
    yield* Effect.forEach(executors, ({ start }) => start)
    for (const { body: { job_id } } of begun) {
      const { body } = yield* ended(stack.gatewayUrl, job_id)
      assert.deepInclude(body, { status: "completed" })
      assert.deepInclude(body.result, { adopted: false })
    }
    yield* complete
  }).pipe(Effect.scoped))
