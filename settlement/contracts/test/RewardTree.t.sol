// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PositionalTree} from "../src/libraries/PositionalTree.sol";
import {Leaf} from "../src/types/Reward.sol";
import {Federation} from "./support/Federation.sol";
import {Trees} from "./support/Trees.sol";

contract RewardTreeTest is Federation {
    function leavesFrom(uint256 seed, uint256 count) private pure returns (bytes32[] memory list) {
        list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = keccak256(abi.encode(seed, i));
        }
    }

    function test_everyLeafOfAnyTreeIsProven(uint256 seed, uint256 size, uint256 position) public view {
        bytes32[] memory list = leavesFrom(seed, bound(size, 1, 33));
        uint256 index = bound(position, 0, list.length - 1);
        assertEq(hashes.root(list[index], index, Trees.proof(list, index)), Trees.root(list), "root");
    }

    /// One leaf proves nothing about another place, another leaf or another depth.
    function test_nothingElseIsProven(uint256 seed, uint256 size, uint256 position, uint256 other, bytes32 forged)
        public
        view
    {
        bytes32[] memory list = leavesFrom(seed, bound(size, 2, 33));
        uint256 index = bound(position, 0, list.length - 1);
        bytes32[] memory proof = Trees.proof(list, index);
        bytes32 root = Trees.root(list);
        uint256 elsewhere = bound(other, 0, (1 << proof.length) - 1);
        if (elsewhere != index) assertTrue(hashes.root(list[index], elsewhere, proof) != root, "another place");
        if (forged != list[index]) assertTrue(hashes.root(forged, index, proof) != root, "another leaf");
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = proof[i];
        }
        assertTrue(hashes.root(list[index], index % (1 << shorter.length), shorter) != root, "another depth");
    }

    /// The order of siblings counts: a tree of sorted pairs would take either.
    function test_siblingsAreNotInterchangeable(bytes32 a, bytes32 b) public view {
        vm.assume(a != b);
        bytes32[] memory sibling = new bytes32[](1);
        sibling[0] = b;
        assertTrue(hashes.root(a, 0, sibling) != hashes.root(a, 1, sibling), "order");
    }

    /// An inner node is the hash of 65 bytes that start with 1, a leaf's is the hash of 32 bytes: presenting the preimage of one as
    /// the other (second preimage) gives another hash, for any content.
    function test_innerNodesAreNoLeaves(bytes32 left, bytes32 right, uint256 amount) public view {
        bytes32[] memory sibling = new bytes32[](1);
        sibling[0] = right;
        bytes32 node = hashes.root(left, 0, sibling);
        assertEq(node, keccak256(bytes.concat(hex"01", left, right)), "definition");
        assertTrue(node != keccak256(bytes.concat(left, right)), "plain pair");
        assertTrue(node != keccak256(bytes.concat(keccak256(bytes.concat(left, right)))), "leaf over the same words");
        Leaf memory leaf = leafOf(left, address(uint160(uint256(right))), amount);
        bytes32 inner = keccak256(abi.encode(keccak256("xfl.leaf.v1"), leaf));
        assertEq(hashes.leaf(leaf), keccak256(bytes.concat(inner)), "leaf definition");
        assertTrue(hashes.leaf(leaf) != inner, "hashed twice");
    }

    function test_refusesProofsThatFitNoTree(uint256 length, uint256 index) public {
        bytes32[] memory proof = new bytes32[](bound(length, 0, 40));
        uint256 width = uint256(1) << proof.length;
        if (proof.length > 32) {
            vm.expectRevert(abi.encodeWithSelector(PositionalTree.ProofTooLong.selector, 32, proof.length));
        } else {
            index = bound(index, width, type(uint256).max);
            vm.expectRevert(abi.encodeWithSelector(PositionalTree.IndexOutOfTree.selector, width, index));
        }
        hashes.root(bytes32(uint256(1)), index, proof);
    }
}
