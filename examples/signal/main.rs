//! How much signal a robust rule needs: each rule against the attacker that is worst for it, at several ratios of signal to noise.
//!
//! Nineteen institutions protect their updates by the real mechanism, unit record and unit institution; four of them are malicious and
//! push against the direction in which the honest ones agree, with or without noise of their own, by any of several lengths that the
//! norm check lets through. A cell is the *worst* over these attackers of the progress that the aggregate makes along that direction,
//! over the progress without them: 1 is no harm, 0 is standing still, below 0 is going back. `taken` is the share of attackers that a rule which
//! selects took, under that attacker.
//!
//! ```text
//! cargo run --release -p xfl-examples --bin signal
//! ```

use xfl_privacy::Unit;

mod cohort;
mod contest;

use cohort::Cohort;
use contest::{Contest, rules};

/// The ratios of the table.
const RATIOS: [f64; 8] = [5.0, 3.0, 2.0, 1.0, 0.7, 0.5, 0.3, 0.1];
/// Cohorts that a cell is a mean of.
const SEEDS: u64 = 5;

#[allow(clippy::print_stdout)]
fn main() {
    for unit in [Unit::Record, Unit::Institution] {
        println!("\nunit {unit}: worst progress (and attackers taken) by ratio of signal to noise\n");
        println!("| rule |{}", RATIOS.map(|ratio| format!(" {ratio} |")).concat());
        println!("|---|{}", "---|".repeat(RATIOS.len()));
        let cohorts: Vec<Vec<Cohort>> = RATIOS
            .iter()
            .map(|ratio| (0..SEEDS).map(|seed| Cohort::new(unit, *ratio, seed)).collect())
            .collect();
        for (name, rule) in rules() {
            let cell = |cohorts: &Vec<Cohort>| {
                let Contest { progress, taken } = Contest::worst(cohorts, &rule);
                let taken = taken.map_or_else(String::new, |share| format!(" ({:.0}%)", 100.0 * share));
                format!(" {progress:.2}{taken} |")
            };
            println!("| {name} |{}", cohorts.iter().map(cell).collect::<String>());
        }
    }
}

#[cfg(test)]
mod tests;
