// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RoundHeader} from "../types/RoundHeader.sol";
import {IFederationRegistry} from "./IFederationRegistry.sol";
import {IRootSource} from "./IRootSource.sol";

/// @title Rounds of a federation on a chain that isn't its home
/// @notice Takes the headers that the home chain has, under the same signatures: the domain names the home chain and its manager. Any later
/// round may follow: totals are cumulative, so that none is missed. What the home chain voids must be vetoed here within the
/// delay, which should be longer than the home chain's longest dispute.
/// @dev Errors and limits as in `IRoundManager`: a budget rises by at most the cap for each round since the last.
interface IRoundMirror is IRootSource {
    /// @notice A round was mirrored. Its header is in the calldata of the transaction, or told with it.
    event RoundMirrored(uint64 indexed round, bytes32 indexed digest, uint64 activeAt, address[] signers);
    /// @notice The header of a round that another contract posted, not a transaction of its own, and its signatures as `postRound` was given them.
    event HeaderTold(uint64 indexed round, bytes32 indexed digest, RoundHeader header, bytes signatures);
    /// @notice A round and all mirrored after it (up to `lastVoided`) were voided before they became active.
    event RoundVoided(uint64 indexed round, bytes32 indexed digest, uint64 lastVoided);

    /// @notice This is the home chain, or the home's address is zero.
    error NoMirror(uint256 homeChainId, address home);
    /// @notice The round isn't above the last.
    error RoundNotLater(uint64 latest, uint64 got);

    /// @notice Mirrors a later round. Anyone may; the signatures decide, packed as for the home chain.
    function postRound(RoundHeader calldata header, bytes calldata signatures) external;

    /// @notice Voids a round that isn't active yet, and every later one. Coordinator only.
    function veto(uint64 round) external;

    /// @notice Registry of this chain, whose members sign.
    function registry() external view returns (IFederationRegistry);

    /// @notice Chain and address of the round manager.
    function home() external view returns (uint256 chainId, address manager);

    /// @notice Number of the last mirrored round that wasn't voided.
    function latestRound() external view returns (uint64);

    /// @notice Digest of a mirrored round's header; zero if there is none.
    function headerDigest(uint64 round) external view returns (bytes32);

    /// @notice When a mirrored round becomes active (Unix time); zero if there is none.
    function activeAt(uint64 round) external view returns (uint64);

    /// @notice Whether the round's root is claimable now, and for ever.
    function isActive(uint64 round) external view returns (bool);

    /// @notice Whether a header with this digest was vetoed itself.
    function isVoided(bytes32 digest) external view returns (bool);

    /// @notice The most that the cumulative budget may rise in one round.
    function perRoundCap() external view returns (uint256);

    /// @notice Seconds between mirroring a round and its root becoming claimable.
    function activationDelay() external view returns (uint64);

    /// @notice The home manager's EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice The 32 bytes that members sign for a header.
    function digestOf(RoundHeader calldata header) external view returns (bytes32);
}
