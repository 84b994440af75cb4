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
    institution::Wish,
    message::Report,
    node::{
        budget::BudgetFile,
        carried::CarriedFile,
        coordinator::{self, Event},
        entropy, institution,
        protect::{Practice, ProtectError},
        settle::ChainChoice,
    },
    plan::Plan,
    round::{Rounds, commit::Protected},
    seed::Seed,
    train::{Data, Device, HeldOut, Limits, Table, data::select_rows, split::split},
    transcript::{Entry, Member, Reader},
};
use xfl_privacy::{Delta, Epsilon, Guarantee, Mode, accounting::Accountant, budget::Limit};
use xfl_settlement::payout::PayoutKey;

const PATIENTS: &str = include_str!("../../examples/data/breast_cancer_wisconsin.csv");
const SCHEMA: &str = include_str!("../../examples/data/breast_cancer_wisconsin.toml");

/// What a federation agrees on besides its data and model.
#[derive(Clone, Copy)]
struct Terms {
    quorum: usize,
    privacy: &'static str,
    rest: &'static str,
    batch: usize,
    /// Whether contributions are measured on held-out data.
    scored: bool,
}

const PLAIN: Terms = Terms {
    quorum: 3,
    privacy: "noise_multiplier = 2.0\n",
    rest: "[aggregation]\nrule = \"trimmed-mean\"\nbyzantine = 1\n[score]\nkind = \"leave-one-out\"\n",
    batch: 52,
    scored: true,
};

const MASKED: Terms = Terms {
    quorum: 4,
    privacy: "mode = \"distributed\"\nnoise_multiplier = 3.0\n",
    rest: "[masking]\nmode = \"lwe\"\ncolluders = 1\nthreshold = 4\n[aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n",
    batch: 52,
    scored: false,
};

const CENTRAL: Terms = Terms {
    quorum: 3,
    privacy: "mode = \"central\"\ntrust_coordinator = true\nclip_quantile = 0.5\nnoise_multiplier = 4.0\n",
    rest: "[aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n",
    batch: 52,
    scored: false,
};

/// The smallest hospital has 54 patients: two batches, and in three rounds two blocks.
const DP_FTRL: Terms = Terms {
    quorum: 3,
    privacy: "mode = \"dp-ftrl\"\nseparation = 2\nnoise_multiplier = 1.0\n",
    rest: "[aggregation]\nrule = \"mean\"\n[score]\nkind = \"participation\"\n",
    batch: 27,
    scored: false,
};

const MASKED_FTRL: Terms = Terms {
    quorum: 4,
    rest: MASKED.rest,
    ..DP_FTRL
};

const DP_SGD: Terms = Terms {
    quorum: 3,
    privacy: "mode = \"dp-sgd\"\nsample_rate = 0.96\nlocal_steps = 4\nnoise_multiplier = 2.0\n",
    rest: "[aggregation]\nrule = \"trimmed-mean\"\nbyzantine = 1\n[score]\nkind = \"leave-one-out\"\n",
    batch: 52,
    scored: true,
};

fn plan(coordinator: &NodeKey, terms: Terms) -> Plan {
    let Terms {
        quorum,
        privacy,
        rest,
        batch,
        ..
    } = terms;
    let text = format!(
        "[federation]\nid = \"{}\"\nname = \"test\"\ncoordinator = \"{}\"\n\
         [rounds]\ncount = 3\nquorum = {quorum}\nstage_seconds = 30\n[model]\nkind = \"logistic\"\n\
         [training]\nbatch = {batch}\nserver_learning_rate = 1.5\nlearning_rate = 0.5\n\
         [privacy]\nunit = \"record\"\nclip = 1.0\nstep = 0.001\n{privacy}\
         {rest}[reward]\nbudget = 1000000\n[data]\n{SCHEMA}",
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
    let (budget, noise) = (dir.join("budget.jsonl"), dir.join("noise.redb"));
    move |plan, genesis| {
        let terms = plan.terms();
        let data =
            Table::read("patients", rows.as_slice(), &terms.data, Limits::default()).map_err(|e| e.to_string())?;
        let limit = Limit {
            epsilon: Epsilon::new(20.0).unwrap(),
            delta: Delta::new(1e-5).unwrap(),
            per_federation: None,
        };
        Ok(Practice {
            plan: plan.clone(),
            run: genesis.beginning(),
            mechanism: plan.mechanism(genesis.model.len()).map_err(|e| e.to_string())?,
            model: terms.model.build(&terms.data, Device::Cpu).map_err(|e| e.to_string())?,
            data: Box::new(data) as Box<dyn Data>,
            seed: Seed::from_number(7),
            budget: BudgetFile::open(&budget, limit).map_err(|e| e.to_string())?,
            carried: match terms.privacy.mode {
                Mode::DpFtrl => Some(CarriedFile::open(&noise, genesis.beginning()).map_err(|e| e.to_string())?),
                _ => None,
            },
            attack: None,
        })
    }
}

/// What a run left behind.
struct Ran {
    root: tempfile::TempDir,
    plan: Plan,
    transcript: Vec<u8>,
    /// One hospital's key and rows.
    first: (Arc<NodeKey>, Vec<u8>),
}

async fn run(agreed: Terms) -> Ran {
    let root = tempfile::tempdir().unwrap();
    let coordinator_key = key();
    let plan = plan(&coordinator_key, agreed);
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
        held_out: agreed.scored.then(|| (held_out(), held_out_file.clone())),
        judge: Some(held_out()),
        chain: ChainChoice::Embedded,
        mirrors: Vec::new(),
        endpoints: xfl_core::node::settle::Endpoints::default(),
        confirmations: 1,
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
            payout_chain: None,
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
    assert!(agreed.scored || earned == 3_000_000, "{earned}");
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
    let rows = select_rows("patients", PATIENTS.as_bytes(), &parts.institutions[0]).unwrap();
    Ran {
        root,
        plan,
        transcript,
        first: (keys[0].clone(), rows),
    }
}

impl Ran {
    /// The state at the end.
    fn rounds(&self) -> Rounds {
        replay(&self.transcript, None).rounds.unwrap()
    }

    /// What every member's signed numbers come to, which is what the plan promised.
    fn promised(&self) -> Guarantee {
        let rounds = self.rounds();
        let delta = Delta::new(self.plan.terms().privacy.delta).unwrap();
        let expected = Guarantee::of(rounds.mechanism(), 3, delta);
        assert_eq!(rounds.spent().len(), 5);
        for member in rounds.spent().keys() {
            assert_eq!(rounds.guarantee(member), Some(expected));
        }
        expected
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plain_federation_runs_from_join_to_audit() {
    let ran = run(PLAIN).await;
    assert_eq!(ran.promised().accountant, Accountant::Zcdp);
}

/// Shares of noise under masks: the sum carries what was promised, and costs what it would cost one institution alone to add.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_masked_federation_runs_from_join_to_audit() {
    let ran = run(MASKED).await;
    let rounds = ran.rounds();
    // A quorum of four, one of them dishonest.
    assert_eq!(
        (rounds.mechanism().sigma(), rounds.mechanism().promised_sigma()),
        (1733, 3000)
    );
    let alone = 3.0 / (2.0 * 9.0);
    let rho = ran.promised().rho.get();
    assert!(rho <= alone && rho > alone * 0.99, "{rho}");
}

/// Mode central: no update in any transcript, the sum noised, and a clip norm that moved towards the middle of the norms.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trusted_coordinator_adds_the_noise_and_shows_the_sum_alone() {
    let ran = run(CENTRAL).await;
    ran.promised();
    let mut reader = Reader::new(&ran.transcript);
    let beginning = ran.rounds().beginning();
    let (mut received, mut sums) = (0, 0);
    while let Some(entry) = reader.next().unwrap() {
        match entry {
            Entry::Accepted(parcel) => {
                let report: Report = parcel.envelope.open(beginning).unwrap();
                assert!(!matches!(report, Report::Upload(_)), "an update in the transcript");
            }
            Entry::Received { .. } => received += 1,
            Entry::Summed { values } => {
                assert_eq!(values.len(), 32, "31 parameters and the count");
                sums += 1;
            }
            _ => {}
        }
    }
    assert_eq!((received, sums), (15, 3));
    // At first most gradients are beyond a norm of 1, so that the clip norm grows.
    let scale = ran.rounds().scale();
    assert!(scale != 1.0 && (0.8..1.25).contains(&scale), "{scale}");
}

/// Mode dp-sgd: coins and noise at every local step, amplification accounted for; then a budget file that is put back to what it was: nothing
/// is released under it, because the last commitment carries a head that it never had.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn local_steps_over_drawn_records_and_a_budget_that_is_rolled_back() {
    let ran = run(DP_SGD).await;
    let promised = ran.promised();
    assert_eq!(promised.accountant, Accountant::Pld);
    let (key, rows) = &ran.first;
    let rounds = ran.rounds();
    let seen = rounds.spent()[&key.node_id()].head;
    let wish = Wish {
        charge: (4, 0),
        model: rounds.model().to_vec(),
        scale: 1.0,
        seen: vec![seen],
        drawn: false,
    };
    let hospital = ran.root.path().join("hospital-0");
    let budget = std::fs::read_to_string(hospital.join("budget.jsonl")).unwrap();
    let lines: Vec<&str> = budget.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains("\"rate\":0.96,\"steps\":4"), "{}", lines[0]);
    let again = tempfile::tempdir().unwrap();
    let file = again.path().join("budget.jsonl");
    std::fs::write(&file, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let rolled = practice(again.path(), rows.clone())(&ran.plan, rounds.genesis())
        .unwrap()
        .release(&wish);
    assert!(
        matches!(rolled, Err(ProtectError::RolledBack { head }) if head == seen),
        "{rolled:?}"
    );
    let whole = practice(&hospital, rows.clone())(&ran.plan, rounds.genesis())
        .unwrap()
        .release(&wish)
        .unwrap();
    assert_eq!((whole.charged, whole.protected), (4, Protected::of(rounds.mechanism())));
}

/// Mode dp-ftrl in the clear and under masks: two blocks of rounds are paid for by their first round, and every member's commitments say so.
async fn carries_its_noise(agreed: Terms) {
    let ran = run(agreed).await;
    let rounds = ran.rounds();
    let each = rounds.mechanism().rho_per_release();
    assert_eq!((rounds.mechanism().block(), ran.promised().rho), (2, each.plus(each)));
    for (member, spent) in rounds.spent() {
        assert_eq!((spent.charged, rounds.charges(member)), (3, Some(2)));
    }
    let budget = std::fs::read_to_string(ran.root.path().join("hospital-0/budget.jsonl")).unwrap();
    let paid: Vec<bool> = budget.lines().map(|line| !line.contains("\"rho\":0,")).collect();
    assert_eq!(paid, [true, false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn noise_that_later_rounds_take_back() {
    carries_its_noise(DP_FTRL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn noise_that_later_rounds_take_back_under_masks() {
    carries_its_noise(MASKED_FTRL).await;
}
