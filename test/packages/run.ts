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
import * as Packages from "../support/Packages.ts"

const program = `
import { BucketExists, createClient } from "@akave-async/client"
const akave = createClient({ url: process.env.AKAVE_ASYNC_URL })
const name = process.env.NAME
const job = await akave.createBucket(name)
const again = await akave.createBucket(name).catch((error) => error)
let events = 0
for await (const _ of akave.jobs.events(job.job_id)) events++
console.log(job.status, again instanceof BucketExists, events)
`
const expected = "completed true 4"

/** What a program of a user may look like, with its types. */
const typed = `
import { createClient, type Job, BucketExists, verifyWebhook } from "@akave-async/client"
const akave = createClient({ url: "http://127.0.0.1:8000", timeout: 1_000 })
const job: Job = await akave.submitBucket("name")
for await (const { status } of akave.jobs.list({ status: "failed", limit: 2 })) { const text: string = status; void text }
akave.buckets.get("name").catch((error: unknown) => error instanceof BucketExists && error.job_id.length)
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
const runtimes: ReadonlyArray<Runtime> = [
  node("18.20.8"),
  node("20.19.5"),
  node("22.20.0"),
  { name: "Deno", package: "deno", command: ["node_modules/.bin/deno", "run", "--allow-all"] },
  { name: "Bun", package: "bun", command: ["node_modules/.bin/bun", "run"] }
]

const report = (name: string, isGood: boolean, output: string) =>
  Effect.as(Console.log(`${isGood ? "✓" : "✗"} ${name}${isGood ? "" : `: ${output.trim().slice(-1_000)}`}`), isGood)

const withRuntime = Effect.fnUntraced(function*(runtime: Runtime, client: string, stack: Stack.Stack) {
  const folder = yield* Packages.installed(client)
  const had = spawnSync("npm", ["install", "--no-audit", "--no-fund", runtime.package], {
    cwd: folder,
    encoding: "utf8"
  })
  if (had.status !== 0) {
    yield* Console.log(`- ${runtime.name} can't be had: ${had.stderr.trim().split("\n").at(0)}`)
    return true
  }
  if (runtime.package === "bun" || runtime.package === "deno") {
    // Their binaries are fetched by an install script.
    spawnSync("npm", ["rebuild"], { cwd: folder })
  }
  writeFileSync(join(folder, "program.mjs"), program)
  const [command = "", ...args] = runtime.command
  const { stderr, stdout } = yield* Packages.ran(join(folder, command), [...args, "program.mjs"], {
    cwd: folder,
    env: { AKAVE_ASYNC_URL: stack.gatewayUrl, NAME: `with-${runtime.name.toLowerCase().replaceAll(" ", "-")}` }
  })
  return yield* report(runtime.name, stdout.trim() === expected, stdout + stderr)
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
  const job = await akave.createBucket("with-chromium").catch((error) => ({ status: String(error) }))
  await fetch("/result", { method: "POST", body: job.status })
</script>`

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
  const client = (yield* Packages.built).find((file) => file.includes("client")) ?? ""
  const stack = yield* Stack.started({})
  const results = [yield* withTypes(client), yield* inBrowser(client)]
  for (const runtime of runtimes) results.push(yield* withRuntime(runtime, client, stack))
  process.exitCode = results.every((one) => one) ? 0 : 1
}).pipe(Effect.scoped)

NodeRuntime.runMain(run)
