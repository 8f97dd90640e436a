/** The staging store: bytes of files on their way to the network, or back from it. */
import { Config, Context, DateTime, Effect, Layer, Option, Schema, Stream } from "effect"
import { createReadStream } from "node:fs"
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"

export const ObjectId = Schema.String.check(Schema.isUUID()).pipe(Schema.brand("StagedId"))
export type ObjectId = typeof ObjectId.Type

export class StagingUnavailable extends Schema.TaggedError<StagingUnavailable>()("StagingUnavailable", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The staging store can't ${this.operation}${
    this.cause instanceof Error ? `: ${this.cause.message}` : ""
  }`
  readonly isRetryable = true
}
export class StagingFull extends Schema.TaggedError<StagingFull>()("StagingFull", { cause: Schema.Defect() }) {
  override readonly message = "The staging store is full"
  readonly isRetryable = false
}
export class StagedMissing extends Schema.TaggedError<StagedMissing>()("StagedMissing", { id: ObjectId }) {
  override readonly message = `The staging store has no object ${this.id}`
  readonly isRetryable = false
}
export interface StagedObject {
  readonly id: ObjectId
  readonly size: number
  readonly storedAt: DateTime.Utc
}

export class Staging extends Context.Service<Staging, {
  put<E, R>(
    id: ObjectId,
    bytes: Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<StagedObject, E | StagingUnavailable | StagingFull, R>
  read(
    id: ObjectId,
    range?: { readonly start: number; readonly end: number }
  ): Stream.Stream<Uint8Array, StagedMissing | StagingUnavailable>
  stat(id: ObjectId): Effect.Effect<Option.Option<StagedObject>, StagingUnavailable>
  remove(id: ObjectId): Effect.Effect<void, StagingUnavailable>
  readonly list: Stream.Stream<StagedObject, StagingUnavailable>
  sweepUnfinished(before: DateTime.Utc): Effect.Effect<number, StagingUnavailable>
  readonly check: Effect.Effect<void, StagingUnavailable>
  readonly description: string
}>()("@akave-async/staging/Staging") {
  static readonly layerFolder = (folder: string): Layer.Layer<Staging> => Layer.succeed(Staging, inFolder(folder))
  static readonly layerConfig = Layer.unwrap(
    Effect.map(Config.String("STAGING_DIR").pipe(Config.withDefault("staging")), Staging.layerFolder)
  )
}

const attempt = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new StagingUnavailable({ operation, cause }) })

const inFolder = (folder: string): Staging["Service"] => {
  const pathOf = (id: ObjectId) => join(folder, id.slice(-2), id)
  const statOf = (id: ObjectId) =>
    Effect.map(
      Effect.option(Effect.tryPromise(() => stat(pathOf(id)))),
      Option.map(({ mtime, size }): StagedObject => ({ id, size, storedAt: DateTime.makeUnsafe(mtime) }))
    )
  return {
    description: `the folder ${folder}`,
    check: attempt("make its folder", () => mkdir(folder, { recursive: true })).pipe(Effect.asVoid),
    stat: statOf,
    remove: (id) => attempt("remove", () => rm(pathOf(id), { force: true })),
    put: Effect.fnUntraced(function*(id, bytes) {
      const path = pathOf(id)
      yield* attempt("make its folder", () => mkdir(join(path, ".."), { recursive: true }))
      const file = yield* attempt("open", () => open(`${path}.part`, "w"))
      yield* Stream.runForEach(bytes, (piece) => attempt("write", () => file.write(piece))).pipe(
        Effect.andThen(attempt("sync", () => file.sync())),
        Effect.ensuring(Effect.promise(() => file.close())),
        Effect.onError(() => Effect.promise(() => rm(`${path}.part`, { force: true })))
      )
      yield* attempt("rename", () => rename(`${path}.part`, path))
      return yield* Effect.orDie(Effect.fromOption(yield* statOf(id)))
    }) as Staging["Service"]["put"],
    read: (id, range) =>
      Stream.unwrap(
        Effect.map(statOf(id), (found): Stream.Stream<Uint8Array, StagedMissing | StagingUnavailable> =>
          Option.isNone(found)
            ? Stream.fail(new StagedMissing({ id }))
            : Stream.fromAsyncIterable(
              createReadStream(pathOf(id), {
                highWaterMark: 1_048_576,
                ...(range === undefined ? {} : { start: range.start, end: range.end - 1 })
              }) as AsyncIterable<Uint8Array>,
              (cause) =>
                new StagingUnavailable({ operation: "read", cause })
            ))
      ),
    list: Stream.fromIterableEffect(
      attempt("list", () => readdir(folder, { recursive: true })).pipe(
        Effect.flatMap((names) =>
          Effect.forEach(
            names.filter((name) => name.length === 39),
            (name) => statOf(ObjectId.make(name.slice(3)))
          )
        ),
        Effect.map((found) => found.flatMap(Option.toArray))
      )
    ),
    sweepUnfinished: () => Effect.succeed(0)
  }
}
