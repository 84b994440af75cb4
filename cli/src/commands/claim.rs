//! `xfl claim`: collects what an institution has earned, on every chain where it has, with proofs from its own copy of the transcript.
//!
//! Chains are independent: one that is down keeps nobody from claiming on the others, and its claims are there later.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};
use xfl_core::{audit, identity::NodeId, node::settle::Endpoint, transcript::Contracts};
use xfl_settlement::{
    chain::client::{Claimed, SettlementClient},
    payout::PayoutKey,
};

use crate::{
    chains::Federation,
    failure::{Code, Failure},
    files,
    printer::{Outcome, Printer},
};

/// Arguments of `xfl claim`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The institution's state, with its copy of the transcript.
    #[arg(long, default_value = "institution", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// Another copy of the transcript; transcript.xfl in --dir where absent.
    #[arg(long, env = "XFL_TRANSCRIPT", hide_env_values = true)]
    transcript: Option<PathBuf>,
    /// The institution's node key, to claim for that node alone where several are paid at one account.
    #[arg(long, env = "XFL_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// The key that the rewards were earned for; it also pays the gas.
    #[arg(long, default_value = "payout.key", env = "XFL_PAYOUT_KEY", hide_env_values = true)]
    payout_key: PathBuf,
    /// A chain's JSON-RPC url, as URL, ID=URL, or ID=URL,URL for several that must agree; again for each chain. The embedded chain's is
    /// http://127.0.0.1:7701 where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';')]
    rpc: Vec<Endpoint>,
    /// Claim on this chain alone; on all where anything is earned where absent.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_CHAIN_ID", hide_env_values = true)]
    chain_id: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let key = files::payout_key(&args.payout_key)?;
    let path = args
        .transcript
        .clone()
        .unwrap_or_else(|| args.dir.join("transcript.xfl"));
    let transcript = files::read(&path, files::MAX_FILE).map_err(|failure| {
        failure.hint("name the institution's directory with --dir, or any copy of the transcript with --transcript")
    })?;
    let replayed = audit::replay(&transcript, None);
    if let Some(check) = replayed
        .checks
        .iter()
        .find(|check| check.verdict == audit::Verdict::Fails)
    {
        let what = format!("{}: {}: {}", path.display(), check.stage, check.text);
        return Err(Failure::new(Code::Audit, what).hint("take another copy of the transcript with --transcript"));
    }
    let node = args
        .key
        .as_deref()
        .map(files::node_key)
        .transpose()?
        .map(|key| key.node_id());
    crate::runtime()?.block_on(async {
        let federation = Federation::read(&path, &args.rpc).await?;
        let nodes = nodes(&federation, &key, node)?;
        let earned = |chain: &Contracts| {
            let ledger = federation.rounds.ledger();
            nodes.iter().any(|node| ledger.cumulative(&node.0, chain.chain_id) > 0)
        };
        let chains: Vec<Contracts> = federation
            .chains(args.chain_id)?
            .into_iter()
            .map(|(_, chain)| chain)
            .filter(earned)
            .collect();
        if chains.is_empty() {
            return nothing("nothing to claim: no reward in the finished rounds yet");
        }
        let finished = federation.rounds.finished();
        printer.talk(&format!(
            "{finished} finished rounds; asking {}",
            if chains.len() == 1 {
                "one chain".into()
            } else {
                format!("{} chains", chains.len())
            }
        ));
        let claimant = Claimant {
            federation: &federation,
            key: &key,
            nodes: &nodes,
            posted: &replayed.posted,
        };
        claimant.claim(&chains).await
    })
}

/// The nodes whose rewards the key receives.
fn nodes(federation: &Federation, key: &PayoutKey, only: Option<NodeId>) -> Result<Vec<NodeId>, Failure> {
    let account = key.account();
    let joined = federation.rounds.joined().iter();
    let nodes: Vec<NodeId> = joined
        .filter(|(node, joined)| only.is_none_or(|only| only == **node) && joined.binding.payout == account)
        .map(|(node, _)| *node)
        .collect();
    if nodes.is_empty() {
        let what = format!("nobody in this federation is paid at {}", files::account(&account));
        return Err(
            Failure::new(Code::Network, what).hint("name the key that the institution joined with, with --payout-key")
        );
    }
    Ok(nodes)
}

struct Claimant<'a> {
    federation: &'a Federation,
    key: &'a PayoutKey,
    nodes: &'a [NodeId],
    posted: &'a [audit::Posted],
}

/// What was claimed so far.
#[derive(Default)]
struct Claims {
    lines: String,
    claims: Vec<Value>,
    total: u128,
    balances: BTreeMap<String, String>,
    waiting: Vec<Value>,
}

impl Claimant<'_> {
    async fn claim(&self, chains: &[Contracts]) -> Result<Outcome, Failure> {
        let mut done = Claims::default();
        let mut failed: Vec<(u64, Failure)> = Vec::new();
        for chain in chains {
            if let Err(failure) = self.on_chain(chain, &mut done).await {
                failed.push((chain.chain_id, failure));
            }
        }
        let data = json!({
            "paid": done.total.to_string(),
            "claims": done.claims,
            // The only chain's, where there is one alone.
            "balance": done.balances.values().next().filter(|_| chains.len() == 1),
            "balances": done.balances,
            "waiting": done.waiting,
            "failed": failed.iter().map(|(id, failure)| json!({ "chain_id": id, "message": failure.message })).collect::<Vec<_>>(),
        });
        if let Some((id, failure)) = failed.into_iter().next() {
            let message = match chains.len() {
                1 => failure.message.clone(),
                _ => format!("chain {id}: {}", failure.message),
            };
            return Err(Failure { message, ..failure }.with(data, done.lines));
        }
        if done.claims.is_empty() && done.waiting.is_empty() {
            return nothing("nothing to claim: everything earned is paid");
        }
        Outcome::new(data, done.lines)
    }

    async fn on_chain(&self, chain: &Contracts, done: &mut Claims) -> Result<(), Failure> {
        let client = self.federation.client(chain, Some(self.key)).await?;
        let active = self.last_active(&client).await?;
        for node in self.nodes {
            let earned = self.federation.rounds.ledger().cumulative(&node.0, chain.chain_id);
            let proof = active.and_then(|posted| posted.tree.claim(&node.0, chain.chain_id));
            let due = proof.as_ref().map_or(0, |proof| proof.leaf.cumulative);
            if due < earned {
                done.lines += &format!("waiting      {}\nchain        {}\n", earned - due, chain.chain_id);
                done.waiting
                    .push(json!({ "chain_id": chain.chain_id, "amount": (earned - due).to_string() }));
            }
            let Some(proof) = proof else { continue };
            let Claimed::Paid { amount, confirmed } = client.claim(&proof).await? else {
                continue;
            };
            done.total = done.total.saturating_add(amount);
            let transaction = files::hex(&confirmed.transaction);
            done.lines += &format!(
                "paid         {amount}\nchain        {}\ntransaction  {transaction}\ngas          {}\n",
                chain.chain_id, confirmed.gas_used
            );
            done.claims.push(json!({
                "amount": amount.to_string(),
                "chain_id": chain.chain_id,
                "transaction": transaction,
                "block": confirmed.block,
                "gas": confirmed.gas_used,
                "round": proof.round,
            }));
        }
        let balance = client.token_balance(&self.key.account()).await?.to_string();
        done.lines += &format!("balance      {balance}\n");
        done.balances.insert(chain.chain_id.to_string(), balance);
        Ok(())
    }

    /// The last round that is claimable on a chain and is the transcript's.
    async fn last_active(&self, client: &SettlementClient) -> Result<Option<&audit::Posted>, Failure> {
        let mut numbers: Vec<u64> = client.posted().await?.iter().map(|told| told.header.round).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers.into_iter().rev() {
            let known = self.posted.iter().find(|posted| posted.header.round == number);
            let Some(posted) = known else { continue };
            if client.is_posted(&posted.header).await? && client.is_active(number).await? {
                return Ok(Some(posted));
            }
        }
        Ok(None)
    }
}

fn nothing(text: &str) -> Result<Outcome, Failure> {
    Outcome::new(json!({ "paid": "0", "claims": [] }), text)
}
