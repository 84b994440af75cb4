// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RoundHeader} from "../types/RoundHeader.sol";

/// @title Where a distributor reads its roots
/// @notice The round manager on the home chain; on any other chain, a mirror of it.
interface IRootSource {
    /// @notice The round isn't posted, was voided, or isn't active yet.
    /// @param activeAt When it becomes active (Unix time) unless somebody disputes it; zero if it isn't posted.
    error RoundNotActive(uint64 round, uint64 activeAt);
    /// @notice Another header is posted for this round.
    error NotPosted(uint64 round, bytes32 posted, bytes32 got);

    /// @notice Federation whose roots these are.
    function federation() external view returns (bytes32);

    /// @notice Returns if this header is posted and active, reverts otherwise; once it has returned for a header it always will.
    function requireActive(RoundHeader calldata header) external view;
}
