// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IFederationRegistry} from "./interfaces/IFederationRegistry.sol";
import {IRootSource} from "./interfaces/IRootSource.sol";
import {IRoundManager} from "./interfaces/IRoundManager.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {FederationDomain} from "./libraries/FederationDomain.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {RoundHeader, hashRoundHeader, isTransaction} from "./types/RoundHeader.sol";
import {RoundTerms} from "./types/RoundTerms.sol";

/// @title The book of rounds: what was posted, what is void, what is active
/// @notice See `IRoundManager`.
/// @dev Posting writes one fresh slot, the header's digest, and rewrites the head: number and budget of the last round, and the times of
/// its lap of three. A lap that is full goes to a table, two laps to a slot, with the next post. A voided round leaves its digest in place:
/// only where one lies is it looked up among the void.
abstract contract RoundBook is IRoundManager {
    struct Head {
        // A round a second fills them in 136 years.
        uint32 latest;
        // When the rounds of the latest one's lap become active, 32 bits each, the first lowest.
        uint96 times;
        // A budget that 128 bits don't hold is refused.
        uint128 budget;
    }

    /// @dev Why a header is void (zero: it isn't) and by whom: one slot, written by a proof.
    struct Fate {
        address by;
        uint8 why;
    }

    /// @dev Rounds from `from` on wait until `until`: one of them is disputed.
    struct Hold {
        uint64 from;
        uint64 until;
    }

    uint256 private constant MAX_CAP = type(uint128).max;
    uint64 private constant MAX_DELAY = 365 days;
    /// @dev Budget of a head whose last good round hasn't been recalled.
    uint128 private constant UNKNOWN = type(uint128).max;
    uint64 private constant MAX_ROUND = type(uint32).max;
    /// @dev Rounds of a lap.
    uint64 private constant LAP = 3;
    /// @dev Bits of a lap's times, and of one.
    uint256 private constant LAP_BITS = 96;
    uint256 private constant TIME_BITS = 32;
    /// @dev Reason of a veto; all others are `IDisputes.Lie`.
    uint8 internal constant VETO = type(uint8).max;

    IFederationRegistry private immutable _registry;
    bytes32 private immutable _federation;
    uint256 private immutable _homeChainId;
    uint256 private immutable _perRoundCap;
    uint64 private immutable _activationDelay;
    /// @dev Times are kept as seconds since then, which 32 bits hold for 136 years.
    uint64 private immutable _since;
    bytes32 private immutable _domainSeparator;

    Head private _head;
    Hold private _hold;
    IStakeVault private _vault;
    uint64 private _finalised;
    mapping(uint64 round => bytes32) private _digests;
    /// @dev Times of full laps, two laps to a slot. What it has of later laps than the head's is stale.
    mapping(uint64 pair => uint256) private _times;
    mapping(bytes32 digest => Fate) private _fates;

    constructor(RoundTerms memory terms) {
        if (address(terms.registry) == address(0)) revert ZeroRegistry();
        if (terms.perRoundCap == 0 || terms.perRoundCap > MAX_CAP) revert CapOutOfRange(MAX_CAP, terms.perRoundCap);
        uint64 minimum = terms.registry.embedded() ? 0 : 1;
        if (terms.activationDelay < minimum || terms.activationDelay > MAX_DELAY) {
            revert DelayOutOfRange(minimum, MAX_DELAY, terms.activationDelay);
        }
        bytes32 federation_ = terms.registry.federation();
        _registry = terms.registry;
        _federation = federation_;
        _homeChainId = block.chainid;
        _perRoundCap = terms.perRoundCap;
        _activationDelay = terms.activationDelay;
        // A second earlier, so that no time is zero and none costs less to write than another.
        _since = uint64(block.timestamp) - 1;
        _domainSeparator = FederationDomain.separator(block.chainid, address(this), federation_);
    }

    /// @inheritdoc IRoundManager
    function postRound(RoundHeader calldata header, bytes calldata signatures) external {
        bytes32 digest = digestOf(header);
        Head memory head = _head;
        _checkPlace(head, header, digest);
        address[] memory signers = Quorum.check(_registry, digest, signatures);

        uint64 activeAt_ = uint64(block.timestamp) + _activationDelay;
        head.times = _addTime(head.times, header.round, activeAt_);
        // At most MAX_ROUND, and below UNKNOWN, as was checked.
        head.latest = uint32(header.round);
        head.budget = uint128(header.cumulativeBudget);
        _head = head;
        _digests[header.round] = digest;
        emit RoundPosted(header.round, digest, activeAt_, signers);
        if (!isTransaction()) emit HeaderTold(header.round, digest, header, signatures);
    }

    /// @inheritdoc IRoundManager
    function veto(uint64 round) external {
        address coordinator = _registry.coordinator();
        if (msg.sender != coordinator) revert NotCoordinator(coordinator, msg.sender);
        uint64 latest = _head.latest;
        if (round == 0 || round > latest) revert UnknownRound(round, latest);
        if (isActive(round)) revert RoundAlreadyActive(round, activeAt(round));
        _voidFrom(round, _digests[round], VETO, coordinator);
    }

    /// @inheritdoc IRoundManager
    function attachVault(IStakeVault stakes) external {
        address coordinator = _registry.coordinator();
        if (msg.sender != coordinator) revert NotCoordinator(coordinator, msg.sender);
        if (_head.latest != 0 || address(_vault) != address(0)) revert VaultFixed(address(_vault));
        if (address(stakes).code.length == 0 || stakes.manager() != address(this)) revert WrongVault(address(stakes));
        _vault = stakes;
        emit VaultAttached(address(stakes));
    }

    /// @inheritdoc IRoundManager
    function recall(RoundHeader calldata header) external {
        Head storage head = _head;
        if (head.budget != UNKNOWN) revert BudgetKnown(head.latest);
        bytes32 digest = digestOf(header);
        bytes32 posted = _digests[head.latest];
        if (header.round != head.latest || digest != posted) revert NotPosted(head.latest, posted, digest);
        head.budget = uint128(header.cumulativeBudget);
        emit BudgetRecalled(header.round, header.cumulativeBudget);
    }

    /// @inheritdoc IRoundManager
    function finalise(uint64 round) external {
        if (!isActive(round)) revert RoundNotActive(round, activeAt(round));
        if (round <= _finalised) revert AlreadyFinalised(round);
        _finalised = round;
        emit RoundFinalised(round, _digests[round]);
    }

    /// @inheritdoc IRootSource
    function requireActive(RoundHeader calldata header) external view {
        uint64 round = header.round;
        if (!isActive(round)) revert RoundNotActive(round, activeAt(round));
        bytes32 digest = digestOf(header);
        if (digest != _digests[round]) revert NotPosted(round, _digests[round], digest);
    }

    /// @inheritdoc IRootSource
    function federation() public view returns (bytes32) {
        return _federation;
    }

    /// @inheritdoc IRoundManager
    function registry() public view returns (IFederationRegistry) {
        return _registry;
    }

    /// @inheritdoc IRoundManager
    function vault() public view returns (IStakeVault) {
        return _vault;
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
    function activationDelay() public view returns (uint64) {
        return _activationDelay;
    }

    /// @inheritdoc IRoundManager
    function latestRound() public view returns (uint64) {
        return _head.latest;
    }

    /// @inheritdoc IRoundManager
    function latestBudget() external view returns (uint256 budget, bool known) {
        budget = _head.budget;
        known = budget != UNKNOWN;
        if (!known) budget = 0;
    }

    /// @inheritdoc IRoundManager
    function headerDigest(uint64 round) public view returns (bytes32) {
        return round <= _head.latest ? _digests[round] : bytes32(0);
    }

    /// @inheritdoc IRoundManager
    function activeAt(uint64 round) public view returns (uint64) {
        Head memory head = _head;
        if (round == 0 || round > head.latest) return 0;
        uint96 times = round / LAP == head.latest / LAP ? head.times : _lapTimes(round / LAP);
        return _since + uint32(times >> (TIME_BITS * (round % LAP)));
    }

    /// @inheritdoc IRoundManager
    function isActive(uint64 round) public view returns (bool) {
        uint64 activeAt_ = activeAt(round);
        if (activeAt_ == 0 || block.timestamp < activeAt_) return false;
        Hold memory hold = _hold;
        if (round < hold.from || block.timestamp >= hold.until) return true;
        // Held by later rounds' disputes alone, for its own are over by then: nobody can keep a round waiting for ever.
        return block.timestamp >= uint256(activeAt_) + _longestHold();
    }

    /// @inheritdoc IRoundManager
    function isVoided(bytes32 digest) public view returns (bool) {
        return _fates[digest].why != 0;
    }

    /// @inheritdoc IRoundManager
    function domainSeparator() public view returns (bytes32) {
        return _domainSeparator;
    }

    /// @inheritdoc IRoundManager
    function digestOf(RoundHeader calldata header) public view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domainSeparator, hashRoundHeader(header));
    }

    /// @dev From `round` on all rounds are void; the caller has seen to it that it isn't active.
    function _voidFrom(uint64 round, bytes32 digest, uint8 why, address by) internal {
        // Later rounds fall with it: each commits to its parent's digest, and this one can't come back.
        _fates[digest] = Fate({by: by, why: why});
        Head storage head = _head;
        uint64 last = head.latest;
        uint64 lap = (round - 1) / LAP;
        if (lap != last / LAP) head.times = _lapTimes(lap);
        head.latest = uint32(round - 1);
        head.budget = round == 1 ? 0 : UNKNOWN;
        // Nothing is left of what waited.
        if (round <= _hold.from) delete _hold;
        emit RoundVoided(round, digest, last);
    }

    /// @dev Rounds from `round` on, which isn't active, wait until `until` at least.
    function _holdBack(uint64 round, uint64 until) internal {
        Hold memory hold = _hold;
        bool over = block.timestamp >= hold.until;
        _hold = Hold({
            from: over || round < hold.from ? round : hold.from, until: over || until > hold.until ? until : hold.until
        });
    }

    /// @dev A header that doesn't stand any more, if it ever did, is found to lie.
    function _setFate(bytes32 digest, uint8 why, address by) internal {
        _fates[digest] = Fate({by: by, why: why});
    }

    /// @dev Digest of the header that was posted last for a round, void or not.
    function _lastPosted(uint64 round) internal view returns (bytes32) {
        return _digests[round];
    }

    function _fateOf(bytes32 digest) internal view returns (uint8 why, address by) {
        Fate memory fate = _fates[digest];
        return (fate.why, fate.by);
    }

    function _held() internal view returns (uint64 from, uint64 until) {
        Hold memory hold = _hold;
        if (block.timestamp < hold.until) (from, until) = (hold.from, hold.until);
    }

    /// @dev The longest that a dispute of a round lasts after the round's time of activation, in seconds.
    function _longestHold() internal view virtual returns (uint64);

    /// @dev The times of a round's lap up to the round itself. The first of a lap sends the lap before it to the table.
    function _addTime(uint96 times, uint64 round, uint64 time) private returns (uint96) {
        uint256 offset = time - _since;
        // 136 years after its creation a book is full.
        if (offset > type(uint32).max) revert DelayOutOfRange(0, type(uint32).max, uint64(offset));
        uint256 shift = TIME_BITS * (round % LAP);
        if (shift == 0) {
            uint64 lap = round / LAP - 1;
            uint256 place = LAP_BITS * (lap % 2);
            _times[lap / 2] = (_times[lap / 2] & ~(uint256(type(uint96).max) << place)) | (uint256(times) << place);
        }
        return uint96((times & ((uint256(1) << shift) - 1)) | (offset << shift));
    }

    function _lapTimes(uint64 lap) private view returns (uint96) {
        return uint96(_times[lap / 2] >> (LAP_BITS * (lap % 2)));
    }

    /// @dev The header must be the next one: its number, its parent and its budget follow from the last.
    function _checkPlace(Head memory head, RoundHeader calldata header, bytes32 digest) private view {
        if (header.federation != _federation) revert WrongFederation(_federation, header.federation);
        uint64 latest = head.latest;
        uint64 round = header.round;
        if (round == 0) revert RoundOutOfOrder(latest + 1, 0);
        if (round <= latest) {
            bytes32 posted = _digests[round];
            if (posted == digest) revert AlreadyPosted(round, digest);
            revert ConflictingHeader(round, posted, digest);
        }
        if (round != latest + 1 || round > MAX_ROUND) revert RoundOutOfOrder(latest + 1, round);
        if (_digests[round] != 0 && isVoided(digest)) revert HeaderVoided(round, digest);
        // Round 0 is never written: its digest is zero.
        bytes32 parent = _digests[latest];
        if (header.parent != parent) revert WrongParent(parent, header.parent);
        if (head.budget == UNKNOWN) revert BudgetUnknown(latest);
        uint256 floor = head.budget;
        if (header.cumulativeBudget < floor) revert BudgetDecreased(floor, header.cumulativeBudget);
        uint256 ceiling = floor + _perRoundCap;
        if (ceiling >= UNKNOWN) ceiling = UNKNOWN - 1;
        if (header.cumulativeBudget > ceiling) revert BudgetAboveCap(ceiling, header.cumulativeBudget);
    }
}
