// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Rules} from "../../src/libraries/Rules.sol";

/// @notice The provable rules written the slow way, by sorting: what `Rules` must agree with.
library Reference {
    function sorted(int32[] memory values) internal pure returns (int32[] memory list) {
        list = new int32[](values.length);
        for (uint256 i = 0; i < values.length; ++i) {
            list[i] = values[i];
            for (uint256 j = i; j > 0 && list[j - 1] > list[j]; --j) {
                (list[j - 1], list[j]) = (list[j], list[j - 1]);
            }
        }
    }

    function floored(int256 total, int256 divisor) internal pure returns (int256) {
        int256 quotient = total / divisor;
        return quotient * divisor > total ? quotient - 1 : quotient;
    }

    function meanBetween(int32[] memory ascending, uint256 cut) internal pure returns (int256) {
        int256 total = 0;
        for (uint256 i = cut; i < ascending.length - cut; ++i) {
            total += ascending[i];
        }
        return floored(total, int256(ascending.length - 2 * cut));
    }

    function result(uint8 rule, uint256 cut, int32[] memory values, uint64[] memory weights)
        internal
        pure
        returns (int256)
    {
        if (rule == Rules.MEAN) return meanBetween(values, 0);
        if (rule == Rules.MEDIAN) return meanBetween(sorted(values), (values.length - 1) / 2);
        if (rule == Rules.TRIMMED_MEAN) return meanBetween(sorted(values), cut);
        int256 total = 0;
        int256 divisor = 0;
        for (uint256 i = 0; i < values.length; ++i) {
            if (rule == Rules.SIGN_MAJORITY) {
                if (values[i] > 0) ++total;
                else if (values[i] < 0) --total;
            } else {
                total += int256(uint256(weights[i])) * values[i];
                divisor += int256(uint256(weights[i]));
            }
        }
        if (rule == Rules.SIGN_MAJORITY) return total > 0 ? int256(1) : total < 0 ? -1 : int256(0);
        return floored(total, divisor);
    }
}
