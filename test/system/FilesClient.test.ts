/** Files by the client library, with a gateway that has accounts, from a program to the network and back. */
import {
  AkaveAsync,
  type ClientError,
  DigestMismatch,
  FileExists,
  FileNotFound,
  PreconditionFailed,
  WrongEncryptionKey
} from "@akave-async/client/effect"
import {
  ArgumentInvalid,
  createClient,
  EncryptionKeyRequired,
  type LocalClient,
  type UploadProgress
} from "@akave-async/client/index"
import type * as Stack from "@akave-async/local/Stack"
import * as Receiver from "@akave-async/notifier/test/Receiver"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { createReadStream, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll } from "vitest"
import * as Accounts from "../support/Accounts.ts"
import * as Files from "../support/Files.ts"
import { eventually, freshName } from "../support/Gateway.ts"
import * as Leaks from "../support/Leaks.ts"
import * as SharedStack from "../support/SharedStack.ts"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
SharedStack.use({
  counts: { notifier: 1 },
  env: {
    devnet: { DEVNET_BLOCK_TIME: "0.2" },
    gateway: { MASTER_SECRET: masterSecret }
  }
}, (started) => {
  stack = started
})

let secretKey = ""
const signing = () => ({ publicKey: `aag_pk_${secretKey.split("_")[2]}`, secretKey })
beforeAll(() =>
  Effect.runPromise(Effect.gen(function*() {
    const admin = yield* Accounts.init("operator", Accounts.settingsOf(stack, masterSecret))
    const send = Accounts.withKey(stack.gatewayUrl, admin)
    yield* eventually(send("/account"), ({ status }) => status === 200)
    secretKey = yield* Accounts.open(send, "client", {
      owner: stack.ownerAddress,
      limits: { requests_per_second: 10_000, jobs_in_flight: 10_000 }
    })
    yield* eventually(Accounts.withKey(stack.gatewayUrl, secretKey)("/account"), ({ status }) => status === 200)
  }))
)

const failureOf = (promise: Promise<unknown>): Promise<Error & Record<string, unknown>> =>
  promise.then(() => assert.fail("nothing failed"), (error) => error)
async function* pieces(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}

describe.each<[string, () => LocalClient]>([
  ["signs its requests", () => createClient({ url: stack.gatewayUrl, ...signing() })],
  ["sends its key", () => createClient({ url: stack.gatewayUrl, apiKey: secretKey })]
])("a client that %s", (_, make) => {
  it("uploads, reads, finds, lists, replaces and deletes a file", async () => {
    const { files, ...akave } = make()
    const bucket = freshName()
    // The upload waits for its bucket.
    await akave.submitBucket(bucket)
    const bytes = randomBytes(20_000_000)
    const name = "photos/ä b;c.jpg"
    const progress: Array<UploadProgress> = []
    const job = await files.upload(bucket, name, bytes, { onProgress: (one) => progress.push(one) })
    assert.deepInclude(job, { status: "completed", operation: "file.upload", bucket_name: bucket, file_name: name })
    assert.deepInclude(progress.find(({ bytesDone }) => bytesDone === bytes.length), { phase: "sending" })
    assert.deepStrictEqual(progress.at(-1), { phase: "storing", bytesDone: 20_000_000, bytesTotal: 20_000_000 })

    const content = await files.download(bucket, name)
    assert.include(content, { size: 20_000_000, contentType: "image/jpeg", rootCid: `${job.result?.root_cid}` })
    assert.isTrue(bytes.equals(await content.bytes()))
    const part = await files.download(bucket, name, { range: { start: 16_777_000, end: 16_778_000 } })
    assert.isTrue(bytes.subarray(16_777_000, 16_778_000).equals(await part.bytes()))
    assert.isUndefined(await files.downloadIfChanged(bucket, name, content.rootCid))

    const info = await files.info(bucket, name)
    assert.include(info, { size: 20_000_000, sha256: Files.sha256(bytes), job_id: job.job_id })
    assert.include(await files.info(bucket, name, { source: "network" }), { size: 20_000_000, sha256: null })

    const exists = await failureOf(files.upload(bucket, name, bytes))
    assert.instanceOf(exists, FileExists)
    assert.strictEqual(exists["root_cid"], content.rootCid)
    const another = await failureOf(files.upload(bucket, name, "x" as never, { ifMatch: "bafyother" }))
    assert.instanceOf(another, ArgumentInvalid)
    const other = await failureOf(files.upload(bucket, name, Buffer.from("next"), { ifMatch: "bafyother" }))
    assert.instanceOf(other, PreconditionFailed)
    const next = await files.upload(bucket, name, Buffer.from("next"), { ifMatch: content.rootCid })
    assert.strictEqual(await (await files.download(bucket, name)).text(), "next")

    const listed = await Effect.runPromise(eventually(
      Effect.promise(async () => {
        const names: Array<string> = []
        for await (const { file_name } of files.list(bucket, { prefix: "photos/", limit: 1 })) names.push(file_name)
        return { status: 200, headers: new Headers(), body: names }
      }),
      ({ body }) => body.length === 1
    ))
    assert.deepStrictEqual(listed.body, [name])

    assert.instanceOf(await failureOf(files.delete(bucket, name, { ifMatch: "bafyother" })), PreconditionFailed)
    const deleted = await files.delete(bucket, name, { ifMatch: next.result?.root_cid ?? "" })
    assert.include(deleted, { operation: "file.delete", status: "completed" })
    assert.instanceOf(await failureOf(files.download(bucket, name)), FileNotFound)
  })

  it("uploads whatever has bytes", async () => {
    const { createBucket, files } = make()
    const bucket = freshName()
    await createBucket(bucket)
    const bytes = randomBytes(1_000_001)
    const path = join(stack.dataDir, "cat.jpg")
    writeFileSync(path, bytes)
    const digest = Files.sha256(bytes)
    const sources = {
      bytes,
      path,
      blob: new Blob([bytes], { type: "text/x-own" }),
      function: () => pieces(bytes),
      iterator: pieces(bytes),
      "stream of Node": createReadStream(path),
      stream: new Blob([bytes]).stream()
    }
    const jobs = await Promise.all(
      Object.entries(sources).map(([name, what]) => files.upload(bucket, name, what, { digest, parityBlocks: 4 }))
    )
    assert.deepStrictEqual(jobs.map(({ status }) => status), jobs.map(() => "completed"))
    for (const name of Object.keys(sources)) {
      assert.isTrue(bytes.equals(await (await files.download(bucket, name)).bytes()), name)
    }
    assert.strictEqual((await files.info(bucket, "blob")).content_type, "text/x-own")
  })

  it("has bytes refused that are others than their digest is of", async () => {
    const { createBucket, files } = make()
    const bucket = freshName()
    await createBucket(bucket)
    const error = await failureOf(
      files.upload(bucket, "a", Buffer.from("a"), { digest: Files.sha256(Buffer.from("b")) })
    )
    assert.instanceOf(error, DigestMismatch)
    assert.strictEqual(error["actual"], Files.sha256(Buffer.from("a")))
  })

  it("learns what is wrong before it has sent everything", async () => {
    const { files } = make()
    const error = await failureOf(files.upload(freshName(), "a", randomBytes(100_000_000)))
    assert.strictEqual(error["code"], "bucket_not_found")
  })

  it("encrypts with the account's key, and with one of its own", async () => {
    const { createBucket, files } = make()
    const bucket = freshName()
    await createBucket(bucket)
    const encryptionKey = Uint8Array.from(randomBytes(32))
    await Promise.all([
      files.upload(bucket, "account", Buffer.from("secret"), { encryption: "account" }),
      files.upload(bucket, "own", Buffer.from("secret"), { encryptionKey, encryptName: true })
    ])
    assert.strictEqual(await (await files.download(bucket, "account")).text(), "secret")
    assert.strictEqual(await (await files.download(bucket, "own", { encryptionKey })).text(), "secret")
    assert.instanceOf(await failureOf(files.download(bucket, "own")), EncryptionKeyRequired)
    const wrong = await failureOf(files.download(bucket, "own", { encryptionKey: new Uint8Array(32) }))
    assert.instanceOf(wrong, WrongEncryptionKey)
  })

  it("makes a file public, and has one fetched for a link that needs no credentials", async () => {
    const { createBucket, files } = make()
    const bucket = freshName()
    await createBucket(bucket)
    const bytes = randomBytes(2_000_000)
    await files.upload(bucket, "a", bytes)
    const shared = await files.setAccess(bucket, "a", true)
    assert.strictEqual(shared.result?.is_public, true)
    const job = await files.requestDownload(bucket, "a", { keepSeconds: 60 })
    const anonymous = createClient({ url: stack.gatewayUrl, apiKey: "aag_sk_nobody" })
    const content = await anonymous.files.openDownload(job.result?.url ?? "")
    assert.isTrue(bytes.equals(await content.bytes()))
  })
})

it("a stream that can be read once needs an API key, or its digest", async () => {
  const { files } = createClient({ url: stack.gatewayUrl, ...signing() })
  const error = await failureOf(files.upload(freshName(), "a", pieces(Buffer.from("a"))))
  assert.instanceOf(error, ArgumentInvalid)
  assert.match(error.message, /API key/)
})

it("an upload that is aborted while it is sent leaves nothing", async () => {
  const { createBucket, files, jobs } = createClient({ url: stack.gatewayUrl, apiKey: secretKey })
  const bucket = freshName()
  await createBucket(bucket)
  // Those that links lead to stay.
  const before = Files.staged(stack.dataDir)
  const controller = new AbortController()
  const error = await failureOf(files.upload(bucket, "a", randomBytes(30_000_000), {
    signal: controller.signal,
    onProgress: ({ bytesDone }) => bytesDone > 3_000_000 && controller.abort(new Error("enough"))
  }))
  assert.strictEqual(error.message, "enough")
  await Effect.runPromise(eventually(
    Effect.sync(() => ({ status: 200, headers: new Headers(), body: Files.staged(stack.dataDir) })),
    ({ body }) => body.every((name: string) => before.includes(name))
  ))
  for await (const job of jobs.list({ bucket, operation: "file.upload" })) assert.fail(job.job_id)
})

it.live("the Effect flavour takes and gives Streams, and an interruption ends its connection", () =>
  Effect.suspend(() =>
    Effect.gen(function*() {
      const { createBucket, files } = yield* AkaveAsync
      const bucket = freshName()
      yield* createBucket(bucket)
      const lines = Stream.range(1, 200_000).pipe(Stream.map((n) => `${n}\n`), Stream.encodeText)
      const job = yield* files.upload(bucket, "numbers.txt", lines)
      assert.strictEqual(job.status, "completed")
      const content = yield* files.download(bucket, "numbers.txt")
      const read = yield* content.stream.pipe(Stream.decodeText, Stream.splitLines, Stream.runCount)
      assert.strictEqual(read, 200_000)
      const { text } = yield* files.download(bucket, "numbers.txt", { range: { start: 0, end: 4 } })
      assert.strictEqual(yield* text, "1\n2\n")
      const first = yield* (yield* files.download(bucket, "numbers.txt")).stream.pipe(Stream.take(1), Stream.runCount)
      assert.strictEqual(first, 1)
      const error: ClientError = yield* Effect.flip(files.upload(bucket, "numbers.txt", lines))
      assert.strictEqual(error._tag, "FileExists")
      const failing = Stream.fail(new Error("the source is gone"))
      const defect = yield* Effect.exit(files.upload(bucket, "other", failing))
      assert.strictEqual(defect._tag, "Failure")
    }).pipe(Effect.provide(AkaveAsync.layer({ url: stack.gatewayUrl, apiKey: secretKey })))
  ))

it.live("a webhook is sent the events of files", () =>
  Effect.gen(function*() {
    const akave = createClient({ url: stack.gatewayUrl, apiKey: secretKey })
    const receiver = yield* Receiver.start
    const { secret } = yield* Effect.promise(() =>
      akave.webhooks.register({
        url: receiver.url,
        event_types: ["akave.FileUploaded.v1", "akave.FileDeleted.v1"],
        operations: ["file.upload", "file.delete"]
      })
    )
    Leaks.register(secret)
    const bucket = freshName()
    const job = yield* Effect.promise(async () => {
      await akave.createBucket(bucket)
      const job = await akave.files.upload(bucket, "a/b.txt", Buffer.from("hello"))
      await akave.files.delete(bucket, "a/b.txt")
      return job
    })
    yield* Effect.repeat(Effect.sync(() => receiver.received.length), {
      until: (count) => count === 2,
      schedule: Schedule.spaced("50 millis")
    })
    const events = yield* Effect.forEach(
      receiver.received,
      ({ body, headers }) => Effect.promise(() => akave.webhooks.verify(body, headers, secret))
    )
    const uploaded = events.find(({ type }) => type === "akave.FileUploaded.v1")
    assert.strictEqual(uploaded?.correlationid, job.job_id)
    assert.deepStrictEqual(events.map(({ type }) => type).toSorted(), ["akave.FileDeleted.v1", "akave.FileUploaded.v1"])
  }).pipe(Effect.scoped))
