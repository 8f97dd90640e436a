/** Waits and deadlines. */
import { CallTimeout } from "./Errors.ts"

/** Waits so many milliseconds; rejects with the signal's reason once it is aborted. */
export const sleep = (millis: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const ended = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", ended)
      resolve()
    }, millis)
    signal?.addEventListener("abort", ended, { once: true })
  })

/** Up to a tenth more or less, so that clients don't ask in step. */
export const jittered = (millis: number): number => millis * (0.9 + 0.2 * Math.random())

/**
 * Runs something with a signal that is aborted when the caller's is, and once nothing has been heard of it for so many milliseconds,
 * which is {@link CallTimeout}. A time that is not finite is none.
 */
export const whileHeard = async <A>(
  millis: number,
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal, heard: () => void) => Promise<A>
): Promise<A> => {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const abort = () => controller.abort(signal?.reason)
  let last = performance.now()
  const look = () => {
    const left = last + millis - performance.now()
    // A timer may fire a moment early.
    if (left < 1) controller.abort(new CallTimeout(millis))
    else timer = setTimeout(look, left)
  }
  let timer = Number.isFinite(millis) ? setTimeout(look, millis) : undefined
  signal?.addEventListener("abort", abort, { once: true })
  try {
    return await run(controller.signal, () => last = performance.now())
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener("abort", abort)
  }
}

/** The same within so many milliseconds in all, whatever is heard of it. */
export const within = <A>(
  millis: number,
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<A>
): Promise<A> => whileHeard(millis, signal, run)

/**
 * What a promise gives, or a rejection with the signal's reason as soon as it is aborted. Runtimes may lose a signal that they were
 * given: what has memory to collect is not told of it.
 */
export const unlessAborted = <A>(signal: AbortSignal, promise: Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener("abort", abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort))
  })

/** Lets so many run at a time; the others wait for their turn. */
export const limiter = (most: number) => {
  let running = 0
  const waiting: Array<() => void> = []
  return async <A>(run: () => Promise<A>): Promise<A> => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
