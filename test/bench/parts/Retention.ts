/** What a log costs the NATS server, and what it costs when nine of ten aggregates have ended and were taken out. */
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import * as Stack from "@akave-async/local/Stack"
import { jetstreamManager } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Duration, Effect } from "effect"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import * as History from "../History.ts"
import type { Options } from "../Options.ts"
import * as Processes from "../Processes.ts"
import type { Row, Table } from "../Table.ts"

const options = {
  stream: "AKAVE_EVENTS",
  prefix: "akave.events",
  replicas: 1,
  dedupWindow: Duration.minutes(2),
  isPurgeable: true
}
/** Subjects that are purged at the same time. */
const atOnce = 64

const bytesOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .reduce((sum, { name, parentPath }) => sum + statSync(join(parentPath, name)).size, 0)

const connected = (stack: Stack.Stack) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ servers: stack.natsUrl })),
    (connection) => Effect.promise(() => connection.close())
  )

/** What the server has, after it was started again: memory, disk, and how long the start took. */
const look = Effect.fnUntraced(function*(stack: Stack.Stack, name: string) {
  yield* stack.nats.stop
  const disk = bytesOf(join(stack.dataDir, "nats"))
  const begun = performance.now()
  yield* stack.nats.start
  const { state } = yield* Effect.scoped(
    Effect.flatMap(
      connected(stack),
      (connection) => Effect.promise(async () => (await jetstreamManager(connection)).streams.info(options.stream))
    )
  )
  return {
    name,
    values: {
      events: [state.messages],
      subjects: [state.num_subjects ?? 0],
      memory: [Processes.memory(stack, "nats")],
      disk: [disk / 1e6],
      start: [(performance.now() - begun) / 1000]
    }
  } satisfies Row
})

/** Takes nine of ten subjects out, as the command does, and gives how long that took in seconds. */
const takeOut = Effect.fnUntraced(function*(connection: NatsConnection) {
  const manager = yield* Effect.promise(() => jetstreamManager(connection))
  const { state } = yield* Effect.promise(() =>
    manager.streams.info(options.stream, { subjects_filter: `${options.prefix}.>` })
  )
  const subjects = Object.keys(state.subjects ?? {}).filter((_, n) => n % 10 !== 0)
  const begun = performance.now()
  yield* Effect.forEach(
    subjects,
    (filter) => Effect.promise(() => manager.streams.purge(options.stream, { filter })),
    { concurrency: atOnce, discard: true }
  )
  return (performance.now() - begun) / 1000
})

export const run = Effect.fnUntraced(function*({ jobs = 250_000 }: Options) {
  const stack = yield* Stack.make({})
  yield* stack.nats.start
  yield* Effect.scoped(Effect.gen(function*() {
    const connection = yield* connected(stack)
    yield* EventLogJetStream.create(connection, options)
    yield* History.publish(connection, options, jobs)
  }))
  const before = yield* look(stack, "all")
  const seconds = yield* Effect.scoped(Effect.flatMap(connected(stack), takeOut))
  const after = yield* look(stack, "nine of ten taken out")
  return {
    title: "Retention",
    about:
      "A NATS server with a log of jobs of four events each, every job on a subject of its own, started on it: memory, disk, and the time until it answers for the stream. Then nine of ten subjects are taken out.",
    columns: [
      { name: "events", unit: "", digits: 0 },
      { name: "subjects", unit: "", digits: 0 },
      { name: "memory", unit: "MB", digits: 0 },
      { name: "disk", unit: "MB", digits: 0 },
      { name: "start", unit: "s", digits: 1 },
      { name: "taking out", unit: "s", digits: 0 }
    ],
    rows: [before, { ...after, values: { ...after.values, "taking out": [seconds] } }]
  } satisfies Table
})
