/** The way between processes and servers: answers are late or lost, requests too, and processes die in between. */
import { Effect, Exit } from "effect"
import type { Dice } from "./Dice.ts"
import type { Process, Time } from "./Time.ts"

/** How often a message fares badly, from 0 to 1. */
export interface Weather {
  /** It never arrives. */
  readonly lost: number
  /** The server does what is asked, and its answer never arrives. */
  readonly answerLost: number
  /** It arrives after its sender has given up. */
  readonly late: number
  /** It takes a while. */
  readonly slow: number
}
export const calm: Weather = { lost: 0, answerLost: 0, late: 0, slow: 0 }
/** Nothing arrives. */
export const away: Weather = { ...calm, lost: 1 }

export interface Line {
  /** Has the server do something, exactly once if all goes well. */
  call<A, E>(name: string, serve: () => Exit.Exit<A, E>, unavailable: () => E): Effect.Effect<A, E>
}

export interface LineOptions {
  readonly time: Time
  readonly dice: Dice
  readonly from: Process
  readonly weather: () => Weather
  /** How long a sender waits for an answer, in milliseconds. */
  readonly patience: number
  /** Requests arrive in the order in which they were sent, as on one connection. */
  readonly isOrdered: boolean
  /** Called with every request; says whether the sender dies with it. */
  readonly strike: (name: string) => "before" | "after" | undefined
  readonly note: (what: string) => void
}

export const line = (options: LineOptions): Line => {
  const { dice, from, isOrdered, note, patience, strike, time, weather } = options
  let lastArrival = 0

  const call: Line["call"] = (name, serve, unavailable) =>
    Effect.suspend(() => {
      if (!from.isAlive()) return Effect.never
      const death = strike(name)
      if (death === "before") {
        from.kill()
        return Effect.never
      }
      const { answerLost, late, lost, slow } = weather()
      const luck = dice.next()
      const isLost = luck < lost
      const isAnswerLost = !isLost && luck < lost + answerLost
      const isLate = !isLost && !isAnswerLost && luck < lost + answerLost + late
      const isSlow = luck > 1 - slow
      const now = time.now()
      const way = isLate
        ? dice.between(patience, 3 * patience)
        : isSlow
        ? dice.between(0, patience / 2)
        : dice.chance(0.85)
        ? 0
        : dice.between(1, 40)
      const arrival = isOrdered && !isLate ? Math.max(lastArrival, now + way) : now + way
      if (isOrdered && !isLate) lastArrival = arrival
      const isSmooth = !isLost && !isAnswerLost && !isLate && death === undefined
      if (isSmooth && arrival <= now) {
        const exit = serve()
        note(`${name} ${report(exit)}`)
        // The answer of a prompt server; everyone else has a turn before it.
        return exit
      }
      return Effect.callback((resume) => {
        const answer = (millis: number, exit: ReturnType<typeof serve>) =>
          time.after(millis, () => {
            if (from.isAlive()) resume(exit)
          })
        if (!isLost) {
          time.after(arrival - now, () => {
            const exit = serve()
            note(`${name} ${report(exit)}${isSmooth ? "" : " and its answer is lost"}`)
            if (death === "after") return from.kill()
            if (isSmooth) answer(isSlow ? dice.between(0, patience / 2) : dice.between(0, 20), exit)
          })
        } else if (death === "after") {
          from.kill()
        }
        if (!isSmooth) answer(isLost && dice.chance(0.5) ? 1 : patience, Exit.fail(unavailable()))
      })
    })

  return { call }
}

const report = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return show(exit.value)
  const [reason] = exit.cause.reasons
  return reason?._tag === "Fail" ? `fails: ${show(reason.error)}` : `dies: ${String(exit.cause)}`
}

const show = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return String(value)
  if ("message" in value && typeof value.message === "string") return value.message
  return "sequence" in value ? `#${String(value.sequence)}` : ""
}
