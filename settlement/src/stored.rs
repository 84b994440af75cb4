//! Reward trees as files, so that one earner among a million finds its proof without reading them.
//!
//! [`write()`] puts a tree into one file, [`Stored`] reads it by position: a claim costs one binary search over the leaves and one
//! digest a height, about `2 log2(n)` short reads, and nothing is held in memory. What is read is hostile until the proof that comes
//! of it leads to the file's root; whether that is the *right* root the posted header says, and the contract.
//!
//! The file, integers big-endian: `"xfl rewards v1\n\0"`; federation (32 bytes), round (u64), number of chains (u32); for each chain,
//! ascending by id: id (u64), distributor (20), token (20), sum (u128), number of leaves (u64). Then for each chain its leaves,
//! ascending by participant: participant (32), payout account (20), total (u128); and its tree's layers, from the padded leaves up to the
//! root, 32 bytes a digest.

use std::io::{self, Write};

use crate::claim::{ClaimProof, Entry, Leaf, Venue};
use crate::ledger::RewardTree;
use crate::merkle::{Digest, MAX_DEPTH, Proof, Tree, depth};
use crate::payout::Account;

const MAGIC: &[u8; 16] = b"xfl rewards v1\n\0";
const HEAD: u64 = 16 + 32 + 8 + 4;
const CHAIN: u64 = 8 + 20 + 20 + 16 + 8;
const LEAF: u64 = 32 + 20 + 16;

/// Leaves that are read at once where all are gone through.
const READ: u64 = 1_024;

/// The most chains that a file may have.
pub const MAX_CHAINS: u32 = 1_024;

/// Bytes that are read by position: a file, or a slice.
pub trait ReadAt {
    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// The source's, and an unexpected end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let part = self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(part);
        Ok(())
    }
}

#[cfg(unix)]
impl ReadAt for std::fs::File {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, bytes, offset)
    }
}

/// Why a file of rewards can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Reading failed, or the file is cut short.
    #[error("the rewards can't be read: {0}")]
    Read(#[from] io::Error),
    /// Not such a file, or one of another version.
    #[error("not a file of rewards, version 1")]
    Format,
    /// More than is counted with.
    #[error("{what}: {got}, expected at most {most}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// In the file.
        got: u64,
        /// The limit.
        most: u64,
    },
    /// The proof that was read doesn't lead to the file's own root.
    #[error("the rewards are damaged: a proof read from them does not hold")]
    Damaged,
}

/// Writes a tree.
///
/// # Errors
/// Those of `out`.
pub fn write(tree: &RewardTree, federation: &Digest, out: &mut impl Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(federation)?;
    out.write_all(&tree.round().to_be_bytes())?;
    let entries = tree.entries();
    // A tree of more chains than 2^32 can't be in memory.
    out.write_all(&(entries.len() as u32).to_be_bytes())?;
    for entry in &entries {
        out.write_all(&entry.venue.chain_id.to_be_bytes())?;
        out.write_all(&entry.venue.distributor)?;
        out.write_all(&entry.venue.token)?;
        out.write_all(&entry.cumulative_budget.to_be_bytes())?;
        out.write_all(&(tree.leaves(entry.venue.chain_id).len() as u64).to_be_bytes())?;
    }
    for entry in &entries {
        for leaf in tree.leaves(entry.venue.chain_id) {
            out.write_all(&leaf.participant)?;
            out.write_all(&leaf.payout)?;
            out.write_all(&leaf.cumulative.to_be_bytes())?;
        }
        for layer in tree.layers(entry.venue.chain_id) {
            out.write_all(layer.as_flattened())?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    venue: Venue,
    leaves: u64,
    /// Where the leaves begin; the layers follow.
    offset: u64,
}

/// A tree in a file.
#[derive(Debug)]
pub struct Stored<R> {
    source: R,
    federation: Digest,
    round: u64,
    chains: Vec<Chain>,
    entries: Vec<Entry>,
    tree: Tree,
}

impl<R: ReadAt> Stored<R> {
    /// Reads the head and the chains' roots.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn open(source: R) -> Result<Self, StoredError> {
        let mut head = [0; HEAD as usize];
        source.read_at(0, &mut head)?;
        let mut head = Fields(&head);
        if head.take::<16>() != *MAGIC {
            return Err(StoredError::Format);
        }
        let (federation, round) = (head.take(), u64::from_be_bytes(head.take()));
        let count = u32::from_be_bytes(head.take());
        most("chains", count.into(), MAX_CHAINS.into())?;
        let mut chains = Vec::with_capacity(count as usize);
        let mut entries = Vec::with_capacity(count as usize);
        let mut offset = HEAD + CHAIN * u64::from(count);
        for index in 0..u64::from(count) {
            let mut fields = [0; CHAIN as usize];
            source.read_at(HEAD + CHAIN * index, &mut fields)?;
            let mut fields = Fields(&fields);
            let venue = Venue {
                chain_id: u64::from_be_bytes(fields.take()),
                distributor: fields.take(),
                token: fields.take(),
            };
            let budget = u128::from_be_bytes(fields.take());
            let leaves = u64::from_be_bytes(fields.take());
            most("earners", leaves, 1 << MAX_DEPTH)?;
            let chain = Chain { venue, leaves, offset };
            let height = depth(leaves);
            entries.push(Entry {
                venue,
                chain_root: match leaves {
                    0 => return Err(StoredError::Format),
                    _ => digest(&source, chain.node(height, 0))?,
                },
                cumulative_budget: budget,
            });
            offset = chain.node(height + 1, 0);
            chains.push(chain);
        }
        let tree = Tree::new(entries.iter().map(Entry::hash).collect());
        Ok(Self {
            source,
            federation,
            round,
            chains,
            entries,
            tree,
        })
    }

    /// The round after which this much was earned, as the file says: it isn't under [`Self::root`], so that round's header must bear the root.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Federation id.
    #[must_use]
    pub fn federation(&self) -> Digest {
        self.federation
    }

    /// The reward root that this file is over: to be compared with the posted header's.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// One entry a chain, by chain id.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a participant can claim on a chain; none where it has earned nothing there. The proof holds under [`Self::root`].
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn claim(&self, participant: &Digest, chain_id: u64) -> Result<Option<ClaimProof>, StoredError> {
        let mut chains = self.chains.iter().enumerate();
        let Some((place, chain)) = chains.find(|(_, chain)| chain.venue.chain_id == chain_id) else {
            return Ok(None);
        };
        let Some((index, leaf)) = self.find(chain, participant)? else {
            return Ok(None);
        };
        let mut siblings = Vec::new();
        for height in 0..depth(chain.leaves) {
            siblings.push(digest(&self.source, chain.node(height, (index >> height) ^ 1))?);
        }
        let claim = ClaimProof {
            round: self.round,
            entry: self.entries[place],
            entry_proof: self.tree.proof(place).ok_or(StoredError::Damaged)?,
            leaf,
            leaf_proof: Proof { index, siblings },
        };
        claim.verify(&self.root()).map_err(|_| StoredError::Damaged)?;
        Ok(Some(claim))
    }

    /// The participants that are paid at an account on a chain, by going through all its leaves; at most `most` bytes of them, so that a file can't have
    /// somebody read for ever. They are what the file says: [`Self::claim`] proves each.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn paid_at(&self, payout: &Account, chain_id: u64, most: u64) -> Result<Vec<Digest>, StoredError> {
        let Some(chain) = self.chains.iter().find(|chain| chain.venue.chain_id == chain_id) else {
            return Ok(Vec::new());
        };
        // At most 2^32 leaves of 68 bytes.
        self::most("bytes of earners", LEAF * chain.leaves, most)?;
        let (mut found, mut index) = (Vec::new(), 0);
        let mut bytes = vec![0; (LEAF * chain.leaves.min(READ)) as usize];
        while index < chain.leaves {
            let count = READ.min(chain.leaves - index);
            bytes.truncate((LEAF * count) as usize);
            self.source.read_at(chain.offset + LEAF * index, &mut bytes)?;
            for leaf in bytes.chunks_exact(LEAF as usize) {
                let mut fields = Fields(leaf);
                let participant = fields.take();
                if fields.take() == *payout {
                    found.push(participant);
                }
            }
            index += count;
        }
        Ok(found)
    }

    fn find(&self, chain: &Chain, participant: &Digest) -> Result<Option<(u64, Leaf)>, StoredError> {
        let (mut low, mut high) = (0, chain.leaves);
        while low < high {
            let index = low + (high - low) / 2;
            let mut fields = [0; LEAF as usize];
            self.source.read_at(chain.offset + LEAF * index, &mut fields)?;
            let mut fields = Fields(&fields);
            let found = fields.take();
            match found.cmp(participant) {
                std::cmp::Ordering::Less => low = index + 1,
                std::cmp::Ordering::Greater => high = index,
                std::cmp::Ordering::Equal => {
                    let leaf = Leaf {
                        federation: self.federation,
                        participant: found,
                        payout: fields.take(),
                        venue: chain.venue,
                        cumulative: u128::from_be_bytes(fields.take()),
                    };
                    return Ok(Some((index, leaf)));
                }
            }
        }
        Ok(None)
    }
}

impl Chain {
    /// Where the digest of a node is; the layers below take `2 * width - 2 * (width >> height)` digests, `width` being the leaves' with padding.
    fn node(&self, height: usize, index: u64) -> u64 {
        // At most 2^32 leaves: nothing here passes 2^40.
        let width = self.leaves.next_power_of_two();
        let below = 2 * width - ((2 * width) >> height);
        self.offset + LEAF * self.leaves + 32 * (below + index)
    }
}

/// What is left of some bytes; the callers know how many there are.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        if let Some((taken, rest)) = self.0.split_at_checked(N) {
            field.copy_from_slice(taken);
            self.0 = rest;
        }
        field
    }
}

fn digest(source: &impl ReadAt, offset: u64) -> Result<Digest, StoredError> {
    let mut digest = [0; 32];
    source.read_at(offset, &mut digest)?;
    Ok(digest)
}

fn most(what: &'static str, got: u64, most: u64) -> Result<(), StoredError> {
    match got > most {
        true => Err(StoredError::TooMany { what, got, most }),
        false => Ok(()),
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
