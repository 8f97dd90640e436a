/** Readers of a JetStream stream that are opened again whenever they end, are deaf, or are handed nothing. */
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as Retry from "@akave-async/platform/Retry"
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream"
import { type Cause, type Duration, Effect, Option, Queue, Schedule, Stream } from "effect"
import { LogLost, LogUnavailable } from "./EventLog.ts"
import { prefetch, request } from "./JetStreamRequest.ts"
import * as Watchdog from "./Watchdog.ts"

/** The JetStream stream that is read, and the connection to it. */
export interface Source {
  readonly stream: string
  /** Fails where the stream is away, or not the one that was there before. */
  readonly look: Effect.Effect<number, LogUnavailable>
  /** How often the connection was lost so far. */
  readonly disconnects: () => number
  /** The readers that are open; whoever loses the connection stops them. */
  readonly readers: Set<ConsumerMessages>
}

/** How far a reader is, as the log reports it. */
type Progress = Omit<Watchdog.Look, "heard" | "queued">

/** How one reader is opened and looked at. */
export interface Reader {
  /** Runs before the reader is opened. */
  readonly prepare?: Effect.Effect<void, LogUnavailable>
  readonly open: () => Promise<ConsumerMessages>
  readonly progress: Effect.Effect<Option.Option<Progress>, LogUnavailable>
  readonly interval: Duration.Duration
  /** Runs before the reader is given up because the log hands it nothing, or does, though it did not. */
  readonly onStalled?: Effect.Effect<void, LogUnavailable>
  readonly onDelivered?: () => void
}

/** A reader that ended is opened again without limit: nothing else would hand out what the log holds. */
const reopen = Retry.endless("250 millis")

// oxlint-disable-next-line max-lines-per-function -- its watch shares what the reader has heard
export const make = ({ disconnects, look, readers, stream }: Source) => {
  /**
   * What the server hands to a reader, as a stream whose chunks are all that has come so far. It fails when the connection
   * is lost, or when the reader gets nothing though it should.
   */
  const reading = (reader: Reader): Stream.Stream<JsMsg, LogUnavailable> =>
    Stream.unwrap(Effect.gen(function*() {
      const at = disconnects()
      yield* look
      if (reader.prepare !== undefined) yield* reader.prepare
      const messages = yield* Effect.acquireRelease(
        request("open reader", reader.open),
        (messages) =>
          Effect.sync(() => {
            readers.delete(messages)
            messages.stop()
          })
      )
      readers.add(messages)
      if (at !== disconnects()) {
        return Stream.fail(new LogUnavailable({ operation: "open reader", cause: "disconnected" }))
      }

      const queue = yield* Queue.bounded<JsMsg, LogUnavailable | Cause.Done>(prefetch)
      yield* Stream.fromAsyncIterable(messages, (cause) => new LogUnavailable({ operation: "deliver", cause })).pipe(
        Stream.runForEach((message) => Queue.offer(queue, message)),
        Effect.andThen(Queue.fail(queue, new LogUnavailable({ operation: "deliver", cause: "the reader was closed" }))),
        Effect.catch((error) => Queue.fail(queue, error)),
        Effect.forkScoped
      )
      let heartbeats = 0
      let taken = 0
      yield* Stream.fromAsyncIterable(messages.status(), (cause) => cause).pipe(
        Stream.runForEach(({ type }) => Effect.sync(() => heartbeats += type === "heartbeat" ? 1 : 0)),
        Effect.ignore,
        Effect.forkScoped
      )

      const progress = reader.progress.pipe(
        // What is not answered now is asked again at the next look.
        Effect.catchIf(({ cause }) => !(cause instanceof LogLost), () => Effect.succeedNone)
      )
      yield* Effect.gen(function*() {
        let before: Watchdog.Look | undefined
        while (true) {
          const answer = yield* progress
          if (Option.isSome(answer)) {
            // What came before the answer has been heard by now: a process that was held up is not taken for deaf.
            const received = messages.getReceived()
            const now = { ...answer.value, heard: heartbeats + received, queued: received - taken }
            const finding = before === undefined ? "fine" : Watchdog.compare(before, now)
            if (finding === "stalled" && reader.onStalled !== undefined) yield* reader.onStalled
            if (finding !== "fine") {
              return yield* new LogUnavailable({ operation: "deliver", cause: `the reader is ${finding}` })
            }
            if (before !== undefined && now.delivered !== before.delivered) reader.onDelivered?.()
            before = now
          }
          yield* Effect.sleep(reader.interval)
        }
      }).pipe(
        Effect.catch((error) => Queue.fail(queue, error)),
        Effect.forkScoped
      )
      return Stream.map(Stream.fromQueue(queue), (message) => {
        taken++
        return message
      })
    }))

  /** Opens a reader again, wherever it was, for as long as that may help. */
  const reopened = <A>(opened: Stream.Stream<A, LogUnavailable>, isWaiting: (error: LogUnavailable) => boolean) => {
    const warn = RepeatedWarning.make()
    return opened.pipe(
      Stream.tapError((error) =>
        isWaiting(error)
          ? warn(`reading from ${stream} again: ${error.cause instanceof Error ? error.cause.message : error.cause}`)
          : Effect.void
      ),
      Stream.retry(Schedule.while(reopen, ({ input }) => isWaiting(input as LogUnavailable)))
    )
  }

  return { reading, reopened }
}
