//! `xfl chain init`: where chains are reached, asked of their nodes and written down once: `chains.toml`, beside the plan or in the directory of a run or
//! an institution.
//!
//! Every node is asked for its chain's id; those of one chain must agree on its first block and on the latest that all have. Only when all of
//! that holds is anything written, in one step. Urls may hold keys: the file is its owner's alone, and nodes are shown by host and port.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::json;
use xfl_core::node::settle::{self, CHAINS_FILE, Endpoint, Endpoints};
use xfl_settlement::chain::connect::{Connection, place};

use crate::{
    failure::{Code, Failure},
    printer::{Outcome, Printer, table},
};

/// Arguments of `xfl chain init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of chains.toml: the plan's, a run's directory, or an institution's.
    #[arg(long, default_value = ".", env = "XFL_DIR", hide_env_values = true)]
    dir: PathBuf,
    /// A chain's JSON-RPC url, as URL, ID=URL, or ID=URL,URL for several that must agree; again for each chain (in XFL_RPC after a semicolon). What
    /// the file holds already is asked again where absent.
    #[arg(long, env = "XFL_RPC", hide_env_values = true, value_delimiter = ';', value_parser = crate::unshown::unshown::<Endpoint>())]
    rpc: Vec<Endpoint>,
}

const UNCHANGED: &str = "nothing was written";

/// A chain whose nodes answered.
struct Asked {
    urls: Vec<String>,
    head: u64,
}

/// Runs the command.
pub(super) async fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let file = args.dir.join(CHAINS_FILE);
    let mut known = Endpoints::read(&args.dir)?;
    let given: Vec<Endpoint> = match args.rpc.is_empty() {
        true => known.chains().collect(),
        false => args.rpc.clone(),
    };
    if given.is_empty() {
        let what = format!("{} names no chain, and no --rpc does", file.display());
        return Err(Failure::usage(what).hint("name each chain's url, for instance --rpc http://127.0.0.1:8545"));
    }
    let mut chains: BTreeMap<u64, Asked> = BTreeMap::new();
    for endpoint in &given {
        for url in &endpoint.urls {
            printer.talk(&format!("asking {}", place(url)));
            let id = id(url, endpoint.chain_id).await?;
            let asked = chains.entry(id).or_insert_with(|| Asked {
                urls: Vec::new(),
                head: 0,
            });
            if !asked.urls.contains(url) {
                asked.urls.push(url.clone());
            }
        }
    }
    for (id, asked) in &mut chains {
        asked.head = agree(*id, &asked.urls).await?;
        known.put(*id, asked.urls.clone());
    }
    known.write(&args.dir)?;
    printer.talk(&format!("wrote {}", file.display()));
    let mut rows = vec![["chain", "block", "nodes"].map(str::to_owned).to_vec()];
    let nodes = |asked: &Asked| asked.urls.iter().map(|url| place(url)).collect::<Vec<_>>();
    for (id, asked) in &chains {
        rows.push(vec![id.to_string(), asked.head.to_string(), nodes(asked).join(", ")]);
    }
    let data: Vec<_> = chains
        .iter()
        .map(|(id, asked)| json!({ "chain_id": id, "block": asked.head, "nodes": nodes(asked) }))
        .collect();
    Outcome::new(json!({ "file": file, "chains": data }), table(&rows))
}

/// The id of a node's chain, which must be the one that was said.
async fn id(url: &str, said: Option<u64>) -> Result<u64, Failure> {
    let connection = Connection::http(url, None)?;
    let id = connection.chain_id().await.map_err(|error| {
        Failure::new(Code::Network, format!("{}: {error}; {UNCHANGED}", place(url)))
            .hint("is the node up, and is it the url of its JSON-RPC? leave it out, or try again when it answers")
    })?;
    match said {
        Some(said) if said != id => {
            let what = format!(
                "{} is a node of chain {id}, not of chain {said}; {UNCHANGED}",
                place(url)
            );
            Err(Failure::usage(what).hint(format!("write {id}=URL, or the url of a node of chain {said}")))
        }
        _ => Ok(id),
    }
}

/// The latest block that all nodes have, once they agree on it and on the first.
async fn agree(id: u64, urls: &[String]) -> Result<u64, Failure> {
    let endpoint = Endpoint {
        chain_id: Some(id),
        urls: urls.to_vec(),
    };
    let connection = settle::connect(&endpoint, None)?;
    let asked = async {
        let head = connection.head().await?;
        for number in [0, head] {
            connection.block_hash(number).await?;
        }
        Ok(head)
    };
    asked
        .await
        .map_err(|error: xfl_settlement::chain::connect::ConnectionError| {
            let failure = Failure::from(error);
            let message = format!("chain {id}: {}; {UNCHANGED}", failure.message);
            Failure { message, ..failure }
        })
}
