//! What contracts read of Rust, in their own types: the header that is signed and proved against, and evidence.

use alloy::primitives::U256;

use crate::statement;

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

    function proveRule(RoundHeader header, Row evidence, Hints hints);
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
