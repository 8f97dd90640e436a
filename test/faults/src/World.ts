/** All that can be seen of the product from outside, as plain values: what the checker judges, and nothing else. */

export interface World {
  readonly chain: Chain
  /** The event log, in order. */
  readonly log: ReadonlyArray<Message>
  /** The wallet's ledger, in order. */
  readonly ledger: ReadonlyArray<Message>
  /** How many jobs of one owner may be begun and not ended at once: what the executors were given. */
  readonly maxInFlight: number
  readonly readModel: ReadModel
  readonly notes: ReadonlyArray<Note>
  /** Names of what is in the staging store. */
  readonly staged: ReadonlyArray<string>
  /** What the endpoints of webhooks have received. */
  readonly received: ReadonlyArray<Received>
  /** What the processes wrote, and whatever else must hold no secret. */
  readonly texts: ReadonlyArray<{ readonly where: string; readonly text: string }>
  readonly secrets: ReadonlyArray<{ readonly name: string; readonly value: string }>
  /** Unix time in milliseconds. */
  readonly faultEndedAt: number
  readonly observedAt: number
}

/** One message of a JetStream stream. */
export interface Message {
  readonly sequence: number
  /** Without the JetStream stream's own prefix. */
  readonly subject: string
  /** Names as they are stored. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly data: Uint8Array
  /** When the server stored it: Unix time in milliseconds. */
  readonly storedAt: number
}

export interface Chain {
  /** The wallet's mined transactions, in the order of blocks. */
  readonly transactions: ReadonlyArray<Transaction>
  /** The contracts' events about the wallet's buckets and files, as their log query reports them. */
  readonly effects: ReadonlyArray<Effect & { readonly transactionHash: string }>
  /** The wallet's transaction counts: mined, and mined or waiting in the pool. */
  readonly minedCount: number
  readonly pendingCount: number
  /** For each bucket name in the log, whether the contract has it. */
  readonly existing: ReadonlyMap<string, boolean>
  /** The files of the jobs in the log that the contract has, by their ids. */
  readonly files: ReadonlyMap<string, ChainFile>
}

export interface ChainFile {
  /** Empty where the file is not committed. */
  readonly rootCid: string
  readonly size: number
  readonly chunks: number
  readonly isPublic: boolean
}

export interface Transaction {
  readonly hash: string
  readonly nonce: number
  readonly blockNumber: number
  /** Unix time in milliseconds; the chain reports whole seconds. */
  readonly minedAt: number
  readonly effects: ReadonlyArray<Effect>
}

export interface Effect {
  /** As in the vocabulary: `created`, `chunkAdded`; for whatever else a contract reports, the topic of that event. */
  readonly kind: string
  /** Of the bucket or file. */
  readonly id: string
}

/** A message that was brought to a webhook's endpoint. */
export interface Received {
  readonly webhookId: string
  readonly messageId: string
  /** Of the event. */
  readonly sequence: number
}

export interface ReadModel {
  readonly jobs: ReadonlyArray<JobRow>
  readonly buckets: ReadonlyArray<BucketRow>
  readonly files: ReadonlyArray<FileRow>
  readonly webhooks: ReadonlyArray<WebhookRow>
  readonly deliveries: ReadonlyArray<DeliveryRow>
  readonly archive: ReadonlyArray<ArchiveRow>
  readonly checkpoint: { readonly sequence: number; readonly hash: string }
}

/** Times are ISO texts, JSON is parsed. */
export interface JobRow {
  readonly id: string
  readonly operation: string
  readonly bucket_name: string
  readonly file_name: string | null
  readonly owner: string
  readonly status: string
  readonly tx_hash: string | null
  readonly error: unknown
  readonly created_at: string
  readonly updated_at: string
  readonly revision: number
  readonly attempts: number
  readonly result: unknown
}
export interface BucketRow {
  readonly owner: string
  readonly name: string
  readonly bucket_id: string
  readonly tx_hash: string | null
  readonly job_id: string
}
export interface FileRow {
  readonly file_id: string
  readonly owner: string
  readonly bucket_name: string
  readonly name: string
  readonly root_cid: string
  readonly size: number
  readonly encoded_size: number
  readonly sha256: string
  readonly content_type: string | null
  readonly encryption: string
  readonly key_id: string | null
  readonly name_on_wire: string | null
  readonly parity_blocks: number
  readonly is_public: boolean
  readonly tenant: string | null
  readonly job_id: string
  readonly created_at: string
  readonly revision: number
}
export interface WebhookRow {
  readonly id: string
  readonly owner: string
  readonly tenant: string | null
  readonly status: string
  readonly revision: number
}
export interface DeliveryRow {
  /** The webhook and the event's sequence, with a space between. */
  readonly key: string
  readonly outcome: string
  readonly attempts: number
  readonly revision: number
}
export interface ArchiveRow {
  readonly sequence: number
  readonly subject: string
  readonly headers: string
  /** In hexadecimal. */
  readonly data: string
}

/**
 * What the client asks: `create` and `delete` are of buckets; `upload`, `remove`, `share` and `download` of files, for jobs; `fetch` is
 * for a file's bytes, and `spy` reads a job of another account.
 */
export type Request =
  | "create"
  | "delete"
  | "cancel"
  | "read"
  | "spy"
  | "upload"
  | "remove"
  | "share"
  | "download"
  | "fetch"

/** What the client asked and was answered. */
export interface Note {
  readonly request: Request
  /** Of the bucket. */
  readonly name: string
  /** Of the file in it, where it is about one. */
  readonly file?: string
  /** Of the bytes that were sent. */
  readonly sha256?: string
  /** The account that it was asked for. */
  readonly account?: string
  /** The job that is cancelled or read. */
  readonly jobId?: string
  /** What its repeats are known by: the idempotency key that it was sent with, or its signature. */
  readonly key?: string
  readonly sentAt: number
  /** Absent where no answer came, or not all of it. */
  readonly answer?: {
    readonly status: number
    /** Of the job in the body, if there is one. */
    readonly jobId?: string
    /** The problem's code, if it is one. */
    readonly code?: string
    /** Empty for bytes of a file. */
    readonly body: string
    /** Of the bytes of a file, and the root that they are said to have. */
    readonly sha256?: string
    readonly root?: string
  }
}
