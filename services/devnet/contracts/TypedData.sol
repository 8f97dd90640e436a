// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// Signatures of typed data, by EIP-712, for the contract that inherits this one.
abstract contract TypedData {
    error ECDSAInvalidSignature();
    error ECDSAInvalidSignatureLength(uint256 length);
    error ECDSAInvalidSignatureS(bytes32 s);

    string private constant domainName = "Storage";
    string private constant domainVersion = "1";
    bytes32 private constant domainTypeHash =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    /// Half the order of the curve. To a signature with an s up to here belongs another one with an s beyond, which anybody
    /// can make of it.
    uint256 private constant highestS = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// The domain, by ERC-5267.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (0x0f, domainName, domainVersion, block.chainid, address(this), 0, extensions);
    }

    /// Who signed the struct of this hash. The signature is r, s and a v of 27 or 28. The checks and errors are those of
    /// OpenZeppelin's ECDSA, as on the Akave network.
    function signerOf(bytes32 structHash, bytes calldata signature) internal view returns (address signer) {
        if (signature.length != 65) revert ECDSAInvalidSignatureLength(signature.length);
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > highestS) revert ECDSAInvalidSignatureS(s);
        signer = ecrecover(digestOf(structHash), uint8(signature[64]), bytes32(signature[:32]), s);
        if (signer == address(0)) revert ECDSAInvalidSignature();
    }

    /// The domain is computed anew each time, as the same code serves at any address and on any chain.
    function digestOf(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                domainTypeHash,
                keccak256(bytes(domainName)),
                keccak256(bytes(domainVersion)),
                block.chainid,
                address(this)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
