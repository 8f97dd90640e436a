/**
 * How what failed is tried again: named, jittered so that processes do not come together, and bounded or said to be endless.
 * What may be tried again is said where it is, by `while`.
 */
import { type Duration, Schedule } from "effect"

/** Again and again, so far apart: for what must go on, whatever is away. Whoever uses it reports what it waits for. */
export const endless = (interval: Duration.Input) => Schedule.jittered(Schedule.spaced(interval))

/** So many more tries at most, so far apart. */
export const times = (count: number, interval: Duration.Input) =>
  Schedule.jittered(Schedule.spaced(interval)).pipe(Schedule.upTo({ times: count }))

/** For so long at most, so far apart: for what others are at as well, and what they leave soon. */
export const within = (duration: Duration.Input, interval: Duration.Input) =>
  Schedule.jittered(Schedule.spaced(interval)).pipe(Schedule.upTo({ duration }))
