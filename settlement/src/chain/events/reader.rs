//! Reading events once: up to the latest block that is deep enough, from where the last look ended.
//!
//! A look asks for the chain's head, for the block where the last one ended, and for what came after it. If that block has another hash, a
//! reorganisation went deeper than it: the reader goes back to the last earlier mark that the chain still has, or to the block in which the contracts were
//! made, and reads on from there. What is read is taken only if the last block is the same before and after, so that answers of two branches never
//! mix. Blocks that aren't deep enough yet (the connection's confirmations) are read each time and not remembered.
//!
//! Nodes bound ranges and answers differently, and say so with errors of their own: a range that is refused is halved, for good.
//!
//! Where the contracts were made is found by asking for their code in earlier blocks; a node that doesn't keep old state is asked from block 0.

use std::collections::BTreeSet;
use std::path::PathBuf;

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

/// Blocks asked for at once to begin with.
const RANGE: u64 = 10_000;
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
            // Of the older half every other one goes: how far back a mark is, and how far it is from the next, stay alike.
            let mut place = 0;
            self.marks.retain(|_| {
                place += 1;
                place > MARKS / 2 || place % 2 == 0
            });
        }
    }
}

/// Reads a federation's events on one chain.
#[derive(Debug)]
pub(crate) struct Reader {
    past: Past,
    range: u64,
    memory: Option<Memory>,
    /// What comes from a file, or begins late on a node's word alone, is compared with the contracts' state once.
    doubted: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            past: Past::default(),
            range: RANGE,
            memory: None,
            doubted: false,
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
        }
        Ok(())
    }

    /// Everything that these contracts told in some blocks.
    async fn fetch(
        &mut self,
        connection: &Connection,
        of: &Deployment,
        from: u64,
        last: u64,
    ) -> Result<Vec<Told>, ClientError> {
        let contracts = contracts(of);
        let (mut told, mut from) = (Vec::new(), from);
        while from <= last {
            let to = last.min(from.saturating_add(self.range - 1));
            let addresses: Vec<Address> = contracts.iter().map(Address::from).collect();
            let filter = Filter::new().address(addresses).from_block(from).to_block(to);
            let logs = match connection.provider().get_logs(&filter).await {
                Ok(logs) => logs,
                Err(error) if error.is_error_resp() && self.range > 1 => {
                    self.range /= 2;
                    continue;
                }
                Err(error) => return Err(ConnectionError::rpc(error).into()),
            };
            for log in logs {
                let event =
                    event(log).filter(|event| contracts.contains(&event.address) && (from..=to).contains(&event.block));
                told.push(event.ok_or(ClientError::Answer {
                    what: "an event that wasn't asked for",
                })?);
            }
            if told.len() + self.past.told.len() > MAX_EVENTS {
                return Err(ClientError::Answer {
                    what: "more events than a federation has",
                });
            }
            from = to.saturating_add(1);
        }
        Ok(told)
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
        self.events = std::sync::Arc::new(tokio::sync::Mutex::new(Reader {
            doubted: !past.marks.is_empty(),
            past,
            memory: Some(memory),
            ..Reader::default()
        }));
        self
    }

    /// Reads on to the latest block; what isn't deep enough to be remembered comes apart.
    pub(super) async fn read_events(&self) -> Result<(MutexGuard<'_, Reader>, Vec<Told>), ClientError> {
        let mut reader = self.events.lock().await;
        for _ in 0..LOOKS {
            let Some(tail) = self.look(&mut reader).await? else {
                continue;
            };
            if reader.doubted {
                reader.doubted = false;
                if !self.bears_out(&reader, &tail).await? {
                    tracing::warn!(
                        chain_id = self.deployment().chain_id,
                        "the events that are remembered aren't all that the contracts told; reading them anew"
                    );
                    reader.past = Past::default();
                    // Where to begin may be what was wrong.
                    let Some(tail) = self.look_from(&mut reader, 0).await? else {
                        continue;
                    };
                    self.keep(&mut reader);
                    return Ok((reader, tail));
                }
            }
            self.keep(&mut reader);
            return Ok((reader, tail));
        }
        Err(ClientError::Answer {
            what: "other blocks each time it was asked for events",
        })
    }

    async fn look(&self, reader: &mut Reader) -> Result<Option<Vec<Told>>, ClientError> {
        reader.rewind(self.connection()).await?;
        let from = match reader.past.marks.last() {
            Some(mark) => mark.number.saturating_add(1),
            None => {
                let Some(made) = self.made(reader.range).await? else {
                    return Ok(Some(Vec::new()));
                };
                reader.doubted |= made > 0;
                made
            }
        };
        self.look_from(reader, from).await
    }

    /// One look; none where the chain changed meanwhile.
    async fn look_from(&self, reader: &mut Reader, from: u64) -> Result<Option<Vec<Told>>, ClientError> {
        let (connection, of) = (self.connection(), self.deployment());
        let head = connection.head().await?;
        if head < from {
            return Ok(Some(Vec::new()));
        }
        let last = head.saturating_sub(connection.confirmations().saturating_sub(1));
        let before = connection.block_hash(last).await?;
        let told = reader.fetch(connection, of, from, last).await?;
        let tail = reader
            .fetch(connection, of, from.max(last.saturating_add(1)), head)
            .await?;
        let Some(hash) = connection.block_hash(last).await?.filter(|hash| Some(*hash) == before) else {
            return Ok(None);
        };
        // Between the mark and the new one the chain may have changed before the first answer.
        let mark = reader.past.marks.last().copied();
        if let Some(mark) = mark
            && connection.block_hash(mark.number).await? != Some(mark.hash)
        {
            return Ok(None);
        }
        if last >= from {
            reader.past.told.extend(told);
            reader.past.push(Mark { number: last, hash });
        }
        Ok(Some(tail))
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

    /// Whether the contracts' state follows from what was told: every member there is was admitted, and the last round was posted.
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
