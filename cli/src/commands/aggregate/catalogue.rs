//! The rules by name: what each takes, tolerates and comes from, and how it is made of `--byzantine` and `--param`.

use std::path::PathBuf;

use serde::Serialize;
use xfl_aggregation::{
    Neighbours, Rule as Exact,
    decide::{bulyan, caf::PowerStart, foolsgold::KAPPA, weights::Cap},
    real::{Coordinates, Rule},
};

use super::{params::Params, vectors};
use crate::failure::Failure;

/// What `--list` says of a rule.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::commands) struct Entry {
    pub(in crate::commands) name: &'static str,
    pub(in crate::commands) tolerates: &'static str,
    pub(in crate::commands) params: &'static str,
    pub(in crate::commands) on: &'static str,
    pub(in crate::commands) source: &'static str,
}

/// The numbers that every rule and stage takes.
pub(super) const BOTH: &str = "i32, f32, f64";
const NEIGHBOURS: &str = "neighbours=blanchard|byzfl";

const fn entry(
    name: &'static str,
    tolerates: &'static str,
    params: &'static str,
    on: &'static str,
    source: &'static str,
) -> Entry {
    Entry {
        name,
        tolerates,
        params,
        on,
        source,
    }
}

/// Every rule there is.
#[rustfmt::skip]
pub(in crate::commands) const RULES: &[Entry] = &[
    entry("mean", "nothing", "", BOTH, "McMahan et al. 2017"),
    entry("weighted-mean", "nothing", "weights=FILE cap= cap-share=", BOTH, "McMahan et al. 2017"),
    entry("median", "f < n/2", "", BOTH, "Yin et al. 2018"),
    entry("trimmed-mean", "f < n/2", "", BOTH, "Yin et al. 2018"),
    entry("meamed", "f < n/2", "", BOTH, "Xie et al. 2018"),
    entry("geometric-median", "f < n/2", "nu=0.1 iterations=3 start=FILE", BOTH, "Pillutla et al. 2022"),
    entry("krum", "2f+3 <= n", NEIGHBOURS, BOTH, "Blanchard et al. 2017"),
    entry("multi-krum", "2f+3 <= n", "select=n-f neighbours=blanchard|byzfl", BOTH, "Blanchard et al. 2017"),
    entry("bulyan", "4f+3 <= n", "stage=iterated|once neighbours=blanchard|byzfl", BOTH, "El Mhamdi et al. 2018"),
    entry("mda", "f < n/2", "", BOTH, "El Mhamdi et al. 2021"),
    entry("monna", "f < n/2, row index good", "index=0", BOTH, "Farhadkhani et al. 2023"),
    entry("caf", "f < n/2", "power-start=ones|seed:N power=1", BOTH, "Allouah et al. 2025"),
    entry("smea", "f < n/2", "power-start=ones|seed:N power=1", BOTH, "Allouah et al. 2023"),
    entry("dnc", "f < n/2", "seed= count=10000 iterations=1 filter=1", BOTH, "Shejwalkar and Houmansadr 2021"),
    entry("centered-clipping", "f < n/2, by tau", "tau=100 iterations=1 start=FILE", BOTH, "Karimireddy et al. 2021"),
    entry("norm-clipping", "what the norm bounds", "norm=", BOTH, "Sun et al. 2019"),
    entry("fltrust", "any f, reference good", "reference=FILE", BOTH, "Cao et al. 2021"),
    entry("flame", "f < n/2", "", BOTH, "Nguyen et al. 2022"),
    entry("foolsgold", "many copies of one will", "kappa=1 history=FILE", BOTH, "Fung et al. 2020"),
    entry("sign-majority", "under half of the votes", "", BOTH, "Bernstein et al. 2019"),
];

/// The names, for errors.
fn names() -> String {
    RULES.iter().map(|rule| rule.name).collect::<Vec<_>>().join(", ")
}

/// The rule of this name for `n` rows of which `f` may be bad.
pub(in crate::commands) fn rule(name: &str, f: usize, n: usize, params: &mut Params) -> Result<Rule, Failure> {
    Ok(match name {
        "mean" => Rule::Mean,
        "weighted-mean" => Rule::WeightedMean {
            weights: weights(params, n)?,
            cap: cap(params)?,
        },
        "median" => Rule::Median,
        "trimmed-mean" => Rule::TrimmedMean { f },
        "meamed" => Rule::Meamed { f },
        "geometric-median" => Rule::GeometricMedian {
            nu: params.or("nu", 0.1)?,
            iterations: params.or("iterations", 3)?,
        },
        "krum" => Rule::Krum {
            f,
            neighbours: neighbours(params)?,
        },
        "multi-krum" => Rule::MultiKrum {
            f,
            select: params.or("select", n.saturating_sub(f))?,
            neighbours: neighbours(params)?,
        },
        "bulyan" => Rule::Bulyan {
            f,
            stage: stage(params)?,
            neighbours: neighbours(params)?,
        },
        "mda" => Rule::Mda { f },
        "monna" => Rule::Monna {
            f,
            index: params.or("index", 0)?,
        },
        "caf" => Rule::Caf {
            f,
            start: power_start(params)?,
            power: params.or("power", 1)?,
        },
        "smea" => Rule::Smea {
            f,
            start: power_start(params)?,
            power: params.or("power", 1)?,
        },
        "dnc" => Rule::Dnc {
            f,
            filter: params.or("filter", 1.0)?,
            coordinates: Coordinates::Drawn {
                seed: params.needed("seed", SEED)?,
                count: params.or("count", 10_000)?,
                iterations: params.or("iterations", 1)?,
            },
        },
        "centered-clipping" => Rule::CenteredClipping {
            tau: params.or("tau", 100.0)?,
            iterations: params.or("iterations", 1)?,
        },
        "norm-clipping" => Rule::NormClipping {
            norm: params.needed("norm", NORM)?,
        },
        "fltrust" => Rule::FlTrust,
        "flame" => Rule::Flame,
        "foolsgold" => Rule::FoolsGold {
            kappa: params.or("kappa", KAPPA)?,
        },
        "sign-majority" => Rule::SignMajority,
        _ => return Err(unknown(name)),
    })
}

/// What a bound on norms is.
pub(in crate::commands) const NORM: &str =
    "the largest Euclidean norm of a row that is left, in the unit of the values";

/// The same of rows of integers.
pub(super) const STEPS: &str = "the largest Euclidean norm of a row that is left, a whole number of grid steps";

/// The exact rule of this name for `n` rows of integers of which `f` may be bad.
pub(in crate::commands) fn exact(name: &str, f: usize, n: usize, params: &mut Params) -> Result<Exact, Failure> {
    Ok(match name {
        "mean" => Exact::Mean,
        "median" => Exact::Median,
        "trimmed-mean" => Exact::TrimmedMean { f },
        "meamed" => Exact::Meamed { f },
        "sign-majority" => Exact::SignMajority,
        "krum" => Exact::Krum {
            f,
            neighbours: neighbours(params)?,
        },
        "multi-krum" => Exact::MultiKrum {
            f,
            select: params.or("select", n.saturating_sub(f))?,
            neighbours: neighbours(params)?,
        },
        "bulyan" => Exact::Bulyan {
            f,
            stage: stage(params)?,
            neighbours: neighbours(params)?,
        },
        "mda" => Exact::Mda { f },
        "monna" => Exact::Monna {
            f,
            index: params.or("index", 0)?,
        },
        "caf" => Exact::Caf {
            f,
            start: power_start(params)?,
            power: params.or("power", 1)?,
        },
        "smea" => Exact::Smea {
            f,
            start: power_start(params)?,
            power: params.or("power", 1)?,
        },
        "dnc" => Exact::Dnc {
            f,
            filter_ppm: ppm("filter", params)?,
            seed: params.needed("seed", SEED)?,
            count: params.or("count", 10_000)?,
            iterations: params.or("iterations", 1)?,
        },
        "fltrust" => Exact::FlTrust,
        "flame" => Exact::Flame,
        "foolsgold" => Exact::FoolsGold {
            kappa_ppm: ppm("kappa", params)?,
        },
        "geometric-median" => Exact::GeometricMedian {
            nu: params.or("nu", 1)?,
            iterations: params.or("iterations", 3)?,
        },
        "centered-clipping" => Exact::CenteredClipping {
            tau: params.needed("tau", "the longest difference that counts in full, in grid steps")?,
            iterations: params.or("iterations", 1)?,
        },
        "norm-clipping" => Exact::NormClipping {
            norm: params.needed("norm", STEPS)?,
        },
        "weighted-mean" => Exact::WeightedMean {
            cap: params.or("cap", u64::MAX)?,
        },
        _ => return Err(unknown(name)),
    })
}

/// What DnC's coordinates are drawn by.
const SEED: &str = "a number that no sender of a row could know when it sent it";

/// A number of at least 0 in parts per million, 1 where it is absent.
fn ppm(name: &'static str, params: &mut Params) -> Result<u64, Failure> {
    let value: f64 = params.or(name, 1.0)?;
    match (0.0..=1e12).contains(&value) {
        true => Ok((value * 1e6).round() as u64),
        false => {
            Err(Failure::usage(format!("--param {name}={value}"))
                .hint("it is a number from 0 to 1e12, to six decimals"))
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!("no rule {name:?}")).hint(format!("there are {}", names()))
}

fn neighbours(params: &mut Params) -> Result<Neighbours, Failure> {
    params.choice(
        "neighbours",
        &[("blanchard", Neighbours::Blanchard), ("byzfl", Neighbours::ByzFl)],
    )
}

fn stage(params: &mut Params) -> Result<bulyan::Stage, Failure> {
    params.choice(
        "stage",
        &[("iterated", bulyan::Stage::Iterated), ("once", bulyan::Stage::Once)],
    )
}

fn power_start(params: &mut Params) -> Result<PowerStart, Failure> {
    let text = params.or("power-start", "ones".to_owned())?;
    let seed = text.strip_prefix("seed:").and_then(|seed| seed.parse().ok());
    match (text.as_str(), seed) {
        ("ones", _) => Ok(PowerStart::Ones),
        (_, Some(seed)) => Ok(PowerStart::Seed(seed)),
        _ => Err(Failure::usage(format!("--param power-start={text}")).hint("it is ones, or seed:N")),
    }
}

fn weights(params: &mut Params, n: usize) -> Result<Vec<f64>, Failure> {
    let file: PathBuf = params.needed("weights", "a .npy file of a weight for each row")?;
    vectors::floats(&file, n)
}

fn cap(params: &mut Params) -> Result<Cap, Failure> {
    match (params.maybe("cap")?, params.maybe("cap-share")?) {
        (None, None) => Ok(Cap::None),
        (Some(claim), None) => Ok(Cap::Claim(claim)),
        (None, Some(share)) => Ok(Cap::Share(share)),
        (Some(_), Some(_)) => Err(Failure::usage("--param cap and cap-share: one of them")),
    }
}
