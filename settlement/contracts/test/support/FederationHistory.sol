// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {Claim, Leaf} from "../../src/types/Reward.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";
import {Federation} from "./Federation.sol";

/// @notice Everyone who acts on a federation's contracts, honest or not, in any order: the subject of the invariant tests.
/// @dev It remembers what the contracts are not told: who was funded what, and the highest total of everyone under active rounds.
contract FederationHistory is Federation {
    uint256 internal constant EARNERS = 4;

    uint256 public funded;
    uint256 public claimsPaid;
    uint64 public lastActive;
    mapping(uint64 round => Leaf[]) private _leaves;
    mapping(uint64 round => uint256) private _entryBudgets;
    mapping(uint64 round => bytes32) public activeRoots;
    mapping(bytes32 participant => uint256) public highest;
    uint256 private _posts;
    uint256[] private _honest = [uint256(0), 0, 0, 0];

    constructor() {
        setUp();
        funded = FUNDS;
    }

    function contracts() external view returns (address, address, address) {
        return (address(manager), address(distributor), address(token));
    }

    function participant(uint256 i) public pure returns (bytes32) {
        return nodeKeyOf(i % EARNERS);
    }

    // Actions

    /// @notice Everyone earns something and a quorum signs it.
    function postHonestly(uint256 seed) external {
        Leaf[] memory leaves = new Leaf[](EARNERS);
        for (uint256 i = 0; i < EARNERS; ++i) {
            _honest[i] += draw(seed, i) % (CAP / EARNERS / 2);
            leaves[i] = leafOf(participant(i), memberOf(i), _honest[i]);
        }
        Settlement memory s = settlementOf(leaves);
        uint256 floor = manager.cumulativeBudget(manager.latestRound());
        uint256 wanted = budgetOf(s);
        if (wanted < floor) wanted = floor;
        if (wanted > floor + CAP) wanted = floor + CAP;
        if (s.entries[1].cumulativeBudget > wanted) s.entries[1].cumulativeBudget = wanted;
        postAndRemember(s, wanted);
    }

    /// @notice Stolen keys of a whole quorum sign any amounts, any addresses, one participant several times.
    function postWithStolenKeys(uint256 seed) external {
        Leaf[] memory leaves = new Leaf[](1 + draw(seed, 0) % 5);
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint256 word = draw(seed, 1 + i);
            leaves[i] = leafOf(participant(word), address(uint160(0x1000 + word % 3)), (word >> 8) % (3 * CAP));
        }
        Settlement memory s = settlementOf(leaves);
        s.entries[1].cumulativeBudget = draw(seed, 10) % (20 * CAP);
        uint256 floor = manager.cumulativeBudget(manager.latestRound());
        postAndRemember(s, floor + draw(seed, 11) % (CAP + 1));
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 2 * DELAY));
        noticeActiveRounds();
    }

    function veto(uint256 which) external {
        uint64 latest = manager.latestRound();
        if (latest == lastActive) return;
        uint64 round = uint64(bound(which, lastActive + 1, latest));
        vm.prank(COORDINATOR);
        manager.veto(round);
    }

    function fundMore(uint256 amount) external {
        amount = bound(amount, 1, CAP);
        fund(amount);
        funded += amount;
    }

    /// @notice Claims any leaf of any round ever posted, the vetoed and the waiting among them.
    function claimAny(uint256 seed) external {
        uint64 round = uint64(1 + draw(seed, 0) % (manager.latestRound() + 1));
        if (_leaves[round].length == 0) return;
        Settlement memory s = settlementOf(_leaves[round]);
        s.entries[1].cumulativeBudget = _entryBudgets[round];
        Claim memory c = claimOf(round, s, draw(seed, 1) % s.leaves.length);
        uint256 before = token.balanceOf(c.leaf.payout);
        uint256 paidBefore = distributor.paidTo(c.leaf.participant);
        try distributor.claim(c.round, c.entry, c.entryIndex, c.entryProof, c.leaf, c.leafIndex, c.leafProof) returns (
            uint256 amount
        ) {
            claimsPaid += 1;
            assertTrue(manager.isActive(round), "paid under a round that isn't active");
            assertEq(token.balanceOf(c.leaf.payout) - before, amount, "received");
            assertEq(paidBefore + amount, c.leaf.cumulative, "paid up to the leaf's total");
            assertAtMost(distributor.totalPaid(), c.entry.cumulativeBudget, "paid under the entry");
        } catch (bytes memory fault) {
            assertTrue(excused(round, c, bytes4(fault)), "refused without a reason");
        }
    }

    // Memory

    /// @dev A claim may fail only for the reason it gives, checked here from the outside.
    function excused(uint64 round, Claim memory c, bytes4 fault) private view returns (bool) {
        if (!manager.isActive(round)) return true;
        uint256 paid = distributor.paidTo(c.leaf.participant);
        if (fault == IRewardDistributor.NothingDue.selector) return c.leaf.cumulative <= paid;
        if (fault == IRewardDistributor.EntryAboveRoundBudget.selector) {
            return c.entry.cumulativeBudget > manager.cumulativeBudget(round);
        }
        uint256 due = c.leaf.cumulative - paid;
        if (fault == IRewardDistributor.BudgetExceeded.selector) {
            return distributor.totalPaid() + due > c.entry.cumulativeBudget;
        }
        return fault == IRewardDistributor.Underfunded.selector && token.balanceOf(address(distributor)) < due;
    }

    function postAndRemember(Settlement memory s, uint256 budget) private {
        RoundHeader memory header = nextHeader(rootOf(s), budget);
        // Distinct even from a vetoed one with the same rewards.
        header.modelRoot = bytes32(++_posts);
        post(header);
        delete _leaves[header.round];
        for (uint256 i = 0; i < s.leaves.length; ++i) {
            _leaves[header.round].push(s.leaves[i]);
        }
        _entryBudgets[header.round] = s.entries[1].cumulativeBudget;
    }

    function noticeActiveRounds() private {
        while (lastActive < manager.latestRound() && manager.isActive(lastActive + 1)) {
            uint64 round = ++lastActive;
            (activeRoots[round],) = manager.activeRoot(round);
            Leaf[] storage leaves = _leaves[round];
            for (uint256 i = 0; i < leaves.length; ++i) {
                Leaf storage leaf = leaves[i];
                if (leaf.cumulative > highest[leaf.participant]) highest[leaf.participant] = leaf.cumulative;
            }
        }
    }

    function draw(uint256 seed, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i)));
    }
}
