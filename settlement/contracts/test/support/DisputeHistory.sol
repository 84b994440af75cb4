// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {Hints, Row} from "../../src/types/Evidence.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";
import {Lies} from "./Lies.sol";

/// @notice Coordinators, signers, provers and stakers of a federation, honest or not, in any order: the subject of the invariants about
/// disputes and stakes.
/// @dev It remembers which rounds were lies and where, and recomputes a cohort from its seed.
contract DisputeHistory is Lies {
    struct Story {
        uint256 seed;
        uint8 rule;
        // Coordinate that is wrong; `HONEST` where none is.
        uint256 wrong;
        RoundHeader header;
    }

    uint256 private constant HONEST = type(uint256).max;
    uint256 private constant COHORT = 3;
    uint256 private constant DIMENSION = 9;
    uint8[5] private RULES = [1, 2, 3, 5, 18];

    Story[] private _stories;
    uint64 public lastActive;
    mapping(uint64 round => bytes32) public activeDigests;
    uint256 public convictions;
    uint256 public bonds;

    constructor() {
        setUp();
        for (uint256 i = 0; i < MEMBERS; ++i) {
            stake(memberOf(i), 200 ether);
        }
    }

    // What invariants ask

    function parties() external view returns (address, address payable, address) {
        return (address(manager), payable(address(vault)), address(token));
    }

    function storyCount() external view returns (uint256) {
        return _stories.length;
    }

    /// @notice Digest of a posted header and whether it was honest.
    function storyOf(uint256 i) external view returns (bytes32 digest, bool honest) {
        return (manager.digestOf(_stories[i].header), _stories[i].wrong == HONEST);
    }

    function memberAt(uint256 i) external view returns (address) {
        return memberOf(i);
    }

    function prover(uint256 i) public pure returns (address) {
        return address(uint160(0xBB000 + i % 3));
    }

    // Actions

    function postRound(uint256 seed, bool lie) external {
        (, bool known) = manager.latestBudget();
        if (!known) manager.recall(lastPosted());
        Story storage story = _stories.push();
        story.seed = seed;
        story.rule = RULES[seed % 5];
        story.wrong = lie ? seed % DIMENSION : HONEST;
        RoundHeader memory header = headerOf(cohort(story));
        // Distinct even from a voided one of the same seed.
        header.modelRoot = bytes32(_stories.length);
        post(header);
        story.header = header;
    }

    /// @notice Challenges any coordinate of any round ever posted: that works for lies about it in standing rounds alone.
    function challenge(uint256 which, uint256 coordinate) external {
        if (_stories.length == 0) return;
        Story storage story = _stories[which % _stories.length];
        uint256 k = coordinate % 4 == 0 && story.wrong != HONEST ? story.wrong : coordinate % DIMENSION;
        Cohort memory c = cohort(story);
        RoundHeader memory header = story.header;
        bool lies = story.wrong == k;
        bool mustHold = standing(header) && lies;
        Row memory row = evidence(c, k / 8);
        Hints memory h = hints(c, k);
        vm.prank(prover(which));
        try manager.proveRule(header, row, h) {
            assertTrue(lies, "proved what is true");
            convictions += 1;
        } catch {
            assertTrue(!mustHold, "a lie wasn't proved");
        }
    }

    function punishAll(uint256 which) external {
        if (_stories.length == 0) return;
        RoundHeader memory header = _stories[which % _stories.length].header;
        bytes32 digest = manager.digestOf(header);
        (IDisputes.Lie lie,) = manager.lieOf(digest);
        for (uint256 i = 0; i < THRESHOLD; ++i) {
            bool due = lie != IDisputes.Lie.None && !manager.isPunished(digest, memberOf(i));
            uint256 before = vault.stakeOf(memberOf(i));
            try manager.punish(digest, signWith(keys[i], digest)) returns (address signer, uint256 amount) {
                assertTrue(due, "punished without a lie, or twice");
                assertEq(signer, memberOf(i), "signer");
                assertEq(amount, before < PENALTY ? before : PENALTY, "amount");
            } catch {
                assertTrue(!due, "not punished");
            }
        }
    }

    function demand(uint256 which, uint256 chunk) external {
        if (_stories.length == 0) return;
        RoundHeader memory header = _stories[which % _stories.length].header;
        vm.deal(prover(which), BOND);
        vm.prank(prover(which));
        try manager.demandRow{value: BOND}(header, uint64(chunk % 2)) {
            bonds += BOND;
        } catch {}
    }

    function answer(uint256 which, uint256 chunk) external {
        if (_stories.length == 0) return;
        Story storage story = _stories[which % _stories.length];
        try manager.answerRow(story.header, evidence(cohort(story), chunk % 2)) {} catch {}
    }

    function expire(uint256 which, uint256 chunk) external {
        if (_stories.length == 0) return;
        RoundHeader memory header = _stories[which % _stories.length].header;
        bytes32 digest = manager.digestOf(header);
        (, uint64 deadline) = manager.demandOf(digest, uint64(chunk % 2));
        bool late = deadline != 0 && vm.getBlockTimestamp() > deadline;
        try manager.expireDemand(header, uint64(chunk % 2)) {
            assertTrue(late, "expired early");
        } catch {
            try manager.returnBond(digest, uint64(chunk % 2)) {
                assertTrue(late, "returned early");
            } catch {}
        }
    }

    function collect(uint256 who) external {
        address account = who % 4 == 3 ? address(this) : prover(who);
        vm.prank(account);
        try manager.collectBonds(account) returns (uint256 amount) {
            bonds -= amount;
        } catch {}
        vm.prank(account);
        try vault.collect(account) {} catch {}
        try vault.sink() {} catch {}
    }

    function veto(uint256 which) external {
        uint64 latest = manager.latestRound();
        if (latest == lastActive) return;
        uint64 round = uint64(bound(which, lastActive + 1, latest));
        if (manager.isActive(round)) return;
        vm.prank(COORDINATOR);
        manager.veto(round);
    }

    function wait(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, DELAY));
        while (lastActive < manager.latestRound() && manager.isActive(lastActive + 1)) {
            lastActive += 1;
            activeDigests[lastActive] = manager.headerDigest(lastActive);
        }
    }

    function moveStake(uint256 who, uint256 amount, uint256 what) external {
        address account = memberOf(who % MEMBERS);
        if (what % 3 == 0) {
            stake(account, bound(amount, 1, 100 ether));
            return;
        }
        vm.prank(account);
        if (what % 3 == 1) {
            try vault.exit(bound(amount, 1, 100 ether)) {} catch {}
        } else {
            (, uint64 releaseAt) = vault.unbondingOf(account);
            try vault.withdraw(account) {
                assertAtMost(releaseAt, vm.getBlockTimestamp(), "left early");
            } catch {}
        }
    }

    // Memory

    function cohort(Story storage story) private view returns (Cohort memory c) {
        c = cohortOf(story.rule, COHORT, DIMENSION, story.seed);
        if (story.wrong == HONEST) return c;
        int32 right = c.aggregate[story.wrong];
        c.aggregate[story.wrong] = right == type(int32).max ? right - 1 : right + 1;
    }

    function standing(RoundHeader memory header) private view returns (bool) {
        return manager.headerDigest(header.round) == manager.digestOf(header) && !manager.isActive(header.round);
    }

    function lastPosted() private view returns (RoundHeader memory) {
        bytes32 digest = manager.headerDigest(manager.latestRound());
        for (uint256 i = _stories.length; i > 0; --i) {
            if (manager.digestOf(_stories[i - 1].header) == digest) return _stories[i - 1].header;
        }
        revert("nothing posted");
    }

    receive() external payable {}
}
