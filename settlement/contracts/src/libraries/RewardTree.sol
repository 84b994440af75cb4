// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Entry, Leaf} from "../types/Reward.sol";

/// @title Reward tree
/// @notice Two levels of the same kind of tree: leaves under a chain root, and one entry per chain under the reward root.
/// @dev leaf hash  = keccak256(keccak256(abi.encode(tag, fields...)))
///      node hash  = keccak256(0x01 || left || right)
///      width      = number of leaves rounded up to a power of two, filled with bytes32(0); one leaf has depth 0
/// Positions count from the left and say on which side a sibling stands: pairs are never sorted. A leaf hash has a
/// 32-byte preimage and a node hash a 65-byte one, so that neither passes for the other, and the tags keep entries and leaves
/// apart. The proof's length is the depth.
library RewardTree {
    /// @notice A proof may be this long at most: 2^32 leaves.
    uint256 internal constant MAX_DEPTH = 32;

    bytes32 internal constant ENTRY_TAG = keccak256("xfl.entry.v1");
    bytes32 internal constant LEAF_TAG = keccak256("xfl.leaf.v1");

    /// @notice The proof is longer than any tree is deep.
    error ProofTooLong(uint256 maximum, uint256 got);
    /// @notice The position lies outside a tree of this depth.
    error IndexOutOfTree(uint256 width, uint256 index);

    function hashEntry(Entry calldata entry) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(ENTRY_TAG, entry))));
    }

    function hashLeaf(Leaf calldata leaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(LEAF_TAG, leaf))));
    }

    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(1), left, right));
    }

    /// @notice Root of the tree that has `hash` at `index` and these siblings, from the leaf up.
    function rootOf(bytes32 hash, uint256 index, bytes32[] calldata proof) internal pure returns (bytes32) {
        uint256 depth = proof.length;
        if (depth > MAX_DEPTH) revert ProofTooLong(MAX_DEPTH, depth);
        if (index >> depth != 0) revert IndexOutOfTree(1 << depth, index);
        for (uint256 level = 0; level < depth; ++level) {
            bytes32 sibling = proof[level];
            hash = index & 1 == 0 ? hashNode(hash, sibling) : hashNode(sibling, hash);
            index >>= 1;
        }
        return hash;
    }
}
