//! What names, labels, annotations and finalizers may look like: RFC 1123, RFC 1035, and the words in which an API server refuses them.
//!
//! Source: `pkg/util/validation` and `pkg/api/validation` of k8s.io/apimachinery.

use crate::schema::FieldError;
use serde_json::Value;

const LONGEST_SUBDOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;
/// Maximum total size of the annotations of an object.
const LARGEST_ANNOTATIONS: i64 = 256 << 10;

/// The rule for the names of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain.
    Subdomain,
    /// RFC 1123 label.
    Label,
    /// RFC 1035 label.
    Label1035,
    /// Anything that can be in a URL path.
    PathSegment,
}

impl NameRule {
    /// What is wrong with the name, if anything. A prefix (`generateName`) may end in `-`: something will follow it.
    #[must_use]
    pub fn violations(self, name: &str, prefix: bool) -> Vec<String> {
        let masked =
            name.strip_suffix('-').filter(|start| prefix && !start.is_empty()).map(|start| format!("{start}a"));
        let name = masked.as_deref().unwrap_or(name);
        match self {
            Self::Subdomain => shaped(name, LONGEST_SUBDOMAIN, is_subdomain, subdomain_shape),
            Self::Label => shaped(name, LONGEST_LABEL, is_label, label_shape),
            Self::Label1035 => {
                let starts = |n: &str| is_label(n) && n.starts_with(|c: char| c.is_ascii_lowercase());
                shaped(name, LONGEST_LABEL, starts, |_| LABEL_1035.to_owned())
            }
            Self::PathSegment => path_segment(name),
        }
    }
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn subdomain_shape(_: &str) -> String {
    SUBDOMAIN.to_owned()
}

fn label_shape(text: &str) -> String {
    if is_subdomain(text) { "must not contain dots".to_owned() } else { LABEL.to_owned() }
}

fn shaped(
    text: &str,
    longest: usize,
    is_valid: impl Fn(&str) -> bool,
    complaint: impl Fn(&str) -> String,
) -> Vec<String> {
    let mut found = Vec::new();
    if text.len() > longest {
        found.push(format!("must be no more than {longest} bytes"));
    }
    if !is_valid(text) {
        found.push(complaint(text));
    }
    found
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let refused = ["/", "%"].into_iter().filter(|c| name.contains(c));
    refused.map(|c| format!("may not contain '{c}'")).collect()
}

/// Whether a text has the shape of an RFC 1123 label, whatever its length.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|b| inner(*b))
        && bytes.last().is_some_and(|b| inner(*b))
        && bytes.iter().all(|b| inner(*b) || *b == b'-')
}

/// Whether a text has the shape of an RFC 1123 subdomain, whatever its length.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_qualified_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// What is wrong with a label key, an annotation key or a finalizer.
#[must_use]
pub fn qualified_name(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('/').collect();
    let (prefix, part) = match parts.as_slice() {
        [part] => (None, *part),
        [prefix, part] => (Some(*prefix), *part),
        _ => {
            let with = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {QUALIFIED} {with}")];
        }
    };
    let mut found = match prefix {
        Some("") => vec!["prefix part must be non-empty".to_owned()],
        Some(prefix) => {
            let violations = NameRule::Subdomain.violations(prefix, false);
            violations.into_iter().map(|why| format!("prefix part {why}")).collect()
        }
        None => Vec::new(),
    };
    if part.is_empty() {
        found.push("name part must be non-empty".to_owned());
    }
    let violations = shaped(part, LONGEST_LABEL, is_qualified_part, |_| QUALIFIED.to_owned());
    found.extend(violations.into_iter().map(|why| format!("name part {why}")));
    found
}

/// What is wrong with a label's value.
#[must_use]
pub fn label_value(value: &str) -> Vec<String> {
    shaped(value, LONGEST_LABEL, |v| v.is_empty() || is_qualified_part(v), |_| LABEL_VALUE.to_owned())
}

/// What is wrong with labels under `field`.
#[must_use]
pub fn validate_labels(labels: Option<&Value>, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        errors.extend(qualified_name(key).iter().map(|why| FieldError::invalid(field, &key.as_str().into(), why)));
        let violations = label_value(value.as_str().unwrap_or_default());
        errors.extend(violations.iter().map(|why| FieldError::invalid(field, value, why)));
    }
    errors
}

/// What is wrong with `metadata`, on creation or change. Of a namespaced kind the namespace is judged, too.
#[must_use]
pub fn validate_metadata(object: &Value, rule: NameRule, namespaced: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let invalid = |field: &str, value: &str, why: &[String]| -> Vec<FieldError> {
        why.iter().map(|why| FieldError::invalid(format!("metadata.{field}"), &value.into(), why)).collect()
    };
    let prefix = text(&object["metadata"], "generateName");
    if !prefix.is_empty() {
        errors.extend(invalid("generateName", prefix, &rule.violations(prefix, true)));
    }
    let name = text(&object["metadata"], "name");
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        errors.extend(invalid("name", name, &rule.violations(name, false)));
    }
    let namespace = text(&object["metadata"], "namespace");
    if namespaced {
        errors.extend(invalid("namespace", namespace, &NameRule::Label.violations(namespace, false)));
    }
    errors.extend(validate_labels(object["metadata"].get("labels"), "metadata.labels"));
    errors.extend(validate_annotations(object));
    errors.extend(validate_owners(object));
    for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        errors.extend(invalid("finalizers", finalizer, &qualified_name(finalizer)));
    }
    errors
}

/// A field that is a string, or the empty one.
fn text<'v>(of: &'v Value, field: &str) -> &'v str {
    of[field].as_str().unwrap_or_default()
}

fn validate_annotations(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0i64;
    for (key, value) in object["metadata"]["annotations"].as_object().into_iter().flatten() {
        let violations = qualified_name(&key.to_lowercase());
        let invalid = |why: &String| FieldError::invalid("metadata.annotations", &key.as_str().into(), why);
        errors.extend(violations.iter().map(invalid));
        size += length(key) + value.as_str().map_or(0, length);
    }
    if size > LARGEST_ANNOTATIONS {
        errors.push(FieldError::too_long("metadata.annotations", LARGEST_ANNOTATIONS));
    }
    errors
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn validate_owners(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let owners = object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, owner) in owners.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                let path = format!("metadata.ownerReferences[{index}].{field}");
                errors.push(FieldError::invalid(path, &"".into(), &format!("{} must not be empty", phrase(field))));
            }
        }
    }
    let controllers = owners.iter().filter(|o| o.get("controller") == Some(&Value::Bool(true))).count();
    if controllers > 1 {
        let why = "Only one reference can have Controller set to true";
        errors.push(FieldError::invalid("metadata.ownerReferences", &owners.to_vec().into(), why));
    }
    errors
}

fn phrase(field: &str) -> &str {
    if field == "apiVersion" { "version" } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            (NameRule::Subdomain, "a.b-c.d1", true),
            (NameRule::Subdomain, "Bad_Name", false),
            (NameRule::Subdomain, "a..b", false),
            (NameRule::Subdomain, "-a", false),
            (NameRule::Label, "a.b", false),
            (NameRule::Label, "a-1", true),
            (NameRule::Label1035, "1a", false),
            (NameRule::PathSegment, "system:node", true),
            (NameRule::PathSegment, "a/b", false),
        ];
        for (rule, name, valid) in cases {
            assert_eq!(rule.violations(name, false).is_empty(), valid, "{name}");
        }
        assert!(NameRule::Subdomain.violations("gen-", true).is_empty());
        assert!(!NameRule::Subdomain.violations("-", true).is_empty());
        assert_eq!(NameRule::Label.violations(&"a".repeat(64), false), ["must be no more than 63 bytes"]);
        assert_eq!(NameRule::Label.violations("a.b", false), ["must not contain dots"]);
    }

    #[test]
    fn qualified_names() {
        for (name, valid) in [("a", true), ("example.com/a_B.c", true), ("a/b/c", false), ("/a", false), ("a/", false)]
        {
            assert_eq!(qualified_name(name).is_empty(), valid, "{name}");
        }
        let said = |name: &str| qualified_name(name).join("; ");
        assert!(
            said("a/b/c").starts_with("a qualified name must consist of alphanumeric characters"),
            "{}",
            said("a/b/c")
        );
        assert!(said("/a").starts_with("prefix part must be non-empty"), "{}", said("/a"));
        assert!(said("A_/a").starts_with("prefix part a lowercase RFC 1123 subdomain must"), "{}", said("A_/a"));
    }
}
