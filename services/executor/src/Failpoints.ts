/** The failpoints of an executor. */
import * as Job from "@akave-async/domain/Job"

/** In the order in which a job comes by them. */
export const names = [
  "delivered",
  "started",
  "claimed",
  "sent",
  "submitted",
  "receipt-seen",
  "advanced",
  "completed"
] as const

/** A point in a job, or in a part of one where it has several: `sent.commit`. */
export const pointOf = (name: typeof names[number], part: Job.Part = Job.whole): string =>
  part === Job.whole ? name : `${name}.${part}`
