import type { Duration } from "effect"
import type { Coding } from "../encoding/ChunkCodec.ts"
import type { SettleOptions } from "../Sender.ts"
import type { UploadProgress } from "./Progress.ts"

export interface UploadOptions extends SettleOptions {
  /** 16 data and 16 parity blocks by default; no parity blocks store the file as it is. */
  readonly coding?: Coding
  /** False stores the file in plain though there is a key; true by default where there is one. */
  readonly isEncrypted?: boolean
  /** Blocks on their way at once; 10 by default. */
  readonly concurrency?: number
  /** Chunks in memory at once; 2 by default. More are faster where blocks of the chain come seldom. */
  readonly chunksInFlight?: number
  /** How long the nodes may take to record a further block on chain; 1 minute by default. */
  readonly fillTimeout?: Duration.Input
  readonly onProgress?: (progress: UploadProgress) => void
}

export interface PartTransaction {
  /** `create`, `chunk.<index>` or `commit`. */
  readonly part: string
  readonly hash: string
  readonly blockNumber: number
  /** Gas units. */
  readonly gasUsed: number
}
