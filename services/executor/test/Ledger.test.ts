import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { Effect } from "effect"
import { ledgerPauseSuite, ledgerSuite } from "./LedgerSuite.ts"

ledgerSuite("Ledger on the memory log", EventLogMemory.open)

ledgerPauseSuite(
  "Ledger on the memory log",
  Effect.gen(function*() {
    const log = yield* EventLogMemory.openOn({ events: [], dedupWindow: "50 millis" })
    return { log, pause: Effect.sleep("60 millis") }
  })
)
