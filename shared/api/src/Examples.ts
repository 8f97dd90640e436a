// oxlint-disable max-lines -- an example of every schema that has no file of its own for them
/** What the OpenAPI document shows as examples. Each is made by the schema that it is an example of. */
import { BucketName } from "@akave-async/domain/BucketName"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Address, BucketId, TransactionHash } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { DateTime } from "effect"
import { EventPage, EventResource } from "./Events.ts"
import * as FileExamples from "./FileExamples.ts"
import { examples as groupExamples, problems as groupProblems } from "./GroupExamples.ts"
import { encode, isObject, type Json, objectAt } from "./JsonObject.ts"
import * as Problems from "./Problems.ts"
import {
  BatchRequest,
  BatchResult,
  BucketPage,
  BucketRequest,
  BucketResource,
  DeadLetterPage,
  DeadLetterResource,
  JobPage,
  JobResource,
  Readiness,
  Redriven,
  RedriveRequest
} from "./Resources.ts"
import { Capabilities, Stats } from "./System.ts"

const name = BucketName.make("my-bucket")
const jobId = Job.Id.make("01a1fd96-6aed-70f8-9e47-556db4c9cbc3")
const bucketId = BucketId.make("0xa1d6970fbfcf02a0e7e25a720385007de3f56157f22707f211435459671aeb80")
const transaction = TransactionHash.make("0x33cdd3ba0e1f59cf8bc1f9df9f52f5d8dce301b891a2a203044844965dded190")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const createdAt = DateTime.makeUnsafe("2026-11-21T10:10:55.853Z")
const endedAt = DateTime.makeUnsafe("2026-11-21T10:10:57.136Z")

const queued: JobResource = {
  job_id: jobId,
  operation: "bucket.create",
  bucket_name: name,
  file_name: null,
  owner,
  status: "queued",
  progress: null,
  tx_hash: null,
  result: null,
  error: null,
  attempts: 0,
  created_at: createdAt,
  updated_at: createdAt
}
const result = {
  operation: "bucket.create" as const,
  bucket_id: bucketId,
  tx_hash: transaction,
  block_number: 27,
  gas_used: 149_000,
  effective_gas_price: 1_000_000_007n,
  adopted: false
}
const completed: JobResource = {
  ...queued,
  status: "completed",
  tx_hash: transaction,
  result,
  attempts: 1,
  updated_at: endedAt
}
const deletion: JobResource = { ...queued, operation: "bucket.delete" }
const failed: JobResource = {
  ...deletion,
  status: "failed",
  error: { category: "reverted", code: "BucketNonempty", message: "The bucket still has files" },
  attempts: 1,
  updated_at: endedAt
}
const cancelled: JobResource = {
  ...queued,
  status: "cancelled",
  error: { category: "cancelled", code: "Cancelled", message: "Cancelled while it was queued" },
  updated_at: endedAt
}
const bucket: BucketResource = {
  name,
  bucket_id: bucketId,
  owner,
  tx_hash: transaction,
  job_id: jobId,
  created_at: createdAt
}
const requested: EventResource = {
  specversion: "1.0",
  id: `${jobId}.requested`,
  source: "/akave/gateway",
  type: "akave.BucketRequested.v1",
  subject: `bucket.${owner.toLowerCase()}.${name}`,
  time: createdAt,
  datacontenttype: "application/json",
  sequence: "4711",
  correlationid: jobId,
  data: { jobId, occurredAt: "2026-11-21T10:10:55.853Z", owner, name }
}
const dead: DeadLetterResource = {
  sequence: DeadLetter.Sequence.make(4711),
  subject: `akave.events.bucket.${owner}.${name}`,
  type: "akave.BucketRequested.v1",
  reason: "The event cannot be read: data.name: Expected string",
  deliveries: 1,
  job_id: jobId,
  status: "dead",
  round: 1,
  died_at: endedAt,
  redriven_at: null,
  redriven_by: null
}
const redriven: DeadLetterResource = { ...dead, status: "redriven", redriven_at: endedAt, redriven_by: "gateway" }
const readiness: typeof Readiness.Type = {
  ready: true,
  event_log: { ready: true, detail: "nats-server 2.12.1" },
  read_model: { ready: true, detail: "ok" },
  node: { ready: true, detail: "ok" },
  chain: { ready: true, detail: "block 27" },
  staging: { ready: true, detail: "answers" },
  lanes: { ready: true, detail: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 has 0 steps under way" },
  projection_lag_ms: 0
}

const capabilities: Capabilities = {
  version: "0.1.0",
  operations: [{
    operation: "bucket.create",
    method: "POST",
    path: "/buckets",
    input: { type: "object", properties: { name: { type: "string" } }, required: ["name"] }
  }],
  limits: {
    body_bytes: 131_072,
    max_file_bytes: 107_374_182_400,
    batch_names: 1_000,
    page_size: 1_000,
    wait_seconds: 60,
    idempotency_key_characters: 255
  },
  error_categories: [...Job.ErrorCategory.literals],
  signing_schemes: [],
  durability: "nats-server 2.12.1, fsync every 2m"
}
const stats: Stats = {
  window_minutes: 60,
  operations: [{
    operation: "bucket.create",
    requested: 120,
    completed: 117,
    failed: 1,
    cancelled: 0,
    success_share: 117 / 118,
    requested_per_minute: 2,
    seconds_to_completion: { mean: 1.3, p95: 2.1 },
    transactions: 117,
    fees_wei: "18612000018612000"
  }],
  stored: { files: 42, bytes: 1_310_720_000, encoded_bytes: 2_640_000_000 },
  executors: 3
}
const batch: BatchResult = {
  accepted: 1,
  refused: 1,
  answers: [
    { name, status: 202, job: queued, problem: null },
    {
      name: "No-Bucket",
      status: 400,
      job: null,
      problem: new Problems.InvalidRequest({
        detail: "a bucket name has only lower-case letters a-z, digits, dots and hyphens",
        errors: [{
          path: ["names", 1],
          message: "a bucket name has only lower-case letters a-z, digits, dots and hyphens"
        }]
      })
    }
  ]
}
const frame = `id: ${requested.sequence}\ndata: ${JSON.stringify(encode(EventResource, requested))}\n\n`

type Examples = Readonly<Record<string, unknown>>

const problems: ReadonlyArray<Problems.Problem> = [
  new Problems.InvalidRequest({
    detail: "body.name: Missing key",
    errors: [{ path: ["name"], message: "Missing key" }]
  }),
  new Problems.BodyTooLarge({ detail: "Send at most 131072 bytes" }),
  new Problems.UnsupportedMediaType({ detail: "Send the body as application/json, not as text/xml" }),
  new Problems.Unauthorized({ detail: "The key is unknown, has expired or was revoked" }),
  new Problems.ClockSkew({
    detail: "X-Timestamp is more than 300 s from the gateway's time, which is 1780000000: set the clock",
    server_time: 1_780_000_000
  }),
  new Problems.Forbidden({ detail: "This needs a key with the scope write; this one has read" }),
  new Problems.MethodNotAllowed({ detail: "PUT is not served at this path; /docs shows what is" }),
  new Problems.BucketExists({
    detail: `Bucket ${name} was created by job ${jobId}`,
    job_id: jobId,
    bucket_id: bucketId
  }),
  new Problems.BucketNameTaken({ detail: `The name ${name} is taken by another account of the same wallet` }),
  new Problems.BucketBusy({ detail: `Job ${jobId} is under way on bucket ${name}`, job_id: jobId }),
  new Problems.BucketNotFound({ detail: `No bucket ${name} was created by a job, or it was deleted` }),
  new Problems.IdempotencyKeyReused({ detail: "The key in Idempotency-Key was used for another request" }),
  new Problems.RateLimited({
    detail: "The account may send 100 requests a second. Ask again after the time in Retry-After"
  }),
  new Problems.TooManyJobs({
    detail: "1000 jobs of the account are in flight, and the request asks for 1 more, of 1000 that may be"
  }),
  new Problems.SignInUnavailable({ detail: "The identity provider does not give its keys. Try again" }),
  ...groupProblems,
  new Problems.JobNotFound({ detail: `No job has the id ${jobId}` }),
  new Problems.JobNotCancellable({ detail: `Job ${jobId} is processing; only a queued job can be cancelled` }),
  new Problems.DeadLetterNotFound({ detail: `Event ${dead.sequence} has not died` }),
  new Problems.DeadLetterRedriven({ detail: `Event ${dead.sequence} was redriven and has not died since` }),
  new Problems.Overloaded({
    detail:
      "1000000 events wait for this wallet's executors, of 1000000 that may. Ask again after the time in Retry-After"
  }),
  new Problems.EventLogUnavailable({
    detail: "The request was not stored. Try again after the time in Retry-After"
  }),
  new Problems.ReadModelUnavailable({
    detail: "The read model does not answer. Requests are still accepted; ask again after the time in Retry-After"
  }),
  new Problems.InternalError({ detail: "This is a defect of the gateway; its log has the cause" })
]

/** By the name of a schema in the document; each example has a name of its own. */
const bySchema: Readonly<Record<string, Examples>> = {
  Job: {
    completed: encode(JobResource, completed),
    queued: encode(JobResource, queued),
    failed: encode(JobResource, failed)
  },
  BucketRequest: { bucket: encode(BucketRequest, { name }) },
  BatchRequest: { buckets: encode(BatchRequest, { names: [name, "No-Bucket"] }) },
  BatchResult: { some: encode(BatchResult, batch) },
  JobPage: { page: encode(JobPage, { jobs: [completed], next: null }) },
  Capabilities: { devnet: encode(Capabilities, capabilities) },
  ...groupExamples,
  Stats: { hour: encode(Stats, stats) },
  Bucket: { bucket: encode(BucketResource, bucket) },
  BucketPage: { page: encode(BucketPage, { buckets: [bucket], next: null }) },
  DeadLetter: { dead: encode(DeadLetterResource, dead) },
  DeadLetterPage: { page: encode(DeadLetterPage, { dead_letters: [dead], next: null }) },
  RedriveRequest: {
    some: encode(RedriveRequest, { type: dead.type, reason: "Expected string" }),
    all: encode(RedriveRequest, { all: true })
  },
  Redriven: { redriven: encode(Redriven, { redriven: 1, sequences: [dead.sequence], more: false }) },
  Readiness: { ready: encode(Readiness, readiness) },
  Event: { requested: encode(EventResource, requested) },
  EventPage: { page: encode(EventPage, { events: [requested], next: null }) },
  ...Object.fromEntries(
    problems.map((problem) => [`${problem._tag}Encoded`, { [problem.code]: Problems.toJson(problem) }])
  )
}

/** Where an answer is not shown by any example of its schema: by operation and status. */
const byAnswer: Readonly<Record<string, Examples>> = {
  "buckets.create 202": { queued: encode(JobResource, queued) },
  "buckets.create 201": { completed: encode(JobResource, completed) },
  "buckets.create 200": { failed: encode(JobResource, { ...failed, operation: "bucket.create" }) },
  "buckets.delete 202": { queued: encode(JobResource, deletion) },
  "buckets.delete 200": { failed: encode(JobResource, failed) },
  "jobs.cancel 200": { cancelled: encode(JobResource, cancelled) },
  "deadLetters.redrive 202": { redriven: encode(DeadLetterResource, redriven) },
  "health.live 200": { up: { status: "ok" } },
  ...Object.fromEntries(FileExamples.answers(queued))
}

const namesOf = (schema: Json): ReadonlyArray<string> => {
  const { $ref, anyOf } = schema
  if (typeof $ref === "string") return [$ref.slice($ref.lastIndexOf("/") + 1)]
  return Array.isArray(anyOf) ? anyOf.flatMap((one) => isObject(one) ? namesOf(one) : []) : []
}

/** Gives every body of the document its examples. */
export const add = (document: Record<string, unknown>): Record<string, unknown> => {
  const withExamples = (content: unknown, own: Examples | undefined) => {
    for (const [type, media] of Object.entries(objectAt(content))) {
      const examples = type === "text/event-stream"
        ? { event: frame }
        : type === "application/octet-stream"
        ? { bytes: "abc" }
        : own ?? Object.assign({}, ...namesOf(objectAt(media, "schema")).map((name) => bySchema[name]))
      Object.assign(objectAt(media), {
        examples: Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))
      })
    }
  }
  for (const operations of Object.values(objectAt(document, "paths"))) {
    for (const operation of Object.values(objectAt(operations))) {
      const { operationId, requestBody, responses } = objectAt(operation)
      withExamples(objectAt(requestBody)["content"], FileExamples.bodies[String(operationId)])
      for (const [status, response] of Object.entries(objectAt(responses))) {
        withExamples(objectAt(response)["content"], byAnswer[`${operationId} ${status}`])
      }
    }
  }
  return document
}
