import { Clock, Duration, Effect } from "effect"

const interval = Duration.seconds(30)

/** Warns of something that lasts: at once when it is new or has changed, and then every half a minute. */
export const make = (): (message: string, cause?: unknown) => Effect.Effect<void> => {
  let told = { message: "", at: -Infinity }
  return (message, ...cause) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (message === told.message && now - told.at < Duration.toMillis(interval)) return Effect.void
      told = { message, at: now }
      return Effect.logWarning(message, ...cause)
    })
}
