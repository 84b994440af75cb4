// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IRootSource} from "./interfaces/IRootSource.sol";
import {RewardTree} from "./libraries/RewardTree.sol";
import {Claim, Entry, Leaf} from "./types/Reward.sol";

/// @title Pays rewards on one chain
/// @notice See `IRewardDistributor`.
contract RewardDistributor is IRewardDistributor, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 private constant MAX_CLAIMS = 64;

    IRootSource private immutable _source;
    IERC20 private immutable _token;
    bytes32 private immutable _federation;

    uint256 private _totalPaid;
    mapping(bytes32 participant => uint256) private _paid;

    /// @param source_ Round manager, or its mirror on this chain.
    /// @param token_ ERC-20 in which rewards are paid.
    constructor(IRootSource source_, IERC20 token_) {
        if (address(source_).code.length == 0) revert SourceHasNoCode(address(source_));
        if (address(token_).code.length == 0) revert TokenHasNoCode(address(token_));
        _source = source_;
        _token = token_;
        _federation = source_.federation();
    }

    /// @inheritdoc IRewardDistributor
    function claim(
        uint64 round,
        Entry calldata entry,
        uint256 entryIndex,
        bytes32[] calldata entryProof,
        Leaf calldata leaf,
        uint256 leafIndex,
        bytes32[] calldata leafProof
    ) external nonReentrant returns (uint256 amount) {
        _prove(round, entry, entryIndex, entryProof, leaf, leafIndex, leafProof);
        amount = _pay(round, entry, leaf);
        if (amount == 0) revert NothingDue(leaf.participant, leaf.cumulative, _paid[leaf.participant]);
    }

    /// @inheritdoc IRewardDistributor
    function claimMany(Claim[] calldata claims) external nonReentrant returns (uint256 amount) {
        uint256 count = claims.length;
        if (count == 0 || count > MAX_CLAIMS) revert ClaimCount(MAX_CLAIMS, count);
        for (uint256 i = 0; i < count; ++i) {
            Claim calldata c = claims[i];
            _prove(c.round, c.entry, c.entryIndex, c.entryProof, c.leaf, c.leafIndex, c.leafProof);
            amount += _pay(c.round, c.entry, c.leaf);
        }
    }

    /// @inheritdoc IRewardDistributor
    function fund(uint256 amount) external nonReentrant returns (uint256 received) {
        uint256 held = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 holds = _token.balanceOf(address(this));
        if (holds <= held) revert NothingReceived(amount);
        received = holds - held;
        emit Funded(msg.sender, amount, received);
    }

    /// @inheritdoc IRewardDistributor
    function source() external view returns (IRootSource) {
        return _source;
    }

    /// @inheritdoc IRewardDistributor
    function token() external view returns (IERC20) {
        return _token;
    }

    /// @inheritdoc IRewardDistributor
    function federation() external view returns (bytes32) {
        return _federation;
    }

    /// @inheritdoc IRewardDistributor
    function paidTo(bytes32 participant) external view returns (uint256) {
        return _paid[participant];
    }

    /// @inheritdoc IRewardDistributor
    function totalPaid() external view returns (uint256) {
        return _totalPaid;
    }

    /// @inheritdoc IRewardDistributor
    function maxClaims() external pure returns (uint256) {
        return MAX_CLAIMS;
    }

    /// @dev The leaf is meant for this distributor and stands under the root of an active round.
    function _prove(
        uint64 round,
        Entry calldata entry,
        uint256 entryIndex,
        bytes32[] calldata entryProof,
        Leaf calldata leaf,
        uint256 leafIndex,
        bytes32[] calldata leafProof
    ) private view {
        if (leaf.federation != _federation) {
            revert WrongFederation(_federation, leaf.federation);
        }
        if (leaf.payout == address(0)) revert ZeroPayout(leaf.participant);
        _checkPlace(entry.chainId, entry.distributor, entry.token);
        _checkPlace(leaf.chainId, leaf.distributor, leaf.token);

        (bytes32 root, uint256 roundBudget) = _source.activeRoot(round);
        if (entry.cumulativeBudget > roundBudget) revert EntryAboveRoundBudget(roundBudget, entry.cumulativeBudget);
        bytes32 entryRoot = RewardTree.rootOf(RewardTree.hashEntry(entry), entryIndex, entryProof);
        if (entryRoot != root) revert EntryNotProven(root, entryRoot);
        bytes32 leafRoot = RewardTree.rootOf(RewardTree.hashLeaf(leaf), leafIndex, leafProof);
        if (leafRoot != entry.chainRoot) revert LeafNotProven(entry.chainRoot, leafRoot);
    }

    function _checkPlace(uint256 chainId, address distributor, address token_) private view {
        if (chainId != block.chainid) revert WrongChain(block.chainid, chainId);
        if (distributor != address(this)) revert WrongDistributor(address(this), distributor);
        if (token_ != address(_token)) revert WrongToken(address(_token), token_);
    }

    /// @dev Pays a proven leaf what it is due, which may be nothing.
    function _pay(uint64 round, Entry calldata entry, Leaf calldata leaf) private returns (uint256 amount) {
        uint256 paid = _paid[leaf.participant];
        if (leaf.cumulative <= paid) return 0;
        unchecked {
            amount = leaf.cumulative - paid;
        }
        uint256 total = _totalPaid;
        uint256 budget = entry.cumulativeBudget;
        if (total > budget || amount > budget - total) revert BudgetExceeded(budget, total, amount);
        uint256 held = _token.balanceOf(address(this));
        if (held < amount) revert Underfunded(held, amount);

        _paid[leaf.participant] = leaf.cumulative;
        _totalPaid = total + amount;
        emit Claimed(leaf.participant, leaf.payout, round, amount, leaf.cumulative);
        _token.safeTransfer(leaf.payout, amount);
    }
}
