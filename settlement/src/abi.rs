//! What contracts read of Rust, in their own types: the header that is signed and proved against, evidence, and what the round manager is called with.

use alloy::primitives::U256;

use crate::payout::Signature;
use crate::{input, receipt, statement};

alloy::sol! {
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

    struct Row {
        uint64 chunk;
        bytes row;
        bytes32[] rowProof;
        bytes32 aggregate;
        bytes32[] aggregateProof;
    }

    struct Hints {
        uint256 coordinate;
        int32 low;
        int32 high;
        bytes weights;
    }

    struct Input {
        bytes32 nodeKey;
        bytes32 commitment;
        uint32 position;
    }

    struct Opening {
        uint256 index;
        bytes32[] inputProof;
        bytes16 salt;
        bytes32 values;
        bytes32[] proof;
    }

    struct Receipt {
        bytes32 federation;
        uint64 round;
        uint32 attempt;
        bytes32 nodeKey;
        bytes32 commitment;
    }

    function proveRule(RoundHeader header, Row evidence, Hints hints);

    function proveInput(RoundHeader header, Row evidence, uint32 count, Input input, Opening opening);

    function proveOmission(
        RoundHeader header,
        Receipt receipt,
        bytes signature,
        uint32 count,
        uint256 index,
        Input[] neighbours,
        bytes32[][] proofs
    );

    function proveEquivocation(
        RoundHeader first,
        RoundHeader second,
        bytes firstSignature,
        bytes secondSignature
    );

    function punish(bytes32 digest, bytes signature);

    function demandRow(RoundHeader header, uint64 chunk);

    function answerRow(RoundHeader header, Row evidence);

    function expireDemand(RoundHeader header, uint64 chunk);

    function postRound(RoundHeader header, bytes signatures);
}

/// Signatures as `postRound` takes them: each behind its length in two bytes, big-endian.
pub(crate) fn pack(signatures: &[Signature]) -> Vec<u8> {
    let packed = |signature: &Signature| [&(signature.0.len() as u16).to_be_bytes()[..], &signature.0].concat();
    signatures.iter().flat_map(packed).collect()
}

/// The signatures of keys among those that were packed; contracts' are left out, and whatever follows one that is cut short.
pub(crate) fn unpack(mut packed: &[u8]) -> Vec<Signature> {
    let mut signatures = Vec::new();
    while let Some((length, rest)) = packed.split_first_chunk() {
        let Some((signature, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            break;
        };
        signatures.extend(signature.try_into().ok().map(Signature));
        packed = rest;
    }
    signatures
}

impl From<&input::Input> for Input {
    fn from(input: &input::Input) -> Self {
        Self {
            nodeKey: input.node_key.into(),
            commitment: input.commitment.into(),
            position: input.position,
        }
    }
}

impl From<&receipt::Receipt> for Receipt {
    fn from(receipt: &receipt::Receipt) -> Self {
        Self {
            federation: receipt.federation.into(),
            round: receipt.round,
            attempt: receipt.attempt,
            nodeKey: receipt.node_key.into(),
            commitment: receipt.commitment.into(),
        }
    }
}

impl TryFrom<&RoundHeader> for statement::RoundHeader {
    type Error = ();

    /// Fails for a budget that no contract takes.
    fn try_from(header: &RoundHeader) -> Result<Self, ()> {
        Ok(Self {
            federation: header.federation.0,
            round: header.round,
            plan_hash: header.planHash.0,
            parent: header.parent.0,
            model_root: header.modelRoot.0,
            row_root: header.rowRoot.0,
            aggregate_root: header.aggregateRoot.0,
            transcript_root: header.transcriptRoot.0,
            reward_root: header.rewardRoot.0,
            cumulative_budget: header.cumulativeBudget.try_into().map_err(|_| ())?,
            cohort: header.cohort,
            dimension: header.dimension,
            rule: header.rule,
            rule_parameter: header.ruleParameter.0,
            input_root: header.inputRoot.0,
            attempt: header.attempt,
        })
    }
}

impl From<&statement::RoundHeader> for RoundHeader {
    fn from(header: &statement::RoundHeader) -> Self {
        Self {
            federation: header.federation.into(),
            round: header.round,
            planHash: header.plan_hash.into(),
            parent: header.parent.into(),
            modelRoot: header.model_root.into(),
            rowRoot: header.row_root.into(),
            aggregateRoot: header.aggregate_root.into(),
            transcriptRoot: header.transcript_root.into(),
            rewardRoot: header.reward_root.into(),
            cumulativeBudget: U256::from(header.cumulative_budget),
            cohort: header.cohort,
            dimension: header.dimension,
            rule: header.rule,
            ruleParameter: header.rule_parameter.into(),
            inputRoot: header.input_root.into(),
            attempt: header.attempt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_packed_and_read_back() {
        let all = [Signature([1; 65]), Signature([2; 65])];
        let packed = pack(&all);
        assert_eq!((packed.len(), &packed[..3]), (2 * 67, &[0, 65, 1][..]));
        assert_eq!(unpack(&packed), all);
        // A contract's is passed over, and one that is cut short ends the list.
        let mixed = [&[0, 3, 9, 9, 9][..], &packed].concat();
        assert_eq!(unpack(&mixed), all);
        assert_eq!(unpack(&packed[..packed.len() - 1]), all[..1]);
        assert_eq!(unpack(&packed[..68]), all[..1]);
        assert_eq!(unpack(&[]), []);
    }
}
