/** Which build runs here: what `GIT_HASH` and `BUILD_TIME` say, else the commit of the checkout. */
import { Config, Effect } from "effect"
import { execFile } from "node:child_process"

export interface Build {
  /** The commit; undefined where nothing names it. */
  readonly hash: string | undefined
  /** When it was built or, in a checkout, committed. */
  readonly time: string | undefined
}

const named = Config.all({
  hash: Config.String("GIT_HASH").pipe(Config.withDefault("")),
  time: Config.String("BUILD_TIME").pipe(Config.withDefault(""))
})

/** A git that has not answered within this time is not waited for, in milliseconds. */
const patience = 2_000

const ofCheckout = Effect.callback<Build>((resume) => {
  const options = { cwd: import.meta.dirname, timeout: patience }
  const child = execFile("git", ["log", "-1", "--format=%H %cI"], options, (_, stdout) => {
    const [hash, time] = stdout.trim().split(" ")
    resume(Effect.succeed({ hash: hash || undefined, time }))
  })
  return Effect.sync(() => child.kill())
})

export const build: Effect.Effect<Build, Config.ConfigError> = Effect.gen(function*() {
  const { hash, time } = yield* named
  return hash === "" ? yield* ofCheckout : { hash, time: time || undefined }
})
