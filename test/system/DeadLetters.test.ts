import * as Bucket from "@akave-async/domain/Bucket"
import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Reaction from "@akave-async/eventing/Reaction"
import type * as Stack from "@akave-async/local/Stack"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ChainView from "../support/ChainView.ts"
import { type Answer, createBucket, deleteBucket, ended, eventually, freshName, request } from "../support/Gateway.ts"
import * as Log from "../support/Log.ts"
import * as SharedStack from "../support/SharedStack.ts"

let stack: Stack.Stack
let gateway: string
SharedStack.use({}, (started) => {
  stack = started
  gateway = started.gatewayUrl
})

const subjectOf = (name: string) => Bucket.subject(Address.make(stack.ownerAddress), BucketName.make(name))

let events = 0
/** Appends an event that no executor can read, and gives its sequence. */
const unreadable = Effect.fnUntraced(function*(name: string, type = "akave.BucketRequested.v1") {
  const log = yield* Log.open(stack.natsUrl)
  const event = { id: `unreadable-${++events}`, headers: { "ce-type": type }, data: Uint8Array.of(255) }
  const { revision } = yield* log.read(subjectOf(name))
  return (yield* log.append(subjectOf(name), { revision }, event)).sequence
}, Effect.scoped)

const look = (sequence: number) => request(`${gateway}/dead-letters/${sequence}`)
const list = (query: Record<string, string>) => request(`${gateway}/dead-letters?${new URLSearchParams(query)}`)
const sequencesIn = ({ body }: Answer): ReadonlyArray<number> =>
  body.dead_letters.map(({ sequence }: { readonly sequence: number }) => sequence)
const redrive = (sequence: number) => request(`${gateway}/dead-letters/${sequence}/redrive`, { method: "POST" })
const redriveAll = (filter: unknown) =>
  request(`${gateway}/dead-letters/redrive`, { method: "POST", body: JSON.stringify(filter) })
const untilDead = (sequence: number, round: number) =>
  eventually(look(sequence), ({ body }) => body.status === "dead" && body.round === round)

describe("an event that no executor can read", () => {
  it.live("is set aside, dies again when it is redriven, and holds nothing up", () =>
    Effect.gen(function*() {
      const name = freshName()
      const sequence = yield* unreadable(name)
      const { body: letter } = yield* untilDead(sequence, 1)
      assert.deepInclude(letter, { sequence, subject: subjectOf(name), type: "akave.BucketRequested.v1", job_id: null })
      assert.match(letter.reason, /can't be read/)

      const redriven = yield* redrive(sequence)
      assert.strictEqual(redriven.status, 202)
      assert.deepInclude(redriven.body, { sequence, status: "redriven", round: 1, redriven_by: "a client" })
      yield* untilDead(sequence, 2)

      // The bucket of that name is created all the same.
      const { body: { job_id } } = yield* createBucket(gateway, name)
      assert.strictEqual((yield* ended(gateway, job_id)).body.status, "completed")
    }))

  it.live("is found by what it is", () =>
    Effect.gen(function*() {
      const prefix = freshName()
      const type = "akave.BucketDeletionCancelled.v1"
      const names = [`${prefix}-a`, `${prefix}-b`, `${prefix}-c`]
      const sequences = yield* Effect.forEach(names, (name) => unreadable(name, type))
      yield* Effect.forEach(sequences, (sequence) => untilDead(sequence, 1))
      assert.deepStrictEqual(sequencesIn(yield* list({ type })), sequences)
      assert.deepStrictEqual(sequencesIn(yield* list({ subject: subjectOf(prefix) })), sequences)
      assert.deepStrictEqual(sequencesIn(yield* list({ subject: subjectOf(`${prefix}-b`) })), sequences.slice(1, 2))
      assert.deepStrictEqual(sequencesIn(yield* list({ type, reason: "can't be read" })), sequences)
      assert.deepStrictEqual(sequencesIn(yield* list({ type, reason: "%" })), [])
      assert.deepStrictEqual(sequencesIn(yield* list({ type, status: "redriven" })), [])

      const first = yield* list({ type, limit: "2" })
      assert.deepStrictEqual([sequencesIn(first), first.body.next], [sequences.slice(0, 2), sequences[1]])
      const second = yield* list({ type, limit: "2", after: `${first.body.next}` })
      assert.deepStrictEqual([sequencesIn(second), second.body.next], [sequences.slice(2), null])
    }))

  it.live("is redriven with all that a filter names, and with no others", () =>
    Effect.gen(function*() {
      const prefix = freshName()
      const sequences = yield* Effect.forEach([`${prefix}-a`, `${prefix}-b`], (name) => unreadable(name))
      const other = yield* unreadable(freshName())
      yield* Effect.forEach([...sequences, other], (sequence) => untilDead(sequence, 1))
      const redriven = yield* redriveAll({ subject: subjectOf(prefix) })
      assert.deepStrictEqual([redriven.status, redriven.body], [202, { redriven: 2, sequences, more: false }])
      yield* Effect.forEach(sequences, (sequence) => untilDead(sequence, 2))
      assert.strictEqual((yield* look(other)).body.round, 1)
      const { body: { sequences: all } } = yield* redriveAll({ all: true })
      assert.includeMembers(all, [...sequences, other])
    }))
})

describe("an event of a type that only a newer release knows", () => {
  it.live("is no dead letter, holds no other bucket up, and leaves its own to newer releases", () =>
    Effect.gen(function*() {
      const name = freshName()
      const newer = yield* unreadable(name, "akave.BucketRenameRequested.v1")
      const { body: { job_id } } = yield* createBucket(gateway, freshName())
      assert.strictEqual((yield* ended(gateway, job_id)).body.status, "completed")
      assert.strictEqual((yield* look(newer)).status, 404)
      for (const answer of [yield* createBucket(gateway, name), yield* deleteBucket(gateway, name)]) {
        assert.deepInclude(answer.body, { status: 503, code: "event_log_unavailable" })
        assert.match(answer.body.detail, /akave\.BucketRenameRequested\.v1/)
      }
    }))
})

describe("a dead letter", () => {
  it.live("of a job that has ended is redriven without effect, and only once", () =>
    Effect.gen(function*() {
      const name = freshName()
      const { body: { job_id } } = yield* createBucket(gateway, name)
      const before = yield* ended(gateway, job_id)
      const log = yield* Log.open(stack.natsUrl)
      const { events: [requested] } = yield* log.read(subjectOf(name))
      if (requested === undefined) throw new Error("a job has a first event")
      yield* Reaction.setAside(log, "/test", requested, "a step died", 10)
      const { sequence } = requested
      assert.deepInclude((yield* untilDead(sequence, 1)).body, { job_id, reason: "a step died", deliveries: 10 })
      assert.strictEqual((yield* redrive(sequence)).status, 202)
      assert.deepInclude((yield* redrive(sequence)).body, { status: 409, code: "dead_letter_redriven" })

      // What comes after the redrive has been processed, so the redrive has been taken.
      const { body: { job_id: next } } = yield* createBucket(gateway, freshName())
      yield* ended(gateway, next)
      assert.deepInclude((yield* look(sequence)).body, { status: "redriven", round: 1 })
      assert.deepStrictEqual((yield* request(`${gateway}/jobs/${job_id}`)).body, before.body)
      const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
      assert.lengthOf(transactions.filter(({ bucketName }) => bucketName === name), 1)
    }).pipe(Effect.scoped))

  it.live("is what a job waits for whose request it is, until it is redriven", () =>
    Effect.gen(function*() {
      yield* stack.executor(0).kill("SIGSTOP")
      const name = freshName()
      const { body: { job_id } } = yield* createBucket(gateway, name)
      const log = yield* Log.open(stack.natsUrl)
      const { events: [requested] } = yield* log.read(subjectOf(name))
      if (requested === undefined) throw new Error("a job has a first event")
      yield* Reaction.setAside(log, "/test", requested, "a step died", 10)
      const explanation = () => request(`${gateway}/jobs/${job_id}/explanation`)
      const { body: { summary, waiting } } = yield* explanation()
      assert.deepInclude(waiting, { reason: "dead_letter", executor: null, deadline: null })
      assert.include(waiting.advice, `GET /dead-letters/${requested.sequence}`)
      assert.include(summary, "is queued: its request, event ")
      assert.strictEqual((yield* redrive(requested.sequence)).status, 202)
      assert.strictEqual((yield* explanation()).body.waiting.reason, "executors_away")
      yield* stack.executor(0).kill("SIGCONT")
      assert.strictEqual((yield* ended(gateway, job_id)).body.status, "completed")
    }).pipe(Effect.ensuring(stack.executor(0).kill("SIGCONT")), Effect.scoped))
})

describe("a request that is not valid", () => {
  const invalid = [400, "invalid_request"] as const
  const cases: ReadonlyArray<readonly [string, string, unknown, number, string]> = [
    ["GET", "/dead-letters/999999", undefined, 404, "dead_letter_not_found"],
    ["GET", "/dead-letters/0", undefined, ...invalid],
    ["GET", "/dead-letters/-1", undefined, ...invalid],
    ["GET", "/dead-letters/1.5", undefined, ...invalid],
    ["GET", "/dead-letters/first", undefined, ...invalid],
    ["GET", "/dead-letters?status=alive", undefined, ...invalid],
    ["GET", "/dead-letters?limit=0", undefined, ...invalid],
    ["GET", "/dead-letters?limit=1001", undefined, ...invalid],
    ["GET", "/dead-letters?after=first", undefined, ...invalid],
    ["GET", "/dead-letters?type=", undefined, ...invalid],
    ["GET", "/dead-letters?reason=%00", undefined, ...invalid],
    ["GET", `/dead-letters?subject=${"a".repeat(257)}`, undefined, ...invalid],
    ["GET", "/dead-letters?job=1", undefined, ...invalid],
    ["POST", "/dead-letters/999999/redrive", undefined, 404, "dead_letter_not_found"],
    ["POST", "/dead-letters/0/redrive", undefined, ...invalid],
    ["POST", "/dead-letters/redrive", undefined, ...invalid],
    ["POST", "/dead-letters/redrive", {}, ...invalid],
    ["POST", "/dead-letters/redrive", { all: false }, ...invalid],
    ["POST", "/dead-letters/redrive", { all: true, type: "akave.BucketRequested.v1" }, ...invalid],
    ["POST", "/dead-letters/redrive", { reason: "" }, ...invalid],
    ["POST", "/dead-letters/redrive", { status: "dead" }, ...invalid],
    ["POST", "/dead-letters/redrive", [], ...invalid]
  ]
  it.live.each(cases)("as %s %s %j", ([method, path, body, status, code]) =>
    Effect.gen(function*() {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
      const answer = yield* request(`${gateway}${path}`, init)
      assert.deepInclude(answer.body, { status, code }, JSON.stringify(answer.body))
      assert.include(answer.headers.get("content-type"), "application/problem+json")
    }))

  it.live("is answered with how to say that all are meant", () =>
    Effect.gen(function*() {
      const { body } = yield* redriveAll({})
      assert.match(body.detail, /body\.all: either a type, subject or reason, or true for all dead letters/)
    }))
})
