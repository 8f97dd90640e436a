/** What a running stack reports, held against all that reads it: rules, dashboard and the guide to monitoring. */
import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import type * as Stack from "@akave-async/local/Stack"
import * as Receiver from "@akave-async/notifier/test/Receiver"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { JsonRpcProvider, parseEther, toBeHex, Wallet } from "ethers"
import { createBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as Observability from "../support/Observability.ts"
import * as Promql from "../support/Promql.ts"
import * as RawHttp from "../support/RawHttp.ts"
import * as SharedStack from "../support/SharedStack.ts"
import * as Webhooks from "../support/Webhooks.ts"

let stack: Stack.Stack
let gateway: string
const wallet = Wallet.createRandom()
SharedStack.use({
  privateKey: Redacted.make(wallet.privateKey),
  counts: { executor: 2, notifier: 1 },
  env: {
    executor: { JOB_DEADLINE: "6 seconds", EXECUTOR_MAX_IN_FLIGHT: "400" },
    devnet: { DEVNET_GAS_LIMIT: "100000000" }
  }
}, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

/** Series that no service may have more of. */
const mostSeries = 700
/** Jobs that are asked for before each of two looks, in batches of as many as may be. */
const [someJobs, manyJobs] = [1_000, 9_000]
const batchSize = 1_000

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}
interface Scrape {
  readonly job: string
  readonly text: string
  readonly types: ReadonlyMap<string, string>
  readonly series: ReadonlyArray<Series>
}

const seriesOf = (line: string): Series => {
  const [, name = "", braces = ""] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? assert.fail(line)
  return {
    name,
    labels: Object.fromEntries(Array.from(braces.matchAll(/(\w+)="([^"]*)"/g), ([, label, value]) => [label, value]))
  }
}

/** What each instance of each service reports now. */
const scrape = Effect.suspend(() =>
  Effect.forEach(
    stack.services.flatMap(({ metricsUrl, process }) =>
      metricsUrl === undefined ? [] : [{ metricsUrl, name: process.name }]
    ),
    ({ metricsUrl, name }) =>
      Effect.map(request(metricsUrl), ({ body: text }): Scrape => ({
        job: name.replace(/-\d+$/, ""),
        text,
        types: new Map(Array.from(text.matchAll(/^# TYPE (\w+) (\w+)$/gm), ([, metric, type]) => [metric, type])),
        series: text.split("\n").filter((line: string) => /^\w/.test(line)).map(seriesOf)
      }))
  )
)

/** Waits until every job has ended. */
const allEnded = Effect.forEach(["queued", "processing"], (status) =>
  eventually(
    Effect.suspend(() => request(`${gateway}/jobs?status=${status}&limit=1`)),
    ({ body }) => body.jobs?.length === 0
  ), { discard: true })

/** Asks for buckets, and waits for the end of all of them. */
const createMany = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  for (let n = 0; n < names.length; n += batchSize) {
    const body = JSON.stringify({ names: names.slice(n, n + batchSize) })
    assert.strictEqual((yield* request(`${gateway}/buckets/batch`, { method: "POST", body })).body.refused, 0)
  }
  yield* allEnded
})

/** Requests that nothing serves, each with something of its own in path, query or method. */
const oddities = Effect.forEach(Array.from({ length: 50 }, (_, n) => n), (n) =>
  Effect.gen(function*() {
    yield* request(`${gateway}/nothing/${freshName()}?${freshName()}=1`)
    yield* request(`${gateway}/buckets/${freshName()}`)
    yield* request(`${gateway}/jobs/${freshName()}`)
    yield* request(`${gateway}/buckets/${freshName()}`, { method: ["PATCH", "PURGE", "PROPFIND"][n % 3] ?? "PATCH" })
    yield* Effect.promise(() => RawHttp.exchange(gateway, `ODD${n} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`))
  }), { discard: true, concurrency: 5 })

const setBalance = (ether: string) =>
  Effect.promise(() =>
    new JsonRpcProvider(stack.rpcUrl, undefined, { staticNetwork: true }).send("anvil_setBalance", [
      stack.ownerAddress,
      toBeHex(parseEther(ether))
    ])
  )

/** Appends an event to the subject of a bucket. */
const append = Effect.fnUntraced(function*(name: string, type: string) {
  const log = yield* Log.open(stack.natsUrl)
  const subject = Bucket.subject(Address.make(stack.ownerAddress), BucketName.make(name))
  yield* log.append(subject, { revision: 0 }, {
    id: `${type}-${name}`,
    headers: { "ce-type": type },
    data: Uint8Array.of(255)
  })
}, Effect.scoped)

/** A webhook that is sent a test, and hardly anything else. */
const notified = Effect.gen(function*() {
  const send = Webhooks.anonymous(gateway)
  const receiver = yield* Receiver.start
  const { path } = yield* Webhooks.register(send, receiver.url, { event_types: ["akave.BucketDeleted.v1"] })
  yield* send(`${path}/test`, { method: "POST" })
  yield* eventually(send(`${path}/deliveries?outcome=succeeded`), ({ body }) => body.deliveries.length === 1)
}).pipe(Effect.scoped)

/** All that makes a series: an end of each kind, what can't be processed, what is refused, and what is followed. */
const everything = Effect.gen(function*() {
  yield* notified
  // The wallet holds nothing yet.
  const { body: failing } = yield* createBucket(gateway, freshName())
  const { body: failed } = yield* ended(gateway, failing.job_id)
  assert.deepInclude(failed, { status: "failed" })
  yield* setBalance("1000")
  const { body: created } = yield* createBucket(gateway, freshName())
  const { body: completed } = yield* ended(gateway, created.job_id)
  assert.deepInclude(completed, { status: "completed" })

  const file = `${gateway}/buckets/${created.bucket_name}/files/a`
  const { body: upload } = yield* request(file, { method: "PUT", body: "Hello." })
  assert.deepInclude((yield* ended(gateway, upload.job_id)).body, { status: "completed" })

  const unreadable = freshName()
  yield* append(unreadable, "akave.BucketRequested.v1")
  yield* eventually(request(`${gateway}/dead-letters`), ({ body }) => body.dead_letters.length > 0)
  const newer = freshName()
  yield* append(newer, "akave.BucketRenameRequested.v1")
  assert.strictEqual((yield* createBucket(gateway, newer)).status, 503)

  const waiting = { method: "POST", headers: { prefer: "wait=30" }, body: JSON.stringify({ name: freshName() }) }
  assert.strictEqual((yield* request(`${gateway}/buckets`, waiting)).status, 201)
  yield* request(`${gateway}/health/ready`)
  yield* Effect.promise(() =>
    RawHttp.exchange(gateway, "GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
  )
  return [completed, failed]
})

let jobs: ReadonlyArray<{ readonly job_id: string; readonly bucket_name: string; readonly tx_hash: string | null }>
beforeAll(async () => {
  jobs = await Effect.runPromise(everything)
})

/** The series of a service's metric, whichever of its instances has them. */
const selected = (scrapes: ReadonlyArray<Scrape>, selector: Promql.Selector, service: string) =>
  scrapes.filter(({ job }) => job === service).flatMap(({ series }) => series).filter(({ labels, name }) =>
    name === selector.metric && Promql.matches(selector, { ...labels, job: service })
  )

describe("rules and dashboard", () => {
  it.live("ask for series that there are, of the services that have them", () =>
    Effect.gen(function*() {
      const scrapes = yield* scrape
      for (const [where, query] of Observability.queries) {
        for (const selector of Promql.selectors(query)) {
          if (Observability.ownMetrics.has(selector.metric) || Observability.recorded.has(selector.metric)) continue
          // Errors are not to be had for the asking: only their label is looked at.
          const matchers = selector.matchers.filter(({ label, value }) => !(label === "outcome" && value === "error"))
          for (const job of Observability.jobsOf(selector)) {
            const found = selected(scrapes, { metric: selector.metric, matchers }, job)
            assert.isNotEmpty(found, `${where}: ${selector.metric} of ${job}`)
            for (const { label } of selector.matchers) {
              if (label !== "job") assert.property(found[0]?.labels, label, `${where}: ${selector.metric} of ${job}`)
            }
          }
        }
      }
    }))
})

describe("the guide to monitoring", () => {
  it.live("lists every metric of every service, with its type and labels, and no other", () =>
    Effect.gen(function*() {
      const scrapes = yield* scrape
      const listed = Observability.documented.flatMap(({ labels, name, services, type }) =>
        services.map((job) => `${job} ${name} ${type} ${labels.toSorted().join(" ")}`)
      )
      const found = scrapes.flatMap(({ job, series, types }) =>
        Array.from(types, ([name, type]) => {
          const own = series.filter((one) =>
            one.name === name || (type === "histogram" && one.name === `${name}_count`)
          )
          return own.map(({ labels }) => `${job} ${name} ${type} ${Object.keys(labels).toSorted().join(" ")}`)
        }).flat()
      )
      assert.deepStrictEqual([...new Set(found)].toSorted(), listed.toSorted())
    }))
})

describe("the series", () => {
  it.live("stay few, and do not grow with what is asked for", () =>
    Effect.gen(function*() {
      const keysOf = (scrapes: ReadonlyArray<Scrape>) =>
        scrapes.map(({ job, series }) => ({ job, keys: series.map((one) => JSON.stringify(one)).toSorted() }))
      const names = (count: number) => Array.from({ length: count }, (_, n) => `many-${count}-${n}`)
      yield* createMany(names(someJobs))
      yield* oddities
      const first = keysOf(yield* scrape)
      yield* createMany(names(manyJobs))
      yield* oddities
      const second = keysOf(yield* scrape)
      for (const [n, { job, keys }] of second.entries()) {
        console.info(`${job}: ${keys.length} series`)
        assert.isAtMost(keys.length, mostSeries, job)
        // Whatever the number of jobs, a method is called, a call fails and a delivery comes again only now and then.
        const isRare = (key: string) => /"rpc_method"|"outcome":"(error|again|failed)"|"redelivered":"true"/.test(key)
        assert.deepStrictEqual(keys.filter((key) => !first[n]?.keys.includes(key) && !isRare(key)), [], job)
      }
    }))

  it.live("hold no job, no bucket and no secret", () =>
    Effect.gen(function*() {
      const names = [
        ...jobs.flatMap(({ bucket_name, job_id }) => [bucket_name, job_id]),
        `many-${someJobs}-7`,
        "bucket-",
        "nothing/"
      ]
      const hidden = [...names, wallet.privateKey.slice(2), "postgres://", "PURGE", "ODD1"]
      for (const { job, text } of yield* scrape) {
        for (const word of hidden) assert.notInclude(text, word, job)
        assert.notMatch(text, /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/, job)
        assert.notMatch(text, /0x[0-9a-fA-F]{64}/, job)
      }
    }))
})
