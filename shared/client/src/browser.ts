/** The client of an Akave Async Gateway, with Promises: for browsers, where nothing but the options gives credentials. */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Client from "./Client.ts"
import { find, type Given } from "./Credentials.ts"
import type { Platform } from "./Platform.ts"
import { settingsOf, type Tuning } from "./Tuning.ts"

export * from "./public.ts"

export interface Options extends Given, Tuning {}

/** The hashes of browsers need all bytes at once, and their requests need HTTP/2 to have streams. */
const platform: Platform = { sha256: () => sha256.create(), hasRequestStreams: false, fileAt: undefined }

/** A client of the gateway at `url`. */
export const createClient = (options: Options): Client.Client => {
  const { account: _, ...given } = options
  return Client.make(settingsOf(find(given, { environment: {}, file: () => undefined }), options, platform))
}
