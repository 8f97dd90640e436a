/** One stack for all tests of a file: it is up before the first, and stopped after the last. */
import * as Stack from "@akave-async/local/Stack"
import { Effect, Exit, Scope } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as TestStack from "./TestStack.ts"

const shared = <A>(start: Effect.Effect<A, unknown, Scope.Scope>, onStarted: (started: A) => void): void => {
  const scope = Scope.makeUnsafe()
  beforeAll(async () => onStarted(await Effect.runPromise(Effect.provideService(start, Scope.Scope, scope))))
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
}

export const use = (options: Stack.Options, onStarted: (stack: Stack.Stack) => void): void =>
  shared(TestStack.started(options), onStarted)

/** With options that are made when it starts, such as the address of another server. */
export const useWith = (
  options: Effect.Effect<Stack.Options, unknown, Scope.Scope>,
  onStarted: (stack: Stack.Stack) => void
): void => shared(Effect.flatMap(options, TestStack.started), onStarted)

/** With two executors, and gateways and notifiers, that kill themselves at a point whose name is a file in the folder `points`. */
export const useWithFailpoints = (
  options: Stack.Options,
  onStarted: (started: { readonly stack: Stack.Stack; readonly points: string }) => void
): void =>
  shared(
    Effect.gen(function*() {
      const dataDir = yield* Stack.temporaryFolder
      const points = join(dataDir, "failpoints")
      mkdirSync(points, { recursive: true })
      const stack = yield* TestStack.started({
        ...options,
        dataDir,
        counts: { ...options.counts, executor: 2 },
        env: {
          ...options.env,
          executor: { FAILPOINT_DIR: points, EXECUTOR_ACK_WAIT: "2 seconds", ...options.env?.executor },
          gateway: { FAILPOINT_DIR: points, ...options.env?.gateway },
          notifier: { FAILPOINT_DIR: points, ...options.env?.notifier }
        }
      })
      return { stack, points }
    }),
    onStarted
  )
