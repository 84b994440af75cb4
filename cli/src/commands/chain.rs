//! `xfl chain`: where a federation's chains are reached, and its contracts on each of them: where they are, whether they are right, what they hold.

mod init;

use std::path::PathBuf;

use serde_json::{Value, json};
use xfl_core::{
    node::settle::{self, Endpoint},
    transcript::Contracts,
};
use xfl_settlement::chain::{client::SettlementClient, deploy::Terms};

use super::stake::in_coins;
use crate::{
    chains::Federation,
    failure::{Code, Failure},
    files,
    printer::{Outcome, Printer, table},
};

/// Arguments of `xfl chain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Ask nodes which chains they are of, and write down where each chain is reached, for all commands and so that no --rpc is needed.
    Init(init::Args),
    /// List the chains, where the contracts are and what they were deployed with; asks no chain.
    List(Common),
    /// Check code, wiring and posted rounds of each chain against the transcript and this program's own artefacts.
    Verify(Common),
    /// Deploy and fund what is missing. Coordinator only.
    Deploy(Sending),
    /// Top distributors up until they can pay all that members have earned, or an amount. Whoever holds tokens may.
    Fund(Funding),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// A run's or an institution's directory, or a copy of the transcript.
    #[arg(long, default_value = "run", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// A chain's JSON-RPC url, as URL, ID=URL, or ID=URL,URL for several that must agree; again for each chain (in XFL_RPC after a semicolon). As the run's directory
    /// remembers where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
    rpc: Vec<Endpoint>,
    /// This chain alone.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "XFL_CHAIN_ID", hide_env_values = true)]
    chain_id: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Sending {
    #[command(flatten)]
    common: Common,
    /// The key that sends and pays the gas.
    #[arg(
        long,
        default_value = "coordinator-payout.key",
        env = "XFL_PAYOUT_KEY",
        hide_env_values = true
    )]
    payout_key: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Funding {
    #[command(flatten)]
    sending: Sending,
    /// What a distributor holds and has paid, together, afterwards; in the token's smallest unit. All that the plan can pay where absent.
    #[arg(long, env = "XFL_AMOUNT", hide_env_values = true)]
    amount: Option<u128>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    crate::runtime()?.block_on(async {
        match &args.what {
            What::Init(args) => init::run(args, printer).await,
            What::List(common) => list(common).await,
            What::Verify(common) => verify(common).await,
            What::Deploy(sending) => deploy(sending, printer).await,
            What::Fund(funding) => fund(funding, printer).await,
        }
    })
}

fn contracts(federation: &Federation, chain: &Contracts) -> Value {
    let home = chain.chain_id == federation.rounds.genesis().contracts.chain_id;
    json!({
        "chain_id": chain.chain_id,
        "home": home,
        "embedded": chain.embedded,
        "registry": files::account(&chain.registry),
        "rounds": files::account(&chain.rounds),
        "vault": chain.vault.as_ref().map(files::account),
        "distributor": files::account(&chain.distributor),
        "token": files::account(&chain.token),
        "coordinator": files::account(&chain.coordinator),
    })
}

async fn list(common: &Common) -> Result<Outcome, Failure> {
    let federation = Federation::read(&common.dir, &common.rpc).await?;
    let (plan, genesis) = (federation.rounds.plan(), federation.rounds.genesis());
    let mut rows = vec![["chain", "contract", "address"].map(str::to_owned).to_vec()];
    let mut terms = vec![["chain", "term", "value"].map(str::to_owned).to_vec()];
    let mut data = Vec::new();
    for (place, chain) in federation.chains(common.chain_id)? {
        let steps = settle::deployment_plan(plan, genesis, &chain)?;
        let deployment = steps.deployment();
        let named = format!("{} ({})", chain.chain_id, if place == 0 { "home" } else { "mirror" });
        for (contract, address) in deployment.contracts() {
            rows.push(vec![
                named.clone(),
                contract.name().to_owned(),
                files::account(&address),
            ]);
        }
        let lines = said(&deployment.terms, place == 0).into_iter();
        terms.extend(lines.map(|(term, value)| vec![named.clone(), term.to_owned(), value]));
        let mut value = contracts(&federation, &chain);
        value["terms"] = in_json(&deployment.terms, place == 0);
        data.push(value);
    }
    Outcome::new(
        json!({ "chains": data }),
        format!("{}\n{}", table(&rows), table(&terms)),
    )
}

/// What the contracts were deployed with, for people.
fn said(terms: &Terms, home: bool) -> Vec<(&'static str, String)> {
    let mut said = vec![
        ("signatures for a round", terms.threshold.to_string()),
        ("most that a round pays, smallest unit", terms.per_round_cap.to_string()),
        ("until a round pays, seconds", terms.activation_delay.to_string()),
    ];
    if home {
        said.extend([
            ("most that a signer of a lie loses, coins", in_coins(terms.penalty)),
            ("bond for asking for a row, coins", in_coins(terms.demand_bond())),
            ("to show a row, seconds", terms.answer_time().to_string()),
            ("until a stake is unbonded, seconds", terms.unbonding_time().to_string()),
        ]);
    }
    said
}

fn in_json(terms: &Terms, home: bool) -> Value {
    let mut value = json!({
        "threshold": terms.threshold,
        "per_round_cap": terms.per_round_cap.to_string(),
        "activation_seconds": terms.activation_delay,
        "funding": terms.funding.to_string(),
    });
    if home {
        value["penalty_wei"] = terms.penalty.to_string().into();
        value["demand_bond_wei"] = terms.demand_bond().to_string().into();
        value["answer_seconds"] = terms.answer_time().into();
        value["unbonding_seconds"] = terms.unbonding_time().into();
    }
    value
}

async fn verify(common: &Common) -> Result<Outcome, Failure> {
    let federation = Federation::read(&common.dir, &common.rpc).await?;
    let genesis = federation.rounds.genesis();
    // Addresses commit to code: first without any chain.
    settle::check_contracts(federation.rounds.plan(), genesis)?;
    let (mut text, mut data, mut failed) = (String::new(), Vec::new(), None);
    for (_, chain) in federation.chains(common.chain_id)? {
        match on_chain(&federation, &chain).await {
            Ok((line, value)) => {
                text += &format!("chain {}: {line}\n", chain.chain_id);
                data.push(value);
            }
            Err(failure) => {
                text += &format!("chain {}: {}\n", chain.chain_id, failure.message);
                data.push(json!({ "chain_id": chain.chain_id, "holds": false, "message": failure.message }));
                failed = failed.or(Some(failure));
            }
        }
    }
    let data = json!({ "chains": data });
    match failed {
        Some(failure) => Err(failure.with(data, text)),
        None => Outcome::new(data, text),
    }
}

/// Code, wiring and each posted round of a chain.
async fn on_chain(federation: &Federation, chain: &Contracts) -> Result<(String, Value), Failure> {
    let client = federation.client(chain, None).await?;
    let told = client.posted().await?;
    let (mut same, mut last) = (0u64, 0);
    for number in 1..=federation.book.signed() {
        let posted = told.iter().any(|told| told.header.round == number);
        let Some(signed) = federation.book.round(number).filter(|_| posted) else {
            continue;
        };
        // Another header for the round is an error; one that was vetoed is none.
        if client.is_posted(&signed.header).await? {
            (same, last) = (same + 1, number);
        }
    }
    let latest = client.latest_round().await?;
    if latest > last {
        let what = format!("round {latest} is posted there, the transcript's last that is there is {last}");
        return Err(Failure::new(Code::Audit, what).hint("name a newer copy of the transcript with --dir"));
    }
    let (held, paid, owed) = money(federation, &client, chain).await?;
    let line = format!(
        "code and wiring hold, {same} rounds as signed, the last {last}; {held} held, {paid} paid, {owed} earned"
    );
    let value = json!({
        "chain_id": chain.chain_id, "holds": true, "rounds": same, "latest": last,
        "held": held.to_string(), "paid": paid.to_string(), "earned": owed.to_string(),
    });
    Ok((line, value))
}

/// What the distributor holds, has paid, and what members have earned there so far.
async fn money(
    federation: &Federation,
    client: &SettlementClient,
    chain: &Contracts,
) -> Result<(u128, u128, u128), Failure> {
    let held = client.token_balance(&chain.distributor).await?;
    let paid = client.total_paid().await?;
    let ledger = federation.rounds.ledger();
    let members = federation.rounds.genesis().members.iter();
    let earned = members.map(|member| ledger.cumulative(&member.id.0, chain.chain_id));
    Ok((held, paid, earned.fold(0, u128::saturating_add)))
}

async fn deploy(args: &Sending, printer: &Printer) -> Result<Outcome, Failure> {
    let key = files::payout_key(&args.payout_key)?;
    let federation = Federation::read(&args.common.dir, &args.common.rpc).await?;
    let (mut text, mut data) = (String::new(), Vec::new());
    for (place, chain) in federation.chains(args.common.chain_id)? {
        printer.talk(&format!("chain {}", chain.chain_id));
        let mut site = federation.site(place, &chain, Some(&key), 1)?;
        site.prepare().await?;
        text += &format!("chain {}: the contracts stand and are funded\n", chain.chain_id);
        data.push(contracts(&federation, &chain));
    }
    Outcome::new(json!({ "chains": data }), text)
}

async fn fund(args: &Funding, printer: &Printer) -> Result<Outcome, Failure> {
    let Sending { common, payout_key } = &args.sending;
    let key = files::payout_key(payout_key)?;
    let federation = Federation::read(&common.dir, &common.rpc).await?;
    let (mut text, mut data) = (String::new(), Vec::new());
    for (_, chain) in federation.chains(common.chain_id)? {
        printer.talk(&format!("chain {}", chain.chain_id));
        let client = federation.client(&chain, Some(&key)).await?;
        let amount = args.amount.unwrap_or(client.deployment().terms.funding);
        let (held, paid, _) = money(&federation, &client, &chain).await?;
        let missing = amount.saturating_sub(held.saturating_add(paid));
        let own = client.token_balance(&key.account()).await?;
        if missing > own {
            let what = format!(
                "chain {}: {missing} tokens are missing, {} has {own}",
                chain.chain_id,
                files::account(&key.account())
            );
            return Err(Failure::failed(what).hint("name another key with --payout-key, or a smaller --amount"));
        }
        let sent = client.deployment().fund(client.connection(), amount).await?;
        text += &format!(
            "chain {}: {sent} sent, {} held\n",
            chain.chain_id,
            held.saturating_add(sent)
        );
        data.push(json!({
            "chain_id": chain.chain_id, "sent": sent.to_string(), "held": held.saturating_add(sent).to_string(), "paid": paid.to_string(),
        }));
    }
    Outcome::new(json!({ "chains": data }), text)
}
