//! The chain's side: what the contracts hold against what the transcript says.

use std::{collections::BTreeMap, path::Path};

use xfl_core::{
    audit::{Audit, Check, Posted, Verdict},
    node::settle::{self, CHAINS_FILE, Endpoints, SettleError},
    round::Rounds,
    transcript::Contracts,
};
use xfl_settlement::{
    audit::{Expected, ExpectedRound, Finding, audit},
    chain::{client::SettlementClient, connect::Connection, deploy::Deployment},
    payout::Signature,
    statement::Quorum,
};

use super::{Args, evidence::Evidence};
use crate::failure::{Code, Failure};

/// Compares each chain; where one isn't at hand, a check says so.
pub(super) async fn checks(args: &Args, evidence: &Evidence, replayed: &Audit) -> Result<Vec<Check>, Failure> {
    let Some(rounds) = &replayed.rounds else {
        return Ok(Vec::new());
    };
    // Nobody there is a matter of the network; a node that answers wrongly is the audit's.
    let mut ways = BTreeMap::new();
    for endpoint in &args.rpc {
        let connection = settle::connect(endpoint, None)?;
        let id = connection.chain_id().await?;
        if rounds.genesis().chains().all(|chain| chain.chain_id != id) {
            let what = format!("{endpoint} is chain {id}, which is none of this federation's");
            return Err(Failure::new(Code::Network, what).hint("name the url of one that the transcript begins with"));
        }
        ways.insert(id, connection);
    }
    if let Some((_, chain)) = &evidence.chain {
        ways.entry(chain.chain_id())
            .or_insert_with(|| Connection::embedded(chain, None));
    }
    // What the auditor wrote down itself, in the folder it works in: the audited directory's own file would have it ask the coordinator's nodes.
    let mut silent = BTreeMap::new();
    for endpoint in Endpoints::read(Path::new(".")).map_err(SettleError::from)?.chains() {
        let id = endpoint.chain_id.unwrap_or_default();
        if ways.contains_key(&id) || rounds.genesis().chains().all(|chain| chain.chain_id != id) {
            continue;
        }
        let connection = settle::connect(&endpoint, None)?;
        match connection.chain_id().await {
            Ok(got) if got == id => drop(ways.insert(id, connection)),
            Ok(got) => drop(silent.insert(id, format!("{endpoint} is chain {got}, {CHAINS_FILE} says {id}"))),
            Err(error) => drop(silent.insert(id, format!("{endpoint}, as {CHAINS_FILE} says: {error}"))),
        }
    }
    let own = settle::check_contracts(rounds.plan(), rounds.genesis());
    let mut checks = vec![Check {
        round: None,
        stage: "chain".into(),
        text: match &own {
            Ok(()) => "the contracts' addresses follow from this program's own code and the plan".into(),
            Err(error) => error.to_string(),
        },
        verdict: if own.is_ok() { Verdict::Holds } else { Verdict::Fails },
    }];
    for chain in rounds.genesis().chains() {
        match ways.get(&chain.chain_id) {
            Some(connection) => checks.extend(on_chain(replayed, rounds, chain, connection.clone()).await?),
            None => checks.push(missing(rounds, chain, silent.get(&chain.chain_id))),
        }
    }
    Ok(checks)
}

fn missing(rounds: &Rounds, chain: &Contracts, silent: Option<&String>) -> Check {
    let home = chain.chain_id == rounds.genesis().contracts.chain_id;
    let (stage, text) = match home {
        true => (
            "chain".to_owned(),
            "the chain isn't at hand: give --rpc URL, or the coordinator's directory or exported file".to_owned(),
        ),
        false => (
            format!("chain {}", chain.chain_id),
            format!("the chain isn't at hand: give --rpc {}=URL", chain.chain_id),
        ),
    };
    let text = silent.map_or(text, |why| format!("the chain isn't at hand: {why}"));
    Check {
        round: None,
        stage,
        text,
        verdict: Verdict::Unchecked,
    }
}

async fn on_chain(
    replayed: &Audit,
    rounds: &Rounds,
    chain: &Contracts,
    connection: Connection,
) -> Result<Vec<Check>, Failure> {
    let deployment = settle::deployment(rounds.plan(), rounds.genesis(), chain);
    let stage = match deployment.is_home() {
        true => "chain".to_owned(),
        false => format!("chain {}", chain.chain_id),
    };
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
    let found = audit(&client, &expected).await.into_iter();
    found.map(|found| told(&stage, found)).collect()
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

fn told(stage: &str, found: xfl_settlement::audit::Check) -> Result<Check, Failure> {
    let check = |text: String, verdict| Check {
        round: found.round,
        stage: stage.to_owned(),
        text,
        verdict,
    };
    match found.result {
        Ok(()) => Ok(check(found.name, Verdict::Holds)),
        Err(Finding::Chain(xfl_settlement::chain::client::ClientError::Connection(
            error @ xfl_settlement::chain::connect::ConnectionError::Disagreement { .. },
        ))) => Err(error.into()),
        Err(Finding::Chain(xfl_settlement::chain::client::ClientError::Connection(error))) => {
            let what = format!("{}: {error}", found.name);
            Err(Failure::new(Code::Network, what).hint("nothing is known either way; try again, or ask another node"))
        }
        Err(error) => Ok(check(format!("{}: {error}", found.name), Verdict::Fails)),
    }
}
