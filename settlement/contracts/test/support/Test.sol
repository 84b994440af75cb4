// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheatcodes that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function prank(address sender, address origin) external;
    function warp(uint256 timestamp) external;
    /// @dev `block.timestamp` in a test may be read once for a whole function, whatever is warped: the optimiser takes it for constant.
    function getBlockTimestamp() external view returns (uint256);
    function chainId(uint256 id) external;
    function deal(address account, uint256 balance) external;
    function store(address target, bytes32 slot, bytes32 value) external;
    function etch(address target, bytes calldata code) external;
    function assume(bool condition) external pure;
    function label(address account, string calldata name) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function readFile(string calldata path) external view returns (string memory);
    function writeFile(string calldata path, string calldata text) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytesArray(string calldata json, string calldata key) external pure returns (bytes[] memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonBytes32Array(string calldata json, string calldata key) external pure returns (bytes32[] memory);
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function envOr(string calldata name, bool otherwise) external view returns (bool);
    function toString(bytes32 value) external pure returns (string memory);
    function toString(address value) external pure returns (string memory);
    function toString(bytes calldata value) external pure returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function toString(int256 value) external pure returns (string memory);
}

/// @notice Base of every test: cheatcodes and the few assertions needed.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error NotEqualWord(string what, bytes32 expected, bytes32 got);
    error NotEqualNumber(string what, uint256 expected, uint256 got);
    error NotAtMost(string what, uint256 maximum, uint256 got);
    error NotTrue(string what);

    function assertEq(bytes32 got, bytes32 expected, string memory what) internal pure {
        if (got != expected) revert NotEqualWord(what, expected, got);
    }

    function assertEq(uint256 got, uint256 expected, string memory what) internal pure {
        if (got != expected) revert NotEqualNumber(what, expected, got);
    }

    function assertEq(address got, address expected, string memory what) internal pure {
        assertEq(bytes32(uint256(uint160(got))), bytes32(uint256(uint160(expected))), what);
    }

    function assertAtMost(uint256 got, uint256 maximum, string memory what) internal pure {
        if (got > maximum) revert NotAtMost(what, maximum, got);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    /// @notice Maps any word into `low..=high`.
    function bound(uint256 word, uint256 low, uint256 high) internal pure returns (uint256) {
        uint256 width = high - low + 1;
        return width == 0 ? word : low + word % width;
    }
}
