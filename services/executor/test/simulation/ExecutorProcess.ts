/**
 * An executor as a process of its own: all its layers as they are in production, on clients of the simulated log and chain.
 * It crashes as the plan says, and is started again a while later.
 */
import { EventLog, type EventLogShape } from "@akave-async/eventing/EventLog"
import { Buckets } from "@akave-async/sdk/Buckets"
import { Chain } from "@akave-async/sdk/Chain"
import { Cause, ConfigProvider, Effect, Exit, identity, Layer, Logger } from "effect"
import * as Executor from "../../src/Executor.ts"
import * as Keeper from "../../src/Keeper.ts"
import { Lane } from "../../src/Lane.ts"
import { Ledger } from "../../src/Ledger.ts"
import { Operations } from "../../src/Operations.ts"
import { Receipts } from "../../src/Receipts.ts"
import { Shortages } from "../../src/Shortages.ts"
import { Steps } from "../../src/Steps.ts"
import { noFiles } from "../noFiles.ts"
import * as Pairs from "../Pairs.ts"
import * as ChainClient from "./ChainClient.ts"
import type { Dice } from "./Dice.ts"
import * as LogClient from "./LogClient.ts"
import type { Mutation } from "./Mutations.ts"
import * as Network from "./Network.ts"
import type { Plan } from "./Plan.ts"
import type { SimulatedChain } from "./SimulatedChain.ts"
import type { Process, Time } from "./Time.ts"

/** What executors live in. */
export interface Surroundings {
  readonly time: Time
  readonly dice: Dice
  readonly plan: Plan
  readonly mutation: Mutation
  /** The process that the servers are in. */
  readonly world: Process
  readonly log: EventLogShape
  readonly ledgerLog: EventLogShape
  readonly readers: Set<LogClient.Reader>
  readonly chain: SimulatedChain
  readonly signatures: ChainClient.Signatures
  /** Whether anything goes wrong at this time. */
  readonly hasFaults: () => boolean
  /** Whether no request comes through to the log. */
  readonly isLogAway: () => boolean
  /** Whether executors that ended are to be started again. */
  readonly isOpen: () => boolean
  readonly onStart: (process: Process) => void
  /** Called when a node is handed bytes. */
  readonly onSend: (raw: string) => void
  /** Called when a step died of a defect. */
  readonly onDefect: (what: string) => void
  readonly note: (who: string, what: string) => void
}

export const start = (name: string, surroundings: Surroundings): void => {
  const { chain, dice, hasFaults, ledgerLog, log, mutation, note, onDefect, plan, signatures, time } = surroundings
  const logger = Logger.make(({ cause, logLevel, message }) => {
    const text = `${String(message)}${cause.reasons.length === 0 ? "" : ` ${Cause.pretty(cause).split("\n", 1)[0]}`}`
    note(name, `says: ${text}`)
    if (logLevel === "Error" && Cause.hasDies(cause)) onDefect(`${name} has a defect: ${text}`)
  })
  const clockSkew = Math.floor(dice.between(-plan.clockSkew, plan.clockSkew))
  const from = time.process({ dice, logger, clockSkew })
  surroundings.onStart(from)

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
      if (surroundings.isOpen()) start(name, surroundings)
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

  const line = (weather: () => Network.Weather, patience: number, isOrdered: boolean) =>
    Network.line({
      time,
      dice,
      from,
      weather: () => hasFaults() ? weather() : Network.calm,
      patience,
      isOrdered,
      strike,
      note: (what) => note(name, what)
    })
  const logLine = line(() => surroundings.isLogAway() ? Network.away : plan.logWeather, 1_500, true)
  const chainLine = line(() => plan.chainWeather, 10_000, false)
  const connect = (what: string, log: EventLogShape) =>
    LogClient.connect({
      name: what,
      log,
      line: logLine,
      time,
      dice,
      server: surroundings.world,
      from,
      readers: surroundings.readers,
      deliveries: () => hasFaults() ? plan.deliveries : LogClient.smooth,
      staleReads: () => hasFaults() ? plan.staleReads : 0
    })
  const {
    buckets: mutateBuckets = identity,
    chain: mutateChain = identity,
    ledgerLog: mutateLedgerLog = identity,
    log: mutateLog = identity
  } = mutation
  const clientLayer = ChainClient.layer({
    chain,
    line: chainLine,
    dice,
    signatures,
    time,
    from,
    heads: () => plan.heads,
    onSend: surroundings.onSend,
    policy: ({ call }) => {
      if (call.kind !== "idle" && call.name === plan.banned) return { reason: "gas_limit", message: "banned" }
      if (!hasFaults() || !dice.chance(plan.oddRefusals)) return undefined
      return { reason: dice.pick(["other", "other", "gas_limit"]), message: "not today" }
    }
  })
  const chainLayer = Layer.merge(
    Layer.effect(Chain, Effect.map(Chain, mutateChain)),
    Layer.effect(Buckets, Effect.map(Buckets, mutateBuckets))
  ).pipe(Layer.provideMerge(clientLayer))
  const ledgerLayer = Layer.unwrap(
    Effect.map(Chain, (chain) => Ledger.layer(mutateLedgerLog(connect("ledger", ledgerLog), chain)))
  )
  const logLayer = Layer.succeed(EventLog, mutateLog(connect("log", log)))
  const settings = { ...plan.settings, CONFIRMATIONS: `${plan.confirmations}`, ...mutation.settings }
  const program = Layer.effectDiscard(Effect.gen(function*() {
    yield* Effect.forkScoped(Executor.run)
    yield* Effect.forkScoped(Keeper.run)
  })).pipe(
    Layer.provide(Steps.layer),
    Layer.provide([Lane.layer, Operations.layer]),
    Layer.provide([Pairs.registered, noFiles]),
    Layer.provide([ledgerLayer, Receipts.layer, Shortages.layer]),
    Layer.provide([chainLayer, ChainClient.signer(signatures), logLayer]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(settings)))
  )
  note(name, "starts")
  from.fork(Effect.exit(Layer.launch(program))).addObserver((exit) => {
    note(name, `ends: ${Exit.isSuccess(exit) && Exit.isFailure(exit.value) ? Cause.pretty(exit.value.cause) : ""}`)
    from.kill()
    restart()
  })
}
