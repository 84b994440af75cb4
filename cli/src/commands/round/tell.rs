//! What happens in a run, as lines and bars.

use std::collections::BTreeMap;

use xfl_core::{
    audit,
    identity::NodeId,
    node::coordinator::{Event, RoundMetrics},
};

use crate::{chains, progress::Progress};

/// Shows one event.
pub(super) fn event(event: Event, names: &BTreeMap<NodeId, String>, progress: &mut Progress) {
    let name = |node: &NodeId| names.get(node).cloned().unwrap_or_else(|| node.to_string());
    match event {
        Event::Chain { url } => progress.line(&format!("chain: embedded, served at {url}")),
        Event::Listening(address) => progress.line(&format!("listening on udp {address}")),
        Event::Resumed { round, phase, finished } => {
            let stage = audit::stage(phase);
            progress.line(&format!(
                "going on after {finished} finished rounds, in round {round}, stage {stage}"
            ));
        }
        Event::Joined { name } => progress.line(&format!("{name} joined")),
        Event::Begun { round, attempt, cohort } => {
            let again = if attempt > 0 {
                format!(", attempt {}", attempt + 1)
            } else {
                String::new()
            };
            progress.line(&format!("round {round}{again}: {cohort} institutions"));
        }
        Event::Stage {
            round,
            phase,
            answered,
            of,
        } => {
            progress.stage(round, &audit::stage(phase), answered as u64, of as u64);
        }
        Event::Abandoned { round, reason } => progress.line(&format!("round {round}: abandoned: {reason}")),
        Event::Posted { round, block, gas } => {
            let how = if gas > 0 {
                format!("posted in block {block}, {gas} gas")
            } else {
                "was posted already".into()
            };
            progress.line(&format!("round {round}: {how}"));
        }
        Event::RoundDone(metrics) => progress.finished(metrics.round, &note(&metrics)),
        Event::Left { node, why } => progress.line(&format!("{} left: {why}", name(&node))),
        Event::Dropped { node, why } => progress.line(&format!("{} dropped: {why}", name(&node))),
        Event::Standing(standing) => progress.line(&chains::line(&standing)),
    }
}

/// Loss and accuracy of a round, where there are any.
fn note(metrics: &RoundMetrics) -> String {
    let loss = metrics.loss.map(|loss| format!("loss {loss:.4}"));
    let accuracy = metrics
        .accuracy
        .map(|accuracy| format!("accuracy {:.1} %", accuracy * 100.0));
    loss.into_iter().chain(accuracy).collect::<Vec<_>>().join(", ")
}
