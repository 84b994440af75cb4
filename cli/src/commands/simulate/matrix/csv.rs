//! matrix.csv: a line for each finished cell.

use std::collections::BTreeMap;

use super::{
    Matrix,
    cells::{Cell, Job},
};

/// The first line. Accuracy and backdoor success are fractions; rmse is in the label's unit; empty where there is none.
pub(super) const HEAD: &str = "rule,attack,seed,accuracy,rmse,loss,backdoor_success,refused_updates,failure\n";

/// One cell.
pub(super) fn line(matrix: &Matrix<'_>, job: Job, cell: &Cell) -> String {
    let (rule, attack, seed) = (
        matrix.rules[job.rule].name,
        matrix.attack(job.attack),
        matrix.seeds[job.seed],
    );
    let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
    match cell {
        Ok(figures) => format!(
            "{rule},{attack},{seed},{},{},{},{},{},\n",
            number(figures.accuracy),
            number(figures.rmse),
            figures.loss,
            number(figures.backdoor_success),
            figures.refused
        ),
        Err(why) => format!("{rule},{attack},{seed},,,,,,{}\n", quoted(why)),
    }
}

/// The whole file, in the order of rules, attacks and seeds.
pub(super) fn text(matrix: &Matrix<'_>, cells: &BTreeMap<Job, Cell>) -> String {
    let lines = cells.iter().map(|(job, cell)| line(matrix, *job, cell));
    std::iter::once(HEAD.to_owned()).chain(lines).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn text_stays_in_its_field() {
        assert_eq!(quoted("a \"b\", c\nd"), "\"a \"\"b\"\", c d\"");
    }
}
