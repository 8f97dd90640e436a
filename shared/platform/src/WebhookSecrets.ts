/** The secrets of webhooks, and what deliveries are signed with (Standard Webhooks 1.0). */
import { Redacted } from "effect"
import { createHmac } from "node:crypto"
import { derive } from "./MasterSecret.ts"

const prefix = "whsec_"
/** Bytes of a secret. */
const size = 32

const bytesOf = (master: Redacted.Redacted, webhookId: string, version: number): Buffer =>
  derive(master, `webhook ${webhookId} version ${version}`, size)

/** The secret of a version of a webhook's, as its account is shown it. */
export const secretOf = (master: Redacted.Redacted, webhookId: string, version: number): Redacted.Redacted =>
  Redacted.make(`${prefix}${bytesOf(master, webhookId, version).toString("base64")}`)

/** What is signed: the id of the message, when it is sent as Unix time in seconds, and the body. */
export interface Signed {
  readonly id: string
  readonly timestamp: number
  readonly body: string
}

/** The value of `webhook-signature`: a signature by each of these secrets, separated by spaces. */
export const signaturesOf = (
  masters: ReadonlyArray<Redacted.Redacted>,
  webhookId: string,
  versions: ReadonlyArray<number>,
  { body, id, timestamp }: Signed
): string =>
  versions.flatMap((version) => masters.map((master) => bytesOf(master, webhookId, version)))
    .map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`).join(" ")
