//! An institution that the test itself drives over real QUIC: it takes its part, and holds a stage open by answering late.
//!
//! While it holds, the coordinator is in that stage for certain: it can't end one with an answer outstanding of somebody
//! who is connected, and the plan's time for a stage is far from over.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use xfl_core::{
    identity::{NodeId, NodeKey},
    institution::{Identity, Institution, Output, Release},
    message::{Order, Parcel},
    node::{
        endpoint::TransportLimits,
        entropy, keyfile,
        peer::{Connection, Dialer, LinkLimits},
    },
    round::{Phase, commit::Protected},
};
use xfl_settlement::payout::PayoutKey;

use crate::processes::Federation;

/// A stage of a round.
pub(crate) type Stage = (u64, Phase);

pub(crate) struct Warden {
    held: mpsc::Receiver<Stage>,
    go: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Warden {
    /// Takes the part of the member of this name, and will hold these stages, in this order.
    pub(crate) fn start(federation: &Federation, name: &str, holds: &[Stage]) -> Self {
        let own = federation.path(name);
        let payout = std::fs::read_to_string(own.join("payout.key")).unwrap();
        let (told, held) = mpsc::channel();
        let (go, goes) = mpsc::channel();
        let mut post = Post {
            key: Arc::new(keyfile::read(&own.join("node.pem")).unwrap()),
            payout: PayoutKey::from_file(&payout).unwrap(),
            coordinator: federation.coordinator_key.parse().unwrap(),
            address: federation.address.parse().unwrap(),
            holds: holds.iter().copied().collect(),
            told,
            goes,
            charged: 0,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(post.serve()));
        Self { held, go, thread }
    }

    /// Waits until a stage is held.
    pub(crate) fn held(&self) -> Option<Stage> {
        self.held.recv_timeout(Duration::from_secs(100)).ok()
    }

    /// Lets the stage go on.
    pub(crate) fn go(&self) {
        self.go.send(()).unwrap();
    }

    /// Waits for the end of the federation.
    pub(crate) fn finish(self) {
        self.thread.join().unwrap();
    }
}

struct Post {
    key: Arc<NodeKey>,
    payout: PayoutKey,
    coordinator: NodeId,
    address: std::net::SocketAddr,
    holds: VecDeque<Stage>,
    told: mpsc::Sender<Stage>,
    goes: mpsc::Receiver<()>,
    charged: u64,
}

impl Post {
    async fn serve(&mut self) {
        let identity = Identity {
            node: self.key.clone(),
            payout: self.payout.clone(),
            payout_chain: None,
            rng: Box::new(entropy::generator().unwrap()),
        };
        let mut machine = Institution::restore(identity, self.coordinator, []).unwrap();
        let link = LinkLimits::for_messages_up_to(1 << 28);
        let dialer = Dialer::new(self.key.clone(), link, TransportLimits::default()).unwrap();
        loop {
            let within = Duration::from_secs(5);
            if let Ok(connection) = dialer.connect(self.address, self.coordinator, within).await
                && self.attend(&mut machine, connection).await
            {
                return;
            }
            machine.disconnected();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Answers until the connection breaks, or everything is done: true.
    async fn attend(&mut self, machine: &mut Institution, mut connection: Connection) -> bool {
        while let Ok(bytes) = connection.recv().await {
            self.hold(machine, &bytes);
            machine.order(&bytes).unwrap();
            let mut finished = false;
            while let Some(output) = machine.poll() {
                match output {
                    // A connection that is gone is noticed where it is read from.
                    Output::Send(parcel) => drop(connection.send(parcel.encode()).await),
                    Output::Train(wish) => {
                        let mechanism = machine.rounds().unwrap().mechanism();
                        self.charged += 1;
                        let release = Release {
                            values: vec![0; wish.model.len()],
                            salt_secret: *entropy::bytes().unwrap(),
                            protected: Protected::of(mechanism),
                            charged: self.charged,
                            budget_head: [self.charged as u8; 32],
                        };
                        machine.trained(wish.charge, release).unwrap();
                    }
                    Output::Remember(_) | Output::Signed { .. } => {}
                    Output::Finished => finished = true,
                }
            }
            if finished {
                connection.close(Duration::from_secs(2)).await;
                return true;
            }
        }
        false
    }

    fn hold(&mut self, machine: &Institution, bytes: &[u8]) {
        let Some(plan) = machine.plan() else { return };
        let beginning = machine.rounds().unwrap().beginning();
        let envelope = Parcel::decode(bytes).unwrap().envelope;
        let stage = match envelope.open::<Order>(beginning).unwrap() {
            Order::Begin { .. } if plan.masked() => Phase::Advertise,
            Order::Begin { .. } => Phase::Commit,
            Order::Reveal { .. } => Phase::Upload,
            Order::Keys(_) => Phase::Deal,
            Order::Dealt { .. } => Phase::Mask,
            Order::Survivors(_) => Phase::Agree,
            Order::Opening(_) => Phase::Open,
            Order::Statement { .. } => Phase::Endorse,
            _ => return,
        };
        if self.holds.front() == Some(&(envelope.round, stage)) {
            self.holds.pop_front();
            self.told.send((envelope.round, stage)).unwrap();
            self.goes.recv().unwrap();
        }
    }
}
