/** What the node refuses, and the gRPC status that says so. */
import { status } from "@grpc/grpc-js"
import { Schema } from "effect"
import type { ChainUnavailable } from "../Storage.ts"
import type { BlockCorrupt, BlockMissing, BlockStoreFailed } from "./BlockStore.ts"
import type { JournalFailed } from "./Journal.ts"

/** Clients look for this very text. */
export class BucketNotFound extends Schema.TaggedError<BucketNotFound>()("BucketNotFound", {}) {
  override readonly message = "BucketNotFound"
}
/** Clients look for this very text. */
export class FileNotFound extends Schema.TaggedError<FileNotFound>()("FileNotFound", {}) {
  override readonly message = "file not exists"
}
/** A file's chunks are final once it is committed, so nothing of it is served before. */
export class FileNotCommitted extends Schema.TaggedError<FileNotCommitted>()("FileNotCommitted", {}) {
  override readonly message = "The file is not committed: its upload has not ended"
}
export class ChunkNotFound extends Schema.TaggedError<ChunkNotFound>()("ChunkNotFound", {}) {
  override readonly message = "The file has no such chunk"
}
export class BlocksUnknown extends Schema.TaggedError<BlocksUnknown>()("BlocksUnknown", {}) {
  override readonly message = "The chunk's blocks are not known: no transaction sent to the Storage contract names them"
}
export class ChunkNotOnChain extends Schema.TaggedError<ChunkNotOnChain>()("ChunkNotOnChain", {
  detail: Schema.String
}) {
  override readonly message = this.detail
}
export class SignatureExpired extends Schema.TaggedError<SignatureExpired>()("SignatureExpired", {}) {
  override readonly message = "The block's signature has expired: its deadline has passed"
}
export class WrongSigner extends Schema.TaggedError<WrongSigner>()("WrongSigner", {}) {
  override readonly message = "The block is not signed by the owner of the bucket"
}
export class NoArchivalCopy extends Schema.TaggedError<NoArchivalCopy>()("NoArchivalCopy", {}) {
  override readonly message = "The block has no archival copy"
}
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  detail: Schema.String
}) {
  override readonly message = this.detail
}
/** What a fault that was asked for answers. */
export class Injected extends Schema.TaggedError<Injected>()("Injected", {
  code: Schema.Int,
  detail: Schema.String
}) {
  override readonly message = this.detail
}

export type Refusal =
  | BucketNotFound
  | FileNotFound
  | FileNotCommitted
  | ChunkNotFound
  | BlocksUnknown
  | ChunkNotOnChain
  | SignatureExpired
  | WrongSigner
  | NoArchivalCopy
  | InvalidArgument
  | Injected
  | BlockMissing
  | BlockCorrupt
  | BlockStoreFailed
  | JournalFailed
  | ChainUnavailable

const codes: Record<Exclude<Refusal["_tag"], "Injected">, status> = {
  BucketNotFound: status.NOT_FOUND,
  FileNotFound: status.NOT_FOUND,
  FileNotCommitted: status.FAILED_PRECONDITION,
  ChunkNotFound: status.NOT_FOUND,
  BlocksUnknown: status.NOT_FOUND,
  ChunkNotOnChain: status.FAILED_PRECONDITION,
  SignatureExpired: status.FAILED_PRECONDITION,
  WrongSigner: status.PERMISSION_DENIED,
  NoArchivalCopy: status.NOT_FOUND,
  InvalidArgument: status.INVALID_ARGUMENT,
  BlockMissing: status.NOT_FOUND,
  BlockCorrupt: status.DATA_LOSS,
  BlockStoreFailed: status.UNAVAILABLE,
  JournalFailed: status.UNAVAILABLE,
  ChainUnavailable: status.UNAVAILABLE
}

export const statusOf = (refusal: Refusal): { readonly code: status; readonly details: string } => ({
  code: refusal._tag === "Injected" ? refusal.code : codes[refusal._tag],
  details: refusal.message
})
