import { BucketName } from "@akave-async/domain/BucketName"
import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import { bucketName, type Figures, firstPause, judge, pause, runId, settingsOf, summary } from "../src/Scenario.ts"

it("gives every run, user and number a name of its own, valid by the rules for buckets", () => {
  const isValid = Schema.is(BucketName)
  const runs = [runId(0, 0), runId(Date.UTC(2026, 0), 0.5), runId(Date.UTC(2100, 0), 0.999_999_999)]
  const names = runs.flatMap((run) =>
    [1, 11, 10_000].flatMap((user) => [0, 1, 11, 1_000_000].map((number) => bucketName(run, user, number)))
  )
  assert.deepStrictEqual(names.filter((name) => !isValid(name)), [])
  assert.strictEqual(new Set(names).size, names.length)
})

it("distinguishes runs that begin at the same time", () => {
  assert.notStrictEqual(runId(1000, 0.1), runId(1000, 0.9))
})

it("has 100 users for 10 s where nothing else is said", () => {
  assert.deepStrictEqual(settingsOf({ VUS: "", DURATION: undefined }), {
    baseUrl: "http://127.0.0.1:8000",
    users: 100,
    seconds: 10,
    thinkSeconds: 1,
    followSeconds: 120,
    lookSeconds: 0.5
  })
})

it("reads times with and without a unit", () => {
  const settings = settingsOf({ BASE_URL: "http://gateway/", VUS: "7", DURATION: "2m", THINK: "250ms", FOLLOW: "30" })
  assert.deepStrictEqual(settings, {
    baseUrl: "http://gateway",
    users: 7,
    seconds: 120,
    thinkSeconds: 0.25,
    followSeconds: 30,
    lookSeconds: 0.5
  })
})

it.each([
  { VUS: "0" },
  { VUS: "1.5" },
  { VUS: "many" },
  { VUS: "10001" },
  { DURATION: "0s" },
  { DURATION: "-1s" },
  { DURATION: "10h" },
  { DURATION: "61m" },
  { THINK: "soon" }
])("refuses %o by its name", (env) => {
  assert.throws(() => settingsOf(env), Object.keys(env)[0])
})

it("pauses from half to one and a half times the average", () => {
  assert.deepStrictEqual([0, 0.5, 1].map((random) => pause(2, random)), [1, 2, 3])
})

it("lets every user ask at least once, however long it thinks", () => {
  const settings = settingsOf({ DURATION: "1s", THINK: "60s" })
  assert.isBelow(firstPause(settings, 1), settings.seconds)
})

const settings = settingsOf({})
const times = { median: 1, p95: 2, max: 3 }
const good: Figures = {
  asked: 1000,
  accepted: 1000,
  askTimes: { ...times, p95: 199.9 },
  allTimes: { ...times, p95: 199.9 },
  failedRequests: 0,
  completed: 1000,
  notCompleted: 0,
  jobTimes: times,
  finishedUsers: 100
}

it("finds every rule kept in a good run", () => {
  assert.isTrue(judge(good, settings).every(({ isKept }) => isKept))
  assert.include(summary("k6", settings, good), "Every rule was kept.")
})

it.each<Partial<Figures>>([
  { askTimes: { ...times, p95: 200 } },
  { allTimes: { ...times, p95: 200 } },
  { failedRequests: 1 },
  { accepted: 0 },
  { notCompleted: 1 },
  { finishedUsers: 99 }
])("finds one rule broken by %o", (change) => {
  const figures = { ...good, ...change }
  assert.lengthOf(judge(figures, settings).filter(({ isKept }) => !isKept), 1)
  assert.include(summary("k6", settings, figures), "BROKEN")
  assert.notInclude(summary("k6", settings, figures), "Every rule was kept.")
})
