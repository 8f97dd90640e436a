/** `akave-async file put` */
import { type EffectClient, type EffectUploadable, type Job, JobFailed } from "@akave-async/client/effect"
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { createReadStream, statSync } from "node:fs"
import { basename } from "node:path"
import * as process from "node:process"
import { ArgumentsInvalid, SomeFailed } from "../Failures.ts"
import { keyFile, readKey } from "../FileKey.ts"
import { filesIn, type Local } from "../FilesOnDisk.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import * as Transfer from "../Transfer.ts"
import { goesOn, showJob } from "./Ending.ts"
import { bucket, overwrite, recursive } from "./FileFlags.ts"

interface How {
  readonly encrypt: boolean
  readonly encryptionKey?: Uint8Array
  readonly encryptName: boolean
  readonly contentType: Option.Option<string>
  readonly parityBlocks: Option.Option<number>
  readonly idempotencyKey: Option.Option<string>
  readonly overwrite: boolean
  readonly noWait: boolean
}

/** What the gateway may be told of, as far as it is known when the command is ended. */
interface State {
  phase: "sending" | "storing"
  bytesDone: number
  bytesTotal: number | undefined
  since: number
  job: Job | undefined
}
const begun = (): State => ({
  phase: "sending",
  bytesDone: 0,
  bytesTotal: undefined,
  since: performance.now(),
  job: undefined
})

const sourceOf = (path: string): EffectUploadable => {
  if (path === "-") return process.stdin as AsyncIterable<Uint8Array>
  // What is no file, such as a pipe, can be read once.
  return statSync(path).isFile() ? path : createReadStream(path) as AsyncIterable<Uint8Array>
}

/** Uploads a file, and gives its job: once it has completed, or at once where nobody waits. */
const put = Effect.fnUntraced(function*(
  client: EffectClient,
  { bucket, local }: { readonly bucket: string; readonly local: Local },
  how: How,
  state: State
) {
  const { limit, within } = yield* Gateway.Gateway
  const end = performance.now() + limit
  const report = (phase: State["phase"], bytesDone: number, bytesTotal: number | undefined) => {
    if (phase !== state.phase) state.since = performance.now()
    Object.assign(state, { phase, bytesDone, bytesTotal })
  }
  const job = yield* within(client.files.submitUpload(bucket, local.name, sourceOf(local.path), {
    ...(how.encrypt ? { encryption: "account" as const } : {}),
    ...(how.encryptionKey === undefined ? {} : { encryptionKey: how.encryptionKey }),
    ...(Option.isNone(how.contentType) ? {} : { contentType: how.contentType.value }),
    ...(Option.isNone(how.parityBlocks) ? {} : { parityBlocks: how.parityBlocks.value }),
    ...(Option.isNone(how.idempotencyKey) ? {} : { idempotencyKey: how.idempotencyKey.value }),
    encryptName: how.encryptName,
    overwrite: how.overwrite,
    onProgress: ({ bytesDone, bytesTotal }) => report("sending", bytesDone, bytesTotal)
  }))
  state.job = job as Job
  if (how.noWait) return state.job
  const onChange = ({ progress }: Job) => progress && report("storing", progress.bytes_done, progress.bytes_total)
  const timeout = Math.max(1, end - performance.now())
  const last = yield* client.jobs.wait(job.job_id, { onChange, timeout })
  if (last.status !== "completed") return yield* Effect.fail(new JobFailed(last))
  return last
})

/** What is said to who ends the command, of an upload that has come so far. */
const endedAt = ({ bytesDone, bytesTotal, job }: State): string => {
  if (job !== undefined) return goesOn(job)
  return bytesTotal !== undefined && bytesDone >= bytesTotal
    ? "ended when all bytes were sent: akave-async job list shows whether the gateway has taken them"
    : "ended while the file was being sent: nothing of it is stored"
}

const putOne = (client: EffectClient, bucket: string, local: Local, how: How) =>
  Effect.gen(function*() {
    const output = yield* Output
    const state = begun()
    const job = yield* output.during(
      Transfer.label(local.name),
      () => Transfer.shown(state, performance.now()),
      put(client, { bucket, local }, how, state)
    ).pipe(Effect.onInterrupt(() => output.note(endedAt(state))))
    yield* showJob(job)
  })

/** Files that are on their way at a time. */
const atOnce = 4

const putAll = (client: EffectClient, bucket: string, locals: ReadonlyArray<Local>, how: How) =>
  Effect.gen(function*() {
    const output = yield* Output
    const total = Transfer.total(locals.map(({ path }) => statSync(path, { throwIfNoEntry: false })?.size ?? 0))
    const underWay = new Map<number, State>()
    let bad = 0
    const one = Effect.fnUntraced(function*(local: Local, n: number) {
      const state = begun()
      underWay.set(n, state)
      const job = yield* put(client, { bucket, local }, how, state)
      yield* output.line(`${local.name} ${job.status} ${job.job_id}`, job)
    })
    const shown = () => {
      // What is sent is half of what is to be done, where it is waited for.
      for (const [n, { bytesDone, bytesTotal = 0, phase }] of underWay) {
        total.report(n, how.noWait ? bytesDone : (phase === "sending" ? bytesDone : bytesTotal + bytesDone) / 2)
      }
      return total.shown()
    }
    const work = Effect.forEach(locals, (local, n) =>
      one(local, n).pipe(
        Effect.catch((error) => {
          bad++
          return output.line(`${local.name} failed: ${error.message}`, { file_name: local.name, error: error.message })
        }),
        // Who ends the command learns of each that goes on.
        Effect.tap(Effect.sync(() => {
          underWay.delete(n)
          total.end(n)
        }))
      ), { concurrency: atOnce, discard: true })
    yield* output.during("uploading", shown, work).pipe(
      Effect.onInterrupt(() =>
        Effect.forEach(underWay, ([n, state]) => output.note(`${locals[n]?.name}: ${endedAt(state)}`), {
          discard: true
        })
      )
    )
    if (bad > 0) return yield* new SomeFailed({ failed: bad, of: locals.length })
  })

const flags = {
  encrypt: Flag.Boolean("encrypt").pipe(
    Flag.withDescription("Encrypt with the account's key, which the gateway has"),
    Flag.withDefault(false)
  ),
  keyFile,
  encryptName: Flag.Boolean("encrypt-name").pipe(
    Flag.withDescription("Give the network the name encrypted too, with the same key"),
    Flag.withDefault(false)
  ),
  contentType: Flag.String("content-type").pipe(
    Flag.withDescription("By the name's ending unless given"),
    Flag.optional
  ),
  parityBlocks: Flag.Int("parity-blocks").pipe(
    Flag.withDescription("Of the 32 blocks of a chunk, how many may be lost: 0 to 16, 16 unless given"),
    Flag.filter((n) => n >= 0 && n <= 16, (n) => `${n} parity blocks: give 0 to 16`),
    Flag.optional
  ),
  idempotencyKey: Flag.String("idempotency-key").pipe(
    Flag.withDescription("Names the request: given again with the same key, it is the same request"),
    Flag.optional
  ),
  overwrite,
  noWait: Flag.Boolean("no-wait").pipe(
    Flag.withDescription("Print the job once the bytes are sent, and leave it to itself"),
    Flag.withDefault(false)
  )
}

export const putCommand = Command.make("put", {
  bucket,
  path: Argument.String("path").pipe(
    Argument.withDescription("A file, a folder with --recursive, or - for standard input")
  ),
  name: Flag.String("name").pipe(
    Flag.withDescription(
      "The name in the bucket, or of a folder what the names begin with; the file's own unless given"
    ),
    Flag.optional
  ),
  recursive: recursive.pipe(
    Flag.withDescription("Upload all files of a folder and of those in it; links are not followed")
  ),
  ...flags
}, (input) =>
  Effect.gen(function*() {
    const { name, path, recursive } = input
    if (input.encrypt && Option.isSome(input.keyFile)) {
      return yield* new ArgumentsInvalid({ message: "give --encrypt or --key-file, not both" })
    }
    const how = { ...input, ...yield* readKey(input.keyFile) }
    if (recursive) {
      if (Option.isSome(input.idempotencyKey)) {
        return yield* new ArgumentsInvalid({
          message: "--idempotency-key names one request, and --recursive makes many"
        })
      }
      const locals = yield* filesIn(path, Option.getOrElse(name, () => ""))
      return yield* Gateway.use((client) => putAll(client, input.bucket, locals, how))
    }
    if (path === "-" && Option.isNone(name)) {
      return yield* new ArgumentsInvalid({ message: "name what comes from standard input: --name photos/cat.jpg" })
    }
    const found = path === "-" ? undefined : statSync(path, { throwIfNoEntry: false })
    if (path !== "-" && found === undefined) return yield* new ArgumentsInvalid({ message: `there is no file ${path}` })
    if (found?.isDirectory() === true) {
      return yield* new ArgumentsInvalid({ message: `${path} is a folder: give --recursive to upload what is in it` })
    }
    const local = { path, name: Option.getOrElse(name, () => basename(path).normalize("NFC")) }
    return yield* Gateway.use((client) => putOne(client, input.bucket, local, how))
  })).pipe(
    Command.withDescription("Upload files, and wait until they are on the network"),
    Command.withExamples([
      { command: "akave-async file put my-bucket photo.jpg", description: "One, and wait for it" },
      {
        command: "tar c folder | akave-async file put my-bucket - --name backup.tar",
        description: "What a program prints"
      },
      { command: "akave-async file put my-bucket folder --recursive", description: "All files of a folder" }
    ])
  )
