/** What the ledger must do on every event log: several ledgers on one log stand for several executors. */
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import { type EventLogShape, LogUnavailable, WrongRevision } from "@akave-async/eventing/EventLog"
import type { Restartable } from "@akave-async/eventing/test/EventLogSuite"
import { Chain } from "@akave-async/sdk/Chain"
import { RpcError } from "@akave-async/sdk/Errors"
import { type Prepared, Wallet as Signer } from "@akave-async/sdk/Wallet"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Result,
  Schedule,
  Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import { Transaction } from "ethers"
import { Ledger } from "../src/Ledger.ts"

// A public development key: the first of every Anvil chain.
const privateKey = Redacted.make("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
const signer = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const fees = { maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }

const jobId = (n: number): Job.Id => Job.Id.make(`019845e1-682f-7b02-a706-${n.toString(16).padStart(12, "0")}`)
/** The only part of a job. */
const whole = (jobId: Job.Id) => ({ jobId, part: Job.whole })
const jobs = (count: number) => Array.from({ length: count }, (_, n) => jobId(n))
/** A transaction that differs from job to job. */
const prepared = (id: Job.Id): Prepared => ({
  to: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  data: `0xe3f787e8${id.replaceAll("-", "")}`,
  gasLimit: 180_000n,
  chainId: 31_337n
})

/** What the chain has of the wallet. */
interface World {
  transactionCount: number
}

const openLedger = (
  log: EventLogShape,
  world: World,
  settings: Readonly<Record<string, string>> = {}
): Effect.Effect<Ledger["Service"], unknown, Scope.Scope> => {
  const chain = Layer.mock(Chain, {
    chainId: 31_337n,
    storageAddress: "",
    accessAddress: "",
    fees: Effect.succeed(fees),
    transactionCount: () => Effect.sync(() => world.transactionCount)
  })
  const layer = Ledger.layer(log).pipe(
    Layer.provide([chain, Signer.layer(privateKey)]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings)))
  )
  return Effect.map(Layer.build(Layer.fresh(layer)), Context.get(Ledger))
}

const codec = CloudEvent.make(Wallet.Event)
/** Every event of the ledger, in order. */
const eventsOf = (log: EventLogShape) =>
  Effect.flatMap(log.lastSequence, (last) =>
    log.subscribe(1).pipe(
      Stream.take(last),
      Stream.runCollect,
      Effect.map((events) => events.map((stored) => Result.getOrThrow(codec.decode(stored))))
    ))
const claimsOf = (log: EventLogShape) =>
  Effect.map(
    eventsOf(log),
    (events) => events.filter((event) => event._tag === "NonceClaimed").map((event) => Wallet.claimOf(event))
  )

const range = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n)
const nonces = (claims: ReadonlyArray<Wallet.Claim>) => claims.map(({ nonce }) => nonce)

/** The bytes of a claim are a transaction of its nonce, hash, fees and signer, and do what was asked for. */
const assertSigned = (claim: Wallet.Claim) => {
  assert.isDefined(claim.jobId)
  const { data, from, hash, maxFeePerGas, maxPriorityFeePerGas, nonce } = Transaction.from(claim.transaction)
  assert.deepStrictEqual({ data, from, hash, maxFeePerGas, maxPriorityFeePerGas, nonce }, {
    ...fees,
    data: prepared(claim.jobId).data,
    from: signer,
    hash: claim.transactionHash,
    nonce: claim.nonce
  })
  assert.strictEqual(claim.signer, signer)
}

const away = (operation: string) => new LogUnavailable({ operation, cause: new Error("the connection was lost") })

/** The same numbers from 0 to 1 for the same seed. */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Time goes on until the effect has ended. */
const withTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust("100 millis")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    return yield* Fiber.join(fiber)
  })

/** What must hold after a pause that is longer than the log's dedup window. */
export const ledgerPauseSuite = (name: string, make: Effect.Effect<Restartable, unknown, Scope.Scope>) =>
  it.live(`${name} gives, changes and withholds claims after a pause, also for an executor that starts then`, () =>
    Effect.gen(function*() {
      const { log, pause } = yield* make
      const world = { transactionCount: 0 }
      const ledger = yield* openLedger(log, world)
      const claim = yield* ledger.claim(whole(jobId(1)), prepared(jobId(1)))
      const dearer = { maxFeePerGas: 2n * fees.maxFeePerGas, maxPriorityFeePerGas: 2n * fees.maxPriorityFeePerGas }

      for (const one of [ledger, yield* openLedger(log, world)]) {
        const { length } = yield* eventsOf(log)
        const ids = range(length, 3).map(jobId)
        yield* pause
        const claims = yield* Effect.forEach(ids, (id) => one.claim(whole(id), prepared(id)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(nonces(claims), range((claims[0] as Wallet.Claim).nonce, 3))
        yield* pause
        const [changed] = yield* one.replace([{ claim: claims[0] as Wallet.Claim, fees: dearer }])
        assert.strictEqual(changed?.nonce, claims[0]?.nonce)
        yield* pause
        assert.deepStrictEqual(yield* one.giveUp(jobId(length + 3)), Option.none())
        yield* pause
        const cancelled = yield* one.withdraw(claims[1] as Wallet.Claim, {
          category: "internal",
          code: "No",
          message: ""
        })
        assert.strictEqual(cancelled.withdrawn?.code, "No")
        yield* pause
        assert.isTrue(Option.isSome(yield* one.fill(1_000 + length)))
      }
      assert.deepStrictEqual(yield* ledger.find(jobId(1)), Option.some(claim))
    }).pipe(Effect.timeout("60 seconds"), Effect.scoped))

export const ledgerSuite = (name: string, openLog: Effect.Effect<EventLogShape, unknown, Scope.Scope>) =>
  describe(name, () => {
    type Body = (log: EventLogShape) => Effect.Effect<void, unknown, Scope.Scope>
    const test = (sentence: string, body: Body) => it.live(sentence, () => Effect.scoped(Effect.flatMap(openLog, body)))

    test("opens with the number of transactions that the wallet has sent", (log) =>
      Effect.gen(function*() {
        const ledger = yield* openLedger(log, { transactionCount: 7 })
        assert.strictEqual(ledger.signer, signer)
        assert.isTrue(Option.isNone(yield* ledger.find(jobId(1))))
        const claim = yield* ledger.claim(whole(jobId(1)), prepared(jobId(1)))
        assert.strictEqual(claim.nonce, 7)
        const [opened, ...claims] = yield* eventsOf(log)
        assert.isTrue(opened?._tag === "WalletOpened" && opened.nextNonce === 7 && opened.signer === signer)
        assert.deepStrictEqual(claims.map(Wallet.claimOf), [claim])
      }))

    test("is opened once by ledgers that start together", (log) =>
      Effect.gen(function*() {
        const ledgers = yield* Effect.all(
          [1, 2, 3].map(() => openLedger(log, { transactionCount: 7 })),
          { concurrency: "unbounded" }
        )
        yield* Effect.forEach(ledgers, (ledger, n) => ledger.claim(whole(jobId(n)), prepared(jobId(n))), {
          concurrency: "unbounded"
        })
        const events = yield* eventsOf(log)
        assert.deepStrictEqual(events.map(({ _tag }) => _tag), [
          "WalletOpened",
          ...range(0, 3).map(() => "NonceClaimed")
        ])
        assert.deepStrictEqual(nonces(yield* claimsOf(log)), [7, 8, 9])
      }))

    test("gives every nonce once and without a gap to jobs that several ledgers claim for at once", (log) =>
      Effect.gen(function*() {
        const ledgers = yield* Effect.all([1, 2, 3].map(() => openLedger(log, { transactionCount: 5 })))
        const given = yield* Effect.forEach(
          jobs(300),
          (id, n) => (ledgers[n % 3] as Ledger["Service"]).claim(whole(id), prepared(id)),
          { concurrency: "unbounded" }
        )
        const stored = yield* claimsOf(log)
        assert.deepStrictEqual(nonces(stored), range(5, 300))
        assert.deepStrictEqual(given.map((claim) => claim.jobId), jobs(300))
        assert.deepStrictEqual(given.toSorted((a, b) => a.nonce - b.nonce), stored)
        for (const claim of given) {
          assertSigned(claim)
          const found = yield* (ledgers[claim.nonce % 3] as Ledger["Service"]).find(claim.jobId as Job.Id)
          assert.deepStrictEqual(found, Option.some(claim))
        }
      }))

    test("gives one claim to a job for which all ledgers ask at once, each of them several times", (log) =>
      Effect.gen(function*() {
        const ledgers = yield* Effect.all([1, 2, 3].map(() => openLedger(log, { transactionCount: 0 })))
        const asked = [...ledgers, ...ledgers, ...ledgers].flatMap((ledger) => jobs(10).map((id) => ({ ledger, id })))
        const given = yield* Effect.forEach(asked, ({ id, ledger }) => ledger.claim(whole(id), prepared(id)), {
          concurrency: "unbounded"
        })
        const stored = yield* claimsOf(log)
        assert.deepStrictEqual(nonces(stored), range(0, 10))
        for (const claim of given) assert.deepStrictEqual(stored.filter(({ jobId: id }) => id === claim.jobId), [claim])
      }))

    test("gives the same bytes to a job that asks again, whatever the fees and nonces are by then", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 0 }
        const ledger = yield* openLedger(log, world)
        const claim = yield* ledger.claim(whole(jobId(1)), prepared(jobId(1)))
        world.transactionCount = 20
        assert.deepStrictEqual(yield* ledger.claim(whole(jobId(1)), { ...prepared(jobId(1)), gasLimit: 1n }), claim)
        const other = yield* openLedger(log, world)
        assert.deepStrictEqual(yield* other.claim(whole(jobId(1)), prepared(jobId(1))), claim)
        assert.deepStrictEqual(yield* claimsOf(log), [claim])
      }))

    for (const seed of [1, 2, 3]) {
      test(`leaves no gap and doubles nothing when appends and their answers are lost (seed ${seed})`, (log) =>
        Effect.gen(function*() {
          const next = random(seed)
          const lossy: EventLogShape = {
            ...log,
            append: (...appended) =>
              Effect.suspend(() => {
                const luck = next()
                if (luck < 0.1) return away("append")
                const answer = log.append(...appended)
                return luck < 0.3 ? Effect.andThen(answer, away("append")) : answer
              })
          }
          const ledgers = yield* Effect.all([1, 2, 3].map(() => openLedger(lossy, { transactionCount: 0 })))
          const given = yield* Effect.forEach(
            jobs(150),
            (id, n) => {
              const ledger = ledgers[n % 3] as Ledger["Service"]
              return ledger.claim(whole(id), prepared(id)).pipe(Effect.retry({ times: 20 }))
            },
            { concurrency: "unbounded" }
          )
          const stored = yield* claimsOf(log)
          assert.deepStrictEqual(nonces(stored), range(0, 150))
          assert.deepStrictEqual(given.toSorted((a, b) => a.nonce - b.nonce), stored)
          assert.strictEqual(new Set(stored.map((claim) => claim.jobId)).size, 150)
        }))
    }

    for (
      const [what, isAway] of [["nothing", () => true], ["no append", (name: string) => name === "append"]] as const
    ) {
      test(`reports each job that the log answers ${what}, and goes on without a gap when it is back`, (log) =>
        Effect.gen(function*() {
          let isCut = false
          const guard = <A, E>(name: string, effect: Effect.Effect<A, E>) =>
            Effect.suspend((): Effect.Effect<A, E | LogUnavailable> =>
              isCut && isAway(name) ? Effect.fail(away(name)) : effect
            )
          const unreliable: EventLogShape = {
            ...log,
            append: (...appended) => guard("append", log.append(...appended)),
            last: (subject) => guard("last", log.last(subject)),
            get: (sequence) => guard("get", log.get(sequence)),
            lastSequence: guard("lastSequence", log.lastSequence)
          }
          const ledger = yield* openLedger(unreliable, { transactionCount: 0 })
          yield* ledger.claim(whole(jobId(0)), prepared(jobId(0)))
          isCut = true
          const exits = yield* withTime(Effect.forEach(
            jobs(5),
            (id) => Effect.exit(ledger.claim(whole(id), prepared(id))),
            { concurrency: "unbounded" }
          ))
          for (const exit of what === "nothing" ? exits : exits.slice(1)) {
            const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
            assert.instanceOf(error, LogUnavailable)
          }
          isCut = false
          yield* withTime(
            Effect.forEach(jobs(5), (id) => ledger.claim(whole(id), prepared(id)), { concurrency: "unbounded" })
          )
          assert.deepStrictEqual(nonces(yield* claimsOf(log)), range(0, 5))
        }).pipe(Effect.provide(TestClock.layer())))
    }

    test("gives up on rivals that are first each time after some seconds and some tries, and reports them", (log) =>
      Effect.gen(function*() {
        let tries = 0
        const lost: EventLogShape = {
          ...log,
          append: (subject, expected, event) => {
            if ("revision" in expected && !("lastSequence" in expected)) return log.append(subject, expected, event)
            return Effect.flatMap(Effect.sync(() => tries++), () => Effect.fail(new WrongRevision({ subject })))
          }
        }
        const ledger = yield* openLedger(lost, { transactionCount: 0 })
        const errors = yield* withTime(Effect.forEach(
          jobs(2),
          (id) => Effect.flip(ledger.claim(whole(id), prepared(id))),
          { concurrency: "unbounded" }
        ))
        for (const { message } of errors) assert.strictEqual(message, "Other writers were first each time (claim)")
        assert.isBelow(tries, 600)
      }).pipe(Effect.provide(TestClock.layer())))

    test("reports that the chain can't be reached, and claims nothing", (log) =>
      Effect.gen(function*() {
        const silent = new RpcError({ method: "eth_getTransactionCount", code: "ECONNREFUSED", details: "away" })
        const chain = Layer.mock(Chain, {
          chainId: 31_337n,
          storageAddress: "",
          accessAddress: "",
          fees: Effect.succeed(fees),
          transactionCount: () => Effect.fail(silent)
        })
        const layer = Ledger.layer(log).pipe(Layer.provide([chain, Signer.layer(privateKey)]))
        const ledger = Context.get(yield* Layer.build(layer), Ledger)
        const error = yield* withTime(Effect.flip(ledger.claim(whole(jobId(1)), prepared(jobId(1)))))
        assert.strictEqual(error, silent)
        assert.strictEqual(yield* log.lastSequence, 0)
      }).pipe(Effect.provide(TestClock.layer())))

    test("lets no job wait for ever behind an event that it can't read", (log) =>
      Effect.gen(function*() {
        const ledger = yield* openLedger(log, { transactionCount: 0 })
        yield* log.append("other", { revision: 0 }, { id: "other", headers: {}, data: new Uint8Array() })
        for (const id of jobs(2)) {
          const exit = yield* Effect.exit(ledger.claim(whole(id), prepared(id)))
          assert.isTrue(Exit.hasDies(exit))
        }
      }))

    test("goes on with the chain's nonce when the wallet was used from elsewhere", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 3 }
        const ledger = yield* openLedger(log, world)
        yield* ledger.claim(whole(jobId(1)), prepared(jobId(1)))
        world.transactionCount = 10
        yield* ledger.claim(whole(jobId(2)), prepared(jobId(2)))
        // What is mined lags behind what is claimed, as a rule.
        world.transactionCount = 4
        yield* ledger.claim(whole(jobId(3)), prepared(jobId(3)))
        assert.deepStrictEqual(nonces(yield* claimsOf(log)), [3, 10, 11])
      }))

    test("gives a job one further claim after a spent one, however many ask for it", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 0 }
        const ledgers = yield* Effect.all([1, 2].map(() => openLedger(log, world)))
        const [ledger] = ledgers as [Ledger["Service"]]
        const id = jobId(1)
        const spent = yield* ledger.claim(whole(id), prepared(id))
        world.transactionCount = 1
        const [next, same] = yield* Effect.forEach(
          [...ledgers, ...ledgers],
          (ledger) => ledger.claim(whole(id), prepared(id), spent),
          { concurrency: "unbounded" }
        ) as Effect.Effect<[Wallet.Claim, Wallet.Claim]>
        assert.deepStrictEqual(same, next)
        assert.strictEqual(next.nonce, 1)
        assertSigned(next)
        assert.deepStrictEqual(yield* ledger.claim(whole(id), prepared(id), spent), next)
        assert.deepStrictEqual(yield* ledger.claim(whole(id), prepared(id)), next)
        assert.deepStrictEqual(yield* ledger.find(id), Option.some(next))
        world.transactionCount = 2
        const last = yield* ledger.claim(whole(id), prepared(id), next)
        assert.deepStrictEqual(yield* claimsOf(log), [spent, next, last])
        assert.strictEqual(last.nonce, 2)
      }))

    test("takes no claim for spent of which another ledger has stored a later transaction", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 0 }
        const [one, other] = [yield* openLedger(log, world), yield* openLedger(log, world)]
        const id = jobId(1)
        const claim = yield* one.claim(whole(id), prepared(id))
        const [raised] = yield* other.replace([{ claim, fees: { ...fees, maxFeePerGas: 2n * fees.maxFeePerGas } }])
        assert.isDefined(raised)
        assert.deepStrictEqual(yield* one.claim(whole(id), prepared(id), claim), raised)
        assert.deepStrictEqual(yield* one.giveUp(id, claim), Option.some(raised))
        assert.deepStrictEqual(yield* other.find(id), Option.some(raised))
      }))

    test("gives a job up for all ledgers, unless it has a claim that is not spent", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 0 }
        const [one, other] = [yield* openLedger(log, world), yield* openLedger(log, world)]
        const [free, claimed, used] = [jobId(1), jobId(2), jobId(3)]
        assert.deepStrictEqual(yield* one.giveUp(free), Option.none())
        assert.deepStrictEqual(yield* other.giveUp(free), Option.none())
        assert.strictEqual((yield* Effect.flip(other.claim(whole(free), prepared(free))))._tag, "GivenUp")
        assert.strictEqual((yield* Effect.flip(other.find(free)))._tag, "GivenUp")

        const claim = yield* other.claim(whole(claimed), prepared(claimed))
        assert.deepStrictEqual(yield* one.giveUp(claimed), Option.some(claim))
        assert.deepStrictEqual(yield* one.find(claimed), Option.some(claim))

        const spent = yield* other.claim(whole(used), prepared(used))
        assert.deepStrictEqual(yield* one.giveUp(used, spent), Option.none())
        assert.strictEqual((yield* Effect.flip(other.claim(whole(used), prepared(used), spent)))._tag, "GivenUp")
        assert.deepStrictEqual([claim.nonce, spent.nonce], [0, 1])
        assert.strictEqual((yield* one.claim(whole(jobId(4)), prepared(jobId(4)))).nonce, 2)
      }))

    test("lets a job that is claimed and given up at once be one or the other, without a gap", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 0 }
        const ledgers = yield* Effect.all([openLedger(log, world), openLedger(log, world)])
        const outcomes = yield* Effect.forEach(jobs(40), (id) =>
          Effect.all([
            Effect.result(ledgers[0].claim(whole(id), prepared(id))),
            ledgers[1].giveUp(id)
          ], { concurrency: 2 }), { concurrency: "unbounded" })
        for (const [claim, kept] of outcomes) {
          assert.strictEqual(Result.isSuccess(claim), Option.isSome(kept))
          if (Result.isFailure(claim)) assert.strictEqual(claim.failure._tag, "GivenUp")
        }
        const claims = yield* claimsOf(log)
        assert.lengthOf(claims, outcomes.filter(([claim]) => Result.isSuccess(claim)).length)
        assert.deepStrictEqual(nonces(claims), range(0, claims.length))
      }))

    test("offers no more than the cap, whatever the chain asks for", (log) =>
      Effect.gen(function*() {
        const ledger = yield* openLedger(log, { transactionCount: 0 }, { MAX_FEE_PER_GAS: "2000000000" })
        const claim = yield* ledger.claim(whole(jobId(1)), prepared(jobId(1)))
        assert.strictEqual(claim.maxFeePerGas, 2_000_000_000n)
        assert.strictEqual(claim.maxPriorityFeePerGas, 1_000_000_000n)
      }))

    test("replaces a claim's transaction by the same call with other fees, and reports the earlier one", (log) =>
      Effect.gen(function*() {
        const [one, other] = [
          yield* openLedger(log, { transactionCount: 5 }),
          yield* openLedger(log, { transactionCount: 5 })
        ]
        const id = jobId(1)
        const claim = yield* one.claim(whole(id), prepared(id))
        yield* one.claim(whole(jobId(2)), prepared(jobId(2)))
        const raised = { maxFeePerGas: 4_000_000_000n, maxPriorityFeePerGas: 2_000_000_000n }
        const [changed] = yield* other.replace([{ claim, fees: raised }])
        assert.isDefined(changed)
        assert.deepInclude(changed, { ...raised, jobId: id, nonce: 5, earlier: [claim.transactionHash] })
        const { data, from, hash, maxFeePerGas, nonce, to } = Transaction.from(changed.transaction)
        assert.deepStrictEqual({ data, from, hash, maxFeePerGas, nonce, to }, {
          data: prepared(id).data,
          from: signer,
          hash: changed.transactionHash,
          maxFeePerGas: raised.maxFeePerGas,
          nonce: 5,
          to: prepared(id).to
        })
        assert.deepStrictEqual(yield* one.find(id), Option.some(changed))
        assert.deepStrictEqual(yield* one.claim(whole(id), prepared(id)), changed)
        // A change of what is no longer so is no change.
        assert.deepStrictEqual(yield* one.replace([{ claim, fees: raised }]), [])
        assert.strictEqual((yield* one.claim(whole(jobId(3)), prepared(jobId(3)))).nonce, 7)
      }))

    test("lets one of many changes to a claim count", (log) =>
      Effect.gen(function*() {
        const ledgers = yield* Effect.all([1, 2, 3].map(() => openLedger(log, { transactionCount: 0 })))
        const claims = yield* Effect.forEach(
          jobs(20),
          (id) => (ledgers[0] as Ledger["Service"]).claim(whole(id), prepared(id)),
          { concurrency: "unbounded" }
        )
        const changes = claims.map((claim) => ({ claim, fees: { ...fees, maxFeePerGas: 4_000_000_000n } }))
        const changed = yield* Effect.forEach(ledgers, (ledger) => ledger.replace(changes), {
          concurrency: "unbounded"
        })
        assert.isAtLeast(changed.flat().length, 1)
        assert.strictEqual(new Set(changed.flat().map(({ nonce }) => nonce)).size, changed.flat().length)
        const { claims: now, nextNonce } = yield* (ledgers[1] as Ledger["Service"]).issued(0)
        assert.strictEqual(nextNonce, 20)
        assert.deepStrictEqual(nonces(Array.from(now.values())).toSorted((a, b) => a - b), range(0, 20))
        for (const one of changed.flat()) assert.deepStrictEqual(now.get(one.nonce), one)
      }))

    test("withdraws a claim by a transfer of nothing to the wallet itself, and gives its job no other one", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 3 }
        const ledger = yield* openLedger(log, world, { MAX_FEE_PER_GAS: "3000000000" })
        const id = jobId(1)
        const claim = yield* ledger.claim(whole(id), prepared(id))
        const reason: Job.Failure = { category: "chain_timeout", code: "DeadlinePassed", message: "too late" }
        const cancelled = yield* ledger.withdraw(claim, reason)
        assert.deepInclude(cancelled, { nonce: 3, earlier: [claim.transactionHash], withdrawn: reason })
        const { data, to, value } = Transaction.from(cancelled.transaction)
        assert.deepStrictEqual({ data, to, value }, { data: "0x", to: signer, value: 0n })
        // It must outbid the one that it replaces, though that one offered all that the cap allows.
        assert.isTrue(cancelled.maxFeePerGas >= (claim.maxFeePerGas * 1125n) / 1000n)
        const [raised] = yield* ledger.replace([{ claim: cancelled, fees: { ...fees, maxFeePerGas: 9_000_000_000n } }])
        assert.deepInclude(raised, { withdrawn: reason, earlier: Wallet.hashes(cancelled) })
        world.transactionCount = 4
        assert.deepStrictEqual(yield* ledger.claim(whole(id), prepared(id), claim), raised)
        assert.deepStrictEqual(yield* ledger.giveUp(id, claim), Option.some(raised))
        assert.deepStrictEqual(yield* ledger.giveUp(id, raised), Option.none())
        assert.deepStrictEqual(yield* ledger.find(id), Option.some(raised))
      }))

    test("gives the parts of a job claims of their own, each behind the one before it", (log) =>
      Effect.gen(function*() {
        const [one, two] = [
          yield* openLedger(log, { transactionCount: 0 }),
          yield* openLedger(log, { transactionCount: 0 })
        ]
        const id = jobId(1)
        const [first, second] = [{ jobId: id, part: "first" }, { jobId: id, part: "second" }]
        const done = yield* one.claim(first, prepared(id))
        assert.deepInclude(done, { nonce: 0, part: "first" })
        assert.deepStrictEqual(yield* two.claim(first, prepared(id)), done)
        // Without the first one's claim it is not said that the first part is done.
        assert.deepStrictEqual(yield* two.claim(second, prepared(id)), done)
        const rivals = yield* Effect.all([one, two].map((ledger) => ledger.claim(second, prepared(id), done)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(rivals[0], rivals[1])
        assert.deepInclude(rivals[0], { nonce: 1, part: "second" })
        assert.deepStrictEqual(yield* one.find(id), Option.fromUndefinedOr(rivals[0]))
        // Who is late with the first part goes on with the second one's claim.
        assert.deepStrictEqual(yield* two.claim(first, prepared(id)), rivals[0])
        assert.deepStrictEqual(yield* two.giveUp(id), Option.fromUndefinedOr(rivals[0]))
        assert.deepStrictEqual(yield* two.giveUp(id, done), Option.fromUndefinedOr(rivals[0]))
        const ids = (yield* log.read(Wallet.claimSubject(id))).events.map(({ headers }) => headers["ce-id"])
        assert.deepStrictEqual(ids, [`${id}.first.claim`, `${id}.second.claim.after.0`])
      }))

    test("gives no part of a job a claim after it was given up behind the part that is done", (log) =>
      Effect.gen(function*() {
        const ledger = yield* openLedger(log, { transactionCount: 0 })
        const id = jobId(1)
        const done = yield* ledger.claim({ jobId: id, part: "first" }, prepared(id))
        assert.deepStrictEqual(yield* ledger.giveUp(id, done), Option.none())
        for (const part of ["first", "second"]) {
          const refused = yield* Effect.flip(ledger.claim({ jobId: id, part }, prepared(id), done))
          assert.strictEqual(refused._tag, "GivenUp")
        }
      }))

    test("keeps the call of a part that is done, and its job, when its nonce gets another transaction", (log) =>
      Effect.gen(function*() {
        const ledger = yield* openLedger(log, { transactionCount: 0 })
        const id = jobId(1)
        const done = yield* ledger.claim({ jobId: id, part: "first" }, prepared(id))
        const next = yield* ledger.claim({ jobId: id, part: "second" }, prepared(id), done)
        // A reorganisation has taken the first part's transaction back, and the fees have risen.
        const change = { claim: done, fees: { ...fees, maxFeePerGas: 9_000_000_000n } }
        const [raised] = yield* ledger.replace([change])
        assert.isDefined(raised)
        assert.deepInclude(raised, { jobId: id, part: "first", nonce: done.nonce, earlier: [done.transactionHash] })
        assert.strictEqual(Transaction.from(raised.transaction).data, prepared(id).data)
        assert.deepStrictEqual(yield* ledger.find(id), Option.some(next))
        assert.deepStrictEqual(yield* ledger.replace([change]), [])
        assert.deepStrictEqual((yield* ledger.issued(0)).claims, new Map([[0, raised], [1, next]]))
        const [again] = yield* ledger.replace([{ claim: raised, fees: { ...fees, maxFeePerGas: 19_000_000_000n } }])
        assert.deepInclude(again, { jobId: id, part: "first", earlier: Wallet.hashes(raised) })
        assert.deepStrictEqual(yield* ledger.find(id), Option.some(next))
      }))

    test("stores the claim of a job with one part as it always has", (log) =>
      Effect.gen(function*() {
        const ledger = yield* openLedger(log, { transactionCount: 0 })
        const id = jobId(1)
        const first = yield* ledger.claim(whole(id), prepared(id))
        yield* ledger.claim(whole(id), prepared(id), first)
        const { events } = yield* log.read(id)
        assert.deepStrictEqual(events.map(({ headers }) => headers["ce-id"]), [`${id}.claim`, `${id}.claim.after.0`])
        for (const { data } of events) assert.notProperty(JSON.parse(new TextDecoder().decode(data)), "part")
      }))

    test("reports what was given out from a nonce on, as it is now", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 2 }
        const ledger = yield* openLedger(log, world)
        const first = yield* Effect.forEach(jobs(4), (id) => ledger.claim(whole(id), prepared(id)))
        world.transactionCount = 10
        const after = yield* ledger.claim(whole(jobId(9)), prepared(jobId(9)))
        const [raised] = yield* ledger.replace(
          first.slice(1, 2).map((claim) => ({ claim, fees: { ...fees, maxFeePerGas: 9_000_000_000n } }))
        )
        yield* ledger.giveUp(jobId(8))
        assert.deepStrictEqual(yield* ledger.issued(11), { claims: new Map(), nextNonce: 11 })
        assert.deepStrictEqual(yield* ledger.issued(10), { claims: new Map([[10, after]]), nextNonce: 11 })
        const { claims } = yield* ledger.issued(3)
        assert.deepStrictEqual(
          Array.from(claims.values()).toSorted((a, b) => a.nonce - b.nonce),
          [raised, ...first.slice(2), after]
        )
        assert.strictEqual(yield* ledger.nextNonce, 11)
      }))

    test("uses up a nonce that its job has left behind, instead of raising its fees", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 0 }
        const ledger = yield* openLedger(log, world)
        const id = jobId(1)
        const left = yield* ledger.claim(whole(id), prepared(id))
        world.transactionCount = 1
        const next = yield* ledger.claim(whole(id), prepared(id), left)
        // A reorganisation has taken back the transaction that had used the nonce.
        const raised = { ...fees, maxFeePerGas: 9_000_000_000n }
        const [used] = yield* ledger.replace([{ claim: left, fees: raised }])
        assert.isDefined(used)
        assert.deepInclude(used, { nonce: left.nonce, earlier: [left.transactionHash] })
        assert.notProperty(used, "jobId")
        assert.strictEqual(Transaction.from(used.transaction).to, signer)
        assert.deepStrictEqual(yield* ledger.find(id), Option.some(next))
        assert.deepStrictEqual(yield* ledger.replace([{ claim: left, fees: raised }]), [])
        const [again] = yield* ledger.replace([{ claim: used, fees: { ...fees, maxFeePerGas: 20_000_000_000n } }])
        assert.deepInclude(again, { nonce: left.nonce, earlier: Wallet.hashes(used) })
        const { claims } = yield* ledger.issued(0)
        assert.deepStrictEqual(claims, new Map([[0, again], [1, next]]) as typeof claims)
      }))

    test("uses up a nonce that no claim has, once", (log) =>
      Effect.gen(function*() {
        const world = { transactionCount: 2 }
        const [one, other] = [yield* openLedger(log, world), yield* openLedger(log, world)]
        yield* one.claim(whole(jobId(1)), prepared(jobId(1)))
        world.transactionCount = 4
        yield* one.claim(whole(jobId(2)), prepared(jobId(2)))
        const filled = yield* Effect.all([one.fill(3), other.fill(3)], { concurrency: "unbounded" })
        assert.lengthOf(filled.flatMap(Option.toArray), 1)
        const { claims } = yield* one.issued(2)
        assert.deepStrictEqual(Array.from(claims.keys()).toSorted((a, b) => a - b), [2, 3, 4])
        assert.deepInclude(claims.get(3), { nonce: 3, earlier: [] })
        assert.notProperty(claims.get(3), "jobId")
      }))

    test("is continued by another ledger without a gap when one is killed in the middle of many claims", (log) =>
      Effect.gen(function*() {
        const stuck = yield* Deferred.make<void>()
        let appends = 0
        const hanging: EventLogShape = {
          ...log,
          append: (...appended) =>
            Effect.suspend(() => {
              appends += 1
              if (appends < 40) return log.append(...appended)
              // The process dies after this one was stored and before its answer came; the others never go out.
              const stored = appends === 40 ? Effect.ignore(log.append(...appended)) : Effect.void
              return stored.pipe(Effect.andThen(Deferred.succeed(stuck, undefined)), Effect.andThen(Effect.never))
            })
        }
        const process = yield* Scope.make()
        const killed = yield* Scope.provide(openLedger(hanging, { transactionCount: 0 }), process)
        yield* Effect.forEach(jobs(200), (id) => Effect.forkScoped(killed.claim(whole(id), prepared(id))))
        yield* Deferred.await(stuck)
        // What came before it is on its way to the log.
        yield* log.lastSequence.pipe(
          Effect.repeat({ until: (last) => last >= 39, schedule: Schedule.spaced("5 millis") })
        )
        yield* Scope.close(process, Exit.void)
        const before = yield* claimsOf(log)

        const heir = yield* openLedger(log, { transactionCount: 0 })
        yield* Effect.forEach(jobs(200), (id) => heir.claim(whole(id), prepared(id)), { concurrency: "unbounded" })
        const claims = yield* claimsOf(log)
        assert.deepStrictEqual(nonces(claims), range(0, 200))
        assert.deepStrictEqual(claims.slice(0, before.length), before)
        assert.strictEqual(new Set(claims.map((claim) => claim.jobId)).size, 200)
      }))
  })
