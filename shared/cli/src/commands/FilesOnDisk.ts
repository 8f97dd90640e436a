/** Files of this machine, as commands read and save them. */
import type { EffectClient } from "@akave-async/client/effect"
import { Effect, Stream } from "effect"
import { createWriteStream, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import * as process from "node:process"
import { pipeline } from "node:stream/promises"
import { ArgumentsInvalid, SomeFailed } from "../Failures.ts"
import { Output } from "../Output.ts"
import * as Transfer from "../Transfer.ts"

/** All files of a folder and of those in it, without links, and their names in a bucket: their paths, behind a prefix. */
export const filesIn = Effect.fnUntraced(function*(folder: string, prefix: string) {
  if (!existsSync(folder) || !lstatSync(folder).isDirectory()) {
    return yield* new ArgumentsInvalid({ message: `${folder} is no folder` })
  }
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const files = found.map(({ name, parentPath }) => {
    const path = join(parentPath, name)
    return { path, name: `${prefix}${relative(folder, path).split(sep).join("/")}`.normalize("NFC") }
  })
  if (files.length === 0) return yield* new ArgumentsInvalid({ message: `${folder} has no files` })
  return files.toSorted((a, b) => a.name < b.name ? -1 : 1)
})

interface Wanted {
  readonly bucket: string
  readonly overwrite: boolean
  readonly encryptionKey?: Uint8Array
}

/** Saves a file, once all of it has come: until then it has another name. */
const save = Effect.fnUntraced(function*(
  client: EffectClient,
  { bucket, encryptionKey, name, overwrite, path }: Wanted & { readonly name: string; readonly path: string },
  onProgress: (transfer: Transfer.Transfer) => void
) {
  const isPiped = path === "-"
  if (!isPiped && !overwrite && existsSync(path)) {
    return yield* new ArgumentsInvalid({
      message: `${path} is there already: give --overwrite, or another place by -o`
    })
  }
  const since = performance.now()
  const content = yield* client.files.download(bucket, name, {
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    onProgress: (progress) => onProgress({ phase: "receiving", ...progress, since })
  })
  const part = `${path}.part-${process.pid}`
  if (!isPiped) mkdirSync(dirname(resolve(path)), { recursive: true })
  yield* Effect.tryPromise({
    try: (signal) =>
      isPiped
        ? pipeline(content.stream, process.stdout, { signal, end: false })
        : pipeline(content.stream, createWriteStream(part), { signal }),
    catch: (cause) => new ArgumentsInvalid({ message: `${name} was not saved: ${Object(cause).message ?? cause}` })
  }).pipe(Effect.onError(() => Effect.sync(() => rmSync(part, { force: true }))))
  if (!isPiped) renameSync(part, path)
  return content
})

/** Downloads one file. */
export const saved = (
  client: EffectClient,
  wanted: Wanted & { readonly name: string; readonly path: string }
) =>
  Effect.gen(function*() {
    const output = yield* Output
    let state = "opening"
    const { rootCid, size } = yield* output.during(
      wanted.name,
      () => state,
      save(client, wanted, (transfer) => state = Transfer.shown(transfer, performance.now()))
    )
    if (wanted.path === "-") return
    yield* output.line(`saved ${wanted.path}, ${Transfer.size(size)}`, {
      file_name: wanted.name,
      path: wanted.path,
      size,
      root_cid: rootCid
    })
  })

/** Files that come at a time. */
const atOnce = 4

/** Downloads all files whose names begin with a prefix, each to its path below a folder. */
export const savedAll = (
  client: EffectClient,
  { folder, prefix, ...wanted }: Wanted & { readonly prefix: string; readonly folder: string }
) =>
  Effect.gen(function*() {
    const output = yield* Output
    const files = yield* Stream.runCollect(client.files.list(wanted.bucket, { prefix, limit: 1_000 }))
    if (files.length === 0) {
      return yield* new ArgumentsInvalid({ message: `no file of ${wanted.bucket} begins with ${prefix}` })
    }
    let [done, bad] = [0, 0]
    const one = ({ file_name: name }: { readonly file_name: string }) => {
      const path = join(folder, ...name.split("/"))
      return save(client, { ...wanted, name, path }, () => {}).pipe(
        Effect.flatMap(({ size }) =>
          output.line(`saved ${path}, ${Transfer.size(size)}`, { file_name: name, path, size })
        ),
        Effect.catch((error) => {
          bad++
          return output.line(`${name} failed: ${error.message}`, { file_name: name, error: error.message })
        }),
        Effect.tap(Effect.sync(() => done++))
      )
    }
    const work = Effect.forEach(files, one, { concurrency: atOnce, discard: true })
    yield* output.during("downloading", () => `${done} of ${files.length} files`, work)
    if (bad > 0) return yield* new SomeFailed({ failed: bad, of: files.length })
  })
