// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../src/interfaces/IDisputes.sol";
import {IRoundManager} from "../src/interfaces/IRoundManager.sol";
import {InputTree} from "../src/libraries/InputTree.sol";
import {RowTree} from "../src/libraries/RowTree.sol";
import {Rules} from "../src/libraries/Rules.sol";
import {Hints, Opening, Row} from "../src/types/Evidence.sol";
import {Input, Receipt} from "../src/types/Input.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Lies} from "./support/Lies.sol";
import {Reference} from "./support/Reference.sol";
import {Trees} from "./support/Trees.sol";

contract DisputesTest is Lies {
    address private constant PROVER = address(0xC4A7);

    function ruleOf(uint256 which) private pure returns (uint8) {
        uint8[5] memory rules = [Rules.MEAN, Rules.MEDIAN, Rules.TRIMMED_MEAN, Rules.SIGN_MAJORITY, Rules.WEIGHTED_MEAN];
        return rules[which % 5];
    }

    function median() private pure returns (Cohort memory) {
        return cohortOf(Rules.MEDIAN, 4, 20, 7);
    }

    function proveRule(RoundHeader memory header, Row memory row, Hints memory h) private {
        vm.prank(PROVER);
        manager.proveRule(header, row, h);
    }

    function expectLie(RoundHeader memory header, IDisputes.Lie lie) private view {
        bytes32 digest = manager.digestOf(header);
        (IDisputes.Lie proved, address prover) = manager.lieOf(digest);
        assertEq(uint256(proved), uint256(lie), "lie");
        assertEq(prover, PROVER, "prover");
        assertTrue(manager.isVoided(digest), "void");
        assertEq(manager.latestRound(), header.round - 1, "latest");
    }

    // An honest round

    /// No rule, cohort, tie or extreme makes an honest header slashable: whatever coordinate is challenged, the proof fails.
    function test_honest_noCoordinateIsALie(uint256 which, uint256 size, uint256 length, uint256 seed) public {
        Cohort memory c = cohortOf(ruleOf(which), bound(size, 1, 9), bound(length, 1, 20), seed);
        RoundHeader memory header = posted(c);
        for (uint256 k = 0; k < c.dimension; ++k) {
            Row memory row = evidence(c, k / 8);
            vm.expectRevert(abi.encodeWithSelector(IDisputes.FollowsTheRule.selector, c.aggregate[k]));
            manager.proveRule(header, row, hints(c, k));
        }
        assertEq(manager.latestRound(), 1, "stands");
    }

    /// Hints that aren't the ranks' values prove nothing, in whichever direction they are off.
    function test_honest_wrongHintsAreRefused(uint256 size, uint256 seed, int32 low, int32 high) public {
        Cohort memory c = cohortOf(Rules.TRIMMED_MEAN, bound(size, 1, 9), 5, seed);
        RoundHeader memory header = posted(c);
        Hints memory h = hints(c, seed % 5);
        vm.assume(low != h.low || high != h.high);
        (h.low, h.high) = (low, high);
        Row memory row = evidence(c, 0);
        vm.expectRevert(abi.encodeWithSelector(Rules.WrongHints.selector, low, high));
        manager.proveRule(header, row, h);
    }

    /// Nor can an honest round be proved against with any altered piece of evidence.
    function test_honest_noAlteredEvidenceProves(uint8 what, uint256 which, uint256 seed, uint256 change) public {
        vm.assume(change != 0);
        Cohort memory c = cohortOf(ruleOf(which), 5, 20, seed);
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, seed % 3);
        Hints memory h = hints(c, 8 * (seed % 3));
        uint256 piece = what % 8;
        if (piece == 0) row.row[change % row.row.length] ^= bytes1(uint8(1 + change % 255));
        else if (piece == 1) row.aggregate ^= bytes32(change);
        else if (piece == 2) row.rowProof[change % 2] ^= bytes32(change);
        else if (piece == 3) row.aggregateProof[change % 2] ^= bytes32(change);
        else if (piece == 4) row.chunk = uint64(change);
        else if (piece == 5) row.row = bytes.concat(row.row, bytes32(change));
        else if (piece == 6) h.coordinate = change;
        else h.weights = abi.encodePacked(change);
        (bool proved,) = address(manager).call(abi.encodeCall(IDisputes.proveRule, (header, row, h)));
        assertTrue(!proved, "proved");
        assertEq(manager.latestRound(), 1, "stands");
    }

    /// Everyone's input and row agree, and everyone with a receipt is listed: nothing to prove.
    function test_honest_inputsMatchAndNobodyIsMissing(uint256 size, uint256 seed) public {
        Cohort memory c = cohortOf(Rules.MEAN, bound(size, 1, 6), 11, seed);
        RoundHeader memory header = posted(c);
        uint32 count = uint32(c.inputs.length);
        for (uint256 i = 0; i < c.inputs.length; ++i) {
            Receipt memory receipt = receiptOf(header, c.inputs[i].nodeKey, c.inputs[i].commitment);
            bytes memory signature = signWith(COORDINATOR_KEY, manager.receiptDigest(receipt));
            for (uint256 index = 0; index <= count; ++index) {
                (Input[] memory neighbours, bytes32[][] memory proofs) = gap(c, index);
                vm.expectRevert(abi.encodeWithSelector(IDisputes.NoGap.selector, receipt.nodeKey));
                manager.proveOmission(header, receipt, signature, count, index, neighbours, proofs);
            }
            if (i == c.inputs.length - 1) break;
            Row memory row = evidence(c, seed % 2);
            Opening memory own = opening(c, i, seed % 2);
            vm.expectRevert(abi.encodeWithSelector(IDisputes.MatchesTheInput.selector, own.values));
            manager.proveInput(header, row, count, c.inputs[i], own);
        }
    }

    // Wrong coordinates

    /// Whatever the rule, one wrong coordinate voids the round, and signers pay: half to the prover, half to the sink.
    function test_rule_anyWrongCoordinateIsProved(uint256 which, uint256 size, uint256 seed, int32 wrong) public {
        Cohort memory c = cohortOf(ruleOf(which), bound(size, 1, 9), 20, seed);
        uint256 k = seed % 20;
        vm.assume(wrong != c.aggregate[k]);
        c.aggregate[k] = wrong;
        RoundHeader memory header = posted(c);
        proveRule(header, evidence(c, k / 8), hints(c, k));
        expectLie(header, IDisputes.Lie.Rule);
    }

    function test_rule_signersAreSlashedOnceEach() public {
        stake(memberOf(0), 100 ether);
        stake(memberOf(1), 10 ether);
        Cohort memory c = median();
        c.aggregate[3] += 1;
        RoundHeader memory header = headerOf(c);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        post(header);
        bytes32 digest = manager.digestOf(header);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoLie.selector, digest));
        manager.punish(digest, signatures[0]);
        proveRule(header, evidence(c, 0), hints(c, 3));

        vm.expectEmit(true, true, true, true, address(manager));
        emit IDisputes.Punished(digest, memberOf(0), PROVER, PENALTY);
        manager.punish(digest, signatures[0]);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.AlreadyPunished.selector, digest, memberOf(0)));
        manager.punish(digest, signatures[0]);
        (address signer, uint256 amount) = manager.punish(digest, signatures[1]);
        assertEq(signer, memberOf(1), "signer");
        assertEq(amount, 10 ether, "all it had");
        (, amount) = manager.punish(digest, signatures[2]);
        assertEq(amount, 0, "nothing staked");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotSigned.selector, digest));
        manager.punish(digest, new bytes(65));
        assertTrue(manager.isPunished(digest, memberOf(2)), "punished");

        assertEq(vault.stakeOf(memberOf(0)), 100 ether - PENALTY, "left");
        assertEq(vault.owedTo(PROVER), (PENALTY + 10 ether) / 2, "half to the prover");
        assertEq(vault.owedTo(SINK), (PENALTY + 10 ether) / 2, "half to the sink");
    }

    /// A signature over another header is no signature of the lie: it names somebody who has nothing at stake.
    function test_rule_otherSignaturesPunishNobodyWithAStake() public {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            stake(memberOf(i), 100 ether);
        }
        Cohort memory c = median();
        c.aggregate[3] += 1;
        RoundHeader memory header = headerOf(c);
        RoundHeader memory other = headerOf(c);
        other.planHash = keccak256("another plan");
        bytes[] memory honest = signaturesOf(other, 3, 1);
        post(header);
        proveRule(header, evidence(c, 0), hints(c, 3));
        (address stranger, uint256 amount) = manager.punish(manager.digestOf(header), honest[0]);
        assertTrue(!registry.isMember(stranger), "a stranger");
        assertEq(amount, 0, "nothing at stake");
        for (uint256 i = 0; i < MEMBERS; ++i) {
            assertEq(vault.stakeOf(memberOf(i)), 100 ether, "stake");
        }
    }

    function test_rule_codesThatNoContractRedoesAreRefused(uint8 rule) public {
        vm.assume(!Rules.provable(rule));
        Cohort memory c = median();
        RoundHeader memory header = headerOf(c);
        header.rule = rule;
        post(header);
        Row memory row = evidence(c, 0);
        Hints memory h = hints(c, 0);
        vm.expectRevert(abi.encodeWithSelector(Rules.RuleNotProvable.selector, rule));
        manager.proveRule(header, row, h);
    }

    /// A cut that leaves nothing, weights of zero: no rule has a result, so that nothing is proved against it.
    function test_rule_withoutAResultIsRefused() public {
        Cohort memory c = cohortOf(Rules.TRIMMED_MEAN, 4, 8, 1);
        RoundHeader memory header = headerOf(c);
        header.ruleParameter = bytes32(uint256(2));
        post(header);
        Row memory row = evidence(c, 0);
        Hints memory h = hints(c, 0);
        vm.expectRevert(abi.encodeWithSelector(Rules.NoResult.selector, Rules.TRIMMED_MEAN, 4, header.ruleParameter));
        manager.proveRule(header, row, h);
    }

    function test_rule_weightsAreTheHeaders() public {
        Cohort memory c = cohortOf(Rules.WEIGHTED_MEAN, 3, 8, 1);
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, 0);
        Hints memory h = hints(c, 0);
        h.weights = abi.encodePacked(uint64(1), uint64(1), uint64(1));
        vm.expectRevert(abi.encodeWithSelector(Rules.WrongWeights.selector, header.ruleParameter, keccak256(h.weights)));
        manager.proveRule(header, row, h);
    }

    function test_rule_sizesAreTheHeaders() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, 2);
        Hints memory h = hints(c, 16);
        h.coordinate = 4;
        vm.expectRevert(abi.encodeWithSelector(Rules.NoCoordinate.selector, 20, 4));
        manager.proveRule(header, row, h);
        row.chunk = 3;
        vm.expectRevert(abi.encodeWithSelector(RowTree.NoChunk.selector, 3, 3));
        manager.proveRule(header, row, h);
        row = evidence(c, 2);
        row.rowProof = new bytes32[](1);
        vm.expectRevert(abi.encodeWithSelector(RowTree.WrongDepth.selector, 2, 1));
        manager.proveRule(header, row, h);
    }

    /// A header that names another cohort than its rows have: neither size proves anything.
    function test_rule_rowsOfAnotherCohortAreRefused() public {
        Cohort memory c = median();
        RoundHeader memory header = headerOf(c);
        header.cohort = 5;
        post(header);
        Row memory row = evidence(c, 0);
        Hints memory h = hints(c, 0);
        vm.expectRevert(abi.encodeWithSelector(Rules.RowLength.selector, 160, 128));
        manager.proveRule(header, row, h);
    }

    // When a round can be disputed

    function test_lies_areProvedAgainstStandingRoundsAlone() public {
        Cohort memory c = median();
        c.aggregate[0] += 1;
        RoundHeader memory header = headerOf(c);
        Row memory row = evidence(c, 0);
        Hints memory h = hints(c, 0);
        bytes32 digest = manager.digestOf(header);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotStanding.selector, 1, bytes32(0), digest));
        manager.proveRule(header, row, h);
        post(header);
        uint64 activeAt = manager.activeAt(1);
        vm.warp(activeAt);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.RoundAlreadyActive.selector, 1, activeAt));
        manager.proveRule(header, row, h);
        vm.warp(activeAt - 1);
        manager.proveRule(header, row, h);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotStanding.selector, 1, bytes32(0), digest));
        manager.proveRule(header, row, h);
    }

    /// A coordinator that sees a proof coming vetoes the round first: the round is gone, the lie isn't.
    function test_lies_aVetoIsNoWayOut() public {
        stake(memberOf(0), 100 ether);
        Cohort memory c = median();
        RoundHeader memory honest = posted(c);
        c.aggregate[0] += 1;
        RoundHeader memory lie = headerOf(c);
        lie.modelRoot = keccak256("lie");
        bytes[] memory signatures = signaturesOf(lie, 0, 1);
        post(lie);
        RoundHeader memory fallen = posted(c);
        Row memory row = evidence(c, 0);
        Hints memory h = hints(c, 0);
        vm.prank(COORDINATOR);
        manager.veto(2);
        vm.prank(PROVER);
        manager.proveRule(lie, row, h);
        expectLie(lie, IDisputes.Lie.Rule);
        (, uint256 amount) = manager.punish(manager.digestOf(lie), signatures[0]);
        assertEq(amount, PENALTY, "slashed");
        bytes32 digest = manager.digestOf(lie);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotStanding.selector, 2, bytes32(0), digest));
        manager.proveRule(lie, row, h);
        // Nor is falling with an earlier round, as long as nothing else was posted in its place.
        vm.prank(PROVER);
        manager.proveRule(fallen, row, h);
        assertTrue(manager.isVoided(manager.digestOf(fallen)), "void");
        assertEq(manager.latestRound(), 1, "latest");
        assertTrue(!manager.isVoided(manager.digestOf(honest)), "the honest one stands");
    }

    /// Headers that nobody posted say nothing: a forged one with a true receipt must not cost the coordinator.
    function test_lies_ofHeadersThatWereNeverPostedAreNone() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        Receipt memory receipt = receiptOf(header, c.inputs[1].nodeKey, c.inputs[1].commitment);
        bytes memory signature = signWith(COORDINATOR_KEY, manager.receiptDigest(receipt));
        bytes32 stands = manager.digestOf(header);
        header.inputRoot = 0;
        bytes32 forged = manager.digestOf(header);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotStanding.selector, 1, stands, forged));
        manager.proveOmission(header, receipt, signature, 0, 0, new Input[](0), new bytes32[][](0));
    }

    /// Later rounds fall with the lie, and the federation goes on from the last good one.
    function test_lies_voidLaterRoundsToo() public {
        RoundHeader memory good = nextHeader(keccak256("rewards"), 1 ether);
        post(good);
        Cohort memory c = median();
        c.aggregate[0] += 1;
        RoundHeader memory lie = posted(c);
        post(nextHeader(keccak256("rewards"), 3 ether));
        proveRule(lie, evidence(c, 0), hints(c, 0));
        assertEq(manager.latestRound(), 1, "latest");
        vm.warp(vm.getBlockTimestamp() + 2 * DELAY);
        assertTrue(manager.isActive(1) && !manager.isActive(2) && !manager.isActive(3), "active");
        manager.recall(good);
        aggregateHonestly(c);
        posted(c);
        assertEq(manager.latestRound(), 2, "goes on");
    }

    // Changed inputs

    function test_input_changedChunkIsProved(uint256 size, uint256 seed) public {
        Cohort memory c = cohortOf(Rules.MEAN, bound(size, 1, 6), 20, seed);
        uint256 member = seed % c.updates.length;
        Opening memory own = opening(c, member, 1);
        // The coordinator puts another number into the row and aggregates it faithfully.
        c.updates[member][9] = c.updates[member][9] == 0 ? int32(1) : int32(0);
        aggregateHonestly(c);
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, 1);
        vm.prank(PROVER);
        manager.proveInput(header, row, uint32(c.inputs.length), c.inputs[member], own);
        expectLie(header, IDisputes.Lie.Input);
    }

    function test_input_needsTheCommittedChunk() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, 0);
        Opening memory own = opening(c, 2, 0);
        own.values ^= bytes32(uint256(1));
        bytes32 leaf = keccak256(abi.encodePacked(uint8(2), SALT, own.values));
        bytes32 computed = hashes.root(leaf, 0, own.proof);
        uint32 count = uint32(c.inputs.length);
        vm.expectRevert(abi.encodeWithSelector(RowTree.ChunkNotProven.selector, c.inputs[2].commitment, computed));
        manager.proveInput(header, row, count, c.inputs[2], own);
    }

    function test_input_needsTheListedInput() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, 0);
        Opening memory own = opening(c, 2, 0);
        uint32 count = uint32(c.inputs.length);
        // Another position would be compared with somebody else's chunk.
        c.inputs[2].position = 1;
        bytes32 computed = hashes.root(inputHash.leaf(count, c.inputs[2]), 2, own.inputProof);
        vm.expectRevert(abi.encodeWithSelector(InputTree.InputNotProven.selector, header.inputRoot, computed));
        manager.proveInput(header, row, count, c.inputs[2], own);
        vm.expectRevert(abi.encodeWithSelector(InputTree.NoInput.selector, 2, 2, own.inputProof.length));
        manager.proveInput(header, row, 2, c.inputs[2], own);
    }

    function test_input_refusedAndMisplacedOnesAreInNoRow() public {
        Cohort memory c = median();
        c.inputs[1].position = 4;
        RoundHeader memory header = posted(c);
        Row memory row = evidence(c, 0);
        uint32 count = uint32(c.inputs.length);
        Opening memory own = opening(c, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.PositionOutOfRow.selector, 4, 4));
        manager.proveInput(header, row, count, c.inputs[1], own);
        own.index = 4;
        own.inputProof = Trees.proof(inputLeaves(c), 4);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.InputRefused.selector, c.inputs[4].nodeKey));
        manager.proveInput(header, row, count, c.inputs[4], own);
    }

    // Dropped clients

    function omission(Cohort memory c, RoundHeader memory header, Receipt memory receipt, uint256 index) private {
        bytes memory signature = signWith(COORDINATOR_KEY, manager.receiptDigest(receipt));
        (Input[] memory neighbours, bytes32[][] memory proofs) = gap(c, index);
        vm.prank(PROVER);
        manager.proveOmission(header, receipt, signature, uint32(c.inputs.length), index, neighbours, proofs);
    }

    /// Whoever holds a receipt and isn't listed proves it, first, last or between; the coordinator pays, the signers don't.
    function test_omission_isProvedWherever(uint256 place) public {
        stake(COORDINATOR, 100 ether);
        stake(memberOf(0), 100 ether);
        Cohort memory c = median();
        RoundHeader memory header = headerOf(c);
        bytes[] memory signatures = signaturesOf(header, 0, 1);
        post(header);
        uint256 index = bound(place, 0, c.inputs.length);
        bytes32 nodeKey = bytes32((index << 128) + 5);
        omission(c, header, receiptOf(header, nodeKey, keccak256("dropped")), index);
        expectLie(header, IDisputes.Lie.Omission);
        assertEq(vault.stakeOf(COORDINATOR), 100 ether - PENALTY, "the coordinator's");
        bytes32 digest = manager.digestOf(header);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoLie.selector, digest));
        manager.punish(digest, signatures[0]);
        assertEq(vault.stakeOf(memberOf(0)), 100 ether, "a signer's");
    }

    /// A listed member whose receipt names another commitment: its update was exchanged.
    function test_omission_exchangedCommitmentIsProved() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        omission(c, header, receiptOf(header, c.inputs[2].nodeKey, keccak256("what it sent")), 2);
        expectLie(header, IDisputes.Lie.Omission);
    }

    /// A header that lists nothing has left out everyone.
    function test_omission_ofEveryone() public {
        Cohort memory c = median();
        RoundHeader memory header = headerOf(c);
        header.inputRoot = 0;
        post(header);
        Receipt memory receipt = receiptOf(header, sender(1), keccak256("dropped"));
        bytes memory signature = signWith(COORDINATOR_KEY, manager.receiptDigest(receipt));
        vm.prank(PROVER);
        manager.proveOmission(header, receipt, signature, 0, 0, new Input[](0), new bytes32[][](0));
        expectLie(header, IDisputes.Lie.Omission);
    }

    function test_omission_needsTheCoordinatorsReceiptForThisAttempt() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        (Input[] memory neighbours, bytes32[][] memory proofs) = gap(c, 0);
        Receipt memory receipt = receiptOf(header, bytes32(uint256(1)), keccak256("dropped"));
        bytes32 digest = manager.receiptDigest(receipt);
        bytes memory forged = signWith(keys[0], digest);
        uint32 count = uint32(c.inputs.length);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotReceipted.selector, COORDINATOR, digest));
        manager.proveOmission(header, receipt, forged, count, 0, neighbours, proofs);
        for (uint256 field = 0; field < 3; ++field) {
            receipt = receiptOf(header, bytes32(uint256(1)), keccak256("dropped"));
            if (field == 0) receipt.federation = keccak256("another");
            else if (field == 1) receipt.round += 1;
            else receipt.attempt += 1;
            bytes memory signature = signWith(COORDINATOR_KEY, manager.receiptDigest(receipt));
            vm.expectRevert(abi.encodeWithSelector(IDisputes.OtherReceipt.selector));
            manager.proveOmission(header, receipt, signature, count, 0, neighbours, proofs);
        }
    }

    function test_omission_neighboursMustLeaveNoPlace() public {
        Cohort memory c = median();
        RoundHeader memory header = posted(c);
        Receipt memory receipt = receiptOf(header, bytes32(uint256((2 << 128) + 5)), keccak256("dropped"));
        bytes memory signature = signWith(COORDINATOR_KEY, manager.receiptDigest(receipt));
        uint32 count = uint32(c.inputs.length);
        bytes memory fault = abi.encodeWithSelector(IDisputes.NoGap.selector, receipt.nodeKey);
        for (uint256 index = 0; index <= count; ++index) {
            if (index == 2) continue;
            (Input[] memory others, bytes32[][] memory ways) = gap(c, index);
            vm.expectRevert(fault);
            manager.proveOmission(header, receipt, signature, count, index, others, ways);
        }
        (Input[] memory neighbours, bytes32[][] memory proofs) = gap(c, 2);
        vm.expectRevert(fault);
        manager.proveOmission(header, receipt, signature, count, count + 1, neighbours, proofs);
        vm.expectRevert(fault);
        manager.proveOmission(header, receipt, signature, 0, 0, neighbours, proofs);
        vm.expectRevert(fault);
        manager.proveOmission(header, receipt, signature, count, 2, neighbours, new bytes32[][](1));
        // Another count would make another leaf the last.
        bytes32 computed = hashes.root(inputHash.leaf(7, neighbours[0]), 1, proofs[0]);
        vm.expectRevert(abi.encodeWithSelector(InputTree.InputNotProven.selector, header.inputRoot, computed));
        manager.proveOmission(header, receipt, signature, 7, 2, neighbours, proofs);
    }

    // Equivocation

    function equivocate(RoundHeader memory first, RoundHeader memory second, uint256 who, uint256 other)
        private
        returns (uint256 amount)
    {
        bytes memory one = signWith(keys[who], manager.digestOf(first));
        bytes memory two = signWith(keys[other], manager.digestOf(second));
        vm.prank(PROVER);
        (, amount) = manager.proveEquivocation(first, second, one, two);
    }

    function test_equivocation_costsTheSignerOnceAPair() public {
        stake(memberOf(4), 100 ether);
        RoundHeader memory first = nextHeader(keccak256("rewards"), 1 ether);
        RoundHeader memory second = nextHeader(keccak256("other rewards"), 1 ether);
        post(first);
        vm.warp(vm.getBlockTimestamp() + 10 * DELAY);
        assertEq(equivocate(first, second, 4, 4), PENALTY, "slashed");
        assertEq(vault.owedTo(PROVER), PENALTY / 2, "half to the prover");
        (bytes32 one, bytes32 two) = (manager.digestOf(first), manager.digestOf(second));
        bytes32 pair = keccak256(one < two ? abi.encode(one, two) : abi.encode(two, one));
        bytes memory a = signWith(keys[4], one);
        bytes memory b = signWith(keys[4], two);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.AlreadyPunished.selector, pair, memberOf(4)));
        manager.proveEquivocation(second, first, b, a);
    }

    function test_equivocation_needsTwoHeadersOfOneRoundAndSigner() public {
        RoundHeader memory first = nextHeader(keccak256("rewards"), 1 ether);
        RoundHeader memory second = nextHeader(keccak256("other rewards"), 1 ether);
        refuseEquivocation(first, first, 0, 0);
        refuseEquivocation(first, second, 0, 1);
        second.round = 2;
        refuseEquivocation(first, second, 0, 0);
        second.round = 1;
        second.parent = keccak256("another parent");
        refuseEquivocation(first, second, 0, 0);
    }

    function refuseEquivocation(RoundHeader memory first, RoundHeader memory second, uint256 who, uint256 other)
        private
    {
        (bytes32 one, bytes32 two) = (manager.digestOf(first), manager.digestOf(second));
        bytes memory a = signWith(keys[who], one);
        bytes memory b = signWith(keys[other], two);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoEquivocation.selector, one, two));
        manager.proveEquivocation(first, second, a, b);
    }

    /// Signing a corrected round after a veto or a proof is what members must do: it never costs them anything.
    function test_equivocation_vetoedAndRefutedRoundsAreExempt(bool byVeto) public {
        stake(memberOf(0), 100 ether);
        Cohort memory c = median();
        c.aggregate[0] += 1;
        RoundHeader memory first = posted(c);
        if (byVeto) {
            vm.prank(COORDINATOR);
            manager.veto(1);
        } else {
            proveRule(first, evidence(c, 0), hints(c, 0));
        }
        aggregateHonestly(c);
        RoundHeader memory second = posted(c);
        (bytes32 one, bytes32 two) = (manager.digestOf(first), manager.digestOf(second));
        bytes memory a = signWith(keys[0], one);
        bytes memory b = signWith(keys[0], two);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.VoidedIsExempt.selector, one));
        manager.proveEquivocation(first, second, a, b);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.VoidedIsExempt.selector, one));
        manager.proveEquivocation(second, first, b, a);
        assertEq(vault.stakeOf(memberOf(0)), 100 ether, "stake");
    }
}
