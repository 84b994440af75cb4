//! A federation's chains as commands see them: where they are reached, and where they stand.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use xfl_core::{
    node::settle::{self, Book, Endpoint, Endpoints, SettleError, Site, Standing},
    round::Rounds,
    transcript::Contracts,
};
use xfl_settlement::{
    chain::{client::SettlementClient, connect::Connection, embedded::EmbeddedChain},
    payout::PayoutKey,
};

use crate::{
    commands::status,
    failure::{Code, Failure},
    files,
};

/// Where the embedded chain of a coordinator on this machine is served unless told otherwise.
pub(crate) const LOCAL: &str = "http://127.0.0.1:7701";

/// What is left to do where a round was voided.
pub(crate) const VOIDED: &str = "what came before it stays payable, and `xfl settle` posts it on the other chains; for more rounds begin anew, \
                                 with another --dir and the last good model as --model";

/// Where a chain stands, in a line.
pub(crate) fn line(standing: &Standing) -> String {
    let Standing {
        chain_id,
        home,
        posted,
        signed,
        ..
    } = standing;
    let role = if *home { "home" } else { "mirror" };
    let posted = posted.map_or_else(|| "?".to_owned(), |posted| posted.to_string());
    let mut text = format!("chain {chain_id} ({role}): round {posted} of {signed}");
    if let Some(what) = &standing.waits_for {
        text += &format!(", waits for {what}");
    }
    if let Some(until) = standing.until {
        text += &format!(" (not before Unix time {until})");
    }
    if let Some(round) = standing.void {
        text += &format!("; round {round} was voided on the home chain, this run can't go on");
    }
    if let Some(trouble) = &standing.trouble {
        text += &format!(": {trouble}; trying again");
    }
    text
}

/// Where chains stand, a line each.
pub(crate) fn lines(standings: &[Standing]) -> String {
    standings.iter().map(|standing| line(standing) + "\n").collect()
}

/// A federation as a copy of its transcript tells it, and the ways to its chains.
pub(crate) struct Federation {
    pub(crate) rounds: Rounds,
    pub(crate) book: Book,
    ways: BTreeMap<u64, Endpoint>,
    /// The embedded chain of a run whose coordinator doesn't run.
    embedded: Option<EmbeddedChain>,
    /// The directory, where one was named.
    dir: Option<PathBuf>,
}

impl Federation {
    /// Reads a run's or an institution's directory, or a bare transcript. Chains are reached by what is given, else as the directory remembers,
    /// else, the embedded one, on this machine.
    pub(crate) async fn read(path: &Path, given: &[Endpoint]) -> Result<Self, Failure> {
        let file = match path.is_dir() {
            true => path.join("transcript.xfl"),
            false => path.to_owned(),
        };
        let transcript = files::read(&file, files::MAX_FILE).map_err(|failure| {
            failure.hint("name the directory of a run or of an institution with --dir, or a copy of the transcript")
        })?;
        let (book, rounds) = Book::read(&transcript).map_err(|error| {
            Failure::new(Code::Audit, format!("{}: {error}", file.display()))
                .hint("take another copy of the transcript; `xfl audit` says what is wrong with this one")
        })?;
        Self::of(path, rounds, book, given).await
    }

    /// The same of a transcript that was replayed already.
    pub(crate) async fn of(path: &Path, rounds: Rounds, book: Book, given: &[Endpoint]) -> Result<Self, Failure> {
        let mut ways = ways(path, &rounds, given).await?;
        let embedded = match given.is_empty() {
            true => at_rest(path, &rounds),
            false => None,
        };
        if embedded.is_some() {
            ways.remove(&settle::EMBEDDED_CHAIN_ID);
        }
        Ok(Self {
            rounds,
            book,
            ways,
            embedded,
            dir: path.is_dir().then(|| path.to_owned()),
        })
    }

    /// The chains of the federation and their places in its beginning, all or one.
    pub(crate) fn chains(&self, only: Option<u64>) -> Result<Vec<(usize, Contracts)>, Failure> {
        let genesis = self.rounds.genesis();
        let all = genesis.chains().copied().enumerate();
        let chains: Vec<_> = all
            .filter(|(_, chain)| only.is_none_or(|only| only == chain.chain_id))
            .collect();
        match only {
            Some(id) if chains.is_empty() => Err(stranger(id, &self.rounds)),
            _ => Ok(chains),
        }
    }

    /// A connection to a chain.
    pub(crate) fn connection(&self, chain: &Contracts, key: Option<&PayoutKey>) -> Result<Connection, Failure> {
        if let Some(embedded) = self
            .embedded
            .as_ref()
            .filter(|embedded| embedded.chain_id() == chain.chain_id)
        {
            return Ok(Connection::embedded(embedded, key));
        }
        let way = self.ways.get(&chain.chain_id).ok_or_else(|| {
            let id = chain.chain_id;
            Failure::usage(format!("no url of chain {id} is known")).hint(format!(
                "name one with --rpc {id}=URL, or write it down with `xfl chain init --rpc {id}=URL`"
            ))
        })?;
        Ok(settle::connect(way, key)?)
    }

    /// A client that has checked the contracts of a chain.
    pub(crate) async fn client(&self, chain: &Contracts, key: Option<&PayoutKey>) -> Result<SettlementClient, Failure> {
        let connection = self.connection(chain, key)?;
        let deployment = settle::deployment(self.rounds.plan(), self.rounds.genesis(), chain);
        let client = SettlementClient::connect(connection, deployment).await?;
        Ok(match self.memory(chain) {
            Some(file) => client.with_memory(file),
            None => client,
        })
    }

    /// A chain to be settled on.
    pub(crate) fn site(
        &self,
        place: usize,
        chain: &Contracts,
        key: Option<&PayoutKey>,
        confirmations: u64,
    ) -> Result<Site, Failure> {
        let connection = self.connection(chain, key)?.with_confirmations(confirmations);
        let steps = settle::deployment_plan(self.rounds.plan(), self.rounds.genesis(), chain)?;
        let site = Site::new(steps, place, connection);
        Ok(match self.memory(chain) {
            Some(file) => site.with_memory(file),
            None => site,
        })
    }

    /// Where what a chain told is remembered, so that not every command reads all of it anew.
    fn memory(&self, chain: &Contracts) -> Option<PathBuf> {
        let dir = self.dir.as_deref().filter(|_| !chain.embedded)?;
        Some(settle::events_file(dir, chain.chain_id))
    }

    /// Writes the file of rewards into the directory, where one was named.
    pub(crate) fn write_rewards(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(dir) = &self.dir else { return Ok(None) };
        settle::write_rewards(dir, &self.rounds).map_err(|error| Failure::file(dir, &error))
    }
}

/// The ways to a federation's chains.
pub(crate) async fn ways(path: &Path, rounds: &Rounds, given: &[Endpoint]) -> Result<BTreeMap<u64, Endpoint>, Failure> {
    let genesis = rounds.genesis();
    let mut ways = BTreeMap::new();
    if genesis
        .chains()
        .any(|chain| chain.chain_id == settle::EMBEDDED_CHAIN_ID)
    {
        let local = status::address(path)
            .and_then(|address| address.rpc)
            .unwrap_or_else(|| LOCAL.into());
        let way = Endpoint {
            chain_id: Some(settle::EMBEDDED_CHAIN_ID),
            urls: vec![local],
        };
        ways.insert(settle::EMBEDDED_CHAIN_ID, way);
    }
    for known in known(path)?.chains() {
        if let Some(id) = known.chain_id {
            ways.insert(id, known);
        }
    }
    for endpoint in given {
        let id = endpoint.id().await?;
        if genesis.chains().all(|chain| chain.chain_id != id) {
            return Err(stranger(id, rounds));
        }
        ways.insert(id, endpoint.clone());
    }
    Ok(ways)
}

/// Where chains are reached as `chains.toml` says: in a run's or an institution's directory (a transcript's, where that is named), beside it, and in
/// the working folder. The nearer goes before, except where a run merely noted down what it was begun with.
pub(crate) fn known(path: &Path) -> Result<Endpoints, Failure> {
    let dir = match path.is_dir() {
        true => path,
        false => above(path),
    };
    let mut known = Endpoints::default();
    for folder in [dir, above(dir), Path::new(".")] {
        if folder != dir && foreign(folder) {
            continue;
        }
        known = known.or(&Endpoints::read(folder).map_err(SettleError::from)?);
    }
    Ok(known)
}

/// Whether a folder's file is another user's: whoever can write where somebody works could name nodes that lie. It is said.
fn foreign(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let path = folder.join(settle::CHAINS_FILE);
    let owner = path.metadata().ok().map(|found| found.uid());
    let own = rustix::process::geteuid().as_raw();
    let foreign = owner.is_some_and(|owner| !trusted(owner, own));
    if foreign {
        tracing::warn!("{}: it isn't yours, and isn't gone by", path.display());
    }
    foreign
}

/// Whether a file's owner may say where chains are: whoever asks, or the machine's administrator.
fn trusted(owner: u32, own: u32) -> bool {
    owner == own || owner == 0
}

/// The file that says where a chain is reached, where one does.
pub(crate) fn said_in(path: &Path, chain_id: u64) -> Option<PathBuf> {
    let dir = match path.is_dir() {
        true => path,
        false => above(path),
    };
    let urls = known(path).ok()?.of(chain_id)?.urls;
    let folders = [dir, above(dir), Path::new(".")].into_iter();
    let mut folders = folders.filter(|folder| *folder == dir || !foreign(folder));
    let folder = folders.find(|folder| {
        let there = Endpoints::read(folder).ok().and_then(|there| there.of(chain_id));
        there.is_some_and(|there| there.urls == urls)
    })?;
    Some(folder.join(settle::CHAINS_FILE))
}

fn above(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// The embedded chain in a run's directory, unless a coordinator has it open and serves it.
fn at_rest(path: &Path, rounds: &Rounds) -> Option<EmbeddedChain> {
    let coordinator = rounds.genesis().contracts.coordinator;
    let there = path.join("chain").join("chain.redb").is_file();
    there.then(|| settle::embedded(path, coordinator).ok()).flatten()
}

fn stranger(id: u64, rounds: &Rounds) -> Failure {
    let chains: Vec<String> = rounds
        .genesis()
        .chains()
        .map(|chain| chain.chain_id.to_string())
        .collect();
    Failure::usage(format!(
        "chain {id} is none of this federation's, which are {}",
        chains.join(", ")
    ))
    .hint("name one of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_leads_and_strangers_do_not() {
        assert!(trusted(1000, 1000) && trusted(0, 1000) && !trusted(1001, 1000) && !trusted(1001, 0));
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("state");
        std::fs::create_dir(&below).unwrap();
        let mut known = Endpoints::default();
        known.put(77_001, vec!["http://a".into()]);
        known.write(dir.path()).unwrap();
        let said = said_in(&below.join("transcript.xfl"), 77_001).unwrap();
        assert_eq!(said, dir.path().join(settle::CHAINS_FILE));
        known.put(77_001, vec!["http://b".into()]);
        known.write(&below).unwrap();
        assert_eq!(said_in(&below, 77_001).unwrap(), below.join(settle::CHAINS_FILE));
        assert_eq!(said_in(&below, 77_002), None);
        assert!(!foreign(dir.path()));
    }
}
