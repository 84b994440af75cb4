//! One settlement history, played through a connection to any chain: deployment, admissions, two rounds, claims, a removal,
//! and every refusal on the way that must not change anything.

use xfl_settlement::audit::{Check, Expected, ExpectedRound, audit};
use xfl_settlement::binding::Binding;
use xfl_settlement::chain::client::{Claimed, ClientError, Outcome, SettlementClient};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::deploy::{Deployment, Plan, Terms};
use xfl_settlement::ledger::{Ledger, RewardTree};
use xfl_settlement::payout::{PayoutKey, Signature};
use xfl_settlement::statement::{Quorum, RoundHeader};

pub(crate) const FEDERATION: [u8; 32] = [0xfe; 32];
pub(crate) const COIN: u128 = 1_000_000_000_000_000_000;

/// The first development account of anvil and hardhat, funded there from the start.
pub(crate) fn coordinator() -> PayoutKey {
    PayoutKey::from_file("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap()
}

pub(crate) fn member(byte: u8) -> PayoutKey {
    PayoutKey::from_secret(&[byte; 32]).unwrap()
}

pub(crate) fn terms() -> Terms {
    Terms {
        federation: FEDERATION,
        run: [1; 16],
        threshold: 3,
        embedded: true,
        per_round_cap: 1_000 * COIN,
        activation_delay: 0,
        penalty: COIN / 10,
        token_name: "xfl reward".into(),
        token_symbol: "XFL".into(),
        supply: 1_000_000 * COIN,
        funding: 10_000 * COIN,
    }
}

pub(crate) fn binding(byte: u8, chain_id: u64) -> Binding {
    Binding {
        federation: FEDERATION,
        node_key: [byte; 32],
        payout: member(byte).account(),
        chain_id,
        nonce: 1,
        expiry: 4_000_000_000,
    }
}

/// A round as the transcript would have it.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) header: RoundHeader,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) tree: RewardTree,
}

/// A federation of four members on one chain, and what is kept beside it.
pub(crate) struct Federation {
    pub(crate) client: SettlementClient,
    pub(crate) ledger: Ledger,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) gas: Vec<(String, u64)>,
}

impl Federation {
    /// Deploys and admits; each step is done twice.
    pub(crate) async fn found(connection: Connection, terms: Terms) -> Self {
        let plan = Plan::new(&connection, terms).await.unwrap();
        let deployment: Deployment = plan.execute(&connection).await.unwrap();
        let sender = connection.sender().unwrap();
        let nonce = connection.nonce(&sender).await.unwrap();
        assert_eq!(plan.execute(&connection).await.unwrap(), deployment);
        assert_eq!(
            connection.nonce(&sender).await.unwrap(),
            nonce,
            "a finished deployment sends nothing"
        );

        let client = SettlementClient::connect(connection, deployment.clone()).await.unwrap();
        assert_eq!(
            client.token_balance(&deployment.distributor).await.unwrap(),
            deployment.terms.funding
        );
        let mut ledger = Ledger::new(FEDERATION);
        ledger.add_venue(deployment.venue()).unwrap();
        let mut federation = Self {
            client,
            ledger,
            bindings: Vec::new(),
            rounds: Vec::new(),
            gas: Vec::new(),
        };
        for byte in 1..=4 {
            federation.admit(byte).await;
        }
        federation
    }

    async fn admit(&mut self, byte: u8) {
        let deployment = self.client.deployment();
        let binding = binding(byte, deployment.chain_id);
        let signature = binding.sign(&deployment.binding_domain(), &member(byte)).unwrap();
        let outcome = self.client.admit(&binding, &signature, &[byte; 64]).await.unwrap();
        self.note(&format!("admit {byte}"), outcome);
        assert_eq!(
            self.client.admit(&binding, &signature, &[byte; 64]).await.unwrap(),
            Outcome::Already
        );
        assert!(self.client.is_member(&binding.payout).await.unwrap());
        self.ledger
            .bind(binding.node_key, binding.payout, binding.chain_id)
            .unwrap();
        self.bindings.push(binding);
    }

    fn note(&mut self, what: &str, outcome: Outcome) {
        let Outcome::Done(confirmed) = outcome else {
            panic!("{what} was done before")
        };
        self.gas.push((what.into(), confirmed.gas_used));
    }

    /// The next round's header, its reward root over `weights` of `budget`, signed by members 1 to 3.
    pub(crate) fn next_round(&mut self, budget: u128, weights: [u64; 4]) -> Round {
        let parts = shares(budget, weights);
        let parts: Vec<_> = (1u8..).map(|byte| [byte; 32]).zip(parts).collect();
        let number = self.ledger.round() + 1;
        self.ledger.credit(number, &parts).unwrap();
        let domain = self.client.deployment().header_domain();
        let tree = self.ledger.tree();
        let header = RoundHeader {
            federation: FEDERATION,
            round: number,
            plan_hash: [1; 32],
            parent: self.rounds.last().map_or([0; 32], |round| round.header.digest(&domain)),
            model_root: [2; 32],
            row_root: [3; 32],
            aggregate_root: [4; 32],
            transcript_root: [number as u8; 32],
            reward_root: tree.root(),
            cumulative_budget: self.ledger.total(),
            cohort: 4,
            dimension: 62,
            rule: 1,
            rule_parameter: [0; 32],
            input_root: [5; 32],
            attempt: 0,
        };
        Round {
            header,
            signatures: self.sign(&header, &[1, 2, 3]),
            tree,
        }
    }

    pub(crate) fn sign(&self, header: &RoundHeader, members: &[u8]) -> Vec<Signature> {
        let domain = self.client.deployment().header_domain();
        let quorum = Quorum::new(self.bindings.iter().map(|binding| binding.payout).collect(), 1).unwrap();
        let signatures = members.iter().map(|&byte| header.sign(&domain, &member(byte)).unwrap());
        quorum.collect(&header.digest(&domain), signatures).unwrap()
    }

    /// Posts a round, twice.
    pub(crate) async fn post(&mut self, round: Round) {
        let outcome = self.client.post_round(&round.header, &round.signatures).await.unwrap();
        self.note(&format!("post {}", round.header.round), outcome);
        let again = self.client.post_round(&round.header, &round.signatures).await.unwrap();
        assert_eq!(again, Outcome::Already);
        assert_eq!(self.client.latest_round().await.unwrap(), round.header.round);
        self.rounds.push(round);
    }

    /// Claims for one member under the last round, twice; answers what was paid.
    pub(crate) async fn claim(&mut self, byte: u8) -> u128 {
        let tree = &self.rounds.last().unwrap().tree;
        let proof = tree.claim(&[byte; 32], self.client.deployment().chain_id).unwrap();
        let before = self.client.token_balance(&member(byte).account()).await.unwrap();
        let Claimed::Paid { amount, confirmed } = self.client.claim(&proof).await.unwrap() else {
            panic!("nothing to claim for {byte}")
        };
        let after = self.client.token_balance(&member(byte).account()).await.unwrap();
        assert_eq!(after - before, amount);
        assert_eq!(self.client.paid_to(&[byte; 32]).await.unwrap(), proof.leaf.cumulative);
        assert_eq!(self.client.claim(&proof).await.unwrap(), Claimed::Nothing);
        self.gas.push((format!("claim {byte}"), confirmed.gas_used));
        amount
    }
}

/// The whole history. Answers the gas of each step, the digests posted and what each member was paid.
pub(crate) async fn play(connection: Connection) -> (Federation, Vec<u128>) {
    let mut federation = Federation::found(connection, terms()).await;
    let mut paid = Vec::new();

    let first = federation.next_round(100 * COIN + 1, [3, 2, 1, 0]);
    let too_few = federation.sign(&first.header, &[1, 2]);
    let refused = federation.client.post_round(&first.header, &too_few).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { reason } if reason.contains("QuorumMissing")),
        "{refused}"
    );
    federation.post(first.clone()).await;

    let rival = RoundHeader {
        model_root: [9; 32],
        ..first.header
    };
    let signatures = federation.sign(&rival, &[1, 2, 3]);
    let equivocation = federation.client.post_round(&rival, &signatures).await.unwrap_err();
    assert!(
        matches!(equivocation, ClientError::Equivocation { round: 1, .. }),
        "{equivocation}"
    );

    paid.push(federation.claim(1).await);
    let chain_id = federation.client.deployment().chain_id;
    let mut inflated = first.tree.claim(&[2; 32], chain_id).unwrap();
    inflated.leaf.cumulative += 1;
    let refused = federation.client.claim(&inflated).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Refused { reason } if reason.contains("LeafNotProven")),
        "{refused}"
    );

    let second = federation.next_round(60 * COIN, [1, 1, 1, 1]);
    federation.post(second).await;
    for byte in 1..=4 {
        paid.push(federation.claim(byte).await);
    }
    assert_eq!(paid.iter().sum::<u128>(), federation.ledger.total());
    assert_eq!(federation.client.total_paid().await.unwrap(), federation.ledger.total());

    let outcome = federation.client.remove(&[4; 32]).await.unwrap();
    federation.note("remove 4", outcome);
    assert_eq!(federation.client.remove(&[4; 32]).await.unwrap(), Outcome::Already);
    assert!(!federation.client.is_member(&member(4).account()).await.unwrap());
    federation.bindings.pop();
    (federation, paid)
}

/// Shares of a budget by weight: rounded down, and what that leaves over one each to the largest remainders, the lower place first.
/// The audit of some rounds through a client, all members having been there from the start.
pub(crate) async fn audited(client: &SettlementClient, federation: &Federation, rounds: &[Round]) -> Vec<Check> {
    let members = [1, 2, 3, 4].map(|byte| member(byte).account());
    let rounds: Vec<_> = rounds
        .iter()
        .map(|round| ExpectedRound {
            header: &round.header,
            signatures: &round.signatures,
            members: &members,
            tree: &round.tree,
        })
        .collect();
    let expected = Expected {
        rounds: &rounds,
        members: &federation.bindings,
    };
    audit(client, &expected).await
}

fn shares(budget: u128, weights: [u64; 4]) -> [u128; 4] {
    let total = weights.iter().copied().map(u128::from).sum::<u128>().max(1);
    let mut parts = weights.map(|weight| budget * u128::from(weight) / total);
    let mut places = [0, 1, 2, 3];
    places.sort_by_key(|&i| (std::cmp::Reverse(budget * u128::from(weights[i]) % total), i));
    let left = if weights == [0; 4] {
        0
    } else {
        budget - parts.iter().sum::<u128>()
    };
    places.into_iter().zip(0..left).for_each(|(place, _)| parts[place] += 1);
    parts
}
