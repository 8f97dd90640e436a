/**
 * A run: executors as they are, on a simulated log and chain, through all the trouble that the seed's plan holds. What is
 * left at the end is checked by {@link check}, which knows nothing of the executors.
 */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Chain"
import * as Job from "@akave-async/domain/Job"
import * as Wallet from "@akave-async/domain/Wallet"
import { execute, load } from "@akave-async/eventing/BucketEvents"
import { EventLog, type EventLogShape, type StoredEvent } from "@akave-async/eventing/EventLog"
import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Chain } from "@akave-async/sdk/Chain"
import {
  Cause,
  ConfigProvider,
  Duration,
  Effect,
  Exit,
  identity,
  Layer,
  Logger,
  Option,
  Result,
  Schedule
} from "effect"
import * as Executor from "../../src/Executor.ts"
import * as Keeper from "../../src/Keeper.ts"
import { Ledger } from "../../src/Ledger.ts"
import { Receipts } from "../../src/Receipts.ts"
import { Steps } from "../../src/Steps.ts"
import * as ChainClient from "./ChainClient.ts"
import { check, ledgerCodec, type Sent } from "./Checker.ts"
import * as Dice from "./Dice.ts"
import * as LogClient from "./LogClient.ts"
import * as Network from "./Network.ts"
import * as Plan from "./Plan.ts"
import * as SimulatedChain from "./SimulatedChain.ts"
import * as Time from "./Time.ts"

/** A way to break the executors from outside, by which it is shown that broken ones are noticed. */
export interface Mutation {
  /** The trouble in which it shows. */
  readonly plan?: Plan.Change
  readonly settings?: Readonly<Record<string, string>>
  readonly chain?: (chain: Chain["Service"]) => Chain["Service"]
  readonly log?: (log: EventLogShape) => EventLogShape
  readonly ledgerLog?: (log: EventLogShape, chain: Chain["Service"]) => EventLogShape
}

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
/** The longest that a request can be under way, in milliseconds. */
const longestDelay = 30_000

const nextNonceAfter = (stored: StoredEvent): number =>
  Wallet.evolve(Wallet.initial, Result.getOrThrow(ledgerCodec.decode(stored))) ?? 0

const owner = Address.make(SimulatedChain.walletAddress)
const jobId = (n: number): Job.Id => Job.Id.make(`019845e1-682f-7b02-a706-${n.toString(16).padStart(12, "0")}`)

/** After the last fault, jobs must have ended within this time, in milliseconds. */
const patience = 10 * 60_000
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
  const signatures: ChainClient.Signatures = new Map()
  const sent: Array<Sent> = []

  const settings = { ...plan.settings, CONFIRMATIONS: `${plan.confirmations}` }
  const executors = new Set<Time.Process>()
  const startExecutor = (name: string) => {
    const logger = Logger.make(({ cause, logLevel, message }) => {
      const text = `${String(message)}${cause.reasons.length === 0 ? "" : ` ${Cause.pretty(cause).split("\n", 1)[0]}`}`
      note(name, `says: ${text}`)
      if (logLevel === "Error" && Cause.hasDies(cause)) violations.push(`${name} has a defect: ${text}`)
    })
    const from = time.process({
      dice,
      logger,
      clockSkew: Math.floor(dice.between(-plan.clockSkew, plan.clockSkew))
    })
    executors.add(from)
    // It dies at some moment, or with one of its next requests that change something.
    let writesUntilDeath = Infinity
    if (hasFaults() && dice.chance(plan.crashes)) {
      if (dice.chance(0.7)) writesUntilDeath = dice.whole(1, 14)
      else time.after(dice.between(0, 20_000), () => die("is killed"))
    }
    const die = (how: string) => {
      if (!from.isAlive() || !hasFaults()) return
      note(name, how)
      from.kill()
      restart()
    }
    let isRestarting = false
    const restart = () => {
      if (isRestarting) return
      isRestarting = true
      time.after(dice.between(500, 8_000), () => {
        if (blocksAfter === 0 || plan.isLong) startExecutor(name)
      })
    }
    const strike = (what: string) => {
      if (!/append|send|ack/.test(what) || !hasFaults()) return undefined
      writesUntilDeath -= 1
      if (writesUntilDeath !== 0) return undefined
      restart()
      const when = dice.pick(["before", "after"])
      note(name, `dies ${when} ${what}`)
      return when
    }
    const line = (weather: Network.Weather, isOrdered: boolean) =>
      Network.line({
        time,
        dice,
        from,
        weather: () => hasFaults() ? weather : Network.calm,
        patience: isOrdered ? 1_500 : 10_000,
        isOrdered,
        strike,
        note: (what) => note(name, what)
      })
    const logLine = line(plan.logWeather, true)
    const chainLine = line(plan.chainWeather, false)
    const connect = (what: string, log: EventLogShape) =>
      LogClient.connect({
        name: what,
        log,
        line: logLine,
        time,
        dice,
        server: world,
        from,
        deliveries: () => hasFaults() ? plan.deliveries : LogClient.smooth,
        staleReads: () => hasFaults() ? plan.staleReads : 0
      })
    const { chain: mutateChain = identity, ledgerLog: mutateLedgerLog = identity, log: mutateLog = identity } = mutation
    const bucketLog = mutateLog(connect("log", log))
    const clientLayer = ChainClient.layer({
      chain,
      line: chainLine,
      dice,
      signatures,
      onSend: (raw) => sent.push({ raw, ledgerLength: Effect.runSync(ledgerLog.lastSequence) }),
      policy: ({ call }) => {
        if (call.kind !== "idle" && call.name === plan.banned) return { reason: "gas_limit", message: "banned" }
        if (!hasFaults() || !dice.chance(plan.oddRefusals)) return undefined
        return { reason: dice.pick(["other", "other", "gas_limit"]), message: "not today" }
      }
    })
    const chainLayer = Layer.effect(Chain, Effect.map(Chain, mutateChain)).pipe(Layer.provideMerge(clientLayer))
    const ledgerLayer = Layer.unwrap(
      Effect.map(Chain, (chain) => Ledger.layer(mutateLedgerLog(connect("ledger", ledgerLog), chain)))
    )
    const reactions = Layer.effectDiscard(Effect.gen(function*() {
      yield* Effect.forkScoped(Executor.run)
      yield* Effect.forkScoped(Keeper.run)
    }))
    const program = reactions.pipe(
      Layer.provide(Steps.layer),
      Layer.provide([ledgerLayer, Receipts.layer]),
      Layer.provide([chainLayer, ChainClient.signer(signatures), Layer.succeed(EventLog, bucketLog)]),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ ...settings, ...mutation.settings })))
    )
    note(name, "starts")
    const fiber = from.fork(Effect.exit(Layer.launch(program)))
    fiber.addObserver((exit) => {
      note(name, `ends: ${Exit.isSuccess(exit) && Exit.isFailure(exit.value) ? Cause.pretty(exit.value.cause) : ""}`)
      from.kill()
      restart()
    })
  }

  // Clients

  let asked = 0
  let unanswered = plan.jobs.length
  const accepted: Array<{ readonly jobId: Job.Id; readonly subject: string }> = []
  const client = (job: Plan.PlannedJob) =>
    Effect.gen(function*() {
      const id = jobId(++asked)
      const subject = Bucket.subject(owner, BucketName.make(job.name))
      const origin = { source: "/client" }
      const request = { jobId: id, name: BucketName.make(job.name), owner }
      const command = job.operation === "bucket.create"
        ? Bucket.RequestBucket.make(request)
        : Bucket.RequestBucketDeletion.make(request)
      const outcome = yield* load(log, subject).pipe(
        Effect.flatMap((known) => execute(log, subject, known, command, origin)),
        Effect.retry({
          times: 8,
          schedule: Schedule.spaced("2 seconds"),
          while: ({ _tag }) => _tag === "BucketBusy" || _tag === "BucketMissing" || _tag === "BucketExists"
        }),
        Effect.result
      )
      note("client", `asks for ${job.operation} ${job.name} as ${id.slice(-2)}: ${outcome._tag}`)
      unanswered -= 1
      if (outcome._tag === "Failure") return
      accepted.push({ jobId: id, subject })
      if (job.cancelAfter === undefined) return
      yield* Effect.sleep(Duration.millis(job.cancelAfter))
      const cancel = Bucket.Cancel.make({ jobId: id, cancelledBy: "client", reason: "changed its mind" })
      const cancelled = yield* Effect.result(execute(log, subject, yield* load(log, subject), cancel, origin))
      note("client", `cancels ${id.slice(-2)}: ${cancelled._tag}`)
    })

  // The chain and its troubles

  let isOver = false
  let blocksAfter = 0
  let funds = 0n
  const trouble = () => {
    if (dice.chance(plan.reorganisations)) {
      // A reorganisation that goes deeper than executors wait for is none that they promise to survive.
      const depth = dice.whole(1, 5)
      if (depth < plan.confirmations) {
        note("chain", `drops ${depth} blocks`)
        chain.reorganise(depth, dice.pick([0, 0.7, 1]))
      }
    }
    if (dice.chance(plan.drops)) {
      note("chain", "loses its pool")
      chain.dropPool(dice.pick([0, 0.5]))
    }
    if (dice.chance(plan.stalls)) {
      const node = dice.pick(chain.nodes as [SimulatedChain.Node])
      node.stalledUntil = time.now() + dice.between(0, 6 * plan.blockTime)
    }
    if (dice.chance(plan.spikes)) {
      chain.setMarket(plan.rules.calmFee * BigInt(dice.whole(1, 8)), SimulatedChain.gwei * BigInt(dice.whole(1, 5)))
    }
    if (dice.chance(plan.elsewhere)) sendFromElsewhere()
    if (plan.isPoor) {
      const [balance] = [chain.balanceAt(0)]
      if (funds === 0n && dice.chance(0.3)) {
        funds = balance - BigInt(dice.whole(0, 100_000)) * SimulatedChain.gwei
        note("chain", "the wallet is emptied")
        chain.pay(-funds)
      } else if (funds > 0n && dice.chance(0.1)) repay()
    }
  }
  const repay = () => {
    if (funds > 0n) note("chain", "the wallet is funded")
    chain.pay(funds)
    funds = 0n
  }
  const sendFromElsewhere = () => {
    const n = dice.whole(0, chain.nodes.length - 1)
    const first = chain.head().after.nonce
    const pending = Math.max(first, chain.pendingAt(n))
    const nonce = dice.chance(0.5) ? pending : dice.whole(first, pending)
    const other = chain.pool.get(nonce)?.transaction
    const kind = dice.pick(["idle", "idle", "create", "delete"])
    const name = kind === "idle" ? "" : dice.pick(Plan.names)
    const transaction = SimulatedChain.transactionOf({
      nonce,
      call: { kind, name, index: Math.max(0, chain.head().after.list.indexOf(name)) },
      gasLimit: SimulatedChain.gasOf[kind] + dice.whole(1, 1_000),
      maxFeePerGas: 2n * (other?.maxFeePerGas ?? chain.head().baseFee),
      maxPriorityFeePerGas: 2n * (other?.maxPriorityFeePerGas ?? chain.tip())
    })
    const answer = chain.receive(n, transaction)
    note("elsewhere", `sends ${kind} with nonce ${nonce}: ${answer}`)
  }
  const isSettled = () => {
    if (unanswered > 0) return false
    if (accepted.some(({ jobId }) => !isTerminal(jobId))) return false
    return chain.head().after.nonce >= nextNonce()
  }
  /** The nonces below are given out. */
  const nextNonce = () => {
    const last = Effect.runSync(Effect.flatMap(ledgerLog.lastSequence, ledgerLog.get))
    return Option.match(last, { onNone: () => 0, onSome: (stored) => nextNonceAfter(stored) })
  }
  const isTerminal = (id: Job.Id) => terminal.has(id)
  const terminal = new Set<string>()
  let read = 0
  const readLog = () => {
    const last = Effect.runSync(log.lastSequence)
    while (read < last) {
      const stored = Effect.runSync(Effect.flatMap(log.get(++read), Effect.fromOption))
      if (
        /(Created|Deleted|Failed|Cancelled)\.v1$/.test(stored.headers["ce-type"] ?? "") &&
        !/Attempt/.test(stored.headers["ce-type"] ?? "")
      ) {
        terminal.add(stored.headers["ce-correlationid"] ?? "")
      }
    }
  }
  const tick = () => {
    if (hasFaults()) trouble()
    else {
      repay()
      chain.setMarket(plan.rules.calmFee, SimulatedChain.gwei)
      for (const node of chain.nodes) node.stalledUntil = 0
    }
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
    const isStopped = blocksAfter > 1 && !plan.isLong
    if (isStopped) { for (const process of executors) process.kill() }
    if (blocksAfter > aftermath) isOver = true
    const pause = isStopped ? longestDelay / aftermath : plan.blockTime * dice.between(0.7, 1.3)
    time.after(hasFaults() && dice.chance(plan.halts) ? pause + dice.between(0, 30_000) : pause, tick)
  }

  for (let n = 0; n < plan.executors; n++) {
    time.after(dice.between(0, 1_500), () => startExecutor(`executor ${n}`))
  }
  for (const job of plan.jobs) time.after(job.at, () => world.fork(client(job)))
  time.after(plan.blockTime, tick)

  const ended = time.runUntil(() => isOver, plan.faultsEnd + patience)
  if (!ended) violations.push("not all jobs have ended")
  const found = check({ log, ledgerLog, chain, sent, accepted, isOver: ended })
  return { seed, violations: [...violations, ...found.violations], hash: hash >>> 0, trace, ends: found.ends }
}
