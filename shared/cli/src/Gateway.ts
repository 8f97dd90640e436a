/** The gateway that the commands speak to, as the flags, the environment or a file name it. */
import {
  AkaveAsync,
  type ArgumentInvalid,
  CallTimeout,
  type ClientError,
  type CredentialsInvalid,
  type EffectClient
} from "@akave-async/client/effect"
import { Context, Duration, Effect, Layer, Option } from "effect"

export interface Flags {
  readonly url: Option.Option<string>
  readonly apiKey: Option.Option<string>
  readonly account: Option.Option<string>
  /** In milliseconds. */
  readonly timeout: Option.Option<number>
}

export class Gateway extends Context.Service<Gateway, {
  /** Fails where the credentials can't be used; a command that needs none does not ask for it. */
  readonly client: Effect.Effect<EffectClient, ArgumentInvalid | CredentialsInvalid>
  /** How long a wait may take, in milliseconds. */
  readonly timeout: number
  /** How long a command may take that sends or receives files, in milliseconds: as long as it takes, unless a time was given. */
  readonly limit: number
  /** Ends what takes longer than that. */
  within<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | CallTimeout, R>
}>()("akave-async/Gateway") {
  static readonly layer = (flags: Flags): Layer.Layer<Gateway> =>
    Layer.effect(
      Gateway,
      Effect.gen(function*() {
        const given = Object.fromEntries(
          Object.entries(flags).flatMap(([name, value]) => Option.isSome(value) ? [[name, value.value]] : [])
        )
        const client = yield* Effect.cached(
          AkaveAsync.use(Effect.succeed).pipe(Effect.provide(AkaveAsync.layer(given)))
        )
        const limit = Option.getOrElse(flags.timeout, () => Infinity)
        return Gateway.of({
          client,
          timeout: Option.getOrElse(flags.timeout, () => defaultTimeout),
          limit,
          within: (effect) =>
            Number.isFinite(limit)
              ? Effect.timeoutOrElse(effect, {
                duration: Duration.millis(limit),
                orElse: () => Effect.fail(new CallTimeout(limit))
              })
              : effect
        })
      })
    )
}

/** How long a command may take unless it is given, in milliseconds. */
const defaultTimeout = 120_000

/** Does something with the client. */
export const use = <A, E, R>(
  run: (client: EffectClient) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ClientError | CredentialsInvalid, R | Gateway> =>
  Effect.flatMap(Gateway.use(({ client }) => client), run)
