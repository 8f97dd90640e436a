import { Effect } from "effect"
import * as EventLogMemory from "../src/EventLogMemory.ts"
import { eventLogSuite } from "./EventLogSuite.ts"

eventLogSuite("EventLogMemory", Effect.map(EventLogMemory.open, (log) => ({ log, interrupt: Effect.void })))
