// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Writes JSON in the order of the calls, so that the same values give the same bytes.
library Json {
    function object() internal pure returns (string memory) {
        return "{";
    }

    function array() internal pure returns (string memory) {
        return "[";
    }

    function quoted(string memory value) internal pure returns (string memory) {
        return string.concat("\"", value, "\"");
    }

    function text(string memory self, string memory key, string memory value) internal pure returns (string memory) {
        return field(self, key, quoted(value));
    }

    function field(string memory self, string memory key, string memory json) internal pure returns (string memory) {
        return item(self, string.concat(quoted(key), ": ", json));
    }

    function item(string memory self, string memory json) internal pure returns (string memory) {
        return string.concat(self, bytes(self).length == 1 ? "" : ", ", json);
    }

    function close(string memory self) internal pure returns (string memory) {
        return string.concat(self, "}");
    }

    function closeArray(string memory self) internal pure returns (string memory) {
        return string.concat(self, "]");
    }
}
