import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import * as DeadLetter from "../src/DeadLetter.ts"
import * as Job from "../src/Job.ts"

const sequence = DeadLetter.Sequence.make(7)
const jobId = Job.Id.make("019845e1-682f-7b02-a706-3b2422d13aec")
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const later = DateTime.add(now, { minutes: 1 })

const letter = {
  sequence,
  subject: "bucket.0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266.my-bucket",
  type: "akave.BucketRequested.v1",
  reason: "a step died",
  deliveries: 10,
  jobId
}
const setAside = DeadLetter.setAside(letter)
const redrive = DeadLetter.redrive({ sequence, redrivenBy: "a client" })

type Decide = (
  state: DeadLetter.State,
  at: DateTime.Utc
) => Result.Result<ReadonlyArray<DeadLetter.Event>, { readonly _tag: string }>

/** The state after commands, each of which must be accepted. */
const after = (...commands: ReadonlyArray<Decide>): DeadLetter.State =>
  commands.reduce(
    (state, decide) => Result.getOrThrow(decide(state, now)).reduce(DeadLetter.evolve, state),
    DeadLetter.initial
  )

describe("a decision", () => {
  it.for<[string, ReadonlyArray<Decide>, Decide, string | ReadonlyArray<string>]>([
    ["sets an event aside", [], setAside, ["DeadLettered 1"]],
    ["sets it aside once", [setAside], setAside, []],
    ["refuses to redrive what is not dead", [], redrive, "NotDead"],
    ["redrives a dead letter", [setAside], redrive, ["DeadLetterRedriven 1"]],
    ["refuses to redrive it twice", [setAside, redrive], redrive, "AlreadyRedriven"],
    ["sets aside again what dies again", [setAside, redrive], setAside, ["DeadLettered 2"]],
    ["redrives again what died again", [setAside, redrive, setAside], redrive, ["DeadLetterRedriven 2"]]
  ])("%s", ([, given, when, then]) => {
    const decided = Result.match(when(after(...given), now), {
      onFailure: ({ _tag }) => _tag,
      onSuccess: (events) => events.map(({ _tag, round }) => `${_tag} ${round}`)
    })
    assert.deepStrictEqual(decided, then)
  })
})

describe("evolve", () => {
  it("keeps what the letter is about, and who redrove it when", () => {
    const dead = DeadLetter.evolve(undefined, DeadLetter.DeadLettered.make({ ...letter, round: 1, occurredAt: now }))
    assert.deepStrictEqual(dead, { ...letter, round: 1, status: "dead", diedAt: now })
    const redriven = DeadLetter.DeadLetterRedriven.make({
      sequence,
      round: 1,
      redrivenBy: "a client",
      occurredAt: later
    })
    assert.deepStrictEqual(DeadLetter.evolve(dead, redriven), {
      ...letter,
      round: 1,
      status: "redriven",
      diedAt: now,
      redrivenAt: later,
      redrivenBy: "a client"
    })
    assert.isUndefined(DeadLetter.evolve(undefined, redriven))
  })

  it("knows nothing of the last round in the next one", () => {
    const other = DeadLetter.setAside({ ...letter, reason: "it died otherwise", deliveries: 3 })
    const again = after(setAside, redrive, other)
    assert.deepStrictEqual(again, {
      ...letter,
      reason: "it died otherwise",
      deliveries: 3,
      round: 2,
      status: "dead",
      diedAt: now
    })
  })
})

const EventJson = Schema.fromJsonString(Schema.toCodecJson(DeadLetter.Event))
it.effect.prop("reads back every event it can write", [DeadLetter.Event], ([event]) =>
  Effect.gen(function*() {
    const json = yield* Schema.encodeEffect(EventJson)(event)
    assert.deepStrictEqual(yield* Schema.decodeEffect(EventJson)(json), event)
  }))

it("has one subject for one event of the log", () => {
  assert.strictEqual(DeadLetter.subject(sequence), "dead-letter.7")
})
