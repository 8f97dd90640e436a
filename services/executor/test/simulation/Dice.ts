/** Chance that can be repeated: the same seed gives the same answers in the same order. */
export interface Dice {
  /** From 0 to below 1. */
  readonly next: () => number
  readonly chance: (probability: number) => boolean
  /** From `from` to below `to`. */
  readonly between: (from: number, to: number) => number
  /** A whole number from `from` to `to`, both included. */
  readonly whole: (from: number, to: number) => number
  readonly pick: <const A>(list: readonly [A, ...Array<A>]) => A
}

/** Mulberry32: small, fast, and good enough to shuffle with. */
export const make = (seed: number): Dice => {
  let state = (seed ^ 0x9e37_79b9) >>> 0
  const next = () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number) => from + next() * (to - from)
  const whole = (from: number, to: number) => Math.floor(between(from, to + 1))
  return {
    next,
    chance: (probability) => next() < probability,
    between,
    whole,
    pick: (list) => list[whole(0, list.length - 1)] ?? list[0]
  }
}
