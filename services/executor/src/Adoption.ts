/** Whether what a part asks for is so already, where the contract refuses to do it. */
import type { TransactionHash } from "@akave-async/domain/Ethereum"
import type * as Job from "@akave-async/domain/Job"
import { EventLog } from "@akave-async/eventing/EventLog"
import { Chain } from "@akave-async/sdk/Chain"
import { RpcError } from "@akave-async/sdk/Errors"
import { Duration, Effect, Option, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { waitsFor } from "./Lane.ts"
import type { Done, Refusal } from "./Operation.ts"
import type { Task } from "./Task.ts"

/** How often it is seen whether what was found is confirmed. */
const interval = Duration.seconds(2)

/** What the contract has refused the job for is not so in the latest block. */
export const notSo = new RpcError({
  method: "eth_call",
  code: "STALE",
  details: "what the contract refused the call for is not mined, or was undone since"
})

export const make = Effect.gen(function*() {
  const log = yield* EventLog
  const chain = yield* Chain
  const { confirmations } = yield* ExecutorConfig

  /**
   * Whether what a part asks for is so for good: what others did is no more final than what the job does itself, and what
   * only waits to be mined may never be. Fails where it is not so in the latest block.
   */
  const isFinal = Effect.fnUntraced(function*({ operation }: Task, job: Job.Job, part: Job.Part) {
    const head = yield* chain.blockNumber
    if (!(yield* operation.holds(job, part, head))) return yield* notSo
    return confirmations === 1 || (yield* operation.holds(job, part, Math.max(0, head - confirmations + 1)))
  })

  /** What the part asks for is so already, which is its result; anything else that the contract refuses is an error. */
  const adopt = Effect.fnUntraced(function*(
    task: Task,
    job: Job.Job,
    part: Job.Part,
    refusal: Refusal,
    own: ReadonlyArray<TransactionHash>
  ) {
    const { state } = yield* task.kind.load(log, task.cause.subject)
    const look = task.operation.adopt(job, part, refusal, own, state.blockNumber)
    const first = yield* look
    if (Option.isNone(first)) return yield* refusal
    yield* waitsFor(`waits until ${confirmations} blocks confirm what it has found done`)
    yield* Effect.repeat(isFinal(task, job, part), { until: (is) => is, schedule: Schedule.spaced(interval) })
    const last = confirmations === 1 ? first : yield* look
    if (Option.isSome(last) && last.value.transactionHash === first.value.transactionHash) return last.value
    return yield* notSo
  })

  /** What the part asks for, if the contract refuses it because it is so already. */
  const find = (task: Task, job: Job.Job, part: Job.Part, own: ReadonlyArray<TransactionHash>) =>
    task.operation.prepare(job, part).pipe(
      Effect.map((prepared) => "done" in prepared ? Option.some(prepared.done) : Option.none<Done>()),
      Effect.catchTag(
        ["ContractError", "UnknownRevert"],
        (refusal) => Effect.map(adopt(task, job, part, refusal, own), Option.some)
      ),
      Effect.catchTag(["ContractError", "InvalidArgument", "PartFailed", "UnknownRevert"], () => Effect.succeedNone)
    )

  return { adopt, find }
})
export type Adoption = Effect.Success<typeof make>
