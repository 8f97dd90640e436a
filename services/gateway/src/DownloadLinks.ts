/** Links to what jobs have downloaded, whose signature stands for credentials until they end. */
import { type Links, unsigned } from "@akave-async/api/Results"
import type * as Job from "@akave-async/domain/Job"
import { derive, MasterSecret } from "@akave-async/platform/MasterSecret"
import { Context, DateTime, Effect, Layer, type Redacted } from "effect"
import { createHmac } from "node:crypto"
import { isEqual } from "./Signature.ts"

/** How links are made; without a signature where nothing else is provided. */
export const DownloadLinks = Context.Reference<Links>("@akave-async/gateway/DownloadLinks", {
  defaultValue: () => unsigned
})

const signatureOf = (master: Redacted.Redacted, jobId: Job.Id, expires: string): string =>
  createHmac("sha256", derive(master, "download links", 32)).update(`${jobId}.${expires}`).digest("base64url")

/** Links that are signed with a key that follows from the master secret, where there is one. */
export const layer = Layer.effect(
  DownloadLinks,
  Effect.map(MasterSecret, (masters): Links => ({
    signDownload: (jobId, expiresAt) => {
      const master = masters.current()
      if (master === undefined) return ""
      const expires = `${Math.floor(DateTime.toEpochMillis(expiresAt) / 1_000)}`
      return `?expires=${expires}&signature=${signatureOf(master, jobId, expires)}`
    }
  }))
)

/** Whether a link's signature is one of this gateway's. Whether the link has ended is not looked at. */
export const isSigned = (
  masters: ReadonlyArray<Redacted.Redacted>,
  jobId: Job.Id,
  { expires = "", signature = "" }: { readonly expires?: string; readonly signature?: string }
): boolean => masters.some((master) => isEqual(signatureOf(master, jobId, expires), signature))
