// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What a quorum of members signs for one round.
/// @param federation Federation that the round belongs to.
/// @param round Number of the round, from 1 without gaps.
/// @param planHash Hash of the signed plan of the round.
/// @param parent EIP-712 digest of the previous round's header; zero for round 1.
/// @param modelRoot Root over the global model after the round.
/// @param rowRoot Root over the cohort's rows (one leaf per chunk of coordinates).
/// @param aggregateRoot Root over the aggregate, same chunks.
/// @param transcriptRoot Root of the transcript up to and including the round.
/// @param rewardRoot Root over all chains of what everyone has earned so far.
/// @param cumulativeBudget Sum of everything earned so far on all chains, in the reward token's smallest unit.
/// @param cohort Number of members whose updates were aggregated.
/// @param dimension Number of coordinates of the aggregate.
/// @param rule Code of the aggregation rule; plus 128 where anything was done to the updates before it, plus 64 where the rows are
/// confidential and nobody may demand them. See `Rules` for those that a contract can redo.
/// @param ruleParameter What the rule takes: the number trimmed from each end, the hash of the weights; zero for others.
/// @param inputRoot Root over everything that was received for this round, see `InputTree`.
/// @param attempt Which attempt at the round this is, from 0: receipts of attempts given up mean nothing for the one that counts.
struct RoundHeader {
    bytes32 federation;
    uint64 round;
    bytes32 planHash;
    bytes32 parent;
    bytes32 modelRoot;
    bytes32 rowRoot;
    bytes32 aggregateRoot;
    bytes32 transcriptRoot;
    bytes32 rewardRoot;
    uint256 cumulativeBudget;
    uint32 cohort;
    uint64 dimension;
    uint8 rule;
    bytes32 ruleParameter;
    bytes32 inputRoot;
    uint32 attempt;
}

bytes32 constant ROUND_HEADER_TYPEHASH = keccak256(
    "RoundHeader(bytes32 federation,uint64 round,bytes32 planHash,bytes32 parent,bytes32 modelRoot,bytes32 rowRoot,"
    "bytes32 aggregateRoot,bytes32 transcriptRoot,bytes32 rewardRoot,uint256 cumulativeBudget,uint32 cohort,"
    "uint64 dimension,uint8 rule,bytes32 ruleParameter,bytes32 inputRoot,uint32 attempt)"
);

/// @notice Whether this call is a whole transaction: what it was called with is what anybody reads of the transaction. An account that
/// delegates to code (EIP-7702) may have called from that.
function isTransaction() view returns (bool) {
    return msg.sender == tx.origin && msg.sender.code.length == 0;
}

/// @notice EIP-712 `hashStruct` of a header.
function hashRoundHeader(RoundHeader calldata header) pure returns (bytes32) {
    // Every member is a static word, so that the ABI encoding of the struct is its EIP-712 encoding.
    return keccak256(abi.encode(ROUND_HEADER_TYPEHASH, header));
}
