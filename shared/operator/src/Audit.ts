/** The audit: the event log, its archive, the read model and the chain, held against each other. */
import { ReadModelSchema } from "@akave-async/platform/Postgres"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import * as Dump from "@akave-async/read-model/Dump"
import { DateTime, Effect, Option, Stream } from "effect"
import * as OnChain from "./audit/OnChain.ts"
import * as Stores from "./audit/Stores.ts"
import * as History from "./History.ts"
import * as Rebuild from "./Rebuild.ts"

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

/** Rows that differ and are named; of more, the count. */
const mostRows = 1_000

const sentenceOf = (difference: Dump.Difference): string => {
  const row = `${difference.table} ${difference.key.join(" ")}`
  if ("columns" in difference) {
    const columns = difference.columns.map(({ a, b, name }) =>
      `${name} is ${JSON.stringify(a)}, and has to be ${JSON.stringify(b)}`
    )
    return `${row} is not what follows from the log: ${columns.join("; ")}`
  }
  return difference.in === "a"
    ? `${row} is in the read model, and does not follow from the log`
    : `${row} is missing in the read model`
}

/** The read model, row by row, against one that is made from the log in a schema which goes again. */
export const readModel = Effect.scoped(Effect.gen(function*() {
  const live = yield* ReadModelSchema
  const source = yield* Rebuild.source
  const snapshot = yield* Dump.snapshot(live)
  const { id, sequence: until } = snapshot
  const schema = `${live}_audit`
  yield* Effect.acquireRelease(
    Rebuild.asOf(source, { until, schema: Option.some(schema), report: () => Effect.void }),
    () => Effect.ignore(Rebuild.drop(schema))
  )
  let rows = 0
  const ofLive = Stream.tap(Dump.rows(live, { snapshot: id }), () => Effect.sync(() => rows++))
  const findings: Array<string> = []
  let more = 0
  yield* Stream.runForEach(Dump.differences(ofLive, Dump.rows(schema)), (difference) =>
    Effect.sync(() => {
      if (findings.length < mostRows) findings.push(sentenceOf(difference))
      else more++
    }))
  if (more > 0) findings.push(`and ${more} more`)
  return {
    part: "read-model",
    checked: `${count(rows, "row")} are those that the log makes, up to event ${until}`,
    findings,
    remarks: [],
    details: { rows, lastSequence: until }
  } satisfies Section
}))

/** Fees as JSON has them: amounts of wei as text, for they may be larger than its numbers. */
const feesToJson = (fees: OnChain.Audited["fees"]) =>
  Object.fromEntries(Object.entries(fees).map(([wallet, sum]) => [wallet, { ...sum, fee: `${sum.fee}` }]))

/** What a transaction has cost, as JSON: what it has paid in wei, as text. */
const feeToJson = ({ fee, gasUsed, jobId, transactionHash, wallet }: OnChain.Fee) => ({
  job_id: jobId,
  tx_hash: transactionHash,
  wallet,
  gas_used: gasUsed,
  fee: fee === undefined ? null : `${fee}`
})

/**
 * What jobs report, on chain.
 * @param onFee Is given what each mined transaction has cost, as JSON.
 */
export const chain = Effect.fnUntraced(function*(onFee: (fee: object) => Effect.Effect<void>) {
  const { sequence } = yield* checkpoint()
  const audited = yield* OnChain.audit(History.events(1, sequence), (fee) => onFee(feeToJson(fee)))
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
export const reportOf = (at: DateTime.Utc, sections: ReadonlyArray<Section>): Report => ({
  at: DateTime.formatIso(at),
  ok: sections.every(({ findings }) => findings.length === 0),
  sections
})
