//! What the heat map of a matrix shows.

use super::{
    Matrix,
    heat_map::{HeatMap, Row, Tile},
    report::{halves, shown},
    summary::{Mean, Square, Summary},
};

/// The map of a summary.
pub(super) fn map(matrix: &Matrix<'_>, summary: &Summary) -> HeatMap {
    let squares = || summary.lines.iter().flat_map(|line| &line.squares);
    let values = squares().filter_map(|square| match square {
        Square::Measured(m) => Some(m.mean),
        Square::Failed(_) => None,
    });
    let scale = Scale::of(values, matrix.classifies);
    let mut columns: Vec<_> = (0..matrix.attacks.len())
        .map(|attack| halves(matrix.attack(attack)))
        .collect();
    columns.push(halves("worst"));
    let mut breaks = vec![1, columns.len() - 1];
    let backdoor = matrix.backdoor().is_some();
    if backdoor {
        breaks.push(columns.len());
        columns.push(("backdoor".into(), "works".into()));
    }
    let tile = |square: &Square| match square {
        Square::Measured(m) => Tile {
            text: shown(matrix, m.mean),
            shade: Some(scale.shade(m.mean)),
            ..Tile::default()
        },
        Square::Failed(_) => Tile {
            text: "no round".into(),
            ..Tile::default()
        },
    };
    let rows = matrix.rules.iter().zip(&summary.lines).map(|(contender, line)| {
        let mut tiles: Vec<Tile> = line.squares.iter().map(tile).collect();
        tiles.extend(line.worst.as_ref().map(|(_, worst)| tile(worst)));
        if let Some([taught, clean]) = &line.backdoor {
            tiles.push(success(taught, clean));
        }
        Row {
            name: contender.name.to_owned(),
            tiles,
            note: contender.needs.map(|needs| format!("n/a: needs {needs} institutions")),
        }
    });
    let what = if matrix.classifies {
        "Accuracy in %"
    } else {
        "Root mean squared error"
    };
    let mut caption = vec![
        format!(
            "{} institutions, the last {} of them attacking; mean over {} seed(s)",
            matrix.institutions,
            matrix.byzantine,
            matrix.seeds.len()
        ),
        format!("the plan's own rule is {}", matrix.own_rule),
    ];
    if !matrix.stages.is_empty() {
        caption.push(format!("every rule works on what {} leaves", matrix.stages));
    }
    if backdoor {
        let what = "backdoor works: % of triggered examples that pass for the target (below: where nobody attacks)";
        caption.push(what.into());
    }
    HeatMap {
        title: format!("{what} of each rule (rows) under each attack (columns)"),
        caption,
        columns,
        breaks,
        rows: rows.collect(),
        best: shown(matrix, scale.best),
        worst: shown(matrix, scale.worst),
    }
}

fn success(taught: &Mean, clean: &Mean) -> Tile {
    Tile {
        text: format!("{:.0}", 100.0 * taught.mean),
        small: format!("({:.0})", 100.0 * clean.mean),
        shade: None,
        plain: true,
    }
}

/// From the worst value of a map to the best that there can be.
struct Scale {
    worst: f64,
    best: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, classifies: bool) -> Self {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        match classifies {
            // Down to the next tenth, so that two matrices are often on one scale.
            true => Self {
                worst: (low.clamp(0.0, 0.9) * 10.0).floor() / 10.0,
                best: 1.0,
            },
            false => Self {
                worst: high,
                best: low.min(high),
            },
        }
    }

    /// 0 for the worst, 1 for the best.
    fn shade(&self, value: f64) -> f64 {
        let span = self.best - self.worst;
        match span == 0.0 {
            true => 1.0,
            false => ((value - self.worst) / span).clamp(0.0, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_grow_with_accuracy_and_shrink_with_error() {
        let accuracy = Scale::of([0.43, 0.95].into_iter(), true);
        assert_eq!((accuracy.worst, accuracy.best), (0.4, 1.0));
        assert!(accuracy.shade(0.5) < accuracy.shade(0.9));
        assert_eq!((accuracy.shade(0.1), accuracy.shade(1.0)), (0.0, 1.0));
        let error = Scale::of([2.0, 8.0].into_iter(), false);
        assert_eq!((error.shade(2.0), error.shade(5.0), error.shade(8.0)), (1.0, 0.5, 0.0));
        assert_eq!(Scale::of(std::iter::empty(), false).shade(1.0), 1.0);
        assert_eq!(Scale::of([3.0].into_iter(), false).shade(3.0), 1.0);
    }
}
