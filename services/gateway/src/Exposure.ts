/** Who may reach this gateway, and whether that is safe. */
import { Config, Effect, Schema } from "effect"
import { isIPv4 } from "node:net"

/** Whether only this machine reaches an address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."))

/** There are no accounts, so that whoever reaches the gateway uses its wallet. */
export class OpenToAll extends Schema.TaggedError<OpenToAll>()("OpenToAll", { host: Schema.String }) {
  override readonly message =
    `HOST is ${this.host}: there are no accounts, and whoever reaches the gateway there could use its `
    + "wallet. Open an account (docs/security.md), set HOST=127.0.0.1, or set ALLOW_ANONYMOUS=true where something "
    + "else decides who reaches it"
}

/** The address to listen on: `HOST`. */
export const host = Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))

/**
 * Whether a caller may go without a key while there are no accounts: where only this machine reaches the gateway, or
 * `ALLOW_ANONYMOUS` says that something else decides who does.
 */
export const allowsAnonymous = Effect.gen(function*() {
  return isLoopback(yield* host) || (yield* Config.Boolean("ALLOW_ANONYMOUS").pipe(Config.withDefault(false)))
})
