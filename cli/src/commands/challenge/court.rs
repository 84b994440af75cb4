//! One round on the chain: heard, proved against, punished.

use xfl_core::challenge::{Dossier, Examined, Known, Proof};
use xfl_settlement::{
    chain::{
        challenge::{Call, Lie},
        client::{ClientError, Outcome, SettlementClient},
        events::Posted,
    },
    payout::Signature,
    refute::{Equivocation, Evidence},
    statement::RoundHeader,
};

use super::{
    Args,
    material::Material,
    report::{Heard, Step},
};
use crate::{failure::Failure, files, printer::Printer, signals::Stop};

/// Everything that hearing a round takes.
pub(super) struct Court<'a> {
    pub(super) args: &'a Args,
    pub(super) material: &'a Material,
    pub(super) client: &'a SettlementClient,
    pub(super) dossier: &'a Dossier,
    pub(super) others: &'a [Dossier],
    pub(super) stop: &'a Stop,
    pub(super) printer: &'a Printer,
}

impl Court<'_> {
    /// Hears one header that isn't final. What was done before a failure is in `heard`.
    pub(super) async fn hear(&self, posted: &Posted, standing: bool, heard: &mut Heard) -> Result<(), Failure> {
        let signatures = self.signatures(posted).await?;
        if let Some((lie, _)) = self.client.lie_of(&posted.digest).await? {
            // Somebody was here before, perhaps this command: what is left is to punish.
            self.punish(posted, lie, &signatures, heard).await?;
            if !heard.steps.is_empty() {
                heard.lies.push(format!("{} was proved before", name(lie)));
            }
            return Ok(());
        }
        self.twice(posted, &signatures, heard).await?;
        let aggregates = self.material.aggregates(posted.header.round);
        let shown = self.client.shown(&posted.header).await?;
        let mut found = self.examine(&posted.header, &aggregates, &shown);
        // Of a copy that is merely old nothing follows: rows are demanded only by somebody who says how many.
        let asks = match self.args.demands {
            Some(_) => found.rows_would_help(&posted.header),
            None => found.wants_rows(&posted.header),
        };
        if standing && asks {
            found = self.rows(posted, &aggregates, found, &signatures, heard).await?;
        }
        if let Some(proof) = found.lies.first() {
            self.convict(posted, proof, &signatures, heard).await?;
        } else if standing && self.args.answer {
            self.answer(posted, heard).await?;
        }
        heard.unknown.extend(found.unknown);
        let hidden = found.hidden.iter().filter(|_| found.lies.is_empty() && !found.behind);
        heard
            .unknown
            .extend(hidden.map(|what| format!("nobody has shown {what}")));
        // What was taken back needn't be doubted.
        if standing {
            heard.doubts.extend(found.doubts);
        }
        if standing && heard.lies.is_empty() {
            let differs = self.material.differs(&posted.digest, &posted.header);
            heard.doubts.extend(differs);
        }
        Ok(())
    }

    pub(super) fn examine(&self, header: &RoundHeader, aggregates: &[Vec<i32>], shown: &[Evidence]) -> Examined {
        let known = Known {
            domain: self.client.deployment().header_domain(),
            coordinator: self.material.coordinator(),
            receipts: &self.material.receipts,
            aggregates,
            shown,
        };
        self.dossier.examine(header, &known)
    }

    /// The signatures under a header: those of the posting transaction, and what transcripts hold besides.
    async fn signatures(&self, posted: &Posted) -> Result<Vec<Signature>, Failure> {
        let mut signatures = self.client.signatures_of(posted).await?;
        let dossiers = std::iter::once(self.dossier).chain(self.others);
        let known = dossiers.flat_map(|d| d.signed(posted.header.round));
        for signature in known.flat_map(|signed| signed.signatures) {
            let signer = signature.recover(&posted.digest).ok();
            if signer.is_some_and(|signer| posted.signers.contains(&signer)) && !signatures.contains(&signature) {
                signatures.push(signature);
            }
        }
        Ok(signatures)
    }

    /// Members that signed this header and another one of the same round.
    async fn twice(&self, posted: &Posted, signatures: &[Signature], heard: &mut Heard) -> Result<(), Failure> {
        let domain = self.client.deployment().header_domain();
        if self.client.is_voided(&posted.digest).await? {
            return Ok(());
        }
        let dossiers = std::iter::once(self.dossier).chain(self.others);
        for other in dossiers.flat_map(|d| d.signed(posted.header.round)) {
            let digest = other.header.digest(&domain);
            if digest == posted.digest || self.client.is_voided(&digest).await? {
                continue;
            }
            let pairs = signatures
                .iter()
                .flat_map(|a| other.signatures.iter().map(move |b| (a, b)));
            for (a, b) in pairs {
                let Ok(proof) = Equivocation::new(&domain, (&posted.header, a), (&other.header, b)) else {
                    continue;
                };
                if self.client.is_punished(&proof.pair, &proof.signer).await? {
                    continue;
                }
                let who = files::account(&proof.signer);
                heard.lies.push(format!("{who} signed two headers for this round"));
                let call = Call::equivocation(&proof);
                let sent = async { self.client.prove_equivocation(&proof).await };
                self.act(&call, format!("slash {who}"), sent, heard).await?;
            }
        }
        Ok(())
    }

    /// Proves a lie, and has everybody slashed who answers for it.
    pub(super) async fn convict(
        &self,
        posted: &Posted,
        proof: &Proof,
        signatures: &[Signature],
        heard: &mut Heard,
    ) -> Result<(), Failure> {
        let header = &posted.header;
        let (lie, call, what) = match proof {
            Proof::Rule(p) => (
                Lie::Rule,
                Call::rule(header, p),
                format!(
                    "coordinate {} of the aggregate is {}, the rule makes {} of the row",
                    p.coordinate, p.got, p.expected
                ),
            ),
            Proof::Input(p) => (
                Lie::Input,
                Call::input(header, p),
                format!(
                    "row {} holds other values than {} committed to",
                    p.evidence.chunk(),
                    files::hex(&p.input.node_key)
                ),
            ),
            Proof::Omission(p) => (
                Lie::Omission,
                Call::omission(header, p),
                format!(
                    "the update of {} was left out, against the coordinator's receipt",
                    files::hex(&p.receipt.receipt.node_key)
                ),
            ),
        };
        heard.lies.push(what);
        self.prove(posted, lie, &call, signatures, heard).await
    }

    /// Sends a proof, and then punishes.
    pub(super) async fn prove(
        &self,
        posted: &Posted,
        lie: Lie,
        call: &Call,
        signatures: &[Signature],
        heard: &mut Heard,
    ) -> Result<(), Failure> {
        let sent = async { self.client.convict(&posted.header, call).await };
        let what = format!("prove {} and void round {}", name(lie), posted.header.round);
        if !self.act(call, what, sent, heard).await? {
            return Ok(());
        }
        self.punish(posted, lie, signatures, heard).await
    }

    async fn punish(
        &self,
        posted: &Posted,
        lie: Lie,
        signatures: &[Signature],
        heard: &mut Heard,
    ) -> Result<(), Failure> {
        // An omission is the coordinator's alone, and its proof slashes.
        if lie == Lie::Omission {
            return Ok(());
        }
        let mut missing: Vec<_> = posted.signers.clone();
        for signature in signatures {
            let Ok(signer) = signature.recover(&posted.digest) else {
                continue;
            };
            missing.retain(|account| *account != signer);
            if self.client.is_punished(&posted.digest, &signer).await? {
                continue;
            }
            let call = Call::punish(&posted.digest, signature);
            let sent = async { self.client.punish(&posted.digest, signature).await };
            let what = format!("slash {}", files::account(&signer));
            self.act(&call, what, sent, heard).await?;
        }
        let nobody = missing.iter().map(|account| {
            let who = files::account(account);
            format!("the signature of {who} isn't at hand: name a transcript that holds it with --other")
        });
        heard.unknown.extend(nobody);
        Ok(())
    }

    /// Sends a call, or says what it would be; false where it came too late.
    pub(super) async fn act(
        &self,
        call: &Call,
        what: String,
        sent: impl Future<Output = Result<Outcome, ClientError>>,
        heard: &mut Heard,
    ) -> Result<bool, Failure> {
        let mut step = Step {
            function: call.function,
            what,
            gas: None,
            transaction: None,
            unsent: None,
            slashed: Vec::new(),
        };
        if self.args.dry_run {
            let sender = self.client.connection().sender().unwrap_or(self.material.coordinator());
            step.gas = match self.client.estimate(&sender, call).await {
                Ok(gas) => Some(gas),
                // Possible only once the proof before it is in.
                Err(ClientError::Refused { .. }) if call.function == "punish" => None,
                Err(error) => return late(error, &step, heard),
            };
            step.unsent = Some((self.client.deployment().rounds, call.calldata.clone(), call.value));
            heard.steps.push(step);
            return Ok(true);
        }
        match sent.await {
            Err(error) => return late(error, &step, heard),
            Ok(Outcome::Already) => step.what += " (done already)",
            Ok(Outcome::Done(confirmed)) => {
                step.gas = Some(confirmed.gas_used);
                step.transaction = Some(confirmed.transaction);
                step.slashed = self.client.slashed_in(&confirmed).await?;
            }
        }
        heard.steps.push(step);
        Ok(true)
    }
}

/// A call that the contract doesn't take any more is no failure of this command: it is said, and the other rounds are heard.
fn late(error: ClientError, step: &Step, heard: &mut Heard) -> Result<bool, Failure> {
    const LATE: [&str; 6] = [
        "NotStanding",
        "RoundAlreadyActive",
        "TooLate",
        "DeadlinePassed",
        "NotDemanded",
        "VoidedIsExempt",
    ];
    match &error {
        ClientError::Refused { reason } if LATE.iter().any(|late| reason.starts_with(late)) => {
            let what = format!("too late to {}: {reason}", step.what);
            heard.unknown.push(what);
            Ok(false)
        }
        _ => Err(error.into()),
    }
}

/// A lie in words.
pub(super) fn name(lie: Lie) -> &'static str {
    match lie {
        Lie::Rule => "a wrong coordinate",
        Lie::Input => "a changed input",
        Lie::Omission => "an update left out",
        Lie::Withholding => "a row that nobody shows",
    }
}
