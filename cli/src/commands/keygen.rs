//! `xfl keygen`: an institution's node key and payout key.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    failure::Failure,
    files,
    printer::{Outcome, Printer},
};

/// Arguments of `xfl keygen`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for both keys, made if missing.
    #[arg(long, default_value = ".", env = "XFL_OUT", hide_env_values = true)]
    out: PathBuf,
    /// File of the node key; node.pem in --out where absent.
    #[arg(long, env = "XFL_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// File of the payout key; payout.key in --out where absent.
    #[arg(long, visible_alias = "payout", env = "XFL_PAYOUT_KEY", hide_env_values = true)]
    payout_key: Option<PathBuf>,
    /// Encrypt the payout key, as a keystore file; the password is XFL_PASSWORD, or asked for.
    #[arg(long, env = "XFL_ENCRYPT", hide_env_values = true)]
    encrypt: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    std::fs::create_dir_all(&args.out).map_err(|error| Failure::file(&args.out, &error))?;
    let key = args.key.clone().unwrap_or_else(|| args.out.join("node.pem"));
    let payout = args.payout_key.clone().unwrap_or_else(|| args.out.join("payout.key"));
    let (node, account) = files::new_keys(&key, &payout, args.encrypt)?;
    let (node, account) = (node.node_id().to_string(), files::account(&account));
    printer.talk(&format!(
        "wrote {} and {}; keep both to yourself, and a copy of them",
        key.display(),
        payout.display()
    ));
    printer.talk("give the node id to the coordinator, who adds it with `xfl member add`");
    let data = json!({ "node": node, "payout": account, "key": key, "payout_key": payout });
    Outcome::new(data, format!("node    {node}\npayout  {account}\n"))
}
