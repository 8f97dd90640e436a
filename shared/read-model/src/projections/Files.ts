/** The files that are on the network, as far as jobs have uploaded them: `files`. */
import { kind } from "@akave-async/eventing/FileEvents"
import * as Kind from "@akave-async/eventing/Kind"
import { readModelTable } from "@akave-async/platform/Postgres"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Placed } from "../Batch.ts"
import { toJson } from "../Rows.ts"
import type { Jobs } from "./Jobs.ts"

type FileJob = Extract<Parameters<NonNullable<typeof kind.jobs>["about"]>[0], { readonly owner: string }>

const placeOf = ({ owner, request }: FileJob) => ({
  owner,
  bucket_name: String(request["bucketName"]),
  name: String(request["name"])
})
const keyOf = (place: ReturnType<typeof placeOf>) => `${place.owner.toLowerCase()}/${place.bucket_name}/${place.name}`

/** What these events have made of each file: its row, that it is gone, or who may read it. */
export const changes = (jobs: Jobs, events: ReadonlyArray<Placed>) => {
  const rows = new Map<string, Record<string, unknown>>()
  const gone = new Map<string, Record<string, unknown>>()
  const access = new Map<string, Record<string, unknown>>()
  for (const known of events) {
    if (!Kind.isOf(kind, known)) continue
    const { event, sequence } = known
    const job = jobs.get(event.jobId)?.job
    if (job === undefined) continue
    const place = placeOf(job)
    const key = keyOf(place)
    const isDeleted = event._tag === "FileDeleted" || (event._tag === "FileUploadAdvanced" && event.part === "delete")
    if (isDeleted) {
      rows.delete(key)
      access.delete(key)
      gone.set(key, { ...place, revision: sequence })
    }
    if (event._tag === "FileUploaded") {
      const { request } = job
      access.delete(key)
      rows.set(key, {
        ...place,
        file_id: event.fileId,
        root_cid: event.rootCid,
        size: request["size"],
        encoded_size: event.encodedSize,
        sha256: request["sha256"],
        content_type: request["contentType"] ?? null,
        encryption: request["encryption"],
        key_id: request["keyId"] ?? null,
        name_on_wire: request["nameOnWire"] ?? null,
        parity_blocks: request["parityBlocks"],
        is_public: false,
        tenant: job.tenant ?? null,
        job_id: job.id,
        created_at: DateTime.formatIso(event.occurredAt),
        revision: sequence
      })
    }
    if (event._tag === "FileAccessChanged") {
      const row = rows.get(key)
      if (row === undefined) access.set(key, { ...place, is_public: event.isPublic, revision: sequence })
      else rows.set(key, { ...row, is_public: event.isPublic, revision: sequence })
    }
  }
  return { rows: [...rows.values()], gone: [...gone.values()], access: [...access.values()] }
}

export const apply = Effect.fn("Files.apply")(function*(events: ReadonlyArray<Placed>, jobs: Jobs) {
  const sql = yield* SqlClient.SqlClient
  const table = yield* readModelTable
  const { access, gone, rows } = changes(jobs, events)
  if (gone.length > 0) {
    yield* sql`
      delete from ${table("files")} as file
      using jsonb_to_recordset(${toJson(gone)}::jsonb) as row(owner text, bucket_name text, name text, revision bigint)
      where lower(file.owner) = lower(row.owner) and file.bucket_name = row.bucket_name and file.name = row.name
        and file.revision < row.revision`
  }
  if (access.length > 0) {
    yield* sql`
      update ${table("files")} as file set is_public = row.is_public, revision = row.revision
      from jsonb_to_recordset(${toJson(access)}::jsonb) as row(
        owner text, bucket_name text, name text, is_public boolean, revision bigint)
      where lower(file.owner) = lower(row.owner) and file.bucket_name = row.bucket_name and file.name = row.name
        and file.revision < row.revision`
  }
  if (rows.length === 0) return
  yield* sql`
    insert into ${
    table("files")
  } as file (owner, bucket_name, name, file_id, root_cid, size, encoded_size, sha256, content_type,
      encryption, key_id, name_on_wire, parity_blocks, is_public, tenant, job_id, created_at, revision)
    select owner, bucket_name, name, file_id, root_cid, size, encoded_size, sha256, content_type,
      encryption, key_id, name_on_wire, parity_blocks, is_public, tenant, job_id, created_at, revision
    from jsonb_to_recordset(${toJson(rows)}::jsonb) as row(
      owner text, bucket_name text, name text, file_id text, root_cid text, size bigint, encoded_size bigint,
      sha256 text, content_type text, encryption text, key_id text, name_on_wire text, parity_blocks int,
      is_public boolean, tenant text, job_id uuid, created_at timestamptz, revision bigint)
    on conflict (owner, bucket_name, name) do update set
      file_id = excluded.file_id, root_cid = excluded.root_cid, size = excluded.size,
      encoded_size = excluded.encoded_size, sha256 = excluded.sha256, content_type = excluded.content_type,
      encryption = excluded.encryption, key_id = excluded.key_id, name_on_wire = excluded.name_on_wire,
      parity_blocks = excluded.parity_blocks, is_public = excluded.is_public, tenant = excluded.tenant,
      job_id = excluded.job_id, created_at = excluded.created_at, revision = excluded.revision
    where file.revision < excluded.revision`
})
