/** What clients may ask for, by operation: how it is requested, and what it is to do on chain. */
import * as Bucket from "@akave-async/domain/Bucket"
import type { BucketName } from "@akave-async/domain/BucketName"
import type { Address } from "@akave-async/domain/Ethereum"
import * as Job from "@akave-async/domain/Job"
import type { Decision } from "@akave-async/eventing/Aggregate"
import * as BucketEvents from "@akave-async/eventing/BucketEvents"
import type { EventLogShape, LogUnavailable } from "@akave-async/eventing/EventLog"
import { Effect } from "effect"
import * as Crates from "../Crates.ts"
import * as Pairs from "../Pairs.ts"
import type { Call } from "./SimulatedChain.ts"

export type Name = keyof typeof Bucket.operations | "crate.fill" | "pair.create"

interface Asked {
  readonly jobId: Job.Id
  readonly name: BucketName
  readonly owner: Address
}

export interface Ask {
  readonly subject: (owner: Address, name: BucketName) => string
  readonly request: (
    log: EventLogShape,
    asked: Asked
  ) => Effect.Effect<unknown, { readonly _tag: string } | LogUnavailable>
  /** What each part is to do, in their order. */
  readonly calls: (name: string) => ReadonlyMap<Job.Part, Pick<Call, "kind" | "name">>
  /** What takes back what was done, where the operation can. */
  readonly undo?: (name: string) => Pick<Call, "kind" | "name">
}

const origin = { source: "/client" }

const ofBucket = (
  decide: (asked: Asked) => Decision<Bucket.State, Bucket.Event, { readonly _tag: string }>,
  kind: Call["kind"]
): Ask => ({
  subject: Bucket.subject,
  request: (log, asked) => {
    const subject = Bucket.subject(asked.owner, asked.name)
    return Effect.flatMap(
      BucketEvents.load(log, subject),
      (known) => BucketEvents.execute(log, subject, known, decide(asked), origin)
    )
  },
  calls: (name) => new Map([[Job.whole, { kind, name }]])
})

export const asks: Readonly<Record<Name, Ask>> = {
  "bucket.create": ofBucket(Bucket.requestCreation, "create"),
  "bucket.delete": ofBucket(Bucket.requestDeletion, "delete"),
  "crate.fill": {
    subject: Crates.subject,
    request: (log, asked) => {
      const subject = Crates.subject(asked.owner, asked.name)
      return Effect.flatMap(
        Crates.load(log, subject),
        (known) => Crates.execute(log, subject, known, Crates.request(asked), origin)
      )
    },
    calls: (name) => new Map(Crates.parts.map((part) => [part, { kind: "create", name: Crates.onChain(name, part) }])),
    undo: (name) => ({ kind: "delete", name: Crates.onChain(name, "open") })
  },
  "pair.create": {
    subject: Pairs.subject,
    request: (log, asked) => {
      const subject = Pairs.subject(asked.owner, asked.name)
      return Effect.flatMap(
        Pairs.load(log, subject),
        (known) => Pairs.execute(log, subject, known, Pairs.request(asked), origin)
      )
    },
    calls: (name) => new Map(Pairs.parts.map((part) => [part, { kind: "create", name: Pairs.bucketOf(name, part) }]))
  }
}
