/** A user of the gateway, over plain HTTP as curl would be. */
import { Effect, Schedule, Schema } from "effect"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of any shape
  readonly body: any
}

/** The answer has not come to what was waited for. */
export class NotYet extends Schema.TaggedError<NotYet>()("NotYet", { last: Schema.String }) {
  override readonly message = `still ${this.last}`
}

export const request = (url: string, init?: RequestInit): Effect.Effect<Answer> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { signal, ...init })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get("content-type") ?? "")
    return { status: response.status, headers: response.headers, body: isJson && text !== "" ? JSON.parse(text) : text }
  })

/** `request` for a gateway that may be down: no answer is status 0. */
export const tryRequest = (url: string, init?: RequestInit): Effect.Effect<Answer> =>
  Effect.catchDefect(
    request(url, init),
    (defect) => Effect.succeed({ status: 0, headers: new Headers(), body: String(defect) })
  )

export const createBucket = (gateway: string, name: string): Effect.Effect<Answer> =>
  request(`${gateway}/buckets`, { method: "POST", body: JSON.stringify({ name }) })

export const deleteBucket = (gateway: string, name: string): Effect.Effect<Answer> =>
  request(`${gateway}/buckets/${name}`, { method: "DELETE" })

/** Asks until the answer is as wanted, for a minute and a half at most. */
export const eventually = (
  question: Effect.Effect<Answer>,
  isWanted: (answer: Answer) => boolean
): Effect.Effect<Answer, NotYet> =>
  question.pipe(
    Effect.flatMap((answer) =>
      isWanted(answer)
        ? Effect.succeed(answer)
        : Effect.fail(new NotYet({ last: `${answer.status} ${JSON.stringify(answer.body)}` }))
    ),
    Effect.retry(Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "90 seconds" })))
  )

/** The job once it has ended. */
export const ended = (gateway: string, jobId: string): Effect.Effect<Answer, NotYet> =>
  eventually(
    tryRequest(`${gateway}/jobs/${jobId}`),
    ({ body }) => ["completed", "failed", "cancelled"].includes(body.status)
  )

/** Waits until the read model has all that the log has now. */
export const settled = (gateway: string): Effect.Effect<Answer, NotYet> =>
  eventually(tryRequest(`${gateway}/health/ready`), ({ body }) => body.projection_lag_ms === 0)

let names = 0
/** A bucket name that no other test uses. */
export const freshName = (): string => `bucket-${process.pid}-${Date.now().toString(36)}-${++names}`
