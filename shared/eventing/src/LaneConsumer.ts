/** The durable consumer of a wallet's lane: all executors with its key share it. */
export const nameOf = (owner: string): string => `executor-${owner.toLowerCase()}`
