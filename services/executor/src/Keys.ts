/**
 * The keys that an executor signs with: one of its own (`AKAVE_PRIVATE_KEY`, or `AKAVE_PRIVATE_KEY_FILE` that holds it), and
 * those in a folder (`AKAVE_PRIVATE_KEYS_DIR`, one file a key), which is looked at again and again. A key is in no message.
 */
import * as RepeatedWarning from "@akave-async/platform/RepeatedWarning"
import * as SecretFile from "@akave-async/platform/SecretFile"
import * as SecretSetting from "@akave-async/platform/SecretSetting"
import type { InvalidArgument } from "@akave-async/sdk/Errors"
import { Wallet } from "@akave-async/sdk/Wallet"
import {
  Config,
  Context,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  Path,
  type Redacted,
  Schema,
  Stream
} from "effect"

/** How often the folder is looked at: a key that is added is used within this time. */
const interval = Duration.seconds(2)

/** A key can't be used; says which setting or file, and what to do. */
export class KeyRefused extends Schema.TaggedError<KeyRefused>()("KeyRefused", { reason: Schema.String }) {
  override readonly message = this.reason
}

type Key = Wallet["Service"]

const walletOf = (key: Redacted.Redacted, from: string) =>
  Effect.map(Layer.build(Wallet.layer(key)), Context.get(Wallet)).pipe(
    Effect.catchTag(
      "InvalidArgument",
      ({ message }: InvalidArgument) =>
        Effect.fail(new KeyRefused({ reason: `${from} is not a private key: ${message}` }))
    )
  )

const refused = ({ reason }: SecretFile.SecretFileRefused) => new KeyRefused({ reason })

/** The wallet of the key in a file that nobody else can read. */
const readKey = Effect.fnUntraced(function*(file: string) {
  return yield* walletOf(yield* Effect.mapError(SecretFile.read(file), refused), file)
})

/**
 * The wallets that this executor has keys of, each once: those that the settings and the folder have now, and those whose files
 * are added to the folder later. A file of the folder that can't be used is reported, and looked at again. Fails where the
 * settings name no key and no folder, or a key that can't be used.
 */
export const wallets = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const key = yield* Effect.catchTag(
    SecretSetting.read("AKAVE_PRIVATE_KEY"),
    "SecretFileRefused",
    (error) => Effect.fail(refused(error))
  )
  const folder = yield* Config.option(Config.NonEmptyString("AKAVE_PRIVATE_KEYS_DIR"))
  if (Option.isNone(key) && Option.isNone(folder)) {
    return yield* new KeyRefused({
      reason: "No key to sign with: set AKAVE_PRIVATE_KEY, AKAVE_PRIVATE_KEY_FILE or AKAVE_PRIVATE_KEYS_DIR"
    })
  }
  const own = Option.isSome(key) ? [yield* walletOf(key.value, "AKAVE_PRIVATE_KEY")] : []
  const known = new Set<string>()
  const isNew = ({ address }: Key) => {
    const isKnown = known.has(address)
    known.add(address)
    return !isKnown
  }
  const first = own.filter(isNew)
  if (Option.isNone(folder)) return { first, added: Stream.empty }

  const warnings = new Map<string, ReturnType<typeof RepeatedWarning.make>>()
  const warn = (file: string, reason: string) => {
    const warning = warnings.get(file) ?? RepeatedWarning.make()
    warnings.set(file, warning)
    return warning(reason)
  }
  const used = new Set<string>()
  const look = Effect.gen(function*() {
    const names = yield* files.readDirectory(folder.value)
    const found: Array<Key> = []
    for (const name of names.filter((name) => !name.startsWith(".")).toSorted()) {
      const file = path.join(folder.value, name)
      if (used.has(file)) continue
      const read = yield* Effect.option(
        Effect.tapError(readKey(file), ({ message }) => warn(file, message))
      )
      if (Option.isNone(read)) continue
      used.add(file)
      if (isNew(read.value)) found.push(read.value)
    }
    return found
  }).pipe(
    Effect.catchTag(
      "PlatformError",
      ({ message }) => Effect.as(warn(folder.value, `the folder of keys ${folder.value} can't be read: ${message}`), [])
    )
  )
  const added = Stream.fromEffectRepeat(Effect.delay(look, interval)).pipe(Stream.flatMap(Stream.fromIterable))
  return { first: [...first, ...yield* look], added }
})
