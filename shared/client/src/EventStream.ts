/** Live events of a gateway, as Server-Sent Events. */
import { EventSourceParserStream } from "eventsource-parser/stream"
import { ConnectionFailed, UnexpectedAnswer } from "./Errors.ts"
import type { Transport } from "./Transport.ts"
import type { Event } from "./Wire.ts"

/** The gateway sends a comment at least every 15 s; a stream that is silent for longer has broken. */
const longestSilence = 40_000

/** An event, and the id that the stream goes on behind. */
export interface Sent {
  readonly id: string | undefined
  readonly event: Event
}

/** A stream that was opened. */
export interface Opened {
  /** The events as they come, until the gateway or the signal ends the stream. Fails where the connection breaks. */
  readonly events: AsyncIterable<Sent>
}

/**
 * Opens a stream.
 * @param lastEventId The stream's id of the last event that the caller has, or its sequence.
 * @returns Undefined where there is nothing to follow.
 */
export const open = async (
  transport: Transport,
  path: string,
  lastEventId: string | undefined,
  signal: AbortSignal
): Promise<Opened | undefined> => {
  const silence = new AbortController()
  const stop = () => silence.abort(signal.reason)
  signal.addEventListener("abort", stop, { once: true })
  let timer: ReturnType<typeof setTimeout> | undefined
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(
      () => silence.abort(new ConnectionFailed(transport.settings.url, "the stream is silent")),
      longestSilence
    )
  }
  const close = () => {
    clearTimeout(timer)
    signal.removeEventListener("abort", stop)
    if (!silence.signal.aborted) silence.abort()
  }
  try {
    signal.throwIfAborted()
    heard()
    const headers = {
      accept: "text/event-stream",
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId })
    }
    const response = await transport.open({ method: "GET", path, headers, isRepeatable: true }, silence.signal)
    const type = response.headers.get("content-type") ?? ""
    if (response.status === 204) return close(), undefined
    if (response.body === null || !type.startsWith("text/event-stream")) {
      throw new UnexpectedAnswer(response.url, response.status, `a body of the type ${type}`)
    }
    return { events: read(response.body, { close, heard, signal: silence.signal, url: transport.settings.url }) }
  } catch (error) {
    close()
    throw error
  }
}

async function* read(
  body: ReadableStream<Uint8Array>,
  { close, heard, signal, url }: {
    readonly close: () => void
    readonly heard: () => void
    readonly signal: AbortSignal
    readonly url: string
  }
): AsyncGenerator<Sent> {
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      heard()
      controller.enqueue(chunk)
    }
  })
  const reader = body.pipeThrough(counted).pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(new EventSourceParserStream()).getReader()
  // Where the runtime has lost the signal, this closes the connection.
  const stop = () => void reader.cancel(signal.reason).catch(() => {})
  signal.addEventListener("abort", stop, { once: true })
  try {
    while (true) {
      const next = await reader.read().catch((cause: unknown) => {
        throw signal.aborted ? signal.reason : new ConnectionFailed(url, cause)
      })
      if (next.done && signal.aborted) throw signal.reason
      if (next.done) return
      const { data, id } = next.value
      if (data !== "") yield { id, event: JSON.parse(data) as Event }
    }
  } finally {
    signal.removeEventListener("abort", stop)
    close()
    // The connection is gone already, or goes with this.
    await reader.cancel().catch(() => {})
  }
}

/**
 * The events of a path from a place on, over as many connections as it takes: none is lost, and none comes twice
 * unless the gateway's log is restored meanwhile.
 * @param pause Waits before the next connection, after so many failures in a row; fails when they are too many, or are no use.
 */
export async function* follow(
  transport: Transport,
  path: string,
  options: {
    readonly after: string | undefined
    readonly signal: AbortSignal | undefined
    readonly pause: (failures: number, error: unknown) => Promise<void>
  }
): AsyncGenerator<Event> {
  const signal = options.signal ?? new AbortController().signal
  let last = options.after
  for (let failures = 0;;) {
    try {
      const stream = await open(transport, path, last, signal)
      if (stream === undefined) return
      for await (const { event, id } of stream.events) {
        failures = 0
        last = id ?? event.sequence
        yield event
      }
      // The gateway ends a stream when it stops; the stream of a job also with the job, which the next answer reports.
      await options.pause(failures, undefined)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      await options.pause(++failures, error)
    }
  }
}
