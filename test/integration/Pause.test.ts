/** Logs on a real nats-server that is stopped, and started again when its dedup window has passed. */
import { pauseSuite } from "@akave-async/eventing/test/EventLogSuite"
import { ledgerPauseSuite } from "@akave-async/executor/test/LedgerSuite"
import { restartableLog } from "../support/Nats.ts"

pauseSuite("EventLogJetStream", restartableLog)
ledgerPauseSuite("Ledger on JetStream", restartableLog)
