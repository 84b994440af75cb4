//! The challenger: what a transcript has to say against a header that a quorum signed.
//!
//! **Claim.** A [`Dossier`] holds what members signed in each round: commitments, updates, signatures over headers. It needs no honest
//! transcript and goes on where [`crate::audit::replay`] stops: nothing derived is believed, every message is checked by its sender's key, every
//! update by the commitment that it opens. [`Dossier::examine`] compares it with a header, names what follows and what doesn't, and makes the
//! evidence that a contract takes.
//!
//! **What can be proved.** A coordinate that isn't the rule's, a row that isn't what a member committed to, an update with a receipt that was left
//! out, two headers under one signature. What a header says about rows or an aggregate that nobody has shown can only be demanded
//! ([`Examined::hidden`]).
//!
//! **Not here.** Rewards, scores, the model and rules that a contract can't redo: [`Examined::doubts`] names them, and a quorum's word or the
//! coordinator's veto stands instead.

mod answer;
mod dossier;
mod examine;
mod refused;

pub use answer::{AnswerError, answers, answers_of};
pub use dossier::{Dossier, DossierError, Signed};
pub use examine::{Examined, Known, Proof};
pub use refused::refused;
