import { Effect, Schema } from "effect"
import * as fs from "node:fs"
import { join, resolve } from "node:path"
import * as ProcessTable from "./ProcessTable.ts"

export class DataFolderLocked extends Schema.TaggedError<DataFolderLocked>()("DataFolderLocked", {
  folder: Schema.String,
  pid: Schema.Int
}) {
  override readonly message =
    `The data folder ${this.folder} is in use by another start of this stack (process ${this.pid}): stop that one first.`
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
      const lock = join(path, "lock")
      try {
        fs.mkdirSync(path, { recursive: true })
        const holder = fs.existsSync(lock) ? ProcessTable.find(fs.readFileSync(lock, "utf8")) : undefined
        if (holder !== undefined) return new DataFolderLocked({ folder: path, pid: holder })
        fs.rmSync(lock, { force: true })
        // Written under another name first: a lock is never seen half written, and only one of two can link it.
        const own = `${lock}.${process.pid}`
        fs.writeFileSync(own, ProcessTable.identity(process.pid) ?? "")
        try {
          fs.linkSync(own, lock)
        } finally {
          fs.rmSync(own)
        }
        return Effect.succeed({ path, lock })
      } catch (cause) {
        return new DataFolderUnusable({ folder: path, reason: cause instanceof Error ? cause.message : String(cause) })
      }
    }),
    ({ lock }) => Effect.sync(() => fs.rmSync(lock, { force: true }))
  ).pipe(Effect.map(({ path }) => path))

interface Held {
  readonly path: string
  readonly lock: string
}
