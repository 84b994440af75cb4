//! The accounts of an embedded chain, as revm reads them and as a header commits to them.
//!
//! Storage roots are kept per account and recomputed for accounts that changed, so a block costs one pass over the accounts
//! and one over the storage it touched. Slots that are zero and accounts that are empty (EIP-161) are left out, as the
//! state root demands.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use alloy::primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy::rpc::types::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy::trie::root::{state_root_unhashed, storage_root};
use alloy::trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::DatabaseRef;
use revm::state::{Account as Change, AccountInfo, Bytecode, EvmState};

use super::create2::{PROXY, PROXY_CODE};
use super::genesis::Genesis;
use crate::proof::trie::{self, TrieError};

#[derive(Debug, Clone)]
struct Stored {
    nonce: u64,
    balance: U256,
    code_hash: B256,
    /// By the hash of the slot, the order in which the trie wants them.
    storage: Arc<BTreeMap<B256, U256>>,
    storage_root: B256,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK256_EMPTY,
            storage: Arc::default(),
            storage_root: EMPTY_ROOT_HASH,
        }
    }
}

impl Stored {
    /// What the state root commits to.
    fn committed(&self) -> TrieAccount {
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage_root,
            code_hash: self.code_hash,
        }
    }

    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// All accounts after one block. Clones share storage until they write.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    accounts: BTreeMap<Address, Stored>,
    code: Arc<HashMap<B256, Bytecode>>,
    block_hashes: Arc<Vec<B256>>,
}

impl World {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let mut world = Self::default();
        for seed in &genesis.seeds {
            let stored = world.accounts.entry(Address::from(seed.account)).or_default();
            stored.balance = stored.balance.saturating_add(seed.balance());
        }
        world.accounts.retain(|_, stored| !stored.is_empty());
        world.place(Address::from(PROXY), Bytecode::new_raw(PROXY_CODE.into()));
        world
    }

    /// Puts code at an address, as if it had been deployed before the chain began.
    fn place(&mut self, address: Address, code: Bytecode) {
        let code_hash = code.hash_slow();
        let stored = self.accounts.entry(address).or_default();
        (stored.nonce, stored.code_hash) = (1, code_hash);
        Arc::make_mut(&mut self.code).insert(code_hash, code);
    }

    pub(crate) fn nonce(&self, address: &Address) -> u64 {
        self.accounts.get(address).map_or(0, |stored| stored.nonce)
    }

    pub(crate) fn balance(&self, address: &Address) -> U256 {
        self.accounts.get(address).map_or(U256::ZERO, |stored| stored.balance)
    }

    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> U256 {
        self.accounts
            .get(address)
            .and_then(|stored| stored.storage.get(&hashed(slot)))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn code(&self, address: &Address) -> Option<&Bytecode> {
        self.code.get(&self.accounts.get(address)?.code_hash)
    }

    pub(crate) fn push_block(&mut self, hash: B256) {
        Arc::make_mut(&mut self.block_hashes).push(hash);
    }

    /// Takes over what one transaction changed.
    pub(crate) fn apply(&mut self, changes: EvmState) {
        for (address, change) in changes {
            if change.is_touched() {
                self.apply_account(address, change);
            }
        }
    }

    fn apply_account(&mut self, address: Address, change: Change) {
        if change.is_selfdestructed() {
            self.accounts.remove(&address);
            return;
        }
        let stored = self.accounts.entry(address).or_default();
        if change.is_created() {
            stored.storage = Arc::default();
            stored.storage_root = EMPTY_ROOT_HASH;
        }
        stored.nonce = change.info.nonce;
        stored.balance = change.info.balance;
        stored.code_hash = change.info.code_hash;
        if let Some(code) = change.info.code.filter(|code| !code.is_empty())
            && !self.code.contains_key(&change.info.code_hash)
        {
            Arc::make_mut(&mut self.code).insert(change.info.code_hash, code);
        }
        let changed: Vec<_> = change
            .storage
            .into_iter()
            .filter(|(_, slot)| slot.is_changed())
            .collect();
        if !changed.is_empty() {
            let storage = Arc::make_mut(&mut stored.storage);
            for (key, slot) in changed {
                match slot.present_value() {
                    value if value.is_zero() => storage.remove(&hashed(&key)),
                    value => storage.insert(hashed(&key), value),
                };
            }
            stored.storage_root = storage_root(storage.iter().map(|(key, value)| (*key, *value)));
        }
        if stored.is_empty() {
            self.accounts.remove(&address);
        }
    }

    /// The Merkle-Patricia root over all accounts.
    pub(crate) fn root(&self) -> B256 {
        let accounts = self.accounts.iter();
        state_root_unhashed(accounts.map(|(address, stored)| (*address, stored.committed())))
    }

    /// An account and some of its slots with the nodes that prove them, as EIP-1186 has it: there or not, the nodes show it.
    pub(crate) fn proof(&self, address: Address, slots: &[B256]) -> Result<EIP1186AccountProofResponse, TrieError> {
        let accounts = self.accounts.iter();
        let accounts = accounts
            .map(|(address, stored)| (keccak256(address).to_vec(), alloy::rlp::encode(stored.committed())))
            .collect();
        let (_, mut nodes) = trie::prove(&accounts, &[keccak256(address).as_slice()])?;
        let stored = self.accounts.get(&address).cloned().unwrap_or_default();
        let storage = stored.storage.iter();
        let storage = storage
            .map(|(slot, value)| (slot.to_vec(), alloy::rlp::encode(value)))
            .collect();
        let keys: Vec<B256> = slots.iter().map(keccak256).collect();
        let (_, proofs) = trie::prove(&storage, &keys.iter().map(|key| key.as_slice()).collect::<Vec<_>>())?;
        let slot = |((slot, key), proof): ((&B256, &B256), _)| {
            let value = stored.storage.get(key).copied().unwrap_or_default();
            EIP1186StorageProof::new((*slot).into(), value, proof)
        };
        Ok(EIP1186AccountProofResponse {
            address,
            balance: stored.balance,
            code_hash: stored.code_hash,
            nonce: stored.nonce,
            storage_hash: stored.storage_root,
            account_proof: nodes.pop().unwrap_or_default(),
            storage_proof: slots.iter().zip(&keys).zip(proofs).map(slot).collect(),
        })
    }

    /// The same accounts to prove from: what only executing needs is left out.
    pub(crate) fn past(&self) -> Self {
        Self {
            block_hashes: Arc::default(),
            ..self.clone()
        }
    }
}

fn hashed(slot: &U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

impl DatabaseRef for World {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).map(|stored| AccountInfo {
            nonce: stored.nonce,
            balance: stored.balance,
            code_hash: stored.code_hash,
            code: Some(self.code.get(&stored.code_hash).cloned().unwrap_or_default()),
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.code.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.slot(&address, &index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        let hash = usize::try_from(number)
            .ok()
            .and_then(|number| self.block_hashes.get(number));
        Ok(hash.copied().unwrap_or_default())
    }
}
