//! Rows on demand: asked for where a header is over something that nobody has shown, and shown to those who ask for an honest round's.

use std::time::Duration;

use xfl_core::{
    challenge::{Examined, answers},
    node::entropy,
    seed::Seed,
};
use xfl_settlement::{
    chain::{
        challenge::{Call, Lie},
        client::ClientError,
        events::Posted,
    },
    payout::Signature,
    row::chunks,
};

use super::{court::Court, report::Heard};
use crate::failure::Failure;

/// Rows of a round that are demanded where nobody says how many.
const DEMANDS: u64 = 8;

impl Court<'_> {
    /// Demands rows, waits until each is shown or its deadline has passed, and says what came of it. Where nobody shows one the round is void.
    pub(super) async fn rows(
        &self,
        posted: &Posted,
        aggregates: &[Vec<i32>],
        mut found: Examined,
        signatures: &[Signature],
        heard: &mut Heard,
    ) -> Result<Examined, Failure> {
        let header = &posted.header;
        let asked = self.client.demanded().await?;
        let mut asked: Vec<u64> = asked
            .iter()
            .filter(|d| d.digest == posted.digest)
            .map(|d| d.chunk)
            .collect();
        let all = chunks(header.dimension);
        let bond = self.client.demand_bond().await?;
        for chunk in choose(
            all,
            self.args.demands.unwrap_or(DEMANDS).saturating_sub(asked.len() as u64),
            &asked,
        )? {
            let call = Call::demand(header, chunk, bond);
            let sent = async { self.client.demand_row(header, chunk).await };
            let what = format!("demand row {chunk} of {all} against a bond of {bond}");
            if !self.act(&call, what, sent, heard).await? {
                break;
            }
            asked.push(chunk);
        }
        if self.args.dry_run || asked.is_empty() {
            return Ok(found);
        }
        let mut told = false;
        loop {
            let shown = self.client.shown(header).await?;
            found = self.examine(header, aggregates, &shown);
            if !found.lies.is_empty() {
                return Ok(found);
            }
            let mut open = Vec::new();
            for chunk in &asked {
                let demand = self.client.demand_of(&posted.digest, *chunk).await?;
                open.extend(demand.filter(|d| d.demander != [0; 20]).map(|d| (*chunk, d.deadline)));
            }
            let Some(deadline) = open.iter().map(|(_, deadline)| *deadline).min() else {
                // The last one may have been shown after what is shown was asked for.
                let shown = self.client.shown(header).await?;
                return Ok(self.examine(header, aggregates, &shown));
            };
            for (chunk, _) in &open {
                let call = Call::expire(header, *chunk);
                let sender = self.client.connection().sender().unwrap_or_default();
                match self.client.estimate(&sender, &call).await {
                    Ok(_) => {
                        heard.lies.push(format!("nobody showed row {chunk} in time"));
                        self.prove(posted, Lie::Withholding, &call, signatures, heard).await?;
                        found.hidden.clear();
                        self.collect(heard).await?;
                        return Ok(found);
                    }
                    Err(ClientError::Refused { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if self.args.watch {
                // The next look goes on; other rounds aren't kept waiting.
                return Ok(found);
            }
            if !told {
                told = true;
                let left = deadline.saturating_sub(self.client.time().await?);
                self.printer.talk(&format!(
                    "round {}: {} rows are demanded; they can be shown for {left} s. Ctrl-C, and the same command later, goes on",
                    header.round,
                    open.len()
                ));
            }
            let mut stop = self.stop.watch();
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(self.args.poll)) => {}
                _ = stop.changed() => return Ok(found),
            }
        }
    }

    /// Shows rows of a round that this transcript leads to, to whoever demands them.
    pub(super) async fn answer(&self, posted: &Posted, heard: &mut Heard) -> Result<(), Failure> {
        let header = &posted.header;
        let mut open = Vec::new();
        for demanded in self.client.demanded().await? {
            let demand = self.client.demand_of(&demanded.digest, demanded.chunk).await?;
            if demanded.digest == posted.digest && demand.is_some_and(|d| d.demander != [0; 20]) {
                open.push(demanded.chunk);
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let rows = match answers(&self.material.transcript, header, &open) {
            Ok(rows) => rows,
            Err(error) => {
                heard
                    .unknown
                    .push(format!("rows are demanded, and can't be shown: {error}"));
                return Ok(());
            }
        };
        for evidence in rows {
            let call = Call {
                function: "answerRow",
                calldata: evidence.answer(header),
                value: 0,
            };
            let sent = async { self.client.answer_row(header, &evidence).await };
            let what = format!("show row {}", evidence.chunk());
            self.act(&call, what, sent, heard).await?;
        }
        self.collect(heard).await
    }

    /// Takes the bonds that are owed to this key.
    async fn collect(&self, heard: &mut Heard) -> Result<(), Failure> {
        let Some(sender) = self.client.connection().sender().filter(|_| !self.args.dry_run) else {
            return Ok(());
        };
        let owed = self.client.bonds_of(&sender).await?;
        if owed > 0 {
            let call = Call {
                function: "collectBonds",
                calldata: Vec::new(),
                value: 0,
            };
            let sent = async { self.client.collect_bonds(&sender).await };
            self.act(&call, format!("take back {owed} of bonds"), sent, heard)
                .await?;
        }
        Ok(())
    }
}

/// Chunks to ask for, none twice: all where there are few, else drawn, so that nobody knows beforehand where to lie.
fn choose(all: u64, most: u64, asked: &[u64]) -> Result<Vec<u64>, Failure> {
    let free = all.saturating_sub(asked.len() as u64);
    if free <= most {
        return Ok((0..all).filter(|chunk| !asked.contains(chunk)).collect());
    }
    let entropy = entropy::bytes().map_err(|error| Failure::failed(format!("no entropy: {error}")))?;
    let number = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i: usize| entropy[i]));
    let mut draw = Seed::from_number(number).derive("demand", &[]).stream();
    let mut chosen = Vec::new();
    while (chosen.len() as u64) < most {
        let chunk = draw.below(all);
        if !asked.contains(&chunk) && !chosen.contains(&chunk) {
            chosen.push(chunk);
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn few_rows_are_all_asked_for_and_many_are_drawn() {
        assert_eq!(choose(4, 8, &[2]).unwrap(), [0, 1, 3]);
        assert!(choose(4, 0, &[]).unwrap().is_empty());
        let drawn = choose(1_000_000, 8, &[1, 2]).unwrap();
        assert_eq!(drawn.len(), 8);
        assert_ne!(drawn, choose(1_000_000, 8, &[1, 2]).unwrap());
    }
}
