/**
 * Puts the event log and the ledgers of wallets back where they were lost, from backup files or, the log alone, from the archive. Every
 * event gets the sequence that it had. Until all is there the streams are not in use: services wait.
 */
import * as Log from "@akave-async/domain/Log"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as HashChain from "@akave-async/eventing/HashChain"
import { request } from "@akave-async/eventing/JetStreamRequest"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import { Nats } from "@akave-async/platform/Nats"
import { ReadModelSchema } from "@akave-async/platform/Postgres"
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import { sentenceOf } from "@akave-async/platform/Sentence"
import * as Checkpoint from "@akave-async/read-model/Checkpoint"
import { jetstreamManager } from "@nats-io/jetstream"
import { Effect, Option, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { hexOf, type Part } from "./BackupFile.ts"
import * as Ledgers from "./Ledgers.ts"
import * as Republish from "./Republish.ts"
import { hashAt, ofArchive, ofFiles, RestoreRefused, type Source, type Wanted } from "./RestoreSource.ts"
import * as Settings from "./Settings.ts"

/** One stream, as it was restored. */
export interface Row {
  readonly stream: string
  readonly kind: Part["kind"]
  /** Events that are there, and those of them that were there before. */
  readonly events: number
  readonly found: number
  readonly last_sequence: number
  readonly hash: string
}
export interface Restored {
  readonly streams: ReadonlyArray<Row>
  /** How often the log was restored, this time included. */
  readonly restoration: number
  /** What is left to do, a sentence each. */
  readonly next: ReadonlyArray<string>
}

const restoring = `${EventLogJetStream.notInUse}it is being restored`

// ---------------------------------------------------------------------------------------------------------------------
// What is there

interface There {
  readonly last: number
  readonly isInUse: boolean
}

/** A stream that is there already; undefined where there is none. */
const lookAt = Effect.fnUntraced(function*(name: string) {
  const connection = yield* Nats
  if (!(yield* EventLogJetStream.exists(connection, name))) return undefined
  const { config, state } = yield* request(
    "stream info",
    async () => (await jetstreamManager(connection)).streams.info(name)
  )
  const isInUse = !(config.description ?? "").startsWith(EventLogJetStream.notInUse)
  return { last: state.last_seq, isInUse } satisfies There
})

const attached = Effect.fnUntraced(function*({ name, prefix }: Pick<Wanted, "name" | "prefix">) {
  return yield* EventLogJetStream.attach(yield* Nats, { stream: name, prefix, isRestoring: true })
})

/** The last restoration that the log has recorded. */
const lastRestoration = Effect.fnUntraced(function*(wanted: Wanted) {
  const { state } = yield* LogEvents.load(yield* attached(wanted), Log.subject("LogRestored"))
  return state?._tag === "LogRestored" ? state : undefined
})

/** How many of the events are in a stream, which must be the first of them. */
const foundIn = Effect.fnUntraced(function*<E, R>(source: Source<E, R>, wanted: Wanted) {
  const { kind, last, name } = wanted
  const there = yield* lookAt(name)
  if (there === undefined) return undefined
  if (there.last === 0) return there
  const log = yield* attached(wanted)
  const refused = (what: string) =>
    new RestoreRefused({
      reason:
        `The stream ${name} is there, and ${what}. It stays as it is. If it is not what you want, stop the services, `
        + `delete it (nats stream rm ${name}) and restore again`
    })
  let upTo = there.last
  if (kind === "events" && upTo === last + 1) {
    const record = yield* lastRestoration(wanted)
    // A restore has recorded its end, and no more.
    if (record?.lastSequence === last && !there.isInUse) upTo = last
  }
  if (kind === "events" && upTo === last && there.isInUse) return yield* refused("has all that would be restored")
  if (upTo > last) return yield* refused(`has ${there.last} events, more than the ${last} that would be restored`)
  let server = HashChain.genesis
  let next = 1
  yield* log.subscribe(1).pipe(
    Stream.takeUntil(({ sequence }) => sequence >= upTo),
    Stream.runForEach((event) => {
      const isNext = event.sequence === next
      next++
      server = HashChain.after(server, event)
      return isNext ? Effect.void : refused(`lacks its event ${next - 1}`)
    })
  )
  if (hexOf(server) !== hexOf(yield* hashAt(source, name, upTo))) {
    return yield* refused(`its ${upTo} events are others than would be restored`)
  }
  return { ...there, last: upTo }
})

// ---------------------------------------------------------------------------------------------------------------------
// The read model

/** The checkpoint of the read model; undefined where there is no read model in the database. */
const checkpoint = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const schema = yield* ReadModelSchema
  const [found] = yield* sql<{ readonly table: string | null }>`
    select to_regclass(${`${schema}.projection_checkpoint`})::text as "table"`
  return found === undefined || found.table === null ? undefined : yield* Checkpoint.checkpoint()
})

/** How the read model of `DATABASE_URL` stands to what is restored; undefined where there is none. */
const readModel = Effect.fnUntraced(function*<E, R>(source: Source<E, R>, isOlderTaken: boolean) {
  const url = yield* SecretSetting.read("DATABASE_URL")
  const [log] = source.streams
  if (Option.isNone(url) || source.from === "archive" || log === undefined) return undefined
  const found = yield* Effect.result(Effect.provide(checkpoint, Settings.database))
  if (Result.isFailure(found)) {
    if (isOlderTaken) return undefined
    return yield* new RestoreRefused({
      reason:
        `The read model of DATABASE_URL can't be asked how far it is: ${sentenceOf(found.failure) ?? "no answer"}. `
        + "It may keep more than the files: bring Postgres back, or give --lose-newer if it is lost as well"
    })
  }
  if (found.success === undefined) return undefined
  const { hash, sequence } = found.success
  const isSame = sequence <= log.last && hexOf(yield* hashAt(source, log.name, sequence)) === hexOf(hash)
  return { sequence, last: log.last, isSame }
})

const conflictOf = ({ last, sequence }: { readonly sequence: number; readonly last: number }): string =>
  sequence > last
    ? `The read model has applied ${sequence} events, and the files end with event ${last}`
    : `The read model has applied other events than the files have`

// ---------------------------------------------------------------------------------------------------------------------
// Restoring

interface Options {
  /** Whether less may be restored than the read model has applied. */
  readonly isOlderTaken: boolean
  /** Is told how many events were stored, each time some were. */
  readonly onEvents: (count: number) => void
}

/** A server may remember the ids of what was stored a moment ago by a restore that was killed. */
const forgetting = "1 second"

/** Stores the events that are not there yet. */
const store = Effect.fnUntraced(function*<E, R>(
  { events }: Source<E, R>,
  found: ReadonlyMap<string, { readonly wanted: Wanted; readonly last: number }>,
  onEvents: Options["onEvents"]
) {
  const connection = yield* Nats
  const stores = new Map(
    Array.from(found, ([name, { last, wanted }]) => [name, {
      last,
      append: Republish.make(connection, name, wanted.prefix)
    }])
  )
  yield* Stream.runForEach(
    events,
    Effect.fnUntraced(function*(events) {
      for (const [stream, placed] of Map.groupBy(events, ({ stream }) => stream)) {
        const store = stores.get(stream)
        const missing = placed.map(({ event }) => event).filter(({ sequence }) => sequence > (store?.last ?? 0))
        if (store === undefined || missing.length === 0) continue
        yield* store.append(missing)
        onEvents(missing.length)
      }
    })
  )
})

/** Records the restoration, unless a restore that was killed has done so, and gives its number. */
const record = Effect.fnUntraced(function*(log: Wanted, from: Source<unknown, unknown>["from"]) {
  const subject = Log.subject("LogRestored")
  const restored = yield* attached(log)
  const known = yield* LogEvents.load(restored, subject)
  const isRecorded = known.state?._tag === "LogRestored" && known.revision === log.last + 1
  const { state } = isRecorded ? known : yield* LogEvents.execute(
    restored,
    subject,
    known,
    Log.recordRestoration({ lastSequence: log.last, from }),
    { source: "/akave/operator" }
  )
  return state?._tag === "LogRestored" ? state.restoration : 0
})

/** What is to be done when all is there. */
const nextSteps = (
  source: Source<unknown, unknown>,
  model: Effect.Success<ReturnType<typeof readModel>>
): ReadonlyArray<string> => {
  const ledgers = source.streams.filter(({ kind }) => kind === "ledger")
  const addresses = ledgers.map(({ name }) => name.slice(name.lastIndexOf("_") + 1))
  return [
    ...addresses.map((address) => `Run akave-async ledger renew ${address}: its executors wait for that`),
    addresses.length === 0
      ? "Run akave-async ledger renew ADDRESS for each wallet whose ledger is lost: its executors wait for that"
      : "Do the same for each other wallet whose ledger is lost",
    ...(model === undefined || model.isSame
      ? []
      : [`${conflictOf(model)}: run akave-async rebuild, so that the read model is what the log says`]),
    "Start the services again, also those that have run meanwhile: they remember the log that was lost"
  ]
}

const restore = Effect.fnUntraced(function*<E, R>(source: Source<E, R>, { isOlderTaken, onEvents }: Options) {
  const connection = yield* Nats
  const { dedupWindow, replicas } = yield* EventLogJetStream.configured
  const { stream } = yield* EventLogJetStream.eventsConfig
  const [log] = source.streams
  if (log === undefined || log.name !== stream) {
    return yield* new RestoreRefused({
      reason:
        `The events are those of the stream ${log?.name}, and EVENTS_STREAM names ${stream}: set it to ${log?.name}, `
        + "which each event names as its stream"
    })
  }
  const model = yield* readModel(source, isOlderTaken)
  if (model !== undefined && !model.isSame && !isOlderTaken) {
    return yield* new RestoreRefused({
      reason:
        `${
          conflictOf(model)
        }. Restore the log by akave-async restore --from-archive, which keeps all that was applied; `
        + "to go on with the files all the same, give --lose-newer"
    })
  }
  // All are looked at before anything is changed.
  const found = new Map<string, { readonly wanted: Wanted; readonly last: number; readonly isThere: boolean }>()
  for (const wanted of source.streams) {
    const there = yield* foundIn(source, wanted)
    found.set(wanted.name, { wanted, last: there?.last ?? 0, isThere: there !== undefined })
  }
  for (const { isThere, wanted: { kind, name, prefix } } of found.values()) {
    if (isThere) yield* Ledgers.describe(connection, name, restoring, Republish.shortestWindow)
    else {
      const dedupWindow = Republish.shortestWindow
      yield* EventLogJetStream.create(connection, {
        stream: name,
        prefix,
        replicas,
        dedupWindow,
        description: restoring,
        isPurgeable: kind === "events"
      })
    }
  }
  if (Array.from(found.values()).some(({ last }) => last > 0)) yield* Effect.sleep(forgetting)
  yield* store(source, found, onEvents)
  const restoration = yield* record(log, source.from)
  for (const { kind, name } of source.streams.toReversed()) {
    const address = name.slice(name.lastIndexOf("_") + 1)
    yield* Ledgers.describe(connection, name, kind === "ledger" ? Ledgers.restored(address) : "", dedupWindow)
  }
  return {
    streams: source.streams.map(({ hash, kind, last, name }) => ({
      stream: name,
      kind,
      events: last,
      found: found.get(name)?.last ?? 0,
      last_sequence: last,
      hash: hexOf(hash)
    })),
    restoration,
    next: nextSteps(source, model)
  } satisfies Restored
})

/**
 * Restores the log and the ledgers that these files have, each of which follows on the one before; from no file, the log alone from
 * the archive of the read model.
 */
export const run = Effect.fnUntraced(function*(files: ReadonlyArray<string>, options: Options) {
  return files.length > 0
    ? yield* restore(yield* ofFiles(files), options)
    : yield* Effect.provide(Effect.flatMap(ofArchive, (source) => restore(source, options)), Settings.database)
}, Effect.provide(Settings.nats))
