/** Examples of files. */
import { Address, FileId, RootCid } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { DateTime } from "effect"
import { AccessRequest, DownloadRequest, FilePage, FileResource } from "./FileResources.ts"
import { encode } from "./JsonObject.ts"
import * as Problems from "./Problems.ts"
import { JobResource } from "./Resources.ts"

const jobId = Job.Id.make("01a1fd96-6aed-70f8-9e47-556db4c9cbc3")
const rootCid = RootCid.make("bafybeih7arnnxqbgwrhfexzlobsesmmwlbn5qzpzo6rnbqvu2emyi7sqte")
const sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

const file: FileResource = {
  bucket_name: "my-bucket",
  file_name: "photos/cat.jpg",
  file_id: FileId.make("0x5b3b9b4ee5a4b0a8f3c3ed1f1f0ff4a52d5c0b1a3f6e7d8c9b0a1f2e3d4c5b6a"),
  root_cid: rootCid,
  size: 1_048_576,
  encoded_size: 2_100_224,
  sha256,
  content_type: "image/jpeg",
  encryption: "none",
  parity_blocks: 16,
  is_public: false,
  owner: Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
  job_id: jobId,
  created_at: DateTime.makeUnsafe("2026-11-21T10:10:57.136Z")
}

export const examples = {
  File: { uploaded: encode(FileResource, file) },
  FilePage: { one: encode(FilePage, { files: [file], next: null }) },
  AccessRequest: { public: encode(AccessRequest, { is_public: true }) },
  DownloadRequest: { anHour: encode(DownloadRequest, { keep_seconds: 3_600 }) }
}

/** Bodies that are no JSON, by operation. */
export const bodies: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "files.upload": { text: "abc" },
  "files.uploadForm": { photo: { file_name: "photos/cat.jpg", file: "abc" } }
}

/** What requests for jobs on files are answered with, given a job that is queued. */
export const answers = (job: JobResource) => {
  const upload = {
    ...job,
    operation: "file.upload" as const,
    file_name: file.file_name,
    progress: { stage: "waiting" as const, bytes_done: 0, bytes_total: file.size, parts_done: 0, parts_total: 3 }
  }
  const result = {
    operation: "file.upload" as const,
    file_id: file.file_id,
    root_cid: rootCid,
    encoded_size: file.encoded_size,
    tx_hash: null,
    block_number: 29,
    gas_used: 172_000,
    effective_gas_price: 1_000_000_007n,
    adopted: false
  }
  const done = { ...upload.progress, stage: "done" as const, bytes_done: file.size, parts_done: 3 }
  const completed = { ...upload, status: "completed" as const, attempts: 1, progress: done, result }
  const failed = {
    ...upload,
    status: "failed" as const,
    attempts: 1,
    error: {
      category: "reverted" as const,
      code: "FileAlreadyExists",
      message: "The contract refused: FileAlreadyExists"
    }
  }
  const shown = (name: string, one: JobResource) => ({ [name]: encode(JobResource, one) })
  const others = { delete: "file.delete", setAccess: "file.access", requestDownload: "file.download" } as const
  return [
    ...["upload", "uploadForm"].flatMap((name) => [
      [`files.${name} 202`, shown("queued", upload)] as const,
      [`files.${name} 201`, shown("completed", completed)] as const,
      [`files.${name} 200`, shown("failed", failed)] as const
    ]),
    ...Object.entries(others).flatMap(([name, operation]) => [
      [`files.${name} 202`, shown("queued", { ...upload, operation })] as const,
      [`files.${name} 200`, shown("failed", { ...failed, operation })] as const
    ])
  ]
}

export const problems = [
  new Problems.BucketBeingDeleted({ detail: "The bucket my-bucket is being deleted", job_id: jobId }),
  new Problems.BucketHasJobs({
    detail: `Job ${jobId} on a file of the bucket has not ended: ask again when it has, or cancel it`,
    job_id: jobId
  }),
  new Problems.FileExists({
    detail: `The file exists already; job ${jobId} uploaded it. Send overwrite=true to replace it`,
    job_id: jobId,
    root_cid: rootCid
  }),
  new Problems.FileBusy({ detail: `Job ${jobId} on this file has not ended; follow that job`, job_id: jobId }),
  new Problems.FileNameTaken({ detail: "The name \"photos/cat.jpg\" is taken by another account of the same wallet" }),
  new Problems.FileNotFound({ detail: "The bucket my-bucket has no file \"photos/cat.jpg\"" }),
  new Problems.PreconditionFailed({
    detail: `The file has the root ${rootCid}, so it is not the one that the request is for`,
    root_cid: rootCid
  }),
  new Problems.EmptyFile({ detail: "The network stores no file without content: send at least 1 byte" }),
  new Problems.IncompleteBody({ detail: "Of 1048576 bytes 65536 have come: send it again" }),
  new Problems.RequestTimeout({ detail: "No byte of the body came for 30 s: send it again" }),
  new Problems.DigestMismatch({
    detail: "The body that has come is not the one that Content-Digest is of: send it again",
    expected: sha256,
    actual: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
  }),
  new Problems.FileTooLarge({
    detail: "This gateway takes files of at most 107374182400 bytes",
    limit: 107_374_182_400
  }),
  new Problems.TooManyStagedBytes({
    detail: "Uploads of the account that have not ended hold 107374182400 bytes: ask again when some have ended",
    limit: 107_374_182_400
  }),
  new Problems.StagingFull({ detail: "There is no room for the file: ask again when some uploads have ended" }),
  new Problems.StagingUnavailable({ detail: "The staging store does not answer; ask again" }),
  new Problems.NetworkUnavailable({ detail: "The storage network does not answer; ask again" }),
  new Problems.RangeNotSatisfiable({ detail: "The file has 1048576 bytes", size: 1_048_576 }),
  new Problems.EncryptionKeyRequired({
    detail: "The file is encrypted with a key of its client: send it in X-Encryption-Key"
  }),
  new Problems.WrongEncryptionKey({ detail: "The file was not encrypted with the key in X-Encryption-Key" }),
  new Problems.EncryptionNotConfigured({
    detail: "Set FILE_ENCRYPTION_SECRET of the gateway, or send a key of your own in X-Encryption-Key"
  }),
  new Problems.DownloadNotFound({ detail: "There is no such download; ask for the file again" }),
  new Problems.DownloadNotReady({ detail: `Job ${jobId} has not ended; follow it` }),
  new Problems.DownloadExpired({ detail: "The bytes were kept until 2026-11-21T11:10:57.136Z; ask for the file again" })
]
