//! What a member is asked for in each stage; asking twice says the same.

use super::{Coordinator, Output};
use crate::{
    identity::NodeId,
    message::{Envelope, Order, Parcel, Welcome, encode},
    round::{Phase, aggregate::model_bytes, upload::Assembly},
};

impl Coordinator {
    /// Asks every connected member whose answer is missing.
    pub(super) fn ask_outstanding(&mut self) {
        let ready = self.ready();
        let missing = self.rounds.outstanding();
        missing
            .into_iter()
            .filter(|m| ready.contains(m))
            .for_each(|m| self.ask(m));
    }

    /// Asks one member for what the stage wants of it.
    pub(super) fn ask(&mut self, to: NodeId) {
        let work = self.rounds.work();
        let commitments = || -> Vec<Envelope> {
            work.expected
                .iter()
                .filter_map(|m| work.commits.get(m))
                .map(|c| c.envelope.clone())
                .collect()
        };
        let mask = work.mask.as_ref();
        let order = match self.rounds.phase() {
            Phase::Commit | Phase::Advertise => return self.begin(to),
            Phase::Upload => {
                let have = work.uploads.get(&to).map(Assembly::have).unwrap_or_default();
                Order::Reveal {
                    commitments: commitments(),
                    have,
                }
            }
            Phase::Deal => Order::Keys(mask.map(|m| m.advertisements()).unwrap_or_default()),
            Phase::Mask => match mask.and_then(|m| m.dealt_to(&to)) {
                Some((lists, shares, have)) => Order::Dealt { lists, shares, have },
                None => return,
            },
            Phase::Agree => Order::Survivors(commitments()),
            Phase::Open => Order::Opening(mask.map(|m| m.agreements()).unwrap_or_default()),
            Phase::Endorse => {
                let Some(settled) = self.rounds.settled() else { return };
                let from = self.peers.get(&to).map_or(1, |p| p.height.max(1));
                let envelope = self.seal(&Order::Statement {
                    header: Box::new(settled.header),
                    from,
                });
                let height = self.rounds.head().height;
                if let Some(peer) = self.peers.get_mut(&to) {
                    peer.offered.get_or_insert(height);
                }
                return self.outputs.push_back(Output::SendTranscript { to, envelope, from });
            }
            _ => return,
        };
        self.order(to, &order);
    }

    /// The global model, to be trained on.
    pub(super) fn begin(&mut self, to: NodeId) {
        let bytes = model_bytes(self.rounds.model());
        let model = *blake3::hash(&bytes).as_bytes();
        let envelope = self.seal(&Order::Begin {
            model,
            cohort: self.rounds.cohort().to_vec(),
            scale: self.rounds.scale().to_bits(),
        });
        self.outputs.push_back(Output::Send {
            to,
            parcel: Parcel {
                envelope,
                attachment: bytes,
            },
        });
    }

    /// The last message: the rest of the transcript.
    pub(super) fn farewell(&mut self, to: NodeId) {
        self.told.insert(to);
        let from = self.peers.get(&to).map_or(1, |p| p.height.max(1));
        let envelope = self.seal(&Order::Done { from });
        self.outputs.push_back(Output::SendTranscript { to, envelope, from });
    }

    pub(super) fn welcome(&self, to: &NodeId) -> Order {
        let genesis = encode(self.rounds.genesis());
        Order::Welcome(Welcome {
            height: self.rounds.head().height,
            genesis,
            seen: self.rounds.spent().get(to).map(|spent| spent.envelope.clone()),
        })
    }

    pub(super) fn order(&mut self, to: NodeId, order: &Order) {
        let parcel = Parcel::bare(self.seal(order));
        self.outputs.push_back(Output::Send { to, parcel });
    }

    /// The word that a member's update came in whole, for it to keep: what a contract holds the coordinator to.
    pub(super) fn receipt(&mut self, to: NodeId, root: [u8; 32]) {
        let (receipt, domain) = self.rounds.receipt(self.rounds.position(), &to, root);
        match receipt.sign(&domain, &self.payout) {
            Ok(signature) => self.order(to, &Order::Receipt { root, signature }),
            Err(error) => self.fail(format!("the coordinator's payout key can't sign a receipt: {error}")),
        }
    }

    fn seal(&self, order: &Order) -> Envelope {
        let (round, attempt) = self.rounds.position();
        Envelope::seal(&self.key, self.rounds.beginning(), round, attempt, order)
    }
}
