/**
 * The process manager of a lane: takes the requests for the wallet's jobs from the durable consumer that all executors with its
 * key share, and works on each job
 * until it is over. The delivery of a request is held until then, so that the consumer's limit is that of jobs under way, and
 * what has begun is finished before more is begun. What a dead executor held comes to another one.
 */
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import * as Job from "@akave-async/domain/Job"
import { EventLog, type EventLogShape, type LogUnavailable, type StoredEvent } from "@akave-async/eventing/EventLog"
import type { Known } from "@akave-async/eventing/Kind"
import * as LaneConsumer from "@akave-async/eventing/LaneConsumer"
import { again, done, type Outcome } from "@akave-async/eventing/Outcome"
import * as Reaction from "@akave-async/eventing/Reaction"
import { type Registered, Registry } from "@akave-async/eventing/Registry"
import { Duration, Effect, Stream } from "effect"
import * as Deadline from "./Deadline.ts"
import { ExecutorConfig } from "./ExecutorConfig.ts"
import { Lane, waitsFor } from "./Lane.ts"
import { Ledger } from "./Ledger.ts"
import { Operations } from "./Operations.ts"
import { source } from "./Source.ts"
import { Steps } from "./Steps.ts"

/** Works on the lane's jobs until it is interrupted; then takes no more, ends what is under way, and lets go of the rest. */
export const run = Effect.gen(function*() {
  const log = yield* EventLog
  const steps = yield* Steps
  const lane = yield* Lane
  const operations = yield* Operations
  const { read } = yield* Registry
  const { signer } = yield* Ledger
  const { ackWait, maxInFlight } = yield* ExecutorConfig
  const owner = signer.toLowerCase()

  const timeOf = yield* Deadline.timeOf
  const deadlineOf = (step: Job.Step | undefined) => {
    const job = step && Job.evolve(undefined, step)
    return job === undefined ? Duration.infinity : timeOf(job)
  }

  const work = (
    stored: StoredEvent,
    { kind, step }: Known,
    isFirst: boolean
  ): Effect.Effect<Outcome, LogUnavailable> => {
    if (kind.jobs === undefined || step?.step !== "requested") return Effect.succeed(done)
    const operation = operations.get(step.operation)
    if (operation !== undefined) return steps.work(stored, step, kind.jobs, operation, isFirst)
    return Effect.as(waitsFor(`waits for an executor that knows ${step.operation}`), again(Reaction.delays.newer))
  }
  const reaction = {
    source: yield* source,
    ackWait,
    maxAckPending: maxInFlight,
    wants: ({ step }: Known) => step?.step === "requested" && step.owner.toLowerCase() === owner,
    handle: ({ isFirst, known, stored }: Reaction.Wanted) =>
      lane.work(
        { sequence: stored.sequence, jobId: known.step?.jobId, deadline: deadlineOf(known.step) },
        work(stored, known, isFirst)
      )
  }

  yield* Effect.all([
    Reaction.run(log, {
      ...reaction,
      name: LaneConsumer.nameOf(owner),
      filter: `*.${owner}.>`,
      startAt: firstUnsettled(log, read, owner)
    }),
    // The event that redrives a dead letter is on no owner's subject.
    Reaction.run(log, {
      ...reaction,
      name: `${LaneConsumer.nameOf(owner)}-redriven`,
      filter: `${DeadLetter.kind}.>`,
      startAt: Effect.map(log.lastSequence, (last) => last + 1)
    })
  ], { concurrency: 2, discard: true })
})

/**
 * Where a new consumer begins: the first of the owner's events that is not dealt with, or where the next one will be. These are
 * the requests of jobs that have not ended, and events that can't be read: they are set aside, or left to a newer release.
 */
const firstUnsettled = Effect.fnUntraced(function*(log: EventLogShape, read: Registered["read"], owner: string) {
  const last = yield* log.lastSequence
  const unsettled = new Map<string, number>()
  if (last > 0) {
    yield* log.subscribe(1).pipe(
      Stream.takeUntil(({ sequence }) => sequence >= last),
      Stream.filter(({ subject }) => subject.split(".", 2)[1] === owner),
      Stream.runForEach((stored) =>
        Effect.sync(() => {
          const event = read(stored)
          if (event._tag === "Newer" || event._tag === "Unreadable") {
            unsettled.set(`${stored.sequence}`, stored.sequence)
          }
          if (event._tag !== "Known" || event.step === undefined) return
          const { jobId, step } = event.step
          if (step === "requested") unsettled.set(jobId, stored.sequence)
          else if (Job.isTerminal(step)) unsettled.delete(jobId)
        })
      )
    )
  }
  return unsettled.values().next().value ?? last + 1
})
