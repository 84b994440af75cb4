// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RoundHeader} from "../types/RoundHeader.sol";
import {IFederationRegistry} from "./IFederationRegistry.sol";
import {IRootSource} from "./IRootSource.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @title Rounds of one federation on its home chain
/// @notice Takes headers signed by a quorum of members, strictly in sequence, and makes their reward roots claimable after a delay
/// in which they can be disputed (`IDisputes`).
/// @dev Stolen keys of a whole quorum cost at most `perRoundCap` for each round that becomes active, and the coordinator
/// can veto a round until then. A coordinator that vetoes everything stops payments but can't take any. Of a header only its digest
/// is stored: whoever needs more brings the header along.
interface IRoundManager is IRootSource {
    /// @notice A round was posted. Its header is in the calldata of the transaction, or told with it.
    /// @param round Its number.
    /// @param digest EIP-712 digest of its header.
    /// @param activeAt When the root becomes claimable (Unix time).
    /// @param signers The members that signed, ascending.
    event RoundPosted(uint64 indexed round, bytes32 indexed digest, uint64 activeAt, address[] signers);

    /// @notice The header of a round that wasn't posted by a transaction of its own but by another contract, whose calldata need not have it,
    /// and what it was signed with: whoever proves that it lies needs both.
    /// @param signatures As `postRound` was given them.
    event HeaderTold(uint64 indexed round, bytes32 indexed digest, RoundHeader header, bytes signatures);

    /// @notice A round and all after it (up to `lastVoided`) were voided before they became active, by a veto or a proof.
    event RoundVoided(uint64 indexed round, bytes32 indexed digest, uint64 lastVoided);

    /// @notice Lies cost the stakes of this vault from now on.
    event VaultAttached(address indexed vault);

    /// @notice The budget of the last good round is known again.
    event BudgetRecalled(uint64 indexed round, uint256 cumulativeBudget);

    /// @notice A round is active and nothing can void it any more. Told at most once a round; rounds before it are final too.
    event RoundFinalised(uint64 indexed round, bytes32 indexed digest);

    /// @notice The registry's address is zero.
    error ZeroRegistry();
    /// @notice The cap on a round's budget must be 1 to `maximum`.
    error CapOutOfRange(uint256 maximum, uint256 perRoundCap);
    /// @notice The activation delay must be `minimum` to `maximum` seconds.
    error DelayOutOfRange(uint64 minimum, uint64 maximum, uint64 activationDelay);
    /// @notice The header is for another federation.
    error WrongFederation(bytes32 expected, bytes32 got);
    /// @notice This very header is posted already: nothing to do.
    error AlreadyPosted(uint64 round, bytes32 digest);
    /// @notice Another header is posted for this round: whoever signed both equivocated.
    error ConflictingHeader(uint64 round, bytes32 posted, bytes32 got);
    /// @notice The round isn't the next one.
    error RoundOutOfOrder(uint64 expected, uint64 got);
    /// @notice The header's parent isn't the previous header.
    error WrongParent(bytes32 expected, bytes32 got);
    /// @notice This very header was voided and stays void.
    error HeaderVoided(uint64 round, bytes32 digest);
    /// @notice The cumulative budget went down.
    error BudgetDecreased(uint256 previous, uint256 got);
    /// @notice The cumulative budget rose by more than a round's cap.
    error BudgetAboveCap(uint256 maximum, uint256 got);
    /// @notice Fewer signatures than the threshold.
    error QuorumMissing(uint256 threshold, uint256 got);
    /// @notice The signature at this index isn't valid for this header.
    error InvalidSignature(uint256 index, bytes32 digest);
    /// @notice Signers must come in strictly ascending order of address.
    error SignersNotAscending(uint256 index, address previous, address signer);
    /// @notice The signer isn't a member.
    error NotMember(uint256 index, address signer);
    /// @notice Only the coordinator may veto.
    error NotCoordinator(address coordinator, address caller);
    /// @notice There is no such round to veto.
    error UnknownRound(uint64 round, uint64 latest);
    /// @notice The round is active and can't be vetoed any more.
    error RoundAlreadyActive(uint64 round, uint64 activeAt);
    /// @notice After a round was voided, the last good header must be recalled before the next is posted.
    error BudgetUnknown(uint64 round);
    /// @notice The last budget is known: there is nothing to recall.
    error BudgetKnown(uint64 round);
    /// @notice A vault is attached already, or a round was posted without one.
    error VaultFixed(address vault);
    /// @notice The vault has no code, or names another manager.
    error WrongVault(address vault);
    /// @notice This round was told to be final before.
    error AlreadyFinalised(uint64 round);

    /// @notice Posts the next round. Anyone may; the signatures decide.
    /// @param header What the members signed.
    /// @param signatures One per signer, in strictly ascending order of the signers' addresses, each behind its length in two bytes
    /// (big-endian): 65 bytes (r, s, v) of ECDSA; or, for a member that is an ERC-1271 contract, its 20-byte address followed by its
    /// signature (together any length of at least 20 other than 65).
    function postRound(RoundHeader calldata header, bytes calldata signatures) external;

    /// @notice Voids a round that isn't active yet, and every later one. The same header can't be posted again; a corrected
    /// one for the same round number can. Coordinator only.
    function veto(uint64 round) external;

    /// @notice Brings back the budget of the last good round after one was voided: its digest alone was kept. Anyone may.
    function recall(RoundHeader calldata header) external;

    /// @notice Names the vault whose stakes are slashed: once, before the first round, coordinator only.
    function attachVault(IStakeVault stakes) external;

    /// @notice Tells that a round is active for good. Nothing depends on it being called: activity follows from time alone.
    function finalise(uint64 round) external;

    /// @notice Registry whose members sign.
    function registry() external view returns (IFederationRegistry);

    /// @notice Chain on which this contract was created.
    function homeChainId() external view returns (uint256);

    /// @notice The most that the cumulative budget may rise in one round, in the token's smallest unit.
    function perRoundCap() external view returns (uint256);

    /// @notice Seconds between posting a round and its root becoming claimable.
    function activationDelay() external view returns (uint64);

    /// @notice Number of the last posted round that wasn't voided; zero before the first.
    function latestRound() external view returns (uint64);

    /// @notice Digest of a posted round's header; zero if there is none.
    function headerDigest(uint64 round) external view returns (bytes32);

    /// @notice Cumulative budget of the last posted round.
    /// @return budget In the token's smallest unit.
    /// @return known Whether it is known: not between a void and the recall of the last good header.
    function latestBudget() external view returns (uint256 budget, bool known);

    /// @notice When a posted round becomes active (Unix time) unless it is disputed; zero if there is none.
    function activeAt(uint64 round) external view returns (uint64);

    /// @notice Whether the round's root is claimable now, and for ever.
    function isActive(uint64 round) external view returns (bool);

    /// @notice Whether a header with this digest was voided itself (not only with an earlier one), by a veto or a proof.
    function isVoided(bytes32 digest) external view returns (bool);

    /// @notice Vault whose stakes are slashed; zero where nothing is at stake.
    function vault() external view returns (IStakeVault);

    /// @notice The longest that a round can be disputed after it was posted, in seconds.
    function longestDispute() external view returns (uint64);

    /// @notice EIP-712 domain separator of headers: `EIP712Domain(string name,string version,bytes32 salt)` with name "xfl",
    /// version "1" and salt keccak256(abi.encode(home chain id, this contract, federation)). No chain id and no
    /// verifying contract: the same signatures serve every chain.
    function domainSeparator() external view returns (bytes32);

    /// @notice The 32 bytes that members sign for a header.
    function digestOf(RoundHeader calldata header) external view returns (bytes32);
}
