/** What executors answer when they are asked about a job, over a real nats-server. */
import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import type { Claim } from "@akave-async/domain/Wallet"
import * as LaneReports from "@akave-async/eventing/LaneReports"
import { InstanceId } from "@akave-async/platform/InstanceId"
import { Nats } from "@akave-async/platform/Nats"
import { Chain } from "@akave-async/sdk/Chain"
import { RpcError } from "@akave-async/sdk/Errors"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Schedule } from "effect"
import { inject } from "vitest"
import * as JobReport from "../src/JobReport.ts"
import { Lane, waitsFor } from "../src/Lane.ts"
import { Ledger } from "../src/Ledger.ts"

const signer = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
const hash = (n: number) => TransactionHash.make(`0x${`0${n}`.repeat(32)}`)
const claim = {
  signer,
  nonce: 7,
  transactionHash: hash(2),
  earlier: [hash(1)],
  maxFeePerGas: 3n,
  maxPriorityFeePerGas: 1n
} as unknown as Claim

type World = Pick<
  Chain["Service"],
  "chainId" | "storageAddress" | "accessAddress" | "transactionCount" | "balance" | "fees"
>
const answering: World = {
  chainId: 31_337n,
  storageAddress: signer,
  accessAddress: signer,
  transactionCount: () => Effect.succeed(5),
  balance: () => Effect.succeed(2n ** 70n),
  fees: Effect.succeed({ maxFeePerGas: 9n, maxPriorityFeePerGas: 1n, baseFeePerGas: 4n })
}
const away = Effect.fail(new RpcError({ method: "eth_call", code: "ECONNREFUSED", details: "the chain is away" }))

const settings = (stream: string) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown({
    NATS_URL: inject("natsUrl"),
    EVENTS_STREAM: stream,
    MAX_FEE_PER_GAS: "500",
    JOB_DEADLINE: "5 minutes"
  }))

/** An executor of this id, which answers as long as the scope lives. */
const executor = Effect.fnUntraced(function*(stream: string, id: string, chain: World) {
  const parts = yield* Layer.build(Layer.fresh(
    Layer.mergeAll(
      Lane.layer,
      Nats.layerConfig("test"),
      Layer.mock(Chain, chain),
      Layer.mock(Ledger, { signer })
    ).pipe(
      Layer.provide([Layer.mock(Wallet, { address: signer }), settings(stream)])
    )
  ))
  yield* Effect.flatMap(JobReport.make, LaneReports.answer).pipe(
    Effect.provideService(InstanceId, id),
    Effect.provideContext(parts),
    Effect.provide(settings(stream))
  )
  yield* Effect.promise(() => Context.get(parts, Nats).flush())
  return Context.get(parts, Lane)
})

const asking = (stream: string) => {
  const asked = <A, E>(question: Effect.Effect<A, E, Nats>) =>
    question.pipe(Effect.provide(Layer.fresh(Nats.layerConfig("asking"))), Effect.provide(settings(stream)))
  return {
    about: (id: string) =>
      Effect.map(
        asked(LaneReports.askAbout(id)),
        (reports) => reports.toSorted((a, b) => String(a.executor).localeCompare(String(b.executor)))
      ),
    all: asked(LaneReports.ask)
  }
}

it.live("the executor that has a job says what it waits for, and the others that they are there", () =>
  Effect.gen(function*() {
    const stream = "ASKED_ABOUT"
    const ask = asking(stream)
    assert.deepStrictEqual(yield* ask.about(jobId), [])
    const first = yield* executor(stream, "A1", answering)
    yield* executor(stream, "B2", answering)
    const step = Effect.andThen(waitsFor("waits for the chain to use nonce 7", { claim, needed: 8n }), Effect.never)
    yield* Effect.forkChild(first.work({ sequence: 1, jobId }, step), { startImmediately: true })

    const [holder, idle, ...rest] = yield* ask.about(jobId)
    assert.lengthOf(rest, 0)
    assert.deepStrictEqual(idle, { owner: signer, steps: 0, isStalled: false, executor: "B2" })
    assert.deepInclude(holder, { owner: signer, steps: 1, executor: "A1" })
    const { heldMillis = -1, ...job } = { ...holder?.job }
    assert.isAtLeast(heldMillis, 0)
    assert.deepStrictEqual(job, {
      waitsFor: "waits for the chain to use nonce 7",
      claim: { nonce: 7, transactionHash: hash(2), transactions: 2, maxFeePerGas: 3n, isWithdrawn: false },
      needed: 8n,
      cap: 500n,
      deadlineMillis: 300_000,
      chain: { used: 5, balance: 2n ** 70n, maxFeePerGas: 9n, baseFeePerGas: 4n }
    })
    // A job that nobody has, and the question that older gateways ask.
    for (const reports of [yield* ask.about(other), yield* ask.all]) {
      assert.lengthOf(reports, 2)
      for (const report of reports) assert.notProperty(report, "job")
    }
  }))

it.live("a chain that is away, or does not answer in time, is left out of the answer", () =>
  Effect.gen(function*() {
    for (const [stream, answer] of [["ASKED_AWAY", away], ["ASKED_SILENT", Effect.never]] as const) {
      const lane = yield* executor(stream, "A1", { ...answering, transactionCount: () => answer })
      yield* Effect.forkChild(lane.work({ sequence: 1, jobId }, Effect.never), { startImmediately: true })
      const [report] = yield* asking(stream).about(jobId)
      assert.deepInclude(report?.job, { waitsFor: "has just begun", cap: 500n })
      assert.notProperty(report?.job, "chain")
      // Meanwhile others get their answers.
      assert.lengthOf(yield* asking(stream).all, 1)
    }
  }))

it.live("executors of before there was the question answer as they do to all", () =>
  Effect.gen(function*() {
    const stream = "ASKED_BEFORE"
    const parts = yield* Layer.build(Layer.fresh(Nats.layerConfig("before"))).pipe(Effect.provide(settings(stream)))
    const old = { owner: signer, steps: 2, isStalled: false }
    Context.get(parts, Nats).subscribe(`akave.lanes.${stream}`, {
      callback: (_, question) => void question.respond(JSON.stringify(old))
    })
    const reports = yield* Effect.repeat(asking(stream).about(jobId), {
      until: ({ length }) => length === 1,
      schedule: Schedule.spaced("20 millis")
    })
    assert.deepStrictEqual(reports, [old])
  }))
