/** Events to rows: what one batch of the log does to the read model, as values. */
import * as Bucket from "@akave-async/domain/Bucket"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { DateTime, Result, Schema } from "effect"

const encodeJob = Schema.encodeSync(Schema.toCodecJson(Job.Job))
const encodeLetter = Schema.encodeSync(Schema.toCodecJson(DeadLetter.DeadLetter))
const encodeEvent = Schema.encodeSync(Schema.toCodecJson(Bucket.Event))

export interface Batch {
  readonly archive: ReadonlyArray<{
    readonly sequence: number
    readonly subject: string
    readonly headers: string
    readonly data: string
    readonly hash: string
  }>
  readonly events: ReadonlyArray<{ readonly sequence: number; readonly event: Bucket.Event }>
  readonly deadLetterEvents: ReadonlyArray<{ readonly sequence: number; readonly event: DeadLetter.Event }>
  readonly undecodable: ReadonlyArray<string>
  readonly lastSequence: number
  readonly lastHash: string
  readonly occurredAt: string | null
}

/** Reads a run of stored events that follows on the checkpoint with this hash (hex). */
export const read = (previousHash: string, stored: ReadonlyArray<StoredEvent>): Batch => {
  let hash: Uint8Array = Buffer.from(previousHash, "hex")
  const archive: Array<Batch["archive"][number]> = []
  const events: Array<Batch["events"][number]> = []
  const deadLetterEvents: Array<Batch["deadLetterEvents"][number]> = []
  const undecodable: Array<string> = []
  let occurredAt: DateTime.Utc | undefined
  for (const one of stored) {
    hash = HashChain.next(hash, one)
    archive.push({
      sequence: one.sequence,
      subject: one.subject,
      headers: HashChain.canonicalHeaders(one),
      data: hex(one.data),
      hash: hex(hash)
    })
    const decoded = LogEvents.decode(one)
    if (Result.isFailure(decoded)) {
      undecodable.push(decoded.failure.message)
      continue
    }
    const { aggregate, event } = decoded.success
    occurredAt = event.occurredAt
    if (aggregate === "bucket") events.push({ sequence: one.sequence, event })
    else deadLetterEvents.push({ sequence: one.sequence, event })
  }
  return {
    archive,
    events,
    deadLetterEvents,
    undecodable,
    lastSequence: stored.at(-1)?.sequence ?? 0,
    lastHash: hex(hash),
    occurredAt: occurredAt === undefined ? null : DateTime.formatIso(occurredAt)
  }
}

/**
 * Rows to write for these events, given the jobs they speak of as they were before. Buckets that were deleted are removed
 * before others are added, since a bucket may have been deleted and created again.
 */
export const rows = (before: ReadonlyMap<string, Job.Job>, events: Batch["events"]) => {
  const jobs = new Map<string, { readonly job: Job.Job; readonly revision: number }>()
  const buckets = new Map<string, Record<string, unknown>>()
  const deletedBuckets = new Map<string, { readonly bucket_id: string; readonly revision: number }>()
  for (const { event, sequence } of events) {
    const job = Bucket.evolveJob(jobs.get(event.jobId)?.job ?? before.get(event.jobId), event)
    if (job === undefined) continue
    jobs.set(event.jobId, { job, revision: sequence })
    // A bucket that was created twice is the first one's.
    if (event._tag === "BucketCreated" && !buckets.has(event.bucketId)) {
      buckets.set(event.bucketId, {
        owner: job.owner,
        name: job.bucketName,
        bucket_id: event.bucketId,
        tx_hash: event.transactionHash ?? null,
        job_id: job.id,
        created_at: DateTime.formatIso(event.occurredAt),
        revision: sequence
      })
    }
    if (event._tag === "BucketDeleted") {
      buckets.delete(event.bucketId)
      deletedBuckets.set(event.bucketId, { bucket_id: event.bucketId, revision: sequence })
    }
  }
  return {
    deletedBuckets: [...deletedBuckets.values()],
    buckets: [...buckets.values()],
    jobs: Array.from(jobs.values(), ({ job, revision }) => ({
      id: job.id,
      operation: job.operation,
      bucket_name: job.bucketName,
      owner: job.owner,
      tenant: job.tenant ?? null,
      idempotency_key_hash: job.idempotencyKeyHash ?? null,
      status: job.status,
      tx_hash: job.transactionHash ?? null,
      error: job.error ?? null,
      created_at: DateTime.formatIso(job.createdAt),
      updated_at: DateTime.formatIso(job.updatedAt),
      revision,
      job: encodeJob(job)
    })),
    jobEvents: events.map(({ event, sequence }) => ({
      sequence,
      job_id: event.jobId,
      type: event._tag,
      occurred_at: DateTime.formatIso(event.occurredAt),
      event: encodeEvent(event)
    }))
  }
}

/** Rows of the dead letters that these events speak of, given the letters as they were before. */
export const deadLetterRows = (
  before: ReadonlyMap<number, DeadLetter.DeadLetter>,
  events: Batch["deadLetterEvents"]
) => {
  const letters = new Map<number, { readonly letter: DeadLetter.DeadLetter; readonly revision: number }>()
  for (const { event, sequence: revision } of events) {
    const known = letters.get(event.sequence)?.letter ?? before.get(event.sequence)
    const letter = DeadLetter.evolve(known, event)
    if (letter !== undefined) letters.set(event.sequence, { letter, revision })
  }
  return Array.from(letters.values(), ({ letter, revision }) => ({
    sequence: letter.sequence,
    subject: letter.subject,
    type: letter.type,
    reason: letter.reason,
    status: letter.status,
    revision,
    letter: encodeLetter(letter)
  }))
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
