import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import type { Decision } from "@akave-async/eventing/Aggregate"
import { codec, idOf, kind, load } from "@akave-async/eventing/BucketEvents"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { again, done } from "@akave-async/eventing/Outcome"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import {
  ContractError,
  InvalidArgument,
  type RefusalReason,
  RpcError,
  TransactionRefused,
  UnknownRevert
} from "@akave-async/sdk/Errors"
import { type Prepared, Wallet as Signer } from "@akave-async/sdk/Wallet"
import { assert, describe, it } from "@effect/vitest"
import {
  ConfigProvider,
  Context,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Result,
  Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import { Transaction } from "ethers"
import { InsufficientFunds } from "../src/Failures.ts"
import { Ledger } from "../src/Ledger.ts"
import type { Operation } from "../src/Operation.ts"
import { Operations } from "../src/Operations.ts"
import { Receipts } from "../src/Receipts.ts"
import { Shortages } from "../src/Shortages.ts"
import { Steps } from "../src/Steps.ts"
import { noFiles } from "./noFiles.ts"

// A public development key: the first of every Anvil chain.
const privateKey = Redacted.make("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const name = BucketName.make("my-bucket")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const other = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aed")
const subject = Bucket.subject(owner, name)
const id = BucketId.make(bucketId(name, owner))
const retries = 2
const retryDelay = Duration.seconds(10)
const shortDelay = Duration.seconds(2)
const deadline = Duration.minutes(5)
const confirmations = 3
const fees = { maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }
const prepared: Prepared = {
  to: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  data: "0xe3f787e8",
  gasLimit: 180_000n,
  chainId: 31_337n
}

/** What an attempt comes to that waits for the chain. */
const underWay = "under way"
/** Ends the wait for the chain: an attempt is looked at when it has come so far. */
const Waiting = Context.Reference<
  { readonly at: "first" | "nothing"; readonly reached: Deferred.Deferred<void> } | undefined
>("@akave-async/executor/test/Waiting", { defaultValue: () => undefined })

const exists = new ContractError({ name: "BucketAlreadyExists", selector: "0x497ef2c2" })
const away = new RpcError({ method: "eth_call", code: "ECONNREFUSED", details: "the chain is away" })
const refused = (reason: RefusalReason) => new TransactionRefused({ reason, message: reason })
const origin = { hash: TransactionHash.make(`0x${"0a".repeat(32)}`), blockNumber: 3 }
const lost = { hash: TransactionHash.make(`0x${"0c".repeat(32)}`), blockNumber: 3 }

/** What the chain answers. */
interface World {
  prepare: Effect.Effect<Prepared, ContractError | UnknownRevert | RpcError | InvalidArgument>
  balance: bigint
  /** What a transaction is answered with when it is sent. */
  send: (raw: string) => Effect.Effect<"accepted" | "already_known", TransactionRefused | RpcError>
  /** The number of the latest block. Whatever is mined is in block 9. */
  head: number
  /** How many nonces of the wallet are used, since which block, and whether the chain's node does not say. */
  used: number
  usedSince: number
  usedFails: boolean
  /** Says for each transaction whether it is mined, and how it went. */
  mined: (hash: string) => Receipt["status"] | undefined
  /** What has used a nonce, where it is no transaction of ours. */
  elsewhere: (nonce: number) => TransactionHash | undefined
  origin: Option.Option<{ readonly hash: string; readonly blockNumber: number }>
  /** Whether the bucket is there in the state after a block. */
  exists: (block: number) => boolean
  revert: ContractError | UnknownRevert
  /** The time of the latest block, where it is not now. */
  chainTime: DateTime.Utc | undefined
}

const receiptOf = (hash: string, status: Receipt["status"]): Receipt => ({
  transactionHash: hash,
  blockNumber: 9,
  blockHash: `0x${"0b".repeat(32)}`,
  status,
  gasUsed: 21_000,
  effectiveGasPrice: 1_000_000_007n,
  from: owner,
  to: prepared.to,
  logs: []
})

/** An executor's steps, and the operation that the tests are about. */
type Executor = Steps["Service"] & { readonly operation: Operation }

/** Called with what an executor has just written or sent. */
type Probe = (what: string) => Effect.Effect<void>
const nothing: Probe = () => Effect.void

const walletCodec = CloudEvent.make(Wallet.Event)

/** A bucket's log, a wallet's log and a chain that takes and mines everything, until set otherwise. */
const bench = Effect.gen(function*() {
  const log = yield* EventLogMemory.open
  const ledgerLog = yield* EventLogMemory.open
  const sent: Array<string> = []
  const isSent = (hash: string) => sent.some((raw) => Transaction.from(raw).hash === hash)
  const world: World = {
    prepare: Effect.succeed(prepared),
    balance: 10n ** 18n,
    send: () => Effect.succeed("accepted"),
    head: 11,
    used: 4,
    usedSince: 0,
    usedFails: false,
    mined: (hash) => isSent(hash) ? "success" : undefined,
    elsewhere: () => undefined,
    origin: Option.none(),
    exists: (block) => Option.match(world.origin, { onNone: () => true, onSome: (by) => block >= by.blockNumber }),
    revert: new UnknownRevert({ data: "0x" }),
    chainTime: undefined
  }
  const shortages = Context.get(yield* Layer.build(Shortages.layer), Shortages)
  /** The receipt with the address that the transaction of this hash went to. */
  const toSelf = (receipt: Receipt): Receipt => {
    const transaction = sent.map((raw) => Transaction.from(raw)).find(({ hash }) => hash === receipt.transactionHash)
    return { ...receipt, to: transaction?.to ?? receipt.to }
  }
  const receipt = (hash: string) =>
    Effect.sync(() => Option.map(Option.fromNullishOr(world.mined(hash)), (status) => receiptOf(hash, status)))

  /** Another executor on the same logs and chain. */
  const executor = (probe: Probe = nothing): Effect.Effect<Executor, unknown, Scope.Scope> => {
    const probed = (log: EventLogShape): EventLogShape => ({
      ...log,
      append: (...appended) => Effect.tap(log.append(...appended), probe("append"))
    })
    const chain = Layer.mock(Chain, {
      chainId: 31_337n,
      storageAddress: prepared.to,
      accessAddress: "",
      fees: Effect.succeed(fees),
      transactionCount: (_, at) =>
        Effect.suspend(() => {
          if (world.usedFails) return Effect.fail(away)
          return Effect.succeed(typeof at === "number" && at < world.usedSince ? 0 : world.used)
        }),
      balance: () => Effect.sync(() => world.balance),
      send: (raw) =>
        Effect.suspend(() => world.send(raw)).pipe(
          Effect.tap(Effect.sync(() => sent.push(raw))),
          Effect.tap(probe("send"))
        ),
      blockNumber: Effect.sync(() => world.head),
      blockTime: () => world.chainTime === undefined ? DateTime.now : Effect.succeed(world.chainTime),
      minedAt: ({ nonce }) =>
        Effect.sync(() =>
          Option.map(Option.fromNullishOr(world.elsewhere(nonce)), (hash) => ({ hash, blockNumber: 9 }))
        ),
      receipt,
      explainRevert: () => Effect.sync(() => world.revert)
    })
    const buckets = Layer.mock(Buckets, {
      bucketIdOf: () => Option.none(),
      prepareCreate: () => Effect.suspend(() => world.prepare),
      creationTransaction: () => Effect.sync(() => world.origin),
      onChain: ({ block = world.head, ...bucket }) =>
        Effect.sync(() =>
          world.exists(block)
            ? Option.some({ id: "", createdAt: DateTime.makeUnsafe(0), ...bucket })
            : Option.none()
        )
    })
    const receipts = Layer.mock(Receipts, {
      sent: (_, send) => send,
      await: Effect.fnUntraced(function*(claim) {
        const waiting = yield* Waiting
        if (waiting?.at === "first") yield* Effect.andThen(Deferred.succeed(waiting.reached, undefined), Effect.never)
        const [mined] = (yield* Effect.forEach(Wallet.hashes(claim), receipt)).flatMap(Option.toArray)
        if (mined !== undefined) return { _tag: "Mined", receipt: toSelf(mined) } as const
        const transactionHash = world.elsewhere(claim.nonce)
        if (transactionHash !== undefined) return { _tag: "Elsewhere", transactionHash } as const
        if (waiting !== undefined) yield* Deferred.succeed(waiting.reached, undefined)
        return yield* Effect.never
      })
    })
    const layer = Steps.layer.pipe(
      Layer.provideMerge(Operations.layer),
      Layer.provide(noFiles),
      Layer.provide([Ledger.layer(probed(ledgerLog)), receipts, buckets, Layer.succeed(Shortages, shortages)]),
      Layer.provide([chain, Signer.layer(privateKey), Layer.succeed(EventLog, probed(log))]),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({
        CONFIRMATIONS: `${confirmations}`,
        JOB_DEADLINE: `${Duration.toMillis(deadline)} millis`,
        EXECUTOR_RETRIES: `${retries}`,
        EXECUTOR_RETRY_DELAY: `${Duration.toMillis(retryDelay)} millis`
      })))
    )
    return Effect.map(Layer.build(Layer.fresh(layer)), (context) => {
      const operations = Context.get(context, Operations)
      return { ...Context.get(context, Steps), operation: operations.get("bucket.create") as Operation }
    })
  }

  /** The ledger as another executor has it. */
  const ledger = Effect.suspend(() => {
    const chain = Layer.mock(Chain, {
      chainId: 31_337n,
      storageAddress: "",
      accessAddress: "",
      fees: Effect.succeed(fees),
      transactionCount: () => Effect.sync(() => world.used)
    })
    const layer = Ledger.layer(ledgerLog).pipe(
      Layer.provide([chain, Signer.layer(privateKey)]),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
    )
    return Effect.map(Layer.build(Layer.fresh(layer)), Context.get(Ledger))
  })

  const append = Effect.fnUntraced(function*(event: Bucket.Event) {
    const { revision } = yield* log.read(subject)
    const encoded = yield* codec.encode(event, { id: idOf(event), source: "/test", subject, time: event.occurredAt })
    yield* log.append(subject, { revision }, encoded)
  })
  /** Writes what happened before. */
  const given = Effect.fnUntraced(function*(...commands: ReadonlyArray<Decide>) {
    for (const decide of commands) {
      const { state } = yield* load(log, subject)
      yield* Effect.forEach(Result.getOrThrow(decide(state, yield* DateTime.now)), append)
    }
  })
  const events = Effect.map(
    log.read(subject),
    ({ events }) => events.map((stored) => ({ stored, event: Result.getOrThrow(codec.decode(stored)) }))
  )
  const tags = Effect.map(events, (all) => all.map(({ event }) => event._tag))
  const last = Effect.map(events, (all) => all.at(-1)?.event)
  /** What the ledger has stored: claims, and what has replaced them. */
  const claims = Effect.flatMap(ledgerLog.lastSequence, (last) =>
    ledgerLog.subscribe(1).pipe(
      Stream.take(last),
      Stream.runCollect,
      Effect.map((all) => all.flatMap((stored) => Wallet.claimOf(Result.getOrThrow(walletCodec.decode(stored))) ?? []))
    ))

  /** Works on the job until it is settled what becomes of its request. */
  const work = Effect.fnUntraced(function*(executor: Executor, isFirstDelivery = false) {
    for (const { event, stored } of yield* events) {
      const step = Bucket.stepOf(event)
      if (step.step !== "requested" || event.jobId !== jobId || kind.jobs === undefined) continue
      return yield* executor.work(stored, step, kind.jobs, executor.operation, isFirstDelivery)
    }
    return yield* Effect.die("nothing was requested")
  })
  const until = Effect.fnUntraced(function*(at: "first" | "nothing", executor: Executor, isFirstDelivery: boolean) {
    const reached = yield* Deferred.make<void>()
    return yield* work(executor, isFirstDelivery).pipe(
      Effect.provideService(Waiting, { at, reached }),
      Effect.raceFirst(Effect.as(Deferred.await(reached), underWay))
    )
  })
  /** Works on the job until it asks what the chain has done; the executor dies then. */
  const attempt = (executor: Executor, isFirstDelivery = false) => until("first", executor, isFirstDelivery)
  /** Works on the job until it waits for what the chain does not do; the executor dies then. */
  const goOn = (executor: Executor) => until("nothing", executor, false)

  yield* given(Bucket.requestCreation({ jobId, name, owner }))
  return {
    world,
    sent,
    shortages,
    log,
    ledgerLog,
    ledger,
    executor,
    append,
    given,
    events,
    tags,
    last,
    claims,
    attempt,
    goOn,
    work
  }
})
const errorOf = (event: Bucket.Event | undefined): Job.Failure | undefined =>
  event?._tag === "BucketAttemptFailed" || event?._tag === "BucketFailed" ? event.error : undefined

type Bench = Effect.Success<typeof bench>

const test = (sentence: string, body: (bench: Bench) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(sentence, () => Effect.flatMap(bench, body))

type Decide = Decision<Bucket.State, Bucket.Event, unknown>
const start = Bucket.onJob(Job.startAttempt(jobId))
const failure: Job.Failure = { category: "network", code: "ChainUnreachable", message: "the chain was away" }
const created = ["BucketRequested", "BucketStarted", "BucketSubmitted", "BucketCreated"]

describe("a job that meets no trouble", () => {
  test("is started, claimed, sent and recorded, and then completed", ({ attempt, claims, executor, last, sent, work, tags }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      assert.deepStrictEqual(yield* attempt(steps, true), underWay)
      assert.deepStrictEqual(yield* tags, created.slice(0, 3))
      const [claim] = yield* claims
      assert.isDefined(claim)
      assert.deepStrictEqual(sent, [claim.transaction])
      const submitted = yield* last
      const { nonce, transactionHash } = claim
      assert.deepInclude(submitted, { _tag: "BucketSubmitted", nonce, transactionHash })
      assert.strictEqual(nonce, 4)

      assert.deepStrictEqual(yield* work(steps), done)
      assert.deepStrictEqual(yield* tags, created)
      assert.deepStrictEqual(
        yield* last,
        Bucket.Event.cases.BucketCreated.make({
          jobId,
          bucketId: id,
          transactionHash: claim.transactionHash,
          blockNumber: 9,
          gasUsed: 21_000,
          effectiveGasPrice: 1_000_000_007n,
          adopted: false,
          occurredAt: DateTime.makeUnsafe(0)
        })
      )
    }))

  for (
    const [point, after] of ["the start", "the ledger's opening", "the claim", "the sending", "the submission"]
      .entries()
  ) {
    test(`has one claim and one history though its executor dies after ${after} is done`, (bench) =>
      Effect.gen(function*() {
        const dead = yield* Deferred.make<void>()
        let steps = 0
        const process = yield* Scope.make()
        const victim = yield* Scope.provide(
          bench.executor(() =>
            Effect.suspend(() =>
              steps++ === point ? Effect.andThen(Deferred.succeed(dead, undefined), Effect.never) : Effect.void
            )
          ),
          process
        )
        yield* Effect.raceFirst(bench.attempt(victim, true), Deferred.await(dead))
        assert.isTrue(yield* Deferred.isDone(dead))
        yield* Scope.close(process, Exit.void)

        const heir = yield* bench.executor()
        assert.deepStrictEqual(yield* bench.attempt(heir), underWay)
        assert.deepStrictEqual(yield* bench.tags, created.slice(0, 3))
        assert.lengthOf(yield* bench.claims, 1)
        assert.strictEqual(new Set(bench.sent).size, 1)
        assert.deepStrictEqual(yield* bench.work(heir), done)
        assert.deepStrictEqual(yield* bench.tags, created)
      }))
  }
})

describe("an attempt that fails", () => {
  test("is reported with its reason and a time, and repeated no sooner", ({ attempt, claims, executor, last, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      world.prepare = Effect.fail(away)
      assert.deepStrictEqual(yield* attempt(steps, true), again(retryDelay))
      const failed = yield* last
      const retryAt = DateTime.makeUnsafe(10_000)
      assert.deepInclude(failed, { _tag: "BucketAttemptFailed", attempt: 1, retryAt })
      assert.strictEqual(errorOf(failed)?.category, "network")

      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* attempt(steps), again(Duration.seconds(6)))
      assert.deepStrictEqual(yield* tags, ["BucketRequested", "BucketStarted", "BucketAttemptFailed"])

      yield* TestClock.adjust("6 seconds")
      world.prepare = Effect.succeed(prepared)
      assert.deepStrictEqual(yield* attempt(steps), underWay)
      assert.deepStrictEqual((yield* tags).slice(3), ["BucketStarted", "BucketSubmitted"])
      assert.lengthOf(yield* claims, 1)
    }))

  test("ends the job when no retry is left", ({ attempt, claims, executor, last, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      world.prepare = Effect.fail(away)
      for (let n = 0; n < retries; n++) {
        assert.deepStrictEqual(yield* attempt(steps, n === 0), again(retryDelay))
        yield* TestClock.adjust(retryDelay)
      }
      assert.deepStrictEqual(yield* attempt(steps), done)
      const failed = yield* last
      assert.deepInclude(failed, { _tag: "BucketFailed", attempts: retries + 1 })
      assert.deepInclude(errorOf(failed), { category: "network", code: "ChainUnreachable" })
      const round = ["BucketStarted", "BucketAttemptFailed"]
      assert.deepStrictEqual(yield* tags, ["BucketRequested", ...round, ...round, "BucketStarted", "BucketFailed"])
      assert.lengthOf(yield* claims, 0)
    }))

  test("waits for funds, says so, and goes on when they are there", ({ attempt, claims, executor, last, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      world.balance = prepared.gasLimit * fees.maxFeePerGas - 1n
      const waiting = yield* Effect.forkScoped(attempt(steps, true))
      yield* TestClock.adjust("4 minutes")
      const failed = yield* last
      assert.strictEqual(failed?._tag, "BucketAttemptFailed")
      assert.strictEqual(errorOf(failed)?.category, "insufficient_funds")
      assert.deepStrictEqual(yield* tags, ["BucketRequested", "BucketStarted", "BucketAttemptFailed"])
      assert.isUndefined(waiting.pollUnsafe())
      world.balance += 1n
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(waiting), again(Duration.zero))
      assert.lengthOf(yield* claims, 0)
      assert.deepStrictEqual(yield* attempt(steps), underWay)
      assert.lengthOf(yield* claims, 1)
    }))

  test("waits for funds until the job's time is over", ({ attempt, claims, executor, last, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      world.balance = 0n
      const waiting = yield* Effect.forkScoped(attempt(steps, true))
      yield* TestClock.adjust(deadline)
      assert.deepStrictEqual(yield* Fiber.join(waiting), again(Duration.zero))
      assert.deepStrictEqual(yield* attempt(steps), done)
      const failed = yield* last
      assert.strictEqual(failed?._tag, "BucketFailed")
      assert.strictEqual(errorOf(failed)?.category, "insufficient_funds")
      assert.lengthOf(yield* claims, 0)
    }))

  test("fills the log with nothing while its time is over by one clock only", ({ attempt, executor, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      world.balance = 0n
      world.chainTime = yield* DateTime.now
      yield* Effect.forkScoped(attempt(steps, true))
      yield* TestClock.adjust(deadline)
      for (let n = 0; n < 3; n++) {
        const attempting = yield* Effect.forkScoped(attempt(steps))
        yield* TestClock.adjust(Duration.seconds(1))
        assert.isUndefined(attempting.pollUnsafe())
        yield* TestClock.adjust(Duration.seconds(1))
        assert.deepStrictEqual(yield* Fiber.join(attempting), again(Duration.zero))
      }
      assert.lengthOf((yield* tags).filter((tag) => tag === "BucketAttemptFailed"), 4)
    }))

  for (
    const [what, error, category, code] of [
      [
        "what the contract refuses",
        new ContractError({ name: "BucketInvalid", selector: "0x938a92b7" }),
        "reverted",
        "BucketInvalid"
      ],
      ["what the contract refuses without a reason", new UnknownRevert({ data: "0x" }), "reverted", "UnknownRevert"],
      [
        "what can't be asked of the contract",
        new InvalidArgument({ field: "name", reason: "bad" }),
        "invalid_request",
        "InvalidArgument"
      ]
    ] as const
  ) {
    test(`ends the job at once for ${what}`, ({ attempt, claims, executor, last, tags, world }) =>
      Effect.gen(function*() {
        const steps = yield* executor()
        world.prepare = Effect.fail(error)
        assert.deepStrictEqual(yield* attempt(steps, true), done)
        assert.deepStrictEqual(yield* tags, ["BucketRequested", "BucketStarted", "BucketFailed"])
        const failed = yield* last
        assert.deepInclude(failed, { _tag: "BucketFailed", attempts: 1 })
        assert.deepInclude(errorOf(failed), { category, code })
        assert.lengthOf(yield* claims, 0)
      }))
  }
})

describe("a bucket that is there already", () => {
  test("is adopted with the transaction that created it", ({ attempt, claims, executor, last, tags, world }) =>
    Effect.gen(function*() {
      world.prepare = Effect.fail(exists)
      world.origin = Option.some(origin)
      assert.deepStrictEqual(yield* attempt(yield* executor(), true), done)
      assert.deepStrictEqual(yield* tags, ["BucketRequested", "BucketStarted", "BucketCreated"])
      const completed = yield* last
      assert.deepInclude(completed, {
        _tag: "BucketCreated",
        adopted: true,
        bucketId: id,
        transactionHash: origin.hash
      })
      assert.lengthOf(yield* claims, 0)
    }))

  test("is adopted once its transaction is confirmed, and not if a reorganisation takes it back", (bench) =>
    Effect.gen(function*() {
      const { attempt, executor, last, world } = bench
      const steps = yield* executor()
      world.prepare = Effect.fail(exists)
      world.origin = Option.some(lost)
      world.head = 3
      const adopting = yield* Effect.forkScoped(attempt(steps, true))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(adopting.pollUnsafe())
      world.origin = Option.some({ ...origin, blockNumber: 4 })
      world.head = 6
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(adopting), again(retryDelay))
      assert.strictEqual(errorOf(yield* last)?.category, "network")
      yield* TestClock.adjust(retryDelay)
      assert.deepStrictEqual(yield* attempt(steps), done)
      assert.deepInclude(yield* last, { _tag: "BucketCreated", adopted: true, transactionHash: origin.hash })
    }))

  test("is adopted by a job that gets no claim any more, though its executor dies in between", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, last, ledger, tags, world } = bench
      world.prepare = Effect.fail(exists)
      world.origin = Option.some(origin)
      const dead = yield* Deferred.make<void>()
      // What it writes: the start, the ledger's opening, and that the job was given up.
      let writes = 0
      const victim = yield* executor(() =>
        Effect.suspend(() =>
          ++writes === 3 ? Effect.andThen(Deferred.succeed(dead, undefined), Effect.never) : Effect.void
        )
      )
      yield* Effect.raceFirst(attempt(victim, true), Deferred.await(dead))
      assert.deepStrictEqual(yield* tags, ["BucketRequested", "BucketStarted"])

      assert.deepStrictEqual(yield* attempt(yield* executor()), done)
      assert.deepInclude(yield* last, { _tag: "BucketCreated", adopted: true, transactionHash: origin.hash })
      // Another executor that is late with the job does not do it again, whatever has become of the bucket.
      const late = yield* Effect.flip((yield* ledger).claim({ jobId, part: Job.whole }, prepared))
      assert.strictEqual(late._tag, "GivenUp")
      assert.lengthOf(yield* claims, 0)
    }))

  test("is adopted without a transaction where the chain reports none", ({ attempt, executor, last, world }) =>
    Effect.gen(function*() {
      world.prepare = Effect.fail(exists)
      assert.deepStrictEqual(yield* attempt(yield* executor(), true), done)
      const completed = yield* last
      assert.deepInclude(completed, { _tag: "BucketCreated", adopted: true })
      assert.notProperty(completed, "transactionHash")
    }))

  test("is not adopted while it only waits to be mined, nor before it is confirmed", ({ attempt, executor, last, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      world.prepare = Effect.fail(exists)
      world.exists = () => false
      assert.deepStrictEqual(yield* attempt(steps, true), again(retryDelay))
      assert.include(errorOf(yield* last)?.message, "is not mined")
      world.exists = (block) => block >= 12
      world.head = 12
      yield* TestClock.adjust(retryDelay)
      const adopting = yield* Effect.forkScoped(attempt(steps))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(adopting.pollUnsafe())
      world.head = 12 + confirmations - 1
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(adopting), done)
      assert.deepInclude(yield* last, { _tag: "BucketCreated", adopted: true })
    }))

  test("is the job's own where another executor has sent its transaction", ({ attempt, claims, executor, last, work, world }) =>
    Effect.gen(function*() {
      const [first, second] = [yield* executor(), yield* executor()]
      yield* attempt(first, true)
      world.prepare = Effect.fail(exists)
      assert.deepStrictEqual(yield* attempt(second, true), underWay)
      assert.lengthOf(yield* claims, 1)
      yield* work(second)
      const completed = yield* last
      assert.deepInclude(completed, { _tag: "BucketCreated", adopted: false })
    }))

  test("completes a job whose transaction was mined too late for it", ({ attempt, executor, last, work, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      yield* attempt(steps, true)
      world.mined = () => "reverted"
      world.revert = exists
      world.origin = Option.some(origin)
      assert.deepStrictEqual(yield* work(steps), done)
      const completed = yield* last
      assert.deepInclude(completed, { _tag: "BucketCreated", adopted: true, transactionHash: origin.hash })
    }))

  test("and is gone again takes another transaction of the job whose first one met it", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, last, work, tags, world } = bench
      const steps = yield* executor()
      yield* attempt(steps, true)
      world.mined = () => "reverted"
      world.revert = exists
      world.exists = () => false
      assert.deepStrictEqual(yield* work(steps), again(retryDelay))
      assert.strictEqual((yield* last)?._tag, "BucketAttemptFailed")
      yield* TestClock.adjust(retryDelay)
      const [first] = yield* claims
      world.mined = (hash) => hash === first?.transactionHash ? "reverted" : "success"
      assert.deepStrictEqual(yield* work(steps), done)
      assert.lengthOf(yield* claims, 2)
      assert.deepStrictEqual((yield* tags).slice(3), [
        "BucketAttemptFailed",
        "BucketStarted",
        "BucketSubmitted",
        "BucketCreated"
      ])
    }))
})

describe("a claim that exists", () => {
  test("keeps the job from failing while its bytes can't be sent", (bench) =>
    Effect.gen(function*() {
      const steps = yield* bench.executor()
      bench.world.send = () => Effect.fail(away)
      bench.world.mined = () => undefined
      for (let n = 0; n <= retries + 2; n++) {
        assert.deepStrictEqual(yield* bench.attempt(steps, n === 0), again(shortDelay))
        yield* TestClock.adjust(retryDelay)
      }
      assert.deepStrictEqual(yield* bench.tags, ["BucketRequested", "BucketStarted"])
      const [claim] = yield* bench.claims
      bench.world.send = () => Effect.succeed("accepted")
      assert.deepStrictEqual(yield* bench.attempt(steps), underWay)
      assert.deepStrictEqual(yield* bench.tags, created.slice(0, 3))
      assert.deepStrictEqual(bench.sent, [claim?.transaction])
      assert.lengthOf(yield* bench.claims, 1)
    }))

  test("waits for funds with the job, which says so", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, last, tags, world } = bench
      const steps = yield* executor()
      world.mined = () => undefined
      world.send = () => Effect.fail(refused("insufficient_funds"))
      const waiting = yield* Effect.forkScoped(attempt(steps, true))
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(errorOf(yield* last)?.category, "insufficient_funds")
      assert.isUndefined(waiting.pollUnsafe())
      world.send = () => Effect.succeed("accepted")
      yield* TestClock.adjust(shortDelay)
      assert.deepStrictEqual(yield* Fiber.join(waiting), again(Duration.zero))
      assert.deepStrictEqual(yield* attempt(steps), underWay)
      assert.deepStrictEqual((yield* tags).slice(2), ["BucketAttemptFailed", "BucketStarted", "BucketSubmitted"])
      assert.lengthOf(yield* claims, 1)
    }))

  test("waits for funds with the job, which says what is missing, after the pool has dropped it", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, last, work, shortages, tags, world } = bench
      const steps = yield* executor()
      world.mined = () => undefined
      yield* attempt(steps, true)
      const [claim] = yield* claims
      world.send = () => Effect.fail(refused("insufficient_funds"))
      const waiting = yield* Effect.forkScoped(work(steps))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(waiting.pollUnsafe())
      const shortage = new InsufficientFunds({ address: owner, balance: 5n, needed: 700n, transactions: 3 })
      yield* shortages.report(new Map([[(claim as Wallet.Claim).transactionHash, shortage]]))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(errorOf(yield* last), {
        category: "insufficient_funds",
        code: "InsufficientFunds",
        message: `${owner} holds 5 wei and its 3 transactions that wait may cost 700; send it funds`
      })
      assert.isUndefined(waiting.pollUnsafe())
      yield* shortages.report(new Map())
      world.send = () => Effect.succeed("accepted")
      yield* TestClock.adjust(shortDelay)
      assert.deepStrictEqual(yield* Fiber.join(waiting), again(Duration.zero))
      const sending = yield* Effect.forkScoped(work(steps))
      yield* TestClock.adjust(shortDelay)
      assert.isUndefined(sending.pollUnsafe())
      yield* Fiber.interrupt(sending)
      world.mined = () => "success"
      assert.deepStrictEqual(yield* work(steps), done)
      assert.deepStrictEqual((yield* tags).slice(3), ["BucketAttemptFailed", "BucketStarted", "BucketCreated"])
      assert.lengthOf(yield* claims, 1)
    }))

  for (
    const reason of ["underpriced", "replacement_underpriced", "fee_below_base_fee", "nonce_too_high", "other"] as const
  ) {
    test(`is the keeper's when the chain's node refuses it as ${reason}`, ({ attempt, claims, executor, tags, world }) =>
      Effect.gen(function*() {
        world.mined = () => undefined
        world.send = () => Effect.fail(refused(reason))
        assert.deepStrictEqual(yield* attempt(yield* executor(), true), underWay)
        assert.deepStrictEqual(yield* tags, created.slice(0, 3))
        assert.lengthOf(yield* claims, 1)
      }))
  }

  test("is not spent because a node that is behind shows no receipt", ({ attempt, claims, executor, tags, world }) =>
    Effect.gen(function*() {
      world.mined = () => undefined
      world.send = () => {
        world.used = 5
        return Effect.fail(refused("nonce_too_low"))
      }
      assert.deepStrictEqual(yield* attempt(yield* executor(), true), underWay)
      assert.deepStrictEqual(yield* tags, created.slice(0, 3))
      assert.lengthOf(yield* claims, 1)
    }))

  test("counts as sent when its nonce is used by its own transaction", ({ attempt, claims, executor, tags, world }) =>
    Effect.gen(function*() {
      world.mined = () => "success"
      world.send = () => Effect.fail(refused("nonce_too_low"))
      assert.deepStrictEqual(yield* attempt(yield* executor(), true), underWay)
      assert.deepStrictEqual(yield* tags, created.slice(0, 3))
      assert.lengthOf(yield* claims, 1)
    }))

  test("is recorded though its nonce was used from elsewhere, and what follows waits until that is final", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, tags, world } = bench
      world.mined = () => undefined
      world.send = (raw) => {
        world.used = 5
        return Transaction.from(raw).nonce === 4 ? Effect.fail(refused("nonce_too_low")) : Effect.succeed("accepted")
      }
      const steps = yield* executor()
      assert.deepStrictEqual(yield* attempt(steps, true), underWay)
      assert.deepStrictEqual(yield* tags, created.slice(0, 3))
      assert.lengthOf(yield* claims, 1)
      world.elsewhere = (nonce) => nonce === 4 ? origin.hash : undefined
      assert.deepStrictEqual(yield* bench.goOn(steps), underWay)
      assert.deepStrictEqual((yield* claims).map(({ nonce }) => nonce), [4, 5])
      assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketSubmitted"])
    }))

  /** What the chain may take back is no reason to claim again, or to fail. */
  for (const use of ["its own transaction, which failed", "a transaction from elsewhere"] as const) {
    test(`is not spent by ${use}, in a block that is not confirmed`, ({ attempt, claims, executor, tags, world }) =>
      Effect.gen(function*() {
        world.head = 10
        world.mined = () => use === "a transaction from elsewhere" ? undefined : "reverted"
        world.elsewhere = () => origin.hash
        world.send = () => {
          world.used = 5
          return Effect.fail(refused("nonce_too_low"))
        }
        assert.deepStrictEqual(yield* attempt(yield* executor(), true), underWay)
        assert.deepStrictEqual(yield* tags, created.slice(0, 3))
        assert.lengthOf(yield* claims, 1)
      }))
  }
})

describe("a transaction under way", () => {
  test("is replaced by another when its nonce was used from elsewhere", ({ attempt, claims, executor, work, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      yield* attempt(steps, true)
      const [spent] = yield* claims
      world.used = 5
      world.mined = (hash) => hash === spent?.transactionHash ? undefined : "success"
      world.elsewhere = (nonce) => nonce === spent?.nonce ? origin.hash : undefined
      assert.deepStrictEqual(yield* work(steps), done)
      assert.lengthOf(yield* claims, 2)
      // The request may come again.
      assert.deepStrictEqual(yield* work(steps), done)
      assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketSubmitted", "BucketCreated"])
    }))

  test("is followed by the claim that a dead executor has made after it", (bench) =>
    Effect.gen(function*() {
      const { claims, executor, work, tags, world } = bench
      yield* bench.attempt(yield* executor(), true)
      const [spent] = yield* claims
      world.used = 5
      world.mined = () => undefined
      world.elsewhere = (nonce) => nonce === spent?.nonce ? origin.hash : undefined
      const dead = yield* Deferred.make<void>()
      const victim = yield* executor((what) =>
        what === "send" ? Effect.andThen(Deferred.succeed(dead, undefined), Effect.never) : Effect.void
      )
      yield* Effect.raceFirst(work(victim), Deferred.await(dead))
      assert.lengthOf(yield* claims, 2)
      assert.deepStrictEqual(yield* tags, created.slice(0, 3))

      const heir = yield* Effect.forkScoped(Effect.flatMap(executor(), (steps) => work(steps)))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(heir.pollUnsafe())
      assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketSubmitted"])
      assert.lengthOf(yield* claims, 2)
    }))

  test("is replaced in a further attempt when the chain can't be asked at first", (bench) =>
    Effect.gen(function*() {
      const steps = yield* bench.executor()
      yield* bench.attempt(steps, true)
      const [spent] = yield* bench.claims
      bench.world.used = 5
      bench.world.mined = () => undefined
      bench.world.elsewhere = (nonce) => nonce === spent?.nonce ? origin.hash : undefined
      bench.world.send = (raw) =>
        raw === spent?.transaction ? Effect.fail(refused("nonce_too_low")) : Effect.succeed("accepted")
      bench.world.prepare = Effect.fail(away)
      assert.deepStrictEqual(yield* bench.work(steps), again(retryDelay))
      yield* TestClock.adjust(retryDelay)
      bench.world.prepare = Effect.succeed(prepared)
      assert.deepStrictEqual(yield* bench.goOn(steps), underWay)
      assert.deepStrictEqual((yield* bench.tags).slice(3), ["BucketAttemptFailed", "BucketStarted", "BucketSubmitted"])
      assert.lengthOf(yield* bench.claims, 2)
    }))

  test("is followed where the fees of its nonce were raised", ({ attempt, claims, executor, ledger, work, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      yield* attempt(steps, true)
      const [claim] = yield* claims
      assert.isDefined(claim)
      world.mined = () => undefined
      const settling = yield* Effect.forkScoped(work(steps))
      yield* TestClock.adjust("1 second")
      const [raised] = yield* (yield* ledger).replace([{ claim, fees: { ...fees, maxFeePerGas: 9_000_000_000n } }])
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(settling.pollUnsafe())
      yield* Fiber.interrupt(settling)
      assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketSubmitted"])
      // Whichever of the two is mined, it is the job's.
      world.mined = (hash) => hash === claim.transactionHash ? "success" : undefined
      assert.deepStrictEqual(yield* work(steps), done)
      assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketSubmitted", "BucketCreated"])
      assert.isDefined(raised)
    }))

  for (const winner of ["the call", "the transfer", "another transaction"] as const) {
    test(`is withdrawn when the job's time is over, and ${winner} of the same nonce decides`, (bench) =>
      Effect.gen(function*() {
        const { attempt, claims, executor, last, sent, work, tags, world } = bench
        const steps = yield* executor()
        yield* attempt(steps, true)
        world.mined = () => undefined
        const settling = yield* Effect.forkScoped(work(steps))
        yield* TestClock.adjust(Duration.subtract(deadline, Duration.seconds(1)))
        assert.isUndefined(settling.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.isUndefined(settling.pollUnsafe())
        yield* Fiber.interrupt(settling)
        const [call, transfer] = yield* claims
        assert.strictEqual(transfer?.nonce, call?.nonce)
        assert.deepStrictEqual<ReadonlyArray<unknown> | undefined>(transfer?.earlier, [call?.transactionHash])
        assert.deepStrictEqual(sent, [call?.transaction, transfer?.transaction])
        assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketSubmitted"])

        if (winner === "another transaction") world.elsewhere = () => origin.hash
        const mined = winner === "the call" ? call : winner === "the transfer" ? transfer : undefined
        world.mined = (hash) => hash === mined?.transactionHash ? "success" : undefined
        assert.deepStrictEqual(yield* work(steps), done)
        const end = yield* last
        if (winner === "the call") assert.deepInclude(end, { _tag: "BucketCreated", adopted: false })
        else assert.deepInclude(errorOf(end), { category: "chain_timeout", code: "DeadlinePassed" })
        assert.lengthOf(yield* claims, 2)
      }))
  }

  test("that is withdrawn reports want of funds too, once, for as long as it lasts", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, last, work, shortages, tags, world } = bench
      const steps = yield* executor()
      yield* attempt(steps, true)
      world.mined = () => undefined
      const withdrawing = yield* Effect.forkScoped(work(steps))
      yield* TestClock.adjust(deadline)
      const transfer = (yield* claims)[1] as Wallet.Claim

      world.send = () => Effect.fail(refused("insufficient_funds"))
      const shortage = new InsufficientFunds({ address: owner, balance: 0n, needed: 700n, transactions: 1 })
      yield* shortages.report(new Map([[transfer.transactionHash, shortage]]))
      yield* TestClock.adjust(Duration.times(deadline, 10))
      assert.isUndefined(withdrawing.pollUnsafe())
      assert.strictEqual(errorOf(yield* last)?.category, "insufficient_funds")
      assert.deepStrictEqual((yield* tags).slice(3), ["BucketSubmitted", "BucketAttemptFailed"])

      yield* shortages.report(new Map())
      world.send = () => Effect.succeed("accepted")
      yield* TestClock.adjust(shortDelay)
      assert.deepStrictEqual(yield* Fiber.join(withdrawing), again(Duration.zero))
      world.mined = (hash) => hash === transfer.transactionHash ? "success" : undefined
      assert.deepStrictEqual(yield* work(steps), done)
      assert.deepInclude(errorOf(yield* last), { category: "chain_timeout", code: "DeadlinePassed" })
      assert.lengthOf(yield* claims, 2)
    }))

  test("keeps its time though one clock has jumped", ({ attempt, claims, executor, work, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      yield* attempt(steps, true)
      world.mined = () => undefined
      world.chainTime = yield* DateTime.now
      const settling = yield* Effect.forkScoped(work(steps))
      yield* TestClock.adjust(Duration.times(deadline, 3))
      assert.isUndefined(settling.pollUnsafe())
      world.chainTime = undefined
      assert.lengthOf(yield* claims, 1)
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(yield* claims, 2)
    }))

  test("fails the job with the contract's own reason when it is mined and reverts", ({ attempt, executor, last, work, tags, world }) =>
    Effect.gen(function*() {
      const steps = yield* executor()
      yield* attempt(steps, true)
      world.mined = () => "reverted"
      world.revert = new ContractError({ name: "BucketInvalid", selector: "0x938a92b7" })
      assert.deepStrictEqual(yield* work(steps), done)
      assert.deepStrictEqual(yield* tags, [...created.slice(0, 3), "BucketFailed"])
      const failed = yield* last
      assert.strictEqual(failed?._tag, "BucketFailed")
      assert.deepInclude(errorOf(failed), { category: "reverted", code: "BucketInvalid" })
    }))
})

describe("a job whose ledger was lost", () => {
  /** The ledger that takes the place of the lost one. */
  const renewed = Effect.fnUntraced(function*({ ledgerLog }: Bench, nextNonce: number) {
    const event = Wallet.WalletOpened.make({
      signer: owner,
      nextNonce,
      isRenewed: true,
      occurredAt: yield* DateTime.now
    })
    const metadata = { id: "opened", source: "/test", subject: owner, time: event.occurredAt }
    yield* ledgerLog.append(Wallet.openingSubject, { revision: 0 }, yield* walletCodec.encode(event, metadata))
  })
  const submitted = Bucket.onJob(
    Job.recordSubmission({
      jobId,
      transactionHash: lost.hash,
      nonce: 3,
      signer: owner,
      maxFeePerGas: 1n,
      maxPriorityFeePerGas: 1n
    })
  )

  test("does nothing before the chain has used, for good, the nonces that the lost one may have given out", (bench) =>
    Effect.gen(function*() {
      const { claims, executor, tags, world } = bench
      yield* renewed(bench, 6)
      const working = yield* Effect.forkChild(bench.attempt(yield* executor()))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* tags, ["BucketRequested"])
      // The last of them is used in the latest block, which a reorganisation may take back.
      world.used = 6
      world.usedSince = world.head
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* tags, ["BucketRequested"])
      world.head += confirmations - 1
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(working), underWay)
      assert.deepStrictEqual((yield* claims).map(({ nonce }) => nonce), [6])
    }))

  test("comes again where the chain does not say what is used", (bench) =>
    Effect.gen(function*() {
      const { executor, tags, world } = bench
      yield* renewed(bench, 4)
      world.usedFails = true
      assert.deepStrictEqual(yield* bench.work(yield* executor()), again(shortDelay))
      assert.deepStrictEqual(yield* tags, ["BucketRequested"])
    }))

  test("is completed as its own work by a transaction that was recorded, and claims none", (bench) =>
    Effect.gen(function*() {
      const { claims, executor, given, last, world } = bench
      yield* given(start, submitted)
      yield* renewed(bench, 4)
      world.prepare = Effect.fail(exists)
      world.origin = Option.some(lost)
      assert.deepStrictEqual(yield* bench.work(yield* executor()), done)
      assert.deepInclude(yield* last, { _tag: "BucketCreated", adopted: false, transactionHash: lost.hash })
      assert.lengthOf(yield* claims, 0)
    }))

  test("has another transaction where the recorded one was never mined", (bench) =>
    Effect.gen(function*() {
      const { claims, executor, given, last } = bench
      yield* given(start, submitted)
      yield* renewed(bench, 4)
      const steps = yield* executor()
      assert.deepStrictEqual(yield* bench.attempt(steps), underWay)
      assert.deepStrictEqual(yield* bench.work(steps), done)
      const [claim] = yield* claims
      assert.isDefined(claim)
      const { transactionHash } = claim
      assert.deepInclude(yield* last, { _tag: "BucketCreated", adopted: false, transactionHash })
      assert.lengthOf(yield* claims, 1)
    }))

  test("is not called failed as long as the chain does not say whether it is done", (bench) =>
    Effect.gen(function*() {
      const { executor, last, world } = bench
      yield* renewed(bench, 4)
      const steps = yield* executor()
      world.prepare = Effect.fail(away)
      for (let n = 0; n < retries + 3; n++) {
        assert.deepStrictEqual(yield* bench.attempt(steps), again(retryDelay))
        yield* TestClock.adjust(retryDelay)
      }
      world.prepare = Effect.fail(exists)
      world.origin = Option.some(origin)
      assert.deepStrictEqual(yield* bench.work(steps), done)
      assert.deepInclude(yield* last, { _tag: "BucketCreated", adopted: true, transactionHash: origin.hash })
    }))

  test("that was asked for long after the loss fails as any other", (bench) =>
    Effect.gen(function*() {
      const { executor, last, log, world } = bench
      yield* renewed(bench, 4)
      yield* TestClock.adjust("2 hours")
      const [steps, late] = [yield* executor(), BucketName.make("late")]
      const lateSubject = Bucket.subject(owner, late)
      const [requested] = Result.getOrThrow(
        Bucket.requestCreation({ jobId: other, name: late, owner })(Bucket.initial, yield* DateTime.now)
      )
      assert.isDefined(requested)
      const encoded = yield* codec.encode(requested, {
        id: idOf(requested),
        source: "/test",
        subject: lateSubject,
        time: requested.occurredAt
      })
      yield* log.append(lateSubject, { revision: 0 }, encoded)
      world.prepare = Effect.fail(away)
      const { events: [stored] } = yield* log.read(lateSubject)
      assert.isDefined(stored)
      assert.isDefined(kind.jobs)
      const step = Bucket.stepOf(requested)
      assert.strictEqual(step.step, "requested")
      const work = step.step === "requested"
        ? steps.work(stored, step, kind.jobs, steps.operation, false)
        : Effect.die("not a request")
      for (let n = 0; n < retries; n++) {
        assert.deepStrictEqual(yield* work, again(retryDelay))
        yield* TestClock.adjust(retryDelay)
      }
      assert.deepStrictEqual(yield* work, done)
      assert.deepInclude(yield* last, { _tag: "BucketRequested" })
      const { state } = yield* load(log, lateSubject)
      assert.strictEqual(state.job?.status, "failed")
    }))
})

describe("a job that has ended meanwhile", () => {
  const fail = Bucket.onJob(Job.fail({ jobId, error: failure }))
  const complete = Bucket.onJob(Job.complete({ jobId, own: { bucketId: id }, adopted: true }))
  const next = Bucket.requestCreation({ jobId: other, name, owner })
  for (
    const [how, ...commands] of [
      ["failed", start, fail],
      ["was completed", start, complete],
      ["is followed by another", start, fail, next]
    ] as const
  ) {
    for (const isFirstDelivery of [true, false]) {
      test(`is left alone when it ${how}, ${isFirstDelivery ? "at a first delivery" : "at a redelivery"}`, (bench) =>
        Effect.gen(function*() {
          yield* bench.given(...commands)
          const before = yield* bench.events
          assert.deepStrictEqual(yield* bench.attempt(yield* bench.executor(), isFirstDelivery), done)
          assert.deepStrictEqual(yield* bench.events, before)
          assert.lengthOf(yield* bench.claims, 0)
          assert.lengthOf(bench.sent, 0)
        }))
    }
  }

  for (const isFirstDelivery of [true, false]) {
    test(`is left alone when it was cancelled, ${isFirstDelivery ? "at a first delivery" : "at a redelivery"}`, (bench) =>
      Effect.gen(function*() {
        yield* bench.append(
          Bucket.Event.cases.BucketCancelled.make({
            jobId,
            cancelledBy: "me",
            reason: "no",
            occurredAt: yield* DateTime.now
          })
        )
        assert.deepStrictEqual(yield* bench.attempt(yield* bench.executor(), isFirstDelivery), done)
        assert.deepStrictEqual(yield* bench.tags, ["BucketRequested", "BucketCancelled"])
        assert.lengthOf(yield* bench.claims, 0)
      }))
  }

  test("is settled no more", (bench) =>
    Effect.gen(function*() {
      const steps = yield* bench.executor()
      yield* bench.attempt(steps, true)
      yield* bench.given(complete)
      const before = yield* bench.events
      assert.deepStrictEqual(yield* bench.work(steps), done)
      assert.deepStrictEqual(yield* bench.events, before)
    }))
})

test("an attempt that another executor has failed meanwhile is taken again, and keeps its claim", (bench) =>
  Effect.gen(function*() {
    const { promise, steps } = yield* Effect.gen(function*() {
      const isSent = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const steps = yield* bench.executor((what) =>
        what === "send" ? Effect.andThen(Deferred.succeed(isSent, undefined), Deferred.await(goOn)) : Effect.void
      )
      const promise = yield* Effect.forkScoped(bench.attempt(steps, true))
      yield* Deferred.await(isSent)
      const retryAt = DateTime.addDuration(yield* DateTime.now, retryDelay)
      yield* bench.given(Bucket.onJob(Job.failAttempt({ jobId, error: failure, retryAt })))
      yield* Deferred.succeed(goOn, undefined)
      return { promise, steps }
    })
    assert.deepInclude(yield* Fiber.join(promise), { _tag: "Again" })
    yield* TestClock.adjust(retryDelay)
    assert.deepStrictEqual(yield* bench.attempt(steps), underWay)
    assert.deepStrictEqual(yield* bench.tags, [
      "BucketRequested",
      "BucketStarted",
      "BucketAttemptFailed",
      "BucketStarted",
      "BucketSubmitted"
    ])
    assert.lengthOf(yield* bench.claims, 1)
  }))

describe("every step", () => {
  const scenarios: ReadonlyArray<readonly [string, (world: World) => void]> = [
    ["a bucket is created", () => {}],
    ["a bucket is adopted", (world) => {
      world.prepare = Effect.fail(exists)
    }],
    ["an attempt fails", (world) => {
      world.prepare = Effect.fail(away)
    }],
    ["a job fails", (world) => {
      world.prepare = Effect.fail(new UnknownRevert({ data: "0x" }))
    }],
    ["a transaction reverts", (world) => {
      world.mined = () => "reverted"
    }]
  ]
  type Run = (
    step: (steps: Executor, isFirst: boolean) => Effect.Effect<unknown, unknown>
  ) => Effect.Effect<void, unknown>
  const history = (arrange: (world: World) => void, of: (bench: Bench) => Effect.Effect<Run, unknown, Scope.Scope>) =>
    Effect.gen(function*() {
      const one = yield* bench
      arrange(one.world)
      const run = yield* of(one)
      yield* run(one.attempt)
      if ((yield* one.tags).includes("BucketSubmitted")) yield* run(one.work)
      return { events: yield* one.events, claims: yield* one.claims }
    })

  for (const [what, arrange] of scenarios) {
    it.effect(`leaves the same log when it is taken twice, or by two executors at once, where ${what}`, () =>
      Effect.gen(function*() {
        const once = yield* history(
          arrange,
          ({ executor }) => Effect.map(executor(), (steps): Run => (step) => Effect.asVoid(step(steps, true)))
        )
        const twice = yield* history(
          arrange,
          ({ executor }) =>
            Effect.map(
              executor(),
              (steps): Run => (step) => Effect.andThen(step(steps, true), Effect.asVoid(step(steps, false)))
            )
        )
        const atOnce = yield* history(
          arrange,
          ({ executor }) =>
            Effect.map(
              Effect.all([executor(), executor()]),
              ([a, b]): Run => (step) =>
                Effect.all([step(a, true), step(b, true), step(b, false)], { concurrency: "unbounded", discard: true })
            )
        )
        assert.isAbove(once.events.length, 2)
        assert.deepStrictEqual(twice, once)
        assert.deepStrictEqual(atOnce, once)
      }))
  }
})

test("a job that was given up does not end the next job on its name", (bench) =>
  Effect.gen(function*() {
    const { attempt, executor, given, ledger, log } = bench
    // Given up, ended and asked for again by others, while this executor stands between its start and its claim.
    let isStarted = false
    const others = Effect.gen(function*() {
      isStarted = true
      yield* (yield* ledger).giveUp(jobId)
      yield* given(
        Bucket.onJob(Job.fail({ jobId, error: failure })),
        Bucket.requestCreation({ jobId: other, name, owner }),
        Bucket.onJob(Job.startAttempt(other))
      )
    })
    const steps = yield* executor(() => isStarted ? Effect.void : Effect.scoped(Effect.orDie(others)))
    assert.deepStrictEqual(yield* attempt(steps), done)
    assert.isTrue(isStarted)
    const { job } = (yield* load(log, subject)).state
    assert.deepInclude(job, { id: other, status: "processing" })
  }))

describe("a job that an executor is about to fail for good", () => {
  const hopeless = new RpcError({ method: "eth_estimateGas", code: -32602, details: "invalid params" })

  test("goes on with the claim that another executor made meanwhile", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, work, tags, world } = bench
      const [doomed, rival] = [yield* executor(), yield* executor()]
      world.prepare = Effect.gen(function*() {
        world.prepare = Effect.succeed(prepared)
        yield* Effect.orDie(attempt(rival))
        return yield* hopeless
      })
      assert.deepStrictEqual(yield* attempt(doomed, true), { _tag: "Again", after: Duration.zero })
      yield* work(rival)
      assert.deepStrictEqual(yield* tags, created)
      assert.lengthOf(yield* claims, 1)
    }))

  test("is claimed by nobody after it was given up, and ends although its executor died", (bench) =>
    Effect.gen(function*() {
      const { attempt, claims, executor, last, sent, tags, world } = bench
      world.prepare = Effect.fail(hopeless)
      const dead = yield* Deferred.make<void>()
      const process = yield* Scope.make()
      // What it writes: the start, the ledger's opening, and that the job was given up.
      let writes = 0
      const victim = yield* Scope.provide(
        executor(() =>
          Effect.suspend(() =>
            ++writes === 3 ? Effect.andThen(Deferred.succeed(dead, undefined), Effect.never) : Effect.void
          )
        ),
        process
      )
      yield* Effect.raceFirst(attempt(victim, true), Deferred.await(dead))
      yield* Scope.close(process, Exit.void)
      assert.notInclude(yield* tags, "BucketFailed")

      world.prepare = Effect.succeed(prepared)
      assert.deepStrictEqual(yield* attempt(yield* executor()), done)
      assert.strictEqual((yield* last)?._tag, "BucketFailed")
      assert.lengthOf(yield* claims, 0)
      assert.lengthOf(sent, 0)
    }))
})
