// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// Decides who may read a file, besides its owner.
interface Policy {
    function validateAccess(address user, bytes calldata data) external view returns (bool hasAccess);
}

/// A policy that gives access to the accounts on a list, which is its owner's to change.
contract ListPolicy is Policy {
    error AlreadyWhitelisted();
    error NotWhitelisted();
    error NotThePolicyOwner();
    error InvalidAddress();

    address public owner;
    mapping(address user => bool) private isListed;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotThePolicyOwner();
        _;
    }

    /// The first caller chooses the owner, once.
    function initialize(address _owner) external {
        require(owner == address(0), "Already initialized");
        if (_owner == address(0)) revert InvalidAddress();
        owner = _owner;
    }

    function assignRole(address user) external onlyOwner {
        if (user == address(0)) revert InvalidAddress();
        if (isListed[user]) revert AlreadyWhitelisted();
        isListed[user] = true;
    }

    function revokeRole(address user) external onlyOwner {
        if (user == address(0)) revert InvalidAddress();
        if (!isListed[user]) revert NotWhitelisted();
        isListed[user] = false;
    }

    /// The data is for policies that ask for more than the account.
    function validateAccess(address user, bytes calldata) external view returns (bool hasAccess) {
        return isListed[user];
    }
}
