/** The audit: the event log, its archive, the read model and the chain, held against each other. */
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { DateTime, Effect } from "effect"
import * as OnChain from "./audit/OnChain.ts"
import * as Stores from "./audit/Stores.ts"
import * as History from "./History.ts"

export const parts = ["log", "read-model", "chain"] as const
export type Part = typeof parts[number]

/** What one part of the audit has come to. */
export interface Section {
  readonly part: Part
  /** What was checked, in a sentence. */
  readonly checked: string
  readonly findings: ReadonlyArray<string>
  /** What is no finding, and worth knowing. */
  readonly remarks: ReadonlyArray<string>
  /** The same for programs. */
  readonly details: object
}

export interface Report {
  /** When the audit began. */
  readonly at: string
  readonly ok: boolean
  readonly sections: ReadonlyArray<Section>
}

const count = (n: number, one: string): string => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`

/** The event log, its archive and its checkpoints. */
export const log = Effect.fnUntraced(function*(options: Stores.Options) {
  const audited = yield* Stores.audit(options)
  const { archivedOut, checkpointsConfirmed, hash, keys, lastSequence, notArchivedYet, same, signedUpTo } = audited
  const covered = checkpointsConfirmed === 0
    ? "no signed checkpoint covers them"
    : `${count(checkpointsConfirmed, "signed checkpoint")} ${
      checkpointsConfirmed === 1 ? "confirms" : "confirm"
    } those up to ${signedUpTo}`
  return {
    part: "log",
    checked: `${
      count(same, "event")
    } are the same in the event log and in the archive, up to event ${lastSequence}; ${covered}`,
    findings: Stores.sentencesOf(audited),
    remarks: [
      ...Object.entries(keys).map(([key, n]) => `${count(n, "checkpoint")} signed by the key ${key}`),
      ...(archivedOut === 0
        ? []
        : [`${count(archivedOut, "event")} of the archive were taken out of the log's stream`]),
      ...(notArchivedYet === 0 ? [] : [`${count(notArchivedYet, "later event")} of the log are not archived yet`]),
      ...(hash === undefined ? [] : [`the hash chain's hash after event ${lastSequence} is ${hash}`])
    ],
    details: audited
  } satisfies Section
})

/** Fees as JSON has them: amounts of wei as text, for they may be larger than its numbers. */
const feesToJson = (fees: OnChain.Audited["fees"]) =>
  Object.fromEntries(Object.entries(fees).map(([wallet, sum]) => [wallet, { ...sum, fee: `${sum.fee}` }]))

/** What jobs report, on chain. */
export const chain = Effect.fnUntraced(function*(onFee: (fee: OnChain.Fee) => Effect.Effect<void>) {
  const { sequence } = yield* checkpoint()
  const audited = yield* OnChain.audit(History.events(1, sequence), onFee)
  const { adopted, fees, findings, foreign, jobs, transactions } = audited
  return {
    part: "chain",
    checked: `${count(jobs, "job")} and ${count(transactions, "transaction")} of theirs are as the chain has them`
      + (adopted === 0 ? "" : `; ${count(adopted, "job")} found done what was asked for`),
    findings,
    remarks: [
      ...foreign.map(({ blockNumber, bucketName, transactionHash, wallet }) =>
        `bucket ${bucketName} of ${wallet} is on chain, and no job explains it (${
          transactionHash === undefined ? "how it came is not known" : `${transactionHash}, block ${blockNumber}`
        })`
      ),
      ...Object.entries(fees).map(([wallet, sum]) =>
        `${wallet} has paid ${sum.fee} wei for ${count(sum.transactions, "transaction")} (${
          sum.gasUsed.toLocaleString("en")
        } gas)`
      )
    ],
    details: { ...audited, fees: feesToJson(fees) }
  } satisfies Section
})

/** The report of these sections. */
export const report = Effect.fnUntraced(function*<E, R>(sections: ReadonlyArray<Effect.Effect<Section, E, R>>) {
  const at = DateTime.formatIso(yield* DateTime.now)
  const done = yield* Effect.all(sections)
  return { at, ok: done.every(({ findings }) => findings.length === 0), sections: done } satisfies Report
})
