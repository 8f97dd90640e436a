/** Files as a user of the gateway sends and reads them. */
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { type Answer, createBucket, ended, freshName, type NotYet, request } from "./Gateway.ts"

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
export const digestField = (bytes: Uint8Array): string =>
  `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`

/** Where a file is at the gateway. */
export const pathOf = (bucket: string, name: string): string =>
  `/buckets/${bucket}/files/${name.split("/").map(encodeURIComponent).join("/")}`

/** A bucket that is there. */
export const bucket = Effect.fnUntraced(function*(gateway: string) {
  const name = freshName()
  const { body } = yield* createBucket(gateway, name)
  yield* ended(gateway, body.job_id)
  return name
})

export interface Sent {
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a file. */
export const put = (
  gateway: string,
  path: string,
  bytes: Uint8Array | string,
  { headers = {}, query = "" }: Sent = {}
): Effect.Effect<Answer> =>
  request(`${gateway}${path}${query === "" ? "" : `?${query}`}`, {
    method: "PUT",
    headers,
    body: typeof bytes === "string" ? bytes : new Uint8Array(bytes)
  })

/** Sends a file, and waits for its job; gives the job. */
export const uploaded = (
  gateway: string,
  path: string,
  bytes: Uint8Array | string,
  sent: Sent = {}
  // oxlint-disable-next-line typescript/no-explicit-any -- as in answers
): Effect.Effect<any, NotYet> =>
  put(gateway, path, bytes, sent).pipe(
    Effect.flatMap(({ body, status }) =>
      status === 202 ? ended(gateway, body.job_id) : Effect.die(new Error(`${status} ${JSON.stringify(body)}`))
    ),
    Effect.map(({ body }) => body)
  )

export interface Read {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

/** Reads a file. */
export const get = (url: string, headers: Readonly<Record<string, string>> = {}, method = "GET"): Effect.Effect<Read> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { method, headers, signal })
    const bytes = Buffer.from(await response.arrayBuffer())
    return { status: response.status, headers: response.headers, bytes }
  })

/** The names of the files that a stack has staged, those among them that are not complete. */
export const staged = (dataDir: string): ReadonlyArray<string> => {
  try {
    return readdirSync(join(dataDir, "staging"), { recursive: true }).map(String).filter((name) => name.length > 30)
  } catch {
    return []
  }
}
