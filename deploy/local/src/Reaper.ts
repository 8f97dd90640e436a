import { Context, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Reports one small detached process which process groups must not outlive this one, SIGKILL included. */
export class Reaper extends Context.Service<Reaper, {
  /** Takes effect at once: the line is written before this returns. */
  watch(group: number, signal: NodeJS.Signals): void
  forget(group: number): void
  /** A new folder that goes when this process does, or the layer's scope closes, after all that is watched has ended. */
  temporaryFolder(): string
}>()("@akave-async/local/Reaper") {
  static readonly layer = Layer.effect(
    Reaper,
    Effect.gen(function*() {
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const child = spawn(process.execPath, [script], {
            cwd: "/",
            detached: true,
            env: {},
            stdio: ["pipe", "ignore", "ignore"]
          })
          child.on("error", () => {})
          // A reaper that someone stopped can't be reached any more; that is no reason to fail.
          child.stdin.on("error", () => {})
          child.unref()
          return child
        }),
        (child) =>
          Effect.promise(async () => {
            child.stdin.end()
            if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
              await once(child, "exit")
            }
          }).pipe(Effect.timeoutOption("10 seconds"))
      )
      return Reaper.of({
        watch: (group, signal) => void child.stdin.write(`watch ${group} ${signal}\n`),
        forget: (group) => void child.stdin.write(`forget ${group}\n`),
        temporaryFolder: () => {
          const folder = mkdtempSync(join(tmpdir(), "akave-async-"))
          child.stdin.write(`remove ${folder}\n`)
          return folder
        }
      })
    })
  )
}

const script = fileURLToPath(new URL("reaper.mjs", import.meta.url))
