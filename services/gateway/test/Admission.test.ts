import { assert, it } from "@effect/vitest"
import { refusal } from "../src/Admission.ts"

const limits = { maxWaiting: 10, maxStorageShare: 0.9 }
const load = { storedBytes: 0, maxBytes: undefined, waiting: 0 }

it.each(
  [
    ["nothing waits", load, 0, undefined],
    ["one less than may wait", { ...load, waiting: 9 }, 0, undefined],
    ["as many wait as may", { ...load, waiting: 10 }, 0, /^10 events wait .* of 10 that may/],
    ["those accepted since make them as many", { ...load, waiting: 6 }, 4, /^10 events wait/],
    ["the log has no limit", { ...load, storedBytes: 1e15 }, 0, undefined],
    ["the log has room", { ...load, storedBytes: 899, maxBytes: 1_000 }, 0, undefined],
    ["the log has none beyond the share", { ...load, storedBytes: 900, maxBytes: 1_000 }, 0, /900 of its 1000 bytes/]
  ] as const
)("while %s, requests are accepted or refused", (_, load, acceptedSince, reason) => {
  const refused = refusal(limits, load, acceptedSince)
  if (reason === undefined) assert.isUndefined(refused)
  else assert.match(refused ?? "", reason)
})
