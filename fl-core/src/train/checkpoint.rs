//! Models as safetensors files: a header of names, shapes and offsets in JSON, then the numbers.
//!
//! A file that xfl writes has the tensors of [`TensorShape`] as little-endian `F32` in the model's order, and the
//! metadata `format = "xfl-model-1"`, `federation` and `round`. The same model gives the same bytes on every machine, so
//! a file can be named by its hash. Files from elsewhere (PyTorch, say) can be read too, if their tensors have the right names and
//! shapes; they have no [`Origin`].
//!
//! Everything read is hostile: the size is bounded by the model's before anything is parsed, then offsets, names, types,
//! shapes and finiteness are checked.
//!
//! Reference: <https://github.com/huggingface/safetensors#format>.

use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use super::model::TensorShape;

/// What xfl's own files say in `format`.
pub const FORMAT: &str = "xfl-model-1";
/// Longest header accepted, in bytes, and longest federation name.
pub const MAX_HEADER: usize = 1 << 20;
const MAX_FEDERATION: usize = 256;

/// Which federation and round a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The federation's id, as text.
    pub federation: String,
    /// The round whose result this is; 0 is the start.
    pub round: u64,
}

/// A model read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Flat parameters, in the model's order.
    pub parameters: Vec<f32>,
    /// Where the file says it comes from; none for files that xfl didn't write.
    pub origin: Option<Origin>,
}

/// Why a model can't be written or read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// The parameters are not this model's.
    #[error("expected {expected} parameters, got {got}")]
    Parameters {
        /// The model's dimension.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// The federation's name is too long.
    #[error("expected a federation name of at most {MAX_FEDERATION} bytes, got {got}")]
    Federation {
        /// Its length in bytes.
        got: usize,
    },
    /// Larger than a file of this model can be.
    #[error("expected at most {most} bytes for this model, got {got}")]
    TooLarge {
        /// Most bytes.
        most: usize,
        /// The file's size.
        got: usize,
    },
    /// Not a safetensors file, or a broken one.
    #[error("not a safetensors file: {0}")]
    NotSafetensors(String),
    /// Metadata of a version that this program doesn't know, or without its fields.
    #[error("metadata {key:?}: expected {expected}, got {got:?}")]
    Metadata {
        /// Which entry.
        key: &'static str,
        /// What would do.
        expected: &'static str,
        /// What is there, cut off.
        got: String,
    },
    /// A tensor of the model isn't in the file.
    #[error("missing tensor {name:?}; the file is of another model")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor in the file isn't the model's.
    #[error("unexpected tensor {name:?}; the file is of another model")]
    Unexpected {
        /// Its name, cut off.
        name: String,
    },
    /// Not 32-bit floats.
    #[error("tensor {name:?}: expected F32, got {got}")]
    Type {
        /// Its name.
        name: String,
        /// Its type.
        got: String,
    },
    /// Another shape.
    #[error("tensor {name:?}: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The model's.
        expected: Vec<usize>,
        /// The file's.
        got: Vec<usize>,
    },
    /// A NaN or an infinity.
    #[error("tensor {name:?}: expected finite numbers, got {value} at {index}")]
    NotFinite {
        /// Its name.
        name: String,
        /// Which number of the tensor.
        index: usize,
        /// Its value.
        value: f32,
    },
}

/// The file's bytes.
///
/// # Errors
/// Where the parameters are not of these tensors or not finite, or the federation's name is too long.
pub fn encode(tensors: &[TensorShape], parameters: &[f32], origin: &Origin) -> Result<Vec<u8>, CheckpointError> {
    let expected: usize = tensors.iter().map(TensorShape::len).sum();
    if parameters.len() != expected {
        return Err(CheckpointError::Parameters {
            expected,
            got: parameters.len(),
        });
    }
    if origin.federation.len() > MAX_FEDERATION {
        return Err(CheckpointError::Federation {
            got: origin.federation.len(),
        });
    }
    let round = origin.round.to_string();
    let metadata = BTreeMap::from([
        ("federation", origin.federation.as_str()),
        ("format", FORMAT),
        ("round", &round),
    ]);
    let mut header = BTreeMap::from([("__metadata__", json!(metadata))]);
    let mut numbers = Vec::with_capacity(expected * 4);
    let mut rest = parameters;
    for tensor in tensors {
        let (own, after) = rest.split_at(tensor.len());
        check_finite(&tensor.name, own)?;
        let begin = numbers.len();
        numbers.extend(own.iter().flat_map(|value| value.to_le_bytes()));
        let entry = BTreeMap::from([
            ("data_offsets", json!([begin, numbers.len()])),
            ("dtype", json!("F32")),
            ("shape", json!(tensor.shape)),
        ]);
        header.insert(&tensor.name, json!(entry));
        rest = after;
    }
    let mut text = serde_json::to_vec(&header).map_err(|error| CheckpointError::NotSafetensors(error.to_string()))?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    bytes.append(&mut numbers);
    Ok(bytes)
}

/// Reads a file's bytes as a model of these tensors.
///
/// # Errors
/// The first thing that isn't as it should be.
pub fn decode(tensors: &[TensorShape], bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let dimension: usize = tensors.iter().map(TensorShape::len).sum();
    let most = dimension.saturating_mul(4).saturating_add(8 + MAX_HEADER);
    if bytes.len() > most {
        return Err(CheckpointError::TooLarge { most, got: bytes.len() });
    }
    check_header(bytes)?;
    let broken = |error: safetensors::SafeTensorError| CheckpointError::NotSafetensors(error.to_string());
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let origin = header.metadata().as_ref().map_or(Ok(None), origin)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    if let Some(name) = names
        .iter()
        .find(|name| tensors.iter().all(|tensor| tensor.name != **name))
    {
        return Err(CheckpointError::Unexpected { name: cut(name) });
    }
    let mut parameters = Vec::with_capacity(dimension);
    for TensorShape { name, shape } in tensors {
        let view = file
            .tensor(name)
            .map_err(|_| CheckpointError::Missing { name: name.clone() })?;
        if view.dtype() != Dtype::F32 {
            return Err(CheckpointError::Type {
                name: name.clone(),
                got: format!("{:?}", view.dtype()),
            });
        }
        if view.shape() != shape {
            let (expected, got) = (shape.clone(), view.shape().to_vec());
            return Err(CheckpointError::Shape {
                name: name.clone(),
                expected,
                got,
            });
        }
        let start = parameters.len();
        let (quads, _) = view.data().as_chunks::<4>();
        parameters.extend(quads.iter().map(|quad| f32::from_le_bytes(*quad)));
        check_finite(name, &parameters[start..])?;
    }
    if parameters.len() != dimension {
        return Err(CheckpointError::Parameters {
            expected: dimension,
            got: parameters.len(),
        });
    }
    Ok(Checkpoint { parameters, origin })
}

/// Bounds the header and every offset in it. The parser adds the last tensor's end to the header's length before it
/// compares with the file's, which overflows, and so panics, for ends near 2^64.
fn check_header(bytes: &[u8]) -> Result<(), CheckpointError> {
    let broken = |what: &str| CheckpointError::NotSafetensors(what.into());
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| broken("no header"))?;
    let length = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .filter(|&length| length <= MAX_HEADER);
    let text = length
        .and_then(|length| rest.get(..length))
        .ok_or_else(|| broken("the header's length is wrong"))?;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(text).map_err(|error| CheckpointError::NotSafetensors(error.to_string()))?;
    let most = bytes.len() as u64;
    for (_, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let end = entry.pointer("/data_offsets/1").and_then(serde_json::Value::as_u64);
        end.filter(|&end| end <= most)
            .ok_or_else(|| broken("a tensor ends outside the file"))?;
    }
    Ok(())
}

/// The origin that a file of ours declares.
fn origin(metadata: &HashMap<String, String>) -> Result<Option<Origin>, CheckpointError> {
    let Some(format) = metadata.get("format").filter(|format| format.starts_with("xfl-")) else {
        return Ok(None);
    };
    let wrong = |key, expected, got: Option<&str>| CheckpointError::Metadata {
        key,
        expected,
        got: cut(got.unwrap_or("")),
    };
    if format != FORMAT {
        return Err(wrong("format", FORMAT, Some(format)));
    }
    let federation = metadata.get("federation").map(String::as_str);
    let round = metadata.get("round").map(String::as_str);
    Ok(Some(Origin {
        federation: federation
            .filter(|name| name.len() <= MAX_FEDERATION)
            .ok_or_else(|| wrong("federation", "a name of at most 256 bytes", federation))?
            .to_owned(),
        round: round
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| wrong("round", "a whole number", round))?,
    }))
}

fn check_finite(name: &str, numbers: &[f32]) -> Result<(), CheckpointError> {
    match numbers.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => Err(CheckpointError::NotFinite {
            name: name.into(),
            index,
            value,
        }),
        None => Ok(()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
