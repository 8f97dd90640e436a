/** Whether a reader gets what the log owes it. */

/** A reader and what it reads, looked at once. */
export interface Look {
  /** Events that the log has for the reader and has not handed out. */
  readonly waiting: number
  /** Events handed out and not settled, and how many there may be. */
  readonly unsettled: number
  readonly maxUnsettled: number
  /** How many deliveries the log has made. */
  readonly delivered: number
  /** True while a person holds deliveries back. */
  readonly isPaused: boolean
  /** What came to this reader so far, events and heartbeats. */
  readonly heard: number
  /** Events that came to this reader and were not taken from it. */
  readonly queued: number
}

/**
 * `stalled`: the log has events for the reader, may hand them out, and did not since the look before.
 * `deaf`: nothing at all came to the reader since then, though the log sends a heartbeat where it has nothing else.
 */
export type Finding = "fine" | "stalled" | "deaf"

/** What two looks show that are further apart than the log's heartbeats. */
export const compare = (before: Look, now: Look): Finding => {
  if (now.isPaused || now.queued > 0) return "fine"
  if (now.waiting > 0 && now.unsettled < now.maxUnsettled && now.delivered === before.delivered) return "stalled"
  return now.heard === before.heard ? "deaf" : "fine"
}

/** New readers that a stalled consumer is given before it is made anew itself. */
export const readersBeforeConsumer = 2

export type Remedy = "reader" | "consumer"

/** What helps a consumer that was found stalled this many times in a row. Other readers of it do not suffer for a deaf one. */
export const remedy = (stalls: number): Remedy => stalls > readersBeforeConsumer ? "consumer" : "reader"
