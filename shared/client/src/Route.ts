/** How a method of the client is asked for over HTTP. */
export interface Route {
  readonly method: string
  /** Relative to the gateway, with a name in braces for each of `params`. */
  readonly path: string
  readonly params: ReadonlyArray<string>
  readonly hasBody?: boolean
  readonly hasQuery?: boolean
  /** Whether it takes an idempotency key. */
  readonly isKeyed?: boolean
  /** Whether it takes the entity tag of what it is about. */
  readonly isConditional?: boolean
  /** Where its answers are pages: the name of the array in them. */
  readonly items?: string
}
