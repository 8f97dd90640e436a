import { BucketName } from "@akave-async/domain/BucketName"
import { assert, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  bucketName,
  courseOf,
  courseOfEvents,
  eventsOf,
  fieldsOf,
  firstPause,
  jobOf,
  notSeen,
  pause,
  runId,
  settingsOf,
  spikeOf,
  variablesOf
} from "../src/Scenario.ts"

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
  assert.deepStrictEqual(settingsOf({ VUS: "", DURATION: undefined, API_KEY: "" }, "create-bucket"), {
    scenario: "create-bucket",
    apiKey: undefined,
    baseUrl: "http://127.0.0.1:8000",
    users: 100,
    seconds: 10,
    thinkSeconds: 1,
    followSeconds: 120,
    lookSeconds: 0.5
  })
})

it("takes 10 minutes for a soak, or hours", () => {
  assert.strictEqual(settingsOf({}, "soak").seconds, 600)
  assert.strictEqual(settingsOf({ DURATION: "8h" }, "soak").seconds, 8 * 3600)
})

it("writes settings as the variables that it reads them from", () => {
  const settings = settingsOf({ API_KEY: "key", VUS: "7", DURATION: "2m", THINK: "250ms", FOLLOW: "30" }, "mixed")
  assert.deepStrictEqual(settingsOf(variablesOf(settings), "mixed"), settings)
})

it("reads times with and without a unit", () => {
  const env = { BASE_URL: "http://gateway/", API_KEY: "key", VUS: "7", DURATION: "2m", THINK: "250ms", FOLLOW: "30" }
  assert.deepStrictEqual(settingsOf(env, "mixed"), {
    scenario: "mixed",
    apiKey: "key",
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
  { DURATION: "73h" },
  { THINK: "soon" }
])("refuses %o by its name", (env) => {
  assert.throws(() => settingsOf(env, "create-bucket"), Object.keys(env)[0])
})

it("pauses from half to one and a half times the average", () => {
  assert.deepStrictEqual([0, 0.5, 1].map((random) => pause(2, random)), [1, 2, 3])
})

it("lets every user ask at least once, however long it thinks", () => {
  const settings = settingsOf({ DURATION: "1s", THINK: "60s" }, "create-bucket")
  assert.isBelow(firstPause(settings, 1), settings.seconds)
})

it("lets requests of a spike come at a tenth, at the whole rate and at a tenth again", () => {
  const { calm, stages } = spikeOf(settingsOf({ VUS: "200", DURATION: "20s" }, "spike"))
  assert.strictEqual(calm, 20)
  assert.deepStrictEqual(stages, [
    { target: 20, duration: "6000ms" },
    { target: 200, duration: "1000ms" },
    { target: 200, duration: "5000ms" },
    { target: 20, duration: "1000ms" },
    { target: 20, duration: "7000ms" }
  ])
  assert.strictEqual(spikeOf(settingsOf({ VUS: "1" }, "spike")).calm, 1)
})

it("finds the job only in an answer that accepts it", () => {
  assert.strictEqual(jobOf(202, `{"job_id":"a"}`), "a")
  for (const [status, body] of [[503, `{"job_id":"a"}`], [202, `{"job_id":""}`], [202, "{"], [202, null]] as const) {
    assert.isUndefined(jobOf(status, body))
  }
})

it("takes what is no object of JSON for one without fields", () => {
  assert.deepStrictEqual(["null", "", "<html>", undefined].map((text) => Object.keys(fieldsOf(text))), [[], [], [], []])
})

it("reads the course of a job out of what is reported of it", () => {
  const job = { created_at: "2026-01-01T00:00:00.000Z", updated_at: "2026-01-01T00:00:01.500Z" }
  assert.deepStrictEqual(courseOf({ ...job, status: "completed", error: null }), {
    status: "completed",
    error: undefined,
    millis: 1500
  })
  assert.deepInclude(courseOf({ ...job, status: "failed", error: { code: "OutOfFunds" } }), { error: "OutOfFunds" })
  assert.strictEqual(courseOf({}), notSeen)
})

it("reads the course of a job out of its stream of events", () => {
  const event = (name: string, second: number) =>
    `id: ${second}\ndata: {"type":"akave.${name}.v1","time":"2026-01-01T00:00:0${second}.000Z"}\n\n`
  const stream = `retry: 1000\n\n${event("BucketRequested", 1)}: still here\n\n${event("BucketStarted", 2)}`
  assert.deepStrictEqual(courseOfEvents(eventsOf(stream)), { status: "processing", error: undefined, millis: 1000 })
  const statusAfter = (name: string) => courseOfEvents(eventsOf(stream + event(name, 4))).status
  assert.deepStrictEqual(["BucketCreated", "BucketFailed", "BucketCancelled"].map(statusAfter), [
    "completed",
    "failed",
    "cancelled"
  ])
  assert.strictEqual(courseOfEvents(eventsOf(null)), notSeen)
})
