//! The chain's side: what the contracts hold against what the transcript says.

use xfl_core::{
    audit::{Audit, Check, Posted, Verdict},
    node::settle,
    round::Rounds,
};
use xfl_settlement::{
    audit::{Expected, ExpectedRound, Finding, audit},
    chain::{client::SettlementClient, connect::Connection, deploy::Deployment},
    payout::Signature,
    statement::Quorum,
};

use super::{Args, evidence::Evidence};
use crate::failure::{Code, Failure};

/// Compares; where no chain is at hand, one check says so.
pub(super) async fn checks(args: &Args, evidence: &Evidence, replayed: &Audit) -> Result<Vec<Check>, Failure> {
    let Some(rounds) = &replayed.rounds else {
        return Ok(Vec::new());
    };
    let connection = match (&args.rpc, &evidence.chain) {
        (Some(url), _) => {
            let connection = settle::connect(url, None)?;
            // Nobody there is a matter of the network; a node that answers wrongly is the audit's.
            connection.chain_id().await?;
            connection
        }
        (None, Some((_, chain))) => Connection::embedded(chain, None),
        (None, None) => {
            let text = "the chain isn't at hand: give --rpc URL, or the coordinator's directory or exported file";
            return Ok(vec![check(None, text.into(), Verdict::Unchecked)]);
        }
    };
    let deployment = settle::deployment(rounds.plan(), &rounds.genesis().contracts);
    let signatures: Vec<_> = replayed
        .posted
        .iter()
        .map(|posted| ascending(posted, &deployment))
        .collect();
    let expected: Vec<_> = replayed
        .posted
        .iter()
        .zip(&signatures)
        .map(|(posted, signatures)| ExpectedRound {
            header: &posted.header,
            signatures,
            members: &posted.members,
            tree: &posted.tree,
        })
        .collect();
    let bindings = admitted(rounds);
    let expected = Expected {
        rounds: &expected,
        members: &bindings,
    };
    let client = SettlementClient::unchecked(connection, deployment);
    audit(&client, &expected).await.into_iter().map(told).collect()
}

/// The signatures as the contract takes them: ascending by signer.
fn ascending(posted: &Posted, deployment: &Deployment) -> Vec<Signature> {
    let threshold = usize::try_from(deployment.terms.threshold).unwrap_or(usize::MAX);
    let quorum = Quorum::new(posted.members.clone(), threshold);
    let sorted = quorum.and_then(|quorum| quorum.collect(&posted.digest, posted.signatures.iter().copied()));
    // What is no quorum is handed on as it is, and the audit says what is wrong with it.
    sorted.unwrap_or_else(|_| posted.signatures.clone())
}

fn admitted(rounds: &Rounds) -> Vec<xfl_settlement::binding::Binding> {
    rounds.joined().values().map(|joined| joined.binding).collect()
}

fn told(found: xfl_settlement::audit::Check) -> Result<Check, Failure> {
    match found.result {
        Ok(()) => Ok(check(found.round, found.name, Verdict::Holds)),
        Err(Finding::Chain(xfl_settlement::chain::client::ClientError::Connection(error))) => {
            let what = format!("{}: {error}", found.name);
            Err(Failure::new(Code::Network, what).hint("nothing is known either way; try again, or ask another node"))
        }
        Err(error) => Ok(check(found.round, format!("{}: {error}", found.name), Verdict::Fails)),
    }
}

fn check(round: Option<u64>, text: String, verdict: Verdict) -> Check {
    Check {
        round,
        stage: "chain".into(),
        text,
        verdict,
    }
}
