//! Where chains are reached: as the operator says, and as a run's directory remembers it.

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use xfl_settlement::{
    chain::connect::{Connection, place},
    payout::PayoutKey,
};

use super::SettleError;

/// A chain of a federation, as told by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainChoice {
    /// In this process, kept in the run's directory.
    Embedded,
    /// Any chain by its JSON-RPC urls.
    Rpc(Endpoint),
    /// A chain by its EIP-155 id, of which `chains.toml` knows the urls.
    Known(u64),
}

/// A chain's JSON-RPC urls, and its EIP-155 id where that is known: `URL`, `ID=URL` or `ID=URL,URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// EIP-155 id; asked for where absent.
    pub chain_id: Option<u64>,
    /// Read calls go to all of them.
    pub urls: Vec<String>,
}

impl FromStr for Endpoint {
    type Err = SettleError;

    fn from_str(given: &str) -> Result<Self, SettleError> {
        let wrong = |what| SettleError::Choice {
            given: place(given),
            what,
        };
        let (chain_id, urls) = match given.split_once('=') {
            Some((id, urls)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                let id = id.parse().ok().filter(|id| *id > 0);
                (
                    Some(id.ok_or_else(|| wrong("the chain id is too large or zero"))?),
                    urls,
                )
            }
            _ => (None, given),
        };
        let urls: Vec<String> = urls
            .split(',')
            .map(|url| url.trim().to_owned())
            .filter(|url| !url.is_empty())
            .collect();
        if urls.is_empty() {
            return Err(wrong(
                "no url; write URL, ID=URL, or ID=URL,URL for several of one chain",
            ));
        }
        if let Some(url) = urls.iter().find(|url| Connection::http(url, None).is_err()) {
            return Err(SettleError::Choice {
                given: place(url),
                what: "not an http or https url",
            });
        }
        Ok(Self { chain_id, urls })
    }
}

/// The nodes by host and port: urls may hold keys, and are shown to nobody.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = self.urls.iter().map(|url| place(url)).collect();
        f.write_str(&nodes.join(", "))
    }
}

impl FromStr for ChainChoice {
    type Err = SettleError;

    fn from_str(given: &str) -> Result<Self, SettleError> {
        match given {
            "embedded" => Ok(Self::Embedded),
            id if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => match id.parse() {
                Ok(0) | Err(_) => Err(SettleError::Choice {
                    given: id.into(),
                    what: "the chain id is too large or zero",
                }),
                Ok(id) => Ok(Self::Known(id)),
            },
            other => other.parse().map(Self::Rpc),
        }
    }
}

impl Endpoint {
    /// The chain's id, asked for where it isn't known.
    ///
    /// # Errors
    /// [`SettleError::Connection`].
    pub async fn id(&self) -> Result<u64, SettleError> {
        match self.chain_id {
            Some(id) => Ok(id),
            None => Ok(connect(self, None)?.chain_id().await?),
        }
    }
}

/// A connection to a chain, with or without a key to send with. Nothing is sent yet.
///
/// # Errors
/// A url that is none.
pub fn connect(endpoint: &Endpoint, key: Option<&PayoutKey>) -> Result<Connection, SettleError> {
    Ok(Connection::several(&endpoint.urls, key)?)
}

/// Where chains are reached, as a folder's `chains.toml` says: written by `xfl chain init`, or by a run for those it was begun with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    chains: Vec<Known>,
}

/// The file in a folder.
pub const FILE: &str = "chains.toml";

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

const HEAD: &str = "# Where chains are reached; `xfl chain init --rpc ID=URL` writes it. Urls may hold keys: it is for its owner alone.\n\n";

/// A chain of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    id: u64,
    urls: Vec<String>,
    /// A run noted it down; what somebody wrote on purpose goes before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    remembered: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    chain: Vec<Known>,
}

/// Why a file of endpoints can't be used. No url is ever part of it.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// Reading or writing.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// What is in it.
    #[error("{}{}: {what}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Format {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: Option<usize>,
        /// What is wrong.
        what: String,
    },
}

/// A message without what it quotes, in whichever way: all between the first such sign and the last.
fn unquoted(message: &str) -> String {
    const SIGNS: [char; 2] = ['"', '`'];
    match (message.find(SIGNS), message.rfind(SIGNS)) {
        (Some(from), Some(to)) => message[..from].to_owned() + "something" + &message[to + 1..],
        _ => message.to_owned(),
    }
}

impl Endpoints {
    /// As a folder's file says; none where there is no file.
    ///
    /// # Errors
    /// [`EndpointsError`].
    pub fn read(dir: &Path) -> Result<Self, EndpointsError> {
        let path = dir.join(FILE);
        let fail = |source| EndpointsError::File {
            path: path.clone(),
            source,
        };
        let mut text = String::new();
        match std::fs::File::open(&path) {
            Ok(file) => file.take(MAX_BYTES).read_to_string(&mut text).map_err(fail)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(fail(error)),
        };
        Self::parse(&text).map_err(|(line, what)| EndpointsError::Format { path, line, what })
    }

    fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().and_then(|span| text.get(..span.start));
            // Its own text would show the line, and so a url.
            (
                line.map(|before| before.lines().count().max(1)),
                unquoted(error.message()),
            )
        })?;
        let (mut ids, mut wrong) = (BTreeSet::new(), None);
        for known in &file.chain {
            let id = known.id;
            let fits = known.urls.iter().all(|url| Connection::http(url, None).is_ok());
            wrong = wrong.or(match () {
                () if id == 0 => Some("a chain has id 0".to_owned()),
                () if !ids.insert(id) => Some(format!("chain {id} is there twice")),
                () if known.urls.is_empty() => Some(format!("chain {id} has no url")),
                () if !fits => Some(format!("a url of chain {id} is no http or https url")),
                () => None,
            });
        }
        match wrong {
            Some(what) => Err((None, what)),
            None => Ok(Self { chains: file.chain }),
        }
    }

    /// Writes the folder's file in one step. Urls may hold keys of their own, so that it is its owner's alone.
    ///
    /// # Errors
    /// [`EndpointsError`].
    pub fn write(&self, dir: &Path) -> Result<(), EndpointsError> {
        let path = dir.join(FILE);
        let write = || {
            let chain = self.chains.clone();
            let text = toml::to_string(&File { chain }).map_err(io::Error::other)?;
            // For the owner alone, whatever the umask.
            let mut new = tempfile::NamedTempFile::new_in(dir)?;
            new.write_all(HEAD.as_bytes())?;
            new.write_all(text.as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(&path).map(|_| ()).map_err(io::Error::from)
        };
        write().map_err(|source| EndpointsError::File {
            path: path.clone(),
            source,
        })
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// The chains, in the order of the file.
    pub fn chains(&self) -> impl Iterator<Item = Endpoint> {
        self.chains.iter().map(|known| Endpoint {
            chain_id: Some(known.id),
            urls: known.urls.clone(),
        })
    }

    /// The endpoint of a chain.
    pub fn of(&self, chain_id: u64) -> Option<Endpoint> {
        self.chains().find(|known| known.chain_id == Some(chain_id))
    }

    /// The id of the chain that was reached by these urls before.
    pub fn id_of(&self, urls: &[String]) -> Option<u64> {
        self.chains().find(|known| known.urls == urls)?.chain_id
    }

    /// Adds a chain on purpose, or replaces it.
    pub fn put(&mut self, chain_id: u64, urls: Vec<String>) {
        self.add(chain_id, urls, false);
    }

    /// Notes down how a chain was reached; what somebody wrote on purpose stays. Whether anything changed.
    pub fn remember(&mut self, chain_id: u64, urls: Vec<String>) -> bool {
        let there = self.chains.iter().find(|known| known.id == chain_id);
        let new = there.is_none_or(|known| known.remembered && known.urls != urls);
        if new {
            self.add(chain_id, urls, true);
        }
        new
    }

    fn add(&mut self, id: u64, urls: Vec<String>, remembered: bool) {
        let known = Known { id, urls, remembered };
        match self.chains.iter_mut().find(|known| known.id == id) {
            Some(there) => *there = known,
            None => self.chains.push(known),
        }
    }

    /// These, and of `others` what isn't here, or is only remembered here and written there on purpose.
    #[must_use]
    pub fn or(mut self, others: &Self) -> Self {
        for other in &others.chains {
            match self.chains.iter_mut().find(|known| known.id == other.id) {
                Some(known) if known.remembered && !other.remembered => *known = other.clone(),
                Some(_) => {}
                None => self.chains.push(other.clone()),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_they_are_written() {
        for text in [
            "http://a",
            "http://a,https://b",
            "31337=http://a",
            "1=http://a,http://b",
        ] {
            let endpoint = text.parse::<Endpoint>().unwrap();
            let id = endpoint.chain_id.map(|id| format!("{id}=")).unwrap_or_default();
            assert_eq!(id + &endpoint.urls.join(","), text);
        }
        let query: Endpoint = "https://node.example:1/v2/SECRET?key=SECRET".parse().unwrap();
        assert_eq!((query.chain_id, query.urls.len()), (None, 1));
        assert_eq!(query.to_string(), "node.example:1");
        for text in [
            "",
            "7=",
            "ftp://user:SECRET@a/SECRET?SECRET",
            "0=http://a",
            "99999999999999999999999=http://a",
            "http://a,b",
            "https:\\\\SECRET@a b\\SECRET",
            "https://user:SEC?RET@host/SECRET",
            "nothing\\SECRET",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("SECRET") && !error.contains("SEC?"), "{error}");
        }
        let backslash: Endpoint = "https:\\\\user:SECRET@node.example:1\\v2\\SECRET".parse().unwrap();
        assert_eq!(backslash.to_string(), "node.example:1");
        assert_eq!("embedded".parse::<ChainChoice>().unwrap(), ChainChoice::Embedded);
        assert_eq!("31337".parse::<ChainChoice>().unwrap(), ChainChoice::Known(31_337));
        assert!("0".parse::<ChainChoice>().is_err());
    }

    #[test]
    fn a_folder_says_where_chains_are() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Endpoints::read(dir.path()).unwrap().is_empty());
        let urls = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut known = Endpoints::default();
        known.put(1, urls("http://a"));
        known.remember(2, urls("http://b"));
        known.put(1, urls("http://c,http://d"));
        // A run leaves alone what was written on purpose, and says whether there is anything to write.
        assert!(!known.remember(1, urls("http://e")) && !known.remember(2, urls("http://b")));
        assert!(known.clone().remember(2, urls("http://e")) && known.of(1).unwrap().urls.len() == 2);
        known.write(dir.path()).unwrap();
        let read = Endpoints::read(dir.path()).unwrap();
        assert_eq!(read, known);
        assert_eq!((read.chains().count(), read.of(1).unwrap().urls.len()), (2, 2));
        assert_eq!(read.id_of(&urls("http://b")), Some(2));

        // What is written on purpose goes before what a run noted down; of equals the nearer one.
        let mut beside = Endpoints::default();
        for id in 1..=3 {
            beside.put(id, urls("http://beside"));
        }
        let both = read.or(&beside);
        let first = |id| both.of(id).unwrap().urls[0].clone();
        assert_eq!(
            [first(1), first(2), first(3)],
            ["http://c", "http://beside", "http://beside"]
        );

        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_told_without_its_urls() {
        let dir = tempfile::tempdir().unwrap();
        for (text, says) in [
            ("[[chain]]\nid = 1\nurls = [\"http://SECRET\"", "line 3"),
            ("[[chain]]\nid = \"SECRET\"\nurls = []", "line 2"),
            ("[[chain]]\nid = 1\nurls = []\nkey = 1", "unknown field"),
            (
                "[[chain]]\nid = 1\nurls = []\n\"https://node/SECRET\" = 1",
                "unknown field something",
            ),
            ("[[chain]]\nid = 1\nurls = []", "no url"),
            ("[[chain]]\nid = 1\nurls = \"http://SECRET\"", "line 3"),
            ("[[chain]]\nid = 1\nurls = [\"ftp://SECRET\"]", "no http or https url"),
            ("[[chain]]\nid = 0\nurls = [\"http://a\"]", "id 0"),
            ("[[chain]]\nid = -1\nurls = [\"http://a\"]", "line 2"),
            (
                "[[chain]]\nid = 1\nurls = [\"http://a\"]\n[[chain]]\nid = 1\nurls = [\"http://a\"]",
                "twice",
            ),
        ] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            let error = Endpoints::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(FILE), "{text}: {error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
    }
}
