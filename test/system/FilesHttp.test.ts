/** Files over HTTP: from a client to the network, and back. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import * as Files from "../support/Files.ts"
import { createBucket, deleteBucket, ended, eventually, freshName, request, settled } from "../support/Gateway.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({ counts: { gateway: 2 }, env: { devnet: { DEVNET_BLOCK_TIME: "0.2" } } }, (started) => {
  stack = started
  gateway = started.gatewayUrl
})
const clientKey = () => ({ "x-encryption-key": randomBytes(32).toString("base64") })
const staged = Effect.sync(() => ({ status: 200, headers: new Headers(), body: Files.staged(stack.dataDir) }))
/** Nothing is staged for jobs that have ended, beside what was before. */
const nothingStaged = (before: ReadonlyArray<string> = []) =>
  eventually(staged, ({ body }) => body.every((name: string) => before.includes(name)))

describe("a file", () => {
  it.live("that curl sends comes back as it was, to the byte, by any gateway", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const bytes = randomBytes(20_000_000)
      const file = join(stack.dataDir, "cat.jpg")
      writeFileSync(file, bytes)
      const path = Files.pathOf(bucket, "photos/2026/cat.jpg")
      const said = yield* Effect.sync(() =>
        execFileSync("curl", ["-sS", "-T", file, "-H", "Content-Type: image/jpeg", `${gateway}${path}`], {
          encoding: "utf8"
        })
      )
      const { body: job } = yield* ended(gateway, JSON.parse(said).job_id)
      assert.deepInclude(job, { status: "completed", file_name: "photos/2026/cat.jpg", bucket_name: bucket })
      for (const url of stack.gatewayUrls) {
        const read = yield* Files.get(`${url}${path}`)
        assert.strictEqual(read.status, 200)
        assert.isTrue(bytes.equals(read.bytes))
        assert.deepInclude(Object.fromEntries(read.headers), {
          "accept-ranges": "bytes",
          "content-disposition": "inline; filename=\"cat.jpg\"",
          "content-length": "20000000",
          "content-security-policy": "sandbox; default-src 'none'",
          "content-type": "image/jpeg",
          etag: `"${job.result.root_cid}"`,
          "repr-digest": Files.digestField(bytes),
          "x-content-type-options": "nosniff"
        })
      }
      yield* nothingStaged()
    }))

  it.live("of any length and of any option comes back as it was", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const key = clientKey()
      const cases = [1, 31, 32, 1_000_001, 16_777_216, 17_000_000].flatMap((size) => [
        { size, query: "parity_blocks=0", headers: {} },
        { size, query: "encryption=account", headers: {} },
        { size, query: "encrypt_name=true&parity_blocks=4", headers: key }
      ])
      const files = cases.map(({ size, ...sent }, n) => ({
        sent,
        path: Files.pathOf(bucket, `${n}/ä b.bin`),
        bytes: randomBytes(size)
      }))
      const jobs = yield* Effect.forEach(files, ({ bytes, path, sent }) => Files.put(gateway, path, bytes, sent))
      for (const [n, { bytes, path, sent }] of files.entries()) {
        const { body: job } = yield* ended(gateway, jobs[n]?.body.job_id)
        assert.strictEqual(job.status, "completed", JSON.stringify(job.error))
        const read = yield* Files.get(`${gateway}${path}`, sent.headers)
        assert.strictEqual(read.status, 200, read.bytes.subarray(0, 300).toString())
        assert.isTrue(bytes.equals(read.bytes), `${n}`)
      }
      // What only the client can decrypt is for nobody else.
      const [, , closed] = files
      const without = yield* request(`${gateway}${closed?.path}`)
      assert.deepInclude(without.body, { status: 400, code: "encryption_key_required" })
      const other = yield* request(`${gateway}${closed?.path}`, { headers: clientKey() })
      assert.deepInclude(other.body, { status: 400, code: "wrong_encryption_key" })
    }))

  it.live("is read in parts, and again only if it has changed", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      for (const sent of [{}, { query: "encryption=account" }, { headers: clientKey() }]) {
        const bytes = randomBytes(17_000_000)
        const url = `${gateway}${Files.pathOf(bucket, randomBytes(4).toString("hex"))}`
        const job = yield* Files.uploaded(gateway, url.slice(gateway.length), bytes, sent)
        const etag = `"${job.result.root_cid}"`
        const part = (range: string, more: Readonly<Record<string, string>> = {}) =>
          Files.get(url, { range, ...("headers" in sent ? sent.headers : {}), ...more })
        const of: ReadonlyArray<readonly [string, number, number]> = [
          ["bytes=0-0", 0, 1],
          ["bytes=16777210-16777220", 16_777_210, 16_777_221],
          ["bytes=16999999-", 16_999_999, 17_000_000],
          ["bytes=-5", 16_999_995, 17_000_000],
          ["bytes=5-99999999", 5, 17_000_000]
        ]
        for (const [range, start, end] of of) {
          const { bytes: read, headers, status } = yield* part(range)
          assert.strictEqual(status, 206)
          assert.strictEqual(headers.get("content-range"), `bytes ${start}-${end - 1}/17000000`)
          assert.isTrue(bytes.subarray(start, end).equals(read), range)
        }
        for (const range of ["bytes=x-y", "lines=1-2", "bytes=5-1"]) {
          const whole = yield* part(range)
          assert.strictEqual(whole.status, 200)
          assert.isTrue(bytes.equals(whole.bytes))
        }
        assert.strictEqual((yield* part("bytes=0-4", { "if-range": etag })).status, 206)
        assert.strictEqual((yield* part("bytes=0-4", { "if-range": "\"other\"" })).status, 200)
        for (const [range, detail] of [["bytes=17000000-", "17000000"], ["bytes=0-1,3-4", "one range"]] as const) {
          const { bytes: body, headers, status } = yield* part(range)
          assert.strictEqual(status, 416)
          assert.strictEqual(headers.get("content-range"), "bytes */17000000")
          assert.include(JSON.parse(body.toString()).detail, detail)
        }
        assert.strictEqual((yield* part("bytes=0-4", { "if-none-match": etag })).status, 304)
        assert.strictEqual((yield* part("bytes=0-4", { "if-match": "\"other\"" })).status, 412)
        const head = yield* Files.get(url, "headers" in sent ? sent.headers : {}, "HEAD")
        assert.strictEqual(head.status, 200)
        assert.strictEqual(head.headers.get("content-length"), "17000000")
        assert.strictEqual(head.headers.get("etag"), etag)
      }
    }))

  it.live("is replaced only where that is said, and of the one that is named", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const path = Files.pathOf(bucket, "a.txt")
      const send = (body: string, sent: Files.Sent = {}) => Files.put(gateway, path, body, sent)
      assert.deepInclude((yield* send("x", { headers: { "if-match": "*" } })).body, { code: "precondition_failed" })
      const first = yield* Files.uploaded(gateway, path, "one", { headers: { "if-none-match": "*" } })
      const again = yield* send("two")
      assert.deepInclude(again.body, {
        status: 409,
        code: "file_exists",
        job_id: first.job_id,
        root_cid: first.result.root_cid
      })
      const isNew = yield* send("two", { headers: { "if-none-match": "*" } })
      assert.deepInclude(isNew.body, { status: 412, root_cid: first.result.root_cid })
      assert.strictEqual((yield* send("two", { headers: { "if-match": "\"other\"" } })).status, 412)
      const second = yield* Files.uploaded(gateway, path, "two", {
        headers: { "if-match": `"${first.result.root_cid}"` }
      })
      assert.deepInclude(second, { status: "completed" })
      const third = yield* Files.uploaded(gateway, path, "three", { query: "overwrite=true" })
      assert.deepInclude(third, { status: "completed" })
      const fourth = yield* Files.uploaded(gateway, path, "four", { headers: { "if-match": "*" } })
      assert.strictEqual((yield* Files.get(`${gateway}${path}`)).bytes.toString(), "four")
      const deletion = (match: string) =>
        request(`${gateway}${path}`, { method: "DELETE", headers: { "if-match": match } })
      assert.strictEqual((yield* deletion(`"${third.result.root_cid}"`)).status, 412)
      const { body: job } = yield* deletion(`"${fourth.result.root_cid}"`)
      assert.deepInclude((yield* ended(gateway, job.job_id)).body, { operation: "file.delete", status: "completed" })
      assert.deepInclude((yield* request(`${gateway}${path}`)).body, { status: 404, code: "file_not_found" })
      assert.strictEqual((yield* request(`${gateway}${path}`, { method: "DELETE" })).status, 404)
      yield* nothingStaged()
    }))

  it.live("that is asked for twice with one key is one job, and stays staged once", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const path = Files.pathOf(bucket, "once")
      const bytes = randomBytes(1_000_000)
      const headers = { "idempotency-key": freshName() }
      const [first, second] = yield* Effect.all(
        stack.gatewayUrls.map((url) =>
          Files.put(url, path, bytes, { query: "encryption=account&encrypt_name=true", headers })
        ),
        { concurrency: 2 }
      )
      assert.deepStrictEqual([first?.status, second?.status], [202, 202])
      assert.strictEqual(first?.body.job_id, second?.body.job_id)
      assert.deepInclude((yield* ended(gateway, first?.body.job_id)).body, { status: "completed" })
      const later = yield* Files.put(gateway, path, bytes, { query: "encryption=account&encrypt_name=true", headers })
      assert.deepInclude(later.body, { job_id: first?.body.job_id, status: "completed" })
      const other = yield* Files.put(gateway, path, "other", { headers })
      assert.deepInclude(other.body, { status: 422, code: "idempotency_key_reused" })
      yield* nothingStaged()
    }))

  it.live("is waited for where the client prefers that, and is then where it is said to be", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const path = Files.pathOf(bucket, "a b/c")
      const { headers, status } = yield* Files.put(gateway, path, "x", { headers: { prefer: "wait=30" } })
      assert.strictEqual(status, 201)
      assert.strictEqual(headers.get("location"), path)
      assert.strictEqual((yield* Files.get(`${gateway}${headers.get("location")}`)).bytes.toString(), "x")
    }))

  it.live("may be for everybody, and what is known of it says so", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const path = Files.pathOf(bucket, "open")
      yield* Files.uploaded(gateway, path, "for all", { headers: { "content-type": "text/plain; charset=utf-8" } })
      const set = (is_public: boolean) =>
        request(`${gateway}${path}`, { method: "PATCH", body: JSON.stringify({ is_public }) })
      for (const isPublic of [true, false]) {
        const { body } = yield* set(isPublic)
        assert.deepInclude((yield* ended(gateway, body.job_id)).body, { operation: "file.access", status: "completed" })
        const known = yield* request(`${gateway}${path}?metadata`)
        assert.deepInclude(known.body, { file_name: "open", size: 7, is_public: isPublic, encryption: "none" })
        const onNetwork = yield* request(`${gateway}${path}?metadata=network`)
        assert.deepInclude(onNetwork.body, {
          file_id: known.body.file_id,
          root_cid: known.body.root_cid,
          size: 7,
          is_public: isPublic
        })
      }
    }))

  it.live("is listed by name and by prefix, in pages, and as the network has it", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const names = ["a", "a/1", "a/2", "b%", "b_", "Ä"]
      for (const name of names) yield* Files.uploaded(gateway, Files.pathOf(bucket, name), name)
      yield* settled(gateway)
      const listed = Effect.fnUntraced(function*(query: string) {
        const found: Array<string> = []
        for (let after: string | null = ""; after !== null;) {
          const from: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`
          const { body, status } = yield* request(`${gateway}/buckets/${bucket}/files?limit=2&${query}${from}`)
          assert.strictEqual(status, 200, JSON.stringify(body))
          found.push(...body.files.map(({ file_name }: { readonly file_name: string }) => file_name))
          after = body.next
        }
        return found
      })
      assert.deepStrictEqual(yield* listed(""), names)
      assert.deepStrictEqual(yield* listed("prefix=a/"), ["a/1", "a/2"])
      assert.deepStrictEqual(yield* listed("prefix=b%25"), ["b%"])
      assert.deepStrictEqual(yield* listed(`prefix=${encodeURIComponent("Ä")}`), ["Ä"])
      assert.sameMembers(yield* listed("source=network"), names)
    }))

  it.live("is one part of a form, as browsers send it", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const bytes = randomBytes(3_000_000)
      const form = new FormData()
      form.set("file", new File([bytes], "ünï cödé.png", { type: "image/png" }))
      const { body, status } = yield* request(`${gateway}/buckets/${bucket}/files`, { method: "POST", body: form })
      assert.strictEqual(status, 202, JSON.stringify(body))
      assert.deepInclude((yield* ended(gateway, body.job_id)).body, { file_name: "ünï cödé.png", status: "completed" })
      const read = yield* Files.get(`${gateway}${Files.pathOf(bucket, "ünï cödé.png")}?download`)
      assert.isTrue(bytes.equals(read.bytes))
      assert.strictEqual(
        read.headers.get("content-disposition"),
        "attachment; filename=\"u_ni_ co_de_.png\"; filename*=UTF-8''%C3%BCn%C3%AF%20c%C3%B6d%C3%A9.png"
      )
      const named = new FormData()
      named.set("file_name", "other/name")
      named.set("file", new File(["x"], "own"))
      const other = yield* request(`${gateway}/buckets/${bucket}/files?encryption=account`, {
        method: "POST",
        body: named
      })
      assert.deepInclude((yield* ended(gateway, other.body.job_id)).body, { file_name: "other/name" })
      assert.strictEqual((yield* Files.get(`${gateway}${Files.pathOf(bucket, "other/name")}`)).bytes.toString(), "x")
    }))

  it.live("is fetched by a job, for who has the link, decrypted and in parts", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const key = clientKey()
      for (const sent of [{}, { query: "encryption=account" }, { headers: key, query: "parity_blocks=0" }]) {
        const bytes = randomBytes(40_000_000)
        const path = Files.pathOf(bucket, `${randomBytes(4).toString("hex")}/downloads`)
        yield* Files.uploaded(gateway, path, bytes, sent)
        const { body, status } = yield* request(`${gateway}${path}/downloads`, {
          method: "POST",
          body: JSON.stringify({ keep_seconds: 60 })
        })
        assert.strictEqual(status, 202, JSON.stringify(body))
        const { body: job } = yield* ended(gateway, body.job_id)
        assert.deepInclude(job, { operation: "file.download", status: "completed" })
        const link = new URL(job.result.url, gateway)
        const headers = "headers" in sent ? sent.headers : {}
        for (const url of stack.gatewayUrls) {
          const whole = yield* eventually(
            Effect.map(Files.get(`${url}${link.pathname}${link.search}`, headers), (read) => ({ ...read, body: "" })),
            ({ status }) => status === 200
          )
          assert.strictEqual(whole.headers.get("repr-digest"), Files.digestField(bytes))
        }
        const whole = yield* Files.get(link.href, headers)
        assert.isTrue(bytes.equals(whole.bytes))
        for (
          const [start, end] of [[0, 1], [33_554_400, 33_554_500], [16_000_000, 34_000_000], [
            39_999_999,
            40_000_000
          ]] as const
        ) {
          const part = yield* Files.get(link.href, { ...headers, range: `bytes=${start}-${end - 1}` })
          assert.strictEqual(part.status, 206)
          assert.isTrue(bytes.subarray(start, end).equals(part.bytes))
        }
        if ("headers" in sent) {
          assert.deepInclude((yield* request(link.href)).body, { code: "encryption_key_required" })
          assert.deepInclude((yield* request(link.href, { headers: clientKey() })).body, {
            code: "wrong_encryption_key"
          })
        }
        const forged = new URL(link)
        forged.searchParams.set("expires", `${Number(forged.searchParams.get("expires")) + 60}`)
        assert.deepInclude((yield* request(forged.href)).body, { status: 404, code: "download_not_found" })
        assert.deepInclude((yield* request(link.origin + link.pathname)).body, { code: "download_not_found" })
      }
    }), 120_000)
})

describe("a file that can't be read to its end", () => {
  it.live("is broken off, so that no part is taken for the whole", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const path = Files.pathOf(bucket, "spoilt")
      yield* Files.uploaded(gateway, path, randomBytes(40_000_000), { query: "encryption=account" })
      const before = Files.staged(stack.dataDir)
      const { body } = yield* request(`${gateway}${path}/downloads`, { method: "POST", body: "{}" })
      const { body: job } = yield* ended(gateway, body.job_id)
      const url = new URL(job.result.url, gateway).href
      const head = yield* eventually(
        Effect.map(Files.get(url, { range: "bytes=0-0" }), (read) => ({ ...read, body: "" })),
        ({ status }) => status === 206
      )
      assert.strictEqual(head.headers.get("content-range"), "bytes 0-0/40000000")
      const staged = Files.staged(stack.dataDir).find((name) => !before.includes(name)) ?? ""
      const file = openSync(join(stack.dataDir, "staging", staged), "r+")
      writeSync(file, Buffer.from([0]), 0, 1, 20_000_000)
      closeSync(file)
      const response = yield* Effect.promise(() => fetch(url))
      assert.strictEqual(response.status, 200)
      const failed = yield* Effect.promise(() => response.arrayBuffer().then(() => false, () => true))
      assert.isTrue(failed, "the answer has no end")
      // What is asked for alone is a problem, as nothing was sent yet.
      const part = yield* request(url, { headers: { range: "bytes=20000000-20000001" } })
      assert.deepInclude(part.body, { status: 400, code: "wrong_encryption_key" })
    }))
})

describe("while the network is away", () => {
  it.live("files are taken in and not given out, and then both, without a restart", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const path = Files.pathOf(bucket, "before")
      yield* Files.uploaded(gateway, path, "stored")
      yield* stack.devnet.stop
      const asked = yield* Effect.gen(function*() {
        for (const one of [path, `${path}?metadata=network`, `/buckets/${bucket}/files?source=network`]) {
          const { body, headers } = yield* request(`${gateway}${one}`)
          assert.deepInclude(body, { status: 503, code: "network_unavailable" }, one)
          assert.strictEqual(headers.get("retry-after"), "1")
        }
        assert.deepInclude((yield* request(`${gateway}${path}?metadata`)).body, { size: 6 })
        const { body, status } = yield* Files.put(gateway, Files.pathOf(bucket, "meanwhile"), "waits")
        assert.strictEqual(status, 202)
        return body.job_id
      }).pipe(Effect.ensuring(Effect.ignore(stack.devnet.start)))
      assert.deepInclude((yield* ended(gateway, asked)).body, { status: "completed" })
      const read = yield* eventually(request(`${gateway}${path}`), ({ status }) => status === 200)
      assert.strictEqual(read.body, "stored")
    }), 180_000)
})

describe("a bucket", () => {
  it.live("that is being created takes files, and with jobs on them it is not deleted", () =>
    Effect.gen(function*() {
      const name = freshName()
      const { body: creation } = yield* createBucket(gateway, name)
      const bytes = randomBytes(30_000_000)
      const upload = yield* Files.put(gateway, Files.pathOf(name, "early"), bytes)
      assert.strictEqual(upload.status, 202, JSON.stringify(upload.body))
      const busy = yield* Files.put(gateway, Files.pathOf(name, "early"), bytes)
      assert.deepInclude(busy.body, { status: 409, code: "file_busy", job_id: upload.body.job_id })
      yield* ended(gateway, creation.job_id)
      const { body: job } = yield* request(`${gateway}/jobs/${upload.body.job_id}`)
      const deletion = yield* deleteBucket(gateway, name)
      if (!["completed", "failed"].includes(job.status)) {
        assert.deepInclude(deletion.body, { status: 409, code: "bucket_has_jobs", job_id: upload.body.job_id })
      }
      assert.deepInclude((yield* ended(gateway, upload.body.job_id)).body, { status: "completed" })
    }))

  it.live("that is being deleted takes none", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).stop
      yield* Effect.gen(function*() {
        const name = freshName()
        yield* createBucket(gateway, name)
        yield* stack.executor(0).start
        yield* eventually(request(`${gateway}/buckets/${name}`), ({ status }) => status === 200)
        yield* stack.executor(0).stop
        const { body } = yield* deleteBucket(gateway, name)
        const refused = yield* Files.put(gateway, Files.pathOf(name, "late"), "x")
        assert.deepInclude(refused.body, { status: 409, code: "bucket_being_deleted", job_id: body.job_id })
      }).pipe(Effect.ensuring(Effect.ignore(stack.executor(0).start)))
    }))
})

describe("an upload", () => {
  it.live("is asked for only where it is taken: 100 Continue comes after all that can be checked", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const { port } = new URL(gateway)
      const exchange = (path: string, length: number) =>
        Effect.promise(async () => {
          const socket = connect(Number(port), "127.0.0.1")
          let heard = ""
          socket.on("data", (data) => {
            heard += data.toString("latin1")
            if (heard.startsWith("HTTP/1.1 100")) socket.write("x".repeat(length))
          })
          socket.write(
            `PUT ${path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`
          )
          await once(socket, "close")
          return heard
        })
      const taken = yield* exchange(Files.pathOf(bucket, "taken"), 100)
      assert.match(taken, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202/)
      const refused = yield* exchange(Files.pathOf(freshName(), "refused"), 100)
      assert.match(refused, /^HTTP\/1\.1 404/)
      assert.include(refused, "bucket_not_found")
    }))

  it.live("of which a client breaks off the body leaves nothing, wherever that is", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const { port } = new URL(gateway)
      const bytes = randomBytes(1_000_000)
      const before = Files.staged(stack.dataDir)
      for (const at of [0, 1, 27, 65_536, 500_000, 999_999]) {
        for (const isChunked of [false, true]) {
          const socket = connect(Number(port), "127.0.0.1")
          const path = Files.pathOf(bucket, `broken-${at}-${isChunked}`)
          const framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 1000000"
          socket.write(`PUT ${path}?encryption=account HTTP/1.1\r\nHost: gateway\r\n${framing}\r\n\r\n`)
          if (isChunked) socket.write(`${bytes.length.toString(16)}\r\n`)
          yield* Effect.callback<void>((resume) => {
            socket.write(bytes.subarray(0, at), () => resume(Effect.void))
          })
          // The gateway has begun to stage it.
          if (at > 65_536) {
            yield* eventually(staged, ({ body }) => body.length > before.length)
          }
          socket.destroy()
          yield* nothingStaged(before)
          assert.strictEqual((yield* request(`${gateway}${path}?metadata`)).status, 404)
        }
      }
    }))

  it.live("of a large file needs little memory", () =>
    Effect.gen(function*() {
      const bucket = yield* Files.bucket(gateway)
      const pid = yield* stack.gateway(0).pid
      const others = Files.staged(stack.dataDir)
      const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])
      const before = peak()
      const path = Files.pathOf(bucket, "large")
      const child = spawn("sh", [
        "-c",
        `head -c 600000000 /dev/zero | curl -sS -T - '${gateway}${path}?encryption=account'`
      ])
      let said = ""
      child.stdout.on("data", (data) => said += data)
      yield* Effect.promise(() => once(child, "close"))
      const { job_id } = JSON.parse(said)
      const staged = peak()
      assert.isBelow(staged - before, 150_000, "KiB more while it was staged")
      yield* request(`${gateway}/jobs/${job_id}`, { method: "DELETE" })
      yield* ended(gateway, job_id)
      yield* nothingStaged(others)
    }), 180_000)
})
