/**
 * `npm run test:uploads [-- --files N --largest BYTES --huge BYTES --seed N]`: files that are uploaded at once through one gateway to executors
 * that are killed in turn, and a huge one through a gateway and executors that are killed in the middle of it. Ends with 0 only if every one is completed,
 * comes back byte by byte, and the fault suite's checker finds nothing wrong with log, chain and read model.
 */
import type * as Processes from "@akave-async/local/Processes"
import * as Stack from "@akave-async/local/Stack"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Schedule } from "effect"
import { parseArgs } from "node:util"
import * as Memory from "../bench/Processes.ts"
import { check } from "../faults/src/Checker.ts"
import { fold, type Folded, isTerminal } from "../faults/src/Fold.ts"
import * as Observer from "../faults/src/Observer.ts"
import { counts, revived, seededRandom, standardMaxInFlight } from "../faults/src/Rig.ts"
import * as Files from "../support/Files.ts"
import * as Client from "./Client.ts"
import * as Content from "./Content.ts"

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "200" },
    largest: { type: "string", default: `${64 * 1_048_576}` },
    huge: { type: "string", default: "1000000000" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` }
  }
})
const count = (name: keyof typeof values, least: number) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= least) return number
  process.stderr.write(`--${name} takes a whole number from ${least} on, not "${values[name]}"\n`)
  return process.exit(2)
}
const smallest = 1_024
const [files, largest, huge, seed] = [
  count("files", 0),
  count("largest", smallest),
  count("huge", 0),
  count("seed", 0)
]

/** All jobs must have ended so long after the last upload was accepted, in minutes. */
const patience = "30 minutes"
/** Files that are read back at the same time. */
const readsAtOnce = 4
const grace = { STAGING_GRACE: "1 minute" }
/** Within twice that time and some more, what was staged and is not needed is gone. */
const sweptWithin = "150 seconds"

/** How a file is stored, in turn. */
const options = ["", "encryption=account", "parity_blocks=0", "encryption=account&encrypt_name=true"]

interface File {
  readonly number: number
  readonly size: number
  readonly path: string
  readonly query: string
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const rate = (bytes: number, millis: number) => `${(bytes / 1e3 / millis).toFixed(1)} MB/s`
const seconds = (millis: number) => `${(millis / 1_000).toFixed(1)} s`
const timed = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const begun = performance.now()
  const result = yield* effect
  return { result, millis: performance.now() - begun }
})

const findings: Array<string> = []
const say = (text: string) => Console.log(text)
const report = (finding: string) => {
  findings.push(finding)
  return Console.log(`✗ ${finding}`)
}

/** Samples the memory of processes by their kinds; gives the most that one of each had, in MB. */
const watchMemory = (stack: Stack.Stack, kinds: ReadonlyArray<"executor" | "gateway">) => {
  const most = new Map<string, number>()
  const sample = Effect.sync(() => {
    for (const kind of kinds) {
      for (const { process: { name } } of stack.services) {
        if (name !== kind && !name.startsWith(`${kind}-`)) continue
        try {
          most.set(kind, Math.max(most.get(kind) ?? 0, Memory.memory(stack, name)))
        } catch {
          // It has been killed.
        }
      }
    }
  })
  return Effect.map(
    Effect.forkChild(Effect.repeat(sample, Schedule.spaced("200 millis"))),
    (fiber) => Effect.as(Fiber.interrupt(fiber), most)
  )
}
const words = (most: ReadonlyMap<string, number>) =>
  Array.from(most, ([kind, memory]) => `${kind} ${memory.toFixed(0)} MB`).join(", ")

/** The log once all these jobs have ended. */
const ended = (stack: Stack.Stack, jobs: ReadonlyArray<string>) =>
  Observer.readLog(stack.natsUrl).pipe(
    Effect.map(fold),
    Effect.repeat({
      until: (folded) =>
        jobs.every((id) => {
          const job = folded.jobs.get(id)
          return job !== undefined && isTerminal(job)
        }),
      schedule: Schedule.spaced("2 seconds")
    }),
    Effect.timeout(patience)
  )

/** Kills an executor at random every few seconds, and starts it again. Each death is counted. */
const killing = (stack: Stack.Stack, random: () => number, onKill: () => void) =>
  Effect.gen(function*() {
    yield* Effect.sleep(2_000 + 3_000 * random())
    const victim = stack.executor(Math.floor(counts.executor * random()))
    yield* victim.kill("SIGKILL")
    onKill()
    yield* Effect.sleep(1_000 * random())
    yield* revived(victim)
  }).pipe(Effect.forever)

/** Whether these files come back as they were sent. */
const compare = (stack: Stack.Stack, all: ReadonlyArray<File>) =>
  Effect.forEach(all, ({ number, path, size }) =>
    Effect.gen(function*() {
      const wanted = yield* Effect.promise(() => Content.digestOf(Content.bytesOf(number, size)))
      const found = yield* Effect.result(Client.read(`${stack.gatewayUrl}${path}`))
      if (found._tag === "Failure") return yield* report(`${path} could not be read: ${found.failure.message}`)
      if (found.success.sha256 !== wanted.sha256) {
        return yield* report(`${path} of ${size} bytes came back otherwise, with ${found.success.size} bytes`)
      }
    }), { concurrency: readsAtOnce, discard: true })

const completed = (folded: Folded, jobs: ReadonlyArray<string>) =>
  Effect.forEach(jobs, (id) => {
    const job = folded.jobs.get(id)
    return job?.status === "completed" && !job.result?.adopted
      ? Effect.void
      : report(`job ${id} is ${job?.status}${job?.result?.adopted ? ", adopted" : ""}: ${JSON.stringify(job?.error)}`)
  }, { discard: true })

const atOnce = Effect.fnUntraced(function*(stack: Stack.Stack, bucket: string, random: () => number) {
  const all = Array.from({ length: files }, (_, number): File => ({
    number,
    size: Math.floor(smallest * (largest / smallest) ** random()),
    path: Files.pathOf(bucket, `many/${number}.bin`),
    query: options[number % options.length] ?? ""
  }))
  const total = all.reduce((sum, { size }) => sum + size, 0)
  const memory = yield* watchMemory(stack, ["gateway", "executor"])
  let kills = 0
  const killer = yield* Effect.forkChild(killing(stack, random, () => kills++))
  const { millis: whole, result: { folded, jobs, staged } } = yield* timed(Effect.gen(function*() {
    const { millis: staged, result: jobs } = yield* timed(
      Effect.forEach(all, ({ number, path, query, size }) =>
        Client.upload(() => ({
          url: `${stack.gatewayUrl}${path}?${query}`,
          size,
          bytes: Content.bytesOf(number, size),
          headers: { "idempotency-key": `many-${number}` }
        })), { concurrency: "unbounded" })
    )
    yield* say(`${files} files of ${megabytes(total)} accepted after ${seconds(staged)}: ${rate(total, staged)}`)
    return { jobs, staged, folded: yield* ended(stack, jobs) }
  }))
  yield* Fiber.interrupt(killer)
  yield* Effect.forEach([0, 1, 2], (n) => revived(stack.executor(n)), { discard: true })
  const attempts = jobs.reduce((sum, id) => sum + (folded.jobs.get(id)?.attempts ?? 0), 0)
  yield* say(
    `all have ended ${seconds(whole - staged)} later, ${seconds(whole)} in all: ${
      rate(total, whole)
    }; ${kills} times an executor `
      + `was killed, ${attempts} attempts; at most ${words(yield* memory)}`
  )
  yield* completed(folded, jobs)
  const { millis } = yield* timed(compare(stack, all))
  yield* say(`read back in ${seconds(millis)}: ${rate(total, millis)}`)
})

/** The huge file: its gateway is killed when half of it is sent, and an executor when half of it is on chain. */
const interrupted = Effect.fnUntraced(function*(stack: Stack.Stack, bucket: string) {
  const file: File = { number: 1_000_000, size: huge, path: Files.pathOf(bucket, "huge.bin"), query: "" }
  const memory = yield* watchMemory(stack, ["gateway", "executor"])
  const gateway = stack.gateway(0)
  let tries = 0
  let isHalf = false
  const kill = Effect.gen(function*() {
    yield* Effect.repeat(Effect.sync(() => isHalf), {
      until: (isHalf) => isHalf,
      schedule: Schedule.spaced("20 millis")
    })
    yield* gateway.kill("SIGKILL")
    yield* say(`the gateway is killed when ${megabytes(huge / 2)} of ${megabytes(huge)} were sent`)
    yield* revived(gateway)
  })
  const killer = yield* Effect.forkChild(kill)
  const { millis: staged, result: jobId } = yield* timed(Client.upload(() => {
    tries++
    return {
      url: `${stack.gatewayUrl}${file.path}`,
      size: huge,
      bytes: Content.bytesOf(file.number, huge, (given) => isHalf ||= given >= huge / 2),
      headers: { "idempotency-key": "huge" }
    }
  }, ({ message }) => say(`it is sent again: ${message}`)))
  yield* Fiber.join(killer)
  yield* say(`accepted after ${seconds(staged)}, by ${tries} requests`)
  if (tries < 2) yield* report("the gateway was not killed while the file was sent")

  const { millis: stored, result: folded } = yield* timed(Effect.gen(function*() {
    const half = Math.ceil(huge / 16_000_000 / 2)
    yield* Observer.readLog(stack.natsUrl).pipe(
      Effect.repeat({
        until: (log) => (fold(log).jobs.get(jobId)?.done.size ?? 0) > half,
        schedule: Schedule.spaced("500 millis")
      }),
      Effect.timeout(patience)
    )
    const executors: ReadonlyArray<Processes.Process> = [0, 1, 2].map((n) => stack.executor(n))
    // Whichever of them has it.
    yield* Effect.forEach(executors, (process) => process.kill("SIGKILL"), { concurrency: "unbounded" })
    yield* say(`all executors are killed after ${half} chunks`)
    yield* Effect.forEach(executors, revived, { concurrency: "unbounded" })
    return yield* ended(stack, [jobId])
  }))
  yield* say(
    `on the network ${seconds(stored)} later: ${rate(huge, stored)}; at most ${words(yield* memory)}`
  )
  yield* completed(folded, [jobId])
  const { millis } = yield* timed(compare(stack, [file]))
  yield* say(`read back in ${seconds(millis)}: ${rate(huge, millis)}`)
})

/** What the checker finds in log, chain, read model and staging store, once all of it is settled. */
const checked = Effect.fnUntraced(function*(stack: Stack.Stack) {
  const { details } = yield* stack.devnet.start
  yield* Effect.gen(function*() {
    const log = yield* Observer.readLog(stack.natsUrl)
    return (yield* Observer.checkpoint(stack.databaseUrl)) === log.at(-1)?.sequence
  }).pipe(Effect.repeat({ until: (isApplied) => isApplied, schedule: Schedule.spaced("500 millis") }))
  const isSwept = Effect.sync(() => Files.staged(stack.dataDir).every((name) => name.endsWith(".part")))
  yield* Effect.timeoutOption(
    Effect.repeat(isSwept, { until: (isSwept) => isSwept, schedule: Schedule.spaced("1 second") }),
    sweptWithin
  )
  const target = {
    stack,
    storageAddress: String(details["storage_address"]),
    accessAddress: String(details["access_address"])
  }
  const world = yield* Observer.observe(target, {
    notes: [],
    received: [],
    secrets: [],
    maxInFlight: standardMaxInFlight,
    // How long a wallet that nobody works for stands still says nothing.
    faultEndedAt: Date.now()
  })
  yield* Effect.forEach(check(world), ({ evidence, rule }) => report(`${rule}: ${evidence}`), { discard: true })
  yield* say(
    `checked: ${world.log.length} events, ${world.chain.transactions.length} transactions, ${world.chain.files.size} files on chain`
  )
})

const uploads = Effect.gen(function*() {
  yield* say(`Uploads with seed ${seed}`)
  const random = yield* seededRandom(`uploads ${seed}`)
  const stack = yield* Stack.started({ counts: { executor: counts.executor }, env: { gateway: grace } })
  const bucket = yield* Files.bucket(stack.gatewayUrl)
  if (files > 0) yield* atOnce(stack, bucket, random)
  if (huge > 0) yield* interrupted(stack, bucket)
  yield* checked(stack)
  yield* say(findings.length === 0 ? "All files came back as they were." : `${findings.length} findings.`)
  process.exitCode = findings.length === 0 ? 0 : 1
})

NodeRuntime.runMain(Effect.scoped(uploads))
