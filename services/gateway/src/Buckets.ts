/** Commands on buckets. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import type * as IdempotencyKey from "@akave-async/domain/IdempotencyKey"
import * as Job from "@akave-async/domain/Job"
import type { Decision } from "@akave-async/eventing/Aggregate"
import { execute, load, type Loaded } from "@akave-async/eventing/BucketEvents"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { type Current, evolveJob } from "@akave-async/eventing/JobEvents"
import { Context, Effect, Layer, Option, type Result, Schema } from "effect"
import { FilesModel } from "./FilesModel.ts"
import { IdempotencyKeys, nthOf } from "./IdempotencyKeys.ts"

/** Jobs on files of a bucket that is to be deleted have not ended. */
export class BucketHasJobs extends Schema.TaggedError<BucketHasJobs>()("BucketHasJobs", {
  name: BucketName,
  jobId: Job.Id
}) {
  override readonly message =
    `Job ${this.jobId} on a file of the bucket ${this.name} has not ended; follow that job, or cancel it`
}

type By = Caller["Service"]
type KeyReused = IdempotencyKey.KeyReused
/** Why a bucket of a batch is not accepted. */
export type Refusal = Schema.SchemaError | Bucket.BucketBusy | Bucket.BucketExists | Bucket.NameTaken | LogUnavailable

/** How many requests of one batch are stored at the same time. */
const concurrency = 32
/** A read model that does not know within this whether a bucket has jobs on its files is not waited for. */
const patience = "1 second"

export class Buckets extends Context.Service<Buckets, {
  /**
   * Stores the request for a bucket of the caller, and gives the job that will create it. With an idempotency key that was
   * used before, this is the job of its first use, as it is now.
   */
  request(
    caller: By,
    name: BucketName,
    key?: string
  ): Effect.Effect<Current, Bucket.BucketBusy | Bucket.BucketExists | Bucket.NameTaken | KeyReused | LogUnavailable>
  /** As {@link request} for many buckets: what each name is answered with, in their order. */
  requestAll(
    caller: By,
    names: ReadonlyArray<string>,
    key?: string
  ): Effect.Effect<ReadonlyArray<Result.Result<Current, Refusal>>, KeyReused | LogUnavailable>
  /**
   * Stores the request for the deletion of a bucket of the caller, and gives the job that will delete it; keys as above. While nobody
   * knows whether there are jobs on its files, it is stored: the chain refuses to delete a bucket with files.
   */
  requestDeletion(
    caller: By,
    name: BucketName,
    key?: string
  ): Effect.Effect<Current, Bucket.BucketBusy | Bucket.BucketMissing | BucketHasJobs | KeyReused | LogUnavailable>
}>()("@akave-async/gateway/Buckets") {
  static readonly layer = Layer.effect(
    Buckets,
    Effect.gen(function*() {
      const log = yield* EventLog
      const keys = yield* IdempotencyKeys
      const checkJobs = yield* noFileJobs

      const run = Effect.fnUntraced(function*<Rejection>(
        { traceparent }: By,
        subject: string,
        known: Loaded,
        decide: Decision<Bucket.State, Bucket.Event, Rejection>
      ) {
        const { revision, state } = yield* execute(log, subject, known, decide, {
          source: "/akave/gateway",
          traceparent
        })
        return { job: yield* Effect.orDie(Effect.fromNullishOr(state.job)), revision }
      })

      /** Asks for the job of a request; one that its key was used for before is given as it is now. */
      const ask = Effect.fnUntraced(function*<Event extends Bucket.Event, Rejection>(
        caller: By,
        name: BucketName,
        jobId: Job.Id,
        known: (subject: string) => Effect.Effect<Loaded, LogUnavailable>,
        decide: (request: Bucket.Request) => Decision<Bucket.State, Event, Rejection>
      ) {
        const { owner } = caller
        yield* Effect.annotateCurrentSpan({ "job.id": jobId, "bucket.name": name })
        const subject = Bucket.subject(owner, name)
        return yield* run(caller, subject, yield* known(subject), decide({ jobId, name, owner, ...tenantOf(caller) }))
          .pipe(
            Effect.catchIf(
              (error) => error instanceof Job.JobOver,
              () =>
                Effect.flatMap(
                  log.read(subject),
                  ({ events }) => Effect.orDie(Effect.fromNullishOr(evolveJob(jobId, undefined, events)))
                )
            )
          )
      })

      const create = (caller: By, name: BucketName, jobId: Job.Id) =>
        // A name that was never asked for is the usual case, and then one append is all there is to do.
        ask(caller, name, jobId, () => Effect.succeed(unknown), Bucket.requestCreation)

      const request = Effect.fn("Buckets.request")(function*(caller: By, name: BucketName, key?: string) {
        return yield* create(caller, name, yield* keys.jobFor(caller, key, ["bucket.create", { name }]))
      })

      const requestAll = Effect.fn("Buckets.requestAll")(
        function*(caller: By, names: ReadonlyArray<string>, key?: string) {
          const batch = yield* keys.jobFor(caller, key, ["bucket.create", { names }])
          return yield* Effect.forEach(
            names,
            (name, n) =>
              Effect.flatMap(decodeName(name), (name) => create(caller, name, nthOf(batch, n))).pipe(Effect.result),
            { concurrency }
          )
        }
      )

      const requestDeletion = Effect.fn("Buckets.requestDeletion")(
        function*(caller: By, name: BucketName, key?: string) {
          yield* checkJobs(caller, name, key)
          const jobId = yield* keys.jobFor(caller, key, ["bucket.delete", { name }])
          return yield* ask(caller, name, jobId, (subject) => load(log, subject), Bucket.requestDeletion)
        }
      )

      return Buckets.of({ request, requestAll, requestDeletion })
    })
  )
}

const unknown: Loaded = { state: Bucket.initial, revision: 0 }
const decodeName = Schema.decodeEffect(BucketName)

/** Refuses a bucket that has jobs on its files, unless the request was stored before. */
const noFileJobs = Effect.gen(function*() {
  const filesModel = yield* FilesModel
  const keys = yield* IdempotencyKeys
  return Effect.fnUntraced(function*(caller: By, name: BucketName, key: string | undefined) {
    const live = yield* filesModel.liveJob(caller, name).pipe(
      Effect.timeout(patience),
      Effect.orElseSucceed(() => Option.none<Job.Id>())
    )
    if (Option.isNone(live) || (yield* keys.isRepeat(caller, key, 1))) return
    return yield* new BucketHasJobs({ name, jobId: live.value })
  })
})
