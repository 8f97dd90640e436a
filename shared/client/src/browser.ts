/** The client of an Akave Async Gateway, with Promises: for browsers, where nothing but the options gives credentials. */
import * as Client from "./Client.ts"
import { find, type Given } from "./Credentials.ts"
import { settingsOf, type Tuning } from "./Tuning.ts"

export * from "./public.ts"

export interface Options extends Given, Tuning {}

/** A client of the gateway at `url`. */
export const createClient = (options: Options): Client.Client => {
  const { account: _, ...given } = options
  return Client.make(settingsOf(find(given, { environment: {}, file: () => undefined }), options))
}
