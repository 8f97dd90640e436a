import { BucketName } from "@akave-async/domain/BucketName"
import { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import * as Answers from "../src/Answers.ts"

describe("the wait that a request prefers", () => {
  it.each([
    [undefined, undefined],
    ["", undefined],
    ["respond-async", undefined],
    ["wait=10", 10],
    ["wait = 10", 10],
    ["respond-async, wait=10", 10],
    ["handling=lenient; wait=\"7\", x", 7],
    ["wait=61", 60],
    ["wait=999999999", 60],
    ["wait=0", 0],
    ["wait=1.5", undefined],
    ["wait=-1", undefined],
    ["wait=soon", undefined],
    ["await=5", undefined],
    ["wait=5x", undefined]
  ])("of %o is %o", (prefer, seconds) => {
    assert.strictEqual(Answers.waitOf(prefer), seconds)
  })
})

describe("If-None-Match", () => {
  const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
  const job = {
    id: Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec"),
    operation: "bucket.create" as const,
    owner: Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    request: { name: BucketName.make("my-bucket") },
    status: "queued" as const,
    createdAt: now,
    updatedAt: now
  }
  it.each([
    [undefined, false],
    ["", false],
    ["\"12\"", true],
    ["W/\"12\"", true],
    ["\"1\", \"12\"", true],
    ["*", true],
    ["\"13\"", false],
    ["12", false]
  ])("of %o names the job at revision 12: %o", (tag, isKnown) => {
    assert.strictEqual(Answers.isKnown(tag, { job, revision: 12 }), isKnown)
  })
})
