import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Result, Schema } from "effect"
import { expectTypeOf } from "vitest"
import { Address } from "../src/Ethereum.ts"
import * as Webhook from "../src/Webhook.ts"
import type { UrlRefused } from "../src/WebhookUrl.ts"
import { WebhookUrl } from "../src/WebhookUrl.ts"

const id = Webhook.Id.make("00112233445566aa")
const owner = Address.make("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
const url = WebhookUrl.make("https://example.org/hook")
const inside = WebhookUrl.make("https://10.0.0.1/hook")
const by = "a client"
const now = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
const later = (minutes: number) => DateTime.add(now, { minutes })
const allowsPrivate = false

const asked = { id, owner, url, eventTypes: [], operations: [], description: "", by, allowsPrivate }
const register = Webhook.register(asked)
const rename = Webhook.change({ description: "another", by, allowsPrivate })
const disable = Webhook.change({ enabled: false, by, allowsPrivate })
const enable = Webhook.change({ enabled: true, by, allowsPrivate })
const rotate = Webhook.rotate({ grace: Duration.minutes(10), by })
const failing = Webhook.noteFailing({ since: now, by })
const recovered = Webhook.noteRecovered({ by })
const gone = Webhook.giveUp({ reason: "gone", by })
const test = Webhook.test({ by })
const resend = Webhook.resend({ since: 1, until: 9, by })
const remove = Webhook.remove({ by })
const testBy = (requestId: string) => Webhook.test({ by, requestId })

type Decide = (
  state: Webhook.State,
  at: DateTime.Utc
) => Result.Result<ReadonlyArray<Webhook.Event>, { readonly _tag: string }>

const after = (...commands: ReadonlyArray<Decide>): Webhook.State =>
  commands.reduce<Webhook.State>(
    (state, decide) => Result.getOrThrow(decide(state, now)).reduce(Webhook.evolve, state),
    Webhook.initial
  )

describe("a decision", () => {
  it.for<[string, ReadonlyArray<Decide>, Decide, string | ReadonlyArray<string>]>([
    ["registers a webhook", [], register, ["WebhookRegistered"]],
    ["registers it once", [register], register, []],
    ["registers none that leads into the network", [], Webhook.register({ ...asked, url: inside }), "UrlRefused"],
    [
      "registers such a one where that is allowed",
      [],
      Webhook.register({ ...asked, url: inside, allowsPrivate: true }),
      [
        "WebhookRegistered"
      ]
    ],
    ["changes its settings", [register], rename, ["WebhookChanged"]],
    [
      "changes none to lead into the network",
      [register],
      Webhook.change({ url: inside, by, allowsPrivate }),
      "UrlRefused"
    ],
    [
      "changes the settings of one that may no longer lead there",
      [
        Webhook.register({ ...asked, url: inside, allowsPrivate: true })
      ],
      rename,
      ["WebhookChanged"]
    ],
    ["changes none that is not there", [], rename, "WebhookMissing"],
    [
      "changes settings and switches it off at once",
      [register],
      Webhook.change({ enabled: false, url, by, allowsPrivate }),
      [
        "WebhookChanged",
        "WebhookDisabled"
      ]
    ],
    ["disables it", [register], disable, ["WebhookDisabled"]],
    ["disables it once", [register, disable], disable, []],
    ["enables it again", [register, disable], enable, ["WebhookEnabled"]],
    ["enables one that is gone", [register, gone], enable, ["WebhookEnabled"]],
    ["gives one up that is gone", [register], gone, ["WebhookDisabled"]],
    ["gives it up once", [register, gone], gone, []],
    ["gives up none that was removed", [register, remove], gone, "WebhookMissing"],
    ["rotates its secret", [register], rotate, ["WebhookSecretRotated"]],
    ["records that it fails", [register], failing, ["WebhookFailing"]],
    ["records that once", [register, failing], failing, []],
    ["records that it has recovered", [register, failing], recovered, ["WebhookRecovered"]],
    ["records no recovery of one that did not fail", [register], recovered, []],
    ["tests it", [register], test, ["WebhookTestAsked"]],
    ["tests none that is disabled", [register, disable], test, "WebhookOff"],
    ["tests it by the same request once", [register, testBy("a")], testBy("a"), []],
    ["tests it by another request again", [register, testBy("a")], testBy("b"), ["WebhookTestAsked"]],
    ["resends to it", [register], resend, ["WebhookResendAsked"]],
    ["resends to none that is disabled", [register, disable], resend, "WebhookOff"],
    ["removes it", [register], remove, ["WebhookRemoved"]],
    ["removes it once", [register, remove], remove, "WebhookMissing"],
    ["changes nothing of one that was removed", [register, remove], enable, "WebhookMissing"]
  ])("%s", ([, before, decide, outcome]) => {
    const decision = decide(after(...before), now)
    assert.deepStrictEqual(
      Result.match(decision, { onFailure: ({ _tag }) => _tag, onSuccess: (events) => events.map(({ _tag }) => _tag) }),
      outcome
    )
  })
})

it("a decision's type names what it can lead to, and nothing else", () => {
  type Outcome<D extends Decide> = ReturnType<D> extends Result.Result<ReadonlyArray<infer Event>, infer Rejection>
    ? readonly [Event, Rejection]
    : never
  type Case<Tag extends Webhook.Event["_tag"]> = Extract<Webhook.Event, { readonly _tag: Tag }>
  expectTypeOf<Outcome<typeof register>>().toEqualTypeOf<readonly [Case<"WebhookRegistered">, UrlRefused]>()
  expectTypeOf<Outcome<typeof rename>>().toEqualTypeOf<
    readonly [
      Case<"WebhookChanged" | "WebhookEnabled" | "WebhookDisabled">,
      UrlRefused | Webhook.WebhookMissing
    ]
  >()
  expectTypeOf<Outcome<typeof test>>().toEqualTypeOf<
    readonly [Case<"WebhookTestAsked">, Webhook.WebhookOff | Webhook.WebhookMissing]
  >()
  expectTypeOf<Outcome<typeof remove>>().toEqualTypeOf<readonly [Case<"WebhookRemoved">, Webhook.WebhookMissing]>()
})

describe("a webhook", () => {
  const there = (...commands: ReadonlyArray<Decide>) => after(register, ...commands) ?? assert.fail("there is none")

  it("is signed for by its version, and by the one before for the grace time", () => {
    assert.deepStrictEqual(Webhook.signingVersions(there(), now), [1])
    assert.deepStrictEqual(Webhook.signingVersions(there(rotate), later(9)), [2, 1])
    assert.deepStrictEqual(Webhook.signingVersions(there(rotate), later(10)), [2])
    assert.deepStrictEqual(Webhook.signingVersions(there(rotate, rotate), now), [3, 2])
  })

  it("has failed since the time that was recorded, until it recovers or is enabled again", () => {
    assert.deepStrictEqual(there(failing).failingSince, now)
    assert.isUndefined(there(failing, recovered).failingSince)
    assert.deepInclude(there(failing, gone), { status: "disabled", disabledReason: "gone", failingSince: now })
    assert.notProperty(there(failing, gone, enable), "failingSince")
    assert.notProperty(there(failing, gone, enable), "disabledReason")
  })
})

it.effect.prop("an event of any webhook can be stored and read", [Webhook.Event], ([event]) =>
  Effect.gen(function*() {
    const codec = Schema.fromJsonString(Schema.toCodecJson(Webhook.Event))
    assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(event)), event)
  }))
