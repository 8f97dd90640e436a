/** The certificate that a server shows, from files that may change while it runs. */
import { Effect, FileSystem, Redacted, Schema } from "effect"
import { createSecureContext, type SecureContextOptions } from "node:tls"
import * as RepeatedWarning from "./RepeatedWarning.ts"
import * as SecretFile from "./SecretFile.ts"

export interface Files {
  /** The certificate, and those that lead to its authority, as PEM. */
  readonly certFile: string
  /** The private key as PEM, in a file that nobody else can read. */
  readonly keyFile: string
}

/** How often the files are looked at: a new certificate is shown within this time. */
const interval = "2 seconds"

/** The files hold no certificate with its key; says what is wrong. */
export class CertificateRefused extends Schema.TaggedError<CertificateRefused>()("CertificateRefused", {
  reason: Schema.String
}) {
  override readonly message = this.reason
}

/** What the files hold now, if a server can use it. */
export const load = Effect.fnUntraced(function*({ certFile, keyFile }: Files) {
  const files = yield* FileSystem.FileSystem
  const cert = yield* Effect.mapError(
    files.readFileString(certFile),
    ({ message }) => new CertificateRefused({ reason: `${certFile} can't be read: ${message}` })
  )
  const key = Redacted.value(yield* SecretFile.read(keyFile))
  const context = { cert, key } satisfies SecureContextOptions
  yield* Effect.try({
    try: () => createSecureContext(context),
    catch: () =>
      new CertificateRefused({ reason: `${certFile} and ${keyFile} are no certificate with its private key` })
  })
  return context
})

/** Hands over what the files hold whenever that has changed. What can't be used is reported, and the last one goes on. */
export const watch = Effect.fnUntraced(function*(
  files: Files,
  first: Effect.Success<ReturnType<typeof load>>,
  onChange: (context: SecureContextOptions) => void
) {
  const warn = RepeatedWarning.make()
  let current = first
  const look = Effect.gen(function*() {
    const context = yield* load(files)
    if (context.cert === current.cert && context.key === current.key) return
    current = context
    onChange(context)
    yield* Effect.logInfo("a new certificate is in use")
  }).pipe(Effect.catch(({ message }) => warn(message)))
  yield* Effect.forever(Effect.delay(look, interval))
})
