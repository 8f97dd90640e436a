/** Executors with one rule broken, each in a way that a hurried change could break it. */
import type { EventLogShape, Expected, StoredEvent } from "@akave-async/eventing/EventLog"
import type { Buckets } from "@akave-async/sdk/Buckets"
import type { Chain, Receipt } from "@akave-async/sdk/Chain"
import { DateTime, Effect, Option, Stream } from "effect"
import { calm, type Change } from "./Plan.ts"

/** A way to break the executors from outside, by which it is shown that broken ones are noticed. */
export interface Mutation {
  /** The trouble in which it shows. */
  readonly plan?: Change
  readonly settings?: Readonly<Record<string, string>>
  readonly chain?: (chain: Chain["Service"]) => Chain["Service"]
  readonly buckets?: (buckets: Buckets["Service"]) => Buckets["Service"]
  readonly log?: (log: EventLogShape) => EventLogShape
  readonly ledgerLog?: (log: EventLogShape, chain: Chain["Service"]) => EventLogShape
}

/** Appends whatever was decided, as if it had been decided on the log as it is now. */
const unconditionally = (log: EventLogShape): EventLogShape["append"] => (subject, expected, event) =>
  "lastSequence" in expected
    ? Effect.flatMap(log.lastSequence, (lastSequence) => log.append(subject, { lastSequence }, event))
    : Effect.flatMap(log.read(subject), ({ revision }) => log.append(subject, { revision }, event))

/** The expectation without what it says of the event's own subject, where it says more. */
const onlyLast = (expected: Expected): Expected =>
  "lastSequence" in expected ? { lastSequence: expected.lastSequence, lastId: expected.lastId } : expected

const idOf = (stored: Option.Option<StoredEvent>) =>
  Option.match(stored, { onNone: () => "", onSome: ({ headers }) => headers["nats-msg-id"] })

const successful = (receipt: Receipt): Receipt => ({ ...receipt, status: "success" })

/** Executors meet at the same jobs, and the log has forgotten what it was given a moment ago. */
const crowd: Change = {
  ...calm,
  executors: 3,
  crashes: 0.5,
  dedupWindow: 0,
  deliveries: { held: 0, repeated: 1, miscounted: 0.8, cut: 0 },
  chainWeather: { lost: 0, answerLost: 0, late: 0, slow: 0.5 }
}
/** Others use the same key, and miners give them time. */
const company: Change = {
  ...calm,
  elsewhere: 0.8,
  inclusion: 0.4,
  rules: { blockGas: 1_000_000, simulatesPool: true, forgetsLogs: true }
}
/** Some nodes are far behind the others. */
const discord: Change = { ...calm, stalls: 0.9, confirmations: 6, executors: 1, blockTime: 2_000, rules: { nodes: 3 } }
/** What is mined does not stay mined. */
const upheaval: Change = { ...calm, confirmations: 6, reorganisations: 0.5, isLong: true }

/** Jobs that take back what they have done, as they are cancelled one after the other at later parts. */
const cancelledCrates: Change = {
  jobs: [1_000, 2_500, 4_000, 6_000, 9_000].map((cancelAfter, n) => ({
    name: `crate-${n}`,
    operation: "crate.fill",
    at: 500 + 50 * n,
    cancelAfter
  }))
}

/** Jobs of one part each: where claims are not found, those of several go on and on. */
const wholes: Change = {
  jobs: ["bucket-a", "bucket-a", "bucket-b", "bucket-c"].map((name, n) => ({
    name,
    operation: n === 1 ? "bucket.delete" : "bucket.create",
    at: 500 + 2_000 * n,
    cancelAfter: undefined
  }))
}

/** One rule is broken in each, and the trouble that the rule is for is frequent. */
export const mutations: Readonly<Record<string, Mutation>> = {
  "a ledger that does not look for the claim that a job has": {
    plan: { ...crowd, ...wholes },
    ledgerLog: (log) => ({
      ...log,
      last: () => Effect.succeedNone,
      append: (subject, expected, event) => log.append(subject, onlyLast(expected), event)
    })
  },
  "first claims that are not said to be the first": {
    plan: crowd,
    ledgerLog: (log) => ({
      ...log,
      append: (subject, expected, event) => log.append(subject, onlyLast(expected), event)
    })
  },
  "a ledger that states the id of the last event, however old it is": {
    plan: { ...calm, dedupWindow: 1_000 },
    ledgerLog: (log) => ({
      ...log,
      append: (subject, expected, event) =>
        "lastSequence" in expected && expected.lastId === undefined
          ? Effect.flatMap(log.get(expected.lastSequence), (last) =>
            log.append(subject, { ...expected, lastId: idOf(last) }, event))
          : log.append(subject, expected, event)
    })
  },
  "a ledger that sends a transaction before it is stored": {
    ledgerLog: (log, chain) => ({
      ...log,
      append: (subject, expected, event) => {
        const { transaction } = JSON.parse(new TextDecoder().decode(event.data))
        const sending = typeof transaction === "string" ? Effect.ignore(chain.send(transaction)) : Effect.void
        return Effect.andThen(sending, log.append(subject, expected, event))
      }
    })
  },
  "a ledger that does not state what it decided on": {
    plan: crowd,
    ledgerLog: (log) => ({ ...log, append: unconditionally(log) })
  },
  "steps that do not state what they decided on": {
    plan: crowd,
    log: (log) => ({ ...log, append: unconditionally(log) })
  },
  "steps that take what is mined for done": {
    plan: company,
    chain: (chain) => ({
      ...chain,
      receipt: (hash) => Effect.map(chain.receipt(hash), Option.map(successful)),
      blockReceipts: (number) => Effect.map(chain.blockReceipts(number), (receipts) => receipts.map(successful))
    })
  },
  "receipts that take what a node does not know for what is not there": {
    plan: discord,
    chain: (chain) => ({
      ...chain,
      minedAt: (of) => Effect.map(chain.minedAt(of), Option.orElse(() => Option.some(nowhere)))
    })
  },
  "steps that take what waits to be mined for done": {
    plan: company,
    buckets: (buckets) => ({
      ...buckets,
      onChain: ({ name, owner }) => Effect.succeedSome({ id: "", name, owner, createdAt: DateTime.makeUnsafe(0) })
    })
  },
  "executors that take back what they did while their last claim may still be mined": {
    plan: { ...discord, ...cancelledCrates },
    chain: (chain) => ({
      ...chain,
      minedAt: (of) => Effect.map(chain.minedAt(of), Option.orElse(() => Option.some(nowhere)))
    })
  },
  "late executors that go on with a job behind what has taken it back": {
    plan: { ...crowd, ...cancelledCrates, crashes: 0, chainWeather: { lost: 0, answerLost: 0, late: 0.2, slow: 0.5 } },
    ledgerLog: (log) => ({
      ...log,
      last: () => Effect.succeedNone,
      append: (subject, expected, event) => log.append(subject, onlyLast(expected), event)
    })
  },
  "executors that believe a node that is behind that nothing is to be taken back": {
    plan: { ...discord, ...cancelledCrates, confirmations: 1 },
    buckets: (buckets) => ({
      ...buckets,
      deletionTransaction: () => Effect.succeedSome({ ...nowhere, blockNumber: Infinity })
    })
  },
  "receipts that wait for no confirmations": { plan: upheaval, settings: { CONFIRMATIONS: "1" } },
  "executors that do not say how many jobs may be under way": {
    plan: {
      ...calm,
      settings: { EXECUTOR_MAX_IN_FLIGHT: "1" },
      jobs: [1, 2, 3].map((n) => ({ name: `bucket-${n}`, operation: "bucket.create", at: 500, cancelAfter: undefined }))
    },
    log: (log) => ({ ...log, consume: (options) => log.consume({ ...options, maxAckPending: 1_000 }) })
  },
  "executors that acknowledge an event before its step is taken": {
    plan: { ...calm, crashes: 1 },
    log: (log) => ({
      ...log,
      consume: (options) =>
        log.consume(options).pipe(
          Stream.tap((delivery) => Effect.ignore(delivery.ack)),
          Stream.map((delivery) => ({ ...delivery, ack: Effect.void, nak: () => Effect.void }))
        )
    })
  }
}

/** A transaction that nobody has sent. */
const nowhere = { hash: `0x${"ee".repeat(32)}`, blockNumber: 0 }
