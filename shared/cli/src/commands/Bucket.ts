/** `akave-async bucket …` */
import type { EffectClient, Job } from "@akave-async/client/effect"
import { Effect, FileSystem, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ArgumentsInvalid, SomeFailed } from "../Failures.ts"
import { limit, upTo } from "../Flags.ts"
import * as Gateway from "../Gateway.ts"
import { bar, Output } from "../Output.ts"
import { ended, showJob } from "./Ending.ts"
import { show } from "./Showing.ts"

const name = Argument.String("name").pipe(Argument.withDescription("A bucket's name"))
const noWait = Flag.Boolean("no-wait").pipe(
  Flag.withDescription("Print the job at once, and leave it to itself"),
  Flag.withDefault(false)
)
const idempotencyKey = Flag.String("idempotency-key").pipe(
  Flag.withDescription("Names the request: given again with the same key, it is the same request"),
  Flag.optional
)
const keyOf = (key: Option.Option<string>) => Option.isSome(key) ? { idempotencyKey: key.value } : {}

/** As many as one request may ask for. */
const batchSize = 1_000

const create = Command.make("create", {
  names: Argument.variadic(name),
  from: Flag.File("from", { mustExist: true }).pipe(
    Flag.withDescription("A file with further names, one a line"),
    Flag.optional
  ),
  noWait,
  idempotencyKey
}, (input) =>
  Effect.gen(function*() {
    const { from } = input
    const text = Option.isSome(from)
      ? yield* FileSystem.FileSystem.use((files) => files.readFileString(from.value))
      : ""
    const names = [...input.names, ...text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "")]
    const [first, ...others] = names
    if (first === undefined) {
      return yield* new ArgumentsInvalid({ message: "name a bucket, or a file of names by --from" })
    }
    return yield* Gateway.use((client) =>
      others.length === 0
        ? createOne(client, first, input)
        : createAll(client, names, input)
    )
  })).pipe(
    Command.withDescription("Create buckets, and wait until they are on chain"),
    Command.withExamples([
      { command: "akave-async bucket create photos", description: "One, and wait for it" },
      { command: "akave-async bucket create --from names.txt --json", description: "Many, as lines of JSON" },
      { command: "akave-async bucket create photos --no-wait -q", description: "Print the job's id" }
    ])
  )

interface How {
  readonly noWait: boolean
  readonly idempotencyKey: Option.Option<string>
}

const createOne = (client: EffectClient, name: string, { idempotencyKey, noWait }: How) =>
  Effect.gen(function*() {
    const job = yield* client.submitBucket(name, keyOf(idempotencyKey))
    if (noWait) return yield* showJob(job)
    return yield* ended(client, job, `creating ${name}`)
  })

/** Several, by as few requests as it takes; prints each job as it ends. */
const createAll = (client: EffectClient, names: ReadonlyArray<string>, { idempotencyKey, noWait }: How) =>
  Effect.gen(function*() {
    const output = yield* Output
    const { timeout } = yield* Gateway.Gateway
    const batches = Array.from(
      { length: Math.ceil(names.length / batchSize) },
      (_, n) => names.slice(n * batchSize, (n + 1) * batchSize)
    )
    let [done, bad] = [0, 0]
    const one = Effect.fnUntraced(function*(job: Job) {
      const last = noWait ? job : yield* client.jobs.wait(job.job_id, { timeout })
      done++
      if (last.status === "failed" || last.status === "cancelled") bad++
      yield* output.line(`${last.bucket_name} ${last.status} ${last.job_id}`, last)
    })
    const accepted = yield* Effect.forEach(batches, (names, n) => {
      const key = Option.map(idempotencyKey, (key) => batches.length === 1 ? key : `${key}.${n}`)
      return client.buckets.submitAll({ names }, keyOf(key))
    })
    const answers = accepted.flatMap((batch) => batch.answers)
    for (const { name, problem } of answers) {
      if (problem === null) continue
      bad++
      yield* output.line(`${name} refused: ${problem.detail ?? problem.code}`, { name, problem })
    }
    const jobs = answers.flatMap(({ job }) => job ?? [])
    const work = Effect.forEach(jobs, one, { concurrency: "unbounded", discard: true })
    yield* output.during("creating", () => bar(done, jobs.length), work)
    if (bad > 0) return yield* new SomeFailed({ failed: bad, of: names.length })
  })

const list = Command.make(
  "list",
  { limit },
  ({ limit }) =>
    Gateway.use((client) =>
      Effect.flatMap(
        Output,
        ({ rows }) =>
          rows(upTo(limit, client.buckets.list), [
            "name",
            "created_at",
            "bucket_id",
            "job_id"
          ])
      )
    )
).pipe(Command.withDescription("List the buckets on chain, by name"))

const view = Command.make(
  "view",
  { name },
  ({ name }) => Gateway.use((client) => show(client.buckets.get(name)))
)
  .pipe(Command.withDescription("Show a bucket on chain"))

const remove = Command.make(
  "delete",
  { name, noWait, idempotencyKey },
  ({ idempotencyKey, name, noWait }) =>
    Gateway.use((client) =>
      Effect.gen(function*() {
        const job = yield* client.buckets.submitDelete(name, keyOf(idempotencyKey))
        if (noWait) return yield* showJob(job)
        return yield* ended(client, job, `deleting ${name}`)
      })
    )
).pipe(Command.withDescription("Delete an empty bucket, and wait until it is gone"))

export const bucket = Command.make("bucket").pipe(
  Command.withDescription("Buckets on chain"),
  Command.withSubcommands([create, list, view, remove])
)
