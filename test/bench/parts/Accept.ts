/** How many requests for buckets the gateway accepts, beside the least that such a request costs, all on a NATS server each. */
import * as Stack from "@akave-async/local/Stack"
import { Console, Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Accounts from "../../support/Accounts.ts"
import { eventually } from "../../support/Gateway.ts"
import * as Load from "../Load.ts"
import type { Options } from "../Options.ts"
import * as Rounds from "../Rounds.ts"
import type { Row, Table } from "../Table.ts"

const connections = [1, 50, 100, 500]

/** A program that listens on a port, which it prints, until the scope closes. */
const program = Effect.fnUntraced(function*(file: string, ...args: ReadonlyArray<string>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, [join(import.meta.dirname, "..", file), ...args], { stdio: "pipe" })),
    (child) => Effect.sync(() => child.kill())
  )
  const [port] = yield* Effect.promise(() => once(child.stdout, "data"))
  return { url: `http://127.0.0.1:${String(port).trim()}` }
})

/** BullMQ on Redis, where these can be had. */
const bullmq = Effect.gen(function*() {
  const folder = yield* Stack.temporaryFolder
  const install = [
    "install",
    "--prefix",
    folder,
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "bullmq@6.7.0",
    "ioredis@5.11.1"
  ]
  yield* ranTo("redis-server", ["--version"])
  yield* ranTo("npm", install)
  return { bullmq: yield* program("bullmq.ts", folder) }
}).pipe(
  Effect.catch((cause) => Effect.as(Console.log(`BullMQ is left out: ${cause.message}`), {}))
)

const ranTo = (command: string, args: ReadonlyArray<string>) =>
  Effect.tryPromise({ try: () => promisify(execFile)(command, args), catch: (cause) => cause as Error })

/** A gateway alone, whose projector stands still, without and with a key. */
const alone = Effect.fnUntraced(function*(withKey: boolean) {
  const masterSecret = Accounts.newMasterSecret()
  const stack = yield* Stack.started({ counts: { executor: 0 }, env: { gateway: { MASTER_SECRET: masterSecret } } })
  const target = withKey ? yield* keyed(stack, masterSecret) : { url: stack.gatewayUrl }
  yield* Effect.acquireRelease(stack.projector(0).kill("SIGSTOP"), () => stack.projector(0).kill("SIGCONT"))
  return target
})

const keyed = Effect.fnUntraced(function*(stack: Stack.Stack, masterSecret: string) {
  const secret = yield* Accounts.init("operator", Accounts.settingsOf(stack, masterSecret))
  const admin = Accounts.withKey(stack.gatewayUrl, secret)
  yield* eventually(admin("/account"), ({ status }) => status === 200)
  const key = yield* Accounts.open(admin, "bench", {
    owner: stack.ownerAddress,
    limits: { requests_per_second: 1_000_000, jobs_in_flight: 100_000_000 }
  })
  yield* eventually(Accounts.withKey(stack.gatewayUrl, key)("/account"), ({ status }) => status === 200)
  return { url: stack.gatewayUrl, headers: { authorization: `Bearer ${key}` } }
})

const shareOf = (rounds: ReadonlyArray<Load.Round>, of: ReadonlyArray<Load.Round>) =>
  rounds.map(({ perSecond }, n) => perSecond / (of[n]?.perSecond ?? Number.NaN))

export const run = Effect.fnUntraced(function*({ millis, rounds }: Options) {
  const floorStack = yield* Stack.started({ counts: { executor: 0, gateway: 0, projector: 0 } })
  const projecting = yield* Stack.started({ counts: { executor: 0 } })
  const working = yield* Stack.started({})
  const targets: Readonly<Record<string, Load.Target>> = {
    floor: yield* program("floor.ts", floorStack.natsUrl),
    ...yield* bullmq,
    gateway: yield* alone(false),
    "with a key": yield* alone(true),
    "with projector": { url: projecting.gatewayUrl },
    "with all": { url: working.gatewayUrl }
  }
  const rows: Array<Row> = []
  for (const count of connections) {
    const measured = yield* Effect.promise(() =>
      Rounds.alternate(
        Object.fromEntries(
          Object.entries(targets).map(([name, target]) => [name, () => Load.run(target, count, millis)])
        ),
        rounds
      )
    )
    for (const [name, found] of Object.entries(measured)) {
      rows.push({
        name: `${name}, ${count}`,
        values: {
          "requests/s": found.map(({ perSecond }) => perSecond),
          p50: found.map(({ p50 }) => p50),
          p99: found.map(({ p99 }) => p99),
          "of the floor": shareOf(found, measured["floor"] ?? [])
        }
      })
    }
  }
  return {
    title: "Accept",
    about:
      "Requests for buckets of names of their own, over so many connections. The floor is bare `node:http` with one publish to "
      + "JetStream that states its revision; BullMQ is the same with one job added to Redis, whose log is synced every second. All "
      + "take turns; the gateway alone has its projector stopped, and `with all` has projector, executor and chain on the same cores.",
    columns: [
      { name: "requests/s", unit: "", digits: 0, isDrawn: true },
      { name: "p50", unit: "ms", digits: 2 },
      { name: "p99", unit: "ms", digits: 2 },
      { name: "of the floor", unit: "", digits: 2 }
    ],
    rows
  } satisfies Table
})
