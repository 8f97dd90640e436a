import { assert, it } from "@effect/vitest"
import { classify } from "../src/Refusals.ts"

it.each([
  // geth, and with their own details coreth and subnet-evm.
  [-32000, "already known", "already_known"],
  [-32000, "nonce too low: next nonce 5, tx nonce 4", "nonce_too_low"],
  [
    -32000,
    "nonce too low: address 0xd25d1B870Ec0162ebF0acF173f47B738fF0cB421 next nonce 2, tx nonce 1",
    "nonce_too_low"
  ],
  [
    -32000,
    "nonce too high: address 0xd25d1B870Ec0162ebF0acF173f47B738fF0cB421 tx nonce 9, gapped nonce 7",
    "nonce_too_high"
  ],
  [-32000, "replacement transaction underpriced", "replacement_underpriced"],
  [-32000, "future transaction tries to replace pending", "replacement_underpriced"],
  [-32000, "transaction underpriced: tip needed 1, tip permitted 0", "underpriced"],
  [
    -32000,
    "transaction underpriced: address 0xd2 have gas fee cap (1) < pool minimum fee cap (25000000000)",
    "underpriced"
  ],
  [-32000, "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1", "insufficient_funds"],
  [-32000, "insufficient funds for transfer", "insufficient_funds"],
  [-32000, "max fee per gas less than block base fee: address 0xd2, maxFeePerGas: 1, baseFee: 7", "fee_below_base_fee"],
  [-32000, "exceeds block gas limit", "gas_limit"],
  [-32000, "exceeds block gas limit: tx gas (9) > current max gas (8)", "gas_limit"],
  [-32000, "intrinsic gas too low: gas 20999, minimum needed 21000", "gas_limit"],
  [-32000, "insufficient gas for floor data gas cost: gas 1, minimum needed 2", "gas_limit"],
  [-32000, "invalid sender", "other"],
  [-32000, "tx fee (2.10 ether) exceeds the configured cap (1.00 ether)", "other"],
  [-32000, "txpool is full", "busy"],
  // Anvil.
  [-32003, "transaction already imported", "already_known"],
  [-32003, "nonce too low", "nonce_too_low"],
  [-32003, "Nonce too high", "nonce_too_high"],
  [-32003, "Insufficient funds for gas * price + value", "insufficient_funds"],
  [-32003, "max fee per gas less than block base fee", "fee_below_base_fee"],
  [-32003, "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", "gas_limit"],
  [-32003, "Transaction gas limit is greater than the block gas limit, gas_limit: 9, cap: 8", "gas_limit"],
  [-32003, "insufficient gas price to replace existing transaction", "replacement_underpriced"],
  [-32602, "Failed to decode transaction", "other"],
  // Erigon.
  [-32000, "existing txn with same hash", "already_known"],
  [-32000, "could not replace existing tx", "replacement_underpriced"],
  [-32000, "insufficient funds", "insufficient_funds"],
  [-32000, "underpriced", "underpriced"],
  [-32000, "fee too low", "underpriced"],
  [-32000, "IntrinsicGas", "gas_limit"],
  [-32000, "gas limit is too high", "gas_limit"],
  [-32000, "pending sub-pool is full", "busy"],
  [-32003, "response too large", "busy"],
  [-32000, "batch limit 100 exceeded: 142 requests given", "busy"],
  // Besu, with a code for each reason.
  [-32000, "Known transaction", "already_known"],
  [-32001, "Nonce too low", "nonce_too_low"],
  [-32006, "Nonce too high", "nonce_too_high"],
  [-32000, "Transaction nonce is too distant from current sender nonce", "nonce_too_high"],
  [-32000, "An invalid transaction with a lower nonce exists", "nonce_too_high"],
  [-32000, "Replacement transaction underpriced", "replacement_underpriced"],
  [-32009, "Gas price below configured minimum gas price", "underpriced"],
  [-32009, "Gas price below current base fee", "fee_below_base_fee"],
  [-32004, "Upfront cost exceeds account balance", "insufficient_funds"],
  [-32003, "Intrinsic gas exceeds gas limit", "gas_limit"],
  [-32005, "Transaction gas limit exceeds block gas limit", "gas_limit"],
  [-32008, "Initial sync is still in progress", "busy"],
  [-32002, "Transaction pool not enabled. (Either txpool explicitly disabled, or node not yet in sync).", "busy"],
  // Nethermind, with the words of older and newer versions.
  [-32010, "AlreadyKnown", "already_known"],
  [-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", "nonce_too_low"],
  [-32010, "NonceGap, Future nonce. Expected nonce: 5", "nonce_too_high"],
  [-32010, "NonceTooFarInFuture", "nonce_too_high"],
  [-32010, "ReplacementNotAllowed", "replacement_underpriced"],
  [-32010, "FeeTooLow", "underpriced"],
  [-32010, "FeeTooLowToCompete", "underpriced"],
  [-32010, "InsufficientFunds, Account balance: 0", "insufficient_funds"],
  [-32010, "GasLimitExceeded", "gas_limit"],
  // Nobody's.
  [-32000, "the stars are not right", "other"],
  [-32603, "Internal error", "other"],
  [-32005, "daily request limit reached", "busy"],
  [-32005, "rate limit exceeded", "busy"],
  [429, "Too Many Requests", "busy"],
  [-32601, "the method eth_sendRawTransaction does not exist/is not available", "busy"],
  [-32002, "request timed out", "busy"]
])("%i %s means %s", (code, message, meaning) => {
  assert.strictEqual(classify(code, message), meaning)
})
