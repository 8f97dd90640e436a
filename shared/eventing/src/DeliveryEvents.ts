/** How the attempts to send an event to a webhook stand in the log, and how they are read from it and recorded in it. */
import * as Delivery from "@akave-async/domain/Delivery"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(Delivery.Event)

const aggregate: Aggregate.Aggregate<Delivery.State, Delivery.Event> = {
  ...Delivery,
  codec,
  idOf: ({ attempt, sequence, webhookId }) => `${Delivery.kind}.${webhookId}.${sequence}.${attempt}`,
  jobIdOf: () => undefined,
  accountOf: ({ tenant }) => tenant
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.make(Delivery.kind, ["account", "webhook", "sequence"], aggregate)
