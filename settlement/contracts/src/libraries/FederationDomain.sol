// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title EIP-712 domain of a federation
/// @notice `EIP712Domain(string name,string version,bytes32 salt)`, name "xfl", version "1". The salt names the home chain, the
/// contract that checks the signatures there, and the federation: signatures made for one serve mirrors on every chain, and
/// nothing replays between deployments.
library FederationDomain {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256("EIP712Domain(string name,string version,bytes32 salt)");

    function salt(uint256 homeChainId, address home, bytes32 federation) internal pure returns (bytes32) {
        return keccak256(abi.encode(homeChainId, home, federation));
    }

    function separator(uint256 homeChainId, address home, bytes32 federation) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(DOMAIN_TYPEHASH, keccak256("xfl"), keccak256("1"), salt(homeChainId, home, federation))
            );
    }
}
