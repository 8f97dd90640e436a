// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "./AccessManager.sol";

/// Buckets of an Akave development network. The interface, the order of the checks and the errors are those that
/// clients of the Akave network rely on. Storage is laid out so that calls cost about what they cost there.
contract Storage {
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

    event CreateBucket(bytes32 indexed id, string indexed name, address indexed owner);
    event DeleteBucket(bytes32 indexed id, string indexed name, address indexed owner);

    error BucketAlreadyExists();
    error BucketNonexists();
    error BucketInvalidOwner();
    error BucketInvalid();
    error BucketNonempty();
    error IndexMismatch();
    error OffsetOutOfBounds();
    error WrongAuthority();

    /// Published limits; no function enforces them.
    uint64 public constant MAX_BLOCKS_PER_FILE = 1024;
    uint64 public constant MAX_BLOCK_SIZE = 1_000_000;

    /// Decides who acts for an owner. Until it is set only owners do.
    AccessManager public accessManager;

    address private authority;
    mapping(bytes32 id => StoredBucket) private buckets;
    mapping(address owner => bytes32[] ids) private idsOf;

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
        id = bucketId(bucketName, msg.sender);
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
        if (bucketId(bucketName, msg.sender) != id) revert BucketInvalid();
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

    /// A bucket of zeros when there is none.
    function getBucketByName(string calldata bucketName, address owner, uint256 fileOffset, uint256 fileLimit)
        external
        view
        returns (Bucket memory bucket)
    {
        return view_(bucketId(bucketName, owner), fileOffset, fileLimit);
    }

    /// The place in the owner's list that deleteBucket asks for; (0, false) when there is no such bucket.
    function getBucketIndexByName(string calldata bucketName, address owner)
        external
        view
        returns (uint256 index, bool exists)
    {
        StoredBucket storage bucket = buckets[bucketId(bucketName, owner)];
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

    function getChainID() external view returns (uint256) {
        return block.chainid;
    }

    function timestamp() external view returns (uint256) {
        return block.timestamp;
    }

    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function bucketId(string calldata bucketName, address owner) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bucketName, owner));
    }

    /// The bucket, if it exists and the caller is its owner or the owner's delegate.
    function owned(bytes32 id) private view returns (StoredBucket storage bucket) {
        bucket = buckets[id];
        if (bucket.owner == address(0)) revert BucketNonexists();
        if (bucket.owner == msg.sender) return bucket;
        if (address(accessManager) == address(0)) revert BucketInvalidOwner();
        if (!accessManager.isBucketOwnerOrDelegate(id, msg.sender)) revert BucketInvalidOwner();
    }

    function view_(bytes32 id, uint256 fileOffset, uint256 fileLimit) private view returns (Bucket memory bucket) {
        StoredBucket storage stored = buckets[id];
        bytes32[] memory files = new bytes32[](pageLength(stored.files.length, fileOffset, fileLimit));
        if (stored.owner == address(0)) return bucket;
        for (uint256 i = 0; i < files.length; i++) files[i] = stored.files[fileOffset + i];
        return Bucket(stored.id, stored.name, stored.createdAt, stored.owner, files);
    }

    /// How many of `length` entries a page holds.
    function pageLength(uint256 length, uint256 offset, uint256 limit) private pure returns (uint256) {
        if (offset > length) revert OffsetOutOfBounds();
        uint256 rest = length - offset;
        return limit < rest ? limit : rest;
    }
}
