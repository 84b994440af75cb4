//! Whole federations in one thread under one seed: losses, breaks, duplicates, reordering, crashes of either side between
//! any two outputs, members gone for good, slow and hostile ones; in the clear and masked.
//!
//! Every run must end with all rounds finished or with a clear quorum error, never with a wrong aggregate, never by
//! hanging. `XFL_WORLD_SEED=17 cargo test --release -p xfl-core --test world` runs one seed again;
//! `XFL_WORLD_SEEDS=10000` runs more.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "world/accuser.rs"]
mod accuser;
#[path = "world/cast.rs"]
mod cast;
#[path = "world/liar.rs"]
mod liar;
#[path = "world/member.rs"]
mod member;
#[path = "world/office.rs"]
mod office;
#[path = "world/runs.rs"]
mod runs;
#[path = "world/scenario.rs"]
mod scenario;
#[path = "world/sim.rs"]
mod sim;
#[path = "world/verdict.rs"]
mod verdict;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use self::{
    scenario::Class,
    sim::{End, World},
};

/// What runs of a class came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    seeds: u64,
    masked: u64,
    finished: u64,
    failed: u64,
    abandoned: u64,
    crashes: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.masked += other.masked;
        self.finished += other.finished;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.crashes += other.crashes;
    }
}

fn run(seed: u64) -> (Class, Tally) {
    let mut world = World::new(seed);
    let end = world.run();
    verdict::judge(&world, &end);
    let tally = Tally {
        seeds: 1,
        masked: world.scenario.plan.masked().into(),
        finished: (end == End::Finished).into(),
        failed: (end != End::Finished).into(),
        abandoned: world.office.abandoned,
        crashes: world.crashes,
    };
    (world.scenario.class, tally)
}

#[test]
fn every_world_ends_well_or_says_why() {
    if let Ok(seed) = std::env::var("XFL_WORLD_SEED") {
        let (class, tally) = run(seed.parse().unwrap());
        println!("{class:?} {tally:?}");
        return;
    }
    let seeds = std::env::var("XFL_WORLD_SEEDS").map_or(1_000, |s| s.parse().unwrap());
    let (next, results) = (
        AtomicU64::new(0),
        Mutex::new((BTreeMap::<Class, Tally>::new(), Vec::new())),
    );
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
            let mut results = results.lock().unwrap();
            match outcome {
                Ok((class, tally)) => results.0.entry(class).or_default().add(tally),
                Err(_) => results.1.push(seed),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (tallies, broken) = results.into_inner().unwrap();
    for (class, t) in &tallies {
        println!(
            "{class:<10?} {:>5} seeds ({} masked): {} finished, {} failed with quorum, {} attempts abandoned, {} crashes",
            t.seeds, t.masked, t.finished, t.failed, t.abandoned, t.crashes
        );
    }
    assert!(
        broken.is_empty(),
        "{} broken seeds: {broken:?}; run one again with XFL_WORLD_SEED=N",
        broken.len()
    );
    assert!(
        tallies.values().map(|t| t.finished).sum::<u64>() * 2 > seeds,
        "most worlds finish"
    );
    assert!(
        tallies[&Class::Hopeless].failed > 0 && tallies[&Class::Transient].crashes > 0,
        "faults are injected"
    );
}

#[test]
fn a_coordinator_that_lies_about_values_scores_or_rewards_is_noticed() {
    let mut tried = 0;
    for seed in (0..400).step_by(10).filter(|seed| seed % 4 != 3) {
        let mut world = World::new(seed);
        assert_eq!((world.scenario.class, world.run()), (Class::Calm, End::Finished));
        tried += liar::lies(&world);
    }
    assert!(tried > 5, "{tried} rounds had values to lie about");
}

#[test]
fn a_coordinator_that_gives_up_attempts_to_draw_another_coin_is_refused() {
    let (mut refused, mut given_up) = (0, 0);
    for seed in (0..400).step_by(20).filter(|seed| seed % 4 != 3) {
        let mut world = World::new(seed);
        assert_eq!((world.scenario.class, world.run()), (Class::Calm, End::Finished));
        let (no, yes) = liar::gives_up(&world);
        refused += no;
        given_up += yes;
    }
    assert!(refused > 100 && given_up > 20, "{refused} and {given_up}");
}
