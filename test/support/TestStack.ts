/** A stack for tests, whose files are searched for the secrets that it was given before it ends. */
import * as Stack from "@akave-async/local/Stack"
import { Effect, Redacted } from "effect"
import * as Leaks from "./Leaks.ts"

const secretSettings =
  /^(MASTER_SECRET|MASTER_SECRET_BEFORE|FILE_ENCRYPTION_SECRET|FILE_ENCRYPTION_SECRET_BEFORE|JWT_SECRET|AKAVE_PRIVATE_KEY)$/

/** A stack that is up. Its end is a defect where a log, the event log or the database holds a secret. */
export const started = Effect.fnUntraced(function*(options: Stack.Options) {
  if (options.privateKey !== undefined) Leaks.register(Redacted.value(options.privateKey))
  for (const env of Object.values(options.env ?? {})) {
    for (const [name, value] of Object.entries(env ?? {})) {
      if (secretSettings.test(name) && value !== "") Leaks.register(value)
    }
  }
  const stack = yield* Stack.started(options)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      const files = Leaks.filesWithSecrets(stack.dataDir)
      if (files.length > 0) throw new Error(`there is a secret in ${files.join(", ")}`)
    })
  )
  return stack
})
