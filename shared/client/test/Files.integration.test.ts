/** Files on their way to a server and back, through all that may become of them there. */
import { assert, describe, it } from "@effect/vitest"
import { sha256 as ofBrowsers } from "@noble/hashes/sha2.js"
import { createHash, createHmac, randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { afterEach } from "vitest"
import { platform } from "../src/node.ts"
import {
  ArgumentInvalid,
  CallTimeout,
  ConnectionFailed,
  ContentDamaged,
  FileExists,
  JobFailed,
  type Uploadable,
  type UploadProgress
} from "../src/public.ts"
import { clientOf, failureOf, forgetful, json, problem, serve } from "./server.ts"

const job = {
  job_id: "01a1fd96-6aed-70f8-9e47-556db4c9cbc3",
  operation: "file.upload",
  status: "queued",
  progress: null
}
const bytes = randomBytes(300_000)
const sha256 = (of: Uint8Array) => createHash("sha256").update(of).digest("hex")
const digestField = (of: Uint8Array) => `sha-256=:${createHash("sha256").update(of).digest("base64")}:`
const pair = { publicKey: "aag_pk_a", secretKey: "aag_sk_a_1" }

const folders: Array<string> = []
const onDisk = (content: Uint8Array): string => {
  const folder = mkdtempSync(join(tmpdir(), "files-"))
  folders.push(folder)
  const path = join(folder, "cat.jpg")
  writeFileSync(path, content)
  return path
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

interface Received {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly sha256: string
}
/** A server that hashes what it gets, and answers as a test wants. */
const receiving = async (
  answer: (response: ServerResponse, n: number) => void = (response) => json(response, 202, job)
) => {
  const received: Array<Received> = []
  const cut: Array<string> = []
  let n = 0
  const server = createServer(async (request, response) => {
    const hash = createHash("sha256")
    try {
      for await (const piece of request) hash.update(piece)
    } catch {
      cut.push(request.url ?? "")
      return
    }
    received.push({ url: request.url ?? "", headers: request.headers, sha256: hash.digest("hex") })
    answer(response, ++n)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  closing.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, cut }
}
const closing: Array<() => void> = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function* pieces(of: Uint8Array = bytes): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < of.length; at += 70_000) yield of.subarray(at, at + 70_000)
}

describe("an upload", () => {
  it.each<[string, () => Uploadable | string, string | undefined, string | undefined]>([
    ["bytes", () => bytes, digestField(bytes), "300000"],
    ["a Blob", () => new Blob([bytes]), digestField(bytes), "300000"],
    ["a path", () => onDisk(bytes), digestField(bytes), "300000"],
    ["a function that gives an iterator", () => () => pieces(), digestField(bytes), undefined],
    ["a function that gives a stream", () => () => new Blob([bytes]).stream(), digestField(bytes), undefined],
    ["a stream", () => new Blob([bytes]).stream(), undefined, undefined],
    ["an iterator", () => pieces(), undefined, undefined],
    ["a stream of Node", () => Readable.from(pieces()), undefined, undefined]
  ])("of %s arrives as it is", async (_, what, digest, length) => {
    const { received, url } = await receiving()
    const progress: Array<UploadProgress> = []
    const submitted = await clientOf(url).files.submitUpload("my-bucket", "a b/ä;?.jpg", what() as Uploadable, {
      onProgress: (one) => progress.push(one)
    })
    assert.strictEqual(submitted.job_id, job.job_id)
    const [one] = received
    assert.strictEqual(one?.url, "/buckets/my-bucket/files/a%20b/%C3%A4%3B%3F.jpg")
    assert.strictEqual(one?.sha256, sha256(bytes))
    assert.strictEqual(one?.headers["content-digest"], digest)
    assert.strictEqual(one?.headers["content-length"], length)
    assert.strictEqual(one?.headers["content-type"], "image/jpeg")
    assert.deepInclude(progress.at(-1), { phase: "sending", bytesDone: 300_000 })
    assert.strictEqual(progress[0]?.bytesDone, 0)
  })

  it("carries its options", async () => {
    const { received, url } = await receiving()
    const { files } = clientOf(url)
    const key = randomBytes(32)
    await files.submitUpload("b", "n", new Blob([bytes], { type: "text/x-own" }), {
      encryptionKey: key,
      encryptName: true
    })
    await files.submitUpload("b", "n", pieces(), {
      contentType: "a/b",
      digest: sha256(bytes),
      encryption: "account",
      idempotencyKey: "mine",
      ifMatch: "bafyroot",
      overwrite: true,
      parityBlocks: 0,
      size: 300_000
    })
    const [one, two] = received
    assert.deepInclude(one?.headers, { "content-type": "text/x-own", "x-encryption-key": key.toString("base64") })
    assert.strictEqual(one?.url, "/buckets/b/files/n?encrypt_name=true")
    assert.strictEqual(two?.url, "/buckets/b/files/n?parity_blocks=0&encryption=account&overwrite=true")
    assert.deepInclude(two?.headers, {
      "content-digest": digestField(bytes),
      "content-length": "300000",
      "content-type": "a/b",
      "idempotency-key": "mine",
      "if-match": "\"bafyroot\""
    })
  })

  it("is sent again where it can be, as the same request", async () => {
    const { received, url } = await receiving((response, n) =>
      n === 1
        ? response.socket?.destroy()
        : n === 2
        ? problem(response, 503, "staging_unavailable")
        : json(response, 202, job)
    )
    await clientOf(url).files.submitUpload("b", "n", bytes)
    assert.deepStrictEqual(received.map((one) => one.sha256), [1, 2, 3].map(() => sha256(bytes)))
    assert.lengthOf(new Set(received.map(({ headers }) => headers["idempotency-key"])), 1)
  })

  it("is not sent again where its stream can be read only once", async () => {
    const { received, url } = await receiving((response) => problem(response, 503, "staging_unavailable"))
    const error = await failureOf(clientOf(url).files.submitUpload("b", "n", pieces()))
    assert.strictEqual(error["code"], "staging_unavailable")
    assert.lengthOf(received, 1)
  })

  it("is signed by its digest, and needs one", async () => {
    const { received, url } = await receiving()
    const { files } = clientOf(url, { credentials: pair })
    await files.submitUpload("b", "n", bytes, { overwrite: true })
    await files.submitUpload("b", "n", pieces(), { digest: createHash("sha256").update(bytes).digest() })
    for (const { headers, url: path } of received) {
      const text = `${headers["x-timestamp"]}:PUT:${path}:${digestField(bytes)}`
      assert.strictEqual(headers["x-signature"], createHmac("sha256", pair.secretKey).update(text).digest("hex"))
    }
    const error = await failureOf(files.submitUpload("b", "n", pieces()))
    assert.instanceOf(error, ArgumentInvalid)
    assert.match(error.message, /only once.*API key/)
    assert.lengthOf(received, 2)
  })

  it("fails with what the gateway says before it has all", async () => {
    const server = createServer((_, response) =>
      problem(response, 409, "file_exists", { job_id: "j", root_cid: "bafy" })
    )
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    closing.push(() => (server.close(), server.closeAllConnections()))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const error = await failureOf(clientOf(url).files.submitUpload("b", "n", randomBytes(50_000_000)))
    assert.instanceOf(error, FileExists)
    assert.include(error, { root_cid: "bafy" })
  })

  it("leaves the connection when it is aborted", async () => {
    const { cut, received, url } = await receiving()
    const controller = new AbortController()
    const error = await failureOf(
      clientOf(url).files.submitUpload("b", "n", randomBytes(20_000_000), {
        signal: controller.signal,
        onProgress: ({ bytesDone }) => bytesDone > 1_000_000 && controller.abort(new Error("enough"))
      })
    )
    assert.strictEqual(error.message, "enough")
    while (cut.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.isEmpty(received)
  })

  it("ends when nothing goes, and not before", async () => {
    const { url } = await receiving()
    async function* slow() {
      for (let n = 0; n < 10; n++) {
        await new Promise((resolve) => setTimeout(resolve, 60))
        yield bytes
      }
    }
    await clientOf(url).files.submitUpload("b", "n", slow(), { timeout: 300 })
    async function* stuck() {
      yield bytes
      await new Promise(() => {})
    }
    const error = await failureOf(clientOf(url).files.submitUpload("b", "n", stuck(), { timeout: 100 }))
    assert.instanceOf(error, CallTimeout)
  })

  it("says so where the file changes meanwhile, or its stream fails", async () => {
    const { url } = await receiving()
    const { files } = clientOf(url)
    const path = onDisk(randomBytes(5_000_000))
    let isRead = false
    const shrinking = files.submitUpload("b", "n", path as unknown as Uploadable, {
      digest: sha256(bytes),
      onProgress: () => {
        if (!isRead) truncateSync(path, 10)
        isRead = true
      }
    })
    const error = await failureOf(shrinking)
    assert.instanceOf(error, ArgumentInvalid)
    assert.match(error.message, /has changed/)
    async function* failing() {
      yield bytes
      throw new Error("the disk is gone")
    }
    assert.strictEqual((await failureOf(files.submitUpload("b", "n", failing()))).message, "the disk is gone")
    async function* texts() {
      yield "text"
    }
    const text = await failureOf(files.submitUpload("b", "n", texts() as unknown as AsyncIterable<Uint8Array>))
    assert.match(text.message, /gives string in place of bytes/)
  })

  it.each<[string, Parameters<ReturnType<typeof clientOf>["files"]["submitUpload"]>, RegExp]>([
    ["what is no file", ["b", "n", 7 as unknown as Uint8Array], /give the file as/],
    ["a path without a file", ["b", "n", "/no/such/file" as unknown as Uint8Array], /can't be read/],
    ["a folder", ["b", "n", tmpdir() as unknown as Uint8Array], /is no file/],
    ["a short key", ["b", "n", bytes, { encryptionKey: new Uint8Array(31) }], /32 bytes, not 31/],
    ["a digest that is none", ["b", "n", bytes, { digest: "abc" }], /64 hex digits/],
    ["an empty name", ["b", "", bytes], /not empty/],
    ["a name that leads elsewhere", ["b", "../../x", bytes], /"\.\." are no names/],
    ["a bucket that does", ["..", "x", bytes], /"\.\." are no names/],
    ["half of a surrogate pair", ["b", "\ud800", bytes], /surrogate/]
  ])("of %s is refused before anything is sent", async (_, args, message) => {
    const { received, url } = await receiving()
    const error = await failureOf(clientOf(url).files.submitUpload(...args))
    assert.instanceOf(error, ArgumentInvalid)
    assert.match(error.message, message)
    assert.isEmpty(received)
  })

  it("is a Blob, and hashed without node:crypto, where the runtime has nothing else", async () => {
    const { received, url } = await receiving()
    const progress: Array<UploadProgress> = []
    const browser = { ...platform, hasRequestStreams: false, sha256: () => ofBrowsers.create(), fileAt: undefined }
    const { files } = clientOf(url, { platform: browser })
    await files.submitUpload("b", "n", pieces(), { onProgress: (one) => progress.push(one) })
    await files.submitUpload("b", "n", new Blob([bytes]))
    assert.deepStrictEqual(received.map((one) => one.sha256), [1, 2].map(() => sha256(bytes)))
    assert.deepStrictEqual(received.map(({ headers }) => headers["content-digest"]), [undefined, digestField(bytes)])
    assert.deepStrictEqual(received.map(({ headers }) => headers["content-length"]), ["300000", "300000"])
    assert.strictEqual(progress.at(-1)?.bytesDone, 300_000)
    const error = await failureOf(files.submitUpload("b", "n", "path" as unknown as Uint8Array))
    assert.notInclude(error.message, "a path")
  })

  it("is waited for, and its storage is reported", async () => {
    const progress = (bytes_done: number, stage: string) => ({
      stage,
      bytes_done,
      bytes_total: 300_000,
      parts_done: 1,
      parts_total: 4
    })
    let looks = 0
    const { url } = await serve(({ method, path }, response) => {
      if (method === "PUT") return json(response, 202, job)
      if (path === "/events") return problem(response, 403, "forbidden")
      looks++
      return json(
        response,
        200,
        looks < 3
          ? { ...job, status: "processing", progress: progress(looks * 100_000, "storing") }
          : { ...job, status: "completed", progress: progress(300_000, "done") },
        { etag: `"${looks}"` }
      )
    })
    const seen: Array<string> = []
    const done = await clientOf(url).files.upload("b", "n", bytes, {
      onProgress: ({ bytesDone, phase }) => seen.push(`${phase} ${bytesDone}`)
    })
    assert.strictEqual(done.status, "completed")
    assert.deepStrictEqual(seen.slice(-4), ["sending 300000", "storing 100000", "storing 200000", "storing 300000"])
  })

  it("fails with the job where that has failed", async () => {
    const { url } = await serve(({ method, path }, response) =>
      method === "PUT"
        ? json(response, 202, job)
        : path === "/events"
        ? problem(response, 403, "forbidden")
        : json(response, 200, { ...job, status: "failed", error: { code: "BlocksLost", message: "they are gone" } })
    )
    const error = await failureOf(clientOf(url).files.upload("b", "n", bytes))
    assert.instanceOf(error, JobFailed)
    assert.include(error, { code: "BlocksLost" })
  })
})

const root = "bafyroot"
/** A server with a file, whose answer to request number `n` is broken off after so many bytes; with its whole length where that is undefined. */
const offering = async (
  cutAt: (n: number) => number | undefined,
  { content = bytes, digest = digestField(bytes) }: { readonly content?: Uint8Array; readonly digest?: string } = {}
) =>
  serve(({ headers }, response, n) => {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? []
    const start = Number(first ?? 0)
    const end = last === undefined || last === "" ? content.length : Number(last) + 1
    const part = content.subarray(start, end)
    response.writeHead(first === undefined ? 200 : 206, {
      "content-length": part.length,
      "content-type": "text/plain",
      etag: `"${root}"`,
      "repr-digest": digest,
      ...(first === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${content.length}` })
    })
    const at = cutAt(n)
    if (at === undefined) response.end(part)
    else response.write(part.subarray(0, at), () => setTimeout(() => response.socket?.destroy(), 5))
  })

describe("a download", () => {
  it("comes with what is known of it, and as it is", async () => {
    const { asked, url } = await offering(() => undefined)
    const key = randomBytes(32)
    const progress: Array<number> = []
    const content = await clientOf(url).files.download("b", "a/b c", {
      encryptionKey: key,
      onProgress: ({ bytesDone, bytesTotal }) => progress.push(bytesDone / bytesTotal)
    })
    assert.include(content, { size: 300_000, fileSize: 300_000, start: 0, rootCid: root, contentType: "text/plain" })
    assert.isTrue(bytes.equals(await content.bytes()))
    assert.strictEqual(progress.at(-1), 1)
    assert.strictEqual(asked[0]?.path, "/buckets/b/files/a/b%20c")
    assert.strictEqual(asked[0]?.headers["x-encryption-key"], key.toString("base64"))
    const blob = await (await clientOf(url).files.download("b", "n")).blob()
    assert.strictEqual(blob.type, "text/plain")
    assert.strictEqual(blob.size, 300_000)
  })

  it("is a range where one is asked for", async () => {
    const { asked, url } = await offering(() => undefined)
    const { files } = clientOf(url)
    const content = await files.download("b", "n", { range: { start: 10, end: 20 }, ifRange: root, ifMatch: "x" })
    assert.include(content, { size: 10, start: 10, fileSize: 300_000 })
    assert.isTrue(bytes.subarray(10, 20).equals(await content.bytes()))
    assert.deepInclude(asked[0]?.headers, { range: "bytes=10-19", "if-range": `"${root}"`, "if-match": "\"x\"" })
    assert.strictEqual((await (await files.download("b", "n", { range: { start: 299_990 } })).bytes()).length, 10)
    for (const range of [{ start: -1 }, { start: 5, end: 5 }, { start: 0.5 }]) {
      assert.instanceOf(await failureOf(files.download("b", "n", { range })), ArgumentInvalid)
    }
  })

  it("goes on where its connection was cut, and is verified as one", async () => {
    const cuts = [100_000, 1, 120_000]
    const { asked, url } = await offering((n) => cuts[n - 1])
    const content = await clientOf(url).files.download("b", "n")
    assert.isTrue(bytes.equals(await content.bytes()))
    assert.deepStrictEqual(asked.map(({ headers }) => headers.range), [
      undefined,
      "bytes=100000-299999",
      "bytes=100001-299999",
      "bytes=220001-299999"
    ])
    assert.deepStrictEqual(asked.slice(1).map(({ headers }) => headers["if-range"]), [1, 2, 3].map(() => `"${root}"`))
  })

  it("fails where it is cut again and again, and never ends as if it were whole", async () => {
    const { asked, url } = await offering((n) => n === 1 ? 1_000 : 0)
    const error = await failureOf((await clientOf(url).files.download("b", "n")).bytes())
    assert.instanceOf(error, ConnectionFailed)
    assert.lengthOf(asked, 4)
  })

  it("fails at its end where the bytes are others, in every runtime", async () => {
    const { url } = await offering(() => undefined, { digest: digestField(randomBytes(3)) })
    for (const runtime of [platform, { ...platform, sha256: () => ofBrowsers.create() }]) {
      const content = await clientOf(url, { platform: runtime }).files.download("b", "n")
      const error = await failureOf(content.bytes())
      assert.instanceOf(error, ContentDamaged)
      assert.match(error.message, /not those of the file/)
    }
  })

  it("fails where the file is another one when it goes on", async () => {
    const { url } = await serve((_, response, n) => {
      response.writeHead(200, { "content-length": 300_000, etag: `"${n}"`, "repr-digest": digestField(bytes) })
      if (n > 1) response.end(bytes)
      else response.write(bytes.subarray(0, 1_000), () => setTimeout(() => response.socket?.destroy(), 5))
    })
    const error = await failureOf((await clientOf(url).files.download("b", "n")).bytes())
    assert.instanceOf(error, ContentDamaged)
    assert.match(error.message, /replaced/)
  })

  it("ends when nothing comes", async () => {
    const { asked, url } = await serve((_, response) => {
      response.writeHead(206, { "content-length": 300_000, "content-range": "bytes 0-299999/300000", etag: "\"r\"" })
      response.flushHeaders()
    })
    const content = await clientOf(url).files.download("b", "n", { timeout: 60, range: { start: 0 } })
    const error = await failureOf(content.bytes())
    assert.instanceOf(error, CallTimeout)
    assert.lengthOf(asked, 4)
  })

  it.each<[string, (reader: ReadableStreamDefaultReader, controller: AbortController) => Promise<unknown>]>([
    ["aborted", async (reader, controller) => {
      controller.abort(new Error("enough"))
      assert.strictEqual((await failureOf(drained(reader))).message, "enough")
    }],
    ["not read on", (reader) => reader.cancel()]
  ])("closes its connection when it is %s", async (_, end) => {
    let closed = () => {}
    const isClosed = new Promise<void>((resolve) => closed = resolve)
    const { asked, url } = await serve((_, response) => {
      response.on("close", closed)
      response.writeHead(200, { "content-length": 100_000_000, etag: "\"r\"" })
      response.write(bytes)
    })
    const controller = new AbortController()
    const { stream } = await clientOf(url, { fetch: forgetful }).files.download("b", "n", { signal: controller.signal })
    const reader = stream.getReader()
    await reader.read()
    await end(reader, controller)
    await isClosed
    assert.lengthOf(asked, 1)
  })

  it("keeps its connection for the next call when it is read to its end", async () => {
    const { sockets, url } = await offering(() => undefined)
    const { files } = clientOf(url)
    for (let n = 0; n < 5; n++) await (await files.download("b", "n")).bytes()
    assert.isAtMost(sockets(), 2)
  })

  it("is undefined where the file is as the caller has it", async () => {
    const { asked, url } = await serve(({ headers }, response) =>
      headers["if-none-match"] === `"${root}"`
        ? response.writeHead(304, { etag: `"${root}"` }).end()
        : response.writeHead(200, { "content-length": 1, etag: `"${root}"` }).end("x")
    )
    const { files } = clientOf(url)
    assert.isUndefined(await files.downloadIfChanged("b", "n", root))
    assert.strictEqual(await (await files.downloadIfChanged("b", "n", "other"))?.text(), "x")
    assert.lengthOf(asked, 2)
  })

  it("is asked for again where it may be had soon, and fails with the problem where not", async () => {
    const { asked, url } = await serve((_, response, n) =>
      n < 3 ? problem(response, 503, "network_unavailable") : problem(response, 404, "file_not_found")
    )
    const error = await failureOf(clientOf(url).files.download("b", "n"))
    assert.strictEqual(error["code"], "file_not_found")
    assert.lengthOf(asked, 3)
  })

  it("is asked for as a job too, whose link is opened", async () => {
    const { asked, url } = await serve(({ method, path }, response) =>
      method === "POST"
        ? json(response, 202, { ...job, operation: "file.download" })
        : path.startsWith("/jobs/")
        ? json(response, 200, {
          ...job,
          operation: "file.download",
          status: "completed",
          result: { operation: "file.download", url: `/downloads/${job.job_id}?expires=1&signature=a` }
        })
        : path.startsWith("/downloads/")
        ? response.writeHead(200, { "content-length": 1, etag: "\"r\"" }).end("x")
        : problem(response, 403, "forbidden")
    )
    const { files } = clientOf(url)
    const done = await files.requestDownload("b", "n", { keepSeconds: 60 })
    assert.strictEqual(asked[0]?.body, "{\"keep_seconds\":60}")
    assert.strictEqual(await (await files.openDownload(done.result?.url ?? "")).text(), "x")
    assert.instanceOf(await failureOf(files.openDownload("http://elsewhere/x")), ArgumentInvalid)
  })
})

const drained = async (reader: ReadableStreamDefaultReader) => {
  while (!(await reader.read()).done);
}

it("a change of a file names the one that is meant", async () => {
  const { asked, url } = await serve((_, response) => json(response, 202, job))
  const { files } = clientOf(url)
  await files.submitDelete("b", "a/b", { ifMatch: root })
  await files.submitAccess("b", "a/b", { is_public: true }, { ifMatch: root })
  assert.deepStrictEqual(asked.map(({ headers, method, path }) => [method, path, headers["if-match"]]), [
    ["DELETE", "/buckets/b/files/a/b", `"${root}"`],
    ["PATCH", "/buckets/b/files/a/b", `"${root}"`]
  ])
})
