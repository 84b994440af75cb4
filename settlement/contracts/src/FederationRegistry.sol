// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IFederationRegistry} from "./interfaces/IFederationRegistry.sol";
import {FederationDomain} from "./libraries/FederationDomain.sol";
import {Binding, hashBinding} from "./types/Binding.sol";

/// @title Members of one federation
/// @notice See `IFederationRegistry`.
contract FederationRegistry is IFederationRegistry {
    struct Member {
        address payout;
        uint64 nonce;
        uint64 chainId;
    }

    uint256 private constant NODE_SIGNATURE_LENGTH = 64;
    uint64 private constant MAX_TIMELOCK = 90 days;

    bytes32 private immutable _federation;
    address private immutable _coordinator;
    uint256 private immutable _threshold;
    uint64 private immutable _timelock;
    bool private immutable _embedded;
    bytes32 private immutable _domainSeparator;

    uint128 private _memberCount;
    uint64 private _signerEpoch;
    bool private _founded;
    mapping(bytes32 nodeKey => Member) private _members;
    mapping(address payout => bytes32 nodeKey) private _nodeKeys;
    mapping(address payout => uint64 time) private _signsFrom;

    /// @param federation_ Federation whose members are kept here.
    /// @param coordinator_ Address that admits and removes.
    /// @param threshold_ Distinct members that must sign a round: at least 2, or at least 1 when embedded.
    /// @param timelock_ Seconds before a new address signs: at least 1, or 0 when embedded.
    /// @param embedded_ Whether this is the in-process chain of one operator.
    constructor(bytes32 federation_, address coordinator_, uint256 threshold_, uint64 timelock_, bool embedded_) {
        if (federation_ == 0) revert ZeroFederation();
        if (coordinator_ == address(0)) revert ZeroCoordinator();
        uint256 minimum = embedded_ ? 1 : 2;
        if (threshold_ < minimum) revert ThresholdTooLow(minimum, threshold_);
        uint64 shortest = embedded_ ? 0 : 1;
        if (timelock_ < shortest || timelock_ > MAX_TIMELOCK) {
            revert TimelockOutOfRange(shortest, MAX_TIMELOCK, timelock_);
        }
        _federation = federation_;
        _coordinator = coordinator_;
        _threshold = threshold_;
        _timelock = timelock_;
        _embedded = embedded_;
        _domainSeparator = FederationDomain.separator(block.chainid, address(this), federation_);
    }

    modifier onlyCoordinator() {
        if (msg.sender != _coordinator) revert NotCoordinator(_coordinator, msg.sender);
        _;
    }

    /// @inheritdoc IFederationRegistry
    function admit(Binding calldata binding, bytes calldata payoutSignature, bytes calldata nodeSignature)
        external
        onlyCoordinator
    {
        if (nodeSignature.length != NODE_SIGNATURE_LENGTH) {
            revert NodeSignatureLength(NODE_SIGNATURE_LENGTH, nodeSignature.length);
        }
        _checkTerms(binding);
        bytes32 digest = bindingDigest(binding);
        if (!SignatureChecker.isValidSignatureNowCalldata(binding.payout, digest, payoutSignature)) {
            revert InvalidPayoutSignature(binding.payout, digest);
        }
        address previousPayout = _bind(binding);
        emit MemberAdmitted(
            binding.nodeKey,
            binding.payout,
            previousPayout,
            binding.chainId,
            binding.nonce,
            binding.expiry,
            payoutSignature,
            nodeSignature
        );
    }

    /// @inheritdoc IFederationRegistry
    function remove(bytes32 nodeKey) external onlyCoordinator {
        Member storage member = _members[nodeKey];
        address payout = member.payout;
        if (payout == address(0)) revert UnknownMember(nodeKey);
        member.payout = address(0);
        member.chainId = 0;
        delete _nodeKeys[payout];
        _memberCount -= 1;
        emit MemberRemoved(nodeKey, payout);
        _setSigner(payout, 0);
    }

    /// @inheritdoc IFederationRegistry
    function federation() external view returns (bytes32) {
        return _federation;
    }

    /// @inheritdoc IFederationRegistry
    function coordinator() external view returns (address) {
        return _coordinator;
    }

    /// @inheritdoc IFederationRegistry
    function threshold() external view returns (uint256) {
        return _threshold;
    }

    /// @inheritdoc IFederationRegistry
    function timelock() external view returns (uint64) {
        return _timelock;
    }

    /// @inheritdoc IFederationRegistry
    function founded() external view returns (bool) {
        return _founded;
    }

    /// @inheritdoc IFederationRegistry
    function signerEpoch() external view returns (uint64) {
        return _signerEpoch;
    }

    /// @inheritdoc IFederationRegistry
    function signsFrom(address payout) external view returns (uint64) {
        return _signsFrom[payout];
    }

    /// @inheritdoc IFederationRegistry
    function countSigners(address[] calldata accounts) external view returns (uint256, uint256 stranger) {
        uint256 count = accounts.length;
        while (stranger < count) {
            uint64 from = _signsFrom[accounts[stranger]];
            if (from == 0 || block.timestamp < from) break;
            ++stranger;
        }
        return (_threshold, stranger);
    }

    /// @inheritdoc IFederationRegistry
    function embedded() external view returns (bool) {
        return _embedded;
    }

    /// @inheritdoc IFederationRegistry
    function memberCount() external view returns (uint256) {
        return _memberCount;
    }

    /// @inheritdoc IFederationRegistry
    function isMember(address payout) external view returns (bool) {
        return _nodeKeys[payout] != 0;
    }

    /// @inheritdoc IFederationRegistry
    function payoutOf(bytes32 nodeKey) external view returns (address) {
        return _members[nodeKey].payout;
    }

    /// @inheritdoc IFederationRegistry
    function payoutChainOf(bytes32 nodeKey) external view returns (uint64) {
        return _members[nodeKey].chainId;
    }

    /// @inheritdoc IFederationRegistry
    function nodeKeyOf(address payout) external view returns (bytes32) {
        return _nodeKeys[payout];
    }

    /// @inheritdoc IFederationRegistry
    function nonceOf(bytes32 nodeKey) external view returns (uint64) {
        return _members[nodeKey].nonce;
    }

    /// @inheritdoc IFederationRegistry
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator;
    }

    /// @inheritdoc IFederationRegistry
    function bindingDigest(Binding calldata binding) public view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domainSeparator, hashBinding(binding));
    }

    /// @dev Everything about a binding but its signatures.
    function _checkTerms(Binding calldata binding) private view {
        if (binding.federation != _federation) revert WrongFederation(_federation, binding.federation);
        if (binding.nodeKey == 0 || binding.payout == address(0) || binding.chainId == 0) {
            revert IncompleteBinding(binding.nodeKey, binding.payout, binding.chainId);
        }
        if (block.timestamp > binding.expiry) revert BindingExpired(binding.expiry, block.timestamp);
        uint64 last = _members[binding.nodeKey].nonce;
        if (binding.nonce <= last) revert StaleNonce(binding.nodeKey, last, binding.nonce);
        bytes32 holder = _nodeKeys[binding.payout];
        if (holder != 0 && holder != binding.nodeKey) revert PayoutTaken(binding.payout, holder);
    }

    function _setSigner(address payout, uint64 from) private {
        _signsFrom[payout] = from;
        _signerEpoch += 1;
        emit SignersChanged(_signerEpoch, payout, from);
    }

    /// @dev Keeps `_members` and `_nodeKeys` inverse to each other.
    function _bind(Binding calldata binding) private returns (address previousPayout) {
        Member storage member = _members[binding.nodeKey];
        previousPayout = member.payout;
        if (previousPayout == address(0)) {
            _memberCount += 1;
        } else {
            delete _nodeKeys[previousPayout];
        }
        if (previousPayout != binding.payout) {
            if (previousPayout != address(0)) _setSigner(previousPayout, 0);
            _setSigner(binding.payout, uint64(block.timestamp) + (_founded ? _timelock : 0));
            if (_memberCount >= _threshold) _founded = true;
        }
        member.payout = binding.payout;
        member.nonce = binding.nonce;
        member.chainId = binding.chainId;
        _nodeKeys[binding.payout] = binding.nodeKey;
    }
}
