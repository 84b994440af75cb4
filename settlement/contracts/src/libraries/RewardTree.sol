// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Entry, Leaf} from "../types/Reward.sol";

/// @title Reward tree
/// @notice Two levels of the same kind of tree (`PositionalTree`): leaves under a chain root, and one entry per chain under the
/// reward root.
/// @dev leaf hash = keccak256(keccak256(abi.encode(tag, fields...))). A leaf hash has a 32-byte preimage and a node hash a 65-byte one,
/// so that neither passes for the other, and the tags keep entries and leaves apart.
library RewardTree {
    bytes32 internal constant ENTRY_TAG = keccak256("xfl.entry.v1");
    bytes32 internal constant LEAF_TAG = keccak256("xfl.leaf.v1");

    function hashEntry(Entry calldata entry) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(ENTRY_TAG, entry))));
    }

    function hashLeaf(Leaf memory leaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(LEAF_TAG, leaf))));
    }
}
