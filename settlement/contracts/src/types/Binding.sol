// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A member's node key and payout address, each signing for the other.
/// @dev The payout address signs the EIP-712 digest on chain; the node key signs the same 32 bytes with ed25519, which
/// travels in the event and is checked by every peer and auditor, because the EVM can't check it at a sane price.
/// @param federation Federation that the binding is for.
/// @param nodeKey Raw ed25519 public key, 32 bytes.
/// @param payout Address that signs rounds and receives rewards.
/// @param chainId Chain on which the member wants to be paid (EIP-155); it need not be the registry's.
/// @param nonce Strictly above every nonce used before for this node key, thus at least 1.
/// @param expiry Last second (Unix time) at which the binding may be admitted.
struct Binding {
    bytes32 federation;
    bytes32 nodeKey;
    address payout;
    uint64 chainId;
    uint64 nonce;
    uint64 expiry;
}

bytes32 constant BINDING_TYPEHASH =
    keccak256("Binding(bytes32 federation,bytes32 nodeKey,address payout,uint64 chainId,uint64 nonce,uint64 expiry)");

/// @notice EIP-712 `hashStruct` of a binding.
function hashBinding(Binding calldata binding) pure returns (bytes32) {
    return keccak256(
        abi.encode(
            BINDING_TYPEHASH,
            binding.federation,
            binding.nodeKey,
            binding.payout,
            binding.chainId,
            binding.nonce,
            binding.expiry
        )
    );
}
