/**
 * Time that costs nothing: whatever is due next happens next, in one thread and in an order that only the program decides.
 * Programs run in it as processes, each with its own clock, and a process can be killed between any two of its steps.
 */
import { Clock, Context, Duration, Effect, type Fiber, Logger, Random, References, Scheduler } from "effect"
import type { Dice } from "./Dice.ts"

export interface Time {
  /** In milliseconds. */
  readonly now: () => number
  /** Does the task after so many milliseconds. */
  readonly after: (millis: number, task: () => void) => void
  /** Lets time pass until the condition holds or the end is reached. Gives whether it holds. */
  readonly runUntil: (holds: () => boolean, end: number) => boolean
  readonly process: (options: ProcessOptions) => Process
}

export interface ProcessOptions {
  readonly dice: Dice
  /** How far its clock stands before the true time, in milliseconds. */
  readonly clockSkew?: number
  readonly logger?: Logger.Logger<unknown, void>
}

/** A program that runs in simulated time. */
export interface Process {
  /** What its effects run with. */
  readonly context: Context.Context<never>
  readonly isAlive: () => boolean
  /** Nothing of it happens from here on. Nothing is released or reported: that is what a crash is. */
  readonly kill: () => void
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

interface Due {
  readonly at: number
  readonly order: number
  readonly task: () => void
}

export const make = (): Time => {
  let now = 0
  let order = 0
  let ready: Array<() => void> = []
  const heap: Array<Due> = []

  const isBefore = (a: Due, b: Due) => a.at < b.at || (a.at === b.at && a.order < b.order)

  const push = (due: Due) => {
    let place = heap.length
    heap.push(due)
    while (place > 0) {
      const above = (place - 1) >>> 1
      const parent = heap[above] as Due
      if (!isBefore(due, parent)) break
      heap[place] = parent
      place = above
    }
    heap[place] = due
  }

  const pop = (): Due | undefined => {
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let place = 0
    while (true) {
      let below = 2 * place + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Due, heap[below] as Due)) below += 1
      if (!isBefore(heap[below] as Due, last)) break
      heap[place] = heap[below] as Due
      place = below
    }
    heap[place] = last
    return first
  }

  const after = (millis: number, task: () => void) => {
    push({ at: now + Math.max(0, Math.ceil(millis)), order: order++, task })
  }

  const settle = () => {
    while (ready.length > 0) {
      const tasks = ready
      ready = []
      for (const task of tasks) task()
    }
  }

  const runUntil = (holds: () => boolean, end: number) => {
    settle()
    while (!holds()) {
      const next = heap[0]
      if (next === undefined || next.at > end) {
        now = end
        return false
      }
      pop()
      now = next.at
      next.task()
      settle()
    }
    return true
  }

  const process = ({ clockSkew = 0, dice, logger }: ProcessOptions): Process => {
    let isAlive = true
    const scheduler = new Scheduler.MixedScheduler("async", (task) => {
      ready.push(() => {
        if (isAlive) task()
      })
      return () => {}
    })
    const millis = () => now + clockSkew
    const nanos = () => BigInt(millis()) * 1_000_000n
    const clock: Clock.Clock = {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          after(Math.min(Duration.toMillis(duration), longest), () => {
            if (isAlive) resume(Effect.void)
          })
        })
    }
    const context = Context.empty().pipe(
      Context.add(Clock.Clock, clock),
      Context.add(Scheduler.Scheduler, scheduler),
      Context.add(Random.Random, {
        nextDoubleUnsafe: dice.next,
        nextIntUnsafe: () => dice.whole(Number.MIN_SAFE_INTEGER / 2, Number.MAX_SAFE_INTEGER / 2)
      }),
      Context.add(References.TracerEnabled, false),
      Context.add(Logger.CurrentLoggers, new Set(logger === undefined ? [] : [logger]))
    )
    const runFork = Effect.runForkWith(context)
    return {
      context,
      isAlive: () => isAlive,
      kill: () => {
        isAlive = false
      },
      fork: (effect) => runFork(effect)
    }
  }

  return { now: () => now, after, runUntil, process }
}

/** Whoever sleeps longer than this, in milliseconds, sleeps for ever. */
const longest = 10 ** 12
