// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice One row and the aggregate's chunk beside it, each with its way to the header's root.
/// @param chunk Place of both, from 0: coordinates `8 * chunk` to `8 * chunk + 7`.
/// @param row The chunk of every member of the cohort, in order: 8 big-endian `int32` a member (8 `uint64` in a masked round).
/// @param rowProof Siblings from the row's leaf up.
/// @param aggregate The aggregate's chunk: 8 big-endian `int32`.
/// @param aggregateProof Siblings from the aggregate's leaf up.
struct Row {
    uint64 chunk;
    bytes row;
    bytes32[] rowProof;
    bytes32 aggregate;
    bytes32[] aggregateProof;
}

/// @notice Numbers that spare a contract the sorting; each is checked.
/// @param coordinate Place in the chunk, 0 to 7.
/// @param low The value of rank `cut` (from 0) among the cohort's: the smallest that is kept.
/// @param high The value of rank `n - 1 - cut`: the largest that is kept.
/// @param weights For the weighted mean: 8 big-endian bytes a member, hashed in the header.
struct Hints {
    uint256 coordinate;
    int32 low;
    int32 high;
    bytes weights;
}

/// @notice A member's own chunk, opened from its commitment.
/// @param index Place among the round's inputs.
/// @param inputProof Siblings from the input's leaf up.
/// @param salt The 16 bytes that hid the chunk.
/// @param values The chunk: 8 big-endian `int32`.
/// @param proof Siblings from the chunk's leaf up to the commitment.
struct Opening {
    uint256 index;
    bytes32[] inputProof;
    bytes16 salt;
    bytes32 values;
    bytes32[] proof;
}
