/**
 * The executors, tried on everything that can go wrong.
 *
 * A run is what one seed says: executors with all their layers as they are in production, on an event log, a ledger, a chain
 * and a clock that are simulated in one thread. Messages are lost, late and repeated; nodes are behind each other; blocks are
 * reorganised, pools dropped, fees raised, the wallet emptied or used from elsewhere; executors die between any two of their
 * requests. Then the faults stop, and some virtual minutes later every job must have ended.
 *
 * - {@link Plan} draws from the seed what a run holds; {@link Dice} is all its chance, so that a seed always gives the same run.
 * - {@link Time} is the clock and the scheduler, by which a process can stop between two steps.
 * - {@link Network}, `LogClient` and `ChainClient` are the way from an executor to the log and to {@link SimulatedChain}.
 * - `ExecutorProcess` starts executors and lets them crash; {@link Trouble} is what happens to the chain.
 * - {@link check} reads what is left in both logs and on the chain, and knows nothing of the executors.
 * - `Mutations` holds broken executors: what does not notice them proves nothing.
 */
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import type { StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Duration, Effect, Option, Result, Schedule } from "effect"
import * as Pairs from "../Pairs.ts"
import { asks } from "./Asked.ts"
import * as Dice from "./Dice.ts"
import * as ExecutorProcess from "./ExecutorProcess.ts"
import { check, ledgerCodec, type Sent } from "./Invariants.ts"
import type { Mutation } from "./Mutations.ts"
import * as Plan from "./Plan.ts"
import * as SimulatedChain from "./SimulatedChain.ts"
import * as Time from "./Time.ts"
import * as Trouble from "./Trouble.ts"

export interface Options {
  readonly seed: number
  /** Keeps what happens, line by line, and its hash. */
  readonly isTraced?: boolean
  /** What is to be otherwise than the seed says. */
  readonly plan?: Plan.Change
  readonly mutation?: Mutation
}

export interface Report {
  readonly seed: number
  readonly violations: ReadonlyArray<string>
  /** The same for the same course of events. */
  readonly hash: number
  readonly trace: ReadonlyArray<string>
  /** How the jobs ended, as operation and status. */
  readonly ends: ReadonlyArray<string>
}

/** Blocks after the last job has ended: what is still to come would come then. */
const aftermath = 6
/** After the last fault, jobs must have ended within this time, in milliseconds. */
const patience = 10 * 60_000
/** The longest that a request can be under way, in milliseconds. */
const longestDelay = 30_000

const nextNonceAfter = (stored: StoredEvent): number =>
  Wallet.evolve(Wallet.initial, Result.getOrThrow(ledgerCodec.decode(stored))) ?? 0

const owner = Address.make(SimulatedChain.walletAddress)
const jobId = (n: number): Job.Id => Job.Id.make(`019845e1-682f-7b02-a706-${n.toString(16).padStart(12, "0")}`)

/** Lets the seed's course of events happen, and checks what it has left. */
export const run = (options: Options): Report => {
  // Failures are part of every run, and to take down where they come from would cost as much as all the rest.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return simulate(options)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

const simulate = ({ isTraced = false, mutation = {}, plan: given, seed }: Options): Report => {
  const dice = Dice.make(seed)
  const plan = [mutation.plan, given].reduce(Plan.changed, Plan.make(dice))
  const time = Time.make()
  const world = time.process({ dice })
  const trace: Array<string> = []
  let hash = 0x811c_9dc5
  const note = (who: string, what: string) => {
    if (!isTraced) return
    const text = `${(time.now() / 1_000).toFixed(3)} ${who} ${what}`
    for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x0100_0193)
    trace.push(text)
  }
  let faultsEnd = plan.faultsEnd
  const hasFaults = () => time.now() < faultsEnd
  const violations: Array<string> = []

  const open = () =>
    Effect.runSyncWith(world.context)(EventLogMemory.openOn({ events: [], dedupWindow: plan.dedupWindow }))
  const log = open()
  const ledgerLog = open()
  const chain = SimulatedChain.make(plan.rules, dice, time.now)
  const sent: Array<Sent> = []

  const executors = new Set<Time.Process>()
  const surroundings: ExecutorProcess.Surroundings = {
    time,
    dice,
    plan,
    mutation,
    world,
    log,
    ledgerLog,
    readers: new Set(),
    chain,
    signatures: new Map(),
    hasFaults,
    isLogAway: () => stopped?.of === "log",
    isOpen: () => (blocksAfter === 0 || plan.isLong) && stopped?.of !== "everything",
    onStart: (process) => executors.add(process),
    onSend: (raw) => sent.push({ raw, ledgerLength: Effect.runSync(ledgerLog.lastSequence) }),
    onDefect: (what) => violations.push(what),
    note
  }
  const trouble = Trouble.make({ chain, dice, plan, now: time.now, note })

  // Pauses

  let stopped: Plan.Pause | undefined
  const pause = (next: Plan.Pause) => {
    if (!hasFaults() || stopped !== undefined) return
    stopped = next
    faultsEnd += next.lasts
    note("world", `${next.of === "idle" ? "nothing happens" : `${next.of} is stopped`} for ${next.lasts} ms`)
    if (next.of === "everything") { for (const process of executors) process.kill() }
    time.after(next.lasts, () => {
      stopped = undefined
      if (next.of === "everything") startExecutors()
      if (next.of !== "log") tick()
    })
  }

  // Clients

  let asked = 0
  let unanswered = plan.jobs.length
  const accepted: Array<{ readonly jobId: Job.Id; readonly subject: string }> = []
  const client = (job: Plan.PlannedJob) =>
    Effect.gen(function*() {
      const id = jobId(++asked)
      const name = BucketName.make(job.name)
      const ask = asks[job.operation]
      const subject = ask.subject(owner, name)
      const outcome = yield* ask.request(log, { jobId: id, name, owner }).pipe(
        Effect.retry({
          times: 8,
          schedule: Schedule.spaced("2 seconds"),
          while: ({ _tag }) => _tag === "BucketBusy"
        }),
        Effect.result
      )
      note("client", `asks for ${job.operation} ${job.name} as ${id.slice(-2)}: ${outcome._tag}`)
      unanswered -= 1
      if (outcome._tag === "Failure") return
      accepted.push({ jobId: id, subject })
      if (job.cancelAfter === undefined) return
      yield* Effect.sleep(Duration.millis(job.cancelAfter))
      const [kind] = subject.split(".", 1)
      const jobs = yield* Effect.fromNullishOr(Pairs.registry.kinds.find(({ name }) => name === kind)?.jobs)
      const command = { jobId: id, cancelledBy: "client", reason: "changed its mind" }
      const cancelled = yield* Effect.result(
        jobs.cancel(log, subject, yield* jobs.load(log, subject), command, { source: "/client" })
      )
      note("client", `cancels ${id.slice(-2)}: ${cancelled._tag}`)
    })

  // Blocks, and the end of it all

  let isOver = false
  let blocksAfter = 0
  const isSettled = () => {
    if (unanswered > 0) return false
    if (accepted.some(({ jobId }) => !terminal.has(jobId))) return false
    return chain.head().after.nonce >= nextNonce()
  }
  /** The nonces below are given out. */
  const nextNonce = () => {
    const last = Effect.runSync(Effect.flatMap(ledgerLog.lastSequence, ledgerLog.get))
    return Option.match(last, { onNone: () => 0, onSome: (stored) => nextNonceAfter(stored) })
  }
  const terminal = new Set<Job.Id>()
  let read = 0
  const readLog = () => {
    const last = Effect.runSync(log.lastSequence)
    while (read < last) {
      const stored = Effect.runSync(Effect.flatMap(log.get(++read), Effect.fromOption))
      const event = Pairs.registry.read(stored)
      // A dead letter is none of the job's events.
      if (event._tag !== "Known" || event.step === undefined) continue
      const { jobId, step } = event.step
      if (step === "completed" || step === "failed" || step === "cancelled") terminal.add(jobId)
    }
  }
  const tick = () => {
    // The end of the pause goes on with it.
    if (stopped !== undefined && stopped.of !== "log") return
    if (hasFaults()) trouble.strike()
    else trouble.end()
    chain.mine(hasFaults() ? plan.inclusion : 1)
    const { mined, number } = chain.head()
    note(
      "chain",
      `block ${number}: ${
        mined.map(({ isSuccess, transaction }) => `${transaction.nonce} ${transaction.call.kind} ${isSuccess}`).join(
          ", "
        )
      }`
    )
    readLog()
    if (isSettled()) {
      if (!plan.isLong) faultsEnd = Math.min(faultsEnd, time.now())
      if (!hasFaults()) blocksAfter += 1
    }
    const isFinished = blocksAfter > 1 && !plan.isLong
    if (isFinished) { for (const process of executors) process.kill() }
    if (blocksAfter > aftermath) isOver = true
    const blockTime = isFinished ? longestDelay / aftermath : plan.blockTime * dice.between(0.7, 1.3)
    time.after(hasFaults() && dice.chance(plan.halts) ? blockTime + dice.between(0, 30_000) : blockTime, tick)
  }

  const startExecutors = () => {
    for (let n = 0; n < plan.executors; n++) {
      time.after(dice.between(0, 1_500), () => ExecutorProcess.start(`executor ${n}`, surroundings))
    }
  }
  startExecutors()
  for (const next of plan.pauses) time.after(next.at, () => pause(next))
  for (const job of plan.jobs) time.after(job.at, () => world.fork(client(job)))
  time.after(plan.blockTime, tick)

  const longest = plan.pauses.reduce((sum, { lasts }) => sum + lasts, plan.faultsEnd) + patience
  const ended = time.runUntil(() => isOver, longest)
  if (!ended) violations.push("not all jobs have ended")
  const found = check({
    log,
    ledgerLog,
    chain,
    sent,
    maxInFlight: Number(plan.settings["EXECUTOR_MAX_IN_FLIGHT"] ?? 1_000),
    accepted,
    isOver: ended
  })
  return { seed, violations: [...violations, ...found.violations], hash: hash >>> 0, trace, ends: found.ends }
}
