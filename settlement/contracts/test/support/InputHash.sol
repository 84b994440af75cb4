// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {InputTree} from "../../src/libraries/InputTree.sol";
import {Input, Receipt, hashReceipt} from "../../src/types/Input.sol";

/// @notice Hashes of inputs and receipts, callable from a test that holds memory.
contract InputHash {
    function leaf(uint32 count, Input calldata input) external pure returns (bytes32) {
        return InputTree.hash(count, input);
    }

    function receipt(Receipt calldata value) external pure returns (bytes32) {
        return hashReceipt(value);
    }
}
