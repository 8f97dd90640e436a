/**
 * Whether the wallet's lane gets on. A lane that has work and has finished no step for a time is stalled, and says so with
 * its reason: in the log every half a minute, and at `/health/ready` of its executor and of the gateways.
 */
import type * as Job from "@akave-async/domain/Job"
import type { Claim } from "@akave-async/domain/Wallet"
import type { LaneReport } from "@akave-async/eventing/LaneReports"
import type { Outcome } from "@akave-async/eventing/Outcome"
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import { Wallet as Signer } from "@akave-async/sdk/Wallet"
import { Cause, Clock, type Config, Context, Duration, Effect, Exit, Layer, Schedule } from "effect"
import { ExecutorConfig } from "./ExecutorConfig.ts"

/** How often the lane looks whether it is stalled. */
const interval = Duration.seconds(5)

/** What a step waits for, beside the words for it. */
interface Awaited {
  /** The claim whose nonce the chain has not used. */
  readonly claim?: Claim
  /** What the wallet must hold for the step to go on, in wei. */
  readonly needed?: bigint
}

/** A job that the lane has, and what it waits for. */
export interface Held extends Awaited {
  readonly heldMillis: number
  readonly waitsFor: string
  /** How long it has from its first attempt on, where that is known. */
  readonly deadline?: Duration.Duration
}

/** An event whose step is under way, or is to be taken again. Times are of the monotonic clock, in milliseconds. */
interface Work {
  readonly jobId: Job.Id | undefined
  readonly deadline?: Duration.Duration
  /** What it waits for, or why its last try came to nothing. */
  waitsFor: string
  awaited: Awaited
  readonly since: number
  /** When it last got on since it was begun; 0 for never. */
  progressedAt: number
  /** Until when it is work of this lane: another executor may have taken over what is to be taken again. */
  keptUntil: number
}

export class Lane extends Context.Service<Lane, {
  /** Runs the work on the job that the event at this sequence asks for; it is the lane's until the outcome is `Done`. */
  work<E, R>(
    event: {
      readonly sequence: number
      readonly jobId: Job.Id | undefined
      /** How long the job has from its first attempt on. */
      readonly deadline?: Duration.Duration
    },
    work: Effect.Effect<Outcome, E, R>
  ): Effect.Effect<Outcome, E, R>
  /** How the lane gets on with a job; undefined where it does not have it. */
  held(jobId: string): Effect.Effect<Held | undefined>
  /** How the lane gets on, as far as this executor serves it. */
  readonly report: Effect.Effect<LaneReport>
}>()("@akave-async/executor/Lane") {
  static readonly layer: Layer.Layer<Lane, Config.ConfigError, Signer> = Layer.effect(Lane, Effect.suspend(() => make))
}

/** The work that the present fiber is at. */
const Current = Context.Reference<Work>("@akave-async/executor/Lane/Current", {
  defaultValue: () => ({
    jobId: undefined,
    waitsFor: "",
    awaited: {},
    since: 0,
    progressedAt: 0,
    keptUntil: 0
  })
})

/** Notes what the present step waits for: a clause such as "waits for the chain to use nonce 7", and what that is about. */
export const waitsFor = (what: string, awaited: Awaited = {}): Effect.Effect<void> =>
  Effect.map(Current, (work) => {
    work.waitsFor = what
    work.awaited = awaited
  })

/** Notes that the present job has come nearer to its end. */
export const progressed: Effect.Effect<void> = Effect.suspend(() =>
  Effect.zipWith(Current, monotonicMillis, (work, now) => {
    work.progressedAt = now
  })
)

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

const make = Effect.gen(function*() {
  const { address: owner } = yield* Signer
  const { stalledAfter } = yield* ExecutorConfig
  const works = new Map<number, Work>()
  let finishedAt = yield* monotonicMillis

  const settle = Effect.fnUntraced(function*<E>(sequence: number, work: Work, exit: Exit.Exit<Outcome, E>) {
    const now = yield* monotonicMillis
    if (Exit.isSuccess(exit) && exit.value._tag === "Done") {
      works.delete(sequence)
      finishedAt = now
      return
    }
    const after = Exit.isSuccess(exit) && exit.value._tag === "Again" ? exit.value.after : Duration.zero
    work.keptUntil = now + Duration.toMillis(after) + Duration.toMillis(stalledAfter)
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      const error = Cause.squash(exit.cause)
      work.waitsFor = `failed: ${error instanceof Error ? error.message : String(error)}`
      work.awaited = {}
    }
  })

  const work: Lane["Service"]["work"] = Effect.fnUntraced(function*({ deadline, jobId, sequence }, work) {
    const before = works.get(sequence) ?? { waitsFor: "has just begun", awaited: {}, since: yield* monotonicMillis }
    const begun: Work = {
      progressedAt: 0,
      ...before,
      jobId,
      ...(deadline === undefined ? {} : { deadline }),
      keptUntil: Infinity
    }
    works.set(sequence, begun)
    return yield* work.pipe(
      Effect.provideService(Current, begun),
      Effect.onExit((exit) => settle(sequence, begun, exit))
    )
  })

  /** Forgets what another executor may have taken over. */
  const forget = (now: number) => {
    for (const [sequence, { keptUntil }] of works) if (keptUntil < now) works.delete(sequence)
  }

  const held = (jobId: string) =>
    Effect.map(monotonicMillis, (now): Held | undefined => {
      forget(now)
      const work = Array.from(works.values()).find((work) => work.jobId === jobId)
      if (work === undefined) return undefined
      const { awaited, deadline, since, waitsFor } = work
      return { heldMillis: now - since, waitsFor, ...(deadline === undefined ? {} : { deadline }), ...awaited }
    })

  const report = Effect.map(monotonicMillis, (now): LaneReport => {
    forget(now)
    const [first] = Array.from(works.values()).toSorted((a, b) => a.since - b.since)
    if (first === undefined) return { owner, steps: 0, isStalled: false }
    const progressedAt = Array.from(works.values()).reduce((last, work) => Math.max(last, work.progressedAt), 0)
    const quietMillis = now - Math.max(finishedAt, first.since, progressedAt)
    const isStalled = quietMillis >= Duration.toMillis(stalledAfter)
    return { owner, steps: works.size, isStalled, quietMillis, waitsFor: first.waitsFor }
  })

  const warn = RepeatedWarning.make()
  let wasStalled = false
  yield* Effect.gen(function*() {
    const { isStalled, waitsFor } = yield* report
    if (isStalled) yield* warn(`the lane of ${owner} is stalled: its oldest step ${waitsFor}`)
    else if (wasStalled) yield* Effect.logInfo(`the lane of ${owner} gets on`)
    wasStalled = isStalled
  }).pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)

  return Lane.of({ work, held, report })
})
