/** What failed on the way to the chain, in the words of a job. */
import type * as Job from "@akave-async/domain/Job"
import type * as Wallet from "@akave-async/domain/Wallet"
import type {
  ContractError,
  InvalidArgument,
  RpcError,
  TransactionRefused,
  UnknownRevert
} from "@akave-async/sdk/Errors"
import { Data, Duration, Schema } from "effect"

/** The wallet can't pay for the transaction, or for all that wait. */
export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  address: Schema.String,
  /** In wei. */
  balance: Schema.BigInt,
  needed: Schema.BigInt,
  /** How many transactions of the wallet wait for it. */
  transactions: Schema.Natural
}) {
  override readonly message = `${this.address} holds ${this.balance} wei and ${
    this.transactions === 1 ? "the transaction" : `its ${this.transactions} transactions that wait`
  } may cost ${this.needed}; send it funds`
  readonly isRetryable = true
}

/** The chain did not use the job's nonce in time, so it was used up without effect. */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {
  deadline: Schema.Duration
}) {
  override readonly message = `The transaction was not mined within ${
    Duration.format(this.deadline)
  } and was withdrawn; ask for it again`
  readonly isRetryable = false
}

/** The bytes of a claim did not get to the chain's node, as far as is known. */
export class NotSent extends Data.TaggedError("NotSent")<{
  readonly claim: Wallet.Claim
  readonly cause: RpcError | TransactionRefused | InsufficientFunds
}> {
  override readonly message = `The transaction was not sent: ${this.cause.message}`
}

/** What a part needs beside its transaction could not be had. */
export class PartFailed extends Data.TaggedError("PartFailed")<{
  readonly failure: Job.Failure
  /** Whether it may pass by itself; it is then tried again as long as the job has time. */
  readonly isRetryable: boolean
}> {
  override readonly message = this.failure.message
}

export type ChainFailure =
  | PartFailed
  | ContractError
  | DeadlinePassed
  | InsufficientFunds
  | InvalidArgument
  | RpcError
  | TransactionRefused
  | UnknownRevert

export const toFailure = (error: ChainFailure): Job.Failure => {
  const { message } = error
  switch (error._tag) {
    case "PartFailed":
      return error.failure
    case "ContractError":
      return { category: "reverted", code: error.name, message }
    case "UnknownRevert":
      return { category: "reverted", code: "UnknownRevert", message }
    case "TransactionRefused":
      return error.reason === "insufficient_funds"
        ? { category: "insufficient_funds", code: "InsufficientFunds", message }
        : { category: "internal", code: "TransactionRefused", message }
    case "RpcError":
      return { category: "network", code: "ChainUnreachable", message }
    case "InsufficientFunds":
      return { category: "insufficient_funds", code: "InsufficientFunds", message }
    case "DeadlinePassed":
      return { category: "chain_timeout", code: "DeadlinePassed", message }
    case "InvalidArgument":
      return { category: "invalid_request", code: error._tag, message }
  }
}
