/** `akave-async file get` */
import type { DownloadOptions, EffectClient } from "@akave-async/client/effect"
import { Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { statSync } from "node:fs"
import { basename, join } from "node:path"
import { ArgumentsInvalid, SomeFailed } from "../Failures.ts"
import { keyFile, readKey } from "../FileKey.ts"
import { isFree, partSize, placeIn, placeOf, saveAt, toStandardOutput } from "../FilesOnDisk.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import * as Transfer from "../Transfer.ts"
import { bucket, fileName, overwrite, recursive } from "./FileFlags.ts"

interface Wanted {
  readonly bucket: string
  readonly overwrite: boolean
  readonly goesOn: boolean
  readonly encryptionKey?: Uint8Array
  readonly range?: NonNullable<DownloadOptions["range"]>
}
interface One extends Wanted {
  readonly name: string
  /** `-` is standard output. */
  readonly path: string
}

type OnTransfer = (transfer: Transfer.Transfer) => void

const save = Effect.fnUntraced(function*(client: EffectClient, one: One, onTransfer: OnTransfer) {
  const { bucket, encryptionKey, goesOn, name, path, range } = one
  const isPiped = path === "-"
  if (!isPiped) yield* isFree(path, one.overwrite)
  const since = performance.now()
  const options = {
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    ...(range === undefined ? {} : { range }),
    onProgress: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) =>
      onTransfer({ phase: "receiving", ...progress, since })
  }
  if (isPiped) {
    const content = yield* client.files.download(bucket, name, options)
    yield* toStandardOutput(content.stream)
    return content
  }
  const file = goesOn ? yield* client.files.info(bucket, name) : undefined
  const rootCid = file?.root_cid ?? undefined
  const place = placeOf(path, rootCid)
  const sha256 = file?.sha256 ?? null
  const start = file === undefined || rootCid === undefined ? 0 : partSize(place)
  if (file !== undefined && rootCid !== undefined && start === file.size) {
    yield* saveAt(place, Stream.empty, { isNew: false, sha256 })
    return { rootCid, size: file.size }
  }
  const isWhole = start === 0 || start > (file?.size ?? 0)
  const content = yield* client.files.download(bucket, name, {
    ...options,
    ...(isWhole || rootCid === undefined ? {} : { range: { start }, ifRange: rootCid })
  })
  yield* saveAt(place, content.stream, { isNew: content.start === 0 || range !== undefined, sha256 })
  return { rootCid: content.rootCid, size: content.start > 0 && range === undefined ? content.fileSize : content.size }
})

/** The whole time that a download may take, where that is limited. */
const limited = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Gateway.Gateway, ({ within }) => within(effect))

const getOne = (client: EffectClient, one: One) =>
  Effect.gen(function*() {
    const output = yield* Output
    const { goesOn, name, path } = one
    let state = "opening"
    const { rootCid, size } = yield* limited(output.during(
      Transfer.label(name),
      () => state,
      save(client, one, (transfer) => state = Transfer.shown(transfer, performance.now()))
    )).pipe(
      Effect.onInterrupt(() =>
        output.note(
          path === "-"
            ? "ended before all bytes had come"
            : goesOn
            ? "ended; what has come is kept: give the same command again to go on"
            : "ended; nothing is saved"
        )
      )
    )
    if (path === "-") return
    const saved = { file_name: name, path, size, root_cid: rootCid }
    yield* output.line(`saved ${path}, ${Transfer.size(size)}`, saved)
  })

/** Files that come at a time. */
const atOnce = 4

/** Downloads all files whose names begin with a prefix, each to its path below a folder. */
const getAll = (
  client: EffectClient,
  { folder, prefix, ...wanted }: Wanted & { readonly prefix: string; readonly folder: string }
) =>
  Effect.gen(function*() {
    const output = yield* Output
    const files = yield* Stream.runCollect(client.files.list(wanted.bucket, { prefix, limit: 1_000 }))
    if (files.length === 0) {
      const of = prefix === "" ? "has no files" : `has no file that begins with ${prefix}`
      return yield* new ArgumentsInvalid({ message: `${wanted.bucket} ${of}` })
    }
    const total = Transfer.total(files.map(({ size }) => size))
    let bad = 0
    const one = Effect.fnUntraced(function*(name: string, n: number) {
      const path = yield* placeIn(folder, name)
      const { size } = yield* save(client, { ...wanted, name, path }, ({ bytesDone }) => total.report(n, bytesDone))
      yield* output.line(`saved ${path}, ${Transfer.size(size)}`, { file_name: name, path, size })
    })
    const work = Effect.forEach(files, ({ file_name: name }, n) =>
      one(name, n).pipe(
        Effect.catch((error) => {
          bad++
          return output.line(`${name} failed: ${error.message}`, { file_name: name, error: error.message })
        }),
        Effect.ensuring(Effect.sync(() => total.end(n)))
      ), { concurrency: atOnce, discard: true })
    yield* limited(output.during("downloading", total.shown, work))
    if (bad > 0) return yield* new SomeFailed({ failed: bad, of: files.length })
  })

/** Bytes from the first to the last one, as HTTP counts them. */
const range = Flag.String("range").pipe(
  Flag.withMetavar("FIRST-LAST"),
  Flag.withDescription("Only these bytes, such as 0-99 or 100-, counted from 0"),
  Flag.filterMap((text) => {
    const [, first, last] = /^(\d{1,15})-(\d{0,15})$/.exec(text) ?? []
    if (first === undefined || last === undefined) return Option.none()
    const start = Number(first)
    if (last === "") return Option.some({ start })
    return Number(last) < start ? Option.none() : Option.some({ start, end: Number(last) + 1 })
  }, (text) => `${JSON.stringify(text)} is no range: write it as 0-99, or 100- for all from there on`),
  Flag.optional
)

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

export const get = Command.make("get", {
  bucket,
  name: fileName,
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.withDescription("Where it is saved, a file or a folder, or - for standard output; here unless given"),
    Flag.optional
  ),
  recursive: recursive.pipe(
    Flag.withDescription("All files whose names begin with the name given, to their paths below a folder")
  ),
  range,
  goesOn: Flag.Boolean("continue").pipe(
    Flag.withDescription("Go on where such a command was ended, and keep what has come where this one is"),
    Flag.withDefault(false)
  ),
  keyFile,
  overwrite
}, (input) =>
  Effect.gen(function*() {
    const { bucket, goesOn, name, overwrite } = input
    const to = Option.getOrElse(input.output, () => ".")
    const isPiped = to === "-"
    if (Option.isSome(input.range) && (goesOn || input.recursive)) {
      return yield* new ArgumentsInvalid({ message: "--range is of one file, and goes without --continue" })
    }
    if (isPiped && (goesOn || input.recursive)) {
      return yield* new ArgumentsInvalid({ message: "-o - takes one file, from its first byte on" })
    }
    const range = Option.isSome(input.range) ? { range: input.range.value } : {}
    const wanted = { bucket, overwrite, goesOn, ...range, ...yield* readKey(input.keyFile) }
    if (input.recursive) {
      return yield* Gateway.use((client) => getAll(client, { ...wanted, prefix: name, folder: to }))
    }
    const path = !isPiped && isFolder(to) ? join(to, basename(name)) : to
    return yield* Gateway.use((client) => getOne(client, { ...wanted, name, path }))
  })).pipe(
    Command.withDescription("Download files"),
    Command.withExamples([
      { command: "akave-async file get my-bucket photo.jpg", description: "One, to the folder that one is in" },
      { command: "akave-async file get my-bucket backup.tar -o - | tar x", description: "To a program" },
      { command: "akave-async file get my-bucket photos/ --recursive -o folder", description: "All of a folder" },
      { command: "akave-async file get my-bucket film.mp4 --continue", description: "Go on where it was ended" }
    ])
  )
