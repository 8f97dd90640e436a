import { Effect, Schema } from "effect"
import { randomInt } from "node:crypto"
import { createServer } from "node:net"

export const host = "127.0.0.1"

export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", {
  port: Schema.Int,
  variable: Schema.String
}) {
  override readonly message =
    `Port ${this.port} on ${host} is taken: stop what listens there, or choose another port with ${this.variable}.`
}

export class NoFreePort extends Schema.TaggedError<NoFreePort>()("NoFreePort", {}) {
  override readonly message = `No free port was found on ${host}.`
}

export const isTaken = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(true)))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resume(Effect.succeed(false))))
    return Effect.sync(() => server.close())
  })

/** What this process gave out already, so that two services which are not up yet never get one port. */
const given = new Set<number>()

/**
 * A free port below the range that systems take outgoing connections from: so none of them can take it before the
 * service does. Chosen at random by the system's generator: test workers run side by side and must not meet.
 */
export const free: Effect.Effect<number, NoFreePort> = Effect.gen(function*() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(20_000, 32_000)
    if (given.has(port) || (yield* isTaken(port))) continue
    given.add(port)
    return port
  }
  return yield* new NoFreePort()
})

/** The preferred port, or a free one where that is taken. */
export const preferring = (port: number): Effect.Effect<number, NoFreePort> =>
  Effect.flatMap(isTaken(port), (taken) => taken ? free : Effect.succeed(port))

/** Exactly this port; `variable` is what a person sets to choose another one. */
export const exactly = (port: number, variable: string): Effect.Effect<number, PortTaken> =>
  Effect.flatMap(isTaken(port), (taken) => taken ? new PortTaken({ port, variable }) : Effect.succeed(port))
