/** The master secret, from which the secrets of keys are derived. */
import * as Problems from "@akave-async/api/Problems"
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import { Context, Effect, Layer, Option, type Redacted } from "effect"

/** Characters of the shortest master secret. */
const minLength = 32

/** Why nobody signs in with a key of a gateway that has no master secret. */
export const missing = new Problems.SignInUnavailable({ detail: "The gateway's operator must set MASTER_SECRET" })

export class MasterSecret extends Context.Service<MasterSecret, {
  /** The one that new secrets are derived from; undefined where none is set. */
  readonly current: () => Redacted.Redacted | undefined
  /** All whose secrets are taken: the current one, and the one before it while that is set. */
  readonly taken: () => ReadonlyArray<Redacted.Redacted>
}>()("@akave-async/gateway/MasterSecret") {
  /**
   * `MASTER_SECRET`, and `MASTER_SECRET_BEFORE` while keys of both are taken; each may be in a file that is named by the same
   * with `_FILE`, and is read again when it changes.
   */
  static readonly layerConfig = Layer.effect(
    MasterSecret,
    Effect.gen(function*() {
      const current = yield* SecretSetting.watched("MASTER_SECRET", minLength)
      const before = yield* SecretSetting.watched("MASTER_SECRET_BEFORE", minLength)
      let taken: ReadonlyArray<Redacted.Redacted> = []
      return MasterSecret.of({
        current: () => Option.getOrUndefined(current()),
        taken: () => {
          const [first, second] = [Option.getOrUndefined(current()), Option.getOrUndefined(before())]
          if (taken[0] !== first || taken[1] !== second) taken = [first, second].filter((one) => one !== undefined)
          return taken
        }
      })
    })
  )
}
