/**
 * A kind of aggregate that the product does not have, with an operation of two parts: a pair of buckets, created in order.
 * It is registered from outside, and worked on by executors as they are.
 */
import * as BucketName from "@akave-async/domain/BucketName"
import type { Address } from "@akave-async/domain/Ethereum"
import { BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Aggregate from "@akave-async/eventing/Aggregate"
import * as CloudEvent from "@akave-async/eventing/CloudEvent"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import * as Kind from "@akave-async/eventing/Kind"
import * as Registry from "@akave-async/eventing/Registry"
import { bucketId, Buckets } from "@akave-async/sdk/Buckets"
import { type DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { forJobs, type Operation } from "../src/Operation.ts"
import * as Operations from "../src/Operations.ts"
import * as Crates from "./Crates.ts"

const operations = {
  "pair.create": {
    events: {
      requested: "PairRequested",
      started: "PairStarted",
      submitted: "PairSubmitted",
      attemptFailed: "PairAttemptFailed",
      advanced: "PairAdvanced",
      completed: "PairCreated",
      failed: "PairFailed",
      cancelled: "PairCancelled"
    },
    request: { name: BucketName.BucketName },
    result: { second: BucketId }
  }
} as const satisfies Readonly<Record<string, Job.Operation>>

const Event = Schema.TaggedUnion(Job.cases(operations))
export type Event = typeof Event.Type
type PairJob = Job.JobOf<typeof operations>
const { cancel, onJob, stepOf } = Job.naming<typeof operations, Event>(operations)

export const codec = CloudEvent.make(Event)
const aggregate: Aggregate.Aggregate<Job.Jobs, Event> = {
  codec,
  initial: Job.noJobs,
  evolve: (jobs, event) => Job.evolveJobs(jobs, stepOf(event)),
  idOf: (event) => Kind.idOfStep(stepOf(event)),
  jobIdOf: ({ jobId }) => jobId
}
export const { execute, load } = Aggregate.make(aggregate)

const name = "pair"
export const subject = (owner: Address, bucket: BucketName.BucketName): string =>
  `${name}.${owner.toLowerCase()}.${BucketName.toToken(bucket)}`

export const kind = Kind.withJobs(name, ["owner", "pair"], aggregate, {
  operations,
  cancel,
  onJob,
  stepOf,
  schema: Job.schema(operations),
  about: ({ request }) => ({ bucketName: request.name }),
  subjectOf: ({ owner, request }) => subject(owner, request.name)
})
/** The product's kinds, this one, and that of crates. */
export const registry = Registry.of([...Registry.kinds, kind, Crates.kind])

/** Asks for a pair; its name must be free. */
export const request =
  (asked: { readonly jobId: Job.Id; readonly name: BucketName.BucketName; readonly owner: Address }) =>
  (
    jobs: Job.Jobs,
    occurredAt: DateTime.Utc
  ): Result.Result<ReadonlyArray<Event>, never> =>
    Result.succeed(jobs.job === undefined ? [Event.cases.PairRequested.make({ ...asked, occurredAt })] : [])

/** Records a step of the job on a subject. */
export const record = Effect.fnUntraced(function*<Name extends Job.StepName, Rejection>(
  log: EventLogShape,
  subject: string,
  decide: Job.Decision<Name, Rejection>
) {
  return yield* execute(log, subject, yield* load(log, subject), onJob(decide), { source: "/test" })
})

export const parts: ReadonlyArray<Job.Part> = ["first", "second"]
/** The name of the bucket that a part creates. */
export const bucketOf = (name: string, part: Job.Part): string => `${name}-${part}`

const ofPairs: Operations.OfKind = Effect.gen(function*() {
  const buckets = yield* Buckets
  const secondOf = ({ owner, request }: PairJob) => BucketId.make(bucketId(bucketOf(request.name, "second"), owner))

  const pair: Operation<PairJob> = {
    parts: () => parts,
    prepare: ({ owner, request }, part) => buckets.prepareCreate({ name: bucketOf(request.name, part), from: owner }),
    result: (job, done) => Effect.succeed({ second: secondOf(job), ...done }),
    adopt: (job, part, refusal, own) =>
      refusal._tag === "ContractError" && refusal.name === "BucketAlreadyExists"
        ? buckets.creationTransaction(bucketId(bucketOf(job.request.name, part), job.owner)).pipe(
          Effect.map((found) =>
            Option.some({
              ...Option.match(found, {
                onNone: () => ({ adopted: true }),
                onSome: ({ blockNumber, hash }) => {
                  const transactionHash = TransactionHash.make(hash)
                  return { transactionHash, blockNumber, adopted: !own.includes(transactionHash) }
                }
              })
            })
          )
        )
        : Effect.succeedNone,
    holds: ({ owner, request }, part, block) =>
      Effect.map(buckets.onChain({ name: bucketOf(request.name, part), owner, block }), Option.isSome),
    isTemporary: () => Effect.succeed(false)
  }
  return { "pair.create": forJobs(pair) }
})

/** Has an executor know pairs and crates beside all else. */
export const registered = Layer.mergeAll(
  Layer.succeed(Registry.Registry, registry),
  Layer.succeed(Operations.Kinds, [...Operations.kinds, ofPairs, Crates.make])
)
