/** A client of a gateway that sends and reads files of any size without keeping them. */
import { Data, Effect, Schedule } from "effect"
import { request } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as Content from "./Content.ts"

export interface Sent {
  readonly url: string
  readonly size: number
  readonly bytes: AsyncIterable<Uint8Array>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** No answer came, or not all of it. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly cause: unknown }> {
  override readonly message = `no answer: ${this.cause}`
}
/** An answer that is not the one that was wanted. */
export class Refused extends Data.TaggedError("Refused")<{ readonly status: number; readonly body: string }> {
  override readonly message = `${this.status} ${this.body.slice(0, 300)}`
}

/** Sends a file by one request. */
export const put = ({ bytes, headers = {}, size, url }: Sent): Effect.Effect<Answer, NoAnswer> =>
  Effect.tryPromise({
    try: (signal) =>
      new Promise<Answer>((resolve, reject) => {
        const put = request(url, {
          method: "PUT",
          signal,
          // Each has a connection of its own.
          agent: false,
          headers: { ...headers, "content-length": size }
        })
        put.on("response", (response) => {
          response.toArray().then(
            (pieces) => ({ status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString() })
          ).then(resolve, reject)
        })
        // What was answered before all was sent closes the connection too.
        pipeline(Readable.from(bytes, { objectMode: false }), put).catch(reject)
      }),
    catch: (cause) => new NoAnswer({ cause })
  })

/** Sends a file again, with the same headers, until it is accepted, every second for five minutes at most; gives its job. */
export const upload = (
  sent: () => Sent,
  onRetry: (why: NoAnswer | Refused) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<string, NoAnswer | Refused> =>
  Effect.suspend(() => put(sent())).pipe(
    Effect.flatMap(({ body, status }) =>
      status === 202
        ? Effect.succeed(String(JSON.parse(body).job_id))
        : Effect.fail<NoAnswer | Refused>(new Refused({ status, body }))
    ),
    Effect.tapError(onRetry),
    Effect.retry({
      while: (error) => error._tag === "NoAnswer" || error.status >= 500 || error.status === 408,
      schedule: Schedule.spaced("1 second"),
      times: 300
    })
  )

/** Reads a file; gives the SHA-256 of what comes, and how many bytes that are. */
export const read = (url: string) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { signal })
      if (response.status !== 200 || response.body === null) {
        throw new Error(`${response.status} ${(await response.text()).slice(0, 300)}`)
      }
      return await Content.digestOf(response.body)
    },
    catch: (cause) => new NoAnswer({ cause })
  })
