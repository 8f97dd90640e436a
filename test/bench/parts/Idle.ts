/** What a stack costs that has nothing to do, and how long it takes to be up. */
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"
import { createBucket, freshName } from "../../support/Gateway.ts"
import type { Options } from "../Options.ts"
import * as Processes from "../Processes.ts"
import type { Table } from "../Table.ts"

const services = ["nats", "postgres", "projector", "executor", "gateway", "devnet"] as const

/** One stack: seconds until its gateway has accepted a request, and then the share of a core that each process takes. */
const looked = Effect.fnUntraced(function*(millis: number) {
  const begun = performance.now()
  const stack = yield* Stack.started({})
  yield* createBucket(stack.gatewayUrl, freshName())
  const seconds = (performance.now() - begun) / 1000
  // What the start has left to do is not the cost of being idle.
  yield* Effect.sleep(millis)
  const before = services.map((name) => Processes.cpuMillis(stack, name))
  yield* Effect.sleep(millis)
  const shares = services.map((name, n) => (Processes.cpuMillis(stack, name) - (before[n] ?? 0)) / millis * 100)
  return { seconds, shares, memory: services.map((name) => Processes.memory(stack, name)) }
}, Effect.scoped)

export const run = Effect.fnUntraced(function*({ millis, rounds }: Options) {
  const looks = yield* Effect.forEach(Array.from({ length: rounds }), () => looked(2 * millis))
  return {
    title: "Idle, and cold start",
    about:
      "A stack without jobs: CPU of each process as a share of a core, and resident memory; its blocks go on. The start of all "
      + "goes from nothing, on an empty folder, to the first request that is accepted. What Anvil and Postgres's own processes use "
      + "is not counted.",
    columns: [
      { name: "CPU", unit: "% of a core", digits: 2 },
      { name: "memory", unit: "MB", digits: 0 },
      { name: "start", unit: "s", digits: 2 }
    ],
    rows: [
      ...services.map((name, n) => ({
        name,
        values: {
          CPU: looks.map(({ shares }) => shares[n] ?? 0),
          memory: looks.map(({ memory }) => memory[n] ?? 0)
        }
      })),
      { name: "all", values: { start: looks.map(({ seconds }) => seconds) } }
    ]
  } satisfies Table
})
