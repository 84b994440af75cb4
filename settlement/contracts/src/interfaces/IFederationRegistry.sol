// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Binding} from "../types/Binding.sol";

/// @title Members of one federation
/// @notice Binds each member's ed25519 node key to one payout address, which also is the member's key for signing rounds.
/// @dev The coordinator admits and removes. It vouches for the ed25519 signature, which everyone can check from the
/// `MemberAdmitted` event; a coordinator that admits a forged one has left the proof on chain. Membership changes at once. The set of
/// signers grows only behind a timelock, in which the members can see a stranger coming, and shrinks at once: a stolen key must go.
/// Founders, those admitted until there was a quorum for the first time, sign at once: there is nobody yet to be outvoted.
/// Each change begins a new epoch of signers.
interface IFederationRegistry {
    /// @notice A member was admitted, or bound anew under a larger nonce.
    /// @param nodeKey The member's ed25519 public key.
    /// @param payout Its address from now on.
    /// @param previousPayout Its address until now; zero for a new member.
    /// @param chainId Chain on which it wants to be paid.
    /// @param nonce Nonce of the binding.
    /// @param expiry Expiry of the binding.
    /// @param payoutSignature Signature by `payout` over the binding's digest (ECDSA or ERC-1271).
    /// @param nodeSignature ed25519 signature (64 bytes) by `nodeKey` over the 32 bytes of the same digest.
    event MemberAdmitted(
        bytes32 indexed nodeKey,
        address indexed payout,
        address previousPayout,
        uint64 chainId,
        uint64 nonce,
        uint64 expiry,
        bytes payoutSignature,
        bytes nodeSignature
    );

    /// @notice A member was removed; its nonces stay used.
    event MemberRemoved(bytes32 indexed nodeKey, address indexed payout);

    /// @notice A new epoch of signers: `account` signs from `signsFrom` (Unix time) on; never again where that is zero.
    event SignersChanged(uint64 indexed epoch, address indexed account, uint64 signsFrom);

    /// @notice The federation id is zero.
    error ZeroFederation();
    /// @notice The coordinator's address is zero.
    error ZeroCoordinator();
    /// @notice The threshold is below what this kind of deployment allows.
    error ThresholdTooLow(uint256 minimum, uint256 threshold);
    /// @notice The timelock must be `minimum` to `maximum` seconds.
    error TimelockOutOfRange(uint64 minimum, uint64 maximum, uint64 timelock);
    /// @notice Only the coordinator may do this.
    error NotCoordinator(address coordinator, address caller);
    /// @notice The binding is for another federation.
    error WrongFederation(bytes32 expected, bytes32 got);
    /// @notice The binding has a zero node key, payout address or payout chain.
    error IncompleteBinding(bytes32 nodeKey, address payout, uint64 chainId);
    /// @notice The binding's expiry has passed.
    error BindingExpired(uint64 expiry, uint256 timestamp);
    /// @notice The binding's nonce isn't above the last one used for this node key.
    error StaleNonce(bytes32 nodeKey, uint64 last, uint64 got);
    /// @notice The payout address belongs to another member.
    error PayoutTaken(address payout, bytes32 nodeKey);
    /// @notice An ed25519 signature has 64 bytes.
    error NodeSignatureLength(uint256 expected, uint256 got);
    /// @notice The payout address didn't sign this binding.
    error InvalidPayoutSignature(address payout, bytes32 digest);
    /// @notice No member has this node key.
    error UnknownMember(bytes32 nodeKey);

    /// @notice Admits a member, or binds a member anew (other payout address or chain) under a larger nonce.
    /// @param binding What both keys signed.
    /// @param payoutSignature By `binding.payout`: 65 bytes of ECDSA, or whatever its ERC-1271 contract accepts.
    /// @param nodeSignature 64 bytes of ed25519, carried in the event and not checked here.
    function admit(Binding calldata binding, bytes calldata payoutSignature, bytes calldata nodeSignature) external;

    /// @notice Removes a member. Allowed even below the threshold: a stolen key must go at once, and no round is posted
    /// until enough members are there again.
    function remove(bytes32 nodeKey) external;

    /// @notice Federation that this registry is for.
    function federation() external view returns (bytes32);

    /// @notice Address that admits and removes.
    function coordinator() external view returns (address);

    /// @notice Number of distinct members that must sign a round.
    function threshold() external view returns (uint256);

    /// @notice Seconds between a new payout address being bound and its signatures counting.
    function timelock() external view returns (uint64);

    /// @notice Whether there has been a quorum: from then on the timelock holds, however few members are left.
    function founded() external view returns (bool);

    /// @notice Number of the current epoch of signers: how often the set was changed.
    function signerEpoch() external view returns (uint64);

    /// @notice From when on an address signs (Unix time); zero if it isn't a member's.
    function signsFrom(address payout) external view returns (uint64);

    /// @notice For a quorum: how many must sign, and the index of the first of these addresses that doesn't sign now; their
    /// number if all do. That they differ from each other is the caller's to see to.
    function countSigners(address[] calldata accounts) external view returns (uint256 needed, uint256 stranger);

    /// @notice Whether this is the in-process chain of one operator, where a threshold of 1 and no delay are allowed.
    function embedded() external view returns (bool);

    /// @notice Number of members.
    function memberCount() external view returns (uint256);

    /// @notice Whether the address is a member's payout address.
    function isMember(address payout) external view returns (bool);

    /// @notice Payout address of a node key; zero if it isn't a member.
    function payoutOf(bytes32 nodeKey) external view returns (address);

    /// @notice Chain on which a member wants to be paid; zero if it isn't a member.
    function payoutChainOf(bytes32 nodeKey) external view returns (uint64);

    /// @notice Node key of a payout address; zero if it isn't a member's.
    function nodeKeyOf(address payout) external view returns (bytes32);

    /// @notice Last nonce used for a node key, removed members included.
    function nonceOf(bytes32 nodeKey) external view returns (uint64);

    /// @notice EIP-712 domain separator of bindings: `EIP712Domain(string name,string version,bytes32 salt)` with name "xfl",
    /// version "1" and salt keccak256(abi.encode(chain id, this registry, federation)).
    function domainSeparator() external view returns (bytes32);

    /// @notice The 32 bytes that both keys sign.
    function bindingDigest(Binding calldata binding) external view returns (bytes32);
}
