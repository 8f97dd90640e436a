import { assert, it } from "@effect/vitest"
import { Option } from "effect"
import { AbiCoder, id } from "ethers"
import { errorNames, errors } from "../src/Abi.ts"
import { decodeRevert, revertOf } from "../src/ContractErrors.ts"
import { ContractError, RpcError, UnknownRevert } from "../src/Errors.ts"

/** Each error as the protocol's specification lists it: selector and signature. */
const specified = [
  ["0x497ef2c2", "BucketAlreadyExists()"],
  ["0x938a92b7", "BucketNonexists()"],
  ["0xdc64d0ad", "BucketInvalidOwner()"],
  ["0x4f4b202a", "BucketInvalid()"],
  ["0x89fddc00", "BucketNonempty()"],
  ["0x37c7f255", "IndexMismatch()"],
  ["0x6891dde0", "FileAlreadyExists()"],
  ["0x2abde339", "FileNotExists()"],
  ["0x77a3cbd8", "FileInvalid()"],
  ["0xd96b03b1", "FileFullyUploaded()"],
  ["0x702cf740", "FileChunkDuplicate()"],
  ["0x55cbc831", "LastChunkDuplicate()"],
  ["0xe7b199a6", "InvalidBlocksAmount()"],
  ["0x1b6fdfeb", "InvalidEncodedSize()"],
  ["0x5c371e92", "FileNotFilled()"],
  ["0xfe33db92", "InvalidFileCID()"],
  ["0xdad01942", "BlockAlreadyFilled()"],
  ["0x59b452ef", "InvalidBlockIndex()"],
  ["0x3e80ff77", "NoPeersForCID()"],
  ["0xfdcfe8be", "TooManyBlockCIDs()"],
  ["0x9605a010", "OffsetOutOfBounds()"],
  ["0xf645eedf", "ECDSAInvalidSignature()"],
  ["0xfce698f7", "ECDSAInvalidSignatureLength(uint256)"],
  ["0xd78bce0c", "ECDSAInvalidSignatureS(bytes32)"],
  ["0x7f039c1c", "WrongAuthority()"],
  ["0x6e3a1f41", "NotEligibleToUpgrade()"],
  ["0xf92ee8a9", "InvalidInitialization()"],
  ["0xd7e6bcf8", "NotInitializing()"],
  ["0x68155f9a", "InvalidImplementation()"],
  ["0x4c9c8ce3", "ERC1967InvalidImplementation(address)"],
  ["0xb398979f", "ERC1967NonPayable()"],
  ["0xe07c8dba", "UUPSUnauthorizedCallContext()"],
  ["0xaa1d49a4", "UUPSUnsupportedProxiableUUID(bytes32)"],
  ["0x9996b315", "AddressEmptyCode(address)"],
  ["0xd6bda275", "FailedCall()"],
  ["0x08c379a0", "Error(string)"],
  ["0x4e487b71", "Panic(uint256)"],
  ["0xc1edd16a", "BlockAlreadyExists()"],
  ["0xcb20e88c", "BlockInvalid()"],
  ["0x15123121", "BlockNonexists()"],
  ["0x9fb2f2f0", "ChunkCIDMismatch(bytes)"],
  ["0xd09ec7af", "FileNameDuplicate()"],
  ["0xc4a3b6f1", "FileNonempty()"],
  ["0xed73f1a4", "InvalidArrayLength(uint256,uint256)"],
  ["0x17ec8370", "InvalidFileBlocksCount()"],
  ["0x5660ebd2", "InvalidLastBlockSize()"],
  ["0x54ebcac2", "InvalidPeerIndex()"],
  ["0xc4c1a0c5", "BucketNotFound()"],
  ["0x3bcbb0de", "FileDoesNotExist()"],
  ["0x0d6b18f0", "NotBucketOwner()"],
  ["0xe6c4247b", "InvalidAddress()"],
  ["0xaae3f37e", "NoDelegatedAccess()"],
  ["0xcefa6b05", "NoPolicy()"],
  ["0xb73e95e1", "AlreadyWhitelisted()"],
  ["0x584a7938", "NotWhitelisted()"],
  ["0xa2c09fea", "NotThePolicyOwner()"],
  ["0x21584586", "FileNonexists()"],
  ["0x94289054", "CloneArgumentsTooLong()"],
  ["0x4ca249dc", "Create2EmptyBytecode()"],
  ["0x227bc153", "MathOverflowedMulDiv()"]
] as const

/** Selectors of older contracts that the specification gives without parameters, and that no parameters known to us give. */
const unexplained = [
  ["0x856b300d", "InvalidArrayLength"],
  ["0x4b6b8ec8", "ChunkCIDMismatch"],
  ["0xf3714a9b", "ECDSAInvalidSignatureS"],
  ["0x367e2e27", "ECDSAInvalidSignatureLength"],
  ["0x48e0ed68", "NotSignedByBucketOwner"],
  ["0x923b8cbb", "NonceAlreadyUsed"]
] as const

const nameOf = (signature: string) => signature.slice(0, signature.indexOf("("))

it.each(specified)("%s is the hash of %s and decodes to its name", (selector, signature) => {
  assert.strictEqual(id(signature).slice(0, 10), selector)
  const error = decodeRevert(selector)
  assert.instanceOf(error, ContractError)
  assert.strictEqual<string>(error.name, nameOf(signature))
  assert.include(error, { selector, isRetryable: false })
  assert.include(error.message, nameOf(signature))
})

it.each(unexplained)(
  "%s decodes to %s, though it is not the hash of that name without parameters",
  (selector, name) => {
    assert.notStrictEqual(id(`${name}()`).slice(0, 10), selector)
    assert.include(decodeRevert(selector), { _tag: "ContractError", name })
  }
)

it("knows no other error than the specified ones", () => {
  assert.sameMembers([...errors.keys()], [...specified, ...unexplained].map(([selector]) => selector))
  assert.sameMembers(
    [...errorNames],
    [...new Set([...specified, ...unexplained].map(([, signature]) => signature.split("(")[0]))]
  )
})

const address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
const word = `0x${"07".repeat(32)}`
it.each([
  ["ECDSAInvalidSignatureLength(uint256)", [64n]],
  ["ECDSAInvalidSignatureS(bytes32)", [word]],
  ["ERC1967InvalidImplementation(address)", [address]],
  ["UUPSUnsupportedProxiableUUID(bytes32)", [word]],
  ["AddressEmptyCode(address)", [address]],
  ["ChunkCIDMismatch(bytes)", ["0x0102"]],
  ["InvalidArrayLength(uint256,uint256)", [2n, 3n]],
  ["Error(string)", ["Nonce already used"]],
  ["Panic(uint256)", [0x32n]]
])("decodes the arguments of %s", (signature, args) => {
  const types = signature.slice(signature.indexOf("(") + 1, -1).split(",")
  const data = id(signature).slice(0, 10) + AbiCoder.defaultAbiCoder().encode(types, args).slice(2)
  const error = decodeRevert(data)
  assert.instanceOf(error, ContractError)
  assert.deepStrictEqual(error.args, args)
})

it("reports the text of a revert as its message", () => {
  const data = id("Error(string)").slice(0, 10) +
    AbiCoder.defaultAbiCoder().encode(["string"], ["Signature expired"]).slice(2)
  assert.strictEqual(decodeRevert(data).message, "The contract refused: Signature expired")
})

it("leaves out arguments that are cut short", () => {
  const error = decodeRevert("0xfce698f7000000")
  assert.instanceOf(error, ContractError)
  assert.isUndefined(error.args)
})

it.each(["0x", "0x12345678", "0x497ef2", "0x00000000497ef2c2"])("keeps %s, which it does not know", (data) => {
  const error = decodeRevert(data)
  assert.instanceOf(error, UnknownRevert)
  assert.strictEqual(error.data, data)
})

const data = "0x497ef2c2"
const geth = { code: 3, message: "execution reverted", data }
it.each<readonly [string, unknown]>([
  ["geth", geth],
  ["Anvil", { code: 3, message: "execution reverted: custom error 0x497ef2c2", data }],
  ["Besu", { code: -32000, message: "Execution reverted", data }],
  ["Nethermind", { code: -32015, message: "VM execution error.", data: `Reverted ${data}` }],
  ["a chain with data in an object", { code: -32603, message: "revert", data: { message: "revert", data } }],
  ["a chain with the result in an object", { code: -32000, message: "revert", data: { hash: "0x1", result: data } }],
  ["a node behind a proxy", { code: -32603, message: "Internal error", data: { originalError: geth } }],
  ["ethers, with data of its own", Object.assign(new Error(), { code: "CALL_EXCEPTION", data, info: { error: geth } })],
  ["ethers, with data of JSON-RPC only", Object.assign(new Error(), { data: null, info: { error: geth } })],
  ["ethers, not coalesced", Object.assign(new Error(), { code: "UNKNOWN_ERROR", error: geth })],
  ["an error with a cause", new Error("failed", { cause: geth })],
  ["an error of this package", new RpcError({ method: "eth_call", code: 3, details: "reverted", cause: geth })]
])("finds the revert in an error of %s", (_, error) => {
  assert.include(Option.getOrThrow(revertOf(error)), { _tag: "ContractError", name: "BucketAlreadyExists" })
})

it.each<readonly [string, unknown]>([
  ["code 3", { code: 3, message: "reverted" }],
  ["its words", { code: -32000, message: "execution reverted" }],
  ["empty data", { code: 3, message: "execution reverted", data: "0x" }]
])("knows a revert without a reason by %s", (_, error) => {
  assert.include(Option.getOrThrow(revertOf(error)), { _tag: "UnknownRevert", data: "0x" })
})

const circular: Record<string, unknown> = {}
circular["cause"] = circular
it.each<readonly [string, unknown]>([
  ["nothing", undefined],
  ["a text", "execution reverted"],
  ["a refused connection", Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })],
  ["the data of the call itself", { code: -32000, message: "header not found", transaction: { data: "0xe3f787e8" } }],
  ["data that is not hex", { code: -32000, message: "busy", data: "try again" }],
  ["a circle", circular]
])("finds no revert in %s", (_, error) => {
  assert.isTrue(Option.isNone(revertOf(error)))
})
