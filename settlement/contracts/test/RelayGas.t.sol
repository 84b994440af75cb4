// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RelayProof} from "../src/libraries/RelayProof.sol";
import {Relayed} from "./support/Relayed.sol";

/// @notice The harness as if it changed something: calls that promise not to aren't transactions, and would be counted without calldata.
interface IRelaying {
    function slotOf(RelayProof.Place calldata place, bytes32 slot, bytes[] calldata nodes) external returns (bytes32);
    function roundDigest(
        RelayProof.Place calldata place,
        uint64 round,
        bytes[] calldata headNodes,
        bytes[] calldata digestNodes
    ) external returns (bytes32);
    function logOf(bytes32 trusted, bytes calldata header, uint256 transaction, bytes[] calldata nodes, uint256 index)
        external
        returns (RelayProof.Log memory);
}

/// @notice Gas of whole transactions that prove something of another chain, kept in gas/.
contract RelayGasTest is Relayed {
    IRelaying private relaying;

    function setUp() public override {
        super.setUp();
        relaying = IRelaying(address(relay));
    }

    function test_slot() public {
        relaying.slotOf(manager, RelayProof.entry(bytes32(uint256(2)), RelayProof.DIGESTS), digestNodes);
        vm.snapshotGasLastCall("RelayProof", "slot of a round manager");
    }

    function test_roundDigest() public {
        relaying.roundDigest(manager, 2, headNodes, digestNodes);
        vm.snapshotGasLastCall("RelayProof", "digest of a round that stands");
    }

    function test_event() public {
        relaying.logOf(postedIn, postedHeader, transaction, receiptNodes, logIndex);
        vm.snapshotGasLastCall("RelayProof", "posting event, 25 transactions in its block");
    }
}
