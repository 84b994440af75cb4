// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Top-level entry of the reward tree: one chain's share.
/// @param chainId Chain that pays this entry.
/// @param distributor Contract that pays it.
/// @param token ERC-20 it pays in.
/// @param chainRoot Root over the leaves of this chain.
/// @param cumulativeBudget Sum of the leaves' cumulative amounts; the distributor never pays more in total.
struct Entry {
    uint256 chainId;
    address distributor;
    address token;
    bytes32 chainRoot;
    uint256 cumulativeBudget;
}

/// @notice What one participant has earned on one chain since the first round.
/// @param federation Federation that pays.
/// @param participant Node key of the earner.
/// @param payout Address that receives the difference to what was paid before.
/// @param chainId Chain that pays this leaf.
/// @param distributor Contract that pays it.
/// @param token ERC-20 it pays in.
/// @param cumulative Everything earned so far, in the token's smallest unit.
struct Leaf {
    bytes32 federation;
    bytes32 participant;
    address payout;
    uint256 chainId;
    address distributor;
    address token;
    uint256 cumulative;
}

/// @notice One claim: a leaf, its chain's entry, and both proofs from the leaves up.
/// @param round Activated round whose reward root is used.
/// @param entry Entry of this chain.
/// @param entryIndex Position of the entry, from the left.
/// @param entryProof Siblings from the entry up to the round's reward root.
/// @param leaf Leaf to be paid.
/// @param leafIndex Position of the leaf, from the left.
/// @param leafProof Siblings from the leaf up to the entry's chain root.
struct Claim {
    uint64 round;
    Entry entry;
    uint256 entryIndex;
    bytes32[] entryProof;
    Leaf leaf;
    uint256 leafIndex;
    bytes32[] leafProof;
}
