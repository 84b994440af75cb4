// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Where a distributor reads its roots
/// @notice The round manager on the home chain; on any other chain, a mirror of it.
interface IRootSource {
    /// @notice The round isn't posted, was vetoed, or isn't active yet.
    /// @param activeAt When it becomes active (Unix time); zero if it isn't posted.
    error RoundNotActive(uint64 round, uint64 activeAt);

    /// @notice Federation whose roots these are.
    function federation() external view returns (bytes32);

    /// @notice Reward root and cumulative budget (over all chains) of an active round. Reverts if it isn't active; once it
    /// has answered for a round, it gives the same answer for ever.
    function activeRoot(uint64 round) external view returns (bytes32 root, uint256 cumulativeBudget);
}
