//! An institution's own ledger of the privacy it has spent: append-only, hash-chained, charged **before** release.
//!
//! The ledger belongs to the institution and is the last word on what leaves it: whatever a coordinator asks for, a release that would
//! pass the institution's [`Limit`] is refused, with the arithmetic shown. This module is pure; a shell reads the file, appends the
//! lines it is given and syncs them before it lets anything out.
//!
//! **How.** A [`Loss`] is zCDP, or steps over records that the institution's own coins drew; a [`Total`] of them says what epsilon they come to
//! together.
//!
//! **What is added up.** Losses of the same unit and the same neighbouring relation, over *all* federations: they learn about the same
//! data. A second limit may bound what one federation alone may cost. The limit holds for each such pair by itself, because epsilons of different units or relations can't be added; an institution that
//! takes part under several should read all totals ([`Ledger::totals`]). Totals per federation are kept for people
//! ([`Ledger::federations`]).
//!
//! **One release, one charge.** A charge is named by federation, run, round and attempt: a federation that begins anew draws new noise on new
//! models, and pays for it. Charging it again is answered
//! [`Charge::AlreadyCharged`] and costs nothing. Who is told so must send the very integers that were drawn before (from a journal) or, if
//! the journal has none and so nothing was ever sent, may draw once. Everything else is a new attempt, and a new charge.
//!
//! **Format.** One JSON object a line, in one canonical spelling, with the previous line's hash and its own (BLAKE3 with a context of its
//! own). Any change to a line that was written is detected and named by its number.
//!
//! **Crashes can only over-charge.** A charge is returned after its line is on disk, so nothing was ever released under a line that isn't
//! complete. Such a line (a *torn tail*: bytes after the last complete line) is nonetheless never forgotten: it is charged, against
//! every unit and relation, with the loss that can still be read in it, else with the largest in the ledger (nothing in an empty one); a line that
//! lacks nothing but its end is charged as it stands. The repair is appended; no byte is ever overwritten.
//!
//! **Not detected here.** A file rolled back to an earlier complete state is consistent in itself. [`Ledger::head`] is there to be written
//! into receipts elsewhere; [`Ledger::knows`] says whether one of those was ever a head of this file.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use thiserror::Error;

use crate::accounting::{Guarantee, Loss, Total};
use crate::neighbour::{Relation, Unit};
use crate::parameter::{Delta, Epsilon, Rho};

mod line;
mod read;

pub use read::Opened;

use line::Line;

/// What an institution is willing to lose, per unit and relation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Never to be passed by all federations together.
    pub epsilon: Epsilon,
    /// Never to be passed by one federation alone.
    pub per_federation: Option<Epsilon>,
    /// Where epsilon is read off.
    pub delta: Delta,
}

/// Which of the two limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All federations together.
    Total,
    /// One federation.
    Federation,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "the total",
            Self::Federation => "this federation's total",
        })
    }
}

/// One release that is about to happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Release {
    /// Identifier of the federation.
    pub federation: [u8; 32],
    /// The run of it, by a hash of what it began with.
    pub run: [u8; 32],
    /// Its round.
    pub round: u64,
    /// Which draw of noise within the round, from 0.
    pub attempt: u32,
    /// Whose privacy is spent.
    pub unit: Unit,
    /// Under which relation `loss` holds.
    pub relation: Relation,
    /// What it costs.
    pub loss: Loss,
}

/// A charge that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub enum Charge {
    /// Append [`Pending::text`] durably, then [`Ledger::record`] it, then release.
    New(Pending),
    /// On record already: nothing is spent again.
    AlreadyCharged,
}

/// A line to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    line: Line,
    prev: [u8; 32],
}

impl Pending {
    /// The bytes to append, newline included.
    #[must_use]
    pub fn text(&self) -> String {
        self.line.text(&self.prev)
    }
}

/// A release that must not happen.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ChargeError {
    /// The release carries no noise.
    #[error(
        "a release without noise has an infinite epsilon, the budget's limit is epsilon {limit}; set a noise multiplier in the plan"
    )]
    NoNoise {
        /// The institution's limit.
        limit: Epsilon,
    },
    /// The total would pass the limit.
    #[error(
        "charging {loss} would bring {scope} for unit {unit} ({relation}) from {before} (epsilon {epsilon_before}) to {after} \
         (epsilon {epsilon_after}) at delta {delta}, the limit is epsilon {limit}"
    )]
    PastLimit {
        /// Which limit.
        scope: Scope,
        /// Whose privacy.
        unit: Unit,
        /// Under which relation.
        relation: Relation,
        /// What was asked for.
        loss: Box<Total>,
        /// Total so far.
        before: Box<Total>,
        /// Its epsilon.
        epsilon_before: Epsilon,
        /// Total with it.
        after: Box<Total>,
        /// Its epsilon.
        epsilon_after: Epsilon,
        /// The institution's limit.
        limit: Epsilon,
        /// Where it is read off.
        delta: Delta,
    },
    /// The same release was charged with other numbers.
    #[error(
        "round {round} attempt {attempt} is on record with {charged} for unit {unit} ({relation}), got another charge for it: \
         a changed plan needs a new attempt"
    )]
    Conflict {
        /// The round.
        round: u64,
        /// The attempt.
        attempt: u32,
        /// On record.
        charged: Loss,
        /// On record.
        unit: Unit,
        /// On record.
        relation: Relation,
    },
}

/// A ledger that can't be trusted or continued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// A line was changed after it was written, or isn't one of ours.
    #[error(
        "line {line} of the budget is damaged: {reason}; restore the file from a backup, nothing is released without it"
    )]
    Damaged {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Written by a program that charged for federations, and not for their runs.
    #[error(
        "an earlier version of xfl wrote the budget, and this one can't go on with it; don't delete it: what it says was spent is spent"
    )]
    Earlier,
    /// A line made for another state of the ledger.
    #[error("the charge was made for another state of the ledger; charge again")]
    Stale,
}

/// What was charged under one name.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spent {
    unit: Unit,
    relation: Relation,
    loss: Loss,
}

/// Federation, run, round and attempt.
type Name = ([u8; 32], [u8; 32], u64, u32);

/// The verified contents of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    limit: Limit,
    releases: BTreeMap<Name, Spent>,
    /// The run of each federation that was charged last.
    latest: BTreeMap<[u8; 32], [u8; 32]>,
    totals: BTreeMap<(Unit, Relation), Total>,
    federations: BTreeMap<([u8; 32], Unit, Relation), Total>,
    heads: BTreeSet<[u8; 32]>,
    torn: Total,
    largest: Loss,
    head: [u8; 32],
    lines: u64,
}

impl Ledger {
    /// A ledger in which nothing was spent.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            releases: BTreeMap::new(),
            latest: BTreeMap::new(),
            totals: BTreeMap::new(),
            federations: BTreeMap::new(),
            heads: BTreeSet::from([[0; 32]]),
            torn: Total::default(),
            largest: Loss::unsampled(Rho::ZERO),
            head: [0; 32],
            lines: 0,
        }
    }

    /// Decides about a release. Nothing changes until the line that it may return is appended and [recorded](Self::record).
    ///
    /// # Errors
    /// The limit would be passed, the release has no noise, or it is on record with other numbers.
    pub fn charge(&self, release: &Release) -> Result<Charge, ChargeError> {
        let Release {
            federation,
            run,
            round,
            attempt,
            unit,
            relation,
            loss,
        } = *release;
        if let Some(&spent) = self.releases.get(&(federation, run, round, attempt)) {
            if spent == (Spent { unit, relation, loss }) {
                return Ok(Charge::AlreadyCharged);
            }
            let Spent {
                unit,
                relation,
                loss: charged,
            } = spent;
            return Err(ChargeError::Conflict {
                round,
                attempt,
                charged,
                unit,
                relation,
            });
        }
        if !loss.is_finite() {
            return Err(ChargeError::NoNoise {
                limit: self.limit.epsilon,
            });
        }
        self.fits(federation, unit, relation, &loss, 1)?;
        Ok(Charge::New(Pending {
            line: Line::Charge(*release),
            prev: self.head,
        }))
    }

    /// Whether `count` times a loss more, by one federation, stays within both limits.
    ///
    /// # Errors
    /// [`ChargeError::PastLimit`], with the arithmetic.
    pub fn fits(
        &self,
        federation: [u8; 32],
        unit: Unit,
        relation: Relation,
        loss: &Loss,
        count: u64,
    ) -> Result<(), ChargeError> {
        let totals = [
            (Scope::Total, Some(self.limit.epsilon), self.spent(unit, relation)),
            (
                Scope::Federation,
                self.limit.per_federation,
                self.spent_by(federation, unit, relation),
            ),
        ];
        let delta = self.limit.delta;
        for (scope, limit, before) in totals {
            let (Some(limit), after) = (limit, before.with(loss, count)) else {
                continue;
            };
            let epsilon_after = after.epsilon(delta);
            if epsilon_after > limit {
                return Err(ChargeError::PastLimit {
                    scope,
                    unit,
                    relation,
                    loss: Box::new(Total::of(loss, count)),
                    epsilon_before: before.epsilon(delta),
                    before: Box::new(before),
                    after: Box::new(after),
                    epsilon_after,
                    limit,
                    delta,
                });
            }
        }
        Ok(())
    }

    /// Takes a line into account that is now on disk.
    ///
    /// # Errors
    /// The ledger has moved on since the line was made.
    pub fn record(&mut self, pending: &Pending) -> Result<(), LedgerError> {
        if pending.prev != self.head || !self.apply(&pending.line) {
            return Err(LedgerError::Stale);
        }
        Ok(())
    }

    /// Adds a line up; false (and no change) if its release is on record already.
    fn apply(&mut self, line: &Line) -> bool {
        let loss = match *line {
            Line::Charge(Release {
                federation,
                run,
                round,
                attempt,
                unit,
                relation,
                loss,
            }) => {
                match self.releases.entry((federation, run, round, attempt)) {
                    Entry::Occupied(_) => return false,
                    Entry::Vacant(slot) => slot.insert(Spent { unit, relation, loss }),
                };
                self.latest.insert(federation, run);
                for total in [
                    self.totals.entry((unit, relation)).or_default(),
                    self.federations.entry((federation, unit, relation)).or_default(),
                ] {
                    total.add(&loss, 1);
                }
                loss
            }
            Line::Torn { loss, .. } => {
                self.torn.add(&loss, 1);
                loss
            }
        };
        if loss.rho() > self.largest.rho() {
            self.largest = loss;
        }
        self.head = line.hash(&self.head);
        self.heads.insert(self.head);
        self.lines += 1;
        true
    }

    /// The institution's limit.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Total loss for a unit and relation over all federations, torn lines included.
    #[must_use]
    pub fn spent(&self, unit: Unit, relation: Relation) -> Total {
        self.and_torn(self.totals.get(&(unit, relation)))
    }

    /// Loss for a unit and relation by one federation, torn lines included: any of them may have been its.
    #[must_use]
    pub fn spent_by(&self, federation: [u8; 32], unit: Unit, relation: Relation) -> Total {
        self.and_torn(self.federations.get(&(federation, unit, relation)))
    }

    fn and_torn(&self, total: Option<&Total>) -> Total {
        total.cloned().unwrap_or_default().and(&self.torn)
    }

    /// Releases on record, with what each cost, by federation, run, round and attempt.
    pub fn releases(&self) -> impl Iterator<Item = Release> {
        self.releases
            .iter()
            .map(|(&(federation, run, round, attempt), spent)| Release {
                federation,
                run,
                round,
                attempt,
                unit: spent.unit,
                relation: spent.relation,
                loss: spent.loss,
            })
    }

    /// Loss of torn lines, which counts against every unit and relation.
    #[must_use]
    pub fn torn(&self) -> &Total {
        &self.torn
    }

    /// What was spent per unit and relation, as guarantees at the limit's delta.
    #[must_use]
    pub fn totals(&self) -> Vec<Guarantee> {
        let pairs = self.totals.keys();
        pairs
            .map(|&(unit, relation)| Guarantee::new(unit, relation, &self.spent(unit, relation), self.limit.delta))
            .collect()
    }

    /// Loss per federation, unit and relation, without torn lines.
    pub fn federations(&self) -> impl Iterator<Item = (&[u8; 32], Unit, Relation, &Total)> {
        self.federations
            .iter()
            .map(|((federation, unit, relation), total)| (federation, *unit, *relation, total))
    }

    /// The run of a federation that was charged last.
    #[must_use]
    pub fn latest_run(&self, federation: &[u8; 32]) -> Option<[u8; 32]> {
        self.latest.get(federation).copied()
    }

    /// Releases charged for one run of a federation.
    #[must_use]
    pub fn charged(&self, federation: [u8; 32], run: [u8; 32]) -> u64 {
        self.of_run(federation, run, (0, 0)).count() as u64
    }

    /// Whether a later release than this one was charged for the run: then it is too late to draw for this one, whatever became of it.
    #[must_use]
    pub fn went_on(&self, federation: [u8; 32], run: [u8; 32], (round, attempt): (u64, u32)) -> bool {
        let later = |&&(_, _, other, again): &&Name| (other, again) > (round, attempt);
        self.of_run(federation, run, (round, attempt)).any(|name| later(&name))
    }

    fn of_run(&self, federation: [u8; 32], run: [u8; 32], from: (u64, u32)) -> impl Iterator<Item = &Name> {
        let first = (federation, run, from.0, from.1);
        let last = (federation, run, u64::MAX, u32::MAX);
        self.releases.range(first..=last).map(|(name, _)| name)
    }

    /// Whether the ledger ever ended with this line (zeros: before its first): false for a head that a receipt shows means that this
    /// file was rolled back, or is another one.
    #[must_use]
    pub fn knows(&self, head: &[u8; 32]) -> bool {
        self.heads.contains(head)
    }

    /// Hash of the last line (zeros for an empty ledger): what a receipt has to carry to make a rollback visible.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        self.head
    }

    /// Number of charges and repairs on record.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

#[cfg(test)]
mod tests;
