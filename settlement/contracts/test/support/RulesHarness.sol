// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Rules} from "../../src/libraries/Rules.sol";
import {Hints, Row} from "../../src/types/Evidence.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";

/// @notice The rules' library, callable from a test that holds memory.
contract RulesHarness {
    function redo(RoundHeader calldata header, Row calldata evidence, Hints calldata hints)
        external
        pure
        returns (int256 expected, int256 got)
    {
        return Rules.redo(header, evidence, hints);
    }

    function floor(int256 dividend, uint256 divisor) external pure returns (int256) {
        return Rules.floor(dividend, divisor);
    }
}
