// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Rules} from "../../src/libraries/Rules.sol";
import {Hints, Opening, Row} from "../../src/types/Evidence.sol";
import {Input, REFUSED, Receipt} from "../../src/types/Input.sol";
import {RoundHeader} from "../../src/types/RoundHeader.sol";
import {Federation} from "./Federation.sol";
import {InputHash} from "./InputHash.sol";
import {Reference} from "./Reference.sol";
import {Trees} from "./Trees.sol";

/// @notice A federation whose rounds have real rows, inputs and aggregates, so that lies about them can be told and proved.
abstract contract Lies is Federation {
    /// @notice What everyone sent, and what was made of it.
    struct Cohort {
        uint8 rule;
        uint256 cut;
        uint256 dimension;
        int32[][] updates;
        uint64[] weights;
        int32[] aggregate;
        Input[] inputs;
        bytes32[][] commitmentLeaves;
    }

    bytes16 internal constant SALT = bytes16(keccak256("salt"));
    InputHash internal inputHash;

    function setUp() public virtual override {
        super.setUp();
        inputHash = new InputHash();
    }

    // Rounds with a content

    /// @notice Random updates of `n` members, some extreme, many tied, and the aggregate that the rule gives.
    function cohortOf(uint8 rule, uint256 n, uint256 dimension, uint256 seed) internal pure returns (Cohort memory c) {
        (c.rule, c.dimension) = (rule, dimension);
        c.cut = rule == Rules.TRIMMED_MEAN ? seed % ((n - 1) / 2 + 1) : 0;
        c.updates = new int32[][](n);
        c.weights = new uint64[](n);
        for (uint256 i = 0; i < n; ++i) {
            c.updates[i] = new int32[](dimension);
            c.weights[i] = uint64(1 + word(seed, i, 1 << 40) % 1_000);
            for (uint256 k = 0; k < dimension; ++k) {
                c.updates[i][k] = valueFrom(word(seed, i, k));
            }
        }
        aggregateHonestly(c);
        commitTo(c);
    }

    function word(uint256 seed, uint256 i, uint256 k) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i, k)));
    }

    /// @dev A third ties among few values, a few lie at the ends of the range.
    function valueFrom(uint256 draw) internal pure returns (int32) {
        uint256 kind = draw % 16;
        if (kind == 0) return type(int32).min;
        if (kind == 1) return type(int32).max;
        if (kind < 8) return int32(int256((draw >> 8) % 5)) - 2;
        return int32(uint32(draw >> 8));
    }

    function aggregateHonestly(Cohort memory c) internal pure {
        c.aggregate = new int32[](c.dimension);
        for (uint256 k = 0; k < c.dimension; ++k) {
            c.aggregate[k] = int32(Reference.result(c.rule, c.cut, column(c, k), c.weights));
        }
    }

    function column(Cohort memory c, uint256 k) internal pure returns (int32[] memory values) {
        values = new int32[](c.updates.length);
        for (uint256 i = 0; i < values.length; ++i) {
            values[i] = c.updates[i][k];
        }
    }

    /// @dev Everyone's commitment to its own update, and one that was received and refused, in the order of keys.
    function commitTo(Cohort memory c) internal pure {
        uint256 n = c.updates.length;
        c.commitmentLeaves = new bytes32[][](n);
        c.inputs = new Input[](n + 1);
        for (uint256 i = 0; i < n; ++i) {
            c.commitmentLeaves[i] = new bytes32[](chunks(c));
            for (uint256 k = 0; k < chunks(c); ++k) {
                c.commitmentLeaves[i][k] = keccak256(abi.encodePacked(uint8(2), SALT, chunkOf(c.updates[i], k)));
            }
            c.inputs[i] = Input(sender(i), Trees.root(c.commitmentLeaves[i]), uint32(i));
        }
        c.inputs[n] = Input(sender(n), keccak256("refused"), REFUSED);
    }

    /// @dev Ascending, with gaps between.
    function sender(uint256 i) internal pure returns (bytes32) {
        return bytes32((i + 1) << 128);
    }

    function chunks(Cohort memory c) internal pure returns (uint256) {
        return (c.dimension + 7) / 8;
    }

    function chunkOf(int32[] memory values, uint256 k) internal pure returns (bytes32 packed) {
        for (uint256 j = 0; j < 8 && 8 * k + j < values.length; ++j) {
            packed |= bytes32(uint256(uint32(values[8 * k + j])) << (224 - 32 * j));
        }
    }

    function rowOf(Cohort memory c, uint256 k) internal pure returns (bytes memory row) {
        for (uint256 i = 0; i < c.updates.length; ++i) {
            row = bytes.concat(row, chunkOf(c.updates[i], k));
        }
    }

    function rowLeaves(Cohort memory c) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](chunks(c));
        for (uint256 k = 0; k < list.length; ++k) {
            list[k] = keccak256(bytes.concat(hex"00", keccak256(rowOf(c, k))));
        }
    }

    function aggregateLeaves(Cohort memory c) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](chunks(c));
        for (uint256 k = 0; k < list.length; ++k) {
            list[k] = keccak256(bytes.concat(hex"00", keccak256(bytes.concat(chunkOf(c.aggregate, k)))));
        }
    }

    function inputLeaves(Cohort memory c) internal view returns (bytes32[] memory list) {
        list = new bytes32[](c.inputs.length);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = inputHash.leaf(uint32(c.inputs.length), c.inputs[i]);
        }
    }

    function weightsOf(Cohort memory c) internal pure returns (bytes memory packed) {
        for (uint256 i = 0; i < c.weights.length; ++i) {
            packed = bytes.concat(packed, bytes8(c.weights[i]));
        }
    }

    function headerOf(Cohort memory c) internal view returns (RoundHeader memory header) {
        header = nextHeader(keccak256("rewards"), latestBudget());
        (header.rule, header.cohort, header.dimension) = (c.rule, uint32(c.updates.length), uint64(c.dimension));
        if (c.rule == Rules.TRIMMED_MEAN) header.ruleParameter = bytes32(c.cut);
        if (c.rule == Rules.WEIGHTED_MEAN) header.ruleParameter = keccak256(weightsOf(c));
        header.rowRoot = Trees.root(rowLeaves(c));
        header.aggregateRoot = Trees.root(aggregateLeaves(c));
        header.inputRoot = Trees.root(inputLeaves(c));
    }

    function posted(Cohort memory c) internal returns (RoundHeader memory header) {
        header = headerOf(c);
        post(header);
    }

    // Evidence

    function evidence(Cohort memory c, uint256 k) internal pure returns (Row memory) {
        return Row({
            chunk: uint64(k),
            row: rowOf(c, k),
            rowProof: Trees.proof(rowLeaves(c), k),
            aggregate: chunkOf(c.aggregate, k),
            aggregateProof: Trees.proof(aggregateLeaves(c), k)
        });
    }

    function hints(Cohort memory c, uint256 k) internal pure returns (Hints memory h) {
        int32[] memory ascending = Reference.sorted(column(c, k));
        uint256 n = ascending.length;
        uint256 cut = c.rule == Rules.MEDIAN ? (n - 1) / 2 : c.cut;
        h = Hints(k % 8, ascending[cut], ascending[n - 1 - cut], "");
        if (c.rule == Rules.WEIGHTED_MEAN) h.weights = weightsOf(c);
    }

    function opening(Cohort memory c, uint256 member, uint256 k) internal view returns (Opening memory) {
        return Opening({
            index: member,
            inputProof: Trees.proof(inputLeaves(c), member),
            salt: SALT,
            values: chunkOf(c.updates[member], k),
            proof: Trees.proof(c.commitmentLeaves[member], k)
        });
    }

    function gap(Cohort memory c, uint256 index)
        internal
        view
        returns (Input[] memory neighbours, bytes32[][] memory proofs)
    {
        uint256 count = c.inputs.length;
        uint256 first = index == 0 ? 0 : index - 1;
        uint256 last = index < count ? index : index - 1;
        neighbours = new Input[](last - first + 1);
        proofs = new bytes32[][](neighbours.length);
        for (uint256 i = first; i <= last; ++i) {
            neighbours[i - first] = c.inputs[i];
            proofs[i - first] = Trees.proof(inputLeaves(c), i);
        }
    }

    function receiptOf(RoundHeader memory header, bytes32 nodeKey, bytes32 commitment)
        internal
        pure
        returns (Receipt memory)
    {
        return Receipt(FEDERATION, header.round, header.attempt, nodeKey, commitment);
    }

    // Stakes

    function stake(address account, uint256 amount) internal {
        vm.prank(TREASURY);
        token.approve(address(vault), amount);
        vm.prank(TREASURY);
        vault.deposit(account, amount);
    }
}
