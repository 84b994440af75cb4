// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RewardDistributor} from "../src/RewardDistributor.sol";
import {RoundMirror} from "../src/RoundMirror.sol";
import {IFederationRegistry} from "../src/interfaces/IFederationRegistry.sol";
import {IRootSource} from "../src/interfaces/IRootSource.sol";
import {IRoundManager} from "../src/interfaces/IRoundManager.sol";
import {IRoundMirror} from "../src/interfaces/IRoundMirror.sol";
import {Entry} from "../src/types/Reward.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Federation} from "./support/Federation.sol";
import {Trees} from "./support/Trees.sol";

/// @notice The same federation's rewards on a second chain: the mirror believes the members' signatures, not the home chain.
contract RoundMirrorTest is Federation {
    bytes32 private constant ROOT = keccak256("reward root");

    RoundMirror private mirror;

    function setUp() public override {
        super.setUp();
        vm.chainId(OTHER_CHAIN);
        mirror = new RoundMirror(registry, HOME_CHAIN, address(manager), CAP, DELAY);
    }

    function headerFor(uint64 round, uint256 budget) private view returns (RoundHeader memory header) {
        header = nextHeader(ROOT, budget);
        header.round = round;
    }

    function postTo(RoundHeader memory header) private {
        mirror.postRound(header, packed(signaturesOf(header, 0, THRESHOLD)));
    }

    function refuse(RoundHeader memory header, bytes memory fault) private {
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
        vm.expectRevert(fault);
        mirror.postRound(header, packed(signatures));
    }

    function test_describesItself() public view {
        (uint256 chainId, address home) = mirror.home();
        assertEq(chainId, HOME_CHAIN, "home chain");
        assertEq(home, address(manager), "home");
        assertEq(address(mirror.registry()), address(registry), "registry");
        assertEq(mirror.federation(), FEDERATION, "federation");
        assertEq(mirror.perRoundCap(), CAP, "cap");
        assertEq(mirror.activationDelay(), DELAY, "delay");
        assertEq(mirror.domainSeparator(), manager.domainSeparator(), "one domain for all chains");
    }

    function test_constructor_refusesBadTerms() public {
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.ZeroRegistry.selector));
        new RoundMirror(IFederationRegistry(address(0)), HOME_CHAIN, address(manager), CAP, DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoundMirror.NoMirror.selector, OTHER_CHAIN, address(manager)));
        new RoundMirror(registry, OTHER_CHAIN, address(manager), CAP, DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoundMirror.NoMirror.selector, HOME_CHAIN, address(0)));
        new RoundMirror(registry, HOME_CHAIN, address(0), CAP, DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.CapOutOfRange.selector, type(uint128).max, 0));
        new RoundMirror(registry, HOME_CHAIN, address(manager), 0, DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.DelayOutOfRange.selector, 1, 365 days, 0));
        new RoundMirror(registry, HOME_CHAIN, address(manager), CAP, 0);
    }

    /// The very signatures of the home chain, any later round, and no other way around.
    function test_post_takesAnyLaterRound() public {
        postTo(headerFor(3, 2 * CAP));
        assertEq(mirror.latestRound(), 3, "latest");
        refuse(headerFor(3, 2 * CAP), abi.encodeWithSelector(IRoundMirror.RoundNotLater.selector, 3, 3));
        refuse(headerFor(1, CAP), abi.encodeWithSelector(IRoundMirror.RoundNotLater.selector, 3, 1));
        postTo(headerFor(9, 8 * CAP));
        assertEq(mirror.latestRound(), 9, "latest");
    }

    function test_post_tellsTheHeaderUnlessTheCallIsTheTransaction() public {
        for (uint64 round = 1; round <= 2; ++round) {
            RoundHeader memory header = headerFor(round, CAP);
            bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD);
            bytes32 digest = mirror.digestOf(header);
            if (round == 2) {
                vm.expectEmit(true, true, true, true, address(mirror));
                emit IRoundMirror.HeaderTold(2, digest, header, packed(signatures));
            }
            vm.recordLogs();
            vm.prank(address(0xA1107), round == 1 ? address(0xA1107) : address(0xB0B));
            mirror.postRound(header, packed(signatures));
            assertEq(vm.getRecordedLogs().length, round, "logs");
        }
    }

    function test_post_capsTheBudgetByTheRoundsPassed() public {
        refuse(
            headerFor(3, 3 * CAP + 1),
            abi.encodeWithSelector(IRoundManager.BudgetAboveCap.selector, 3 * CAP, 3 * CAP + 1)
        );
        postTo(headerFor(3, 3 * CAP));
        refuse(
            headerFor(4, 3 * CAP - 1),
            abi.encodeWithSelector(IRoundManager.BudgetDecreased.selector, 3 * CAP, 3 * CAP - 1)
        );
        RoundHeader memory header = headerFor(type(uint64).max, uint256(type(uint128).max) + 1);
        refuse(
            header,
            abi.encodeWithSelector(IRoundManager.BudgetAboveCap.selector, type(uint128).max, header.cumulativeBudget)
        );
    }

    function test_post_needsTheQuorumAndTheFederation() public {
        RoundHeader memory header = headerFor(1, CAP);
        bytes[] memory signatures = signaturesOf(header, 0, THRESHOLD - 1);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.QuorumMissing.selector, THRESHOLD, THRESHOLD - 1));
        mirror.postRound(header, packed(signatures));
        header.federation = keccak256("another");
        refuse(header, abi.encodeWithSelector(IRoundManager.WrongFederation.selector, FEDERATION, header.federation));
    }

    function test_active_afterTheDelayAlone() public {
        RoundHeader memory header = headerFor(2, CAP);
        postTo(header);
        uint64 activeAt = mirror.activeAt(2);
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 2, activeAt));
        mirror.requireActive(header);
        vm.warp(activeAt);
        mirror.requireActive(header);
        bytes32 digest = mirror.digestOf(header);
        header.attempt = 1;
        bytes32 other = mirror.digestOf(header);
        vm.expectRevert(abi.encodeWithSelector(IRootSource.NotPosted.selector, 2, digest, other));
        mirror.requireActive(header);
        header.round = 1;
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 1, 0));
        mirror.requireActive(header);
    }

    /// A veto takes a round and all mirrored after it for good, and leaves what was before.
    function test_veto_voidsTheRoundAndAllLater() public {
        postTo(headerFor(2, CAP));
        vm.warp(vm.getBlockTimestamp() + DELAY);
        RoundHeader memory stolen = headerFor(5, 4 * CAP);
        postTo(stolen);
        RoundHeader memory later = headerFor(7, 5 * CAP);
        postTo(later);
        bytes32 digest = mirror.headerDigest(5);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.NotCoordinator.selector, COORDINATOR, address(this)));
        mirror.veto(5);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.UnknownRound.selector, 6, 7));
        mirror.veto(6);
        uint64 activeAt = mirror.activeAt(2);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.RoundAlreadyActive.selector, 2, activeAt));
        mirror.veto(2);
        vm.expectEmit(true, true, true, true, address(mirror));
        emit IRoundMirror.RoundVoided(5, digest, 7);
        vm.prank(COORDINATOR);
        mirror.veto(5);
        assertEq(mirror.latestRound(), 2, "latest");
        assertTrue(mirror.isVoided(digest), "void");
        refuse(stolen, abi.encodeWithSelector(IRoundManager.HeaderVoided.selector, 5, digest));
        // A later number doesn't bring back what lay between.
        postTo(headerFor(8, 2 * CAP));
        vm.warp(vm.getBlockTimestamp() + DELAY);
        assertTrue(mirror.isActive(8) && !mirror.isActive(5) && !mirror.isActive(7), "active");
        vm.expectRevert(abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 7, 0));
        mirror.requireActive(later);
    }

    /// Claims on both chains under one root: each pays its own leaves, and neither the other's.
    function test_bothChainsPayTheirOwnLeaves() public {
        RewardDistributor there = distributor;
        RewardDistributor here = new RewardDistributor(mirror, token);
        Settlement memory home = settlementOf(numbers(10 ether, 20 ether, 30 ether));
        distributor = here;
        vm.prank(TREASURY);
        token.transfer(address(here), 100 ether);
        Settlement memory s = settlementOf(numbers(1 ether, 2 ether, 3 ether));
        for (uint256 i = 0; i < 3; ++i) {
            s.leaves[i].chainId = OTHER_CHAIN;
        }
        s.entries[0] = Entry(OTHER_CHAIN, address(here), address(token), Trees.root(leafHashes(s)), 6 ether);
        s.entries[1] = home.entries[1];

        vm.chainId(HOME_CHAIN);
        RoundHeader memory header = nextHeader(rootOf(s), budgetOf(s));
        post(header);
        vm.chainId(OTHER_CHAIN);
        postTo(header);
        vm.warp(vm.getBlockTimestamp() + DELAY);
        here.open(header, s.entries[0], 0, Trees.proof(entryHashes(s), 0));
        assertEq(here.claim(claimOf(1, s, 1)), 2 ether, "here");

        vm.chainId(HOME_CHAIN);
        distributor = there;
        open(header, s);
        bytes32 leaf = hashes.leaf(leafOf(nodeKeyOf(0), memberOf(0), 1 ether));
        bytes32 computed = hashes.root(leaf, 0, Trees.proof(leafHashes(s), 0));
        refuse(
            claimOf(1, s, 0),
            abi.encodeWithSignature("LeafNotProven(bytes32,bytes32)", s.entries[1].chainRoot, computed)
        );
        assertEq(submit(claimOf(1, home, 1)), 20 ether, "there");
    }
}
