/** Files through a gateway: what they leave of it for others, how fast they are staged, and how fast executors store them. */
import * as Stack from "@akave-async/local/Stack"
import { Effect, Fiber } from "effect"
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Client from "../../files/Client.ts"
import * as Content from "../../files/Content.ts"
import * as Files from "../../support/Files.ts"
import { ended } from "../../support/Gateway.ts"
import * as Load from "../Load.ts"
import type { Options } from "../Options.ts"
import type { Row, Table } from "../Table.ts"

/** Bytes of a file that is staged and stored alone, of each of those that are stored at once, and of those that stream in. */
const [large, small, streamed] = [1_000_000_000, 16_000_000, 100 * 1_048_576]
const [smallAtOnce, streamedAtOnce] = [20, 10]
/** Connections that ask for buckets. */
const connections = 10

const url = (stack: Stack.Stack, bucket: string, name: string, query = "") =>
  `${stack.gatewayUrl}${Files.pathOf(bucket, name)}${query}`

/** Sends a file; gives its job, and the megabytes a second. */
const sent = Effect.fnUntraced(function*(at: string, number: number, size: number) {
  const begun = performance.now()
  const jobId = yield* Client.upload(() => ({ url: at, size, bytes: Content.bytesOf(number, size) }))
  return { jobId, speed: size / 1e3 / (performance.now() - begun) }
})

/** What the disk takes of one file that is written and brought to it, in megabytes a second. */
const diskSpeed = (folder: string) =>
  Effect.promise(async () => {
    const path = join(folder, "written")
    const begun = performance.now()
    const file = openSync(path, "w")
    for await (const piece of Content.bytesOf(0, large)) writeSync(file, piece)
    fsyncSync(file)
    closeSync(file)
    const speed = large / 1e3 / (performance.now() - begun)
    rmSync(path)
    return speed
  })

type Add = (name: string, measures: Readonly<Record<string, number>>) => void

/** How requests for buckets are answered while nothing streams in, and while files do. */
const accepting = Effect.fnUntraced(
  function*(stack: Stack.Stack, bucket: string, round: number, millis: number, add: Add) {
    const ask = Effect.promise(() => Load.run({ url: stack.gatewayUrl }, connections, millis))
    const alone = yield* ask
    let bytes = 0
    const streams = yield* Effect.forkChild(Effect.forEach(
      Array.from({ length: streamedAtOnce }, (_, n) => n),
      (n) =>
        Effect.forever(Effect.suspend(() => {
          const name = `streamed ${round} ${n} ${bytes}`
          const counted = Content.bytesOf(n, streamed, (given) => bytes += Math.min(given, 1_048_576))
          return Client.put({ url: url(stack, bucket, name), size: streamed, bytes: counted })
        })),
      { concurrency: "unbounded" }
    ))
    const begun = performance.now()
    const beside = yield* ask
    const speed = bytes / 1e3 / (performance.now() - begun)
    yield* Fiber.interrupt(streams)
    add("requests for buckets, alone", { "requests/s": alone.perSecond, p50: alone.p50, p99: alone.p99 })
    add(`beside ${streamedAtOnce} uploads`, {
      "requests/s": beside.perSecond,
      p50: beside.p50,
      p99: beside.p99,
      speed
    })
  }
)

/** How fast a file is staged, as it is and encrypted. */
const staging = Effect.fnUntraced(function*(stack: Stack.Stack, bucket: string, round: number, add: Add) {
  add("disk, 1 GB written and synced", { speed: yield* diskSpeed(stack.dataDir) })
  for (const encryption of ["none", "account"]) {
    const at = url(stack, bucket, `staged ${encryption} ${round}`, `?encryption=${encryption}`)
    const { speed } = yield* sent(at, 0, large)
    add(`1 GB staged${encryption === "none" ? "" : ", encrypted"}`, { speed })
  }
})

/** How fast executors store what is staged. */
const storing = Effect.fnUntraced(function*(stack: Stack.Stack, bucket: string, round: number, add: Add) {
  const stored = Effect.fnUntraced(function*(name: string, count: number, size: number) {
    const jobs = yield* Effect.forEach(
      Array.from({ length: count }, (_, n) => n),
      (n) => Effect.map(sent(url(stack, bucket, `${name} ${round} ${n}`), n, size), ({ jobId }) => jobId),
      { concurrency: "unbounded" }
    )
    const ends = yield* Effect.forEach(jobs, (id) => Effect.retry(ended(stack.gatewayUrl, id), { times: 20 }), {
      concurrency: "unbounded"
    })
    if (ends.some(({ body }) => body.status !== "completed")) throw new Error(`${name} was not stored`)
    const at = (texts: ReadonlyArray<string>) => texts.map((text) => Date.parse(text))
    // From when the last was staged: those before it are on their way by then.
    const begun = at(ends.map(({ body }) => body.created_at))
    const done = at(ends.map(({ body }) => body.updated_at))
    return count * size / 1e3 / (Math.max(...done) - Math.min(...begun))
  })
  add("1 GB, from staged to committed", { speed: yield* stored("large", 1, large) })
  add(`${smallAtOnce} of ${small / 1e6} MB at once`, { speed: yield* stored("small", smallAtOnce, small) })
})

export const run = Effect.fnUntraced(function*({ executors = 1, millis, rounds }: Options) {
  const values = new Map<string, Record<string, Array<number>>>()
  const add: Add = (name, measures) => {
    const row = values.get(name) ?? {}
    for (const [key, value] of Object.entries(measures)) row[key] = [...row[key] ?? [], value]
    values.set(name, row)
  }
  yield* Effect.scoped(Effect.gen(function*() {
    const stack = yield* Stack.started({ counts: { executor: 1 } })
    const bucket = yield* Files.bucket(stack.gatewayUrl)
    // What executors do on the same cores is measured by itself.
    yield* stack.executor(0).stop
    for (let round = 0; round < rounds; round++) {
      yield* accepting(stack, bucket, round, millis, add)
      yield* staging(stack, bucket, round, add)
    }
  }))
  yield* Effect.scoped(Effect.gen(function*() {
    const env = { devnet: { DEVNET_BLOCK_TIME: "0.25" } }
    const stack = yield* Stack.started({ counts: { executor: executors }, env })
    const bucket = yield* Files.bucket(stack.gatewayUrl)
    for (let round = 0; round < rounds; round++) yield* storing(stack, bucket, round, add)
  }))
  return {
    title: "Uploads",
    about:
      `Requests for buckets over ${connections} connections, without and with ${streamedAtOnce} files of 100 MiB streaming in as fast as the gateway takes them; `
      + "a file of 1 GB taken in, beside what the disk takes of the same bytes; and files stored on a devnet with a block every quarter "
      + "of a second, coded with 16 blocks of parity. Client, gateway, executor and network share the cores. MB/s are those of the files.",
    columns: [
      { name: "requests/s", unit: "", digits: 0 },
      { name: "p50", unit: "ms", digits: 2 },
      { name: "p99", unit: "ms", digits: 2 },
      { name: "speed", unit: "MB/s", digits: 1 }
    ],
    rows: Array.from(values, ([name, values]): Row => ({ name, values }))
  } satisfies Table
})
