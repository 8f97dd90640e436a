/** How far jobs on files have come. */
import * as File from "@akave-async/domain/File"
import * as Job from "@akave-async/domain/Job"
import type { AnyJob } from "@akave-async/domain/Operations"
import { Schema } from "effect"

/** What a job on a file is at. */
export const Stage = Schema.Literals([
  /** No executor has begun it. */
  "waiting",
  /** The file that is there is deleted. */
  "deleting",
  "creating",
  "storing",
  "committing",
  /** What was stored is taken back: the job fails, or is cancelled. */
  "removing",
  "fetching",
  "changing",
  "done"
])
export const Progress = Schema.Struct({
  stage: Stage,
  /** Of the file; those done are stored on the network. */
  bytes_done: Schema.Natural,
  bytes_total: Schema.Natural,
  /** Transactions, of which a job on a file has one or more. */
  parts_done: Schema.Natural,
  parts_total: Schema.Natural
}).annotate({ identifier: "Progress", description: "How far a job on a file has come" })
export type Progress = typeof Progress.Type

const stageOf = (part: Job.Part): Progress["stage"] => {
  if (part === "delete") return "deleting"
  return part === "create" ? "creating" : part === "commit" ? "committing" : "storing"
}

const uploadProgress = (job: File.Upload): Progress => {
  const parts = File.uploadParts(job.request)
  const done = job.status === "completed" ? parts.length : parts.indexOf(Job.doneOf(job) ?? "") + 1
  const stage = Job.isTerminal(job.status) ? "done" : job.status === "queued" ? "waiting" : Job.abandonedOf(job)
    ? "removing"
    : stageOf(parts[done] ?? "commit")
  return {
    stage,
    bytes_done: File.bytesDone(job),
    bytes_total: job.request.size,
    parts_done: done,
    parts_total: parts.length
  }
}

/** How far a job has come; null where its operation has no progress to show. */
export const progressOf = (job: AnyJob): Progress | null => {
  switch (job.operation) {
    case "bucket.create":
    case "bucket.delete":
      return null
    case "file.upload":
      return uploadProgress(job)
    default: {
      const isDone = job.status === "completed"
      const [size, parts] = job.operation === "file.download" ? [job.request.size, 0] : [0, 1]
      const under = job.operation === "file.download"
        ? "fetching"
        : job.operation === "file.delete"
        ? "deleting"
        : "changing"
      return {
        stage: Job.isTerminal(job.status) ? "done" : job.status === "queued" ? "waiting" : under,
        bytes_done: isDone ? size : 0,
        bytes_total: size,
        parts_done: isDone ? parts : 0,
        parts_total: parts
      }
    }
  }
}
