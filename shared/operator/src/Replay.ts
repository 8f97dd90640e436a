/**
 * Replay: a part of the history, read once more. It can't trigger anything: it reads by a consumer of its own, which holds no position
 * for others, and writes to no subject of the event log. Executors and notifiers are handed what the event log's stream
 * takes in, and nothing else.
 */
import { type BucketName, toToken } from "@akave-async/domain/BucketName"
import * as AtTime from "@akave-async/eventing/AtTime"
import * as CloudEventJson from "@akave-async/eventing/CloudEventJson"
import * as EventLine from "@akave-async/eventing/EventLine"
import { EventLog, LogUnavailable, type Sequence, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as LogEvents from "@akave-async/eventing/LogEvents"
import * as WalletStream from "@akave-async/eventing/WalletStream"
import { Nats } from "@akave-async/platform/Nats"
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { headers as makeHeaders } from "@nats-io/nats-core"
import { type DateTime, Effect, Option, Schema, Stream } from "effect"
import * as History from "./History.ts"
import * as Settings from "./Settings.ts"

export interface Options {
  /** The first and the last sequence; all there are now, where they are not given. */
  readonly from?: Sequence
  readonly to?: Sequence
  /** Events that happened at this time or later, and before that one. */
  readonly since?: DateTime.Utc
  readonly until?: DateTime.Utc
  readonly bucket?: BucketName
  readonly job?: string
  /** CloudEvents types; any of them. */
  readonly types?: ReadonlyArray<string>
  readonly account?: string
  /** Events a second, at most. */
  readonly rate?: number
}

export class ReplayRefused extends Schema.TaggedError<ReplayRefused>()("ReplayRefused", { reason: Schema.String }) {
  override readonly message = this.reason
}

const matches = ({ account, bucket, job, since, types, until }: Options) => {
  const token = bucket === undefined ? undefined : toToken(bucket)
  const [first, end] = [since?.epochMilliseconds ?? -Infinity, until?.epochMilliseconds ?? Infinity]
  return ({ headers, subject }: StoredEvent): boolean => {
    const time = Date.parse(headers["ce-time"] ?? "")
    return (job === undefined || headers["ce-correlationid"] === job)
      && (account === undefined || headers["ce-account"] === account)
      && (types === undefined || types.includes(headers["ce-type"] ?? ""))
      && (token === undefined || subject.split(".")[2] === token)
      && ((since === undefined && until === undefined) || (time >= first && time < end))
  }
}

/** Events of a filter that are read at a time. */
const pageSize = 1_000
/** Behind the first event that happened later, so many may have happened before: writers are not in step. */
const disorder = 1_000

const pages = (filter: string, from: Sequence, to: Sequence) =>
  Stream.unwrap(
    Effect.map(EventLog, (log) =>
      Stream.paginate(from, (next) =>
        Effect.map(log.page(filter, next, pageSize), (events) => {
          const last = events.at(-1)?.sequence ?? to
          return [
            events.filter(({ sequence }) =>
              sequence <= to
            ),
            events.length === pageSize && last < to ? Option.some(last + 1) : Option.none()
          ] as const
        })))
  )

/** The events that are wanted, in order, up to the last one that the log has now. */
export const events = Effect.fnUntraced(function*(options: Options) {
  const { bucket, rate, since, until } = options
  const log = yield* EventLog
  const last = yield* log.lastSequence
  const seam = yield* LogEvents.archivedUpTo(log)
  const placeOf = (time: DateTime.Utc) =>
    seam === 0 ? AtTime.firstSince(log, time) : Effect.provide(History.firstSince(time), Settings.database)
  const sinceSequence = since === undefined ? 1 : yield* placeOf(since)
  const untilSequence = until === undefined ? last : (yield* placeOf(until)) + disorder
  const from = Math.max(options.from ?? 1, sinceSequence)
  const to = Math.min(options.to ?? last, untilSequence, last)
  if (options.from !== undefined && options.from > last) {
    return yield* new ReplayRefused({ reason: `The log ends at event ${last}: begin there or before` })
  }
  const source = from > seam && bucket !== undefined
    ? pages(`*.*.${toToken(bucket)}`, from, to)
    : from > seam
    ? History.ofLog(from, to)
    : Stream.provide(History.events(from, to), Settings.database)
  const wanted = Stream.filter(source, matches(options))
  const limited = rate === undefined
    ? wanted
    : Stream.throttle(Stream.rechunk(wanted, Math.ceil(rate / 20)), {
      cost: (chunk) => chunk.length,
      units: rate,
      duration: "1 second"
    })
  return { events: limited, from, to }
})

/** An event as a line: a CloudEvent in structured mode, or exactly as it is stored. */
export const lineOf = (event: StoredEvent, isExact: boolean): string =>
  isExact ? EventLine.toLine(event) : CloudEventJson.toJson(event)

/** Events that are on their way into a stream at the same time. */
const inFlight = 256

/** Whether one of two subjects' prefixes lies below the other. */
const overlaps = (a: string, b: string): boolean => `${a}.`.startsWith(`${b}.`) || `${b}.`.startsWith(`${a}.`)

/**
 * Publishes events into another JetStream stream, in order, which is made if it is missing. Their expectations are left out, as the
 * other stream has sequences of its own; ids stay, so that what is published twice within a moment is stored once.
 */
export const into = Effect.fnUntraced(function*<E, R>(
  target: EventLogJetStream.Options,
  replayed: Stream.Stream<StoredEvent, E, R>
) {
  const connection = yield* Nats
  const own = yield* EventLogJetStream.eventsConfig
  const wallets = yield* WalletStream.names
  if (target.stream === own.stream || target.stream.startsWith(yield* WalletStream.allBeginWith)) {
    return yield* new ReplayRefused({ reason: `${target.stream} is in use by this deployment: name another stream` })
  }
  if ([own.prefix, wallets.prefix].some((prefix) => overlaps(prefix, target.prefix))) {
    return yield* new ReplayRefused({
      reason: `The subjects ${target.prefix}.> are those of this deployment: name another prefix`
    })
  }
  if (!(yield* EventLogJetStream.exists(connection, target.stream))) {
    yield* EventLogJetStream.create(connection, { ...target, ...yield* EventLogJetStream.configured })
  }
  const failed = (cause: unknown) => new LogUnavailable({ operation: "replay", cause })
  const manager = yield* Effect.tryPromise({ try: () => jetstreamManager(connection), catch: failed })
  const { config } = yield* Effect.tryPromise({ try: () => manager.streams.info(target.stream), catch: failed })
  if (!config.subjects.includes(`${target.prefix}.>`)) {
    return yield* new ReplayRefused({
      reason: `The stream ${target.stream} is there, and takes ${
        config.subjects.join(", ")
      }: name its prefix, or another stream`
    })
  }
  const client = jetstream(connection)
  let count = 0
  yield* replayed.pipe(
    Stream.mapEffect(
      ({ data, headers, subject }) =>
        Effect.tryPromise({
          try: () => {
            const kept = makeHeaders()
            for (const [name, value] of Object.entries(headers)) if (!name.startsWith("nats-")) kept.set(name, value)
            return client.publish(`${target.prefix}.${subject}`, data, {
              headers: kept,
              msgID: headers["nats-msg-id"] ?? ""
            })
          },
          catch: failed
        }),
      { concurrency: inFlight }
    ),
    Stream.runForEach(() => Effect.sync(() => count++))
  )
  return count
})
