/** Every event that the log holds, with the aggregate that it belongs to, which its subject tells. */
import type * as Bucket from "@akave-async/domain/Bucket"
import * as DeadLetter from "@akave-async/domain/DeadLetter"
import { Result } from "effect"
import * as BucketEvents from "./BucketEvents.ts"
import type { UndecodableEvent } from "./CloudEvent.ts"
import * as DeadLetterEvents from "./DeadLetterEvents.ts"
import type { StoredEvent } from "./EventLog.ts"

export type LogEvent =
  | { readonly aggregate: "bucket"; readonly event: Bucket.Event }
  | { readonly aggregate: "dead-letter"; readonly event: DeadLetter.Event }

export const decode = (stored: StoredEvent): Result.Result<LogEvent, UndecodableEvent> =>
  stored.subject.startsWith(DeadLetter.subjectPrefix)
    ? Result.map(DeadLetterEvents.codec.decode(stored), (event) => ({ aggregate: "dead-letter", event }))
    : Result.map(BucketEvents.codec.decode(stored), (event) => ({ aggregate: "bucket", event }))
