//! Serde of fixed-length byte strings: no length prefix in binary formats, exactly that many bytes in any format.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserializer, Serializer};

use super::field::Fq;

/// Writes `bytes` as a tuple of that many bytes.
pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(bytes.len())?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

/// Reads exactly `length` bytes, whatever length the sender claims.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(length: usize, deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_tuple(length, Exactly(length))
}

struct Exactly(usize);

impl<'de> Visitor<'de> for Exactly {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::with_capacity(self.0);
        while bytes.len() < self.0 {
            let Some(byte) = sequence.next_element()? else {
                return Err(A::Error::invalid_length(bytes.len(), &self));
            };
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// The field elements that `bytes` encode, 8 bytes each; nothing in place of a word that is not under the modulus.
pub(crate) fn elements(bytes: &[u8]) -> impl Iterator<Item = Option<Fq>> {
    bytes.chunks_exact(8).map(|word| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        Fq::new(u64::from_le_bytes(bytes))
    })
}
