import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as DomainLog from "@akave-async/domain/Log"
import { codec, idOf } from "@akave-async/eventing/BucketEvents"
import { EventLog, type EventLogShape, type LogUnavailable } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { Nats } from "@akave-async/platform/Nats"
import { Wallet } from "@akave-async/sdk/Wallet"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, DateTime, Effect, Layer, Redacted } from "effect"
import { inject } from "vitest"
import { hasSubmitted, LedgerLog } from "../src/LedgerLog.ts"
import * as Pairs from "./Pairs.ts"

// A public development key: the first of every Anvil chain.
const privateKey = Redacted.make("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
const signer = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const stranger = Address.make("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const occurredAt = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const name = BucketName.make("my-bucket")

const requested = (owner: Address) => Bucket.BucketRequested.make({ jobId, name, owner, occurredAt })
const submitted = (by: Address) =>
  Bucket.Event.cases.BucketSubmitted.make({
    jobId,
    occurredAt,
    transactionHash: TransactionHash.make(`0x${"0a".repeat(32)}`),
    nonce: 0,
    signer: by,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n
  })

/** A log with these events on this owner's bucket. */
const logOf = Effect.fnUntraced(function*(owner: Address, events: ReadonlyArray<Bucket.Event>) {
  const log = yield* EventLogMemory.open
  const subject = Bucket.subject(owner, name)
  for (const [revision, event] of events.entries()) {
    const encoded = yield* codec.encode(event, { id: idOf(event), source: "/test", time: occurredAt, subject })
    yield* log.append(subject, { revision }, encoded)
  }
  return log
})

it.effect("knows whether a wallet has a transaction in the log", () =>
  Effect.gen(function*() {
    const has = (owner: Address, events: ReadonlyArray<Bucket.Event>) =>
      Effect.flatMap(logOf(owner, events), (log) => hasSubmitted(log, signer))
    assert.isTrue(yield* has(signer, [requested(signer), submitted(signer)]))
    assert.isFalse(yield* has(signer, []))
    assert.isFalse(yield* has(signer, [requested(signer)]))
    assert.isFalse(yield* has(signer, [requested(signer), submitted(stranger)]))
    assert.isFalse(yield* has(stranger, [requested(stranger), submitted(stranger)]))
    const subject = Bucket.subject(signer, name)
    const unreadable: ReadonlyArray<Record<string, string>> = [{}, { "ce-type": "akave.BucketSubmitted.v1" }]
    for (const headers of unreadable) {
      const garbage = yield* logOf(signer, [requested(signer)])
      yield* garbage.append(subject, { revision: 1 }, { id: "garbage", headers, data: Uint8Array.of(255) })
      assert.isTrue(yield* hasSubmitted(garbage, signer))
      assert.isFalse(yield* hasSubmitted(garbage, stranger))
    }
    // Of a type that reports no transaction.
    for (const type of ["BucketRequested", "BucketStarted", "BucketCreated", "BucketDeletionCancelled"]) {
      const garbage = yield* logOf(signer, [requested(signer)])
      const headers = { "ce-type": `akave.${type}.v1` }
      yield* garbage.append(subject, { revision: 1 }, { id: "garbage", headers, data: Uint8Array.of(255) })
      assert.isFalse(yield* hasSubmitted(garbage, signer), type)
    }
    const later = yield* logOf(signer, [requested(signer)])
    const garbage = { id: "garbage", headers: { "ce-type": "akave.BucketRequested.v1" }, data: Uint8Array.of(255) }
    yield* later.append(subject, { revision: 1 }, garbage)
    const encoded = yield* codec.encode(submitted(signer), { id: "s", source: "/test", time: occurredAt, subject })
    yield* later.append(subject, { revision: 2 }, encoded)
    assert.isTrue(yield* hasSubmitted(later, signer))
  }))

it.effect("takes what it can't read of a wallet's for a transaction, of whichever kind it is, and no other wallet's", () =>
  Effect.gen(function*() {
    const add = Effect.fnUntraced(function*(subject: string, type: string) {
      const log = yield* logOf(signer, [requested(signer)])
      yield* log.append(subject, { revision: 0 }, { id: "other", headers: { "ce-type": type }, data: new Uint8Array() })
      return log
    })
    const crate = (owner: Address) => `crate.${owner.toLowerCase()}.a`
    const has = (subject: string, type: string) =>
      Effect.flatMap(add(subject, type), (log) => hasSubmitted(log, signer))
    assert.isTrue(yield* has(crate(signer), "akave.CrateSubmitted.v1"))
    assert.isTrue(yield* has(Bucket.subject(signer, BucketName.make("other")), "akave.BucketRenamed.v1"))
    assert.isFalse(yield* has(crate(stranger), "akave.CrateSubmitted.v1"))

    // A kind that is registered is read.
    const pairs = yield* EventLogMemory.open
    const subject = Pairs.subject(signer, name)
    yield* Pairs.execute(
      pairs,
      subject,
      { state: Job.noJobs, revision: 0 },
      Pairs.request({ jobId, name, owner: signer }),
      { source: "/test" }
    )
    const known = hasSubmitted(pairs, signer).pipe(Effect.provide(Pairs.registered))
    assert.isFalse(yield* known)
    assert.isTrue(yield* hasSubmitted(pairs, signer))
    yield* Pairs.record(pairs, subject, Job.startAttempt(jobId))
    const { _tag: _, occurredAt: __, ...submission } = submitted(signer)
    yield* Pairs.record(pairs, subject, Job.recordSubmission({ ...submission, part: "first" }))
    assert.isTrue(yield* known)
  }))

let streams = 0
/** The ledger's log on the real server, missing so far, beside this event log. */
const ledgerLog = Effect.fnUntraced(function*(events: EventLogShape) {
  const id = `LEDGER_LOG_${process.pid}_${++streams}`
  const settings = ConfigProvider.layer(
    ConfigProvider.fromUnknown({ NATS_URL: inject("natsUrl"), WALLET_STREAM: id, WALLET_PREFIX: id.toLowerCase() })
  )
  const layer = LedgerLog.layerConfig.pipe(
    Layer.provide([Nats.layerConfig("test"), Wallet.layer(privateKey), Layer.succeed(EventLog, events)]),
    Layer.provide(settings),
    Layer.fresh
  )
  return Context.get(yield* Layer.build(layer), LedgerLog)
})

it.effect("is created for a wallet that has sent nothing", () =>
  Effect.gen(function*() {
    const log = yield* ledgerLog(yield* logOf(signer, [requested(signer)]))
    assert.strictEqual(yield* log.lastSequence, 0)
  }))

it.effect("is refused, and not created, for a wallet that has sent transactions", () =>
  Effect.gen(function*() {
    const log = yield* ledgerLog(yield* logOf(signer, [requested(signer), submitted(signer)]))
    const questions: ReadonlyArray<Effect.Effect<unknown, LogUnavailable>> = [log.lastSequence, log.read("opened")]
    for (const question of [...questions, ...questions]) {
      assert.match(
        (yield* Effect.flip(question)).message,
        /^The wallet's ledger LEDGER_LOG_\w+ is missing, and the event log has transactions of this wallet: restore it, or run akave-async ledger renew 0x\w{40}$/
      )
    }
  }))

it.effect("is not created while the event log can't be read", () =>
  Effect.gen(function*() {
    const storage: EventLogMemory.Storage = { events: undefined }
    const log = yield* ledgerLog(yield* EventLogMemory.openOn(storage))
    assert.match((yield* Effect.flip(log.lastSequence)).message, /^The event log in memory is missing/)
    storage.events = []
    assert.strictEqual(yield* log.lastSequence, 0)
  }))

it.effect("is not created for a wallet of a restored log that had events of it, and is for one that comes later", () =>
  Effect.gen(function*() {
    const restoredWith = Effect.fnUntraced(function*(owner: Address) {
      const log = yield* logOf(owner, [requested(owner)])
      const known = { state: undefined, revision: 0 }
      const decide = DomainLog.recordRestoration({ lastSequence: 1, from: "backup" })
      yield* LogEvents.execute(log, DomainLog.subject("LogRestored"), known, decide, { source: "/test" })
      return log
    })
    const refused = yield* ledgerLog(yield* restoredWith(signer))
    assert.match(
      (yield* Effect.flip(refused.lastSequence)).message,
      /is missing, and the event log was restored: restore it, or run akave-async ledger renew/
    )
    const log = yield* restoredWith(stranger)
    const subject = Bucket.subject(signer, name)
    const metadata = { id: "later", source: "/test", time: occurredAt, subject }
    yield* log.append(subject, { revision: 0 }, yield* codec.encode(requested(signer), metadata))
    assert.strictEqual(yield* (yield* ledgerLog(log)).lastSequence, 0)
  }))
