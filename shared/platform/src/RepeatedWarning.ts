import { Clock, Duration, Effect } from "effect"

const interval = Duration.seconds(30)

/** Warns of something that lasts: at once when it is new or has changed, and then every half a minute. */
export const make = (): (message: string, cause?: unknown) => Effect.Effect<void> => {
  let last = { message: "", at: -Infinity }
  return (message, ...cause) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (message === last.message && now - last.at < Duration.toMillis(interval)) return Effect.void
      last = { message, at: now }
      return Effect.logWarning(message, ...cause)
    })
}
