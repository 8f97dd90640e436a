// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "./AccessManager.sol";
import {TypedData} from "./TypedData.sol";

/// Buckets and files of an Akave development network. The interface, the order of the checks and the errors are those
/// that clients of the Akave network rely on. Storage is laid out so that calls cost about what they cost there.
///
/// What clients of a development network don't need is left out: the reward token, the proxy and the functions to upgrade
/// it. Differently from the Akave network, an index at or beyond a chunk's number of blocks can't be filled: there, this
/// makes a complete file count as incomplete for ever.
///
/// A new release puts its code over that of a kept chain, whose storage stays: variables and fields of structs are only
/// added, after the last ones, and nothing may be immutable.
contract Storage is TypedData {
    /// A bucket as callers see it. The order of the fields is part of the interface.
    struct Bucket {
        bytes32 id;
        string name;
        uint256 createdAt;
        address owner;
        bytes32[] files;
    }

    /// A bucket as it is kept: a slot for each field, as on the Akave network. The owner is set in every existing bucket.
    struct StoredBucket {
        bytes32 id;
        string name;
        uint256 createdAt;
        address owner;
        /// Place in the owner's list, in the owner's slot, where it costs nothing further.
        uint96 index;
        bytes32[] files;
    }

    /// A file as callers see it.
    struct File {
        bytes32 id;
        bytes fileCID;
        bytes32 bucketId;
        string name;
        uint256 encodedSize;
        uint256 createdAt;
        uint256 actualSize;
        Chunk chunks;
    }

    /// The chunks of a file, one in each place of the lists. A bit of `fulfilledBlocks`, from the lowest, is set for each
    /// block that a node stores.
    struct Chunk {
        bytes[] chunkCIDs;
        uint256[] chunkSize;
        uint32[] fulfilledBlocks;
    }

    /// A file as it is kept. The id is set in every existing file, the CID in every committed one.
    struct StoredFile {
        bytes32 id;
        bytes fileCID;
        bytes32 bucketId;
        string name;
        uint256 encodedSize;
        uint256 actualSize;
        uint64 createdAt;
        /// Place in the bucket's list. This and what follows is in the slot of `createdAt`, where it costs little.
        uint64 index;
        /// Chunks all of whose blocks are filled.
        uint16 filledChunks;
        /// Whether a chunk of less than 32 blocks, the last one, has been added.
        bool isClosed;
        /// Blocks of that last chunk.
        uint8 lastChunkBlocks;
        Chunk chunks;
    }

    struct FillChunkBlockArgs {
        bytes32 blockCID;
        bytes32 nodeId;
        bytes32 bucketId;
        uint256 chunkIndex;
        uint256 nonce;
        uint8 blockIndex;
        string fileName;
        bytes signature;
        uint256 deadline;
    }

    event CreateBucket(bytes32 indexed id, string indexed name, address indexed owner);
    event DeleteBucket(bytes32 indexed id, string indexed name, address indexed owner);

    event CreateFile(bytes32 indexed id, bytes32 indexed bucketId, string indexed name, address owner);
    event AddFileChunk(bytes32 indexed id, bytes32 indexed bucketId, string indexed name, address owner);
    event AddPeerBlock(bytes32 indexed blockId, bytes32 indexed peerId);
    event FillChunkBlock(
        bytes32 indexed fileId,
        uint256 indexed chunkIndex,
        uint256 indexed blockIndex,
        bytes32 blockCID,
        bytes32 nodeId
    );
    event CommitFile(bytes32 indexed id, bytes32 indexed bucketId, string indexed name, address owner);
    event DeleteFile(bytes32 indexed id, bytes32 indexed bucketId, string indexed name, address owner);

    error BucketAlreadyExists();
    error BucketNonexists();
    error BucketInvalidOwner();
    error BucketInvalid();
    error BucketNonempty();
    error IndexMismatch();
    error FileAlreadyExists();
    error FileNotExists();
    error FileInvalid();
    error FileFullyUploaded();
    error FileChunkDuplicate();
    error LastChunkDuplicate();
    error InvalidBlocksAmount();
    error InvalidEncodedSize();
    error FileNotFilled();
    error InvalidFileCID();
    error BlockAlreadyFilled();
    error InvalidBlockIndex();
    error NoPeersForCID();
    error TooManyBlockCIDs();
    error OffsetOutOfBounds();
    error WrongAuthority();

    /// Published limits; no function enforces them.
    uint64 public constant MAX_BLOCKS_PER_FILE = 1024;
    uint64 public constant MAX_BLOCK_SIZE = 1_000_000;

    uint256 private constant maxBlocksPerChunk = 32;

    bytes32 private constant blockTypeHash = keccak256(
        "StorageData(bytes chunkCID,bytes32 blockCID,uint256 chunkIndex,uint8 blockIndex,bytes32 nodeId,uint256 nonce,uint256 deadline,bytes32 bucketId)"
    );

    /// Decides who acts for an owner. Until it is set only owners do.
    AccessManager public accessManager;

    address private authority;
    mapping(bytes32 id => StoredBucket) private buckets;
    mapping(address owner => bytes32[] ids) private idsOf;
    mapping(bytes32 id => StoredFile) private files;
    /// The node that stores a block, by the block's place in a file. It outlives the file.
    mapping(bytes32 peerBlockId => bytes32 nodeId) private nodeOf;
    /// What a bucket's owner has signed once is not taken again, not even for another file of that name.
    mapping(address owner => mapping(bytes32 bucketId => mapping(uint256 nonce => bool))) private usedNonces;
    /// Whether a file of this id has been committed, for which the Akave network pays its reward once.
    mapping(bytes32 fileId => bool) public fileRewardClaimed;

    constructor() {
        authority = msg.sender;
    }

    /// Only the account that deployed the contract may choose who decides about access.
    function setAccessManager(address accessManagerAddress) external {
        if (msg.sender != authority) revert WrongAuthority();
        accessManager = AccessManager(accessManagerAddress);
    }

    /// Any name is accepted, the empty one too: rules for names are the client's.
    function createBucket(string calldata bucketName) external returns (bytes32 id) {
        id = bucketIdOf(bucketName, msg.sender);
        StoredBucket storage bucket = buckets[id];
        if (bucket.owner != address(0)) revert BucketAlreadyExists();

        bytes32[] storage ids = idsOf[msg.sender];
        bucket.id = id;
        bucket.name = bucketName;
        bucket.createdAt = block.timestamp;
        bucket.owner = msg.sender;
        bucket.index = uint96(ids.length);
        ids.push(id);
        emit CreateBucket(id, bucketName, msg.sender);
    }

    /// The last bucket of the owner's list takes the place of the deleted one.
    function deleteBucket(bytes32 id, string calldata bucketName, uint256 index) external returns (bool) {
        StoredBucket storage bucket = owned(id);
        if (bucketIdOf(bucketName, msg.sender) != id) revert BucketInvalid();
        if (bucket.files.length != 0) revert BucketNonempty();
        bytes32[] storage ids = idsOf[msg.sender];
        if (ids[index] != id) revert IndexMismatch();

        bytes32 last = ids[ids.length - 1];
        ids[index] = last;
        buckets[last].index = uint96(index);
        ids.pop();
        delete buckets[id];
        emit DeleteBucket(id, bucketName, msg.sender);
        return true;
    }

    /// Any name is accepted, as for buckets.
    function createFile(bytes32 bucketId, string calldata fileName) external returns (bytes32 id) {
        StoredBucket storage bucket = owned(bucketId);
        id = fileIdOf(bucketId, fileName);
        StoredFile storage file = files[id];
        if (file.id != 0) revert FileAlreadyExists();

        file.id = id;
        file.bucketId = bucketId;
        file.name = fileName;
        file.createdAt = uint64(block.timestamp);
        file.index = uint64(bucket.files.length);
        bucket.files.push(id);
        emit CreateFile(id, bucketId, fileName, msg.sender);
    }

    /// Adds the next chunk. The CIDs and sizes of its blocks are counted, not kept: they can be read from the transaction.
    function addFileChunk(
        bytes calldata chunkCID,
        bytes32 bucketId,
        string calldata fileName,
        uint256 encodedChunkSize,
        bytes32[] calldata cids,
        uint256[] calldata chunkBlocksSizes,
        uint256 chunkIndex
    ) external returns (bytes32) {
        return addChunk(
            chunkCID, bucketId, fileName, encodedChunkSize, cids.length, chunkBlocksSizes.length, chunkIndex
        );
    }

    /// Adds chunks in their order, or none of them. No chunks are nothing to check either.
    function addFileChunks(
        bytes[] calldata cids,
        bytes32 bucketId,
        string calldata fileName,
        uint256[] calldata encodedChunkSizes,
        bytes32[][] calldata chunkBlocksCIDs,
        uint256[][] calldata chunkBlockSizes,
        uint256 startingChunkIndex
    ) external {
        // By the longest list, so that a shorter one is an index out of its bounds.
        uint256 chunks = longer(
            longer(cids.length, encodedChunkSizes.length), longer(chunkBlocksCIDs.length, chunkBlockSizes.length)
        );
        for (uint256 i = 0; i < chunks; i++) {
            addChunk(
                cids[i],
                bucketId,
                fileName,
                encodedChunkSizes[i],
                chunkBlocksCIDs[i].length,
                chunkBlockSizes[i].length,
                startingChunkIndex + i
            );
        }
    }

    /// Records which node stores a block, as the bucket's owner has signed it. Anybody may send it.
    function fillChunkBlock(FillChunkBlockArgs calldata args) external {
        fill(args);
    }

    /// All of them or none.
    function fillChunkBlocks(FillChunkBlockArgs[] calldata args) external {
        for (uint256 i = 0; i < args.length; i++) fill(args[i]);
    }

    /// Ends an upload. The actual size is the caller's word.
    function commitFile(
        bytes32 bucketId,
        string calldata fileName,
        uint256 encodedFileSize,
        uint256 actualSize,
        bytes calldata fileCID
    ) external returns (bytes32 id) {
        owned(bucketId);
        id = fileIdOf(bucketId, fileName);
        StoredFile storage file = files[id];
        if (file.fileCID.length != 0) revert FileFullyUploaded();
        if (!isFileFilled(id)) revert FileNotFilled();
        if (fileCID.length == 0) revert InvalidFileCID();
        // Chunks are larger than 0, so 0 is the size of a file without chunks, or of none.
        if (encodedFileSize == 0 || encodedFileSize != sum(file.chunks.chunkSize)) revert InvalidEncodedSize();

        file.encodedSize = encodedFileSize;
        file.actualSize = actualSize;
        file.fileCID = fileCID;
        fileRewardClaimed[id] = true;
        emit CommitFile(id, bucketId, fileName, msg.sender);
    }

    /// Deletes a file, committed or not. The last file of the bucket's list takes its place; its peers stay known.
    function deleteFile(bytes32 fileID, bytes32 bucketId, string calldata fileName, uint256 index)
        external
        returns (bool)
    {
        StoredBucket storage bucket = owned(bucketId);
        StoredFile storage file = files[fileID];
        if (file.id == 0) revert FileNotExists();
        if (fileIdOf(bucketId, fileName) != fileID) revert FileInvalid();
        if (file.index != index) revert IndexMismatch();

        bytes32 last = bucket.files[bucket.files.length - 1];
        bucket.files[index] = last;
        files[last].index = uint64(index);
        bucket.files.pop();
        delete files[fileID];
        emit DeleteFile(fileID, bucketId, fileName, msg.sender);
        return true;
    }

    /// A bucket of zeros when there is none.
    function getBucketByName(string calldata bucketName, address owner, uint256 fileOffset, uint256 fileLimit)
        external
        view
        returns (Bucket memory bucket)
    {
        return view_(bucketIdOf(bucketName, owner), fileOffset, fileLimit);
    }

    /// The place in the owner's list that deleteBucket asks for; (0, false) when there is no such bucket.
    function getBucketIndexByName(string calldata bucketName, address owner)
        external
        view
        returns (uint256 index, bool exists)
    {
        StoredBucket storage bucket = buckets[bucketIdOf(bucketName, owner)];
        return (bucket.index, bucket.owner != address(0));
    }

    /// One entry for each id, of zeros when there is no such bucket, always without files.
    function getBucketsByIds(bytes32[] calldata ids) external view returns (Bucket[] memory result) {
        result = new Bucket[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) result[i] = view_(ids[i], 0, 0);
    }

    /// A page of the ids given, each bucket with a page of its files.
    function getBucketsByIdsWithFiles(
        bytes32[] calldata ids,
        uint256 bucketOffset,
        uint256 bucketLimit,
        uint256 fileOffset,
        uint256 fileLimit
    ) external view returns (Bucket[] memory result) {
        result = new Bucket[](pageLength(ids.length, bucketOffset, bucketLimit));
        for (uint256 i = 0; i < result.length; i++) result[i] = view_(ids[bucketOffset + i], fileOffset, fileLimit);
    }

    /// A page of the owner's list, each bucket with a page of its files. Offset 0 with limit 0 gives one bucket, as on
    /// the Akave network.
    function getOwnerBuckets(address owner, uint256 offset, uint256 limit, uint256 fileOffset, uint256 fileLimit)
        external
        view
        returns (Bucket[] memory result)
    {
        bytes32[] storage ids = idsOf[owner];
        result = new Bucket[](pageLength(ids.length, offset, offset == 0 && limit == 0 ? 1 : limit));
        for (uint256 i = 0; i < result.length; i++) result[i] = view_(ids[offset + i], fileOffset, fileLimit);
    }

    /// A file of zeros when there is none.
    function getFileById(bytes32 id) public view returns (File memory file) {
        StoredFile storage stored = files[id];
        file.id = stored.id;
        file.fileCID = stored.fileCID;
        file.bucketId = stored.bucketId;
        file.name = stored.name;
        file.encodedSize = stored.encodedSize;
        file.createdAt = stored.createdAt;
        file.actualSize = stored.actualSize;
        file.chunks = stored.chunks;
    }

    /// A file of zeros when there is none.
    function getFileByName(bytes32 bucketId, string calldata fileName) external view returns (File memory file) {
        return getFileById(fileIdOf(bucketId, fileName));
    }

    /// The file of this name in the bucket of this id, and its place in the list of the owner's bucket of this name.
    function getFullFileInfo(string calldata bucketName, string calldata fileName, bytes32 bucketId, address owner)
        external
        view
        returns (File memory file, uint256 index, bool exists)
    {
        bytes32 id = fileIdOf(bucketId, fileName);
        (index, exists) = getFileIndexById(bucketName, id, owner);
        file = getFileById(id);
    }

    /// The place in the bucket's list that deleteFile asks for; (0, false) when the bucket has no such file.
    function getFileIndexById(string calldata bucketName, bytes32 fileId, address owner)
        public
        view
        returns (uint256 index, bool exists)
    {
        StoredFile storage file = files[fileId];
        exists = file.id != 0 && file.bucketId == bucketIdOf(bucketName, owner);
        if (exists) index = file.index;
    }

    /// The owner of the file's bucket; zero when there is no such file.
    function getFileOwner(bytes32 id) external view returns (address) {
        return buckets[files[id].bucketId].owner;
    }

    /// The chunk's CID and its encoded size in bytes.
    function getChunkByIndex(bytes32 id, uint256 index) external view returns (bytes memory, uint256) {
        Chunk storage chunks = files[id].chunks;
        return (chunks.chunkCIDs[index], chunks.chunkSize[index]);
    }

    function isBlockFilled(bytes32 fileId, uint8 blockIndex, uint256 chunkIndex) external view returns (bool) {
        uint32 filled = files[fileId].chunks.fulfilledBlocks[chunkIndex];
        if (blockIndex >= maxBlocksPerChunk) revert InvalidBlockIndex();
        return filled & (uint32(1) << blockIndex) != 0;
    }

    function isChunkFilled(bytes32 fileId, uint256 chunkIndex) public view returns (bool) {
        StoredFile storage file = files[fileId];
        uint256 blocks = blocksOf(file, chunkIndex);
        return file.chunks.fulfilledBlocks[chunkIndex] == allOf(blocks);
    }

    /// True for a file without chunks, and when there is no such file.
    function isFileFilled(bytes32 fileId) public view returns (bool) {
        StoredFile storage file = files[fileId];
        return file.filledChunks == file.chunks.chunkCIDs.length;
    }

    /// What isFileFilled answers, found by a walk over the chunks.
    function isFileFilledV2(bytes32 fileId) external view returns (bool) {
        uint256 chunks = files[fileId].chunks.chunkCIDs.length;
        for (uint256 i = 0; i < chunks; i++) if (!isChunkFilled(fileId, i)) return false;
        return true;
    }

    /// How many of the file's chunks are filled.
    function fileFillCounter(bytes32 id) external view returns (uint16) {
        return files[id].filledChunks;
    }

    /// The nodes that store the blocks of a chunk, which are given from the first one on.
    function getBlockPeersOfChunk(bytes32[] calldata blockCIDs, bytes32 fileID, uint256 chunkIndex)
        external
        view
        returns (bytes32[] memory peers)
    {
        if (blockCIDs.length > maxBlocksPerChunk) revert TooManyBlockCIDs();
        peers = new bytes32[](blockCIDs.length);
        for (uint256 i = 0; i < peers.length; i++) {
            peers[i] = nodeOf[peerBlockIdOf(fileID, chunkIndex, uint8(i), blockCIDs[i])];
            if (peers[i] == 0) revert NoPeersForCID();
        }
    }

    /// Zero when there is none.
    function getPeerByPeerBlock(bytes32 peerBlockID) external view returns (bytes32 peer) {
        return nodeOf[peerBlockID];
    }

    function getChainID() external view returns (uint256) {
        return block.chainid;
    }

    function timestamp() external view returns (uint256) {
        return block.timestamp;
    }

    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function bucketIdOf(string calldata bucketName, address owner) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bucketName, owner));
    }

    function fileIdOf(bytes32 bucketId, string calldata fileName) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bucketId, fileName));
    }

    function peerBlockIdOf(bytes32 fileId, uint256 chunkIndex, uint8 blockIndex, bytes32 blockCID)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(fileId, chunkIndex, blockIndex, blockCID));
    }

    /// The bucket, if it exists and the caller is its owner or the owner's delegate.
    function owned(bytes32 id) private view returns (StoredBucket storage bucket) {
        bucket = buckets[id];
        if (bucket.owner == address(0)) revert BucketNonexists();
        if (bucket.owner == msg.sender) return bucket;
        if (address(accessManager) == address(0)) revert BucketInvalidOwner();
        if (!accessManager.isBucketOwnerOrDelegate(id, msg.sender)) revert BucketInvalidOwner();
    }

    function addChunk(
        bytes calldata chunkCID,
        bytes32 bucketId,
        string calldata fileName,
        uint256 encodedSize,
        uint256 blocks,
        uint256 blockSizes,
        uint256 chunkIndex
    ) private returns (bytes32 id) {
        owned(bucketId);
        id = fileIdOf(bucketId, fileName);
        StoredFile storage file = files[id];
        if (file.id == 0) revert FileNotExists();
        if (file.fileCID.length != 0) revert FileFullyUploaded();
        if (chunkIndex != file.chunks.chunkCIDs.length) revert FileChunkDuplicate();
        if (blocks > maxBlocksPerChunk || blocks != blockSizes) revert InvalidBlocksAmount();
        if (file.isClosed) revert LastChunkDuplicate();
        if (encodedSize == 0) revert InvalidEncodedSize();

        file.chunks.chunkCIDs.push(chunkCID);
        file.chunks.chunkSize.push(encodedSize);
        file.chunks.fulfilledBlocks.push(0);
        if (blocks < maxBlocksPerChunk) {
            file.isClosed = true;
            file.lastChunkBlocks = uint8(blocks);
        }
        // Nothing will be filled in a chunk without blocks.
        if (blocks == 0) file.filledChunks++;
        emit AddFileChunk(id, bucketId, fileName, msg.sender);
    }

    function fill(FillChunkBlockArgs calldata args) private {
        bytes32 id = fileIdOf(args.bucketId, args.fileName);
        StoredFile storage file = files[id];
        bytes memory chunkCID = file.chunks.chunkCIDs[args.chunkIndex];
        require(block.timestamp <= args.deadline, "Signature expired");
        address owner = buckets[args.bucketId].owner;
        require(
            signerOf(hashOf(chunkCID, args), args.signature) == owner,
            "Invalid signature: Not signed by bucket owner"
        );
        mapping(uint256 nonce => bool) storage used = usedNonces[owner][args.bucketId];
        require(!used[args.nonce], "Nonce already used");
        uint256 blocks = blocksOf(file, args.chunkIndex);
        if (args.blockIndex >= blocks) revert InvalidBlockIndex();
        uint32 filled = file.chunks.fulfilledBlocks[args.chunkIndex];
        uint32 bit = uint32(1) << args.blockIndex;
        if (filled & bit != 0) revert BlockAlreadyFilled();

        used[args.nonce] = true;
        filled |= bit;
        file.chunks.fulfilledBlocks[args.chunkIndex] = filled;
        if (filled == allOf(blocks)) file.filledChunks++;
        bytes32 peerBlockId = peerBlockIdOf(id, args.chunkIndex, args.blockIndex, args.blockCID);
        nodeOf[peerBlockId] = args.nodeId;
        emit AddPeerBlock(peerBlockId, args.nodeId);
        emit FillChunkBlock(id, args.chunkIndex, args.blockIndex, args.blockCID, args.nodeId);
    }

    /// The struct hash, by EIP-712, of what the bucket's owner signs for a block.
    function hashOf(bytes memory chunkCID, FillChunkBlockArgs calldata args) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                blockTypeHash,
                keccak256(chunkCID),
                args.blockCID,
                args.chunkIndex,
                args.blockIndex,
                args.nodeId,
                args.nonce,
                args.deadline,
                args.bucketId
            )
        );
    }

    /// How many blocks an existing chunk has.
    function blocksOf(StoredFile storage file, uint256 chunkIndex) private view returns (uint256) {
        // For a file without chunks this is a Panic 0x11, as on the Akave network.
        uint256 last = file.chunks.chunkCIDs.length - 1;
        return chunkIndex == last && file.isClosed ? file.lastChunkBlocks : maxBlocksPerChunk;
    }

    /// The word of a chunk all of whose blocks are filled.
    function allOf(uint256 blocks) private pure returns (uint32) {
        return uint32((uint256(1) << blocks) - 1);
    }

    function sum(uint256[] storage sizes) private view returns (uint256 total) {
        for (uint256 i = 0; i < sizes.length; i++) total += sizes[i];
    }

    function longer(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }

    function view_(bytes32 id, uint256 fileOffset, uint256 fileLimit) private view returns (Bucket memory bucket) {
        StoredBucket storage stored = buckets[id];
        bytes32[] memory page = new bytes32[](pageLength(stored.files.length, fileOffset, fileLimit));
        if (stored.owner == address(0)) return bucket;
        for (uint256 i = 0; i < page.length; i++) page[i] = stored.files[fileOffset + i];
        return Bucket(stored.id, stored.name, stored.createdAt, stored.owner, page);
    }

    /// How many of `length` entries a page holds.
    function pageLength(uint256 length, uint256 offset, uint256 limit) private pure returns (uint256) {
        if (offset > length) revert OffsetOutOfBounds();
        uint256 rest = length - offset;
        return limit < rest ? limit : rest;
    }
}
