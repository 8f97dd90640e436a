// oxlint-disable max-lines -- what is held against the chain, of jobs, buckets and files
/** The audit of the log against the chain: what jobs report is there, and what is there is explained by a job. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address, type TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import { Registry } from "@akave-async/eventing/Registry"
import { createBucketTopic } from "@akave-async/sdk/Abi"
import { AkaveNode } from "@akave-async/sdk/AkaveNode"
import { bucketId } from "@akave-async/sdk/BucketId"
import { Chain, type Receipt } from "@akave-async/sdk/Chain"
import { FileContract } from "@akave-async/sdk/files/FileContract"
import { Cache, Effect, Option, Result, Schema, Stream } from "effect"
import { effectOf, fileIdOf } from "./Effects.ts"

/** What a mined transaction of a job has cost. */
export interface Fee {
  readonly jobId: string
  readonly transactionHash: string
  /** The wallet that paid. */
  readonly wallet: string
  /** Gas units. */
  readonly gasUsed: number
  /** In wei; undefined where the chain does not report its price. */
  readonly fee: bigint | undefined
}

/** A bucket of a wallet that no job explains. */
export interface Foreign {
  readonly wallet: string
  readonly bucketName: string
  readonly bucketId: string
  /** Where it was created, as far as the chain's node looks back. */
  readonly transactionHash: string | undefined
  readonly blockNumber: number | undefined
}

export interface Audited {
  readonly jobs: number
  /** Completed jobs that found what they were to do done. */
  readonly adopted: number
  readonly transactions: number
  readonly findings: ReadonlyArray<string>
  readonly foreign: ReadonlyArray<Foreign>
  /** By wallet. */
  readonly fees: Readonly<
    Record<string, { readonly transactions: number; readonly gasUsed: number; readonly fee: bigint }>
  >
}

/** A job with all transactions that it has reported. */
interface Traced {
  readonly job: Job.Job
  readonly transactions: ReadonlyArray<TransactionHash>
}

/** Jobs whose transactions are looked up at the same time. */
const atOnce = 32
/** Blocks whose receipts are kept: the jobs of a block end about together. */
const blocksKept = 256
/** Buckets that are asked for at a time. */
const pageSize = 1_000

/** The jobs that these events speak of, each at its end or, if it has none, at the end of the events. */
const jobsOf = Effect.fnUntraced(function*<E, R>(events: Stream.Stream<StoredEvent, E, R>) {
  const { read } = yield* Registry
  const open = new Map<Job.Id, Traced>()
  const ended = events.pipe(
    Stream.map((stored): Traced | undefined => {
      const found = read(stored)
      if (found._tag !== "Known" || found.step === undefined) return undefined
      const { step } = found
      const before = open.get(step.jobId)
      const job = Job.evolve(before?.job, step)
      if (job === undefined) return undefined
      const own = step.step === "submitted" ? [step.transactionHash] : []
      const traced = { job, transactions: [...before?.transactions ?? [], ...own] }
      if (!Job.isTerminal(job.status)) open.set(job.id, traced)
      else open.delete(job.id)
      return Job.isTerminal(job.status) ? traced : undefined
    }),
    Stream.filter((traced) => traced !== undefined)
  )
  return Stream.concat(ended, Stream.suspend(() => Stream.fromIterable(open.values())))
})

const isSame = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

// oxlint-disable-next-line max-lines-per-function -- what is looked up of a job shares the chain's answers
const make = Effect.gen(function*() {
  const chain = yield* Chain
  const ofBlock = yield* Cache.make({
    capacity: blocksKept,
    lookup: (block: number) =>
      Effect.map(chain.blockReceipts(block), (all) => new Map(all.map((one) => [one.transactionHash, one])))
  })
  /** The receipt of a transaction, looked for in the block first that it is said to be in. */
  const receiptOf = (hash: string, block: number | undefined) =>
    block === undefined
      ? chain.receipt(hash)
      : Cache.get(ofBlock, block).pipe(
        // A block that is not there, or can't be given as a whole, says nothing of the transaction.
        Effect.map((receipts) => Option.fromUndefinedOr(receipts.get(hash))),
        Effect.catchTag("RpcError", () => Effect.succeedNone),
        Effect.flatMap((found) => Option.isSome(found) ? Effect.succeed(found) : chain.receipt(hash))
      )

  const hasEffect = (job: Job.Job, { logs, status }: Receipt): boolean => {
    const effect = effectOf(job)
    return status === "success" && effect !== undefined &&
      logs.some(({ address, topics: [topic, id = ""] }) =>
        isSame(address, chain.storageAddress) && topic === effect.topic && isSame(id, effect.idOf(job))
      )
  }

  /** Whether a transaction did what the job asks for, as far as the contract reports that. */
  const isDone = (job: Job.Job, receipt: Receipt): boolean =>
    effectOf(job) === undefined ? receipt.status === "success" : hasEffect(job, receipt)

  const feeOf = ({ id }: Job.Job, { effectiveGasPrice, from, gasUsed, transactionHash }: Receipt): Fee => ({
    jobId: id,
    transactionHash,
    wallet: from.toLowerCase(),
    gasUsed,
    fee: effectiveGasPrice === undefined ? undefined : effectiveGasPrice * BigInt(gasUsed)
  })

  const checkCompleted = Effect.fnUntraced(function*(job: Extract<Job.Job, { readonly status: "completed" }>) {
    const { adopted, blockNumber, transactionHash } = job.result
    // Of what was there before, the chain's node need not know any more who made it.
    if (transactionHash === undefined) return { receipt: Option.none<Receipt>(), findings: [] }
    const receipt = yield* receiptOf(transactionHash, blockNumber)
    const name = `job ${job.id} (${job.operation}) is completed by ${transactionHash}, `
    if (Option.isNone(receipt)) return { receipt, findings: [`${name}which is not on chain`] }
    const { value } = receipt
    return {
      receipt: adopted ? Option.none<Receipt>() : receipt,
      findings: [
        ...(isDone(job, value) ? [] : [`${name}which has not the effect that the job asks for`]),
        ...(blockNumber === undefined || value.blockNumber === blockNumber
          ? []
          : [`${name}which is in block ${value.blockNumber}, and not in ${blockNumber}`])
      ]
    }
  })

  /** What the chain shows of a job. */
  const check = Effect.fnUntraced(function*({ job, transactions }: Traced) {
    const done = job.status === "completed"
      ? yield* checkCompleted(job)
      : { receipt: Option.none<Receipt>(), findings: [] }
    const own = Option.match(done.receipt, { onNone: () => [], onSome: (receipt) => [receipt] })
    const others = transactions.filter((hash) => own.every(({ transactionHash }) => transactionHash !== hash))
    const mined = (yield* Effect.forEach(others, (hash) => chain.receipt(hash))).flatMap(Option.toArray)
    const isOver = job.status === "failed" || job.status === "cancelled"
    return {
      job,
      fees: [...own, ...mined].map((receipt) => feeOf(job, receipt)),
      findings: [
        ...done.findings,
        ...mined.filter((receipt) => (isOver || own.length > 0) && hasEffect(job, receipt)).map(({ transactionHash }) =>
          `job ${job.id} (${job.operation}) is ${job.status}, and ${transactionHash} has done ${
            isOver ? "what it asked for" : "the same once more"
          }`
        )
      ]
    }
  })
  return check
})

/** Whether what the log holds by now, or is about to, explains that a bucket is on chain, or is not. */
const isExplained = Effect.fnUntraced(function*(owner: string, name: string, exists: boolean) {
  const log = yield* EventLog
  // What can't be asked for has no subject.
  const valid = Schema.decodeUnknownResult(BucketName)(name)
  if (Result.isFailure(valid)) return false
  const { state } = yield* BucketEvents.load(log, Bucket.subject(Address.make(owner), valid.success))
  const isLive = state.job !== undefined && !Job.isTerminal(state.job.status)
  return isLive || (state.bucket !== undefined) === exists
})

/** The names of a wallet's buckets on chain. */
const bucketsOf = Effect.fnUntraced(function*(owner: string) {
  const node = yield* AkaveNode
  const names: Array<string> = []
  while (true) {
    const page = yield* node.bucketList({ owner, offset: names.length, limit: pageSize })
    names.push(...page.map(({ name }) => name))
    if (page.length < pageSize) return names
  }
})

/** Holds the buckets of a wallet on chain against those that its jobs have left. */
const compareBuckets = Effect.fnUntraced(function*(owner: string, ofJobs: ReadonlySet<string>) {
  const chain = yield* Chain
  const onChain = new Set(yield* bucketsOf(owner))
  const findings: Array<string> = []
  for (const name of ofJobs) {
    if (onChain.has(name) || (yield* isExplained(owner, name, false))) continue
    findings.push(`bucket ${name} of ${owner} was created by a job, was deleted by none, and is not on chain`)
  }
  const foreign: Array<Foreign> = []
  for (const bucketName of onChain) {
    if (ofJobs.has(bucketName) || (yield* isExplained(owner, bucketName, true))) continue
    const id = bucketId(bucketName, owner)
    const last = (yield* chain.logs({ address: chain.storageAddress, topics: [createBucketTopic, id] })).at(-1)
    const { blockNumber, transactionHash } = last ?? { blockNumber: undefined, transactionHash: undefined }
    foreign.push({ wallet: owner, bucketName, bucketId: id, blockNumber, transactionHash })
  }
  return { findings, foreign }
})

/** What jobs have left of a file, as far as these events say. */
interface LeftFile {
  readonly job: Job.Job
  /** Undefined where there is none. */
  readonly rootCid: string | undefined
}

/** Notes what a job that has ended has left of its file. */
const noteFile = (files: Map<string, LeftFile>, job: Job.Job): void => {
  const id = job.operation.startsWith("file.") && job.operation !== "file.download" ? fileIdOf(job) : undefined
  if (id === undefined || job.operation === "file.access") return
  const before = files.get(id)
  const isOver = job.status === "failed" || job.status === "cancelled"
  if (job.status === "completed") {
    const { rootCid } = job.result as Readonly<Record<string, unknown>>
    files.set(id, { job, rootCid: typeof rootCid === "string" ? rootCid : undefined })
  } else if (isOver && job.operation === "file.upload") {
    // One that was to replace a file may have deleted that one.
    const isDeleted = Job.doneOf(job) !== undefined && job.request["replaces"] === true
    files.set(id, { job, rootCid: isDeleted ? undefined : before?.rootCid })
  }
}

/** Whether what the log holds by now, or is about to, explains that a file is not as these events have left it. */
const isFileExplained = Effect.fnUntraced(function*({ job }: LeftFile) {
  const log = yield* EventLog
  const { jobsOf } = yield* Registry
  const kind = jobsOf(job.operation)
  if (kind === undefined) return false
  const { state } = yield* kind.load(log, kind.subjectOf(job))
  return state.job !== undefined && (state.job.id !== job.id || !Job.isTerminal(state.job.status))
})

/** Holds the files that jobs have left against the chain. */
const compareFiles = Effect.fnUntraced(function*(files: ReadonlyMap<string, LeftFile>) {
  const contract = yield* FileContract
  const compared = yield* Effect.forEach([...files], ([id, left]) =>
    Effect.gen(function*() {
      const { owner, request } = left.job
      const name = String(request["nameOnWire"] ?? request["name"])
      const found = yield* contract.onChain({ bucketId: bucketId(String(request["bucketName"]), owner), name })
      const root = Option.flatMap(found, ({ rootCid }) => rootCid)
      const isAsLeft = left.rootCid === undefined
        ? Option.isNone(found)
        : Option.isSome(root) && `${root.value}` === left.rootCid
      if (isAsLeft || (yield* isFileExplained(left))) return []
      const what = `file ${JSON.stringify(request["name"])} of bucket ${request["bucketName"]} of ${owner} (${id})`
      const seen = Option.isNone(found)
        ? "is not on chain"
        : Option.isNone(root)
        ? "is on chain, not committed"
        : `has the root ${root.value} on chain`
      return [
        `${what} ${seen}, and job ${left.job.id} (${left.job.operation}, ${left.job.status}) has left ${
          left.rootCid ?? "none"
        }`
      ]
    }), { concurrency: atOnce })
  return compared.flat()
}, Effect.provide(FileContract.layer))

/**
 * Holds what these events report, which are all up to one, against the chain.
 * @param onFee Is given what each mined transaction has cost.
 */
export const audit = Effect.fnUntraced(function*<E, R>(
  events: Stream.Stream<StoredEvent, E, R>,
  onFee: (fee: Fee) => Effect.Effect<void>
) {
  const check = yield* make
  const counts = { jobs: 0, adopted: 0, transactions: 0 }
  const findings: Array<string> = []
  const fees: Record<string, { transactions: number; gasUsed: number; fee: bigint }> = {}
  const buckets = new Map<string, Set<string>>()
  const files = new Map<string, LeftFile>()
  yield* (yield* jobsOf(events)).pipe(
    // In the order in which they end, so that what is there at last is known.
    Stream.tap(({ job }) =>
      Effect.sync(() => {
        const own = buckets.get(job.owner.toLowerCase()) ?? new Set()
        buckets.set(job.owner.toLowerCase(), own)
        noteFile(files, job)
        if (job.status !== "completed") return
        if (job.operation === "bucket.create") own.add(String(job.request["name"]))
        if (job.operation === "bucket.delete") own.delete(String(job.request["name"]))
      })
    ),
    Stream.mapEffect(check, { concurrency: atOnce }),
    Stream.runForEach(Effect.fnUntraced(function*(checked) {
      counts.jobs++
      if (checked.job.status === "completed" && checked.job.result.adopted) counts.adopted++
      findings.push(...checked.findings)
      for (const one of checked.fees) {
        counts.transactions++
        const sum = fees[one.wallet] ??= { transactions: 0, gasUsed: 0, fee: 0n }
        sum.transactions++
        sum.gasUsed += one.gasUsed
        sum.fee += one.fee ?? 0n
        yield* onFee(one)
      }
    }))
  )
  findings.push(...yield* compareFiles(files))
  const foreign: Array<Foreign> = []
  for (const [owner, names] of buckets) {
    const compared = yield* compareBuckets(owner, names)
    findings.push(...compared.findings)
    foreign.push(...compared.foreign)
  }
  return { ...counts, findings, foreign, fees } satisfies Audited
})
