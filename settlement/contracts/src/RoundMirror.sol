// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IFederationRegistry} from "./interfaces/IFederationRegistry.sol";
import {IRootSource} from "./interfaces/IRootSource.sol";
import {IRoundManager} from "./interfaces/IRoundManager.sol";
import {IRoundMirror} from "./interfaces/IRoundMirror.sol";
import {FederationDomain} from "./libraries/FederationDomain.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {RoundHeader, hashRoundHeader, isTransaction} from "./types/RoundHeader.sol";

/// @title Rounds of a federation on a chain that isn't its home
/// @notice See `IRoundMirror`.
contract RoundMirror is IRoundMirror {
    struct Round {
        bytes32 digest;
        uint64 previous;
        uint64 activeAt;
        uint128 budget;
    }

    uint256 private constant MAX_CAP = type(uint128).max;
    uint64 private constant MAX_DELAY = 365 days;

    IFederationRegistry private immutable _registry;
    bytes32 private immutable _federation;
    uint256 private immutable _homeChainId;
    address private immutable _home;
    uint256 private immutable _perRoundCap;
    uint64 private immutable _activationDelay;
    bytes32 private immutable _domainSeparator;

    uint64 private _latest;
    mapping(uint64 round => Round) private _rounds;
    mapping(bytes32 digest => bool) private _void;

    /// @param registry_ Registry on this chain of the federation whose members sign.
    /// @param homeChainId_ The round manager's chain.
    /// @param home_ The round manager's address there.
    /// @param perRoundCap_ The most that the cumulative budget may rise in one round.
    /// @param activationDelay_ Seconds before a root is claimable, at least 1.
    constructor(
        IFederationRegistry registry_,
        uint256 homeChainId_,
        address home_,
        uint256 perRoundCap_,
        uint64 activationDelay_
    ) {
        if (address(registry_) == address(0)) revert IRoundManager.ZeroRegistry();
        if (homeChainId_ == block.chainid || home_ == address(0)) revert NoMirror(homeChainId_, home_);
        if (perRoundCap_ == 0 || perRoundCap_ > MAX_CAP) revert IRoundManager.CapOutOfRange(MAX_CAP, perRoundCap_);
        if (activationDelay_ == 0 || activationDelay_ > MAX_DELAY) {
            revert IRoundManager.DelayOutOfRange(1, MAX_DELAY, activationDelay_);
        }
        bytes32 federation_ = registry_.federation();
        _registry = registry_;
        _federation = federation_;
        _homeChainId = homeChainId_;
        _home = home_;
        _perRoundCap = perRoundCap_;
        _activationDelay = activationDelay_;
        _domainSeparator = FederationDomain.separator(homeChainId_, home_, federation_);
    }

    /// @inheritdoc IRoundMirror
    function postRound(RoundHeader calldata header, bytes calldata signatures) external {
        bytes32 digest = digestOf(header);
        uint64 latest = _latest;
        _checkPlace(latest, header, digest);
        address[] memory signers = Quorum.check(_registry, digest, signatures);

        uint64 activeAt_ = uint64(block.timestamp) + _activationDelay;
        _latest = header.round;
        _rounds[header.round] =
            Round({digest: digest, previous: latest, activeAt: activeAt_, budget: uint128(header.cumulativeBudget)});
        emit RoundMirrored(header.round, digest, activeAt_, signers);
        if (!isTransaction()) emit HeaderTold(header.round, digest, header, signatures);
    }

    /// @inheritdoc IRoundMirror
    function veto(uint64 round) external {
        address coordinator = _registry.coordinator();
        if (msg.sender != coordinator) revert IRoundManager.NotCoordinator(coordinator, msg.sender);
        uint64 last = _latest;
        Round storage mirrored = _rounds[round];
        if (headerDigest(round) == 0) revert IRoundManager.UnknownRound(round, last);
        if (isActive(round)) revert IRoundManager.RoundAlreadyActive(round, mirrored.activeAt);
        _void[mirrored.digest] = true;
        uint64 previous = mirrored.previous;
        emit RoundVoided(round, mirrored.digest, last);
        _latest = previous;
        // A round that was mirrored between must not come back when a later one raises the number again. Where those are too many for
        // one transaction, the coordinator vetoes the later ones first.
        while (last > previous) {
            uint64 next = _rounds[last].previous;
            delete _rounds[last];
            last = next;
        }
    }

    /// @inheritdoc IRootSource
    function requireActive(RoundHeader calldata header) external view {
        uint64 round = header.round;
        if (!isActive(round)) revert RoundNotActive(round, activeAt(round));
        bytes32 digest = digestOf(header);
        if (digest != _rounds[round].digest) revert NotPosted(round, _rounds[round].digest, digest);
    }

    /// @inheritdoc IRootSource
    function federation() external view returns (bytes32) {
        return _federation;
    }

    /// @inheritdoc IRoundMirror
    function registry() external view returns (IFederationRegistry) {
        return _registry;
    }

    /// @inheritdoc IRoundMirror
    function home() external view returns (uint256 chainId, address manager) {
        return (_homeChainId, _home);
    }

    /// @inheritdoc IRoundMirror
    function latestRound() external view returns (uint64) {
        return _latest;
    }

    /// @inheritdoc IRoundMirror
    function headerDigest(uint64 round) public view returns (bytes32) {
        return _rounds[round].digest;
    }

    /// @inheritdoc IRoundMirror
    function activeAt(uint64 round) public view returns (uint64) {
        return _rounds[round].activeAt;
    }

    /// @inheritdoc IRoundMirror
    function isActive(uint64 round) public view returns (bool) {
        uint64 activeAt_ = _rounds[round].activeAt;
        return activeAt_ != 0 && block.timestamp >= activeAt_;
    }

    /// @inheritdoc IRoundMirror
    function isVoided(bytes32 digest) external view returns (bool) {
        return _void[digest];
    }

    /// @inheritdoc IRoundMirror
    function perRoundCap() external view returns (uint256) {
        return _perRoundCap;
    }

    /// @inheritdoc IRoundMirror
    function activationDelay() external view returns (uint64) {
        return _activationDelay;
    }

    /// @inheritdoc IRoundMirror
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator;
    }

    /// @inheritdoc IRoundMirror
    function digestOf(RoundHeader calldata header) public view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domainSeparator, hashRoundHeader(header));
    }

    function _checkPlace(uint64 latest, RoundHeader calldata header, bytes32 digest) private view {
        if (header.federation != _federation) revert IRoundManager.WrongFederation(_federation, header.federation);
        if (header.round <= latest) revert RoundNotLater(latest, header.round);
        if (_void[digest]) revert IRoundManager.HeaderVoided(header.round, digest);
        uint256 floor = _rounds[latest].budget;
        if (header.cumulativeBudget < floor) revert IRoundManager.BudgetDecreased(floor, header.cumulativeBudget);
        uint256 ceiling = floor + _perRoundCap * (header.round - latest);
        if (ceiling > MAX_CAP) ceiling = MAX_CAP;
        if (header.cumulativeBudget > ceiling) {
            revert IRoundManager.BudgetAboveCap(ceiling, header.cumulativeBudget);
        }
    }
}
