/** The audit of the event log and its archive: each event in both, the hash chain, and the checkpoints that were signed of it. */
import * as Log from "@akave-async/domain/Log"
import * as Checkpoints from "@akave-async/eventing/Checkpoints"
import { EventLog, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as Archive from "@akave-async/read-model/Archive"
import { checkpoint } from "@akave-async/read-model/Checkpoint"
import { DateTime, Effect, Result, Stream } from "effect"
import * as History from "../History.ts"
import type { Side } from "./Alignment.ts"
import { Comparison, type Result as Compared } from "./Comparison.ts"
import { type Finding, sentenceOf, type Statement } from "./Findings.ts"

export interface Options {
  /** The key that must have signed a checkpoint for it to count; without it, whichever key has. */
  readonly publicKey?: string
  /** Checkpoints that were exported before: those that the log no longer has count as well. */
  readonly checkpoints?: ReadonlyArray<Log.CheckpointSigned>
  readonly onProgress?: (done: number, of: number) => void
}

export interface Audited extends Omit<Compared, "findings" | "confirmed"> {
  readonly findings: ReadonlyArray<Finding>
  /** What is wrong with checkpoints themselves. */
  readonly checkpointFindings: ReadonlyArray<string>
  readonly checkpointsConfirmed: number
  /** The last event that a signed checkpoint covers. */
  readonly signedUpTo: number
  /** The keys that have signed, and how many checkpoints each. */
  readonly keys: Readonly<Record<string, number>>
  /** Events of the log behind what the archive has by now. */
  readonly notArchivedYet: number
}

const nameOfCheckpoint = ({ occurredAt, publicKey }: Log.CheckpointSigned) =>
  `the checkpoint of ${DateTime.formatIso(occurredAt)}, signed by ${publicKey}`

/** Which checkpoints count, and what is wrong with the others. */
export const judged = (checkpoints: ReadonlyArray<Log.CheckpointSigned>, trusted: string | undefined) => {
  const findings: Array<string> = []
  const keys: Record<string, number> = {}
  const statements = new Map<string, Statement>()
  const seen = new Set<string>()
  for (const one of checkpoints) {
    const name = `${nameOfCheckpoint(one)} (event ${one.sequence})`
    if (!Checkpoints.isSigned(one)) findings.push(`${name}: the signature is not that key's`)
    else if (trusted !== undefined && one.publicKey !== trusted) {
      findings.push(`${name}: that key is not the one to trust`)
    } else {
      // One that was exported is in the log as well.
      if (seen.has(one.signature)) continue
      seen.add(one.signature)
      keys[one.publicKey] = (keys[one.publicKey] ?? 0) + 1
      statements.set(`${one.sequence} ${one.hash}`, {
        sequence: one.sequence,
        hash: one.hash,
        by: nameOfCheckpoint(one)
      })
    }
  }
  return { findings, keys, statements: [...statements.values()] }
}

/** The checkpoints that events have among them. */
export const checkpointsIn = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<Log.CheckpointSigned> =>
  events.flatMap((stored) => {
    const record = Result.getOrUndefined(LogEvents.codec.decode(stored))
    return record?._tag === "CheckpointSigned" ? [record] : []
  })

/** Events that a store hands over at a time, at most. */
const chunk = 1_000

/** Compares the log with the archive up to the read model's checkpoint. */
export const audit = Effect.fnUntraced(function*({ checkpoints = [], onProgress, publicKey }: Options) {
  const log = yield* EventLog
  const { hash, sequence: end } = yield* checkpoint()
  const last = yield* log.lastSequence
  const seam = yield* LogEvents.archivedUpTo(log)
  const recorded = checkpointsIn((yield* log.read(Log.subject("CheckpointSigned"))).events)
  const { findings, keys, statements } = judged([...recorded, ...checkpoints], publicKey)
  const unsigned: Statement = {
    sequence: end,
    hash: Buffer.from(hash).toString("hex"),
    by: "the read model's own checkpoint"
  }
  const isSigned = ({ hash, sequence }: Statement) =>
    statements.some((one) => one.sequence === sequence && one.hash === hash)
  const comparison = new Comparison(end === 0 || isSigned(unsigned) ? statements : [...statements, unsigned], seam)

  const unreadable: Array<Finding> = []
  // What can't be read is a finding, and counts as what the log has there, so that the rest is compared.
  const ofArchive = Archive.segments(1, end).pipe(
    Stream.flatMap((segment) =>
      Stream.unwrap(Effect.matchEffect(Archive.unpack(segment), {
        onSuccess: (events) => Effect.succeed(Stream.fromIterable(events)),
        onFailure: ({ cause, firstSequence: from, lastSequence: to }) =>
          Effect.sync(() => {
            unreadable.push({
              _tag: "Unreadable",
              from,
              to,
              reason: cause instanceof Error ? cause.message : `${cause}`
            })
            return Stream.unwrap(Effect.map(log.page(">", from, to - from + 1), Stream.fromIterable)).pipe(
              Stream.filter(({ sequence }) => sequence <= to)
            )
          })
      }))
    )
  )
  const pulls = {
    log: yield* Stream.toPull(Stream.rechunk(History.ofLog(1, Math.min(end, last)), chunk)),
    archive: yield* Stream.toPull(Stream.rechunk(ofArchive, chunk))
  } satisfies Record<Side, unknown>
  let done = 0
  for (let side; (side = comparison.wanted) !== undefined;) {
    const now: Side = side
    yield* Effect.matchEffect(pulls[now], {
      onSuccess: (events) =>
        Effect.sync(() => {
          comparison.offer(now, events)
          if (now === "archive") onProgress?.(done += events.length, end)
        }),
      onFailure: (error) =>
        "_tag" in error && error._tag === "Done" ? Effect.sync(() => comparison.end(now)) : Effect.fail(error)
    })
  }
  const { confirmed, ...compared } = comparison.result()
  const signed = confirmed.filter((one) => one !== unsigned)
  return {
    ...compared,
    findings: [...unreadable, ...compared.findings],
    checkpointFindings: findings,
    checkpointsConfirmed: signed.length,
    signedUpTo: signed.at(-1)?.sequence ?? 0,
    keys,
    notArchivedYet: Math.max(0, last - end)
  }
}, Effect.scoped)

/** What was found, in sentences. */
export const sentencesOf = ({ checkpointFindings, findings, more }: Audited): ReadonlyArray<string> => [
  ...checkpointFindings,
  ...findings.map(sentenceOf),
  ...(more === 0 ? [] : [`and ${more} more`])
]
