/** What one account sees and changes of another: nothing, by any route, whether or not they share a wallet. */
import type * as Stack from "@akave-async/local/Stack"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as fc from "fast-check"
import * as Accounts from "../support/Accounts.ts"
import * as EventSource from "../support/EventSource.ts"
import { eventually, freshName, request } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as OpenApiRequests from "../support/OpenApiRequests.ts"
import * as SharedStack from "../support/SharedStack.ts"

const runs = Number(process.env["ISOLATION_RUNS"] ?? 4)
const seed = Number(process.env["ISOLATION_SEED"] ?? Date.now() % 2 ** 31)
/** A wallet that no executor has the key of: what is asked for there stays queued. */
const otherWallet = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

const masterSecret = Accounts.newMasterSecret()
let stack: Stack.Stack
let admin: Accounts.Send
let document: OpenApiRequests.Document
SharedStack.use({ env: { gateway: { MASTER_SECRET: masterSecret } } }, (started) => {
  stack = started
})
beforeAll(async () => {
  const secret = await Effect.runPromise(Accounts.init("operator", Accounts.settingsOf(stack, masterSecret)))
  admin = Accounts.withKey(stack.gatewayUrl, secret)
  await Effect.runPromise(eventually(admin("/account"), ({ status }) => status === 200))
  document = OpenApiRequests.read((await Effect.runPromise(request(`${stack.gatewayUrl}/openapi.json`))).body)
})

let accounts = 0
const open = Effect.fnUntraced(function*(owner: string) {
  const id = `isolated-${process.pid}-${++accounts}`
  const secret = yield* Accounts.open(admin, id, { owner })
  const send = Accounts.withKey(stack.gatewayUrl, secret)
  yield* eventually(send("/account"), ({ status }) => status === 200)
  return { id, owner, secret, send }
})
type Account = Effect.Success<ReturnType<typeof open>>

const post = (value: unknown): Accounts.Sent => ({
  method: "POST",
  headers: { prefer: "wait=30" },
  body: JSON.stringify(value)
})
const remove: Accounts.Sent = { method: "DELETE", headers: { prefer: "wait=30" } }

/** Does what there is to do with buckets, and has an event of the account die. */
const act = Effect.fnUntraced(function*({ id, owner, send }: Account) {
  const [kept, deleted, cancelled, batched] = [freshName(), freshName(), freshName(), freshName()]
  const jobs: Array<string> = []
  const wait = owner === stack.ownerAddress ? {} : { headers: {} }
  for (const name of [kept, deleted, cancelled]) {
    jobs.push((yield* send("/buckets", { ...post({ name }), ...wait })).body.job_id)
  }
  jobs.push((yield* send(`/buckets/${deleted}`, { ...remove, ...wait })).body.job_id ?? "")
  yield* send(`/jobs/${jobs[2]}`, { method: "DELETE" })
  const { body: { answers } } = yield* send("/buckets/batch", post({ names: [batched] }))
  jobs.push(answers[0].job.job_id)
  const file = `file-${kept}`
  jobs.push((yield* send(`/buckets/${kept}/files/${file}`, { method: "PUT", body: file, ...wait })).body.job_id)
  const log = yield* Log.open(stack.natsUrl)
  const headers = { "ce-type": "akave.BucketRequested.v1", "ce-account": id }
  const name = freshName()
  const subject = `bucket.${stack.ownerAddress.toLowerCase()}.${name}`
  const { sequence } = yield* log.append(subject, { revision: 0 }, { id: name, headers, data: Uint8Array.of(255) })
  yield* eventually(send(`/dead-letters/${sequence}`), ({ status }) => status === 200)
  const { body: { keys } } = yield* admin(`/accounts/${id}`)
  // It leads nowhere: no notifier runs here.
  const { body: { webhook_id } } = yield* send("/webhooks", post({ url: "http://127.0.0.1:9/of-an-account" }))
  return {
    webhooks: [String(webhook_id)],
    jobs: jobs.filter((id) => id !== ""),
    names: [kept, deleted, cancelled, batched, name],
    files: [file],
    sequences: [sequence],
    keys: keys.map(({ key_id }: { readonly key_id: string }) => key_id)
  }
}, Effect.scoped)
type Things = Effect.Success<ReturnType<typeof act>>

/** All that an account sees, once its jobs are as far as they get. */
const snapshot = Effect.fnUntraced(function*({ owner, send }: Account, { jobs, names }: Things) {
  const isAtEnd = (status: string) => owner !== stack.ownerAddress || !["queued", "processing"].includes(status)
  yield* eventually(
    send("/jobs"),
    ({ body }) =>
      jobs.every((id) =>
        body.jobs.some((job: { readonly job_id: string; readonly status: string }) =>
          job.job_id === id && isAtEnd(job.status)
        )
      )
  )
  const seen: Array<unknown> = []
  const paths = [
    "/jobs",
    "/buckets",
    "/events",
    "/dead-letters",
    "/dead-letters?status=redriven",
    "/account",
    "/webhooks",
    ...names.map((name) => `/buckets/${name}/files`)
  ]
  for (const path of paths) {
    const { body, status } = yield* send(path)
    assert.strictEqual(status, 200, JSON.stringify(body))
    seen.push(body)
  }
  return seen
})

/** The ids of the buckets that an account has. */
const bucketIds = (buckets: unknown) =>
  Array.from(JSON.stringify(buckets).matchAll(/"bucket_id":"(0x[0-9a-f]{64})"/g), ([, id = ""]) => id)

/** Things of the victim in place of what a route asks for. */
const aimed = (
  made: OpenApiRequests.Request,
  { files, jobs, keys, names, sequences, webhooks }: Things,
  victim: Account,
  n: number
) => {
  const one = <A>(all: ReadonlyArray<A>) => all[n % all.length]
  const [, template = ""] = made.operation.split(" ")
  const name = one(names)
  const path = template.replace("{job_id}", `${one(jobs)}`).replace("{name}", `${name}`).replace(
    "{sequence}",
    `${one(sequences)}`
  ).replace("{account}", victim.id).replace("{key_id}", `${one(keys)}`).replace("{webhook_id}", `${one(webhooks)}`)
    .replace("{file_name}", `${one(files)}`)
  const query = new URLSearchParams(made.path.split("?")[1] ?? "")
  for (const [key, value] of [["bucket", name], ["prefix", name?.slice(0, 8)]] as const) {
    if (query.has(key)) query.set(key, value ?? "")
  }
  if (query.has("wait")) query.set("wait", "0")
  if (query.has("limit")) query.set("limit", "1000")
  if (template.endsWith("events")) query.delete("after")
  const body = made.body === undefined
    ? undefined
    : made.headers["content-type"] === "application/json"
    ? JSON.parse(made.body)
    : made.body
  if (template === "/buckets" && body !== undefined) body.name = name
  if (template === "/buckets/batch") body.names = names
  if (template === "/dead-letters/redrive") Object.assign(body, { all: true })
  return {
    path: query.size === 0 ? path : `${path}?${query}`,
    sent: {
      method: made.method,
      headers: { ...made.headers, accept: "application/json", prefer: "" },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
    }
  }
}

describe(`of two accounts (ISOLATION_SEED=${seed} draws them again)`, () => {
  it("none sees anything of the other, or changes it, by any route", async () => {
    const requests = fc.tuple(
      ...document.allowed.filter(({ operation }) => !operation.endsWith("/openapi.json")).map(({ requests }) =>
        requests
      )
    )
    const scenario = fc.record({
      sharesWallet: fc.boolean(),
      victimHasExecutor: fc.boolean(),
      attacks: fc.array(requests, { minLength: 2, maxLength: 4 }),
      offset: fc.nat(100)
    })
    await fc.assert(
      fc.asyncProperty(
        scenario,
        ({ attacks, offset, sharesWallet, victimHasExecutor }) =>
          Effect.runPromise(Effect.gen(function*() {
            const [own, other] = victimHasExecutor
              ? [stack.ownerAddress, otherWallet]
              : [otherWallet, stack.ownerAddress]
            const attacker = yield* open(sharesWallet ? own : other)
            let streamed = ""
            const stop = { now: false }
            const streaming = yield* Effect.forkChild(Effect.promise(() =>
              EventSource.read({
                url: `${stack.gatewayUrl}/events`,
                lastEventId: 0,
                headers: { authorization: `Bearer ${attacker.secret}` },
                onEvent: (_, data) => {
                  streamed += data
                  return !stop.now
                }
              })
            ))
            const victim = yield* open(own)
            const things = yield* act(victim)
            const before = yield* snapshot(victim, things)
            const secrets = [
              ...things.jobs,
              ...things.names,
              ...things.keys,
              ...things.webhooks,
              "of-an-account",
              victim.id,
              ...things.files,
              ...bucketIds(before[1])
            ]
            let sent = ""
            let n = offset
            for (const made of attacks.flat()) {
              const { path, sent: request } = aimed(made, things, victim, n++)
              sent += `${path} ${request.body ?? ""}`
              const answer = yield* attacker.send(path, request)
              const text = `${JSON.stringify(answer.body)} ${JSON.stringify([...answer.headers])}`
              for (const secret of secrets.filter((one) => !sent.includes(one))) {
                assert.notInclude(text, secret, `${made.method} ${path}`)
              }
              if (/\{(job_id|sequence|key_id|webhook_id|file_name)\}/.test(made.operation)) {
                assert.include([400, 403, 404], answer.status, `${made.method} ${path}`)
              }
            }
            assert.deepStrictEqual(yield* snapshot(victim, things), before)
            stop.now = true
            yield* attacker.send("/buckets", { method: "POST", body: JSON.stringify({ name: freshName() }) })
            yield* Fiber.join(streaming)
            for (const secret of secrets.filter((one) => !sent.includes(one))) assert.notInclude(streamed, secret)
          }))
      ),
      { seed, numRuns: runs, endOnFailure: true }
    )
  }, 300_000)

  it("that share a wallet, the first to ask for a name has it, and the other is not told by which job", async () => {
    await Effect.runPromise(Effect.gen(function*() {
      const [first, second] = [yield* open(stack.ownerAddress), yield* open(stack.ownerAddress)]
      const name = freshName()
      const { body: { job_id } } = yield* first.send("/buckets", { method: "POST", body: JSON.stringify({ name }) })
      const refused = Effect.gen(function*() {
        const { body, status } = yield* second.send("/buckets", { method: "POST", body: JSON.stringify({ name }) })
        assert.deepStrictEqual([status, body.code], [409, "bucket_name_taken"])
        assert.notInclude(JSON.stringify(body), job_id)
        const batch = yield* second.send("/buckets/batch", { method: "POST", body: JSON.stringify({ names: [name] }) })
        assert.deepInclude(batch.body.answers[0].problem, { status: 409, code: "bucket_name_taken" })
        for (const method of ["GET", "DELETE"]) {
          assert.strictEqual((yield* second.send(`/buckets/${name}`, { method })).body.code, "bucket_not_found")
        }
      })
      yield* refused
      yield* eventually(first.send(`/jobs/${job_id}`), ({ body }) => body.status === "completed")
      yield* refused
      // Of different wallets, each has a name of its own.
      const elsewhere = yield* open(otherWallet)
      const { status } = yield* elsewhere.send("/buckets", { method: "POST", body: JSON.stringify({ name }) })
      assert.strictEqual(status, 202)
      // A name that is given up is free.
      yield* first.send(`/buckets/${name}`, { ...remove })
      const { body } = yield* second.send("/buckets", post({ name }))
      assert.strictEqual(body.status, "completed")
    }))
  }, 60_000)
})
