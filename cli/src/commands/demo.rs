//! `xfl demo`: a whole federation on real patients, one coordinator and five hospitals as processes of this program.

mod processes;
mod references;
mod report;
mod scenario;
mod watch;

use std::{path::PathBuf, time::Duration};

use serde_json::Value;
use xfl_core::node::coordinator::RoundMetrics;
use xfl_privacy::{Delta, Guarantee};

use self::{
    processes::{Finished, Process, read_json},
    report::{AuditReport, HospitalReport, Report},
    scenario::Scenario,
    watch::Watch,
};
use crate::{
    failure::{Code, Failure},
    printer::{Outcome, Printer},
};

/// Longest that any part of the demo may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// Run a whole federation on this machine: five hospitals, real patients, one poisoner, an embedded chain and an audit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keep everything in this folder, which must not hold a federation yet.
    #[arg(long, env = "XFL_DEMO_DIR")]
    dir: Option<PathBuf>,
    /// Hide single updates from the coordinator: honest hospitals, a plain mean, rewards by participation.
    #[arg(long, env = "XFL_DEMO_MASKED")]
    masked: bool,
    /// Rounds to run; the noise is the same in each, so that more rounds spend more epsilon.
    #[arg(long, env = "XFL_DEMO_ROUNDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Write the federation (plan, keys, data) into --dir and stop: for running it by hand.
    #[arg(long, env = "XFL_DEMO_WRITE_ONLY", requires = "dir")]
    write_only: bool,
}

pub(crate) async fn run(args: Args, printer: Printer) -> Result<Outcome, Failure> {
    let began = std::time::Instant::now();
    let temporary = match &args.dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(|e| failed(format!("no temporary folder: {e}")))?),
    };
    let dir = match (&args.dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => dir.path().to_path_buf(),
        (None, None) => return Err(failed("no folder".into())),
    };
    let scenario = scenario::write(&dir, args.masked, args.rounds)
        .map_err(|e| Failure::usage(e).hint("name an empty folder with --dir"))?;
    if args.write_only {
        return written(&scenario);
    }
    printer.talk(&format!(
        "{} hospitals, {} patients in all, {} held out",
        scenario.hospitals.len(),
        569,
        114
    ));
    let reference = {
        let scenario = scenario.clone();
        tokio::task::spawn_blocking(move || references::train(&scenario))
    };
    let (coordinator, hospitals) = federate(&scenario, printer).await?;
    let claims = claim(&scenario, printer).await?;
    coordinator.interrupt();
    let summary = coordinator.finish(PATIENCE).await.map_err(failed)?;
    good("the coordinator", &summary)?;
    let audit = Process::audit(&scenario)
        .map_err(|e| failed(e.to_string()))?
        .finish(PATIENCE)
        .await
        .map_err(failed)?;
    let references = reference.await.map_err(|e| failed(e.to_string()))?.map_err(failed)?;
    let report = Report {
        dir: dir.display().to_string(),
        kept: args.dir.is_some(),
        masked: args.masked,
        least_sum: scenario.plan.terms().masking.threshold,
        plan: findings(&scenario),
        rule: scenario.plan.terms().aggregation.rule.name().to_owned(),
        rounds: metrics(&scenario),
        references,
        hospitals: hospital_reports(&scenario, &hospitals, &claims),
        audit: audit_report(&audit),
        seconds: began.elapsed().as_secs_f64(),
    };
    if report.audit.holds {
        Outcome::new(&report, report.to_string())
    } else {
        let what = format!("the audit fails: {}", audit.answer["error"]["message"]);
        Err(Failure::new(Code::Audit, what).with(serde_json::json!({ "report": report }), report.to_string()))
    }
}

/// What was written, and the commands that run it.
fn written(scenario: &Scenario) -> Result<Outcome, Failure> {
    let (dir, key) = (scenario.dir.display(), scenario.coordinator);
    let names: Vec<&str> = scenario.hospitals.iter().map(|h| h.name.as_str()).collect();
    let text = format!(
        "wrote {dir}\n\nin there, the coordinator:\n  xfl round --dir coordinator --held-out held-out.csv --serve\n\n\
         and each of {}:\n  xfl join --coordinator 127.0.0.1:7700 --coordinator-key {key} --key NAME/node.pem \
         --payout-key NAME/payout.key --data NAME/patients.csv --dir NAME/state",
        names.join(", ")
    );
    Outcome::new(
        serde_json::json!({ "dir": scenario.dir, "coordinator_key": key.to_string(), "hospitals": names }),
        text,
    )
}

/// What the plan costs and whether its rule can see, as `xfl round` says before it starts.
fn findings(scenario: &Scenario) -> Vec<String> {
    let checked = scenario.plan.terms().model.dimension(&scenario.plan.terms().data).ok();
    let checked = checked.and_then(|d| scenario.plan.check(d, scenario.hospitals.len()).ok());
    let line = |f: xfl_core::plan::Finding| {
        if f.warning {
            format!("warning: {}", f.text)
        } else {
            f.text
        }
    };
    checked
        .map(|c| c.findings.into_iter().map(line).collect())
        .unwrap_or_default()
}

/// Starts everybody and waits for the last round; the coordinator goes on serving its chain.
async fn federate(scenario: &Scenario, printer: Printer) -> Result<(Process, Vec<Finished>), Failure> {
    let mut coordinator = Process::coordinator(scenario).map_err(|e| failed(e.to_string()))?;
    let address = loop {
        if let Some(address) = read_json(&scenario.run_dir().join("address.json")) {
            break text(&address["coordinator"]);
        }
        if coordinator.is_over() {
            let said = coordinator.finish(PATIENCE).await.map_err(failed)?;
            return Err(failed(format!("the coordinator didn't start: {}", said.talk.trim())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut hospitals = Vec::new();
    for (i, hospital) in scenario.hospitals.iter().enumerate() {
        let attack = scenario.attacker == Some(i);
        hospitals.push(Process::hospital(scenario, hospital, &address, attack).map_err(|e| failed(e.to_string()))?);
    }
    let watch = Watch::new(scenario, printer);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !watch.look(scenario) {
        if coordinator.is_over() || tokio::time::Instant::now() > deadline {
            coordinator.interrupt();
            let said = coordinator.finish(Duration::from_secs(10)).await.map_err(failed)?;
            return Err(failed(format!(
                "the federation didn't finish: {} {}",
                said.answer,
                said.talk.trim()
            )));
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    watch.done();
    let mut ended = Vec::new();
    for hospital in hospitals {
        let name = hospital.name.clone();
        let finished = hospital.finish(PATIENCE).await.map_err(failed)?;
        good(&name, &finished)?;
        ended.push(finished);
    }
    Ok((coordinator, ended))
}

/// Every hospital claims what it earned, over JSON-RPC as on any chain.
async fn claim(scenario: &Scenario, printer: Printer) -> Result<Vec<Finished>, Failure> {
    let address = read_json(&scenario.run_dir().join("address.json")).unwrap_or_default();
    let rpc = text(&address["rpc"]);
    printer.talk("claims");
    let mut claims = Vec::new();
    for hospital in &scenario.hospitals {
        let process = Process::claim(hospital, &rpc).map_err(|e| failed(e.to_string()))?;
        let finished = process.finish(PATIENCE).await.map_err(failed)?;
        good(&format!("{}'s claim", hospital.name), &finished)?;
        claims.push(finished);
    }
    Ok(claims)
}

fn metrics(scenario: &Scenario) -> Vec<RoundMetrics> {
    let text = std::fs::read_to_string(scenario.run_dir().join("metrics.jsonl")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn hospital_reports(scenario: &Scenario, ended: &[Finished], claims: &[Finished]) -> Vec<HospitalReport> {
    let rounds = metrics(scenario);
    let privacy = scenario.plan.terms().privacy.clone();
    let guarantee = |releases: u64| {
        let d = scenario
            .plan
            .terms()
            .model
            .dimension(&scenario.plan.terms().data)
            .ok()?;
        let mechanism = scenario.plan.mechanism(d).ok()?;
        Some(Guarantee::of(&mechanism, releases, Delta::new(privacy.delta).ok()?))
    };
    let mut reports = Vec::new();
    for (i, hospital) in scenario.hospitals.iter().enumerate() {
        let mine = || {
            rounds
                .iter()
                .flat_map(|r| &r.members)
                .filter(|m| m.name == hospital.name)
        };
        let spent = guarantee(mine().count() as u64);
        reports.push(HospitalReport {
            name: hospital.name.clone(),
            patients: hospital.patients,
            attacker: scenario.attacker == Some(i),
            privacy: spent.map(|g| g.to_string()).unwrap_or_default(),
            epsilon: spent.map_or(f64::INFINITY, |g| g.epsilon.get()),
            score_ppm: mine().map(|m| m.score_ppm).sum(),
            reward: mine().map(|m| m.reward).sum(),
            claimed: claims
                .get(i)
                .map(|c| text(&c.answer["data"]["paid"]))
                .unwrap_or_default(),
        });
    }
    debug_assert_eq!(ended.len(), reports.len());
    reports
}

fn audit_report(audit: &Finished) -> AuditReport {
    let data = if audit.answer["data"].is_null() {
        &audit.answer["error"]
    } else {
        &audit.answer["data"]
    };
    let checks = data["checks"].as_array().cloned().unwrap_or_default();
    let unchecked = checks.iter().filter(|c| c["verdict"] == "unchecked").count();
    AuditReport {
        holds: audit.code == Some(0),
        checks: checks.len(),
        unchecked,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn good(who: &str, finished: &Finished) -> Result<(), Failure> {
    if finished.code == Some(0) {
        return Ok(());
    }
    let said = if finished.answer.is_null() {
        finished.talk.trim().to_owned()
    } else {
        finished.answer["error"].to_string()
    };
    Err(failed(format!("{who} failed: {said}")))
}

fn failed(what: String) -> Failure {
    Failure::failed(what)
}
