// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {RoundBook} from "./RoundBook.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IRoundManager} from "./interfaces/IRoundManager.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {InputTree} from "./libraries/InputTree.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {RowTree} from "./libraries/RowTree.sol";
import {Rules} from "./libraries/Rules.sol";
import {Hints, Opening, Row} from "./types/Evidence.sol";
import {Input, REFUSED, Receipt, hashReceipt} from "./types/Input.sol";
import {RoundHeader, isTransaction} from "./types/RoundHeader.sol";
import {RoundTerms} from "./types/RoundTerms.sol";

/// @title Lies of a round, proved
/// @notice See `IDisputes`.
abstract contract Disputes is RoundBook, IDisputes {
    struct Demand {
        address demander;
        uint64 deadline;
        bool answered;
    }

    uint64 private constant MAX_ANSWER_TIME = 90 days;

    uint64 private immutable _answerTime;
    uint256 private immutable _demandBond;
    uint256 private immutable _penalty;

    mapping(bytes32 digest => mapping(address account => bool)) private _punished;
    mapping(bytes32 digest => mapping(uint64 chunk => Demand)) private _demands;
    mapping(address account => uint256) private _bonds;

    constructor(RoundTerms memory terms) {
        uint64 minimum = terms.activationDelay == 0 ? 0 : 1;
        if (terms.answerTime < minimum || terms.answerTime > MAX_ANSWER_TIME) {
            revert DelayOutOfRange(minimum, MAX_ANSWER_TIME, terms.answerTime);
        }
        _answerTime = terms.answerTime;
        _demandBond = terms.demandBond;
        _penalty = terms.penalty;
    }

    /// @inheritdoc IDisputes
    function proveRule(RoundHeader calldata header, Row calldata evidence, Hints calldata hints) external {
        (bytes32 digest, bool standing) = _accused(header);
        RowTree.check(header, evidence);
        (int256 expected, int256 got) = Rules.redo(header, evidence, hints);
        if (expected == got) revert FollowsTheRule(got);
        _convict(header.round, digest, standing, Lie.Rule, msg.sender);
    }

    /// @inheritdoc IDisputes
    function proveInput(
        RoundHeader calldata header,
        Row calldata evidence,
        uint32 count,
        Input calldata input,
        Opening calldata opening
    ) external {
        (bytes32 digest, bool standing) = _accused(header);
        RowTree.check(header, evidence);
        uint256 length = uint256(header.cohort) * 32;
        if (evidence.row.length != length) revert Rules.RowLength(length, evidence.row.length);
        InputTree.check(header.inputRoot, count, input, opening.index, opening.inputProof);
        uint32 position = input.position;
        if (position == REFUSED) revert InputRefused(input.nodeKey);
        if (position >= header.cohort) revert PositionOutOfRow(header.cohort, position);
        RowTree.checkOpening(
            header.dimension, evidence.chunk, input.commitment, opening.salt, opening.values, opening.proof
        );
        uint256 place = uint256(position) * 32;
        if (bytes32(evidence.row[place:place + 32]) == opening.values) revert MatchesTheInput(opening.values);
        _convict(header.round, digest, standing, Lie.Input, msg.sender);
    }

    /// @inheritdoc IDisputes
    function proveOmission(
        RoundHeader calldata header,
        Receipt calldata receipt,
        bytes calldata signature,
        uint32 count,
        uint256 index,
        Input[] calldata neighbours,
        bytes32[][] calldata proofs
    ) external {
        (bytes32 digest, bool standing) = _accused(header);
        if (
            receipt.federation != header.federation || receipt.round != header.round
                || receipt.attempt != header.attempt
        ) revert OtherReceipt();
        address coordinator = registry().coordinator();
        bytes32 signed = receiptDigest(receipt);
        if (!SignatureChecker.isValidSignatureNowCalldata(coordinator, signed, signature)) {
            revert NotReceipted(coordinator, signed);
        }
        _checkGap(header.inputRoot, receipt, count, index, neighbours, proofs);
        _convict(header.round, digest, standing, Lie.Omission, msg.sender);
        _slash(digest, coordinator, msg.sender);
    }

    /// @inheritdoc IDisputes
    function demandRow(RoundHeader calldata header, uint64 chunk) external payable {
        bytes32 digest = _standing(header);
        if (msg.value != _demandBond) revert WrongBond(_demandBond, msg.value);
        if (header.rule & Rules.CONFIDENTIAL != 0) revert RowsConfidential(header.rule);
        uint64 activeAt_ = activeAt(header.round);
        if (block.timestamp >= activeAt_) revert TooLate(activeAt_);
        RowTree.checkChunk(header.dimension, chunk);
        Demand storage demand = _demands[digest][chunk];
        if (demand.deadline != 0) revert AlreadyDemanded(digest, chunk);
        uint64 deadline = uint64(block.timestamp) + _answerTime;
        (demand.demander, demand.deadline) = (msg.sender, deadline);
        // Whoever is answered has as long again to prove what the answer shows.
        _holdBack(header.round, deadline + _answerTime);
        emit RowDemanded(digest, chunk, msg.sender, deadline);
    }

    /// @inheritdoc IDisputes
    function answerRow(RoundHeader calldata header, Row calldata evidence) external {
        bytes32 digest = digestOf(header);
        Demand storage demand = _openDemand(digest, evidence.chunk);
        if (block.timestamp > demand.deadline) revert DeadlinePassed(demand.deadline);
        RowTree.check(header, evidence);
        demand.answered = true;
        _bonds[msg.sender] += _demandBond;
        emit RowAnswered(digest, evidence.chunk, msg.sender);
        if (!isTransaction()) emit RowTold(digest, evidence.chunk, evidence);
    }

    /// @inheritdoc IDisputes
    function expireDemand(RoundHeader calldata header, uint64 chunk) external {
        bytes32 digest = _standing(header);
        address demander = _returnBond(digest, chunk);
        _convict(header.round, digest, true, Lie.Withholding, demander);
    }

    /// @inheritdoc IDisputes
    function returnBond(bytes32 digest, uint64 chunk) external {
        // While the round can still be voided for it, only `expireDemand` closes a demand.
        (, uint64 until) = _held();
        if (until != 0 && !isVoided(digest)) revert DeadlineAhead(until);
        _returnBond(digest, chunk);
    }

    /// @inheritdoc IDisputes
    function collectBonds(address to) external returns (uint256 amount) {
        amount = _bonds[msg.sender];
        if (amount == 0) revert NoBond(msg.sender);
        _bonds[msg.sender] = 0;
        if (to == address(0)) revert BondRefused(to, amount);
        emit BondsPaid(msg.sender, to, amount);
        (bool accepted,) = to.call{value: amount}("");
        if (!accepted) revert BondRefused(to, amount);
    }

    /// @inheritdoc IDisputes
    function punish(bytes32 digest, bytes calldata signature) external returns (address signer, uint256 amount) {
        (Lie lie, address prover) = lieOf(digest);
        // An omission is the coordinator's alone: signers can't know who else holds a receipt.
        if (lie == Lie.None || lie == Lie.Omission) revert NoLie(digest);
        signer = _signerOf(digest, signature);
        amount = _slash(digest, signer, prover);
    }

    /// @inheritdoc IDisputes
    function proveEquivocation(
        RoundHeader calldata first,
        RoundHeader calldata second,
        bytes calldata firstSignature,
        bytes calldata secondSignature
    ) external returns (address signer, uint256 amount) {
        (bytes32 one, bytes32 other) = (digestOf(first), digestOf(second));
        if (one == other || first.round != second.round || first.parent != second.parent) {
            revert NoEquivocation(one, other);
        }
        if (isVoided(one)) revert VoidedIsExempt(one);
        if (isVoided(other)) revert VoidedIsExempt(other);
        signer = _signerOf(one, firstSignature);
        if (_signerOf(other, secondSignature) != signer) revert NoEquivocation(one, other);
        emit EquivocationProved(signer, msg.sender, first.round, one, other);
        // One pair is one offence, in whatever order it is shown.
        bytes32 pair = keccak256(one < other ? abi.encode(one, other) : abi.encode(other, one));
        amount = _slash(pair, signer, msg.sender);
    }

    /// @inheritdoc IRoundManager
    function longestDispute() external view returns (uint64) {
        return activationDelay() + _longestHold();
    }

    /// @inheritdoc IDisputes
    function lieOf(bytes32 digest) public view returns (Lie lie, address prover) {
        (uint8 why, address by) = _fateOf(digest);
        if (why != VETO) (lie, prover) = (Lie(why), by);
    }

    /// @inheritdoc IDisputes
    function isPunished(bytes32 digest, address account) external view returns (bool) {
        return _punished[digest][account];
    }

    /// @inheritdoc IDisputes
    function demandOf(bytes32 digest, uint64 chunk) external view returns (address demander, uint64 deadline) {
        Demand storage demand = _demands[digest][chunk];
        if (!demand.answered) (demander, deadline) = (demand.demander, demand.deadline);
    }

    /// @inheritdoc IDisputes
    function heldBack() external view returns (uint64 fromRound, uint64 until) {
        return _held();
    }

    /// @inheritdoc IDisputes
    function bondsOf(address account) external view returns (uint256) {
        return _bonds[account];
    }

    /// @inheritdoc IDisputes
    function answerTime() external view returns (uint64) {
        return _answerTime;
    }

    /// @inheritdoc IDisputes
    function demandBond() external view returns (uint256) {
        return _demandBond;
    }

    /// @inheritdoc IDisputes
    function penalty() external view returns (uint256) {
        return _penalty;
    }

    /// @inheritdoc IDisputes
    function receiptDigest(Receipt calldata receipt) public view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator(), hashReceipt(receipt));
    }

    function _longestHold() internal view override returns (uint64) {
        return 2 * _answerTime;
    }

    /// @dev Digest of a header that is posted, not void, and not active.
    function _standing(RoundHeader calldata header) private view returns (bytes32 digest) {
        digest = digestOf(header);
        bytes32 posted = headerDigest(header.round);
        if (digest != posted) revert NotStanding(header.round, posted, digest);
        if (isActive(header.round)) revert RoundAlreadyActive(header.round, activeAt(header.round));
    }

    /// @dev Digest of a header that can be proved to lie: it stands, or it did and was vetoed or fell with an earlier one. A veto that
    /// comes before a proof takes the round back, not the lie.
    function _accused(RoundHeader calldata header) private view returns (bytes32 digest, bool standing) {
        uint64 round = header.round;
        digest = digestOf(header);
        bytes32 posted = headerDigest(round);
        standing = digest == posted;
        if (standing) {
            if (isActive(round)) revert RoundAlreadyActive(round, activeAt(round));
        } else {
            (uint8 why,) = _fateOf(digest);
            bool fell = why == 0 && digest == _lastPosted(round);
            if (why != VETO && !fell) revert NotStanding(round, posted, digest);
        }
    }

    function _convict(uint64 round, bytes32 digest, bool standing, Lie lie, address prover) private {
        if (standing) _voidFrom(round, digest, uint8(lie), prover);
        else _setFate(digest, uint8(lie), prover);
        emit LieProved(digest, lie, prover, round);
    }

    function _slash(bytes32 offence, address account, address prover) private returns (uint256 amount) {
        if (_punished[offence][account]) revert AlreadyPunished(offence, account);
        _punished[offence][account] = true;
        IStakeVault stakes = vault();
        if (address(stakes) != address(0)) amount = stakes.slash(account, _penalty, prover);
        emit Punished(offence, account, prover, amount);
    }

    function _signerOf(bytes32 digest, bytes calldata signature) private view returns (address signer) {
        bool valid;
        (signer, valid) = Quorum.trySigner(digest, signature);
        if (!valid) revert NotSigned(digest);
    }

    function _openDemand(bytes32 digest, uint64 chunk) private view returns (Demand storage demand) {
        demand = _demands[digest][chunk];
        if (demand.demander == address(0) || demand.answered) revert NotDemanded(digest, chunk);
    }

    function _returnBond(bytes32 digest, uint64 chunk) private returns (address demander) {
        Demand storage demand = _openDemand(digest, chunk);
        if (block.timestamp <= demand.deadline) revert DeadlineAhead(demand.deadline);
        demander = demand.demander;
        demand.demander = address(0);
        _bonds[demander] += _demandBond;
        emit BondReturned(digest, chunk, demander);
    }

    /// @dev Left neighbour below the receipt's key, right one above it or the same member with another commitment, nothing between.
    function _checkGap(
        bytes32 root,
        Receipt calldata receipt,
        uint32 count,
        uint256 index,
        Input[] calldata neighbours,
        bytes32[][] calldata proofs
    ) private pure {
        if (root == 0) return; // Nothing was received, it says.
        if (count == 0) revert NoGap(receipt.nodeKey);
        uint256 first = index == 0 ? 0 : index - 1;
        uint256 last = index < count ? index : index - 1;
        uint256 wanted = last - first + 1;
        // At least one neighbour is in any list, so that `count` is the signed one.
        if (index > count || neighbours.length != wanted || proofs.length != wanted) revert NoGap(receipt.nodeKey);
        for (uint256 i = 0; i < wanted; ++i) {
            Input calldata input = neighbours[i];
            InputTree.check(root, count, input, first + i, proofs[i]);
            bool left = first + i < index;
            bool apart = left
                ? input.nodeKey < receipt.nodeKey
                : input.nodeKey > receipt.nodeKey
                    || (input.nodeKey == receipt.nodeKey && input.commitment != receipt.commitment);
            if (!apart) revert NoGap(receipt.nodeKey);
        }
    }
}
