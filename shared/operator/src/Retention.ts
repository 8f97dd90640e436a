/**
 * Retention: events of aggregates that have ended are taken out of the log's stream, once they are in the archive, in a file, and under a
 * signed checkpoint. Nothing else is ever removed, and nothing by itself.
 */
import * as Log from "@akave-async/domain/Log"
import { EventLog, LogUnavailable, type Sequence } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { Registry } from "@akave-async/eventing/Registry"
import { Nats } from "@akave-async/platform/Nats"
import { jetstreamManager } from "@nats-io/jetstream"
import { type DateTime, Effect, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { pipeline } from "node:stream/promises"
import * as Stores from "./audit/Stores.ts"
import * as Backup from "./Backup.ts"
import * as History from "./History.ts"

export class RetentionRefused extends Schema.TaggedError<RetentionRefused>()("RetentionRefused", {
  reason: Schema.String
}) {
  override readonly message = this.reason
}

/** An aggregate whose events may be taken out, if it has ended. */
export interface Candidate {
  readonly subject: string
  readonly lastSequence: Sequence
  /** Events that it has. */
  readonly events: number
}

/** Aggregates that are looked at, or taken out, at the same time. */
const atOnce = 32

/** The aggregates up to a sequence of kinds that may end, on which nothing has happened since a time. */
export const candidates = Effect.fnUntraced(function*(upTo: Sequence, before: DateTime.Utc) {
  const { kinds } = yield* Registry
  const mayEnd = new Set(kinds.filter(({ hasEnded }) => hasEnded !== undefined).map(({ name }) => name))
  const last = new Map<string, { readonly sequence: Sequence; readonly time: number; readonly events: number }>()
  yield* Stream.runForEach(History.ofLog(1, upTo), ({ headers, sequence, subject }) =>
    Effect.sync(() => {
      if (!mayEnd.has(subject.slice(0, subject.indexOf(".")))) return
      const events = (last.get(subject)?.events ?? 0) + 1
      last.set(subject, { sequence, time: Date.parse(headers["ce-time"] ?? ""), events })
    }))
  return Array.from(last).flatMap(([subject, { events, sequence, time }]): ReadonlyArray<Candidate> =>
    time < before.epochMilliseconds ? [{ subject, lastSequence: sequence, events }] : []
  )
})

/** The candidates that have ended, and to which nothing has happened meanwhile. */
export const ended = Effect.fnUntraced(function*(found: ReadonlyArray<Candidate>) {
  const log = yield* EventLog
  const { kinds } = yield* Registry
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  return yield* Effect.filter(
    found,
    Effect.fnUntraced(function*({ lastSequence, subject }) {
      const { events, revision } = yield* log.read(subject)
      const hasEnded = byName.get(subject.slice(0, subject.indexOf(".")))?.hasEnded
      return revision === lastSequence && hasEnded?.(events) === true
    }),
    { concurrency: atOnce }
  )
})

/** The place up to which events may be taken out: what a signed checkpoint covers, in a log and an archive that agree. */
export const covered = Effect.fnUntraced(function*(options: Stores.Options) {
  const audited = yield* Stores.audit(options)
  const [finding] = Stores.sentencesOf(audited)
  if (finding !== undefined) {
    return yield* new RetentionRefused({
      reason: `Log and archive are not as they should be: run audit first. ${finding}`
    })
  }
  if (audited.signedUpTo === 0) {
    return yield* new RetentionRefused({ reason: "No signed checkpoint covers the log: run checkpoint create first" })
  }
  return audited.signedUpTo
})

/** Takes the events of these aggregates out of the log's stream. */
export const takeOut = Effect.fnUntraced(function*(
  aggregates: ReadonlyArray<Candidate>,
  onProgress: (done: number) => void
) {
  const { prefix, stream } = yield* EventLogJetStream.eventsConfig
  const failed = (cause: unknown) => new LogUnavailable({ operation: "purge", cause })
  const connection = yield* Nats
  const manager = yield* Effect.tryPromise({ try: () => jetstreamManager(connection), catch: failed })
  let done = 0
  yield* Effect.forEach(
    aggregates,
    Effect.fnUntraced(function*({ lastSequence, subject }) {
      yield* Effect.tryPromise({
        // What has come since stays.
        try: () => manager.streams.purge(stream, { filter: `${prefix}.${subject}`, seq: lastSequence + 1 }),
        catch: failed
      })
      onProgress(++done)
    }),
    { concurrency: atOnce, discard: true }
  )
})

/** Fails where the log's stream can't give up events, with what to do. */
export const ensurePurgeable = Effect.gen(function*() {
  const { stream } = yield* EventLogJetStream.eventsConfig
  const connection = yield* Nats
  const { config } = yield* Effect.tryPromise({
    try: async () => (await jetstreamManager(connection)).streams.info(stream),
    catch: (cause) => new LogUnavailable({ operation: "stream info", cause })
  })
  if (config.deny_purge) {
    return yield* new RetentionRefused({
      reason:
        `The stream ${stream} was made so that nothing can be taken out of it (deny_purge), and the server can't change that:`
        + " make it anew by backup and restore"
    })
  }
})

/** Records what is about to be taken out, before the first event is: from then on nobody expects all events in the log. */
export const record = Effect.fnUntraced(function*(archived: Parameters<typeof Log.recordArchival>[0]) {
  const log = yield* EventLog
  const subject = Log.subject("EventsArchived")
  yield* LogEvents.execute(log, subject, yield* LogEvents.load(log, subject), Log.recordArchival(archived), {
    source: "/akave/operator"
  })
})

const sha256Of = async (file: string): Promise<string> => {
  const hash = createHash("sha256")
  await pipeline(createReadStream(file), hash)
  return hash.digest("hex")
}

export interface Options extends Stores.Options {
  /** The file to write, and the one that it follows on. */
  readonly file: string
  readonly after?: string | undefined
  /** Only what ended before this time is taken out. */
  readonly before: DateTime.Utc
  /** Whether to find out what would be taken out, and nothing else. */
  readonly isTrial: boolean
  readonly onStep: (step: string) => void
}

export interface Archived {
  readonly up_to: Sequence
  readonly aggregates: number
  readonly events: number
  readonly file: string | null
}

/**
 * Takes out what has ended. Log and archive are audited first; then a backup is written, and verified, that has all events that no file
 * before it has; then it is recorded that events up to a place may be missing from the log, and then they are taken out. Killed anywhere
 * it has lost nothing, and what it has left is taken out the next time.
 */
export const run = Effect.fnUntraced(function*({ after, before, file, isTrial, onStep, ...options }: Options) {
  yield* ensurePurgeable
  onStep("auditing log and archive")
  const upTo = yield* covered(options)
  onStep("looking for what has ended")
  const aggregates = yield* ended(yield* candidates(upTo, before))
  const events = aggregates.reduce((sum, one) => sum + one.events, 0)
  const found = { up_to: upTo, aggregates: aggregates.length, events, file: null }
  if (isTrial || aggregates.length === 0) return found satisfies Archived
  onStep("writing the file")
  yield* Backup.run({ file, after })
  yield* Backup.verify(after === undefined ? [file] : [after, file])
  const sha256 = yield* Effect.promise(() => sha256Of(file))
  yield* record({ upTo, aggregates: aggregates.length, events, file: basename(file), sha256 })
  yield* takeOut(aggregates, (done) => onStep(`taking out ${done} of ${aggregates.length}`))
  return { ...found, file } satisfies Archived
})
