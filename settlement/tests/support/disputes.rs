//! A coordinator and a quorum that lie in every way that a contract can be shown, and what it costs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xfl_settlement::chain::challenge::{Call, Lie};
use xfl_settlement::chain::client::{ClientError, Outcome};
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::deploy::Terms;
use xfl_settlement::chain::embedded::EmbeddedChain;
use xfl_settlement::input::{Input, REFUSED, input_tree};
use xfl_settlement::merkle::Tree;
use xfl_settlement::payout::Signature;
use xfl_settlement::receipt::{Receipt, SignedReceipt};
use xfl_settlement::refute::{
    Equivocation, Evidence, InputProof, OmissionProof, Opening, RefuteError, RuleProof, by_rule,
};
use xfl_settlement::row::{CHUNK, aggregate_tree, row_tree};
use xfl_settlement::statement::RoundHeader;

use super::embedded::{clock, genesis};
use super::story::{COIN, FEDERATION, Federation, coordinator, member, terms};

const DELAY: u64 = 3_600;
/// As much as one lie costs.
const STAKE: u128 = COIN / 10;

/// What a cohort sent, and where everything stands.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) updates: Vec<Vec<i32>>,
    pub(crate) inputs: Vec<Input>,
}

fn salt(member: usize, chunk: u64) -> [u8; 16] {
    xfl_settlement::keccak256(&[&[member as u8][..], &chunk.to_be_bytes()].concat())[..16]
        .try_into()
        .unwrap()
}

fn word(values: &[i32], chunk: u64) -> [u8; 32] {
    let mut word = [0; 32];
    let chunk = values.chunks(CHUNK).nth(chunk as usize).unwrap();
    for (bytes, value) in word.chunks_exact_mut(4).zip(chunk) {
        bytes.copy_from_slice(&value.to_be_bytes());
    }
    word
}

fn commitment(member: usize, values: &[i32]) -> Tree {
    let leaf = |chunk| {
        let bytes = [&[2][..], &salt(member, chunk), &word(values, chunk)].concat();
        xfl_settlement::keccak256(&bytes)
    };
    Tree::new((0..values.len().div_ceil(CHUNK) as u64).map(leaf).collect())
}

pub(crate) fn opening(member: usize, values: &[i32], chunk: u64) -> Opening {
    Opening {
        salt: salt(member, chunk),
        values: word(values, chunk),
        proof: commitment(member, values).proof(chunk as usize).unwrap(),
    }
}

pub(crate) fn views(updates: &[Vec<i32>]) -> Vec<&[i32]> {
    updates.iter().map(Vec::as_slice).collect()
}

impl Received {
    /// Members with these updates, node keys 1, 2, 3 and so on; one more, after them, was refused.
    pub(crate) fn of(updates: Vec<Vec<i32>>) -> Self {
        let input = |(place, values): (usize, &Vec<i32>)| Input {
            node_key: [place as u8 + 1; 32],
            commitment: commitment(place, values).root(),
            position: place as u32,
        };
        let mut inputs: Vec<Input> = updates.iter().enumerate().map(input).collect();
        inputs.push(Input {
            node_key: [updates.len() as u8 + 1; 32],
            commitment: [9; 32],
            position: REFUSED,
        });
        Self { updates, inputs }
    }

    /// The honest header and its aggregate.
    pub(crate) fn header(
        &self,
        template: &RoundHeader,
        rule: u8,
        parameter: [u8; 32],
        weights: &[u64],
    ) -> (RoundHeader, Vec<i32>) {
        let updates = views(&self.updates);
        let mut header = RoundHeader {
            row_root: row_tree(&updates).unwrap().root(),
            cohort: updates.len() as u32,
            dimension: updates[0].len() as u64,
            rule,
            rule_parameter: parameter,
            input_root: input_tree(&self.inputs).unwrap().root(),
            ..*template
        };
        let aggregate = by_rule(&header, &updates, weights).unwrap();
        header.aggregate_root = aggregate_tree(&aggregate).unwrap().root();
        (header, aggregate)
    }

    pub(crate) fn receipt(&self, federation: &Federation, place: usize, header: &RoundHeader) -> SignedReceipt {
        let receipt = Receipt {
            federation: FEDERATION,
            round: header.round,
            attempt: header.attempt,
            node_key: self.inputs[place].node_key,
            commitment: self.inputs[place].commitment,
        };
        let domain = federation.client.deployment().header_domain();
        let signature = receipt.sign(&domain, &coordinator()).unwrap();
        SignedReceipt { receipt, signature }
    }
}

/// A federation whose members and coordinator have something to lose.
pub(crate) struct Court {
    pub(crate) federation: Federation,
    hand: Arc<AtomicU64>,
    pub(crate) template: RoundHeader,
    _chain: EmbeddedChain,
}

impl Court {
    pub(crate) async fn open() -> Self {
        let (clock, hand) = clock();
        let chain = EmbeddedChain::ephemeral(genesis(), clock).unwrap();
        let strict = Terms {
            embedded: false,
            activation_delay: DELAY,
            ..terms()
        };
        let connection = Connection::embedded(&chain, Some(&coordinator()));
        let mut federation = Federation::found(connection, strict).await;
        assert_eq!(federation.client.deployment().terms.penalty, STAKE);
        for key in [member(1), member(2), member(3), coordinator()] {
            federation.client.deposit(&key.account(), STAKE).await.unwrap();
        }
        let template = federation.next_round(COIN, [1, 1, 1, 1]).header;
        Self {
            federation,
            hand,
            template,
            _chain: chain,
        }
    }

    /// Posts a header that members 1 to 3 sign; their signatures.
    pub(crate) async fn post(&self, header: &RoundHeader) -> Vec<Signature> {
        let signatures = self.federation.sign(header, &[1, 2, 3]);
        self.federation.client.post_round(header, &signatures).await.unwrap();
        let posted = self.federation.client.posted().await.unwrap().pop().unwrap();
        assert_eq!(posted.header, *header);
        let told = self.federation.client.signatures_of(&posted).await.unwrap();
        assert_eq!(told, signatures, "the posting transaction holds the signatures");
        signatures
    }

    pub(crate) fn digest(&self, header: &RoundHeader) -> [u8; 32] {
        header.digest(&self.federation.client.deployment().header_domain())
    }

    async fn stake(&self, account: [u8; 20]) -> u128 {
        self.federation.client.stake_of(&account).await.unwrap().total
    }

    /// All signers of a convicted header lose their stakes, once, half of them to the prover.
    pub(crate) async fn punished(&self, header: &RoundHeader, signatures: &[Signature]) {
        let (client, digest) = (&self.federation.client, self.digest(header));
        for signature in signatures {
            let signer = signature.recover(&digest).unwrap();
            let Outcome::Done(confirmed) = client.punish(&digest, signature).await.unwrap() else {
                panic!("punished before")
            };
            let slashed = client.slashed_in(&confirmed).await.unwrap();
            assert_eq!((slashed.len(), slashed[0].account), (1, signer));
            assert_eq!(slashed[0].amount, STAKE);
            assert_eq!(self.stake(signer).await, 0);
            assert_eq!(client.punish(&digest, signature).await.unwrap(), Outcome::Already);
        }
        let prover = coordinator().account();
        let owed = self.federation.client.stake_of(&prover).await.unwrap().owed;
        assert_eq!(owed, 3 * STAKE / 2, "half of what was slashed");
    }

    /// What a call costs if sent now, or the contract's reason to refuse it.
    pub(crate) async fn tried(&self, call: &Call) -> Result<u64, String> {
        match self.federation.client.estimate(&coordinator().account(), call).await {
            Ok(gas) => Ok(gas),
            Err(ClientError::Refused { reason }) => Err(reason),
            Err(error) => panic!("{}: {error}", call.function),
        }
    }
}

fn gas(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Done(confirmed) => confirmed.gas_used,
        Outcome::Already => panic!("it was done before"),
    }
}

fn updates() -> Vec<Vec<i32>> {
    vec![
        vec![1, -1, 0, i32::MIN, i32::MAX, 5, -3, 2, 2, -9, 7],
        vec![1, -2, 0, i32::MAX, i32::MAX, 5, -3, -2, 3, 9, 7],
        vec![4, -2, 1, 0, i32::MIN, -5, -4, 1, 4, 9, -7],
        vec![4, -4, -1, 0, i32::MIN, 6, -4, -1, 5, 0, 8],
    ]
}

#[tokio::test]
async fn a_changed_input_is_proved_by_whoever_saw_the_update() {
    let court = Court::open().await;
    let client = &court.federation.client;
    let received = Received::of(updates());
    let mut changed = received.updates.clone();
    changed[1][9] = 1_000;
    let lying = Received {
        updates: changed,
        ..received.clone()
    };
    let (header, aggregate) = lying.header(&court.template, 2, [0; 32], &[]);
    let signatures = court.post(&header).await;
    let evidence = |chunk| Evidence::new(&header, &views(&lying.updates), &aggregate, chunk).unwrap();

    for (place, values) in received.updates.iter().enumerate() {
        for chunk in 0..2 {
            let opened = opening(place, values, chunk);
            let key = [place as u8 + 1; 32];
            let made = InputProof::new(
                &header,
                evidence(chunk as usize),
                &received.inputs,
                &key,
                opened.clone(),
            );
            if (place, chunk) == (1, 1) {
                assert_eq!(made.unwrap().opening, opened);
                continue;
            }
            assert_eq!(made, Err(RefuteError::Matches));
            let tree = input_tree(&received.inputs).unwrap();
            let proof = InputProof {
                evidence: evidence(chunk as usize),
                count: 5,
                input: received.inputs[place],
                place: tree.proof(place).unwrap(),
                opening: opened,
            };
            let refused = court.tried(&Call::input(&header, &proof)).await.unwrap_err();
            assert!(refused.contains("MatchesTheInput"), "{refused}");
        }
    }
    let refused = InputProof::new(
        &header,
        evidence(1),
        &received.inputs,
        &[5; 32],
        opening(0, &received.updates[0], 1),
    );
    assert_eq!(refused, Err(RefuteError::Refused));
    let stranger = InputProof::new(
        &header,
        evidence(1),
        &received.inputs,
        &[8; 32],
        opening(0, &received.updates[0], 1),
    );
    assert_eq!(stranger, Err(RefuteError::NotListed));
    let forged = InputProof::new(
        &header,
        evidence(1),
        &received.inputs,
        &[2; 32],
        opening(0, &received.updates[0], 1),
    );
    assert_eq!(forged, Err(RefuteError::OtherData { what: "opened values" }));

    let opened = opening(1, &received.updates[1], 1);
    let proof = InputProof::new(&header, evidence(1), &received.inputs, &[2; 32], opened).unwrap();
    let estimated = court.tried(&Call::input(&header, &proof)).await.unwrap();
    let used = gas(client.prove_input(&header, &proof).await.unwrap());
    assert!(used <= estimated, "{used} gas, estimated {estimated}");
    println!("proveInput, 4 members: {used} gas");
    assert_eq!(client.prove_input(&header, &proof).await.unwrap(), Outcome::Already);
    let lie = client.lie_of(&court.digest(&header)).await.unwrap();
    assert_eq!(lie, Some((Lie::Input, coordinator().account())));
    court.punished(&header, &signatures).await;
}

#[tokio::test]
async fn an_update_with_a_receipt_that_was_left_out_costs_the_coordinator() {
    let received = Received::of(updates());
    // The first, one in the middle, the last, the refused one, all of them; and another commitment of the same member.
    for left_out in [vec![0], vec![2], vec![3], vec![4], vec![0, 1, 2, 3, 4], vec![]] {
        let mut court = Court::open().await;
        let place = left_out.first().copied().unwrap_or(2);
        let mut inputs = received.inputs.clone();
        inputs.retain(|input| !left_out.contains(&(usize::from(input.node_key[0]) - 1)));
        if left_out.is_empty() {
            inputs[place].commitment = [7; 32];
        }
        let (mut header, _) = received.header(&court.template, 1, [0; 32], &[]);
        header.input_root = input_tree(&inputs).unwrap().root();
        let receipt = received.receipt(&court.federation, place, &header);
        let signatures = court.post(&header).await;
        let client = &mut court.federation.client;
        let (domain, account) = (client.deployment().header_domain(), coordinator().account());
        let made = |receipt: &SignedReceipt| OmissionProof::new(&header, &domain, &account, receipt, &inputs);

        let mut forged = receipt;
        forged.signature = receipt.receipt.sign(&domain, &member(2)).unwrap();
        assert!(matches!(made(&forged), Err(RefuteError::Receipt(_))));
        let mut other = receipt;
        other.receipt.attempt += 1;
        assert!(matches!(made(&other), Err(RefuteError::OtherReceipt { .. })));
        if let Some(listed) = inputs.iter().find(|input| received.inputs.contains(input)) {
            let listed = received.receipt(&court.federation, usize::from(listed.node_key[0]) - 1, &header);
            assert_eq!(made(&listed), Err(RefuteError::Listed));
        }
        let proof = made(&receipt).unwrap();
        let client = &court.federation.client;
        let used = gas(client.prove_omission(&header, &proof).await.unwrap());
        println!("proveOmission of {left_out:?} of 5: {used} gas");
        assert_eq!(client.prove_omission(&header, &proof).await.unwrap(), Outcome::Already);
        let lie = client.lie_of(&court.digest(&header)).await.unwrap();
        assert_eq!(lie, Some((Lie::Omission, account)));
        assert_eq!(court.stake(account).await, 0);
        // Signers can't know who holds a receipt.
        let refused = client.punish(&court.digest(&header), &signatures[0]).await.unwrap_err();
        assert!(refused.to_string().contains("NoLie"), "{refused}");
        assert_eq!(court.stake(member(1).account()).await, STAKE);
        let slashed = client.slashed().await.unwrap();
        assert_eq!((slashed.len(), slashed[0].account), (1, account));
    }
}

#[tokio::test]
async fn a_row_on_demand_is_shown_and_proves_what_it_hides_or_the_round_is_void() {
    let mut court = Court::open().await;
    let received = Received::of(updates());
    let (honest, mut aggregate) = received.header(&court.template, 2, [0; 32], &[]);
    aggregate[9] += 1;
    let header = RoundHeader {
        aggregate_root: aggregate_tree(&aggregate).unwrap().root(),
        ..honest
    };
    let signatures = court.post(&header).await;
    let client = &court.federation.client;
    let digest = court.digest(&header);
    let me = coordinator().account();

    // Whoever has neither the false aggregate nor the rows asks for the rows.
    for chunk in 0..2 {
        println!(
            "demandRow: {} gas",
            gas(client.demand_row(&header, chunk).await.unwrap())
        );
        assert_eq!(client.demand_row(&header, chunk).await.unwrap(), Outcome::Already);
        assert_eq!(client.demand_of(&digest, chunk).await.unwrap().unwrap().demander, me);
    }
    let (from, until) = client.held_back().await.unwrap().unwrap();
    assert!(
        from == 1 && until > client.time().await.unwrap() + DELAY,
        "{from} {until}"
    );
    let refused = client.demand_row(&header, 2).await.unwrap_err();
    assert!(refused.to_string().contains("NoChunk"), "{refused}");
    let early = client.expire_demand(&header, 0).await.unwrap_err();
    assert!(early.to_string().contains("DeadlineAhead"), "{early}");
    assert_eq!(client.shown(&header).await.unwrap(), []);
    for chunk in 0..2 {
        let evidence = Evidence::new(&header, &views(&received.updates), &aggregate, chunk).unwrap();
        println!(
            "answerRow: {} gas",
            gas(client.answer_row(&header, &evidence).await.unwrap())
        );
        assert_eq!(client.answer_row(&header, &evidence).await.unwrap(), Outcome::Already);
    }
    let bond = client.demand_bond().await.unwrap();
    assert!(bond > 0);
    assert_eq!(client.bonds_of(&me).await.unwrap(), 2 * bond);
    gas(client.collect_bonds(&[0x77; 20]).await.unwrap());
    assert_eq!(client.collect_bonds(&[0x77; 20]).await.unwrap(), Outcome::Already);
    assert_eq!(client.connection().coin_balance(&[0x77; 20]).await.unwrap(), 2 * bond);

    // What was shown is on the chain for everybody; the lie is in the second chunk.
    let shown = client.shown(&header).await.unwrap();
    assert_eq!(shown.iter().map(Evidence::chunk).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(RuleProof::in_chunk(&header, &shown[0], &[]), Ok(None));
    let proof = RuleProof::in_chunk(&header, &shown[1], &[]).unwrap().unwrap();
    assert_eq!((proof.coordinate, proof.got), (9, proof.expected + 1));
    gas(client.prove_rule(&header, &proof).await.unwrap());
    court.punished(&header, &signatures).await;

    // Nobody shows a row: the round is void, the bond goes back, signers answer for it.
    let second = RoundHeader { attempt: 1, ..header };
    let signatures = court.post(&second).await;
    let client = &mut court.federation.client;
    let digest = second.digest(&client.deployment().header_domain());
    gas(client.demand_row(&second, 1).await.unwrap());
    court.hand.fetch_add(DELAY + 1, Ordering::SeqCst);
    assert!(client.time().await.unwrap() > 0);
    println!(
        "expireDemand: {} gas",
        gas(client.expire_demand(&second, 1).await.unwrap())
    );
    assert_eq!(client.expire_demand(&second, 1).await.unwrap(), Outcome::Already);
    assert_eq!(client.return_bond(&digest, 1).await.unwrap(), Outcome::Already);
    assert_eq!(client.bonds_of(&me).await.unwrap(), bond);
    assert_eq!(client.lie_of(&digest).await.unwrap(), Some((Lie::Withholding, me)));
    gas(client.punish(&digest, &signatures[0]).await.unwrap());

    // A demand for a round that was vetoed: the bond goes back.
    let third = RoundHeader { attempt: 2, ..header };
    court.post(&third).await;
    let client = &court.federation.client;
    gas(client.demand_row(&third, 0).await.unwrap());
    client.veto(1).await.unwrap();
    court.hand.fetch_add(DELAY + 1, Ordering::SeqCst);
    gas(client.return_bond(&court.digest(&third), 0).await.unwrap());
    assert_eq!(client.bonds_of(&me).await.unwrap(), 2 * bond);

    // A confidential round: nobody may ask.
    let hidden = RoundHeader {
        rule: 2 | 0x40,
        attempt: 3,
        ..header
    };
    court.post(&hidden).await;
    let refused = court.federation.client.demand_row(&hidden, 0).await.unwrap_err();
    assert!(refused.to_string().contains("RowsConfidential"), "{refused}");
    assert_eq!(court.federation.client.demanded().await.unwrap().len(), 4);
}

#[tokio::test]
async fn two_headers_under_one_signature_cost_their_signer_alone() {
    let court = Court::open().await;
    let client = &court.federation.client;
    let received = Received::of(updates());
    let (first, _) = received.header(&court.template, 1, [0; 32], &[]);
    let second = RoundHeader {
        reward_root: [0xee; 32],
        ..first
    };
    let posted = court.post(&first).await;
    let domain = client.deployment().header_domain();
    let by = |header: &RoundHeader, byte| header.sign(&domain, &member(byte)).unwrap();
    let pair = |a: &RoundHeader, b: &RoundHeader, x, y| Equivocation::new(&domain, (a, &by(a, x)), (b, &by(b, y)));
    let no = |made: Result<Equivocation, RefuteError>| assert!(matches!(made, Err(RefuteError::NoEquivocation { .. })));
    no(pair(&first, &first, 1, 1));
    no(pair(&first, &second, 1, 2));
    no(pair(&first, &RoundHeader { round: 2, ..second }, 1, 1));
    no(pair(
        &first,
        &RoundHeader {
            parent: [1; 32],
            ..second
        },
        1,
        1,
    ));

    let proof = pair(&first, &second, 2, 2).unwrap();
    assert_eq!(proof.signer, member(2).account());
    let used = gas(client.prove_equivocation(&proof).await.unwrap());
    println!("proveEquivocation: {used} gas");
    // The same pair in the other order is the same offence.
    let twin = pair(&second, &first, 2, 2).unwrap();
    assert_eq!(client.prove_equivocation(&twin).await.unwrap(), Outcome::Already);
    assert_eq!(court.stake(member(2).account()).await, 0);
    assert_eq!(court.stake(member(1).account()).await, STAKE);
    // The round stands, and its other signers are no liars.
    assert!(!client.is_voided(&court.digest(&first)).await.unwrap());
    assert!(client.punish(&court.digest(&first), &posted[0]).await.is_err());
    // After a veto a round may be signed anew.
    client.veto(1).await.unwrap();
    assert!(client.is_voided(&court.digest(&first)).await.unwrap());
    let refused = client.prove_equivocation(&pair(&first, &second, 3, 3).unwrap()).await;
    assert!(refused.unwrap_err().to_string().contains("VoidedIsExempt"));
}
