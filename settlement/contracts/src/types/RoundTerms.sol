// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IFederationRegistry} from "../interfaces/IFederationRegistry.sol";

/// @notice What a round manager is made with.
/// @param registry Registry of the federation whose members sign.
/// @param perRoundCap The most that the cumulative budget may rise in one round.
/// @param activationDelay Seconds before a root is claimable, in which it can be disputed: at least 1, or 0 when the registry is embedded.
/// @param answerTime Seconds to answer a demand for a row, and then to prove with it.
/// @param demandBond Bond of a demand, in the chain's coin.
/// @param penalty What a signer loses for a lie, in the vault's currency.
struct RoundTerms {
    IFederationRegistry registry;
    uint256 perRoundCap;
    uint64 activationDelay;
    uint64 answerTime;
    uint256 demandBond;
    uint256 penalty;
}
