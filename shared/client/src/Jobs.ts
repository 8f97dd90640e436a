/** Jobs as methods of the client give them. */
import type { CallOptions } from "./CallOptions.ts"
import type { WaitOptions } from "./Waits.ts"
import type { Job } from "./Wire.ts"

/** A job of one operation, whose result is of it. */
export type JobOf<Operation extends Job["operation"]> = Omit<Job, "operation" | "result"> & {
  readonly operation: Operation
  readonly result: Extract<NonNullable<Job["result"]>, { readonly operation: Operation }> | null
}

/** What a call takes that waits for the end of a job. */
export type CreateOptions = CallOptions & Pick<WaitOptions, "onChange">

/** Waits for the end of a job that was asked for; fails where that is no success. */
export type Submitted = <Operation extends Job["operation"]>(
  job: Promise<Job>,
  options?: CreateOptions
) => Promise<JobOf<Operation>>
