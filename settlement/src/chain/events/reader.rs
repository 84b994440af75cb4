//! Reading events once: up to a block that is deep enough, from where the last look ended.
//!
//! A look asks for the chain's head, for the block where the last one ended, and for what came after it. If that block has another hash, a
//! reorganisation went deeper than it: the reader goes back to the last earlier mark that the chain still has, or to the block in which the contracts were
//! made, and reads on from there. What is read is taken only if the last block is the same before and after, so that answers of two branches never
//! mix. The last [`TAIL`] blocks, or as many as the connection's confirmations ask for, are read at each look and never remembered: a node behind a
//! balancer may know a block's number before it has the block's events, and says then that there are none. What is deeper is remembered range by
//! range, so that a long reading that is cut off goes on where it was.
//!
//! Nodes bound ranges and answers differently, and say so with errors of their own: a range that is refused is halved, and grows again after
//! successes. One block that is refused is an error.
//!
//! Where the contracts were made is found by asking for their code in earlier blocks; a node that doesn't keep old state is asked from block 0.
//!
//! What comes from a file, or begins late on a node's word, is compared with two things that the contracts hold: how many members there are, and the
//! posting of the latest round. Where they say more, even at a second look, all of it is read anew. Nothing else is compared: a demand or a payment that a node
//! kept back isn't noticed here, which is what [`SettlementClient::forget_events`] is for.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use serde::{Deserialize, Serialize};
use tokio::sync::MutexGuard;

use super::memory::Memory;
use super::transaction::Place;
use crate::chain::client::{ClientError, SettlementClient};
use crate::chain::connect::{Connection, ConnectionError};
use crate::chain::contracts::bindings::{FederationRegistry, RoundManager, RoundMirror};
use crate::chain::deploy::Deployment;
use crate::merkle::Digest;
use crate::payout::Account;
use crate::statement::RoundHeader;

/// Blocks asked for at once to begin with.
const RANGE: u64 = 10_000;
/// Blocks before the head that are read again at each look, at least.
const TAIL: u64 = 32;
/// Whole ranges that a node must give before it is asked for twice as much.
const GROW: u32 = 32;
/// Ranges after which what was read is written down, while reading goes on.
const OFTEN: usize = 64;
/// Marks that are kept; older ones are thinned out.
const MARKS: usize = 64;
/// The most events of one federation on one chain.
const MAX_EVENTS: usize = 1 << 20;
/// How often a look begins again because the chain changed under it.
pub(super) const LOOKS: usize = 8;

/// An event as a node told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) block: u64,
    #[serde(with = "crate::bytes")]
    pub(crate) address: Account,
    pub(crate) topics: Vec<Digest>,
    pub(crate) data: Vec<u8>,
    #[serde(with = "crate::bytes")]
    pub(crate) transaction: Digest,
    #[serde(with = "crate::bytes")]
    pub(crate) block_hash: Digest,
    /// Which of the block's transactions it was.
    pub(crate) index: u64,
}

impl Told {
    pub(super) fn place(&self) -> Place {
        Place {
            transaction: self.transaction,
            block: self.block_hash,
            index: self.index,
        }
    }
}

/// A block up to which everything was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) number: u64,
    #[serde(with = "crate::bytes")]
    pub(super) hash: Digest,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Past {
    /// Ascending; what was told is of blocks up to the last one's.
    pub(super) marks: Vec<Mark>,
    pub(super) told: Vec<Told>,
    /// Headers of posted rounds: each is proved by its digest.
    pub(super) headers: Vec<RoundHeader>,
}

impl Past {
    /// Takes the last mark back, and what was told after the one before.
    fn pop(&mut self) {
        self.marks.pop();
        let last = self.marks.last().map(|mark| mark.number);
        self.told.retain(|told| last.is_some_and(|last| told.block <= last));
    }

    fn push(&mut self, mark: Mark) {
        if self.marks.last() != Some(&mark) {
            self.marks.push(mark);
        }
        if self.marks.len() > MARKS {
            // Of the older half every other one goes, never the oldest: how far back a mark is, and how far it is from the next, stay alike.
            let mut place = 0;
            self.marks.retain(|_| {
                place += 1;
                place > MARKS / 2 || place % 2 == 1
            });
        }
    }
}

/// Reads a federation's events on one chain.
#[derive(Debug)]
pub(crate) struct Reader {
    past: Past,
    range: u64,
    /// Whole ranges given since the range changed.
    given: u32,
    /// A block from which on events can be, once that was found out.
    began: Option<u64>,
    memory: Option<Memory>,
    /// What comes from a file, or begins late on a node's word alone, is compared with the contracts' state.
    doubted: bool,
    /// It is being read anew because something was missing.
    anew: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            past: Past::default(),
            range: RANGE,
            given: 0,
            began: None,
            memory: None,
            doubted: false,
            anew: false,
        }
    }
}

impl Reader {
    /// What is remembered.
    pub(super) fn told(&self) -> &[Told] {
        &self.past.told
    }

    /// Goes back to where the chain still is what it was.
    async fn rewind(&mut self, connection: &Connection) -> Result<(), ClientError> {
        while let Some(last) = self.past.marks.last() {
            if connection.block_hash(last.number).await? == Some(last.hash) {
                break;
            }
            self.past.pop();
            self.began = None;
        }
        Ok(())
    }

    /// Everything is read again from this block on, or from where the contracts were made.
    fn forget(&mut self, from: Option<u64>) {
        // Headers are proved by their digests, whoever told of them.
        self.past = Past {
            headers: std::mem::take(&mut self.past.headers),
            ..Past::default()
        };
        self.began = from;
        if let Some(memory) = &mut self.memory {
            memory.outdate();
        }
    }

    /// What these contracts told from a block on, as far as a node tells it at once; and the last block of that.
    async fn fetch_some(
        &mut self,
        connection: &Connection,
        of: &Deployment,
        from: u64,
        last: u64,
    ) -> Result<(u64, Vec<Told>), ClientError> {
        let contracts = contracts(of);
        let addresses: Vec<Address> = contracts.iter().map(Address::from).collect();
        loop {
            let to = last.min(from.saturating_add(self.range - 1));
            let span = to - from + 1;
            let filter = Filter::new().address(addresses.clone()).from_block(from).to_block(to);
            let logs = match connection.provider().get_logs(&filter).await {
                Ok(logs) => logs,
                Err(error) if error.is_error_resp() && span > 1 => {
                    (self.range, self.given) = (span / 2, 0);
                    continue;
                }
                Err(error) => return Err(ConnectionError::rpc(error).into()),
            };
            if span == self.range && self.range < RANGE {
                self.given += 1;
                if self.given >= GROW {
                    (self.range, self.given) = ((self.range * 2).min(RANGE), 0);
                }
            }
            let mut told = Vec::with_capacity(logs.len());
            for log in logs {
                let event =
                    event(log).filter(|event| contracts.contains(&event.address) && (from..=to).contains(&event.block));
                told.push(event.ok_or(ClientError::Answer {
                    what: "an event that wasn't asked for",
                })?);
            }
            return Ok((to, told));
        }
    }

    fn bounded(&self, more: usize) -> Result<(), ClientError> {
        match self.past.told.len() + more > MAX_EVENTS {
            true => Err(ClientError::Answer {
                what: "more events than a federation has",
            }),
            false => Ok(()),
        }
    }
}

/// The contracts that tell something.
fn contracts(of: &Deployment) -> Vec<Account> {
    let mut contracts = vec![of.registry, of.rounds, of.distributor];
    contracts.extend(of.vault);
    contracts
}

fn event(log: Log) -> Option<Told> {
    Some(Told {
        block: log.block_number?,
        address: log.address().into(),
        topics: log.topics().iter().map(|topic| topic.0).collect(),
        transaction: log.transaction_hash?.0,
        block_hash: log.block_hash?.0,
        index: log.transaction_index?,
        data: log.inner.data.data.into(),
    })
}

impl SettlementClient {
    pub(super) fn remember_in(mut self, file: PathBuf) -> Self {
        let (memory, past) = Memory::open(file, self.deployment());
        let domain = self.deployment().header_domain();
        let headers = past.headers.iter().map(|header| (header.digest(&domain), *header));
        self.headers = Arc::new(Mutex::new(headers.collect()));
        self.events = Arc::new(tokio::sync::Mutex::new(Reader {
            doubted: !past.marks.is_empty(),
            past,
            memory: Some(memory),
            ..Reader::default()
        }));
        self
    }

    /// Writes down headers that were found, so that the next process needn't ask for them.
    pub(super) async fn keep_headers(&self, found: Vec<RoundHeader>) {
        let mut reader = self.events.lock().await;
        let Some(memory) = reader.memory.as_mut().filter(|_| !found.is_empty()) else {
            return;
        };
        memory.outdate();
        reader.past.headers.extend(found);
        self.keep(&mut reader);
    }

    /// Forgets what the chain told so far, in the file too: what is asked for next is read anew, from where the contracts were made. For those who know
    /// from the contracts' state that something was told which isn't among what was read.
    pub async fn forget_events(&self) {
        self.events.lock().await.forget(None);
    }

    /// Reads on to the latest block; what isn't deep enough to be remembered comes apart.
    pub(super) async fn read_events(&self) -> Result<(MutexGuard<'_, Reader>, Vec<Told>), ClientError> {
        let mut reader = self.events.lock().await;
        let mut alarmed = false;
        for _ in 0..LOOKS {
            let looked = self.look(&mut reader).await;
            // Also where it was cut off.
            self.keep(&mut reader);
            let Some(tail) = looked? else {
                continue;
            };
            if reader.doubted && !reader.anew && !self.bears_out(&reader, &tail).await? {
                // Something may have been told in between, or by a node that is behind.
                if !alarmed {
                    alarmed = true;
                    continue;
                }
                tracing::warn!(
                    chain_id = self.deployment().chain_id,
                    "the events that are remembered aren't all that the contracts told; reading them anew"
                );
                // Where to begin may be what was wrong.
                reader.forget(Some(0));
                reader.anew = true;
                continue;
            }
            (reader.doubted, reader.anew) = (false, false);
            return Ok((reader, tail));
        }
        Err(ClientError::Answer {
            what: "other blocks each time it was asked for events",
        })
    }

    /// One look; none where the chain changed meanwhile.
    async fn look(&self, reader: &mut Reader) -> Result<Option<Vec<Told>>, ClientError> {
        let (connection, of) = (self.connection(), self.deployment());
        reader.rewind(connection).await?;
        let mut from = match (reader.past.marks.last(), reader.began) {
            (Some(mark), _) => mark.number.saturating_add(1),
            (None, Some(began)) => began,
            (None, None) => {
                let Some(made) = self.made(reader.range).await? else {
                    return Ok(Some(Vec::new()));
                };
                reader.doubted |= made > 0;
                // A reorganisation may move it a little.
                let began = made.saturating_sub(TAIL);
                reader.began = Some(began);
                began
            }
        };
        let head = connection.head().await?;
        let depth = TAIL.max(connection.confirmations().saturating_sub(1));
        if let Some(deep) = head.checked_sub(depth) {
            let mut ranges = 0;
            while from <= deep {
                let Some(next) = self.go_on(reader, from, deep).await? else {
                    return Ok(None);
                };
                from = next;
                ranges += 1;
                if ranges % OFTEN == 0 {
                    self.keep(reader);
                }
            }
        }
        let before = connection.block_hash(head).await?;
        let mut tail = Vec::new();
        while from <= head {
            let (to, told) = reader.fetch_some(connection, of, from, head).await?;
            tail.extend(told);
            reader.bounded(tail.len())?;
            from = to.saturating_add(1);
        }
        let same = before.is_some() && connection.block_hash(head).await? == before;
        Ok((same && self.stands(reader).await?).then_some(tail))
    }

    /// Reads and marks one range of blocks that are deep enough, and says where the next begins; none where the chain changed meanwhile.
    async fn go_on(&self, reader: &mut Reader, from: u64, deep: u64) -> Result<Option<u64>, ClientError> {
        let connection = self.connection();
        let before = connection.block_hash(deep).await?;
        let (number, told) = reader.fetch_some(connection, self.deployment(), from, deep).await?;
        reader.bounded(told.len())?;
        let hash = connection.block_hash(number).await?;
        // The hash of a later block is one of all before it.
        let same = before.is_some() && connection.block_hash(deep).await? == before;
        let (Some(hash), true) = (hash, same && self.stands(reader).await?) else {
            return Ok(None);
        };
        reader.past.told.extend(told);
        reader.past.push(Mark { number, hash });
        Ok(Some(number.saturating_add(1)))
    }

    /// Whether the chain still has the last mark: it may have changed between that and the first answer.
    async fn stands(&self, reader: &Reader) -> Result<bool, ClientError> {
        Ok(match reader.past.marks.last() {
            Some(mark) => self.connection().block_hash(mark.number).await? == Some(mark.hash),
            None => true,
        })
    }

    fn keep(&self, reader: &mut Reader) {
        if let Some(memory) = &mut reader.memory {
            memory.keep(&reader.past, self.deployment());
        }
    }

    /// The block in which the contracts were made, or an earlier one; none where they don't stand.
    async fn made(&self, range: u64) -> Result<Option<u64>, ClientError> {
        let connection = self.connection();
        let registry = self.deployment().registry;
        if connection.code(&registry).await?.is_empty() {
            return Ok(None);
        }
        let (mut low, mut high) = (0, connection.head().await?);
        // What can be read at once isn't searched.
        if high < range {
            return Ok(Some(0));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let code = connection.provider().get_code_at(registry.into()).number(middle).await;
            match code {
                Ok(code) if code.is_empty() => low = middle + 1,
                Ok(_) => high = middle,
                // Old state isn't kept there.
                Err(error) if error.is_error_resp() => return Ok(Some(0)),
                Err(error) => return Err(ConnectionError::rpc(error).into()),
            }
        }
        Ok(Some(low))
    }

    /// Whether the contracts have no more members than were told of, and their last round's posting was told of. That is all that is compared.
    async fn bears_out(&self, reader: &Reader, tail: &[Told]) -> Result<bool, ClientError> {
        let told = |topic: B256| {
            let all = reader.past.told.iter().chain(tail);
            all.filter(move |told| told.topics.first() == Some(&topic.0))
        };
        let admitted = told(FederationRegistry::MemberAdmitted::SIGNATURE_HASH);
        let admitted: BTreeSet<_> = admitted.filter_map(|told| told.topics.get(1)).collect();
        if (admitted.len() as u64) < self.member_count().await? {
            return Ok(false);
        }
        let latest = self.latest_round().await?;
        if latest == 0 {
            return Ok(true);
        }
        let digest = self.header_digest(latest).await?;
        let posted = [
            RoundManager::RoundPosted::SIGNATURE_HASH,
            RoundMirror::RoundMirrored::SIGNATURE_HASH,
        ];
        let mut posted = posted.into_iter().flat_map(told);
        Ok(posted.any(|told| digest.is_none_or(|digest| told.topics.contains(&digest))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_thinned_out_and_taken_back() {
        let mut past = Past::default();
        for number in 1..=1_000 {
            past.told.push(Told {
                block: number,
                address: [0; 20],
                topics: Vec::new(),
                data: Vec::new(),
                transaction: [0; 32],
                block_hash: [0; 32],
                index: 0,
            });
            past.push(Mark { number, hash: [1; 32] });
            past.push(Mark { number, hash: [1; 32] });
        }
        assert!(past.marks.len() <= MARKS);
        assert!(past.marks.is_sorted_by_key(|mark| mark.number));
        let numbers: Vec<u64> = past.marks.iter().map(|mark| mark.number).collect();
        assert!(numbers[0] < 700 && numbers.ends_with(&[999, 1_000]), "{numbers:?}");
        past.pop();
        assert_eq!(past.told.len(), 999);
        while !past.marks.is_empty() {
            past.pop();
        }
        assert!(past.told.is_empty());
    }
}
