//! Fixed byte arrays in serde: hex with `0x` where people read, bare bytes (no length) in binary formats.
//!
//! Use as `#[serde(with = "crate::bytes")]`; [`list`] does the same for a `Vec` of arrays. serde itself stops at 32
//! elements and writes arrays as lists of numbers in JSON.

use std::fmt;

use alloy::hex;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], out: S) -> Result<S::Ok, S::Error> {
    if out.is_human_readable() {
        return out.serialize_str(&hex::encode_prefixed(bytes));
    }
    let mut tuple = out.serialize_tuple(N)?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(input: D) -> Result<[u8; N], D::Error> {
    struct Array<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for Array<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes, in hex where people read")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            hex::decode_to_array(text).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut bytes = [0; N];
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(index, &self))?;
            }
            Ok(bytes)
        }
    }

    if input.is_human_readable() {
        input.deserialize_str(Array::<N>)
    } else {
        input.deserialize_tuple(N, Array::<N>)
    }
}

/// The same for a list of arrays.
pub(crate) mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Item<const N: usize>(#[serde(with = "super")] [u8; N]);

    pub(crate) fn serialize<S: Serializer, const N: usize>(items: &[[u8; N]], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(items.iter().map(|item| Item(*item)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(input: D) -> Result<Vec<[u8; N]>, D::Error> {
        Ok(Vec::<Item<N>>::deserialize(input)?
            .into_iter()
            .map(|item| item.0)
            .collect())
    }
}

/// Token amounts: decimal text where people read (JSON numbers lose digits past 2^53), an integer in binary formats.
pub(crate) mod amount {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(amount: &u128, out: S) -> Result<S::Ok, S::Error> {
        if out.is_human_readable() {
            out.collect_str(amount)
        } else {
            out.serialize_u128(*amount)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u128, D::Error> {
        if input.is_human_readable() {
            String::deserialize(input)?.parse().map_err(D::Error::custom)
        } else {
            u128::deserialize(input)
        }
    }
}
