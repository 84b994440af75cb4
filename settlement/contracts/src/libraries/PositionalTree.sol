// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Positional Merkle tree
/// @notice node hash = keccak256(0x01 || left || right); leaves are filled with bytes32(0) up to a power of two; one leaf has depth 0.
/// @dev Positions count from the left and say on which side a sibling stands: pairs are never sorted. A node hash has a 65-byte
/// preimage that begins with 1; whoever makes leaves sees to it that theirs differ.
library PositionalTree {
    /// @notice A proof may be this long at most: 2^32 leaves.
    uint256 internal constant MAX_DEPTH = 32;

    /// @notice The proof is longer than any tree is deep.
    error ProofTooLong(uint256 maximum, uint256 got);
    /// @notice The position lies outside a tree of this depth.
    error IndexOutOfTree(uint256 width, uint256 index);

    /// @notice Root of the tree that has `hash` at `index` and these siblings, from the leaf up.
    function rootOf(bytes32 hash, uint256 index, bytes32[] calldata proof) internal pure returns (bytes32 root) {
        uint256 depth = proof.length;
        if (depth > MAX_DEPTH) revert ProofTooLong(MAX_DEPTH, depth);
        if (index >> depth != 0) revert IndexOutOfTree(1 << depth, index);
        root = hash;
        // Scratch memory past the free pointer, which stays where it is: 65 bytes, the tag once and the pair at every level.
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore8(scratch, 1)
            let left := add(scratch, 1)
            let right := add(scratch, 33)
            let end := add(proof.offset, shl(5, depth))
            for { let at := proof.offset } lt(at, end) { at := add(at, 32) } {
                switch and(index, 1)
                case 0 {
                    mstore(left, root)
                    mstore(right, calldataload(at))
                }
                default {
                    mstore(left, calldataload(at))
                    mstore(right, root)
                }
                root := keccak256(scratch, 65)
                index := shr(1, index)
            }
        }
    }

    /// @notice Depth of the tree over this many leaves.
    function depthOf(uint256 leaves) internal pure returns (uint256 depth) {
        while (leaves > 1 << depth) ++depth;
    }
}
