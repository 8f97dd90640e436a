import { Schedule } from "effect"

/**
 * For calls that change nothing: five more tries at most, begun within 10 s, 100 ms apart and doubling, with jitter,
 * while the failure says that it may pass.
 */
export const transient = {
  schedule: Schedule.exponential("100 millis").pipe(
    Schedule.jittered,
    Schedule.upTo({ times: 5, duration: "10 seconds" })
  ),
  while: (error: { readonly isRetryable: boolean }) => error.isRetryable
}
