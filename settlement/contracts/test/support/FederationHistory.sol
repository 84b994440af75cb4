// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {Claim, Leaf} from "../../src/types/Reward.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";
import {Federation} from "./Federation.sol";
import {Trees} from "./Trees.sol";

/// @notice Everyone who acts on a federation's contracts, honest or not, in any order: the subject of the invariant tests.
/// @dev It remembers what the contracts are not told: who was funded what, and the highest total of everyone under active rounds.
contract FederationHistory is Federation {
    uint256 internal constant EARNERS = 4;

    uint256 public funded;
    uint256 public claimsPaid;
    uint64 public lastActive;
    mapping(uint64 round => Leaf[]) private _leaves;
    mapping(uint64 round => uint256) private _entryBudgets;
    mapping(uint64 round => bytes32) public activeDigests;
    mapping(uint64 round => RoundHeader) private _headers;
    mapping(bytes32 participant => uint256) public highest;
    uint256 private _posts;
    uint256[] private _honest = [uint256(0), 0, 0, 0];

    constructor() {
        setUp();
        funded = FUNDS;
    }

    function budgetAt(uint64 round) external view returns (uint256) {
        return _headers[round].cumulativeBudget;
    }

    function contracts() external view returns (address, address payable, address) {
        return (address(manager), payable(address(distributor)), address(token));
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
        uint256 floor = recalledBudget();
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
        uint256 floor = recalledBudget();
        postAndRemember(s, floor + draw(seed, 11) % (CAP + 1));
    }

    function wait(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, 2 * DELAY));
        noticeActiveRounds();
    }

    function veto(uint256 which) external {
        uint64 latest = manager.latestRound();
        if (latest == lastActive) return;
        uint64 round = uint64(bound(which, lastActive + 1, latest));
        vm.prank(COORDINATOR);
        manager.veto(round);
        checkVoid(round);
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
        tryToOpen(round, s);
        Claim memory c = claimOf(round, s, draw(seed, 1) % s.leaves.length);
        uint256 before = token.balanceOf(c.payout);
        uint256 paidBefore = distributor.paidTo(c.participant);
        try distributor.claim(c) returns (uint256 amount) {
            claimsPaid += 1;
            assertTrue(manager.isActive(round), "paid under a round that isn't active");
            assertEq(token.balanceOf(c.payout) - before, amount, "received");
            assertEq(paidBefore + amount, c.cumulative, "paid up to the leaf's total");
            assertAtMost(distributor.totalPaid(), distributor.budget(), "paid under the entries");
        } catch (bytes memory fault) {
            assertTrue(excused(round, c, bytes4(fault)), "refused without a reason");
        }
    }

    function tryToOpen(uint64 round, Settlement memory s) private {
        if (distributor.chainRoot(round) != 0) return;
        RoundHeader memory header = _headers[round];
        bytes32[] memory proof = Trees.proof(entryHashes(s), 1);
        try distributor.open(header, s.entries[1], 1, proof) {
            assertTrue(manager.isActive(round), "opened a round that isn't active");
            assertAtMost(s.entries[1].cumulativeBudget, header.cumulativeBudget, "opened above the round's budget");
        } catch {
            assertTrue(
                !manager.isActive(round) || s.entries[1].cumulativeBudget > header.cumulativeBudget,
                "not opened without a reason"
            );
        }
    }

    /// @dev The budget of the last good round; after a veto it must be recalled first.
    function recalledBudget() private returns (uint256 budget) {
        bool known;
        (budget, known) = manager.latestBudget();
        if (known) return budget;
        manager.recall(_headers[manager.latestRound()]);
        (budget,) = manager.latestBudget();
    }

    function checkVoid(uint64 round) private view {
        assertEq(manager.latestRound(), round - 1, "latest after a veto");
        assertTrue(!manager.isActive(round), "active after a veto");
    }

    // Memory

    /// @dev A claim may fail only for the reason it gives, checked here from the outside.
    function excused(uint64 round, Claim memory c, bytes4 fault) private view returns (bool) {
        if (distributor.chainRoot(round) == 0) return fault == IRewardDistributor.NotOpen.selector;
        uint256 paid = distributor.paidTo(c.participant);
        if (fault == IRewardDistributor.NothingDue.selector) return c.cumulative <= paid;
        uint256 due = c.cumulative - paid;
        if (fault == IRewardDistributor.BudgetExceeded.selector) {
            return distributor.totalPaid() + due > distributor.budget();
        }
        return fault == IRewardDistributor.Underfunded.selector && token.balanceOf(address(distributor)) < due;
    }

    function postAndRemember(Settlement memory s, uint256 budget) private {
        RoundHeader memory header = nextHeader(rootOf(s), budget);
        // Distinct even from a vetoed one with the same rewards.
        header.modelRoot = bytes32(++_posts);
        post(header);
        _headers[header.round] = header;
        delete _leaves[header.round];
        for (uint256 i = 0; i < s.leaves.length; ++i) {
            _leaves[header.round].push(s.leaves[i]);
        }
        _entryBudgets[header.round] = s.entries[1].cumulativeBudget;
    }

    function noticeActiveRounds() private {
        while (lastActive < manager.latestRound() && manager.isActive(lastActive + 1)) {
            uint64 round = ++lastActive;
            activeDigests[round] = manager.headerDigest(round);
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
