/** How the events of accounts stand in the log, and how an account is read from it and changed in it. */
import * as Account from "@akave-async/domain/Account"
import { DateTime } from "effect"
import * as Aggregate from "./Aggregate.ts"
import * as CloudEvent from "./CloudEvent.ts"
import * as Kind from "./Kind.ts"

export const codec = CloudEvent.make(Account.Event)

/** What is known of an account of which nothing is in the log. */
export const unknown: Aggregate.Loaded<Account.State> = { state: Account.initial, revision: 0 }

const factOf = (event: Account.Event): string => {
  switch (event._tag) {
    case "AccountOpened":
      return "opened"
    case "AccountLimitsChanged":
      return `limits.${DateTime.toEpochMillis(event.occurredAt)}.${Object.values(event.limits).join(".")}`
    case "KeyIssued":
      return `key.${event.keyId}.issued`
    case "KeyRotated":
      return `key.${event.keyId}.rotated.${event.version}`
    case "KeyRevoked":
      return `key.${event.keyId}.revoked`
  }
}

const aggregate: Aggregate.Aggregate<Account.State, Account.Event> = {
  ...Account,
  codec,
  idOf: (event) => `${Account.subject(event.accountId)}.${factOf(event)}`,
  jobIdOf: () => undefined,
  accountOf: ({ accountId }) => accountId
}

export const { execute, load } = Aggregate.make(aggregate)

export const kind = Kind.make(Account.kind, ["account"], aggregate)
