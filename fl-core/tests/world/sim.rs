//! One thread, one seed, one virtual clock: a coordinator, institutions, the links between them and what befalls them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use xfl_core::{
    coordinator::Output as Does,
    identity::NodeId,
    institution::{Output, Release, Wish},
    message::Parcel,
    seed::{Seed, Stream},
};
use xfl_privacy::{Noise, RehearsalNoise};

use crate::{
    cast::{self, COORDINATOR, OUTSIDER},
    member::{Charge, Host},
    office::Office,
    scenario::{Character, Millis, Rates, STAGE, Scenario},
};

/// Virtual time by which every run must be over: two days.
const LIMIT: Millis = 2 * 24 * 3_600_000;
/// Events that no run needs.
const EVENTS: u64 = 300_000;
/// How long the coordinator stays for farewells.
const LINGER: Millis = 60_000;

pub(crate) enum Event {
    Dial {
        member: usize,
    },
    ToOffice {
        connection: u64,
        bytes: Vec<u8>,
    },
    ToMember {
        connection: u64,
        member: usize,
        bytes: Vec<u8>,
    },
    Ended {
        connection: u64,
        member: usize,
    },
    Gone {
        connection: u64,
    },
    Trained {
        member: usize,
        life: u64,
        charge: Charge,
        result: Option<Release>,
    },
    Raise {
        member: usize,
    },
    Reopen,
    Tick {
        generation: u64,
    },
    Posted {
        life: u64,
    },
    Knock,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Finished,
    Failed(String),
}

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) office: Office,
    pub(crate) members: Vec<Host>,
    pub(crate) crashes: u64,
    random: Stream,
    noise: Stream,
    now: Millis,
    queue: BinaryHeap<Reverse<(Millis, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    connections: u64,
    /// Connections that still carry.
    alive: BTreeMap<u64, usize>,
    /// When the last message on each direction of a connection arrives.
    last: BTreeMap<(u64, bool), Millis>,
    generation: u64,
    drops: BTreeMap<usize, u64>,
    end: Option<(Millis, End)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let root = Seed::from_number(seed).derive("world", &[]);
        let mut random = root.derive("faults", &[]).stream();
        let scenario = Scenario::of(seed, &mut random, &COORDINATOR.node_id().to_string());
        let genesis = cast::genesis(&scenario);
        let members = scenario
            .characters
            .iter()
            .enumerate()
            .map(|(i, c)| Host::new(i, *c))
            .collect();
        let mut world = Self {
            office: Office::new(&genesis),
            members,
            crashes: 0,
            random,
            noise: root.derive("noise", &[]).stream(),
            now: 1_000,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            count: 0,
            connections: 0,
            alive: BTreeMap::new(),
            last: BTreeMap::new(),
            generation: 0,
            drops: BTreeMap::new(),
            end: None,
            scenario,
        };
        for (member, at) in world.scenario.arrivals.clone().into_iter().enumerate() {
            world.members[member].start(seed);
            world.after(at, Event::Dial { member });
        }
        if world.scenario.outsider {
            world.after(3_000, Event::Knock);
        }
        world
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) -> End {
        self.office.start(self.now);
        self.attend();
        loop {
            let Some(Reverse((at, number))) = self.queue.pop() else {
                match &self.end {
                    Some((_, end)) => return end.clone(),
                    None => panic!("a hang: nothing is under way at {} ms", self.now),
                }
            };
            let Some(event) = self.events.remove(&number) else {
                continue;
            };
            assert!(
                number < EVENTS && at < LIMIT,
                "a hang: {number} events, {at} ms, {}",
                self.situation()
            );
            self.now = at;
            if let Some((since, end)) = &self.end {
                let waiting = self
                    .members
                    .iter()
                    .any(|m| m.character.honest() && !m.dead && !m.finished);
                if *end != End::Finished || !waiting || at > since + LINGER {
                    return end.clone();
                }
            }
            self.happen(event);
        }
    }

    fn situation(&self) -> String {
        let machine = self.office.machine.as_ref();
        let place = machine.map(|m| (m.rounds().position(), m.rounds().phase(), m.ready().len()));
        format!("{place:?} of {:?}, {:?}", self.scenario.class, self.scenario.characters)
    }

    fn after(&mut self, delay: Millis, event: Event) {
        self.count += 1;
        self.events.insert(self.count, event);
        self.queue.push(Reverse((self.now + delay, self.count)));
    }

    fn rates(&self) -> Rates {
        if self.now > self.scenario.quiet || self.end.is_some() {
            Rates::default()
        } else {
            self.scenario.rates
        }
    }

    fn happens(&mut self, parts_per_million: u64) -> bool {
        self.random.below(1_000_000) < parts_per_million
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Dial { member } => self.dial(member),
            Event::ToOffice { connection, bytes } => {
                let Some(from) = self.office.connections.get(&connection).copied() else {
                    return;
                };
                if let Some(machine) = &mut self.office.machine {
                    machine.message(now, from, &bytes);
                }
                self.attend();
            }
            Event::ToMember {
                connection,
                member,
                bytes,
            } => {
                if self.members[member].connection != Some(connection) {
                    return;
                }
                let host = &mut self.members[member];
                if let Err(error) = host.order(&bytes) {
                    assert!(
                        !host.character.honest(),
                        "{member} must stop: {error}; {}",
                        self.situation()
                    );
                    self.stop(member);
                }
                self.perform(member);
            }
            Event::Ended { connection, member } => {
                let host = &mut self.members[member];
                if host.connection == Some(connection) {
                    host.connection = None;
                    if let Some(machine) = &mut host.machine {
                        machine.disconnected();
                    }
                    let pause = 100 + self.random.below(3_000);
                    self.after(pause, Event::Dial { member });
                }
            }
            Event::Gone { connection } => {
                if let Some(id) = self.office.connections.remove(&connection) {
                    // A newer connection of the node counts, this one's end then means nothing.
                    let newer = self.office.connections.values().any(|other| *other == id);
                    if let (Some(machine), false) = (&mut self.office.machine, newer) {
                        machine.disconnected(now, id);
                    }
                    self.attend();
                }
            }
            Event::Trained {
                member,
                life,
                charge,
                result,
            } => self.trained(member, life, charge, result),
            Event::Raise { member } => {
                let seed = self.scenario.seed;
                self.members[member].start(seed);
                self.dial(member);
            }
            Event::Reopen => {
                self.office.start(now);
                self.attend();
            }
            Event::Tick { generation } => {
                if generation == self.generation {
                    if let Some(machine) = &mut self.office.machine {
                        machine.tick(now);
                    }
                    self.attend();
                }
            }
            Event::Posted { life } => {
                if life == self.office.life {
                    if let Some(machine) = &mut self.office.machine {
                        machine.posted(now, [1; 32], now);
                    }
                    self.attend();
                }
            }
            Event::Knock => {
                if let Some(machine) = &mut self.office.machine {
                    machine.connected(now, *OUTSIDER);
                    machine.message(now, *OUTSIDER, b"let me in");
                    machine.disconnected(now, *OUTSIDER);
                }
                self.attend();
            }
        }
    }

    fn dial(&mut self, member: usize) {
        let host = &self.members[member];
        if host.dead || host.machine.is_none() || host.connection.is_some() || host.finished {
            return;
        }
        let id = host.id();
        let Some(machine) = &mut self.office.machine else {
            let pause = 200 + self.random.below(2_000);
            return self.after(pause, Event::Dial { member });
        };
        self.connections += 1;
        let connection = self.connections;
        // A new connection of a node replaces its old one, whose end is told first.
        let old: Vec<u64> = self
            .office
            .connections
            .iter()
            .filter(|(_, o)| **o == id)
            .map(|(c, _)| *c)
            .collect();
        for connection in old {
            self.office.connections.remove(&connection);
            self.alive.remove(&connection);
            machine.disconnected(self.now, id);
        }
        self.office.connections.insert(connection, id);
        self.alive.insert(connection, member);
        self.members[member].connection = Some(connection);
        machine.connected(self.now, id);
        if self.members[member].character == Character::Babbler {
            let mut bytes = vec![0; self.random.below(200) as usize];
            self.random.fill(&mut bytes);
            self.after(20, Event::ToOffice { connection, bytes });
        }
        self.attend();
    }

    /// Puts a message on its way, or not, or twice.
    fn carry(&mut self, connection: u64, to_office: bool, bytes: Vec<u8>) {
        let Some(member) = self.alive.get(&connection).copied() else {
            return;
        };
        let rates = self.rates();
        if self.happens(rates.broken) {
            return self.tear(connection);
        }
        let copies = if self.happens(rates.lost) {
            0
        } else {
            1 + usize::from(self.happens(rates.doubled))
        };
        for _ in 0..copies {
            let mut at = self.now + 1 + self.random.below(40);
            if self.happens(rates.delayed) {
                at += self.random.below(6_000);
            } else {
                let last = self.last.entry((connection, to_office)).or_default();
                at = at.max(*last);
                *last = at;
            }
            let bytes = bytes.clone();
            let event = match to_office {
                true => Event::ToOffice { connection, bytes },
                false => Event::ToMember {
                    connection,
                    member,
                    bytes,
                },
            };
            self.after(at - self.now, event);
        }
    }

    /// A connection breaks; each side notices in its own time.
    fn tear(&mut self, connection: u64) {
        if let Some(member) = self.alive.remove(&connection) {
            let (here, there) = (self.random.below(2_000), self.random.below(2_000));
            self.after(here, Event::Ended { connection, member });
            self.after(there, Event::Gone { connection });
        }
    }

    /// A hostile member's program gave up, or was cut off too often.
    fn stop(&mut self, member: usize) {
        if let Some(connection) = self.members[member].connection {
            self.tear(connection);
        }
        self.members[member].crash();
        self.members[member].dead = true;
    }

    fn member_falls(&mut self, member: usize) {
        self.crashes += 1;
        if let Some(connection) = self.members[member].connection {
            self.tear(connection);
        }
        self.members[member].crash();
        let pause = 100 + self.random.below(8_000);
        self.after(pause, Event::Raise { member });
    }

    /// Performs what an institution asks for; it may fall between any two outputs.
    fn perform(&mut self, member: usize) {
        while let Some(output) = self.members[member]
            .machine
            .as_mut()
            .and_then(xfl_core::institution::Institution::poll)
        {
            let rates = self.rates();
            let host = &mut self.members[member];
            host.outputs += 1;
            if matches!(host.character, Character::Mortal(n) if host.outputs >= n) {
                return self.stop(member);
            }
            if self.happens(rates.member_crash) {
                return self.member_falls(member);
            }
            let host = &mut self.members[member];
            match output {
                Output::Remember(note) => host.remember(&note),
                Output::Send(parcel) => self.send(member, parcel),
                Output::Train(wish) => self.train(member, &wish),
                Output::Signed { .. } => {}
                Output::Finished => {
                    host.finished = true;
                    assert!(
                        host.machine
                            .as_ref()
                            .is_some_and(|m| m.rounds().is_some_and(|r| r.all_done()))
                    );
                }
            }
        }
    }

    fn send(&mut self, member: usize, parcel: Parcel) {
        let masked = self.scenario.plan.masked();
        let host = &mut self.members[member];
        if host.character.honest() {
            host.leaves(&parcel, masked);
        }
        let Some(connection) = host.connection else { return };
        let id = host.id();
        let copied = self
            .office
            .roots
            .iter()
            .find(|(other, _)| *other != id)
            .map(|(_, root)| *root);
        for parcel in self.members[member].twist(parcel, copied) {
            self.carry(connection, true, parcel.encode());
        }
    }

    fn train(&mut self, member: usize, wish: &Wish) {
        let charge = wish.charge;
        let host = &mut self.members[member];
        assert_eq!(host.training, None, "{member} is asked to train twice at once");
        host.training = Some(charge);
        let life = host.life;
        let failed = host.character == Character::Decliner && self.random.below(2) == 0;
        let takes = match host.character {
            Character::Slow => STAGE + self.random.below(2 * STAGE),
            _ => 50 + self.random.below(2_000),
        };
        let result = (!failed).then(|| host.release(wish, &self.scenario.plan, &mut self.noise));
        self.after(
            takes,
            Event::Trained {
                member,
                life,
                charge,
                result,
            },
        );
    }

    fn trained(&mut self, member: usize, life: u64, charge: Charge, result: Option<Release>) {
        let host = &mut self.members[member];
        if host.life != life || host.dead {
            return;
        }
        host.training = None;
        let Some(machine) = &mut host.machine else { return };
        match result {
            Some(release) => machine.trained(charge, release).unwrap(),
            None => machine.untrained(charge),
        }
        self.perform(member);
    }

    fn office_falls(&mut self) {
        self.crashes += 1;
        for connection in self.office.connections.keys().copied().collect::<Vec<_>>() {
            self.tear(connection);
        }
        self.office.crash();
        let pause = 100 + self.random.below(5_000);
        self.after(pause, Event::Reopen);
    }

    /// Performs what the coordinator asks for; it may fall between any two outputs.
    fn attend(&mut self) {
        while let Some(does) = self
            .office
            .machine
            .as_mut()
            .and_then(xfl_core::coordinator::Coordinator::poll)
        {
            let rates = self.rates();
            if self.happens(rates.coordinator_crash) {
                return self.office_falls();
            }
            match does {
                Does::Journal { entry, frame } => self.office.append(&entry, frame),
                Does::Keep { at, dealer, sealed } => self.office.keep(at, dealer, sealed),
                Does::Send { to, parcel } => self.tell(to, &parcel),
                Does::SendTranscript { to, envelope, from } => {
                    let attachment = self.office.from(from);
                    self.tell(to, &Parcel { envelope, attachment });
                }
                Does::Drop { peer, reason } => self.cut_off(peer, &reason),
                Does::Admit(_) => {}
                Does::Post { header, signatures } => {
                    let machine = self.office.machine.take();
                    let rounds = machine.as_ref().map(|m| m.rounds());
                    self.office.post(&header, &signatures, rounds.unwrap());
                    self.office.machine = machine;
                    let (takes, life) = (10 + self.random.below(3_000), self.office.life);
                    self.after(takes, Event::Posted { life });
                }
                Does::Noise => {
                    let mut seed = [0; 32];
                    self.random.fill(&mut seed);
                    if let Some(machine) = &mut self.office.machine {
                        let sum = machine.rounds().clear_sum().unwrap();
                        let noised = RehearsalNoise::from_seed(seed).noise_sum(sum).unwrap();
                        machine.noised(self.now, &noised);
                    }
                }
                Does::Finished => self.end = Some((self.now, End::Finished)),
                Does::Failed(reason) => self.end = Some((self.now, End::Failed(reason))),
            }
        }
        self.generation += 1;
        if let Some(wake) = self
            .office
            .machine
            .as_ref()
            .and_then(xfl_core::coordinator::Coordinator::wake)
        {
            let (generation, delay) = (self.generation, wake.saturating_sub(self.now));
            self.after(delay.max(1), Event::Tick { generation });
        }
    }

    fn tell(&mut self, to: NodeId, parcel: &Parcel) {
        let connection = self
            .office
            .connections
            .iter()
            .find(|(_, id)| **id == to)
            .map(|(c, _)| *c);
        if let Some(connection) = connection {
            self.carry(connection, false, parcel.encode());
        }
    }

    fn cut_off(&mut self, peer: NodeId, reason: &str) {
        if peer == *OUTSIDER {
            return;
        }
        let member = self.members.iter().position(|m| m.id() == peer).unwrap();
        let host = &self.members[member];
        assert!(
            !host.character.honest(),
            "{member}, honest, is dropped: {reason}; {}",
            self.situation()
        );
        let times = self.drops.entry(member).or_default();
        *times += 1;
        let for_good = *times > 6;
        let connection = self
            .office
            .connections
            .iter()
            .find(|(_, id)| **id == peer)
            .map(|(c, _)| *c);
        if let Some(connection) = connection {
            self.tear(connection);
        }
        if for_good {
            self.stop(member);
        }
    }
}
