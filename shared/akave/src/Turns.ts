import { Effect, Semaphore } from "effect"

/** Runs what has one key one after the other, in the order of the calls, and what has different keys side by side. */
export const make = () => {
  const turns = new Map<string, { readonly semaphore: Semaphore.Semaphore; calls: number }>()
  return <A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const turn = turns.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), calls: 0 }
      turns.set(key, turn)
      turn.calls += 1
      return turn.semaphore.withPermit(effect).pipe(Effect.ensuring(Effect.sync(() => {
        turn.calls -= 1
        if (turn.calls === 0) turns.delete(key)
      })))
    })
}
