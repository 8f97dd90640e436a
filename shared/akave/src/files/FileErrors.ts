/** What can go wrong with files, beside the errors of `../Errors.ts`. */
import { Schema } from "effect"

const quoted = (name: string): string => JSON.stringify(name)

export class FileNotFound extends Schema.TaggedError<FileNotFound>()("FileNotFound", {
  bucketName: Schema.String,
  name: Schema.String
}) {
  override readonly message = `The bucket ${quoted(this.bucketName)} has no file ${quoted(this.name)}`
  readonly isRetryable = false
}

/** A file of this name is there, and it is not known to be the one that is uploaded. */
export class FileExists extends Schema.TaggedError<FileExists>()("FileExists", {
  bucketName: Schema.String,
  name: Schema.String,
  isCommitted: Schema.Boolean
}) {
  override readonly message = `The bucket ${quoted(this.bucketName)} has a file ${quoted(this.name)} already${
    this.isCommitted
      ? ": delete it, or choose another name"
      : ", begun by another upload: finish that one with its journal, or delete the file"
  }`
  readonly isRetryable = false
}

/** The file has been begun and not finished: there is nothing to read yet. */
export class FileNotCommitted extends Schema.TaggedError<FileNotCommitted>()("FileNotCommitted", {
  bucketName: Schema.String,
  name: Schema.String
}) {
  override readonly message = `The upload of ${quoted(this.name)} to ${quoted(this.bucketName)} is not finished`
  readonly isRetryable = true
}

/** The wallet can't pay for all transactions of an upload; nothing was sent. Amounts are in wei. */
export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  address: Schema.String,
  balance: Schema.BigInt,
  required: Schema.BigInt
}) {
  override readonly message =
    `${this.address} has ${this.balance} wei, and the transactions of this upload may cost ${this.required}`
  readonly isRetryable = false
}

/** The bytes to upload could not be read. */
export class SourceFailed extends Schema.TaggedError<SourceFailed>()("SourceFailed", {
  cause: Schema.Defect()
}) {
  override readonly message = `The bytes to upload could not be read${
    this.cause instanceof Error ? `: ${this.cause.message}` : ""
  }`
  readonly isRetryable = false
}

/** A chunk on chain is not the one that the bytes to upload give: they, the key or the options are others than before. */
export class SourceChanged extends Schema.TaggedError<SourceChanged>()("SourceChanged", {
  bucketName: Schema.String,
  name: Schema.String,
  chunkIndex: Schema.Natural
}) {
  override readonly message =
    `Chunk ${this.chunkIndex} of ${
      quoted(this.name)
    } on chain has other content than the bytes that are uploaded now: ` +
    "upload what was begun, with the same options, or delete the file first"
  readonly isRetryable = false
}

/** The nodes have not recorded all blocks on chain in time. The same upload, made again, goes on where this one ended. */
export class BlocksNotFilled extends Schema.TaggedError<BlocksNotFilled>()("BlocksNotFilled", {
  bucketName: Schema.String,
  name: Schema.String,
  missing: Schema.Array(Schema.Struct({ chunkIndex: Schema.Natural, blocks: Schema.Array(Schema.Natural) }))
}) {
  override readonly message = `Blocks of ${quoted(this.name)} were not filled in time: ${
    this.missing.slice(0, 4).map(({ blocks, chunkIndex }) => `${blocks.join(", ")} of chunk ${chunkIndex}`).join("; ")
  }. Upload the file again to go on`
  readonly isRetryable = true
}

/** Too few blocks of a chunk could be had. */
export class BlocksUnavailable extends Schema.TaggedError<BlocksUnavailable>()("BlocksUnavailable", {
  chunkIndex: Schema.Natural,
  /** Blocks that would do. */
  needed: Schema.Natural,
  failed: Schema.Array(Schema.Struct({ blockIndex: Schema.Natural, reason: Schema.String }))
}) {
  override readonly message =
    `Chunk ${this.chunkIndex} needs ${this.needed} of its blocks, and ${this.failed.length} can't be had: ${
      this.failed.map(({ blockIndex, reason }) => `${blockIndex} (${reason})`).join(", ")
    }`
  readonly isRetryable = true
}

/** What a node reports is not what the chain holds. */
export class NotAuthentic extends Schema.TaggedError<NotAuthentic>()("NotAuthentic", {
  what: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override readonly message = `${this.what} is ${this.actual}, but by the chain it is ${this.expected}`
  readonly isRetryable = false
}

/** The file is encrypted, and there is no key to read it with. */
export class KeyRequired extends Schema.TaggedError<KeyRequired>()("KeyRequired", {
  bucketName: Schema.String,
  name: Schema.String
}) {
  override readonly message = `${quoted(this.name)} is encrypted: give the encryption key it was uploaded with`
  readonly isRetryable = false
}

/** What is kept of uploads that are under way could not be read or written. */
export class JournalFailed extends Schema.TaggedError<JournalFailed>()("JournalFailed", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override readonly message = `The journal of uploads ${this.path} can't be used${
    this.cause instanceof Error ? `: ${this.cause.message}` : ""
  }`
  readonly isRetryable = false
}
