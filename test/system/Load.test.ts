import { assert, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import * as ChainView from "../support/ChainView.ts"
import { type Answer, createBucket, ended, freshName } from "../support/Gateway.ts"
import * as TestStack from "../support/TestStack.ts"

const users = 100
/** For how long each user asks, and thinks between two requests, in milliseconds. */
const asking = 10_000
const thinking = 1_000

it.live("100 users at once for 10 s are all served, and every job that was accepted is completed", () =>
  Effect.gen(function*() {
    const stack = yield* TestStack.started({ counts: { executor: 2 } })
    const answers: Array<Answer> = []
    const until = (yield* Clock.currentTimeMillis) + asking
    yield* Effect.forEach(Array.from({ length: users }), () =>
      Effect.gen(function*() {
        while ((yield* Clock.currentTimeMillis) < until) {
          answers.push(yield* createBucket(stack.gatewayUrl, freshName()))
          yield* Effect.sleep(thinking)
        }
      }), { concurrency: "unbounded" })
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [202])
    assert.isAtLeast(answers.length, users)

    const jobs = yield* Effect.forEach(answers, ({ body }) => ended(stack.gatewayUrl, body.job_id), { concurrency: 20 })
    assert.deepStrictEqual([...new Set(jobs.map(({ body }) => body.status))], ["completed"])
    const transactions = yield* Effect.promise(() => ChainView.transactionsOf(stack.rpcUrl, stack.ownerAddress))
    assert.lengthOf(transactions, answers.length)
    assert.deepStrictEqual(transactions.map(({ nonce }) => nonce), transactions.map((_, n) => n))
  }).pipe(Effect.scoped))
