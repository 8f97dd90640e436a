/** How a job ends whose work is done, or that was given up. */
import * as Job from "@akave-async/domain/Job"
import type * as Wallet from "@akave-async/domain/Wallet"
import { again } from "@akave-async/eventing/Outcome"
import { Failpoint } from "@akave-async/platform/Failpoint"
import { Duration, Effect, Option, Result } from "effect"
import type { Adoption } from "./Adoption.ts"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { pointOf } from "./Failpoints.ts"
import { waitsFor } from "./Lane.ts"
import type { Done } from "./Operation.ts"
import type { Records } from "./Records.ts"
import { jobOf, type Known, type Task } from "./Task.ts"

/** After this it is seen again what a job's result is read from. */
const shortDelay = Duration.seconds(2)

export const make = Effect.fnUntraced(function*(adoption: Adoption, records: Records) {
  const failpoint = yield* Failpoint
  const { retryDelay } = yield* ExecutorConfig

  /** Completes a job whose last part is done. What is to be read for its result is read again, where that fails. */
  const complete = Effect.fnUntraced(function*(
    task: Task,
    known: Known,
    done: Done,
    giveUp?: { readonly after: Wallet.Claim | undefined }
  ) {
    const result = yield* Effect.result(task.operation.result(jobOf(known), done))
    if (Result.isFailure(result)) {
      yield* waitsFor(`failed: ${result.failure.message}`)
      return again(shortDelay)
    }
    if (giveUp !== undefined) return yield* records.completeAsFound(task, known, result.success, giveUp.after)
    const settled = yield* records.complete(task, known, result.success)
    yield* failpoint.hit(pointOf("completed"))
    return settled
  })

  /** Does the work of a job that takes no transaction. */
  const work = Effect.fnUntraced(function*(task: Task, known: Known) {
    const doing = task.operation.work?.(jobOf(known)) ?? Effect.die(new Error("an operation without parts has work"))
    const result = yield* Effect.result(doing)
    return Result.isSuccess(result)
      ? yield* records.complete(task, known, result.success)
      : yield* records.fail(task, known, result.failure, undefined)
  })

  /** Ends a job that an executor gave up and then died before it recorded the end. */
  const conclude = Effect.fnUntraced(function*(task: Task, known: Known) {
    const job = jobOf(known)
    if (Job.abandonedOf(job) !== undefined) return yield* records.endAbandoned(task, known, undefined)
    const last = task.operation.parts(job).at(-1) ?? Job.whole
    const found = yield* Effect.result(adoption.find(task, job, last, known.state.submitted))
    if (Result.isFailure(found)) {
      return found.failure._tag === "LogUnavailable" ? yield* found.failure : again(retryDelay)
    }
    if (Option.isSome(found.success)) return yield* complete(task, known, found.success.value)
    return yield* records.end(task, known, {
      category: "internal",
      code: "GivenUp",
      message: "Its attempts are used up"
    })
  })

  return { complete, work, conclude }
})
