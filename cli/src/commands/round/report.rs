//! What a run has to show: accuracy by round, score and reward by member, from the metrics it keeps.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use xfl_core::node::coordinator::{RoundMetrics, Summary};

use crate::{
    chains,
    failure::Failure,
    files,
    printer::{Outcome, table},
};

/// Rounds that a directory's run has finished before.
pub(super) fn finished(dir: &Path) -> u64 {
    metrics(dir).last_key_value().map_or(0, |(round, _)| *round)
}

/// All rounds' metrics; the last line counts where a crash had one written twice, and a torn one is left out.
fn metrics(dir: &Path) -> BTreeMap<u64, RoundMetrics> {
    let bytes = files::read(&dir.join("metrics.jsonl"), 1 << 30).unwrap_or_default();
    let rounds = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok());
    rounds.map(|metrics: RoundMetrics| (metrics.round, metrics)).collect()
}

/// The result of a run.
pub(super) fn outcome(dir: &Path, summary: &Summary) -> Result<Outcome, Failure> {
    let rounds = metrics(dir);
    let mut members: BTreeMap<&str, (i64, u64, u64)> = BTreeMap::new();
    let mut rows = vec![
        ["round", "loss", "accuracy", "used", "seconds"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for metrics in rounds.values() {
        let number = |value: Option<f64>, factor: f64, places: usize| {
            value.map_or_else(|| "-".to_owned(), |v| format!("{:.places$}", v * factor))
        };
        let used = metrics.members.iter().filter(|m| m.selected).count();
        rows.push(vec![
            metrics.round.to_string(),
            number(metrics.loss, 1.0, 4),
            number(metrics.accuracy, 100.0, 1) + if metrics.accuracy.is_some() { " %" } else { "" },
            format!("{used} of {}", metrics.members.len()),
            format!("{:.1}", metrics.seconds.values().sum::<f64>()),
        ]);
        for member in &metrics.members {
            let sum = members.entry(&member.name).or_default();
            sum.0 = sum.0.saturating_add(member.score_ppm);
            sum.1 = sum.1.saturating_add(member.reward);
            sum.2 += u64::from(member.selected);
        }
    }
    let mut text = if rounds.is_empty() {
        String::new()
    } else {
        table(&rows) + "\n"
    };
    let mut rows = vec![["member", "used", "score (ppm)", "reward"].map(str::to_owned).to_vec()];
    for (name, (score, reward, used)) in &members {
        rows.push(vec![
            (*name).to_owned(),
            used.to_string(),
            score.to_string(),
            reward.to_string(),
        ]);
    }
    if !members.is_empty() {
        text += &table(&rows);
        text.push('\n');
    }
    let how = if summary.stopped {
        "; stopped, start again to go on"
    } else {
        ""
    };
    text += &format!("{} of {} rounds finished{how}\n", summary.finished, summary.planned);
    if summary.chains.len() > 1 || summary.chains.iter().any(|standing| standing.waits_for.is_some()) {
        text += &chains::lines(&summary.chains);
    }
    if summary.chains.iter().any(|standing| !standing.done()) {
        text += &format!("the rest is posted by `xfl settle --dir {}`\n", dir.display());
    }
    let members: Vec<_> = members
        .iter()
        .map(
            |(name, (score, reward, used))| json!({ "name": name, "score_ppm": score, "reward": reward, "used": used }),
        )
        .collect();
    let data = json!({
        "finished": summary.finished,
        "planned": summary.planned,
        "stopped": summary.stopped,
        "misbehaved": summary.misbehaved,
        "evaluation": summary.evaluation,
        "rounds": rounds.values().collect::<Vec<_>>(),
        "members": members,
        "chains": summary.chains,
        "dir": dir,
        "model": dir.join("model.safetensors"),
        "transcript": dir.join("transcript.xfl"),
    });
    Outcome::new(data, text)
}
