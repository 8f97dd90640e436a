/** The commands of those who run a gateway: dead letters, accounts and keys. */
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ArgumentsInvalid } from "../Failures.ts"
import { given, limit, upTo } from "../Flags.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import { show } from "./Showing.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Dead letters

const sequence = Argument.Int("sequence").pipe(Argument.withDescription("The event's place in the log"))
const filter = {
  type: Flag.String("type").pipe(Flag.withDescription("The event's type"), Flag.optional),
  subject: Flag.String("subject").pipe(Flag.withDescription("What its subject begins with"), Flag.optional),
  reason: Flag.String("reason").pipe(Flag.withDescription("A part of why it was set aside"), Flag.optional)
}

const listLetters = Command.make("list", {
  ...filter,
  status: Flag.Literals("status", ["dead", "redriven"]).pipe(Flag.optional),
  limit
}, ({ limit, ...query }) =>
  Gateway.use((client) => {
    const letters = upTo(limit, (page) => client.deadLetters.list({ ...given(query), ...page }))
    return Output.use(({ rows }) => rows(letters, ["sequence", "type", "status", "round", "died_at", "reason"]))
  })).pipe(Command.withDescription("List the events that could not be processed"))

const showLetter = Command.make(
  "show",
  { sequence },
  ({ sequence }) => Gateway.use((client) => show(client.deadLetters.get(sequence)))
).pipe(Command.withDescription("Show one of them"))

const redrive = Command.make("redrive", {
  sequences: Argument.variadic(sequence),
  all: Flag.Boolean("all").pipe(Flag.withDescription("All there are"), Flag.withDefault(false)),
  ...filter
}, ({ all, sequences, ...query }) =>
  Gateway.use((client) =>
    Effect.gen(function*() {
      const { line } = yield* Output
      for (const sequence of sequences) {
        const letter = yield* client.deadLetters.redrive(sequence)
        yield* line(`${letter.sequence} redriven`, letter)
      }
      const chosen = given(query)
      const isFiltered = Object.keys(chosen).length > 0
      if (sequences.length === 0 && !all && !isFiltered) {
        return yield* new ArgumentsInvalid({
          message: "name sequences, or choose by --type, --subject, --reason, or --all"
        })
      }
      for (let more = all || isFiltered; more;) {
        const redriven = yield* client.deadLetters.redriveAll(all ? { all: true } : chosen)
        more = redriven.more
        yield* line(`${redriven.redriven} redriven`, redriven)
      }
    })
  )).pipe(Command.withDescription("Have them processed again, usually by a newer release"))

export const deadLetter = Command.make("dead-letter").pipe(
  Command.withDescription("Events that could not be processed"),
  Command.withSubcommands([listLetters, showLetter, redrive])
)

// ---------------------------------------------------------------------------------------------------------------------
// Accounts

const account = Argument.String("account").pipe(Argument.withDescription("An account's id"))
const limits = {
  requestsPerSecond: Flag.Int("requests-per-second").pipe(
    Flag.withDescription("Requests that it may send in a second")
  ),
  jobsInFlight: Flag.Int("jobs-in-flight").pipe(Flag.withDescription("Jobs of it that may be under way"))
}

const listAccounts = Command.make(
  "list",
  { limit },
  ({ limit }) =>
    Gateway.use((client) =>
      Output.use(({ rows }) =>
        rows(
          upTo(limit, client.accounts.list).pipe(
            Stream.map((one) => ({ ...one, ...one.limits, keys: one.keys.length }))
          ),
          ["account", "owner", "requests_per_second", "jobs_in_flight", "keys"]
        )
      )
    )
).pipe(Command.withDescription("List the accounts"))

const viewAccount = Command.make(
  "view",
  { account },
  ({ account }) => Gateway.use((client) => show(client.accounts.get(account)))
).pipe(Command.withDescription("Show an account with its keys"))

const openAccount = Command.make("open", {
  account,
  owner: Flag.String("owner").pipe(Flag.withDescription("The wallet whose executors do its jobs")),
  ...limits
}, ({ account, jobsInFlight, owner, requestsPerSecond }) =>
  Gateway.use((client) =>
    show(client.accounts.open({
      account,
      owner,
      limits: { requests_per_second: requestsPerSecond, jobs_in_flight: jobsInFlight }
    }))
  )).pipe(Command.withDescription("Open an account for a wallet"))

const changeLimits = Command.make(
  "limits",
  { account, ...limits },
  ({ account, jobsInFlight, requestsPerSecond }) =>
    Gateway.use((client) =>
      show(client.accounts.changeLimits(account, {
        requests_per_second: requestsPerSecond,
        jobs_in_flight: jobsInFlight
      }))
    )
).pipe(Command.withDescription("Change how much an account may do"))

export const accounts = Command.make("account").pipe(
  Command.withDescription("Who may use the gateway, for administrators"),
  Command.withSubcommands([listAccounts, viewAccount, openAccount, changeLimits])
)

// ---------------------------------------------------------------------------------------------------------------------
// Keys

const keyId = Argument.String("key-id").pipe(Argument.withDescription("As the account's keys have it"))

const issue = Command.make("issue", {
  account,
  label: Flag.String("label").pipe(Flag.withDescription("What it is for"), Flag.withDefault("")),
  scope: Flag.Literals("scope", ["read", "write", "admin"]).pipe(
    Flag.withDescription("What it may do; give it again for more"),
    Flag.atLeast(1)
  ),
  expires: Flag.String("expires").pipe(Flag.withDescription("When it ends, ISO 8601"), Flag.optional)
}, ({ account, expires, label, scope }) =>
  Gateway.use((client) =>
    show(client.accounts.issueKey(account, {
      label,
      scopes: [...new Set(scope)],
      ...(Option.isSome(expires) ? { expires_at: expires.value } : {})
    }))
  )).pipe(Command.withDescription("Issue a key, and show its secret once"))

const listKeys = Command.make(
  "list",
  { account },
  ({ account }) =>
    Gateway.use((client) =>
      Effect.flatMap(
        client.accounts.get(account),
        ({ keys }) =>
          Output.use(({ rows }) =>
            rows(Stream.fromIterable(keys), ["key_id", "label", "scopes", "version", "expires_at", "revoked_at"])
          )
      )
    )
).pipe(Command.withDescription("List the keys of an account"))

const rotate = Command.make(
  "rotate",
  {
    account,
    keyId,
    grace: Flag.Int("grace-seconds").pipe(
      Flag.withDescription("How long the secret before is taken too: a day unless given"),
      Flag.optional
    )
  },
  ({ account, grace, keyId }) =>
    Gateway.use((client) =>
      show(client.accounts.rotateKey(account, keyId, Option.isSome(grace) ? { grace_seconds: grace.value } : {}))
    )
).pipe(Command.withDescription("Give a key its next secret, and show it once"))

const revoke = Command.make(
  "revoke",
  { account, keyId },
  ({ account, keyId }) => Gateway.use((client) => show(client.accounts.revokeKey(account, keyId)))
).pipe(
  Command.withDescription("Revoke a key, with all its secrets")
)

export const keys = Command.make("key").pipe(
  Command.withDescription("Keys of accounts, for administrators"),
  Command.withSubcommands([issue, listKeys, rotate, revoke])
)
