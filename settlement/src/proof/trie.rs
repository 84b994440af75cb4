//! Merkle-Patricia tries: what one key holds, proved by the nodes on its way from the root.
//!
//! **Claim.** [`lookup`] answers the value under a key, or that there is none, in the only trie that has this root.
//!
//! **How.** Nodes are decoded by `alloy-trie`. Its own `verify_proof` isn't used: a path that is longer than a key makes it panic (seen in
//! 0.9.9), and these nodes come from strangers.
//!
//! Keys are 1 to 32 bytes, none a prefix of another, as in Ethereum's tries (hashes, and indices in RLP). Cost: one keccak256 a node.

use std::collections::BTreeMap;

use alloy::primitives::{B256, Bytes};
use alloy::rlp::{Decodable, EMPTY_STRING_CODE};
use alloy::trie::nodes::TrieNode;
use alloy::trie::proof::ProofRetainer;
use alloy::trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles};

use crate::keccak256;
use crate::merkle::Digest;

/// The most nodes of a proof: one for each half byte of a key, and a leaf.
pub const MAX_NODES: usize = 65;
/// The most bytes of a proof's nodes together, 4 MiB: a receipt's leaf holds all its events.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

const MAX_KEY: usize = 32;

/// Why nodes prove nothing about a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    /// A key that no trie here has.
    #[error("a key has 1 to {MAX_KEY} bytes, got {got}")]
    Key {
        /// Its bytes.
        got: usize,
    },
    /// Too many nodes.
    #[error("a proof has at most {MAX_NODES} nodes, got {got}")]
    TooManyNodes {
        /// Its nodes.
        got: usize,
    },
    /// Too many bytes.
    #[error("a proof has at most {MAX_BYTES} bytes, got {got}")]
    TooLarge {
        /// Its bytes.
        got: usize,
    },
    /// A node isn't the one that the root, or the node before it, names.
    #[error("node {place} of the proof hashes to {}, expected {}", B256::from(*.got), B256::from(*.expected))]
    OtherNode {
        /// Its place, from 0.
        place: usize,
        /// The hash that is named.
        expected: Digest,
        /// The hash of what was given.
        got: Digest,
    },
    /// A node that no trie has.
    #[error("node {place} of the proof is malformed: {reason}")]
    Malformed {
        /// Its place, from 0.
        place: usize,
        /// Why.
        reason: String,
    },
    /// Entries that no trie holds together.
    #[error("no trie holds these entries: a key is the beginning of another, or a value is empty")]
    Entries,
    /// The nodes end before the key does.
    #[error("the proof ends after {nodes} nodes, before the key does")]
    Short {
        /// How many there are.
        nodes: usize,
    },
    /// Nodes behind the one that decides.
    #[error("the proof ends with node {place}, and has {got} nodes")]
    TooLong {
        /// The last that counts, from 0.
        place: usize,
        /// How many there are.
        got: usize,
    },
}

/// What `key` holds in the trie with this root; none if nothing.
///
/// `nodes` are those on the way from the root to where the key ends or leaves the trie, in RLP, and no others. Of an empty trie there are
/// none (or the empty node alone).
///
/// # Errors
/// [`TrieError`]: then nothing is known about the key.
pub fn lookup(root: &Digest, key: &[u8], nodes: &[Bytes]) -> Result<Option<Vec<u8>>, TrieError> {
    check(key, nodes)?;
    let empty = nodes.is_empty() || (nodes.len() == 1 && nodes[0][..] == [EMPTY_STRING_CODE]);
    if empty {
        return match *root == EMPTY_ROOT_HASH.0 {
            true => Ok(None),
            false => Err(TrieError::Short { nodes: 0 }),
        };
    }
    let path = Nibbles::unpack(key);
    let mut at = 0;
    let mut expected = *root;
    for (place, bytes) in nodes.iter().enumerate() {
        let got = keccak256(bytes);
        if got != expected {
            return Err(TrieError::OtherNode { place, expected, got });
        }
        match walk(&path, &mut at, bytes).map_err(|reason| TrieError::Malformed { place, reason })? {
            Step::Down(child) => expected = child,
            Step::End(value) => {
                let last = place + 1 == nodes.len();
                let got = nodes.len();
                return last.then_some(value).ok_or(TrieError::TooLong { place, got });
            }
        }
    }
    Err(TrieError::Short { nodes: nodes.len() })
}

fn check(key: &[u8], nodes: &[Bytes]) -> Result<(), TrieError> {
    if !(1..=MAX_KEY).contains(&key.len()) {
        return Err(TrieError::Key { got: key.len() });
    }
    if nodes.len() > MAX_NODES {
        return Err(TrieError::TooManyNodes { got: nodes.len() });
    }
    let got = nodes.iter().map(|node| node.len()).fold(0, usize::saturating_add);
    if got > MAX_BYTES {
        return Err(TrieError::TooLarge { got });
    }
    Ok(())
}

enum Step {
    /// The key goes on in the node with this hash.
    Down(Digest),
    /// The key ends here, with what it holds.
    End(Option<Vec<u8>>),
}

/// Follows the key through a node and the children that lie in it. Each of them is shorter than its parent, so that this ends.
fn walk(path: &Nibbles, at: &mut usize, bytes: &[u8]) -> Result<Step, String> {
    let mut node = decode(bytes)?;
    loop {
        let child = match node {
            TrieNode::EmptyRoot => return Err("it is empty".into()),
            TrieNode::Leaf(leaf) => {
                if leaf.value.is_empty() {
                    return Err("its value is empty".into());
                }
                let ends = path.slice(*at..) == leaf.key;
                return Ok(Step::End(ends.then_some(leaf.value)));
            }
            TrieNode::Extension(extension) => {
                if extension.key.is_empty() {
                    return Err("its path is empty".into());
                }
                if !path.slice(*at..).starts_with(&extension.key) {
                    return Ok(Step::End(None));
                }
                *at += extension.key.len();
                extension.child
            }
            TrieNode::Branch(branch) => {
                let Some(next) = path.get(*at) else {
                    return Ok(Step::End(None));
                };
                let children = branch.as_ref();
                let child = children.children().find(|(place, _)| *place == next);
                let Some(child) = child.and_then(|(_, child)| child.cloned()) else {
                    return Ok(Step::End(None));
                };
                *at += 1;
                child
            }
        };
        if let Some(hash) = child.as_hash() {
            return Ok(Step::Down(hash.0));
        }
        node = decode(&child)?;
    }
}

fn decode(bytes: &[u8]) -> Result<TrieNode, String> {
    let mut rest = bytes;
    let node = TrieNode::decode(&mut rest).map_err(|error| error.to_string())?;
    match rest.is_empty() {
        true => Ok(node),
        false => Err(format!("{} bytes follow it", rest.len())),
    }
}

/// Root of the trie over these entries, and the nodes that prove each of `keys` in it, whether it is there or not.
///
/// # Errors
/// [`TrieError::Key`], and [`TrieError::Entries`] where a key is the beginning of another or a value is empty.
pub fn prove(entries: &BTreeMap<Vec<u8>, Vec<u8>>, keys: &[&[u8]]) -> Result<(Digest, Vec<Vec<Bytes>>), TrieError> {
    let fits = |key: &&[u8]| (1..=MAX_KEY).contains(&key.len());
    let mut all = entries.keys().map(Vec::as_slice).chain(keys.iter().copied());
    if let Some(wrong) = all.find(|key| !fits(key)) {
        return Err(TrieError::Key { got: wrong.len() });
    }
    let mut neighbours = entries.keys().zip(entries.keys().skip(1));
    if neighbours.any(|(one, next)| next.starts_with(one)) || entries.values().any(Vec::is_empty) {
        return Err(TrieError::Entries);
    }
    let targets: Vec<_> = keys.iter().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.clone()));
    for (key, value) in entries {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let kept = builder.take_proof_nodes();
    let nodes = |target| {
        let nodes = kept.matching_nodes_sorted(target).into_iter().enumerate();
        // Children that lie in their parent are kept too, and are no nodes of a proof.
        let whole = nodes.filter(|(place, (_, node))| *place == 0 || node.len() >= 32);
        whole.map(|(_, (_, node))| node).collect()
    };
    Ok((root.0, targets.iter().map(nodes).collect()))
}
