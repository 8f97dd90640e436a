/** What happens to files when commands come in any order: lives that are legal, and as mixed as they can be. */
import { DateTime, Result } from "effect"
import { BucketName } from "../src/BucketName.ts"
import { Address, FileId, RootCid, TransactionHash } from "../src/Ethereum.ts"
import * as File from "../src/File.ts"
import { FileName } from "../src/FileName.ts"
import * as Job from "../src/Job.ts"

export const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
export const bucketName = BucketName.make("my.bucket")
export const fileName = FileName.make("photos/cat.jpg")
export const jobIdOf = (n: number): Job.Id => Job.Id.make(`019845e1-682f-7b02-a706-${n.toString(16).padStart(12, "0")}`)
export const [root, otherRoot] = [RootCid.make(`b${"a".repeat(58)}`), RootCid.make(`b${"b".repeat(58)}`)]
export const fileId = FileId.make(`0x${"1".repeat(64)}`)
export const hash = TransactionHash.make(`0x${"2".repeat(64)}`)

/** Three chunks that are not encrypted. */
export const content = {
  size: 40_000_000,
  sha256: "0".repeat(64),
  dataBlocks: 16,
  parityBlocks: 16,
  encryption: "none",
  staged: "019845e1-682f-4b02-a706-000000000000"
} as const

/** What a request is about. */
export const asked = (jobId: Job.Id, tenant?: string, name: FileName = fileName) => ({
  jobId,
  owner,
  bucketName,
  name,
  ...(tenant === undefined ? {} : { tenant })
})

export type Decide<Rejection = unknown> = (
  state: File.State,
  at: DateTime.Utc
) => Result.Result<ReadonlyArray<File.Event>, Rejection>

/** What a job of an operation can come to. */
const resultOf = (job: File.FileJob | undefined, n: number): Readonly<Record<string, unknown>> => {
  if (job?.operation === "file.upload") return { fileId, rootCid: n % 2 === 0 ? root : otherRoot, encodedSize: n }
  return job?.operation === "file.access" ? { fileId, isPublic: job.request.isPublic } : { fileId }
}

export interface Given {
  /** The job that the command is for. */
  readonly jobId: Job.Id
  readonly name?: FileName
  /** The latest job, whose operation decides what can be asked of it. */
  readonly live: File.FileJob | undefined
  /** From which follows what the command says beyond that. */
  readonly n: number
  /** When an attempt that fails is followed by another. */
  readonly retryAt: DateTime.Utc
}

/** The command that leads to a step like that of an event; none where the live job's operation has no such step. */
export const commandFor = (like: File.Event, { jobId, live, n, name, retryAt }: Given): Decide => {
  const { occurredAt: _, ...step } = File.stepOf(like)
  const precondition = (["none", "any", [root], [otherRoot]] as const)[n % 4] ?? "none"
  const tenant = n % 13 === 0 ? "acme" : undefined
  const isUpload = live?.operation === "file.upload"
  switch (step.step) {
    case "requested":
      if (step.operation === "file.upload") {
        return File.requestUpload({ ...asked(jobId, undefined, name), ...content }, precondition)
      }
      return step.operation === "file.delete"
        ? File.requestDeletion(asked(jobId, tenant, name), precondition)
        : File.requestAccess({ ...asked(jobId, tenant, name), isPublic: n % 2 === 0 }, precondition)
    case "started":
      return File.onJob(Job.startAttempt(jobId))
    case "submitted":
      return File.onJob(Job.recordSubmission({ ...step, jobId }))
    case "attemptFailed":
      return File.onJob(Job.failAttempt({ ...step, jobId, retryAt }))
    case "advanced": {
      if (!isUpload) return () => Result.succeed([])
      const parts = File.uploadParts(live.request).slice(0, -1)
      return File.onJob(
        Job.advance({ ...step, jobId, part: parts[parts.indexOf(Job.doneOf(live) ?? "") + 1] ?? "create" })
      )
    }
    case "abandoned":
      return isUpload ? File.onJob(Job.abandon({ ...step, jobId })) : () => Result.succeed([])
    case "completed":
      return File.onJob(Job.complete({ ...step, jobId, own: resultOf(live, n) }))
    case "failed":
      return n % 3 === 0 ? File.onJob(Job.endAbandoned(jobId)) : File.onJob(Job.fail({ ...step, jobId }))
    case "cancelled":
      return n % 3 === 0 ? File.onJob(Job.endAbandoned(jobId)) : File.cancel({ ...step, jobId })
  }
}

/** The events of commands like those that led to these, on three files at a time, five hundred for each; refusals are left out. */
export const history = (likes: ReadonlyArray<File.Event>, epoch: DateTime.Utc): ReadonlyArray<File.Event> => {
  const states = new Map<string, File.State>()
  return likes.flatMap((like, n): ReadonlyArray<File.Event> => {
    const name = FileName.make(`ünder/${n % 3 + 3 * Math.floor(n / 1_500)}`)
    const state = states.get(name) ?? File.initial
    const { job: live } = state
    const jobId = live === undefined || File.stepOf(like).step === "requested" ? jobIdOf(n) : live.id
    const at = DateTime.add(epoch, { seconds: n })
    const decide = commandFor(like, { jobId, name, live, n, retryAt: at })
    const decided = Result.getOrElse(decide(state, at), () => [])
    states.set(name, decided.reduce(File.evolve, state))
    return decided
  })
}
