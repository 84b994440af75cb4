// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IFederationRegistry} from "../interfaces/IFederationRegistry.sol";
import {IRoundManager} from "../interfaces/IRoundManager.sol";

/// @title Quorum of members
/// @notice Checks that at least a threshold of distinct members signed a digest. Each signature must count: a foreign, repeated
/// or broken one is an error, not passed over. The number of signatures is bounded by the number of members.
library Quorum {
    uint256 private constant ECDSA_LENGTH = 65;
    uint256 private constant ADDRESS_LENGTH = 20;

    /// @notice The signers of `digest`, ascending; reverts with an error of `IRoundManager` unless they are a quorum.
    function check(IFederationRegistry registry, bytes32 digest, bytes[] calldata signatures)
        internal
        view
        returns (address[] memory signers)
    {
        uint256 count = signatures.length;
        signers = new address[](count);
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            (address signer, bool valid) = trySigner(digest, signatures[i]);
            if (!valid) revert IRoundManager.InvalidSignature(i, digest);
            if (signer <= previous) revert IRoundManager.SignersNotAscending(i, previous, signer);
            signers[i] = signer;
            previous = signer;
        }
        (uint256 threshold, uint256 stranger) = registry.countSigners(signers);
        if (count < threshold) revert IRoundManager.QuorumMissing(threshold, count);
        if (stranger < count) revert IRoundManager.NotMember(stranger, signers[stranger]);
    }

    /// @notice Who made a signature: 65 bytes of ECDSA, or the 20-byte address of an ERC-1271 contract followed by its signature.
    function trySigner(bytes32 digest, bytes calldata signature) internal view returns (address signer, bool valid) {
        if (signature.length == ECDSA_LENGTH) {
            ECDSA.RecoverError fault;
            (signer, fault,) = ECDSA.tryRecoverCalldata(digest, signature);
            return (signer, fault == ECDSA.RecoverError.NoError);
        }
        if (signature.length < ADDRESS_LENGTH) return (address(0), false);
        signer = address(bytes20(signature[:ADDRESS_LENGTH]));
        valid = SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature[ADDRESS_LENGTH:]);
    }
}
