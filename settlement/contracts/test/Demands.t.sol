// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {IRoundManager} from "../src/interfaces/IRoundManager.sol";
import {RowTree} from "../src/libraries/RowTree.sol";
import {Rules} from "../src/libraries/Rules.sol";
import {Hints, Row} from "../src/types/Evidence.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Lies} from "./support/Lies.sol";

/// @notice Rows that nobody shows: demanded against a bond, answered in time, or the round is void.
contract DemandsTest is Lies {
    address private constant DEMANDER = address(0xDE3A);
    address private constant ANSWERER = address(0xA25E);

    function honest() private pure returns (Cohort memory) {
        return cohortOf(Rules.MEDIAN, 4, 20, 3);
    }

    function demand(RoundHeader memory header, uint64 chunk) private {
        vm.deal(DEMANDER, BOND);
        vm.prank(DEMANDER);
        manager.demandRow{value: BOND}(header, chunk);
    }

    function refuseDemand(RoundHeader memory header, uint64 chunk, uint256 bond, bytes memory fault) private {
        vm.deal(DEMANDER, bond);
        vm.prank(DEMANDER);
        vm.expectRevert(fault);
        manager.demandRow{value: bond}(header, chunk);
    }

    function collected(address account) private returns (uint256) {
        uint256 before = account.balance;
        vm.prank(account);
        manager.collectBonds(account);
        return account.balance - before;
    }

    function test_answer_endsADemandAndEarnsTheBond() public {
        Cohort memory c = honest();
        RoundHeader memory header = posted(c);
        bytes32 digest = manager.digestOf(header);
        uint64 deadline = uint64(vm.getBlockTimestamp()) + ANSWER;
        vm.deal(DEMANDER, BOND);
        vm.expectEmit(true, true, true, true, address(manager));
        emit IDisputes.RowDemanded(digest, 1, DEMANDER, deadline);
        vm.prank(DEMANDER);
        manager.demandRow{value: BOND}(header, 1);
        (address demander, uint64 until) = manager.demandOf(digest, 1);
        assertEq(demander, DEMANDER, "demander");
        assertEq(until, deadline, "deadline");
        refuseDemand(header, 1, BOND, abi.encodeWithSelector(IDisputes.AlreadyDemanded.selector, digest, 1));

        Row memory row = evidence(c, 1);
        vm.warp(deadline);
        vm.expectEmit(true, true, true, true, address(manager));
        emit IDisputes.RowAnswered(digest, 1, ANSWERER);
        // No transaction is its own.
        vm.expectEmit(true, true, true, true, address(manager));
        emit IDisputes.RowTold(digest, 1, row);
        vm.prank(ANSWERER);
        manager.answerRow(header, row);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotDemanded.selector, digest, 1));
        manager.answerRow(header, row);
        refuseDemand(header, 1, BOND, abi.encodeWithSelector(IDisputes.AlreadyDemanded.selector, digest, 1));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotDemanded.selector, digest, 1));
        manager.expireDemand(header, 1);
        assertEq(collected(ANSWERER), BOND, "bond");
        vm.prank(ANSWERER);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoBond.selector, ANSWERER));
        manager.collectBonds(ANSWERER);
        vm.warp(manager.activeAt(1) + 2 * ANSWER);
        assertTrue(manager.isActive(1), "active");
    }

    function test_answer_mustBeTheRow() public {
        Cohort memory c = honest();
        RoundHeader memory header = posted(c);
        demand(header, 1);
        Row memory row = evidence(c, 1);
        row.row[5] ^= 0x01;
        bytes32 leaf = keccak256(bytes.concat(hex"00", keccak256(row.row)));
        bytes32 computed = hashes.root(leaf, 1, row.rowProof);
        vm.expectRevert(abi.encodeWithSelector(RowTree.RowNotProven.selector, header.rowRoot, computed));
        manager.answerRow(header, row);
        row = evidence(c, 1);
        row.aggregate ^= bytes32(uint256(1));
        leaf = keccak256(bytes.concat(hex"00", keccak256(bytes.concat(row.aggregate))));
        computed = hashes.root(leaf, 1, row.aggregateProof);
        vm.expectRevert(abi.encodeWithSelector(RowTree.AggregateNotProven.selector, header.aggregateRoot, computed));
        manager.answerRow(header, row);
        bytes32 digest = manager.digestOf(header);
        row = evidence(c, 2);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotDemanded.selector, digest, 2));
        manager.answerRow(header, row);
    }

    /// A row that isn't shown costs the signers as much as a lie, and the demander is the prover.
    function test_withheldRow_voidsTheRoundAndCostsItsSigners() public {
        stake(memberOf(0), 100 ether);
        Cohort memory c = honest();
        RoundHeader memory header = headerOf(c);
        bytes[] memory signatures = signaturesOf(header, 0, 1);
        post(header);
        bytes32 digest = manager.digestOf(header);
        demand(header, 2);
        uint64 deadline = uint64(vm.getBlockTimestamp()) + ANSWER;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DeadlineAhead.selector, deadline));
        manager.expireDemand(header, 2);
        vm.warp(deadline + 1);
        Row memory row = evidence(c, 2);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DeadlinePassed.selector, deadline));
        manager.answerRow(header, row);
        manager.expireDemand(header, 2);
        (IDisputes.Lie lie, address prover) = manager.lieOf(digest);
        assertEq(uint256(lie), uint256(IDisputes.Lie.Withholding), "lie");
        assertEq(prover, DEMANDER, "prover");
        assertEq(manager.latestRound(), 0, "void");
        assertEq(collected(DEMANDER), BOND, "bond");
        (, uint256 amount) = manager.punish(digest, signatures[0]);
        assertEq(amount, PENALTY, "slashed");
        assertEq(vault.owedTo(DEMANDER), PENALTY / 2, "half to the demander");
        // What replaces it waits for nothing but its own delay.
        RoundHeader memory next = headerOf(c);
        next.attempt = 1;
        post(next);
        vm.warp(manager.activeAt(1));
        assertTrue(manager.isActive(1), "the next one");
    }

    /// An answer in the last second leaves time to prove what it shows.
    function test_lateAnswer_canStillBeProvedAgainst() public {
        Cohort memory c = honest();
        c.aggregate[9] += 1;
        RoundHeader memory header = posted(c);
        vm.warp(manager.activeAt(1) - 1);
        demand(header, 1);
        vm.warp(vm.getBlockTimestamp() + ANSWER);
        Row memory row = evidence(c, 1);
        manager.answerRow(header, row);
        assertTrue(!manager.isActive(1), "waits");
        vm.warp(vm.getBlockTimestamp() + ANSWER - 1);
        manager.proveRule(header, row, hints(c, 9));
        assertEq(manager.latestRound(), 0, "void");
    }

    /// Demands can keep a round waiting for a bounded time, however many follow each other in later rounds.
    function test_demands_cannotDelayForEver() public {
        Cohort memory c = honest();
        posted(c);
        uint64 activeAt = manager.activeAt(1);
        for (uint256 i = 0; i < 12; ++i) {
            RoundHeader memory header = posted(c);
            demand(header, uint64(i % 3));
            vm.warp(vm.getBlockTimestamp() + ANSWER / 2);
        }
        assertTrue(vm.getBlockTimestamp() > activeAt + 2 * ANSWER, "long after");
        assertTrue(manager.isActive(1), "the first");
        (uint64 from, uint64 until) = manager.heldBack();
        assertEq(from, 2, "held from");
        assertTrue(until > vm.getBlockTimestamp(), "held until");
        assertTrue(!manager.isActive(manager.latestRound()), "the last");
        for (uint64 round = 1; round <= manager.latestRound(); ++round) {
            vm.warp(manager.activeAt(round) + 2 * ANSWER);
            assertTrue(manager.isActive(round), "no round waits longer");
        }
    }

    /// Activity never ends: a demand against a later round takes nothing back.
    function test_demands_neverTouchActiveRounds(uint256 first, uint256 second) public {
        Cohort memory c = honest();
        RoundHeader[] memory headers = new RoundHeader[](4);
        for (uint256 i = 0; i < 4; ++i) {
            headers[i] = posted(c);
            vm.warp(vm.getBlockTimestamp() + DELAY / 3);
        }
        bool[] memory active = new bool[](5);
        for (uint256 step = 0; step < 8; ++step) {
            uint256 which = (step == 0 ? first : second >> step) % 4;
            if (vm.getBlockTimestamp() < manager.activeAt(uint64(which + 1))) {
                (address demander,) = manager.demandOf(manager.digestOf(headers[which]), uint64(step % 3));
                if (demander == address(0)) demand(headers[which], uint64(step % 3));
            }
            for (uint64 round = 1; round <= 4; ++round) {
                if (active[round]) assertTrue(manager.isActive(round), "active for ever");
                active[round] = manager.isActive(round);
                if (round > 1 && active[round]) assertTrue(active[round - 1], "never before an earlier one");
            }
            vm.warp(vm.getBlockTimestamp() + uint256(keccak256(abi.encode(first, step))) % 20 minutes);
        }
    }

    function test_demand_refusesBadBondsPlacesAndTimes() public {
        Cohort memory c = honest();
        RoundHeader memory header = posted(c);
        refuseDemand(header, 0, BOND - 1, abi.encodeWithSelector(IDisputes.WrongBond.selector, BOND, BOND - 1));
        refuseDemand(header, 3, BOND, abi.encodeWithSelector(RowTree.NoChunk.selector, 3, 3));
        uint64 activeAt = manager.activeAt(1);
        demand(header, 0);
        // Held back, thus not active; but too late for more demands.
        vm.warp(activeAt - 1);
        demand(header, 1);
        vm.warp(activeAt);
        refuseDemand(header, 2, BOND, abi.encodeWithSelector(IDisputes.TooLate.selector, activeAt));
        vm.warp(activeAt + 2 * ANSWER);
        refuseDemand(header, 2, BOND, abi.encodeWithSelector(IRoundManager.RoundAlreadyActive.selector, 1, activeAt));
    }

    /// Where single updates must stay hidden nobody may ask for them.
    function test_demand_refusesConfidentialRows() public {
        Cohort memory c = honest();
        c.aggregate[0] += 1;
        RoundHeader memory header = headerOf(c);
        header.rule |= Rules.CONFIDENTIAL;
        post(header);
        refuseDemand(header, 0, BOND, abi.encodeWithSelector(IDisputes.RowsConfidential.selector, header.rule));
        // Whoever has the rows may still prove a lie with one.
        manager.proveRule(header, evidence(c, 0), hints(c, 0));
    }

    /// A bond that nobody answered for isn't lost, whether the round fell to another proof or became active.
    function test_bond_comesBackWhateverBecomesOfTheRound(bool falls) public {
        Cohort memory c = honest();
        RoundHeader memory header = posted(c);
        bytes32 digest = manager.digestOf(header);
        demand(header, 0);
        uint64 deadline = uint64(vm.getBlockTimestamp()) + ANSWER;
        if (falls) {
            vm.prank(COORDINATOR);
            manager.veto(1);
            vm.expectRevert(abi.encodeWithSelector(IDisputes.DeadlineAhead.selector, deadline));
            manager.returnBond(digest, 0);
            vm.warp(deadline + 1);
        } else {
            vm.warp(deadline + 1);
            vm.expectRevert(abi.encodeWithSelector(IDisputes.DeadlineAhead.selector, deadline + ANSWER));
            manager.returnBond(digest, 0);
            vm.warp(manager.activeAt(1) + 2 * ANSWER);
        }
        manager.returnBond(digest, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotDemanded.selector, digest, 0));
        manager.returnBond(digest, 0);
        assertEq(collected(DEMANDER), BOND, "bond");
        assertEq(address(manager).balance, 0, "nothing left");
    }

    function test_bond_refusedByItsOwnerStaysOwed() public {
        Cohort memory c = honest();
        RoundHeader memory header = posted(c);
        demand(header, 0);
        vm.prank(address(token));
        manager.answerRow(header, evidence(c, 0));
        vm.prank(address(token));
        vm.expectRevert(abi.encodeWithSelector(IDisputes.BondRefused.selector, address(token), BOND));
        manager.collectBonds(address(token));
        vm.prank(address(token));
        vm.expectRevert(abi.encodeWithSelector(IDisputes.BondRefused.selector, address(0), BOND));
        manager.collectBonds(address(0));
        assertEq(manager.bondsOf(address(token)), BOND, "owed");
    }
}
