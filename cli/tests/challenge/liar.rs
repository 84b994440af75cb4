//! A coordinator that lies, with the quorum that it needs: true rounds up to the one that it lies about, and then something else, signed by
//! its colluders and posted on a real chain with a real dispute window.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use xfl_core::{
    identity::{NodeKey, Signature},
    message::{Commit, Envelope, Join, Parcel, Report, Upload},
    node::settle,
    plan::Plan,
    round::{
        Phase, Rounds,
        aggregate::{model_root, moved},
        commit::Protected,
        join::BINDING_DOMAIN,
        settle::HEADER_DOMAIN,
    },
    transcript::{Aggregated, Entry, Genesis, Head, Member, Scored},
    update,
};
use xfl_settlement::{
    binding::Binding,
    chain::{
        client::SettlementClient,
        connect::Connection,
        embedded::EmbeddedChain,
        genesis::{Genesis as ChainGenesis, Seed},
    },
    input::{Input, input_tree},
    payout::{self, PayoutKey},
    receipt::SignedReceipt,
    refute::{Evidence, by_rule},
    row::{aggregate_tree, row_tree},
    statement::RoundHeader,
};

const START: u64 = 1_800_000_000;
/// Seconds in which a round can be disputed, and to show a row.
pub(crate) const DELAY: u64 = 600;
/// What everybody who can lie has at stake, and what a lie costs: a tenth of a coin.
pub(crate) const STAKE: u128 = 100_000_000_000_000_000;
/// Colluders: the first three that joined, who sign from the start.
const QUORUM: usize = 3;

/// One member's keys.
pub(crate) struct Player {
    pub(crate) key: NodeKey,
    pub(crate) payout: PayoutKey,
}

/// What a round is said to be, to be lied about.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) header: RoundHeader,
    pub(crate) members: Vec<usize>,
    pub(crate) updates: Vec<Vec<i32>>,
    pub(crate) aggregate: Vec<i32>,
    pub(crate) scored: Scored,
}

pub(crate) struct LyingCoordinator {
    pub(crate) players: Vec<Player>,
    pub(crate) payout: PayoutKey,
    pub(crate) challenger: PayoutKey,
    pub(crate) key: Arc<NodeKey>,
    pub(crate) rounds: Rounds,
    entries: Vec<Entry>,
    /// What members that this process doesn't play showed in the round under way.
    shown: BTreeMap<usize, (Vec<i32>, [u8; 32])>,
    hand: Arc<AtomicU64>,
    pub(crate) chain: EmbeddedChain,
    pub(crate) client: SettlementClient,
    /// Models after each round, as this coordinator keeps them.
    pub(crate) models: Vec<Vec<f32>>,
}

fn plan(coordinator: &NodeKey, rule: &str) -> Plan {
    let text = format!(
        "[federation]\nid = \"{}\"\nname = \"liars\"\ncoordinator = \"{}\"\n\
         [rounds]\ncount = 4\nquorum = {QUORUM}\n[settlement]\nthreshold = {QUORUM}\nactivation_seconds = {DELAY}\n\
         [model]\nkind = \"logistic\"\n[training]\nbatch = 8\n\
         [privacy]\nunit = \"institution\"\nclip = 1.0\nstep = 0.01\nnoise_multiplier = 1.0\n\
         [aggregation]\n{rule}\n[score]\nkind = \"participation\"\n[reward]\nbudget = 1000003\n\
         [data]\ntask = \"classification\"\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\ncolumns = [{{ prefix = \"p\", count = 10 }}]\n",
        "1a".repeat(32),
        coordinator.node_id()
    );
    Plan::parse(&text, "federation.toml").unwrap()
}

fn payout(byte: u8) -> PayoutKey {
    PayoutKey::from_secret(&[byte; 32]).unwrap()
}

impl LyingCoordinator {
    /// Founds a federation of four, all of whom join.
    pub(crate) async fn begin(rule: &str) -> Self {
        Self::begin_run(rule, [1; 16]).await
    }

    /// The same run of the plan with another salt is another run.
    pub(crate) async fn begin_run(rule: &str, run: [u8; 16]) -> Self {
        let key = Arc::new(NodeKey::from_seed(&[77; 32]));
        let plan = plan(&key, rule);
        let player = |i: u8| Player {
            key: NodeKey::from_seed(&[i; 32]),
            payout: payout(i),
        };
        let mut players: Vec<Player> = (1..=4).map(player).collect();
        players.sort_by_key(|player| player.key.node_id());
        let (coordinator, challenger) = (payout(77), payout(78));
        let hand = Arc::new(AtomicU64::new(START));
        let clock = Arc::clone(&hand);
        let genesis = ChainGenesis {
            chain_id: 31_337,
            timestamp: START,
            seeds: [&coordinator, &challenger]
                .map(|key| Seed::coins(key.account(), 1_000))
                .into(),
        };
        let chain = EmbeddedChain::ephemeral(genesis, Arc::new(move || clock.load(Ordering::SeqCst))).unwrap();
        let connection = Connection::embedded(&chain, Some(&coordinator));
        let contracts = settle::contracts(&plan, &run, coordinator.account(), 31_337, false, None).unwrap();
        let members = players.iter().enumerate();
        let genesis = Genesis {
            plan: plan.text().to_owned(),
            members: members
                .map(|(i, player)| Member {
                    id: player.key.node_id(),
                    name: format!("hospital {i}"),
                })
                .collect(),
            model: vec![0.0; 11],
            held_out: None,
            run,
            contracts,
            mirrors: Vec::new(),
            at: 0,
            signature: Signature([0; 64]),
        };
        let genesis = genesis.sign(&key);
        let steps = settle::deployment_plan(&plan, &genesis, &contracts).unwrap();
        let deployment = steps.execute(&connection).await.unwrap();
        assert_eq!(deployment, settle::deployment(&plan, &genesis, &contracts));
        let client = SettlementClient::connect(connection, deployment).await.unwrap();
        let mut this = Self {
            rounds: Rounds::begin(genesis.clone()).unwrap(),
            entries: vec![Entry::Genesis(Box::new(genesis))],
            players,
            payout: coordinator,
            challenger,
            key,
            shown: BTreeMap::new(),
            hand,
            chain,
            client,
            models: Vec::new(),
        };
        for place in 0..this.players.len() {
            this.join(place).await;
        }
        let stakes = this.players[..QUORUM].iter().map(|player| &player.payout);
        for key in stakes.chain([&this.payout]) {
            this.client.deposit(&key.account(), STAKE).await.unwrap();
        }
        assert_eq!(this.client.deployment().terms.penalty, STAKE);
        this
    }

    async fn join(&mut self, place: usize) {
        let federation = self.rounds.plan().federation();
        let contracts = self.rounds.genesis().contracts;
        let player = &self.players[place];
        let binding = Binding {
            federation: federation.0,
            node_key: player.key.node_id().0,
            payout: player.payout.account(),
            chain_id: contracts.chain_id,
            nonce: 1,
            expiry: u64::MAX,
        };
        let domain = contracts.registry_domain(federation.0);
        let payout_signature = binding.sign(&domain, &player.payout).unwrap();
        let node_signature = player.key.sign(BINDING_DOMAIN, &binding.digest(&domain));
        self.client
            .admit(&binding, &payout_signature, &node_signature.0)
            .await
            .unwrap();
        let join = Join {
            binding,
            payout_signature,
            node_signature,
            mirrors: Vec::new(),
            height: 0,
        };
        let said = Envelope::seal(
            &self.players[place].key,
            self.rounds.beginning(),
            0,
            0,
            &Report::Join(join),
        );
        self.apply(Entry::Accepted(Parcel::bare(said)));
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.hand.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn apply(&mut self, entry: Entry) {
        self.rounds.apply(&entry, None).unwrap();
        self.entries.push(entry);
    }

    fn says(&self, place: usize, report: &Report) -> Entry {
        let (round, attempt) = self.rounds.position();
        let envelope = Envelope::seal(
            &self.players[place].key,
            self.rounds.beginning(),
            round,
            attempt,
            report,
        );
        Entry::Accepted(Parcel::bare(envelope))
    }

    pub(crate) fn close(&mut self, phase: Phase) {
        let members = self.rounds.complete();
        self.apply(Entry::Closed { phase, members, at: 0 });
    }

    /// What a member's update is, and its salts' key.
    fn update(&self, place: usize) -> (Vec<i32>, [u8; 32]) {
        if let Some(shown) = self.shown.get(&place) {
            return shown.clone();
        }
        let round = self.rounds.position().0 as i32;
        let value = |i: usize| (i as i32 * 7 + place as i32 * 13 + round * 5) % 41 - 20;
        (
            (0..self.rounds.update_len()).map(value).collect(),
            [place as u8 + 1; 32],
        )
    }

    /// Gathers a round's updates; the coordinator holds them all, and can say what it likes.
    pub(crate) fn gather(&mut self) -> Claimed {
        let all = 0..self.players.len();
        self.begin_round();
        self.commit(all.clone());
        self.close(Phase::Commit);
        self.upload(all.clone());
        self.close(Phase::Upload);
        self.claimed(all.collect(), None)
    }

    pub(crate) fn begin_round(&mut self) {
        let (round, cohort) = (self.rounds.finished() + 1, self.ids());
        self.apply(Entry::Begun {
            round,
            attempt: 0,
            cohort,
            at: 0,
        });
    }

    pub(crate) fn commit(&mut self, places: Range<usize>) {
        let round = self.rounds.position().0;
        for place in places {
            let (values, salt_key) = self.update(place);
            let commit = Commit {
                root: update::root(&values, &salt_key),
                salt_hash: update::salt_hash(&salt_key),
                protected: Protected::of(&self.rounds.mechanism_now().unwrap()),
                charged: round,
                budget_head: [round as u8; 32],
            };
            self.apply(self.says(place, &Report::Commit(commit)));
        }
    }

    pub(crate) fn upload(&mut self, places: Range<usize>) {
        for place in places {
            let (values, salt_key) = self.update(place);
            let upload = Upload {
                part: 0,
                salt_key,
                values,
            };
            self.apply(self.says(place, &Report::Upload(upload)));
        }
    }

    /// Takes what a member says that this process doesn't play.
    pub(crate) fn hear(&mut self, place: usize, envelope: Envelope) {
        if let Ok(Report::Upload(upload)) = envelope.open(self.rounds.beginning()) {
            self.shown.insert(place, (upload.values, upload.salt_key));
        }
        self.apply(Entry::Accepted(Parcel::bare(envelope)));
    }

    /// The commitments of the round under way, by ascending member.
    pub(crate) fn commitments(&self) -> Vec<Envelope> {
        let (beginning, at) = (self.rounds.beginning(), self.rounds.position());
        let said = self.entries.iter().filter_map(|entry| match entry {
            Entry::Accepted(parcel) => Some(&parcel.envelope),
            _ => None,
        });
        let here = said.filter(|envelope| (envelope.round, envelope.attempt) == at);
        let commits = here.filter(|envelope| matches!(envelope.open(beginning), Ok(Report::Commit(_))));
        let mut commits: Vec<Envelope> = commits.cloned().collect();
        commits.sort_by_key(|envelope| envelope.sender);
        commits
    }

    pub(crate) fn ids(&self) -> Vec<xfl_core::identity::NodeId> {
        self.players.iter().map(|player| player.key.node_id()).collect()
    }

    /// What follows if these members' updates were all, or these others: as if it were true.
    pub(crate) fn claimed(&self, members: Vec<usize>, updates: Option<Vec<Vec<i32>>>) -> Claimed {
        let mut truth = Rounds::begin(self.rounds.genesis().clone()).unwrap();
        for entry in &self.entries_of(&members)[1..] {
            truth.apply(entry, None).unwrap();
        }
        let mut scored = None;
        while let Some(entry) = truth.derive(&self.key, None).unwrap() {
            truth.apply(&entry, None).unwrap();
            if let Entry::Scored(scores) = entry {
                scored = Some(scores);
            }
        }
        let honest = truth.settled().unwrap().header;
        let updates = updates.unwrap_or_else(|| members.iter().map(|place| self.update(*place).0).collect());
        let views: Vec<&[i32]> = updates.iter().map(Vec::as_slice).collect();
        let inputs = members.iter().zip(0..).map(|(place, position)| Input {
            node_key: self.players[*place].key.node_id().0,
            commitment: update::root(&self.update(*place).0, &self.update(*place).1),
            position,
        });
        let mut header = RoundHeader {
            cohort: members.len() as u32,
            row_root: row_tree(&views).unwrap().root(),
            input_root: input_tree(&inputs.collect::<Vec<_>>()).unwrap().root(),
            ..honest
        };
        // Of a rule that no contract can redo there is nothing to lie about here.
        let aggregate = by_rule(&header, &views, &[]).unwrap_or_default();
        if let Ok(tree) = aggregate_tree(&aggregate) {
            header.aggregate_root = tree.root();
        }
        Claimed {
            header,
            members,
            updates,
            aggregate,
            scored: scored.unwrap(),
        }
    }

    /// The entries so far, as if only these members had shown their updates in the round under way.
    fn entries_of(&self, members: &[usize]) -> Vec<Entry> {
        let (beginning, ids) = (self.rounds.beginning(), self.ids());
        let members: Vec<_> = members.iter().map(|place| ids[*place]).collect();
        let now = self.rounds.position().0;
        let (mut entries, mut round) = (Vec::new(), 0);
        for entry in &self.entries {
            match entry {
                Entry::Begun { round: begun, .. } => round = *begun,
                Entry::Accepted(parcel) if round == now && !members.contains(&parcel.envelope.sender) => {
                    if let Ok(Report::Upload(_)) = parcel.envelope.open::<Report>(beginning) {
                        continue;
                    }
                }
                Entry::Closed {
                    phase: Phase::Upload,
                    at,
                    ..
                } if round == now => {
                    entries.push(Entry::Closed {
                        phase: Phase::Upload,
                        members: members.clone(),
                        at: *at,
                    });
                    continue;
                }
                _ => {}
            }
            entries.push(entry.clone());
        }
        entries
    }

    /// Everything as it follows, to the end.
    pub(crate) async fn honest_round(&mut self) {
        let claimed = self.gather();
        while let Some(entry) = self.rounds.derive(&self.key, None).unwrap() {
            self.apply(entry);
        }
        let header = self.rounds.settled().unwrap().header;
        assert_eq!(header.aggregate_root, claimed.header.aggregate_root);
        assert_eq!(
            (header.row_root, header.input_root),
            (claimed.header.row_root, claimed.header.input_root)
        );
        for (place, signature) in self.sign(&header).into_iter().enumerate() {
            self.apply(self.says(place, &Report::Endorse(signature)));
        }
        self.close(Phase::Endorse);
        let signatures = self.sign(&header);
        self.client
            .post_round(&header, &sorted(&self.client, &header, signatures))
            .await
            .unwrap();
        self.apply(Entry::Posted {
            transaction: [1; 32],
            block: 1,
        });
        self.models.push(self.rounds.model().to_vec());
    }

    /// The colluders' signatures.
    pub(crate) fn sign(&self, header: &RoundHeader) -> Vec<payout::Signature> {
        let domain = self.client.deployment().header_domain();
        let colluders = self.players[..QUORUM].iter();
        colluders
            .map(|player| header.sign(&domain, &player.payout).unwrap())
            .collect()
    }

    /// Writes a transcript that says so, and posts its header; the model that everybody would go on with.
    pub(crate) async fn lie(&mut self, claimed: &Claimed) -> Vec<u8> {
        let transcript = self.transcript_of(claimed);
        let signatures = self.sign(&claimed.header);
        let signatures = sorted(&self.client, &claimed.header, signatures);
        self.client.post_round(&claimed.header, &signatures).await.unwrap();
        let step = self.rounds.plan().parameter_step();
        self.models.push(moved(self.rounds.model(), &claimed.aggregate, step));
        transcript
    }

    /// The transcript that leads to a header, as its writer tells it.
    pub(crate) fn transcript_of(&self, claimed: &Claimed) -> Vec<u8> {
        let ids = self.ids();
        let step = self.rounds.plan().parameter_step();
        let members: Vec<_> = claimed.members.iter().map(|place| ids[*place]).collect();
        let mut entries = self.entries_of(&claimed.members);
        entries.push(Entry::Aggregated(Aggregated {
            selected: vec![true; members.len()],
            members,
            refused: Vec::new(),
            row_root: claimed.header.row_root,
            aggregate_root: claimed.header.aggregate_root,
            model_root: model_root(&moved(self.rounds.model(), &claimed.aggregate, step)),
        }));
        entries.push(Entry::Scored(claimed.scored.clone()));
        let digest = claimed.header.digest(&self.client.deployment().header_domain());
        entries.push(Entry::Settled {
            header: claimed.header,
            signature: self.key.sign(HEADER_DOMAIN, &digest),
        });
        for (place, signature) in self.sign(&claimed.header).into_iter().enumerate() {
            entries.push(self.says(place, &Report::Endorse(signature)));
        }
        frames(&entries)
    }

    /// The transcript so far, true as far as it goes.
    pub(crate) fn transcript(&self) -> Vec<u8> {
        frames(&self.entries)
    }

    /// The receipt that a member holds for its update of the round under way.
    pub(crate) fn receipt(&self, place: usize) -> SignedReceipt {
        let (values, salt_key) = self.update(place);
        let id = self.players[place].key.node_id();
        let root = update::root(&values, &salt_key);
        let (receipt, domain) = self.rounds.receipt(self.rounds.position(), &id, root);
        let signature = receipt.sign(&domain, &self.payout).unwrap();
        SignedReceipt { receipt, signature }
    }

    /// Shows every row that is demanded, false as it is.
    pub(crate) async fn show(&self, claimed: &Claimed) -> usize {
        let views: Vec<&[i32]> = claimed.updates.iter().map(Vec::as_slice).collect();
        let mut shown = 0;
        for demanded in self.client.demanded().await.unwrap() {
            let chunk = demanded.chunk as usize;
            let row = Evidence::new(&claimed.header, &views, &claimed.aggregate, chunk).unwrap();
            let outcome = self.client.answer_row(&claimed.header, &row).await.unwrap();
            shown += usize::from(matches!(outcome, xfl_settlement::chain::client::Outcome::Done(_)));
        }
        shown
    }
}

fn sorted(
    client: &SettlementClient,
    header: &RoundHeader,
    mut signatures: Vec<payout::Signature>,
) -> Vec<payout::Signature> {
    let digest = header.digest(&client.deployment().header_domain());
    signatures.sort_by_key(|signature| signature.recover(&digest).unwrap());
    signatures
}

fn frames(entries: &[Entry]) -> Vec<u8> {
    let mut head = Head::START;
    let mut bytes = Vec::new();
    for entry in entries {
        let (frame, next) = head.append(entry);
        bytes.extend(frame);
        head = next;
    }
    bytes
}
