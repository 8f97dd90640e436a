import { Config, Duration, Schema } from "effect"

const count = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** 500 gwei. */
const standardCap = 500_000_000_000n
const Wei = Schema.BigIntFromString.check(Schema.isGreaterThanBigInt(0n))

export const ExecutorConfig = Config.all({
  /** Jobs under way at once, over all executors. */
  maxInFlight: Config.schema(count(1, 10_000), "EXECUTOR_MAX_IN_FLIGHT").pipe(Config.withDefault(1000)),
  /** Further attempts after one that failed in a way that may pass. */
  retries: Config.schema(count(0, 100), "EXECUTOR_RETRIES").pipe(Config.withDefault(3)),
  retryDelay: Config.Duration("EXECUTOR_RETRY_DELAY").pipe(Config.withDefault(Duration.seconds(10))),
  /** Time after which the log gives a silent executor's work to another one. */
  ackWait: Config.Duration("EXECUTOR_ACK_WAIT").pipe(Config.withDefault(Duration.seconds(10))),
  /** From a job's first attempt on: what waits for funds or for the chain then ends, if the chain lets it. */
  deadline: Config.Duration("JOB_DEADLINE").pipe(Config.withDefault(Duration.minutes(10))),
  /** A lane with work that has finished no step for this long is reported as stalled. */
  stalledAfter: Config.Duration("LANE_STALLED_AFTER").pipe(Config.withDefault(Duration.seconds(30))),
  /** The most that a transaction offers, in wei per gas unit. */
  maxFeePerGas: Config.schema(Wei, "MAX_FEE_PER_GAS").pipe(Config.withDefault(standardCap)),
  /** Blocks that must hold a transaction or follow it before the job is completed. */
  confirmations: Config.schema(count(1, 64), "CONFIRMATIONS").pipe(Config.withDefault(1)),
  /** How often the chain is asked for a new block; less often while it announces them. */
  pollInterval: Config.Duration("CHAIN_POLL_INTERVAL").pipe(Config.withDefault(Duration.millis(250)))
})
