/** Idempotency keys: a request that is sent again with its key gets the job that it got before, for ever. */
import type { Caller } from "@akave-async/api/Caller"
import * as IdempotencyKey from "@akave-async/domain/IdempotencyKey"
import * as Job from "@akave-async/domain/Job"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { execute, load, unused } from "@akave-async/eventing/IdempotencyKeyEvents"
import { Tail } from "@akave-async/eventing/Tail"
import { Failpoint } from "@akave-async/platform/Failpoint"
import { Context, Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { v7 as uuidv7 } from "uuid"

/** What is asked for: an operation, and what it is asked with as plain JSON whose fields have an order. */
export type Asked = readonly [operation: string, request: unknown]

/** The id of one of many jobs that a request becomes, all of which follow from the first use of its key. */
export const nthOf = (jobId: Job.Id, n: number): Job.Id => Job.Id.make(derive(jobId, `${jobId}.${n}`))

/** An id that follows from a text and a time in milliseconds since 1970: the same for the same. */
export const derivedId = (millis: number, text: string): Job.Id => Job.Id.make(derive(uuidv7({ msecs: millis }), text))

/** A UUIDv7 of the time of another: 74 bits of the text's hash are as good as random ones (RFC 9562, section 5.7). */
const derive = (uuid: string, text: string): string => {
  const bits = hashOf(text)
  return `${uuid.slice(0, 14)}7${bits.slice(0, 3)}-a${bits.slice(3, 6)}-${bits.slice(6, 18)}`
}

export class IdempotencyKeys extends Context.Service<IdempotencyKeys, {
  /**
   * The job that a request becomes. Without a key that is a new one, and of an exact repeat of a signed request the same; with
   * a key it is the job of its first use, which is stored before this returns. Whether that job was asked for since is for the
   * caller to find out.
   */
  jobFor(
    caller: Caller["Service"],
    key: string | undefined,
    asked: Asked
  ): Effect.Effect<Job.Id, IdempotencyKey.KeyReused | LogUnavailable>
  /** Whether a request for so many jobs was stored before, as far as that is known: with its key, or as the same signed request. */
  isRepeat(caller: Caller["Service"], key: string | undefined, jobs: number): Effect.Effect<boolean>
}>()("@akave-async/gateway/IdempotencyKeys") {
  static readonly layer = Layer.effect(
    IdempotencyKeys,
    Effect.gen(function*() {
      const log = yield* EventLog
      const failpoint = yield* Failpoint
      const tail = yield* Tail
      const jobFor = Effect.fn("IdempotencyKeys.jobFor")(
        function*({ account, requestId, traceparent }: Caller["Service"], key: string | undefined, asked: Asked) {
          const jobId = requestId ?? Job.Id.make(uuidv7())
          if (key === undefined) return jobId
          const use = { account, keyHash: hashOf(key), requestHash: hashOf(JSON.stringify(asked)), jobId }
          const { state } = yield* execute(log, IdempotencyKey.subject(use), unused, IdempotencyKey.useFor(use), {
            source: "/akave/gateway",
            traceparent
          })
          yield* failpoint.hit("key-used")
          return state?.jobId ?? jobId
        }
      )
      const isRepeat = Effect.fnUntraced(
        function*({ account, requestId }: Caller["Service"], key: string | undefined, jobs: number) {
          if (key === undefined) {
            if (requestId === undefined) return false
            const ids = [requestId, ...Array.from({ length: jobs }, (_, n) => nthOf(requestId, n))]
            return ids.some((id) => tail.recent(id).length > 0)
          }
          const { state } = yield* load(log, IdempotencyKey.subject({ account, keyHash: hashOf(key) }))
          return state !== undefined
        },
        Effect.orElseSucceed(() => false)
      )
      return IdempotencyKeys.of({ jobFor, isRepeat })
    })
  )
}

const hashOf = (text: string) => IdempotencyKey.Hash.make(createHash("sha256").update(text).digest("hex"))
