import type { StoredEvent } from "@akave-async/eventing/EventLog"
import { assert, it } from "@effect/vitest"
import { Progress } from "../src/Progress.ts"

let sequence = 0
const event = (job: string, tag: string): StoredEvent => ({
  subject: `file.0x.b.${job}`,
  sequence: ++sequence,
  storedAt: new Date(0),
  data: new Uint8Array(),
  headers: { "ce-type": `akave.${tag}.v1`, "ce-correlationid": job }
} as unknown as StoredEvent)
const advanced = (job: string) => event(job, "FileUploadAdvanced")
const submitted = (job: string) => event(job, "FileUploadSubmitted")

it("sends the first of a job at once, and of those within a second the last", () => {
  const progress = new Progress()
  const [first, second, third] = [advanced("a"), advanced("a"), advanced("a")]
  assert.deepStrictEqual(progress.pass([first], 5_000), [first])
  assert.isUndefined(progress.dueAt)
  assert.deepStrictEqual(progress.pass([second], 5_400), [])
  assert.deepStrictEqual(progress.pass([third], 5_900), [])
  assert.strictEqual(progress.dueAt, 6_000)
  assert.deepStrictEqual(progress.pass([], 5_999), [])
  assert.deepStrictEqual(progress.pass([], 6_000), [third])
  assert.deepStrictEqual(progress.pass([], 60_000), [])
})

it("sends what is held of a job before another event of it", () => {
  const progress = new Progress()
  const events = [advanced("a"), advanced("b"), advanced("a"), advanced("a"), advanced("b"), event("a", "FileUploaded")]
  assert.deepStrictEqual(progress.pass(events, 0), events.filter((_, n) => n !== 2 && n !== 4))
})

it("counts submissions of a job's parts for themselves", () => {
  const progress = new Progress()
  const events = [submitted("a"), advanced("a"), submitted("a"), advanced("a"), submitted("a"), advanced("a")]
  assert.deepStrictEqual(progress.pass(events, 0), events.slice(0, 2))
  const end = event("a", "FileUploaded")
  assert.deepStrictEqual(progress.pass([end], 1), [...events.slice(4), end])
})

it("never goes back: what is older than what was sent is left out", () => {
  const progress = new Progress()
  const [first, held, other] = [advanced("a"), advanced("a"), event("b", "BucketRequested")]
  assert.deepStrictEqual(progress.pass([first, held, other], 0), [first, other])
  assert.deepStrictEqual(progress.pass([], 2_000), [])
  const later = advanced("a")
  assert.deepStrictEqual(progress.pass([later], 2_001), [later])
})

it("leaves all other events as they are", () => {
  const progress = new Progress()
  const events = ["BucketRequested", "BucketSubmitted", "BucketSubmitted", "FileDeletionSubmitted", "FileUploadStarted"]
    .flatMap((tag) => [event("a", tag), event("a", tag)])
  assert.deepStrictEqual(progress.pass(events, 0), events)
})
