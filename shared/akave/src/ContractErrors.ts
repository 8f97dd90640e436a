/** From what a chain's node answers to a refused call to the error that the contract raised. */
import { Option } from "effect"
import { AbiCoder } from "ethers"
import { errors } from "./Abi.ts"
import { ContractError, UnknownRevert } from "./Errors.ts"

/**
 * Decodes revert data: 0x and hex digits, a 4-byte selector followed by ABI-encoded arguments.
 *
 * Arguments that can't be read are left out; a selector that is not known gives {@link UnknownRevert}.
 */
export const decodeRevert = (data: string): ContractError | UnknownRevert => {
  const selector = data.slice(0, 10).toLowerCase()
  const known = errors.get(selector)
  if (known === undefined) return new UnknownRevert({ data })
  const args = argumentsOf(known.fragment?.inputs ?? [], data)
  return new ContractError({ name: known.name, selector, ...(args.length === 0 ? {} : { args }) })
}

type Inputs = Parameters<AbiCoder["decode"]>[0]

const argumentsOf = (inputs: Inputs, data: string): ReadonlyArray<string | bigint> => {
  try {
    return AbiCoder.defaultAbiCoder().decode(inputs, `0x${data.slice(10)}`).toArray()
  } catch {
    return []
  }
}

/** Errors nest a few levels: ours, ethers', JSON-RPC's, that of a node behind a proxy. */
const maxDepth = 8

/** Where the errors of ethers and of JSON-RPC keep what is behind them. `transaction` holds the call's own data: never look there. */
const nested = ["data", "error", "info", "cause", "originalError", "result"] as const

/**
 * The contract's refusal inside an error of ethers or of JSON-RPC, however deep; none where the error is not a revert.
 *
 * Revert data is the text `data` of JSON-RPC's error object (geth, Anvil and most others), `data` or `result` of an
 * object there (some development chains), or stands behind the word "Reverted" (Nethermind, OpenEthereum). Without
 * data, JSON-RPC's code 3 or the words "execution reverted" say that it was a revert.
 */
export const revertOf = (error: unknown): Option.Option<ContractError | UnknownRevert> => {
  const data = revertData(error, maxDepth)
  if (data !== undefined) return Option.some(decodeRevert(data))
  return isBareRevert(error, maxDepth) ? Option.some(new UnknownRevert({ data: "0x" })) : Option.none()
}

const revertData = (error: unknown, depth: number): string | undefined => {
  if (typeof error !== "object" || error === null || depth === 0) return undefined
  for (const key of nested) {
    const value: unknown = Reflect.get(error, key)
    const text = key === "data" || key === "result" ? hexIn(value) : undefined
    const found = text ?? revertData(value, depth - 1)
    if (found !== undefined) return found
  }
  return undefined
}

const hexIn = (value: unknown): string | undefined =>
  typeof value === "string" ? /^(?:reverted )?(0x(?:[0-9a-f]{2})*)$/i.exec(value)?.[1] : undefined

const isBareRevert = (error: unknown, depth: number): boolean => {
  if (typeof error !== "object" || error === null || depth === 0) return false
  const message: unknown = Reflect.get(error, "message")
  if (Reflect.get(error, "code") === 3 || (typeof message === "string" && /execution reverted/i.test(message))) {
    return true
  }
  return nested.some((key) => isBareRevert(Reflect.get(error, key), depth - 1))
}
