//! `xfl stake`: what a member or the coordinator has at risk for what it signs. Stakes are on the home chain, in its coin; amounts are whole
//! coins with up to 18 decimals.

use std::path::PathBuf;

use serde_json::json;
use xfl_core::node::settle::Endpoint;
use xfl_settlement::{
    chain::{
        client::{SettlementClient, Stake},
        connect::Confirmed,
    },
    payout::{Account, PayoutKey},
};

use crate::{
    chains::Federation,
    failure::Failure,
    files,
    printer::{Outcome, Printer, list},
};

/// Wei in a coin.
const COIN: u128 = 1_000_000_000_000_000_000;

/// Arguments of `xfl stake`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show an account's stake, what of it unbonds, and what proofs of lies earned it.
    Show(Common),
    /// Put coin at stake.
    Deposit(Amount),
    /// Start to unbond a part of the stake; it can be slashed until it is withdrawn.
    Exit(Amount),
    /// Put all that is unbonding back at stake.
    Cancel(Common),
    /// Take out what has unbonded, and what proofs of lies earned.
    Withdraw(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The institution's or the run's directory, or a copy of the transcript.
    #[arg(long, default_value = "institution", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// The key whose stake it is; it also pays the gas.
    #[arg(long, default_value = "payout.key", env = "XFL_PAYOUT_KEY", hide_env_values = true)]
    payout_key: PathBuf,
    /// The home chain's JSON-RPC url, several of it separated by commas; the embedded chain's is http://127.0.0.1:7701 where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
    rpc: Vec<Endpoint>,
}

#[derive(Debug, clap::Args)]
struct Amount {
    #[command(flatten)]
    common: Common,
    /// How much, in coins, for instance 0.5.
    #[arg(value_parser = coins, env = "XFL_AMOUNT", hide_env_values = true)]
    amount: u128,
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    let common = match &args.what {
        What::Show(common) | What::Cancel(common) | What::Withdraw(common) => common,
        What::Deposit(amount) | What::Exit(amount) => &amount.common,
    };
    let key = files::payout_key(&common.payout_key)?;
    crate::runtime()?.block_on(async {
        let federation = Federation::read(&common.dir, &common.rpc).await?;
        let home = federation.rounds.genesis().contracts;
        let client = federation.client(&home, Some(&key)).await?;
        let account = key.account();
        let sent = match &args.what {
            What::Show(_) => Vec::new(),
            What::Deposit(amount) => vec![deposit(&client, &account, amount.amount).await?],
            What::Exit(amount) => vec![exit(&client, &account, amount.amount).await?],
            What::Cancel(_) => vec![client.cancel_exit().await?],
            What::Withdraw(_) => withdraw(&client, &account).await?,
        };
        shown(&client, &key, &sent).await
    })
}

async fn deposit(client: &SettlementClient, account: &Account, wei: u128) -> Result<Confirmed, Failure> {
    let held = client.connection().coin_balance(account).await?;
    if held <= wei {
        let what = format!(
            "{} has {} coins, and {} plus gas are needed",
            files::account(account),
            in_coins(held),
            in_coins(wei)
        );
        return Err(Failure::failed(what).hint("send the account some coin, or stake less"));
    }
    Ok(client.deposit(account, wei).await?)
}

async fn exit(client: &SettlementClient, account: &Account, wei: u128) -> Result<Confirmed, Failure> {
    let bonded = client.stake_of(account).await?.bonded();
    if wei > bonded {
        let what = format!("{} coins are bonded, not {}", in_coins(bonded), in_coins(wei));
        return Err(Failure::usage(what).hint("name at most that much"));
    }
    Ok(client.exit(wei).await?)
}

async fn withdraw(client: &SettlementClient, account: &Account) -> Result<Vec<Confirmed>, Failure> {
    let stake = client.stake_of(account).await?;
    let mut sent = Vec::new();
    if stake.owed > 0 {
        sent.push(client.collect(account).await?);
    }
    if stake.unbonding > 0 {
        let withdrawn = client.withdraw(account).await.map_err(|error| {
            let until = stake.release_at;
            Failure::from(error).hint(format!("what unbonds can be withdrawn from Unix time {until} on"))
        });
        match withdrawn {
            Ok(confirmed) => sent.push(confirmed),
            Err(failure) if sent.is_empty() => return Err(failure),
            Err(_) => {}
        }
    }
    if sent.is_empty() {
        return Err(Failure::usage("nothing is unbonding, and nothing is owed")
            .hint("`xfl stake exit AMOUNT` starts to unbond"));
    }
    Ok(sent)
}

async fn shown(client: &SettlementClient, key: &PayoutKey, sent: &[Confirmed]) -> Result<Outcome, Failure> {
    let account = key.account();
    let stake = client.stake_of(&account).await?;
    let Stake {
        total,
        unbonding,
        release_at,
        owed,
    } = stake;
    let terms = &client.deployment().terms;
    let mut rows = vec![
        ("account", files::account(&account)),
        ("chain", client.deployment().chain_id.to_string()),
        ("at stake", format!("{} coins", in_coins(total))),
        ("unbonding", format!("{} coins", in_coins(unbonding))),
    ];
    if unbonding > 0 {
        rows.push(("until", format!("Unix time {release_at}")));
    }
    rows.extend([
        ("earned", format!("{} coins by proofs of lies", in_coins(owed))),
        ("a lie costs", format!("{} coins", in_coins(terms.penalty))),
        ("unbonds in", format!("{} s", terms.unbonding_time())),
    ]);
    rows.extend(
        sent.iter()
            .map(|confirmed| ("transaction", files::hex(&confirmed.transaction))),
    );
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    let data = json!({
        "account": files::account(&account),
        "chain_id": client.deployment().chain_id,
        "stake_wei": total.to_string(),
        "bonded_wei": stake.bonded().to_string(),
        "unbonding_wei": unbonding.to_string(),
        "release_at": (unbonding > 0).then_some(release_at),
        "owed_wei": owed.to_string(),
        "penalty_wei": terms.penalty.to_string(),
        "unbonding_seconds": terms.unbonding_time(),
        "transactions": sent.iter().map(|confirmed| json!({
            "transaction": files::hex(&confirmed.transaction), "block": confirmed.block, "gas": confirmed.gas_used,
        })).collect::<Vec<_>>(),
    });
    Outcome::new(data, list(&rows))
}

/// Coins with up to 18 decimals, in wei.
fn coins(text: &str) -> Result<u128, String> {
    let wrong = || "write an amount of coins above zero with up to 18 decimals, such as 0.5".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || part.len() > 18 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let number = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    let wei = number(whole)
        .and_then(|whole| whole.checked_mul(COIN))
        .zip(number(&format!("{part:0<18}")))
        .and_then(|(whole, part)| whole.checked_add(part));
    wei.filter(|wei| *wei > 0).ok_or_else(wrong)
}

/// Wei as coins, exactly and without trailing zeros.
pub(super) fn in_coins(wei: u128) -> String {
    let text = format!("{}.{:018}", wei / COIN, wei % COIN);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, wei) in [
            ("1", COIN),
            ("0.5", COIN / 2),
            (".5", COIN / 2),
            ("0.000000000000000001", 1),
            ("2.", 2 * COIN),
        ] {
            assert_eq!(coins(text), Ok(wei), "{text}");
            assert_eq!(coins(&in_coins(wei)), Ok(wei));
        }
        for text in [
            "",
            ".",
            "0",
            "-1",
            "1e3",
            "0.0000000000000000001",
            "999999999999999999999999",
            "1,5",
        ] {
            assert!(coins(text).is_err(), "{text}");
        }
        assert_eq!((in_coins(0), in_coins(15 * COIN / 10)), ("0".into(), "1.5".into()));
    }
}
