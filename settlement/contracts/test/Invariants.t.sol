// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {RewardDistributor} from "../src/RewardDistributor.sol";
import {RoundManager} from "../src/RoundManager.sol";
import {FederationHistory} from "./support/FederationHistory.sol";
import {Test} from "./support/Test.sol";

/// @notice What holds after any history of posts (honest or with stolen keys), vetoes, waits, claims and fundings.
contract InvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant EARNERS = 4;
    uint256 private constant CAP = 1_000 ether;

    FederationHistory private history;
    RoundManager private manager;
    RewardDistributor private distributor;
    IERC20 private token;

    function setUp() public {
        history = new FederationHistory();
        (address m, address payable d, address t) = history.contracts();
        (manager, distributor, token) = (RoundManager(m), RewardDistributor(d), IERC20(t));
    }

    /// @dev Read by forge: who is called at random, and with what.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(history);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        bytes4[] memory actions = new bytes4[](8);
        actions[0] = FederationHistory.postHonestly.selector;
        actions[1] = FederationHistory.postWithStolenKeys.selector;
        actions[2] = FederationHistory.wait.selector;
        actions[3] = FederationHistory.veto.selector;
        actions[4] = FederationHistory.fundMore.selector;
        // Claims are what all else is for: drawn more often.
        actions[5] = FederationHistory.claimAny.selector;
        actions[6] = FederationHistory.claimAny.selector;
        actions[7] = FederationHistory.claimAny.selector;
        list[0] = FuzzSelector(address(history), actions);
    }

    /// @dev One invariant of four checks: forge plays a history of its own for each invariant.
    function invariant_moneyIsSafe() public view {
        checkPaidIsAtMostFunded();
        checkEveryoneIsPaidAtMostItsHighestActiveTotal();
        checkStolenKeysCostAtMostTheCap();
        checkActiveRoundsAreFinal();
    }

    function checkPaidIsAtMostFunded() private view {
        assertAtMost(distributor.totalPaid(), history.funded(), "paid");
        assertEq(token.balanceOf(address(distributor)), history.funded() - distributor.totalPaid(), "held");
    }

    function checkEveryoneIsPaidAtMostItsHighestActiveTotal() private view {
        uint256 sum = 0;
        for (uint256 i = 0; i < EARNERS; ++i) {
            bytes32 participant = history.participant(i);
            assertAtMost(distributor.paidTo(participant), history.highest(participant), "paid to one");
            sum += distributor.paidTo(participant);
        }
        assertEq(distributor.totalPaid(), sum, "sum over participants");
    }

    function checkStolenKeysCostAtMostTheCap() private view {
        uint64 active = history.lastActive();
        assertAtMost(distributor.totalPaid(), history.budgetAt(active), "paid under active rounds");
        assertAtMost(history.budgetAt(active), active * CAP, "budget of active rounds");
    }

    function checkActiveRoundsAreFinal() private view {
        for (uint64 round = 1; round <= history.lastActive(); ++round) {
            assertEq(manager.headerDigest(round), history.activeDigests(round), "digest");
            assertTrue(manager.isActive(round), "active for ever");
        }
    }
}
