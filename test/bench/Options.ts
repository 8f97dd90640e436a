/** What `npm run bench` is asked for. */
export interface Options {
  /** Rounds of each candidate, side by side. */
  readonly rounds: number
  /** How long a round of load takes, in milliseconds. */
  readonly millis: number
  /** Jobs of a backlog, or of a history; each part has a number of its own where this is not given. */
  readonly jobs: number | undefined
  readonly executors: number | undefined
}
