import { EventType } from "@akave-async/api/WebhooksApi"
import { kinds } from "@akave-async/eventing/Registry"
import { assert, it } from "@effect/vitest"

it("a webhook can be for every type of events of jobs that is written, and for no other", () => {
  const written = kinds.filter(({ jobs }) => jobs !== undefined).flatMap(({ schemas }) =>
    schemas.map(({ type }) => type)
  )
  assert.sameMembers([...EventType.literals], written)
})
