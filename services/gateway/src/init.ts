/**
 * `node services/gateway/src/init.ts --account ID`: opens an account unless it is open, and prints a new key of it that may do
 * everything. With the settings of a gateway; from the first account on, gateways answer nobody without a key.
 */
import * as Account from "@akave-async/domain/Account"
import { Address } from "@akave-async/domain/Ethereum"
import { execute, load } from "@akave-async/eventing/AccountEvents"
import { EventLog } from "@akave-async/eventing/EventLog"
import * as EventLogJetStream from "@akave-async/eventing/EventLogJetStream"
import { MasterSecret } from "@akave-async/platform/MasterSecret"
import { Nats } from "@akave-async/platform/Nats"
import * as Service from "@akave-async/platform/Service"
import { NodeServices } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Redacted, Schema } from "effect"
import { parseArgs } from "node:util"
import { hexIdFor } from "./Ids.ts"
import * as KeySecrets from "./KeySecrets.ts"

class Unusable extends Schema.TaggedError<Unusable>()("Unusable", { reason: Schema.String }) {
  override readonly message = this.reason
}

/** Of the first account; an administrator changes them. */
const limits = { requestsPerSecond: 1_000, jobsInFlight: 1_000_000 }
const by = "init"

const init = Effect.gen(function*() {
  const { values } = parseArgs({ options: { account: { type: "string" } } })
  const id = yield* Schema.decodeUnknownEffect(Account.Id)(values.account).pipe(
    Effect.mapError(() =>
      new Unusable({ reason: "Name the account: --account ID, of lower-case letters, digits and hyphens" })
    )
  )
  const master = (yield* MasterSecret).current()
  if (master === undefined) {
    return yield* new Unusable({ reason: "Set MASTER_SECRET or MASTER_SECRET_FILE, as the gateways have it" })
  }
  const owner = yield* Config.schema(Address, "AKAVE_OWNER_ADDRESS")
  const log = yield* EventLog
  const subject = Account.subject(id)
  const origin = { source: "/akave/gateway" }
  const opened = yield* execute(
    log,
    subject,
    yield* load(log, subject),
    Account.open({ id, owner, limits, by }),
    origin
  )
    .pipe(Effect.catchTag("AccountExists", () => load(log, subject)))
  const keyId = Account.KeyId.make(hexIdFor(undefined))
  const issue = Account.issueKey({ keyId, label: "init", scopes: ["read", "write", "admin"], by })
  yield* execute(log, subject, opened, issue, origin)
  yield* Console.log(Redacted.value(KeySecrets.secretOf(master, keyId, 1)))
})

Service.run(
  "gateway init",
  Effect.provide(
    init,
    Layer.mergeAll(EventLogJetStream.layerConfig, MasterSecret.layerConfig).pipe(
      Layer.provide(Nats.layerConfig("gateway-init")),
      Layer.provideMerge(NodeServices.layer)
    )
  )
)
