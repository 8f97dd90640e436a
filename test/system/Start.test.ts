/** `npm start` as a person runs it: the root's own script, on a folder and ports of its own. */
import * as Ports from "@akave-async/local/Ports"
import { Reaper } from "@akave-async/local/Reaper"
import { repository } from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { statSync } from "node:fs"
import { createServer } from "node:net"
import { networkInterfaces } from "node:os"
import { join } from "node:path"
import { eventually, request } from "../support/Gateway.ts"

interface Start {
  readonly child: ChildProcess
  readonly output: () => string
  readonly exited: Promise<number | null>
}

/** Stopped when the scope closes, and ended with this process if that is killed. */
const npmStart = Effect.fnUntraced(function*(settings: Readonly<Record<string, string>>) {
  const reaper = yield* Reaper
  const start = (): Start => {
    const child = spawn("npm", ["start"], {
      cwd: repository,
      env: { ...process.env, ...settings },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"]
    })
    if (child.pid !== undefined) reaper.watch(child.pid, "SIGTERM")
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
    return { child, output: () => output, exited: new Promise((resolve) => child.once("exit", resolve)) }
  }
  return yield* Effect.acquireRelease(
    Effect.sync(start),
    ({ child, exited }) =>
      Effect.promise(() => {
        child.kill("SIGTERM")
        return exited
      })
  )
})

const says = (start: Start, text: string) =>
  Effect.suspend(() =>
    start.output().includes(text) ? Effect.void : Effect.fail(new Error(`${text} is not in:\n${start.output()}`))
  )
    .pipe(Effect.retry({ while: () => start.child.exitCode === null, schedule: Schedule.spaced("50 millis") }))

const settings = Effect.gen(function*() {
  const folder = (yield* Reaper).temporaryFolder()
  const port = yield* Ports.free
  return { DATA_DIR: join(folder, "data"), PORT: `${port}` }
})

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)

describe("npm start", () => {
  it.live("runs everything, shows a sample bucket, ends on SIGTERM and Ctrl-C, and starts again on its data", () =>
    Effect.gen(function*() {
      const own = yield* settings
      const gateway = `http://127.0.0.1:${own.PORT}`
      const first = yield* npmStart(own)
      yield* says(first, "Ctrl-C stops everything.")
      for (const name of ["nats", "postgres", "devnet", "projector", "executor", "gateway", "notifier"]) {
        assert.match(first.output(), new RegExp(`ready  ${name} .* pid \\d+`))
      }
      assert.match(
        first.output(),
        /queued\n.*processing[\s\S]*completed   transaction 0x[0-9a-f]{64}  bucket id 0x[0-9a-f]{64}/
      )
      // Webhooks work without any setting.
      const { mode } = statSync(join(own.DATA_DIR, "master-secret"))
      assert.strictEqual(mode & 0o777, 0o600)
      const asked = { method: "POST", body: JSON.stringify({ url: "http://127.0.0.1:9/" }) }
      const { body: { webhook_id }, status } = yield* request(`${gateway}/webhooks`, asked)
      assert.strictEqual(status, 201)
      yield* request(`${gateway}/webhooks/${webhook_id}`, { method: "DELETE" })
      // What has been completed is in the list a moment later.
      const listed = (count: number) =>
        eventually(request(`${gateway}/buckets`), ({ body }) => body.buckets.length === count)
      const { body: before } = yield* listed(1)
      const pids = Array.from(first.output().matchAll(/pid (\d+)/g), ([, pid]) => Number(pid))

      first.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => first.exited), 0)
      for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/)

      const second = yield* npmStart(own)
      yield* says(second, "Ctrl-C stops everything.")
      const { body: after } = yield* listed(2)
      assert.deepInclude(after.buckets, before.buckets[0])
      second.child.kill("SIGINT")
      assert.strictEqual(yield* Effect.promise(() => second.exited), 0)
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live("runs twice at one moment, as in two clones, each on ports of its own", () =>
    Effect.gen(function*() {
      const starts = yield* Effect.forEach(["one", "two"], (name) =>
        Effect.flatMap(Reaper, (reaper) => npmStart({ DATA_DIR: join(reaper.temporaryFolder(), name) })))
      for (const start of starts) {
        yield* says(start, "Ctrl-C stops everything.")
      }
      const addresses = starts.flatMap((start) =>
        Array.from(start.output().matchAll(/^  ready .* (?:\S*[@/])?127\.0\.0\.1:(\d+)/gm), ([, port]) =>
          port)
      )
      assert.lengthOf(addresses, 8)
      assert.strictEqual(new Set(addresses).size, 8, `${addresses}`)
      for (const start of starts) assert.match(start.output(), /completed   transaction 0x/)
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live("runs in a shell that holds much for other programs", () =>
    Effect.gen(function*() {
      const nowhere = "http://127.0.0.1:1"
      const start = yield* npmStart({
        ...(yield* settings),
        http_proxy: nowhere,
        https_proxy: nowhere,
        HTTP_PROXY: nowhere,
        grpc_proxy: nowhere,
        NODE_USE_ENV_PROXY: "1",
        PGSSLMODE: "require",
        PGOPTIONS: "-c no_such_setting=1",
        PGHOST: "example.org",
        HEALTH_PORT: `${yield* Ports.free}`,
        HOST: "example.org",
        NODE_ENV: "production",
        GRPC_TRACE: "all",
        GRPC_VERBOSITY: "DEBUG",
        RUST_LOG: "debug",
        npm_config_omit: "dev",
        DEVNET_RPC_PORT: "0",
        DEVNET_NODE_PORT: "0",
        DEVNET_HOST: hasIPv6 ? "::1" : "127.0.0.1"
      })
      yield* says(start, "Ctrl-C stops everything.")
      assert.match(start.output(), /completed   transaction 0x/)
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))

  it.live("says in one sentence that its port is taken", () =>
    Effect.gen(function*() {
      const own = yield* settings
      const holder = createServer()
      yield* Effect.callback<void>((resume) =>
        void holder.listen(Number(own.PORT), "127.0.0.1", () => resume(Effect.void))
      )
      const start = yield* npmStart(own)
      assert.strictEqual(yield* Effect.promise(() => start.exited), 1)
      const reported = start.output().split("\n").filter((line) => line.includes(own.PORT))
      assert.lengthOf(reported, 1, start.output())
      holder.close()
    }).pipe(Effect.provide(Reaper.layer), Effect.scoped))
})
