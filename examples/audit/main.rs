//! How long an audit takes beside reading and hashing the same bytes once: `examples/audit/speed.sh`, or with a transcript of one's own
//! `cargo run --release --workspace --bin audit_speed -- TRANSCRIPT`.
//!
//! By turns, the best of the runs counts: the file read and hashed with BLAKE3 (the transcript's own hash) and with keccak256 (the
//! contracts'), the updates' integers hashed with keccak256 as 32-bit words (what a commitment to them has to do at least), and the whole replay.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement, printed"
)]

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use xfl_core::{
    audit::{self, Verdict},
    message::Report,
    transcript::{Entry, Reader},
};

#[derive(Parser)]
struct Args {
    /// A transcript.
    transcript: PathBuf,
    /// Runs of each, by turns.
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed().as_secs_f64(), done)
}

/// The updates that came in the clear, part by part.
fn updates(transcript: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut reader = Reader::new(transcript);
    let beginning = match reader.next() {
        Ok(Some(Entry::Genesis(genesis))) => genesis.beginning(),
        _ => return Err("not a transcript".into()),
    };
    let mut parts = Vec::new();
    while let Some(entry) = reader.next().map_err(|error| error.to_string())? {
        if let Entry::Accepted(parcel) = entry
            && let Ok(Report::Upload(upload)) = parcel.envelope.open(beginning)
        {
            parts.push(upload.values.iter().flat_map(|value| value.to_be_bytes()).collect());
        }
    }
    Ok(parts)
}

fn run(args: &Args) -> Result<(), String> {
    let file = |error| format!("{}: {error}", args.transcript.display());
    let parts = updates(&std::fs::read(&args.transcript).map_err(file)?)?;
    let words: usize = parts.iter().map(|part| part.len() / 4).sum();
    let mut best = [f64::INFINITY; 4];
    let mut size = 0;
    for _ in 0..args.runs {
        let (blake3, bytes) = seconds(|| {
            let bytes = std::fs::read(&args.transcript).map_err(file)?;
            std::hint::black_box(blake3::hash(&bytes));
            Ok::<_, String>(bytes)
        });
        let bytes = bytes?;
        size = bytes.len();
        let (keccak, _) = seconds(|| std::hint::black_box(xfl_settlement::keccak256(&bytes)));
        let (integers, ()) = seconds(|| {
            for part in &parts {
                std::hint::black_box(xfl_settlement::keccak256(part));
            }
        });
        let (replay, audit) = seconds(|| audit::replay(&bytes, None));
        if let Some(check) = audit.checks.iter().find(|check| check.verdict == Verdict::Fails) {
            return Err(format!("the audit fails: {check}"));
        }
        for (best, seconds) in best.iter_mut().zip([blake3, keccak, integers, replay]) {
            *best = best.min(seconds);
        }
    }
    let [blake3, keccak, integers, replay] = best;
    println!("{:.1} MB of transcript, {words} integers of updates", size as f64 / 1e6);
    println!("                                             seconds   audit over it");
    for (name, seconds) in [
        ("read and hash the file, blake3", blake3),
        ("hash the file, keccak256", keccak),
        ("hash the integers as words, keccak256", integers),
    ] {
        println!("{name:42}{seconds:10.4}{:16.1}", replay / seconds);
    }
    println!("{:42}{replay:10.4}{:>16}", "audit (xfl_core::audit::replay)", "1");
    println!("{:.1} million integers a second", words as f64 / replay / 1e6);
    Ok(())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}
