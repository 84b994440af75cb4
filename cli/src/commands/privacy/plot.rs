//! `xfl privacy plot`: epsilon over the steps, and what an attacker's two errors can be at their end.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::json;
use xfl_privacy::accounting::{Accountant, Composition, Step, TradeOff};

use super::question::{Checked, Common, Noise};
use crate::{
    failure::Failure,
    files,
    picture::{DrawError, Picture as _},
    printer::{Outcome, Printer, list},
};

mod points;
mod sheet;

use points::Attack;
use sheet::Sheet;

/// Arguments of `xfl privacy plot`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    noise: Noise,
    #[command(flatten)]
    common: Common,
    /// Where the picture goes; its ending says what it is: .svg or .png.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "privacy.svg",
        env = "XFL_PLOT_OUT",
        hide_env_values = true
    )]
    out: PathBuf,
    /// What `xfl privacy audit --json` printed: its attacks are drawn beside the curve.
    #[arg(long, value_name = "FILE.json", env = "XFL_PLOT_AUDIT", hide_env_values = true)]
    audit: Option<PathBuf>,
}

/// Most points of a line over the steps.
const POINTS: u64 = 40;
/// Points of the trade-off curve.
const ERRORS: u32 = 200;

#[derive(Clone, Copy)]
enum Format {
    Svg,
    Png,
}

/// Epsilon after so many steps by every accountant, in the order of [`COUNTED`].
#[derive(Clone, Debug)]
pub(super) struct After {
    steps: u64,
    epsilons: [f64; 3],
}

/// Who counts.
pub(super) const COUNTED: [Accountant; 3] = [Accountant::Pld, Accountant::Rdp, Accountant::Zcdp];

/// Runs the command.
pub(super) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let format = format(&args.out)?;
    let noise = args.noise.checked()?;
    let question = args.common.checked(printer)?;
    if question.steps == 0 {
        return Err(Failure::usage("0 steps give nothing away: there is nothing to plot").hint("write --steps 1000"));
    }
    let step = Step {
        noise,
        sampling: question.sampling,
    };
    let lines = over_steps(&step, &question);
    if lines
        .iter()
        .any(|after| after.epsilons.iter().any(|epsilon| !epsilon.is_finite()))
    {
        return Err(
            Failure::usage("epsilon is infinite: there is nothing to plot").hint("write --noise-multiplier above 0")
        );
    }
    let attacks = args.audit.as_deref().map(points::read).transpose()?.unwrap_or_default();
    let curve = curve(&step, &question);
    let sheet = Sheet::of(&step, &question, &lines, &curve, &attacks);
    let bytes = match format {
        Format::Svg => sheet.svg().map_err(wrong)?.into_bytes(),
        Format::Png => sheet.png().map_err(wrong)?,
    };
    files::replace(&args.out, &bytes, 0o644)?;
    answer(&args.out, &step, &question, &lines, &curve, &attacks)
}

fn format(path: &Path) -> Result<Format, Failure> {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => Err(Failure::usage(format!("{}: neither .svg nor .png", path.display()))
            .hint("end the name of --out in .svg or .png")),
    }
}

fn wrong(error: DrawError) -> Failure {
    Failure::failed(format!("the picture: {error}"))
}

/// Up to [`POINTS`] counts of steps, evenly to the last one.
fn over_steps(step: &Step, question: &Checked) -> Vec<After> {
    let points = question.steps.min(POINTS);
    let at = |i: u64| (u128::from(question.steps) * u128::from(i) / u128::from(points)) as u64;
    let after = |steps: u64| After {
        steps,
        epsilons: COUNTED.map(|accountant| accountant.epsilon(&Composition::of(*step, steps), question.delta).get()),
    };
    (1..=points).into_par_iter().map(|i| after(at(i))).collect()
}

/// The trade-off curve of all steps together, as the accountant of the question knows it.
fn curve(step: &Step, question: &Checked) -> Vec<(f64, f64)> {
    let curve = TradeOff::of(question.accountant, &Composition::of(*step, question.steps));
    let at = |i: u32| f64::from(i) / f64::from(ERRORS);
    (0..=ERRORS)
        .map(at)
        .map(|error| (error, curve.type_two(error)))
        .collect()
}

fn answer(
    out: &Path,
    step: &Step,
    question: &Checked,
    lines: &[After],
    curve: &[(f64, f64)],
    attacks: &[Attack],
) -> Result<Outcome, Failure> {
    let composition = Composition::of(*step, question.steps);
    let mut data = question.json(step, question.accountant.epsilon(&composition, question.delta));
    data["file"] = json!(out);
    let point = |after: &After| {
        let [pld, rdp, zcdp] = after.epsilons;
        json!({ "steps": after.steps, "pld": pld, "rdp": rdp, "zcdp": zcdp })
    };
    data["epsilon_over_steps"] = lines.iter().map(point).collect();
    let point = |(one, two): &(f64, f64)| json!({ "type_one": one, "type_two": two });
    data["trade_off"] = curve.iter().map(point).collect();
    data["attacks"] = attacks
        .iter()
        .map(|attack| json!({ "name": attack.name, "points": attack.errors.iter().map(point).collect::<Vec<_>>() }))
        .collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    if let Some(last) = lines.last() {
        for (accountant, epsilon) in COUNTED.iter().zip(last.epsilons) {
            rows.push(vec![format!("epsilon, {accountant}"), format!("{epsilon:.4}")]);
        }
    }
    rows.push(vec!["delta".to_owned(), question.delta.to_string()]);
    rows.extend(question.rows(step));
    rows.push(vec!["picture".to_owned(), out.display().to_string()]);
    Outcome::new(data, list(&rows))
}
