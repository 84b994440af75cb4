//! `xfl claim`: collects what an institution has earned, on every chain where it has, with proofs from its own copy of the transcript.
//!
//! Or from a file of rewards that anybody may hand on ([`rewards`]).
//!
//! Chains are independent: one that is down keeps nobody from claiming on the others, and its claims are there later.

mod rewards;

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};
use xfl_core::{
    audit,
    identity::NodeId,
    node::settle::{Book, Endpoint},
    transcript::Contracts,
};
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
    /// Claim from a file of rewards (rewards-ROUND.xfl, that `xfl round` and `xfl settle` write) without the transcript.
    #[arg(long, conflicts_with = "transcript", env = "XFL_REWARDS", hide_env_values = true)]
    rewards: Option<PathBuf>,
    /// The institution's node key, to claim for that node alone where several are paid at one account.
    #[arg(long, env = "XFL_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// The key that the rewards were earned for; it also pays the gas.
    #[arg(long, default_value = "payout.key", env = "XFL_PAYOUT_KEY", hide_env_values = true)]
    payout_key: PathBuf,
    /// A chain's JSON-RPC url, as URL, ID=URL, or ID=URL,URL for several that must agree; again for each chain (in XFL_RPC after a semicolon). The embedded chain's is
    /// http://127.0.0.1:7701 where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
    rpc: Vec<Endpoint>,
    /// Claim on this chain alone; on all where anything is earned where absent.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_CHAIN_ID", hide_env_values = true)]
    chain_id: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let key = files::payout_key(&args.payout_key)?;
    let node = args
        .key
        .as_deref()
        .map(files::node_key)
        .transpose()?
        .map(|key| key.node_id());
    if let Some(path) = &args.rewards {
        return crate::runtime()?.block_on(rewards::claim(args, path, &key, node, printer));
    }
    let path = args
        .transcript
        .clone()
        .unwrap_or_else(|| args.dir.join("transcript.xfl"));
    let transcript = files::read(&path, files::MAX_FILE).map_err(|failure| {
        failure.hint("name the institution's directory with --dir, or any copy of the transcript with --transcript")
    })?;
    let mut replayed = audit::replay(&transcript, None);
    if let Some(check) = replayed
        .checks
        .iter()
        .find(|check| check.verdict == audit::Verdict::Fails)
    {
        let what = format!("{}: {}: {}", path.display(), check.stage, check.text);
        return Err(Failure::new(Code::Audit, what).hint("take another copy of the transcript with --transcript"));
    }
    let Some(rounds) = replayed.rounds.take() else {
        return Err(Failure::usage(format!("{}: no transcript", path.display())));
    };
    crate::runtime()?.block_on(async {
        let federation = Federation::of(&path, rounds, Book::default(), &args.rpc).await?;
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
    /// The file's round and the latest on its chain, where a file was claimed from.
    files: Vec<(u64, u64, u64)>,
    failed: Vec<(u64, Failure)>,
}

impl Claims {
    /// A chain that failed keeps no other from being claimed on.
    fn note(&mut self, chain_id: u64, claimed: Result<(), Failure>) {
        if let Err(failure) = claimed {
            self.failed.push((chain_id, failure));
        }
    }

    /// Something that can't be claimed yet.
    fn waiting(&mut self, chain_id: u64, amount: u128) {
        if amount == 0 {
            return;
        }
        self.lines += &format!("waiting      {amount}\nchain        {chain_id}\n");
        self.waiting
            .push(json!({ "chain_id": chain_id, "amount": amount.to_string() }));
    }

    /// Something to know about it.
    fn say(&mut self, what: &str) {
        self.lines += &format!("note         {what}\n");
    }

    /// What was claimed on a chain is what a file of one round says.
    fn file_of(&mut self, chain_id: u64, round: u64, latest: u64) {
        self.files.push((chain_id, round, latest));
        if latest > round {
            self.say(&later(chain_id, round, latest));
        }
    }

    fn claimed(&mut self, chain_id: u64, round: u64, claimed: Claimed) {
        let Claimed::Paid { amount, confirmed } = claimed else {
            return;
        };
        self.total = self.total.saturating_add(amount);
        let transaction = files::hex(&confirmed.transaction);
        self.lines += &format!(
            "paid         {amount}\nchain        {chain_id}\ntransaction  {transaction}\ngas          {}\n",
            confirmed.gas_used
        );
        self.claims.push(json!({
            "amount": amount.to_string(),
            "chain_id": chain_id,
            "transaction": transaction,
            "block": confirmed.block,
            "gas": confirmed.gas_used,
            "round": round,
        }));
    }

    /// Tokens that the account has afterwards.
    fn balance(&mut self, chain_id: u64, balance: u128) {
        self.lines += &format!("balance      {balance}\n");
        self.balances.insert(chain_id.to_string(), balance.to_string());
    }

    /// The first failure, if there is one; `chains` were asked.
    fn outcome(self, chains: usize) -> Result<Outcome, Failure> {
        let failed = self.failed.iter();
        let data = json!({
            "paid": self.total.to_string(),
            "claims": self.claims,
            // The only chain's, where there is one alone.
            "balance": self.balances.values().next().filter(|_| chains == 1),
            "balances": self.balances,
            "waiting": self.waiting,
            "failed": failed.map(|(id, failure)| json!({ "chain_id": id, "message": failure.message })).collect::<Vec<_>>(),
        });
        if let Some((id, failure)) = self.failed.into_iter().next() {
            let message = match chains {
                1 => failure.message.clone(),
                _ => format!("chain {id}: {}", failure.message),
            };
            return Err(Failure { message, ..failure }.with(data, self.lines));
        }
        if self.claims.is_empty() && self.waiting.is_empty() {
            let later: String = self
                .files
                .iter()
                .filter(|(_, round, latest)| latest > round)
                .map(|(id, round, latest)| format!("; {}", later(*id, *round, *latest)))
                .collect();
            return match self.files.is_empty() {
                true => nothing("nothing to claim: everything earned is paid"),
                false => nothing(&format!("nothing to claim: everything in this file is paid{later}")),
            };
        }
        Outcome::new(data, self.lines)
    }
}

impl Claimant<'_> {
    async fn claim(&self, chains: &[Contracts]) -> Result<Outcome, Failure> {
        let mut done = Claims::default();
        for chain in chains {
            let claimed = self.on_chain(chain, &mut done).await;
            done.note(chain.chain_id, claimed);
        }
        done.outcome(chains.len())
    }

    async fn on_chain(&self, chain: &Contracts, done: &mut Claims) -> Result<(), Failure> {
        let client = self.federation.client(chain, Some(self.key)).await?;
        let active = self.last_active(&client).await?;
        for node in self.nodes {
            let earned = self.federation.rounds.ledger().cumulative(&node.0, chain.chain_id);
            let proof = active.and_then(|posted| posted.tree.claim(&node.0, chain.chain_id));
            let due = proof.as_ref().map_or(0, |proof| proof.leaf.cumulative);
            if due < earned {
                done.waiting(chain.chain_id, earned - due);
            }
            let Some(proof) = proof else { continue };
            done.claimed(chain.chain_id, proof.round, client.claim(&proof).await?);
        }
        done.balance(chain.chain_id, client.token_balance(&self.key.account()).await?);
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

/// That a chain goes further than a file.
fn later(chain_id: u64, round: u64, latest: u64) -> String {
    format!("chain {chain_id} has round {latest}, this file is of round {round}: a later one may hold more")
}

fn nothing(text: &str) -> Result<Outcome, Failure> {
    Outcome::new(json!({ "paid": "0", "claims": [] }), text)
}
