/** The master secret, from which the secrets of keys and webhooks are derived. */
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { hkdfSync } from "node:crypto"
import * as SecretSetting from "./SecretSetting.ts"

/** Characters of the shortest master secret. */
const minLength = 32

/** What is derived from a master secret for a purpose, which a text names: HKDF-SHA256 (RFC 5869). */
export const derive = (master: Redacted.Redacted, purpose: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync("sha256", Redacted.value(master), "akave-async-gateway", purpose, bytes))

export class MasterSecret extends Context.Service<MasterSecret, {
  /** The one that new secrets are derived from; undefined where none is set. */
  readonly current: () => Redacted.Redacted | undefined
  /** All whose secrets are taken: the current one, and the one before it while that is set. */
  readonly taken: () => ReadonlyArray<Redacted.Redacted>
}>()("@akave-async/platform/MasterSecret") {
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
