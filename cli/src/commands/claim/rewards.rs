//! `xfl claim --rewards FILE`: claims from a file of rewards, without the transcript. One earner among a million is found by a few short reads.
//!
//! The file is anybody's word. Before anything is sent, its root must be the one that a quorum signed for its round on the chain, the contracts' code this
//! program's own, and the registry one that the claimant's own key signed a binding for: nobody else can have it admitted elsewhere, so that no
//! file leads to contracts that its owner has nothing to do with.

use std::{collections::BTreeMap, fs::File, path::Path};

use xfl_core::{
    identity::NodeId,
    node::settle::{self, EMBEDDED_CHAIN_ID, Endpoint},
};
use xfl_settlement::{
    chain::{client::SettlementClient, connect::Connection, deploy::Deployment},
    claim::Entry,
    payout::PayoutKey,
    stored::{Stored, StoredError},
};

use super::{Args, Claims};
use crate::{
    chains::{self, LOCAL},
    commands::status,
    failure::{Code, Failure},
    files,
    printer::{Outcome, Printer},
};

/// The longest list of leaves that is gone through where nobody says which node claims, in bytes.
const MOST: u64 = files::MAX_FILE;

/// How a file's round stands on a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody posted it so far.
    Unposted,
    /// It can still be disputed.
    Posted,
    /// It pays.
    Active,
}

/// A file of rewards and whoever claims from it.
struct Claimant<'a> {
    path: &'a Path,
    stored: Stored<File>,
    key: &'a PayoutKey,
    ways: BTreeMap<u64, Endpoint>,
}

/// Runs the command.
pub(super) async fn claim(
    args: &Args,
    path: &Path,
    key: &PayoutKey,
    node: Option<NodeId>,
    printer: &Printer,
) -> Result<Outcome, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let stored = Stored::open(file).map_err(|error| unfit(path, &error))?;
    let ways = ways(args).await?;
    let claimant = Claimant {
        path,
        stored,
        key,
        ways,
    };
    let wanted = claimant.wanted(node, args.chain_id)?;
    printer.talk(&format!("rewards after round {}", claimant.stored.round()));
    let mut done = Claims::default();
    for (entry, nodes) in &wanted {
        let chain_id = entry.venue.chain_id;
        let claimed = claimant.on_chain(entry, nodes, &mut done).await;
        done.note(chain_id, claimed);
    }
    done.outcome(wanted.len())
}

fn unfit(path: &Path, error: &StoredError) -> Failure {
    Failure::new(Code::Audit, format!("{}: {error}", path.display()))
        .hint("take another copy; `xfl settle` writes the file from any copy of the transcript")
}

/// By flag, else as `chains.toml` says, else, the embedded one, on this machine.
async fn ways(args: &Args) -> Result<BTreeMap<u64, Endpoint>, Failure> {
    let mut ways = BTreeMap::new();
    let local = status::address(&args.dir).and_then(|address| address.rpc);
    let local = Endpoint {
        chain_id: Some(EMBEDDED_CHAIN_ID),
        urls: vec![local.unwrap_or_else(|| LOCAL.into())],
    };
    ways.insert(EMBEDDED_CHAIN_ID, local);
    for endpoint in chains::known(&args.dir)?.chains().chain(args.rpc.iter().cloned()) {
        ways.insert(endpoint.id().await?, endpoint);
    }
    Ok(ways)
}

impl Claimant<'_> {
    fn lie(&self, what: &str) -> Failure {
        Failure::new(
            Code::Audit,
            format!("{}: {what}; nothing was sent", self.path.display()),
        )
        .hint("take the file from somebody else, or claim from the transcript, with --dir or --transcript")
    }

    /// The chains on which this account has earned something, and the nodes that earned it.
    fn wanted(&self, node: Option<NodeId>, only: Option<u64>) -> Result<Vec<(Entry, Vec<NodeId>)>, Failure> {
        let fail = |error: StoredError| unfit(self.path, &error);
        let mut wanted = Vec::new();
        for entry in self.stored.entries() {
            let chain_id = entry.venue.chain_id;
            if only.is_some_and(|only| only != chain_id) {
                continue;
            }
            let nodes = match node {
                Some(node) => self
                    .stored
                    .claim(&node.0, chain_id)
                    .map_err(fail)?
                    .map(|_| node)
                    .into_iter()
                    .collect(),
                None => {
                    let found = self.stored.paid_at(&self.key.account(), chain_id, MOST);
                    found.map_err(fail)?.into_iter().map(NodeId).collect::<Vec<_>>()
                }
            };
            if !nodes.is_empty() {
                wanted.push((*entry, nodes));
            }
        }
        if wanted.is_empty() {
            let who = node.map_or_else(|| files::account(&self.key.account()), |node| node.to_string());
            let what = format!("{}: {who} has earned nothing in it", self.path.display());
            return Err(Failure::new(Code::Network, what)
                .hint("name the key that the institution joined with, with --payout-key, or its node key with --key"));
        }
        Ok(wanted)
    }

    async fn on_chain(&self, entry: &Entry, nodes: &[NodeId], done: &mut Claims) -> Result<(), Failure> {
        let chain_id = entry.venue.chain_id;
        let way = self.ways.get(&chain_id).ok_or_else(|| {
            Failure::usage(format!("no url of chain {chain_id} is known")).hint(format!(
                "name one with --rpc {chain_id}=URL, or write it down with `xfl chain init --rpc {chain_id}=URL`"
            ))
        })?;
        let connection = settle::connect(way, Some(self.key))?;
        let client = self.contracts(entry, connection).await?;
        let round = self.stored.round();
        let standing = self.check_root(&client).await?;
        for node in nodes {
            let proof = self
                .stored
                .claim(&node.0, chain_id)
                .map_err(|error| unfit(self.path, &error))?;
            let Some(proof) = proof else { continue };
            if proof.leaf.payout != self.key.account() {
                let other = files::account(&proof.leaf.payout);
                return Err(self.lie(&format!(
                    "it pays {node} at {other} on chain {chain_id}, which isn't this key's account"
                )));
            }
            self.check_binding(&client, node).await?;
            if standing == Standing::Active {
                done.claimed(chain_id, round, client.claim(&proof).await?);
                continue;
            }
            let due = proof.leaf.cumulative.saturating_sub(client.paid_to(&node.0).await?);
            done.waiting(chain_id, due);
        }
        self.tell(&standing, chain_id, done);
        done.file_of(chain_id, round, client.latest_round().await?);
        done.balance(chain_id, client.token_balance(&self.key.account()).await?);
        Ok(())
    }

    /// The contracts behind the file's distributor, which must be this program's code and the file's federation's.
    async fn contracts(&self, entry: &Entry, connection: Connection) -> Result<SettlementClient, Failure> {
        let venue = &entry.venue;
        let id = connection.chain_id().await?;
        if id != venue.chain_id {
            return Err(Failure::new(
                Code::Network,
                format!("the node is of chain {id}, not of chain {}", venue.chain_id),
            )
            .hint("name the url of the right chain with --rpc"));
        }
        let found = Deployment::found(&connection, venue.distributor)
            .await
            .map_err(|error| match error {
                xfl_settlement::chain::deploy::DeployError::Code { .. } => self.lie(&format!("chain {id}: {error}")),
                error => error.into(),
            })?;
        if found.terms.federation != self.stored.federation() {
            return Err(self.lie(&format!(
                "the contracts that it names on chain {id} are of federation {}, it says {}",
                files::hex(&found.terms.federation),
                files::hex(&self.stored.federation())
            )));
        }
        if found.token != venue.token {
            return Err(self.lie(&format!("it names another token than the distributor's on chain {id}")));
        }
        Ok(SettlementClient::unchecked(connection, found))
    }

    /// What there is to know beside amounts that wait.
    fn tell(&self, standing: &Standing, chain_id: u64, done: &mut Claims) {
        if *standing == Standing::Unposted {
            let round = self.stored.round();
            done.say(&format!(
                "round {round} isn't posted on chain {chain_id} yet: the amount is the file's word"
            ));
        }
    }

    /// How the round stands on the chain; its root there must be the file's. A round that will never be there is a failure.
    async fn check_root(&self, client: &SettlementClient) -> Result<Standing, Failure> {
        let (round, chain_id) = (self.stored.round(), client.deployment().chain_id);
        match client.posted_header(round).await? {
            Some(header) if header.reward_root != self.stored.root() => Err(self.lie(&format!(
                "its rewards aren't those that were signed for round {round}: chain {chain_id} has another root"
            ))),
            Some(_) if client.is_active(round).await? => Ok(Standing::Active),
            Some(_) => Ok(Standing::Posted),
            None => match client.latest_round().await? {
                latest if latest > round => Err(Failure::new(
                    Code::Network,
                    format!(
                        "{}: round {round} was skipped or voided on chain {chain_id}, whose latest is round {latest}; nothing was sent",
                        self.path.display()
                    ),
                )
                .hint(format!(
                    "take a later file, rewards-{latest}.xfl: totals are cumulative, so that nothing earned is lost"
                ))),
                _ => Ok(Standing::Unposted),
            },
        }
    }

    /// Whether this key's holder signed for this registry, for this node.
    async fn check_binding(&self, client: &SettlementClient, node: &NodeId) -> Result<(), Failure> {
        let domain = client.deployment().binding_domain();
        let admissions = client.admissions().await?;
        let own = |binding: &xfl_settlement::binding::Binding| {
            binding.node_key == node.0 && binding.payout == self.key.account()
        };
        let signed = admissions
            .iter()
            .filter(|admission| own(&admission.binding))
            .any(|admission| {
                let signature = admission.signature();
                signature.is_some_and(|signature| admission.binding.verify(&domain, &signature).is_ok())
            });
        match signed {
            true => Ok(()),
            false => Err(self.lie(&format!(
                "this key never joined the federation whose contracts it names on chain {}",
                client.deployment().chain_id
            ))),
        }
    }
}
