/** How the use of an idempotency key stands in the log, and how it is read from it and written to it. */
import * as IdempotencyKey from "@akave-async/domain/IdempotencyKey"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import * as Kind from "./Kind.ts"

/** What is known of a key that is used for the first time. */
export const unused: Aggregate.Loaded<IdempotencyKey.State> = { state: IdempotencyKey.initial, revision: 0 }

const aggregate: Aggregate.Aggregate<IdempotencyKey.State, IdempotencyKey.Event> = {
  ...IdempotencyKey,
  codec: CloudEvent.make(IdempotencyKey.Event),
  idOf: IdempotencyKey.subject,
  jobIdOf: ({ jobId }) => jobId,
  accountOf: ({ account }) => account
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.make(IdempotencyKey.kind, ["account", "key"], aggregate)
