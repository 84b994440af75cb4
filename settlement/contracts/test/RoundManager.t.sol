// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FederationRegistry} from "../src/FederationRegistry.sol";
import {RoundManager} from "../src/RoundManager.sol";
import {IFederationRegistry} from "../src/interfaces/IFederationRegistry.sol";
import {IRootSource} from "../src/interfaces/IRootSource.sol";
import {IRoundManager} from "../src/interfaces/IRoundManager.sol";
import {FederationDomain} from "../src/libraries/FederationDomain.sol";
import {Binding} from "../src/types/Binding.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {RoundTerms} from "../src/types/RoundTerms.sol";
import {ContractWallet} from "./support/ContractWallet.sol";
import {Federation} from "./support/Federation.sol";

contract RoundManagerTest is Federation {
    bytes32 private constant ROOT = keccak256("reward root");

    function refuse(RoundHeader memory header, bytes memory fault) private {
        refuse(header, signaturesOf(header, 0, THRESHOLD), fault);
    }

    function refuse(RoundHeader memory header, bytes[] memory signatures, bytes memory fault) private {
        vm.expectRevert(fault);
        manager.postRound(header, packed(signatures));
    }

    // Construction

    function test_describesItself() public view {
        assertEq(address(manager.registry()), address(registry), "registry");
        assertEq(manager.federation(), FEDERATION, "federation");
        assertEq(manager.homeChainId(), HOME_CHAIN, "home chain");
        assertEq(manager.perRoundCap(), CAP, "cap");
        assertEq(manager.activationDelay(), DELAY, "delay");
        assertEq(manager.latestRound(), 0, "latest");
        bytes32 separator = FederationDomain.separator(HOME_CHAIN, address(manager), FEDERATION);
        assertEq(manager.domainSeparator(), separator, "domain separator");
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes32 digest = keccak256(bytes.concat(hex"1901", separator, hashes.roundHeader(header)));
        assertEq(manager.digestOf(header), digest, "digest");
    }

    function test_constructor_refusesZeroRegistry() public {
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.ZeroRegistry.selector));
        new RoundManager(terms(IFederationRegistry(address(0))));
    }

    function refuseTerms(RoundTerms memory bad, bytes memory fault) private {
        vm.expectRevert(fault);
        new RoundManager(bad);
    }

    function test_constructor_refusesCapOutOfRange() public {
        uint256 maximum = type(uint128).max;
        RoundTerms memory bad = terms(registry);
        bad.perRoundCap = 0;
        refuseTerms(bad, abi.encodeWithSelector(IRoundManager.CapOutOfRange.selector, maximum, 0));
        bad.perRoundCap = maximum + 1;
        refuseTerms(bad, abi.encodeWithSelector(IRoundManager.CapOutOfRange.selector, maximum, maximum + 1));
    }

    function test_constructor_refusesDelayOutOfRange() public {
        RoundTerms memory bad = terms(registry);
        bad.activationDelay = 0;
        refuseTerms(bad, abi.encodeWithSelector(IRoundManager.DelayOutOfRange.selector, 1, 365 days, 0));
        bad.activationDelay = 365 days + 1;
        refuseTerms(bad, abi.encodeWithSelector(IRoundManager.DelayOutOfRange.selector, 1, 365 days, 365 days + 1));
        bad = terms(registry);
        bad.answerTime = 0;
        refuseTerms(bad, abi.encodeWithSelector(IRoundManager.DelayOutOfRange.selector, 1, 90 days, 0));
        bad.answerTime = 90 days + 1;
        refuseTerms(bad, abi.encodeWithSelector(IRoundManager.DelayOutOfRange.selector, 1, 90 days, 90 days + 1));
    }

    /// On the embedded chain one key may be the quorum and a root is claimable in the same second.
    function test_embedded_postsWithOneSignatureAndNoDelay() public {
        registry = new FederationRegistry(FEDERATION, COORDINATOR, 1, 0, true);
        RoundTerms memory own = terms(registry);
        (own.activationDelay, own.answerTime) = (0, 0);
        manager = new RoundManager(own);
        admit(0);
        RoundHeader memory header = nextHeader(ROOT, CAP);
        manager.postRound(header, packed(signaturesOf(header, 0, 1)));
        assertTrue(manager.isActive(1), "active");
        manager.requireActive(header);
    }

    // Posting

    function test_post_storesAndTells() public {
        RoundHeader memory header = nextHeader(ROOT, 7 ether);
        bytes32 digest = manager.digestOf(header);
        bytes[] memory signatures = signaturesOf(header, 1, THRESHOLD);
        address[] memory signers = new address[](THRESHOLD);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            signers[i] = memberOf(1 + i);
        }
        uint64 activeAt = uint64(vm.getBlockTimestamp()) + DELAY;
        vm.expectEmit(true, true, true, true, address(manager));
        emit IRoundManager.RoundPosted(1, digest, activeAt, signers);
        vm.expectEmit(true, true, true, true, address(manager));
        emit IRoundManager.HeaderTold(1, digest, header, packed(signatures));
        vm.prank(address(0xA1107));
        manager.postRound(header, packed(signatures));
        assertEq(manager.latestRound(), 1, "latest");
        assertEq(manager.headerDigest(1), digest, "digest");
        assertEq(latestBudget(), 7 ether, "budget");
        assertEq(manager.activeAt(1), activeAt, "active at");
    }

    /// Whoever reads headers finds each in a transaction's calldata or among the logs, however it was posted.
    function test_post_tellsTheHeaderUnlessTheCallIsTheTransaction() public {
        address account = address(0xA1107);
        assertEq(logsOfPosting(account, account), 1, "a transaction of one's own");
        assertEq(logsOfPosting(account, address(0xB0B)), 2, "a contract under construction has no code");
        assertEq(logsOfPosting(address(this), account), 2, "a contract");
        vm.etch(account, bytes.concat(hex"ef0100", bytes20(address(this))));
        assertEq(logsOfPosting(account, account), 2, "an account that delegates to code");
    }

    function logsOfPosting(address sender, address origin) private returns (uint256) {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        vm.recordLogs();
        vm.prank(sender, origin);
        manager.postRound(header, packed(signatures));
        return vm.getRecordedLogs().length;
    }

    function test_post_acceptsEveryMember() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        manager.postRound(header, packed(signaturesOf(header, 0, MEMBERS)));
        assertEq(manager.latestRound(), 1, "latest");
    }

    /// The domain has no chain id: mirrors on other chains take the same signatures.
    function test_post_digestIsTheSameOnEveryChain() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes32 digest = manager.digestOf(header);
        vm.chainId(OTHER_CHAIN);
        assertEq(manager.digestOf(header), digest, "digest");
    }

    function test_post_refusesAnotherFederation() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        header.federation = keccak256("another");
        refuse(header, abi.encodeWithSelector(IRoundManager.WrongFederation.selector, FEDERATION, header.federation));
    }

    function test_post_tellsRepetitionFromEquivocation() public {
        RoundHeader memory first = nextHeader(ROOT, CAP);
        post(first);
        RoundHeader memory second = nextHeader(ROOT, CAP);
        post(second);
        bytes32 digest = manager.digestOf(first);
        refuse(first, abi.encodeWithSelector(IRoundManager.AlreadyPosted.selector, 1, digest));
        RoundHeader memory other = first;
        other.rewardRoot = keccak256("another root");
        bytes32 otherDigest = manager.digestOf(other);
        refuse(other, abi.encodeWithSelector(IRoundManager.ConflictingHeader.selector, 1, digest, otherDigest));
    }

    function test_post_refusesRoundsOutOfOrder() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        header.round = 0;
        refuse(header, abi.encodeWithSelector(IRoundManager.RoundOutOfOrder.selector, 1, 0));
        header.round = 2;
        refuse(header, abi.encodeWithSelector(IRoundManager.RoundOutOfOrder.selector, 1, 2));
        header.round = type(uint64).max;
        refuse(header, abi.encodeWithSelector(IRoundManager.RoundOutOfOrder.selector, 1, type(uint64).max));
    }

    function test_post_refusesWrongParent() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        header.parent = keccak256("no such header");
        refuse(header, abi.encodeWithSelector(IRoundManager.WrongParent.selector, bytes32(0), header.parent));
        header.parent = 0;
        post(header);
        bytes32 digest = manager.headerDigest(1);
        header = nextHeader(ROOT, CAP);
        header.parent = 0;
        refuse(header, abi.encodeWithSelector(IRoundManager.WrongParent.selector, digest, bytes32(0)));
    }

    function test_post_refusesFallingBudget() public {
        post(nextHeader(ROOT, 10 ether));
        refuse(
            nextHeader(ROOT, 9 ether), abi.encodeWithSelector(IRoundManager.BudgetDecreased.selector, 10 ether, 9 ether)
        );
        post(nextHeader(ROOT, 10 ether));
    }

    function test_post_refusesBudgetAboveCap(uint256 excess) public {
        post(nextHeader(ROOT, CAP));
        uint256 budget = bound(excess, 2 * CAP + 1, type(uint256).max);
        refuse(nextHeader(ROOT, budget), abi.encodeWithSelector(IRoundManager.BudgetAboveCap.selector, 2 * CAP, budget));
        post(nextHeader(ROOT, 2 * CAP));
    }

    // Quorum

    function test_quorum_refusesTooFew(uint256 word) public {
        uint256 count = bound(word, 0, THRESHOLD - 1);
        RoundHeader memory header = nextHeader(ROOT, CAP);
        refuse(
            header,
            signaturesOf(header, 0, count),
            abi.encodeWithSelector(IRoundManager.QuorumMissing.selector, THRESHOLD, count)
        );
    }

    function test_quorum_refusesOneSignerTwice() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        signatures[2] = signatures[1];
        refuse(
            header,
            signatures,
            abi.encodeWithSelector(IRoundManager.SignersNotAscending.selector, 2, memberOf(1), memberOf(1))
        );
    }

    function test_quorum_refusesUnsortedSigners() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        refuse(
            header,
            signatures,
            abi.encodeWithSelector(IRoundManager.SignersNotAscending.selector, 1, memberOf(1), memberOf(0))
        );
    }

    function test_quorum_refusesStrangers(uint256 word) public {
        uint256 key = bound(word, 1, type(uint128).max);
        address stranger = vm.addr(key);
        vm.assume(!registry.isMember(stranger));
        RoundHeader memory header = nextHeader(ROOT, CAP);
        // The stranger takes its place in the order of addresses.
        uint256 place = 0;
        while (place < THRESHOLD - 1 && memberOf(place) < stranger) ++place;
        bytes[] memory signatures = new bytes[](THRESHOLD);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            signatures[i] = signWith(i == place ? key : keys[i < place ? i : i - 1], manager.digestOf(header));
        }
        refuse(header, signatures, abi.encodeWithSelector(IRoundManager.NotMember.selector, place, stranger));
    }

    /// Who was admitted a moment ago doesn't count yet.
    function test_quorum_refusesSignersWithinTheTimelock() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        bytes32 moved = registry.nodeKeyOf(memberOf(2));
        vm.prank(COORDINATOR);
        registry.remove(moved);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            if (nodeKeyOf(i) == moved) admit(i, 2);
        }
        refuse(header, signatures, abi.encodeWithSelector(IRoundManager.NotMember.selector, 2, memberOf(2)));
        vm.warp(vm.getBlockTimestamp() + TIMELOCK);
        post(header);
    }

    function test_quorum_refusesRemovedMember() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        bytes32 gone = registry.nodeKeyOf(memberOf(1));
        vm.prank(COORDINATOR);
        registry.remove(gone);
        refuse(header, signatures, abi.encodeWithSelector(IRoundManager.NotMember.selector, 1, memberOf(1)));
    }

    function test_quorum_refusesBrokenSignatures() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes memory fault =
            abi.encodeWithSelector(IRoundManager.InvalidSignature.selector, 1, manager.digestOf(header));
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        bytes memory good = signatures[1];
        signatures[1] = "";
        refuse(header, signatures, fault);
        signatures[1] = new bytes(19);
        refuse(header, signatures, fault);
        signatures[1] = new bytes(65);
        refuse(header, signatures, fault);
        // An address without code vouches for nothing, a member's least of all.
        signatures[1] = abi.encodePacked(memberOf(1), good);
        refuse(header, signatures, fault);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], manager.digestOf(header));
        bytes32 high = bytes32(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - uint256(s));
        signatures[1] = abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27));
        refuse(header, signatures, fault);
    }

    /// Packed signatures are read to the last byte: cut short anywhere, or with a length that lies, they are no quorum.
    function test_quorum_refusesSignaturesCutShort(uint256 length, uint16 claimed) public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes memory all = packed(signaturesOf(header, 0, THRESHOLD));
        length = bound(length, 0, all.length - 1);
        bytes memory cut = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            cut[i] = all[i];
        }
        bytes32 digest = manager.digestOf(header);
        uint256 whole = length / 67;
        vm.expectRevert(
            length % 67 == 0
                ? abi.encodeWithSelector(IRoundManager.QuorumMissing.selector, THRESHOLD, whole)
                : abi.encodeWithSelector(IRoundManager.InvalidSignature.selector, whole, digest)
        );
        manager.postRound(header, cut);
        vm.assume(claimed != 65);
        (all[0], all[1]) = (bytes1(uint8(claimed >> 8)), bytes1(uint8(claimed)));
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.InvalidSignature.selector, 0, digest));
        manager.postRound(header, all);
    }

    function test_quorum_countsContractWallets() public {
        uint256 owner = 0xA11CE;
        ContractWallet wallet = new ContractWallet(vm.addr(owner));
        Binding memory binding = bindingOf(0);
        binding.nodeKey = keccak256("wallet's node");
        binding.payout = address(wallet);
        bytes memory consent = signWith(owner, registry.bindingDigest(binding));
        vm.prank(COORDINATOR);
        registry.admit(binding, consent, nodeSignature());
        vm.warp(vm.getBlockTimestamp() + TIMELOCK);

        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes32 digest = manager.digestOf(header);
        bytes[] memory signatures = new bytes[](THRESHOLD);
        // The wallet takes its place in the order of addresses.
        uint256 place = 0;
        for (uint256 i = 0; i < THRESHOLD - 1 && memberOf(i) < address(wallet); ++i) {
            place = i + 1;
        }
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            if (i == place) signatures[i] = abi.encodePacked(wallet, signWith(owner, digest));
            else signatures[i] = signWith(keys[i < place ? i : i - 1], digest);
        }
        bytes memory good = signatures[place];
        signatures[place] = abi.encodePacked(wallet, signWith(keys[0], digest));
        refuse(header, signatures, abi.encodeWithSelector(IRoundManager.InvalidSignature.selector, place, digest));
        signatures[place] = good;
        manager.postRound(header, packed(signatures));
        assertEq(manager.latestRound(), 1, "latest");
    }

    /// Signatures for one deployment recover to strangers under another's domain.
    function test_quorum_refusesReplayOnAnotherDeployment() public {
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        RoundManager second = new RoundManager(terms(registry));
        assertTrue(!accepts(second, header, signatures), "another contract");

        FederationRegistry other = new FederationRegistry(keccak256("another"), COORDINATOR, THRESHOLD, TIMELOCK, false);
        RoundManager third = new RoundManager(terms(other));
        assertTrue(!accepts(third, header, signatures), "another federation");
        header.federation = keccak256("another");
        assertTrue(!accepts(third, header, signatures), "another federation, header altered");
    }

    /// Whatever field of a header is altered after signing, the signatures no longer fit.
    function test_quorum_refusesAlteredHeader(uint8 field, uint64 change) public {
        vm.assume(change != 0);
        post(nextHeader(ROOT, CAP));
        RoundHeader memory header = nextHeader(ROOT, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        bytes32 mask = bytes32(uint256(change));
        uint256 which = field % 13;
        if (which == 0) header.planHash ^= mask;
        else if (which == 1) header.modelRoot ^= mask;
        else if (which == 2) header.rowRoot ^= mask;
        else if (which == 3) header.aggregateRoot ^= mask;
        else if (which == 4) header.transcriptRoot ^= mask;
        else if (which == 5) header.rewardRoot ^= mask;
        else if (which == 6) header.cumulativeBudget += bound(change, 1, CAP);
        else if (which == 7) header.cohort += uint32(bound(change, 1, 1_000));
        else if (which == 8) header.dimension += uint64(bound(change, 1, 1_000));
        else if (which == 9) header.rule += uint8(bound(change, 1, 200));
        else if (which == 10) header.ruleParameter ^= mask;
        else if (which == 11) header.inputRoot ^= mask;
        else header.attempt += uint32(bound(change, 1, 1_000));
        assertTrue(!accepts(manager, header, signatures), "altered header");
        assertEq(manager.latestRound(), 1, "latest");
    }

    function accepts(RoundManager target, RoundHeader memory header, bytes[] memory signatures)
        private
        returns (bool accepted)
    {
        (accepted,) = address(target).call(abi.encodeCall(IRoundManager.postRound, (header, packed(signatures))));
    }

    // Activation

    function test_active_waitsForTheDelay() public {
        RoundHeader memory header = nextHeader(ROOT, 5 ether);
        post(header);
        uint64 activeAt = manager.activeAt(1);
        assertEq(activeAt, vm.getBlockTimestamp() + DELAY, "active at");
        vm.warp(activeAt - 1);
        assertTrue(!manager.isActive(1), "too early");
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 1, activeAt));
        manager.requireActive(header);
        vm.warp(activeAt);
        assertTrue(manager.isActive(1), "in time");
        manager.requireActive(header);
    }

    function test_active_refusesOtherHeadersAndUnknownRounds(uint64 round) public {
        RoundHeader memory header = settle(ROOT, CAP);
        bytes32 digest = manager.digestOf(header);
        header.rewardRoot = keccak256("another root");
        bytes32 other = manager.digestOf(header);
        vm.expectRevert(abi.encodeWithSelector(IRootSource.NotPosted.selector, 1, digest, other));
        manager.requireActive(header);
        vm.assume(round != 1);
        assertTrue(!manager.isActive(round), "active");
        header.round = round;
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, round, 0));
        manager.requireActive(header);
    }

    /// Three times share the head's slot, and six one of the table: each round keeps its own, over several slots and vetoes anywhere.
    function test_active_everyRoundKeepsItsTime(uint256 seed) public {
        RoundHeader[] memory headers = new RoundHeader[](21);
        uint64[] memory expected = new uint64[](21);
        uint64 latest = 0;
        for (uint256 step = 0; step < 40; ++step) {
            uint256 word = uint256(keccak256(abi.encode(seed, step)));
            vm.warp(vm.getBlockTimestamp() + word % 30);
            if (latest == 20 || (latest != 0 && word >> 64 & 3 == 0)) {
                uint64 round = uint64(1 + (word >> 128) % latest);
                vm.prank(COORDINATOR);
                manager.veto(round);
                for (uint64 gone = round; gone <= latest; ++gone) {
                    expected[gone] = 0;
                }
                latest = round - 1;
                if (latest != 0) manager.recall(headers[latest]);
            } else {
                headers[++latest] = nextHeader(keccak256(abi.encode(seed, step)), CAP);
                post(headers[latest]);
                expected[latest] = uint64(vm.getBlockTimestamp()) + DELAY;
            }
            assertEq(manager.latestRound(), latest, "latest");
            for (uint64 round = 0; round <= 20; ++round) {
                assertEq(manager.activeAt(round), expected[round], "active at");
            }
        }
    }

    /// The number of the last round has 32 bits of the head: nothing wraps where they end.
    function test_post_refusesRoundsPastTheLast() public {
        bytes32 head = bytes32(uint256(type(uint32).max));
        vm.store(address(manager), bytes32(0), head);
        assertEq(manager.latestRound(), type(uint32).max, "the head's slot");
        RoundHeader memory header = nextHeader(ROOT, 0);
        refuse(header, abi.encodeWithSelector(IRoundManager.RoundOutOfOrder.selector, uint64(1 << 32), uint64(1 << 32)));
    }

    function test_finalise_tellsOnceThatARoundIsActive() public {
        post(nextHeader(ROOT, CAP));
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 1, manager.activeAt(1)));
        manager.finalise(1);
        vm.warp(manager.activeAt(1));
        vm.expectEmit(true, true, true, true, address(manager));
        emit IRoundManager.RoundFinalised(1, manager.headerDigest(1));
        manager.finalise(1);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.AlreadyFinalised.selector, 1));
        manager.finalise(1);
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 2, 0));
        manager.finalise(2);
    }

    // Veto

    function test_veto_voidsTheRoundAndAllLater() public {
        RoundHeader memory first = settle(ROOT, 10 ether);
        RoundHeader memory second = nextHeader(keccak256("stolen"), 10 ether + CAP);
        post(second);
        RoundHeader memory third = nextHeader(keccak256("stolen too"), 10 ether + 2 * CAP);
        post(third);
        bytes32 digest = manager.headerDigest(2);
        vm.expectEmit(true, true, true, true, address(manager));
        emit IRoundManager.RoundVoided(2, digest, 3);
        vm.prank(COORDINATOR);
        manager.veto(2);

        assertEq(manager.latestRound(), 1, "latest");
        assertTrue(manager.isVoided(digest), "vetoed");
        for (uint64 round = 2; round <= 3; ++round) {
            assertEq(manager.headerDigest(round), bytes32(0), "digest");
            assertEq(manager.activeAt(round), 0, "active at");
        }
        vm.warp(vm.getBlockTimestamp() + 2 * DELAY);
        assertTrue(!manager.isActive(2) && !manager.isActive(3), "active after the delay");
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 3, 0));
        manager.requireActive(third);

        // Of the last good round only the digest was kept: its header brings back the budget.
        refuse(nextHeader(ROOT, 11 ether), abi.encodeWithSelector(IRoundManager.BudgetUnknown.selector, 1));
        bytes32 firstDigest = manager.headerDigest(1);
        vm.expectRevert(abi.encodeWithSelector(IRootSource.NotPosted.selector, 1, firstDigest, digest));
        manager.recall(second);
        vm.expectEmit(true, true, true, true, address(manager));
        emit IRoundManager.BudgetRecalled(1, 10 ether);
        manager.recall(first);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.BudgetKnown.selector, 1));
        manager.recall(first);

        // The signatures are still there for anyone to post: they are worth nothing.
        refuse(second, abi.encodeWithSelector(IRoundManager.HeaderVoided.selector, 2, digest));
        refuse(third, abi.encodeWithSelector(IRoundManager.RoundOutOfOrder.selector, 2, 3));
        // A corrected round takes the place, its budget counted from the last good one.
        refuse(
            nextHeader(ROOT, 10 ether + CAP + 1),
            abi.encodeWithSelector(IRoundManager.BudgetAboveCap.selector, 10 ether + CAP, 10 ether + CAP + 1)
        );
        settle(keccak256("corrected"), 11 ether);
        bytes32 corrected = manager.headerDigest(2);
        refuse(third, abi.encodeWithSelector(IRoundManager.WrongParent.selector, corrected, digest));
        assertTrue(manager.isActive(2), "corrected round");
    }

    function test_veto_refusesOthersThanTheCoordinator() public {
        post(nextHeader(ROOT, CAP));
        vm.prank(memberOf(0));
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.NotCoordinator.selector, COORDINATOR, memberOf(0)));
        manager.veto(1);
    }

    function test_veto_refusesUnknownRounds() public {
        post(nextHeader(ROOT, CAP));
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.UnknownRound.selector, 0, 1));
        manager.veto(0);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.UnknownRound.selector, 2, 1));
        manager.veto(2);
    }

    /// The race between claiming and revoking has one winner for each second: active means final.
    function test_veto_refusesActiveRounds() public {
        post(nextHeader(ROOT, CAP));
        uint64 activeAt = manager.activeAt(1);
        vm.warp(activeAt);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.RoundAlreadyActive.selector, 1, activeAt));
        manager.veto(1);
        vm.warp(activeAt - 1);
        vm.prank(COORDINATOR);
        manager.veto(1);
        assertEq(manager.latestRound(), 0, "latest");
    }
}
