// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Policy} from "./ListPolicy.sol";
import {Storage} from "./Storage.sol";

/// Who may act for the owner of a bucket, and who may read a file. A delegate may do what the owner may, except delete the
/// bucket and sign blocks, which stay with Storage's own checks, and except choose policies and further delegates.
///
/// What is set for a file is set for its id, so it holds again for a file that is created anew under the same name. As in
/// Storage, variables are only added, after the last ones.
contract AccessManager {
    event AccessDelegated(bytes32 indexed bucketId, address indexed delegate);
    event AccessRemoved(bytes32 indexed bucketId, address indexed delegate);
    event PolicyChanged(bytes32 indexed fileId, address indexed policyContract);
    event PublicAccessChanged(bytes32 indexed fileId, bool isPublic);

    error BucketNotFound();
    error FileDoesNotExist();
    error NotBucketOwner();
    error InvalidAddress();
    error NoDelegatedAccess();
    error WrongAuthority();

    Storage public storageContract;

    address private authority;
    mapping(bytes32 bucketId => mapping(address delegated => bool)) private delegates;
    mapping(bytes32 fileId => bool) private isPublicFile;
    mapping(bytes32 fileId => address) private filePolicies;

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

    /// Gives everybody access to a file or takes it away again.
    function changePublicAccess(bytes32 fileId, bool isPublic) external {
        if (
            existingFileOwnerOf(fileId) != msg.sender
                && !delegates[storageContract.getFileById(fileId).bucketId][msg.sender]
        ) revert NotBucketOwner();
        isPublicFile[fileId] = isPublic;
        emit PublicAccessChanged(fileId, isPublic);
    }

    /// The zero address takes the policy away.
    function setFilePolicy(bytes32 fileId, address policyContract) external {
        if (existingFileOwnerOf(fileId) != msg.sender) revert NotBucketOwner();
        filePolicies[fileId] = policyContract;
        emit PolicyChanged(fileId, policyContract);
    }

    /// Only reported, under the bucket's id, as nothing asks the policy of a bucket.
    function setBucketPolicy(bytes32 bucketId, address policyContract) external {
        if (existingOwnerOf(bucketId) != msg.sender) revert NotBucketOwner();
        emit PolicyChanged(bucketId, policyContract);
    }

    /// The file's policy, or zero, and whether everybody has access; (0, false) when there is no such file.
    function getFileAccessInfo(bytes32 fileId) external view returns (address, bool) {
        if (storageContract.getFileOwner(fileId) == address(0)) return (address(0), false);
        return (filePolicies[fileId], isPublicFile[fileId]);
    }

    /// Zero when the file has none.
    function getPolicy(bytes32 fileId) external view returns (address) {
        return filePolicies[fileId];
    }

    /// Whether the user may read the file: if it is public, if it is the user's own, or else if its policy says so.
    function getValidateAccess(bytes32 fileId, address user, bytes calldata data) external view returns (bool) {
        address owner = storageContract.getFileOwner(fileId);
        if (owner == address(0)) return false;
        if (isPublicFile[fileId] || owner == user) return true;
        address policy = filePolicies[fileId];
        return policy != address(0) && Policy(policy).validateAccess(user, data);
    }

    /// True for everybody, as on the Akave network, whatever the bucket's policy. The interface says view, which the
    /// compiler takes without a warning of a virtual function only.
    function getValidateAccessToBucket(bytes32, address, bytes calldata) external view virtual returns (bool) {
        return true;
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

    function existingFileOwnerOf(bytes32 fileId) private view returns (address owner) {
        owner = storageContract.getFileOwner(fileId);
        if (owner == address(0)) revert FileDoesNotExist();
    }

    function ownerOf(bytes32 bucketId) private view returns (address) {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = bucketId;
        return storageContract.getBucketsByIds(ids)[0].owner;
    }
}
