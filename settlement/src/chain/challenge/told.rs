//! What the chain has told of disputes: who was slashed, which rows were demanded and shown, and under which signatures a round was posted.

use alloy::sol_types::{SolCall, SolValue};

use super::{ClientError, SettlementClient};
use crate::abi;
use crate::chain::connect::Confirmed;
use crate::chain::contracts::bindings::RoundManager;
use crate::chain::events::{Found, Place, Posted};
use crate::merkle::Digest;
use crate::payout::{Account, Signature};
use crate::refute::Evidence;
use crate::statement::RoundHeader;

/// Somebody was slashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slashed {
    /// Digest of the header, or of the pair of headers.
    pub offence: Digest,
    /// Who.
    pub account: Account,
    /// To whose credit.
    pub prover: Account,
    /// By how much, in the vault's currency; zero where nothing was at stake.
    pub amount: u128,
}

/// A row was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demanded {
    /// Digest of the header.
    pub digest: Digest,
    /// Which row.
    pub chunk: u64,
    /// Who asked.
    pub demander: Account,
    /// Unix seconds until which it could be shown.
    pub deadline: u64,
}

impl SettlementClient {
    /// Who was slashed in a transaction.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn slashed_in(&self, confirmed: &Confirmed) -> Result<Vec<Slashed>, ClientError> {
        let receipt = self.connection().confirm(confirmed.transaction.into()).await?;
        let manager = *self.rounds.address();
        let logs = receipt.logs().iter().filter(|log| log.address() == manager);
        Ok(logs
            .filter_map(|log| log.log_decode::<RoundManager::Punished>().ok())
            .map(|log| slashed(&log.inner))
            .collect())
    }

    /// Everybody who was slashed so far, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn slashed(&self) -> Result<Vec<Slashed>, ClientError> {
        let told = self.told::<RoundManager::Punished>(self.deployment().rounds).await?;
        Ok(told.iter().map(|(event, _)| slashed(event)).collect())
    }

    /// All demands for rows so far, oldest first, answered or not.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn demanded(&self) -> Result<Vec<Demanded>, ClientError> {
        let told = self.told::<RoundManager::RowDemanded>(self.deployment().rounds).await?;
        let demanded = |(event, _): &(RoundManager::RowDemanded, Place)| Demanded {
            digest: event.digest.0,
            chunk: event.chunk,
            demander: event.demander.into(),
            deadline: event.deadline,
        };
        Ok(told.iter().map(demanded).collect())
    }

    /// The rows of a round that were shown on demand, checked against its header: from the transaction that showed one, or where that called another
    /// contract, from what was told with it. One whose transaction is gone is left out.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn shown(&self, header: &RoundHeader) -> Result<Vec<Evidence>, ClientError> {
        let digest = header.digest(&self.deployment().header_domain());
        let told = self.told::<RoundManager::RowAnswered>(self.deployment().rounds).await?;
        let rows = self.told::<RoundManager::RowTold>(self.deployment().rounds).await?;
        let mut shown = Vec::new();
        for (event, place) in told.iter().filter(|(event, _)| event.digest.0 == digest) {
            let direct = match self.input_of(place).await? {
                Found::Input(input) => Evidence::from_answer(header, &input).ok(),
                Found::Elsewhere | Found::Gone => None,
            };
            let rows = rows.iter().filter(|(row, _)| row.digest.0 == digest);
            let indirect = rows.filter_map(|(row, _)| Evidence::from_told(header, &row.evidence.abi_encode()).ok());
            let mut evidence = direct.into_iter().chain(indirect);
            shown.extend(evidence.find(|evidence| evidence.chunk() == event.chunk));
        }
        Ok(shown)
    }

    /// The signatures under which a round was posted: those over its digest, by its signers. From the transaction that posted it, or where that
    /// called another contract, from what was told with the header. None where the transaction is gone.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn signatures_of(&self, posted: &Posted) -> Result<Vec<Signature>, ClientError> {
        let signs = |signature: &Signature| {
            let signer = signature.recover(&posted.digest);
            signer.is_ok_and(|signer| posted.signers.contains(&signer))
        };
        let of = |packed: &[u8]| -> Vec<Signature> { abi::unpack(packed).into_iter().filter(signs).collect() };
        if let Found::Input(input) = self.input_of(&posted.place).await?
            && let Ok(call) = abi::postRoundCall::abi_decode(&input)
        {
            let signatures = of(&call.signatures);
            if !signatures.is_empty() {
                return Ok(signatures);
            }
        }
        let told = self.told::<RoundManager::HeaderTold>(self.deployment().rounds).await?;
        let mut told = told.iter().filter(|(_, place)| *place == posted.place);
        let told = told.find(|(event, _)| event.digest.0 == posted.digest);
        Ok(told.map(|(event, _)| of(&event.signatures)).unwrap_or_default())
    }
}

fn slashed(event: &RoundManager::Punished) -> Slashed {
    Slashed {
        offence: event.digest.0,
        account: event.account.into(),
        prover: event.prover.into(),
        amount: event.amount.saturating_to(),
    }
}
