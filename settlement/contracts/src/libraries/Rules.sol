// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hints, Row} from "../types/Evidence.sol";
import {RoundHeader} from "../types/RoundHeader.sol";

/// @title Aggregation rules that a contract can redo, one coordinate at a time
/// @notice Integers in, integers out; divisions round towards negative infinity, as where the aggregate was made. No sorting: the
/// prover says which values have the two ranks that matter, and the ranks are checked by counting.
library Rules {
    uint8 internal constant MEAN = 1;
    uint8 internal constant MEDIAN = 2;
    uint8 internal constant TRIMMED_MEAN = 3;
    uint8 internal constant SIGN_MAJORITY = 5;
    uint8 internal constant WEIGHTED_MEAN = 18;
    /// @dev Set where the rows are confidential: proofs stand, but nobody may demand a row.
    uint8 internal constant CONFIDENTIAL = 64;
    /// @dev Set where something was done to the updates before the rule: its result isn't the rule's over the rows.
    uint8 internal constant STAGED = 128;

    uint256 private constant MEMBER = 32;
    uint256 private constant WEIGHT = 8;

    /// @notice No contract can redo this rule: a quorum's word, a bond and a window stand instead.
    error RuleNotProvable(uint8 rule);
    /// @notice The rule has no result for this cohort and parameter.
    error NoResult(uint8 rule, uint32 cohort, bytes32 parameter);
    /// @notice The row isn't 32 bytes a member of the header's cohort.
    error RowLength(uint256 expected, uint256 got);
    /// @notice The chunk has no such coordinate, or it is past the last.
    error NoCoordinate(uint64 dimension, uint256 coordinate);
    /// @notice The hints don't have the ranks that they must have.
    error WrongHints(int32 low, int32 high);
    /// @notice The weights aren't those of the header.
    error WrongWeights(bytes32 expected, bytes32 got);

    /// @notice Whether a contract can redo this rule.
    function provable(uint8 rule) internal pure returns (bool) {
        rule &= ~CONFIDENTIAL;
        return rule == MEAN || rule == MEDIAN || rule == TRIMMED_MEAN || rule == SIGN_MAJORITY || rule == WEIGHTED_MEAN;
    }

    /// @notice What the header's rule makes of one coordinate of a row that was proven, and what the aggregate says.
    function redo(RoundHeader calldata header, Row calldata evidence, Hints calldata hints)
        internal
        pure
        returns (int256 expected, int256 got)
    {
        uint256 n = header.cohort;
        if (evidence.row.length != n * MEMBER) revert RowLength(n * MEMBER, evidence.row.length);
        if (hints.coordinate > 7 || uint256(evidence.chunk) * 8 + hints.coordinate >= header.dimension) {
            revert NoCoordinate(header.dimension, hints.coordinate);
        }
        uint256 shift = 224 - 32 * hints.coordinate;
        got = valueAt(evidence.aggregate, shift);
        uint8 rule = header.rule & ~CONFIDENTIAL;
        if (n == 0) revert NoResult(header.rule, header.cohort, header.ruleParameter);
        if (rule == MEAN) {
            expected = floor(sum(evidence.row, shift), n);
        } else if (rule == MEDIAN) {
            expected = middle(evidence.row, shift, n, (n - 1) / 2, hints);
        } else if (rule == TRIMMED_MEAN) {
            uint256 cut = uint256(header.ruleParameter);
            if (cut > (n - 1) / 2) revert NoResult(header.rule, header.cohort, header.ruleParameter);
            expected = middle(evidence.row, shift, n, cut, hints);
        } else if (rule == SIGN_MAJORITY) {
            expected = signs(evidence.row, shift);
        } else if (rule == WEIGHTED_MEAN) {
            expected = weighted(header, evidence.row, shift, hints.weights);
        } else {
            revert RuleNotProvable(header.rule);
        }
    }

    /// @notice The quotient rounded towards negative infinity.
    function floor(int256 dividend, uint256 divisor) internal pure returns (int256 quotient) {
        // Sums here stay below 2^127 and divisors are positive.
        int256 by = int256(divisor);
        quotient = dividend / by;
        if (dividend % by < 0) --quotient;
    }

    function valueAt(bytes32 word, uint256 shift) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := signextend(3, shr(shift, word))
        }
    }

    function sum(bytes calldata row, uint256 shift) private pure returns (int256 total) {
        assembly ("memory-safe") {
            let end := add(row.offset, row.length)
            for { let place := row.offset } lt(place, end) { place := add(place, 32) } {
                total := add(total, signextend(3, shr(shift, calldataload(place))))
            }
        }
    }

    function signs(bytes calldata row, uint256 shift) private pure returns (int256 majority) {
        assembly ("memory-safe") {
            let end := add(row.offset, row.length)
            for { let place := row.offset } lt(place, end) { place := add(place, 32) } {
                let value := signextend(3, shr(shift, calldataload(place)))
                majority := add(majority, sub(sgt(value, 0), slt(value, 0)))
            }
            majority := sub(sgt(majority, 0), slt(majority, 0))
        }
    }

    /// @dev Mean of the values of ranks `cut` to `n - 1 - cut`. `low` and `high` have these ranks exactly if fewer or as many values
    /// lie below as the rank says, and more lie below or at it; every value strictly between them is kept, and of their equals
    /// as many as are left.
    function middle(bytes calldata row, uint256 shift, uint256 n, uint256 cut, Hints calldata hints)
        private
        pure
        returns (int256)
    {
        int256 low = hints.low;
        int256 high = hints.high;
        uint256 below;
        uint256 upToLow;
        uint256 belowHigh;
        uint256 upToHigh;
        int256 between;
        assembly ("memory-safe") {
            let end := add(row.offset, row.length)
            for { let place := row.offset } lt(place, end) { place := add(place, 32) } {
                let value := signextend(3, shr(shift, calldataload(place)))
                let aboveLow := sgt(value, low)
                let underHigh := slt(value, high)
                below := add(below, slt(value, low))
                upToLow := add(upToLow, iszero(aboveLow))
                belowHigh := add(belowHigh, underHigh)
                upToHigh := add(upToHigh, iszero(sgt(value, high)))
                between := add(between, mul(value, and(aboveLow, underHigh)))
            }
        }
        uint256 last = n - 1 - cut;
        if (below > cut || upToLow <= cut || belowHigh > last || upToHigh <= last) {
            revert WrongHints(hints.low, hints.high);
        }
        uint256 kept = n - 2 * cut;
        // Ranks ascend, so that low <= high; where they are equal, so is everything between.
        if (low == high) return low;
        int256 total = between + low * int256(upToLow - cut) + high * int256(last + 1 - belowHigh);
        return floor(total, kept);
    }

    function weighted(RoundHeader calldata header, bytes calldata row, uint256 shift, bytes calldata weights)
        private
        pure
        returns (int256)
    {
        bytes32 got = keccak256(weights);
        if (got != header.ruleParameter || weights.length != uint256(header.cohort) * WEIGHT) {
            revert WrongWeights(header.ruleParameter, got);
        }
        int256 total;
        uint256 divisor;
        assembly ("memory-safe") {
            let end := add(row.offset, row.length)
            let other := weights.offset
            for { let place := row.offset } lt(place, end) { place := add(place, 32) } {
                let weight := shr(192, calldataload(other))
                divisor := add(divisor, weight)
                total := add(total, mul(weight, signextend(3, shr(shift, calldataload(place)))))
                other := add(other, 8)
            }
        }
        if (divisor == 0) revert NoResult(header.rule, header.cohort, header.ruleParameter);
        return floor(total, divisor);
    }
}
