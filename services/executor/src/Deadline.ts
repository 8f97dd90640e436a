/** How long a job still has. */
import type * as Job from "@akave-async/domain/Job"
import { Chain } from "@akave-async/sdk/Chain"
import { DateTime, Duration, Effect, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Operations } from "./Operations.ts"

/** A job that waits in place does so for this long at least. */
const leastPatience = Duration.seconds(2)
/** How often a job whose time is over by one clock looks whether it is by the other. */
const interval = Duration.seconds(5)

/** How long a job has, from its first attempt on. */
export const timeOf = Effect.gen(function*() {
  const { deadline } = yield* ExecutorConfig
  const operations = yield* Operations
  return (job: Job.Job): Duration.Duration =>
    Duration.sum(deadline, operations.get(job.operation)?.extraTime?.(job) ?? Duration.zero)
})

export const make = Effect.gen(function*() {
  const chain = yield* Chain
  const of = yield* timeOf

  const begin = (job: Job.Job) => "startedAt" in job ? job.startedAt : job.createdAt

  /** How long the job still has by this clock, counted from its first attempt. */
  const remaining = (job: Job.Job) =>
    Effect.map(DateTime.now, (now) => {
      const from = DateTime.max(job.createdAt, begin(job))
      return DateTime.distance(now, DateTime.addDuration(from, of(job)))
    })

  /** Whether the job's time is over within this duration by this clock. */
  const isNear = (job: Job.Job, within: Duration.Duration) =>
    Effect.map(remaining(job), (left) => Duration.isLessThan(left, within))

  /** Whether the job's time is over by this clock and by the chain's: one of them may have jumped. */
  const isOver = Effect.fnUntraced(function*(job: Job.Job) {
    const left = yield* remaining(job)
    if (Duration.isGreaterThan(left, Duration.zero)) return false
    return yield* Effect.flatMap(chain.blockNumber, chain.blockTime).pipe(
      Effect.map((head) => Duration.isGreaterThanOrEqualTo(DateTime.distance(begin(job), head), of(job))),
      // A chain that does not answer is ignored.
      Effect.orElseSucceed(() => true)
    )
  })

  /** How long the job waits in place. By its own clock its time may be over while the chain's stands still. */
  const patience = (job: Job.Job) => Effect.map(remaining(job), (left) => Duration.max(left, leastPatience))

  /** Waits until the job's time is over. */
  const passed = (job: Job.Job) =>
    Effect.flatMap(remaining(job), Effect.sleep).pipe(
      Effect.andThen(Effect.repeat(isOver(job), { until: (is) => is, schedule: Schedule.spaced(interval) })),
      Effect.asVoid
    )

  return { of, isNear, isOver, patience, passed }
})
export type Deadline = Effect.Success<typeof make>
