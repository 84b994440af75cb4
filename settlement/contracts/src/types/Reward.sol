// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Top-level entry of the reward tree: one chain's share.
/// @param chainId Chain that pays this entry.
/// @param distributor Contract that pays it.
/// @param token ERC-20 it pays in; zero for the chain's coin.
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
/// @param token ERC-20 it pays in; zero for the chain's coin.
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

/// @notice One claim. Chain, distributor, token and federation of the leaf are the distributor's own.
/// @param round Round whose root was opened here.
/// @param participant Node key of the earner.
/// @param payout Address that receives the money.
/// @param cumulative Everything earned so far, in the token's smallest unit.
/// @param index Position of the leaf, from the left.
/// @param proof Siblings from the leaf up to the chain root.
struct Claim {
    uint64 round;
    bytes32 participant;
    address payout;
    uint128 cumulative;
    uint256 index;
    bytes32[] proof;
}
