/** The client library with a gateway that has accounts, through what becomes of connections on their way. */
import * as Resources from "@akave-async/api/Resources"
import { AkaveAsync } from "@akave-async/client/effect"
import {
  createClient,
  type Event,
  Forbidden,
  type Job,
  JobNotCancellable,
  type LocalClient
} from "@akave-async/client/index"
import * as Ports from "@akave-async/local/Ports"
import type * as Stack from "@akave-async/local/Stack"
import * as Receiver from "@akave-async/notifier/test/Receiver"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Schema, type Scope, Stream } from "effect"
import { createServer, request as forward } from "node:http"
import { beforeAll } from "vitest"
import * as Accounts from "../support/Accounts.ts"
import { eventually, freshName, request } from "../support/Gateway.ts"
import * as Leaks from "../support/Leaks.ts"
import * as SharedStack from "../support/SharedStack.ts"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
SharedStack.use({
  counts: { notifier: 1 },
  env: { gateway: { MASTER_SECRET: masterSecret }, notifier: { NOTIFIER_ACK_WAIT: "2 seconds" } }
}, (started) => {
  stack = started
})

let secretKey = ""
/** The settings of a client that signs its requests. */
const signing = () => ({ publicKey: `aag_pk_${secretKey.split("_")[2]}`, secretKey })
beforeAll(() =>
  Effect.runPromise(Effect.gen(function*() {
    const admin = yield* Accounts.init("operator", Accounts.settingsOf(stack, masterSecret))
    const send = Accounts.withKey(stack.gatewayUrl, admin)
    yield* eventually(send("/account"), ({ status }) => status === 200)
    secretKey = yield* Accounts.open(send, "client", {
      owner: stack.ownerAddress,
      limits: { requests_per_second: 10_000, jobs_in_flight: 10_000 }
    })
    yield* eventually(Accounts.withKey(stack.gatewayUrl, secretKey)("/account"), ({ status }) => status === 200)
  }))
)

const collected = async <A>(values: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const value of values) all.push(value)
  return all
}
const isJob = Schema.is(Schema.toCodecJson(Resources.JobResource).pipe(Schema.toEncoded))

describe.each<[string, () => LocalClient]>([
  ["signs its requests", () => createClient({ url: stack.gatewayUrl, ...signing() })],
  ["sends its key", () => createClient({ url: stack.gatewayUrl, apiKey: secretKey })]
])("a client that %s", (_, make) => {
  it("creates, finds, follows, lists and deletes a bucket", async () => {
    const akave = make()
    const name = freshName()
    const seen: Array<string> = []
    const created = await akave.createBucket(name, { onChange: ({ status }) => seen.push(status) })
    assert.include(created, { status: "completed", bucket_name: name, operation: "bucket.create" })
    assert.isTrue(isJob(created))
    assert.strictEqual(seen.at(-1), "completed")
    assert.strictEqual((await akave.buckets.get(name)).job_id, created.job_id)
    const events = await collected(akave.jobs.events(created.job_id))
    assert.deepStrictEqual(events.map(({ type }: Event) => type.split(".")[1]), [
      "BucketRequested",
      "BucketStarted",
      "BucketSubmitted",
      "BucketCreated"
    ])
    const jobs = await collected(akave.jobs.list({ bucket: name, limit: 1 }))
    assert.deepStrictEqual(jobs.map((job: Job) => job.job_id), [created.job_id])
    const names = (await collected(akave.buckets.list({ limit: 1 }))).map((bucket) => bucket.name)
    assert.include(names, name)
    assert.strictEqual((await akave.buckets.delete(name)).operation, "bucket.delete")
    assert.strictEqual((await akave.account.get()).account, "client")
    const refused = await akave.accounts.get("client").catch((error: unknown) => error)
    assert.instanceOf(refused, Forbidden)
  })

  it("asks for any operation by its name, and finds that a job that has ended can't be cancelled", async () => {
    const akave = make()
    const job = await akave.submit("bucket.create", { name: freshName() })
    assert.strictEqual((await akave.jobs.wait(job.job_id)).status, "completed")
    const refused = await akave.jobs.cancel(job.job_id).catch((error: unknown) => error)
    assert.instanceOf(refused, JobNotCancellable)
  })

  it("gets one job of a request that it makes again with the same key", async () => {
    const [akave, name] = [make(), freshName()]
    const asked = [1, 2].map(() => akave.submitBucket(name, { idempotencyKey: `key-of-${name}` }))
    const [one, two] = await Promise.all(asked)
    assert.strictEqual(one?.job_id, two?.job_id)
  })
})

/** How many streams are open at the gateway. */
const streams = Effect.suspend(() => {
  const { metricsUrl = "" } = stack.services.find(({ process }) => process.name === "gateway") ?? {}
  return Effect.map(request(metricsUrl), ({ body }) => Number(/^akave_gateway_streams (\d+)$/m.exec(`${body}`)?.[1]))
})
const untilStreams = (count: number) =>
  Effect.repeat(streams, { until: (now) => now === count, schedule: Schedule.spaced("50 millis") })

it.live("the Effect flavour does the same, and an interruption ends its connection", () =>
  Effect.suspend(() =>
    Effect.gen(function*() {
      const akave = yield* AkaveAsync
      const job = yield* akave.createBucket(freshName())
      const events = yield* Stream.runCollect(akave.jobs.events(job.job_id))
      assert.strictEqual(events.length, 4)
      // Signed within the same second, it would be the first request again.
      const second = (time: string | number) => Math.floor(new Date(time).getTime() / 1_000)
      yield* Effect.repeat(Effect.sync(() => second(Date.now())), {
        until: (now) => now > second(job.created_at),
        schedule: Schedule.spaced("20 millis")
      })
      const again = yield* Effect.flip(akave.createBucket(job.bucket_name))
      assert.strictEqual(again._tag, "BucketExists")
      yield* untilStreams(0)
      const following = yield* Effect.forkChild(Stream.runDrain(akave.events.follow()))
      yield* untilStreams(1)
      yield* Fiber.interrupt(following)
      yield* untilStreams(0)
    }).pipe(Effect.provide(AkaveAsync.layer({ url: stack.gatewayUrl, ...signing() })))
  ))

/** A proxy before the gateway that refuses some paths. */
const proxy = (refuses: (path: string) => boolean): Effect.Effect<string, Ports.NoFreePort, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* Ports.free
    const { hostname, port: to } = new URL(stack.gatewayUrl)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const server = createServer((asked, response) => {
          const path = asked.url ?? ""
          if (refuses(path)) return void response.writeHead(400, { "content-type": "text/html" }).end("<h1>no")
          asked.pipe(forward({ hostname, port: to, path, method: asked.method, headers: asked.headers }, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(response)
          }))
        })
        return server.listen(port, Ports.host)
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    )
    return `http://${Ports.host}:${port}`
  })

it.live.each(
  [
    ["streams", (path: string) => path === "/events"],
    ["streams and long polls", (path: string) => path === "/events" || path.includes("wait=")]
  ] as const
)("waits end behind a proxy that refuses %s", ([, refuses]) =>
  Effect.gen(function*() {
    const akave = createClient({ url: yield* proxy(refuses), ...signing() })
    const jobs = yield* Effect.promise(() => Promise.all([1, 2, 3].map(() => akave.createBucket(freshName()))))
    assert.deepStrictEqual(jobs.map(({ status }) => status), ["completed", "completed", "completed"])
  }).pipe(Effect.scoped))

it.live("a thousand waits end right and a thousand deliveries arrive, though all that takes part is killed meanwhile", () =>
  Effect.gen(function*() {
    const akave = createClient({ url: stack.gatewayUrl, ...signing() })
    const receiver = yield* Receiver.start
    const event_types = ["akave.BucketCreated.v1"] as const
    const { secret } = yield* Effect.promise(() => akave.webhooks.register({ url: receiver.url, event_types }))
    Leaks.register(secret)
    const names = Array.from({ length: 1_000 }, freshName)
    const { answers } = yield* Effect.promise(() => akave.buckets.submitAll({ names }))
    const ids = answers.flatMap(({ job }) => job?.job_id ?? [])
    assert.lengthOf(ids, 1_000)
    const waits = Effect.promise(() => Promise.all(ids.map((id) => akave.jobs.wait(id, { timeout: 120_000 }))))
    const killed = Effect.gen(function*() {
      for (const process of [stack.gateway(0), stack.notifier(0), stack.nats, stack.notifier(0), stack.gateway(0)]) {
        yield* Effect.sleep("700 millis")
        yield* process.kill("SIGKILL")
        yield* process.start
      }
    })
    const [jobs] = yield* Effect.all([waits, killed], { concurrency: 2 })
    assert.deepStrictEqual([...new Set(jobs.map(({ status }) => status))], ["completed"])
    assert.deepStrictEqual(jobs.map(({ job_id }) => job_id), ids)

    const arrived = () => new Set(receiver.received.map(({ body }) => JSON.parse(body).correlationid))
    yield* Effect.repeat(Effect.sync(arrived), {
      until: (found) => ids.every((id) => found.has(id)),
      schedule: Schedule.spaced("100 millis")
    })
    const [first] = receiver.received
    const event = yield* Effect.promise(() => akave.webhooks.verify(first?.body ?? "", first?.headers ?? {}, secret))
    assert.strictEqual(event.type, event_types[0])
    // What came more than once came under one id.
    const messages = new Set(receiver.received.map(({ headers }) => headers["webhook-id"]))
    assert.strictEqual(messages.size, 1_000)
  }).pipe(Effect.scoped))
