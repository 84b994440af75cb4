//! Mode dp-ftrl: one draw for a round, kept before it leaves; the whole block's loss charged with its first round.

use std::collections::BTreeMap;

use xfl_privacy::{AheadNoise, Carrying, Mechanism, Rho, accounting::Loss, budget};
use zeroize::Zeroizing;

use super::{Practice, ProtectError};
use crate::{
    institution::Wish,
    node::carried::{CarriedFile, CarriedFileError, Drawn, Kept, order_of},
    train::contribution::{contribution, separated},
};

impl Practice {
    /// A round's integers: drawn, or repeated where they were drawn before. An attempt is no release of its own here.
    pub(super) fn carried(
        &mut self,
        wish: &Wish,
        mechanism: &Mechanism,
        block: &Loss,
    ) -> Result<Vec<i32>, ProtectError> {
        separated(&self.plan, self.data.len())?;
        let order = order_of((&self.plan, mechanism), self.data.as_ref(), &self.seed);
        let model = digest(&wish.model);
        let mut file = self.carried.take().ok_or(ProtectError::NothingCarried)?;
        let values = self.drawn_once(&mut file, wish, mechanism, block, (order, model));
        self.carried = Some(file);
        values
    }

    fn drawn_once(
        &mut self,
        file: &mut CarriedFile,
        wish: &Wish,
        mechanism: &Mechanism,
        block: &Loss,
        (order, model): ([u8; 32], [u8; 32]),
    ) -> Result<Vec<i32>, ProtectError> {
        let round = wish.charge.0;
        let charged = self.charged(mechanism, round);
        self.block_is_known(file, mechanism, (round, &order), &charged)?;
        // Whoever comes first in a block pays for it; a round that is on record is charged the same again, which costs nothing.
        let paid = charged.first_key_value().filter(|(first, _)| **first < round);
        if let Some((&first, paid)) = paid
            && (paid.loss, paid.unit, paid.relation) != (*block, mechanism.unit(), mechanism.relation())
        {
            let next = (mechanism.charge_of(round) + 1) * u64::from(mechanism.block()) + 1;
            return Err(ProtectError::PaidOtherwise { round: first, next });
        }
        let first = paid.is_none();
        let loss = if first { *block } else { Loss::unsampled(Rho::ZERO) };
        match file.kept(round)? {
            Some(Kept {
                drawn: Some(mut drawn), ..
            }) => {
                if drawn.model != model {
                    return Err(ProtectError::OtherModel { round });
                }
                self.charge((round, 0), mechanism, loss)?;
                return Ok(values_of(&mut drawn));
            }
            // Perhaps drawn, certainly not kept; or too late, since later rounds take back what earlier ones carried.
            _ if charged.last_key_value().is_some_and(|(last, _)| *last >= round) => {
                return Err(ProtectError::Drawn { round });
            }
            _ => {}
        }
        file.mark(round, order)?;
        self.charge((round, 0), mechanism, loss)?;
        let mut carried = file.carried(round, &order, mechanism)?;
        let mut noise = Carrying {
            round,
            carried: &mut carried,
            noise: &mut AheadNoise::start(mechanism),
        };
        let values = Zeroizing::new(contribution(&self.task(wish, mechanism), &mut noise)?.into_release());
        file.keep(round, (order, model), &carried, (&values, mechanism))?;
        Ok(values.to_vec())
    }

    /// The federation is finished: noise that no release will take back is forgotten.
    ///
    /// # Errors
    /// The file.
    pub fn finished(&mut self) -> Result<(), CarriedFileError> {
        match &mut self.carried {
            Some(file) => file.finish(&self.mechanism),
            None => Ok(()),
        }
    }

    /// Rounds of this one's block that are on record in the budget.
    fn charged(&self, mechanism: &Mechanism, round: u64) -> BTreeMap<u64, budget::Release> {
        let (federation, run) = (self.plan.federation().0, self.run.0);
        let block = mechanism.charge_of(round);
        let releases = self.budget.ledger().releases();
        let of_block =
            releases.filter(|r| (r.federation, r.run) == (federation, run) && mechanism.charge_of(r.round) == block);
        of_block.map(|r| (r.round, r)).collect()
    }

    /// Whether all that was charged in this block is known, over these very data.
    fn block_is_known(
        &self,
        file: &CarriedFile,
        mechanism: &Mechanism,
        (round, order): (u64, &[u8; 32]),
        charged: &BTreeMap<u64, budget::Release>,
    ) -> Result<(), ProtectError> {
        let block = u64::from(mechanism.block());
        let start = mechanism.charge_of(round) * block + 1;
        let next = start + block;
        for before in start..next {
            match file.kept(before)? {
                None if charged.contains_key(&before) => return Err(ProtectError::Forgotten { round: before, next }),
                Some(kept) if kept.order != *order && (kept.drawn.is_some() || charged.contains_key(&before)) => {
                    return Err(ProtectError::Reordered { round: before, next });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn values_of(drawn: &mut Drawn) -> Vec<i32> {
    std::mem::take(&mut drawn.values)
}

/// BLAKE3 of a model's parameters.
fn digest(model: &[f32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    model.iter().for_each(|x| {
        hasher.update(&x.to_bits().to_le_bytes());
    });
    *hasher.finalize().as_bytes()
}
