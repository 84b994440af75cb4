//! What may happen in a history. Numbers are reduced to what there is (members, rounds, chunks) when an operation is played, so that every
//! shrunk history is one too.

use proptest::prelude::*;

/// One transaction to be, or time that passes.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Seconds.
    Wait(u16),
    /// A member is bound, well or with a fault.
    Admit { member: u8, fault: u8 },
    /// A member is removed.
    Remove { member: u8, by: u8 },
    /// The next round: over a wrong coordinate, or with an input left out, or honest; signed by some, or with a fault.
    Post {
        budget: u16,
        weights: [u8; 4],
        signers: u8,
        lie: u8,
        fault: u8,
    },
    /// A header that was posted before, or was to be, once more.
    PostAgain { back: u8 },
    /// From a round on all are void.
    Veto { back: u8, by: u8 },
    /// The budget of a good round is brought back.
    Recall { back: u8 },
    /// A round is told to be final.
    Finalise { back: u8 },
    /// A row is asked for, with or without the bond.
    Demand { back: u8, chunk: u8, by: u8, bond: bool },
    /// A row is shown.
    Answer { back: u8, chunk: u8, by: u8 },
    /// A round falls because a row wasn't shown.
    Expire { back: u8, chunk: u8, by: u8 },
    /// A bond goes back.
    ReturnBond { back: u8, chunk: u8, by: u8 },
    /// Bonds are paid.
    CollectBonds { by: u8 },
    /// A coordinate is challenged.
    ProveRule { back: u8, coordinate: u8, by: u8 },
    /// A receipt is shown.
    ProveOmission { back: u8, by: u8 },
    /// A signer is to be slashed.
    Punish { back: u8, signer: u8, by: u8 },
    /// Two headers under one signature are shown.
    Equivocate { back: u8, signer: u8, by: u8 },
    /// A round is opened for claims.
    Open { back: u8, fault: u8 },
    /// One claim.
    Claim { back: u8, earner: u8, fault: u8 },
    /// Several at once.
    ClaimMany { back: u8, earners: u8 },
    /// Tokens for the distributor, approved and taken, or merely sent.
    Fund { amount: u16, by: u8, approve: bool },
    /// Coin at stake.
    Deposit { by: u8, amount: u8, exact: bool },
    /// A stake unbonds.
    Exit { by: u8, amount: u8 },
    /// It does so no longer.
    CancelExit { by: u8 },
    /// It is paid back.
    Withdraw { by: u8 },
    /// What proofs earned is paid.
    Collect { by: u8 },
    /// What nobody earned is paid to nobody.
    Sink { by: u8 },
    /// Bytes that are no call, some behind a real selector.
    Garbage { contract: u8, bytes: [u8; 12], real: bool },
    /// A call that may not have gas enough.
    Starved { gas: u16 },
}

/// Any operation; those that others need are drawn more often.
pub(super) fn any() -> impl Strategy<Value = Op> {
    use proptest::prelude::any;
    let post = (any::<u16>(), any::<[u8; 4]>(), any::<u8>(), any::<u8>(), any::<u8>()).prop_map(
        |(budget, weights, signers, lie, fault)| Op::Post {
            budget,
            weights,
            signers,
            lie,
            fault,
        },
    );
    let back = || prop_oneof![6 => Just(0u8), 2 => Just(1u8), 1 => 2..5u8];
    let three = || (back(), any::<u8>(), any::<u8>());
    prop_oneof![
        3 => (1..60u16).prop_map(Op::Wait),
        2 => (200..700u16).prop_map(Op::Wait),
        2 => any::<(u8, u8)>().prop_map(|(member, fault)| Op::Admit { member, fault }),
        1 => any::<(u8, u8)>().prop_map(|(member, by)| Op::Remove { member, by }),
        10 => post,
        2 => back().prop_map(|back| Op::PostAgain { back }),
        1 => (back(), any::<u8>()).prop_map(|(back, by)| Op::Veto { back, by }),
        4 => back().prop_map(|back| Op::Recall { back }),
        2 => (0..8u8).prop_map(|back| Op::Finalise { back }),
        3 => (three(), any::<bool>()).prop_map(|((back, chunk, by), bond)| Op::Demand { back, chunk, by, bond }),
        3 => three().prop_map(|(back, chunk, by)| Op::Answer { back, chunk, by }),
        2 => three().prop_map(|(back, chunk, by)| Op::Expire { back, chunk, by }),
        2 => three().prop_map(|(back, chunk, by)| Op::ReturnBond { back, chunk, by }),
        1 => any::<u8>().prop_map(|by| Op::CollectBonds { by }),
        4 => three().prop_map(|(back, coordinate, by)| Op::ProveRule { back, coordinate, by }),
        2 => (back(), any::<u8>()).prop_map(|(back, by)| Op::ProveOmission { back, by }),
        4 => three().prop_map(|(back, signer, by)| Op::Punish { back, signer, by }),
        2 => three().prop_map(|(back, signer, by)| Op::Equivocate { back, signer, by }),
        5 => any::<(u8, u8)>().prop_map(|(back, fault)| Op::Open { back, fault }),
        8 => any::<(u8, u8, u8)>().prop_map(|(back, earner, fault)| Op::Claim { back, earner, fault }),
        3 => (back(), any::<u8>()).prop_map(|(back, earners)| Op::ClaimMany { back, earners }),
        1 => any::<(u16, u8, bool)>().prop_map(|(amount, by, approve)| Op::Fund { amount, by, approve }),
        2 => any::<(u8, u8, bool)>().prop_map(|(by, amount, exact)| Op::Deposit { by, amount, exact }),
        2 => any::<(u8, u8)>().prop_map(|(by, amount)| Op::Exit { by, amount }),
        1 => any::<u8>().prop_map(|by| Op::CancelExit { by }),
        2 => any::<u8>().prop_map(|by| Op::Withdraw { by }),
        2 => any::<u8>().prop_map(|by| Op::Collect { by }),
        1 => any::<u8>().prop_map(|by| Op::Sink { by }),
        2 => any::<(u8, [u8; 12], bool)>().prop_map(|(contract, bytes, real)| Op::Garbage { contract, bytes, real }),
        1 => any::<u16>().prop_map(|gas| Op::Starved { gas }),
    ]
}
