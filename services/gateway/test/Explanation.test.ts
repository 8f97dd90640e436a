import { JobExplanation, Pause, Reason, Step } from "@akave-async/api/Explanation"
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import { FileName } from "@akave-async/domain/FileName"
import * as Job from "@akave-async/domain/Job"
import { codec } from "@akave-async/eventing/BucketEvents"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as FileEvents from "@akave-async/eventing/FileEvents"
import { evolveJob } from "@akave-async/eventing/JobEvents"
import type { JobReport, LaneReport } from "@akave-async/eventing/LaneReports"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { explain, type Known } from "../src/Explanation.ts"

const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const name = BucketName.make("my-bucket")
const fileName = FileName.make("photos/cat.jpg")
const bucketId = BucketId.make(`0x${"01".repeat(32)}`)
const hash = (n: number) => TransactionHash.make(`0x${`0${n}`.repeat(32)}`)
const begun = DateTime.makeUnsafe("2026-11-21T10:10:00Z")
const at = (millis: number) => DateTime.add(begun, { milliseconds: millis })
const gwei = 1_000_000_000n

const {
  BucketAttemptFailed,
  BucketCancelled,
  BucketCreated,
  BucketFailed,
  BucketRequested,
  BucketStarted,
  BucketSubmitted
} = Bucket.Event.cases

const requested = BucketRequested.make({ jobId, owner, name, occurredAt: at(0) })
const started = (attempt: number, millis: number) => BucketStarted.make({ jobId, attempt, occurredAt: at(millis) })
const submitted = (n: number, nonce: number, millis: number, fee = 3n * gwei) =>
  BucketSubmitted.make({
    jobId,
    transactionHash: hash(n),
    nonce,
    signer: owner,
    maxFeePerGas: fee,
    maxPriorityFeePerGas: gwei,
    occurredAt: at(millis)
  })
const network = { category: "network", code: "ChainUnreachable", message: "the chain is away" } as const
const shortage = { category: "insufficient_funds", code: "InsufficientFunds", message: "send it funds" } as const
const attemptFailed = (attempt: number, millis: number, error: Job.Failure = network, retryMillis = millis + 10_000) =>
  BucketAttemptFailed.make({ jobId, attempt, error, retryAt: at(retryMillis), occurredAt: at(millis) })
const created = (millis: number, receipt: Partial<Job.Receipt> = {}) =>
  BucketCreated.make({
    jobId,
    bucketId,
    transactionHash: hash(1),
    blockNumber: 9,
    gasUsed: 150_000,
    adopted: false,
    occurredAt: at(millis),
    ...receipt
  })

type Source = "/akave/executor/A1" | "/akave/executor/B2" | "/akave/executor" | "/akave/gateway"
/** The events as they are stored, requests by gateways and the rest by executors. */
const stored = (
  events: ReadonlyArray<Bucket.Event>,
  source: Source = "/akave/executor/A1"
): ReadonlyArray<StoredEvent> =>
  events.map((event, n) => {
    const { data, headers } = Effect.runSync(codec.encode(event, {
      id: `${n}`,
      source: event._tag === "BucketRequested" ? "/akave/gateway" : source,
      subject: name,
      time: event.occurredAt,
      correlationId: jobId
    }))
    return { sequence: n + 11, subject: Bucket.subject(owner, name), headers, data }
  })

const state = { ready: true, detail: "answers" }
const well: Omit<Known, "job" | "events"> = {
  isLogAway: false,
  lanes: [],
  readiness: {
    ready: true,
    event_log: state,
    read_model: state,
    node: state,
    chain: state,
    staging: state,
    lanes: state,
    projection_lag_ms: 0
  },
  deadLetter: undefined,
  now: at(12_000)
}

const encode = Schema.encodeSync(Schema.toCodecJson(JobExplanation))
const seen = { steps: new Set<string>(), pauses: new Set<string>(), reasons: new Set<string>() }
/** The explanation of a job with these events, where this is known beside that all is well but for executors, which are away. */
const explained = (events: ReadonlyArray<StoredEvent>, known: Partial<Known> = {}): JobExplanation => {
  const job = known.job ?? evolveJob(jobId, undefined, events)?.job
  if (job === undefined) return assert.fail("these events are of no job")
  const explanation = explain({ ...well, job, events, ...known })
  // What is shown is what the API may show.
  encode(explanation)
  for (const { step, waited_for } of explanation.timeline) {
    seen.steps.add(step)
    if (waited_for !== null) seen.pauses.add(waited_for)
  }
  if (explanation.waiting !== null) seen.reasons.add(explanation.waiting.reason)
  return explanation
}

afterAll(() => {
  // Each of them is shown by one of these tests.
  assert.sameMembers([...seen.steps], [...Step.literals])
  assert.sameMembers([...seen.pauses], [...Pause.literals])
  assert.sameMembers([...seen.reasons], [...Reason.literals])
})

const wordsOf = ({ timeline }: JobExplanation) =>
  timeline.map(({ message, step, waited_for, waited_ms }) =>
    [step, ...waited_for === null ? [] : [`${waited_ms} ${waited_for}`], message].join(" | ")
  )

/** The events of an upload, as they are stored. */
const ofUpload = (events: ReadonlyArray<File.Event>): ReadonlyArray<StoredEvent> =>
  events.map((event, n) => {
    const { data, headers } = Effect.runSync(FileEvents.codec.encode(event, {
      id: `${n}`,
      source: event._tag === "FileUploadRequested" ? "/akave/gateway" : "/akave/executor/A1",
      subject: "file",
      time: event.occurredAt,
      correlationId: jobId
    }))
    return { sequence: n + 11, subject: File.subject(owner, name, fileName), headers, data }
  })

describe("the timeline", () => {
  it("of an upload that is cancelled says which parts were done, and that they are taken back", () => {
    const { FileUploadAbandoned, FileUploadAdvanced, FileUploadCancelled, FileUploadStarted, FileUploadSubmitted } =
      File.Event.cases
    const common = (millis: number) => ({ jobId, occurredAt: at(millis) })
    const reason = "Cancelled on request"
    const { message } = explained(ofUpload([
      File.FileUploadRequested.make({
        ...common(0),
        owner,
        bucketName: name,
        name: fileName,
        size: 3,
        sha256: "0".repeat(64),
        dataBlocks: 16,
        parityBlocks: 16,
        encryption: "none",
        staged: "019845e1-682f-4b02-a706-3b2422d13aec",
        replaces: false
      }),
      FileUploadStarted.make({ ...common(20), attempt: 1 }),
      FileUploadSubmitted.make({
        ...common(60),
        part: "create",
        transactionHash: hash(1),
        nonce: 7,
        signer: owner,
        maxFeePerGas: 3n * gwei,
        maxPriorityFeePerGas: gwei
      }),
      FileUploadAdvanced.make({
        ...common(1_100),
        part: "create",
        transactionHash: hash(1),
        blockNumber: 9,
        gasUsed: 150_000,
        adopted: false
      }),
      FileUploadAbandoned.make({
        ...common(1_200),
        cancelledBy: "a client",
        error: { category: "cancelled", code: "Cancelled", message: reason }
      }),
      FileUploadCancelled.make({ ...common(2_300), cancelledBy: "a client", reason })
    ])).timeline.reduce((all, entry) => ({ message: [...all.message, entry.message] }), {
      message: [] as ReadonlyArray<string>
    })
    assert.deepStrictEqual(message, [
      "file.upload of my-bucket/photos/cat.jpg",
      "attempt 1 begun",
      "sent with nonce 7, for at most 3 gwei per gas unit",
      "its part create was mined in block 9, 150000 gas units used",
      `takes back what it has stored: cancelled by a client: ${reason}`,
      `cancelled by a client: ${reason}`
    ])
  })

  it("of a job that was done at once says who did what, and what it waited for between", () => {
    const price = { effectiveGasPrice: 2n * gwei + 7n }
    const explanation = explained(stored([requested, started(1, 20), submitted(1, 7, 60), created(1_300, price)]))
    assert.deepStrictEqual(wordsOf(explanation), [
      "requested | bucket.create of my-bucket",
      "started | 20 executor | attempt 1 begun",
      "submitted | 40 preparation | sent with nonce 7, for at most 3 gwei per gas unit",
      "completed | 1240 chain | mined in block 9, 150000 gas units used"
    ])
    assert.deepStrictEqual(explanation.timeline.map(({ executor }) => executor), [null, "A1", "A1", "A1"])
    assert.deepStrictEqual(explanation.timeline.map(({ attempt }) => attempt), [null, 1, 1, 1])
    assert.deepInclude(explanation.timeline[3], { sequence: 14, tx_hash: hash(1), nonce: 7, waited_ms: 1_240 })
    assert.deepStrictEqual(explanation.fees, {
      gas_used: 150_000,
      effective_gas_price: 2_000_000_007n,
      max_fee_per_gas: 3n * gwei,
      paid_wei: 300_000_001_050_000n,
      at_most_wei: 300_000_001_050_000n
    })
    assert.strictEqual(
      explanation.summary,
      "bucket.create of my-bucket was completed by executor A1, 1s 300ms after it was requested, for 300000001050000 wei"
    )
    assert.isNull(explanation.waiting)
  })

  it("of events of before executors said who they are and what they paid has a bound for the fee", () => {
    const explanation = explained(
      stored([requested, started(1, 20), submitted(1, 7, 60), created(1_300)], "/akave/executor")
    )
    assert.deepStrictEqual(explanation.timeline.map(({ executor }) => executor), [null, null, null, null])
    assert.deepInclude(explanation.fees, { paid_wei: null, at_most_wei: 450_000n * gwei, effective_gas_price: null })
    assert.match(explanation.summary, /was completed, 1s 300ms after .*, for at most 450000000000000 wei$/)
  })

  it("has no fee where the transaction that did it is not among those that were reported, and no price", () => {
    const explanation = explained(stored([requested, started(1, 20), created(1_300, { transactionHash: hash(5) })]))
    assert.deepInclude(explanation.fees, { paid_wei: null, at_most_wei: null, gas_used: 150_000 })
  })

  it("of a job whose events are not to be had is empty, and what the job itself holds is shown", () => {
    const price = { effectiveGasPrice: 2n * gwei }
    const job = evolveJob(
      jobId,
      undefined,
      stored([requested, started(1, 20), submitted(1, 7, 60), created(1_300, price)])
    )
      ?.job
    assert(job !== undefined)
    const { fees, summary, timeline } = explained([], { job })
    assert.deepStrictEqual(timeline, [])
    assert.deepInclude(fees, { paid_wei: 300_000n * gwei, max_fee_per_gas: null })
    assert.match(summary, /was completed, 1s 300ms after it was requested, for 300000000000000 wei$/)
  })

  it("of a job whose transaction was replaced shows each with its fees, and what was paid with the one that was mined", () => {
    const explanation = explained(stored([
      requested,
      started(1, 20),
      submitted(1, 7, 60),
      submitted(2, 7, 10_060, 5n * gwei / 2n),
      submitted(2, 7, 10_070, 5n * gwei / 2n),
      created(12_000, { transactionHash: hash(2) })
    ]))
    assert.deepStrictEqual(wordsOf(explanation).slice(3), [
      "submitted | 10000 chain | replaced the one before with nonce 7, for at most 2.5 gwei per gas unit instead of 3 gwei",
      "submitted | 10 chain | sent again with nonce 7",
      "completed | 1930 chain | mined in block 9, 150000 gas units used"
    ])
    assert.deepInclude(explanation.fees, { max_fee_per_gas: 5n * gwei / 2n, at_most_wei: 375_000n * gwei })
  })

  it("of a job of several parts has each, what they have cost together, and that it takes them back", () => {
    const fileName = FileName.make("a/b")
    const { FileUploadAbandoned, FileUploadAdvanced, FileUploadCancelled, FileUploadStarted, FileUploadSubmitted } =
      File.Event.cases
    const sent = (part: string, n: number, nonce: number, millis: number) => {
      const { _tag: _, ...fields } = submitted(n, nonce, millis)
      return FileUploadSubmitted.make({ ...fields, part })
    }
    const done = (part: string, n: number, millis: number, receipt: Partial<Job.Receipt> = {}) =>
      FileUploadAdvanced.make({
        jobId,
        part,
        transactionHash: hash(n),
        blockNumber: n,
        gasUsed: 100_000,
        effectiveGasPrice: BigInt(n) * gwei,
        adopted: false,
        occurredAt: at(millis),
        ...receipt
      })
    const error = { category: "cancelled", code: "Cancelled", message: "not wanted" } as const
    const events = [
      File.Event.cases.FileUploadRequested.make({
        jobId,
        owner,
        bucketName: name,
        name: fileName,
        size: 5,
        sha256: "0".repeat(64),
        dataBlocks: 16,
        parityBlocks: 16,
        encryption: "none",
        staged: "staged",
        replaces: false,
        occurredAt: at(0)
      }),
      FileUploadStarted.make({ jobId, attempt: 1, occurredAt: at(20) }),
      sent("create", 1, 7, 60),
      done("create", 1, 1_060),
      done("chunk.0", 2, 1_100, { adopted: true }),
      FileUploadAbandoned.make({ jobId, error, cancelledBy: "key 1", occurredAt: at(2_000) }),
      sent("undo", 3, 8, 2_100),
      done("undo", 3, 3_100),
      FileUploadCancelled.make({ jobId, cancelledBy: "key 1", reason: "not wanted", occurredAt: at(3_200) })
    ].map((event, n): StoredEvent => {
      const subject = File.subject(owner, name, fileName)
      const time = event.occurredAt
      const encoded = FileEvents.codec.encode(event, {
        id: `${n}`,
        source: "/test",
        subject,
        time,
        correlationId: jobId
      })
      return { sequence: n + 11, subject, ...Effect.runSync(encoded) }
    })
    const explanation = explained(events)
    assert.deepStrictEqual(wordsOf(explanation), [
      "requested | file.upload of my-bucket/a/b",
      "started | 20 executor | attempt 1 begun",
      "submitted | 40 preparation | sent with nonce 7, for at most 3 gwei per gas unit",
      "advanced | 1000 chain | its part create was mined in block 1, 100000 gas units used",
      "advanced | 40 preparation | its part chunk.0 was found done",
      "abandoned | 900 preparation | takes back what it has stored: cancelled by key 1: not wanted",
      "submitted | 100 preparation | sent with nonce 8, for at most 3 gwei per gas unit",
      "advanced | 1000 chain | its part undo was mined in block 3, 100000 gas units used",
      "cancelled | 100 preparation | cancelled by key 1: not wanted"
    ])
    assert.deepStrictEqual(explanation.fees, {
      gas_used: 200_000,
      effective_gas_price: 2n * gwei,
      max_fee_per_gas: 3n * gwei,
      paid_wei: 400_000n * gwei,
      at_most_wei: 400_000n * gwei
    })
  })

  it("of a job that was tried again, by another executor and with another nonce, says why", () => {
    const first = stored([requested, started(1, 20), submitted(1, 7, 60), attemptFailed(1, 2_000)])
    const all = stored([
      requested,
      started(1, 20),
      submitted(1, 7, 60),
      attemptFailed(1, 2_000),
      started(2, 12_100),
      submitted(2, 8, 12_200),
      created(13_000, { transactionHash: hash(2) })
    ], "/akave/executor/B2")
    const explanation = explained([...first, ...all.slice(4)])
    assert.deepStrictEqual(wordsOf(explanation).slice(3), [
      "attempt_failed | 1940 chain | attempt 1 failed, again from 2026-11-21T10:10:12.000Z on: the chain is away",
      "started | 10100 next_attempt | attempt 2 begun",
      "submitted | 100 preparation | sent with nonce 8, for at most 3 gwei per gas unit: nonce 7 was used without effect for the job",
      "completed | 800 chain | mined in block 9, 150000 gas units used"
    ])
    assert.deepStrictEqual(explanation.timeline[3]?.error, network)
    assert.include(explanation.summary, "was completed by executor B2 at attempt 2, 13s after")
  })

  it("of a job that waited for funds names them", () => {
    const explanation = explained(
      stored([requested, started(1, 20), attemptFailed(1, 30, shortage, 30), started(2, 9_030)])
    )
    assert.deepStrictEqual(wordsOf(explanation).slice(2), [
      "attempt_failed | 10 preparation | attempt 1 failed, waits for funds: send it funds",
      "started | 9000 funds | attempt 2 begun"
    ])
  })

  it("of a job whose transaction was withdrawn ends with its failure, and has no fee", () => {
    const error = { category: "chain_timeout", code: "DeadlinePassed", message: "It was withdrawn" } as const
    const events = [requested, started(1, 20), submitted(1, 7, 60), submitted(2, 7, 600_060, 9n * gwei)]
    const failed = BucketFailed.make({ jobId, error, attempts: 1, occurredAt: at(601_000) })
    const explanation = explained(stored([...events, failed]))
    assert.strictEqual(wordsOf(explanation).at(-1), "failed | 940 chain | failed at attempt 1: It was withdrawn")
    assert.deepStrictEqual(explanation.timeline.at(-1)?.error, error)
    assert.deepInclude(explanation.fees, { paid_wei: null, at_most_wei: null })
    assert.match(explanation.summary, /failed by executor A1, 10m 1s after it was requested: It was withdrawn$/)
  })

  it("of a job that was found done says so, and that it cost nothing", () => {
    const adopted = { adopted: true, transactionHash: hash(4), effectiveGasPrice: gwei }
    const explanation = explained(stored([requested, started(1, 20), created(60, adopted)]))
    assert.include(wordsOf(explanation).at(-1), "found done in block 9: no transaction of this job did it")
    assert.deepInclude(explanation.fees, { gas_used: null, paid_wei: null, at_most_wei: null })
    assert.match(explanation.summary, /was found done by executor A1, 60ms after it was requested$/)
  })

  it("of a job that was cancelled says by whom", () => {
    const cancelled = BucketCancelled.make({ jobId, cancelledBy: "acme", reason: "not needed", occurredAt: at(5_000) })
    const explanation = explained(stored([requested, cancelled], "/akave/gateway"))
    assert.deepStrictEqual(wordsOf(explanation)[1], "cancelled | 5000 executor | cancelled by acme: not needed")
    assert.strictEqual(explanation.summary, "bucket.create of my-bucket was cancelled 5s after it was requested")
  })

  it("names the account that has asked, and the types that only a newer release knows, and clocks that differ are no wait", () => {
    const [first, ...rest] = stored([BucketRequested.make({ ...requested, tenant: "acme" }), started(1, -20)])
    assert(first !== undefined)
    const newer = { ...first, sequence: 20, headers: { ...first.headers, "ce-type": "akave.BucketPaused.v1" } }
    assert.deepStrictEqual(wordsOf(explained([first, ...rest, newer])), [
      "requested | bucket.create of my-bucket, by account acme",
      "started | 0 executor | attempt 1 begun",
      "other | 20 preparation | akave.BucketPaused.v1, which this release can't read"
    ])
  })
})

const lane: LaneReport = { owner, steps: 3, isStalled: false, executor: "A1" }
const sight = { used: 7, balance: 10n ** 18n, maxFeePerGas: 4n * gwei, baseFeePerGas: 2n * gwei }
const claim = { nonce: 7, transactionHash: hash(1), transactions: 1, maxFeePerGas: 3n * gwei, isWithdrawn: false }
const report: JobReport = {
  heldMillis: 11_000,
  waitsFor: "waits for the chain to use nonce 7",
  claim,
  needed: 10n ** 15n,
  cap: 500n * gwei,
  deadlineMillis: 600_000,
  chain: sight
}
const holding = (change: Partial<JobReport> = {}, of: Partial<LaneReport> = {}): Partial<Known> => {
  const { claim: _, needed: __, ...rest } = report
  return { lanes: [{ ...lane, ...of, job: { ...("waitsFor" in change ? rest : report), ...change } }] }
}
const withoutChain = (): Partial<Known> => {
  const { chain: _, ...job } = report
  return { lanes: [{ ...lane, job }] }
}

const queued = stored([requested])
const processing = stored([requested, started(1, 20), submitted(1, 7, 60)])
const failing = stored([requested, started(1, 20), attemptFailed(1, 8_000)])

describe("what a job waits for", () => {
  it.for<
    [Reason: string, events: ReadonlyArray<StoredEvent>, known: Partial<Known>, detail: RegExp, isAdvised: boolean]
  >([
    ["executors_away", queued, {}, /^no executor answers$/, true],
    ["executor_without_key", queued, { lanes: [{ ...lane, owner: "0xA" }] }, /has the key of 0xf39F/, true],
    ["dead_letter", queued, { deadLetter: 11 }, /^its request, event 11, could not be processed/, true],
    ["unknown", queued, { lanes: undefined }, /^executors can't be asked$/, true],
    ["unknown", queued, { lanes: [{ owner, steps: 1, isStalled: false }] }, /release that does not say$/, false],
    ["turn", queued, { lanes: [lane, lane] }, /^no executor has begun it; .* under way: 6$/, false],
    ["handover", processing, { lanes: [lane] }, /EXECUTOR_ACK_WAIT$/, false],
    ["dead_letter", queued, { lanes: [lane], deadLetter: 11 }, /^its request, event 11, could not be processed/, true],
    [
      "lane_stalled",
      queued,
      { lanes: [{ ...lane, isStalled: true, quietMillis: 40_000, waitsFor: "waits for a nonce" }] },
      /^the wallet's lane has finished no step for 40s; its oldest waits for a nonce$/,
      true
    ],
    ["event_log_away", processing, { isLogAway: true, lanes: undefined }, /^the event log does not answer/, true],
    ["event_log_away", processing, { isLogAway: true }, /^the event log does not answer/, true],
    [
      "chain_away",
      processing,
      withoutChain(),
      /^the chain does not answer the executor that has the job; its deadline/,
      true
    ],
    ["chain_away", failing, withoutChain(), /; attempt 1 failed: the chain is away; the next one is not before/, true],
    [
      "next_attempt",
      failing,
      holding({ waitsFor: "failed: the chain is away" }),
      /^attempt 1 failed: the chain is away; the next one is not before 2026-11-21T10:10:18.000Z; its deadline/,
      false
    ],
    ["next_attempt", failing, { lanes: [lane] }, /is not before 2026-11-21T10:10:18.000Z$/, false],
    [
      "funds",
      processing,
      holding({ chain: { ...sight, balance: 5n } }),
      /holds 5 wei, and 1000000000000000 wei are/,
      true
    ],
    [
      "funds",
      stored([requested, started(1, 20), attemptFailed(1, 30, shortage, 30)]),
      holding({ waitsFor: "failed: send it funds", needed: 10n, chain: { ...sight, balance: 9n } }),
      /holds 9 wei, and 10/,
      true
    ],
    [
      "fee_cap",
      processing,
      holding({ chain: { ...sight, baseFeePerGas: 501n * gwei } }),
      /^the chain asks for 501 gwei per gas unit, and the executor may offer 500 gwei; its deadline/,
      true
    ],
    [
      "earlier_nonce",
      processing,
      holding({ chain: { ...sight, used: 6 } }),
      /^it has nonce 7, and the next .* of the wallet is 6: 1 transaction is to be mined before it/,
      true
    ],
    ["earlier_nonce", processing, holding({ chain: { ...sight, used: 0 } }), /is 0: 7 transactions are to be/, true],
    [
      "mining",
      processing,
      holding(),
      /^the chain has not mined nonce 7, the wallet's next, for 3 gwei per gas unit; its/,
      true
    ],
    [
      "mining",
      processing,
      holding({ claim: { ...claim, transactions: 3 } }),
      / per gas unit, after 2 replacements; its deadline/,
      true
    ],
    ["confirmations", processing, holding({ chain: { ...sight, used: 8 } }), /^the chain has used nonce 7/, false],
    ["withdrawal", processing, holding({ claim: { ...claim, isWithdrawn: true } }), /only uses up nonce 7/, false],
    // It may offer more than the cap.
    [
      "withdrawal",
      processing,
      holding({
        claim: { ...claim, isWithdrawn: true, maxFeePerGas: 600n * gwei },
        chain: { ...sight, baseFeePerGas: 501n * gwei }
      }),
      /only uses up nonce 7/,
      false
    ],
    [
      "in_progress",
      processing,
      holding({ waitsFor: "waits for a nonce from the wallet's ledger" }),
      /^the executor that has it waits for a nonce from/,
      false
    ],
    [
      "lane_stalled",
      processing,
      holding({ waitsFor: "has just begun" }, { isStalled: true, quietMillis: 61_000, waitsFor: "has just begun" }),
      /no step for 1m 1s; its oldest has just begun/,
      true
    ]
  ])("is %s", ([reason, events, known, detail, isAdvised]) => {
    const { summary, waiting } = explained(events, known)
    assert(waiting !== null)
    assert.strictEqual(waiting.reason, reason)
    assert.match(waiting.detail, detail)
    assert.strictEqual(waiting.advice !== null, isAdvised)
    assert.include(
      summary,
      `was requested 12s ago and is ${events === queued ? "queued" : "processing"}: ${waiting.detail}`
    )
  })

  it("is the chain where no executor has the job and the gateway does not reach the chain either", () => {
    assert(well.readiness !== undefined)
    const readiness = { ...well.readiness, chain: { ready: false, detail: "timed out" } }
    const { waiting } = explained(queued, { lanes: [lane], readiness })
    assert.deepInclude(waiting, { reason: "chain_away", detail: "the chain does not answer: timed out" })
  })

  it("is what the executor says that has taken the job last", () => {
    const [before] = holding({ heldMillis: 20_000, waitsFor: "has just begun" }, { executor: "B2" }).lanes ?? []
    const [now] = holding().lanes ?? []
    assert(before !== undefined && now !== undefined)
    const { waiting } = explained(processing, { lanes: [before, now] })
    assert.deepInclude(waiting, { reason: "mining", executor: "A1", deadline: at(600_020) })
  })

  it("says when the deadline is, and when it was", () => {
    assert.match(explained(processing, holding()).waiting?.detail ?? "", /; its deadline is in 9m 48s$/)
    const late = explained(processing, { ...holding(), now: at(630_020) })
    assert.match(late.waiting?.detail ?? "", /; its deadline was 30s ago: it fails, if the chain lets it$/)
  })

  it("is nothing once the job has ended, whatever executors say", () => {
    const ended = stored([requested, started(1, 20), submitted(1, 7, 60), created(1_300)])
    assert.isNull(explained(ended, holding()).waiting)
  })
})
