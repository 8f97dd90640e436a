/** What happens in one run, as its seed says. Each run has some kinds of trouble, so that each kind is also met alone. */
import type * as Asked from "./Asked.ts"
import type { Dice } from "./Dice.ts"
import * as LogClient from "./LogClient.ts"
import * as Network from "./Network.ts"
import { gwei, type Rules } from "./SimulatedChain.ts"

export interface PlannedJob {
  readonly name: string
  readonly operation: Asked.Name
  /** In milliseconds from the beginning. */
  readonly at: number
  /** When the client wants it cancelled, counted from the request. */
  readonly cancelAfter: number | undefined
}

/** A time in which something is stopped, for long enough that what is remembered for a time only is forgotten. */
export interface Pause {
  /**
   * Everything: executors are killed, and there are no blocks. The log: no request comes through to it. Idle: executors run
   * and nothing happens, blocks included.
   */
  readonly of: "everything" | "log" | "idle"
  /** In milliseconds from the beginning; pauses before it do not count. */
  readonly at: number
  /** In milliseconds. */
  readonly lasts: number
}

export interface Plan {
  readonly rules: Rules
  readonly executors: number
  readonly jobs: ReadonlyArray<PlannedJob>
  /** Settings of the executors. */
  readonly settings: Readonly<Record<string, string>>
  readonly confirmations: number
  /** How long the log remembers ids, in milliseconds. */
  readonly dedupWindow: number
  /** From here on nothing goes wrong any more, in milliseconds; pauses come on top. */
  readonly faultsEnd: number
  readonly pauses: ReadonlyArray<Pause>
  /** Faults and executors go on when the last job has ended; else they stop then, which takes half the time. */
  readonly isLong: boolean
  /** Milliseconds between blocks. */
  readonly blockTime: number
  readonly chainWeather: Network.Weather
  readonly logWeather: Network.Weather
  /** How often executors learn of a new block; 0 where they have to ask. */
  readonly heads: number
  /** How often a copy of the log that is behind answers what need not be asked of its leader. */
  readonly staleReads: number
  readonly deliveries: LogClient.Deliveries
  /** How far clocks are apart at most, in milliseconds. */
  readonly clockSkew: number
  /** How often an executor that starts will crash. */
  readonly crashes: number
  /** How often each of these happens, per block. */
  readonly halts: number
  readonly reorganisations: number
  readonly drops: number
  readonly stalls: number
  readonly elsewhere: number
  readonly spikes: number
  /** The wallet is emptied for a while. */
  readonly isPoor: boolean
  /** How often a node refuses a transaction in words that nobody knows. */
  readonly oddRefusals: number
  /** Calls for this name are refused for ever. */
  readonly banned: string | undefined
  /** How often a miner includes what it could. */
  readonly inclusion: number
}

/** What is to be otherwise in a plan. */
export type Change = Partial<Omit<Plan, "rules">> & { readonly rules?: Partial<Rules> }
export const changed = (plan: Plan, change: Change = {}): Plan => ({
  ...plan,
  ...change,
  rules: { ...plan.rules, ...change.rules }
})

/** Nothing goes wrong. */
export const calm: Change = {
  chainWeather: Network.calm,
  logWeather: Network.calm,
  staleReads: 0,
  deliveries: LogClient.smooth,
  clockSkew: 0,
  crashes: 0,
  halts: 0,
  reorganisations: 0,
  drops: 0,
  stalls: 0,
  elsewhere: 0,
  spikes: 0,
  isPoor: false,
  oddRefusals: 0,
  banned: undefined,
  inclusion: 1,
  pauses: []
}

export const names = ["bucket-a", "bucket-a", "bucket-a", "bucket-b", "bucket-c"] as const
/** What others may create and delete from the same wallet. */
export const namesElsewhere = [...names, "pair-0-first", "pair-0-second", "pair-1-first", "pair-1-second"] as const
/** What may be refused for ever: of a crate all but its first part, which is deleted under the same name. */
const banned = [...namesElsewhere, "crate-0#layer.0", "crate-0#layer.1", "crate-0#seal", "crate-1#layer.1"] as const

export const make = (dice: Dice): Plan => {
  /** Trouble of this kind, in some runs. */
  const some = (share: number, from: number, to: number) => dice.chance(share) ? dice.between(from, to) : 0
  const weather = (): Network.Weather => ({
    lost: some(0.35, 0.02, 0.2),
    answerLost: some(0.35, 0.02, 0.2),
    late: some(0.25, 0.02, 0.15),
    slow: some(0.3, 0.02, 0.3)
  })
  const confirmations = dice.pick([1, 1, 1, 2, 2, 3, 4, 6])
  const dedupWindow = dice.pick([1_000, 10_000, 120_000])
  const faultsEnd = dice.between(3_000, 18_000)
  const isShortOfTime = dice.chance(0.3)
  // Requests come in bursts, so that executors meet.
  const bursts = [0, dice.between(0, faultsEnd * 0.7), dice.between(0, faultsEnd * 0.7)] as const
  const requested = new Set<string>()
  let earliest = 0
  /** Now and then there are more jobs than may be under way. */
  const isBacklog = dice.chance(0.1)
  const count = isBacklog ? dice.whole(6, 12) : dice.pick([1, 2, 2, 3, 3, 5])
  const jobs = Array.from({ length: count }, (_, n): PlannedJob => {
    const name = isBacklog ? `bucket-${n}` : dice.pick(names)
    // A pair is asked for under a name of its own.
    if (dice.chance(0.15)) {
      earliest = Math.max(earliest, 500 + dice.pick(bursts)) + dice.between(0, 50)
      const cancelAfter = dice.chance(0.1) ? dice.between(0, 1_500) : undefined
      return { name: `pair-${n}`, operation: "pair.create", at: earliest, cancelAfter }
    }
    // So is a crate, whose parts take several blocks: it can be cancelled at any of them.
    if (dice.chance(0.2)) {
      earliest = Math.max(earliest, 500 + dice.pick(bursts)) + dice.between(0, 50)
      const cancelAfter = dice.chance(0.5) ? dice.between(0, 15_000) : undefined
      return { name: `crate-${n}`, operation: "crate.fill", at: earliest, cancelAfter }
    }
    const operation = requested.has(name) && dice.chance(0.7) ? "bucket.delete" : "bucket.create"
    requested.add(name)
    // A deletion that comes before what it deletes is refused by the log, and nothing has been tried.
    earliest = Math.max(earliest, 500 + dice.pick(bursts)) + dice.between(0, 50)
    return { name, operation, at: earliest, cancelAfter: dice.chance(0.15) ? dice.between(0, 1_500) : undefined }
  })
  return {
    rules: {
      nodes: dice.pick([1, 1, 2, 3]),
      keepsGaps: dice.chance(0.7),
      keepsCheap: dice.chance(0.7),
      knowsMined: dice.chance(0.5),
      blockGas: dice.pick([200_000, 400_000, 1_000_000]),
      balance: 10n ** 18n,
      calmFee: dice.pick([1n, 2n, 10n]) * gwei,
      nonce: dice.pick([0, 0, 7]),
      simulatesPool: dice.chance(0.3),
      forgetsLogs: dice.chance(0.1),
      leavesForks: false
    },
    executors: dice.pick([1, 1, 2, 2, 3]),
    jobs,
    settings: {
      EXECUTOR_MAX_IN_FLIGHT: `${isBacklog ? dice.pick([1, 2, 3]) : 1_000}`,
      EXECUTOR_RETRIES: `${dice.pick([0, 1, 3])}`,
      EXECUTOR_RETRY_DELAY: `${dice.pick([1, 2, 6])} seconds`,
      EXECUTOR_ACK_WAIT: `${dice.pick([3, 10])} seconds`,
      JOB_DEADLINE: isShortOfTime ? `${dice.whole(4, 20)} seconds` : "10 minutes",
      CHAIN_POLL_INTERVAL: `${dice.pick([1, 2, 4])} seconds`,
      MAX_FEE_PER_GAS: `${dice.pick([30n, 500n, 500n]) * gwei}`
    },
    confirmations,
    dedupWindow,
    faultsEnd,
    // A log that is away for long is no different from one that is away for a while, and blocks go on meanwhile.
    pauses: dice.chance(0.15)
      ? [{
        of: dedupWindow > 10_000 ? "everything" : dice.pick(["everything", "log"]),
        at: dice.between(0, faultsEnd),
        lasts: dedupWindow * dice.between(1, 2)
      }]
      : [],
    isLong: dice.chance(0.15),
    blockTime: dice.between(400, 2_500),
    chainWeather: weather(),
    logWeather: weather(),
    heads: some(0.4, 0.3, 1),
    staleReads: some(0.15, 0.05, 0.3),
    deliveries: {
      held: some(0.3, 0.05, 0.3),
      repeated: some(0.3, 0.05, 0.3),
      miscounted: some(0.2, 0.1, 0.5),
      cut: some(0.2, 0.05, 0.3)
    },
    clockSkew: dice.chance(0.2) ? 5_000 : 0,
    crashes: some(0.6, 0.3, 1),
    halts: some(0.2, 0.02, 0.2),
    reorganisations: confirmations === 1 ? 0 : some(0.5, 0.1, 0.5),
    drops: some(0.3, 0.05, 0.4),
    stalls: some(0.5, 0.1, 0.5),
    elsewhere: some(0.3, 0.05, 0.4),
    spikes: some(0.3, 0.05, 0.3),
    isPoor: dice.chance(0.15),
    oddRefusals: some(0.2, 0.1, 0.6),
    banned: dice.chance(0.07) ? dice.pick(banned) : undefined,
    inclusion: dice.pick([1, 1, 0.7, 0.4])
  }
}
