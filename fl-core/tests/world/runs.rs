//! Two runs of one plan, with the same members and keys: what is said in one counts for nothing in the other.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use xfl_core::{
    identity::Signature,
    institution::{Identity, Institution, InstitutionError, Note, Output, Release},
    message::{Beginning, Envelope, MessageError, Order, Parcel, Welcome},
    round::{RoundError, Rounds, commit::Protected},
    transcript::{Entry, Genesis},
};

use crate::{
    cast::{self, COORDINATOR, PLAYERS},
    sim::World,
};

fn begun(run: u8) -> Genesis {
    let mut genesis = cast::genesis(&World::new(0).scenario);
    genesis.run = [run; 16];
    genesis.sign(&COORDINATOR)
}

fn member() -> Institution {
    restored(Vec::new())
}

fn restored(notes: Vec<Note>) -> Institution {
    let identity = Identity {
        node: PLAYERS[0].key.clone(),
        payout: PLAYERS[0].payout.clone(),
        payout_chain: None,
        rng: Box::new(ChaCha20Rng::from_seed([5; 32])),
    };
    Institution::restore(identity, COORDINATOR.node_id(), notes).unwrap()
}

/// A greeting into a run that `genesis` begins, said as one of the run that begins with `said_of`.
fn greeting(genesis: &Genesis, said_of: Beginning) -> Vec<u8> {
    let welcome = Welcome {
        height: 1,
        genesis: postcard::to_stdvec(genesis).unwrap(),
        seen: None,
    };
    Parcel::bare(Envelope::seal(&COORDINATOR, said_of, 0, 0, &Order::Welcome(welcome))).encode()
}

fn foreign(expected: &Genesis, got: &Genesis) -> MessageError {
    MessageError::Beginning {
        expected: expected.beginning(),
        got: got.beginning(),
    }
}

#[test]
fn what_is_said_in_one_run_counts_for_nothing_in_another() {
    let (one, two) = (begun(1), begun(2));
    let mut member = member();
    member.order(&greeting(&one, one.beginning())).unwrap();
    let join = std::iter::from_fn(|| member.poll()).find_map(|output| match output {
        Output::Send(parcel) => Some(parcel),
        _ => None,
    });
    let join = Entry::Accepted(join.unwrap());
    let mut rounds = [&one, &two].map(|genesis| Rounds::begin(genesis.clone()).unwrap());
    rounds[0].apply(&join, None).unwrap();
    let refused = rounds[1].apply(&join, None).unwrap_err();
    assert_eq!(refused, RoundError::Message(foreign(&two, &one)));

    // Nor does the member follow its coordinator into the other one.
    let refused = member.order(&greeting(&two, two.beginning())).unwrap_err();
    assert_eq!(refused, InstitutionError::AnotherRun);
}

#[test]
fn a_greeting_is_of_the_beginning_that_it_tells() {
    let (one, two) = (begun(1), begun(2));
    let mut known = member();
    known.order(&greeting(&one, one.beginning())).unwrap();
    for member in [&mut known, &mut member()] {
        let refused = member.order(&greeting(&two, one.beginning())).unwrap_err();
        assert!(matches!(refused, InstitutionError::Refused(_)), "{refused}");
    }
}

#[test]
fn all_that_a_run_begins_with_is_in_every_message() {
    let one = begun(1);
    let changes: [fn(&mut Genesis); 8] = [
        |g| g.plan.push(' '),
        |g| g.members[0].name.push(' '),
        |g| g.model[0] += 1.0,
        |g| g.held_out = None,
        |g| g.run[0] ^= 1,
        |g| g.contracts.rounds[0] ^= 1,
        |g| g.mirrors.clear(),
        |g| g.at += 1,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut other = one.clone();
        change(&mut other);
        assert_ne!(other.beginning(), one.beginning(), "change {i}");
    }
    let mut again = one.clone();
    again.signature = Signature([0; 64]);
    assert_eq!(again.beginning(), one.beginning());
}

/// A coordinator that has the member train for later rounds, waits until it is started again and then asks for an earlier one: it would be drawn a
/// second time for what was paid once.
#[test]
fn nobody_goes_back_to_a_round_before_the_last_release() {
    let scenario = (0..).map(|seed| World::new(seed).scenario).find(|s| !s.plan.masked());
    let mut genesis = cast::genesis(&scenario.unwrap());
    for count in 1..=3 {
        let (rounds, more) = (format!("[rounds]\ncount = {count}\n"), "[rounds]\ncount = 4\n");
        genesis.plan = genesis.plan.replace(&rounds, more);
    }
    let genesis = genesis.sign(&COORDINATOR);
    let model: Vec<u8> = genesis.model.iter().flat_map(|v| v.to_le_bytes()).collect();
    let cohort: Vec<_> = genesis.members.iter().map(|member| member.id).collect();
    let begin = |at: (u64, u32)| {
        let order = Order::Begin {
            model: *blake3::hash(&model).as_bytes(),
            cohort: cohort.clone(),
            scale: 1f64.to_bits(),
        };
        let envelope = Envelope::seal(&COORDINATOR, genesis.beginning(), at.0, at.1, &order);
        let attachment = model.clone();
        Parcel { envelope, attachment }.encode()
    };
    let mut notes = Vec::new();
    let wishes = |member: &mut Institution, notes: &mut Vec<Note>| {
        let mut wishes = Vec::new();
        while let Some(output) = member.poll() {
            match output {
                Output::Train(wish) => {
                    let rounds = member.rounds().unwrap();
                    let release = Release {
                        values: vec![0; rounds.update_len()],
                        salt_secret: [1; 32],
                        protected: Protected::of(rounds.mechanism()),
                        charged: wish.charge.0,
                        budget_head: [wish.charge.0 as u8; 32],
                    };
                    wishes.push(wish.charge);
                    member.trained(wish.charge, release).unwrap();
                }
                Output::Remember(note) => notes.push(note),
                _ => {}
            }
        }
        wishes
    };
    let mut first = member();
    first.order(&greeting(&genesis, genesis.beginning())).unwrap();
    for round in 1..=3 {
        first.order(&begin((round, 0))).unwrap();
        assert_eq!(wishes(&mut first, &mut notes), [(round, 0)]);
    }
    let mut again = restored(notes.clone());
    again.order(&greeting(&genesis, genesis.beginning())).unwrap();
    for at in [(1, 0), (1, 7), (2, 0)] {
        again.order(&begin(at)).unwrap();
        assert_eq!(wishes(&mut again, &mut notes), [], "asked for {at:?}");
    }
    // The last one is committed to again as it was, and not drawn again.
    again.order(&begin((3, 1))).unwrap();
    assert_eq!(wishes(&mut again, &mut notes), []);
    again.order(&begin((4, 0))).unwrap();
    assert_eq!(wishes(&mut again, &mut notes), [(4, 0)]);
}
