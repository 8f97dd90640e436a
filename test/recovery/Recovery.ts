/** A store is lost under load and put back by the commands that the guides show; then the checker says what still holds. */
import * as Stack from "@akave-async/local/Stack"
import { Clock, Effect, Fiber, Option, Schema } from "effect"
import { keccak256, solidityPacked } from "ethers"
import { spawn } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { check, type Violation } from "../faults/src/Checker.ts"
import { fold, type Folded } from "../faults/src/Fold.ts"
import * as LoadClient from "../faults/src/LoadClient.ts"
import * as Observer from "../faults/src/Observer.ts"
import { revived, type Rig } from "../faults/src/Rig.ts"
import { untilQuiet } from "../faults/src/Suite.ts"
import { contractEvents } from "../faults/src/Vocabulary.ts"
import type { Note, World } from "../faults/src/World.ts"

/** What is lost. */
export type Loss = "log" | "database" | "both"

export interface Options {
  readonly rig: Rig
  readonly loss: Loss
  /** What all clients of this stack have noted so far; the notes of this one are added. */
  readonly notes: Array<Note>
  /** Buckets that are asked for in a second. */
  readonly rate: number
  /** The load goes on for so long before the loss, and again after the restoration, in milliseconds. */
  readonly margin: number
  readonly quietWithin: number
  readonly report: (line: string) => Effect.Effect<void>
}

export interface Outcome {
  readonly violations: ReadonlyArray<Violation>
  /** Answers with 202, and those of them that are not known any more. */
  readonly accepted: number
  readonly lost: number
  /** Buckets that transactions of the wallet have made or deleted which no job names. */
  readonly unexplained: ReadonlyArray<string>
  /** From the loss until all services run again. */
  readonly restoredMillis: number
  readonly completedAfter: number
}

class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  command: Schema.String,
  output: Schema.String
}) {
  override readonly message = `${this.command} has failed: ${this.output}`
}

/** Runs `akave-async` as an operator does. */
const akave = ({ stack }: Rig, report: Options["report"]) => (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const command = ["akave-async", ...args].join(" ")
    const [code, output] = yield* Effect.promise(() =>
      new Promise<readonly [number | null, string]>((resolve) => {
        const child = spawn(process.execPath, [join(Stack.repository, "shared/cli/src/main.ts"), ...args], {
          env: {
            PATH: process.env["PATH"],
            NATS_URL: stack.natsUrl,
            DATABASE_URL: stack.databaseUrl,
            AKAVE_NODE_ADDRESS: stack.nodeAddress
          }
        })
        let output = ""
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
        child.on("close", (code) => resolve([code, output.trim()]))
      })
    )
    yield* report([`$ ${command}`, ...output.split("\n")].map((line) => `    ${line}`).join("\n"))
    return code === 0 ? output : yield* new CommandFailed({ command, output })
  })

const ofProduct = ({ stack }: Rig) =>
  stack.services.map(({ process }) => process).filter(({ name }) => !["nats", "postgres", "devnet"].includes(name))

/** Takes the data from under a server that runs; it comes back without. */
const lose = Effect.fnUntraced(function*({ stack }: Rig, store: "nats" | "postgres") {
  const process = stack[store]
  rmSync(join(stack.dataDir, store), { recursive: true, force: true })
  yield* process.kill("SIGKILL")
  rmSync(join(stack.dataDir, store), { recursive: true, force: true })
  yield* revived(process)
})

/** Nobody makes a log in the place of the one that was lost, for as long as this. */
const watchFor = "5 seconds"

const stopAll = (rig: Rig) =>
  Effect.forEach(ofProduct(rig), ({ stop }) => stop, { concurrency: "unbounded", discard: true })
const startAll = (rig: Rig) => Effect.forEach(ofProduct(rig), revived, { concurrency: "unbounded", discard: true })

/** What the log held when it was restored. */
interface Restored {
  readonly last: number
}

export const run = Effect.fnUntraced(
  function*({ loss, margin, notes, quietWithin, rate, report, rig }: Options): Effect.fn.Return<Outcome, unknown> {
    const { stack } = rig
    const before = notes.length
    let isOver = false
    const client = LoadClient.make({
      gatewayUrls: stack.gatewayUrls,
      accounts: rig.accounts,
      prefix: `lost-${loss}`,
      random: rig.random,
      note: (note) => notes.push(note)
    })
    const command = akave(rig, report)
    const load = yield* Effect.forkChild(
      client.keepAsking({ rate, jobs: Number.MAX_SAFE_INTEGER, isOver: () => isOver }),
      { startImmediately: true }
    )
    yield* Effect.sleep(margin)

    const folder = join(stack.dataDir, "backups")
    yield* Effect.sync(() => mkdirSync(folder, { recursive: true }))
    const [whole, later] = [join(folder, "whole.gz"), join(folder, "later.gz")]
    if (loss === "both") {
      yield* command("backup", whole)
      yield* Effect.sleep(margin / 2)
    }
    const lastBackupAt = yield* Clock.currentTimeMillis
    if (loss === "both") {
      yield* command("backup", later, "--after", whole)
      yield* command("backup", "verify", whole, later)
      yield* Effect.sleep(margin / 2)
    }

    const lostAt = yield* Clock.currentTimeMillis
    yield* report(`  ${loss === "both" ? "log and database are" : `the ${loss} is`} lost`)
    if (loss !== "log") yield* lose(rig, "postgres")
    if (loss !== "database") {
      yield* lose(rig, "nats")
      yield* Effect.sleep(watchFor)
      const made = yield* Observer.streams(stack.natsUrl)
      if (made.length > 0) {
        return yield* Effect.die(new Error(`${made.join(", ")} was made in the place of the lost one`))
      }
    }
    yield* stopAll(rig)
    if (loss === "log") yield* command("restore", "--from-archive")
    if (loss === "both") yield* command("restore", whole, later)
    const restored: Restored = { last: (yield* Observer.readLog(stack.natsUrl)).length }
    if (loss !== "database") yield* command("ledger", "renew", stack.ownerAddress)
    const receivedBefore = rig.received()
    yield* startAll(rig)
    const restoredAt = yield* Clock.currentTimeMillis
    yield* Effect.sleep(margin)
    isOver = true
    yield* Fiber.join(load)

    const log = fold(yield* Observer.readLog(stack.natsUrl))
    const known = explainedBy(log, notes, loss === "both" ? lastBackupAt : lostAt)
    const quiet = yield* Effect.timeoutOption(untilQuiet(rig, known.notes), quietWithin)
    const received = rig.received()
    const world = yield* Observer.observe(rig, {
      notes: known.notes,
      received: loss === "database" ? received : [
        // What was sent of events that were lost is not to be compared with those that have their sequences now.
        ...receivedBefore.filter(({ sequence }) => sequence < restored.last),
        ...received.slice(receivedBefore.length)
      ],
      secrets: rig.secrets,
      maxInFlight: rig.maxInFlight,
      faultEndedAt: restoredAt
    })
    const { expected, violations } = judge(world, known.lost, stack.ownerAddress)
    const fault = (evidence: string): Violation => ({ rule: "fault", evidence })
    return {
      violations: [
        ...violations,
        ...known.early.map(fault),
        ...(Option.isSome(quiet) ? [] : [fault(`not quiet within ${quietWithin / 1_000} s`)])
      ],
      accepted:
        notes.slice(before).filter(({ answer, request }) => request === "create" && answer?.status === 202).length,
      lost: known.lost.filter(({ answer }) => answer?.status === 202).length,
      unexplained: expected,
      restoredMillis: restoredAt - lostAt,
      completedAfter:
        fold(world.log).events.filter(({ step, storedAt }) => step === "completed" && storedAt > restoredAt)
          .length
    }
  }
)

/** An answer may come so much later than its event was stored, and a projector be so much behind, in milliseconds. */
const slack = 3_000

/**
 * The notes without those that speak of what was lost with the log: of jobs that it does not have, and of what was done to jobs that
 * it has in the time that was lost.
 */
const explainedBy = ({ jobs }: Folded, notes: ReadonlyArray<Note>, safeUntil: number) => {
  const isLostJob = (jobId: string | undefined) => jobId !== undefined && !jobs.has(jobId)
  const isLost = ({ answer, jobId, request }: Note) =>
    ((request === "create" || request === "delete") && answer?.status === 202 && isLostJob(answer.jobId))
    || isLostJob(jobId)
  const lost = notes.filter(isLost)
  const names = new Set(lost.map(({ name, request }) => `${request} ${name}`))
  // A cancellation that was answered may be lost where its job is not.
  const isUndone = ({ answer, jobId, request, sentAt }: Note) =>
    request === "cancel" && answer?.status === 200 && sentAt > safeUntil - slack
    && jobs.get(jobId ?? "")?.status !== "cancelled"
  const early = lost.filter(({ answer, sentAt }) => answer?.status === 202 && sentAt < safeUntil - slack)
    .map(({ answer, name, request, sentAt }) =>
      `${request} ${name} (job ${answer?.jobId}) was accepted ${
        safeUntil - sentAt
      } ms before what may be lost, and is lost`
    )
  const refusedForLost = ({ answer, name, request }: Note) =>
    request === "create" && answer?.status === 409 && names.has(`create ${name}`)
  return { lost, early, notes: notes.filter((note) => !isLost(note) && !isUndone(note) && !refusedForLost(note)) }
}

/** The id of a bucket, as the contract makes it. */
const bucketIdOf = (name: string, owner: string) => keccak256(solidityPacked(["string", "address"], [name, owner]))

/**
 * What the checker finds, without what a lost log leaves on chain: effects of transactions that no job names, on buckets that jobs
 * were asked to make or delete which are lost, or whose claims were. All else is a violation.
 */
const judge = (world: World, lost: ReadonlyArray<Note>, owner: string) => {
  const { jobs } = fold(world.log)
  const lostNames = new Map(lost.map(({ name }) => [bucketIdOf(name, owner), name]))
  const adopted = new Set([...jobs.values()].flatMap(({ result }) => result?.adopted === true ? [result.bucketId] : []))
  const expected: Array<string> = []
  const violations = check(world).filter(({ evidence, rule }) => {
    if (rule !== "effects") return true
    const [, bucketId = "", kind = ""] = /^bucket (0x\w+) was (\w+) by 0x\w+, of no job$/.exec(evidence) ?? []
    if (Object.hasOwn(contractEvents, kind) && (lostNames.has(bucketId) || adopted.has(bucketId))) {
      expected.push(`${lostNames.get(bucketId) ?? bucketId} was ${kind}`)
      return false
    }
    // A deletion that was lost with its job, or the creation before it.
    const [, name = ""] = /^the contract has(?: not)? (\S+), against the log's/.exec(evidence) ?? []
    if ([...lostNames.values()].includes(name)) {
      expected.push(`${name} is not as the log has it`)
      return false
    }
    return true
  })
  return { violations, expected }
}
