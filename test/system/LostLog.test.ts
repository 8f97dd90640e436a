/** nats-server comes back without its data: everything waits, nothing is made anew, and goes on when the data is back. */
import * as Ports from "@akave-async/local/Ports"
import * as Stack from "@akave-async/local/Stack"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { createBucket, ended, eventually, freshName, tryRequest } from "../support/Gateway.ts"
import { deleteStream, streamsOn } from "../support/Nats.ts"
import * as TestStack from "../support/TestStack.ts"

it.live("an emptied event log stops everything and is not made anew, and all goes on when its data is put back", () =>
  Effect.gen(function*() {
    const [projectorPort, executorPort] = [yield* Ports.free, yield* Ports.free]
    const stack = yield* TestStack.started({
      env: { projector: { HEALTH_PORT: `${projectorPort}` }, executor: { HEALTH_PORT: `${executorPort}` } }
    })
    const readiness = {
      gateway: `${stack.gatewayUrl}/health/ready`,
      executor: `http://${Ports.host}:${executorPort}/health/ready`,
      projector: `http://${Ports.host}:${projectorPort}/health/ready`
    }
    const reported = (kind: keyof typeof readiness, sentence: RegExp) =>
      eventually(
        tryRequest(readiness[kind]),
        ({ body, status }) => status === 503 && body.ready === false && sentence.test(body.event_log.detail)
      )
    const untilReady = Effect.forEach(
      Object.values(readiness),
      (url) => eventually(tryRequest(url), ({ status }) => status === 200)
    )
    const folder = join(stack.dataDir, "nats")
    const restartNatsOn = (from: string, away: string) =>
      Effect.gen(function*() {
        yield* stack.nats.kill("SIGKILL")
        renameSync(folder, `${folder}.${away}`)
        if (from !== "") renameSync(`${folder}.${from}`, folder)
        yield* stack.nats.start
      })

    yield* untilReady
    const { body: ready } = yield* tryRequest(readiness.gateway)
    assert.match(ready.event_log.detail, /^at event 0; nats-server \d+\.\d+\.\d+, synced to disk /)
    const { body: first } = yield* createBucket(stack.gatewayUrl, freshName())
    assert.strictEqual((yield* ended(stack.gatewayUrl, first.job_id)).body.status, "completed")
    const streams = yield* streamsOn(stack.natsUrl)
    assert.deepStrictEqual(streams, ["AKAVE_EVENTS", `AKAVE_WALLET_${stack.ownerAddress.toLowerCase()}`])
    yield* stack.executor(0).stop
    const { body: queued } = yield* createBucket(stack.gatewayUrl, freshName())
    yield* stack.executor(0).start

    yield* restartNatsOn("", "lost")
    yield* reported("gateway", /AKAVE_EVENTS is missing\. It had \d+ events: restore it/)
    yield* reported("executor", /AKAVE_EVENTS is missing\. It had \d+ events: restore it/)
    yield* reported("projector", /AKAVE_EVENTS is missing\. It had \d+ events: restore it/)
    const refused = yield* createBucket(stack.gatewayUrl, freshName())
    assert.deepInclude(refused.body, { status: 503, code: "event_log_unavailable" })
    assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), [])

    const restarted = [
      ["projector", /missing, and the read model has applied \d+ events of it: nothing is applied until/],
      ["executor", /There is no event log AKAVE_EVENTS/],
      ["gateway", /There is no event log AKAVE_EVENTS/]
    ] as const
    for (const [kind, sentence] of restarted) {
      yield* stack[kind](0).restart
      yield* reported(kind, sentence)
      assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), [])
    }
    const again = yield* createBucket(stack.gatewayUrl, freshName())
    assert.deepInclude(again.body, { status: 503, code: "event_log_unavailable" })
    assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), [])

    yield* restartNatsOn("lost", "emptied")
    yield* untilReady
    assert.deepStrictEqual(yield* streamsOn(stack.natsUrl), streams)
    const { body: last } = yield* createBucket(stack.gatewayUrl, freshName())
    for (const jobId of [queued.job_id, last.job_id]) {
      assert.strictEqual((yield* ended(stack.gatewayUrl, jobId)).body.status, "completed")
    }
  }).pipe(Effect.scoped))

it.live("a lost ledger is made anew by the command that the guide shows, once no job is under way", () =>
  Effect.gen(function*() {
    const stack = yield* TestStack.started({})
    const ledger = `AKAVE_WALLET_${stack.ownerAddress.toLowerCase()}`
    const complete = Effect.gen(function*() {
      const { body } = yield* createBucket(stack.gatewayUrl, freshName())
      assert.strictEqual((yield* ended(stack.gatewayUrl, body.job_id)).body.status, "completed")
    })
    const guide = readFileSync(join(Stack.repository, "docs/runbook.md"), "utf8")
    const [, command = ""] = /^(node \S+renewLedger\.ts)$/m.exec(guide) ?? []
    const run = Effect.promise(() =>
      new Promise<string>((resolve, reject) => {
        const child = spawn("sh", ["-c", command], {
          cwd: Stack.repository,
          env: {
            PATH: process.env["PATH"],
            NATS_URL: stack.natsUrl,
            AKAVE_NODE_ADDRESS: stack.nodeAddress,
            AKAVE_PRIVATE_KEY: Stack.publicDevelopmentKey
          }
        })
        let output = ""
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk)
        child.once("error", reject)
        child.once("close", (code) => resolve(`${code} ${output}`))
      })
    )

    yield* complete
    assert.match(yield* run, /^1 .*is there, and stays as it is/)
    yield* deleteStream(stack.natsUrl, ledger)
    yield* stack.executor(0).stop
    assert.match(yield* run, new RegExp(`^0 .*created the wallet's ledger ${ledger}; start the executors`))
    yield* stack.executor(0).start
    yield* complete

    // A job that has begun: of its claim a new ledger would know nothing.
    yield* stack.devnet.kill("SIGSTOP")
    const { body: begun } = yield* createBucket(stack.gatewayUrl, freshName())
    yield* eventually(
      tryRequest(`${stack.gatewayUrl}/jobs/${begun.job_id}`),
      ({ body }) => body.status === "processing"
    )
    yield* deleteStream(stack.natsUrl, ledger)
    yield* stack.executor(0).kill("SIGKILL")
    yield* stack.devnet.kill("SIGCONT")
    assert.match(
      yield* run,
      new RegExp(`^1 .*1 jobs of the wallet have begun and have not ended \\(${begun.job_id}\\)`)
    )
    assert.notInclude(yield* streamsOn(stack.natsUrl), ledger)
  }).pipe(Effect.scoped))
