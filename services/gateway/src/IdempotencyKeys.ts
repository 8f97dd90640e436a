/** Idempotency keys: a request that is sent again with its key gets the job that it got before, for ever. */
import type { Caller } from "@akave-async/api/Caller"
import * as IdempotencyKey from "@akave-async/domain/IdempotencyKey"
import * as Job from "@akave-async/domain/Job"
import { EventLog, type LogUnavailable } from "@akave-async/eventing/EventLog"
import { execute, unused } from "@akave-async/eventing/IdempotencyKeyEvents"
import { Failpoint } from "@akave-async/platform/Failpoint"
import { Context, Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { v7 as uuidv7 } from "uuid"

/** What is asked for: an operation, and what it is asked with as plain JSON whose fields have an order. */
export type Asked = readonly [operation: string, request: unknown]

/** The id of one of many jobs that a request becomes, all of which follow from the first use of its key. */
export const nthOf = (jobId: Job.Id, n: number): Job.Id => {
  const bits = hashOf(`${jobId}.${n}`)
  // The time of the request, and 74 other bits that are as good as random (RFC 9562, section 5.7).
  return Job.Id.make(`${jobId.slice(0, 14)}7${bits.slice(0, 3)}-a${bits.slice(3, 6)}-${bits.slice(6, 18)}`)
}

export class IdempotencyKeys extends Context.Service<IdempotencyKeys, {
  /**
   * The job that a request becomes. Without a key that is a new one; with a key it is the job of its first use, which is
   * stored before this returns. Whether that job was asked for since is for the caller to find out.
   */
  jobFor(
    caller: Caller["Service"],
    key: string | undefined,
    asked: Asked
  ): Effect.Effect<Job.Id, IdempotencyKey.KeyReused | LogUnavailable>
}>()("@akave-async/gateway/IdempotencyKeys") {
  static readonly layer = Layer.effect(
    IdempotencyKeys,
    Effect.gen(function*() {
      const log = yield* EventLog
      const failpoint = yield* Failpoint
      const jobFor = Effect.fn("IdempotencyKeys.jobFor")(
        function*({ account, traceparent }: Caller["Service"], key: string | undefined, asked: Asked) {
          const jobId = Job.Id.make(uuidv7())
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
      return IdempotencyKeys.of({ jobFor })
    })
  )
}

const hashOf = (text: string) => IdempotencyKey.Hash.make(createHash("sha256").update(text).digest("hex"))
