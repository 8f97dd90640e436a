/**
 * `npm run test:packages`: installs the packages as they are published into empty folders and uses them with each runtime that can be
 * had from the registry, and in Chromium, on a stack of its own. Ends with 1 where one of them fails; what can't be had is named.
 */
import * as Stack from "@akave-async/local/Stack"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Deferred, Effect } from "effect"
import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as Packages from "../support/Packages.ts"

const program = `
import { BucketExists, createClient } from "@akave-async/client"
const akave = createClient({ url: process.env.AKAVE_ASYNC_URL })
const name = process.env.NAME
const job = await akave.createBucket(name)
const again = await akave.createBucket(name).catch((error) => error)
let events = 0
for await (const _ of akave.jobs.events(job.job_id)) events++
const bytes = new Uint8Array(1_000_001).map((_, n) => n % 251)
async function* stream() {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}
const uploads = [bytes, new Blob([bytes]), stream(), () => stream()]
await Promise.all(uploads.map((what, n) => akave.files.upload(name, "file " + n, what)))
let same = 0
for (const n of uploads.keys()) {
  const read = await (await akave.files.download(name, "file " + n)).bytes()
  if (read.length === bytes.length && read.every((byte, at) => byte === bytes[at])) same++
}
const part = await akave.files.download(name, "file 0", { range: { start: 250, end: 253 } })
const there = await akave.files.upload(name, "file 0", stream()).catch((error) => error)
console.log(job.status, again instanceof BucketExists, events, same, (await part.bytes()).join(), there.code)
`
const expected = "completed true 4 4 250,0,1 file_exists"

/** The SDK against the devnet of the stack, with its threads and its journal. */
const withFiles = `
import { connect, FileExists } from "@akave-async/sdk"
const privateKey = process.env.AKAVE_PRIVATE_KEY
const akave = await connect({ nodeAddress: process.env.AKAVE_NODE_ADDRESS, privateKey, journalFolder: "journal", encryptionKey: new Uint8Array(32) })
const name = process.env.NAME
await akave.createBucket(name)
const bytes = new Uint8Array(2_000_001).map((_, n) => n % 251)
const { actualSize } = await akave.upload(name, "file", bytes)
const again = await akave.upload(name, "file", bytes).catch((error) => error)
await akave.download(name, "file", "copy")
const { bytes: range } = await akave.open(name, "file", { range: { start: 250, end: 253 } })
const read = []
for await (const part of range) read.push(...part)
console.log(actualSize, again instanceof FileExists, read.join())
await akave.close()
`
const expectedOfFiles = "2000001 true 250,0,1"

/** What a program of a user may look like, with its types. */
const typed = `
import { createClient, type Job, BucketExists, verifyWebhook } from "@akave-async/client"
const akave = createClient({ url: "http://127.0.0.1:8000", timeout: 1_000 })
const job: Job = await akave.submitBucket("name")
for await (const { status } of akave.jobs.list({ status: "failed", limit: 2 })) { const text: string = status; void text }
akave.buckets.get("name").catch((error: unknown) => error instanceof BucketExists && error.job_id.length)
const { stream, size } = await akave.files.download("name", "file", { range: { start: 0 } })
const upload = await akave.files.upload("name", "file", "path", { onProgress: ({ bytesDone }) => bytesDone.toFixed() })
const root: string | undefined = upload.result?.root_cid
void [stream.getReader(), size.toFixed(), root]
const id: string | undefined = (await verifyWebhook("", new Headers(), "whsec_")).correlationid
void [job, id]
`

interface Runtime {
  readonly name: string
  /** From the registry. */
  readonly package: string
  readonly command: ReadonlyArray<string>
}
const platform = `${process.platform}-${process.arch}`
const node = (version: string): Runtime => ({
  name: `Node ${version}`,
  package: `node-${platform}@${version}`,
  command: [`node_modules/node-${platform}/bin/node`]
})
const nodes = [node("18.20.8"), node("20.19.5"), node("22.20.0"), node("24.9.0")]
const runtimes: ReadonlyArray<Runtime> = [
  ...nodes,
  { name: "Deno", package: "deno", command: ["node_modules/.bin/deno", "run", "--allow-all"] },
  { name: "Bun", package: "bun", command: ["node_modules/.bin/bun", "run"] }
]

/** A public development key that the devnet funds and the stack does not use. */
const sdkKey = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

const report = (name: string, isGood: boolean, output: string) =>
  Effect.as(Console.log(`${isGood ? "✓" : "✗"} ${name}${isGood ? "" : `: ${output.trim().slice(-1_000)}`}`), isGood)

/** A folder with a package and a runtime; undefined, with a message, where the runtime can't be had. */
const folderOf = Effect.fnUntraced(function*(runtime: Runtime, tarball: string) {
  const folder = yield* Packages.installed(tarball)
  const had = spawnSync("npm", ["install", "--no-audit", "--no-fund", runtime.package], {
    cwd: folder,
    encoding: "utf8"
  })
  if (had.status !== 0) {
    yield* Console.log(`- ${runtime.name} can't be had: ${had.stderr.trim().split("\n").at(0)}`)
    return undefined
  }
  if (runtime.package === "bun" || runtime.package === "deno") {
    // Their binaries are fetched by an install script.
    spawnSync("npm", ["rebuild"], { cwd: folder })
  }
  return folder
})

const runs = Effect.fnUntraced(function*(
  what: string,
  runtime: Runtime,
  { env, expected, program, tarball }: {
    readonly tarball: string
    readonly program: string
    readonly expected: string
    readonly env: Readonly<Record<string, string>>
  }
) {
  const folder = yield* folderOf(runtime, tarball)
  if (folder === undefined) return true
  writeFileSync(join(folder, "program.mjs"), program)
  const [command = "", ...args] = runtime.command
  const { stderr, stdout } = yield* Packages.ran(join(folder, command), [...args, "program.mjs"], {
    cwd: folder,
    env: { ...env, NAME: `${what}-${runtime.name.toLowerCase().replaceAll(" ", "-")}` }
  })
  return yield* report(`${what}, ${runtime.name}`, stdout.trim() === expected, stdout + stderr)
})

const withTypes = Effect.fnUntraced(function*(client: string) {
  const folder = yield* Packages.installed(client, "typescript@5", "@types/node@24")
  writeFileSync(join(folder, "program.ts"), typed)
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node", "program.ts"]
  const { code, stdout } = yield* Packages.ran(join(folder, "node_modules/.bin/tsc"), flags, { cwd: folder })
  return yield* report("the types, with TypeScript 5", code === 0, stdout)
})

/** A page that uses the client's bundle for browsers, and reports what has come of it to the server that it is from. */
const page = `<script type="module">
  import { createClient } from "/browser.js"
  const akave = createClient({ url: new URLSearchParams(location.search).get("gateway") })
  const run = async () => {
    const job = await akave.createBucket("with-chromium")
    const bytes = new Uint8Array(1_000_001).map((_, n) => n % 251)
    await akave.files.upload(job.bucket_name, "a", new File([bytes], "a"))
    await akave.files.upload(job.bucket_name, "b", new Blob([bytes]).stream())
    const read = await (await akave.files.download(job.bucket_name, "b")).bytes()
    return read.every((byte, n) => byte === bytes[n]) ? job.status : "other bytes"
  }
  await fetch("/result", { method: "POST", body: await run().catch(String) })
</script>`

/** Bytes of the bundle for browsers at most, as it is sent to them. */
const mostInBrowser = 25_000
const bundleSize = Effect.fnUntraced(function*(client: string) {
  const folder = yield* Packages.installed(client)
  const bundle = yield* Effect.promise(() => readFile(join(folder, "node_modules/@akave-async/client/browser.js")))
  const size = gzipSync(bundle).length
  return yield* report(
    `the bundle for browsers, ${size} bytes of gzip`,
    size <= mostInBrowser,
    `at most ${mostInBrowser}`
  )
})

const inBrowser = Effect.fnUntraced(function*(client: string) {
  if (spawnSync("chromium", ["--version"]).error !== undefined) {
    yield* Console.log("- Chromium is not on this machine")
    return true
  }
  const folder = yield* Packages.installed(client)
  const result = yield* Deferred.make<string>()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer(async (request, response) => {
        const { pathname } = new URL(request.url ?? "", "http://page")
        if (pathname === "/result") Deferred.doneUnsafe(result, Effect.succeed((await request.toArray()).join("")))
        const isScript = pathname.endsWith(".js")
        response.writeHead(200, { "content-type": isScript ? "text/javascript" : "text/html" })
        response.end(
          isScript ? await readFile(join(folder, "node_modules/@akave-async/client", pathname)) : page
        )
      }).listen(0, "127.0.0.1")
    ),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  if (!server.listening) yield* Effect.promise(() => once(server, "listening"))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stack = yield* Stack.started({ env: { gateway: { CORS_ORIGINS: origin } } })
  const url = `${origin}/?gateway=${encodeURIComponent(stack.gatewayUrl)}`
  const flags = ["--headless", "--no-sandbox", "--remote-debugging-port=0", `--user-data-dir=${folder}/profile`]
  const shown = Packages.ran("chromium", [...flags, url], { cwd: folder })
  const status = yield* Effect.raceFirst(Deferred.await(result), Effect.map(shown, ({ stderr }) => stderr))
  return yield* report("Chromium", status === "completed", status)
}, Effect.scoped)

const run = Effect.gen(function*() {
  const built = yield* Packages.built
  const tarballOf = (name: string) => built.find((file) => file.includes(name)) ?? ""
  const client = tarballOf("client")
  const stack = yield* Stack.started({})
  const results = [yield* withTypes(client), yield* bundleSize(client), yield* inBrowser(client)]
  for (const runtime of runtimes) {
    const env = { AKAVE_ASYNC_URL: stack.gatewayUrl }
    results.push(yield* runs("client", runtime, { tarball: client, program, expected, env }))
  }
  for (const runtime of nodes) {
    const env = { AKAVE_NODE_ADDRESS: stack.nodeAddress, AKAVE_PRIVATE_KEY: sdkKey }
    const files = { tarball: tarballOf("sdk"), program: withFiles, expected: expectedOfFiles, env }
    results.push(yield* runs("sdk", runtime, files))
  }
  process.exitCode = results.every((one) => one) ? 0 : 1
}).pipe(Effect.scoped)

NodeRuntime.runMain(run)
