// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IRootSource} from "./interfaces/IRootSource.sol";
import {PositionalTree} from "./libraries/PositionalTree.sol";
import {RewardTree} from "./libraries/RewardTree.sol";
import {Claim, Entry, Leaf} from "./types/Reward.sol";
import {RoundHeader} from "./types/RoundHeader.sol";

/// @title Pays rewards on one chain
/// @notice See `IRewardDistributor`.
contract RewardDistributor is IRewardDistributor, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev One slot, rewritten by every claim.
    struct Sums {
        uint128 paid;
        uint128 budget;
    }

    uint256 private constant MAX_CLAIMS = 64;

    IRootSource private immutable _source;
    IERC20 private immutable _token;
    bytes32 private immutable _federation;

    Sums private _sums;
    mapping(uint64 round => bytes32) private _chainRoots;
    mapping(bytes32 participant => uint256) private _paid;

    /// @param source_ Round manager, or its mirror on this chain.
    /// @param token_ ERC-20 in which rewards are paid; zero for the chain's coin.
    constructor(IRootSource source_, IERC20 token_) {
        if (address(source_).code.length == 0) revert SourceHasNoCode(address(source_));
        if (address(token_) != address(0) && address(token_).code.length == 0) revert TokenHasNoCode(address(token_));
        _source = source_;
        _token = token_;
        _federation = source_.federation();
    }

    /// @notice Coin that is simply sent funds a distributor of coin, and is refused by any other.
    receive() external payable {
        if (address(_token) != address(0)) revert WrongValue(0, msg.value);
        emit Funded(msg.sender, msg.value, msg.value);
    }

    /// @inheritdoc IRewardDistributor
    function open(RoundHeader calldata header, Entry calldata entry, uint256 index, bytes32[] calldata proof) external {
        uint64 round = header.round;
        if (_chainRoots[round] != 0) revert AlreadyOpen(round, _chainRoots[round]);
        if (entry.chainId != block.chainid) revert WrongChain(block.chainid, entry.chainId);
        if (entry.distributor != address(this)) revert WrongDistributor(address(this), entry.distributor);
        if (entry.token != address(_token)) revert WrongToken(address(_token), entry.token);
        if (entry.chainRoot == 0) revert EmptyEntry(round);
        if (entry.cumulativeBudget > header.cumulativeBudget) {
            revert EntryAboveRoundBudget(header.cumulativeBudget, entry.cumulativeBudget);
        }
        bytes32 root = PositionalTree.rootOf(RewardTree.hashEntry(entry), index, proof);
        if (root != header.rewardRoot) revert EntryNotProven(header.rewardRoot, root);
        _source.requireActive(header);

        _chainRoots[round] = entry.chainRoot;
        // An active header's budget has at most 128 bits, and the entry's no more.
        if (entry.cumulativeBudget > _sums.budget) _sums.budget = uint128(entry.cumulativeBudget);
        emit Opened(round, entry.chainRoot, entry.cumulativeBudget);
    }

    /// @inheritdoc IRewardDistributor
    function claim(Claim calldata c) external nonReentrant returns (uint256 amount) {
        amount = _claim(c);
        if (amount == 0) revert NothingDue(c.participant, c.cumulative, _paid[c.participant]);
    }

    /// @inheritdoc IRewardDistributor
    function claimMany(Claim[] calldata claims) external nonReentrant returns (uint256 amount) {
        uint256 count = claims.length;
        if (count == 0 || count > MAX_CLAIMS) revert ClaimCount(MAX_CLAIMS, count);
        for (uint256 i = 0; i < count; ++i) {
            amount += _claim(claims[i]);
        }
    }

    /// @inheritdoc IRewardDistributor
    function fund(uint256 amount) external payable nonReentrant returns (uint256 received) {
        if (address(_token) == address(0)) {
            if (msg.value != amount) revert WrongValue(amount, msg.value);
            received = amount;
        } else {
            if (msg.value != 0) revert WrongValue(0, msg.value);
            uint256 held = _token.balanceOf(address(this));
            _token.safeTransferFrom(msg.sender, address(this), amount);
            uint256 holds = _token.balanceOf(address(this));
            if (holds > held) received = holds - held;
        }
        if (received == 0) revert NothingReceived(amount);
        emit Funded(msg.sender, amount, received);
    }

    /// @inheritdoc IRewardDistributor
    function source() external view returns (IRootSource) {
        return _source;
    }

    /// @inheritdoc IRewardDistributor
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IRewardDistributor
    function federation() external view returns (bytes32) {
        return _federation;
    }

    /// @inheritdoc IRewardDistributor
    function chainRoot(uint64 round) external view returns (bytes32) {
        return _chainRoots[round];
    }

    /// @inheritdoc IRewardDistributor
    function budget() external view returns (uint256) {
        return _sums.budget;
    }

    /// @inheritdoc IRewardDistributor
    function paidTo(bytes32 participant) external view returns (uint256) {
        return _paid[participant];
    }

    /// @inheritdoc IRewardDistributor
    function totalPaid() external view returns (uint256) {
        return _sums.paid;
    }

    /// @inheritdoc IRewardDistributor
    function maxClaims() external pure returns (uint256) {
        return MAX_CLAIMS;
    }

    /// @dev Proves a leaf of this distributor and pays what it is due, which may be nothing.
    function _claim(Claim calldata c) private returns (uint256 amount) {
        if (c.payout == address(0)) revert ZeroPayout(c.participant);
        bytes32 root = _chainRoots[c.round];
        if (root == 0) revert NotOpen(c.round);
        Leaf memory leaf = Leaf({
            federation: _federation,
            participant: c.participant,
            payout: c.payout,
            chainId: block.chainid,
            distributor: address(this),
            token: address(_token),
            cumulative: c.cumulative
        });
        bytes32 computed = PositionalTree.rootOf(RewardTree.hashLeaf(leaf), c.index, c.proof);
        if (computed != root) revert LeafNotProven(root, computed);

        uint256 paid = _paid[c.participant];
        if (c.cumulative <= paid) return 0;
        amount = c.cumulative - paid;
        Sums memory sums = _sums;
        if (amount > sums.budget - sums.paid) revert BudgetExceeded(sums.budget, sums.paid, amount);
        _paid[c.participant] = c.cumulative;
        sums.paid += uint128(amount);
        _sums = sums;
        emit Claimed(c.participant, c.payout, c.round, amount, c.cumulative);
        _pay(c.payout, amount);
    }

    function _pay(address to, uint256 amount) private {
        bool paid;
        if (address(_token) == address(0)) {
            (paid,) = to.call{value: amount}("");
        } else {
            paid = _token.trySafeTransfer(to, amount);
        }
        if (paid) return;
        uint256 held = address(_token) == address(0) ? address(this).balance : _token.balanceOf(address(this));
        if (held < amount) revert Underfunded(held, amount);
        revert PaymentRefused(to, amount);
    }
}
