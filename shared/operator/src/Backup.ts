/**
 * Writes all that the event log and the ledgers of wallets hold into one file, while the services go on.
 *
 * Accounts, keys, webhooks and idempotency keys are events of the log. Not in it are secrets (the master secret, keys of wallets, the
 * key of checkpoints), the chain, and the read model, which follows from the log.
 *
 * The log's end is taken before those of the ledgers. A claim is stored before its transaction is sent, and that before the log has
 * it: so the file knows the claim of each transaction that its log has. The other way round it might have a transaction whose claim
 * is missing, and its job would send a second one. Claims of jobs of which the log in the file does not know are only claims: their
 * transactions were about to be sent anyway.
 */
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HashChain from "@akave-async/eventing/HashChain"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { Nats } from "@akave-async/platform/Nats"
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { createWriteStream, existsSync, rmSync } from "node:fs"
import { open, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import manifest from "../package.json" with { type: "json" }
import * as BackupFile from "./BackupFile.ts"
import * as BackupFiles from "./BackupFiles.ts"
import * as History from "./History.ts"
import * as Ledgers from "./Ledgers.ts"
import * as Settings from "./Settings.ts"

/** No backup was written. */
export class BackupRefused extends Schema.TaggedError<BackupRefused>()("BackupRefused", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** What a file, or several, have of one stream. */
export interface Row {
  readonly stream: string
  readonly kind: BackupFile.Part["kind"]
  readonly events: number
  readonly first_sequence: number
  /** The sequence of the last event, and the hash chain's hash after it. */
  readonly last_sequence: number
  readonly hash: string
}

const rowOf = ({ first, hash, kind, last, name }: BackupFiles.Reached): Row => ({
  stream: name,
  kind,
  events: last - first + 1,
  first_sequence: first,
  last_sequence: last,
  hash: BackupFile.hexOf(hash)
})

/** Whether files are whole and follow on each other, and what they have together; asks no server. */
export const verify = (files: ReadonlyArray<string>, onEvent: () => void = () => {}) =>
  Effect.map(BackupFiles.verify(files, onEvent), (reached) => reached.map(rowOf))

/** One stream as the server has it. */
interface Found extends Pick<BackupFile.Part, "name" | "prefix" | "kind"> {
  readonly log: EventLogShape
  readonly last: number
}

/** What the server has: the log first, and then the ledgers, whose ends are taken later. */
const found = Effect.gen(function*() {
  const log = yield* EventLog
  const connection = yield* Nats
  const { prefix, stream } = yield* EventLogJetStream.eventsConfig
  const events: Found = { name: stream, prefix, kind: "events", log, last: yield* log.lastSequence }
  const ledgers = yield* Effect.forEach(
    yield* Ledgers.all,
    Effect.fnUntraced(function*({ name, prefix }) {
      const options = { stream: name, prefix, isRestoring: true }
      const log = yield* EventLogJetStream.attach(connection, options)
      return { name, prefix, kind: "ledger", log, last: yield* log.lastSequence } satisfies Found
    })
  )
  return [events, ...ledgers] as const
})

/** The events of a stream behind one, up to its end. */
const eventsOf = ({ kind, last, log }: Found, behind: number) => {
  const ofStream = History.ofLog(behind + 1, last).pipe(Stream.provideService(EventLog, log))
  if (kind === "ledger") return ofStream
  // What was taken out of the log's stream is in the archive, and only then the database is needed.
  return Stream.unwrap(Effect.map(
    Effect.flatMap(EventLog, LogEvents.archivedUpTo),
    (seam) =>
      seam > behind
        ? History.events(behind + 1, last).pipe(Stream.provide(Settings.database))
        : ofStream
  ))
}

/** Fails where a stream is not the one that an earlier file has the first events of. */
const checkSame = Effect.fnUntraced(function*(known: BackupFiles.Reached, now: Found | undefined, file: string) {
  const remedy = "take a whole backup, without --after"
  const other = (reason: string) => new BackupRefused({ reason: `${reason}: ${remedy}` })
  if (now === undefined) return yield* other(`${file} has ${known.name}, and the server has no such stream`)
  if (now.last < known.last) {
    return yield* other(`${known.name} ends at event ${now.last}, and ${file} has its events up to ${known.last}`)
  }
  const upToKnown = { ...now, last: known.last }
  const { event } = known
  if (event === undefined) {
    // The file has nothing of it but how far it was.
    const hash = yield* Stream.runFold(eventsOf(upToKnown, 0), () => HashChain.genesis, HashChain.after)
    if (!known.hash.every((byte, n) => byte === hash[n])) {
      return yield* other(`${known.name} has other events up to ${known.last} than when ${file} was made`)
    }
    return
  }
  const stored = yield* Stream.runHead(eventsOf(upToKnown, known.last - 1))
  const isSame = Option.exists(stored, (one) => HashChain.encode(one).equals(HashChain.encode(event)))
  if (!isSame) return yield* other(`Event ${known.last} of ${known.name} is another than in ${file}`)
})

/** What is in it is as private as the log. */
const ownerOnly = 0o600

/** Brings the text into a file of this name, which is there once all of it is on the disk. */
const write = Effect.fnUntraced(function*<E, R>(file: string, text: Stream.Stream<string, E, R>) {
  const begun = `${file}.${process.pid}.partial`
  const lines = yield* Stream.toAsyncIterableEffect(text)
  yield* Effect.tryPromise({
    try: async (signal) => {
      await pipeline(lines, createGzip(), createWriteStream(begun, { flags: "wx", flush: true, mode: ownerOnly }), {
        signal
      })
      if (existsSync(file)) throw new Error("it has come to be meanwhile")
      await rename(begun, file)
      const folder = await open(dirname(file))
      await folder.sync().finally(() => folder.close())
    },
    catch: (cause) =>
      Object(cause)._tag === undefined
        ? new BackupRefused({ reason: `${file} was not written: ${cause instanceof Error ? cause.message : cause}` })
        : cause as E
  }).pipe(Effect.onExit(() => Effect.sync(() => rmSync(begun, { force: true }))))
})

/**
 * Writes the file, and gives what it has.
 * @param after An earlier file, which the new one follows on: it has only what has come since.
 * @param onEvents Is told how many events were written, each time some were.
 */
export const run = Effect.fnUntraced(function*(
  { after, file, onEvents = () => {} }: {
    readonly file: string
    readonly after?: string | undefined
    readonly onEvents?: (count: number) => void
  }
) {
  if (existsSync(file)) {
    return yield* new BackupRefused({ reason: `${file} exists, and stays as it is: name another file` })
  }
  const before = after === undefined ? [] : yield* BackupFiles.verify([after])
  const streams = yield* found
  for (const known of before) {
    yield* checkSame(known, streams.find(({ name }) => name === known.name), after ?? "")
  }
  const sources = streams.map((stream) => {
    const { hash, last } = before.find(({ name }) => name === stream.name) ?? { hash: HashChain.genesis, last: 0 }
    return {
      name: stream.name,
      prefix: stream.prefix,
      kind: stream.kind,
      first_sequence: last + 1,
      last_sequence: stream.last,
      hash_before: BackupFile.hexOf(hash),
      events: eventsOf(stream, last).pipe(
        Stream.mapArray((events) => {
          onEvents(events.length)
          return events
        })
      )
    }
  })
  const time = DateTime.formatIso(yield* DateTime.now)
  yield* write(file, BackupFile.text({ time, release: manifest.version, sources }))
  return sources.map(({ first_sequence, kind, last_sequence, name }) => ({
    stream: name,
    kind,
    events: last_sequence - first_sequence + 1,
    first_sequence,
    last_sequence
  }))
}, Effect.provide(Settings.log))
