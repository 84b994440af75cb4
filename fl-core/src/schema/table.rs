//! The schema as it is written down: flat keys whose presence says what is meant.
//!
//! One pair of plain structures serves every format, those that name their fields (TOML, JSON) and those that don't
//! (postcard), and turns keys that don't belong together into an error that names them.

use serde::{Deserialize, Serialize};

use super::{Column, ImageShape, Schema, SchemaError, Task};

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TaskName {
    Classification,
    Regression,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaTable {
    task: TaskName,
    label: String,
    #[serde(default)]
    classes: Option<Vec<String>>,
    #[serde(default)]
    label_center: Option<f64>,
    #[serde(default)]
    label_scale: Option<f64>,
    columns: Vec<ColumnTable>,
    #[serde(default)]
    image: Option<ImageShape>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnTable {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    values: Option<Vec<String>>,
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    center: Option<f64>,
    #[serde(default)]
    scale: Option<f64>,
    #[serde(default)]
    tokens: Option<usize>,
}

fn key(place: impl Into<String>, problem: impl Into<String>) -> SchemaError {
    SchemaError::Key {
        place: place.into(),
        problem: problem.into(),
    }
}

impl TryFrom<SchemaTable> for Schema {
    type Error = SchemaError;

    fn try_from(table: SchemaTable) -> Result<Self, SchemaError> {
        let task = match table.task {
            TaskName::Classification => {
                if table.label_center.is_some() || table.label_scale.is_some() {
                    return Err(key(
                        "label_center, label_scale",
                        "only for task = \"regression\"; remove them",
                    ));
                }
                let classes = table.classes.ok_or_else(|| {
                    key(
                        "classes",
                        "missing; write classes = [\"...\", \"...\"], the labels as the data spells them",
                    )
                })?;
                Task::Classification { classes }
            }
            TaskName::Regression => {
                if table.classes.is_some() {
                    return Err(key("classes", "only for task = \"classification\"; remove it"));
                }
                Task::Regression {
                    center: table.label_center.unwrap_or(0.0),
                    scale: table.label_scale.unwrap_or(1.0),
                }
            }
        };
        let columns = table.columns.into_iter().enumerate().map(|(i, column)| column.parse(i));
        let schema = Self {
            task,
            label: table.label,
            columns: columns.collect::<Result<_, _>>()?,
            image: table.image,
        };
        schema.validate()?;
        Ok(schema)
    }
}

impl ColumnTable {
    fn parse(self, index: usize) -> Result<Column, SchemaError> {
        let place = || format!("columns, entry {}", index + 1);
        let center = self.center.unwrap_or(0.0);
        let scale = self.scale.unwrap_or(1.0);
        if self.tokens.is_some() && (self.center.is_some() || self.scale.is_some() || self.values.is_some()) {
            return Err(key(
                place(),
                "tokens excludes center, scale (a number) and values (a category); remove the others",
            ));
        }
        match (self.name, self.prefix) {
            (Some(_), Some(_)) => Err(key(place(), "name and prefix exclude each other; remove one")),
            (None, None) => Err(key(
                place(),
                "missing name; write name = \"...\", or prefix = \"...\" with a count",
            )),
            (None, Some(prefix)) => {
                if self.values.is_some() {
                    return Err(key(place(), "values is only for a column with a name; remove it"));
                }
                let count = self.count.ok_or_else(|| {
                    key(
                        place(),
                        format!("missing count; write how many columns begin with {prefix:?}"),
                    )
                })?;
                Ok(match self.tokens {
                    Some(vocabulary) => Column::Tokens {
                        name: prefix,
                        count: Some(count),
                        vocabulary,
                    },
                    None => Column::Numbered {
                        prefix,
                        count,
                        center,
                        scale,
                    },
                })
            }
            (Some(_), None) if self.count.is_some() => Err(key(
                place(),
                "count is only for a prefix; remove it, or write prefix instead of name",
            )),
            (Some(name), None) => match (self.values, self.tokens) {
                (_, Some(vocabulary)) => Ok(Column::Tokens {
                    name,
                    count: None,
                    vocabulary,
                }),
                (None, None) => Ok(Column::Numeric { name, center, scale }),
                (Some(_), None) if self.center.is_some() || self.scale.is_some() => Err(key(
                    place(),
                    "values (a category) excludes center and scale (a number); remove one of them",
                )),
                (Some(values), None) => Ok(Column::Categorical { name, values }),
            },
        }
    }
}

impl From<Schema> for SchemaTable {
    fn from(schema: Schema) -> Self {
        let (task, classes, constants) = match schema.task {
            Task::Classification { classes } => (TaskName::Classification, Some(classes), None),
            Task::Regression { center, scale } => (TaskName::Regression, None, Some((center, scale))),
        };
        Self {
            task,
            label: schema.label,
            classes,
            label_center: constants.map(|c| c.0),
            label_scale: constants.map(|c| c.1),
            columns: schema.columns.into_iter().map(ColumnTable::from).collect(),
            image: schema.image,
        }
    }
}

impl From<Column> for ColumnTable {
    fn from(column: Column) -> Self {
        match column {
            Column::Numeric { name, center, scale } => Self {
                name: Some(name),
                center: Some(center),
                scale: Some(scale),
                ..Self::default()
            },
            Column::Categorical { name, values } => Self {
                name: Some(name),
                values: Some(values),
                ..Self::default()
            },
            Column::Numbered {
                prefix,
                count,
                center,
                scale,
            } => Self {
                prefix: Some(prefix),
                count: Some(count),
                center: Some(center),
                scale: Some(scale),
                ..Self::default()
            },
            Column::Tokens {
                name,
                count,
                vocabulary,
            } => {
                let (name, prefix) = match count {
                    None => (Some(name), None),
                    Some(_) => (None, Some(name)),
                };
                Self {
                    name,
                    prefix,
                    count,
                    tokens: Some(vocabulary),
                    ..Self::default()
                }
            }
        }
    }
}
