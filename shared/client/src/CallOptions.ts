/** What any call takes beside its arguments. */
export interface CallOptions {
  /** Ends the call when it is aborted. */
  readonly signal?: AbortSignal
  /** How long the call may take with all its tries, in milliseconds; 120,000 unless the client says otherwise. */
  readonly timeout?: number
  /** Names the request, where it asks for jobs: the same key is the same request. Each call draws one of its own. */
  readonly idempotencyKey?: string
  /** The root CID of the file that is meant, where the call is about a file: of any other one it is refused. */
  readonly ifMatch?: string
}
