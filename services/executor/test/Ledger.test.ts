import * as EventLogMemory from "@akave-async/eventing/EventLogMemory"
import { ledgerSuite } from "./LedgerSuite.ts"

ledgerSuite("Ledger on the memory log", EventLogMemory.open)
