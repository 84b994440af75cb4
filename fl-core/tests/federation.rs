//! Whole federations in one process: real QUIC over loopback, real training and noise, the embedded chain, and an audit.
#![cfg(feature = "node")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;
use xfl_core::{
    audit::replay,
    identity::NodeKey,
    node::{
        budget::BudgetFile,
        coordinator::{self, Event},
        entropy, institution,
        protect::Practice,
        settle::ChainChoice,
    },
    plan::Plan,
    seed::Seed,
    train::{Data, Device, HeldOut, Limits, Table, data::select_rows, split::split},
    transcript::Member,
};
use xfl_privacy::{Delta, Epsilon, budget::Limit};
use xfl_settlement::payout::PayoutKey;

const PATIENTS: &str = include_str!("../../examples/data/breast_cancer_wisconsin.csv");
const SCHEMA: &str = include_str!("../../examples/data/breast_cancer_wisconsin.toml");

fn plan(coordinator: &NodeKey, masked: bool) -> Plan {
    let mode = if masked {
        "[masking]\nmode = \"lwe\"\ncolluders = 1\nthreshold = 4\n[aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n"
    } else {
        "[aggregation]\nrule = \"trimmed-mean\"\nbyzantine = 1\n[score]\nkind = \"leave-one-out\"\n"
    };
    let quorum = if masked { 4 } else { 3 };
    let text = format!(
        "[federation]\nid = \"{}\"\nname = \"test\"\ncoordinator = \"{}\"\n\
         [rounds]\ncount = 3\nquorum = {quorum}\nstage_seconds = 30\n[model]\nkind = \"logistic\"\n\
         [training]\nbatch = 52\nserver_learning_rate = 1.5\n\
         [privacy]\nunit = \"record\"\nclip = 1.0\nstep = 0.001\nnoise_multiplier = 2.0\n\
         {mode}[reward]\nbudget = 1000000\n[data]\n{SCHEMA}",
        "11".repeat(32),
        coordinator.node_id()
    );
    Plan::parse(&text, "federation.toml").unwrap()
}

fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::generate(&mut entropy::generator().unwrap()))
}

fn payout() -> PayoutKey {
    PayoutKey::from_secret(&entropy::bytes().unwrap()).unwrap()
}

fn practice(
    dir: &Path,
    rows: Vec<u8>,
) -> impl FnOnce(&Plan, &xfl_core::transcript::Genesis) -> Result<Practice, String> + Send + use<> {
    let budget = dir.join("budget.jsonl");
    move |plan, genesis| {
        let terms = plan.terms();
        let data =
            Table::read("patients", rows.as_slice(), &terms.data, Limits::default()).map_err(|e| e.to_string())?;
        let limit = Limit {
            epsilon: Epsilon::new(10.0).unwrap(),
            delta: Delta::new(1e-5).unwrap(),
            per_federation: None,
        };
        Ok(Practice {
            plan: plan.clone(),
            mechanism: plan.mechanism(genesis.model.len()).map_err(|e| e.to_string())?,
            model: terms.model.build(&terms.data, Device::Cpu).map_err(|e| e.to_string())?,
            data: Box::new(data) as Box<dyn Data>,
            seed: Seed::from_number(7),
            budget: BudgetFile::open(&budget, limit).map_err(|e| e.to_string())?,
            attack: None,
        })
    }
}

async fn run(masked: bool) {
    let root = tempfile::tempdir().unwrap();
    let coordinator_key = key();
    let plan = plan(&coordinator_key, masked);
    let terms = plan.terms().clone();
    let keys: Vec<Arc<NodeKey>> = (0..5).map(|_| key()).collect();
    let members: Vec<Member> = keys
        .iter()
        .enumerate()
        .map(|(i, k)| Member {
            id: k.node_id(),
            name: format!("hospital {i}"),
        })
        .collect();
    let model = terms.model.build(&terms.data, Device::Cpu).unwrap();
    let parts = split(569, 114, &[33, 24, 17, 14, 12], &Seed::from_number(2026)).unwrap();
    let held_out_file = select_rows("held-out", PATIENTS.as_bytes(), &parts.held_out).unwrap();
    let held_out = || {
        let model = terms.model.build(&terms.data, Device::Cpu).unwrap();
        HeldOut::read(model, "held-out", &held_out_file, &terms.data).unwrap()
    };
    let dir = root.path().join("coordinator");
    let setup = coordinator::Setup {
        dir: dir.clone(),
        listen: "127.0.0.1:0".parse().unwrap(),
        key: coordinator_key.clone(),
        payout: payout(),
        plan: plan.clone(),
        members,
        model: model.init(&Seed::from_number(0)),
        tensors: model.tensors(),
        held_out: (!masked).then(|| (held_out(), held_out_file.clone())),
        judge: Some(held_out()),
        chain: ChainChoice::Embedded,
        rpc_listen: "127.0.0.1:0".parse().unwrap(),
    };
    let (_keep, stop) = watch::channel(false);
    let (address_at, mut address_of) = watch::channel(None::<SocketAddr>);
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let tell = move |event: Event| {
        if let Event::Listening(address) = &event {
            let _ = address_at.send(Some(*address));
        }
        seen.lock().unwrap().push(format!("{event:?}"));
    };
    let coordinating = tokio::spawn(coordinator::run(setup, stop.clone(), tell));
    let address = tokio::time::timeout(Duration::from_secs(60), address_of.wait_for(Option::is_some)).await;
    let Ok(Ok(address)) = address.map(|r| r.map(|a| a.unwrap())) else {
        panic!(
            "the coordinator didn't start: {:?}",
            coordinating.await.unwrap().map(|s| s.finished)
        );
    };
    let mut joining = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        let dir = root.path().join(format!("hospital-{i}"));
        std::fs::create_dir_all(&dir).unwrap();
        let rows = select_rows("patients", PATIENTS.as_bytes(), &parts.institutions[i]).unwrap();
        let setup = institution::Setup {
            dir: dir.clone(),
            coordinator: address,
            coordinator_key: coordinator_key.node_id(),
            key: key.clone(),
            payout: payout(),
            patience: Duration::from_secs(20),
        };
        joining.push(tokio::spawn(institution::run(
            setup,
            practice(&dir, rows),
            stop.clone(),
            |_| {},
        )));
    }
    let summary = tokio::time::timeout(Duration::from_secs(120), coordinating).await;
    let summary = match summary {
        Ok(summary) => summary.unwrap().unwrap(),
        Err(_) => panic!("the federation hangs: {:#?}", events.lock().unwrap()),
    };
    assert_eq!(
        (summary.finished, summary.misbehaved),
        (3, 0),
        "{:#?}",
        events.lock().unwrap()
    );
    let mut earned = 0;
    for joined in joining {
        let joined = joined.await.unwrap().unwrap();
        assert_eq!((joined.finished, joined.declined), (3, 0));
        earned += joined.earned;
    }
    // A round's budget is shared out to the last token, or not at all where no update helped.
    assert!(earned > 0 && earned % 1_000_000 == 0, "{earned}");
    assert!(!masked || earned == 3_000_000, "{earned}");
    assert!(summary.evaluation.unwrap().accuracy.unwrap() > 0.8);
    let transcript = std::fs::read(dir.join("transcript.xfl")).unwrap();
    let mut referee = held_out();
    let audit = replay(&transcript, Some(&mut referee));
    assert!(audit.holds(), "{:#?}", audit.checks);
    assert_eq!(audit.posted.len(), 3);
    let copy = std::fs::read(root.path().join("hospital-0/transcript.xfl")).unwrap();
    assert_eq!(
        copy, transcript,
        "an institution's own copy is the coordinator's transcript"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plain_federation_runs_from_join_to_audit() {
    run(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_masked_federation_runs_from_join_to_audit() {
    run(true).await;
}
