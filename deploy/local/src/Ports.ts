import { Effect, Schema } from "effect"
import { randomInt } from "node:crypto"
import { mkdirSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Lock from "./Lock.mjs"

export const host = "127.0.0.1"

export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", {
  port: Schema.Int,
  variable: Schema.String
}) {
  override readonly message =
    `Port ${this.port} on ${host} is taken: stop what listens there, or choose another port with ${this.variable}.`
}

export class PortSetTwice extends Schema.TaggedError<PortSetTwice>()("PortSetTwice", {
  port: Schema.Int,
  variable: Schema.String
}) {
  override readonly message =
    `${this.variable} is ${this.port}, as another setting is already: choose another port for it.`
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

/**
 * What this process gave out, and holds until it ends: a service that is not up yet, or is being restarted, keeps its
 * port. Exact ones were asked for by a person.
 */
const given = new Map<number, { readonly isExact: boolean }>()

/** One lock for each port that a process of this user gave out, so that two which start at one moment never meet. */
const folder = join(tmpdir(), `akave-async-ports-${process.getuid?.() ?? 0}`)
const held = new Map<number, Lock.Lock>()

/** False where another process gave this port out. Without a temporary folder ports are given out all the same. */
const reserve = (port: number): boolean => {
  if (given.has(port)) return true
  try {
    mkdirSync(folder, { recursive: true })
    const { lock } = Lock.take(join(folder, `${port}`))
    if (lock === undefined) return false
    if (held.size === 0) process.once("exit", () => [...held.values()].map(({ release }) => release()))
    held.set(port, lock)
  } catch {
    // Whoever listens first then has it.
  }
  return true
}

/** Gives a port that was reserved, if nobody listens there. */
const giveUnlessTaken = (port: number) =>
  Effect.map(isTaken(port), (taken) => {
    if (!taken) given.set(port, { isExact: false })
    else if (!given.has(port)) {
      held.get(port)?.release()
      held.delete(port)
    }
    return !taken
  })

/**
 * A free port below the range that systems take outgoing connections from: so none of them can take it before the
 * service does.
 */
export const free: Effect.Effect<number, NoFreePort> = Effect.gen(function*() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(20_000, 32_000)
    if (!given.has(port) && reserve(port) && (yield* giveUnlessTaken(port))) return port
  }
  return yield* new NoFreePort()
})

/** The preferred port, or a free one where that is taken. */
export const preferring = Effect.fnUntraced(function*(port: number) {
  const isOurs = given.get(port)?.isExact !== true && reserve(port)
  return isOurs && (yield* giveUnlessTaken(port)) ? port : yield* free
})

/** Exactly this port; `variable` is what a person sets to choose another one. */
export const exactly = Effect.fnUntraced(function*(port: number, variable: string) {
  if (given.get(port)?.isExact === true) return yield* new PortSetTwice({ port, variable })
  if (yield* isTaken(port)) return yield* new PortTaken({ port, variable })
  // Others that gave it out have no part in what a person asked for.
  reserve(port)
  given.set(port, { isExact: true })
  return port
})
