/** How often a client asks, and when it stops asking. */
import { Problem } from "./Errors.ts"
import { jittered } from "./Timing.ts"

/** Milliseconds between two looks at a job where nothing announces its end; the last one counts for all that follow. */
export const pollingDelays: ReadonlyArray<number> = [300, 450, 700, 900, 650, 1600, 2000]

/** Failures in a row after which a wait ends. */
export const maxFailures = 30

/** The time before look number `n`, from 0 on: as in the list once, and then up to a tenth more or less. */
export const pollingDelay = (n: number): number => pollingDelays[n] ?? jittered(pollingDelays.at(-1) ?? 0)

/** How long a failure asks to wait, in milliseconds. */
export const wantedDelay = (error: unknown): number => error instanceof Problem ? error.retryAfter ?? 0 : 0

/** The time before the next try after so many failures in a row, in milliseconds. */
export const failureDelay = (failures: number, error: unknown): number => {
  return Math.max(jittered(pollingDelays[Math.min(failures, pollingDelays.length) - 1] ?? 0), wantedDelay(error))
}
