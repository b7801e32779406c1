//! What a file or unit in a template's output means in terms of Ignition.
//!
//! R-TRANSPILE-1 Field names match in any case; unknown fields are ignored. Of several spellings, the one that sorts last counts.
//! R-TRANSPILE-2 Scalars become text where text is expected; a fraction is not a mode, and a quoted `true` is not a boolean.
//! R-TRANSPILE-3 Text given in the file itself becomes a data URL and takes precedence over a source.
//! R-TRANSPILE-4 Every file overwrites the existing one.
//! R-TRANSPILE-5 Nothing is validated here; rendering does that.
//!
//! Source: `transpileToIgn` in `pkg/controller/common/helpers.go` of github.com/openshift/machine-config-operator; `base/v0_1` of
//! github.com/coreos/fcct for the fields.

use crate::template::yaml::{self, Yaml};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt};

/// What is wrong with a template's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// It is not YAML.
    Yaml {
        /// Line of the output, from 1.
        line: u64,
        /// Column of the line, from 1.
        column: u64,
    },
    /// A field has the wrong type.
    Field {
        /// Its path; empty for the whole.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml { line, column } => {
                write!(f, "its output is not YAML in line {line}, column {column}")
            }
            Self::Field { field, expected, found } => {
                let field = if field.is_empty() { "its output" } else { field };
                write!(f, "{field} is {found} where {expected} belongs")
            }
        }
    }
}

impl std::error::Error for FileError {}

/// A file of `storage.files`.
///
/// # Errors
/// If the text is not one.
pub fn file(text: &str) -> Result<Value, FileError> {
    let mut file = read(text, FILE)?;
    file.entry("path").or_insert_with(|| "".into());
    file.insert("overwrite".to_owned(), true.into());
    let lists = file.get_mut("append").and_then(Value::as_array_mut);
    lists.into_iter().flatten().for_each(embed);
    if let Some(contents) = file.get_mut("contents") {
        embed(contents);
    }
    Ok(Value::Object(file))
}

/// A unit of `systemd.units`.
///
/// # Errors
/// If the text is not one.
pub fn unit(text: &str) -> Result<Value, FileError> {
    let mut unit = read(text, UNIT)?;
    unit.entry("name").or_insert_with(|| "".into());
    for dropin in unit.get_mut("dropins").and_then(Value::as_array_mut).into_iter().flatten() {
        if dropin.get("name").is_none() {
            dropin["name"] = json!("");
        }
    }
    Ok(Value::Object(unit))
}

/// R-TRANSPILE-3.
fn embed(contents: &mut Value) {
    let inline = contents.as_object_mut().and_then(|contents| contents.remove("inline"));
    if let Some(text) = inline.as_ref().and_then(Value::as_str) {
        contents["source"] = weir_ignition::data_url(text).into();
    }
}

/// A field and what it is.
type Field = (&'static str, Shape);

#[derive(Clone, Copy)]
enum Shape {
    Text,
    Integer,
    Flag,
    Object(&'static [Field]),
    List(&'static [Field]),
}

const FILE: &[Field] = &[
    ("group", Shape::Object(OWNER)),
    ("path", Shape::Text),
    ("user", Shape::Object(OWNER)),
    ("append", Shape::List(CONTENTS)),
    ("contents", Shape::Object(CONTENTS)),
    ("mode", Shape::Integer),
    ("overwrite", Shape::Flag),
];
const OWNER: &[Field] = &[("id", Shape::Integer), ("name", Shape::Text)];
const CONTENTS: &[Field] = &[
    ("compression", Shape::Text),
    ("inline", Shape::Text),
    ("source", Shape::Text),
    ("verification", Shape::Object(&[("hash", Shape::Text)])),
];
const UNIT: &[Field] = &[
    ("contents", Shape::Text),
    ("dropins", Shape::List(&[("contents", Shape::Text), ("name", Shape::Text)])),
    ("enabled", Shape::Flag),
    ("mask", Shape::Flag),
    ("name", Shape::Text),
];

fn read(text: &str, fields: &'static [Field]) -> Result<Map<String, Value>, FileError> {
    let yaml = yaml::read(text).map_err(|yaml::Broken { line, column }| FileError::Yaml { line, column })?;
    object(&yaml, fields, "")
}

fn object(yaml: &Yaml, fields: &'static [Field], path: &str) -> Result<Map<String, Value>, FileError> {
    static NOTHING: BTreeMap<String, Yaml> = BTreeMap::new();
    let entries = match yaml {
        Yaml::Map(entries) => entries,
        Yaml::Null => &NOTHING,
        other => return Err(wrong(path, "an object", other)),
    };
    let mut object = Map::new();
    for (key, value) in entries {
        let Some((name, shape)) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) else { continue };
        let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
        match field(value, *shape, &path)? {
            Some(value) => object.insert((*name).to_owned(), value),
            None => object.remove(*name),
        };
    }
    Ok(object)
}

fn field(yaml: &Yaml, shape: Shape, path: &str) -> Result<Option<Value>, FileError> {
    if matches!(yaml, Yaml::Null) {
        return Ok(None);
    }
    let value = match shape {
        Shape::Text => yaml.text().map(Value::from).ok_or_else(|| wrong(path, "text", yaml))?,
        Shape::Integer => integer(yaml).map(Value::from).ok_or_else(|| wrong(path, "an integer", yaml))?,
        Shape::Flag => match yaml {
            Yaml::Bool(bool) => Value::from(*bool),
            other => return Err(wrong(path, "a truth value", other)),
        },
        Shape::Object(fields) => Value::Object(object(yaml, fields, path)?),
        Shape::List(fields) => {
            let Yaml::List(items) = yaml else { return Err(wrong(path, "a list", yaml)) };
            let items = items.iter().enumerate().map(|(at, item)| object(item, fields, &format!("{path}.{at}")));
            Value::Array(items.map(|item| item.map(Value::Object)).collect::<Result<_, _>>()?)
        }
    };
    Ok(Some(value))
}

/// An integer, even if it is written with a zero fraction.
fn integer(yaml: &Yaml) -> Option<i64> {
    /// From here on, not every integer can be represented as a floating point number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match yaml {
        Yaml::Int(int) => Some(*int),
        #[allow(clippy::cast_possible_truncation, reason = "a whole number below the bound is cut nowhere")]
        Yaml::Float(float) if float.fract() == 0.0 && float.abs() < EXACT => Some(*float as i64),
        _ => None,
    }
}

fn wrong(path: &str, expected: &'static str, found: &Yaml) -> FileError {
    FileError::Field { field: path.to_owned(), expected, found: found.what() }
}
