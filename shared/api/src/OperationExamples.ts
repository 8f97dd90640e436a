/** Examples of what services report and of the diagnosis. */
import { DateTime } from "effect"
import { encode } from "./JsonObject.ts"
import { Diagnosis, ServiceList, type ServiceResource } from "./OperationsApi.ts"

const executor: ServiceResource = {
  name: "akave-executor",
  id: "TKUJQWFQ9NMBAVZ5W6GR0G",
  version: "0.1.0",
  build: "3314e5a0c3c9a7d3f1f5b2f3f8f2c0f1d2e3b4a5",
  node: "24.21.0",
  started_at: DateTime.makeUnsafe("2026-11-21T10:10:55.853Z"),
  lanes: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"],
  clock: DateTime.makeUnsafe("2026-11-21T12:00:00.120Z"),
  ready: true,
  checks: {
    event_log: { ready: true, detail: "answers" },
    ledger: { ready: true, detail: "at 42" },
    chain: { ready: true, detail: "answers" },
    lanes: { ready: true, detail: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 has 0 steps under way" }
  }
}

const diagnosis: Diagnosis = {
  status: "failed",
  findings: [
    { check: "services", status: "ok", message: "these answer: 1 gateway, 1 executor, 1 projector", advice: null },
    {
      check: "wallets",
      status: "failed",
      message: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 holds 0 wei, which may not pay for one transaction",
      advice: "transfer funds to the address: jobs that wait go on by themselves"
    }
  ]
}

export const examples = {
  ServiceList: { executor: encode(ServiceList, { services: [executor] }) },
  Diagnosis: { failed: encode(Diagnosis, diagnosis) }
}
