//! What a seed means: who is there, what is agreed, what goes wrong.

use xfl_core::{plan::Plan, seed::Stream};

/// Milliseconds of virtual time.
pub(crate) type Millis = u64;

/// What kind of trouble a seed stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Nothing goes wrong.
    Calm,
    /// Losses, breaks, duplicates, reordering and crashes, none of them for good.
    Transient,
    /// The same, and as many members gone for good, slow or hostile as the quorum can bear.
    Tolerable,
    /// More members gone for good than the quorum can bear.
    Hopeless,
}

/// What a member is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    /// Does what it should.
    Honest,
    /// Honest, and dies for good before its n-th output.
    Mortal(u64),
    /// Honest, and never trains in time.
    Slow,
    /// Honest, and its training fails now and then.
    Decliner,
    /// Sends an update over the norm.
    Oversized,
    /// Commits to the root of another member.
    Copier,
    /// Commits to two roots, the wrong one first.
    Equivocator,
    /// Commits and never shows what to.
    Withholder,
    /// Sends bytes that are no message.
    Babbler,
}

impl Character {
    /// Whether it keeps to the protocol.
    pub(crate) fn honest(self) -> bool {
        matches!(self, Self::Honest | Self::Mortal(_) | Self::Slow | Self::Decliner)
    }
}

/// Chances in a million, each for one message or one output.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) delayed: u64,
    pub(crate) broken: u64,
    pub(crate) member_crash: u64,
    pub(crate) coordinator_crash: u64,
}

/// A world before it begins.
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) class: Class,
    pub(crate) plan: Plan,
    pub(crate) d: usize,
    pub(crate) characters: Vec<Character>,
    pub(crate) rates: Rates,
    /// When faults that are not for good end.
    pub(crate) quiet: Millis,
    /// Whether a node outside the federation knocks.
    pub(crate) outsider: bool,
    /// How late each member connects for the first time.
    pub(crate) arrivals: Vec<Millis>,
}

/// Seconds of a stage in every plan here.
pub(crate) const STAGE: Millis = 60_000;

impl Scenario {
    /// The scenario of a seed.
    pub(crate) fn of(seed: u64, random: &mut Stream, coordinator: &str) -> Self {
        let masked = seed % 4 == 3;
        let class = match seed % 10 {
            0 => Class::Calm,
            1..=4 => Class::Transient,
            5..=8 => Class::Tolerable,
            _ => Class::Hopeless,
        };
        // Small worlds are cheaper, and their quorums as easily lost.
        let n = [3, 3, 3, 4, 4, 5, 5, 7][random.below(8) as usize];
        let (n, quorum, threshold) = match (masked, n) {
            (true, 3) => (3, 3, 3),
            (true, 4) => (4, 3, 3),
            (true, 7) => (7, 5, 5),
            (true, _) => (5, 4, 4),
            (false, n) => (n, 2 + random.below(n as u64 - 2) as usize, 0),
        };
        // A few worlds have updates of more than one part.
        let large = !masked && seed % 400 == 16;
        let d = if large { 70_000 } else { 1 + random.below(30) as usize };
        let n = if large { 3 } else { n };
        let quorum = quorum.min(n);
        let attempts = if class == Class::Hopeless { 3 } else { 30 };
        // Modes that protect a sum, and a clip norm that adapts, look at no single updates.
        let mode = match (masked, random.below(5)) {
            (true, 0..=2) => "mode = \"distributed\"\n",
            (false, 0) if !large => "mode = \"distributed\"\ntrust_coordinator = true\ndishonest = 1\n",
            (false, 1) if !large => "mode = \"central\"\ntrust_coordinator = true\n",
            _ => "",
        };
        let adaptive = match (masked || !mode.is_empty(), random.below(2)) {
            (true, 0) => "clip_quantile = 0.5\ncount_noise = 2.0\n",
            _ => "",
        };
        let sums = masked || !mode.is_empty();
        let rule = if sums {
            "rule = \"mean\"".to_owned()
        } else {
            rule(n, quorum, d, random)
        };
        let score = match sums {
            true => "participation",
            false => SCORERS[random.below(SCORERS.len() as u64) as usize],
        };
        let server = SERVERS[random.below(SERVERS.len() as u64) as usize];
        let copies = if !sums && random.below(3) == 0 {
            "copies_ppm = 999000\n"
        } else {
            ""
        };
        let masking = if masked {
            format!("[masking]\nmode = \"lwe\"\nthreshold = {threshold}\n")
        } else {
            String::new()
        };
        let count = if large {
            1
        } else {
            [1, 1, 1, 2, 2, 3][random.below(6) as usize]
        };
        let text = format!(
            "[federation]\nid = \"{:064x}\"\nname = \"world {seed}\"\ncoordinator = \"{coordinator}\"\n\
             [rounds]\ncount = {count}\nquorum = {quorum}\nstage_seconds = {}\ngrace_seconds = {}\njoin_seconds = {}\nattempts = {attempts}\n\
             [model]\nkind = \"logistic\"\n[training]\nbatch = 8\n{server}\
             [privacy]\nunit = \"institution\"\nclip = 1.0\nstep = {}\nnoise_multiplier = 1.0\n{mode}{adaptive}{masking}\
             [aggregation]\n{rule}\n[score]\nkind = \"{score}\"\n[reward]\nbudget = 1000003\n{copies}\
             [data]\ntask = \"classification\"\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\ncolumns = [{{ prefix = \"p\", count = 4 }}]\n",
            seed + 1,
            STAGE / 1000,
            [0, 1, 5][random.below(3) as usize],
            [0, 2, 10][random.below(3) as usize],
            if large { "0.0005" } else { "0.01" },
        );
        let plan = Plan::parse(&text, "federation.toml").unwrap();
        let characters = characters(class, masked, n, quorum, random);
        let rates = if class == Class::Calm {
            Rates::default()
        } else {
            rates(random)
        };
        Self {
            seed,
            class,
            plan,
            d,
            characters,
            rates,
            quiet: 60_000 + random.below(600_000),
            outsider: random.below(4) == 0,
            arrivals: (0..n).map(|_| random.below(8_000)).collect(),
        }
    }

    /// Whether every run must end with all rounds finished.
    pub(crate) fn must_finish(&self) -> bool {
        self.class != Class::Hopeless
    }
}

const SCORERS: &[&str] = &[
    "participation",
    "cosine",
    "cgsv",
    "leave-one-out",
    "leave-one-out",
    "shapley",
    "truncated-shapley",
    "gtg-shapley",
];

const SERVERS: &[&str] = &[
    "",
    "",
    "server = \"fedavgm\"\n",
    "server = \"fedadagrad\"\n",
    "server = \"fedadam\"\nserver_tau = 0.01\n",
    "server = \"fedyogi\"\nserver_decay = 0.9\n",
];

/// A rule that a quorum is enough for, and now and then something before it.
fn rule(n: usize, quorum: usize, d: usize, random: &mut Stream) -> String {
    let by_need: &[(usize, &str)] = &[
        (1, "mean"),
        (1, "weighted-mean"),
        (2, "median"),
        (2, "sign-majority"),
        (2, "geometric-median"),
        (2, "centered-clipping"),
        (2, "norm-clipping"),
        (3, "trimmed-mean"),
        (3, "meamed"),
        (3, "mda"),
        (3, "caf"),
        (3, "smea"),
        (3, "dnc"),
        (3, "flame"),
        // Rows that all point one way, as few of few coordinates may, it trusts none of.
        (if d < 20 { usize::MAX } else { 3 }, "foolsgold"),
        (5, "krum"),
        (5, "multi-krum"),
        (7, "bulyan"),
    ];
    let fitting: Vec<_> = by_need.iter().filter(|(need, _)| *need <= quorum).collect();
    let (need, name) = fitting[random.below(fitting.len() as u64) as usize];
    let f = usize::from(*need > 2);
    let pre = match random.below(6) {
        0 if quorum >= 3 => "pre = [\"nnm\"]\n",
        1 => "pre = [\"clipping\", \"arc\"]\nnorm = 0.5\n",
        2 if quorum.div_ceil(2) >= *need && !["foolsgold", "weighted-mean"].contains(name) => "pre = [\"bucketing\"]\n",
        _ => "",
    };
    let weights = if *name == "weighted-mean" {
        weights(n, random)
    } else {
        String::new()
    };
    format!("rule = \"{name}\"\nbyzantine = {f}\n{pre}{weights}")
}

/// Weights for some of the n members, the second one's above the cap.
fn weights(n: usize, random: &mut Stream) -> String {
    let cap = 2 + random.below(20);
    let of = |(i, player): (usize, &crate::cast::Player), random: &mut Stream| {
        let weight = if i == 1 { cap + 5 } else { 1 + random.below(cap) };
        format!("\"{}\" = {weight}", player.key.node_id())
    };
    let players = crate::cast::PLAYERS.iter().take(n).enumerate();
    let named: Vec<String> = players.skip(1).step_by(2).map(|player| of(player, random)).collect();
    format!("weight_cap = {cap}\nweights = {{ {} }}\n", named.join(", "))
}

fn rates(random: &mut Stream) -> Rates {
    let mut up_to = |most: u64| if random.below(3) == 0 { 0 } else { random.below(most) };
    Rates {
        lost: up_to(150_000),
        doubled: up_to(150_000),
        delayed: up_to(250_000),
        broken: up_to(40_000),
        member_crash: up_to(40_000),
        coordinator_crash: up_to(25_000),
    }
}

fn characters(class: Class, masked: bool, n: usize, quorum: usize, random: &mut Stream) -> Vec<Character> {
    let mut all = vec![Character::Honest; n];
    let places = random.permutation(n);
    let bad = match class {
        Class::Calm | Class::Transient => 0,
        Class::Tolerable => n - quorum,
        Class::Hopeless => n - quorum + 1,
    };
    for place in places.into_iter().take(bad) {
        all[place] = match (class, random.below(8)) {
            (Class::Hopeless, _) | (_, 0) => Character::Mortal(1 + random.below(40)),
            (_, 1) => Character::Slow,
            (_, 2) => Character::Decliner,
            (_, 3) => Character::Babbler,
            _ if masked => Character::Mortal(1 + random.below(40)),
            (_, 4) => Character::Oversized,
            (_, 5) => Character::Copier,
            (_, 6) => Character::Equivocator,
            _ => Character::Withholder,
        };
    }
    all
}
