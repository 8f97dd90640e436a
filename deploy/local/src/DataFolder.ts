import { Effect, Schema } from "effect"
import * as fs from "node:fs"
import { join, resolve } from "node:path"
import * as Lock from "./Lock.mjs"

export class DataFolderLocked extends Schema.TaggedError<DataFolderLocked>()("DataFolderLocked", {
  folder: Schema.String,
  pid: Schema.Int,
  command: Schema.String,
  since: Schema.String
}) {
  override readonly message =
    `The data folder ${this.folder} is in use by another start of this stack (process ${this.pid}) since ${this.since}:`
    + ` stop that one first, or choose another folder with DATA_DIR. It runs ${this.command}`
}

export class DataFolderUnusable extends Schema.TaggedError<DataFolderUnusable>()("DataFolderUnusable", {
  folder: Schema.String,
  reason: Schema.String
}) {
  override readonly message = `The data folder ${this.folder} can't be used: ${this.reason}.`
}

/**
 * Makes the folder, if need be, and holds it for this process until the scope closes. A lock left behind by a process
 * that is gone, or by another machine's start, counts for nothing.
 */
export const acquire = (folder: string) =>
  Effect.acquireRelease(
    Effect.suspend((): Effect.Effect<Held, DataFolderLocked | DataFolderUnusable> => {
      const path = resolve(folder)
      try {
        fs.mkdirSync(path, { recursive: true })
        const { holder, lock } = Lock.take(join(path, "lock"))
        if (lock !== undefined) return Effect.succeed({ path, lock })
        return new DataFolderLocked({ ...holder, folder: path, since: holder.since.toLocaleString() })
      } catch (cause) {
        return new DataFolderUnusable({ folder: path, reason: cause instanceof Error ? cause.message : String(cause) })
      }
    }),
    ({ lock }) => Effect.sync(lock.release)
  ).pipe(Effect.map(({ path }) => path))

interface Held {
  readonly path: string
  readonly lock: Lock.Lock
}
