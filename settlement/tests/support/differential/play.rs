//! Operations as transactions: what each of them means where the history stands now.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolValue};
use xfl_settlement::chain::challenge::Call;
use xfl_settlement::chain::contracts::bindings::{
    FederationRegistry, RewardDistributor, RoundManager, StakeVault, XflToken,
};
use xfl_settlement::claim::ClaimProof;
use xfl_settlement::ledger::Ledger;
use xfl_settlement::payout::PayoutKey;
use xfl_settlement::receipt::{Receipt, SignedReceipt};
use xfl_settlement::refute::{Equivocation, OmissionProof, Round, RuleProof};
use xfl_settlement::statement::RoundHeader;

use super::attempt::{Attempt, CHUNKS, DIMENSION, Draft};
use super::op::Op;
use super::pair::{Pair, sender};
use crate::calls::encoded;
use crate::forwarder::through;
use crate::story::{COIN, FEDERATION, binding, coordinator};

/// The unit of stakes in operations.
const BIT: u128 = COIN / 20;

/// A history under way.
pub(super) struct Play<'a> {
    pair: &'a mut Pair,
    ledger: Ledger,
    attempts: Vec<Attempt>,
    nonces: [u64; 6],
    later: u64,
}

/// A transaction to be: its kind, who sends it, where to, what, and the coin and gas with it.
struct Sent {
    kind: &'static str,
    by: PayoutKey,
    to: [u8; 20],
    calldata: Vec<u8>,
    value: u128,
    gas: Option<u64>,
    /// Which attempt it is about.
    about: Option<usize>,
}

impl<'a> Play<'a> {
    pub(super) fn begin(pair: &'a mut Pair) -> Self {
        let mut ledger = Ledger::new(FEDERATION);
        ledger.add_venue(pair.deployment.venue()).unwrap();
        for byte in 1..=4 {
            let bound = binding(byte, pair.deployment.chain_id);
            ledger.bind(bound.node_key, bound.payout, bound.chain_id).unwrap();
        }
        Self {
            pair,
            ledger,
            attempts: Vec::new(),
            nonces: [1; 6],
            later: 1,
        }
    }

    /// Plays one operation; its kind, and whether its transaction passed.
    ///
    /// # Errors
    /// What differs between the chains.
    pub(super) async fn step(&mut self, op: &Op) -> Result<(&'static str, bool), String> {
        if let Op::Wait(seconds) = op {
            self.later += u64::from(*seconds);
            return Ok(("wait", true));
        }
        let Some(sent) = self.sent(op).await else {
            return Ok(("nothing to be done", true));
        };
        if sent.kind == "fund" {
            // The tokens are approved first, where there are any.
            let call = XflToken::approveCall {
                spender: self.pair.deployment.distributor.into(),
                value: U256::MAX,
            };
            let token = self.pair.deployment.token;
            self.pair
                .transact(&sent.by, &token, call.abi_encode(), 0, None, 1)
                .await?;
        }
        let later = std::mem::replace(&mut self.later, 1);
        let passed = self
            .pair
            .transact(&sent.by, &sent.to, sent.calldata, sent.value, sent.gas, later)
            .await?;
        if let Some(attempt) = sent.about.filter(|_| passed) {
            let attempt = &mut self.attempts[attempt];
            match (sent.kind, op) {
                ("postRound" | "postRound by a contract", _) => attempt.posted = true,
                ("open", _) => attempt.opened = true,
                ("proveRule" | "expireDemand", _) => attempt.convicted = true,
                ("demandRow", Op::Demand { chunk, .. }) => attempt.demanded = Some(u64::from(*chunk) % CHUNKS),
                _ => {}
            }
        }
        Ok((sent.kind, passed))
    }

    async fn sent(&mut self, op: &Op) -> Option<Sent> {
        let made = self.pair.deployment.clone();
        let (rounds, vault) = (made.rounds, made.vault.unwrap());
        let free = |kind, by: PayoutKey, to, calldata| Sent {
            kind,
            by,
            to,
            calldata,
            value: 0,
            gas: None,
            about: None,
        };
        Some(match *op {
            Op::Wait(_) => return None,
            Op::Admit { member: byte, fault } => {
                let place = byte % 6;
                let nonce = &mut self.nonces[usize::from(place)];
                *nonce += 1;
                let (binding, signer, by) = self.pair.binding(place + 1, *nonce, fault % 16);
                let signature = signer.sign(&binding.digest(&made.binding_domain())).unwrap();
                let call = FederationRegistry::admitCall {
                    binding: FederationRegistry::Binding {
                        federation: binding.federation.into(),
                        nodeKey: binding.node_key.into(),
                        payout: binding.payout.into(),
                        chainId: binding.chain_id,
                        nonce: binding.nonce,
                        expiry: binding.expiry,
                    },
                    payoutSignature: Bytes::copy_from_slice(&signature.0),
                    nodeSignature: Bytes::from(vec![byte; if fault % 16 == 8 { 63 } else { 64 }]),
                };
                free("admit", by, made.registry, call.abi_encode())
            }
            Op::Remove { member: byte, by } => {
                let call = FederationRegistry::removeCall {
                    // The first two sign all rounds.
                    nodeKey: [byte % 5 + 3; 32].into(),
                };
                let by = if by % 4 == 0 { sender(by) } else { coordinator() };
                free("remove", by, made.registry, call.abi_encode())
            }
            Op::Post {
                budget,
                weights,
                signers,
                lie,
                fault,
            } => {
                let attempt = self.next(budget, weights, signers, lie, fault).await;
                let calldata = attempt.posting(fault);
                self.attempts.push(attempt);
                let forwarder = self.pair.forwarder;
                let posting = match signers % 4 {
                    3 => free(
                        "postRound by a contract",
                        sender(signers),
                        forwarder,
                        through(&rounds, &calldata),
                    ),
                    _ => free("postRound", sender(signers), rounds, calldata),
                };
                Sent {
                    about: Some(self.attempts.len() - 1),
                    ..posting
                }
            }
            Op::PostAgain { back } => free("postRound again", sender(6), rounds, self.back(back)?.posting(255)),
            Op::Veto { back, by } => {
                let round = self.back(back)?.header.round;
                let by = if by % 4 == 0 { sender(by) } else { coordinator() };
                free("veto", by, rounds, RoundManager::vetoCall { round }.abi_encode())
            }
            Op::Recall { back } => {
                let (_, digest) = self.standing().await;
                let good = self
                    .attempts
                    .iter()
                    .find(|tried| back == 0 && self.digest(tried) == digest);
                let header = good.or(self.back(back))?.header;
                let header = RoundManager::RoundHeader::abi_decode(&encoded(&header)).unwrap();
                free(
                    "recall",
                    sender(6),
                    rounds,
                    RoundManager::recallCall { header }.abi_encode(),
                )
            }
            Op::Finalise { back } => {
                let round = self.back(back)?.header.round;
                free(
                    "finalise",
                    sender(6),
                    rounds,
                    RoundManager::finaliseCall { round }.abi_encode(),
                )
            }
            Op::Demand { back, chunk, by, bond } => {
                let value = if bond { made.terms.demand_bond() } else { 1 };
                let place = self.pick(back, by, |attempt| attempt.posted && attempt.demanded.is_none())?;
                let chunk = u64::from(chunk) % (CHUNKS + u64::from(by % 8 == 0));
                let call = Call::demand(&self.attempts[place].header, chunk, value);
                Sent {
                    value,
                    about: Some(place),
                    ..free("demandRow", sender(by), rounds, call.calldata)
                }
            }
            Op::Answer { back, chunk, by } => {
                let attempt = &self.attempts[self.pick(back, by, |attempt| attempt.demanded.is_some())?];
                let chunk = attempt.demanded.unwrap_or(u64::from(chunk) % CHUNKS) as usize;
                let shown = attempt.evidence(chunk).answer(&attempt.header);
                free("answerRow", sender(by), rounds, shown)
            }
            Op::Expire { back, chunk, by } => {
                let place = self.pick(back, by, |attempt| attempt.demanded.is_some())?;
                let attempt = &self.attempts[place];
                let chunk = attempt.demanded.unwrap_or(u64::from(chunk) % CHUNKS);
                self.later += if by % 2 == 0 { made.terms.answer_time() } else { 0 };
                let call = Call::expire(&attempt.header, chunk);
                Sent {
                    about: Some(place),
                    ..free("expireDemand", sender(by), rounds, call.calldata)
                }
            }
            Op::ReturnBond { back, chunk, by } => {
                let attempt = &self.attempts[self.pick(back, by, |attempt| attempt.demanded.is_some())?];
                let chunk = attempt.demanded.unwrap_or(u64::from(chunk) % CHUNKS);
                self.later += if by % 2 == 0 { 2 * made.terms.answer_time() } else { 0 };
                let digest = self.digest(attempt).into();
                let call = RoundManager::returnBondCall { digest, chunk };
                free("returnBond", sender(by), rounds, call.abi_encode())
            }
            Op::CollectBonds { by } => {
                let call = RoundManager::collectBondsCall { to: payee(by) };
                free("collectBonds", sender(by), rounds, call.abi_encode())
            }
            Op::ProveRule { back, coordinate, by } => {
                let place = self.pick(back, by, |attempt| attempt.posted && attempt.wrong().is_some())?;
                let attempt = &self.attempts[place];
                let wrong = attempt.wrong().filter(|_| coordinate % 4 != 0);
                let coordinate = wrong.unwrap_or(u64::from(coordinate) % DIMENSION as u64);
                let views: Vec<&[i32]> = attempt.updates.iter().map(Vec::as_slice).collect();
                let round = Round {
                    header: &attempt.header,
                    updates: &views,
                    aggregate: &attempt.aggregate,
                    weights: &[],
                };
                let proof = RuleProof::new(&round, coordinate).unwrap();
                Sent {
                    about: Some(place),
                    ..free("proveRule", sender(by), rounds, proof.calldata(&attempt.header))
                }
            }
            Op::ProveOmission { back, by } => {
                let short = |attempt: &Attempt| attempt.posted && attempt.listed != attempt.sent;
                let attempt = &self.attempts[self.pick(back, by, short)?];
                let missing = attempt.sent.iter().find(|input| !attempt.listed.contains(input))?;
                let (header, domain) = (&attempt.header, made.header_domain());
                let receipt = Receipt {
                    federation: FEDERATION,
                    round: header.round,
                    attempt: header.attempt,
                    node_key: missing.node_key,
                    commitment: missing.commitment,
                };
                let signature = receipt.sign(&domain, &coordinator()).unwrap();
                let receipt = SignedReceipt { receipt, signature };
                let account = coordinator().account();
                let proof = OmissionProof::new(header, &domain, &account, &receipt, &attempt.listed).unwrap();
                free("proveOmission", sender(by), rounds, proof.calldata(header))
            }
            Op::Punish { back, signer, by } => {
                let attempt = &self.attempts[self.pick(back, by, |attempt| attempt.convicted)?];
                let digest = self.digest(attempt);
                let signature = sender(signer % 5).sign(&digest).unwrap();
                free("punish", sender(by), rounds, Call::punish(&digest, &signature).calldata)
            }
            Op::Equivocate { back, signer, by } => {
                let (domain, key) = (made.header_domain(), sender(signer % 5));
                let header = self.back(back)?.header;
                let other = RoundHeader {
                    model_root: [signer; 32],
                    ..header
                };
                let sign = |header: &RoundHeader| header.sign(&domain, &key).unwrap();
                let (one, two) = (sign(&header), sign(&other));
                let proof = Equivocation::new(&domain, (&header, &one), (&other, &two)).ok()?;
                free("proveEquivocation", sender(by), rounds, proof.calldata())
            }
            Op::Open { back, fault } => {
                let place = self.pick(back, fault, |attempt| attempt.posted && !attempt.opened)?;
                let attempt = &self.attempts[place];
                self.later += if fault % 2 == 0 { made.terms.activation_delay } else { 0 };
                let claim = attempt.claims(made.chain_id).into_iter().next()?;
                let mut header = attempt.header;
                let mut entry = claim.entry;
                match fault {
                    0..20 => entry.cumulative_budget += 1,
                    20..40 => header.plan_hash[0] ^= 1,
                    40..50 => entry.venue.chain_id += 1,
                    _ => {}
                }
                let call = RewardDistributor::openCall {
                    header: RewardDistributor::RoundHeader::abi_decode(&encoded(&header)).unwrap(),
                    entry: RewardDistributor::Entry {
                        chainId: U256::from(entry.venue.chain_id),
                        distributor: entry.venue.distributor.into(),
                        token: entry.venue.token.into(),
                        chainRoot: entry.chain_root.into(),
                        cumulativeBudget: U256::from(entry.cumulative_budget),
                    },
                    index: U256::from(claim.entry_proof.index),
                    proof: claim.entry_proof.siblings.iter().map(B256::from).collect(),
                };
                Sent {
                    about: Some(place),
                    ..free("open", sender(fault), made.distributor, call.abi_encode())
                }
            }
            Op::Claim { back, earner, fault } => {
                let place = self.pick(back, fault, |attempt| attempt.opened)?;
                let claims = self.attempts[place].claims(made.chain_id);
                let mut c = claiming(claims.get(usize::from(earner) % claims.len().max(1))?);
                match fault {
                    0..16 => c.cumulative += 1,
                    16..32 => c.payout = Address::ZERO,
                    32..48 => c.index += U256::ONE,
                    48..56 => c.proof.push(B256::ZERO),
                    56..64 => c.round += 1,
                    _ => {}
                }
                let call = RewardDistributor::claimCall { c };
                free("claim", sender(fault), made.distributor, call.abi_encode())
            }
            Op::ClaimMany { back, earners } => {
                let place = self.pick(back, earners, |attempt| attempt.opened)?;
                let claims = self.attempts[place].claims(made.chain_id);
                let picked = (0..8u8).filter(|bit| earners >> bit & 1 == 1);
                let claims = picked.filter_map(|bit| claims.get(usize::from(bit) % 5).map(claiming));
                let call = RewardDistributor::claimManyCall {
                    claims: claims.collect(),
                };
                free("claimMany", sender(earners), made.distributor, call.abi_encode())
            }
            Op::Fund { amount, by, approve } => {
                let amount = U256::from(amount) * U256::from(COIN / 1_000);
                let call = RewardDistributor::fundCall { amount };
                let by = if by % 4 == 0 { sender(by) } else { coordinator() };
                let kind = if approve { "fund" } else { "fund unapproved" };
                free(kind, by, made.distributor, call.abi_encode())
            }
            Op::Deposit { by, amount, exact } => {
                let value = u128::from(amount % 8) * BIT;
                let call = StakeVault::depositCall {
                    account: sender(by).account().into(),
                    amount: U256::from(value + u128::from(!exact)),
                };
                Sent {
                    value,
                    ..free("deposit", sender(by), vault, call.abi_encode())
                }
            }
            Op::Exit { by, amount } => {
                let amount = U256::from(u128::from(amount % 8) * BIT);
                let call = StakeVault::exitCall { amount };
                free("exit", sender(by), vault, call.abi_encode())
            }
            Op::CancelExit { by } => free(
                "cancelExit",
                sender(by),
                vault,
                StakeVault::cancelExitCall {}.abi_encode(),
            ),
            Op::Withdraw { by } => {
                // Long enough for any stake, now and then.
                self.later += if by % 2 == 0 { made.terms.unbonding_time() } else { 0 };
                let call = StakeVault::withdrawCall { to: payee(by) };
                free("withdraw", sender(by), vault, call.abi_encode())
            }
            Op::Collect { by } => {
                let call = StakeVault::collectCall { to: payee(by) };
                free("collect", sender(by), vault, call.abi_encode())
            }
            Op::Sink { by } => free("sink", sender(by), vault, StakeVault::sinkCall {}.abi_encode()),
            Op::Garbage { contract, bytes, real } => {
                let contracts = made.contracts();
                let (_, to) = contracts[usize::from(contract) % contracts.len()];
                let mut calldata = bytes.to_vec();
                if real {
                    let selectors = [
                        RoundManager::postRoundCall::SELECTOR,
                        RewardDistributor::claimCall::SELECTOR,
                        FederationRegistry::admitCall::SELECTOR,
                        StakeVault::slashCall::SELECTOR,
                    ];
                    calldata[..4].copy_from_slice(&selectors[usize::from(bytes[0]) % 4]);
                }
                Sent {
                    value: u128::from(bytes[1] % 2),
                    ..free("garbage", sender(contract), to, calldata)
                }
            }
            Op::Starved { gas } => {
                let attempt = self.next(10, [1; 4], 0b0110, 0, 255).await;
                let calldata = attempt.posting(255);
                // Enough for its bytes, and from not enough to hardly enough for the rest.
                Sent {
                    gas: Some(56_000 + u64::from(gas) % 40_000),
                    ..free("starved", sender(6), rounds, calldata)
                }
            }
        })
    }

    /// The round that comes next where the chain stands, or something near it.
    async fn next(&self, budget: u16, weights: [u8; 4], signers: u8, lie: u8, fault: u8) -> Attempt {
        let (round, parent) = self.standing().await;
        let before = self.attempts.iter().rev().find(|tried| self.digest(tried) == parent);
        let draft = Draft {
            made: &self.pair.deployment,
            round: round + 1,
            parent,
            ledger: before.map_or(&self.ledger, |before| &before.ledger).clone(),
            seed: self.attempts.len() as u8,
        };
        draft.drawn(budget, weights, signers, lie, fault)
    }

    /// The last good round, and its header's digest.
    async fn standing(&self) -> (u64, [u8; 32]) {
        let rounds = &self.pair.deployment.rounds;
        let latest = RoundManager::latestRoundCall {}.abi_encode();
        let latest = self.pair.look(rounds, latest).await;
        let round = RoundManager::latestRoundCall::abi_decode_returns(&latest).unwrap();
        let digest = RoundManager::headerDigestCall { round }.abi_encode();
        (round, self.pair.look(rounds, digest).await.try_into().unwrap())
    }

    /// Which attempt an operation is about: so many back among those that fit it, or, now and then, among all.
    fn pick(&self, back: u8, any: u8, fits: impl Fn(&Attempt) -> bool) -> Option<usize> {
        let fitting = |&place: &usize| any < 32 || fits(&self.attempts[place]);
        let places: Vec<usize> = (0..self.attempts.len()).rev().filter(fitting).collect();
        places.get(usize::from(back) % places.len().max(1)).copied()
    }

    /// The attempt that came so many before the last one posted.
    fn back(&self, back: u8) -> Option<&Attempt> {
        self.pick(back, 255, |attempt| attempt.posted)
            .map(|place| &self.attempts[place])
    }

    fn digest(&self, attempt: &Attempt) -> [u8; 32] {
        attempt.header.digest(&self.pair.deployment.header_domain())
    }
}

/// Where money goes: to a fresh account, or to nobody now and then.
fn payee(by: u8) -> Address {
    if by.is_multiple_of(16) {
        Address::ZERO
    } else {
        Address::repeat_byte(0x70 | (by % 4))
    }
}

fn claiming(proof: &ClaimProof) -> RewardDistributor::Claim {
    RewardDistributor::Claim {
        round: proof.round,
        participant: proof.leaf.participant.into(),
        payout: proof.leaf.payout.into(),
        cumulative: proof.leaf.cumulative,
        index: U256::from(proof.leaf_proof.index),
        proof: proof.leaf_proof.siblings.iter().map(B256::from).collect(),
    }
}
