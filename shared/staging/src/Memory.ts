/** A staging store in memory, for tests. */
import { DateTime, Effect, Option, Stream } from "effect"
import {
  type ObjectId,
  StagedMissing,
  type StagedObject,
  type StagingShape,
  StagingUnavailable
} from "./StagedObject.ts"

export const make = (): StagingShape => {
  const objects = new Map<ObjectId, StagedObject & { readonly bytes: Buffer }>()
  const statOf = ({ id, size, storedAt }: StagedObject): StagedObject => ({ id, size, storedAt })
  return {
    description: "memory",
    check: Effect.void,
    put: (id, bytes) =>
      Effect.gen(function*() {
        if (objects.has(id)) {
          return yield* new StagingUnavailable({ operation: "store what is there", cause: new Error(`${id} is used`) })
        }
        const all = Buffer.concat(yield* Stream.runCollect(bytes))
        const object = { id, size: all.length, storedAt: yield* DateTime.now, bytes: all }
        objects.set(id, object)
        return statOf(object)
      }),
    read: (id, range) =>
      Stream.suspend(() => {
        const found = objects.get(id)
        return found === undefined
          ? Stream.fail(new StagedMissing({ id }))
          : Stream.make(new Uint8Array(found.bytes.subarray(range?.start, range?.end)))
      }),
    stat: (id) => Effect.sync(() => Option.map(Option.fromUndefinedOr(objects.get(id)), statOf)),
    remove: (id) => Effect.sync(() => void objects.delete(id)),
    list: Stream.suspend(() => Stream.fromIterable([...objects.values()].map(statOf))),
    sweepUnfinished: () => Effect.succeed(0)
  }
}
