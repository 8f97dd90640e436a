/** Answers that are about a job. */
import { maxWait } from "@akave-async/api/Conventions"
import { JobResource, jobResource } from "@akave-async/api/Resources"
import * as Job from "@akave-async/domain/Job"
import type { Current } from "@akave-async/eventing/JobEvents"
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { DownloadLinks } from "./DownloadLinks.ts"

const encode = Schema.encodeSync(Schema.toCodecJson(JobResource))

/** The entity tag of a job: it changes with each of its events. */
const etagOf = ({ revision }: Current): string => `"${revision}"`

/** Whether an `If-None-Match` (RFC 9110, section 13.1.2) names this entity tag. */
export const names = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch !== undefined
  && ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, "")).some((tag) => tag === "*" || tag === etag)

/** Whether an `If-None-Match` names the job as it is. */
export const isKnown = (ifNoneMatch: string | undefined, current: Current): boolean =>
  names(ifNoneMatch, etagOf(current))

/** The job as it is. */
export const job = (
  current: Current,
  { headers = {}, status = 200 }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {}
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(DownloadLinks, (links) =>
    HttpServerResponse.jsonUnsafe(encode(jobResource(current.job, links)), {
      status,
      headers: { ...headers, etag: etagOf(current) }
    }))

/** That the client has the job as it is. */
export const notModified = (current: Current): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({ status: 304, headers: { etag: etagOf(current) } })

/** The seconds that a `Prefer` header (RFC 7240, section 4.3) asks to wait; undefined where it does not. Others are ignored. */
export const waitOf = (prefer: string | undefined): number | undefined => {
  const wanted = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])/i.exec(prefer ?? "")?.[1]
  return wanted === undefined ? undefined : Math.min(Number(wanted), maxWait)
}

/**
 * The answer to a request that was stored: 202, and where it has waited for the end of its job 201 if that has created what is
 * then at `created`, and 200 with any other end.
 */
export const accepted = (
  current: Current,
  { created, waited }: { readonly created: string | undefined; readonly waited: number | undefined }
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const hasEnded = waited !== undefined && Job.isTerminal(current.job.status)
  const isCreated = hasEnded && created !== undefined && current.job.status === "completed"
  return job(current, {
    status: isCreated ? 201 : hasEnded ? 200 : 202,
    headers: {
      location: isCreated ? created : `/jobs/${current.job.id}`,
      ...(waited === undefined ? {} : { "preference-applied": `wait=${waited}` })
    }
  })
}
