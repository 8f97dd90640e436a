/** Who has written an event: executors, and which of them. Events of before it said so have the path alone. */
import { InstanceId } from "@akave-async/platform/InstanceId"
import { Effect } from "effect"

/** The `source` of what this executor writes, as CloudEvents have it: a URI reference. */
export const source = Effect.map(InstanceId, (id) => `/akave/executor/${id}`)
