// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PositionalTree} from "../../src/libraries/PositionalTree.sol";
import {RewardTree} from "../../src/libraries/RewardTree.sol";
import {Binding, hashBinding} from "../../src/types/Binding.sol";
import {Entry, Leaf} from "../../src/types/Reward.sol";
import {RoundHeader, hashRoundHeader} from "../../src/types/RoundHeader.sol";

/// @notice The contracts' hash functions, callable from a test that holds memory.
contract Hashes {
    function binding(Binding calldata value) external pure returns (bytes32) {
        return hashBinding(value);
    }

    function roundHeader(RoundHeader calldata value) external pure returns (bytes32) {
        return hashRoundHeader(value);
    }

    function entry(Entry calldata value) external pure returns (bytes32) {
        return RewardTree.hashEntry(value);
    }

    function leaf(Leaf memory value) external pure returns (bytes32) {
        return RewardTree.hashLeaf(value);
    }

    function root(bytes32 hash, uint256 index, bytes32[] calldata proof) external pure returns (bytes32) {
        return PositionalTree.rootOf(hash, index, proof);
    }
}
