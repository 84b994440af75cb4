// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice One update as the coordinator received it: a leaf of the header's `inputRoot`.
/// @param nodeKey Who sent it; leaves ascend strictly by it.
/// @param commitment Root that the member committed to before anybody showed an update.
/// @param position Its place in every row, from 0; `REFUSED` where it was out of bounds and left out.
struct Input {
    bytes32 nodeKey;
    bytes32 commitment;
    uint32 position;
}

/// @dev Position of an update that was received and refused.
uint32 constant REFUSED = type(uint32).max;

/// @notice What the coordinator signs when an update is complete: it must then be among the round's inputs, accepted or refused.
/// @param federation Federation that the round belongs to.
/// @param round Number of the round.
/// @param attempt Attempt at the round.
/// @param nodeKey Who sent the update.
/// @param commitment Root that was committed to.
struct Receipt {
    bytes32 federation;
    uint64 round;
    uint32 attempt;
    bytes32 nodeKey;
    bytes32 commitment;
}

bytes32 constant RECEIPT_TYPEHASH =
    keccak256("Receipt(bytes32 federation,uint64 round,uint32 attempt,bytes32 nodeKey,bytes32 commitment)");

/// @notice EIP-712 `hashStruct` of a receipt.
function hashReceipt(Receipt calldata receipt) pure returns (bytes32) {
    // Every member is a static word, so that the ABI encoding of the struct is its EIP-712 encoding.
    return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
}
