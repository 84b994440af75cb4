//! The model as it is written: one set of keys for every kind, so that it reads the same from any format.

use serde::{Deserialize, Serialize};

use super::{ModelError, ModelSpec, Norm};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpecTable {
    kind: Kind,
    #[serde(default)]
    hidden: Option<Vec<usize>>,
    #[serde(default)]
    channels: Option<Vec<usize>>,
    #[serde(default)]
    norm: Option<NormName>,
    #[serde(default)]
    groups: Option<usize>,
    #[serde(default)]
    embedding: Option<usize>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Linear,
    Logistic,
    Mlp,
    Cnn,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NormName {
    Layer,
    Group,
    Batch,
}

fn stray<T>(key: &'static str, kinds: &str) -> Result<T, ModelError> {
    let problem = format!("only for {kinds}; remove it");
    Err(ModelError::Key { key, problem })
}

fn missing<T>(key: &'static str, example: &str) -> Result<T, ModelError> {
    let problem = format!("missing; write {example}");
    Err(ModelError::Key { key, problem })
}

fn norm(name: Option<NormName>, groups: Option<usize>) -> Result<Option<Norm>, ModelError> {
    match (name, groups) {
        (None, None) => Ok(None),
        (Some(NormName::Layer), None) => Ok(Some(Norm::Layer)),
        (Some(NormName::Group), Some(groups)) => Ok(Some(Norm::Group(groups))),
        (Some(NormName::Group), None) => missing("groups", "groups = 4"),
        (None | Some(NormName::Layer), Some(_)) => stray("groups", "norm = \"group\""),
        (Some(NormName::Batch), _) => {
            let problem = "batch normalisation makes an example's gradient depend on the others of its batch, so that clipping bounds \
                           nobody's influence; write norm = \"layer\" or \"group\""
                .into();
            Err(ModelError::Key { key: "norm", problem })
        }
    }
}

impl TryFrom<SpecTable> for ModelSpec {
    type Error = ModelError;

    fn try_from(table: SpecTable) -> Result<Self, ModelError> {
        if matches!(table.kind, Kind::Linear | Kind::Logistic) {
            let given = [
                ("hidden", table.hidden.is_some()),
                ("norm", table.norm.is_some()),
                ("groups", table.groups.is_some()),
            ];
            if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
                return stray(key, "kind = \"mlp\" or \"cnn\"");
            }
        }
        if !matches!(table.kind, Kind::Cnn) && table.channels.is_some() {
            return stray("channels", "kind = \"cnn\"");
        }
        if !matches!(table.kind, Kind::Mlp) && table.embedding.is_some() {
            return stray("embedding", "kind = \"mlp\"");
        }
        let norm = norm(table.norm, table.groups)?;
        let spec = match (table.kind, table.hidden, table.channels) {
            (Kind::Linear, ..) => Self::Linear,
            (Kind::Logistic, ..) => Self::Logistic,
            (Kind::Mlp, Some(hidden), _) => Self::Mlp {
                hidden,
                norm,
                embedding: table.embedding,
            },
            (Kind::Mlp, None, _) => return missing("hidden", "hidden = [16]"),
            (Kind::Cnn, hidden, Some(channels)) => Self::Cnn {
                channels,
                hidden: hidden.unwrap_or_default(),
                norm,
            },
            (Kind::Cnn, _, None) => return missing("channels", "channels = [8, 16]"),
        };
        spec.check_sizes()?;
        Ok(spec)
    }
}

impl From<ModelSpec> for SpecTable {
    fn from(spec: ModelSpec) -> Self {
        let (kind, hidden, channels, norm, embedding) = match spec {
            ModelSpec::Linear => (Kind::Linear, None, None, None, None),
            ModelSpec::Logistic => (Kind::Logistic, None, None, None, None),
            ModelSpec::Mlp {
                hidden,
                norm,
                embedding,
            } => (Kind::Mlp, Some(hidden), None, norm, embedding),
            ModelSpec::Cnn { channels, hidden, norm } => (Kind::Cnn, Some(hidden), Some(channels), norm, None),
        };
        let (norm, groups) = match norm {
            None => (None, None),
            Some(Norm::Layer) => (Some(NormName::Layer), None),
            Some(Norm::Group(groups)) => (Some(NormName::Group), Some(groups)),
        };
        Self {
            kind,
            hidden,
            channels,
            norm,
            groups,
            embedding,
        }
    }
}
