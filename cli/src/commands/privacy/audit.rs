//! `xfl privacy audit`: a plan's protection attacked on the user's own data, and what that shows about epsilon.
//!
//! What is attacked is what an institution releases in the plan's rounds, made by the same code as in a federation. The institution is
//! alone: that others add their updates can only hide more. Everything happens in this process, and nothing leaves it.
//!
//! **Not here.** Modes distributed and central, whose promise is about the sum over institutions.

use std::path::PathBuf;

use xfl_core::{
    plan::Plan,
    seed::Seed,
    train::{Device, Limits, Model, Table},
};
use xfl_privacy::{Delta, Mechanism, Mode, Unit, audit::Confidence};

use crate::{
    failure::Failure,
    files,
    printer::{Outcome, Printer},
    progress::Evaluations,
};

mod attacks;
mod claim;
mod planted;
mod rehearsal;
mod report;

use attacks::Found;
use claim::Claim;
use rehearsal::{Entropy, Rehearsal, silent};
use report::{Audit, Report};

/// Arguments of `xfl privacy audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan whose protection is attacked.
    #[arg(
        value_name = "FEDERATION.toml",
        default_value = "federation.toml",
        env = "XFL_PLAN",
        hide_env_values = true
    )]
    plan: PathBuf,
    /// An institution's examples, in the plan's columns.
    #[arg(long, value_name = "FILE.csv", env = "XFL_DATA", hide_env_values = true)]
    data: PathBuf,
    /// What is tried: gradient (contributions of full length along axes: the worst case), mislabelled (records with wrong labels; mode
    /// local and unit record only), membership (the user's own records, by shadow models).
    #[arg(
        long = "attack",
        value_enum,
        value_delimiter = ',',
        default_values = ["gradient", "mislabelled", "membership"],
        env = "XFL_AUDIT_ATTACKS",
        hide_env_values = true
    )]
    attacks: Vec<Attack>,
    /// Attack the same training without noise too, to see the difference.
    #[arg(long, env = "XFL_AUDIT_WITHOUT", hide_env_values = true)]
    without: bool,
    /// Canaries of gradient and of mislabelled; more of them show more and take longer.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(3..=1_000_000), env = "XFL_CANARIES", hide_env_values = true)]
    canaries: u32,
    /// Models that the membership attack learns from.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=100_000), env = "XFL_SHADOWS", hide_env_values = true)]
    shadows: u64,
    /// Models that it attacks, each on all records.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000), env = "XFL_TARGETS", hide_env_values = true)]
    targets: u64,
    /// Rounds; the plan's where absent. The claim is that of so many.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000), env = "XFL_AUDIT_ROUNDS", hide_env_values = true)]
    rounds: Option<u64>,
    /// The probability with which all bounds on the plan's protection hold together.
    #[arg(
        long,
        default_value_t = 0.95,
        allow_negative_numbers = true,
        env = "XFL_CONFIDENCE",
        hide_env_values = true
    )]
    confidence: f64,
    /// Where noise comes from: the seed, or the operating system through OpenDP as in a round.
    #[arg(long, value_enum, default_value_t = Entropy::Seed, env = "XFL_AUDIT_ENTROPY", hide_env_values = true)]
    entropy: Entropy,
    /// Decides canaries, coins, batches and seeded noise.
    #[arg(long, default_value_t = 0, env = "XFL_SEED", hide_env_values = true)]
    seed: u64,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Attack {
    Gradient,
    Mislabelled,
    Membership,
}

impl Attack {
    fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::Mislabelled => "mislabelled",
            Self::Membership => "membership",
        }
    }

    /// Whether no two canaries share noise.
    fn independent(self) -> bool {
        self == Self::Gradient
    }
}

/// What every attack of one command shares.
struct Scene {
    plan: Plan,
    model: Box<dyn Model>,
    examples: Table,
    mechanism: Mechanism,
    delta: Delta,
    rounds: u64,
}

/// Runs the command.
pub(super) fn run(args: &Args, printer: &Printer) -> Result<Outcome, Failure> {
    let confidence = Confidence::new(args.confidence).map_err(hinted("--confidence"))?;
    let scene = Scene::open(args)?;
    let mut attacks = Vec::new();
    let mode = scene.mechanism.mode();
    for attack in &args.attacks {
        let fits = *attack != Attack::Mislabelled || (scene.mechanism.unit() == Unit::Record && mode == Mode::Local);
        if !fits {
            printer.warn("mislabelled needs a plan of mode local and unit record: left out");
        } else if !attacks.contains(attack) {
            attacks.push(*attack);
        }
    }
    if attacks.is_empty() {
        return Err(Failure::usage("no attack is left").hint("write --attack gradient,membership"));
    }
    let claim = Claim::of(&scene.mechanism, scene.rounds, scene.delta);
    let protections = [("plan", scene.mechanism)].into_iter();
    let silent = silent(&scene.mechanism).map_err(|error| Failure::failed(error.to_string()))?;
    let protections: Vec<_> = protections.chain(args.without.then_some(("none", silent))).collect();
    let total: u64 = attacks.iter().map(|attack| scene.runs(*attack, args)).sum();
    let bar = Evaluations::of("runs", *printer, total.saturating_mul(protections.len() as u64));
    // So that all bounds together fail with the probability that was asked for.
    let bounds: usize = attacks
        .iter()
        .map(|attack| if attack.independent() { 3 } else { 1 })
        .sum();
    let each = Confidence::new(1.0 - confidence.error() / bounds as f64).map_err(hinted("--confidence"))?;
    let mut audits = Vec::new();
    for (protection, mechanism) in protections {
        for attack in &attacks {
            let found = scene.attack(*attack, mechanism, args, &|| bar.tick())?;
            audits.push(Audit::of(*attack, protection, found, (mode, scene.delta), each)?);
        }
    }
    bar.clear();
    Report {
        plan: &args.plan,
        claim: &claim,
        confidence,
        audits,
    }
    .outcome()
}

fn hinted(flag: &'static str) -> impl Fn(xfl_privacy::audit::AuditError) -> Failure {
    move |error| {
        let text = error.to_string();
        match text.split_once("; ") {
            Some((what, hint)) => Failure::usage(format!("{flag}: {what}")).hint(hint),
            None => Failure::usage(format!("{flag}: {text}")),
        }
    }
}

impl Scene {
    fn open(args: &Args) -> Result<Self, Failure> {
        let plan = files::plan(&args.plan)?;
        let terms = plan.terms();
        let examples = Table::open(&args.data, &terms.data, Limits::default())?;
        let model = terms.model.build(&terms.data, Device::Cpu)?;
        let delta = Delta::new(terms.privacy.delta).map_err(|error| Failure::usage(error.to_string()))?;
        let mechanism = plan.mechanism(model.dimension())?;
        let mode = mechanism.mode();
        if !matches!(mode, Mode::Local | Mode::DpSgd) {
            let why = match mode {
                Mode::DpFtrl => "carries noise from round to round, and what is audited is one round by itself",
                _ => "protects the sum over institutions, and what is audited is what one of them sends",
            };
            let what = format!("mode {mode} {why}");
            return Err(Failure::usage(what).hint("name a plan with mode = \"local\" or \"dp-sgd\""));
        }
        Ok(Self {
            mechanism,
            rounds: args.rounds.unwrap_or(terms.rounds.count),
            plan,
            model,
            examples,
            delta,
        })
    }

    fn rehearsal(&self, mechanism: Mechanism, entropy: Entropy) -> Rehearsal<'_> {
        Rehearsal {
            plan: &self.plan,
            model: self.model.as_ref(),
            mechanism,
            rounds: self.rounds,
            entropy,
        }
    }

    /// How often an attack trains.
    fn runs(&self, attack: Attack, args: &Args) -> u64 {
        let canaries = args.canaries as usize;
        match attack {
            Attack::Gradient => {
                let rehearsal = self.rehearsal(self.mechanism, args.entropy);
                attacks::runs(canaries, attacks::axes(&rehearsal, canaries))
            }
            Attack::Mislabelled => attacks::runs(canaries, attacks::wrong_labels(&self.examples, canaries)),
            Attack::Membership => args.shadows + args.targets,
        }
    }

    fn attack(
        &self,
        attack: Attack,
        mechanism: Mechanism,
        args: &Args,
        tick: &(dyn Fn() + Sync),
    ) -> Result<Found, Failure> {
        let rehearsal = self.rehearsal(mechanism, args.entropy);
        let (canaries, seed) = (args.canaries as usize, Seed::from_number(args.seed));
        let found = match attack {
            Attack::Gradient => attacks::gradient(&rehearsal, &self.examples, canaries, &seed, tick),
            Attack::Mislabelled => attacks::mislabelled(&rehearsal, &self.examples, canaries, &seed, tick),
            Attack::Membership => {
                let models = (args.shadows, args.targets);
                attacks::membership(&rehearsal, &self.examples, models, &seed, tick)
            }
        };
        Ok(found?)
    }
}
