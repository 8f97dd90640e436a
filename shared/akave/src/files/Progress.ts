/** How far an upload is. */
export interface UploadProgress {
  /** Plaintext bytes whose blocks have all been taken by the nodes. */
  readonly bytes: number
  /** Plaintext bytes in all, where that is known. */
  readonly totalBytes?: number
  /** Blocks that exist so far, those that the nodes have taken, and those that are recorded on chain. */
  readonly blocks: { readonly total: number; readonly stored: number; readonly filled: number }
  /** Chunks that have been encoded, and those that are on chain. */
  readonly chunks: { readonly encoded: number; readonly added: number }
  /** Transactions of this call, and the part whose one was sent or mined last: `create`, `chunk.<index>` or `commit`. */
  readonly transactions: { readonly sent: number; readonly mined: number; readonly last?: string }
}

export interface Tracker {
  readonly now: () => UploadProgress
  readonly update: (change: (progress: UploadProgress) => Partial<UploadProgress>) => void
}

/** Reports each change to a listener; what the listener throws is its own affair. */
export const track = (
  totalBytes: number | undefined,
  listener: ((progress: UploadProgress) => void) | undefined
): Tracker => {
  let progress: UploadProgress = {
    bytes: 0,
    ...(totalBytes === undefined ? {} : { totalBytes }),
    blocks: { total: 0, stored: 0, filled: 0 },
    chunks: { encoded: 0, added: 0 },
    transactions: { sent: 0, mined: 0 }
  }
  return {
    now: () => progress,
    update: (change) => {
      progress = { ...progress, ...change(progress) }
      if (listener === undefined) return
      try {
        listener(progress)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
