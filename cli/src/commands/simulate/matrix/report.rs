//! A matrix's summary as a table for people and as JSON.

use serde_json::{Value, json};

use super::{
    Matrix,
    summary::{Line, Mean, Square, Summary},
};
use crate::printer::table;

/// A mean in the matrix's unit: percent for accuracies, the label's unit for errors.
pub(super) fn shown(matrix: &Matrix<'_>, mean: f64) -> String {
    match matrix.classifies {
        true => format!("{:.1}", 100.0 * mean),
        false => figures(mean),
    }
}

/// Three or four significant digits.
fn figures(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{value:.1e}"),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The table.
pub(super) fn text(matrix: &Matrix<'_>, summary: &Summary) -> String {
    let mut heads = [vec![String::new()], vec!["rule".to_owned()]];
    let mut head = |name: &str| {
        let (above, below) = halves(name);
        heads[0].push(above);
        heads[1].push(below);
    };
    (0..matrix.attacks.len()).for_each(|attack| head(matrix.attack(attack)));
    head("worst");
    let backdoor = matrix.backdoor().is_some();
    if backdoor {
        head("backdoor-success");
        head("clean-success");
    }
    let mut rows = heads.to_vec();
    for (contender, line) in matrix.rules.iter().zip(&summary.lines) {
        rows.push(match contender.needs {
            Some(needs) => vec![contender.name.to_owned(), format!("n/a: needs {needs}")],
            None => cells(matrix, contender.name, line, backdoor),
        });
    }
    let (unit, worst) = match matrix.classifies {
        true => ("accuracy in %", "least"),
        false => ("root mean squared error in the label's unit", "largest"),
    };
    let seeds = match matrix.seeds.len() {
        1 => "one seed".to_owned(),
        n => format!("{n} seeds"),
    };
    let mut text = format!(
        "{}{unit}, means over {seeds} with the standard error; {} institutions, of which {} attack, know the others' updates, and are as many as rules are told to tolerate; worst: the {worst} under an attack\n",
        table(&rows),
        matrix.institutions,
        matrix.byzantine
    );
    if backdoor {
        text += "backdoor success: % of held-out examples of other labels that pass for the target once they carry the trigger; clean: the same where nobody attacks\n";
    }
    for (contender, line) in matrix.rules.iter().zip(&summary.lines) {
        for (attack, square) in line.squares.iter().enumerate() {
            if let Square::Failed(why) = square {
                text += &format!("{} under {}: no round: {why}\n", contender.name, matrix.attack(attack));
            }
        }
    }
    text
}

/// A name on two lines, so that columns stay narrow.
pub(super) fn halves(name: &str) -> (String, String) {
    match name.split_once('-') {
        Some((above, below)) => (format!("{above}-"), below.to_owned()),
        None => (String::new(), name.to_owned()),
    }
}

fn cells(matrix: &Matrix<'_>, name: &str, line: &Line, backdoor: bool) -> Vec<String> {
    let with_error = |m: &Mean, shown: &dyn Fn(f64) -> String| match m.error {
        Some(error) => format!("{}±{}", shown(m.mean), shown(error)),
        None => shown(m.mean),
    };
    let square = |square: &Square| match square {
        Square::Measured(m) => with_error(m, &|v| shown(matrix, v)),
        Square::Failed(_) => "no round".to_owned(),
    };
    let mut row = vec![name.to_owned()];
    row.extend(line.squares.iter().map(square));
    row.push(line.worst.as_ref().map_or("-".into(), |(_, worst)| square(worst)));
    if backdoor {
        let percent = |v: f64| format!("{:.1}", 100.0 * v);
        match &line.backdoor {
            Some(both) => row.extend(both.iter().map(|m| with_error(m, &percent))),
            None => row.extend(["-", "-"].map(str::to_owned)),
        }
    }
    row
}

/// The same for machines.
pub(super) fn data(matrix: &Matrix<'_>, summary: &Summary) -> Value {
    let mean = |m: &Mean| json!({ "mean": m.mean, "error": m.error });
    let square = |attack: usize, square: &Square| match square {
        Square::Measured(m) => json!({ "attack": matrix.attack(attack), "mean": m.mean, "error": m.error }),
        Square::Failed(why) => json!({ "attack": matrix.attack(attack), "failed": why }),
    };
    let rules = matrix.rules.iter().zip(&summary.lines).map(|(contender, line)| {
        json!({
            "rule": contender.name,
            "needs": contender.needs,
            "attacks": line.squares.iter().enumerate().map(|(i, s)| square(i, s)).collect::<Vec<_>>(),
            "worst": line.worst.as_ref().map(|(attack, worst)| square(*attack, worst)),
            "backdoor_success": line.backdoor.as_ref().map(|[taught, _]| mean(taught)),
            "backdoor_success_unattacked": line.backdoor.as_ref().map(|[_, clean]| mean(clean)),
        })
    });
    json!({
        "measure": if matrix.classifies { "accuracy" } else { "rmse" },
        "institutions": matrix.institutions,
        "byzantine": matrix.byzantine,
        "seeds": matrix.seeds,
        "plan_rule": matrix.own_rule,
        "rules": rules.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_at_their_first_hyphen() {
        assert_eq!(halves("optimal-alie"), ("optimal-".into(), "alie".into()));
        assert_eq!(halves("mimic"), (String::new(), "mimic".into()));
        assert_eq!(figures(0.01234), "0.0123");
        assert_eq!(figures(12_345_678.0), "1.2e7");
    }
}
