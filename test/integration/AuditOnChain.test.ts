/** The audit of what jobs report against a real chain. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { codec, idOf } from "@akave-async/eventing/BucketEvents"
import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import * as OnChain from "@akave-async/operator/audit/OnChain"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { Buckets, type CreatedBucket } from "@akave-async/sdk/Buckets"
import { Chain } from "@akave-async/sdk/Chain"
import { Devnet, privateKeys } from "@akave-async/sdk/test/devnet"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, Stream } from "effect"

const Network = Layer.unwrap(Effect.gen(function*() {
  const { nodeAddress } = yield* Devnet
  return Buckets.layer.pipe(
    Layer.provideMerge(Chain.layer()),
    Layer.provideMerge([AkaveNode.layer({ address: nodeAddress }), Wallet.layer(Redacted.make(privateKeys.first))])
  )
})).pipe(Layer.provide(Devnet.layer))

const occurredAt = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const jobId = (n: number) => Job.Id.make(`019845e1-682f-7b02-a706-${`${n}`.padStart(12, "0")}`)
const nowhere = `0x${"ab".repeat(32)}`

interface Life {
  readonly name: string
  /** The transaction that the job reports, and how it ends. */
  readonly transactionHash: string
  readonly blockNumber?: number
  readonly end: "completed" | "adopted" | "failed" | "none"
}
/** The events of a job that creates a bucket. */
const lifeOf = (
  owner: string,
  { blockNumber, end, name, transactionHash }: Life,
  n: number
): ReadonlyArray<Bucket.Event> => {
  const common = { jobId: jobId(n), occurredAt }
  const hash = TransactionHash.make(transactionHash)
  const { BucketCreated, BucketFailed, BucketStarted, BucketSubmitted } = Bucket.Event.cases
  return [
    Bucket.BucketRequested.make({ ...common, name: BucketName.make(name), owner: Address.make(owner) }),
    BucketStarted.make({ ...common, attempt: 1 }),
    ...(end === "adopted" ? [] : [
      BucketSubmitted.make({
        ...common,
        transactionHash: hash,
        nonce: n,
        signer: Address.make(owner),
        maxFeePerGas: 2n,
        maxPriorityFeePerGas: 1n
      })
    ]),
    ...(end === "completed" || end === "adopted"
      ? [BucketCreated.make({
        ...common,
        transactionHash: hash,
        bucketId: BucketId.make(nowhere),
        adopted: end === "adopted",
        ...(blockNumber === undefined ? {} : { blockNumber })
      })]
      : []),
    ...(end === "failed"
      ? [BucketFailed.make({ ...common, attempts: 1, error: { category: "reverted", code: "Some", message: "" } })]
      : [])
  ]
}

/** What the audit finds, where these jobs are all that the log has. */
const audited = Effect.fnUntraced(function*(lives: ReadonlyArray<Life>) {
  const { address } = yield* Wallet
  const events = lives.flatMap((life, n) => lifeOf(address, life, n))
  const names = new Map(lives.map(({ name }, n) => [jobId(n), name]))
  const stored = yield* Effect.forEach(events, (event, n) => {
    const subject = Bucket.subject(Address.make(address), BucketName.make(names.get(event.jobId) ?? ""))
    return Effect.map(
      codec.encode(event, { id: idOf(event), source: "/test", subject, time: occurredAt }),
      ({ data, headers, id }): StoredEvent => ({
        sequence: n + 1,
        subject,
        headers: { ...headers, "nats-msg-id": id },
        data
      })
    )
  })
  const fees: Array<OnChain.Fee> = []
  const log = yield* EventLogMemory.openOn({ events: [...stored] })
  const result = yield* OnChain.audit(Stream.fromIterable(stored), (fee) => Effect.sync(() => void fees.push(fee)))
    .pipe(
      Effect.provideService(EventLog, log)
    )
  return { ...result, each: fees }
})

layer(Network, { timeout: 120_000, excludeTestServices: true })("on a chain", (it) => {
  const made: Record<string, CreatedBucket> = {}
  const of = (name: string) => made[name] as CreatedBucket
  const completed = (name: string): Life => ({ ...of(name), name, end: "completed" })

  it.effect("jobs that are as the chain has them give no finding, and what they have paid is exact", () =>
    Effect.gen(function*() {
      const buckets = yield* Buckets
      const { address } = yield* Wallet
      for (const name of ["audit-one", "audit-two", "audit-three"]) made[name] = yield* buckets.createBucket(name)
      const names = Object.keys(made)
      const { adopted, each, fees, findings, foreign, jobs } = yield* audited([
        ...names.slice(0, 2).map(completed),
        { ...of("audit-three"), end: "adopted" }
      ])
      assert.deepStrictEqual([findings, foreign, jobs, adopted], [[], [], 3, 1])
      const receipts = yield* Effect.forEach(names.slice(0, 2), (name) => buckets.settle(of(name).transactionHash))
      const paid = receipts.map(({ effectiveGasPrice = 0n, gasUsed }) => effectiveGasPrice * BigInt(gasUsed))
      assert.deepStrictEqual(each.map(({ fee }) => fee), paid)
      const sum = fees[address.toLowerCase()]
      assert.deepStrictEqual([sum?.transactions, sum?.fee], [2, paid.reduce((a, b) => a + b, 0n)])
    }))

  it.effect("what a job reports and the chain does not have is named", () =>
    Effect.gen(function*() {
      const { findings } = yield* audited([
        { ...completed("audit-one"), transactionHash: nowhere },
        { ...completed("audit-two"), blockNumber: of("audit-two").blockNumber + 1 },
        { ...completed("audit-two"), name: "audit-three" },
        { ...completed("audit-three"), name: "audit-never" }
      ])
      assert.strictEqual(findings.length, 5, findings.join("\n"))
      for (
        const [n, pattern] of [
          /0000 \(bucket.create\) is completed by 0x(ab)+, which is not on chain$/,
          /0001 .* which is in block \d+, and not in \d+$/,
          /0002 .* which has not the effect that the job asks for$/,
          /0003 .* which has not the effect that the job asks for$/,
          /^bucket audit-never of 0x\w+ was created by a job, was deleted by none, and is not on chain$/
        ].entries()
      ) assert.match(findings[n] ?? "", pattern)
    }))

  it.effect("a job that failed and has an effect all the same is named", () =>
    Effect.gen(function*() {
      const { findings } = yield* audited([{ ...completed("audit-one"), end: "failed" }])
      assert.match(findings.join(), /^job \S+ \(bucket.create\) is failed, and 0x\w+ has done what it asked for$/)
    }))

  it.effect("buckets that no job explains are listed with the transaction that made them, and are no finding", () =>
    Effect.gen(function*() {
      const { findings, foreign } = yield* audited([completed("audit-one")])
      assert.deepStrictEqual(findings, [])
      assert.deepStrictEqual(
        foreign.map(({ blockNumber, bucketName, transactionHash }) => [bucketName, transactionHash, blockNumber]),
        ["audit-two", "audit-three"].map((name) => [name, of(name).transactionHash, of(name).blockNumber])
      )
    }))
})
