/** Jobs on files by executors: from the staging store to the network, and back. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import * as Download from "@akave-async/domain/Download"
import { Address, RootCid } from "@akave-async/domain/Ethereum"
import * as File from "@akave-async/domain/File"
import { FileName } from "@akave-async/domain/FileName"
import * as Job from "@akave-async/domain/Job"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import * as DownloadEvents from "@akave-async/eventing/DownloadEvents"
import * as FileEvents from "@akave-async/eventing/FileEvents"
import type * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomBytes, randomUUID } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { v7 as uuidv7 } from "uuid"
import { freshName } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"
import * as Uploads from "../support/Uploads.ts"

const stagingDir = mkdtempSync(join(tmpdir(), "staging-"))
let stack: Stack.Stack
SharedStack.use({
  counts: { gateway: 0, executor: 1 },
  env: { devnet: { DEVNET_BLOCK_TIME: "0.2" }, executor: { STAGING_DIR: stagingDir } }
}, (started) => {
  stack = started
})
const means = Effect.gen(function*() {
  return { log: yield* Log.open(stack.natsUrl), owner: Address.make(stack.ownerAddress), stagingDir }
})
const often = Schedule.spaced("50 millis")
const origin = { source: "/akave/test" }
const staged = () => readdirSync(stagingDir, { recursive: true }).map(String).filter((name) => name.length > 30)

it.live("a file of several chunks is stored as it is, and nothing stays staged", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "photos/cat.jpg" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    const bytes = randomBytes(40_000_000)
    const asked = yield* Uploads.ask(of, at, bytes)
    const { file, job } = yield* Uploads.ended(of, asked)
    assert.deepInclude(job, { status: "completed", done: File.chunkPart(2) })
    const client = yield* Uploads.client(stack)
    const info = yield* Effect.promise(() => client.fileInfo(at.bucket, at.name))
    assert.strictEqual<string | undefined>(file?.rootCid, info.rootCid)
    assert.isTrue(bytes.equals(yield* Uploads.contentOf(client, at.bucket, at.name)))
    yield* Effect.repeat(Effect.sync(staged), { until: (names) => names.length === 0, schedule: often })
    const { events } = yield* of.log.read(asked.subject)
    assert.deepStrictEqual(
      events.map(({ headers }) => headers["ce-type"]?.replace(/^akave\.FileUpload(.*)\.v1$/, "$1")),
      [
        "Requested",
        "Started",
        ...Array.from({ length: 4 }, () => ["Submitted", "Advanced"]).flat(),
        "Submitted",
        "ed"
      ]
    )
  }).pipe(Effect.scoped))

it.live("files of all sizes are stored at once, with and without parity", () =>
  Effect.gen(function*() {
    const bucket = freshName()
    const of = yield* means
    yield* Uploads.bucket(of, bucket)
    const sizes = [1, 2, 31, 32, 1_000, 999_999, 1_000_001, 5_000_000, 16_000_000, 16_000_001]
    const files = sizes.flatMap((size) =>
      [0, 4, 16].map((parityBlocks) => ({ name: `${size}.${parityBlocks}`, parityBlocks, bytes: randomBytes(size) }))
    )
    const asked = yield* Effect.forEach(files, ({ bytes, name, parityBlocks }) =>
      Uploads.ask(of, { bucket, name }, bytes, { parityBlocks }))
    const client = yield* Uploads.client(stack)
    for (const [n, one] of asked.entries()) {
      const { job } = yield* Uploads.ended(of, one)
      const { bytes, name } = files[n] ?? { name: "", bytes: Buffer.alloc(0) }
      assert.strictEqual(job?.status, "completed", name)
      assert.isTrue(bytes.equals(yield* Uploads.contentOf(client, bucket, name)), name)
    }
  }).pipe(Effect.scoped))

it.live("a file is replaced by one job: deleted, and uploaded", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "a" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    yield* Uploads.ended(of, yield* Uploads.ask(of, at, Buffer.from("one")))
    const asked = yield* Uploads.ask(of, at, Buffer.from("two"), { replaces: true })
    assert.strictEqual((yield* Uploads.ended(of, asked)).job?.status, "completed")
    const client = yield* Uploads.client(stack)
    assert.strictEqual(Buffer.from(yield* Uploads.contentOf(client, at.bucket, at.name)).toString(), "two")
  }).pipe(Effect.scoped))

it.live("an upload waits for its bucket, which is asked for before it", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "a" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket, { isAwaited: false })
    const { job } = yield* Uploads.ended(of, yield* Uploads.ask(of, at, Buffer.from("early")))
    assert.strictEqual(job?.status, "completed")
  }).pipe(Effect.scoped))

it.live("an upload to no bucket fails, and leaves nothing", () =>
  Effect.gen(function*() {
    const of = yield* means
    const { job } = yield* Uploads.ended(
      of,
      yield* Uploads.ask(of, { bucket: freshName(), name: "a" }, Buffer.from("lost"))
    )
    assert.deepInclude(job, { status: "failed" })
    assert.strictEqual(job === undefined ? undefined : Job.errorOf(job)?.code, "BucketNonexists")
  }).pipe(Effect.scoped))

it.live("an upload whose staged bytes are lost fails, and takes back what it has stored", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "a" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    const asked = yield* Uploads.ask({ ...of, stagingDir: mkdtempSync(join(tmpdir(), "lost-")) }, at, randomBytes(100))
    const { job } = yield* Uploads.ended(of, asked)
    assert.deepInclude(job, { status: "failed" })
    assert.strictEqual(job === undefined ? undefined : Job.errorOf(job)?.code, "StagedObjectLost")
    const client = yield* Uploads.client(stack)
    const files = yield* Effect.promise(() => client.listFiles(at.bucket))
    assert.deepStrictEqual(files, [])
    // The name is free again.
    const again = yield* Uploads.ask(of, at, Buffer.from("again"))
    assert.strictEqual((yield* Uploads.ended(of, again)).job?.status, "completed")
  }).pipe(Effect.scoped))

it.live("an upload that is cancelled takes back what it has stored, and ends as cancelled", () =>
  Effect.gen(function*() {
    const at = { bucket: freshName(), name: "a" }
    const of = yield* means
    yield* Uploads.bucket(of, at.bucket)
    const { jobId, subject } = yield* Uploads.ask(of, at, randomBytes(100_000_000))
    const load = FileEvents.load(of.log, subject)
    const known = yield* Effect.repeat(load, {
      until: ({ state: { job } }) => job !== undefined && Job.doneOf(job) !== undefined,
      schedule: often
    })
    yield* FileEvents.execute(
      of.log,
      subject,
      known,
      File.cancel({ jobId, cancelledBy: "test", reason: "no more" }),
      origin
    )
    const { job } = yield* Uploads.ended(of, { jobId, subject })
    assert.deepInclude(job, { status: "cancelled" })
    const client = yield* Uploads.client(stack)
    assert.deepStrictEqual(yield* Effect.promise(() => client.listFiles(at.bucket)), [])
  }).pipe(Effect.scoped))

it.live("a file is made public, downloaded to the staging store, and deleted", () =>
  Effect.gen(function*() {
    const of = yield* means
    const [bucketName, name] = [BucketName.make(freshName()), FileName.make("dir/a b.txt")]
    yield* Uploads.bucket(of, bucketName)
    const bytes = randomBytes(17_000_000)
    const asked = yield* Uploads.ask(of, { bucket: bucketName, name }, bytes)
    const { file } = yield* Uploads.ended(of, asked)
    const { owner } = of
    const change = <Decide extends ReturnType<typeof File.requestDeletion> | ReturnType<typeof File.requestAccess>>(
      decide: (request: File.Request) => Decide
    ) =>
      Effect.gen(function*() {
        const jobId = Job.Id.make(uuidv7())
        const decided = decide({ jobId, owner, bucketName, name }) as ReturnType<typeof File.requestDeletion>
        yield* FileEvents.execute(of.log, asked.subject, yield* FileEvents.load(of.log, asked.subject), decided, origin)
        return yield* Uploads.ended(of, { jobId, subject: asked.subject })
      })
    const shared = yield* change((request) => File.requestAccess({ ...request, isPublic: true }))
    assert.deepInclude(shared.file, { isPublic: true })

    const jobId = Job.Id.make(uuidv7())
    const stagedAs = randomUUID()
    const subject = Download.subject(owner, jobId)
    const request = Download.request({
      jobId,
      owner,
      bucketName,
      name,
      size: bytes.length,
      sha256: file?.sha256 ?? "",
      dataBlocks: 16,
      parityBlocks: 16,
      encryption: "none",
      rootCid: file?.rootCid ?? RootCid.make(""),
      staged: stagedAs,
      keepSeconds: 60
    })
    yield* DownloadEvents.execute(of.log, subject, DownloadEvents.unknown, request, origin)
    const downloaded = yield* DownloadEvents.load(of.log, subject).pipe(
      Effect.repeat({ until: ({ state: { job } }) => job !== undefined && Job.isTerminal(job.status), schedule: often })
    )
    assert.strictEqual(downloaded.state.job?.status, "completed")
    assert.isTrue(bytes.equals(readFileSync(join(stagingDir, stagedAs.slice(-2), stagedAs))))

    const deleted = yield* change(File.requestDeletion)
    assert.deepInclude(deleted, { file: undefined })
    const client = yield* Uploads.client(stack)
    assert.deepStrictEqual(yield* Effect.promise(() => client.listFiles(bucketName)), [])
    // A bucket without files can be deleted.
    const bucketSubject = Bucket.subject(owner, bucketName)
    yield* BucketEvents.execute(
      of.log,
      bucketSubject,
      yield* BucketEvents.load(of.log, bucketSubject),
      Bucket.requestDeletion({ jobId: Job.Id.make(uuidv7()), name: bucketName, owner }),
      origin
    )
    const gone = yield* BucketEvents.load(of.log, bucketSubject).pipe(
      Effect.repeat({ until: ({ state: { job } }) => job !== undefined && Job.isTerminal(job.status), schedule: often })
    )
    assert.strictEqual(gone.state.job?.status, "completed")
  }).pipe(Effect.scoped))
