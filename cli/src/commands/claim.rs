//! `xfl claim`: collects what an institution has earned, with a proof from its own copy of the transcript.

use std::path::PathBuf;

use serde_json::json;
use xfl_core::{audit, identity::NodeId, node::settle, round::Rounds};
use xfl_settlement::{
    chain::client::{Claimed, SettlementClient},
    claim::ClaimProof,
    payout::PayoutKey,
};

use crate::{
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
    /// The chain's JSON-RPC url; the default is the embedded chain of a coordinator on this machine.
    #[arg(
        long,
        default_value = "http://127.0.0.1:7701",
        env = "XFL_RPC",
        hide_env_values = true
    )]
    rpc: String,
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
    let audit = audit::replay(&transcript, None);
    if let Some(check) = audit.checks.iter().find(|check| check.verdict == audit::Verdict::Fails) {
        let what = format!("{}: {}: {}", path.display(), check.stage, check.text);
        return Err(Failure::new(Code::Audit, what).hint("take another copy of the transcript with --transcript"));
    }
    let Some(rounds) = audit.rounds else {
        return Err(Failure::usage(format!("{}: no transcript", path.display())));
    };
    let node = args
        .key
        .as_deref()
        .map(files::node_key)
        .transpose()?
        .map(|key| key.node_id());
    let proofs = proofs(&rounds, &key, node)?;
    if proofs.is_empty() {
        return nothing("nothing to claim: no reward in the finished rounds yet");
    }
    printer.talk(&format!("{} finished rounds; asking {}", rounds.finished(), args.rpc));
    crate::runtime()?.block_on(claim(args, &rounds, &key, &proofs))
}

/// What the key's nodes can claim.
fn proofs(rounds: &Rounds, key: &PayoutKey, only: Option<NodeId>) -> Result<Vec<ClaimProof>, Failure> {
    let account = key.account();
    let nodes = rounds
        .joined()
        .iter()
        .filter(|(node, _)| only.is_none_or(|only| only == **node));
    let mut nodes = nodes.filter(|(_, joined)| joined.binding.payout == account).peekable();
    if nodes.peek().is_none() {
        let what = format!("nobody in this federation is paid at {}", files::account(&account));
        return Err(
            Failure::new(Code::Network, what).hint("name the key that the institution joined with, with --payout-key")
        );
    }
    let tree = rounds.ledger().tree();
    Ok(nodes
        .filter_map(|(node, joined)| tree.claim(&node.0, joined.binding.chain_id))
        .collect())
}

async fn claim(args: &Args, rounds: &Rounds, key: &PayoutKey, proofs: &[ClaimProof]) -> Result<Outcome, Failure> {
    let connection = settle::connect(&args.rpc, Some(key))?;
    let deployment = settle::deployment(rounds.plan(), &rounds.genesis().contracts);
    let client = SettlementClient::connect(connection, deployment).await?;
    let (mut lines, mut claims, mut total) = (String::new(), Vec::new(), 0u128);
    for proof in proofs {
        match client.claim(proof).await? {
            Claimed::Paid { amount, confirmed } => {
                total = total.saturating_add(amount);
                let transaction = files::hex(&confirmed.transaction);
                lines += &format!(
                    "paid         {amount}\ntransaction  {transaction}\ngas          {}\n",
                    confirmed.gas_used
                );
                claims.push(json!({
                    "amount": amount.to_string(),
                    "transaction": transaction,
                    "block": confirmed.block,
                    "gas": confirmed.gas_used,
                    "round": proof.round,
                }));
            }
            Claimed::Nothing => {}
        }
    }
    if claims.is_empty() {
        return nothing("nothing to claim: everything earned is paid");
    }
    let balance = client.token_balance(&key.account()).await?;
    lines += &format!("balance      {balance}\n");
    Outcome::new(
        json!({ "paid": total.to_string(), "claims": claims, "balance": balance.to_string() }),
        lines,
    )
}

fn nothing(text: &str) -> Result<Outcome, Failure> {
    Outcome::new(json!({ "paid": "0", "claims": [] }), text)
}
