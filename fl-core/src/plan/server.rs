//! The coordinator's optimiser: what becomes of the model with an aggregate ([`xfl_aggregation::server`]).

use serde::Deserialize;
use xfl_aggregation::server::{Adaptive, BiasCorrection, SecondMoment, Server};

use super::{Plan, PlanError};

/// The optimisers' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerName {
    /// The aggregate times the learning rate.
    #[default]
    FedAvg,
    /// With momentum.
    FedAvgM,
    /// Adaptive, rates only fall.
    FedAdagrad,
    /// Adaptive, second moments fade.
    FedAdam,
    /// Adaptive, second moments move by bounded steps.
    FedYogi,
}

impl Plan {
    /// The server's optimiser with its parameters.
    pub fn server(&self) -> Server {
        let t = &self.terms.training;
        let (eta, momentum) = (t.server_learning_rate, t.server_momentum.unwrap_or(0.9));
        let beta2 = t.server_decay.unwrap_or(0.99);
        let adaptive = Adaptive {
            eta,
            beta1: momentum,
            tau: t.server_tau.unwrap_or(1e-3),
            second: SecondMoment::TauSquared,
        };
        match t.server {
            ServerName::FedAvg => Server::FedAvg { eta },
            ServerName::FedAvgM => Server::FedAvgM { eta, momentum },
            ServerName::FedAdagrad => Server::FedAdagrad(adaptive),
            ServerName::FedAdam => Server::FedAdam {
                adaptive,
                beta2,
                correction: BiasCorrection::None,
            },
            ServerName::FedYogi => Server::FedYogi { adaptive, beta2 },
        }
    }

    /// That every parameter is one of the optimiser's, and in its range.
    pub(super) fn server_parameters(&self) -> Result<(), PlanError> {
        use ServerName::{FedAdam, FedAvg, FedAvgM, FedYogi};
        let t = &self.terms.training;
        let adaptive = !matches!(t.server, FedAvg | FedAvgM);
        let taken = [
            (
                "server_momentum",
                t.server_momentum,
                t.server != FedAvg,
                "all but fedavg",
            ),
            (
                "server_decay",
                t.server_decay,
                matches!(t.server, FedAdam | FedYogi),
                "fedadam and fedyogi",
            ),
            ("server_tau", t.server_tau, adaptive, "fedadagrad, fedadam and fedyogi"),
        ];
        for (key, given, taken, by) in taken {
            if given.is_some() && !taken {
                let hint = format!("leave it out: it is for {by}");
                return Err(PlanError::at(
                    &format!("training.{key}"),
                    "the optimiser doesn't take it",
                    hint,
                ));
            }
        }
        for (key, given) in [("server_momentum", t.server_momentum), ("server_decay", t.server_decay)] {
            if let Some(got) = given.filter(|v| !(0.0..1.0).contains(v)) {
                let hint = "write a number from 0 to below 1, such as 0.9";
                return Err(PlanError::at(&format!("training.{key}"), format!("got {got}"), hint));
            }
        }
        match t.server_tau.filter(|v| !(v.is_finite() && *v > 0.0)) {
            Some(got) => Err(PlanError::at(
                "training.server_tau",
                format!("got {got}"),
                "write a positive number",
            )),
            None => Ok(()),
        }
    }
}
