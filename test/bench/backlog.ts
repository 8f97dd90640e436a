/**
 * `npm run test:backlog [-- --jobs N --executors N --limit N]`: what a backlog of requests does to the executors that come
 * to it. It ends with 0 if the first jobs come as soon as they would without a backlog, and no more are in flight than the
 * limit; it does not wait until all are done.
 */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape } from "@akave-async/eventing/EventLog"
import * as Stack from "@akave-async/local/Stack"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, DateTime, Effect, Schedule, Stream } from "effect"
import { uuidV7Unsafe } from "effect/crypto/SecureRandom"
import { parseArgs } from "node:util"
import * as Fold from "../faults/src/Fold.ts"
import * as Lanes from "../faults/src/Lanes.ts"
import * as Observer from "../faults/src/Observer.ts"
import { standardMaxInFlight } from "../faults/src/Rig.ts"
import * as Log from "../support/Log.ts"

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "100000" },
    executors: { type: "string", default: "2" },
    limit: { type: "string", default: `${standardMaxInFlight}` }
  }
})
const count = (name: keyof typeof values) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number > 0) return number
  process.stderr.write(`--${name} takes a whole number from 1 on, not "${values[name]}"\n`)
  return process.exit(2)
}
const [jobs, executors, limit] = [count("jobs"), count("executors"), count("limit")]

/** Requests that are on their way to the log at the same time. */
const atOnce = 500
/** Enough completions to see how it goes. */
const enough = Math.min(jobs, 2_000)
/** Of the first jobs that are completed, so many are looked at: whether they are among so many that were asked for first. */
const [firstCompleted, firstAsked] = [500, 2_500]
/** So much later than without a backlog its first job may be completed, in milliseconds. */
const mayTakeLonger = 60_000
/** Without a completion for so long nothing more is waited for, in milliseconds. */
const patience = mayTakeLonger + 15_000

/** Stores a request as a gateway does. */
const request = Effect.fnUntraced(function*(log: EventLogShape, owner: Address, name: string) {
  const jobId = yield* Effect.sync(() => Job.Id.make(uuidV7Unsafe()))
  const occurredAt = yield* DateTime.now
  const event = Bucket.BucketRequested.make({ jobId, name: BucketName.make(name), owner, occurredAt })
  const subject = Bucket.subject(owner, event.name)
  const encoded = yield* BucketEvents.codec.encode(event, {
    id: `${jobId}.requested`,
    source: "/akave/gateway",
    time: occurredAt,
    subject,
    correlationId: jobId
  })
  // One that got no answer may be stored, and is not stored again.
  yield* Effect.retry(log.append(subject, { revision: 0 }, encoded), {
    while: ({ _tag }) => _tag === "LogUnavailable",
    times: 10,
    schedule: Schedule.spaced("200 millis")
  })
  return jobId
})

/**
 * Starts the executors, and waits until so many jobs are completed, or none is for too long. Gives the time of the start and
 * how many it were.
 */
const workedOff = Effect.fnUntraced(function*(stack: Stack.Stack, log: EventLogShape, wanted: number) {
  const from = (yield* log.lastSequence) + 1
  const startedAt = yield* Clock.currentTimeMillis
  let completed = 0
  let heardAt = startedAt
  const watch = log.subscribe(from).pipe(
    Stream.filter(({ headers }) => headers["ce-type"] === "akave.BucketCreated.v1"),
    Stream.take(wanted),
    Stream.runForEach(() =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        completed++
        heardAt = now
      })
    )
  )
  const silence = Effect.map(Clock.currentTimeMillis, (now) => now - heardAt > patience).pipe(
    Effect.repeat({ until: (isTooLong) => isTooLong, schedule: Schedule.spaced("500 millis") })
  )
  yield* Effect.all([
    Effect.forEach(executorsOf(stack), (executor) => executor.start, { concurrency: "unbounded" }),
    Effect.raceFirst(watch, silence)
  ], { concurrency: 2 })
  return { startedAt, completed }
})

const executorsOf = (stack: Stack.Stack) => Array.from({ length: executors }, (_, n) => stack.executor(n))

const seconds = (millis: number | undefined) => millis === undefined ? "never" : `${(millis / 1000).toFixed(1)} s`

const backlog = Effect.gen(function*() {
  const stack = yield* Stack.make({
    counts: { executor: executors },
    env: { executor: { EXECUTOR_MAX_IN_FLIGHT: `${limit}` } }
  })
  // In their order, which has what each needs before it.
  for (const process of [stack.nats, stack.postgres, stack.devnet, stack.projector(0)]) yield* process.start
  const log = yield* Log.open(stack.natsUrl)
  const owner = Address.make(stack.ownerAddress)
  const reported = () => Effect.map(Observer.readLog(stack.natsUrl), Fold.fold)
  /** When the first of these jobs was completed, after a start. */
  const firstEnd = ({ events }: Fold.Folded, ids: ReadonlySet<string>, startedAt: number) => {
    const first = events.find(({ jobId, step }) => step === "completed" && ids.has(jobId))
    return first === undefined ? undefined : first.storedAt - startedAt
  }

  const lone = yield* request(log, owner, "backlog-of-one")
  const { startedAt: loneStartedAt } = yield* workedOff(stack, log, 1)
  const loneMillis = firstEnd(yield* reported(), new Set([lone]), loneStartedAt)
  yield* Console.log(`one job: completed ${seconds(loneMillis)} after the executors' start`)
  yield* Effect.forEach(executorsOf(stack), (executor) => executor.stop, { concurrency: "unbounded" })

  const storedFrom = yield* Clock.currentTimeMillis
  const ids: ReadonlySet<string> = new Set(
    yield* Effect.forEach(Array.from({ length: jobs }).keys(), (n) => request(log, owner, `backlog-${n}`), {
      concurrency: atOnce
    })
  )
  yield* Console.log(`${jobs} requests stored in ${seconds((yield* Clock.currentTimeMillis) - storedFrom)}`)
  // What the projector still does would be taken for the executors'.
  const last = yield* log.lastSequence
  yield* Observer.checkpoint(stack.databaseUrl).pipe(
    Effect.repeat({ until: (sequence) => sequence >= last, schedule: Schedule.spaced("500 millis") })
  )

  const { completed, startedAt } = yield* workedOff(stack, log, enough)
  const folded = yield* reported()
  const mine = folded.events.filter(({ jobId }) => ids.has(jobId))
  const asked = mine.filter(({ step }) => step === "requested").map(({ jobId }) => jobId)
  const ended = mine.filter(({ step }) => step === "completed")
  const early = new Set(asked.slice(0, firstAsked))
  const firstMillis = firstEnd(folded, early, startedAt)
  const inTurn = ended.slice(0, firstCompleted).filter(({ jobId }) => early.has(jobId)).length
  const lanes = Lanes.lanesOf(folded, limit)
  const most = Math.max(...lanes.map(({ most }) => most.count))
  const tooEarly = lanes.reduce((sum, { early }) => sum + early.length, 0)
  const lastEnd = ended[enough - 1] ?? ended.at(-1)
  yield* Console.log(
    [
      `${jobs} jobs, ${executors} executors: the first completed ${seconds(firstMillis)} after the executors' start`,
      `${completed} completed ${seconds(lastEnd === undefined ? undefined : lastEnd.storedAt - startedAt)} after it`,
      `of the first ${Math.min(firstCompleted, ended.length)} completed, ${inTurn} are among the first ${
        Math.min(firstAsked, jobs)
      } asked for`,
      `most jobs in flight: ${most}, of ${limit} that may be; ${tooEarly} began too early`
    ].join("\n")
  )
  const isSoon = firstMillis !== undefined && loneMillis !== undefined && firstMillis <= loneMillis + mayTakeLonger
  if (!isSoon) {
    yield* Console.error(`None of the first was completed within ${seconds(mayTakeLonger)} of when the one job was.`)
  }
  if (most > limit) yield* Console.error("More were in flight than the limit.")
  process.exitCode = isSoon && most <= limit ? 0 : 1
})

NodeRuntime.runMain(Effect.scoped(backlog))
