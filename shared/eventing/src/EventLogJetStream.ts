// oxlint-disable max-lines -- all operations share what was last seen of the stream
/**
 * The event log on NATS JetStream: one stream, whose server settles every race by the expected sequences.
 * Works with nats-server 2.9.10 and newer.
 */
import { Nats } from "@akave-async/platform/Nats"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import {
  AckPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  type JsMsg,
  RetentionPolicy,
  StorageType,
  StoreCompression,
  type StoredMsg
} from "@nats-io/jetstream"
import { headers as makeHeaders, nanos, type NatsConnection } from "@nats-io/nats-core"
import { Config, Duration, Effect, Latch, Layer, Option, Schedule, Schema, Semaphore, Stream } from "effect"
import * as Continuity from "./Continuity.ts"
import {
  type Appended,
  type Delivery,
  EventLog,
  type EventLogShape,
  LogLost,
  LogUnavailable,
  lost,
  type StoredEvent,
  WrongRevision
} from "./EventLog.ts"
import * as JetStreamHeaders from "./JetStreamHeaders.ts"
import * as JetStreamReader from "./JetStreamReader.ts"
import { prefetch, request, requestTimeout } from "./JetStreamRequest.ts"
import * as Watchdog from "./Watchdog.ts"

export interface Options {
  /** The name of the JetStream stream. */
  readonly stream: string
  /** All events are stored on `<prefix>.<subject>`. */
  readonly prefix: string
  /** Whether a log that is {@link notInUse} is used all the same, by who makes it what it has to be. */
  readonly isRestoring?: boolean
}

/**
 * What the description of a JetStream stream begins with that no service may use yet, whatever it holds. What follows is the reason,
 * and is reported.
 */
export const notInUse = "not in use: "

/** How a JetStream stream is made. */
export interface CreateOptions extends Options {
  /** Copies of the stream in a cluster. */
  readonly replicas: number
  /** How long the server remembers the ids of events for deduplication. */
  readonly dedupWindow: Duration.Duration
  /** Shown by the tools of NATS; see {@link notInUse}. */
  readonly description?: string
  /** Whether events may be taken out by their subjects, as `archive` does it with those of the event log. */
  readonly isPurgeable?: boolean
}

const replicas = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))

/** How a log is opened when only its stream and prefix differ: replicas from `EVENTS_REPLICAS`, dedup for two minutes. */
export const configured = Config.all({
  replicas: Config.schema(replicas, "EVENTS_REPLICAS").pipe(Config.withDefault(1)),
  dedupWindow: Config.Duration("EVENTS_DEDUP_WINDOW").pipe(Config.withDefault(Duration.minutes(2)))
})

/** The JetStream stream of the events, as `EVENTS_STREAM` and `EVENTS_PREFIX` name it. */
export const eventsConfig = Config.all({
  stream: Config.NonEmptyString("EVENTS_STREAM").pipe(Config.withDefault("AKAVE_EVENTS")),
  prefix: Config.NonEmptyString("EVENTS_PREFIX").pipe(Config.withDefault("akave.events"))
})

/** The event log as it stands, looked after; where there is none, it is waited for. Only the projector makes one. */
export const layerConfig = Layer.effect(
  EventLog,
  Effect.gen(function*() {
    const log = yield* attach(yield* Nats, yield* eventsConfig)
    yield* watch(log)
    return log
  })
)

/** The server's error codes for an append that stated what is no longer so (nats-server's `errors.json`). */
const wrongExpectation = new Set([10070, 10071, 10164])
const noMessageFound = 10037
const consumerNotFound = 10014
const streamNotFound = 10059

const isApiError = (error: unknown, code: number): boolean => error instanceof JetStreamApiError && error.code === code
const orUndefined = (code: number) => (error: unknown): undefined => {
  if (!isApiError(error, code)) throw error
}

/** Events of one subject that are asked for one by one, before a consumer is made for the rest. */
const singleReads = 8
/** The most events that one subject is read to. */
const maxEvents = 100_000

/** A reader that hears nothing gets a heartbeat this often, in milliseconds. */
const heartbeat = 1000
/** A reader's request ends after this, in milliseconds, and so does the pause of the library after a look that failed. */
const pullExpiry = 5000
/** Looks at a reader are so far apart that a heartbeat comes in between, also where two are late. */
const minLookInterval = Duration.millis(3 * heartbeat)
/** How often readers of everything are looked at, and the log itself. */
const lookInterval = Duration.seconds(5)
/** Makes the JetStream stream of a log, where it is missing. */
export const create = (connection: NatsConnection, options: CreateOptions): Effect.Effect<void, LogUnavailable> =>
  request("create stream", async () => {
    const manager = await jetstreamManager(connection, { timeout: Duration.toMillis(requestTimeout) })
    await manager.streams.add({
      name: options.stream,
      ...(options.description === undefined ? {} : { description: options.description }),
      subjects: [`${options.prefix}.>`],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      num_replicas: options.replicas,
      duplicate_window: nanos(Duration.toMillis(options.dedupWindow)),
      deny_delete: true,
      deny_purge: options.isPurgeable !== true,
      allow_direct: true,
      ...(compresses(connection) ? { compression: StoreCompression.S2 } : {})
    })
  })

/** Servers compress what they store from 2.10 on. */
const compresses = ({ info }: NatsConnection): boolean => {
  const [major = 0, minor = 0] = (info?.version ?? "").split(".").map(Number)
  return major > 2 || (major === 2 && minor >= 10)
}

/** Whether there is a JetStream stream of this name. */
export const exists = (connection: NatsConnection, stream: string): Effect.Effect<boolean, LogUnavailable> =>
  request("stream info", async () => {
    const manager = await jetstreamManager(connection, { timeout: Duration.toMillis(requestTimeout) })
    return (await manager.streams.info(stream).catch(orUndefined(streamNotFound))) !== undefined
  })

/** Opens the log and creates its stream if it is missing. An existing stream is left as it is. */
export const open = Effect.fnUntraced(function*(connection: NatsConnection, options: CreateOptions) {
  const log = yield* attach(connection, options, create(connection, options))
  yield* log.lastSequence
  return log
})

/** Looks at a log now and then for as long as the scope lives, warns while it is away or lost, and says when it is back. */
export const watch = (log: EventLogShape, name = "event log") => {
  const warn = RepeatedWarning.make()
  let isAway = false
  return log.lastSequence.pipe(
    Effect.matchEffect({
      onFailure: ({ message }) => {
        isAway = true
        return warn(`waiting for the ${name}: ${message}`)
      },
      onSuccess: () => {
        const wasAway = isAway
        isAway = false
        return wasAway ? Effect.logInfo(`the ${name} is there`) : Effect.void
      }
    }),
    Effect.repeat(Schedule.spaced(lookInterval)),
    Effect.forkScoped
  )
}

/**
 * The log as it stands. A stream that is missing when it is first looked for is left to `whenMissing`; one that was seen
 * before is never made again.
 */
// oxlint-disable-next-line max-lines-per-function -- its operations share what was last seen of the stream
export const attach = Effect.fnUntraced(function*(
  connection: NatsConnection,
  options: Options,
  whenMissing: Effect.Effect<void, LogUnavailable> = Effect.void
) {
  const { isRestoring = false, prefix, stream } = options
  const client = jetstream(connection, { timeout: Duration.toMillis(requestTimeout) })
  const manager = yield* request(
    "connect",
    () => jetstreamManager(connection, { timeout: Duration.toMillis(requestTimeout) })
  )

  let seen: Continuity.Seen | undefined
  let disconnects = 0
  /** How many disconnects there were when the log was last found to be as it was; undefined since it was found not to be. */
  let knownAt: number | undefined
  let isReplicated = false
  const readers = new Set<ConsumerMessages>()
  const connected = yield* Latch.make(true)

  // The connection reports its end in a turn of its own, before anything can go over a new one. The loop ends with it.
  const follow = async () => {
    for await (const { type } of connection.status()) {
      if (type === "reconnect") connected.openUnsafe()
      if (type !== "disconnect") continue
      disconnects++
      connected.closeUnsafe()
      for (const reader of readers) reader.stop(new Error("the connection was lost"))
    }
  }
  yield* Effect.sync(() => void follow())

  /** Remembers an event that this process has seen in the log. */
  const remember = (mark: Continuity.Mark) => {
    if (seen !== undefined && mark.sequence > (seen.mark?.sequence ?? 0)) {
      seen = { ...seen, lastSequence: Math.max(seen.lastSequence, mark.sequence), mark }
    }
  }
  const lose = (operation: string, loss: string) => {
    knownAt = undefined
    return lost(operation, loss)
  }

  const inspect = request(
    "stream info",
    () => manager.streams.info(stream).catch(orUndefined(streamNotFound))
  )
  const markAt = (sequence: number) =>
    // Asked of the stream's leader, as is the stream's end.
    request("read", () => manager.streams.getMessage(stream, { seq: sequence }).catch(orUndefined(noMessageFound)))
      .pipe(
        Effect.map((message): Continuity.Mark | undefined =>
          message === undefined ? undefined : { sequence, id: message?.header.get("Nats-Msg-Id") ?? "" }
        )
      )

  /** The sequence of the last event, once the log is found to be the one that was seen before. */
  const look = Effect.gen(function*() {
    // What is sent to a server that is away may never reach it, and its answer would be waited for in vain.
    yield* Effect.timeoutOrElse(connected.await, {
      duration: requestTimeout,
      orElse: () => Effect.fail(new LogUnavailable({ operation: "look", cause: "disconnected" }))
    })
    const before = seen
    const at = disconnects
    let info = yield* inspect
    if (info === undefined && before === undefined) {
      yield* whenMissing
      info = yield* inspect
    }
    const description = info?.config.description ?? ""
    if (description.startsWith(notInUse) && !isRestoring) {
      return yield* lose("look", `The event log ${stream} is ${description}`)
    }
    if (before !== undefined) {
      const isUnbroken = knownAt === at && info?.created === before.created
      const isThere = before.mark !== undefined && info !== undefined && info.state.last_seq >= before.mark.sequence
      const found = isThere && !isUnbroken ? yield* markAt(before.mark.sequence) : before.mark
      const loss = Continuity.loss(
        stream,
        before,
        info && { lastSequence: info.state.last_seq, idAtMark: found?.id }
      )
      if (loss !== undefined) return yield* lose("look", loss)
    }
    if (info === undefined) return yield* lose("look", `There is no event log ${stream}`)
    const { config, created, state: { last_seq: last } } = info
    isReplicated = config.num_replicas > 1
    // The mark moves with the log, though this process may see nothing of it: old events may be taken out.
    const mark = last > (seen?.mark?.sequence ?? 0) ? yield* markAt(last) : seen?.mark
    seen = { created, lastSequence: Math.max(last, seen?.lastSequence ?? 0), mark: seen?.mark ?? mark }
    if (mark !== undefined) remember(mark)
    knownAt = at
    return last
  })

  const turn = yield* Semaphore.make(1)
  const isKnown = () => knownAt === disconnects
  /** Runs the operation on the log that was seen before, and on no other. */
  const known = <A, E>(operation: string, run: Effect.Effect<A, E>): Effect.Effect<A, E | LogUnavailable> =>
    Effect.suspend(() => {
      if (isKnown()) return run
      const lookOnce = Effect.suspend(() => isKnown() ? Effect.void : look)
      return turn.withPermit(lookOnce).pipe(
        Effect.andThen(run),
        Effect.timeoutOrElse({
          duration: requestTimeout,
          orElse: () => Effect.fail(new LogUnavailable({ operation, cause: "it did not answer in time" }))
        })
      )
    })

  const toStored = (
    sequence: number,
    subject: string,
    headers: StoredEvent["headers"],
    data: Uint8Array
  ): StoredEvent => ({ sequence, subject: subject.slice(prefix.length + 1), headers, data })
  const fromJsMsg = (message: JsMsg) =>
    toStored(message.seq, message.subject, JetStreamHeaders.of(message), message.data)
  const fromStoredMsg = (message: StoredMsg | null | undefined): Option.Option<StoredEvent> =>
    message === null || message === undefined
      ? Option.none()
      : Option.some(toStored(message.seq, message.subject, JetStreamHeaders.ofLibrary(message.header), message.data))
  const find = (query: { seq: number } | { seq: number; next_by_subj: string }) =>
    known("read", request("read", () => manager.direct.getMessage(stream, query))).pipe(Effect.map(fromStoredMsg))

  /** Of a stream that has replicas the leader is asked: writers decide on what a subject holds, and a replica may be behind. */
  const findNext = (query: { seq: number; next_by_subj: string }) =>
    Effect.suspend(() => isReplicated ? fromLeader(query) : find(query))
  const fromLeader = (query: Parameters<typeof manager.streams.getMessage>[1]) =>
    known(
      "read",
      request("read", () => manager.streams.getMessage(stream, query).catch(orUndefined(noMessageFound)))
    ).pipe(Effect.map(fromStoredMsg))

  const append: EventLogShape["append"] = (subject, expected, event) =>
    known(
      "append",
      Effect.tryPromise({
        try: async (): Promise<Appended> => {
          const headers = makeHeaders()
          for (const [name, value] of Object.entries(event.headers)) headers.set(name, value)
          await endOfTurn()
          const lastBefore = seen?.lastSequence ?? 0
          const ack = await client.publish(`${prefix}.${subject}`, event.data, {
            msgID: event.id,
            headers,
            expect: {
              streamName: stream,
              ...(expected.revision === undefined ? {} : { lastSubjectSequence: expected.revision }),
              ...("lastSequence" in expected ? { lastSequence: expected.lastSequence } : {}),
              ...("lastSequence" in expected && expected.lastId !== undefined ? { lastMsgID: expected.lastId } : {})
            }
          })
          if (!ack.duplicate && ack.seq <= lastBefore) {
            throw new LogLost({
              loss:
                `The event log ${stream} was replaced: a new event is its number ${ack.seq}, and it had ${lastBefore}`
            })
          }
          remember({ sequence: ack.seq, id: event.id })
          return { sequence: ack.seq, isDuplicate: ack.duplicate }
        },
        catch: (cause) => {
          if (cause instanceof JetStreamApiError && wrongExpectation.has(cause.code)) {
            return new WrongRevision({ subject })
          }
          if (cause instanceof LogLost) return lose("append", cause.loss)
          return new LogUnavailable({ operation: "append", cause })
        }
      }).pipe(
        // Some servers look at the expectation before the id: what is stored already is no conflict.
        Effect.catchTag("WrongRevision", (conflict) =>
          Effect.flatMap(read(subject), ({ events }) => {
            const stored = events.find(({ headers }) => headers["nats-msg-id"] === event.id)
            return stored === undefined
              ? Effect.fail(conflict)
              : Effect.succeed<Appended>({ sequence: stored.sequence, isDuplicate: true })
          }))
      )
    )

  const page: EventLogShape["page"] = (filter, from, limit) =>
    known(
      "page",
      request("page", async () => {
        // What the server says is pending can be off by some, so the end is found by the last event.
        const last = await manager.streams.getMessage(stream, { last_by_subj: `${prefix}.${filter}` })
          .catch(orUndefined(noMessageFound))
        if (!last || last.seq < from || limit <= 0) return []
        const { name } = await manager.consumers.add(stream, {
          filter_subject: `${prefix}.${filter}`,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: Math.max(1, from),
          ack_policy: AckPolicy.None,
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: nanos(pullExpiry)
        })
        const consumer = await client.consumers.get(stream, name)
        const events: Array<StoredEvent> = []
        while (events.length < limit && (events.at(-1)?.sequence ?? 0) < last.seq) {
          const before = events.length
          const batch = await consumer.fetch({
            max_messages: Math.min(prefetch, limit - before),
            expires: Duration.toMillis(requestTimeout)
          })
          for await (const message of batch) {
            events.push(fromJsMsg(message))
            if (message.seq >= last.seq) break
          }
          if (events.length === before) throw new Error("the server handed out nothing")
        }
        // One that stays behind is removed by the server.
        consumer.delete().catch(() => {})
        return events
      })
    )

  const read: EventLogShape["read"] = Effect.fnUntraced(function*(subject) {
    const events: Array<StoredEvent> = []
    let revision = 0
    while (true) {
      const next = yield* findNext({ seq: revision + 1, next_by_subj: `${prefix}.${subject}` })
      if (Option.isNone(next)) return { events, revision }
      events.push(next.value)
      if (events.length % singleReads === 0) {
        events.push(...yield* page(subject, next.value.sequence + 1, maxEvents))
        if (events.length > maxEvents) {
          return yield* new LogUnavailable({ operation: "read", cause: `${subject} has more than ${maxEvents} events` })
        }
      }
      revision = events.at(-1)?.sequence ?? 0
    }
  })

  const { reading, reopened } = JetStreamReader.make({ stream, look, disconnects: () => disconnects, readers })

  const subscribe: EventLogShape["subscribe"] = (from) =>
    Stream.suspend(() => {
      let next = Math.max(1, from)
      let delivered = 0
      const events = reading({
        open: async () => {
          const consumer = await client.consumers.get(stream, {
            deliver_policy: DeliverPolicy.StartSequence,
            opt_start_seq: next
          })
          return consumer.consume({
            max_messages: prefetch,
            idle_heartbeat: heartbeat,
            expires: pullExpiry,
            abort_on_missing_resource: true
          })
        },
        progress: Effect.map(look, (last) =>
          Option.some({
            waiting: Math.max(0, last - next + 1),
            unsettled: 0,
            maxUnsettled: Infinity,
            delivered,
            isPaused: false
          })),
        interval: lookInterval
      }).pipe(
        Stream.map((message) => {
          const event = fromJsMsg(message)
          next = event.sequence + 1
          delivered++
          remember({ sequence: event.sequence, id: event.headers["nats-msg-id"] ?? "" })
          return event
        })
      )
      return reopened(events, ({ cause }) => !(cause instanceof LogLost))
    })

  const toDelivery = (message: JsMsg): Delivery => ({
    event: fromJsMsg(message),
    deliveryCount: message.info.deliveryCount,
    ack: request("ack", () => message.ackAck()).pipe(Effect.asVoid),
    nak: (delay) => request("nak", async () => message.nak(Duration.toMillis(delay))),
    term: (reason) => request("term", async () => message.term(reason)),
    inProgress: request("in progress", async () => message.working())
  })

  // oxlint-disable-next-line max-lines-per-function -- its operations share what was last seen of the stream
  const consume: EventLogShape["consume"] = (
    { ackWait, filter = ">", maxAckPending, name, startAt = Effect.succeed(1) }
  ) =>
    // oxlint-disable-next-line max-lines-per-function -- its operations share what was last seen of the stream
    Stream.suspend(() => {
      const settings = { ack_wait: nanos(Duration.toMillis(ackWait)), max_ack_pending: maxAckPending }
      /** All events up to here are known to be settled: a consumer that is made anew needs to start no earlier. */
      let settled = 0
      let stalls = 0

      const info = async (): Promise<ConsumerInfo | undefined> => {
        const found = await manager.consumers.info(stream, name).catch(orUndefined(consumerNotFound))
        settled = Math.max(settled, found?.ack_floor.stream_seq ?? 0)
        return found
      }
      const add = (from: number) =>
        request("add consumer", () =>
          manager.consumers.add(stream, {
            durable_name: name,
            ack_policy: AckPolicy.Explicit,
            deliver_policy: DeliverPolicy.StartSequence,
            opt_start_seq: from,
            filter_subject: `${prefix}.${filter}`,
            ...settings,
            max_deliver: -1
          }))
      const ensure = Effect.gen(function*() {
        const found = yield* request("consumer info", info)
        if (found === undefined) yield* add(settled > 0 ? settled + 1 : yield* startAt)
        // What it is handed can't be changed on every server: it begins again with all that is not settled.
        else if (found.config.filter_subject !== `${prefix}.${filter}`) {
          const from = yield* startAt
          yield* request("delete consumer", () => manager.consumers.delete(stream, name))
          yield* add(from)
        } else if (found.config.ack_wait !== settings.ack_wait || found.config.max_ack_pending !== maxAckPending) {
          yield* request("update consumer", () => manager.consumers.update(stream, name, settings))
        }
      })

      const deliveries = reading({
        prepare: ensure,
        open: async () => {
          const consumer = await client.consumers.get(stream, name)
          return consumer.consume({
            max_messages: Math.min(prefetch, maxAckPending),
            idle_heartbeat: heartbeat,
            expires: pullExpiry,
            abort_on_missing_resource: true
          })
        },
        progress: Effect.map(request("consumer info", info), (found) =>
          // One that is gone is made again by the next reader; the server reports it to this one.
          Option.map(Option.fromNullishOr(found), (consumer) => ({
            waiting: consumer.num_pending,
            unsettled: consumer.num_ack_pending,
            maxUnsettled: maxAckPending,
            delivered: consumer.delivered.consumer_seq,
            isPaused: consumer.paused === true
          }))),
        interval: Duration.max(ackWait, minLookInterval),
        onStalled: Effect.suspend(() => {
          stalls++
          if (Watchdog.remedy(stalls) === "reader") return Effect.void
          stalls = 0
          return request("delete consumer", () => manager.consumers.delete(stream, name)).pipe(
            Effect.andThen(
              Effect.logWarning(`the consumer ${name} hands out nothing: it is made anew behind event ${settled}`)
            )
          )
        }),
        onDelivered: () => {
          stalls = 0
        }
      }).pipe(Stream.map((message) => {
        const delivery = toDelivery(message)
        remember({ sequence: message.seq, id: delivery.event.headers["nats-msg-id"] ?? "" })
        return delivery
      }))
      return reopened(deliveries, () => true)
    })

  return {
    append,
    read,
    // Asked of the stream's leader: a replica may not have the last one yet, and writers decide on this.
    last: (subject) => fromLeader({ last_by_subj: `${prefix}.${subject}` }),
    get: (sequence) => find({ seq: sequence }),
    page,
    load: (consumer) =>
      known(
        "load",
        request("load", async () => {
          const [{ config, state }, found] = await Promise.all([
            manager.streams.info(stream),
            manager.consumers.info(stream, consumer).catch(orUndefined(consumerNotFound))
          ])
          return {
            storedBytes: state.bytes,
            maxBytes: config.max_bytes > 0 ? config.max_bytes : undefined,
            waiting: found?.num_pending ?? 0
          }
        })
      ),
    nextUnder: (tokens, from) => find({ seq: Math.max(1, from), next_by_subj: `${prefix}.${tokens}.>` }),
    lastSequence: look,
    subscribe,
    consume,
    forget: (consumer) =>
      known(
        "forget",
        request(
          "delete consumer",
          () => manager.consumers.delete(stream, consumer).catch(orUndefined(consumerNotFound))
        )
      ).pipe(Effect.asVoid)
  } satisfies EventLogShape
})

let turn: Promise<void> | undefined
/** The end of this turn of the event loop, the same for all that wait in it: what they publish then leaves in one write. */
const endOfTurn = (): Promise<void> =>
  turn ??= new Promise((resolve) =>
    setImmediate(() => {
      turn = undefined
      resolve()
    })
  )
