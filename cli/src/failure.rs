//! Why a command failed: an exit code, a message, a hint.
//!
//! Every library error becomes one here, so that the same thing always exits with the same code.

use serde_json::Value;
use xfl_core::{
    institution::InstitutionError,
    node::{
        budget::BudgetError,
        coordinator::CoordinateError,
        endpoint::EndpointError,
        institution::{ConnectError, JoinError},
        journal::JournalError,
        keyfile::{ReadError, WriteError},
        peer::ServeError,
        settle::{EndpointsError, SettleError},
    },
    plan::PlanError,
    round::RoundError,
    spec::ModelError,
    train::{TrainError, checkpoint::CheckpointError, data::DataError, device::DeviceError},
};
use xfl_settlement::chain::{client::ClientError, connect::ConnectionError, deploy::DeployError};

use crate::npy::NpyError;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The job failed.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Network or identity.
    Network = 3,
    /// Quorum or deadline.
    Quorum = 4,
    /// Audit mismatch.
    Audit = 5,
    /// A bug of ours.
    Bug = 70,
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How to exit.
    pub(crate) code: Code,
    /// What happened: lower case, no full stop.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// What was found until then: fields for `error` in JSON.
    pub(crate) details: Option<Value>,
    /// The same for people, for stdout.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            details: None,
            text: String::new(),
        }
    }

    /// The job failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// Usage or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was found until then.
    pub(crate) fn with(mut self, details: Value, text: String) -> Self {
        self.details = Some(details);
        self.text = text;
        self
    }

    fn maybe(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// A file that couldn't be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::usage(format!("{}: {error}", path.display())).hint("check the path, and what this user may do there")
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::usage(error.to_string()).hint(error.hint)
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::usage(error.to_string()).hint(error.hint())
    }
}

impl From<NpyError> for Failure {
    fn from(error: NpyError) -> Self {
        Self::usage(error.to_string()).maybe(error.hint().map(str::to_owned))
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(Code::Network, error.to_string()).maybe(error.hint())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let hint = matches!(error, WriteError::Exists { .. })
            .then(|| "choose another name, or move the old key away if nobody needs it".to_owned());
        Self::usage(error.to_string()).maybe(hint)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        let text = error.to_string();
        match text.split_once("; ") {
            Some((what, hint)) => Self::usage(what).hint(hint),
            None => Self::usage(text).hint("use --device cpu"),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Device(error) => error.into(),
            error => Self::usage(format!("`model`: {error}")).hint("see [model] in the plan that `xfl init` writes"),
        }
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        Self::usage(error.to_string())
            .hint("name a safetensors file of the plan's model, such as run/model.safetensors")
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Diverged { .. } | TrainError::Backend(_) => Self::failed(error.to_string()),
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<BudgetError> for Failure {
    fn from(error: BudgetError) -> Self {
        match &error {
            BudgetError::Refused(_) => Self::failed(error.to_string()),
            BudgetError::InUse { .. } => Self::usage(error.to_string())
                .hint("stop the other process; one that uses other data has a --budget of its own"),
            _ => Self::usage(error.to_string()),
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::new(Code::Network, error.to_string()).maybe(error.hint())
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Endpoint(error) => error.into(),
            error => Self::new(Code::Network, error.to_string()),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(Code::Network, error.to_string()).maybe(error.hint())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let hint = "one process a directory: stop the other one, or name another with --dir";
        match &error {
            JournalError::InUse(_) => Self::usage(error.to_string()).hint(hint),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        let hint =
            "is the chain's node up, and is the url right? the embedded chain's is in address.json while it is served";
        match &error {
            ConnectionError::Disagreement { .. } => Self::new(Code::Audit, error.to_string())
                .hint("find out which node lies or lags, by a third one, before you go on; leave the wrong one out"),
            ConnectionError::Url { .. } => Self::usage(error.to_string()).hint("write it as http://127.0.0.1:7701"),
            ConnectionError::Rpc { .. } => Self::new(Code::Network, error.to_string()).hint(hint),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Connection(error) => error.into(),
            ClientError::Equivocation { .. } => Self::new(Code::Audit, error.to_string()),
            ClientError::Deployment(error) => error.into(),
            ClientError::NoVault { home, .. } => {
                Self::usage(error.to_string()).hint(format!("name the url of chain {home} with --rpc"))
            }
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Connection(error) => error.into(),
            DeployError::WrongChain { .. } => {
                Self::new(Code::Network, error.to_string()).hint("name the url of the right chain")
            }
            DeployError::WrongDeployer => Self::new(Code::Network, error.to_string())
                .hint("name the key that the federation was begun with, with --payout-key"),
            DeployError::NoProxy { .. } => Self::failed(error.to_string()).hint(
                "ask the chain's operators for the deterministic deployment proxy (github.com/Arachnid/deterministic-deployment-proxy)",
            ),
            DeployError::Code { .. } | DeployError::Wiring { .. } | DeployError::Vault { .. } => {
                Self::failed(error.to_string())
                    .hint("is it the right chain, or another node of it? `xfl chain deploy` brings up what is missing")
            }
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<SettleError> for Failure {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Client(error) => error.into(),
            SettleError::Connection(error) => error.into(),
            SettleError::Deploy(error) => error.into(),
            SettleError::Choice { .. } => {
                Self::usage(error.to_string()).hint("write it as http://127.0.0.1:8545 or 31337=http://127.0.0.1:8545")
            }
            SettleError::Endpoints(error) => error.into(),
            SettleError::Unreached { chain_id } => Self::usage(error.to_string()).hint(format!(
                "write it down with `xfl chain init --rpc {chain_id}=URL`, or give its url instead of its id"
            )),
            SettleError::Threshold { .. } => Self::usage(error.to_string())
                .hint("set settlement.threshold to 2 or more, or settle on the embedded chain alone"),
            SettleError::OtherContracts { .. } => Self::new(Code::Audit, error.to_string())
                .hint("use the coordinator's version of xfl, or don't join: other code stands there"),
            SettleError::Ahead { .. } => Self::new(Code::Audit, error.to_string())
                .hint("name a newer copy of the transcript; if there is none, this chain's rounds aren't this run's"),
            SettleError::Used { .. } => Self::usage(error.to_string()).hint(
                "go on with the directory that the run began in; for another run name a new --dir, and take no run.salt from elsewhere",
            ),
            SettleError::Embedded { .. } => Self::new(Code::Audit, error.to_string())
                .hint("name a chain of another id; one operator's own chain has rules that others must not have"),
            SettleError::Unfunded { .. } => Self::failed(error.to_string())
                .hint("send some to that account, which is the one of --payout-key, and start again"),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<EndpointsError> for Failure {
    fn from(error: EndpointsError) -> Self {
        match &error {
            EndpointsError::File { path, source } => Self::file(path, source),
            EndpointsError::Format { .. } => Self::usage(error.to_string())
                .hint("correct it, or remove it and write it anew with `xfl chain init --rpc ID=URL`"),
        }
    }
}

impl From<RoundError> for Failure {
    fn from(error: RoundError) -> Self {
        match error {
            RoundError::Plan(error) => error.into(),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<CoordinateError> for Failure {
    fn from(error: CoordinateError) -> Self {
        match error {
            CoordinateError::Plan(error) => error.into(),
            CoordinateError::Journal(error) => error.into(),
            CoordinateError::Serve(error) => error.into(),
            CoordinateError::Settle(error) => error.into(),
            CoordinateError::Replay(RoundError::Plan(error)) => error.into(),
            CoordinateError::OtherFederation(what) => match what.split_once("; ") {
                Some((what, hint)) => Self::usage(what).hint(hint),
                None => Self::usage(what),
            },
            CoordinateError::Voided { .. } => Self::new(Code::Audit, error.to_string()).hint(crate::chains::VOIDED),
            CoordinateError::Quorum(what) => Self::new(Code::Quorum, format!("no quorum: {what}"))
                .hint("once enough institutions can be reached, start it again: it goes on where it stopped"),
            CoordinateError::File { path, source } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Self::new(Code::Network, format!("{}: in use by another process", path.display()))
                    .hint("choose another with --rpc-listen, for instance 127.0.0.1:0 for any free port")
            }
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Journal(error) => error.into(),
            JoinError::Connect(error) => error.into(),
            JoinError::Tls(error) => Self::new(Code::Network, error.to_string()),
            JoinError::Replaced => Self::new(Code::Network, error.to_string())
                .hint("stop the other process, or make a second key with `xfl keygen`"),
            JoinError::Plan(what) => Self::usage(what),
            JoinError::Protocol(InstitutionError::PayoutChain { .. }) => {
                Self::usage(error.to_string()).hint("name one of them with --payout-chain")
            }
            JoinError::Protocol(
                InstitutionError::Round(_) | InstitutionError::Transcript(_) | InstitutionError::WontSign(_),
            ) => Self::new(Code::Audit, error.to_string()),
            JoinError::Protocol(InstitutionError::AnotherRun) => Self::new(Code::Network, error.to_string()).hint(
                "to take part in it, join with a --dir of its own and with --budget naming this institution's one budget file: what was spent stays spent",
            ),
            JoinError::Protocol(InstitutionError::RefusedByCoordinator(_) | InstitutionError::Message(_)) => {
                Self::new(Code::Network, error.to_string())
            }
            error => Self::failed(error.to_string()),
        }
    }
}
