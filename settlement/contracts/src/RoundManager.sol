// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IFederationRegistry} from "./interfaces/IFederationRegistry.sol";
import {IRootSource} from "./interfaces/IRootSource.sol";
import {IRoundManager} from "./interfaces/IRoundManager.sol";
import {FederationDomain} from "./libraries/FederationDomain.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {RoundHeader, hashRoundHeader} from "./types/RoundHeader.sol";

/// @title Rounds of one federation on its home chain
/// @notice See `IRoundManager`.
contract RoundManager is IRoundManager {
    /// @dev 192 bits hold the largest cap times the number of rounds, so that a posted budget always fits.
    struct Round {
        bytes32 digest;
        bytes32 rewardRoot;
        uint192 cumulativeBudget;
        uint64 activeAt;
    }

    uint256 private constant MAX_CAP = type(uint128).max;
    uint64 private constant MAX_DELAY = 365 days;

    IFederationRegistry private immutable _registry;
    bytes32 private immutable _federation;
    uint256 private immutable _homeChainId;
    uint256 private immutable _perRoundCap;
    uint64 private immutable _activationDelay;
    bytes32 private immutable _domainSeparator;

    uint64 private _latest;
    mapping(uint64 round => Round) private _rounds;
    mapping(bytes32 digest => bool) private _vetoed;

    /// @param registry_ Registry of the federation whose members sign.
    /// @param perRoundCap_ The most that the cumulative budget may rise in one round.
    /// @param activationDelay_ Seconds before a root is claimable: at least 1, or 0 when the registry is embedded.
    constructor(IFederationRegistry registry_, uint256 perRoundCap_, uint64 activationDelay_) {
        if (address(registry_) == address(0)) revert ZeroRegistry();
        if (perRoundCap_ == 0 || perRoundCap_ > MAX_CAP) revert CapOutOfRange(MAX_CAP, perRoundCap_);
        uint64 minimum = registry_.embedded() ? 0 : 1;
        if (activationDelay_ < minimum || activationDelay_ > MAX_DELAY) {
            revert DelayOutOfRange(minimum, MAX_DELAY, activationDelay_);
        }
        bytes32 federation_ = registry_.federation();
        _registry = registry_;
        _federation = federation_;
        _homeChainId = block.chainid;
        _perRoundCap = perRoundCap_;
        _activationDelay = activationDelay_;
        _domainSeparator = FederationDomain.separator(block.chainid, address(this), federation_);
    }

    /// @inheritdoc IRoundManager
    function postRound(RoundHeader calldata header, bytes[] calldata signatures) external {
        bytes32 digest = digestOf(header);
        _checkPlace(header, digest);
        address[] memory signers = Quorum.check(_registry, digest, signatures);

        uint64 activeAt_ = uint64(block.timestamp) + _activationDelay;
        _latest = header.round;
        _rounds[header.round] = Round({
            digest: digest,
            rewardRoot: header.rewardRoot,
            // At most MAX_CAP (128 bits) for each of at most 2^64 rounds.
            cumulativeBudget: uint192(header.cumulativeBudget),
            activeAt: activeAt_
        });
        emit RoundPosted(header.round, digest, header.rewardRoot, activeAt_, header, signers);
    }

    /// @inheritdoc IRoundManager
    function veto(uint64 round) external {
        address coordinator = _registry.coordinator();
        if (msg.sender != coordinator) revert NotCoordinator(coordinator, msg.sender);
        uint64 latest = _latest;
        if (round == 0 || round > latest) revert UnknownRound(round, latest);
        Round storage posted = _rounds[round];
        uint64 activeAt_ = posted.activeAt;
        if (block.timestamp >= activeAt_) revert RoundAlreadyActive(round, activeAt_);
        // Later rounds fall with it: each commits to its parent's digest, and this one can't come back.
        bytes32 digest = posted.digest;
        _vetoed[digest] = true;
        _latest = round - 1;
        emit RoundVetoed(round, digest, latest);
    }

    /// @inheritdoc IRootSource
    function activeRoot(uint64 round) external view returns (bytes32 root, uint256 budget) {
        Round storage posted = _rounds[round];
        uint64 activeAt_ = round <= _latest ? posted.activeAt : 0;
        if (activeAt_ == 0 || block.timestamp < activeAt_) revert RoundNotActive(round, activeAt_);
        return (posted.rewardRoot, posted.cumulativeBudget);
    }

    /// @inheritdoc IRootSource
    function federation() external view returns (bytes32) {
        return _federation;
    }

    /// @inheritdoc IRoundManager
    function registry() external view returns (IFederationRegistry) {
        return _registry;
    }

    /// @inheritdoc IRoundManager
    function homeChainId() external view returns (uint256) {
        return _homeChainId;
    }

    /// @inheritdoc IRoundManager
    function perRoundCap() external view returns (uint256) {
        return _perRoundCap;
    }

    /// @inheritdoc IRoundManager
    function activationDelay() external view returns (uint64) {
        return _activationDelay;
    }

    /// @inheritdoc IRoundManager
    function latestRound() external view returns (uint64) {
        return _latest;
    }

    /// @inheritdoc IRoundManager
    function headerDigest(uint64 round) external view returns (bytes32) {
        return round <= _latest ? _rounds[round].digest : bytes32(0);
    }

    /// @inheritdoc IRoundManager
    function rewardRoot(uint64 round) external view returns (bytes32) {
        return round <= _latest ? _rounds[round].rewardRoot : bytes32(0);
    }

    /// @inheritdoc IRoundManager
    function cumulativeBudget(uint64 round) external view returns (uint256) {
        return round <= _latest ? _rounds[round].cumulativeBudget : 0;
    }

    /// @inheritdoc IRoundManager
    function activeAt(uint64 round) public view returns (uint64) {
        return round <= _latest ? _rounds[round].activeAt : 0;
    }

    /// @inheritdoc IRoundManager
    function isActive(uint64 round) external view returns (bool) {
        uint64 activeAt_ = activeAt(round);
        return activeAt_ != 0 && block.timestamp >= activeAt_;
    }

    /// @inheritdoc IRoundManager
    function isVetoed(bytes32 digest) external view returns (bool) {
        return _vetoed[digest];
    }

    /// @inheritdoc IRoundManager
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator;
    }

    /// @inheritdoc IRoundManager
    function digestOf(RoundHeader calldata header) public view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domainSeparator, hashRoundHeader(header));
    }

    /// @dev The header must be the next one: its number, its parent and its budget follow from the last.
    function _checkPlace(RoundHeader calldata header, bytes32 digest) private view {
        if (header.federation != _federation) revert WrongFederation(_federation, header.federation);
        uint64 latest = _latest;
        if (header.round == 0) revert RoundOutOfOrder(latest + 1, 0);
        if (header.round <= latest) {
            bytes32 posted = _rounds[header.round].digest;
            if (posted == digest) revert AlreadyPosted(header.round, digest);
            revert ConflictingHeader(header.round, posted, digest);
        }
        if (header.round != latest + 1) revert RoundOutOfOrder(latest + 1, header.round);
        if (_vetoed[digest]) revert HeaderVetoed(header.round, digest);
        // Round 0 is never written: its digest and budget are zero.
        Round storage previous = _rounds[latest];
        if (header.parent != previous.digest) revert WrongParent(previous.digest, header.parent);
        uint256 floor = previous.cumulativeBudget;
        if (header.cumulativeBudget < floor) revert BudgetDecreased(floor, header.cumulativeBudget);
        if (header.cumulativeBudget > floor + _perRoundCap) {
            revert BudgetAboveCap(floor + _perRoundCap, header.cumulativeBudget);
        }
    }
}
