// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Rules} from "../src/libraries/Rules.sol";
import {Hints, Row} from "../src/types/Evidence.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {RulesHarness} from "./support/RulesHarness.sol";

/// @notice Arithmetic of rules, for every input rather than drawn ones: `halmos --contract SymbolicTest` (forge runs none of it).
contract SymbolicTest {
    RulesHarness private rules = new RulesHarness();

    // That floor is the floor, q * d <= a < (q + 1) * d, in two steps: a solver doesn't divide by what it doesn't know.

    /// The code gives the EVM's quotient, or one less where the EVM's remainder is negative; for all sums and divisors that there are.
    function check_floorIsTheQuotientOrOneLess(int128 dividend, uint96 divisor) external pure {
        if (divisor == 0) return;
        int256 by = int256(uint256(divisor));
        int256 quotient = int256(dividend) / by;
        int256 expected = int256(dividend) % by < 0 ? quotient - 1 : quotient;
        assert(Rules.floor(dividend, divisor) == expected);
    }

    /// With a = p + r, where p = q * d is the EVM's quotient times the divisor and |r| < d its remainder: p is the largest multiple up to a if r
    /// isn't negative, and p - d, which is (q - 1) * d, if it is.
    function check_thatIsTheFloor(int160 product, int128 remainder, uint96 divisor) external pure {
        int256 by = int256(uint256(divisor));
        if (remainder >= by || remainder <= -by) return;
        int256 dividend = int256(product) + remainder;
        int256 below = remainder < 0 ? product - by : int256(product);
        assert(below <= dividend && dividend < below + by);
    }

    function redo(uint8 rule, uint256 parameter, int32[3] memory x, int32 low, int32 high)
        private
        view
        returns (bool passed, int256 got)
    {
        RoundHeader memory header;
        (header.rule, header.ruleParameter, header.cohort, header.dimension) = (rule, bytes32(parameter), 3, 8);
        Row memory evidence;
        evidence.row = bytes.concat(bytes4(uint32(x[0])), new bytes(28));
        evidence.row = bytes.concat(evidence.row, bytes4(uint32(x[1])), new bytes(28));
        evidence.row = bytes.concat(evidence.row, bytes4(uint32(x[2])), new bytes(28));
        try rules.redo(header, evidence, Hints(0, low, high, "")) returns (int256 expected, int256) {
            return (true, expected);
        } catch {
            return (false, 0);
        }
    }

    /// Of three values the median's hints pass if and only if both are the middle one, and that is the result.
    function check_medianOfThree(int32 a, int32 b, int32 c, int32 low, int32 high) external view {
        int32 top = a > b ? a : b;
        int32 bottom = a > b ? b : a;
        int32 middle = c > top ? top : c < bottom ? bottom : c;
        (bool passed, int256 got) = redo(Rules.MEDIAN, 0, [a, b, c], low, high);
        assert(passed == (low == middle && high == middle));
        if (passed) assert(got == middle);
    }

    /// The sign that more of three values have.
    function check_signsOfThree(int32 a, int32 b, int32 c) external view {
        int256 votes = vote(a) + vote(b) + vote(c);
        (bool passed, int256 got) = redo(Rules.SIGN_MAJORITY, 0, [a, b, c], 0, 0);
        assert(passed);
        assert(got == vote(votes));
    }

    function vote(int256 value) private pure returns (int256) {
        return value > 0 ? int256(1) : value < 0 ? int256(-1) : int256(0);
    }
}
