/** Accounts of a stack, opened as an operator would: the first by the command, the others with its key. */
import * as KeySecrets from "@akave-async/gateway/KeySecrets"
import * as Signature from "@akave-async/gateway/Signature"
import * as Stack from "@akave-async/local/Stack"
import { Data, Effect } from "effect"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { type Answer, request } from "./Gateway.ts"
import * as Leaks from "./Leaks.ts"

/** A new master secret. */
export const newMasterSecret = (): string => Leaks.register(randomBytes(32).toString("hex"))

/** The command that opens accounts has failed. */
export class InitFailed extends Data.TaggedError("InitFailed")<{ readonly output: string }> {
  override readonly message = this.output
}

/** Runs the command that opens an account and issues its key, with these settings; gives the key's secret. */
export const init = (account: string, env: Readonly<Record<string, string>>): Effect.Effect<string, InitFailed> =>
  Effect.callback((resume) => {
    const args = ["--disable-warning=ExperimentalWarning", "services/gateway/src/init.ts", "--account", account]
    const options = { cwd: Stack.repository, env: { ...process.env, ...env } }
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resume(
        error === null
          ? Effect.succeed(Leaks.register(stdout.trim().split("\n").at(-1) ?? ""))
          : Effect.fail(new InitFailed({ output: `${stdout}${stderr}` }))
      )
    })
  })

/** The settings of that command for a stack. */
export const settingsOf = (
  { natsUrl, ownerAddress }: Pick<Stack.Stack, "natsUrl" | "ownerAddress">,
  masterSecret: string
): Readonly<Record<string, string>> => ({
  NATS_URL: natsUrl,
  AKAVE_OWNER_ADDRESS: ownerAddress,
  MASTER_SECRET: masterSecret
})

/** What a request is sent with. */
export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
export type Send = (path: string, sent?: Sent) => Effect.Effect<Answer>

/** Sends requests with a key's secret. */
export const withKey = (gateway: string, secret: string): Send => (path, { headers, ...sent } = {}) =>
  request(`${gateway}${path}`, { ...sent, headers: { ...headers, authorization: `Bearer ${secret}` } })

/** The headers that sign a request with a key's secret, at a time in seconds. */
export const signatureOf = (
  secret: string,
  { body = "", method = "GET", path }: Sent & { readonly path: string },
  timestamp = Math.floor(Date.now() / 1000)
): Readonly<Record<string, string>> => {
  const { keyId } = KeySecrets.claimOf(secret) ?? fail()
  return {
    authorization: `Bearer ${KeySecrets.publicKeyOf(keyId)}`,
    "x-timestamp": `${timestamp}`,
    "x-signature": Signature.sign(secret, { timestamp: `${timestamp}`, method, path, body })
  }
}
const fail = (): never => {
  throw new Error("this is no secret of a key")
}

/** Sends requests that are signed with a key's secret. */
export const signed = (gateway: string, secret: string): Send => (path, { headers, ...sent } = {}) =>
  request(`${gateway}${path}`, { ...sent, headers: { ...headers, ...signatureOf(secret, { ...sent, path }) } })

const limits = { requests_per_second: 10_000, jobs_in_flight: 100_000 }

/** Opens an account by an administrator's key, and issues a key of it; gives that key's secret. */
export const open = Effect.fnUntraced(function*(
  admin: Send,
  account: string,
  { owner, scopes = ["read", "write"], ...limited }: {
    readonly owner: string
    readonly scopes?: ReadonlyArray<string>
    readonly limits?: Partial<typeof limits>
  }
) {
  const opened = yield* admin("/accounts", {
    method: "POST",
    body: JSON.stringify({ account, owner, limits: { ...limits, ...limited.limits } })
  })
  if (opened.status !== 201) throw new Error(`the account was not opened: ${JSON.stringify(opened.body)}`)
  return yield* issue(admin, account, scopes)
})

/** Issues a further key; gives its secret. */
export const issue = Effect.fnUntraced(function*(admin: Send, account: string, scopes: ReadonlyArray<string>) {
  const issued = yield* admin(`/accounts/${account}/keys`, {
    method: "POST",
    body: JSON.stringify({ label: "test", scopes })
  })
  if (issued.status !== 201) throw new Error(`no key was issued: ${JSON.stringify(issued.body)}`)
  return Leaks.register(String(issued.body.secret))
})
