/** How fast `akave-async rebuild` makes the read model of a log anew, with what memory, and where its time goes. */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as Stack from "@akave-async/local/Stack"
import { connect } from "@nats-io/transport-node"
import { Duration, Effect } from "effect"
import * as Kills from "../../rebuild/Kills.ts"
import * as History from "../History.ts"
import type { Options } from "../Options.ts"
import type { Row, Table } from "../Table.ts"

const stream = { stream: "AKAVE_EVENTS", prefix: "akave.events" }

const measured = Effect.fnUntraced(function*(jobs: number, rounds: number) {
  const stack = yield* Stack.make({})
  for (const server of [stack.nats, stack.postgres]) yield* server.start
  const connection = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ servers: stack.natsUrl })),
    (connection) => Effect.promise(() => connection.close())
  )
  yield* EventLogJetStream.create(connection, { ...stream, replicas: 1, dedupWindow: Duration.minutes(2) })
  yield* History.publish(connection, stream, jobs)
  const events = 4 * jobs
  const settings = { NATS_URL: stack.natsUrl, DATABASE_URL: stack.databaseUrl }
  const names = ["rebuild", "events", "indexes", "switch", "at a quarter", "at half", "at the end", "most"] as const
  const values: Record<typeof names[number], Array<number>> = Object.fromEntries(
    names.map((name) => [name, []])
  ) as never
  for (let round = 0; round < rounds; round++) {
    const { isSwitched, looks, megabytes } = yield* Kills.run(settings)
    if (!isSwitched) throw new Error("the rebuild did not come to its end")
    const startOf = (phase: string) => looks.find((look) => look.phase === phase)?.second ?? 0
    const memoryAt = (share: number) => looks.find(({ done }) => done >= share * events)?.megabytes ?? 0
    values.rebuild.push(events / startOf("ended"))
    values.events.push(startOf("indexes"))
    values.indexes.push(startOf("switch") - startOf("indexes"))
    values.switch.push(startOf("ended") - startOf("switch"))
    for (const [name, share] of [["at a quarter", 0.25], ["at half", 0.5], ["at the end", 1]] as const) {
      values[name].push(memoryAt(share))
    }
    values.most.push(megabytes)
  }
  return { name: `${jobs} jobs, ${events} events`, values } satisfies Row
}, Effect.scoped)

export const run = Effect.fnUntraced(function*({ jobs = 250_000, rounds }: Options) {
  const row = yield* measured(jobs, rounds)
  return {
    title: "Rebuild",
    about:
      "A log with the events of so many creations of buckets, and `akave-async rebuild`: events a second from its first report to "
      + "the end of the switch, the seconds of each phase, and its resident memory as it goes on.",
    columns: [
      { name: "rebuild", unit: "events/s", digits: 0 },
      { name: "events", unit: "s", digits: 1 },
      { name: "indexes", unit: "s", digits: 1 },
      { name: "switch", unit: "s", digits: 1 },
      { name: "at a quarter", unit: "MB", digits: 0 },
      { name: "at half", unit: "MB", digits: 0 },
      { name: "at the end", unit: "MB", digits: 0 },
      { name: "most", unit: "MB", digits: 0 }
    ],
    rows: [row]
  } satisfies Table
})
