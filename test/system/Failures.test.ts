import * as Ports from "@akave-async/local/Ports"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { JsonRpcProvider, parseEther, toBeHex, Wallet } from "ethers"
import { readFileSync } from "node:fs"
import { type Answer, createBucket, ended, eventually, freshName, request, tryRequest } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

it.live("a wallet without funds makes jobs and its lane say so and wait, until their time is over or there are funds", () =>
  Effect.gen(function*() {
    const poor = Wallet.createRandom()
    const healthPort = yield* Ports.free
    const stack = yield* TestStack.started({
      privateKey: Redacted.make(poor.privateKey),
      env: {
        executor: { JOB_DEADLINE: "8 seconds", LANE_STALLED_AFTER: "2 seconds", HEALTH_PORT: `${healthPort}` }
      }
    })
    const executor = `http://${Ports.host}:${healthPort}/health/ready`
    const gateway = `${stack.gatewayUrl}/health/ready`
    const setBalance = (ether: string) =>
      Effect.promise(() =>
        new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true }).send("anvil_setBalance", [
          poor.address,
          toBeHex(parseEther(ether))
        ])
      )
    const look = (jobId: string) => request(`${stack.gatewayUrl}/jobs/${jobId}`)
    const name = freshName()
    const { body: hopeless } = yield* createBucket(stack.gatewayUrl, name)
    assert.strictEqual(hopeless.owner, poor.address)
    const { body: reported } = yield* eventually(look(hopeless.job_id), ({ body }) => body.error !== null)
    assert.deepInclude(reported, { status: "processing", attempts: 1, tx_hash: null })
    assert.deepInclude(reported.error, { category: "insufficient_funds", code: "InsufficientFunds" })
    assert.include(reported.error.message, "send it funds")
    const reason = /has finished none for \d+ s; the oldest failed: .* send it funds$/
    const isStalled = ({ body }: Answer) => body.lanes?.ready === false && reason.test(body.lanes.detail)
    assert.deepInclude((yield* eventually(tryRequest(executor), isStalled)).body, { ready: false })
    // The gateway still takes requests.
    assert.strictEqual((yield* eventually(request(gateway), isStalled)).status, 200)
    const { body: failed } = yield* ended(stack.gatewayUrl, hopeless.job_id)
    assert.deepInclude(failed, { status: "failed", tx_hash: null, result: null })
    assert.deepInclude(failed.error, { category: "insufficient_funds", code: "InsufficientFunds" })

    // A name whose job failed is free again.
    const { body: patient } = yield* createBucket(stack.gatewayUrl, name)
    yield* eventually(look(patient.job_id), ({ body }) => body.error !== null)
    yield* setBalance("1")
    const { body: completed } = yield* ended(stack.gatewayUrl, patient.job_id)
    assert.deepInclude(completed, { status: "completed", attempts: 2, error: null })
    for (const url of [executor, gateway]) {
      const { body } = yield* eventually(tryRequest(url), ({ body }) => body.lanes?.ready === true)
      assert.include(body.lanes.detail, `${poor.address} has 0 steps under way`)
    }
    yield* stack.executor(0).stop
    const { body: alone } = yield* eventually(request(gateway), ({ body }) => body.lanes.ready === false)
    assert.deepInclude(alone, { ready: true, lanes: { ready: false, detail: "no executor answers" } })

    for (const name of ["gateway", "executor", "projector", "devnet"]) {
      assert.notInclude(readFileSync(stack.process(name).logFile, "utf8"), poor.privateKey.slice(2))
    }
  }).pipe(Effect.scoped))

it.live("jobs whose transactions are dropped because the wallet ran dry report what is missing, and go on when it is there", () =>
  Effect.gen(function*() {
    const wallet = Wallet.createRandom()
    const stack = yield* TestStack.started({ privateKey: Redacted.make(wallet.privateKey) })
    const chain = new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true })
    const setBalance = (ether: string) =>
      Effect.promise(() => chain.send("anvil_setBalance", [wallet.address, toBeHex(parseEther(ether))]))
    // Enough for each of them alone, and for some of them together.
    yield* setBalance("0.003")
    const asked = yield* Effect.forEach(
      Array.from({ length: 30 }, freshName),
      (name) => createBucket(stack.gatewayUrl, name),
      { concurrency: "unbounded" }
    )
    const jobs = asked.map(({ body }) => `${stack.gatewayUrl}/jobs/${body.job_id}`)
    const seen = yield* Effect.forEach(
      jobs,
      (url) => eventually(request(url), ({ body }) => body.status === "completed" || body.error !== null),
      { concurrency: "unbounded" }
    )
    const waiting = seen.filter(({ body }) => body.status !== "completed")
    assert.isNotEmpty(waiting)
    assert.isBelow(waiting.length, jobs.length)
    for (const { body } of waiting) {
      assert.strictEqual(body.status, "processing")
      assert.deepInclude(body.error, { category: "insufficient_funds", code: "InsufficientFunds" })
      assert.match(body.error.message, /holds \d+ wei and .* may cost \d+; send it funds/)
    }
    yield* setBalance("1")
    for (const { body } of yield* Effect.forEach(asked, ({ body }) => ended(stack.gatewayUrl, body.job_id))) {
      assert.deepInclude(body, { status: "completed", error: null })
    }
    chain.destroy()
  }).pipe(Effect.scoped))
