import { assert, describe, it } from "@effect/vitest"
import type { ServerResponse } from "node:http"
import { CallTimeout, JobFailed, JobNotFound, pollingDelays, WaitEnded } from "../src/public.ts"
import { type Asked, clientOf, failureOf, forgetful, json, problem, serve } from "./server.ts"

const idOf = (n: number) => `01a1fd96-6aed-70f8-9e47-${`${n}`.padStart(12, "0")}`

/** A gateway with jobs that end when a test says so. */
const gateway = async (
  behave: (asked: Asked, response: ServerResponse, ordinary: () => void) => void = (_, __, ordinary) => ordinary()
) => {
  const ended = new Map<string, string>()
  const streams = new Set<ServerResponse>()
  const polls = new Set<() => void>()
  let sequence = 0
  const answer = ({ headers, path }: Asked, response: ServerResponse) => {
    if (path.startsWith("/events")) {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": hello\n\n")
      streams.add(response)
      return response.on("close", () => streams.delete(response))
    }
    const [, id = ""] = /^\/jobs\/([^?]+)/.exec(path) ?? []
    const report = () => {
      const status = ended.get(id) ?? "queued"
      const etag = `"${status}"`
      return headers["if-none-match"] === etag
        ? response.writeHead(304, { etag }).end()
        : json(response, 200, { job_id: id, status, error: null }, { etag })
    }
    if (!path.includes("wait=") || ended.has(id)) return report()
    return polls.add(report)
  }
  const server = await serve((asked, response) => behave(asked, response, () => void answer(asked, response)))
  /** Ends jobs, and announces it. */
  const end = (status: string, ...ids: ReadonlyArray<string>) => {
    for (const id of ids) {
      ended.set(id, status)
      const event = { sequence: `${++sequence}`, correlationid: id, type: "akave.BucketCreated.v1" }
      for (const stream of streams) stream.write(`id: ${sequence}\ndata: ${JSON.stringify(event)}\n\n`)
    }
    for (const report of polls) report()
    polls.clear()
  }
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { ...server, end, streams, until, polls }
}
type Gateway = Awaited<ReturnType<typeof gateway>>
const asksFor = ({ asked }: Gateway, path: string) => asked.filter((one) => one.path.startsWith(path)).length

it("the stream is closed after the last wait, also where the runtime has lost its signal", async () => {
  const server = await gateway()
  const wait = clientOf(server.url, { fetch: forgetful }).jobs.wait(idOf(1))
  await server.until(() => server.streams.size === 1)
  server.end("completed", idOf(1))
  assert.strictEqual((await wait).status, "completed")
  await server.until(() => server.streams.size === 0)
})

it("a call ends in time where the runtime has lost its signal", async () => {
  const { url } = await serve(() => {})
  assert.instanceOf(
    await failureOf(clientOf(url, { fetch: forgetful }).jobs.get(idOf(1), { timeout: 50 })),
    CallTimeout
  )
})

it("a stream goes on behind the id that the gateway gave, whatever the event's sequence is", async () => {
  const event = (sequence: number) => JSON.stringify({ sequence: `${sequence}`, type: "akave.BucketCreated.v1" })
  const server = await serve(({ headers }, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    const next = headers["last-event-id"] === undefined ? 7 : 8
    response.end(`id: ${next}.2\ndata: ${event(next)}\n\n`)
  })
  const seen: Array<string> = []
  for await (const { sequence } of clientOf(server.url).events.follow()) {
    seen.push(sequence)
    if (seen.length === 3) break
  }
  assert.deepStrictEqual(seen, ["7", "8", "8"])
  assert.deepStrictEqual(server.asked.map(({ headers }) => headers["last-event-id"]), [undefined, "7.2", "8.2"])
})

describe("waits by a stream", () => {
  it("share one, and end with their jobs", async () => {
    const server = await gateway()
    const client = clientOf(server.url)
    const ids = Array.from({ length: 100 }, (_, n) => idOf(n))
    const waits = Promise.all(ids.map((id) => client.jobs.wait(id)))
    await server.until(() => server.streams.size === 1 && asksFor(server, "/jobs") >= 200)
    server.end("completed", ...ids)
    assert.isTrue((await waits).every(({ status }) => status === "completed"))
    assert.strictEqual(asksFor(server, "/events"), 1)
    assert.strictEqual(asksFor(server, "/jobs"), 300)
    await server.until(() => server.streams.size === 0)
  })

  it("go on after the stream has broken, and after the gateway was away", async () => {
    let isAway = false
    const server = await gateway((_, response, ordinary) => isAway ? response.socket?.destroy() : ordinary())
    const wait = clientOf(server.url).jobs.wait(idOf(1))
    await server.until(() => server.streams.size === 1)
    isAway = true
    for (const stream of server.streams) stream.destroy()
    await server.until(() => server.asked.length > 10)
    isAway = false
    server.end("completed", idOf(1))
    assert.strictEqual((await wait).status, "completed")
  })

  it("give jobs that have ended before, at once", async () => {
    const server = await gateway()
    server.end("failed", idOf(1))
    assert.strictEqual((await clientOf(server.url).jobs.wait(idOf(1))).status, "failed")
  })

  it("look again where another gateway, which is asked, does not know yet of the end", async () => {
    let isBehind = true
    const server = await gateway(({ path }, response, ordinary) =>
      path.startsWith("/jobs") && isBehind ? json(response, 200, { job_id: idOf(1), status: "processing" }) : ordinary()
    )
    const wait = clientOf(server.url).jobs.wait(idOf(1))
    await server.until(() => server.streams.size === 1 && asksFor(server, "/jobs") === 2)
    server.end("completed", idOf(1))
    await server.until(() => asksFor(server, "/jobs") > 5)
    isBehind = false
    assert.strictEqual((await wait).status, "completed")
  })

  it("report each change, to who wants to see them", async () => {
    const server = await gateway()
    const seen: Array<string> = []
    const wait = clientOf(server.url).jobs.wait(idOf(1), { onChange: ({ status }) => seen.push(status) })
    await server.until(() => server.streams.size === 1 && seen.length === 1)
    server.end("completed", idOf(1))
    await wait
    assert.deepStrictEqual(seen, ["queued", "completed"])
  })
})

describe("where no stream is to be had, waits", () => {
  const withoutStream = (_: Asked, response: ServerResponse) => problem(response, 406, "not_acceptable")

  it("ask by long polls, which name what they know", async () => {
    const server = await gateway((asked, response, ordinary) =>
      asked.path.startsWith("/events") ? withoutStream(asked, response) : ordinary()
    )
    const wait = clientOf(server.url).jobs.wait(idOf(1))
    await server.until(() => server.polls.size === 1)
    server.end("completed", idOf(1))
    assert.strictEqual((await wait).status, "completed")
    const poll = server.asked.find(({ path }) => path.includes("?wait=25"))
    assert.strictEqual(poll?.headers["if-none-match"], "\"queued\"")
  })

  it("take a page of a proxy for no stream", async () => {
    const server = await gateway((asked, response, ordinary) =>
      asked.path.startsWith("/events")
        ? void response.writeHead(200, { "content-type": "text/html" }).end("<h1>sign in")
        : ordinary()
    )
    const wait = clientOf(server.url).jobs.wait(idOf(1))
    await server.until(() => server.polls.size === 1)
    server.end("completed", idOf(1))
    assert.strictEqual((await wait).status, "completed")
  })

  it("ask again and again where long polls are refused", async () => {
    const server = await gateway((asked, response, ordinary) =>
      asked.path.startsWith("/events")
        ? withoutStream(asked, response)
        : asked.path.includes("wait=")
        ? problem(response, 400, "invalid_request")
        : ordinary()
    )
    const wait = clientOf(server.url).jobs.wait(idOf(1))
    await server.until(() => asksFor(server, "/jobs") > 8)
    server.end("completed", idOf(1))
    assert.strictEqual((await wait).status, "completed")
    assert.strictEqual(server.asked.filter(({ path }) => path.includes("wait=")).length, 1)
  })

  it("ask at these times", () => assert.deepStrictEqual(pollingDelays, [300, 450, 700, 900, 650, 1600, 2000]))
})

describe("a wait ends without the job's end", () => {
  it.each([["the connection breaks", undefined], ["408", 408], ["429", 429], ["500", 500], ["503", 503]] as const)(
    "after 30 failures in a row: %s",
    async (_, status) => {
      let failures = 0
      const server = await gateway((asked, response) => {
        if (asked.path.startsWith("/jobs")) failures++
        return status === undefined ? response.socket?.destroy() : problem(response, status, "x")
      })
      const error = await failureOf(clientOf(server.url).jobs.wait(idOf(1)))
      assert.instanceOf(error, WaitEnded)
      assert.include(error, { jobId: idOf(1), command: `akave-async job wait ${idOf(1)}` })
      assert.strictEqual(failures, 30)
    }
  )

  it("when its time is over, or its signal is aborted", async () => {
    const server = await gateway()
    const client = clientOf(server.url)
    const late = await failureOf(client.jobs.wait(idOf(1), { timeout: 30 }))
    assert.instanceOf(late, WaitEnded)
    assert.include(late.message, `akave-async job wait ${idOf(1)}`)
    const controller = new AbortController()
    const wait = failureOf(client.jobs.wait(idOf(1), { signal: controller.signal }))
    controller.abort(new Error("enough"))
    const aborted = await wait
    assert.instanceOf(aborted, WaitEnded)
    assert.strictEqual((aborted.cause as Error).message, "enough")
  })

  it("at once, where there is no such job", async () => {
    const server = await gateway(({ path }, response, ordinary) =>
      path.startsWith("/jobs") ? problem(response, 404, "job_not_found") : ordinary()
    )
    assert.instanceOf(await failureOf(clientOf(server.url).jobs.wait(idOf(1))), JobNotFound)
    assert.strictEqual(asksFor(server, "/jobs"), 1)
  })
})

it("creating a bucket fails with the job, where that fails", async () => {
  const server = await gateway(({ method }, response, ordinary) =>
    method === "POST" ? json(response, 202, { job_id: idOf(1), status: "queued" }) : ordinary()
  )
  server.end("failed", idOf(1))
  const error = await failureOf(clientOf(server.url).createBucket("name"))
  assert.instanceOf(error, JobFailed)
  assert.strictEqual((error as unknown as JobFailed).job.job_id, idOf(1))
})
