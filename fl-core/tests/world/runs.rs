//! Two runs of one plan, with the same members and keys: what is said in one counts for nothing in the other.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use xfl_core::{
    identity::Signature,
    institution::{Identity, Institution, InstitutionError, Output},
    message::{Beginning, Envelope, MessageError, Order, Parcel, Welcome},
    round::{RoundError, Rounds},
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
    let identity = Identity {
        node: PLAYERS[0].key.clone(),
        payout: PLAYERS[0].payout.clone(),
        payout_chain: None,
        rng: Box::new(ChaCha20Rng::from_seed([5; 32])),
    };
    Institution::restore(identity, COORDINATOR.node_id(), []).unwrap()
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
