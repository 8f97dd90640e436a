/** Puts a stack under load, lets faults happen, waits until all is quiet, and has the checker look at what is left. */
import { Clock, Duration, Effect, Fiber, Option, Schedule } from "effect"
import { check, mayBeStaged, type Violation } from "./Checker.ts"
import { type Fault, idOf } from "./Faults.ts"
import { fold, isTerminal } from "./Fold.ts"
import * as Client from "./LoadClient.ts"
import * as Observer from "./Observer.ts"
import { revived, type Rig, stagingGrace } from "./Rig.ts"
import type { Message, Note } from "./World.ts"

export interface Options {
  readonly rig: Rig
  /** One, or several that happen at the same time. */
  readonly faults: ReadonlyArray<Fault>
  /** How many buckets the client asks for at least. */
  readonly jobs: number
  /** What all clients of this stack have noted so far; the notes of this one are added. */
  readonly notes: Array<Note>
  /** Begins the names of this client's buckets. */
  readonly prefix: string
  /** How long everything may take to become quiet after the faults. */
  readonly quietWithin: number
}

export interface Outcome {
  readonly faults: string
  readonly jobs: number
  /** Answers with 202 among them. */
  readonly accepted: number
  readonly violations: ReadonlyArray<Violation>
  /** From the faults' end to the first job that was completed after it, in milliseconds; undefined for none. */
  readonly recoveryMillis: number | undefined
  /** From the faults' end until all was quiet, in milliseconds; undefined where that was not seen. */
  readonly quietMillis: number | undefined
  readonly millis: number
}

/** The load runs alone for this long before a fault, and after it, in seconds. */
const margin = 4
/** A fault that takes this much longer than it says has gone wrong, in seconds. */
const faultSlack = 120
/** What was staged and is not needed is swept within STAGING_GRACE and a quarter of it, and some more. */
const sweptWithin = Duration.times(stagingGrace, 2)
/** Reading all that is left takes no longer, in seconds. */
const observeWithin = 120

export const run = Effect.fnUntraced(
  function*({ faults, jobs, notes, prefix, quietWithin, rig }: Options): Effect.fn.Return<Outcome> {
    const begunAt = yield* Clock.currentTimeMillis
    const { pace } = rig
    const lasts = Math.max(...faults.map(({ lasts }) => lasts))
    const before = notes.length
    const asked = () => notes.slice(before).filter(({ request }) => request === "create").length
    let isOver = false
    const client = Client.make({
      gatewayUrls: rig.stack.gatewayUrls,
      accounts: rig.accounts,
      prefix,
      random: rig.random,
      note: (note) => notes.push(note)
    })
    const load = yield* Effect.forkChild(
      client.keepAsking({ rate: jobs / ((lasts + 2 * margin) * pace), jobs, isOver: () => isOver, withFiles: true }),
      { startImmediately: true }
    )

    yield* Effect.forkChild(watchHealth(rig.stack.gatewayUrls), { startImmediately: true })
    yield* Effect.sleep(margin * pace * 1_000)
    const struck = yield* Effect.forEach(faults, (fault) =>
      Effect.scoped(fault.run(rig, client)).pipe(
        Effect.timeoutOrElse({
          duration: (fault.lasts + faultSlack) * 1_000,
          orElse: () => Effect.succeed([wrong(`fault ${idOf(fault)} did not come to its end`)])
        }),
        Effect.catchCause((cause) => Effect.succeed([wrong(`fault ${idOf(fault)} went wrong: ${cause}`)]))
      ), { concurrency: "unbounded" })
    const ended = yield* reviveAll(rig)
    const faultEndedAt = yield* Clock.currentTimeMillis
    yield* Effect.sleep(margin * pace * 1_000)
    while (asked() < jobs) yield* Effect.sleep("100 millis")
    isOver = true
    yield* Fiber.join(load)

    const quiet = yield* Effect.timeoutOption(untilQuiet(rig, notes), quietWithin * 1_000)
    const quietAt = yield* Clock.currentTimeMillis
    if (Option.isSome(quiet)) {
      const log = yield* Effect.orElseSucceed(Observer.readLog(rig.stack.natsUrl), () => [])
      yield* client.readBack(fold(log).files.values())
      yield* Effect.timeoutOption(untilSwept(rig, log), sweptWithin)
    }
    const seen = yield* Observer.observe(rig, {
      notes,
      received: rig.received(),
      secrets: rig.secrets,
      maxInFlight: rig.maxInFlight,
      faultEndedAt
    }).pipe(
      Effect.timeoutOrElse({
        duration: observeWithin * 1_000,
        orElse: () => Effect.fail(new Observer.Unobservable({ what: "product", cause: "no answer in time" }))
      }),
      Effect.result
    )
    const isSeen = seen._tag === "Success"
    const completedAt = isSeen
      ? fold(seen.success.log).events.find(({ step, storedAt }) => step === "completed" && storedAt > faultEndedAt)
        ?.storedAt
      : undefined
    return {
      faults: faults.map((fault) => `${idOf(fault)} ${fault.name}`).join(" + "),
      jobs: asked(),
      accepted:
        notes.slice(before).filter(({ answer, request }) => request === "create" && answer?.status === 202).length,
      violations: [
        // One of several faults may leave nothing for another to happen to.
        ...struck.flat().filter(({ rule }) => rule !== "happened" || faults.length === 1),
        ...ended,
        ...(isSeen ? check(seen.success) : [wrong(seen.failure.message)]),
        ...(Option.isSome(quiet) ? [] : [wrong(`not quiet within ${quietWithin} s after the fault`)])
      ],
      recoveryMillis: completedAt === undefined ? undefined : completedAt - faultEndedAt,
      quietMillis: Option.isSome(quiet) ? quietAt - faultEndedAt : undefined,
      millis: (yield* Clock.currentTimeMillis) - begunAt
    }
  }
)

/** Nothing is staged that no job needs. */
const untilSwept = ({ stack }: Rig, log: ReadonlyArray<Message>) => {
  const folded = fold(log)
  return Effect.map(Clock.currentTimeMillis, (now) => Observer.stagedIn(stack.dataDir).every(mayBeStaged(folded, now)))
    .pipe(
      Effect.repeat({ until: (isSwept) => isSwept, schedule: Schedule.spaced("500 millis") })
    )
}

const wrong = (evidence: string): Violation => ({ rule: "fault", evidence })

/** Asks every gateway whether it is ready, every second, as what runs it does. */
const watchHealth = (gatewayUrls: ReadonlyArray<string>) =>
  Effect.forEach(
    gatewayUrls,
    (url) =>
      Effect.promise(() =>
        fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) }).then(
          (response) => response.arrayBuffer(),
          () => undefined
        )
      ),
    { concurrency: "unbounded", discard: true }
  ).pipe(Effect.repeat(Schedule.spaced("1 second")))

/** Brings back what has ended, which no fault leaves behind: a process of the product that ended did so by itself. */
const reviveAll = ({ stack }: Rig) =>
  Effect.forEach(stack.services, ({ process }) =>
    Effect.gen(function*() {
      if ((yield* process.pid) !== undefined) return []
      const { lastWords } = yield* process.exited
      const revival = yield* Effect.result(revived(process))
      return [
        wrong(`${process.name} ended by itself, saying at last: ${lastWords}`),
        ...(revival._tag === "Failure" ? [wrong(revival.failure.message)] : [])
      ]
    })).pipe(Effect.map((found) => found.flat()))

/** Every job has ended, every event is settled, projected and under a signed checkpoint, and no transaction waits. */
export const untilQuiet = ({ stack }: Rig, notes: ReadonlyArray<Note>) => {
  const isQuiet = Effect.gen(function*() {
    // Asked first: reading the log takes longest.
    if ((yield* Observer.unsettled(stack.natsUrl)) > 0) return false
    const { minedCount, pendingCount } = yield* Observer.transactionCounts(stack)
    if (minedCount !== pendingCount) return false
    const log = yield* Observer.readLog(stack.natsUrl)
    const { jobs } = fold(log)
    const isStored = ({ answer, request }: Note) =>
      answer?.status !== 202 || request === "cancel" || jobs.has(answer.jobId ?? "")
    if (![...jobs.values()].every(isTerminal) || !notes.every(isStored)) return false
    const last = log.at(-1)
    // Behind the record of the last checkpoint nothing is to be signed.
    if (last !== undefined && last.subject !== "log.checkpoints") return false
    return (yield* Observer.checkpoint(stack.databaseUrl)) === (last?.sequence ?? 0)
  })
  return isQuiet.pipe(
    // What does not answer is not quiet.
    Effect.orElseSucceed(() => false),
    Effect.repeat({ until: (quiet) => quiet, schedule: Schedule.spaced("500 millis") })
  )
}
