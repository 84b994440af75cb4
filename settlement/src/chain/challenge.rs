//! Lies taken to the chain: proved, their signers slashed; rows demanded and shown.
//!
//! The evidence is made and checked offline ([`crate::refute`]); here it is sent. All calls can be repeated, after a crash or by several at
//! once: a round that was proved to lie stays so, nobody is slashed twice for one header, a row is demanded and shown once.
//!
//! [`Call`] is what would be sent, for those who want to see it first.

mod demands;
mod told;

use alloy::contract::CallBuilder;
use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;

use super::client::{ClientError, Outcome, SettlementClient};
use super::connect::ConnectionError;
use crate::abi;
use crate::merkle::Digest;
use crate::payout::{Account, Signature};
use crate::refute::{Equivocation, InputProof, OmissionProof, RuleProof};
use crate::statement::RoundHeader;

pub use demands::Demand;
pub use told::{Demanded, Slashed};

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

/// A call of the round manager, not yet sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Name of the function.
    pub function: &'static str,
    /// What is sent.
    pub calldata: Vec<u8>,
    /// In the coin's smallest unit.
    pub value: u128,
}

impl Call {
    /// Proves a wrong coordinate.
    #[must_use]
    pub fn rule(header: &RoundHeader, proof: &RuleProof) -> Self {
        Self::free("proveRule", proof.calldata(header))
    }

    /// Proves a changed input.
    #[must_use]
    pub fn input(header: &RoundHeader, proof: &InputProof) -> Self {
        Self::free("proveInput", proof.calldata(header))
    }

    /// Proves an update left out.
    #[must_use]
    pub fn omission(header: &RoundHeader, proof: &OmissionProof) -> Self {
        Self::free("proveOmission", proof.calldata(header))
    }

    /// Proves two headers of one round.
    #[must_use]
    pub fn equivocation(proof: &Equivocation) -> Self {
        Self::free("proveEquivocation", proof.calldata())
    }

    /// Slashes one who signed a header that was proved to lie.
    #[must_use]
    pub fn punish(digest: &Digest, signature: &Signature) -> Self {
        let (digest, signature) = (digest.into(), Bytes::copy_from_slice(&signature.0));
        Self::free("punish", abi::punishCall { digest, signature }.abi_encode())
    }

    /// Asks for a row against a bond.
    #[must_use]
    pub fn demand(header: &RoundHeader, chunk: u64, bond: u128) -> Self {
        let header = header.into();
        Self {
            value: bond,
            ..Self::free("demandRow", abi::demandRowCall { header, chunk }.abi_encode())
        }
    }

    /// Voids a round of which a row was not shown in time.
    #[must_use]
    pub fn expire(header: &RoundHeader, chunk: u64) -> Self {
        let header = header.into();
        Self::free("expireDemand", abi::expireDemandCall { header, chunk }.abi_encode())
    }

    fn free(function: &'static str, calldata: Vec<u8>) -> Self {
        Self {
            function,
            calldata,
            value: 0,
        }
    }
}

impl SettlementClient {
    /// Proves a wrong coordinate of a posted round: the round is void from then on. [`Outcome::Already`] where somebody proved a lie
    /// of this header before.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `FollowsTheRule` where the coordinate is right, with `RoundAlreadyActive` where it is too late,
    /// and the others.
    pub async fn prove_rule(&self, header: &RoundHeader, proof: &RuleProof) -> Result<Outcome, ClientError> {
        self.convict(header, &Call::rule(header, proof)).await
    }

    /// Proves that a row isn't what a member committed to, as [`Self::prove_rule`].
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `MatchesTheInput` where it is, and the others.
    pub async fn prove_input(&self, header: &RoundHeader, proof: &InputProof) -> Result<Outcome, ClientError> {
        self.convict(header, &Call::input(header, proof)).await
    }

    /// Proves that an update with a receipt was left out; the coordinator is slashed with it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `NoGap` where it wasn't, and the others.
    pub async fn prove_omission(&self, header: &RoundHeader, proof: &OmissionProof) -> Result<Outcome, ClientError> {
        self.convict(header, &Call::omission(header, proof)).await
    }

    /// Proves a lie of a header, by whichever call does; [`Outcome::Already`] where one was proved before.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn convict(&self, header: &RoundHeader, call: &Call) -> Result<Outcome, ClientError> {
        let digest = header.digest(&self.deployment().header_domain());
        if self.lie_of(&digest).await?.is_some() {
            return Ok(Outcome::Already);
        }
        match self.call(call).await {
            Err(_) if self.lie_of(&digest).await?.is_some() => Ok(Outcome::Already),
            sent => sent,
        }
    }

    /// Slashes one who signed two headers of one round, neither of which was voided.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `VoidedIsExempt`, and the others.
    pub async fn prove_equivocation(&self, proof: &Equivocation) -> Result<Outcome, ClientError> {
        if self.is_punished(&proof.pair, &proof.signer).await? {
            return Ok(Outcome::Already);
        }
        match self.call(&Call::equivocation(proof)).await {
            Err(_) if self.is_punished(&proof.pair, &proof.signer).await? => Ok(Outcome::Already),
            sent => sent,
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
        match self.call(&Call::punish(digest, signature)).await {
            Err(_) if self.is_punished(digest, &signer).await? => Ok(Outcome::Already),
            sent => sent,
        }
    }

    /// Whether an account was slashed for a header, or for a pair of them.
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

    /// Whether a header was voided itself, by a veto or a proof.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn is_voided(&self, digest: &Digest) -> Result<bool, ClientError> {
        let call = self.rounds.isVoided(digest.into());
        Ok(call.call().await.map_err(ConnectionError::rpc)?)
    }

    /// What a call would cost in gas if it were sent now by `sender`, by the node's estimate.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where it would be refused, and [`ClientError::Connection`].
    pub async fn estimate(&self, sender: &Account, call: &Call) -> Result<u64, ClientError> {
        let request = TransactionRequest::default()
            .from(Address::from(*sender))
            .to(Address::from(self.deployment().rounds))
            .value(U256::from(call.value))
            .input(call.calldata.clone().into());
        let estimate = self.connection().provider().estimate_gas(request).await;
        estimate.map_err(|error| match error.as_error_resp().and_then(|e| e.as_revert_data()) {
            Some(data) => super::client::refused(&data),
            None => ConnectionError::rpc(error).into(),
        })
    }

    async fn call(&self, call: &Call) -> Result<Outcome, ClientError> {
        let sent = CallBuilder::new_raw(self.rounds.provider(), Bytes::from(call.calldata.clone()))
            .to(Address::from(self.deployment().rounds))
            .value(U256::from(call.value));
        self.send(sent).await.map(Outcome::Done)
    }
}
