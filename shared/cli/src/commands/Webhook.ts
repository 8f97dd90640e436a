/** `akave-async webhook …` */
import type { WebhookChange, WebhookRequest } from "@akave-async/client/effect"
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ArgumentsInvalid } from "../Failures.ts"
import { given, limit, upTo } from "../Flags.ts"
import * as Gateway from "../Gateway.ts"
import { Output } from "../Output.ts"
import { show } from "./Showing.ts"

const id = Argument.String("webhook-id").pipe(Argument.withDescription("As the list has it"))
const url = Argument.String("url").pipe(Argument.withDescription("Where events are sent to"))
const description = Flag.String("description").pipe(Flag.withDescription("What it is for"), Flag.optional)
/** The gateway knows which there are. */
const eventTypes = Flag.String("event-type").pipe(
  Flag.withDescription("Such as akave.BucketCreated.v1; give it again for more, or not at all for all"),
  Flag.atLeast(0)
)
const operations = Flag.String("operation").pipe(
  Flag.withDescription("Such as bucket.create; give it again for more, or not at all for all"),
  Flag.atLeast(0)
)

const list = Command.make(
  "list",
  {},
  () =>
    Gateway.use((client) =>
      Effect.flatMap(client.webhooks.list(), ({ webhooks }) =>
        Output.use(({ rows }) =>
          rows(
            Stream.fromIterable(webhooks),
            ["webhook_id", "url", "enabled", "disabled_reason", "failing_since", "description"]
          )
        ))
    )
).pipe(Command.withDescription("List the webhooks of the account"))

const view = Command.make("view", { id }, ({ id }) => Gateway.use((client) => show(client.webhooks.get(id)))).pipe(
  Command.withDescription("Show a webhook")
)

const create = Command.make(
  "create",
  { url, eventTypes, operations, description },
  (input) =>
    Gateway.use((client) =>
      show(client.webhooks.register({
        url: input.url,
        ...given({ description: input.description }),
        event_types: input.eventTypes,
        operations: input.operations
      } as WebhookRequest))
    )
).pipe(
  Command.withDescription("Register an endpoint that is sent events, and show its secret once"),
  Command.withExamples([{
    command: "akave-async webhook create https://example.com/hook --event-type akave.BucketCreated.v1",
    description: "Only buckets that are there"
  }])
)

const update = Command.make("update", {
  id,
  url: Flag.String("url-to").pipe(Flag.withDescription("Another address to send to"), Flag.optional),
  description,
  eventTypes,
  operations,
  enable: Flag.Boolean("enable").pipe(Flag.withDescription("Send what happens from now on"), Flag.withDefault(false)),
  disable: Flag.Boolean("disable").pipe(Flag.withDescription("Send nothing for now"), Flag.withDefault(false))
}, ({ description, disable, enable, eventTypes, id, operations, url }) =>
  Effect.gen(function*() {
    if (enable && disable) return yield* new ArgumentsInvalid({ message: "choose --enable or --disable" })
    const change = {
      ...given({ url, description }),
      ...(eventTypes.length === 0 ? {} : { event_types: eventTypes }),
      ...(operations.length === 0 ? {} : { operations }),
      ...(enable || disable ? { enabled: enable } : {})
    } as WebhookChange
    if (Object.keys(change).length === 0) {
      return yield* new ArgumentsInvalid({ message: "say what is to change: see akave-async webhook update --help" })
    }
    return yield* Gateway.use((client) => show(client.webhooks.change(id, change)))
  })).pipe(Command.withDescription("Change a webhook, or switch it off and on"))

const remove = Command.make(
  "delete",
  { id },
  ({ id }) =>
    Gateway.use((client) =>
      Effect.andThen(client.webhooks.remove(id), Output.use(({ line }) => line(`${id} is removed`, { webhook_id: id })))
    )
).pipe(Command.withDescription("Remove a webhook"))

const rotate = Command.make(
  "rotate",
  {
    id,
    overlap: Flag.Int("overlap-seconds").pipe(
      Flag.withDescription("How long the secret before signs too: a day unless given"),
      Flag.optional
    )
  },
  ({ id, overlap }) =>
    Gateway.use((client) =>
      show(client.webhooks.rotate(id, Option.isSome(overlap) ? { overlap_seconds: overlap.value } : {}))
    )
).pipe(Command.withDescription("Give a webhook its next secret, and show it once"))

const test = Command.make("test", { id }, ({ id }) => Gateway.use((client) => show(client.webhooks.test(id)))).pipe(
  Command.withDescription("Have an event sent that says nothing")
)

const deliveries = Command.make("deliveries", {
  id,
  outcome: Flag.Literals("outcome", ["succeeded", "retrying", "given_up"]).pipe(Flag.optional),
  limit
}, ({ id, limit, outcome }) =>
  Gateway.use((client) => {
    const deliveries = upTo(limit, (page) => client.webhooks.deliveries(id, { ...given({ outcome }), ...page }))
    return Output.use(({ rows }) =>
      rows(deliveries, [
        "sequence",
        "event_type",
        "outcome",
        "attempts",
        "status_code",
        "last_attempt_at",
        "error"
      ])
    )
  })).pipe(Command.withDescription("List what was sent, and what came of it"))

const resend = Command.make("resend", {
  id,
  sequence: Argument.Int("sequence").pipe(Argument.withDescription("Of one event"), Argument.optional),
  since: Flag.String("since").pipe(
    Flag.withDescription("All events from this sequence on, or from this time on, ISO 8601"),
    Flag.optional
  )
}, ({ id, sequence, since }) =>
  Gateway.use((client) =>
    Effect.gen(function*() {
      if (Option.isSome(sequence)) return yield* show(client.webhooks.resendOne(id, sequence.value))
      if (Option.isNone(since)) {
        return yield* new ArgumentsInvalid({ message: "name the sequence of an event, or where to begin by --since" })
      }
      const from = /^\d+$/.test(since.value) ? { since_sequence: Number(since.value) } : { since_at: since.value }
      return yield* show(client.webhooks.resend(id, from))
    })
  )).pipe(Command.withDescription("Have events sent once more"))

export const webhook = Command.make("webhook").pipe(
  Command.withDescription("Endpoints that are sent events"),
  Command.withSubcommands([list, view, create, update, remove, rotate, test, deliveries, resend])
)
