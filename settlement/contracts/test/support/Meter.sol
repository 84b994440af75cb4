// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {RewardDistributor} from "../../src/RewardDistributor.sol";
import {RoundManager} from "../../src/RoundManager.sol";
import {Claim} from "../../src/types/Reward.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";

/// @notice Gas of one call within a transaction that has looked at everything it touches before: no intrinsic gas, no calldata of a
/// transaction, nothing cold. What is written first still has its value of before the transaction.
contract Meter {
    function claim(RewardDistributor distributor, Claim calldata c) external returns (uint256 gas) {
        IERC20 token = IERC20(distributor.token());
        distributor.chainRoot(c.round);
        distributor.paidTo(c.participant);
        distributor.totalPaid();
        token.balanceOf(c.payout);
        token.balanceOf(address(distributor));
        gas = gasleft();
        distributor.claim(c);
        gas -= gasleft();
    }

    /// The slot of the new digest can't be looked at before: it counts as cold. The header is told, for this is a contract.
    function postRound(
        RoundManager manager,
        RoundHeader calldata header,
        bytes calldata signatures,
        address[] calldata signers
    ) external returns (uint256 gas) {
        manager.headerDigest(manager.latestRound());
        manager.registry().countSigners(signers);
        gas = gasleft();
        manager.postRound(header, signatures);
        gas -= gasleft();
    }
}
