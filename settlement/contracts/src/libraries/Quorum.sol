// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IFederationRegistry} from "../interfaces/IFederationRegistry.sol";
import {IRoundManager} from "../interfaces/IRoundManager.sol";

/// @title Quorum of members
/// @notice Checks that at least a threshold of distinct members signed a digest. Each signature must count: a foreign, repeated
/// or broken one is an error, not passed over. The number of signatures is bounded by the number of members.
/// @dev Signatures stand one after the other, each behind its length in two bytes (big-endian): an ABI array of them would be a third
/// zeros, which cost as calldata too.
library Quorum {
    uint256 private constant ECDSA_LENGTH = 65;
    uint256 private constant ADDRESS_LENGTH = 20;
    uint256 private constant PREFIX = 2;

    /// @notice The signers of `digest`, ascending; reverts with an error of `IRoundManager` unless they are a quorum.
    function check(IFederationRegistry registry, bytes32 digest, bytes calldata signatures)
        internal
        view
        returns (address[] memory signers)
    {
        // As many as there could be; a shorter one is none.
        signers = new address[](signatures.length / (PREFIX + ADDRESS_LENGTH));
        uint256 count = 0;
        address previous = address(0);
        for (uint256 end = 0; end < signatures.length; ++count) {
            uint256 start;
            unchecked {
                // At most 2^16 past the end of calldata.
                start = end + PREFIX;
                end = start;
                if (start <= signatures.length) end += uint16(bytes2(signatures[start - PREFIX:start]));
            }
            if (end > signatures.length) revert IRoundManager.InvalidSignature(count, digest);
            (address signer, bool valid) = trySigner(digest, signatures[start:end]);
            if (!valid) revert IRoundManager.InvalidSignature(count, digest);
            if (signer <= previous) revert IRoundManager.SignersNotAscending(count, previous, signer);
            signers[count] = signer;
            previous = signer;
        }
        assembly ("memory-safe") {
            mstore(signers, count)
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
