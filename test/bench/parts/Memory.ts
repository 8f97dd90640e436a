/** Whether the memory of the services stays what it is, however many jobs they have had. */
import * as Stack from "@akave-async/local/Stack"
import { Effect } from "effect"
import { eventually, freshName, request } from "../../support/Gateway.ts"
import type { Options } from "../Options.ts"
import * as Processes from "../Processes.ts"
import type { Row, Table } from "../Table.ts"

const services = ["gateway", "executor", "projector", "nats"] as const
const looks = 10
/** As many as a request may ask for. */
const batch = 1_000

/** Asks for so many buckets, and waits until all these jobs have ended. */
const worked = Effect.fnUntraced(function*(gateway: string, jobs: number) {
  for (let left = jobs; left > 0; left -= batch) {
    const body = JSON.stringify({ names: Array.from({ length: Math.min(left, batch) }, freshName) })
    const answer = yield* request(`${gateway}/buckets/batch`, { method: "POST", body })
    if (answer.body.refused !== 0) throw new Error(`a batch was answered ${JSON.stringify(answer)}`)
  }
  for (const status of ["queued", "processing"]) {
    const live = request(`${gateway}/jobs?status=${status}&limit=1`)
    yield* eventually(live, ({ body }) => body.jobs?.length === 0)
  }
})

export const run = Effect.fnUntraced(function*({ jobs = 100_000 }: Options) {
  // Blocks that do not hold the executor up.
  const stack = yield* Stack.started({ env: { devnet: { DEVNET_GAS_LIMIT: "300000000" } } })
  const each = Math.ceil(jobs / looks)
  const rows: Array<Row> = []
  for (let look = 1; look <= looks; look++) {
    yield* worked(stack.gatewayUrl, each)
    rows.push({
      name: `after ${look * each} jobs`,
      values: Object.fromEntries(services.map((name) => [name, [Processes.memory(stack, name)]]))
    })
  }
  return {
    title: "Memory",
    about: "Resident memory of each service while one stack creates buckets, a tenth of them at a time.",
    columns: services.map((name) => ({ name, unit: "MB", digits: 0 })),
    rows
  } satisfies Table
})
