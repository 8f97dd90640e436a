// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Storage} from "./Storage.sol";

/// Who may act for the owner of a bucket. A delegate may do what the owner may, except delete the bucket and sign
/// blocks; those two stay with Storage's own checks.
contract AccessManager {
    event AccessDelegated(bytes32 indexed bucketId, address indexed delegate);
    event AccessRemoved(bytes32 indexed bucketId, address indexed delegate);

    error BucketNotFound();
    error NotBucketOwner();
    error InvalidAddress();
    error NoDelegatedAccess();
    error WrongAuthority();

    Storage public storageContract;

    address private authority;
    mapping(bytes32 bucketId => mapping(address delegated => bool)) private delegates;

    constructor(address storageAddress) {
        authority = msg.sender;
        storageContract = Storage(storageAddress);
    }

    /// Only the account that deployed the contract may move it to another Storage.
    function setStorageContract(address _storageAddress) external {
        if (msg.sender != authority) revert WrongAuthority();
        storageContract = Storage(_storageAddress);
    }

    /// Delegating twice is the same as once.
    function delegateAccess(bytes32 bucketId, address delegated) external {
        address owner = existingOwnerOf(bucketId);
        if (delegated == address(0)) revert InvalidAddress();
        if (owner != msg.sender) revert NotBucketOwner();
        delegates[bucketId][delegated] = true;
        emit AccessDelegated(bucketId, delegated);
    }

    function removeAccess(bytes32 bucketId, address delegated) external {
        if (existingOwnerOf(bucketId) != msg.sender) revert NotBucketOwner();
        if (!delegates[bucketId][delegated]) revert NoDelegatedAccess();
        delegates[bucketId][delegated] = false;
        emit AccessRemoved(bucketId, delegated);
    }

    /// False for everyone when there is no such bucket.
    function isBucketOwnerOrDelegate(bytes32 bucketId, address user) external view returns (bool) {
        address owner = ownerOf(bucketId);
        return owner != address(0) && (owner == user || delegates[bucketId][user]);
    }

    function existingOwnerOf(bytes32 bucketId) private view returns (address owner) {
        owner = ownerOf(bucketId);
        if (owner == address(0)) revert BucketNotFound();
    }

    function ownerOf(bytes32 bucketId) private view returns (address) {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = bucketId;
        return storageContract.getBucketsByIds(ids)[0].owner;
    }
}
