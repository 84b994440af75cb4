// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RelayProof} from "../../src/libraries/RelayProof.sol";

/// @notice The library as calls of their own, so that what they revert with and what they cost can be seen.
contract RelayHarness {
    function slotOf(RelayProof.Place calldata place, bytes32 slot, bytes[] calldata nodes)
        external
        pure
        returns (bytes32)
    {
        return RelayProof.slotOf(place, slot, nodes);
    }

    function roundDigest(
        RelayProof.Place calldata place,
        uint64 round,
        bytes[] calldata headNodes,
        bytes[] calldata digestNodes
    ) external pure returns (bytes32) {
        return RelayProof.roundDigest(place, round, headNodes, digestNodes);
    }

    function logOf(bytes32 trusted, bytes calldata header, uint256 transaction, bytes[] calldata nodes, uint256 index)
        external
        pure
        returns (RelayProof.Log memory)
    {
        return RelayProof.logOf(trusted, header, transaction, nodes, index);
    }
}
