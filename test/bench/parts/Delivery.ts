/** From a block to the event that a client follows: how long after a block its jobs are seen to be completed. */
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"
import { WebSocketProvider } from "ethers"
import * as EventSource from "../../support/EventSource.ts"
import { createBucket, ended, freshName } from "../../support/Gateway.ts"
import type { Options } from "../Options.ts"
import type { Table } from "../Table.ts"

/** Jobs that are asked for at the same time, so that several are in each block. */
const concurrency = 10

export const run = Effect.fnUntraced(function*({ jobs = 300, rounds }: Options) {
  const stack = yield* Stack.started({})
  /** When each block was announced. */
  const blocks = new Map<number, number>()
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const provider = new WebSocketProvider(stack.rpcUrl.replace("http:", "ws:"))
      void provider.on("block", (number: number) => void blocks.set(number, performance.now()))
      return provider
    }),
    (provider) => Effect.promise(() => provider.destroy())
  )
  const seen: Array<{ readonly block: number; readonly at: number }> = []
  let isOver = false
  void EventSource.read({
    url: `${stack.gatewayUrl}/events`,
    onEvent: (_, text) => {
      const { data, type } = JSON.parse(text)
      if (type === "akave.BucketCreated.v1") seen.push({ block: data.blockNumber, at: performance.now() })
      return !isOver
    }
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => isOver = true))

  const millis: Array<ReadonlyArray<number>> = []
  for (let round = 0; round < rounds; round++) {
    seen.length = 0
    yield* Effect.forEach(
      Array.from({ length: Math.ceil(jobs / rounds) }, freshName),
      (name) =>
        Effect.flatMap(createBucket(stack.gatewayUrl, name), ({ body }) => ended(stack.gatewayUrl, body.job_id)),
      { concurrency }
    )
    millis.push(
      seen.flatMap(({ at, block }) => {
        const announced = blocks.get(block)
        return announced === undefined ? [] : [at - announced]
      }).toSorted((a, b) => a - b)
    )
  }
  const at = (share: number) => millis.map((all) => all[Math.floor(share * all.length)] ?? Number.NaN)
  return {
    title: "Delivery",
    about: "From the announcement of a block over a WebSocket to the event that a live stream brings of a job in it.",
    columns: [{ name: "p50", unit: "ms", digits: 1 }, { name: "p99", unit: "ms", digits: 1, isDrawn: true }],
    rows: [{ name: "block to event", values: { p50: at(0.5), p99: at(0.99) } }]
  } satisfies Table
})
