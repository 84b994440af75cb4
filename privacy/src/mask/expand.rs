//! Expansion of seeds into field elements: BLAKE3 in key-derivation mode, read as a stream.
//!
//! Every use has a domain string of its own, and every input has a fixed length, so no two uses can meet. A word of
//! the stream that is not under q is skipped (probability 2^-32); what is kept is uniform, and how many words were
//! skipped says nothing about the ones kept.

use blake3::{Hasher, OutputReader};
use zeroize::{Zeroize, Zeroizing};

use super::field::Fq;

/// A stream bound to `domain` and to `parts`, each of a length fixed by the domain.
pub(crate) fn stream(domain: &'static str, parts: &[&[u8]]) -> OutputReader {
    hasher(domain, parts).finalize_xof()
}

/// A 32-byte digest bound to `domain` and to `parts`, each of a length fixed by the domain.
pub(crate) fn digest(domain: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    hasher(domain, parts).finalize().into()
}

/// A 128-bit seed for tfhe's generators.
pub(crate) fn seed128(domain: &'static str, parts: &[&[u8]]) -> u128 {
    let mut bytes = [0; 16];
    stream(domain, parts).fill(&mut bytes);
    let seed = u128::from_le_bytes(bytes);
    bytes.zeroize();
    seed
}

/// `count` uniform elements of the field.
pub(crate) fn uniform(mut stream: OutputReader, count: usize) -> Zeroizing<Vec<Fq>> {
    let mut elements = Zeroizing::new(Vec::with_capacity(count));
    let mut block = Zeroizing::new([0_u8; 4096]);
    while elements.len() < count {
        stream.fill(block.as_mut());
        for word in block.chunks_exact(8) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            if let Some(element) = Fq::new(u64::from_le_bytes(bytes)) {
                elements.push(element);
            }
            if elements.len() == count {
                break;
            }
        }
    }
    stream.zeroize();
    elements
}

fn hasher(domain: &'static str, parts: &[&[u8]]) -> Hasher {
    let mut hasher = Hasher::new_derive_key(domain);
    for part in parts {
        hasher.update(part);
    }
    hasher
}
