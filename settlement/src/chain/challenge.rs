//! Lies taken to the chain: a wrong coordinate proved, its signers slashed.
//!
//! The evidence is made and checked offline ([`crate::refute`]); here it is sent. Both calls can be repeated: a round that was proved to lie
//! stays so, and nobody is slashed twice for one header.

use alloy::contract::CallBuilder;
use alloy::primitives::{Address, Bytes};

use super::client::{ClientError, Outcome, SettlementClient};
use super::connect::ConnectionError;
use crate::merkle::Digest;
use crate::payout::{Account, Signature};
use crate::refute::RuleProof;
use crate::statement::RoundHeader;

/// What was proved against a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lie {
    /// A coordinate isn't what the rule makes of its row.
    Rule,
    /// A row has another chunk than the member committed to.
    Input,
    /// An update with a receipt was left out; the coordinator answers for it.
    Omission,
    /// Nobody showed a row that was demanded.
    Withholding,
}

impl SettlementClient {
    /// Proves a wrong coordinate of a posted round: the round is void from then on. [`Outcome::Already`] where somebody proved a lie
    /// of this header before.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `FollowsTheRule` where the coordinate is right, with `RoundAlreadyActive` where it is too late,
    /// and the others.
    pub async fn prove_rule(&self, header: &RoundHeader, proof: &RuleProof) -> Result<Outcome, ClientError> {
        let digest = header.digest(&self.deployment().header_domain());
        if self.lie_of(&digest).await?.is_some() {
            return Ok(Outcome::Already);
        }
        let call = CallBuilder::new_raw(self.rounds.provider(), Bytes::from(proof.calldata(header)))
            .to(Address::from(self.deployment().rounds));
        match self.send(call).await {
            Err(_) if self.lie_of(&digest).await?.is_some() => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    /// Slashes one who signed a header that was proved to lie, by nothing where nothing is at stake.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn punish(&self, digest: &Digest, signature: &Signature) -> Result<Outcome, ClientError> {
        let signer = signature.recover(digest).map_err(|_| ClientError::Answer {
            what: "a signature of nobody",
        })?;
        if self.is_punished(digest, &signer).await? {
            return Ok(Outcome::Already);
        }
        let call = self.rounds.punish(digest.into(), Bytes::copy_from_slice(&signature.0));
        match self.send(call).await {
            Err(_) if self.is_punished(digest, &signer).await? => Ok(Outcome::Already),
            sent => sent.map(Outcome::Done),
        }
    }

    /// Whether an account was slashed for a header.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn is_punished(&self, digest: &Digest, account: &Account) -> Result<bool, ClientError> {
        let call = self.rounds.isPunished(digest.into(), account.into());
        Ok(call.call().await.map_err(ConnectionError::rpc)?)
    }

    /// What was proved against a header, and by whom.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lie_of(&self, digest: &Digest) -> Result<Option<(Lie, Account)>, ClientError> {
        let answer = self
            .rounds
            .lieOf(digest.into())
            .call()
            .await
            .map_err(ConnectionError::rpc)?;
        let lie = match answer.lie {
            0 => return Ok(None),
            1 => Lie::Rule,
            2 => Lie::Input,
            3 => Lie::Omission,
            4 => Lie::Withholding,
            _ => return Err(ClientError::Answer { what: "a lie" }),
        };
        Ok(Some((lie, answer.prover.into())))
    }
}
