// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RewardDistributor} from "../src/RewardDistributor.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {IRootSource} from "../src/interfaces/IRootSource.sol";
import {PositionalTree} from "../src/libraries/PositionalTree.sol";
import {Claim, Leaf} from "../src/types/Reward.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Federation} from "./support/Federation.sol";
import {Trees} from "./support/Trees.sol";

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

contract RewardDistributorTest is Federation {
    function three() private view returns (Settlement memory) {
        return settlementOf(numbers(10 ether, 20 ether, 30 ether));
    }

    function nothingDue(uint256 i, uint256 cumulative, uint256 paid) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IRewardDistributor.NothingDue.selector, nodeKeyOf(i), cumulative, paid);
    }

    // Construction and funding

    function test_describesItself() public view {
        assertEq(address(distributor.source()), address(manager), "source");
        assertEq(distributor.token(), address(token), "token");
        assertEq(distributor.federation(), FEDERATION, "federation");
        assertEq(distributor.maxClaims(), 64, "claims");
    }

    function test_constructor_refusesAddressesWithoutCode() public {
        address nowhere = address(0xDEAD);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.SourceHasNoCode.selector, nowhere));
        new RewardDistributor(IRootSource(nowhere), token);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.TokenHasNoCode.selector, nowhere));
        new RewardDistributor(manager, IERC20(nowhere));
    }

    function test_fund_tellsWhatArrived() public {
        vm.prank(TREASURY);
        token.approve(address(distributor), 5 ether);
        vm.expectEmit(true, true, true, true, address(distributor));
        emit IRewardDistributor.Funded(TREASURY, 5 ether, 5 ether);
        vm.prank(TREASURY);
        assertEq(distributor.fund(5 ether), 5 ether, "received");
        assertEq(token.balanceOf(address(distributor)), FUNDS + 5 ether, "held");
    }

    function test_fund_refusesNothing() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NothingReceived.selector, 0));
        distributor.fund(0);
    }

    // Paying

    function test_claim_paysTheLeafsAddressWhoeverAsks() public {
        Settlement memory s = three();
        uint64 round = settle(s);
        Claim memory c = claimOf(round, s, 1);
        vm.expectEmit(true, true, true, true, address(distributor));
        emit IRewardDistributor.Claimed(nodeKeyOf(1), memberOf(1), round, 20 ether, 20 ether);
        vm.prank(address(0xA1107));
        distributor.claim(c);
        assertEq(token.balanceOf(memberOf(1)), 20 ether, "received");
        assertEq(distributor.paidTo(nodeKeyOf(1)), 20 ether, "paid");
        assertEq(distributor.totalPaid(), 20 ether, "total");
    }

    function test_claim_paysOnce() public {
        Settlement memory s = three();
        Claim memory c = claimOf(settle(s), s, 0);
        submit(c);
        refuse(c, nothingDue(0, 10 ether, 10 ether));
    }

    /// Missed rounds cost nothing, and older roots stay good for what they promised.
    function test_claim_paysTheDifferenceAcrossRounds() public {
        Settlement memory first = three();
        uint64 one = settle(first);
        Settlement memory second = settlementOf(numbers(15 ether, 20 ether, 45 ether));
        uint64 two = settle(second);
        // Root replaced between proof and inclusion: the older proof still pays, the newer one pays the rest.
        assertEq(submit(claimOf(one, first, 0)), 10 ether, "older root");
        assertEq(submit(claimOf(two, second, 0)), 5 ether, "rest");
        assertEq(submit(claimOf(two, second, 2)), 45 ether, "both rounds at once");
        refuse(claimOf(one, first, 2), nothingDue(2, 30 ether, 45 ether));
        assertEq(submit(claimOf(two, second, 1)), 20 ether, "nothing new in round two");
        assertEq(distributor.totalPaid(), 80 ether, "total");
    }

    /// A quorum that signs a lower total takes nothing back and pays nothing twice.
    function test_claim_survivesFallingTotals() public {
        Settlement memory first = three();
        submit(claimOf(settle(first), first, 2));
        Settlement memory second = settlementOf(numbers(40 ether, 20 ether, 5 ether));
        uint64 two = settle(second);
        refuse(claimOf(two, second, 2), nothingDue(2, 5 ether, 30 ether));
        Settlement memory third = settlementOf(numbers(40 ether, 20 ether, 31 ether));
        assertEq(submit(claimOf(settle(third), third, 2)), 1 ether, "only above the highest total");
    }

    /// One participant listed twice gets the larger total, not the sum.
    function test_claim_paysDuplicateLeavesOnce() public {
        Leaf[] memory leaves = new Leaf[](3);
        leaves[0] = leafOf(nodeKeyOf(0), memberOf(0), 10 ether);
        leaves[1] = leafOf(nodeKeyOf(0), memberOf(0), 10 ether);
        leaves[2] = leafOf(nodeKeyOf(0), address(0xBEEF), 12 ether);
        Settlement memory s = settlementOf(leaves);
        uint64 round = settle(s);
        submit(claimOf(round, s, 0));
        refuse(claimOf(round, s, 1), nothingDue(0, 10 ether, 10 ether));
        assertEq(submit(claimOf(round, s, 2)), 2 ether, "difference to the larger total");
        assertEq(distributor.paidTo(nodeKeyOf(0)), 12 ether, "paid");
    }

    function test_claim_acceptsTreesOfOneLeaf() public {
        Leaf[] memory leaves = new Leaf[](1);
        leaves[0] = leafOf(nodeKeyOf(0), memberOf(0), 1 ether);
        Settlement memory s = settlementOf(leaves);
        assertEq(submit(claimOf(settle(s), s, 0)), 1 ether, "paid");
    }

    // Opening: what is proved once a round

    function posted(Settlement memory s) private returns (RoundHeader memory header) {
        header = settle(rootOf(s), budgetOf(s));
    }

    function refuseOpen(RoundHeader memory header, Settlement memory s, bytes memory fault) private {
        bytes32[] memory proof = Trees.proof(entryHashes(s), 1);
        vm.expectRevert(fault);
        distributor.open(header, s.entries[1], 1, proof);
    }

    function test_open_storesAndTells() public {
        Settlement memory s = three();
        RoundHeader memory header = posted(s);
        bytes32[] memory proof = Trees.proof(entryHashes(s), 1);
        vm.expectEmit(true, true, true, true, address(distributor));
        emit IRewardDistributor.Opened(1, s.entries[1].chainRoot, 60 ether);
        distributor.open(header, s.entries[1], 1, proof);
        assertEq(distributor.chainRoot(1), s.entries[1].chainRoot, "root");
        assertEq(distributor.budget(), 60 ether, "budget");
        refuseOpen(
            header, s, abi.encodeWithSelector(IRewardDistributor.AlreadyOpen.selector, 1, s.entries[1].chainRoot)
        );
    }

    /// Two entries of one chain in one tree: whichever is opened counts, and no other after it.
    function test_open_takesOneEntryARound() public {
        Settlement memory s = three();
        Settlement memory other = settlementOf(numbers(30 ether, 30 ether, 30 ether));
        s.entries[0] = other.entries[1];
        RoundHeader memory header = settle(rootOf(s), 200 ether);
        open(header, s);
        bytes32[] memory proof = Trees.proof(entryHashes(s), 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AlreadyOpen.selector, 1, s.entries[1].chainRoot));
        distributor.open(header, s.entries[0], 0, proof);
    }

    function test_open_refusesOtherChains() public {
        Settlement memory s = three();
        RoundHeader memory header = posted(s);
        s.entries[1].chainId = OTHER_CHAIN;
        refuseOpen(header, s, abi.encodeWithSelector(IRewardDistributor.WrongChain.selector, HOME_CHAIN, OTHER_CHAIN));
        // The same contracts at the same addresses on another chain.
        s.entries[1].chainId = HOME_CHAIN;
        vm.chainId(OTHER_CHAIN);
        refuseOpen(header, s, abi.encodeWithSelector(IRewardDistributor.WrongChain.selector, OTHER_CHAIN, HOME_CHAIN));
    }

    function test_open_refusesOtherDistributorsAndTokens() public {
        Settlement memory s = three();
        RoundHeader memory header = posted(s);
        address named = address(distributor);
        payIn(address(token));
        refuseOpen(
            header, s, abi.encodeWithSelector(IRewardDistributor.WrongDistributor.selector, address(distributor), named)
        );
        s.entries[1].distributor = address(distributor);
        s.entries[1].token = address(0x70CE);
        refuseOpen(header, s, abi.encodeWithSelector(IRewardDistributor.WrongToken.selector, paidIn, address(0x70CE)));
    }

    function test_open_refusesUnprovenAndEmptyEntries() public {
        Settlement memory s = three();
        RoundHeader memory header = posted(s);
        s.entries[1].cumulativeBudget -= 1;
        bytes32 computed = rootOf(s);
        refuseOpen(
            header, s, abi.encodeWithSelector(IRewardDistributor.EntryNotProven.selector, header.rewardRoot, computed)
        );
        s.entries[1].chainRoot = 0;
        refuseOpen(header, s, abi.encodeWithSelector(IRewardDistributor.EmptyEntry.selector, 1));
    }

    /// The budget that the round manager caps is the one that counts, whatever an entry says.
    function test_open_refusesEntriesAboveTheRoundsBudget() public {
        Settlement memory s = three();
        RoundHeader memory header = settle(rootOf(s), 59 ether);
        refuseOpen(
            header, s, abi.encodeWithSelector(IRewardDistributor.EntryAboveRoundBudget.selector, 59 ether, 60 ether)
        );
    }

    /// Root replaced between proof and inclusion: neither a header that isn't posted nor one that isn't active opens.
    function test_open_waitsForActivation() public {
        Settlement memory s = three();
        RoundHeader memory header = nextHeader(rootOf(s), budgetOf(s));
        post(header);
        refuseOpen(header, s, abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 1, manager.activeAt(1)));
        vm.warp(manager.activeAt(1));
        bytes32 digest = manager.digestOf(header);
        header.planHash ^= bytes32(uint256(1));
        bytes32 other = manager.digestOf(header);
        refuseOpen(header, s, abi.encodeWithSelector(IRootSource.NotPosted.selector, 1, digest, other));
        header.planHash ^= bytes32(uint256(1));
        open(header, s);
        submit(claimOf(1, s, 0));
    }

    /// A round that is vetoed never pays; what was earned in it comes with the next one.
    function test_open_refusesVetoedRounds() public {
        Settlement memory s = three();
        RoundHeader memory header = nextHeader(rootOf(s), budgetOf(s));
        post(header);
        vm.prank(COORDINATOR);
        manager.veto(1);
        vm.warp(vm.getBlockTimestamp() + 2 * DELAY);
        refuseOpen(header, s, abi.encodeWithSelector(IRootSource.RoundNotActive.selector, 1, 0));
        refuse(claimOf(1, s, 0), abi.encodeWithSelector(IRewardDistributor.NotOpen.selector, 1));
        Settlement memory corrected = settlementOf(numbers(9 ether, 18 ether, 27 ether));
        assertEq(submit(claimOf(settle(corrected), corrected, 0)), 9 ether, "corrected");
    }

    // Wrong leaves

    /// A leaf of another chain, distributor, token or federation hashes to something else: it can't be proved here.
    function test_claim_refusesLeavesMeantForElsewhere(uint8 field) public {
        Leaf[] memory leaves = new Leaf[](1);
        leaves[0] = leafOf(nodeKeyOf(0), memberOf(0), 1 ether);
        uint256 which = field % 4;
        if (which == 0) leaves[0].federation = keccak256("another");
        else if (which == 1) leaves[0].chainId = OTHER_CHAIN;
        else if (which == 2) leaves[0].distributor = address(0xD157);
        else leaves[0].token = address(0x70CE);
        Settlement memory s = settlementOf(leaves);
        Claim memory c = claimOf(settle(s), s, 0);
        refuse(c, leafNotProven(s, c));
    }

    function test_claim_refusesZeroPayout() public {
        Leaf[] memory leaves = new Leaf[](1);
        leaves[0] = leafOf(nodeKeyOf(0), address(0), 1 ether);
        Settlement memory s = settlementOf(leaves);
        refuse(claimOf(settle(s), s, 0), abi.encodeWithSelector(IRewardDistributor.ZeroPayout.selector, nodeKeyOf(0)));
    }

    function test_claim_refusesUnprovenLeaves() public {
        Settlement memory s = three();
        Claim memory c = claimOf(settle(s), s, 0);
        c.cumulative += 1;
        refuse(c, leafNotProven(s, c));
        c = claimOf(1, s, 0);
        c.payout = address(0xBEEF);
        refuse(c, leafNotProven(s, c));
        c = claimOf(1, s, 0);
        c.index = 1;
        refuse(c, leafNotProven(s, c));
        c = claimOf(1, s, 0);
        c.proof[1] ^= bytes32(uint256(1));
        refuse(c, leafNotProven(s, c));
    }

    function leafNotProven(Settlement memory s, Claim memory c) private view returns (bytes memory) {
        bytes32 leaf = hashes.leaf(leafOf(c.participant, c.payout, c.cumulative));
        bytes32 computed = hashes.root(leaf, c.index, c.proof);
        return abi.encodeWithSelector(IRewardDistributor.LeafNotProven.selector, s.entries[1].chainRoot, computed);
    }

    /// A node of the tree is no leaf, and the tree of leaves is none of entries.
    function test_claim_refusesNodesAsLeaves() public {
        Settlement memory s = three();
        uint64 round = settle(s);
        Claim memory c = claimOf(round, s, 0);
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = c.proof[1];
        (c.proof, c.index) = (shorter, 0);
        refuse(c, leafNotProven(s, c));
    }

    function test_claim_refusesProofsOutsideTheTree() public {
        Settlement memory s = three();
        Claim memory c = claimOf(settle(s), s, 0);
        c.index = 4;
        refuse(c, abi.encodeWithSelector(PositionalTree.IndexOutOfTree.selector, 4, 4));
        c = claimOf(1, s, 0);
        c.proof = new bytes32[](33);
        refuse(c, abi.encodeWithSelector(PositionalTree.ProofTooLong.selector, 32, 33));
    }

    // Money that isn't there

    /// Stolen quorum keys sign leaves above the entry's budget: payments stop at the budget.
    function test_claim_stopsAtTheEntrysBudget() public {
        Settlement memory s = three();
        s.entries[1].cumulativeBudget = 35 ether;
        uint64 round = settle(s);
        submit(claimOf(round, s, 0));
        submit(claimOf(round, s, 1));
        refuse(
            claimOf(round, s, 2),
            abi.encodeWithSelector(IRewardDistributor.BudgetExceeded.selector, 35 ether, 30 ether, 30 ether)
        );
    }

    /// An older root is good for what it promised, however much was paid under a newer one since.
    function test_claim_olderRootsStayGood() public {
        Settlement memory first = three();
        uint64 one = settle(first);
        Settlement memory second = settlementOf(numbers(10 ether, 20 ether, 200 ether));
        submit(claimOf(settle(second), second, 2));
        assertEq(submit(claimOf(one, first, 0)), 10 ether, "older root");
        assertEq(distributor.budget(), 230 ether, "largest budget");
        // A later entry with a smaller budget takes nothing from it.
        Settlement memory third = settlementOf(numbers(10 ether, 20 ether, 3 ether));
        open(settle(rootOf(third), latestBudget()), third);
        assertEq(distributor.budget(), 230 ether, "largest budget");
    }

    // The chain's coin

    function test_coin_isFundedAndPaid() public {
        payIn(address(0));
        Settlement memory s = three();
        uint64 round = settle(s);
        Claim memory c = claimOf(round, s, 1);
        refuse(c, abi.encodeWithSelector(IRewardDistributor.Underfunded.selector, 0, 20 ether));
        vm.deal(address(this), 100 ether);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.WrongValue.selector, 5 ether, 4 ether));
        distributor.fund{value: 4 ether}(5 ether);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NothingReceived.selector, 0));
        distributor.fund(0);
        assertEq(distributor.fund{value: 12 ether}(12 ether), 12 ether, "received");
        vm.expectEmit(true, true, true, true, address(distributor));
        emit IRewardDistributor.Funded(address(this), 8 ether, 8 ether);
        (bool sent,) = address(distributor).call{value: 8 ether}("");
        assertTrue(sent, "a plain transfer");
        assertEq(submit(c), 20 ether, "paid");
        assertEq(memberOf(1).balance, 20 ether, "received");
    }

    function test_coin_isRefusedWhereTokensArePaid() public {
        vm.deal(address(this), 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.WrongValue.selector, 0, 1 ether));
        distributor.fund{value: 1 ether}(1 ether);
        (bool sent, bytes memory fault) = address(distributor).call{value: 1 ether}("");
        assertTrue(!sent, "a plain transfer");
        assertEq(bytes32(fault), bytes32(IRewardDistributor.WrongValue.selector), "fault");
    }

    /// A payee that takes no coin keeps nobody else waiting.
    function test_coin_refusedByThePayee() public {
        payIn(address(0));
        vm.deal(address(distributor), 100 ether);
        Leaf[] memory leaves = new Leaf[](2);
        leaves[0] = leafOf(nodeKeyOf(0), address(token), 1 ether);
        leaves[1] = leafOf(nodeKeyOf(1), memberOf(1), 2 ether);
        Settlement memory s = settlementOf(leaves);
        uint64 round = settle(s);
        refuse(
            claimOf(round, s, 0),
            abi.encodeWithSelector(IRewardDistributor.PaymentRefused.selector, address(token), 1 ether)
        );
        assertEq(distributor.paidTo(nodeKeyOf(0)), 0, "paid");
        assertEq(submit(claimOf(round, s, 1)), 2 ether, "paid");
    }

    function test_claim_waitsForFunds() public {
        payIn(address(token));
        Settlement memory s = three();
        Claim memory c = claimOf(settle(s), s, 1);
        refuse(c, abi.encodeWithSelector(IRewardDistributor.Underfunded.selector, 0, 20 ether));
        fund(19 ether);
        refuse(c, abi.encodeWithSelector(IRewardDistributor.Underfunded.selector, 19 ether, 20 ether));
        vm.prank(TREASURY);
        token.transfer(address(distributor), 1 ether);
        assertEq(submit(c), 20 ether, "paid after a plain transfer");
    }

    // Many at once

    function test_claimMany_passesOverWhatIsPaid() public {
        Settlement memory s = three();
        uint64 round = settle(s);
        submit(claimOf(round, s, 1));
        Claim[] memory claims = new Claim[](4);
        for (uint256 i = 0; i < 3; ++i) {
            claims[i] = claimOf(round, s, i);
        }
        claims[3] = claimOf(round, s, 0);
        assertEq(distributor.claimMany(claims), 40 ether, "paid now");
        assertEq(distributor.totalPaid(), 60 ether, "total");
        assertEq(distributor.claimMany(claims), 0, "nothing left");
    }

    function test_claimMany_revertsOnAnyOtherFault() public {
        Settlement memory s = three();
        uint64 round = settle(s);
        Claim[] memory claims = new Claim[](2);
        claims[0] = claimOf(round, s, 0);
        claims[1] = claimOf(round, s, 1);
        claims[1].cumulative = 21 ether;
        bytes memory fault = leafNotProven(s, claims[1]);
        vm.expectRevert(fault);
        distributor.claimMany(claims);
        assertEq(distributor.totalPaid(), 0, "total");
    }

    function test_claimMany_isBounded() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ClaimCount.selector, 64, 0));
        distributor.claimMany(new Claim[](0));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ClaimCount.selector, 64, 65));
        distributor.claimMany(new Claim[](65));
    }

    // Any history

    /// Over random totals, rounds and orders of claiming: everyone ends with its highest total so far, and not a unit more.
    function test_claim_paysHighestTotals(uint256 seed) public {
        uint256[] memory totals = new uint256[](5);
        uint256[] memory highest = new uint256[](5);
        for (uint256 step = 0; step < 3; ++step) {
            for (uint256 i = 0; i < 5; ++i) {
                seed = uint256(keccak256(abi.encode(seed)));
                totals[i] = seed % 8 == 0 ? totals[i] / 2 : totals[i] + seed % 10 ether;
            }
            Settlement memory s = settlementOf(totals);
            s.entries[1].cumulativeBudget = 1_000 ether;
            RoundHeader memory header = settle(rootOf(s), latestBudget() + CAP);
            open(header, s);
            uint64 round = header.round;
            for (uint256 n = 0; n < 3; ++n) {
                seed = uint256(keccak256(abi.encode(seed)));
                uint256 i = seed % 5;
                Claim memory c = claimOf(round, s, i);
                if (totals[i] > highest[i]) {
                    assertEq(submit(c), totals[i] - highest[i], "difference");
                    highest[i] = totals[i];
                } else {
                    refuse(c, nothingDue(i, totals[i], highest[i]));
                }
            }
        }
        uint256 sum = 0;
        for (uint256 i = 0; i < 5; ++i) {
            assertEq(distributor.paidTo(nodeKeyOf(i)), highest[i], "paid");
            assertEq(token.balanceOf(memberOf(i)), highest[i], "received");
            sum += highest[i];
        }
        assertEq(distributor.totalPaid(), sum, "total");
        assertEq(token.balanceOf(address(distributor)), FUNDS - sum, "held");
    }

    /// No altered claim is paid: neither another field, position, sibling nor length.
    function test_claim_refusesAnyAlteration(uint8 what, uint256 change) public {
        vm.assume(change != 0);
        Settlement memory s = three();
        Claim memory c = claimOf(settle(s), s, 1);
        uint256 which = what % 7;
        if (which == 0) c.cumulative ^= uint128(bound(change, 1, type(uint128).max));
        else if (which == 1) c.participant ^= bytes32(change);
        else if (which == 2) c.payout = address(uint160(uint256(keccak256(abi.encode(change)))));
        else if (which == 3) c.index ^= change;
        else if (which == 4) c.proof[change % 2] ^= bytes32(change);
        else if (which == 5) c.proof = shortened(c.proof, change % 2);
        else c.proof = lengthened(c.proof, bytes32(change));
        (bool paid,) = address(distributor).call(abi.encodeCall(RewardDistributor.claim, (c)));
        assertTrue(!paid, "altered claim");
        assertEq(distributor.totalPaid(), 0, "total");
    }

    function shortened(bytes32[] memory proof, uint256 length) private pure returns (bytes32[] memory shorter) {
        shorter = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            shorter[i] = proof[proof.length - length + i];
        }
    }

    function lengthened(bytes32[] memory proof, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        longer[proof.length] = last;
    }
}
