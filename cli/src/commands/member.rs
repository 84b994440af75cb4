//! `xfl member`: adds to, removes from and lists `members.toml`.

use std::path::PathBuf;

use serde_json::json;
use xfl_core::{identity::NodeId, transcript::Member};

use crate::{
    failure::Failure,
    files, members,
    printer::{Outcome, Printer, list},
};

/// Arguments of `xfl member`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The list of who may take part.
    #[arg(
        long,
        global = true,
        default_value = "members.toml",
        env = "XFL_MEMBERS",
        hide_env_values = true
    )]
    members: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Admit a node.
    Add {
        /// The node id that its `xfl keygen` printed: 64 hex digits.
        node: NodeId,
        /// A name for people; the id's first 8 digits where absent.
        #[arg(long, env = "XFL_NAME", hide_env_values = true)]
        name: Option<String>,
    },
    /// Strike a node off the list.
    Remove {
        /// The member's name or node id.
        who: String,
    },
    /// Show who is on the list.
    List,
}

/// Runs the command.
pub(crate) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let path = &args.members;
    let text = members::text(path)?;
    let known = members::parse(&text, path)?;
    let (text, done) = match &args.action {
        Action::List => return listed(&known),
        Action::Add { node, name } => {
            let name = name
                .clone()
                .unwrap_or_else(|| node.to_string().chars().take(8).collect());
            members::check_name(&name).map_err(|what| Failure::usage(what).hint("write a short --name"))?;
            if let Some(other) = known.iter().find(|m| m.id == *node || m.name == name) {
                let what = format!("{} is on the list already, as {:?}", other.id, other.name);
                return Err(Failure::usage(what).hint("remove it first, or choose another --name"));
            }
            let member = Member { id: *node, name };
            (
                members::with(&text, &member),
                format!("added {} {}", member.name, member.id),
            )
        }
        Action::Remove { who } => {
            let place = known
                .iter()
                .position(|m| m.name == *who || m.id.to_string() == who.to_lowercase());
            let place = place.ok_or_else(|| {
                Failure::usage(format!("{who:?} is not on the list")).hint("`xfl member list` shows names and node ids")
            })?;
            (
                members::without(&text, place),
                format!("removed {} {}", known[place].name, known[place].id),
            )
        }
    };
    let known = members::parse(&text, path)?;
    files::replace(path, text.as_bytes(), 0o644)?;
    printer.talk(&format!("{done}; {} on the list", known.len()));
    listed(&known)
}

fn listed(members: &[Member]) -> Result<Outcome, Failure> {
    let rows: Vec<_> = members.iter().map(|m| vec![m.name.clone(), m.id.to_string()]).collect();
    let data: Vec<_> = members
        .iter()
        .map(|m| json!({ "name": m.name, "node": m.id }))
        .collect();
    Outcome::new(json!({ "members": data }), list(&rows))
}
