// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {RoundManager} from "../src/RoundManager.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {DisputeHistory} from "./support/DisputeHistory.sol";
import {Test} from "./support/Test.sol";

/// @notice What holds after any history of honest rounds, lies, challenges, demands, punishments, vetoes, waits, exits and collections.
contract DisputeInvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant MEMBERS = 5;
    address private constant SINK = address(0x51A5);

    DisputeHistory private history;
    RoundManager private manager;
    StakeVault private vault;
    IERC20 private token;

    function setUp() public {
        history = new DisputeHistory();
        (address m, address payable v, address t) = history.parties();
        (manager, vault, token) = (RoundManager(m), StakeVault(v), IERC20(t));
    }

    /// @dev Read by forge: who is called at random, and with what.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(history);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        bytes4[] memory actions = new bytes4[](12);
        actions[0] = DisputeHistory.postRound.selector;
        actions[1] = DisputeHistory.postRound.selector;
        actions[2] = DisputeHistory.challenge.selector;
        actions[3] = DisputeHistory.challenge.selector;
        actions[4] = DisputeHistory.punishAll.selector;
        actions[5] = DisputeHistory.demand.selector;
        actions[6] = DisputeHistory.answer.selector;
        actions[7] = DisputeHistory.expire.selector;
        actions[8] = DisputeHistory.collect.selector;
        actions[9] = DisputeHistory.veto.selector;
        actions[10] = DisputeHistory.wait.selector;
        actions[11] = DisputeHistory.moveStake.selector;
        list[0] = FuzzSelector(address(history), actions);
    }

    /// @dev One invariant of several checks: forge plays a history of its own for each invariant.
    function invariant_liesCostAndHonestyDoesNot() public view {
        checkHonestRoundsAreNeverConvictedOfALie();
        checkStakeIsConserved();
        checkBondsAreConserved();
        checkActiveRoundsAreFinal();
    }

    /// Only a row that nobody showed in time counts against a header that is right.
    function checkHonestRoundsAreNeverConvictedOfALie() private view {
        for (uint256 i = 0; i < history.storyCount(); ++i) {
            (bytes32 digest, bool honest) = history.storyOf(i);
            (IDisputes.Lie lie, address prover) = manager.lieOf(digest);
            if (honest) assertTrue(lie == IDisputes.Lie.None || lie == IDisputes.Lie.Withholding, "convicted");
            if (lie == IDisputes.Lie.None) assertEq(prover, address(0), "a prover of nothing");
            else assertTrue(manager.isVoided(digest), "a lie that stands");
        }
    }

    /// Posted = withdrawn + slashed + held, and what is held or owed is there; provers get half of what is slashed at most.
    function checkStakeIsConserved() private view {
        (uint256 deposited, uint256 withdrawn, uint256 slashed) = vault.totals();
        uint256 held = 0;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            held += vault.stakeOf(history.memberAt(i));
        }
        assertEq(deposited, withdrawn + slashed + held, "deposited");
        uint256 owed = vault.owedTo(SINK);
        uint256 rewards = 0;
        for (uint256 i = 0; i < 3; ++i) {
            owed += vault.owedTo(history.prover(i));
            rewards += vault.owedTo(history.prover(i)) + token.balanceOf(history.prover(i));
        }
        assertEq(token.balanceOf(address(vault)), held + owed, "balance");
        assertAtMost(rewards, slashed / 2, "rewards");
    }

    /// Every bond that was paid in is in the contract until its owner collects it.
    function checkBondsAreConserved() private view {
        assertEq(address(manager).balance, history.bonds(), "bonds");
        uint256 owed = manager.bondsOf(address(history));
        for (uint256 i = 0; i < 3; ++i) {
            owed += manager.bondsOf(history.prover(i));
        }
        assertAtMost(owed, address(manager).balance, "owed");
    }

    function checkActiveRoundsAreFinal() private view {
        for (uint64 round = 1; round <= history.lastActive(); ++round) {
            assertEq(manager.headerDigest(round), history.activeDigests(round), "digest");
            assertTrue(manager.isActive(round), "active for ever");
            assertTrue(!manager.isVoided(history.activeDigests(round)), "void");
        }
    }
}
