/**
 * The kinds of aggregates that the log holds. Whoever reads the log reads it through the registry, and nobody else lists
 * the kinds: a kind that is added here is projected, worked on, set aside and audited.
 */
import type * as Job from "@akave-async/domain/Job"
import { Context, type Effect, Result, Schema } from "effect"
import * as AccountEvents from "./AccountEvents.ts"
import * as BucketEvents from "./BucketEvents.ts"
import type { UndecodableEvent } from "./CloudEvent.ts"
import * as DeadLetterEvents from "./DeadLetterEvents.ts"
import * as DeliveryEvents from "./DeliveryEvents.ts"
import * as DownloadEvents from "./DownloadEvents.ts"
import type { StoredEvent } from "./EventLog.ts"
import * as FileEvents from "./FileEvents.ts"
import * as IdempotencyKeyEvents from "./IdempotencyKeyEvents.ts"
import type { JobsOf, Kind, Known } from "./Kind.ts"
import * as LogEvents from "./LogEvents.ts"
import * as WebhookEvents from "./WebhookEvents.ts"

/** What a stored event is to this release. */
export type Read =
  | Known
  /** Of a kind that is not known here: somebody else's business. */
  | { readonly _tag: "Foreign" }
  /** Of a known kind and a type that is not known here: left to a newer release. */
  | { readonly _tag: "Newer"; readonly error: UndecodableEvent }
  /** Of a known kind, and not to be read by any release. */
  | { readonly _tag: "Unreadable"; readonly error: UndecodableEvent; readonly kind: Kind }

export interface Registered {
  readonly kinds: ReadonlyArray<Kind>
  readonly read: (stored: StoredEvent) => Read
  /** How jobs of this operation are read and changed; undefined where no kind has it. */
  readonly jobsOf: (operation: string) => JobsOf | undefined
  /** Jobs of any kind from plain JSON. */
  readonly readJobs: (jobs: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Job.Job>, Schema.SchemaError>
}

export const of = (kinds: ReadonlyArray<Kind>): Registered => {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  const jobs = Schema.Union(kinds.flatMap(({ jobs }) => jobs === undefined ? [] : [jobs.schema]))
  const byOperation = new Map(
    kinds.flatMap(({ jobs }) => jobs === undefined ? [] : jobs.operations.map((name) => [name, jobs] as const))
  )
  return {
    kinds,
    jobsOf: (operation) => byOperation.get(operation),
    readJobs: Schema.decodeUnknownEffect(Schema.Array(Schema.toCodecJson(jobs))),
    read: (stored) => {
      const [name = ""] = stored.subject.split(".", 1)
      const kind = byName.get(name)
      if (kind === undefined) return { _tag: "Foreign" }
      return Result.match(kind.read(stored), {
        onFailure: (error): Read => error.isNewer ? { _tag: "Newer", error } : { _tag: "Unreadable", error, kind },
        onSuccess: (known): Read => known
      })
    }
  }
}

/** The kinds of this release. */
export const kinds: ReadonlyArray<Kind> = [
  AccountEvents.kind,
  BucketEvents.kind,
  DeadLetterEvents.kind,
  DeliveryEvents.kind,
  DownloadEvents.kind,
  FileEvents.kind,
  IdempotencyKeyEvents.kind,
  LogEvents.kind,
  WebhookEvents.kind
]

export const Registry = Context.Reference<Registered>("@akave-async/eventing/Registry", {
  defaultValue: () => of(kinds)
})
