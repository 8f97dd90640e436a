/** One stack for all tests of a file: it is up before the first, and stopped after the last. */
import * as Stack from "@akave-async/local/Stack"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"

export const use = (options: Stack.Options, onStarted: (stack: Stack.Stack) => void): void => {
  const scope = Scope.makeUnsafe()
  beforeAll(async () =>
    onStarted(await Effect.runPromise(Effect.provideService(Stack.started(options), Scope.Scope, scope)))
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
}
