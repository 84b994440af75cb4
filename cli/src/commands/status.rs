//! `xfl status`: where a run stands, from the files it keeps.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use xfl_core::node::{coordinator::Status, entropy};

use crate::{
    chains,
    failure::Failure,
    files,
    printer::{Outcome, Printer, list},
};

/// Arguments of `xfl status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run's directory.
    #[arg(long, default_value = "run", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
}

/// Where a run can or could be reached: `address.json`.
#[derive(Clone, Debug, serde::Deserialize, Serialize)]
pub(crate) struct Address {
    /// Its QUIC address.
    pub(crate) coordinator: String,
    /// The embedded chain's JSON-RPC, where there is one.
    pub(crate) rpc: Option<String>,
    /// The process that wrote it.
    pub(crate) process: u32,
}

#[derive(Serialize)]
struct Data {
    #[serde(flatten)]
    status: Status,
    address: Option<Address>,
    seconds_ago: u64,
}

/// Reads `address.json` of a run, if it is there and whole.
pub(crate) fn address(dir: &Path) -> Option<Address> {
    json(&dir.join("address.json")).ok()
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    let status: Status = json(&args.dir.join("status.json")).map_err(|failure| {
        failure.hint("name the directory of a run with --dir; `xfl round` makes it with the first round")
    })?;
    let address = address(&args.dir);
    let seconds_ago = entropy::now().saturating_sub(status.at) / 1000;
    let names = |names: &[String]| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    };
    let mut rows = vec![
        ("federation", status.name.clone()),
        ("rounds", format!("{} of {} finished", status.finished, status.planned)),
    ];
    if status.finished < status.planned {
        rows.push((
            "now",
            format!(
                "round {}, attempt {}, stage {}",
                status.round,
                status.attempt + 1,
                status.stage
            ),
        ));
        rows.push(("waiting for", names(&status.waiting_for)));
    }
    rows.push(("connected", names(&status.connected)));
    if status.misbehaved > 0 {
        rows.push((
            "violations",
            format!("{} messages that broke the protocol", status.misbehaved),
        ));
    }
    if let Some(address) = &address {
        rows.push((
            "listening",
            format!("{} (process {})", address.coordinator, address.process),
        ));
        rows.extend(address.rpc.clone().map(|url| ("chain", url)));
    }
    for standing in &status.chains {
        rows.push(("settled", chains::line(standing)));
    }
    rows.push(("as of", format!("{seconds_ago} s ago")));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(key, value)| vec![key.to_owned(), value])
        .collect();
    let mut text = list(&rows);
    let earned: Vec<_> = status
        .earned
        .iter()
        .map(|(name, tokens)| vec![name.clone(), tokens.clone()])
        .collect();
    if !earned.is_empty() {
        text += "\nearned\n";
        text += &list(&earned)
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect::<String>();
    }
    Outcome::new(
        Data {
            status,
            address,
            seconds_ago,
        },
        text,
    )
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bytes = files::read(path, 16 << 20)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}
