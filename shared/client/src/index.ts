/** The client of an Akave Async Gateway, with Promises: for Node, Deno and Bun. */
import * as Client from "./Client.ts"
import type { Uploadable } from "./Content.ts"
import { find, type Given } from "./Credentials.ts"
import type { FileMethods } from "./Files.ts"
import { platform, sources, stderr } from "./node.ts"
import { settingsOf, type Tuning } from "./Tuning.ts"

export * from "./public.ts"

export interface Options extends Given, Tuning {}

/** A client, and where its credentials are from. */
export interface LocalClient extends Client.Client {
  /** Files can be given by their paths too. */
  readonly files: FileMethods<Uploadable | string>
  readonly credentialsSource: string
}

/**
 * A client of the gateway at `url`, else at `AKAVE_ASYNC_URL`, else on this machine's port 8000. Credentials come from the
 * options, else from `AKAVE_ASYNC_API_KEY` or `AKAVE_ASYNC_PUBLIC_KEY` with `AKAVE_ASYNC_SECRET_KEY`, else from
 * `~/.akave-async/accounts.csv` or `./accounts.csv`.
 * @throws CredentialsInvalid where these can't be used.
 */
export const createClient = (options: Options = {}): LocalClient => {
  const found = find(options, sources)
  const isDebugged = !["", "0", "false", undefined].includes(sources.environment["AKAVE_ASYNC_DEBUG"])
  const debug = options.debug ?? (isDebugged ? stderr : () => {})
  debug(`${found.url}, credentials: ${found.source}`)
  return { ...Client.make(settingsOf(found, { ...options, debug }, platform)), credentialsSource: found.source }
}
