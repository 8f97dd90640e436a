/**
 * Verifies events in files, without any server: that they are in one hash chain from the first on, and that the checkpoints among them,
 * and others that are given, were signed of just these events.
 */
import type * as Log from "@akave-async/domain/Log"
import * as EventLine from "@akave-async/eventing/EventLine"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as HashChain from "@akave-async/eventing/HashChain"
import { Effect, Stream } from "effect"
import { closeSync, createReadStream, openSync, readSync } from "node:fs"
import { createInterface } from "node:readline"
import type { Statement } from "./audit/Findings.ts"
import * as Stores from "./audit/Stores.ts"
import type { BackupInvalid } from "./BackupFile.ts"
import * as BackupReader from "./BackupReader.ts"
import { FileInvalid } from "./CheckpointFile.ts"

export interface Verified {
  readonly events: number
  /** The hash chain's hash after the last event, as hexadecimal digits. */
  readonly hash: string
  /** The checkpoints that fit. */
  readonly confirmed: number
  /** The last event that such a checkpoint covers. */
  readonly signedUpTo: number
  /** The keys that have signed, and how many checkpoints each. */
  readonly keys: Readonly<Record<string, number>>
  readonly findings: ReadonlyArray<string>
}

/** What begins a file of gzip (RFC 1952), as backups are. */
const gzipMagic = Buffer.from([0x1f, 0x8b])
const isGzip = (file: string): boolean => {
  const start = Buffer.alloc(gzipMagic.length)
  const opened = openSync(file, "r")
  try {
    readSync(opened, start)
    return start.equals(gzipMagic)
  } finally {
    closeSync(opened)
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity })
}

const ofBackup = (file: string): Stream.Stream<StoredEvent, BackupInvalid> =>
  BackupReader.read(file).pipe(
    Stream.map(({ events, manifest: { streams: [log] } }) =>
      events.filter(({ stream }) => stream === log.name).map(({ event }) => event)
    ),
    Stream.flattenIterable
  )

const ofLines = (file: string): Stream.Stream<StoredEvent, FileInvalid> => {
  let number = 0
  return Stream.fromAsyncIterable(linesOf(file), unreadable(file)).pipe(
    Stream.mapEffect((line) => {
      number++
      return Effect.mapError(Effect.fromResult(EventLine.fromLine(line)), () =>
        new FileInvalid({
          reason: `Line ${number} of ${file} is no event: give a backup, or what replay --exact has written`
        }))
    })
  )
}

const unreadable = (file: string) => (cause: unknown) =>
  new FileInvalid({ reason: `${file} can't be read: ${cause instanceof Error ? cause.message : cause}` })

/** The events of the log that a file holds: a backup, or what `replay --exact` writes. */
const eventsIn = (file: string) =>
  Stream.unwrap(
    Effect.map(
      Effect.try({ try: () => isGzip(file), catch: unreadable(file) }),
      (isBackup): Stream.Stream<StoredEvent, BackupInvalid | FileInvalid> => isBackup ? ofBackup(file) : ofLines(file)
    )
  )

/** Verifies the events of files that follow on each other. */
export const verify = Effect.fnUntraced(function*(
  files: ReadonlyArray<string>,
  { checkpoints = [], publicKey }: Pick<Stores.Options, "checkpoints" | "publicKey">
) {
  const events = () => Stream.flatMap(Stream.fromIterable(files), eventsIn)
  const recorded: Array<Log.CheckpointSigned> = []
  yield* Stream.runForEachArray(events(), (some) => Effect.sync(() => recorded.push(...Stores.checkpointsIn(some))))
  const { findings, keys, statements } = Stores.judged([...recorded, ...checkpoints], publicKey)
  const bySequence = Map.groupBy(statements, ({ sequence }) => sequence)

  let [hash, last, confirmed, signedUpTo] = [HashChain.genesis, 0, 0, 0]
  const check = (statement: Statement) => {
    const found = Buffer.from(hash).toString("hex")
    if (found === statement.hash) {
      confirmed++
      signedUpTo = statement.sequence
    } else {
      findings.push(
        `the events ${
          signedUpTo + 1
        } to ${statement.sequence} are not those of ${statement.by}: its hash is ${statement.hash}, and theirs is ${found}`
      )
    }
  }
  yield* Stream.runForEach(events(), (event) => {
    if (event.sequence !== last + 1) {
      const reason = last === 0
        ? `The first event is ${event.sequence}: give the files before it as well, from event 1 on`
        : `Event ${last} is followed by event ${event.sequence}: events are missing, doubled, or in another order`
      return Effect.fail(new FileInvalid({ reason }))
    }
    hash = HashChain.next(hash, HashChain.encode(event))
    last = event.sequence
    for (const statement of bySequence.get(last) ?? []) check(statement)
    return Effect.void
  })
  for (const { by, sequence } of statements.filter(({ sequence }) => sequence > last)) {
    findings.push(`the events end at ${last}, before ${by} (event ${sequence})`)
  }
  return {
    events: last,
    hash: Buffer.from(hash).toString("hex"),
    confirmed,
    signedUpTo,
    keys,
    findings
  } satisfies Verified
})
