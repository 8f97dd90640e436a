import { Effect } from "effect"
import * as EventLogMemory from "../src/EventLogMemory.ts"
import { eventLogSuite } from "./EventLogSuite.ts"

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
