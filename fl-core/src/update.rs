//! Commitments to an update: what an institution signs before anybody sees it.
//!
//! An update of d grid integers is cut into chunks of eight (the chunk that a contract can recompute), the last one
//! padded with zeros. Leaf k is `keccak256(0x02 || salt_k || 8 x int32 big-endian)`, with `salt_k` the first 16 bytes of
//! keyed BLAKE3 of k under the update's salt key: without the salt, a chunk of few likely values could be guessed from
//! its leaf. The root is that of [`xfl_settlement::merkle`]'s positional tree. A ciphertext needs no salt: its leaves
//! are `keccak256(0x03 || 8 x uint64 big-endian)`.
//!
//! Uploads travel in parts of [`PART`] values, so that a broken connection costs one part.

use xfl_settlement::{keccak256_many, merkle::Tree, refute::Opening, row::CHUNK};

/// Bytes of a leaf.
const LEAF: usize = 17 + 4 * CHUNK;

/// Values that are hashed at a time.
const HASHED: usize = 1 << 12;

/// Values in a part of an upload.
pub const PART: usize = 1 << 16;

/// The root over an update in the clear.
pub fn root(values: &[i32], salt_key: &[u8; 32]) -> [u8; 32] {
    tree(values, salt_key).root()
}

/// One chunk of an update in the clear, opened from its root; none past the last.
pub fn open(values: &[i32], salt_key: &[u8; 32], chunk: u64) -> Option<Opening> {
    let place = usize::try_from(chunk).ok()?;
    let mut bytes = [0; 4 * CHUNK];
    let chunk_values = values.chunks(CHUNK).nth(place)?;
    for (word, value) in bytes.chunks_exact_mut(4).zip(chunk_values) {
        word.copy_from_slice(&value.to_be_bytes());
    }
    Some(Opening {
        salt: salt(salt_key, chunk),
        values: bytes,
        proof: tree(values, salt_key).proof(place)?,
    })
}

fn tree(values: &[i32], salt_key: &[u8; 32]) -> Tree {
    let leaves = keccak256_many(values.len().div_ceil(CHUNK), LEAF, |k, bytes| {
        write_leaf(chunk(values, k), &salt(salt_key, k as u64), bytes);
    });
    Tree::new(leaves)
}

/// The root over a ciphertext.
pub fn masked_root(bodies: &[u64]) -> [u8; 32] {
    let leaves = keccak256_many(bodies.len().div_ceil(CHUNK), 1 + 8 * CHUNK, |k, bytes| {
        bytes[0] = 3;
        for (value, bytes) in chunk(bodies, k).iter().zip(bytes[1..].chunks_exact_mut(8)) {
            bytes.copy_from_slice(&value.to_be_bytes());
        }
    });
    Tree::new(leaves).root()
}

/// The salts' key of one attempt, from an update's own secret: what one attempt reveals says nothing of another's.
pub fn salt_key(secret: &[u8; 32], (round, attempt): (u64, u32)) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xfl salt key of an attempt v1");
    hasher.update(secret);
    hasher.update(&round.to_le_bytes());
    hasher.update(&attempt.to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// A digest of the values themselves: the same in every attempt.
pub fn digest(values: &[i32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xfl update v1");
    let mut bytes = Vec::with_capacity(4 * HASHED);
    for values in values.chunks(HASHED) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        hasher.update(&bytes);
    }
    *hasher.finalize().as_bytes()
}

/// The hash of the salts' key that a commitment carries.
pub fn salt_hash(salt_key: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("xfl salt key v1", salt_key)
}

/// Parts that an upload of `len` values travels in.
pub fn parts(len: usize) -> u32 {
    u32::try_from(len.div_ceil(PART)).unwrap_or(u32::MAX)
}

/// Values in part `part` of `len`.
pub fn part_len(len: usize, part: u32) -> usize {
    len.saturating_sub((part as usize).saturating_mul(PART)).min(PART)
}

fn salt(key: &[u8; 32], chunk: u64) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&blake3::keyed_hash(key, &chunk.to_be_bytes()).as_bytes()[..16]);
    salt
}

fn chunk<T>(values: &[T], k: usize) -> &[T] {
    let rest = values.get(k * CHUNK..).unwrap_or_default();
    &rest[..rest.len().min(CHUNK)]
}

/// Into zeros.
fn write_leaf(chunk: &[i32], salt: &[u8; 16], bytes: &mut [u8]) {
    bytes[0] = 2;
    bytes[1..17].copy_from_slice(salt);
    for (value, bytes) in chunk.iter().zip(bytes[17..].chunks_exact_mut(4)) {
        bytes.copy_from_slice(&value.to_be_bytes());
    }
}
