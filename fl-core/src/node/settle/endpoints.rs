//! Where chains are reached: as the operator says, and as a run's directory remembers it.

use std::{fmt, io::Write, os::unix::fs::OpenOptionsExt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};
use xfl_settlement::{chain::connect::Connection, payout::PayoutKey};

use super::SettleError;

/// A chain of a federation, as told by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainChoice {
    /// In this process, kept in the run's directory.
    Embedded,
    /// Any chain by its JSON-RPC urls.
    Rpc(Endpoint),
}

/// A chain's JSON-RPC urls, and its EIP-155 id where that is known: `URL`, `ID=URL` or `ID=URL,URL`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            given: given.into(),
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
                given: url.clone(),
                what: "not an http or https url",
            });
        }
        Ok(Self { chain_id, urls })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.chain_id {
            write!(f, "{id}=")?;
        }
        f.write_str(&self.urls.join(","))
    }
}

impl FromStr for ChainChoice {
    type Err = SettleError;

    fn from_str(given: &str) -> Result<Self, SettleError> {
        match given {
            "embedded" => Ok(Self::Embedded),
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

/// Where the chains of a run are reached: `chains.json` in its directory, for `xfl settle`, `chain` and `audit` and for a start while a chain is
/// down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// One a chain, with its id.
    pub chains: Vec<Endpoint>,
}

const FILE: &str = "chains.json";

impl Endpoints {
    /// As a directory remembers them; none where it doesn't.
    pub fn read(dir: &Path) -> Self {
        let bytes = std::fs::read(dir.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Remembers them. Urls may hold keys of their own, so that the file is its owner's alone.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, dir: &Path) -> std::io::Result<()> {
        let path = dir.join(FILE);
        let bytes = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        let new = path.with_extension("new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        drop(file);
        std::fs::rename(&new, &path)
    }

    /// The endpoint of a chain.
    pub fn of(&self, chain_id: u64) -> Option<&Endpoint> {
        self.chains.iter().find(|known| known.chain_id == Some(chain_id))
    }

    /// The id of the chain that was reached by these urls before.
    pub fn id_of(&self, urls: &[String]) -> Option<u64> {
        self.chains.iter().find(|known| known.urls == urls)?.chain_id
    }

    /// Adds an endpoint, or replaces the one of its chain.
    pub fn put(&mut self, endpoint: Endpoint) {
        self.chains.retain(|known| known.chain_id != endpoint.chain_id);
        self.chains.push(endpoint);
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
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        let query: Endpoint = "https://node.example/?key=1".parse().unwrap();
        assert_eq!((query.chain_id, query.urls.len()), (None, 1));
        for text in [
            "",
            "7=",
            "ftp://a",
            "0=http://a",
            "99999999999999999999999=http://a",
            "http://a,b",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        assert_eq!("embedded".parse::<ChainChoice>().unwrap(), ChainChoice::Embedded);
    }

    #[test]
    fn a_directory_remembers_them() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Endpoints::read(dir.path()), Endpoints::default());
        let mut known = Endpoints::default();
        known.put("1=http://a".parse().unwrap());
        known.put("2=http://b".parse().unwrap());
        known.put("1=http://c,http://d".parse().unwrap());
        known.write(dir.path()).unwrap();
        let read = Endpoints::read(dir.path());
        assert_eq!((read.chains.len(), read.of(1).unwrap().urls.len()), (2, 2));
        assert_eq!(read.id_of(&["http://b".into()]), Some(2));

        // What was left behind open to all, by a process that was killed, isn't written into.
        use std::os::unix::fs::PermissionsExt;
        let left = dir.path().join("chains.new");
        std::fs::write(&left, "").unwrap();
        std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o644)).unwrap();
        known.write(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, left.exists()), (0o600, false));
    }
}
