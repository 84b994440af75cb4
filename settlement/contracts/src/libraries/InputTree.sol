// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Input} from "../types/Input.sol";
import {PositionalTree} from "./PositionalTree.sol";

/// @title Input tree
/// @notice Over everything that was received for a round, ascending strictly by node key: leaf = keccak256(keccak256(abi.encode(tag,
/// count, node key, commitment, position))). The number of inputs is in every leaf, so that the last one shows that it is the last.
/// @dev Whoever isn't listed stands between two neighbours, before the first or after the last, whatever order the tree's maker
/// chose: a list without strict order can only help those who prove an omission.
library InputTree {
    bytes32 internal constant TAG = keccak256("xfl.input.v1");

    /// @notice The input isn't under the header's input root.
    error InputNotProven(bytes32 root, bytes32 computed);
    /// @notice The place is past the last, or the proof's length isn't the tree's depth.
    error NoInput(uint256 count, uint256 index, uint256 proof);

    function hash(uint32 count, Input calldata input) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(TAG, count, input))));
    }

    /// @notice Reverts unless the input stands at `index` of a tree of `count` under `root`.
    function check(bytes32 root, uint32 count, Input calldata input, uint256 index, bytes32[] calldata proof)
        internal
        pure
    {
        if (index >= count || proof.length != PositionalTree.depthOf(count)) {
            revert NoInput(count, index, proof.length);
        }
        bytes32 computed = PositionalTree.rootOf(hash(count, input), index, proof);
        if (computed != root) revert InputNotProven(root, computed);
    }
}
