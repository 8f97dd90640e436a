import { assert, it } from "@effect/vitest"
import * as Continuity from "../src/Continuity.ts"

const seen: Continuity.Seen = { created: "then", lastSequence: 12, mark: { sequence: 10, id: "ten" } }
const unmarked: Continuity.Seen = { ...seen, mark: undefined }

it.for(
  [
    [seen, { lastSequence: 12, idAtMark: "ten" }],
    [seen, { lastSequence: 500, idAtMark: "ten" }],
    [unmarked, { lastSequence: 12, idAtMark: undefined }],
    [{ ...unmarked, lastSequence: 0 }, { lastSequence: 0, idAtMark: undefined }]
  ] as const
)("takes a log that has what was seen, and maybe more, for the same: %j", ([before, found]) => {
  assert.isUndefined(Continuity.loss("L", before, found))
})

it.for(
  [
    [seen, undefined, "The event log L is missing. It had 12 events: restore it"],
    [{ ...unmarked, lastSequence: 0 }, undefined, "The event log L is missing. It had 0 events: restore it"],
    [seen, { lastSequence: 11, idAtMark: "ten" }, "The event log L has 11 events, and it had 12: restore it"],
    [seen, { lastSequence: 1, idAtMark: undefined }, "The event log L has 1 event, and it had 12: restore it"],
    [unmarked, { lastSequence: 0, idAtMark: undefined }, "The event log L has 0 events, and it had 12: restore it"],
    [
      seen,
      { lastSequence: 12, idAtMark: "other" },
      "The event log L was replaced: its event 10 is another than before. Restore it"
    ],
    [
      seen,
      { lastSequence: 40, idAtMark: undefined },
      "The event log L was replaced: its event 10 is another than before. Restore it"
    ]
  ] as const
)("says in a sentence what was lost: %j", ([before, found, sentence]) => {
  assert.strictEqual(Continuity.loss("L", before, found), sentence)
})
