//! Which objects a label selector matches.
//!
//! R-SELECTOR-1 An absent selector matches nothing, an empty one everything.
//! R-SELECTOR-2 All requirements must hold. `NotIn` and `DoesNotExist` hold for an object without the label.
//! R-SELECTOR-3 A selector with an unknown operator, a malformed key or value, or the wrong number of values is invalid
//! as a whole: what it matches is unknown.
//!
//! Source: the Kubernetes API reference (`LabelSelector`), `pkg/labels` of k8s.io/apimachinery for the texts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::{collections::BTreeMap, fmt};

/// Labels of an object, as object metadata holds them.
pub type Labels = BTreeMap<String, String>;

/// A valid label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The absent selector: matches no object.
    Nothing,
    /// The selector's requirements, sorted by key; without any, every object matches.
    All(Vec<Requirement>),
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// What must hold of the label.
    pub test: Test,
}

/// What a requirement demands of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Present with one of these values.
    In(Vec<String>),
    /// Absent, or present with none of these values.
    NotIn(Vec<String>),
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
}

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The operator is none of the four.
    #[error("{0:?} is not a valid label selector operator; use In, NotIn, Exists or DoesNotExist")]
    Operator(String),
    /// `In` or `NotIn` without a value.
    #[error("{operator} on label key {key:?} needs at least one value")]
    NoValues {
        /// Label key.
        key: String,
        /// `In` or `NotIn`.
        operator: String,
    },
    /// `Exists` or `DoesNotExist` with values.
    #[error("{operator} on label key {key:?} takes no values")]
    UnwantedValues {
        /// Label key.
        key: String,
        /// `Exists` or `DoesNotExist`.
        operator: String,
    },
    /// The key is not a valid label key.
    #[error(
        "{0:?} is not a label key: an optional DNS subdomain and '/', then at most 63 of letters, digits, '-', '_', '.', beginning and ending with a letter or digit"
    )]
    Key(String),
    /// A value is not a valid label value.
    #[error(
        "{value:?} is not a value that label {key:?} can have: at most 63 of letters, digits, '-', '_', '.', beginning and ending with a letter or digit"
    )]
    Value {
        /// Label key.
        key: String,
        /// The value.
        value: String,
    },
}

/// Whether a selector selects the object with this metadata; an empty one selects none.
///
/// # Errors
/// When it is invalid.
pub fn selects(selector: Option<&LabelSelector>, metadata: &ObjectMeta) -> Result<bool, SelectorError> {
    static NONE: Labels = Labels::new();
    let selector = Selector::parse(selector)?;
    Ok(!selector.is_everything() && selector.matches(metadata.labels.as_ref().unwrap_or(&NONE)))
}

impl Selector {
    /// Validates a selector (R-SELECTOR-1, R-SELECTOR-3).
    ///
    /// # Errors
    /// The first error in it.
    pub fn parse(selector: Option<&LabelSelector>) -> Result<Self, SelectorError> {
        let Some(selector) = selector else { return Ok(Self::Nothing) };
        let mut requirements = Vec::new();
        for (key, value) in selector.match_labels.iter().flatten() {
            requirements.push(Requirement::checked(key, Test::In(vec![value.clone()]))?);
        }
        for expression in selector.match_expressions.iter().flatten() {
            let values = expression.values.clone().unwrap_or_default();
            let (key, operator) = (expression.key.clone(), expression.operator.clone());
            let test = match expression.operator.as_str() {
                "In" | "NotIn" if values.is_empty() => return Err(SelectorError::NoValues { key, operator }),
                "Exists" | "DoesNotExist" if !values.is_empty() => {
                    return Err(SelectorError::UnwantedValues { key, operator });
                }
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::DoesNotExist,
                _ => return Err(SelectorError::Operator(operator)),
            };
            requirements.push(Requirement::checked(&expression.key, test)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self::All(requirements))
    }

    /// Whether an object with these labels is selected (R-SELECTOR-2).
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements.iter().all(|r| r.matches(labels)),
        }
    }

    /// Whether the selector has no requirements and so selects every object.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(requirements) if requirements.is_empty())
    }
}

impl Requirement {
    fn checked(key: &str, test: Test) -> Result<Self, SelectorError> {
        if !is_label_key(key) {
            return Err(SelectorError::Key(key.to_owned()));
        }
        if let Test::In(values) | Test::NotIn(values) = &test
            && let Some(value) = values.iter().find(|v| !is_label_value(v))
        {
            return Err(SelectorError::Value { key: key.to_owned(), value: value.clone() });
        }
        Ok(Self { key: key.to_owned(), test })
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.test {
            Test::In(values) => value.is_some_and(|v| values.contains(v)),
            Test::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
        }
    }
}

/// Prints a selector as `kubectl --selector` takes it; one that matches nothing, and the empty one, print nothing.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::All(requirements) = self else { return Ok(()) };
        for (index, Requirement { key, test }) in requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values.concat())?,
                Test::In(values) => write!(f, "{key} in ({})", sorted(values))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", sorted(values))?,
                Test::Exists => f.write_str(key)?,
                Test::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

fn sorted(values: &[String]) -> String {
    let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
    values.sort_unstable();
    values.join(",")
}

/// Longest name part of a label key, and longest label value, in bytes.
const LABEL_MAX: usize = 63;
/// Longest DNS subdomain, in bytes (RFC 1035).
const SUBDOMAIN_MAX: usize = 253;

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_name(name),
    }
}

fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

fn is_label_name(name: &str) -> bool {
    let inner = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= LABEL_MAX && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner)
}

fn is_dns_subdomain(name: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
            && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
    };
    name.len() <= SUBDOMAIN_MAX && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

    fn expression(key: &str, operator: &str, values: &[&str]) -> LabelSelector {
        let values = (!values.is_empty()).then(|| values.iter().map(|&v| v.to_owned()).collect());
        LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: key.to_owned(),
                operator: operator.to_owned(),
                values,
            }]),
            match_labels: None,
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn what_matches() {
        let gold = labels(&[("tier", "gold")]);
        let none = labels(&[]);
        let cases: [(&str, &[&str], bool, bool, &str); 4] = [
            ("In", &["silver", "gold"], true, false, "tier in (gold,silver)"),
            ("NotIn", &["gold"], false, true, "tier notin (gold)"),
            ("Exists", &[], true, false, "tier"),
            ("DoesNotExist", &[], false, true, "!tier"),
        ];
        for (operator, values, on_gold, on_none, text) in cases {
            let selector = Selector::parse(Some(&expression("tier", operator, values))).unwrap();
            assert_eq!(selector.matches(&gold), on_gold, "{operator} on gold");
            assert_eq!(selector.matches(&none), on_none, "{operator} on none");
            assert_eq!(selector.to_string(), text);
        }
        assert!(!Selector::parse(None).unwrap().matches(&gold));
        let empty = Selector::parse(Some(&LabelSelector::default())).unwrap();
        assert!(empty.matches(&gold) && empty.is_everything());
    }

    #[test]
    fn what_is_invalid() {
        let long = "x".repeat(64);
        let cases = [
            ("tier", "Bogus", vec![], SelectorError::Operator("Bogus".into())),
            ("tier", "In", vec![], SelectorError::NoValues { key: "tier".into(), operator: "In".into() }),
            (
                "tier",
                "Exists",
                vec!["x"],
                SelectorError::UnwantedValues { key: "tier".into(), operator: "Exists".into() },
            ),
            ("a/b/c", "Exists", vec![], SelectorError::Key("a/b/c".into())),
            ("", "Exists", vec![], SelectorError::Key(String::new())),
            ("UPPER.example/x", "Exists", vec![], SelectorError::Key("UPPER.example/x".into())),
            ("tier", "In", vec![long.as_str()], SelectorError::Value { key: "tier".into(), value: long.clone() }),
            ("tier", "NotIn", vec!["-"], SelectorError::Value { key: "tier".into(), value: "-".into() }),
        ];
        for (key, operator, values, error) in cases {
            assert_eq!(Selector::parse(Some(&expression(key, operator, &values))), Err(error), "{key} {operator}");
        }
    }
}
