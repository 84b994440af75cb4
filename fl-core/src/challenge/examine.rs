//! A header against what was signed: what follows, what doesn't, and the evidence.

use std::collections::BTreeSet;

use xfl_aggregation::{Rule, limits::Limits};
use xfl_settlement::{
    domain::Domain,
    input::{Input, REFUSED, input_tree},
    payout::Account,
    receipt::SignedReceipt,
    refute::{Evidence, InputProof, OmissionProof, RefuteError, Round, RuleProof, by_rule, confidential, provable},
    row::{CHUNK, aggregate_tree, row_tree},
    statement::RoundHeader,
};

use super::{Dossier, dossier::Received};
use crate::{identity::NodeId, seed::Seed};

/// Groups of members that may have been left out together, at most.
const GROUPS: usize = 1_026;

/// What the challenger knows besides the transcript.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The domain of headers and receipts.
    pub domain: Domain,
    /// The coordinator's account in the contracts.
    pub coordinator: Account,
    /// Receipts for updates, of any round.
    pub receipts: &'a [SignedReceipt],
    /// Aggregates that the round may have had, in grid steps: from models, or from wherever they can be had.
    pub aggregates: &'a [Vec<i32>],
    /// Rows of the round that were shown on the chain.
    pub shown: &'a [Evidence],
}

/// What can be proved against a header.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// A coordinate isn't the rule's.
    Rule(Box<RuleProof>),
    /// A row isn't what a member committed to.
    Input(Box<InputProof>),
    /// An update with a receipt was left out.
    Omission(Box<OmissionProof>),
}

/// What came of examining a header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examined {
    /// What can be proved, what costs most signers their stake first.
    pub lies: Vec<Proof>,
    /// What the header is over and nobody has shown; a row can be demanded.
    pub hidden: Vec<&'static str>,
    /// What doesn't follow, and no contract can be shown.
    pub doubts: Vec<String>,
    /// What isn't known, or can't be redone: it may be right or wrong.
    pub unknown: Vec<String>,
    /// What follows.
    pub holds: Vec<&'static str>,
    /// The transcript ends before it says what went into the round: what it doesn't hold may be in newer copies.
    pub behind: bool,
}

impl Examined {
    /// Whether rows may be demanded, and some would help, though this copy goes as far as the round does. Whoever demands rows of an honest round
    /// loses bonds, or slashes the honest where nobody answers.
    pub fn wants_rows(&self, header: &RoundHeader) -> bool {
        !self.behind && self.rows_would_help(header)
    }

    /// The same of a copy that may be behind.
    pub fn rows_would_help(&self, header: &RoundHeader) -> bool {
        self.lies.is_empty() && !self.hidden.is_empty() && !confidential(header.rule)
    }
}

/// Members in the order of the rows, and the inputs that the header is over.
struct Listed {
    members: Vec<NodeId>,
    inputs: Vec<Input>,
}

impl Dossier {
    /// Compares a header with what was signed in its round.
    pub fn examine(&self, header: &RoundHeader, known: &Known<'_>) -> Examined {
        let mut found = Examined::default();
        if header.federation != self.plan().federation().0 {
            found.doubts.push("the header is of another federation".into());
            return found;
        }
        self.terms(header, &mut found);
        let at = (header.round, header.attempt);
        found.behind = self.ends_before(at);
        if found.behind {
            let what = format!(
                "this copy ends before round {}, attempt {}, is done: take a newer one",
                at.0, at.1
            );
            found.unknown.push(what);
        }
        let Some(received) = self.received.get(&at) else {
            if !found.behind {
                let what = format!("the transcript holds nothing of round {}, attempt {}", at.0, at.1);
                found.unknown.push(what);
            }
            self.row_by_row(header, known, None, &mut found);
            return found;
        };
        let listed = self.listed(header, received, known.receipts);
        if listed.is_some() {
            found.holds.push("inputs");
        } else if header.input_root != [0; 32] && !found.behind {
            let what = "the header's inputs are none that this transcript knows";
            found.unknown.push(what.into());
        }
        match &listed {
            Some(listed) => self.rows(header, known, received, listed, &mut found),
            None => self.row_by_row(header, known, None, &mut found),
        }
        let inputs = listed.as_ref().map_or(&[][..], |listed| &listed.inputs);
        if listed.is_some() || header.input_root == [0; 32] {
            omissions(header, known, inputs, &mut found);
        } else {
            for receipt in known.receipts.iter().filter(|signed| is_of(signed, header)) {
                let whose = NodeId(receipt.receipt.node_key);
                let what = format!("the receipt of {whose} can't be used while the header's inputs aren't known");
                found.unknown.push(what);
            }
        }
        found
    }

    /// What the plan says of every header, and no contract compares.
    fn terms(&self, header: &RoundHeader, found: &mut Examined) {
        let plan = self.plan();
        let hidden = if plan.masked() || plan.sealed() { 0xc0 } else { 0 };
        let rule = plan.rule_code() | hidden;
        if header.rule != rule {
            let what = format!("the header's rule is {}, the plan's is {rule}", header.rule);
            found.doubts.push(what);
        }
        if header.plan_hash != plan.hash() {
            found.doubts.push("the header names another plan".into());
        }
        if !provable(header.rule) {
            let name = plan.terms().aggregation.rule.name();
            let what = format!(
                "no contract can redo the rule of this round ({name}, code {}): its quorum's word stands",
                header.rule
            );
            found.unknown.push(what);
        }
    }

    /// The inputs under the header's root, of those that this transcript could make.
    fn listed(&self, header: &RoundHeader, received: &Received, receipts: &[SignedReceipt]) -> Option<Listed> {
        let mut lists: Vec<(Vec<NodeId>, Vec<NodeId>)> = Vec::new();
        // A transcript may say anything: more than there are members can't be right.
        let most = self.genesis().members.len();
        let told = received.told.as_ref();
        if let Some(told) = told.filter(|told| told.members.len().saturating_add(told.refused.len()) <= most) {
            lists.push((told.members.clone(), told.refused.clone()));
        }
        lists.push(self.partition(received, header));
        // Whoever was left out: nobody, some of those with receipts, or any one.
        let receipts = receipts.iter().filter(|signed| is_of(signed, header));
        let holders: BTreeSet<NodeId> = receipts.map(|signed| NodeId(signed.receipt.node_key)).collect();
        let mut left_out = subsets(&holders.into_iter().collect::<Vec<_>>());
        left_out.extend(received.whole().map(|who| vec![who]));
        let tried = lists.iter().flat_map(|(members, refused)| {
            let without = |list: &[NodeId], out: &[NodeId]| list.iter().copied().filter(|m| !out.contains(m)).collect();
            left_out
                .iter()
                .map(move |out| (without(members, out), without(refused, out)))
        });
        let mut made = tried.filter_map(|(members, refused): (Vec<NodeId>, Vec<NodeId>)| {
            let inputs = inputs(received, &members, &refused)?;
            Some(Listed { members, inputs })
        });
        made.find(|listed| input_tree(&listed.inputs).is_ok_and(|tree| tree.root() == header.input_root))
    }

    /// Whole updates by whether they are within the plan's bounds.
    fn partition(&self, received: &Received, header: &RoundHeader) -> (Vec<NodeId>, Vec<NodeId>) {
        let length = usize::try_from(header.dimension).unwrap_or(usize::MAX);
        let limits = self.plan().mechanism(self.genesis().model.len()).ok();
        let limits = limits.map(|mechanism| Limits {
            max_abs: mechanism.max_abs().unsigned_abs(),
            max_norm_squared: mechanism.max_norm_squared(),
        });
        let fits = |member: &NodeId| match (&limits, received.update(member)) {
            (Some(limits), Some(values)) => limits.check(values, length).is_ok(),
            _ => false,
        };
        received.whole().partition(fits)
    }

    /// The rows and the rule, where the updates are at hand.
    fn rows(
        &self,
        header: &RoundHeader,
        known: &Known<'_>,
        received: &Received,
        listed: &Listed,
        found: &mut Examined,
    ) {
        let updates: Option<Vec<&[i32]>> = listed.members.iter().map(|m| received.update(m)).collect();
        let updates = updates.filter(|updates| row_tree(updates).is_ok_and(|tree| tree.root() == header.row_root));
        let Some(updates) = updates else {
            return self.row_by_row(header, known, Some((received, listed)), found);
        };
        found.holds.push("rows");
        if !provable(header.rule) {
            return;
        }
        let weights = self.weights(&listed.members);
        let truth = match by_rule(header, &updates, &weights) {
            Ok(truth) => truth,
            Err(error) => return found.unknown.push(format!("the rule can't be redone: {error}")),
        };
        if aggregate_tree(&truth).is_ok_and(|tree| tree.root() == header.aggregate_root) {
            return found.holds.push("aggregate");
        }
        let is_it =
            |values: &&Vec<i32>| aggregate_tree(values.as_slice()).is_ok_and(|t| t.root() == header.aggregate_root);
        let Some(aggregate) = known.aggregates.iter().find(is_it) else {
            found.hidden.push("the aggregate");
            return self.row_by_row(header, known, Some((received, listed)), found);
        };
        let round = Round {
            header,
            updates: &updates,
            aggregate,
            weights: &weights,
        };
        let wrong = truth.iter().zip(aggregate).position(|(a, b)| a != b);
        match wrong.map(|place| RuleProof::new(&round, place as u64)) {
            Some(Ok(proof)) => found.lies.push(Proof::Rule(Box::new(proof))),
            Some(Err(error)) => found.unknown.push(error.to_string()),
            None => found
                .unknown
                .push("the aggregate has another length than the header says".into()),
        }
    }

    /// Rows that were shown on the chain, where the updates don't lead to the header's rows, or its aggregate isn't known.
    fn row_by_row(
        &self,
        header: &RoundHeader,
        known: &Known<'_>,
        at_hand: Option<(&Received, &Listed)>,
        found: &mut Examined,
    ) {
        if found.hidden.is_empty() {
            found.hidden.push("the rows");
        }
        let weights = at_hand
            .map(|(_, listed)| self.weights(&listed.members))
            .unwrap_or_default();
        for shown in known.shown {
            if let Ok(Some(proof)) = RuleProof::in_chunk(header, shown, &weights) {
                return found.lies.push(Proof::Rule(Box::new(proof)));
            }
            let Some((received, listed)) = at_hand else { continue };
            for member in &listed.members {
                let opened = received.opened(member);
                let opening = opened.and_then(|(values, key)| crate::update::open(values, key, shown.chunk()));
                let Some(opening) = opening else { continue };
                match InputProof::new(header, shown.clone(), &listed.inputs, &member.0, opening) {
                    Ok(proof) => return found.lies.push(Proof::Input(Box::new(proof))),
                    Err(RefuteError::Matches) => {}
                    Err(error) => found.unknown.push(format!("{member}: {error}")),
                }
            }
        }
        let chunks = header.dimension.div_ceil(CHUNK as u64);
        if known.shown.len() as u64 >= chunks {
            found.hidden.clear();
            found.holds.push("every row that was shown");
        }
    }

    /// What each update weighs, where the rule weighs them.
    fn weights(&self, members: &[NodeId]) -> Vec<u64> {
        let pipeline = self.plan().pipeline(members.len(), 0, &Seed::from_number(0));
        let pipeline = self.plan().weighing(pipeline, members);
        match (pipeline.rule, pipeline.weights) {
            (Rule::WeightedMean { cap }, Some(weights)) => weights.into_iter().map(|w| w.min(cap)).collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether a receipt is for an update of the header's round.
fn is_of(signed: &SignedReceipt, header: &RoundHeader) -> bool {
    let receipt = &signed.receipt;
    (receipt.federation, receipt.round, receipt.attempt) == (header.federation, header.round, header.attempt)
}

/// None of them, all, and then smaller groups before larger ones: every one of up to ten, else as many as [`GROUPS`].
fn subsets(all: &[NodeId]) -> Vec<Vec<NodeId>> {
    let mut groups = vec![Vec::new(), all.to_vec()];
    // Each with the place after its last member.
    let mut last: Vec<(usize, Vec<NodeId>)> = vec![(0, Vec::new())];
    while !last.is_empty() && groups.len() < GROUPS {
        let longer = last.iter().flat_map(|(from, group)| {
            let more = all.iter().enumerate().skip(*from);
            more.map(|(place, who)| (place + 1, [group.as_slice(), &[*who]].concat()))
        });
        last = longer.take(GROUPS - groups.len()).collect();
        groups.extend(last.iter().map(|(_, group)| group.clone()));
    }
    groups
}

fn omissions(header: &RoundHeader, known: &Known<'_>, inputs: &[Input], found: &mut Examined) {
    for receipt in known.receipts.iter().filter(|signed| is_of(signed, header)) {
        match OmissionProof::new(header, &known.domain, &known.coordinator, receipt, inputs) {
            Ok(proof) => found.lies.push(Proof::Omission(Box::new(proof))),
            Err(RefuteError::Listed) => found.holds.push("an update with a receipt"),
            Err(error) => found.unknown.push(format!("a receipt: {error}")),
        }
    }
}

/// What a header over these members commits to, ascending by key; none where a commitment isn't at hand.
fn inputs(received: &Received, members: &[NodeId], refused: &[NodeId]) -> Option<Vec<Input>> {
    let accepted = (0..).zip(members);
    let refused = refused.iter().map(|member| (REFUSED, member));
    let input = |(position, member): (u32, &NodeId)| {
        Some(Input {
            node_key: member.0,
            commitment: received.commits.get(member)?.root,
            position,
        })
    };
    let mut inputs: Vec<Input> = accepted.chain(refused).map(input).collect::<Option<_>>()?;
    inputs.sort_unstable_by_key(|input| input.node_key);
    Some(inputs)
}
