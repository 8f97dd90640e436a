/**
 * A staging store in JetStream's object store. What is staged is cut into parts, each an object of its own, so that a range is read
 * without what is before it; an object with their sizes comes last, and what has one is whole.
 */
import { Nats } from "@akave-async/platform/Nats"
import { type ObjectStore, Objm } from "@nats-io/obj"
import { Config, DateTime, Effect, Option, Schema, Stream } from "effect"
import {
  ObjectId,
  StagedMissing,
  type StagedObject,
  StagingFull,
  type StagingShape,
  StagingUnavailable
} from "./StagedObject.ts"

export interface Settings {
  /** On how many servers it is kept. */
  readonly replicas?: number
  readonly bucket?: string
}

/** As many as the event log has. */
export const replicas = Config.schema(
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
  "EVENTS_REPLICAS"
).pipe(Config.withDefault(1))

/** Bytes of a part. */
const partSize = 4 * 1_048_576

const Manifest = Schema.fromJsonString(Schema.Struct({ sizes: Schema.Array(Schema.Natural) }))
const decodeManifest = Schema.decodeUnknownEffect(Manifest)
const encodeManifest = Schema.encodeSync(Manifest)

const isFull = (cause: unknown): boolean => /maximum|insufficient|no space|resource limits/i.test(String(cause))
const question = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new StagingUnavailable({ operation, cause }) })
const attempt = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => isFull(cause) ? new StagingFull({ cause }) : new StagingUnavailable({ operation, cause })
  })

const nameOf = (id: ObjectId, part: number) => `${id}/${part}`
const isId = (name: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)

// oxlint-disable-next-line max-lines-per-function -- its operations share the store
export const make = Effect.fnUntraced(function*({ bucket = "akave_staging", replicas = 1 }: Settings) {
  const connection = yield* Nats
  let opened: ObjectStore | undefined
  /** Made where it is not there, once the server answers. */
  const store = Effect.suspend(() =>
    opened === undefined
      ? Effect.tap(
        question("open its object store", () => new Objm(connection).create(bucket, { replicas })),
        (one) => Effect.sync(() => opened = one)
      )
      : Effect.succeed(opened)
  )
  const using = <A>(operation: string, run: (store: ObjectStore) => Promise<A>) =>
    Effect.flatMap(store, (store) => question(operation, () => run(store)))

  const manifestOf = Effect.fnUntraced(function*(id: ObjectId) {
    const bytes = yield* using("read an object", (store) => store.getBlob(id))
    if (bytes === null) return Option.none()
    const { sizes } = yield* Effect.orDie(decodeManifest(Buffer.from(bytes).toString()))
    return Option.some(sizes)
  })

  const stated = Effect.fnUntraced(function*(id: ObjectId) {
    const info = yield* using("look for an object", (store) => store.info(id))
    if (info === null || info.deleted) return Option.none()
    const sizes = yield* manifestOf(id)
    return Option.map(sizes, (sizes): StagedObject => ({
      id,
      size: sizes.reduce((sum, size) => sum + size, 0),
      storedAt: DateTime.makeUnsafe(info.mtime)
    }))
  })

  const removeParts = Effect.fnUntraced(function*(id: ObjectId, count: number) {
    for (let n = 0; n < count; n++) {
      yield* using("remove a part", (store) => store.delete(nameOf(id, n))).pipe(
        Effect.catchIf(({ cause }) => /not found/i.test(String(cause)), () => Effect.void)
      )
    }
  })

  const put: StagingShape["put"] = Effect.fnUntraced(function*(id, bytes) {
    if (Option.isSome(yield* stated(id))) {
      return yield* new StagingUnavailable({ operation: "store what is there", cause: new Error(`${id} is used`) })
    }
    const sizes: Array<number> = []
    let waiting: Array<Uint8Array> = []
    let length = 0
    const flush = Effect.suspend(() => {
      const part = Buffer.concat(waiting)
      const name = nameOf(id, sizes.length)
      waiting = []
      length = 0
      sizes.push(part.length)
      return Effect.flatMap(store, (store) => attempt("store a part", () => store.putBlob({ name }, part)))
    })
    const take = (piece: Uint8Array) => {
      waiting.push(piece)
      length += piece.length
      return length >= partSize ? Effect.asVoid(flush) : Effect.void
    }
    yield* Stream.runForEach(bytes, take).pipe(
      Effect.andThen(Effect.suspend(() => length === 0 ? Effect.void : Effect.asVoid(flush))),
      Effect.andThen(
        Effect.flatMap(
          store,
          (store) =>
            attempt("complete an object", () => store.putBlob({ name: id }, Buffer.from(encodeManifest({ sizes }))))
        )
      ),
      Effect.onError(() => Effect.ignore(removeParts(id, sizes.length)))
    )
    return yield* Effect.flatMap(
      stated(id),
      Option.match({
        onNone: () => Effect.fail(new StagingUnavailable({ operation: "show an object", cause: new Error(id) })),
        onSome: Effect.succeed
      })
    )
  })

  const read: StagingShape["read"] = (id, { end = Infinity, start = 0 } = { start: 0, end: Infinity }) =>
    Stream.unwrap(Effect.map(manifestOf(id), (found): Stream.Stream<Uint8Array, StagedMissing | StagingUnavailable> => {
      if (Option.isNone(found)) return Stream.fail(new StagedMissing({ id }))
      let at = 0
      const parts = found.value.map((size, n) => {
        const from = at
        at += size
        return { n, from, to: at }
      }).filter(({ from, to }) => from < end && to > start)
      return Stream.fromIterable(parts).pipe(
        Stream.mapEffect(Effect.fnUntraced(function*({ from, n, to }) {
          const bytes = yield* using("read a part", (store) => store.getBlob(nameOf(id, n)))
          if (bytes === null) return yield* new StagedMissing({ id })
          return bytes.subarray(Math.max(0, start - from), Math.min(to, end) - from)
        }))
      )
    }))

  const infos = using("list its objects", (store) => store.list())

  return {
    description: `the object store ${bucket} of NATS`,
    check: Effect.asVoid(using("answer", (store) => store.status())),
    put,
    read,
    stat: stated,
    remove: Effect.fnUntraced(function*(id) {
      const sizes = yield* manifestOf(id)
      if (Option.isNone(sizes)) return
      yield* using("remove an object", (store) => store.delete(id))
      yield* removeParts(id, sizes.value.length)
    }),
    list: Stream.unwrap(
      Effect.map(infos, (all) =>
        Stream.fromIterable(all.filter(({ name }) => isId(name))).pipe(
          Stream.mapEffect(({ name }) => stated(ObjectId.make(name))),
          Stream.flatMap((found) => Stream.fromIterable(Option.toArray(found)))
        ))
    ),
    sweepUnfinished: Effect.fnUntraced(function*(before) {
      const all = yield* infos
      const whole = new Set(all.map(({ name }) => name))
      const left = all.filter(({ mtime, name }) => {
        const [id = "", part] = name.split("/")
        return part !== undefined && !whole.has(id) && Date.parse(mtime) < DateTime.toEpochMillis(before)
      })
      yield* Effect.forEach(left, ({ name }) => using("remove a part", (store) => store.delete(name)))
      return left.length
    })
  } satisfies StagingShape
})
