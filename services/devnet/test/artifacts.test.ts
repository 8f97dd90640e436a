import { assert, it } from "@effect/vitest"
import { Interface } from "ethers"
import { readFile } from "node:fs/promises"
import { compile, textOf } from "../scripts/compile.ts"
import accessManagerArtifact from "../src/artifacts/AccessManager.json" with { type: "json" }
import storageArtifact from "../src/artifacts/Storage.json" with { type: "json" }

const storage = new Interface(storageArtifact.abi)
const access = new Interface(accessManagerArtifact.abi)

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
  for (const artifact of [storageArtifact, accessManagerArtifact]) {
    assert.isBelow(artifact.deployedBytecode.length / 2 - 1, 24_576, artifact.contractName)
  }
})

const bucket = "(bytes32,string,uint256,address,bytes32[])"

it("Storage has the functions, errors and events of the network", () => {
  assert.deepStrictEqual(selectors(storage), {
    "0x9ccd4646": "MAX_BLOCKS_PER_FILE() view returns (uint64)",
    "0x6ce02363": "MAX_BLOCK_SIZE() view returns (uint64)",
    "0xfdcb6068": "accessManager() view returns (address)",
    "0xe3f787e8": "createBucket(string) returns (bytes32)",
    "0xfd1d3c0c": "deleteBucket(bytes32,string,uint256) returns (bool)",
    "0xf83533d2": `getBucketByName(string,address,uint256,uint256) view returns (${bucket})`,
    "0x287e677f": "getBucketIndexByName(string,address) view returns (uint256,bool)",
    "0x35bdb711": `getBucketsByIds(bytes32[]) view returns (${bucket}[])`,
    "0x62838c23": `getBucketsByIdsWithFiles(bytes32[],uint256,uint256,uint256,uint256) view returns (${bucket}[])`,
    "0x262a61ce": `getOwnerBuckets(address,uint256,uint256,uint256,uint256) view returns (${bucket}[])`,
    "0x564b81ef": "getChainID() view returns (uint256)",
    "0xc9580804": "setAccessManager(address)",
    "0xb80777ea": "timestamp() view returns (uint256)",
    "0x54fd4d50": "version() pure returns (string)",
    "0x497ef2c2": "error BucketAlreadyExists()",
    "0x938a92b7": "error BucketNonexists()",
    "0xdc64d0ad": "error BucketInvalidOwner()",
    "0x4f4b202a": "error BucketInvalid()",
    "0x89fddc00": "error BucketNonempty()",
    "0x37c7f255": "error IndexMismatch()",
    "0x9605a010": "error OffsetOutOfBounds()",
    "0x7f039c1c": "error WrongAuthority()",
    "0xb8be57bc": "event CreateBucket(bytes32 indexed,string indexed,address indexed)",
    "0xeda2cc8e": "event DeleteBucket(bytes32 indexed,string indexed,address indexed)"
  })
})

it("AccessManager has the functions and errors of the network", () => {
  const { "0x4c71ed01": delegated, "0x907b4ea5": removed, ...others } = selectors(access)
  assert.deepStrictEqual([delegated, removed], [
    "event AccessDelegated(bytes32 indexed,address indexed)",
    "event AccessRemoved(bytes32 indexed,address indexed)"
  ])
  assert.deepStrictEqual(others, {
    "0xa9b61d4d": "delegateAccess(bytes32,address)",
    "0x5e2a22de": "removeAccess(bytes32,address)",
    "0xdc38b0a2": "setStorageContract(address)",
    "0xe124bdd9": "isBucketOwnerOrDelegate(bytes32,address) view returns (bool)",
    "0x11ce0267": "storageContract() view returns (address)",
    "0xc4c1a0c5": "error BucketNotFound()",
    "0x0d6b18f0": "error NotBucketOwner()",
    "0xe6c4247b": "error InvalidAddress()",
    "0xaae3f37e": "error NoDelegatedAccess()",
    "0x7f039c1c": "error WrongAuthority()"
  })
})

it("calldata parsers find the parameters by their names", () => {
  const names = (name: string) => storage.getFunction(name)?.inputs.map((input) => input.name)
  assert.deepStrictEqual(names("createBucket"), ["bucketName"])
  assert.deepStrictEqual(names("deleteBucket"), ["id", "bucketName", "index"])
  assert.deepStrictEqual(
    storage.getFunction("getBucketByName")?.outputs[0]?.components?.map((component) => component.name),
    ["id", "name", "createdAt", "owner", "files"]
  )
})
