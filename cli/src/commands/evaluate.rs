//! `xfl evaluate`: a model on a data file.

use std::path::PathBuf;

use serde_json::json;
use xfl_core::train::{
    Device, Evaluation,
    data::{Limits, Table},
};

use crate::{
    failure::Failure,
    files,
    printer::{Outcome, Printer, list},
};

/// Arguments of `xfl evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan, for the schema and the model.
    #[arg(long, default_value = "federation.toml", env = "XFL_PLAN", hide_env_values = true)]
    plan: PathBuf,
    /// The examples, as a CSV file with the schema's columns.
    #[arg(long, default_value = "data.csv", env = "XFL_DATA", hide_env_values = true)]
    data: PathBuf,
    /// The model, as a safetensors file.
    #[arg(
        long,
        default_value = "run/model.safetensors",
        env = "XFL_MODEL",
        hide_env_values = true
    )]
    model: PathBuf,
    /// Where to compute: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu", env = "XFL_DEVICE", hide_env_values = true)]
    device: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args, _printer: &Printer) -> Result<Outcome, Failure> {
    let plan = files::plan(&args.plan)?;
    let terms = plan.terms();
    let model = terms.model.build(&terms.data, Device::parse(&args.device)?)?;
    let data = Table::open(&args.data, &terms.data, Limits::default())?;
    let checkpoint = files::model(&args.model, &model.tensors())?;
    let evaluation = model.evaluate(&checkpoint.parameters, &data)?;
    let round = checkpoint.origin.as_ref().map(|origin| origin.round);
    let mut rows = lines(&evaluation);
    rows.extend(round.map(|round| vec!["round".to_owned(), round.to_string()]));
    Outcome::new(
        json!({ "evaluation": evaluation, "round": round, "model": args.model }),
        list(&rows),
    )
}

/// An evaluation, a row for each number it has.
pub(crate) fn lines(evaluation: &Evaluation) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["loss".to_owned(), format!("{:.4}", evaluation.loss)]];
    rows.extend(
        evaluation
            .accuracy
            .map(|a| vec!["accuracy".to_owned(), format!("{:.2} %", a * 100.0)]),
    );
    rows.extend(
        evaluation
            .rmse
            .map(|rmse| vec!["rmse".to_owned(), format!("{rmse:.4}")]),
    );
    rows.push(vec!["examples".to_owned(), evaluation.examples.to_string()]);
    rows
}
