// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

import {RelayProof} from "../src/libraries/RelayProof.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Federation} from "./support/Federation.sol";
import {RelayHarness} from "./support/RelayHarness.sol";
import {Relayed} from "./support/Relayed.sol";

/// @notice Real proofs, and what becomes of each when anything in it is changed.
contract RelayProofTest is Relayed {
    // What is there

    function test_slots_areProven() public view {
        string[3] memory names = [".manager.slots[0]", ".manager.slots[1]", ".manager.slots[2]"];
        for (uint256 i = 0; i < names.length; ++i) {
            bytes32 slot = vm.parseJsonBytes32(json, string.concat(names[i], ".slot"));
            bytes[] memory nodes = vm.parseJsonBytesArray(json, string.concat(names[i], ".nodes"));
            bytes32 value = vm.parseJsonBytes32(json, string.concat(names[i], ".value"));
            assertEq(relay.slotOf(manager, slot, nodes), value, names[i]);
        }
    }

    function test_payments_areProven() public view {
        RelayProof.Place memory distributor = manager;
        distributor.account = vm.parseJsonAddress(json, ".distributor.account");
        distributor.nodes = vm.parseJsonBytesArray(json, ".distributor.nodes");
        bytes32 slot = vm.parseJsonBytes32(json, ".distributor.slots[1].slot");
        bytes[] memory nodes = vm.parseJsonBytesArray(json, ".distributor.slots[1].nodes");
        bytes32 value = vm.parseJsonBytes32(json, ".distributor.slots[1].value");
        assertEq(relay.slotOf(distributor, slot, nodes), value, "paid");
    }

    function test_roundDigest_isProven() public view {
        assertEq(relay.roundDigest(manager, 2, headNodes, digestNodes), digest, "digest");
    }

    function test_event_isProven() public view {
        RelayProof.Log memory log = relay.logOf(postedIn, postedHeader, transaction, receiptNodes, logIndex);
        assertEq(log.emitter, manager.account, "emitter");
        bytes32[] memory topics = vm.parseJsonBytes32Array(json, ".posting.topics");
        assertEq(log.topics.length, topics.length, "topics");
        for (uint256 i = 0; i < topics.length; ++i) {
            assertEq(log.topics[i], topics[i], "topic");
        }
        assertEq(log.topics[2], digest, "the digest that the state holds");
        assertEq(keccak256(log.data), keccak256(vm.parseJsonBytes(json, ".posting.data")), "data");
    }

    // What isn't

    function refused(bytes memory call, bytes memory fault) private {
        (bool success, bytes memory got) = address(relay).call(call);
        assertTrue(!success, "a forgery passed");
        assertEq(keccak256(got), keccak256(fault), "why");
    }

    function traversal(TrieProof.ProofError why) private pure returns (bytes memory) {
        return abi.encodeWithSelector(TrieProof.TrieProofTraversalError.selector, why);
    }

    function test_rounds_thatDoNotStandAreRefused() public {
        refused(roundDigest(3), abi.encodeWithSelector(RelayProof.RoundNotThere.selector, 2, 3));
        refused(roundDigest(0), abi.encodeWithSelector(RelayProof.RoundNotThere.selector, 2, 0));
    }

    function test_otherBlocks_areRefused() public {
        (bytes32 state, bytes32 posted) = (manager.hash, postedIn);
        (manager.hash, postedIn) = (keccak256("another block"), keccak256("another block"));
        refused(roundDigest(2), abi.encodeWithSelector(RelayProof.OtherBlock.selector, manager.hash, state));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.OtherBlock.selector, postedIn, posted));
        // A real header, and proofs of another block.
        (manager.hash, manager.header) = (posted, postedHeader);
        refused(roundDigest(2), traversal(TrieProof.ProofError.INVALID_ROOT));
    }

    function test_otherAccountsAndSlots_areRefused() public {
        bytes32 slot = RelayProof.entry(bytes32(uint256(1)), RelayProof.DIGESTS);
        (bool passed,) = address(relay).call(abi.encodeCall(RelayHarness.slotOf, (manager, slot, digestNodes)));
        assertTrue(!passed, "the nodes of another slot");
        manager.account = address(0xBAD);
        (passed,) = address(relay).call(roundDigest(2));
        assertTrue(!passed, "the nodes of another account");
    }

    function test_cutProofs_areRefused() public {
        bytes[] memory whole = digestNodes;
        digestNodes.pop();
        refused(roundDigest(2), traversal(TrieProof.ProofError.INVALID_PROOF));
        digestNodes = whole;
        manager.nodes.pop();
        refused(roundDigest(2), traversal(TrieProof.ProofError.INVALID_PROOF));
        receiptNodes.pop();
        refused(logOf(0), traversal(TrieProof.ProofError.INVALID_PROOF));
    }

    function test_paddedProofs_areRefused() public {
        digestNodes.push(digestNodes[0]);
        refused(roundDigest(2), traversal(TrieProof.ProofError.INVALID_EXTRA_PROOF_ELEMENT));
        receiptNodes.push(receiptNodes[0]);
        refused(logOf(0), traversal(TrieProof.ProofError.INVALID_EXTRA_PROOF_ELEMENT));
    }

    function test_otherTransactionsAndEvents_areRefused() public {
        refused(logOf(7), abi.encodeWithSelector(RelayProof.NoSuchLog.selector, 1, 7));
        transaction -= 1;
        (bool passed,) = address(relay).call(logOf(0));
        assertTrue(!passed, "the nodes of another transaction");
    }

    function testFuzz_anyChangedByte_isRefused(uint256 part, uint256 at, uint256 node, uint8 by) public {
        by = uint8(bound(by, 1, 255));
        part = bound(part, 0, 5);
        bytes[] storage nodes =
            part == 2 ? manager.nodes : part == 3 ? headNodes : part == 4 ? digestNodes : receiptNodes;
        bytes storage bytes_ =
            part == 0 ? manager.header : part == 1 ? postedHeader : nodes[bound(node, 0, nodes.length - 1)];
        at = bound(at, 0, bytes_.length - 1);
        bytes_[at] = bytes1(uint8(bytes_[at]) ^ by);
        (bool passed,) = address(relay).call(part == 1 || part == 5 ? logOf(0) : roundDigest(2));
        assertTrue(!passed, "a forgery passed");
    }

    // What no chain holds

    /// @dev A block whose roots are those of a trie of one leaf.
    function forge(bytes memory key, bytes memory value)
        private
        pure
        returns (bytes32 hash, bytes memory header, bytes[] memory nodes)
    {
        bytes[] memory leaf = new bytes[](2);
        leaf[0] = RLP.encode(abi.encodePacked(bytes1(0x20), key));
        leaf[1] = RLP.encode(value);
        nodes = new bytes[](1);
        nodes[0] = RLP.encode(leaf);
        bytes[] memory fields = new bytes[](15);
        for (uint256 i = 0; i < fields.length; ++i) {
            fields[i] = RLP.encode(keccak256(nodes[0]));
        }
        header = RLP.encode(fields);
        hash = keccak256(header);
    }

    function receiptOf(bytes memory value) private {
        (postedIn, postedHeader, receiptNodes) = forge(RLP.encode(uint256(5)), value);
        transaction = 5;
    }

    function list(uint256 count, bytes memory item) private pure returns (bytes memory) {
        bytes[] memory items = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            items[i] = item;
        }
        return RLP.encode(items);
    }

    function test_unknownReceipts_areRefused() public {
        bytes memory four = list(4, RLP.encode(uint256(1)));
        receiptOf(abi.encodePacked(bytes1(0x05), four));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.MalformedReceipt.selector, 5));
        receiptOf(abi.encodePacked(bytes1(0x00), four));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.MalformedReceipt.selector, 0));
        receiptOf(abi.encodePacked(bytes1(0x7e), four));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.MalformedReceipt.selector, 0x7e));
        receiptOf(abi.encodePacked(bytes1(0x02), list(5, RLP.encode(uint256(1)))));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.MalformedReceipt.selector, 2));
    }

    function test_malformedEvents_areRefused() public {
        receiptOf(abi.encodePacked(bytes1(0x02), list(4, list(1, list(2, RLP.encode(uint256(1)))))));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.MalformedLog.selector, 2));
        refused(logOf(1), abi.encodeWithSelector(RelayProof.NoSuchLog.selector, 1, 1));
        receiptOf(list(4, list(0, "")));
        refused(logOf(0), abi.encodeWithSelector(RelayProof.NoSuchLog.selector, 0, 0));
    }

    function test_malformedAccounts_areRefused() public {
        bytes memory key = abi.encodePacked(keccak256(abi.encodePacked(manager.account)));
        (manager.hash, manager.header, manager.nodes) = forge(key, list(3, RLP.encode(keccak256("a root"))));
        refused(roundDigest(2), abi.encodeWithSelector(RelayProof.MalformedAccount.selector, 3));
    }
}

/// @notice The slots that the library proves are this very contract's.
contract RelaySlotsTest is Federation {
    function test_slots_areTheManagers() public {
        RoundHeader memory header = settle(keccak256("rewards"), 1 ether);
        bytes32 head = vm.load(address(manager), bytes32(RelayProof.HEAD));
        assertEq(uint64(uint256(head)), header.round, "head");
        bytes32 slot = RelayProof.entry(bytes32(uint256(header.round)), RelayProof.DIGESTS);
        assertEq(vm.load(address(manager), slot), manager.headerDigest(header.round), "digest");
        assertTrue(manager.headerDigest(header.round) != 0, "posted");
    }
}
