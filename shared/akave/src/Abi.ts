/** What this package knows of Akave's contracts: the calls and events it uses and every error they declare. */
import { ErrorFragment, id, Interface } from "ethers"

/** The part of the Storage contract that this package uses. */
export const storage = new Interface([
  "function createBucket(string bucketName) returns (bytes32 id)",
  "function deleteBucket(bytes32 id, string bucketName, uint256 index) returns (bool)",
  "function getBucketIndexByName(string bucketName, address owner) view returns (uint256 index, bool exists)",
  "function getBucketByName(string bucketName, address owner, uint256 fileOffset, uint256 fileLimit) view returns (tuple(bytes32 id, string name, uint256 createdAt, address owner, bytes32[] files) bucket)",
  "function createFile(bytes32 bucketId, string fileName) returns (bytes32)",
  "function addFileChunks(bytes[] cids, bytes32 bucketId, string fileName, uint256[] encodedChunkSizes, bytes32[][] chunkBlocksCIDs, uint256[][] chunkBlockSizes, uint256 startingChunkIndex)",
  "function commitFile(bytes32 bucketId, string fileName, uint256 encodedFileSize, uint256 actualSize, bytes fileCID) returns (bytes32)",
  "function deleteFile(bytes32 fileID, bytes32 bucketId, string fileName, uint256 index) returns (bool)",
  "function getFileByName(bytes32 bucketId, string fileName) view returns (tuple(bytes32 id, bytes fileCID, bytes32 bucketId, string name, uint256 encodedSize, uint256 createdAt, uint256 actualSize, tuple(bytes[] chunkCIDs, uint256[] chunkSize, uint32[] fulfilledBlocks) chunks) file)",
  "function getFileIndexById(string bucketName, bytes32 fileId, address owner) view returns (uint256 index, bool exists)",
  "event CreateBucket(bytes32 indexed id, string indexed name, address indexed owner)",
  "event DeleteBucket(bytes32 indexed id, string indexed name, address indexed owner)"
])

/** The part of the AccessManager contract that this package uses. */
export const accessManager = new Interface(["function changePublicAccess(bytes32 fileId, bool isPublic)"])

/** First topic of the log that every created bucket leaves. */
export const createBucketTopic = id("CreateBucket(bytes32,string,address)")
/** First topic of the log that every deleted bucket leaves. */
export const deleteBucketTopic = id("DeleteBucket(bytes32,string,address)")
/** First topics of the logs that a file leaves which is begun, whose chunk is added, which is committed, or deleted. */
export const createFileTopic = id("CreateFile(bytes32,bytes32,string,address)")
export const addFileChunkTopic = id("AddFileChunk(bytes32,bytes32,string,address)")
export const commitFileTopic = id("CommitFile(bytes32,bytes32,string,address)")
export const deleteFileTopic = id("DeleteFile(bytes32,bytes32,string,address)")

const signatures = [
  // Raised by Storage.
  "BucketAlreadyExists()",
  "BucketNonexists()",
  "BucketInvalidOwner()",
  "BucketInvalid()",
  "BucketNonempty()",
  "IndexMismatch()",
  "FileAlreadyExists()",
  "FileNotExists()",
  "FileInvalid()",
  "FileFullyUploaded()",
  "FileChunkDuplicate()",
  "LastChunkDuplicate()",
  "InvalidBlocksAmount()",
  "InvalidEncodedSize()",
  "FileNotFilled()",
  "InvalidFileCID()",
  "BlockAlreadyFilled()",
  "InvalidBlockIndex()",
  "NoPeersForCID()",
  "TooManyBlockCIDs()",
  "OffsetOutOfBounds()",
  "ECDSAInvalidSignature()",
  "ECDSAInvalidSignatureLength(uint256)",
  "ECDSAInvalidSignatureS(bytes32)",
  // Raised by Storage's proxy and administration.
  "WrongAuthority()",
  "NotEligibleToUpgrade()",
  "InvalidInitialization()",
  "NotInitializing()",
  "InvalidImplementation()",
  "ERC1967InvalidImplementation(address)",
  "ERC1967NonPayable()",
  "UUPSUnauthorizedCallContext()",
  "UUPSUnsupportedProxiableUUID(bytes32)",
  "AddressEmptyCode(address)",
  "FailedCall()",
  // Raised by any contract: a revert with a text, and a failed check of the language itself.
  "Error(string)",
  "Panic(uint256)",
  // Declared by Storage, never raised by the deployed code.
  "BlockAlreadyExists()",
  "BlockInvalid()",
  "BlockNonexists()",
  "ChunkCIDMismatch(bytes)",
  "FileNameDuplicate()",
  "FileNonempty()",
  "InvalidArrayLength(uint256,uint256)",
  "InvalidFileBlocksCount()",
  "InvalidLastBlockSize()",
  "InvalidPeerIndex()",
  // AccessManager and ListPolicy.
  "BucketNotFound()",
  "FileDoesNotExist()",
  "NotBucketOwner()",
  "InvalidAddress()",
  "NoDelegatedAccess()",
  "NoPolicy()",
  "AlreadyWhitelisted()",
  "NotWhitelisted()",
  "NotThePolicyOwner()",
  // Older contracts.
  "FileNonexists()",
  "CloneArgumentsTooLong()",
  "Create2EmptyBytecode()",
  "MathOverflowedMulDiv()"
] as const

/**
 * Selectors of older contracts whose parameters are not known any more: they are not the hash of the name with the
 * parameters of today, nor with none, so their arguments can't be read.
 */
const legacySelectors = {
  "0x856b300d": "InvalidArrayLength",
  "0x4b6b8ec8": "ChunkCIDMismatch",
  "0xf3714a9b": "ECDSAInvalidSignatureS",
  "0x367e2e27": "ECDSAInvalidSignatureLength",
  "0x48e0ed68": "NotSignedByBucketOwner",
  "0x923b8cbb": "NonceAlreadyUsed"
} as const

type NameOf<Signature> = Signature extends `${infer Name}(${string}` ? Name : never

/** The name of an error of the contracts. */
export type ErrorName = NameOf<typeof signatures[number]> | typeof legacySelectors[keyof typeof legacySelectors]

interface KnownError {
  readonly name: ErrorName
  /** Absent where the parameters are not known. */
  readonly fragment?: ErrorFragment
}

const known = signatures.map((signature): [string, KnownError] => {
  const fragment = ErrorFragment.from(`error ${signature}`)
  return [fragment.selector, { name: fragment.name as ErrorName, fragment }]
})
const legacy = Object.entries(legacySelectors).map(([selector, name]): [string, KnownError] => [selector, { name }])

/** Every error by its selector: 0x and the first 4 bytes of the keccak256 hash of its signature, in lower case. */
export const errors: ReadonlyMap<string, KnownError> = new Map([...known, ...legacy])

export const errorNames: ReadonlyArray<ErrorName> = [...new Set([...errors.values()].map(({ name }) => name))]
