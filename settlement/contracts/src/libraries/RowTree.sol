// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Row} from "../types/Evidence.sol";
import {RoundHeader} from "../types/RoundHeader.sol";
import {PositionalTree} from "./PositionalTree.sol";

/// @title Row tree
/// @notice Leaf k = keccak256(0x00 || keccak256(row k)), row k being the k-th chunk of 8 coordinates of every member, in the cohort's
/// order. The aggregate's tree is the same over the aggregate alone; a member's commitment has leaves
/// keccak256(0x02 || salt || chunk), so that a chunk of few likely values can't be guessed.
/// @dev Sizes and depths follow from the header, never from calldata.
library RowTree {
    uint256 internal constant CHUNK = 8;

    /// @notice The chunk is past the last.
    error NoChunk(uint256 chunks, uint256 chunk);
    /// @notice A proof's length isn't the tree's depth.
    error WrongDepth(uint256 expected, uint256 got);
    /// @notice The row isn't under the header's row root.
    error RowNotProven(bytes32 root, bytes32 computed);
    /// @notice The chunk isn't under the header's aggregate root.
    error AggregateNotProven(bytes32 root, bytes32 computed);
    /// @notice The chunk isn't under the member's commitment.
    error ChunkNotProven(bytes32 root, bytes32 computed);

    function chunksOf(uint64 dimension) internal pure returns (uint256) {
        return (uint256(dimension) + CHUNK - 1) / CHUNK;
    }

    /// @notice Reverts unless row and aggregate's chunk stand at their place under the header's roots.
    function check(RoundHeader calldata header, Row calldata evidence) internal pure {
        uint256 depth = checkChunk(header.dimension, evidence.chunk);
        checkDepth(depth, evidence.rowProof);
        checkDepth(depth, evidence.aggregateProof);
        bytes32 root = PositionalTree.rootOf(hashRow(keccak256(evidence.row)), evidence.chunk, evidence.rowProof);
        if (root != header.rowRoot) revert RowNotProven(header.rowRoot, root);
        root = PositionalTree.rootOf(
            hashRow(keccak256(abi.encode(evidence.aggregate))), evidence.chunk, evidence.aggregateProof
        );
        if (root != header.aggregateRoot) revert AggregateNotProven(header.aggregateRoot, root);
    }

    /// @notice Reverts unless a member's chunk stands at its place under its commitment.
    function checkOpening(
        uint64 dimension,
        uint64 chunk,
        bytes32 commitment,
        bytes16 salt,
        bytes32 values,
        bytes32[] calldata proof
    ) internal pure {
        checkDepth(checkChunk(dimension, chunk), proof);
        bytes32 root = PositionalTree.rootOf(keccak256(abi.encodePacked(uint8(2), salt, values)), chunk, proof);
        if (root != commitment) revert ChunkNotProven(commitment, root);
    }

    /// @notice Depth of the trees over `dimension` coordinates; reverts if they have no such chunk.
    function checkChunk(uint64 dimension, uint64 chunk) internal pure returns (uint256) {
        uint256 chunks = chunksOf(dimension);
        if (chunk >= chunks) revert NoChunk(chunks, chunk);
        return PositionalTree.depthOf(chunks);
    }

    function checkDepth(uint256 depth, bytes32[] calldata proof) private pure {
        if (proof.length != depth) revert WrongDepth(depth, proof.length);
    }

    function hashRow(bytes32 inner) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), inner));
    }
}
