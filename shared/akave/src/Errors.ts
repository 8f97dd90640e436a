/**
 * Everything that can go wrong, as typed errors. `isRetryable` says whether the same call, made again later, may end
 * otherwise. No message and no cause holds a key or the address of a JSON-RPC endpoint, which often holds one.
 */
import { Schema } from "effect"
import { errorNames } from "./Abi.ts"

/** A contract refused the call with an error that it declares. */
export class ContractError extends Schema.TaggedError<ContractError>()("ContractError", {
  name: Schema.Literals(errorNames),
  /** 0x and 8 hex digits. */
  selector: Schema.String,
  /** The error's arguments in order, where it has any and they can be read. */
  args: Schema.optionalKey(Schema.Array(Schema.Union([Schema.String, Schema.BigInt])))
}) {
  override readonly message = this.name === "Error" && this.args !== undefined
    ? `The contract refused: ${this.args[0]}`
    : `The contract refused: ${this.name}${this.args === undefined ? "" : `(${this.args.join(", ")})`}`
  readonly isRetryable = false
}

/** A contract refused the call without saying why, or in a way that this package does not know. */
export class UnknownRevert extends Schema.TaggedError<UnknownRevert>()("UnknownRevert", {
  /** What the contract returned: 0x and hex digits, "0x" for nothing. */
  data: Schema.String
}) {
  override readonly message = this.data === "0x"
    ? "The contract refused without a reason"
    : `The contract refused with unknown data ${this.data.slice(0, 74)}`
  readonly isRetryable = false
}

/** JSON-RPC codes that say that the request itself is wrong: a revert, or what the chain's node can't take. */
const permanentCodes: ReadonlySet<number | string> = new Set([3, -32700, -32600, -32601, -32602, -32604, 4200])

/** The chain's JSON-RPC could not be reached, did not answer in time, or answered with an error. */
export class RpcError extends Schema.TaggedError<RpcError>()("RpcError", {
  method: Schema.String,
  /** The number is JSON-RPC's; a text stands for trouble on the way, such as "ECONNREFUSED" or "TIMEOUT". */
  code: Schema.Union([Schema.Int, Schema.String]),
  details: Schema.String,
  /** HTTP's status, where the request was refused by one. */
  status: Schema.optionalKey(Schema.Int),
  /** JSON-RPC's error object, where the chain's node answered with one. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override readonly message = `${this.method} failed: ${this.details} (${this.code})`
  readonly isRetryable = !permanentCodes.has(this.code)
}

/** The status codes of gRPC, each at the place of its number. */
export const grpcCodes = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
] as const

/** The node refused a gRPC call, could not be reached, or did not answer in time. */
export class NodeError extends Schema.TaggedError<NodeError>()("NodeError", {
  /** The name of the gRPC status; DATA_LOSS also stands for an answer that breaks the protocol. */
  code: Schema.Literals(grpcCodes),
  details: Schema.String,
  rpc: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override readonly message = `${this.rpc} failed: ${this.details} (${this.code})`
  readonly isRetryable = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"].includes(this.code)
}

export class BucketNotFound extends Schema.TaggedError<BucketNotFound>()("BucketNotFound", {
  name: Schema.String,
  owner: Schema.String
}) {
  override readonly message = `${this.owner} has no bucket ${JSON.stringify(this.name)}`
  readonly isRetryable = false
}

/** An argument or a setting can't be used; nothing was sent. */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  field: Schema.String,
  reason: Schema.String
}) {
  override readonly message = `${this.field}: ${this.reason}`
  readonly isRetryable = false
}

export const RefusalReason = Schema.Literals([
  "nonce_too_low",
  "nonce_too_high",
  "underpriced",
  "replacement_underpriced",
  "insufficient_funds",
  "fee_below_base_fee",
  "gas_limit",
  "other"
])
export type RefusalReason = typeof RefusalReason.Type

/** The chain's node looked at a signed transaction and did not take it. */
export class TransactionRefused extends Schema.TaggedError<TransactionRefused>()("TransactionRefused", {
  reason: RefusalReason,
  /** The words of the chain's node. */
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  /** Whether another transaction, with fresh nonce and fees, may be taken where this one was not. */
  readonly isRetryable = this.reason !== "gas_limit" && this.reason !== "other"
}

/** The transaction is in a block and changed nothing but the sender's nonce and balance. */
export class TransactionReverted extends Schema.TaggedError<TransactionReverted>()("TransactionReverted", {
  transactionHash: Schema.String,
  blockNumber: Schema.Natural,
  /** Absent where the chain no longer gives it. */
  cause: Schema.optionalKey(Schema.Union([ContractError, UnknownRevert]))
}) {
  override readonly message = `Transaction ${this.transactionHash} was mined in block ${this.blockNumber} and reverted${
    this.cause === undefined ? "" : `. ${this.cause.message}`
  }`
  readonly isRetryable = false
}

/** The transaction was not in a block, deep enough, when time was up. It may still be mined later. */
export class SettleTimeout extends Schema.TaggedError<SettleTimeout>()("SettleTimeout", {
  transactionHash: Schema.String
}) {
  override readonly message = `Transaction ${this.transactionHash} was not settled in time; it may still be mined`
  readonly isRetryable = true
}
