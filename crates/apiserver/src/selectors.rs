//! Label and field selectors.

use crate::{
    object,
    registry::{Definition, Resource},
    status::Failure,
    store::Object,
};
use serde_json::Value;

/// The objects to which a list or a watch is restricted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl Selector {
    /// Parses the two query parameters.
    pub(crate) fn parse(labels: &str, fields: &str, resource: &Resource) -> Result<Self, Failure> {
        let labels =
            parse_labels(labels).map_err(|why| Failure::bad_request(format!("unable to parse requirement: {why}")))?;
        let fields = parse_fields(fields).map_err(Failure::bad_request)?;
        for field in &fields {
            if !is_selectable(resource, &field.path) {
                return Err(Failure::bad_request(unsupported(resource, &field.path.join("."))));
            }
        }
        Ok(Self { labels, fields })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether the object is selected. It is parsed only when a field selector needs it.
    pub(crate) fn matches(&self, key: &crate::store::Key, object: &Object) -> bool {
        if !self.labels.iter().all(|r| r.holds(object.label(&r.key))) {
            return false;
        }
        let mut parsed = None;
        self.fields.iter().all(|field| {
            let path: Vec<&str> = field.path.iter().map(String::as_str).collect();
            let found = match path[..] {
                ["metadata", "name"] => key.name.to_string(),
                ["metadata", "namespace"] => key.namespace.to_string(),
                ["spec", "unschedulable" | "hostNetwork"] => {
                    let value = object::at(parsed.get_or_insert_with(|| object.value()), &path);
                    (value == Some(&Value::Bool(true))).to_string()
                }
                _ => rendered(object::at(parsed.get_or_insert_with(|| object.value()), &path)),
            };
            (found == field.value) == field.equal
        })
    }
}

/// The message for a field that cannot be selected. It differs between kinds with selectable fields of their own and
/// others.
fn unsupported(resource: &Resource, path: &str) -> String {
    let own = ["pods", "nodes", "events", "namespaces", "secrets", "services"];
    if resource.is_custom() || own.contains(&resource.plural.as_str()) {
        return format!("field label not supported: {path}");
    }
    format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
}

/// A field as selectors compare it: absent and null equal the empty string.
fn rendered(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Whether a resource can be selected by this field. Most built-in resources support only name and namespace, custom ones also what
/// their definition declares.
fn is_selectable(resource: &Resource, path: &[String]) -> bool {
    let own = match &resource.definition {
        Definition::Custom(custom) => custom.selectable.contains(&path.join(".")),
        Definition::BuiltIn(_) => false,
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["metadata", "name"] => true,
        ["metadata", "namespace"] => resource.namespaced,
        _ if resource.is_custom() => own,
        ["spec", "unschedulable"] => resource.plural == "nodes",
        ["spec", "nodeName" | "restartPolicy" | "schedulerName" | "serviceAccountName" | "hostNetwork"]
        | ["status", "podIP" | "nominatedNodeName"] => resource.plural == "pods",
        ["status", "phase"] => matches!(resource.plural.as_str(), "pods" | "namespaces"),
        ["type"] => matches!(resource.plural.as_str(), "secrets" | "events"),
        ["reason" | "source" | "reportingComponent"] | ["involvedObject" | "regarding", _] => {
            resource.plural == "events"
        }
        _ => false,
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = |v: &str| v.parse::<i64>().ok();
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|v| values.iter().any(|x| x == v)),
            Test::NotIn(values) => value.is_none_or(|v| !values.iter().any(|x| x == v)),
            Test::Above(bound) => value.and_then(number).is_some_and(|n| n > *bound),
            Test::Below(bound) => value.and_then(number).is_some_and(|n| n < *bound),
        }
    }
}

/// Whether a `LabelSelector` object selects these labels; an empty one selects everything.
pub(crate) fn matches<'a>(selector: &Value, label: impl Fn(&str) -> Option<&'a str>) -> bool {
    let pairs = selector.get("matchLabels").and_then(Value::as_object);
    let equal = pairs.into_iter().flatten().all(|(key, value)| label(key) == value.as_str());
    equal
        && object::list(selector, &["matchExpressions"]).iter().all(|expression| {
            let key = object::text(expression, &["key"]).to_owned();
            let values = object::strings(expression.get("values"));
            let test = match object::text(expression, &["operator"]) {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                _ => return false,
            };
            let requirement = Requirement { key, test };
            requirement.holds(label(&requirement.key))
        })
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("found ')', expected: ',' or 'end of string'")?,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).map(requirement).collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let single = |value: &str| vec![value.trim().to_owned()];
    let (key, test) = if let Some(key) = text.strip_prefix('!') {
        (key, Test::Absent)
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(single(value)))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(single(value)))
    } else if let Some((key, rest)) = operator(text, "notin") {
        (key, Test::NotIn(values(rest)?))
    } else if let Some((key, rest)) = operator(text, "in") {
        (key, Test::In(values(rest)?))
    } else if let Some((key, value)) = text.split_once('>') {
        (key, Test::Above(bound(value)?))
    } else if let Some((key, value)) = text.split_once('<') {
        (key, Test::Below(bound(value)?))
    } else {
        (text, Test::Exists)
    };
    let key = key.trim();
    if let Some(why) = crate::names::qualified_name(key).into_iter().next() {
        return Err(format!("key: Invalid value: {key:?}: {why}"));
    }
    if let Test::In(values) | Test::NotIn(values) = &test {
        for (index, value) in values.iter().enumerate() {
            if let Some(why) = crate::names::label_value(value).into_iter().next() {
                return Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {why}"));
            }
        }
    }
    Ok(Requirement { key: key.to_owned(), test })
}

/// Splits `key in (a)` at the word.
fn operator<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let (key, rest) = text.split_once(char::is_whitespace)?;
    let rest = rest.trim_start().strip_prefix(word)?;
    rest.starts_with([' ', '(']).then_some((key, rest.trim()))
}

fn values(text: &str) -> Result<Vec<String>, String> {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let inner = inner.ok_or_else(|| format!("found '{text}', expected: '('"))?;
    Ok(inner.split(',').map(|v| v.trim().to_owned()).collect())
}

fn bound(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer: {text:?}"))
}

fn parse_fields(text: &str) -> Result<Vec<FieldRequirement>, String> {
    let mut found = Vec::new();
    for term in split_unescaped(text) {
        let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
            (path, value, false)
        } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (path, value, true)
        } else {
            return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
        };
        let value = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\");
        let path = path.split('.').map(str::to_owned).collect();
        found.push(FieldRequirement { path, value, equal });
    }
    Ok(found)
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[start..at]);
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts.retain(|p| !p.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selectors() {
        let labels = json!({"a": "1", "b": "x", "n": "5"});
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        let cases = [
            ("", true),
            ("a", true),
            ("!a", false),
            ("a=1", true),
            ("a==2", false),
            ("a!=2,b", true),
            ("c!=2", true),
            ("a in (1, 2),b notin (y,z)", true),
            ("a in (2)", false),
            ("c notin (2)", true),
            ("n>4,n<6", true),
        ];
        for (text, expected) in cases {
            let parsed = parse_labels(text).unwrap();
            assert_eq!(parsed.iter().all(|r| r.holds(label(&r.key))), expected, "{text}");
        }
        for text in ["a in 1", "a)", "-=1", "a=b c"] {
            assert!(parse_labels(text).is_err(), "{text}");
        }
    }

    #[test]
    fn selector_objects() {
        let labels = json!({"a": "1"});
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        assert!(matches(&json!({}), label));
        assert!(matches(&json!({"matchLabels": {"a": "1"}}), label));
        let expression = json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]});
        assert!(!matches(&expression, label));
    }

    #[test]
    fn field_selectors() {
        let parsed = parse_fields(r"metadata.name=a\,b,status.phase!=Running").unwrap();
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].value, "a,b");
        assert!(!parsed[1].equal);
        assert!(parse_fields("metadata.name").is_err());
    }
}
