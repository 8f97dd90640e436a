/** `akave-async file …` */
import { contentTypeOf, type EffectClient } from "@akave-async/client/effect"
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { createReadStream, readFileSync, statSync } from "node:fs"
import { basename } from "node:path"
import * as process from "node:process"
import { ArgumentsInvalid, SomeFailed } from "../Failures.ts"
import { limit, upTo } from "../Flags.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import * as Transfer from "../Transfer.ts"
import { showJob } from "./Ending.ts"
import { filesIn, saved, savedAll } from "./FilesOnDisk.ts"
import { show } from "./Showing.ts"

const bucket = Argument.String("bucket").pipe(Argument.withDescription("The bucket's name"))
const fileName = Argument.String("name").pipe(
  Argument.withDescription("The file's name in the bucket, such as photos/cat.jpg")
)
const noWait = Flag.Boolean("no-wait").pipe(
  Flag.withDescription("Print the job once the bytes are sent, and leave it to itself"),
  Flag.withDefault(false)
)
const keyFile = Flag.File("key-file", { mustExist: true }).pipe(
  Flag.withDescription(
    "A file with a key of your own, 32 bytes in hex or base64: the gateway uses it and does not keep it"
  ),
  Flag.optional
)
const overwrite = Flag.Boolean("overwrite").pipe(
  Flag.withDescription("Replace what is there"),
  Flag.withDefault(false)
)
const recursive = Flag.Boolean("recursive").pipe(Flag.withAlias("r"), Flag.withDefault(false))

/** The key of a file, of which nothing is ever printed. */
const keyOf = Effect.fnUntraced(function*(path: Option.Option<string>) {
  if (Option.isNone(path)) return {}
  const text = readFileSync(path.value, "utf8").trim()
  const bytes = /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64")
  if (bytes.length !== 32) {
    return yield* new ArgumentsInvalid({
      message: `${path.value} has no key: write 32 bytes as 64 hex digits or in base64`
    })
  }
  return { encryptionKey: new Uint8Array(bytes) }
})

/** Files that are on their way at a time. */
const atOnce = 4

interface How {
  readonly encrypt: boolean
  readonly encryptionKey?: Uint8Array
  readonly contentType: Option.Option<string>
  readonly parityBlocks: Option.Option<number>
  readonly overwrite: boolean
  readonly noWait: boolean
}

/** One file on disk, or standard input, and its name in the bucket. */
interface Local {
  readonly path: string
  readonly name: string
}

const sourceOf = ({ path }: Local) =>
  path === "-"
    ? { what: process.stdin as AsyncIterable<Uint8Array>, options: {} }
    : {
      what: () => createReadStream(path, { highWaterMark: 1_048_576 }) as AsyncIterable<Uint8Array>,
      options: { size: statSync(path).size }
    }

/** Uploads a file, and gives its job. */
const put = Effect.fnUntraced(function*(
  client: EffectClient,
  bucket: string,
  local: Local,
  how: How,
  onProgress: (transfer: Transfer.Transfer) => void
) {
  const { options, what } = sourceOf(local)
  let [phase, since] = ["", performance.now()]
  const report = (progress: { phase: string; bytesDone: number; bytesTotal: number | undefined }) => {
    if (progress.phase !== phase) [phase, since] = [progress.phase, performance.now()]
    onProgress({ ...progress, since })
  }
  const { timeout } = yield* Gateway.Gateway
  const upload = how.noWait ? client.files.submitUpload : client.files.upload
  return yield* upload(bucket, local.name, what, {
    ...options,
    contentType: Option.getOrElse(how.contentType, () => contentTypeOf(local.name)),
    ...(how.encrypt ? { encryption: "account" as const } : {}),
    ...(how.encryptionKey === undefined ? {} : { encryptionKey: how.encryptionKey }),
    ...(Option.isNone(how.parityBlocks) ? {} : { parityBlocks: how.parityBlocks.value }),
    overwrite: how.overwrite,
    onProgress: report,
    ...(Number.isFinite(timeout) && timeout !== Gateway.defaultTimeout ? { timeout } : {})
  })
})

const putOne = (client: EffectClient, bucket: string, local: Local, how: How) =>
  Effect.gen(function*() {
    const output = yield* Output
    let state = "reading"
    const job = yield* output.during(
      local.name,
      () => state,
      put(client, bucket, local, how, (transfer) => state = Transfer.shown(transfer, performance.now()))
    )
    yield* showJob(job)
  })

const putAll = (client: EffectClient, bucket: string, locals: ReadonlyArray<Local>, how: How) =>
  Effect.gen(function*() {
    const output = yield* Output
    let [done, bad] = [0, 0]
    const one = (local: Local) =>
      put(client, bucket, local, how, () => {}).pipe(
        Effect.flatMap((job) => output.line(`${local.name} ${job.status} ${job.job_id}`, job)),
        Effect.catch((error) => {
          bad++
          return output.line(`${local.name} failed: ${error.message}`, { file_name: local.name, error: error.message })
        }),
        Effect.tap(Effect.sync(() => done++))
      )
    const work = Effect.forEach(locals, one, { concurrency: atOnce, discard: true })
    yield* output.during("uploading", () => `${done} of ${locals.length} files`, work)
    if (bad > 0) return yield* new SomeFailed({ failed: bad, of: locals.length })
  })

const putCommand = Command.make("put", {
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
  encrypt: Flag.Boolean("encrypt").pipe(
    Flag.withDescription("Encrypt with the account's key, which the gateway has"),
    Flag.withDefault(false)
  ),
  keyFile,
  contentType: Flag.String("content-type").pipe(
    Flag.withDescription("By the name's ending unless given"),
    Flag.optional
  ),
  parityBlocks: Flag.Int("parity-blocks").pipe(
    Flag.withDescription("Of the 32 blocks of a chunk, how many may be lost: 0 to 16, 16 unless given"),
    Flag.optional
  ),
  overwrite,
  noWait
}, (input) =>
  Effect.gen(function*() {
    const { name, path } = input
    const how = { ...input, ...yield* keyOf(input.keyFile) }
    if (input.recursive) {
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
    const local = { path, name: Option.getOrElse(name, () => basename(path)) }
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

const getCommand = Command.make("get", {
  bucket,
  name: fileName,
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.withDescription("Where it is saved, or - for standard output; under its own name unless given"),
    Flag.optional
  ),
  recursive: recursive.pipe(Flag.withDescription("Save all files whose names begin with the name given, in a folder")),
  keyFile,
  overwrite
}, (input) =>
  Effect.gen(function*() {
    const { bucket, name, output: to, overwrite } = input
    const key = yield* keyOf(input.keyFile)
    return yield* Gateway.use((client) =>
      input.recursive
        ? savedAll(client, { bucket, prefix: name, folder: Option.getOrElse(to, () => "."), overwrite, ...key })
        : saved(client, { bucket, name, path: Option.getOrElse(to, () => basename(name)), overwrite, ...key })
    )
  })).pipe(
    Command.withDescription("Download files"),
    Command.withExamples([
      { command: "akave-async file get my-bucket photo.jpg", description: "One, to the folder that one is in" },
      { command: "akave-async file get my-bucket backup.tar -o - | tar x", description: "To a program" }
    ])
  )

const list = Command.make("list", {
  bucket,
  prefix: Flag.String("prefix").pipe(Flag.withDescription("What the names begin with"), Flag.optional),
  limit
}, ({ bucket, limit, prefix }) =>
  Gateway.use((client) =>
    Output.use(({ rows }) => {
      const files = upTo(
        limit,
        (query) => client.files.list(bucket, { ...query, ...(Option.isSome(prefix) ? { prefix: prefix.value } : {}) })
      )
      const sized = Stream.map(files, (file) => ({ ...file, bytes: file.size }))
      return rows(sized, ["file_name", "size", "content_type", "encryption", "created_at", "root_cid"])
    })
  )).pipe(Command.withDescription("List the files of a bucket, by name"))

const info = Command.make(
  "info",
  { bucket, name: fileName },
  ({ bucket, name }) => Gateway.use((client) => show(client.files.info(bucket, name)))
).pipe(Command.withDescription("Show what is known of a file"))

const rm = Command.make(
  "rm",
  { bucket, name: fileName, noWait },
  ({ bucket, name, noWait }) =>
    Gateway.use((client) =>
      Effect.gen(function*() {
        const output = yield* Output
        const deletion = noWait ? client.files.submitDelete(bucket, name) : client.files.delete(bucket, name)
        yield* showJob(yield* output.during(`deleting ${name}`, () => "", deletion))
      })
    )
).pipe(Command.withDescription("Delete a file, and wait until it is gone"))

const access = Command.make("access", {
  bucket,
  name: fileName,
  to: Argument.Literals("who", ["public", "private"]).pipe(
    Argument.withDescription("public: everybody may read it from the network; private: nobody else")
  )
}, ({ bucket, name, to }) =>
  Gateway.use((client) =>
    Effect.gen(function*() {
      const output = yield* Output
      const change = client.files.setAccess(bucket, name, to === "public")
      yield* showJob(yield* output.during(`changing ${name}`, () => "", change))
    })
  )).pipe(Command.withDescription("Say who may read a file"))

export const file = Command.make("file").pipe(
  Command.withDescription("Files of buckets"),
  Command.withSubcommands([putCommand, getCommand, list, info, rm, access])
)
