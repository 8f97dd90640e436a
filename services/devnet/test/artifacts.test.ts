import { assert, it } from "@effect/vitest"
import { Interface, type ParamType } from "ethers"
import { readFile } from "node:fs/promises"
import { compile, textOf } from "../scripts/compile.ts"
import accessManagerArtifact from "../src/artifacts/AccessManager.json" with { type: "json" }
import listPolicyArtifact from "../src/artifacts/ListPolicy.json" with { type: "json" }
import storageArtifact from "../src/artifacts/Storage.json" with { type: "json" }

const storage = new Interface(storageArtifact.abi)
const access = new Interface(accessManagerArtifact.abi)
const policy = new Interface(listPolicyArtifact.abi)

/** What an interface has, by selector or by the start of the topic. */
const selectors = (contract: Interface) => {
  const found: Record<string, string> = {}
  contract.forEachFunction((fragment) => void (found[fragment.selector] = fragment.format("minimal").slice(9)))
  contract.forEachError((fragment) => void (found[fragment.selector] = fragment.format("minimal")))
  contract.forEachEvent((fragment) => void (found[fragment.topicHash.slice(0, 10)] = fragment.format("minimal")))
  return found
}

it("the artefacts are what the compiler makes of the contracts", { timeout: 120_000 }, async () => {
  for (const [path, artifact] of Object.entries(await compile())) {
    assert.strictEqual(textOf(artifact), await readFile(path, "utf8"), path)
  }
})

it("the artefacts fit into the chain's limit for code", () => {
  for (const artifact of [storageArtifact, accessManagerArtifact, listPolicyArtifact]) {
    assert.isBelow(artifact.deployedBytecode.length / 2 - 1, 24_576, artifact.contractName)
  }
})

const bucket = "(bytes32,string,uint256,address,bytes32[])"
const file = "(bytes32,bytes,bytes32,string,uint256,uint256,uint256,(bytes[],uint256[],uint32[]))"
const block = "(bytes32,bytes32,bytes32,uint256,uint256,uint8,string,bytes,uint256)"

it("Storage has the functions, errors and events of the network", () => {
  assert.deepStrictEqual(selectors(storage), {
    "0x9ccd4646": "MAX_BLOCKS_PER_FILE() view returns (uint64)",
    "0x6ce02363": "MAX_BLOCK_SIZE() view returns (uint64)",
    "0xfdcb6068": "accessManager() view returns (address)",
    "0x30b91d07": "addFileChunk(bytes,bytes32,string,uint256,bytes32[],uint256[],uint256) returns (bytes32)",
    "0x51dc0c23": "addFileChunks(bytes[],bytes32,string,uint256[],bytes32[][],uint256[][],uint256)",
    "0x9a2e82b3": "commitFile(bytes32,string,uint256,uint256,bytes) returns (bytes32)",
    "0xe3f787e8": "createBucket(string) returns (bytes32)",
    "0x6af0f801": "createFile(bytes32,string) returns (bytes32)",
    "0xfd1d3c0c": "deleteBucket(bytes32,string,uint256) returns (bool)",
    "0xd6d3110b": "deleteFile(bytes32,bytes32,string,uint256) returns (bool)",
    "0x84b0196e": "eip712Domain() view returns (bytes1,string,string,uint256,address,bytes32,uint256[])",
    "0xf8a3e41a": "fileFillCounter(bytes32) view returns (uint16)",
    "0x018c1e9c": "fileRewardClaimed(bytes32) view returns (bool)",
    "0x1ed572b7": `fillChunkBlock(${block})`,
    "0x308c3cf2": `fillChunkBlocks(${block}[])`,
    "0xf3b348fc": "getBlockPeersOfChunk(bytes32[],bytes32,uint256) view returns (bytes32[])",
    "0xf83533d2": `getBucketByName(string,address,uint256,uint256) view returns (${bucket})`,
    "0x287e677f": "getBucketIndexByName(string,address) view returns (uint256,bool)",
    "0x35bdb711": `getBucketsByIds(bytes32[]) view returns (${bucket}[])`,
    "0x62838c23": `getBucketsByIdsWithFiles(bytes32[],uint256,uint256,uint256,uint256) view returns (${bucket}[])`,
    "0x4d7dc614": "getChunkByIndex(bytes32,uint256) view returns (bytes,uint256)",
    "0xfaec0542": `getFileById(bytes32) view returns (${file})`,
    "0x5ecdfb53": `getFileByName(bytes32,string) view returns (${file})`,
    "0x49cdf6ac": "getFileIndexById(string,bytes32,address) view returns (uint256,bool)",
    "0x1b475ef4": "getFileOwner(bytes32) view returns (address)",
    "0xd4967ce6": `getFullFileInfo(string,string,bytes32,address) view returns (${file},uint256,bool)`,
    "0x262a61ce": `getOwnerBuckets(address,uint256,uint256,uint256,uint256) view returns (${bucket}[])`,
    "0x564b81ef": "getChainID() view returns (uint256)",
    "0x3d840ee9": "getPeerByPeerBlock(bytes32) view returns (bytes32)",
    "0xe4ba8a58": "isBlockFilled(bytes32,uint8,uint256) view returns (bool)",
    "0x3f383980": "isChunkFilled(bytes32,uint256) view returns (bool)",
    "0x68e6408f": "isFileFilled(bytes32) view returns (bool)",
    "0xfd21c284": "isFileFilledV2(bytes32) view returns (bool)",
    "0xc9580804": "setAccessManager(address)",
    "0xb80777ea": "timestamp() view returns (uint256)",
    "0x54fd4d50": "version() pure returns (string)",
    "0x497ef2c2": "error BucketAlreadyExists()",
    "0x938a92b7": "error BucketNonexists()",
    "0xdc64d0ad": "error BucketInvalidOwner()",
    "0x4f4b202a": "error BucketInvalid()",
    "0x89fddc00": "error BucketNonempty()",
    "0x37c7f255": "error IndexMismatch()",
    "0x6891dde0": "error FileAlreadyExists()",
    "0x2abde339": "error FileNotExists()",
    "0x77a3cbd8": "error FileInvalid()",
    "0xd96b03b1": "error FileFullyUploaded()",
    "0x702cf740": "error FileChunkDuplicate()",
    "0x55cbc831": "error LastChunkDuplicate()",
    "0xe7b199a6": "error InvalidBlocksAmount()",
    "0x1b6fdfeb": "error InvalidEncodedSize()",
    "0x5c371e92": "error FileNotFilled()",
    "0xfe33db92": "error InvalidFileCID()",
    "0xdad01942": "error BlockAlreadyFilled()",
    "0x59b452ef": "error InvalidBlockIndex()",
    "0x3e80ff77": "error NoPeersForCID()",
    "0xfdcfe8be": "error TooManyBlockCIDs()",
    "0x9605a010": "error OffsetOutOfBounds()",
    "0xf645eedf": "error ECDSAInvalidSignature()",
    "0xfce698f7": "error ECDSAInvalidSignatureLength(uint256)",
    "0xd78bce0c": "error ECDSAInvalidSignatureS(bytes32)",
    "0x7f039c1c": "error WrongAuthority()",
    "0xb8be57bc": "event CreateBucket(bytes32 indexed,string indexed,address indexed)",
    "0xeda2cc8e": "event DeleteBucket(bytes32 indexed,string indexed,address indexed)",
    "0xb018e47b": "event CreateFile(bytes32 indexed,bytes32 indexed,string indexed,address)",
    "0x0d877d36": "event AddFileChunk(bytes32 indexed,bytes32 indexed,string indexed,address)",
    "0x9f91e060": "event AddPeerBlock(bytes32 indexed,bytes32 indexed)",
    "0xdd94ce85": "event FillChunkBlock(bytes32 indexed,uint256 indexed,uint256 indexed,bytes32,bytes32)",
    "0xc208b556": "event CommitFile(bytes32 indexed,bytes32 indexed,string indexed,address)",
    "0x0e1bf50f": "event DeleteFile(bytes32 indexed,bytes32 indexed,string indexed,address)"
  })
})

// The topics of AccessManager's events and the selectors of ListPolicy are the hashes of the published signatures.
it("AccessManager has the functions, errors and events of the network", () => {
  assert.deepStrictEqual(selectors(access), {
    "0x38f5f5b2": "changePublicAccess(bytes32,bool)",
    "0xa9b61d4d": "delegateAccess(bytes32,address)",
    "0x5e2a22de": "removeAccess(bytes32,address)",
    "0xe13212f8": "setFilePolicy(bytes32,address)",
    "0xc05d0d6c": "setBucketPolicy(bytes32,address)",
    "0xdc38b0a2": "setStorageContract(address)",
    "0x3a82c912": "getFileAccessInfo(bytes32) view returns (address,bool)",
    "0xa3f685f9": "getPolicy(bytes32) view returns (address)",
    "0x44078802": "getValidateAccess(bytes32,address,bytes) view returns (bool)",
    "0xa20e18df": "getValidateAccessToBucket(bytes32,address,bytes) view returns (bool)",
    "0xe124bdd9": "isBucketOwnerOrDelegate(bytes32,address) view returns (bool)",
    "0x11ce0267": "storageContract() view returns (address)",
    "0xc4c1a0c5": "error BucketNotFound()",
    "0x3bcbb0de": "error FileDoesNotExist()",
    "0x0d6b18f0": "error NotBucketOwner()",
    "0xe6c4247b": "error InvalidAddress()",
    "0xaae3f37e": "error NoDelegatedAccess()",
    "0x7f039c1c": "error WrongAuthority()",
    "0x4c71ed01": "event AccessDelegated(bytes32 indexed,address indexed)",
    "0x907b4ea5": "event AccessRemoved(bytes32 indexed,address indexed)",
    "0xee78f4c2": "event PolicyChanged(bytes32 indexed,address indexed)",
    "0x9500a58c": "event PublicAccessChanged(bytes32 indexed,bool)"
  })
})

it("ListPolicy has the functions and errors of the network", () => {
  assert.deepStrictEqual(selectors(policy), {
    "0xc4d66de8": "initialize(address)",
    "0x8da5cb5b": "owner() view returns (address)",
    "0x65e88c5a": "assignRole(address)",
    "0x80e52e3f": "revokeRole(address)",
    "0x5c110a74": "validateAccess(address,bytes) view returns (bool)",
    "0xb73e95e1": "error AlreadyWhitelisted()",
    "0x584a7938": "error NotWhitelisted()",
    "0xa2c09fea": "error NotThePolicyOwner()",
    "0xe6c4247b": "error InvalidAddress()"
  })
})

it("calldata parsers find the parameters by their names", () => {
  const names = (name: string) => storage.getFunction(name)?.inputs.map((input) => input.name)
  assert.deepStrictEqual(names("createBucket"), ["bucketName"])
  assert.deepStrictEqual(names("deleteBucket"), ["id", "bucketName", "index"])
  assert.deepStrictEqual(names("createFile"), ["bucketId", "fileName"])
  assert.deepStrictEqual(names("addFileChunk"), [
    "chunkCID",
    "bucketId",
    "fileName",
    "encodedChunkSize",
    "cids",
    "chunkBlocksSizes",
    "chunkIndex"
  ])
  assert.deepStrictEqual(names("addFileChunks"), [
    "cids",
    "bucketId",
    "fileName",
    "encodedChunkSizes",
    "chunkBlocksCIDs",
    "chunkBlockSizes",
    "startingChunkIndex"
  ])
  assert.deepStrictEqual(names("commitFile"), ["bucketId", "fileName", "encodedFileSize", "actualSize", "fileCID"])
  assert.deepStrictEqual(names("deleteFile"), ["fileID", "bucketId", "fileName", "index"])
})

it("structs have their fields in the order of the network", () => {
  const namesOf = (fields: ReadonlyArray<ParamType> | null | undefined) => fields?.map(({ name }) => name)
  const file = storage.getFunction("getFileById")?.outputs[0]?.components
  assert.deepStrictEqual(
    namesOf(storage.getFunction("getBucketByName")?.outputs[0]?.components),
    ["id", "name", "createdAt", "owner", "files"]
  )
  assert.deepStrictEqual(
    namesOf(file),
    ["id", "fileCID", "bucketId", "name", "encodedSize", "createdAt", "actualSize", "chunks"]
  )
  assert.deepStrictEqual(namesOf(file?.[7]?.components), ["chunkCIDs", "chunkSize", "fulfilledBlocks"])
  assert.deepStrictEqual(
    namesOf(storage.getFunction("fillChunkBlock")?.inputs[0]?.components),
    ["blockCID", "nodeId", "bucketId", "chunkIndex", "nonce", "blockIndex", "fileName", "signature", "deadline"]
  )
})
