import { Effect } from "effect"
import * as EventLogMemory from "../src/EventLogMemory.ts"
import { eventLogSuite, pauseSuite } from "./EventLogSuite.ts"

eventLogSuite(
  "EventLogMemory",
  Effect.gen(function*() {
    const storage: EventLogMemory.Storage = { events: [] }
    return {
      log: yield* EventLogMemory.openOn(storage),
      interrupt: Effect.void,
      replace: (events) => Effect.sync(() => storage.events = events && [...events])
    }
  })
)

const dedupWindow = "100 millis"
pauseSuite(
  "EventLogMemory",
  Effect.gen(function*() {
    return { log: yield* EventLogMemory.openOn({ events: [], dedupWindow }), pause: Effect.sleep("150 millis") }
  })
)
