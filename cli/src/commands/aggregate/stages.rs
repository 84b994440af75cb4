//! `--pre`: what is done to the rows before the rule sees them.

use std::path::PathBuf;

use serde::Serialize;
use xfl_aggregation::{Stage as Exact, real::Stage};

use super::{
    catalogue::{BOTH, NORM, STEPS},
    params::Params,
    vectors,
};
use crate::failure::Failure;

/// What `--list` says of a stage.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::commands) struct Entry {
    pub(in crate::commands) name: &'static str,
    pub(in crate::commands) does: &'static str,
    pub(in crate::commands) params: &'static str,
    pub(in crate::commands) on: &'static str,
    pub(in crate::commands) source: &'static str,
}

/// Every stage there is.
#[rustfmt::skip]
pub(in crate::commands) const STAGES: &[Entry] = &[
    Entry { name: "clipping", does: "shortens rows to a norm", params: "norm=", on: BOTH, source: "Sun et al. 2019" },
    Entry { name: "arc", does: "shortens the longest rows", params: "", on: BOTH, source: "Allouah et al. 2025" },
    Entry { name: "nnm", does: "means of the n-f nearest", params: "", on: BOTH, source: "Allouah et al. 2023" },
    Entry { name: "bucketing", does: "means of size rows", params: "size=2 permutation=FILE", on: BOTH, source: "Karimireddy et al. 2022" },
];

/// The stages, and how many rows they leave.
pub(in crate::commands) struct Stages<S> {
    pub(in crate::commands) stages: Vec<S>,
    pub(in crate::commands) rows: usize,
}

/// What a stage of floats and one of integers have in common.
enum Named {
    Clipping,
    Arc,
    Nnm,
    Bucketing { size: usize, permutation: Vec<usize> },
}

/// The stages of these names for `n` rows of floats of which `f` may be bad.
pub(in crate::commands) fn parse(
    names: &[String],
    f: usize,
    n: usize,
    params: &mut Params,
) -> Result<Stages<Stage>, Failure> {
    all(names, n, params, |named, params| {
        Ok(match named {
            Named::Clipping => Stage::StaticClip {
                norm: params.needed("norm", NORM)?,
            },
            Named::Arc => Stage::Arc { f },
            Named::Nnm => Stage::Nnm { f },
            Named::Bucketing { size, permutation } => Stage::Bucketing { size, permutation },
        })
    })
}

/// The stages of these names for `n` rows of integers of which `f` may be bad.
pub(in crate::commands) fn exact(
    names: &[String],
    f: usize,
    n: usize,
    params: &mut Params,
) -> Result<Stages<Exact>, Failure> {
    all(names, n, params, |named, params| {
        Ok(match named {
            Named::Clipping => Exact::Clipping {
                norm: params.needed("norm", STEPS)?,
            },
            Named::Arc => Exact::Arc { f },
            Named::Nnm => Exact::Nnm { f },
            Named::Bucketing { size, permutation } => Exact::Bucketing { size, permutation },
        })
    })
}

fn all<S>(
    names: &[String],
    n: usize,
    params: &mut Params,
    of: impl Fn(Named, &mut Params) -> Result<S, Failure>,
) -> Result<Stages<S>, Failure> {
    let (mut stages, mut rows) = (Vec::new(), n);
    for name in names {
        let named = match name.as_str() {
            "clipping" => Named::Clipping,
            "arc" => Named::Arc,
            "nnm" => Named::Nnm,
            "bucketing" => {
                let size: usize = params.or("size", 2)?;
                let file: PathBuf = params.needed(
                    "permutation",
                    "a .npy file of every row's index once, in an order that no sender of a row could know",
                )?;
                rows = rows.div_ceil(size.max(1));
                Named::Bucketing {
                    size,
                    permutation: vectors::indices(&file)?,
                }
            }
            _ => {
                let known: Vec<_> = STAGES.iter().map(|s| s.name).collect();
                return Err(Failure::usage(format!("nothing called {name:?} is done before a rule"))
                    .hint(format!("there are {}", known.join(", "))));
            }
        };
        stages.push(of(named, params)?);
    }
    Ok(Stages { stages, rows })
}
