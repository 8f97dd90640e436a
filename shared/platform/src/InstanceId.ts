import { nuid } from "@nats-io/transport-node"
import { Context } from "effect"

/**
 * Names this process among all instances of its service for as long as it runs: NATS subjects may hold it. What the service
 * announces over NATS has it, and so have the events that it writes.
 */
export const InstanceId = Context.Reference<string>("@akave-async/platform/InstanceId", {
  defaultValue: () => nuid.next()
})
