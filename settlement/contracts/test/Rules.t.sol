// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Rules} from "../src/libraries/Rules.sol";
import {Hints, Row} from "../src/types/Evidence.sol";
import {RoundHeader} from "../src/types/RoundHeader.sol";
import {Reference} from "./support/Reference.sol";
import {RulesHarness} from "./support/RulesHarness.sol";
import {Test} from "./support/Test.sol";

/// @notice Counting ranks against sorting, for every rule, many cohorts, ties and ends of the range.
contract RulesTest is Test {
    RulesHarness private rules = new RulesHarness();

    /// @dev Eight-coordinate rows of which one coordinate counts; the others are noise that must not.
    function rowOf(int32[] memory values, uint256 coordinate, uint256 noise) private pure returns (bytes memory row) {
        uint256 shift = 224 - 32 * coordinate;
        for (uint256 i = 0; i < values.length; ++i) {
            uint256 other = uint256(keccak256(abi.encode(noise, i))) & ~(uint256(type(uint32).max) << shift);
            row = bytes.concat(row, bytes32(other | (uint256(uint32(values[i])) << shift)));
        }
    }

    function draw(uint256 seed, uint256 n) private pure returns (int32[] memory values, uint64[] memory weights) {
        (values, weights) = (new int32[](n), new uint64[](n));
        for (uint256 i = 0; i < n; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            uint256 kind = word % 16;
            if (kind == 0) values[i] = type(int32).min;
            else if (kind == 1) values[i] = type(int32).max;
            else if (kind < 9) values[i] = int32(int256((word >> 8) % 5)) - 2;
            else values[i] = int32(uint32(word >> 8));
            weights[i] = kind == 2 ? 0 : kind == 3 ? type(uint64).max : uint64(word >> 64);
        }
    }

    function hintsFor(int32[] memory values, uint256 cut, uint256 coordinate) private pure returns (Hints memory) {
        int32[] memory ascending = Reference.sorted(values);
        return Hints(coordinate, ascending[cut], ascending[values.length - 1 - cut], "");
    }

    function redo(uint8 rule, bytes32 parameter, int32[] memory values, Hints memory h, uint256 noise)
        private
        view
        returns (int256 expected)
    {
        RoundHeader memory header;
        (header.rule, header.ruleParameter) = (rule, parameter);
        (header.cohort, header.dimension) = (uint32(values.length), 8);
        Row memory evidence;
        evidence.row = rowOf(values, h.coordinate, noise);
        (expected,) = rules.redo(header, evidence, h);
    }

    function test_meanAgrees(uint256 seed, uint256 size) public view {
        (int32[] memory values,) = draw(seed, bound(size, 1, 24));
        Hints memory h = Hints(seed % 8, 0, 0, "");
        int256 got = redo(Rules.MEAN, 0, values, h, seed);
        assertEq(uint256(got), uint256(Reference.result(Rules.MEAN, 0, values, new uint64[](0))), "mean");
    }

    function test_medianAgrees(uint256 seed, uint256 size) public view {
        (int32[] memory values,) = draw(seed, bound(size, 1, 24));
        Hints memory h = hintsFor(values, (values.length - 1) / 2, seed % 8);
        int256 got = redo(Rules.MEDIAN, 0, values, h, seed);
        assertEq(uint256(got), uint256(Reference.result(Rules.MEDIAN, 0, values, new uint64[](0))), "median");
    }

    function test_trimmedMeanAgrees(uint256 seed, uint256 size) public view {
        (int32[] memory values,) = draw(seed, bound(size, 1, 24));
        uint256 cut = (seed >> 16) % ((values.length - 1) / 2 + 1);
        Hints memory h = hintsFor(values, cut, seed % 8);
        int256 got = redo(Rules.TRIMMED_MEAN, bytes32(cut), values, h, seed);
        int256 expected = Reference.result(Rules.TRIMMED_MEAN, cut, values, new uint64[](0));
        assertEq(uint256(got), uint256(expected), "trimmed mean");
    }

    function test_signMajorityAgrees(uint256 seed, uint256 size) public view {
        (int32[] memory values,) = draw(seed, bound(size, 1, 24));
        Hints memory h = Hints(seed % 8, 0, 0, "");
        int256 got = redo(Rules.SIGN_MAJORITY, 0, values, h, seed);
        int256 expected = Reference.result(Rules.SIGN_MAJORITY, 0, values, new uint64[](0));
        assertEq(uint256(got), uint256(expected), "signs");
    }

    function test_weightedMeanAgrees(uint256 seed, uint256 size) public view {
        (int32[] memory values, uint64[] memory weights) = draw(seed, bound(size, 1, 24));
        // Not all zero: that has no result.
        weights[0] |= 1;
        bytes memory packed;
        for (uint256 i = 0; i < weights.length; ++i) {
            packed = bytes.concat(packed, bytes8(weights[i]));
        }
        Hints memory h = Hints(seed % 8, 0, 0, packed);
        int256 got = redo(Rules.WEIGHTED_MEAN, keccak256(packed), values, h, seed);
        int256 expected = Reference.result(Rules.WEIGHTED_MEAN, 0, values, weights);
        assertEq(uint256(got), uint256(expected), "weighted mean");
    }

    /// Two pairs of hints that both pass would let an honest round be slashed: there is only one.
    function test_hintsAreUnique(uint256 seed, uint256 size, int32 low, int32 high) public {
        (int32[] memory values,) = draw(seed, bound(size, 1, 12));
        uint256 cut = (seed >> 16) % ((values.length - 1) / 2 + 1);
        Hints memory h = hintsFor(values, cut, seed % 8);
        // Half of the time values of the cohort itself: the likeliest to pass.
        if (seed & 256 == 0) low = values[uint32(low) % values.length];
        if (seed & 512 == 0) high = values[uint32(high) % values.length];
        vm.assume(low != h.low || high != h.high);
        (h.low, h.high) = (low, high);
        vm.expectRevert(abi.encodeWithSelector(Rules.WrongHints.selector, low, high));
        this.redoTrimmed(values, cut, h, seed);
    }

    function redoTrimmed(int32[] memory values, uint256 cut, Hints memory h, uint256 noise) external view {
        redo(Rules.TRIMMED_MEAN, bytes32(cut), values, h, noise);
    }

    function test_floorIsTowardsNegativeInfinity(int128 dividend, uint96 divisor) public view {
        vm.assume(divisor != 0);
        int256 quotient = rules.floor(dividend, divisor);
        int256 rest = int256(dividend) - quotient * int256(uint256(divisor));
        assertTrue(rest >= 0 && rest < int256(uint256(divisor)), "rest");
    }

    function test_onlyTheseRulesAreProvable() public pure {
        uint256 count = 0;
        for (uint256 rule = 0; rule < 256; ++rule) {
            if (!Rules.provable(uint8(rule))) continue;
            ++count;
            assertTrue(rule < Rules.STAGED, "after stages");
        }
        assertEq(count, 10, "five, each with confidential rows or not");
    }
}
