/** Stores events again as they were stored once: on the same subjects, with the same headers, and at the same sequences. */
import { LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import { jetstream, JetStreamApiError } from "@nats-io/jetstream"
import { headers as makeHeaders, type NatsConnection } from "@nats-io/nats-core"
import { Duration, Effect, Schedule, Schema } from "effect"

/**
 * How long the server remembers ids while events are stored again: the shortest that it takes. The log may have an id twice, when more
 * than its own window lay between.
 */
export const shortestWindow = Duration.millis(100)
/** The server forgets an id within this after its window. */
const forgetting = Duration.seconds(1)
/** A server that is busy with what was sent before answers within this. */
const patience = Duration.seconds(30)

/** The server has not stored an event as it was. */
export class NotAsItWas extends Schema.TaggedError<NotAsItWas>()("NotAsItWas", {
  stream: Schema.String,
  sequence: Schema.Int,
  reason: Schema.String
}) {
  override readonly message =
    `Event ${this.sequence} was not stored in ${this.stream} as it was: ${this.reason}. Stop the services, delete the stream (nats stream rm ${this.stream}) and restore again`
}

/** The headers that the server acts on are known to it in one form only; the log has the names of all in lower case. */
const nameOf = (name: string): string =>
  name.startsWith("nats-") ? name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()) : name

const idOf = ({ headers }: StoredEvent) => headers["nats-msg-id"]

/** Sends one event. */
const sender = (connection: NatsConnection, stream: string, prefix: string) => {
  const client = jetstream(connection, { timeout: Duration.toMillis(patience) })
  return async ({ data, headers, sequence, subject }: StoredEvent): Promise<"stored" | "duplicate"> => {
    const sent = makeHeaders()
    for (const [name, value] of Object.entries(headers)) sent.set(nameOf(name), value)
    const wrong = (reason: string) => new NotAsItWas({ stream, sequence, reason })
    const ack = await client.publish(`${prefix}.${subject}`, data, { headers: sent }).catch((cause: unknown) => {
      throw cause instanceof JetStreamApiError ? wrong(`the server says "${cause.message}"`) : cause
    })
    if (ack.stream !== stream) throw wrong(`its subject belongs to the stream ${ack.stream}`)
    if (ack.duplicate) return "duplicate"
    if (ack.seq !== sequence) throw wrong(`it is event ${ack.seq} there`)
    return "stored"
  }
}

/** Stores events of one stream, those of one call at once, in order, and each call behind the one before. */
export const make = (connection: NatsConnection, stream: string, prefix: string) => {
  const send = sender(connection, stream, prefix)
  /** When each id was sent that the server may remember, in milliseconds. */
  const recent = new Map<string, number>()
  const isRecent = (id: string | undefined) => id !== undefined && recent.has(id)
  const sendAll = (events: ReadonlyArray<StoredEvent>) =>
    Effect.tryPromise({
      // All are on their way before one is waited for, and all have ended before this ends.
      try: async () => {
        const results = await Promise.allSettled(events.map(send))
        const now = performance.now()
        for (const event of events) {
          const id = idOf(event)
          if (id !== undefined) recent.set(id, now)
        }
        const failed = results.find((result) => result.status === "rejected")
        if (failed !== undefined) throw failed.reason
        return results.map((result) => result.status === "fulfilled" ? result.value : "stored")
      },
      catch: (cause) =>
        cause instanceof NotAsItWas ? cause : new LogUnavailable({ operation: `restore ${stream}`, cause })
    })

  /** One whose id the server may remember is sent until it is taken. */
  const sendRepeated = (event: StoredEvent) =>
    sendAll([event]).pipe(
      Effect.repeat({
        until: ([result]) => result === "stored",
        schedule: Schedule.spaced(shortestWindow)
      }),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () =>
          Effect.fail(
            new NotAsItWas({ stream, sequence: event.sequence, reason: "the server takes it for one that it has" })
          )
      })
    )

  return Effect.fnUntraced(function*(events: ReadonlyArray<StoredEvent>) {
    const now = performance.now()
    for (const [id, at] of recent) {
      if (now - at < Duration.toMillis(forgetting)) break
      recent.delete(id)
    }
    let run: Array<StoredEvent> = []
    const ids = new Set<string>()
    const flush = Effect.suspend(() => {
      const sent = run
      run = []
      ids.clear()
      return Effect.flatMap(sendAll(sent), (results) => {
        const n = results.indexOf("duplicate")
        const event = sent[n]
        if (event === undefined) return Effect.void
        return new NotAsItWas({ stream, sequence: event.sequence, reason: "the server takes it for one that it has" })
      })
    })
    for (const event of events) {
      const id = idOf(event)
      if (!isRecent(id) && !(id !== undefined && ids.has(id))) {
        run.push(event)
        if (id !== undefined) ids.add(id)
        continue
      }
      yield* flush
      yield* sendRepeated(event)
    }
    yield* flush
  })
}
