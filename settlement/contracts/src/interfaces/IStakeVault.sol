// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Stakes of members and coordinator
/// @notice Holds what a signer or coordinator loses when a lie is proved against it. What is being withdrawn stays at stake until the
/// unbonding time has passed, which is longer than any round can be disputed.
/// @dev Half of what is slashed goes to the prover, half to the sink: were it all, a liar could slash itself and lose nothing. One
/// currency, an ERC-20 or the chain's coin. Deposits count by what arrives. Conserved: deposited = withdrawn + slashed + held.
interface IStakeVault {
    /// @notice A stake grew.
    event Deposited(address indexed account, address indexed from, uint256 amount, uint256 stake);
    /// @notice A part of a stake began to unbond; an earlier part that hadn't been withdrawn waits again with it.
    event ExitStarted(address indexed account, uint256 amount, uint256 unbonding, uint64 releaseAt);
    /// @notice Unbonding money was put back at stake.
    event ExitCancelled(address indexed account, uint256 amount);
    /// @notice Unbonded money was paid out.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice A stake was cut.
    event Slashed(address indexed account, address indexed prover, uint256 amount, uint256 reward, uint256 sunk);
    /// @notice A prover was paid.
    event RewardPaid(address indexed prover, address indexed to, uint256 amount);
    /// @notice The sink was paid.
    event Sunk(address indexed sink, uint256 amount);

    /// @notice The manager's address has no code.
    error WrongManager(address manager);
    /// @notice The currency's address has no code.
    error CurrencyHasNoCode(address currency);
    /// @notice The sink's address is zero.
    error ZeroSink();
    /// @notice Unbonding must take longer than the longest dispute, and at most a limit.
    error UnbondingOutOfRange(uint64 above, uint64 maximum, uint64 got);
    /// @notice The account's address is zero.
    error ZeroAccount();
    /// @notice Coin was sent to a vault of tokens, or not as much as was named to a vault of coin.
    error WrongValue(uint256 expected, uint256 got);
    /// @notice Nothing arrived.
    error NothingReceived(uint256 requested);
    /// @notice The stakes pass what is counted with.
    error TooMuch(uint256 maximum, uint256 got);
    /// @notice Less is bonded than was asked for, or nothing was asked for.
    error NotBonded(uint256 bonded, uint256 requested);
    /// @notice Nothing is unbonding.
    error NothingUnbonding(address account);
    /// @notice The unbonding time hasn't passed.
    error StillUnbonding(uint64 releaseAt, uint256 timestamp);
    /// @notice Nothing is owed to the prover or the sink.
    error NothingOwed(address account);
    /// @notice Only the round manager slashes.
    error NotManager(address manager, address caller);
    /// @notice The coin wasn't accepted.
    error PaymentRefused(address to, uint256 amount);

    /// @notice Puts `amount` of the caller's money at stake for `account`. For coin, `amount` is the value sent.
    /// @return received What arrived.
    function deposit(address account, uint256 amount) external payable returns (uint256 received);

    /// @notice Starts to unbond `amount` of the caller's stake.
    function exit(uint256 amount) external;

    /// @notice Puts all that is unbonding back at stake.
    function cancelExit() external;

    /// @notice Pays all of the caller's unbonded money to `to`.
    function withdraw(address to) external returns (uint256 amount);

    /// @notice Cuts a stake by `amount`, or by all of it where it is less. Unbonding money goes first. Round manager only.
    /// @return cut What was cut.
    function slash(address account, uint256 amount, address prover) external returns (uint256 cut);

    /// @notice Pays what the caller earned by proofs to `to`.
    function collect(address to) external returns (uint256 amount);

    /// @notice Pays the sink its part of everything slashed so far. Anyone may.
    function sink() external returns (uint256 amount);

    /// @notice Contract that slashes.
    function manager() external view returns (address);

    /// @notice ERC-20 of the stakes; zero for the chain's coin.
    function currency() external view returns (address);

    /// @notice Seconds that money unbonds.
    function unbondingTime() external view returns (uint64);

    /// @notice Who gets the half that no prover gets.
    function sinkAddress() external view returns (address);

    /// @notice All that can be slashed of an account: bonded and unbonding.
    function stakeOf(address account) external view returns (uint256);

    /// @notice What is unbonding and when it can be withdrawn (Unix time).
    function unbondingOf(address account) external view returns (uint256 amount, uint64 releaseAt);

    /// @notice What proofs earned an account that it hasn't collected.
    function owedTo(address prover) external view returns (uint256);

    /// @notice Everything that came in, went back, and was cut (paid out or still owed), since the beginning.
    function totals() external view returns (uint256 deposited, uint256 withdrawn, uint256 slashed);
}
