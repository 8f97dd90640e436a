/** Commands on files. */
import { type Caller, tenantOf } from "@akave-async/api/Caller"
import * as Bucket from "@akave-async/domain/Bucket"
import type { BucketName } from "@akave-async/domain/BucketName"
import * as Download from "@akave-async/domain/Download"
import * as File from "@akave-async/domain/File"
import type { FileName } from "@akave-async/domain/FileName"
import type * as IdempotencyKey from "@akave-async/domain/IdempotencyKey"
import * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import type { Decision } from "@akave-async/eventing/Aggregate"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import * as DownloadEvents from "@akave-async/eventing/DownloadEvents"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import * as FileEvents from "@akave-async/eventing/FileEvents"
import { type Current, evolveJob } from "@akave-async/eventing/JobEvents"
import { Context, Effect, Layer, Result, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { IdempotencyKeys } from "./IdempotencyKeys.ts"

type By = Caller["Service"]
type KeyReused = IdempotencyKey.KeyReused
type Loaded = FileEvents.Loaded

/** The bucket that a file is to be in is being deleted. */
export class BucketBeingDeleted extends Schema.TaggedError<BucketBeingDeleted>()("BucketBeingDeleted", {
  name: Schema.String,
  jobId: Job.Id
}) {
  override readonly message = `The bucket ${this.name} is being deleted by job ${this.jobId}`
}

export interface Place {
  readonly bucketName: BucketName
  readonly name: FileName
}

/** Which file a request may be for: as {@link File.Precondition}, or one that is there, whichever it is. */
export type Condition = File.Precondition | "existing"

const preconditionIn = ({ file }: File.State, condition: Condition): File.Precondition =>
  condition === "existing" ? file === undefined ? [] : [file.rootCid] : condition

type UploadRefusal = File.FileBusy | File.FileChanged | File.FileExists | File.FileNameTaken
type ChangeRefusal = File.FileBusy | File.FileChanged | File.FileMissing

/** What an upload is asked for with, beside who asks and as which job. */
export type Upload = Omit<File.UploadRequest, "jobId" | "owner" | "tenant" | "idempotencyKeyHash">

export class Files extends Context.Service<Files, {
  /** Fails where an upload would be refused, whatever its bytes are. */
  checkUpload(
    caller: By,
    place: Place,
    condition: Condition
  ): Effect.Effect<void, UploadRefusal | Bucket.BucketMissing | BucketBeingDeleted | LogUnavailable>
  /**
   * Stores the request for the upload of a staged file, and gives the job that will do it. With an idempotency key that was used
   * before, this is the job of its first use, which has staged bytes of its own.
   */
  upload(
    caller: By,
    upload: Upload,
    condition: Condition,
    key?: string
  ): Effect.Effect<Current, UploadRefusal | Bucket.BucketMissing | BucketBeingDeleted | KeyReused | LogUnavailable>
  requestDeletion(
    caller: By,
    place: Place,
    condition: Condition,
    key?: string
  ): Effect.Effect<Current, ChangeRefusal | KeyReused | LogUnavailable>
  requestAccess(
    caller: By,
    place: Place & { readonly isPublic: boolean },
    condition: Condition,
    key?: string
  ): Effect.Effect<Current, ChangeRefusal | KeyReused | LogUnavailable>
  /** Stores the request for a download of the file as it is now, which is kept for so many seconds. */
  requestDownload(
    caller: By,
    place: Place,
    keepSeconds: number,
    key?: string
  ): Effect.Effect<Current, File.FileMissing | KeyReused | LogUnavailable>
  /**
   * Whether what the network lists of a bucket is the caller's: accounts of one wallet have no buckets in common, and who signs in with
   * none sees what no account has.
   */
  isOwn(caller: By, bucketName: BucketName): Effect.Effect<boolean, LogUnavailable>
  /** A file of the caller, as the log has it. */
  find(caller: By, place: Place): Effect.Effect<File.File, File.FileMissing | LogUnavailable>
}>()("@akave-async/gateway/Files") {
  static readonly layer = Layer.effect(Files, Effect.suspend(() => make))
}

const source = "/akave/gateway"

// oxlint-disable-next-line max-lines-per-function -- its commands share the log and the keys
const make = Effect.gen(function*() {
  const log = yield* EventLog
  const keys = yield* IdempotencyKeys

  const subjectOf = ({ owner }: By, { bucketName, name }: Place) => File.subject(owner, bucketName, name)

  /** The bucket is there, or a job that is under way creates it. */
  const checkBucket = Effect.fnUntraced(function*(caller: By, name: BucketName) {
    const { state: { bucket, job } } = yield* BucketEvents.load(log, Bucket.subject(caller.owner, name))
    const { tenant } = tenantOf(caller)
    const isLive = job !== undefined && !Job.isTerminal(job.status) && job.tenant === tenant
    if (isLive && job.operation === "bucket.delete") return yield* new BucketBeingDeleted({ name, jobId: job.id })
    if (bucket !== undefined && bucket.tenant === tenant) return
    if (!isLive) return yield* new Bucket.BucketMissing({ name })
  })

  const isOwn: Files["Service"]["isOwn"] = Effect.fn("Files.isOwn")(function*(caller, name) {
    const { state: { bucket } } = yield* BucketEvents.load(log, Bucket.subject(caller.owner, name))
    const { tenant } = tenantOf(caller)
    return bucket === undefined ? tenant === undefined : bucket.tenant === tenant
  })

  const requestOf = (caller: By, place: Place, jobId: Job.Id): File.Request => ({
    jobId,
    owner: caller.owner,
    ...tenantOf(caller),
    bucketName: place.bucketName,
    name: place.name
  })

  /** Runs a decision on a file; a job that was asked for before, and that others have followed, is given as it is now. */
  const run = Effect.fnUntraced(function*<Event extends File.Event, Rejection>(
    caller: By,
    place: Place,
    jobId: Job.Id,
    decide: Decision<File.State, Event, Rejection>,
    known?: Loaded
  ) {
    const subject = subjectOf(caller, place)
    yield* Effect.annotateCurrentSpan({ "job.id": jobId, "bucket.name": place.bucketName })
    const loaded = known ?? (yield* FileEvents.load(log, subject))
    return yield* FileEvents.execute(log, subject, loaded, decide, { source, traceparent: caller.traceparent }).pipe(
      Effect.flatMap(({ revision, state }) =>
        Effect.map(Effect.orDie(Effect.fromNullishOr(state.job)), (job): Current => ({ job, revision }))
      ),
      Effect.catchIf(
        (error): error is Extract<Rejection, Job.JobOver> => error instanceof Job.JobOver,
        () => earlier(subject, jobId)
      )
    )
  })
  const earlier = (subject: string, jobId: Job.Id) =>
    Effect.flatMap(
      log.read(subject),
      ({ events }) => Effect.orDie(Effect.fromNullishOr(evolveJob(jobId, undefined, events)))
    )

  const checkUpload: Files["Service"]["checkUpload"] = Effect.fn("Files.checkUpload")(
    function*(caller, place, condition) {
      yield* checkBucket(caller, place.bucketName)
      const { state } = yield* FileEvents.load(log, subjectOf(caller, place))
      // No job has this id.
      const request = requestOf(caller, place, Job.Id.make("00000000-0000-7000-8000-000000000000"))
      const checked = File.checkUpload(state, request, preconditionIn(state, condition))
      if (Result.isFailure(checked) && !(checked.failure instanceof Job.JobOver)) return yield* checked.failure
    }
  )

  const upload: Files["Service"]["upload"] = Effect.fn("Files.upload")(
    function*(caller, upload, condition, key) {
      const { staged: _, ...asked } = upload
      const jobId = yield* keys.jobFor(caller, key, ["file.upload", { ...asked, condition }])
      yield* checkBucket(caller, upload.bucketName)
      const request = { ...upload, ...requestOf(caller, upload, jobId) }
      return yield* run(
        caller,
        upload,
        jobId,
        (state, at) => File.requestUpload(request, preconditionIn(state, condition))(state, at)
      )
    }
  )

  const requestDeletion: Files["Service"]["requestDeletion"] = Effect.fn("Files.requestDeletion")(
    function*(caller, place, condition, key) {
      const jobId = yield* keys.jobFor(caller, key, ["file.delete", { ...place, condition }])
      return yield* run(
        caller,
        place,
        jobId,
        (state, at) =>
          File.requestDeletion(requestOf(caller, place, jobId), preconditionIn(state, condition))(state, at)
      )
    }
  )

  const requestAccess: Files["Service"]["requestAccess"] = Effect.fn("Files.requestAccess")(
    function*(caller, place, condition, key) {
      const jobId = yield* keys.jobFor(caller, key, ["file.access", { ...place, condition }])
      const request = { ...requestOf(caller, place, jobId), isPublic: place.isPublic }
      return yield* run(
        caller,
        place,
        jobId,
        (state, at) => File.requestAccess(request, preconditionIn(state, condition))(state, at)
      )
    }
  )

  const find: Files["Service"]["find"] = Effect.fn("Files.find")(function*(caller, place) {
    const { state: { file } } = yield* FileEvents.load(log, subjectOf(caller, place))
    return file !== undefined && file.tenant === tenantOf(caller).tenant ? file : yield* new File.FileMissing(place)
  })

  const requestDownload: Files["Service"]["requestDownload"] = Effect.fn("Files.requestDownload")(
    function*(caller, place, keepSeconds, key) {
      const { createdAt: _, encodedSize: __, id: ___, isPublic: ____, jobId: _____, tenant: ______, ...file } =
        yield* find(
          caller,
          place
        )
      const jobId = yield* keys.jobFor(caller, key, ["file.download", { ...place, keepSeconds }])
      const asked = { ...requestOf(caller, place, jobId), ...file, staged: randomUUID(), keepSeconds }
      const subject = Download.subject(caller.owner, jobId)
      const { revision, state } = yield* DownloadEvents.execute(
        log,
        subject,
        DownloadEvents.unknown,
        Download.request(asked),
        { source, traceparent: caller.traceparent }
      )
      return { job: (yield* Effect.orDie(Effect.fromNullishOr(state.job))) as AnyJob, revision }
    }
  )

  return Files.of({ checkUpload, upload, requestDeletion, requestAccess, requestDownload, isOwn, find })
})
