//! The demo's federation on disk: a plan, keys, and 569 real patients split unevenly among five hospitals.

use std::path::{Path, PathBuf};

use xfl_core::{
    identity::{NodeId, NodeKey},
    node::{entropy, keyfile},
    plan::Plan,
    seed::Seed,
    train::{data::select_rows, split::split},
};
use xfl_settlement::payout::PayoutKey;

/// Breast Cancer Wisconsin (Diagnostic), UCI, CC BY 4.0; see examples/data/README.md.
const PATIENTS: &str = include_str!("../../../../examples/data/breast_cancer_wisconsin.csv");
const SCHEMA: &str = include_str!("../../../../examples/data/breast_cancer_wisconsin.toml");
/// Patients that no hospital has.
const HELD_OUT: usize = 114;
/// Names and shares of the others.
const HOSPITALS: [(&str, u32); 5] = [
    ("northfield", 33),
    ("riverside", 24),
    ("hillcrest", 17),
    ("lakeview", 14),
    ("mallory", 12),
];
/// The split of the demo; another seed deals the patients out differently.
const SPLIT_SEED: u64 = 2026;

/// A federation that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) dir: PathBuf,
    pub(crate) plan: Plan,
    pub(crate) coordinator: NodeId,
    pub(crate) hospitals: Vec<Hospital>,
    pub(crate) attacker: Option<usize>,
}

/// A hospital.
#[derive(Clone, Debug)]
pub(crate) struct Hospital {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) patients: usize,
}

impl Hospital {
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("patients.csv")
    }
    pub(crate) fn key(&self) -> PathBuf {
        self.dir.join("node.pem")
    }
    pub(crate) fn payout(&self) -> PathBuf {
        self.dir.join("payout.key")
    }
}

impl Scenario {
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.join("coordinator")
    }
    pub(crate) fn held_out(&self) -> PathBuf {
        self.dir.join("held-out.csv")
    }
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Writes the federation into `dir`, which must not hold one yet.
pub(crate) fn write(dir: &Path, masked: bool, rounds: u64) -> Result<Scenario, String> {
    let fail = |what: &dyn std::fmt::Display| format!("{}: {what}", dir.display());
    if dir.join("federation.toml").exists() {
        return Err(fail(&"there is a federation here already"));
    }
    std::fs::create_dir_all(dir).map_err(|e| fail(&e))?;
    let coordinator = keys(&dir.join("coordinator.pem"), &dir.join("coordinator-payout.key"))?;
    let rows = PATIENTS.lines().count() - 1;
    let shares: Vec<u32> = HOSPITALS.iter().map(|(_, share)| *share).collect();
    let parts = split(rows, HELD_OUT, &shares, &Seed::from_number(SPLIT_SEED)).map_err(|e| fail(&e))?;
    let csv = |rows: &[usize]| select_rows("patients", PATIENTS.as_bytes(), rows).map_err(|e| fail(&e));
    std::fs::write(dir.join("held-out.csv"), csv(&parts.held_out)?).map_err(|e| fail(&e))?;
    let mut hospitals = Vec::new();
    let mut members = String::from("# Who may take part.\n");
    for ((name, _), rows) in HOSPITALS.iter().zip(&parts.institutions) {
        let hospital = Hospital {
            name: (*name).into(),
            dir: dir.join(name),
            patients: rows.len(),
        };
        std::fs::create_dir_all(&hospital.dir).map_err(|e| fail(&e))?;
        std::fs::write(hospital.data(), csv(rows)?).map_err(|e| fail(&e))?;
        let node = keys(&hospital.key(), &hospital.payout())?;
        members += &format!("\n[[member]]\nname = \"{name}\"\nnode = \"{node}\"\n");
        hospitals.push(hospital);
    }
    std::fs::write(dir.join("members.toml"), members).map_err(|e| fail(&e))?;
    let id = NodeId(*entropy::bytes().map_err(|e| fail(&e))?);
    let text = plan(&id, &coordinator, masked, rounds);
    std::fs::write(dir.join("federation.toml"), &text).map_err(|e| fail(&e))?;
    let plan = Plan::parse(&text, "federation.toml").map_err(|e| fail(&e))?;
    let attacker = (!masked).then_some(HOSPITALS.len() - 1);
    Ok(Scenario {
        dir: dir.into(),
        plan,
        coordinator,
        hospitals,
        attacker,
    })
}

fn keys(node: &Path, payout: &Path) -> Result<NodeId, String> {
    let mut rng = entropy::generator().map_err(|e| e.to_string())?;
    let key = NodeKey::generate(&mut rng);
    keyfile::write(node, &key).map_err(|e| e.to_string())?;
    let secret = entropy::bytes().map_err(|e| e.to_string())?;
    let reward = PayoutKey::from_secret(&secret).map_err(|e| e.to_string())?;
    keyfile::write_secret(payout, reward.to_file().as_bytes()).map_err(|e| e.to_string())?;
    Ok(key.node_id())
}

fn plan(id: &NodeId, coordinator: &NodeId, masked: bool, rounds: u64) -> String {
    let mode = if masked {
        "[masking]\nmode = \"lwe\"\ncolluders = 1\nthreshold = 4\n\n[aggregation]\nrule = \"mean\"\n\n[score]\nkind = \"participation\"\n"
    } else {
        "[aggregation]\nrule = \"trimmed-mean\"\nbyzantine = 1\n\n[score]\nkind = \"leave-one-out\"\n"
    };
    let quorum = if masked { 4 } else { 3 };
    format!(
        "# Five hospitals learn to tell malignant from benign together.\n\
         [federation]\nid = \"{id}\"\nname = \"breast cancer demo\"\ncoordinator = \"{coordinator}\"\n\n\
         [rounds]\ncount = {rounds}\nquorum = {quorum}\nstage_seconds = 20\ngrace_seconds = 2\njoin_seconds = 30\n\n\
         [model]\nkind = \"logistic\"\n\n\
         [training]\nbatch = 52\nserver_learning_rate = 2.5\n\n\
         # A patient is the unit: each example's gradient is clipped before they are added up.\n\
         [privacy]\nunit = \"record\"\nrelation = \"zero-out\"\nclip = 1.0\nstep = 0.001\nnoise_multiplier = 2.4\ndelta = 1e-5\n\n\
         {mode}\n[reward]\nbudget = 1000000\n\n[data]\n{SCHEMA}"
    )
}
