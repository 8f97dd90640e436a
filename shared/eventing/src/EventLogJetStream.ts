/**
 * The event log on NATS JetStream: one stream, whose server settles every race by the expected sequences.
 * Works with nats-server 2.9.10 and newer.
 */
import { Nats } from "@akave-async/platform/Nats"
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  type JsMsg,
  RetentionPolicy,
  StorageType,
  type StoredMsg
} from "@nats-io/jetstream"
import { headers as makeHeaders, type MsgHdrs, nanos, type NatsConnection } from "@nats-io/nats-core"
import { type Cause, Config, Duration, Effect, Layer, Option, Queue, Schema, Stream } from "effect"
import {
  type Appended,
  type Delivery,
  EventLog,
  type EventLogShape,
  LogUnavailable,
  type StoredEvent,
  WrongRevision
} from "./EventLog.ts"

export interface Options {
  /** The name of the JetStream stream. It is created when it is missing. */
  readonly stream: string
  /** All events are stored on `<prefix>.<subject>`. */
  readonly prefix: string
  /** Copies of the stream in a cluster. */
  readonly replicas: number
  /** How long the server remembers the ids of events for deduplication. */
  readonly dedupWindow: Duration.Duration
}

const replicas = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))

/** How a log is opened when only its stream and prefix differ: replicas from `EVENTS_REPLICAS`, dedup for two minutes. */
export const configured = Config.all({
  replicas: Config.schema(replicas, "EVENTS_REPLICAS").pipe(Config.withDefault(1)),
  dedupWindow: Config.Duration("EVENTS_DEDUP_WINDOW").pipe(Config.withDefault(Duration.minutes(2)))
})

/** The event log of `EVENTS_STREAM` and `EVENTS_PREFIX`. */
export const layerConfig = Layer.effect(
  EventLog,
  Effect.gen(function*() {
    const connection = yield* Nats
    const stream = yield* Config.NonEmptyString("EVENTS_STREAM").pipe(Config.withDefault("AKAVE_EVENTS"))
    const prefix = yield* Config.NonEmptyString("EVENTS_PREFIX").pipe(Config.withDefault("akave.events"))
    return yield* open(connection, { ...yield* configured, stream, prefix })
  })
)

/** No answer within this time is an unavailable log: a request at the gateway must be answered within 2 s. */
const requestTimeout = Duration.millis(1500)
/** How many messages a reader asks for ahead of what it has handled. */
const prefetch = 1000

/** The server's error codes for an append that stated what is no longer so (nats-server's `errors.json`). */
const wrongExpectation = new Set([10070, 10071, 10164])
const noMessageFound = 10037
const streamNotFound = 10059

/** Opens the log, creating its stream if it is missing. An existing stream is left as it is. */
export const open = Effect.fnUntraced(function*(connection: NatsConnection, options: Options) {
  const { prefix, stream } = options
  const client = jetstream(connection, { timeout: Duration.toMillis(requestTimeout) })
  const request = <A>(operation: string, call: () => Promise<A>): Effect.Effect<A, LogUnavailable> =>
    Effect.tryPromise({ try: call, catch: (cause) => new LogUnavailable({ operation, cause }) })

  const manager = yield* request(
    "connect",
    () => jetstreamManager(connection, { timeout: Duration.toMillis(requestTimeout) })
  )
  yield* request("create stream", () =>
    manager.streams.info(stream).catch((error: unknown) => {
      if (!(error instanceof JetStreamApiError && error.code === streamNotFound)) throw error
      return manager.streams.add({
        name: stream,
        subjects: [`${prefix}.>`],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        num_replicas: options.replicas,
        duplicate_window: nanos(Duration.toMillis(options.dedupWindow)),
        deny_delete: true,
        deny_purge: true,
        allow_direct: true
      })
    }))

  const toStored = (
    sequence: number,
    subject: string,
    headers: MsgHdrs | undefined,
    data: Uint8Array
  ): StoredEvent => ({
    sequence,
    subject: subject.slice(prefix.length + 1),
    headers: Object.fromEntries(Array.from(headers ?? [], ([name, values]) => [name.toLowerCase(), values.join(",")])),
    data
  })
  const fromStoredMsg = (message: StoredMsg | null): Option.Option<StoredEvent> =>
    message === null ? Option.none() : Option.some(toStored(message.seq, message.subject, message.header, message.data))
  const find = (query: { seq: number } | { seq: number; next_by_subj: string }) =>
    request("read", () => manager.direct.getMessage(stream, query)).pipe(Effect.map(fromStoredMsg))

  const append: EventLogShape["append"] = (subject, expected, event) =>
    Effect.tryPromise({
      try: async (): Promise<Appended> => {
        const headers = makeHeaders()
        for (const [name, value] of Object.entries(event.headers)) headers.set(name, value)
        const ack = await client.publish(`${prefix}.${subject}`, event.data, {
          msgID: event.id,
          headers,
          expect: "revision" in expected
            ? { streamName: stream, lastSubjectSequence: expected.revision }
            : { streamName: stream, lastSequence: expected.lastSequence, lastMsgID: expected.lastId }
        })
        return { sequence: ack.seq, isDuplicate: ack.duplicate }
      },
      catch: (cause) =>
        cause instanceof JetStreamApiError && wrongExpectation.has(cause.code)
          ? new WrongRevision({ subject })
          : new LogUnavailable({ operation: "append", cause })
    })

  const read: EventLogShape["read"] = Effect.fnUntraced(function*(subject) {
    const events: Array<StoredEvent> = []
    let revision = 0
    while (true) {
      const next = yield* find({ seq: revision + 1, next_by_subj: `${prefix}.${subject}` })
      if (Option.isNone(next)) return { events, revision }
      events.push(next.value)
      revision = next.value.sequence
    }
  })

  const lastSequence = Effect.map(
    request("stream info", () => manager.streams.info(stream)),
    (info) => info.state.last_seq
  )

  /** Hands over what an asynchronous iterator gives, as a stream whose chunks are all that has come so far. */
  const fromMessages = (
    messages: Effect.Effect<AsyncIterable<JsMsg> & { stop(error?: Error): void }, LogUnavailable>
  ): Stream.Stream<JsMsg, LogUnavailable> =>
    Stream.unwrap(Effect.gen(function*() {
      const source = yield* Effect.acquireRelease(messages, (messages) => Effect.sync(() => messages.stop()))
      const queue = yield* Queue.bounded<JsMsg, LogUnavailable | Cause.Done>(prefetch)
      yield* Stream.fromAsyncIterable(source, (cause) => new LogUnavailable({ operation: "deliver", cause })).pipe(
        Stream.runForEach((message) => Queue.offer(queue, message)),
        Effect.andThen(Queue.fail(queue, new LogUnavailable({ operation: "deliver", cause: "the reader was closed" }))),
        Effect.catch((error) => Queue.fail(queue, error)),
        Effect.forkScoped
      )
      return Stream.fromQueue(queue)
    }))

  const subscribe: EventLogShape["subscribe"] = (from) =>
    fromMessages(request("subscribe", async () => {
      const consumer = await client.consumers.get(stream, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: Math.max(1, from)
      })
      return consumer.consume({ max_messages: prefetch, idle_heartbeat: 1_000 })
    })).pipe(Stream.map((message) => toStored(message.seq, message.subject, message.headers, message.data)))

  const toDelivery = (message: JsMsg): Delivery => ({
    event: toStored(message.seq, message.subject, message.headers, message.data),
    deliveryCount: message.info.deliveryCount,
    ack: request("ack", () => message.ackAck()).pipe(Effect.asVoid),
    nak: (delay) => request("nak", async () => message.nak(Duration.toMillis(delay))),
    term: (reason) => request("term", async () => message.term(reason)),
    inProgress: request("in progress", async () => message.working())
  })

  const consume: EventLogShape["consume"] = ({ ackWait, maxAckPending, name }) =>
    fromMessages(request("consume", async () => {
      await manager.consumers.add(stream, {
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: nanos(Duration.toMillis(ackWait)),
        max_ack_pending: maxAckPending,
        max_deliver: -1
      })
      const consumer = await client.consumers.get(stream, name)
      return consumer.consume({ max_messages: Math.min(prefetch, maxAckPending), idle_heartbeat: 1_000 })
    })).pipe(Stream.map(toDelivery))

  return {
    append,
    read,
    // Asked of the stream's leader: a replica may not have the last one yet, and writers decide on this.
    last: (subject) =>
      request(
        "read last",
        () =>
          manager.streams.getMessage(stream, { last_by_subj: `${prefix}.${subject}` }).catch((error: unknown) => {
            if (error instanceof JetStreamApiError && error.code === noMessageFound) return null
            throw error
          })
      ).pipe(Effect.map(fromStoredMsg)),
    get: (sequence) => find({ seq: sequence }),
    lastSequence,
    subscribe,
    consume
  } satisfies EventLogShape
})
