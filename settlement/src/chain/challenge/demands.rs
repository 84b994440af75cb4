//! Rows on demand: against a bond, before a deadline, or the round is void.

use super::{Call, ClientError, ConnectionError, Outcome, SettlementClient};
use crate::merkle::Digest;
use crate::payout::Account;
use crate::refute::Evidence;
use crate::statement::RoundHeader;
use alloy::primitives::Address;
use alloy::providers::Provider;

/// A demand that nobody has answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Who gets the bond back; zero where it went back already.
    pub demander: Account,
    /// Unix seconds until which the row can be shown.
    pub deadline: u64,
}

impl SettlementClient {
    /// Asks for a row of a round that isn't active. [`Outcome::Already`] where somebody asked for it before.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `RowsConfidential`, `TooLate`, and the others.
    pub async fn demand_row(&self, header: &RoundHeader, chunk: u64) -> Result<Outcome, ClientError> {
        let call = Call::demand(header, chunk, self.demand_bond().await?);
        match self.call(&call).await {
            Err(ClientError::Refused { reason }) if reason.contains("AlreadyDemanded") => Ok(Outcome::Already),
            sent => sent,
        }
    }

    /// Shows a row that was demanded; the bond is owed to the sender. [`Outcome::Already`] where nobody asks for it any more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn answer_row(&self, header: &RoundHeader, evidence: &Evidence) -> Result<Outcome, ClientError> {
        let digest = header.digest(&self.deployment().header_domain());
        let open = |demand: Option<Demand>| demand.is_some_and(|demand| demand.demander != [0; 20]);
        if !open(self.demand_of(&digest, evidence.chunk()).await?) {
            return Ok(Outcome::Already);
        }
        let call = Call {
            function: "answerRow",
            calldata: evidence.answer(header),
            value: 0,
        };
        match self.call(&call).await {
            Err(_) if !open(self.demand_of(&digest, evidence.chunk()).await?) => Ok(Outcome::Already),
            sent => sent,
        }
    }

    /// Voids a round of which a row was demanded and not shown in time; the demander counts as its prover.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `DeadlineAhead`, `NotDemanded`, and the others.
    pub async fn expire_demand(&self, header: &RoundHeader, chunk: u64) -> Result<Outcome, ClientError> {
        self.convict(header, &Call::expire(header, chunk)).await
    }

    /// Gives a bond back where nobody answered, whatever has become of the round.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `DeadlineAhead`, and the others.
    pub async fn return_bond(&self, digest: &Digest, chunk: u64) -> Result<Outcome, ClientError> {
        let owed = |demand: Option<Demand>| demand.is_some_and(|demand| demand.demander != [0; 20]);
        if !owed(self.demand_of(digest, chunk).await?) {
            return Ok(Outcome::Already);
        }
        match self.send(self.rounds.returnBond(digest.into(), chunk)).await {
            Err(_) if !owed(self.demand_of(digest, chunk).await?) => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    /// Pays the bonds owed to the sender to `to`; [`Outcome::Already`] where none are.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn collect_bonds(&self, to: &Account) -> Result<Outcome, ClientError> {
        let sender = self.connection().sender().ok_or(ConnectionError::NoKey)?;
        if self.bonds_of(&sender).await? == 0 {
            return Ok(Outcome::Already);
        }
        match self.send(self.rounds.collectBonds(to.into())).await {
            Err(_) if self.bonds_of(&sender).await? == 0 => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    /// A demand that wasn't answered; none where nobody asked, or it was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn demand_of(&self, digest: &Digest, chunk: u64) -> Result<Option<Demand>, ClientError> {
        let call = self.rounds.demandOf(digest.into(), chunk);
        let answer = call.call().await.map_err(ConnectionError::rpc)?;
        Ok((answer.deadline != 0).then_some(Demand {
            demander: answer.demander.into(),
            deadline: answer.deadline,
        }))
    }

    /// From which round on rounds wait for a dispute, and until when (Unix seconds); none where none does.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn held_back(&self) -> Result<Option<(u64, u64)>, ClientError> {
        let held = self.rounds.heldBack().call().await.map_err(ConnectionError::rpc)?;
        Ok((held.until != 0).then_some((held.fromRound, held.until)))
    }

    /// Bonds owed to an account, in the coin's smallest unit.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn bonds_of(&self, account: &Account) -> Result<u128, ClientError> {
        let call = self.rounds.bondsOf(Address::from(*account));
        Ok(call.call().await.map_err(ConnectionError::rpc)?.saturating_to())
    }

    /// Bond of a demand, in the coin's smallest unit.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn demand_bond(&self) -> Result<u128, ClientError> {
        let bond = self.rounds.demandBond().call().await.map_err(ConnectionError::rpc)?;
        bond.try_into().map_err(|_| ClientError::Answer { what: "a bond" })
    }

    /// Time of the chain's latest block, Unix seconds: what deadlines are compared with.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn time(&self) -> Result<u64, ClientError> {
        let head = self
            .connection()
            .provider()
            .get_block(alloy::eips::BlockId::latest())
            .await;
        let head = head.map_err(ConnectionError::rpc)?;
        head.map(|block| block.header.timestamp).ok_or(ClientError::Answer {
            what: "no latest block",
        })
    }
}
