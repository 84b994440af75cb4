// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Trees built the slow way, from their definition; the contract under test only ever checks proofs.
library Trees {
    /// @notice One level up: pairs hashed, an odd end paired with zero.
    function up(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = keccak256(bytes.concat(hex"01", level[2 * i], level[2 * i + 1]));
        }
    }

    /// @notice Leaves filled with zeros up to a power of two.
    function pad(bytes32[] memory leaves) internal pure returns (bytes32[] memory padded) {
        uint256 width = 1;
        while (width < leaves.length) width *= 2;
        padded = new bytes32[](width);
        for (uint256 i = 0; i < leaves.length; ++i) {
            padded[i] = leaves[i];
        }
    }

    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory level = pad(leaves);
        while (level.length > 1) level = up(level);
        return level[0];
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory level = pad(leaves);
        uint256 depth = 0;
        for (uint256 width = level.length; width > 1; width /= 2) {
            ++depth;
        }
        siblings = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            siblings[i] = level[index ^ 1];
            level = up(level);
            index /= 2;
        }
    }
}
