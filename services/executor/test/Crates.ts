/**
 * A kind of aggregate that the product does not have, whose operation can take back what it has done: a crate is opened, filled layer
 * by layer, and sealed. One that is not sealed is thrown away. On chain its parts are buckets of names that say what they are, of
 * which the simulated chain takes each only behind the one before it, and which all go with the first.
 */
import * as BucketName from "@akave-async/domain/BucketName"
import type { Address } from "@akave-async/domain/Ethereum"
import { BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Aggregate from "@akave-async/eventing/Aggregate"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import * as Kind from "@akave-async/eventing/Kind"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { type DateTime, Effect, Option, Result, Schema } from "effect"
import { forJobs, type Operation } from "../src/Operation.ts"
import type { OfKind } from "../src/Operations.ts"
import { doneSince } from "../src/operations/Found.ts"

const operations = {
  "crate.fill": {
    events: {
      requested: "CrateRequested",
      started: "CrateStarted",
      submitted: "CrateSubmitted",
      attemptFailed: "CrateAttemptFailed",
      advanced: "CrateAdvanced",
      abandoned: "CrateAbandoned",
      completed: "CrateSealed",
      failed: "CrateFailed",
      cancelled: "CrateCancelled"
    },
    request: { name: BucketName.BucketName },
    result: { seal: BucketId }
  }
} as const satisfies Readonly<Record<string, Job.Operation>>

const Event = Schema.TaggedUnion(Job.cases(operations))
export type Event = typeof Event.Type
type CrateJob = Job.JobOf<typeof operations>
const { cancel, onJob, stepOf } = Job.naming<typeof operations, Event>(operations)

const aggregate: Aggregate.Aggregate<Job.Jobs, Event> = {
  codec: CloudEvent.make(Event),
  initial: Job.noJobs,
  evolve: (jobs, event) => Job.evolveJobs(jobs, stepOf(event)),
  idOf: (event) => Kind.idOfStep(stepOf(event)),
  jobIdOf: ({ jobId }) => jobId
}
export const { execute, load } = Aggregate.make(aggregate)

const name = "crate"
export const subject = (owner: Address, crate: BucketName.BucketName): string =>
  `${name}.${owner.toLowerCase()}.${BucketName.toToken(crate)}`

export const kind = Kind.withJobs(name, ["owner", "crate"], aggregate, {
  operations,
  cancel,
  onJob,
  stepOf,
  schema: Job.schema(operations),
  about: ({ request }) => ({ bucketName: request.name }),
  subjectOf: ({ owner, request }) => subject(owner, request.name)
})

/** Asks for a crate; its name must be free. */
export const request =
  (asked: { readonly jobId: Job.Id; readonly name: BucketName.BucketName; readonly owner: Address }) =>
  (
    jobs: Job.Jobs,
    occurredAt: DateTime.Utc
  ): Result.Result<ReadonlyArray<Event>, never> =>
    Result.succeed(jobs.job === undefined ? [Event.cases.CrateRequested.make({ ...asked, occurredAt })] : [])

const [first, last] = ["open", "seal"] as const
export const parts: ReadonlyArray<Job.Part> = [first, "layer.0", "layer.1", last]
/** What stands on chain for a part of a crate. */
export const onChain = (crate: string, part: Job.Part): string => `${crate}#${part}`

/** Of a name on chain, those that must be there before it, if it is a part of a crate. */
export const before = (name: string): string | undefined => {
  const [crate = "", part = ""] = name.split("#")
  const place = parts.indexOf(part)
  return place < 1 ? undefined : onChain(crate, parts[place - 1] ?? "")
}
/** Whether one name on chain goes with another one. */
export const goesWith = (name: string, gone: string): boolean =>
  name === gone || (gone.endsWith(`#${first}`) && name.startsWith(gone.slice(0, -first.length)))

export const make: OfKind = Effect.gen(function*() {
  const buckets = yield* Buckets
  const nameOf = ({ request }: CrateJob, part: Job.Part) => onChain(request.name, part)
  const exists = (job: CrateJob, part: Job.Part, block?: number) => {
    const at = block === undefined ? {} : { block }
    return Effect.map(buckets.onChain({ name: nameOf(job, part), owner: job.owner, ...at }), Option.isSome)
  }
  const isRefusedAs = (refusal: { readonly _tag: string; readonly name?: string }, name: string) =>
    refusal._tag === "ContractError" && refusal.name === name

  const crate: Operation<CrateJob> = {
    parts: () => parts,
    canUndo: true,
    prepare: Effect.fnUntraced(function*(job, part) {
      if (part !== Job.undo) return yield* buckets.prepareCreate({ name: nameOf(job, part), from: job.owner })
      // As uploads do it.
      if (Job.doneOf(job) === undefined || (yield* exists(job, last))) return { done: { adopted: true } }
      return yield* buckets.prepareDelete({ name: nameOf(job, first), from: job.owner })
    }),
    result: (job, done) => Effect.succeed({ seal: BucketId.make(bucketId(nameOf(job, last), job.owner)), ...done }),
    adopt: Effect.fnUntraced(function*(job, part, refusal, own, since) {
      if (part === Job.undo) {
        if (!isRefusedAs(refusal, "BucketNonexists")) return Option.none()
        const deletion = yield* buckets.deletionTransaction(bucketId(nameOf(job, first), job.owner))
        return Option.some(yield* doneSince(deletion, own, since))
      }
      if (!isRefusedAs(refusal, "BucketAlreadyExists")) return Option.none()
      const found = yield* buckets.creationTransaction(bucketId(nameOf(job, part), job.owner))
      return Option.some(Option.match(found, {
        onNone: () => ({ adopted: true }),
        onSome: ({ blockNumber, hash }) => {
          const transactionHash = TransactionHash.make(hash)
          return { transactionHash, blockNumber, adopted: !own.includes(transactionHash) }
        }
      }))
    }),
    holds: (job, part, block) =>
      part === Job.undo ? Effect.map(exists(job, first, block), (is) => !is) : exists(job, part, block),
    // What a node that is behind does not know of.
    isTemporary: (refusal) =>
      Effect.succeed(isRefusedAs(refusal, "IndexMismatch") || isRefusedAs(refusal, "BucketNonexists"))
  }
  return { "crate.fill": forJobs(crate) }
})
