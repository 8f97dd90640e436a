/** Secrets by their settings: `NAME` holds one, or `NAME_FILE` names the file that does. */
import { Config, Effect, Option, Redacted } from "effect"
import * as RepeatedWarning from "./RepeatedWarning.ts"
import * as SecretFile from "./SecretFile.ts"
import * as Secrets from "./Secrets.ts"

/** How often a file is looked at: a new secret is used within this time. */
const interval = "2 seconds"

const settingsOf = Effect.fnUntraced(function*(name: string) {
  // An empty one is none: a Compose file can't leave a variable out.
  const secret = Option.filter(yield* Config.option(Secrets.setting(name)), (one) => Redacted.value(one) !== "")
  const file = Option.filter(yield* Config.option(Config.String(`${name}_FILE`)), (one) => one !== "")
  if (Option.isSome(secret) && Option.isSome(file)) {
    return yield* new SecretFile.SecretFileRefused({ reason: `Set ${name} or ${name}_FILE, not both` })
  }
  return { secret, file }
})

const checked = Effect.fnUntraced(function*(secret: Redacted.Redacted, from: string, minLength: number) {
  if (Redacted.value(secret).length >= minLength) return secret
  return yield* new SecretFile.SecretFileRefused({ reason: `${from} has fewer than ${minLength} characters` })
})

/**
 * The secret of a setting, which has so many characters at least; none where neither variable is set. Fails where both are, or
 * the secret can't be used.
 */
export const read = Effect.fnUntraced(function*(name: string, minLength = 1) {
  const { file, secret } = yield* settingsOf(name)
  if (Option.isSome(file)) return Option.some(yield* checked(yield* SecretFile.read(file.value), file.value, minLength))
  return Option.isSome(secret) ? Option.some(yield* checked(secret.value, name, minLength)) : Option.none()
})

const valueOf = (secret: Option.Option<Redacted.Redacted>) => Option.getOrUndefined(Option.map(secret, Redacted.value))

/**
 * As {@link read}, and gives what it is at any time while the scope is open: a file that changes is read again. What can't be
 * used is reported, and the last one goes on.
 */
export const watched = Effect.fnUntraced(function*(name: string, minLength = 1) {
  let current = yield* read(name, minLength)
  const { file } = yield* settingsOf(name)
  if (Option.isSome(file)) {
    const warn = RepeatedWarning.make()
    const look = Effect.gen(function*() {
      const found = yield* read(name, minLength)
      if (valueOf(found) === valueOf(current)) return
      current = found
      yield* Effect.logInfo(`a new ${name} is in use`)
    }).pipe(Effect.catch(({ message }) => warn(message)))
    yield* Effect.forkScoped(Effect.forever(Effect.delay(look, interval)))
  }
  return (): Option.Option<Redacted.Redacted> => current
})
