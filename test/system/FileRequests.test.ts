/** What the gateway refuses of requests for files, and that nothing stays of it. */
import type * as Stack from "@akave-async/local/Stack"
import { ObjectId } from "@akave-async/staging/StagedObject"
import { Staging } from "@akave-async/staging/Staging"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { once } from "node:events"
import { connect } from "node:net"
import { join } from "node:path"
import { beforeAll } from "vitest"
import * as Files from "../support/Files.ts"
import { createBucket, deleteBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as RawHttp from "../support/RawHttp.ts"
import * as SharedStack from "../support/SharedStack.ts"

const [maxBytes, maxStaged] = [1_000_000, 1_500_000]
let stack: Stack.Stack
let gateway: string
SharedStack.use({
  env: {
    devnet: { DEVNET_BLOCK_TIME: "0.2" },
    gateway: {
      MAX_FILE_BYTES: `${maxBytes}`,
      STAGED_BYTES_PER_ACCOUNT: `${maxStaged}`,
      UPLOAD_IDLE_TIMEOUT: "1 second",
      STAGING_GRACE: "4 seconds",
      FILE_ENCRYPTION_SECRET_FILE: ""
    }
  }
}, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

/** A bucket with the file `here`; one that is gone; and that which is asked for nowhere. */
const names = { bucket: "", gone: "", root: "" }
beforeAll(() =>
  Effect.runPromise(Effect.gen(function*() {
    names.bucket = yield* Files.bucket(gateway)
    names.gone = yield* Files.bucket(gateway)
    yield* ended(gateway, (yield* deleteBucket(gateway, names.gone)).body.job_id)
    const job = yield* Files.uploaded(gateway, Files.pathOf(names.bucket, "here"), "content")
    names.root = job.result.root_cid
  }))
)

const digestOf = (text: string) => createHash("sha256").update(text).digest("base64")

interface Sent {
  readonly method?: string
  /** Behind the bucket, as it is. */
  readonly path?: string
  readonly bucket?: string
  readonly headers?: ReadonlyArray<string>
  /** As it is: with the framing that the headers say. */
  readonly body?: string
}
const plain = ["Content-Length: 1"]
const sent = ({ body = "x", bucket = names.bucket, headers = plain, method = "PUT", path = "/files/new" }: Sent) =>
  [`${method} /buckets/${bucket}${path} HTTP/1.1`, "Host: gateway", "Connection: close", ...headers, "", body].join(
    "\r\n"
  )
const form = (...parts: ReadonlyArray<string>): Sent => {
  const body = `${parts.map((part) => `--b\r\nContent-Disposition: form-data; ${part}\r\n`).join("")}--b--\r\n`
  return {
    method: "POST",
    path: "/files",
    headers: ["Content-Type: multipart/form-data; boundary=b", `Content-Length: ${Buffer.byteLength(body, "latin1")}`],
    body
  }
}
const json = (method: string, path: string, value: unknown, ...headers: ReadonlyArray<string>): Sent => {
  const body = typeof value === "string" ? value : JSON.stringify(value)
  return { method, path, headers: [`Content-Length: ${body.length}`, ...headers], body }
}
const put = (...headers: ReadonlyArray<string>): Sent => ({ headers: [...plain, ...headers] })
const named = (name: string): Sent => ({ path: `/files/${name}` })
const get = (path: string, ...headers: ReadonlyArray<string>): Sent => ({ method: "GET", path, headers, body: "" })
const fileOfForm = "name=\"file\"; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\nx"

/** Each with what it is answered by. */
const refused: ReadonlyArray<readonly [title: string, sent: () => Sent, status: number, code: string]> = [
  ["a digest of other bytes", () => put(`Content-Digest: sha-256=:${digestOf("y")}:`), 400, "digest_mismatch"],
  ["a Repr-Digest of other bytes", () => put(`Repr-Digest: sha-256=:${digestOf("y")}:`), 400, "digest_mismatch"],
  [
    "two digests that differ",
    () => put(`Content-Digest: sha-256=:${digestOf("x")}:`, `Repr-Digest: sha-256=:${digestOf("y")}:`),
    400,
    "invalid_request"
  ],
  ["a digest without colons", () => put(`Content-Digest: sha-256=${digestOf("x")}`), 400, "invalid_request"],
  ["a digest in hex", () => put(`Content-Digest: sha-256=:${"0".repeat(64)}:`), 400, "invalid_request"],
  ["a short digest", () => put("Content-Digest: sha-256=:AAAA:"), 400, "invalid_request"],
  ["a digest of another algorithm", () => put("Content-Digest: md5=:AAAA:"), 400, "invalid_request"],
  ["an empty digest", () => put("Content-Digest: "), 400, "invalid_request"],
  ["no body", () => ({ headers: [], body: "" }), 400, "empty_file"],
  ["a length of 0", () => ({ headers: ["Content-Length: 0"], body: "" }), 400, "empty_file"],
  ["no byte in chunks", () => ({ headers: ["Transfer-Encoding: chunked"], body: "0\r\n\r\n" }), 400, "empty_file"],
  ["a length over the limit", () => ({ headers: [`Content-Length: ${maxBytes + 1}`] }), 413, "file_too_large"],
  ["a length of 2^63", () => ({ headers: ["Content-Length: 9223372036854775808"] }), 413, "file_too_large"],
  [
    "chunks over the limit",
    () => ({
      headers: ["Transfer-Encoding: chunked"],
      body: `${(maxBytes + 1).toString(16)}\r\n${"x".repeat(maxBytes + 1)}\r\n0\r\n\r\n`
    }),
    413,
    "file_too_large"
  ],
  ["a coding of the content", () => put("Content-Encoding: gzip"), 415, "unsupported_media_type"],
  ["a content type of 256 characters", () => put(`Content-Type: a/${"b".repeat(254)}`), 400, "invalid_request"],
  ["a segment ..", () => named("a/../b"), 400, "invalid_request"],
  ["a first segment ..", () => named("../../jobs"), 400, "invalid_request"],
  ["a segment %2e%2e", () => named("%2e%2e/b"), 400, "invalid_request"],
  ["a segment .", () => named("./a"), 400, "invalid_request"],
  ["a segment %2e", () => named("a/%2E"), 400, "invalid_request"],
  ["two slashes in a row", () => named("a//b"), 400, "invalid_request"],
  ["an encoded slash at the start", () => named("%2fa"), 400, "invalid_request"],
  ["a slash at the end", () => named("a/"), 400, "invalid_request"],
  ["an encoded slash at the end", () => named("a%2F"), 400, "invalid_request"],
  ["no name", () => named(""), 400, "invalid_request"],
  ["a NUL", () => named("a%00"), 400, "invalid_request"],
  ["a line feed", () => named("a%0Ab"), 400, "invalid_request"],
  ["a line separator", () => named("a%E2%80%A8b"), 400, "invalid_request"],
  ["a name of 1,025 bytes", () => named("a".repeat(1_025)), 400, "invalid_request"],
  ["a name of 342 characters of 3 bytes", () => named("%E2%82%AC".repeat(342)), 400, "invalid_request"],
  ["a name of 14,000 bytes", () => named("a".repeat(14_000)), 400, "invalid_request"],
  ["a name that is not NFC", () => named("a%CC%88"), 400, "invalid_request"],
  ["half of a surrogate pair", () => named("%ED%A0%80"), 400, "invalid_request"],
  ["bytes that are not UTF-8", () => named("%FF%FE"), 400, "invalid_request"],
  ["a percent sign alone", () => named("100%"), 400, "invalid_request"],
  ["a percent sign with half a byte", () => named("a%2"), 400, "invalid_request"],
  ["an upper-case bucket", () => ({ bucket: "UPPER" }), 400, "invalid_request"],
  ["a bucket that was never asked for", () => ({ bucket: "nowhere-at-all" }), 404, "bucket_not_found"],
  ["a bucket that is gone", () => ({ bucket: names.gone }), 404, "bucket_not_found"],
  ["a file that is there", () => named("here"), 409, "file_exists"],
  [
    "a file that must not be there",
    () => ({ path: "/files/here", headers: [...plain, "If-None-Match: *"] }),
    412,
    "precondition_failed"
  ],
  [
    "a file with another root",
    () => ({ path: "/files/here", headers: [...plain, "If-Match: \"bafy\""] }),
    412,
    "precondition_failed"
  ],
  ["a root of a file that is not there", () => put("If-Match: \"bafy\""), 412, "precondition_failed"],
  ["If-Match: * of a file that is not there", () => put("If-Match: *"), 412, "precondition_failed"],
  ["If-Match and If-None-Match", () => put("If-Match: *", "If-None-Match: *"), 400, "invalid_request"],
  ["If-None-Match with a tag", () => put("If-None-Match: \"bafy\""), 400, "invalid_request"],
  ["If-Match that is no tag", () => put("If-Match: bafy"), 400, "invalid_request"],
  [
    "overwrite with If-None-Match",
    () => ({ path: "/files/new?overwrite=true", headers: [...plain, "If-None-Match: *"] }),
    400,
    "invalid_request"
  ],
  ["overwrite=yes", () => named("new?overwrite=yes"), 400, "invalid_request"],
  ["17 parity blocks", () => named("new?parity_blocks=17"), 400, "invalid_request"],
  ["-1 parity blocks", () => named("new?parity_blocks=-1"), 400, "invalid_request"],
  ["1.5 parity blocks", () => named("new?parity_blocks=1.5"), 400, "invalid_request"],
  ["an encryption that there is not", () => named("new?encryption=aes"), 400, "invalid_request"],
  ["a misspelt parameter", () => named("new?encrypion=account"), 400, "invalid_request"],
  ["a parameter of another route", () => named("new?metadata"), 400, "invalid_request"],
  ["encryption by a gateway without a secret", () => named("new?encryption=account"), 409, "encryption_not_configured"],
  ["an encrypted name without a key", () => named("new?encrypt_name=true"), 400, "invalid_request"],
  [
    "two keys",
    () => ({
      path: "/files/new?encryption=account",
      headers: [...plain, `X-Encryption-Key: ${Buffer.alloc(32).toString("base64")}`]
    }),
    400,
    "invalid_request"
  ],
  [
    "a key of 31 bytes",
    () => put(`X-Encryption-Key: ${Buffer.alloc(31).toString("base64")}`),
    400,
    "invalid_request"
  ],
  ["a key in hex", () => put(`X-Encryption-Key: ${"0".repeat(64)}`), 400, "invalid_request"],
  ["an empty key", () => put("X-Encryption-Key: "), 400, "invalid_request"],
  ["an idempotency key of 256 characters", () => put(`Idempotency-Key: ${"k".repeat(256)}`), 400, "invalid_request"],
  ["no form", () => ({ method: "POST", path: "/files" }), 415, "unsupported_media_type"],
  [
    "a form of another type",
    () => json("POST", "/files", "file=x", "Content-Type: application/x-www-form-urlencoded"),
    415,
    "unsupported_media_type"
  ],
  [
    "a form without a boundary",
    () => json("POST", "/files", "x", "Content-Type: multipart/form-data"),
    415,
    "unsupported_media_type"
  ],
  [
    "a form with an empty boundary",
    () => json("POST", "/files", "x", "Content-Type: multipart/form-data; boundary="),
    400,
    "invalid_request"
  ],
  [
    "a form of another boundary",
    () => ({ ...form(fileOfForm), body: form(fileOfForm).body?.replaceAll("--b", "--c") ?? "" }),
    400,
    "invalid_request"
  ],
  ["a form without a file", () => form("name=\"file_name\"\r\n\r\na"), 400, "invalid_request"],
  [
    "a form whose file is not chosen",
    () => form("name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n"),
    400,
    "invalid_request"
  ],
  [
    "a form with an empty file",
    () => form("name=\"file\"; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\n"),
    400,
    "empty_file"
  ],
  ["a form with two files", () => form(fileOfForm, fileOfForm), 400, "invalid_request"],
  ["a form with an unknown field", () => form("name=\"key\"\r\n\r\na", fileOfForm), 400, "invalid_request"],
  ["a form whose name comes late", () => form(fileOfForm, "name=\"file_name\"\r\n\r\na"), 400, "invalid_request"],
  ["a form with a name that is none", () => form("name=\"file_name\"\r\n\r\n../a", fileOfForm), 400, "invalid_request"],
  [
    "a form whose file has a name that is none",
    () => form(fileOfForm.replace("\"f\"", "\"a/../b\"")),
    400,
    "invalid_request"
  ],
  [
    "a form with a field of 8 KiB",
    () => form(`name="file_name"\r\n\r\n${"a".repeat(8_192)}`, fileOfForm),
    400,
    "invalid_request"
  ],
  [
    "a form that ends in the middle",
    () => {
      const whole = form(fileOfForm)
      const body = whole.body?.slice(0, -8) ?? ""
      return { ...whole, headers: [whole.headers?.[0] ?? "", `Content-Length: ${body.length}`], body }
    },
    400,
    "invalid_request"
  ],
  ["a file that is not there", () => get("/files/nothing"), 404, "file_not_found"],
  ["what is known of a file that is not there", () => get("/files/nothing?metadata"), 404, "file_not_found"],
  ["metadata of an unknown kind", () => get("/files/here?metadata=all"), 400, "invalid_request"],
  ["a range behind the end", () => get("/files/here", "Range: bytes=7-"), 416, "range_not_satisfiable"],
  ["the last 0 bytes", () => get("/files/here", "Range: bytes=-0"), 416, "range_not_satisfiable"],
  ["two ranges", () => get("/files/here", "Range: bytes=0-0,2-2"), 416, "range_not_satisfiable"],
  ["If-Match of another root", () => get("/files/here", "If-Match: \"bafy\""), 412, "precondition_failed"],
  ["a page after a NUL", () => get("/files?prefix=%00"), 400, "invalid_request"],
  ["a page of 0 files", () => get("/files?limit=0"), 400, "invalid_request"],
  ["a page of the network after a name", () => get("/files?source=network&after=a"), 400, "invalid_request"],
  ["a list of an unknown source", () => get("/files?source=chain"), 400, "invalid_request"],
  ["the deletion of no file", () => json("DELETE", "/files/nothing", ""), 404, "file_not_found"],
  [
    "the deletion of another file",
    () => json("DELETE", "/files/here", "", "If-Match: \"bafy\""),
    412,
    "precondition_failed"
  ],
  ["access without a body", () => json("PATCH", "/files/here", ""), 400, "invalid_request"],
  ["access that is no boolean", () => json("PATCH", "/files/here", { is_public: "yes" }), 400, "invalid_request"],
  [
    "access as XML",
    () => json("PATCH", "/files/here", "<a/>", "Content-Type: text/xml"),
    415,
    "unsupported_media_type"
  ],
  ["access to no file", () => json("PATCH", "/files/nothing", { is_public: true }), 404, "file_not_found"],
  [
    "a download as a form",
    () => json("POST", "/files/here/downloads", "a=b", "Content-Type: multipart/form-data"),
    415,
    "unsupported_media_type"
  ],
  ["a download of no file", () => json("POST", "/files/nothing/downloads", {}), 404, "file_not_found"],
  [
    "a download for 59 seconds",
    () => json("POST", "/files/here/downloads", { keep_seconds: 59 }),
    400,
    "invalid_request"
  ],
  [
    "a download for 8 days",
    () => json("POST", "/files/here/downloads", { keep_seconds: 691_200 }),
    400,
    "invalid_request"
  ],
  ["something else that is posted to a file", () => json("POST", "/files/here", {}), 405, "method_not_allowed"]
]

const problemOf = (received: string) => JSON.parse(received.slice(received.indexOf("{", received.indexOf("\r\n\r\n"))))

describe("a request for a file is refused with", () => {
  it.live.each(refused)("%s", ([, of, status, code]) =>
    Effect.gen(function*() {
      const received = yield* Effect.promise(() => RawHttp.exchange(gateway, sent(of()), 10_000))
      assert.deepStrictEqual(RawHttp.statusesOf(received), [status], received)
      assert.match(received, /content-type: application\/problem\+json/i)
      const problem = problemOf(received)
      assert.deepInclude(problem, { status, code }, received)
      assert.isAbove(problem.detail.length, 10)
      for (const header of of().headers ?? []) {
        const [name, value = ""] = header.split(": ")
        if (name === "X-Encryption-Key" && value !== "") assert.notInclude(received, value)
      }
    }))

  it.live("and nothing was asked for or stays of it", () =>
    Effect.gen(function*() {
      yield* eventually(
        Effect.sync(() => ({ status: 0, headers: new Headers(), body: Files.staged(stack.dataDir) })),
        ({ body }) => body.length === 0
      )
      const { body } = yield* request(`${gateway}/jobs?bucket=${names.bucket}`)
      assert.deepStrictEqual(body.jobs.map(({ operation }: { readonly operation: string }) => operation), [
        "file.upload",
        "bucket.create"
      ])
      assert.strictEqual(
        (yield* Files.get(`${gateway}${Files.pathOf(names.bucket, "here")}`)).bytes.toString(),
        "content"
      )
    }))
})

describe("a file", () => {
  it.live.each(
    [
      ["has a digest that fits", () => put(`Content-Digest: md5=:AAAA:, sha-256=:${digestOf("x")}:`)],
      ["comes in chunks", () => ({ headers: ["Transfer-Encoding: chunked"], body: "1\r\nx\r\n0\r\n\r\n" })],
      ["has a name of 1,024 bytes", () => named("%E2%82%AC".repeat(341) + "a")],
      ["has slashes in its name that are encoded", () => named("%41%2Fb")],
      ["has a name that ends as a path of downloads does", () => named("a/downloads")],
      ["has a name of dots and signs", () => named("...%25%22%27%5C%3F%23%26+=;,%20")],
      ["is the one of a form that has a name before it", () => form("name=\"file_name\"\r\n\r\nfrom/form", fileOfForm)],
      ["is sent by HTTP/1.0 with its length", () => ({ ...named("http10"), headers: plain })]
    ] as const
  )("is taken that %s", ([title, of]) =>
    Effect.gen(function*() {
      const bytes = sent({ ...of(), ...("path" in of() ? {} : { path: `/files/${encodeURIComponent(title)}` }) })
      const received = yield* Effect.promise(() =>
        RawHttp.exchange(gateway, title.includes("HTTP/1.0") ? bytes.replace("HTTP/1.1", "HTTP/1.0") : bytes, 10_000)
      )
      assert.deepStrictEqual(RawHttp.statusesOf(received), [202], received)
      const { job_id } = problemOf(received)
      assert.deepInclude((yield* ended(gateway, job_id)).body, { status: "completed" })
    }))

  it.live("whose body does not come is given up, and leaves nothing", () =>
    Effect.gen(function*() {
      const { port } = new URL(gateway)
      const slow = (bytes: string) =>
        Effect.promise(async () => {
          const socket = connect(Number(port), "127.0.0.1")
          let heard = ""
          socket.on("data", (data) => heard += data.toString("latin1"))
          socket.on("error", () => {})
          socket.write(bytes)
          await once(socket, "close")
          return heard
        })
      const begun = { headers: ["Content-Length: 1000"], body: "begun" }
      const aForm = form(fileOfForm)
      const incomplete = [
        sent(begun),
        sent({ headers: ["Transfer-Encoding: chunked"], body: "5\r\nbegun\r\n" }),
        sent({
          ...aForm,
          headers: [aForm.headers?.[0] ?? "", "Content-Length: 1000"],
          body: aForm.body?.slice(0, 20) ?? ""
        }),
        sent({
          ...aForm,
          headers: [aForm.headers?.[0] ?? "", "Content-Length: 1000"],
          body: aForm.body?.slice(0, -7) ?? ""
        })
      ]
      for (const bytes of incomplete) {
        const received = yield* slow(bytes)
        assert.deepStrictEqual(RawHttp.statusesOf(received), [408], received)
        assert.include(received, "request_timeout")
      }
      yield* eventually(
        Effect.sync(() => ({ status: 0, headers: new Headers(), body: Files.staged(stack.dataDir) })),
        ({ body }) => body.length === 0
      )
    }))

  it.live("that is refused does not keep its connection when the rest of it never comes", () =>
    Effect.gen(function*() {
      const { port } = new URL(gateway)
      const socket = connect(Number(port), "127.0.0.1")
      let heard = ""
      socket.on("data", (data) => heard += data.toString("latin1"))
      const closed = once(socket, "close")
      socket.write(
        sent({ bucket: "nowhere-at-all", headers: ["Content-Length: 1000"], body: "begun" }).replace(
          "close",
          "keep-alive"
        )
      )
      yield* Effect.promise(() => closed)
      assert.deepStrictEqual(RawHttp.statusesOf(heard), [404], heard)
      assert.include(heard, "bucket_not_found")
    }))

  it.live("is refused while others of the account wait, whose bytes are as many as may", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      const large = "x".repeat(900_000)
      const ids = yield* Effect.gen(function*() {
        const first = yield* Files.put(gateway, Files.pathOf(names.bucket, "first"), large)
        assert.strictEqual(first.status, 202)
        const chunked = new Blob([large]).stream()
        for (const body of [large, chunked]) {
          const second = yield* request(`${gateway}${Files.pathOf(names.bucket, "second")}`, {
            method: "PUT",
            body,
            duplex: "half"
          } as RequestInit)
          assert.deepInclude(second.body, { status: 429, code: "too_many_staged_bytes", limit: maxStaged })
          assert.strictEqual(second.headers.get("retry-after"), "1")
        }
        const third = yield* Files.put(gateway, Files.pathOf(names.bucket, "third"), "x".repeat(600_000))
        assert.strictEqual(third.status, 202, JSON.stringify(third.body))
        // The read model counts them where this gateway does not any more.
        yield* stack.gateway(0).stop
        yield* stack.gateway(0).start
        const later = yield* eventually(
          Files.put(gateway, Files.pathOf(names.bucket, "later"), "x"),
          ({ status }) => status !== 503
        )
        assert.strictEqual(later.status, 429, JSON.stringify(later.body))
        return [first.body.job_id, third.body.job_id]
      }).pipe(Effect.ensuring(Effect.ignore(stack.executor(0).start)))
      for (const id of ids) assert.deepInclude((yield* ended(gateway, id)).body, { status: "completed" })
      const freed = yield* eventually(
        Files.put(gateway, Files.pathOf(names.bucket, "second"), large),
        ({ status }) => status === 202
      )
      yield* ended(gateway, freed.body.job_id)
    }))
})

describe("what is staged", () => {
  it.live("is swept once no job needs it, and stays while one does", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      const waiting = yield* Files.put(gateway, Files.pathOf(names.bucket, "waiting"), "waits")
      const [needed] = Files.staged(stack.dataDir)
      const lost = ObjectId.make(randomUUID())
      yield* Staging.use((staging) => staging.put(lost, Stream.succeed(Buffer.from("lost")))).pipe(
        Effect.provide(Staging.layerFolder(join(stack.dataDir, "staging")))
      )
      assert.lengthOf(Files.staged(stack.dataDir), 2)
      yield* eventually(
        Effect.sync(() => ({ status: 0, headers: new Headers(), body: Files.staged(stack.dataDir) })),
        ({ body }) => body.length === 1 && body[0] === needed
      )
      yield* stack.executor(0).start
      assert.deepInclude((yield* ended(gateway, waiting.body.job_id)).body, { status: "completed" })
    }))

  it.live("for a download is gone when its time is over, and its link says so", () =>
    Effect.gen(function*() {
      const { body } = yield* request(`${gateway}${Files.pathOf(names.bucket, "here")}/downloads`, {
        method: "POST",
        body: JSON.stringify({ keep_seconds: 60 })
      })
      const { body: job } = yield* ended(gateway, body.job_id)
      const link = new URL(job.result.url, gateway).href
      yield* eventually(request(link), ({ body }) => body === "content")
      assert.lengthOf(Files.staged(stack.dataDir), 1)
      const gone = yield* eventually(request(link), ({ status }) => status !== 200)
      assert.deepInclude(gone.body, { status: 410, code: "download_expired" })
      yield* eventually(
        Effect.sync(() => ({ status: 0, headers: new Headers(), body: Files.staged(stack.dataDir) })),
        ({ body }) => body.length === 0
      )
    }), 180_000)
})

it.live("says what it takes, whether it is ready for it, and what it measures", () =>
  Effect.gen(function*() {
    const { body } = yield* request(`${gateway}/capabilities`)
    assert.strictEqual(body.limits.max_file_bytes, maxBytes)
    const ready = yield* eventually(request(`${gateway}/health/ready`), ({ status }) => status === 200)
    assert.deepInclude(ready.body.staging, { ready: true })
    const url = stack.services.find(({ process }) => process.name === "gateway")?.metricsUrl ?? ""
    const metrics = yield* request(url)
    for (const name of ["uploads_bytes_total", "uploads ", "uploads_duration_seconds_count", "staging_swept_total"]) {
      assert.include(metrics.body, `akave_gateway_${name}`)
    }
    assert.match(metrics.body, /akave_gateway_uploads(?:\{[^}]*\})? 0\n/)
  }))

it.live("deletes no bucket that has files", () =>
  Effect.gen(function*() {
    const { body } = yield* deleteBucket(gateway, names.bucket)
    const { body: job } = yield* ended(gateway, body.job_id)
    assert.deepInclude(job, { status: "failed" })
    const { body: creation } = yield* createBucket(gateway, freshName())
    assert.strictEqual((yield* ended(gateway, creation.job_id)).body.status, "completed")
  }))
