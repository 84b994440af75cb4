//! `xfl score --list`: the scorers, what they need and cost, which laws hold, and what each was measured to pay to those who add
//! nothing.
//!
//! The measured columns are those of `aggregation/README.md` (a joiner's income as a percentage of an honest member's over 40 simulated
//! federations); a test compares them with that page, which in turn is compared with what its tests compute.

use serde::Serialize;
use serde_json::json;

use crate::{
    failure::Failure,
    printer::{Outcome, list, table},
};

/// What `--list` says of a scorer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) needs: &'static str,
    pub(super) params: &'static str,
    pub(super) evaluations: &'static str,
    pub(super) laws: &'static str,
    /// Nothing for what pays nobody.
    pub(super) pays: Option<Pays>,
    pub(super) source: &'static str,
}

/// What cheating was measured to pay, in percent of what honest work did; and what two identities earn over one.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pays {
    pub(super) copier: u32,
    pub(super) late_copier: u32,
    pub(super) idler: u32,
    pub(super) label_flipper: u32,
    pub(super) two_identities: f64,
    pub(super) rare_data: u32,
}

const fn pays(joiners: [u32; 4], two_identities: f64, rare_data: u32) -> Option<Pays> {
    let [copier, late_copier, idler, label_flipper] = joiners;
    Some(Pays {
        copier,
        late_copier,
        idler,
        label_flipper,
        two_identities,
        rare_data,
    })
}

const SAMPLED: &str = "T(n-1)+2 at most";

/// Every scorer there is.
#[rustfmt::skip]
pub(super) const SCORERS: &[Entry] = &[
    Entry { name: "leave-one-out", needs: "a value", params: "", evaluations: "n+1 at most", laws: "equal rows, equal scores",
        pays: pays([42, 0, 0, 0], 1.58, 12), source: "Cook 1977" },
    Entry { name: "shapley", needs: "a value, n <= 12", params: "", evaluations: "2^n", laws: "efficiency, symmetry, null player, additivity",
        pays: pays([87, 0, 0, 0], 1.51, 69), source: "Shapley 1953" },
    Entry { name: "truncated-shapley", needs: "a value, n <= 64", params: "seed= orders=20 tolerance=1000", evaluations: SAMPLED,
        laws: "null player; efficiency to the tolerance", pays: pays([96, 1, 0, 0], 1.45, 71), source: "Ghorbani and Zou 2019" },
    Entry { name: "gtg-shapley", needs: "a value, n <= 64",
        params: "seed= orders=60 round-tolerance=10000 walk-tolerance=1000 fewest=31 window=10 change=50000",
        evaluations: SAMPLED, laws: "null player; efficiency to the tolerance", pays: pays([97, 0, 0, 0], 1.58, 83), source: "Liu et al. 2022" },
    Entry { name: "cosine", needs: "rows", params: "", evaluations: "0", laws: "equal rows, equal scores",
        pays: pays([105, 78, 0, 0], 1.60, 82), source: "Xu et al. 2021" },
    Entry { name: "cgsv", needs: "rows", params: "reputations=FILE next=FILE decay=950000 least=1000", evaluations: "0",
        laws: "equal rows and reputations, equal scores", pays: pays([104, 100, 33, 7], 1.61, 86), source: "Xu et al. 2021" },
    Entry { name: "copies", needs: "rows", params: "", evaluations: "0", laws: "no copy of a copy; noise of 5 % gets past",
        pays: None, source: "for slashing: pays nobody" },
];

/// Where a value can come from: flags and meaning.
const VALUES: &[(&str, &str)] = &[
    (
        "--held-out FILE.csv",
        "minus the loss, in ppm, of the plan's model (--plan, --model) moved by what --rule makes of a coalition's rows",
    ),
    (
        "--game FILE",
        "a table: JSON such as {\"\": 0, \"0\": 10, \"0 1\": 25}, a JSON array by bits, or CSV with the columns rows,value or mask,value",
    ),
    (
        "--directions",
        "the cosine of a coalition's rows, added up at length one, with all rows': needs no data",
    ),
];

/// The list as the command's outcome.
pub(super) fn listed() -> Result<Outcome, Failure> {
    let texts = |cells: &[&str]| -> Vec<String> { cells.iter().map(|&cell| cell.to_owned()).collect() };
    let mut what = vec![texts(&["scorer", "needs", "evaluations", "laws", "source"])];
    what.extend(
        SCORERS
            .iter()
            .map(|s| texts(&[s.name, s.needs, s.evaluations, s.laws, s.source])),
    );
    let mut paid = vec![texts(&[
        "pays, in % of honest work",
        "a copy",
        "last round's aggregate",
        "zeros",
        "flipped labels",
        "two for one",
        "rare data",
    ])];
    for (name, pays) in SCORERS.iter().filter_map(|s| Some((s.name, s.pays?))) {
        let mut row = vec![name.to_owned()];
        row.extend([pays.copier, pays.late_copier, pays.idler, pays.label_flipper].map(|p| p.to_string()));
        row.extend([format!("x {:.2}", pays.two_identities), pays.rare_data.to_string()]);
        paid.push(row);
    }
    let mut params = vec![texts(&["scorer", "parameters"])];
    params.extend(
        SCORERS
            .iter()
            .filter(|s| !s.params.is_empty())
            .map(|s| texts(&[s.name, s.params])),
    );
    let values: Vec<_> = VALUES.iter().map(|(flag, means)| texts(&[flag, means])).collect();
    let text = format!(
        "{}\n{}\n{}\nvalues of coalitions:\n{}",
        table(&what),
        table(&params),
        table(&paid),
        list(&values)
    );
    let values: Vec<_> = VALUES
        .iter()
        .map(|(flag, means)| json!({ "flag": flag, "means": means }))
        .collect();
    Outcome::new(json!({ "scorers": SCORERS, "values": values }), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../../../aggregation/README.md");

    /// The cells of the `index`-th row of that name in the crate's tables: joiners, identities, rare data.
    fn cells(name: &str, index: usize) -> Vec<String> {
        let head = format!("| {name} |");
        let row = README.lines().filter(|line| line.starts_with(&head)).nth(index);
        let row = row.unwrap_or_else(|| panic!("no row {index} of {name}"));
        row.split('|').skip(2).map(|cell| cell.trim().to_owned()).collect()
    }

    #[test]
    fn what_is_said_of_each_is_what_was_measured() {
        for (name, readme) in [
            ("leave-one-out", "leave-one-out"),
            ("shapley", "exact Shapley"),
            ("truncated-shapley", "truncated Shapley, 20 orders"),
            ("gtg-shapley", "GTG-Shapley, up to 60 orders"),
            ("cosine", "cosine to aggregate"),
            ("cgsv", "CGSV reputation"),
        ] {
            let pays = SCORERS.iter().find(|s| s.name == name).and_then(|s| s.pays).unwrap();
            let measured = cells(readme, 0);
            let percent = |cell: usize, value: u32| {
                assert!(measured[cell].starts_with(&format!("{value} ±")), "{name} {measured:?}");
            };
            percent(0, pays.copier);
            percent(2, pays.late_copier);
            percent(3, pays.idler);
            percent(4, pays.label_flipper);
            let two = cells(readme, 1);
            assert!(
                two[0].starts_with(&format!("{:.2} ±", pays.two_identities)),
                "{name} {two:?}"
            );
            let rare = cells(readme, 2);
            assert!(rare[0].starts_with(&format!("{} ±", pays.rare_data)), "{name} {rare:?}");
        }
    }
}
