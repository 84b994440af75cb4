// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Claim, Entry} from "../types/Reward.sol";
import {RoundHeader} from "../types/RoundHeader.sol";
import {IRootSource} from "./IRootSource.sol";

/// @title Pays rewards on one chain
/// @notice Pays each participant the difference between its cumulative total under an active round's root and what it was
/// paid before. Anyone may claim for anyone: the money only goes to the leaf's payout address. A round is opened once for all claims under
/// it: its header and this chain's entry are proved then, and a claim proves its leaf alone.
/// @dev Nobody can withdraw. Tokens that charge the sender on top of the amount, or whose balances shrink by themselves,
/// can leave it short; a claim then reverts and can be repeated after funding. After a member has changed its payout
/// address, what it had earned until then can still be claimed to the old address under the older roots.
interface IRewardDistributor {
    /// @notice A round can be claimed under.
    event Opened(uint64 indexed round, bytes32 indexed chainRoot, uint256 cumulativeBudget);

    /// @notice A participant was paid.
    /// @param participant Node key of the earner.
    /// @param payout Address that received the money.
    /// @param round Round whose root was used.
    /// @param amount Paid now.
    /// @param cumulative Paid in total.
    event Claimed(
        bytes32 indexed participant, address indexed payout, uint64 indexed round, uint256 amount, uint256 cumulative
    );

    /// @notice The distributor received money.
    /// @param from Who paid.
    /// @param requested What it meant to pay.
    /// @param received What arrived (less for a token that charges a fee).
    event Funded(address indexed from, uint256 requested, uint256 received);

    /// @notice The root source's address has no code.
    error SourceHasNoCode(address source);
    /// @notice The token's address has no code.
    error TokenHasNoCode(address token);
    /// @notice The entry is for another chain.
    error WrongChain(uint256 expected, uint256 got);
    /// @notice The entry is for another distributor.
    error WrongDistributor(address expected, address got);
    /// @notice The entry is for another token.
    error WrongToken(address expected, address got);
    /// @notice The leaf names no payout address.
    error ZeroPayout(bytes32 participant);
    /// @notice The entry has no root, and so no leaves.
    error EmptyEntry(uint64 round);
    /// @notice The round was opened before.
    error AlreadyOpen(uint64 round, bytes32 chainRoot);
    /// @notice The round must be opened first.
    error NotOpen(uint64 round);
    /// @notice The entry isn't under the round's reward root.
    error EntryNotProven(bytes32 root, bytes32 computed);
    /// @notice The leaf isn't under the chain root.
    error LeafNotProven(bytes32 root, bytes32 computed);
    /// @notice The chain's budget is above the budget that the quorum signed for all chains.
    error EntryAboveRoundBudget(uint256 roundBudget, uint256 entryBudget);
    /// @notice Everything under this leaf was paid before.
    error NothingDue(bytes32 participant, uint256 cumulative, uint256 paid);
    /// @notice Paying would exceed the largest budget of any opened round.
    error BudgetExceeded(uint256 budget, uint256 totalPaid, uint256 amount);
    /// @notice The distributor doesn't hold enough.
    error Underfunded(uint256 held, uint256 needed);
    /// @notice The token or the payee didn't take the payment.
    error PaymentRefused(address to, uint256 amount);
    /// @notice Too many claims, or none, in one call.
    error ClaimCount(uint256 maximum, uint256 got);
    /// @notice Funding brought nothing.
    error NothingReceived(uint256 requested);
    /// @notice Coin was sent to a distributor of tokens, or another amount than was named.
    error WrongValue(uint256 expected, uint256 got);

    /// @notice Opens an active round for claims. Anyone may, once a round.
    /// @param header The round's header.
    /// @param entry Entry of this chain.
    /// @param index Position of the entry, from the left.
    /// @param proof Siblings from the entry up to the header's reward root.
    function open(RoundHeader calldata header, Entry calldata entry, uint256 index, bytes32[] calldata proof) external;

    /// @notice Pays what a leaf is due. Reverts if nothing is.
    /// @return amount Paid now, in the token's smallest unit.
    function claim(Claim calldata c) external returns (uint256 amount);

    /// @notice Pays up to `maxClaims` leaves. A leaf that is due nothing is passed over (someone may have claimed it in the
    /// meantime); any other fault reverts all.
    /// @return amount Paid now in total.
    function claimMany(Claim[] calldata claims) external returns (uint256 amount);

    /// @notice Takes `amount` from the caller: tokens that it has approved, or the coin sent along. A plain transfer to this contract
    /// funds it too.
    /// @return received What arrived.
    function fund(uint256 amount) external payable returns (uint256 received);

    /// @notice Where roots come from.
    function source() external view returns (IRootSource);

    /// @notice Token that is paid; zero for the chain's coin.
    function token() external view returns (address);

    /// @notice Federation whose rewards are paid.
    function federation() external view returns (bytes32);

    /// @notice Root over this chain's leaves of an opened round; zero if it isn't open.
    function chainRoot(uint64 round) external view returns (bytes32);

    /// @notice Largest cumulative budget of any opened round: never is more paid.
    function budget() external view returns (uint256);

    /// @notice Paid so far to a participant.
    function paidTo(bytes32 participant) external view returns (uint256);

    /// @notice Paid so far to everyone.
    function totalPaid() external view returns (uint256);

    /// @notice The most claims in one `claimMany`.
    function maxClaims() external view returns (uint256);
}
