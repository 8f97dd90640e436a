/** How the lanes of all executors get on, asked of them over NATS: nothing of it is stored. */
import { TransactionHash, Wei } from "@akave-async/domain/Ethereum"
import { Nats } from "@akave-async/platform/Nats"
import { answersTo } from "@akave-async/platform/NatsQuestion"
import type { Msg, RequestManyOptions } from "@nats-io/nats-core"
import { Effect, Schema, Stream } from "effect"
import { LogUnavailable } from "./EventLog.ts"
import { eventsConfig } from "./EventLogJetStream.ts"

/** What an executor sees on chain of its wallet. Amounts are in wei, those of fees per gas unit. */
export const ChainSight = Schema.Struct({
  /** Nonces below are mined. */
  used: Schema.Natural,
  balance: Wei,
  /** What a transaction should offer now, and the base fee of the latest block where the chain has one. */
  maxFeePerGas: Wei,
  baseFeePerGas: Schema.optionalKey(Wei)
})
export type ChainSight = typeof ChainSight.Type

/** A job, as the executor that has it sees it. Amounts are in wei, those of fees per gas unit. */
export const JobReport = Schema.Struct({
  /** For how long the executor has had it, in milliseconds. */
  heldMillis: Schema.Finite,
  /** What it waits for, as a clause. */
  waitsFor: Schema.String,
  /** The claim whose nonce the chain has not used. */
  claim: Schema.optionalKey(Schema.Struct({
    nonce: Schema.Natural,
    /** The transaction that has the nonce now, and how many have had it. */
    transactionHash: TransactionHash,
    transactions: Schema.Natural,
    maxFeePerGas: Wei,
    /** Whether the transaction only uses the nonce up, so that the job fails. */
    isWithdrawn: Schema.Boolean
  })),
  /** What the wallet must hold for the job to go on. */
  needed: Schema.optionalKey(Wei),
  /** The most that the executor offers for gas: its `MAX_FEE_PER_GAS`. */
  cap: Wei,
  /** How long a job may take from its first attempt on, in milliseconds: its `JOB_DEADLINE`. */
  deadlineMillis: Schema.Finite,
  /** Absent where the chain does not answer the executor. */
  chain: Schema.optionalKey(ChainSight)
})
export type JobReport = typeof JobReport.Type

/** A wallet's lane, as one of its executors sees it. */
export const LaneReport = Schema.Struct({
  /** The wallet's address. */
  owner: Schema.String,
  /** Steps of jobs that are under way, or are to be taken again. */
  steps: Schema.Natural,
  /** Whether there are some, and none was finished for too long. */
  isStalled: Schema.Boolean,
  /** Since a step was last finished, or the oldest one has begun, in milliseconds. Absent where there is no step. */
  quietMillis: Schema.optionalKey(Schema.Finite),
  /** What the oldest step waits for, as a clause. */
  waitsFor: Schema.optionalKey(Schema.String),
  /** The id that the executor announces itself by; absent where it is of a release that can't be asked about a job. */
  executor: Schema.optionalKey(Schema.String),
  /** The job that was asked about, where the lane has it. */
  job: Schema.optionalKey(JobReport)
})
export type LaneReport = typeof LaneReport.Type

const Json = Schema.fromJsonString(Schema.toCodecJson(LaneReport))

/** Executors and gateways of one event log meet here. It is outside of the log's own subjects. */
const subject = Effect.map(eventsConfig, ({ stream }) => `akave.lanes.${stream}`)

/** Questions that are answered at once. */
const concurrency = 16

/** Answers whoever asks for as long as the scope lives; given the id of the job that is asked about, if one is. */
export const answer = Effect.fnUntraced(function*(report: (jobId: string | undefined) => Effect.Effect<LaneReport>) {
  const connection = yield* Nats
  const subscription = yield* Effect.acquireRelease(
    Effect.map(subject, (subject) => connection.subscribe(subject)),
    (subscription) => Effect.sync(() => subscription.unsubscribe())
  )
  yield* Stream.fromAsyncIterable<Msg, unknown>(subscription, (cause) => cause).pipe(
    Stream.mapEffect((question) =>
      report(question.string() || undefined).pipe(
        Effect.flatMap(Schema.encodeEffect(Json)),
        Effect.flatMap((text) => Effect.sync(() => question.respond(text))),
        Effect.orDie
      ), { concurrency, unordered: true }),
    Stream.runDrain,
    Effect.forkScoped
  )
})

/** How long the first report, and each one after the one before, is waited for, in milliseconds. */
const patience = { strategy: "stall", maxWait: 800, stall: 100 } as const
/** An executor that has the job asks the chain before it answers, so that the whole time is waited, in milliseconds. */
const jobPatience = { strategy: "timer", maxWait: 800 } as const

const askFor = Effect.fnUntraced(
  function*(options: RequestManyOptions, body: string) {
    const answers = yield* answersTo(yield* Effect.orDie(subject), options, body)
    return yield* Effect.forEach(answers, ({ text }) => Schema.decodeEffect(Json)(text))
  },
  Effect.mapError((cause) => new LogUnavailable({ operation: "ask executors", cause }))
)

/** The reports of all executors that answer. */
export const ask: Effect.Effect<ReadonlyArray<LaneReport>, LogUnavailable, Nats> = askFor(patience, "")

/** The same, with what each of them says of a job. */
export const askAbout = (jobId: string): Effect.Effect<ReadonlyArray<LaneReport>, LogUnavailable, Nats> =>
  askFor(jobPatience, jobId)

/** A lane has work and gets nowhere, or nobody serves it. */
export class LaneStalled extends Schema.TaggedError<LaneStalled>()("LaneStalled", { sentence: Schema.String }) {
  override readonly message = this.sentence
}

/** The reports of the executors that have a wallet's key. */
export const ofOwner = (owner: string) => (reports: ReadonlyArray<LaneReport>): ReadonlyArray<LaneReport> =>
  reports.filter((report) => report.owner.toLowerCase() === owner.toLowerCase())

/** The state of one wallet's lane: as {@link state}, and a failure where no executor has its key. */
export const stateOf = (owner: string) => (reports: ReadonlyArray<LaneReport>): Effect.Effect<string, LaneStalled> => {
  const own = ofOwner(owner)(reports)
  return reports.length > 0 && own.length === 0
    ? Effect.fail(new LaneStalled({ sentence: `no executor that answers has the key of ${owner}` }))
    : state(own)
}

/**
 * The state of all lanes in a sentence; it is a failure where a lane is stalled or no executor answers. A lane is stalled if
 * one of its executors says so and no other one gets on.
 */
export const state = (reports: ReadonlyArray<LaneReport>): Effect.Effect<string, LaneStalled> => {
  if (reports.length === 0) return Effect.fail(new LaneStalled({ sentence: "no executor answers" }))
  const lanes = Array.from(Map.groupBy(reports, ({ owner }) => owner), ([owner, ofLane]) => {
    const steps = ofLane.reduce((sum, report) => sum + report.steps, 0)
    const stalled = ofLane.filter(({ isStalled }) => isStalled)
    const getsOn = ofLane.some((report) => report.steps > 0 && !report.isStalled)
    const [worst] = stalled.toSorted((a, b) => (b.quietMillis ?? 0) - (a.quietMillis ?? 0))
    return worst === undefined || getsOn
      ? { isStalled: false, sentence: `${owner} has ${steps} steps under way` }
      : {
        isStalled: true,
        sentence: `${owner} has ${steps} steps under way and has finished none for ${
          Math.round((worst.quietMillis ?? 0) / 1_000)
        } s; the oldest ${worst.waitsFor}`
      }
  })
  const sentence = lanes.map((lane) => lane.sentence).join(". ")
  return lanes.some(({ isStalled }) => isStalled)
    ? Effect.fail(new LaneStalled({ sentence }))
    : Effect.succeed(sentence)
}
