import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ProcessTable from "../src/ProcessTable.ts"
import * as Stack from "../src/Stack.ts"

const fixture = (name: string) => join(import.meta.dirname, "fixtures", name)
const service = fixture("service.mjs")
const mains = { devnet: service, projector: service, executor: service, gateway: service }

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "akave-async-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

const pidsOf = (stack: Stack.Stack) => Effect.forEach(stack.services, ({ process }) => process.pid)
const running = (pids: Iterable<number | undefined>) => [...pids].filter((pid) => pid && ProcessTable.identity(pid))

const untilGone = Effect.fnUntraced(function*(pids: ReadonlyArray<number>) {
  while (running(pids).length > 0) yield* Effect.sleep("50 millis")
}, Effect.timeout("15 seconds"))

const canConnect = (url: string) =>
  Effect.callback<boolean>((resume) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname, () => resume(Effect.succeed(true)))
    socket.on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

describe("the stack", () => {
  it.live("starts, loses and regains any of its processes, and leaves none behind", () =>
    Effect.gen(function*() {
      const { dataDir, pids } = yield* Effect.scoped(Effect.gen(function*() {
        const stack = yield* Stack.started({ mains, counts: { executor: 2, gateway: 2 } })
        const pids = yield* pidsOf(stack)
        assert.lengthOf(running(pids), 8)
        for (const url of [...stack.gatewayUrls, stack.natsUrl, stack.databaseUrl]) {
          assert.isTrue(yield* canConnect(url))
        }

        yield* stack.executor(1).kill("SIGKILL")
        assert.isUndefined(yield* stack.executor(1).pid)
        assert.strictEqual(yield* stack.executor(0).pid, pids[4])
        yield* stack.nats.restart
        yield* stack.postgres.kill("SIGKILL")
        yield* stack.start()
        return { dataDir: stack.dataDir, pids: yield* pidsOf(stack) }
      }))
      assert.isFalse(existsSync(dataDir))
      assert.lengthOf(pids, 8)
      assert.lengthOf(running(pids), 0)
    }))

  it.live("starts on a data folder of any name", () =>
    Effect.gen(function*() {
      const dataDir = join(yield* temporary, "a #b?c%25d 'e' \"f\" $g {h} \\i ä")
      yield* Effect.scoped(Stack.started({ dataDir, mains }))
      const stack = yield* Stack.started({ dataDir, mains })
      assert.isTrue(existsSync(join(dataDir, "nats", "jetstream")))
      for (const url of [stack.natsUrl, stack.databaseUrl]) assert.isTrue(yield* canConnect(url))
    }))

  it.live("gives the key to executors and to nobody else", () =>
    Effect.gen(function*() {
      const dataDir = yield* temporary
      const stack = yield* Stack.make({
        dataDir,
        mains,
        natsUrl: "nats://127.0.0.1:1",
        databaseUrl: "postgres://127.0.0.1:1/x"
      })
      const seen: Record<string, unknown> = {}
      yield* stack.start(({ process }, { details }) =>
        Effect.sync(() => {
          seen[process.name] = details["hasKey"]
        })
      )
      assert.deepStrictEqual(seen, { devnet: false, projector: false, executor: true, gateway: false })
    }))

  it.live("hands on what is documented and what the system needs, and nothing else that libraries would read", () =>
    Effect.gen(function*() {
      const documented = { EXECUTOR_RETRIES: "1", DEVNET_BLOCK_TIME: "2" }
      const needed = { PATH: process.env["PATH"], HOME: "/", LC_CTYPE: "C", TZ: "UTC", OTEL_SERVICE_NAME: "mine" }
      const proxies = { https_proxy: "http://proxy", NO_PROXY: "inside", NODE_USE_ENV_PROXY: "0" }
      const postgres = { PGSSLMODE: "require", PGOPTIONS: "-c nothing=1" }
      const foreign = { NODE_OPTIONS: "--no-such-option", NODE_ENV: "production", GRPC_TRACE: "all" }
      const seenBy = Effect.fnUntraced(function*(databaseUrl?: string) {
        const stack = yield* Stack.make({
          dataDir: yield* temporary,
          mains,
          natsUrl: "nats://127.0.0.1:1",
          databaseUrl,
          shell: { ...documented, ...needed, ...proxies, ...postgres, ...foreign, HOST: "example.org" }
        })
        const seen: Record<string, ReadonlyArray<string>> = {}
        yield* stack.start(({ process }, { details }) =>
          Effect.sync(() => {
            seen[process.name] = details["variables"] as ReadonlyArray<string>
          })
        )
        return seen
      })
      const seen = yield* seenBy("postgres://127.0.0.1:1/x")
      for (const name of ["devnet", "projector", "executor"]) {
        const variables = seen[name] ?? []
        assert.includeMembers([...variables], Object.keys({ ...documented, ...needed, ...proxies, ...postgres }), name)
        for (const variable of [...Object.keys(foreign), "HOST", "PORT"]) assert.notInclude(variables, variable, name)
      }
      const { projector = [] } = yield* seenBy()
      for (const variable of Object.keys(postgres)) assert.notInclude(projector, variable)
    }))

  it.live("has the embedded chain announce its blocks to executors, and leaves the URL of another one alone", () =>
    Effect.gen(function*() {
      const urls = Effect.fnUntraced(function*(options: Stack.Options) {
        const dataDir = yield* temporary
        const elsewhere = { natsUrl: "nats://127.0.0.1:1", databaseUrl: "postgres://127.0.0.1:1/x" }
        const stack = yield* Stack.make({ dataDir, mains, ...elsewhere, ...options })
        const seen: Record<string, unknown> = {}
        yield* stack.start(({ process }, { details }) =>
          Effect.sync(() => {
            seen[process.name] = details["chainUrl"]
          })
        )
        yield* stack.stop
        return { executor: seen["executor"], gateway: seen["gateway"], rpcUrl: stack.rpcUrl }
      })
      const embedded = yield* urls({})
      assert.match(embedded.rpcUrl, /^http:/)
      assert.strictEqual(embedded.executor, embedded.rpcUrl.replace("http", "ws"))
      assert.isUndefined(embedded.gateway)
      const url = "http://127.0.0.1:2"
      assert.strictEqual((yield* urls({ env: { executor: { AKAVE_RPC_URL: url } } })).executor, url)
      const privateKey = Redacted.make(Stack.publicDevelopmentKey)
      assert.isUndefined((yield* urls({ nodeAddress: "127.0.0.1:1", privateKey })).executor)
    }))

  it.live("asks for a key where the network is not its own, and derives the owner from it", () =>
    Effect.gen(function*() {
      const options = {
        mains,
        natsUrl: "nats://127.0.0.1:1",
        databaseUrl: "postgres://127.0.0.1:1/x",
        nodeAddress: "127.0.0.1:1"
      }
      const error = yield* Effect.flip(Stack.make(options))
      assert.include(error.message, "set AKAVE_PRIVATE_KEY")
      const wrong = yield* Effect.flip(
        Stack.make({ ...options, privateKey: Redacted.make("0x12") })
      )
      assert.match(wrong.message, /AKAVE_PRIVATE_KEY is not a private key/)
      assert.notInclude(wrong.message, "0x12")
      const privateKey = Redacted.make("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
      const stack = yield* Stack.make({ ...options, privateKey })
      assert.strictEqual(stack.ownerAddress, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
      assert.deepStrictEqual(stack.services.map(({ process }) => process.name), ["projector", "executor", "gateway"])
    }))

  it.live("reports which process failed and why, and stops the others", () =>
    Effect.gen(function*() {
      const env = { executor: { FAIL_WITH: "The wallet is empty." } }
      const error = yield* Effect.flip(Effect.scoped(Stack.started({ mains, env })))
      assert.match(error.message, /^executor stopped before it was ready: The wallet is empty\./)
    }))

  it.live("dies with its supervisor, even by kill -9, and starts again on the same folder", () =>
    Effect.gen(function*() {
      const dataDir = yield* temporary
      const pids = yield* Effect.acquireUseRelease(
        Effect.sync(() => spawn(process.execPath, [fixture("supervisor.ts"), dataDir, service])),
        (supervisor) =>
          Effect.promise(async () => {
            const [printed] = await once(supervisor.stdout, "data")
            return JSON.parse(String(printed)) as ReadonlyArray<number>
          }),
        (supervisor) => Effect.sync(() => supervisor.kill("SIGKILL"))
      )
      assert.lengthOf(pids, 6)
      yield* untilGone(pids)
      yield* Stack.started({ dataDir, mains })
    }))

  it.live("takes over from a supervisor whose reaper was killed too", () =>
    Effect.gen(function*() {
      const dataDir = yield* temporary
      const supervisor = spawn(process.execPath, [fixture("supervisor.ts"), dataDir, service])
      const pids: ReadonlyArray<number> = yield* Effect.promise(async () => {
        const [printed] = await once(supervisor.stdout, "data")
        return JSON.parse(String(printed))
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => pids.map((pid) => ProcessTable.signal(pid, "SIGKILL"))))
      const reaper = ProcessTable.tree(supervisor.pid ?? 0)
        .find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("reaper.mjs"))
      assert.isDefined(reaper)
      const ended = once(supervisor, "exit")
      for (const pid of [reaper, supervisor.pid]) if (pid !== undefined) ProcessTable.signal(pid, "SIGKILL")
      yield* Effect.promise(() => ended)
      assert.lengthOf(running(pids), 6)
      yield* Stack.started({ dataDir, mains })
      assert.lengthOf(running(pids), 0)
    }), { skip: process.platform !== "linux" })

  it.live("says in one sentence that its event log's folder is broken", () =>
    Effect.gen(function*() {
      const dataDir = yield* temporary
      writeFileSync(join(dataDir, "nats"), "")
      const error = yield* Effect.flip(Stack.started({ dataDir, mains }))
      assert.match(error.message, /^nats can't write to its folder: /)
    }))
})
