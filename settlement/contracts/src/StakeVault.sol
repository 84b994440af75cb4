// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRoundManager} from "./interfaces/IRoundManager.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title Stakes of members and coordinator
/// @notice See `IStakeVault`.
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Stake {
        uint128 bonded;
        uint128 unbonding;
        uint64 releaseAt;
    }

    struct Totals {
        uint128 deposited;
        uint128 withdrawn;
        uint128 slashed;
    }

    uint64 private constant MAX_UNBONDING = 730 days;
    uint256 private constant MAX_DEPOSITED = type(uint128).max;

    address private immutable _manager;
    IERC20 private immutable _currency;
    address private immutable _sink;
    uint64 private immutable _unbondingTime;

    Totals private _totals;
    mapping(address account => Stake) private _stakes;
    mapping(address prover => uint256) private _owed;

    /// @param manager_ Round manager that slashes, once it has attached this vault.
    /// @param currency_ ERC-20 of the stakes; zero for the chain's coin.
    /// @param unbondingTime_ Seconds that money unbonds: more than the manager's longest dispute.
    /// @param sink_ Who gets the half of a slashed stake that no prover gets.
    constructor(IRoundManager manager_, IERC20 currency_, uint64 unbondingTime_, address sink_) {
        if (address(manager_).code.length == 0) revert WrongManager(address(manager_));
        if (address(currency_) != address(0) && address(currency_).code.length == 0) {
            revert CurrencyHasNoCode(address(currency_));
        }
        if (sink_ == address(0)) revert ZeroSink();
        uint64 longest = manager_.longestDispute();
        if (unbondingTime_ <= longest || unbondingTime_ > MAX_UNBONDING) {
            revert UnbondingOutOfRange(longest, MAX_UNBONDING, unbondingTime_);
        }
        _manager = address(manager_);
        _currency = currency_;
        _sink = sink_;
        _unbondingTime = unbondingTime_;
    }

    /// @inheritdoc IStakeVault
    function deposit(address account, uint256 amount) external payable nonReentrant returns (uint256 received) {
        if (account == address(0)) revert ZeroAccount();
        if (address(_currency) == address(0)) {
            if (msg.value != amount) revert WrongValue(amount, msg.value);
            received = amount;
        } else {
            if (msg.value != 0) revert WrongValue(0, msg.value);
            uint256 held = _currency.balanceOf(address(this));
            _currency.safeTransferFrom(msg.sender, address(this), amount);
            uint256 holds = _currency.balanceOf(address(this));
            received = holds > held ? holds - held : 0;
        }
        if (received == 0) revert NothingReceived(amount);
        // Nobody's stake can exceed the sum of all, so that no other addition here overflows.
        uint256 deposited = received + _totals.deposited;
        if (received > MAX_DEPOSITED || deposited > MAX_DEPOSITED) revert TooMuch(MAX_DEPOSITED, deposited);
        _totals.deposited = uint128(deposited);
        Stake storage stake = _stakes[account];
        stake.bonded += uint128(received);
        emit Deposited(account, msg.sender, received, uint256(stake.bonded) + stake.unbonding);
    }

    /// @inheritdoc IStakeVault
    function exit(uint256 amount) external {
        Stake storage stake = _stakes[msg.sender];
        if (amount == 0 || amount > stake.bonded) revert NotBonded(stake.bonded, amount);
        stake.bonded -= uint128(amount);
        stake.unbonding += uint128(amount);
        stake.releaseAt = uint64(block.timestamp) + _unbondingTime;
        emit ExitStarted(msg.sender, amount, stake.unbonding, stake.releaseAt);
    }

    /// @inheritdoc IStakeVault
    function cancelExit() external {
        Stake storage stake = _stakes[msg.sender];
        uint128 amount = stake.unbonding;
        if (amount == 0) revert NothingUnbonding(msg.sender);
        stake.unbonding = 0;
        stake.releaseAt = 0;
        stake.bonded += amount;
        emit ExitCancelled(msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function withdraw(address to) external nonReentrant returns (uint256 amount) {
        Stake storage stake = _stakes[msg.sender];
        amount = stake.unbonding;
        if (amount == 0) revert NothingUnbonding(msg.sender);
        if (block.timestamp < stake.releaseAt) revert StillUnbonding(stake.releaseAt, block.timestamp);
        stake.unbonding = 0;
        stake.releaseAt = 0;
        _totals.withdrawn += uint128(amount);
        emit Withdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    /// @inheritdoc IStakeVault
    function slash(address account, uint256 amount, address prover) external returns (uint256 cut) {
        if (msg.sender != _manager) revert NotManager(_manager, msg.sender);
        Stake storage stake = _stakes[account];
        uint256 unbonding = stake.unbonding;
        uint256 staked = unbonding + stake.bonded;
        cut = amount < staked ? amount : staked;
        uint256 first = cut < unbonding ? cut : unbonding;
        stake.unbonding = uint128(unbonding - first);
        stake.bonded = uint128(staked - unbonding - (cut - first));
        _totals.slashed += uint128(cut);
        // The odd unit goes to the sink.
        uint256 reward = cut / 2;
        _owed[prover] += reward;
        _owed[_sink] += cut - reward;
        emit Slashed(account, prover, cut, reward, cut - reward);
    }

    /// @inheritdoc IStakeVault
    function collect(address to) external nonReentrant returns (uint256 amount) {
        amount = _settle(msg.sender);
        emit RewardPaid(msg.sender, to, amount);
        _pay(to, amount);
    }

    /// @inheritdoc IStakeVault
    function sink() external nonReentrant returns (uint256 amount) {
        amount = _settle(_sink);
        emit Sunk(_sink, amount);
        _pay(_sink, amount);
    }

    /// @inheritdoc IStakeVault
    function manager() external view returns (address) {
        return _manager;
    }

    /// @inheritdoc IStakeVault
    function currency() external view returns (address) {
        return address(_currency);
    }

    /// @inheritdoc IStakeVault
    function unbondingTime() external view returns (uint64) {
        return _unbondingTime;
    }

    /// @inheritdoc IStakeVault
    function sinkAddress() external view returns (address) {
        return _sink;
    }

    /// @inheritdoc IStakeVault
    function stakeOf(address account) external view returns (uint256) {
        Stake storage stake = _stakes[account];
        return uint256(stake.bonded) + stake.unbonding;
    }

    /// @inheritdoc IStakeVault
    function unbondingOf(address account) external view returns (uint256 amount, uint64 releaseAt) {
        Stake storage stake = _stakes[account];
        return (stake.unbonding, stake.releaseAt);
    }

    /// @inheritdoc IStakeVault
    function owedTo(address prover) external view returns (uint256) {
        return _owed[prover];
    }

    /// @inheritdoc IStakeVault
    function totals() external view returns (uint256 deposited, uint256 withdrawn, uint256 slashed) {
        return (_totals.deposited, _totals.withdrawn, _totals.slashed);
    }

    function _settle(address account) private returns (uint256 amount) {
        amount = _owed[account];
        if (amount == 0) revert NothingOwed(account);
        _owed[account] = 0;
    }

    /// @dev Last of all effects.
    function _pay(address to, uint256 amount) private {
        if (to == address(0)) revert ZeroAccount();
        if (address(_currency) != address(0)) {
            _currency.safeTransfer(to, amount);
        } else {
            (bool accepted,) = to.call{value: amount}("");
            if (!accepted) revert PaymentRefused(to, amount);
        }
    }
}
