// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Claim, Leaf} from "../src/types/Reward.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Federation} from "./support/Federation.sol";
import {Trees} from "./support/Trees.sol";

/// @notice Gas of whole transactions (run with `--isolate`: intrinsic gas and calldata included), kept in gas/.
contract GasTest is Federation {
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
        c.leafIndex = place;
        c.leafProof = Trees.proof(list, place);
    }

    function test_claims() public {
        // The distributor has paid someone before.
        submit(claimAmong1024(3, leafOf(nodeKeyOf(0), memberOf(0), 1 ether)));
        Claim memory first = claimAmong1024(517, leafOf(nodeKeyOf(1), memberOf(1), 20 ether));
        submit(first);
        vm.snapshotGasLastCall("RewardDistributor", "claim, first, 1024 earners");
        Claim memory later = claimAmong1024(517, leafOf(nodeKeyOf(1), memberOf(1), 50 ether));
        submit(later);
        vm.snapshotGasLastCall("RewardDistributor", "claim, later, 1024 earners");
    }

    function test_claimMany() public {
        Claim[] memory claims = new Claim[](8);
        uint256[] memory totals = new uint256[](8);
        for (uint256 i = 0; i < 8; ++i) {
            totals[i] = (i + 1) * 1 ether;
        }
        Settlement memory s = settlementOf(totals);
        uint64 round = settle(s);
        for (uint256 i = 0; i < 8; ++i) {
            claims[i] = claimOf(round, s, i);
        }
        distributor.claimMany(claims);
        vm.snapshotGasLastCall("RewardDistributor", "claimMany, 8 first claims, 8 earners");
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
        postWith(1, "unmeasured");
        postWith(3, "postRound, 3 signatures");
        postWith(10, "postRound, 10 signatures");
        postWith(20, "postRound, 20 signatures");
    }

    function postWith(uint256 count, string memory name) private {
        RoundHeader memory header = nextHeader(keccak256(bytes(name)), manager.cumulativeBudget(manager.latestRound()));
        manager.postRound(header, signaturesOf(header, 0, count < THRESHOLD ? THRESHOLD : count));
        if (count >= THRESHOLD) vm.snapshotGasLastCall("RoundManager", name);
    }

    function test_veto() public {
        post(nextHeader(keccak256("root"), CAP));
        vm.prank(COORDINATOR);
        manager.veto(1);
        vm.snapshotGasLastCall("RoundManager", "veto");
    }

    function test_members() public {
        vm.prank(COORDINATOR);
        registry.remove(nodeKeyOf(0));
        vm.snapshotGasLastCall("FederationRegistry", "remove");
        admit(0, 2);
        vm.snapshotGasLastCall("FederationRegistry", "admit");
    }
}
