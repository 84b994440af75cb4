// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Claim, Leaf} from "../src/types/Reward.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Rules} from "../src/libraries/Rules.sol";
import {Hints, Row} from "../src/types/Evidence.sol";
import {Lies} from "./support/Lies.sol";
import {Meter} from "./support/Meter.sol";
import {Trees} from "./support/Trees.sol";

/// @notice Gas of whole transactions (run with `--isolate`: intrinsic gas and calldata included), kept in gas/.
contract GasTest is Lies {
    uint256 private constant EARNERS = 1_024;

    /// @dev Leaves of a large federation, one of them real.
    function large(uint256 place, Leaf memory leaf) private view returns (bytes32[] memory list) {
        list = new bytes32[](EARNERS);
        for (uint256 i = 0; i < EARNERS; ++i) {
            list[i] = i == place ? hashes.leaf(leaf) : keccak256(abi.encode("earner", i));
        }
    }

    function claimAmong1024(uint256 place, Leaf memory leaf) private returns (Claim memory c) {
        bytes32[] memory list = large(place, leaf);
        Leaf[] memory one = new Leaf[](1);
        one[0] = leaf;
        Settlement memory s = settlementOf(one);
        s.entries[1].chainRoot = Trees.root(list);
        s.entries[1].cumulativeBudget = 100 ether;
        c = claimOf(settle(s), s, 0);
        c.index = place;
        c.proof = Trees.proof(list, place);
    }

    function claims(string memory currency) private {
        // The distributor has paid someone before.
        submit(claimAmong1024(3, leafOf(nodeKeyOf(0), memberOf(0), 1 ether)));
        Claim memory first = claimAmong1024(517, leafOf(nodeKeyOf(1), memberOf(1), 20 ether));
        submit(first);
        vm.snapshotGasLastCall("RewardDistributor", string.concat("claim, first, 1024 earners", currency));
        Claim memory later = claimAmong1024(517, leafOf(nodeKeyOf(1), memberOf(1), 50 ether));
        submit(later);
        vm.snapshotGasLastCall("RewardDistributor", string.concat("claim, later, 1024 earners", currency));
        Claim memory held = claimAmong1024(600, leafOf(nodeKeyOf(7), memberOf(1), 5 ether));
        submit(held);
        vm.snapshotGasLastCall(
            "RewardDistributor", string.concat("claim, first, payee holds some, 1024 earners", currency)
        );
    }

    function test_claims() public {
        claims("");
    }

    function test_claimsOfCoin() public {
        payIn(address(0));
        vm.deal(address(distributor), 100 ether);
        vm.deal(memberOf(1), 1 ether);
        claims(", coin");
    }

    /// @dev As the design counted: the call alone, inside a transaction that is under way, with everything warm.
    function test_warm() public {
        Meter meter = new Meter();
        submit(claimAmong1024(3, leafOf(nodeKeyOf(0), memberOf(0), 1 ether)));
        for (uint256 i = 0; i < 2; ++i) {
            Claim memory c = claimAmong1024(517, leafOf(nodeKeyOf(1), memberOf(1), (i + 1) * 20 ether));
            uint256 used = meter.claim(distributor, c);
            vm.snapshotValue("Warm", i == 0 ? "claim, first, 1024 earners" : "claim, later, 1024 earners", used);
        }
        address[] memory signers = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            signers[i] = memberOf(i);
        }
        // Not the first of a lap.
        RoundHeader memory header = nextHeader(keccak256("measured"), latestBudget());
        while (header.round % 3 == 0) {
            post(header);
            header = nextHeader(keccak256("measured"), latestBudget());
        }
        uint256 gas = meter.postRound(manager, header, packed(signaturesOf(header, 0, 3)), signers);
        vm.snapshotValue("Warm", "postRound, 3 signatures", gas);
    }

    /// @dev Eight of 1,024 earners, twice.
    function test_claimMany() public {
        Claim[] memory some = new Claim[](8);
        for (uint256 step = 1; step <= 2; ++step) {
            bytes32[] memory list = new bytes32[](EARNERS);
            Leaf[] memory leaves = new Leaf[](8);
            for (uint256 i = 0; i < EARNERS; ++i) {
                list[i] = keccak256(abi.encode("earner", i));
            }
            for (uint256 i = 0; i < 8; ++i) {
                leaves[i] = leafOf(nodeKeyOf(i), address(uint160(uint256(nodeKeyOf(i)))), (i + 1) * step * 1 ether);
                list[100 * i] = hashes.leaf(leaves[i]);
            }
            Settlement memory s = settlementOf(leaves);
            s.entries[1].chainRoot = Trees.root(list);
            uint64 round = settle(s);
            for (uint256 i = 0; i < 8; ++i) {
                some[i] = claimOf(round, s, i);
                some[i].index = 100 * i;
                some[i].proof = Trees.proof(list, 100 * i);
            }
            distributor.claimMany(some);
            vm.snapshotGasLastCall(
                "RewardDistributor",
                step == 1 ? "claimMany, 8 first claims, 1024 earners" : "claimMany, 8 later claims, 1024 earners"
            );
        }
    }

    function test_open() public {
        Settlement memory s = settlementOf(numbers(1 ether, 2 ether, 3 ether));
        settle(s);
        RoundHeader memory header = settle(rootOf(s), budgetOf(s));
        bytes32[] memory proof = Trees.proof(entryHashes(s), 1);
        distributor.open(header, s.entries[1], 1, proof);
        vm.snapshotGasLastCall("RewardDistributor", "open");
    }

    function test_fund() public {
        vm.prank(TREASURY);
        token.approve(address(distributor), 1 ether);
        vm.prank(TREASURY);
        distributor.fund(1 ether);
        vm.snapshotGasLastCall("RewardDistributor", "fund");
    }

    function test_postRound() public {
        for (uint256 i = MEMBERS; i < 20; ++i) {
            insertKey(uint256(keccak256(abi.encode("member", i))));
        }
        // Sorting has moved the keys: all are bound anew.
        for (uint256 i = 0; i < MEMBERS; ++i) {
            vm.prank(COORDINATOR);
            registry.remove(nodeKeyOf(i));
        }
        for (uint256 i = 0; i < 20; ++i) {
            admit(i, 2);
        }
        vm.warp(vm.getBlockTimestamp() + TIMELOCK);
        postWith(1, "unmeasured");
        postWith(3, "postRound, 3 signatures");
        // Every third post sends a lap's times to the table, and every second of those begins a slot there.
        postWith(3, "postRound, 3 signatures, first of a slot of times");
        postWith(10, "postRound, 10 signatures");
        postWith(20, "postRound, 20 signatures");
        postWith(3, "postRound, 3 signatures, first of a lap");
    }

    function postWith(uint256 count, string memory name) private {
        RoundHeader memory header = nextHeader(keccak256(bytes(name)), latestBudget());
        bytes[] memory signatures = signaturesOf(header, 0, count < THRESHOLD ? THRESHOLD : count);
        // A transaction of somebody's own.
        vm.prank(memberOf(0), memberOf(0));
        manager.postRound(header, packed(signatures));
        if (count >= THRESHOLD) vm.snapshotGasLastCall("RoundManager", name);
    }

    function test_veto() public {
        post(nextHeader(keccak256("first"), 0));
        post(nextHeader(keccak256("root"), CAP));
        vm.prank(COORDINATOR);
        manager.veto(2);
        vm.snapshotGasLastCall("RoundManager", "veto");
    }

    /// @dev A cohort of 50 over 582,026 coordinates: one real row in trees of 2^17 leaves whose other branches are made up. Values fill the
    /// grid that a plan's 16 bits a coordinate leave, or all of 32 bits.
    function ruleGas(uint8 rule, uint256 n, bool wide, string memory name) private {
        // Not the very first round: voiding that gives gas back.
        post(nextHeader(keccak256("first"), 0));
        Cohort memory c = cohortOf(rule, n, 8, 11);
        for (uint256 i = 0; i < n; ++i) {
            for (uint256 k = 0; k < 8; ++k) {
                int32 value = int32(uint32(word(n, i, k)));
                c.updates[i][k] = wide ? value : value >> 16;
            }
        }
        aggregateHonestly(c);
        c.aggregate[5] += 1;
        RoundHeader memory header = headerOf(c);
        Row memory row = evidence(c, 0);
        bytes32 rowRoot = keccak256(bytes.concat(hex"00", keccak256(row.row)));
        bytes32 aggregateRoot = keccak256(bytes.concat(hex"00", keccak256(bytes.concat(row.aggregate))));
        (row.rowProof, row.aggregateProof) = (new bytes32[](17), new bytes32[](17));
        for (uint256 i = 0; i < 17; ++i) {
            row.rowProof[i] = keccak256(abi.encode("row", i));
            row.aggregateProof[i] = keccak256(abi.encode("aggregate", i));
        }
        (header.rowRoot, header.aggregateRoot) =
        (hashes.root(rowRoot, 0, row.rowProof), hashes.root(aggregateRoot, 0, row.aggregateProof));
        header.dimension = 582_026;
        post(header);
        Hints memory h = hints(c, 5);
        manager.proveRule(header, row, h);
        vm.snapshotGasLastCall("RoundManager", name);
    }

    function test_proveRule() public {
        ruleGas(Rules.MEAN, 50, false, "proveRule, mean, 50 clients, 16-bit values");
    }

    function test_proveRuleMedian() public {
        ruleGas(Rules.MEDIAN, 50, false, "proveRule, median, 50 clients, 16-bit values");
    }

    function test_proveRuleTrimmed() public {
        ruleGas(Rules.TRIMMED_MEAN, 50, false, "proveRule, trimmed mean, 50 clients, 16-bit values");
    }

    function test_proveRuleSigns() public {
        ruleGas(Rules.SIGN_MAJORITY, 50, false, "proveRule, sign majority, 50 clients, 16-bit values");
    }

    function test_proveRuleWeighted() public {
        ruleGas(Rules.WEIGHTED_MEAN, 50, false, "proveRule, weighted mean, 50 clients, 16-bit values");
    }

    function test_proveRuleWide() public {
        ruleGas(Rules.MEDIAN, 50, true, "proveRule, median, 50 clients, 32-bit values");
    }

    function test_proveRuleMany() public {
        ruleGas(Rules.MEDIAN, 200, false, "proveRule, median, 200 clients, 16-bit values");
    }

    function test_demands() public {
        Cohort memory c = cohortOf(Rules.MEDIAN, 50, 64, 11);
        RoundHeader memory header = posted(c);
        vm.deal(address(this), BOND);
        manager.demandRow{value: BOND}(header, 3);
        vm.snapshotGasLastCall("RoundManager", "demandRow");
        Row memory row = evidence(c, 3);
        vm.prank(address(0xA1107), address(0xA1107));
        manager.answerRow(header, row);
        vm.snapshotGasLastCall("RoundManager", "answerRow, 50 clients, 64 coordinates");
    }

    function test_punish() public {
        stake(memberOf(0), 100 ether);
        Cohort memory c = cohortOf(Rules.MEDIAN, 4, 20, 7);
        c.aggregate[3] += 1;
        RoundHeader memory header = headerOf(c);
        bytes[] memory signatures = signaturesOf(header, 0, 1);
        post(header);
        manager.proveRule(header, evidence(c, 0), hints(c, 3));
        manager.punish(manager.digestOf(header), signatures[0]);
        vm.snapshotGasLastCall("RoundManager", "punish");
    }

    function test_stakes() public {
        stake(memberOf(0), 1 ether);
        vm.prank(memberOf(0));
        vault.exit(1 ether);
        vm.snapshotGasLastCall("StakeVault", "exit");
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        vm.prank(memberOf(0));
        vault.withdraw(memberOf(0));
        vm.snapshotGasLastCall("StakeVault", "withdraw");
    }

    function test_members() public {
        vm.prank(COORDINATOR);
        registry.remove(nodeKeyOf(0));
        vm.snapshotGasLastCall("FederationRegistry", "remove");
        admit(0, 2);
        vm.snapshotGasLastCall("FederationRegistry", "admit");
    }
}
