import { Context, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

/** Tells one small detached process which process groups must not outlive this one, SIGKILL included. */
export class Reaper extends Context.Service<Reaper, {
  /** Takes effect at once: the line is written before this returns. */
  watch(group: number, signal: NodeJS.Signals): void
  forget(group: number): void
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
          // A reaper that someone stopped can't be told anything any more; that is no reason to fail.
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
        forget: (group) => void child.stdin.write(`forget ${group}\n`)
      })
    })
  )
}

const script = fileURLToPath(new URL("reaper.mjs", import.meta.url))
