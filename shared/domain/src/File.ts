// oxlint-disable max-lines -- the whole of a file: its events, parts, state and decisions
/**
 * The file aggregate: one file name in one bucket of one owner, and the jobs on it. At most one job is live at a time.
 */
import { type DateTime, Result, Schema } from "effect"
import * as BucketName from "./BucketName.ts"
import { Address, FileId, RootCid } from "./Ethereum.ts"
import * as FileName from "./FileName.ts"
import * as Job from "./Job.ts"

/** Who has the key that a file is encrypted with: nobody, since it is not; the account, from the gateway's secret; or the client alone. */
export const Encryption = Schema.Literals(["none", "account", "client"])
export type Encryption = typeof Encryption.Type

/** How a file is stored on the network. */
const storage = {
  /** Of the blocks of a chunk, 32 in all: those that hold its bytes, and those from which lost ones are restored. */
  dataBlocks: Schema.Int.check(Schema.isBetween({ minimum: 16, maximum: 32 })),
  parityBlocks: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 16 })),
  encryption: Encryption,
  /** Which of the gateway's secrets the account's key follows from. */
  keyId: Schema.optionalKey(Schema.NonEmptyString)
}
/** Which file: by its names here, and by the one that the network knows, where that is encrypted. */
const place = {
  bucketName: BucketName.BucketName,
  name: FileName.FileName,
  nameOnWire: Schema.optionalKey(Schema.NonEmptyString)
}
const content = {
  /** Bytes, before any encryption; the network stores none of 0. */
  size: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Of the same bytes, in 64 lower-case hex digits. */
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)),
  contentType: Schema.optionalKey(Schema.NonEmptyString)
}
/** The fields of a file's download, of which the download has its own job. */
export const fields = { ...place, ...content, ...storage }

// Tags and fields are the stored format: add an operation or an optional field, never rename, retype or remove one.
export const operations = {
  "file.upload": {
    events: {
      requested: "FileUploadRequested",
      started: "FileUploadStarted",
      submitted: "FileUploadSubmitted",
      attemptFailed: "FileUploadAttemptFailed",
      advanced: "FileUploadAdvanced",
      abandoned: "FileUploadAbandoned",
      completed: "FileUploaded",
      failed: "FileUploadFailed",
      cancelled: "FileUploadCancelled"
    },
    request: {
      ...fields,
      /** What the staging store calls the bytes that are to be stored: encrypted, chunk by chunk, where the file is to be. */
      staged: Schema.NonEmptyString,
      /** Whether a file of this name is there, which is deleted first. */
      replaces: Schema.Boolean
    },
    result: {
      fileId: FileId,
      rootCid: RootCid,
      /** Bytes of all blocks. */
      encodedSize: Schema.Natural
    }
  },
  "file.delete": {
    events: {
      requested: "FileDeletionRequested",
      started: "FileDeletionStarted",
      submitted: "FileDeletionSubmitted",
      attemptFailed: "FileDeletionAttemptFailed",
      completed: "FileDeleted",
      failed: "FileDeletionFailed",
      cancelled: "FileDeletionCancelled"
    },
    request: place,
    result: { fileId: FileId }
  },
  "file.access": {
    events: {
      requested: "FileAccessRequested",
      started: "FileAccessStarted",
      submitted: "FileAccessSubmitted",
      attemptFailed: "FileAccessAttemptFailed",
      completed: "FileAccessChanged",
      failed: "FileAccessFailed",
      cancelled: "FileAccessCancelled"
    },
    request: { ...place, isPublic: Schema.Boolean },
    result: { fileId: FileId, isPublic: Schema.Boolean }
  }
} as const satisfies Readonly<Record<string, Job.Operation>>

export const Event = Schema.TaggedUnion(Job.cases(operations))
export type Event = typeof Event.Type
export const { FileAccessRequested, FileDeletionRequested, FileUploadRequested } = Event.cases

/** A job on a file. */
export type FileJob = Job.JobOf<typeof operations>
export const FileJob = Job.schema(operations)
export type Upload = Extract<FileJob, { readonly operation: "file.upload" }>

export const { cancel, eventOf, onJob, stepOf } = Job.naming<typeof operations, Event>(operations)

/** What the subjects of all files begin with. */
export const kind = "file"
/** The subject, below the log's prefix, that holds all events of one file name in one bucket of one owner. */
export const subject = (owner: Address, bucketName: BucketName.BucketName, name: FileName.FileName): string =>
  `${kind}.${owner.toLowerCase()}.${BucketName.toToken(bucketName)}.${FileName.toToken(name)}`

/** The owner (in lower case) and the names that {@link subject} made into this subject. */
export const partsOf = (subject: string) => {
  const [, owner = "", bucket = "", token = ""] = subject.split(".")
  return {
    owner: Address.make(owner),
    bucketName: BucketName.BucketName.make(BucketName.fromToken(bucket)),
    name: FileName.FileName.make(FileName.fromToken(token))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Parts of an upload

/** Bytes that a block holds of a chunk, and that encryption adds to a chunk: constants of the network. */
const [blockPayload, encryptionOverhead] = [1_000_000, 28]

type Stored = Pick<Upload["request"], "dataBlocks" | "encryption" | "size">

/** Bytes of a full chunk as it is staged and stored: encrypted, where the file is. */
export const chunkLength = ({ dataBlocks }: Pick<Stored, "dataBlocks">): number => dataBlocks * blockPayload
/** Bytes of a full chunk before encryption. */
export const plaintextLength = ({ dataBlocks, encryption }: Omit<Stored, "size">): number =>
  chunkLength({ dataBlocks }) - (encryption === "none" ? 0 : encryptionOverhead)
/** How many chunks a file has. */
export const chunkCount = (of: Stored): number => Math.ceil(of.size / plaintextLength(of))
/** Bytes of the whole file as it is staged. */
export const stagedSize = (of: Stored): number =>
  of.size + (of.encryption === "none" ? 0 : encryptionOverhead * chunkCount(of))

/** The part that adds a chunk. */
export const chunkPart = (index: number): Job.Part => `chunk.${index}`
/** The chunk that a part adds; undefined for other parts. */
export const chunkOf = (part: Job.Part): number | undefined =>
  part.startsWith("chunk.") ? Number(part.slice("chunk.".length)) : undefined

/** The parts of an upload, in their order: the file that is there before it is deleted, where there is one. */
export const uploadParts = (request: Upload["request"]): ReadonlyArray<Job.Part> => [
  ...(request.replaces ? ["delete"] : []),
  "create",
  ...Array.from({ length: chunkCount(request) }, (_, n) => chunkPart(n)),
  "commit"
]

/** Bytes of the file whose chunks are known to be on chain. */
export const bytesDone = (job: Upload): number => {
  if (job.status === "completed") return job.request.size
  const chunk = chunkOf(Job.doneOf(job) ?? "create")
  return chunk === undefined ? 0 : Math.min(job.request.size, (chunk + 1) * plaintextLength(job.request))
}

// ---------------------------------------------------------------------------------------------------------------------
// State

/** A file on the network that a job has uploaded. */
export interface File extends Omit<Upload["request"], "replaces" | "staged"> {
  readonly id: FileId
  readonly rootCid: RootCid
  readonly encodedSize: number
  readonly isPublic: boolean
  /** The job that has uploaded it. */
  readonly jobId: Job.Id
  readonly tenant?: string
  readonly createdAt: DateTime.Utc
}
export interface State extends Job.Jobs<FileJob> {
  /** The file, while it exists. */
  readonly file: File | undefined
}
export const initial: State = { ...Job.noJobs, file: undefined }

export const evolve = (state: State, event: Event): State => {
  const next = { ...state, ...Job.evolveJobs(state, stepOf(event)) }
  switch (event._tag) {
    case "FileUploaded":
      return { ...next, file: uploaded(next.job, event) ?? state.file }
    case "FileUploadAdvanced":
      return event.part === "delete" ? { ...next, file: undefined } : next
    case "FileDeleted":
      return { ...next, file: undefined }
    case "FileAccessChanged":
      return { ...next, file: state.file && { ...state.file, isPublic: event.isPublic } }
    default:
      return next
  }
}

const uploaded = (
  job: FileJob | undefined,
  { encodedSize, fileId: id, occurredAt: createdAt, rootCid }: typeof Event.cases.FileUploaded.Type
): File | undefined => {
  if (job?.operation !== "file.upload") return undefined
  const { replaces: _, staged: __, ...request } = job.request
  const tenant = job.tenant === undefined ? {} : { tenant: job.tenant }
  return { ...request, id, rootCid, encodedSize, isPublic: false, jobId: job.id, ...tenant, createdAt }
}

/** Whether there is no such file, and none is asked for: the next request is decided as the first one was. */
export const hasEnded = ({ file, job }: State): boolean =>
  file === undefined && job !== undefined && Job.isTerminal(job.status)

// ---------------------------------------------------------------------------------------------------------------------
// Decisions

/** A file of this name is there, and the request does not say that it is to be replaced. */
export class FileExists extends Schema.TaggedError<FileExists>()("FileExists", { jobId: Job.Id, rootCid: RootCid }) {
  override readonly message = `The file exists already; job ${this.jobId} uploaded it`
}
/** No file of this name was uploaded, or it was deleted. */
export class FileMissing extends Schema.TaggedError<FileMissing>()("FileMissing", {
  bucketName: BucketName.BucketName,
  name: FileName.FileName
}) {
  override readonly message = `The bucket ${this.bucketName} has no file ${JSON.stringify(this.name)}`
}
/** The file is not the one that the request is for. */
export class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", {
  rootCid: Schema.UndefinedOr(RootCid)
}) {
  override readonly message = this.rootCid === undefined
    ? "There is no such file, so it is not the one that the request is for"
    : `The file has the root ${this.rootCid}, so it is not the one that the request is for`
}
export class FileBusy extends Schema.TaggedError<FileBusy>()("FileBusy", { jobId: Job.Id }) {
  override readonly message = `Job ${this.jobId} on this file has not ended; follow that job`
}
/** Another account of the same wallet has a file of this name, or has asked for it. */
export class FileNameTaken extends Schema.TaggedError<FileNameTaken>()("FileNameTaken", { name: FileName.FileName }) {
  override readonly message = `The name ${JSON.stringify(this.name)} is taken by another account of the same wallet`
}

/** What every request for a job on a file has. */
export interface Request {
  readonly jobId: Job.Id
  readonly owner: Address
  readonly tenant?: string
  readonly idempotencyKeyHash?: string
  readonly bucketName: BucketName.BucketName
  readonly name: FileName.FileName
}
/** Which file the request may be for: any or none, one that is there whichever it is, or one of these roots. */
export type Precondition = "none" | "any" | ReadonlyArray<string>

type Decision<Event, Rejection> = (
  state: State,
  occurredAt: DateTime.Utc
) => Result.Result<ReadonlyArray<Event>, Rejection>

/** Whether the name is free for another job; false where this very job was asked for before, and is the latest one. */
const free = (
  { earlier, file, job }: State,
  { jobId, name, tenant }: Request
): Result.Result<boolean, FileBusy | FileNameTaken | Job.JobOver> => {
  if (earlier.includes(jobId)) return Result.fail(new Job.JobOver({ jobId }))
  if (job?.id === jobId) return Result.succeed(false)
  const isLive = job !== undefined && !Job.isTerminal(job.status)
  if ((isLive && job.tenant !== tenant) || (file !== undefined && file.tenant !== tenant)) {
    return Result.fail(new FileNameTaken({ name }))
  }
  return isLive ? Result.fail(new FileBusy({ jobId: job.id })) : Result.succeed(true)
}

const holds = ({ file }: State, precondition: Precondition): boolean =>
  typeof precondition === "string" || (file !== undefined && precondition.includes(file.rootCid))

/** A file that is there, and may be changed by this request. */
const existing = (
  state: State,
  request: Request,
  precondition: Precondition
): Result.Result<File | undefined, FileBusy | FileChanged | FileMissing | Job.JobOver> =>
  Result.flatMap(
    // Who may not know of what others have finds no file.
    Result.mapError(
      free(state, request),
      (error) => error instanceof FileNameTaken ? new FileMissing(request) : error
    ),
    (isNew): Result.Result<File | undefined, FileChanged | FileMissing> => {
      if (!isNew) return Result.succeed(undefined)
      if (!holds(state, precondition)) return Result.fail(new FileChanged({ rootCid: state.file?.rootCid }))
      return state.file === undefined ? Result.fail(new FileMissing(request)) : Result.succeed(state.file)
    }
  )

export type UploadRequest = Request & Omit<Upload["request"], "replaces">

/**
 * Why an upload would not be accepted, before its bytes are there; nothing where it would be.
 * @param precondition `none`: there is no such file; `any`: a file that is there is replaced; else the roots of which it must have one.
 */
export const checkUpload = (
  state: State,
  request: Request,
  precondition: Precondition
): Result.Result<boolean, FileBusy | FileChanged | FileExists | FileNameTaken | Job.JobOver> =>
  Result.flatMap(free(state, request), (isNew): Result.Result<boolean, FileChanged | FileExists> => {
    if (!isNew) return Result.succeed(false)
    if (!holds(state, precondition)) return Result.fail(new FileChanged({ rootCid: state.file?.rootCid }))
    const { file } = state
    return precondition === "none" && file !== undefined
      ? Result.fail(new FileExists({ jobId: file.jobId, rootCid: file.rootCid }))
      : Result.succeed(true)
  })

/** Asks for the upload of a file whose bytes are staged. A file that is there is deleted first, where `precondition` says so. */
export const requestUpload = (
  request: UploadRequest,
  precondition: Precondition
): Decision<
  typeof FileUploadRequested.Type,
  FileBusy | FileChanged | FileExists | FileNameTaken | Job.JobOver
> =>
(state, occurredAt) =>
  Result.map(
    checkUpload(state, request, precondition),
    (isNew) => isNew ? [FileUploadRequested.make({ ...request, replaces: state.file !== undefined, occurredAt })] : []
  )

const onWireOf = ({ nameOnWire }: File) => nameOnWire === undefined ? {} : { nameOnWire }

/** Asks for the deletion of a file. */
export const requestDeletion = (
  request: Request,
  precondition: Precondition = "any"
): Decision<typeof FileDeletionRequested.Type, FileBusy | FileChanged | FileMissing | Job.JobOver> =>
(state, occurredAt) =>
  Result.map(
    existing(state, request, precondition),
    (file) => file === undefined ? [] : [FileDeletionRequested.make({ ...request, ...onWireOf(file), occurredAt })]
  )

/** Asks for a change of who may read a file. */
export const requestAccess = (
  request: Request & { readonly isPublic: boolean },
  precondition: Precondition = "any"
): Decision<typeof FileAccessRequested.Type, FileBusy | FileChanged | FileMissing | Job.JobOver> =>
(state, occurredAt) =>
  Result.map(
    existing(state, request, precondition),
    (file) => file === undefined ? [] : [FileAccessRequested.make({ ...request, ...onWireOf(file), occurredAt })]
  )
