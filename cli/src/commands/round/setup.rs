//! From arguments to what the coordinator runs with; everything that can be wrong is found before anything begins.

use std::path::Path;

use xfl_core::{
    node::coordinator::Setup,
    plan::Plan,
    seed::Seed,
    train::{Device, HeldOut, Model, data::Limits},
};

use super::Args;
use crate::{
    chains,
    failure::{Code, Failure},
    files, members,
    printer::Printer,
};

/// Reads and checks everything.
pub(super) fn prepare(args: &Args, printer: Printer) -> Result<Setup, Failure> {
    let plan = files::plan(&args.plan)?;
    let terms = plan.terms();
    let key = files::node_key(&args.key)?;
    if key.node_id() != terms.federation.coordinator {
        let what = format!(
            "{} is not the plan's coordinator: expected key {}, got {}",
            args.key.display(),
            terms.federation.coordinator,
            key.node_id()
        );
        return Err(Failure::new(Code::Network, what)
            .hint("name the coordinator's own key with --key, or write this one's id into [federation]"));
    }
    let payout = files::payout_key(&args.payout_key)?;
    let members = members::read(&args.members)?;
    let (have, need) = (members.len(), terms.rounds.quorum);
    if have < need {
        let what = format!("{}: {have} members, and a quorum is {need}", args.members.display());
        return Err(Failure::usage(what).hint("`xfl member add NODE_ID --name NAME`, or a smaller rounds.quorum"));
    }
    let model = terms.model.build(&terms.data, Device::Cpu)?;
    let tensors = model.tensors();
    let parameters = match &args.model {
        Some(path) => files::model(path, &tensors)?.parameters,
        None => model.init(&Seed::from_number(terms.training.seed)),
    };
    let file = args.plan.display().to_string();
    let checked = plan
        .check(parameters.len(), have)
        .map_err(|error| error.locate(&file, plan.text()))?;
    for finding in &checked.findings {
        match finding.warning {
            true => printer.warn(&finding.text),
            false => printer.talk(&finding.text),
        }
    }
    let held_out = held_out(args, &plan)?;
    let judge = held_out
        .as_ref()
        .map(|(name, bytes)| read(&plan, name, bytes))
        .transpose()?;
    let held_out = match held_out {
        Some((name, bytes)) => Some((read(&plan, &name, &bytes)?, bytes)),
        None => None,
    };
    Ok(Setup {
        dir: args.dir.clone(),
        listen: args.listen,
        key,
        payout,
        plan,
        members,
        model: parameters,
        tensors,
        held_out,
        judge,
        chain: args.chain.clone(),
        mirrors: args.mirror.clone(),
        endpoints: chains::known(&args.plan)?,
        confirmations: args.confirmations,
        rpc_listen: args.rpc_listen,
    })
}

fn read(plan: &Plan, name: &str, bytes: &[u8]) -> Result<HeldOut, Failure> {
    let terms = plan.terms();
    let model: Box<dyn Model> = terms.model.build(&terms.data, Device::Cpu)?;
    Ok(HeldOut::read(model, name, bytes, &terms.data)?)
}

/// Held-out data, by flag or from an earlier start; the run's directory keeps a copy for the auditor.
fn held_out(args: &Args, plan: &Plan) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let kept = args.dir.join("held-out.csv");
    let most = Limits::default().bytes;
    let Some(path) = &args.held_out else {
        if kept.is_file() {
            return Ok(Some((kept.display().to_string(), files::read(&kept, most)?)));
        }
        if plan.terms().score.kind.needs_held_out() {
            return Err(Failure::usage(format!(
                "score.kind = \"{}\" needs data that no institution has",
                plan.terms().score.kind.name()
            ))
            .hint("give them with --held-out FILE.csv, or write kind = \"cosine\""));
        }
        return Ok(None);
    };
    let bytes = files::read(path, most)?;
    // Before it is kept: a file that can't be read by the schema isn't worth keeping.
    read(plan, &path.display().to_string(), &bytes)?;
    keep(&kept, &bytes)?;
    Ok(Some((path.display().to_string(), bytes)))
}

fn keep(kept: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if kept.is_file() {
        if files::read(kept, bytes.len() as u64).ok().as_deref() == Some(bytes) {
            return Ok(());
        }
        let what = format!(
            "the held-out data differ from {}, which this run began with",
            kept.display()
        );
        return Err(Failure::usage(what).hint("leave --held-out away, or begin a new run in another --dir"));
    }
    if let Some(folder) = kept.parent().filter(|folder| !folder.is_dir()) {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::file(folder, &error))?;
    }
    files::replace(kept, bytes, 0o600)
}
