/** How a client goes about its requests. */
import type { Found } from "./Credentials.ts"
import type { Platform } from "./Platform.ts"
import type { Settings } from "./Transport.ts"
import { version } from "./Wire.ts"

export interface Tuning {
  /** How long a call may take with all its tries, in milliseconds; 120,000 without it. */
  readonly timeout?: number
  /** In place of the platform's. */
  readonly fetch?: typeof fetch
  /** Gets a line for each request; `AKAVE_ASYNC_DEBUG=1` prints them. */
  readonly debug?: (line: string) => void
}

const defaultTimeout = 120_000

/** The settings of a client. Browsers let no page name itself. */
export const settingsOf = (
  { credentials, url }: Found,
  { debug, fetch, timeout }: Tuning,
  platform: Platform
): Settings => ({
  platform,
  url: url.replace(/\/+$/, ""),
  credentials,
  timeout: timeout ?? defaultTimeout,
  fetch: fetch ?? globalThis.fetch.bind(globalThis),
  userAgent: "document" in globalThis ? undefined : `akave-async-client/${version}`,
  debug: debug ?? (() => {})
})
