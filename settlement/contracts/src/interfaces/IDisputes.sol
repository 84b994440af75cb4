// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hints, Opening, Row} from "../types/Evidence.sol";
import {Input, Receipt} from "../types/Input.sol";
import {RoundHeader} from "../types/RoundHeader.sol";

/// @title Lies of a round, proved
/// @notice Until a round is active, anyone shows in one transaction that its header contradicts itself or a receipt, or asks for a row
/// that nobody shows. The round is void, and whoever signed the header can be slashed, one call a signature.
/// @dev A header that was vetoed, or fell with an earlier one, can still be proved against: a veto takes a round back, not what its
/// signers said. A header whose roots are over what was received, whose rows are the members' chunks and whose aggregate follows its rule can't be
/// proved against, whatever calldata says: every size, rule and root comes from the header. What is not proved here: that an update
/// was refused for a good reason, that a row has a member which sent nothing, rules that a contract can't redo (`Rules`), scores, the
/// model; roots that are over nothing at all can only be demanded (rows) or not signed (inputs).
interface IDisputes {
    /// @notice What was proved against a header.
    enum Lie {
        None,
        Rule,
        Input,
        Omission,
        Withholding
    }

    /// @notice A header was proved to lie.
    event LieProved(bytes32 indexed digest, Lie indexed lie, address indexed prover, uint64 round);
    /// @notice Somebody who answers for a lie was slashed (by nothing, where nothing was staked).
    event Punished(bytes32 indexed digest, address indexed account, address indexed prover, uint256 amount);
    /// @notice A member signed two headers for one round.
    event EquivocationProved(
        address indexed signer, address indexed prover, uint64 indexed round, bytes32 first, bytes32 second
    );
    /// @notice Somebody asks for a row.
    event RowDemanded(bytes32 indexed digest, uint64 indexed chunk, address indexed demander, uint64 deadline);
    /// @notice The row and the aggregate's chunk were shown: they are in this transaction's calldata, or told with it.
    event RowAnswered(bytes32 indexed digest, uint64 indexed chunk, address indexed answerer);
    /// @notice What another contract showed, whose calldata need not have it.
    event RowTold(bytes32 indexed digest, uint64 indexed chunk, Row evidence);
    /// @notice A bond went back to the demander, for nobody had answered.
    event BondReturned(bytes32 indexed digest, uint64 indexed chunk, address indexed demander);
    /// @notice Bonds were paid out.
    event BondsPaid(address indexed account, address indexed to, uint256 amount);

    /// @notice Another header, or none, was posted for this round, or it was proved to lie before.
    error NotStanding(uint64 round, bytes32 posted, bytes32 got);
    /// @notice The aggregate's coordinate is what the rule makes of the row.
    error FollowsTheRule(int256 value);
    /// @notice The row has the very chunk that the member committed to.
    error MatchesTheInput(bytes32 values);
    /// @notice The update was refused: it stands in no row.
    error InputRefused(bytes32 nodeKey);
    /// @notice The position is past the cohort.
    error PositionOutOfRow(uint32 cohort, uint32 position);
    /// @notice The receipt is for another federation, round or attempt.
    error OtherReceipt();
    /// @notice The coordinator didn't sign this receipt.
    error NotReceipted(address coordinator, bytes32 digest);
    /// @notice These inputs leave no gap in which the receipt's member would stand with this commitment.
    error NoGap(bytes32 nodeKey);
    /// @notice A demand needs exactly this bond.
    error WrongBond(uint256 expected, uint256 got);
    /// @notice Nobody may demand rows of this round.
    error RowsConfidential(uint8 rule);
    /// @notice Demands must come before the round's activation time.
    error TooLate(uint64 activeAt);
    /// @notice This row was demanded before.
    error AlreadyDemanded(bytes32 digest, uint64 chunk);
    /// @notice Nobody demands this row, or it was answered.
    error NotDemanded(bytes32 digest, uint64 chunk);
    /// @notice The deadline for answers has passed.
    error DeadlinePassed(uint64 deadline);
    /// @notice The deadline for answers hasn't passed.
    error DeadlineAhead(uint64 deadline);
    /// @notice Nothing was proved against this header.
    error NoLie(bytes32 digest);
    /// @notice Not a valid signature over this digest.
    error NotSigned(bytes32 digest);
    /// @notice This account was punished for this header before.
    error AlreadyPunished(bytes32 digest, address account);
    /// @notice The two headers aren't an equivocation: not of one round after one parent, or the same.
    error NoEquivocation(bytes32 first, bytes32 second);
    /// @notice A round may be signed anew after a veto or a proof: that is no equivocation.
    error VoidedIsExempt(bytes32 digest);
    /// @notice No bond is owed.
    error NoBond(address account);
    /// @notice The coin wasn't accepted.
    error BondRefused(address to, uint256 amount);

    /// @notice Shows that one coordinate of the aggregate isn't what the header's rule makes of the row.
    function proveRule(RoundHeader calldata header, Row calldata evidence, Hints calldata hints) external;

    /// @notice Shows that a row has another chunk than the member committed to.
    /// @param count Number of the round's inputs.
    /// @param input The member's input.
    function proveInput(
        RoundHeader calldata header,
        Row calldata evidence,
        uint32 count,
        Input calldata input,
        Opening calldata opening
    ) external;

    /// @notice Shows that an update with a receipt isn't among the round's inputs: two neighbours leave no place for it. The coordinator
    /// answers for it alone.
    /// @param receipt What the coordinator signed.
    /// @param signature By the coordinator: 65 bytes, or whatever its ERC-1271 contract accepts.
    /// @param count Number of the round's inputs.
    /// @param index Place of the first input whose key isn't below the receipt's; `count` if there is none.
    /// @param neighbours The inputs at `index - 1` and `index`, as far as there are such, in this order.
    /// @param proofs Siblings of each, from its leaf up.
    function proveOmission(
        RoundHeader calldata header,
        Receipt calldata receipt,
        bytes calldata signature,
        uint32 count,
        uint256 index,
        Input[] calldata neighbours,
        bytes32[][] calldata proofs
    ) external;

    /// @notice Asks for a row of a round that isn't active, against a bond. The round waits until it is answered or the time for a
    /// proof has passed.
    function demandRow(RoundHeader calldata header, uint64 chunk) external payable;

    /// @notice Shows a row that was demanded; the bond is owed to the caller.
    function answerRow(RoundHeader calldata header, Row calldata evidence) external;

    /// @notice Voids a round of which a row was demanded and not shown in time. The bond is owed to the demander, who counts as prover.
    function expireDemand(RoundHeader calldata header, uint64 chunk) external;

    /// @notice Gives a bond back where nobody answered, whatever has become of the round.
    function returnBond(bytes32 digest, uint64 chunk) external;

    /// @notice Pays the bonds that are owed to the caller.
    function collectBonds(address to) external returns (uint256 amount);

    /// @notice Slashes one who signed a header that was proved to lie.
    /// @param signature 65 bytes of ECDSA, or the 20-byte address of an ERC-1271 contract and its signature.
    function punish(bytes32 digest, bytes calldata signature) external returns (address signer, uint256 amount);

    /// @notice Slashes one who signed two headers of one round after one parent, neither of which was voided.
    function proveEquivocation(
        RoundHeader calldata first,
        RoundHeader calldata second,
        bytes calldata firstSignature,
        bytes calldata secondSignature
    ) external returns (address signer, uint256 amount);

    /// @notice What was proved against a header, and by whom.
    function lieOf(bytes32 digest) external view returns (Lie lie, address prover);

    /// @notice Whether an account was punished for a header.
    function isPunished(bytes32 digest, address account) external view returns (bool);

    /// @notice An open demand; zeros if there is none.
    function demandOf(bytes32 digest, uint64 chunk) external view returns (address demander, uint64 deadline);

    /// @notice From which round on rounds wait for a dispute, and until when; zeros if none does.
    function heldBack() external view returns (uint64 fromRound, uint64 until);

    /// @notice Bonds owed to an account.
    function bondsOf(address account) external view returns (uint256);

    /// @notice Seconds to answer a demand, and then to prove with the answer.
    function answerTime() external view returns (uint64);

    /// @notice Bond of a demand, in the chain's coin.
    function demandBond() external view returns (uint256);

    /// @notice What one signer loses for one lie, as far as it has it at stake.
    function penalty() external view returns (uint256);

    /// @notice The 32 bytes that the coordinator signs for a receipt.
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);
}
