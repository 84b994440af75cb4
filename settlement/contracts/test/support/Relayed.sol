// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RelayProof} from "../../src/libraries/RelayProof.sol";
import {RelayHarness} from "./RelayHarness.sol";
import {Test} from "./Test.sol";

/// @notice What anvil proved of a real history: `test/proofs.json`, captured by `tests/support/vectors.rs`, which checks the same bytes in Rust.
abstract contract Relayed is Test {
    RelayHarness internal relay;
    string internal json;

    RelayProof.Place internal manager;
    bytes[] internal headNodes;
    bytes[] internal digestNodes;
    bytes32 internal digest;

    bytes32 internal postedIn;
    bytes internal postedHeader;
    uint256 internal transaction;
    bytes[] internal receiptNodes;
    uint256 internal logIndex;

    function setUp() public virtual {
        relay = new RelayHarness();
        json = vm.readFile("test/proofs.json");
        manager.hash = vm.parseJsonBytes32(json, ".block.hash");
        manager.header = vm.parseJsonBytes(json, ".block.header");
        manager.account = vm.parseJsonAddress(json, ".manager.account");
        manager.nodes = vm.parseJsonBytesArray(json, ".manager.nodes");
        headNodes = vm.parseJsonBytesArray(json, ".manager.slots[0].nodes");
        digestNodes = vm.parseJsonBytesArray(json, ".manager.slots[1].nodes");
        digest = vm.parseJsonBytes32(json, ".manager.slots[1].value");
        postedIn = vm.parseJsonBytes32(json, ".posting.block.hash");
        postedHeader = vm.parseJsonBytes(json, ".posting.block.header");
        transaction = vm.parseJsonUint(json, ".posting.transaction");
        receiptNodes = vm.parseJsonBytesArray(json, ".posting.nodes");
        logIndex = vm.parseJsonUint(json, ".posting.log");
    }

    function roundDigest(uint64 round) internal view returns (bytes memory) {
        return abi.encodeCall(RelayHarness.roundDigest, (manager, round, headNodes, digestNodes));
    }

    function logOf(uint256 index) internal view returns (bytes memory) {
        return abi.encodeCall(RelayHarness.logOf, (postedIn, postedHeader, transaction, receiptNodes, index));
    }
}
