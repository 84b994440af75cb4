//! An EVM chain inside this process: revm, real headers, one block a transaction, every block on disk before anyone
//! hears of it.
//!
//! What is kept is the genesis and, for each block, its time, its one signed transaction and its hash. Opening the chain
//! executes them again and compares every hash, which commits to all state, so a damaged or doctored file is noticed and
//! state can't drift from history. Four hundred blocks were seen to take 1.3 seconds on a busy machine.
//!
//! Guarantees: a transaction is acknowledged after its block is committed to disk; killed at any point, the chain reopens at
//! the last acknowledged block or one after it. Time comes from the clock handed in and never runs backwards: a block's
//! time is the clock's or the parent's, whichever is later.
//!
//! What it doesn't do: consensus (its operator decides alone what to include, and is held to account by the signatures
//! inside transactions), past state (calls read the latest block; proofs reach [`PROVABLE`] blocks back), reorganisations, blob and set-code transactions, the
//! system calls of Cancun and Prague.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::consensus::transaction::{Recovered, SignerRecoverable};
use alloy::consensus::{Transaction, TxEnvelope, TxType};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use revm::context::result::ExecutionResult;

use super::block::Mined;
use super::execute::{self, Estimate, Failure, Place};
use super::genesis::{Genesis, MAX_SEEDS, Record};
use super::store::{Store, StoreError};
use super::world::World;

/// A clock: Unix time in seconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The largest transaction taken, in bytes.
pub const MAX_TRANSACTION: usize = 256 * 1024;

/// Blocks whose state can be proved: the latest and those before it.
pub const PROVABLE: usize = 128;

/// Why a chain couldn't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder couldn't be made.
    #[error("the chain's folder failed: {0}")]
    Folder(#[from] std::io::Error),
    /// The folder holds another chain.
    #[error("the folder holds a chain with another genesis (chain id {found}, asked for {expected})")]
    OtherGenesis {
        /// The chain id asked for.
        expected: u64,
        /// The chain id found.
        found: u64,
    },
    /// A genesis that can't be.
    #[error("a genesis needs a chain id above zero and at most {MAX_SEEDS} seeds, got chain id {chain_id} and {seeds}")]
    BadGenesis {
        /// Its chain id.
        chain_id: u64,
        /// Its number of seeds.
        seeds: usize,
    },
    /// The chain isn't that long.
    #[error("the chain has no block {number}, its last is {head}")]
    NoBlock {
        /// Asked for.
        number: u64,
        /// The last.
        head: u64,
    },
    /// Executing a block again gave something else than what is written.
    #[error("block {number} does not replay: {reason}")]
    Replay {
        /// The block.
        number: u64,
        /// What differs.
        reason: String,
    },
}

/// Why a transaction was not taken. It then changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Longer than [`MAX_TRANSACTION`].
    #[error("the transaction has {got} bytes, the most is {MAX_TRANSACTION}")]
    TooLarge {
        /// Its bytes.
        got: usize,
    },
    /// Not an encoded transaction.
    #[error("the bytes are not a signed transaction")]
    Malformed,
    /// A kind that this chain has no use for.
    #[error("transactions of type {got} are not supported here")]
    Unsupported {
        /// EIP-2718 type.
        got: u8,
    },
    /// The signature recovers to nobody.
    #[error("the transaction's signature is not valid")]
    Signature,
    /// Signed for any chain.
    #[error("the transaction names no chain id")]
    NoChainId,
    /// The protocol refuses it: nonce, balance, gas.
    #[error("{0}")]
    Invalid(String),
    /// The block couldn't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain is a replayed snapshot.
    #[error("a replayed snapshot takes no transactions")]
    ReadOnly,
}

pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) blocks: Vec<Mined>,
    /// The accounts after each of the last blocks, the latest at the end.
    past: VecDeque<World>,
    by_transaction: HashMap<B256, usize>,
    by_hash: HashMap<B256, usize>,
}

struct Shared {
    genesis: Genesis,
    clock: Clock,
    store: Store,
    state: Mutex<State>,
}

/// A chain in this process. Clones are handles on the same chain.
#[derive(Clone)]
pub struct EmbeddedChain(Arc<Shared>);

impl fmt::Debug for EmbeddedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.state().head().header.number;
        write!(f, "EmbeddedChain {{ chain_id: {}, head: {head} }}", self.chain_id())
    }
}

impl EmbeddedChain {
    /// Opens the chain in `folder`, or begins it there. Where the folder holds a chain already, `genesis` must have its
    /// chain id and seeds; the time of its block 0 is the written one.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is ever repaired by leaving something out.
    pub fn open(folder: &Path, genesis: Genesis, clock: Clock) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder)?;
        let store = Store::open(&folder.join("chain.redb"))?;
        match store.read()? {
            Some((written, records)) => {
                if (written.chain_id, &written.seeds) != (genesis.chain_id, &genesis.seeds) {
                    let (expected, found) = (genesis.chain_id, written.chain_id);
                    return Err(OpenError::OtherGenesis { expected, found });
                }
                Self::replay(written, &records, store, clock)
            }
            None => {
                check(&genesis)?;
                store.begin(&genesis)?;
                Self::replay(genesis, &[], store, clock)
            }
        }
    }

    /// A chain that lives as long as its handles.
    ///
    /// # Errors
    /// [`OpenError::BadGenesis`].
    pub fn ephemeral(genesis: Genesis, clock: Clock) -> Result<Self, OpenError> {
        Self::replay(genesis, &[], Store::Memory, clock)
    }

    pub(crate) fn replay(genesis: Genesis, records: &[Record], store: Store, clock: Clock) -> Result<Self, OpenError> {
        check(&genesis)?;
        let mut state = State::new(&genesis);
        for (number, record) in (1..).zip(records) {
            let differs = |reason: String| OpenError::Replay { number, reason };
            if record.timestamp < state.head().header.timestamp {
                return Err(differs("its time is before its parent's".into()));
            }
            let transaction = decode(&record.transaction).map_err(|error| differs(error.to_string()))?;
            let (world, block) = state
                .execute(genesis.chain_id, record.timestamp, transaction)
                .map_err(|error| differs(describe(&error)))?;
            if block.header.hash() != record.hash {
                return Err(differs(format!(
                    "its hash is {}, expected {}",
                    block.header.hash(),
                    record.hash
                )));
            }
            state.push(world, block);
        }
        Ok(Self(Arc::new(Shared {
            genesis,
            clock,
            store,
            state: Mutex::new(state),
        })))
    }

    /// EIP-155 id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.0.genesis.chain_id
    }

    /// What the chain began with.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.0.genesis
    }

    /// Number and hash of the latest block. The hash commits to everything before it.
    #[must_use]
    pub fn head(&self) -> (u64, [u8; 32]) {
        let state = self.state();
        let header = &state.head().header;
        (header.number, header.hash().0)
    }

    /// Takes a signed transaction (EIP-2718 bytes) into a block of its own and answers its hash. A transaction that is in a
    /// block already is answered with its hash again. One that reverts is in a block too, and its receipt says so.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&self, bytes: &[u8]) -> Result<B256, SendError> {
        if matches!(self.0.store, Store::ReadOnly) {
            return Err(SendError::ReadOnly);
        }
        let transaction = decode(bytes)?;
        let hash = *transaction.tx_hash();
        let mut state = self.state();
        if state.by_transaction.contains_key(&hash) {
            return Ok(hash);
        }
        let timestamp = state.next_time((self.0.clock)());
        let (world, block) = state
            .execute(self.chain_id(), timestamp, transaction)
            .map_err(|error| SendError::Invalid(describe(&error)))?;
        let record = Record {
            timestamp,
            transaction: Bytes::copy_from_slice(bytes),
            hash: block.header.hash(),
        };
        self.0.store.append(block.header.number, &record)?;
        state.push(world, block);
        Ok(hash)
    }

    pub(crate) fn call(&self, request: &TransactionRequest) -> Result<ExecutionResult, Failure> {
        let (world, place) = self.pending();
        let gas = request
            .gas
            .unwrap_or(super::genesis::BLOCK_GAS)
            .min(super::genesis::BLOCK_GAS);
        execute::call(&world, place, request, gas)
    }

    pub(crate) fn estimate(&self, request: &TransactionRequest) -> Result<Estimate, Failure> {
        let (world, place) = self.pending();
        execute::estimate(&world, place, request)
    }

    /// The accounts now and the block that comes next; executing goes on without the lock.
    fn pending(&self) -> (World, Place) {
        let state = self.state();
        let timestamp = state.next_time((self.0.clock)());
        let number = state.head().header.number.saturating_add(1);
        (
            state.world.clone(),
            Place {
                chain_id: self.chain_id(),
                number,
                timestamp,
            },
        )
    }

    /// The chain as it was after one of its blocks, executed again up to there, to read from.
    ///
    /// # Errors
    /// [`OpenError::NoBlock`], and the others should it not replay.
    pub fn until(&self, number: u64) -> Result<Self, OpenError> {
        let records = self.records();
        let head = records.len() as u64;
        let count = usize::try_from(number).ok().filter(|count| *count <= records.len());
        let count = count.ok_or(OpenError::NoBlock { number, head })?;
        let last = records[..count].last();
        let last = last.map_or(self.genesis().timestamp, |record| record.timestamp);
        Self::replay(
            self.genesis().clone(),
            &records[..count],
            Store::ReadOnly,
            Arc::new(move || last),
        )
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-done under the lock: a block is pushed whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let state = self.state();
        let record = |block: &Mined| {
            let transaction = block.body.as_ref()?.transaction.encoded_2718().into();
            Some(Record {
                timestamp: block.header.timestamp,
                transaction,
                hash: block.header.hash(),
            })
        };
        state.blocks.iter().filter_map(record).collect()
    }
}

impl State {
    fn new(genesis: &Genesis) -> Self {
        let mut state = Self {
            world: World::new(genesis),
            blocks: Vec::new(),
            past: VecDeque::new(),
            by_transaction: HashMap::new(),
            by_hash: HashMap::new(),
        };
        let block = Mined::genesis(genesis.timestamp, state.world.root());
        let world = state.world.clone();
        state.push(world, block);
        state
    }

    pub(crate) fn head(&self) -> &Mined {
        // Block 0 is pushed when the state is made, and blocks are never removed.
        &self.blocks[self.blocks.len() - 1]
    }

    fn next_time(&self, now: u64) -> u64 {
        now.max(self.head().header.timestamp)
    }

    fn execute(
        &self,
        chain_id: u64,
        timestamp: u64,
        transaction: Recovered<TxEnvelope>,
    ) -> Result<(World, Mined), Failure> {
        let number = self.head().header.number.saturating_add(1);
        let outcome = execute::transact(
            &self.world,
            Place {
                chain_id,
                number,
                timestamp,
            },
            &transaction,
        )?;
        let mut world = self.world.clone();
        world.apply(outcome.state);
        let block = Mined::after(self.head(), timestamp, transaction, outcome.result, world.root());
        Ok((world, block))
    }

    fn push(&mut self, mut world: World, block: Mined) {
        world.push_block(block.header.hash());
        if self.past.len() == PROVABLE {
            self.past.pop_front();
        }
        self.past.push_back(world.past());
        self.world = world;
        self.by_hash.insert(block.header.hash(), self.blocks.len());
        if let Some(body) = &block.body {
            self.by_transaction
                .insert(*body.transaction.tx_hash(), self.blocks.len());
        }
        self.blocks.push(block);
    }

    pub(crate) fn by_transaction(&self, hash: &B256) -> Option<&Mined> {
        self.by_transaction.get(hash).map(|&index| &self.blocks[index])
    }

    pub(crate) fn by_hash(&self, hash: &B256) -> Option<&Mined> {
        self.by_hash.get(hash).map(|&index| &self.blocks[index])
    }

    pub(crate) fn balance(&self, address: &Address) -> U256 {
        self.world.balance(address)
    }

    /// The accounts after a block, if it is one of the last.
    pub(crate) fn world_after(&self, number: u64) -> Option<World> {
        let back = self.head().header.number.checked_sub(number)?;
        let place = self
            .past
            .len()
            .checked_sub(usize::try_from(back).ok()?.checked_add(1)?)?;
        self.past.get(place).cloned()
    }
}

fn check(genesis: &Genesis) -> Result<(), OpenError> {
    let (chain_id, seeds) = (genesis.chain_id, genesis.seeds.len());
    if chain_id == 0 || seeds > MAX_SEEDS {
        return Err(OpenError::BadGenesis { chain_id, seeds });
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Recovered<TxEnvelope>, SendError> {
    if bytes.len() > MAX_TRANSACTION {
        return Err(SendError::TooLarge { got: bytes.len() });
    }
    let transaction = TxEnvelope::decode_2718_exact(bytes).map_err(|_| SendError::Malformed)?;
    if !matches!(
        transaction.tx_type(),
        TxType::Legacy | TxType::Eip2930 | TxType::Eip1559
    ) {
        return Err(SendError::Unsupported {
            got: transaction.tx_type().into(),
        });
    }
    if transaction.chain_id().is_none() {
        return Err(SendError::NoChainId);
    }
    let signer = transaction.recover_signer().map_err(|_| SendError::Signature)?;
    Ok(Recovered::new_unchecked(transaction, signer))
}

/// What other nodes say for the same refusals, so that tools that look at the words work here too.
fn describe(error: &Failure) -> String {
    use revm::context::result::{EVMError, InvalidTransaction};
    match error {
        EVMError::Transaction(InvalidTransaction::NonceTooLow { tx, state }) => {
            format!("nonce too low: next nonce {state}, tx nonce {tx}")
        }
        EVMError::Transaction(InvalidTransaction::NonceTooHigh { tx, state }) => {
            format!("nonce too high: next nonce {state}, tx nonce {tx}")
        }
        EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
            format!("insufficient funds for gas * price + value: have {balance}, want {fee}")
        }
        other => other.to_string(),
    }
}
