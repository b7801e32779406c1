//! Label and field selectors.

use crate::{
    object,
    registry::{Definition, Resource},
    status::Failure,
    store::Object,
};
use memchr::memmem::Finder;
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
    /// What is in the JSON of every object of which the field equals the value, if anything is.
    written: Option<Finder<'static>>,
}

impl FieldRequirement {
    fn new(path: Vec<String>, value: String, equal: bool) -> Self {
        // These are written as they are; nothing need be written for an empty value.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
        let is_written = equal && !value.is_empty() && value.bytes().all(plain);
        let written = is_written.then(|| Finder::new(value.as_bytes()).into_owned());
        Self { path, value, equal, written }
    }
}

impl Selector {
    /// Parses the two query parameters.
    pub(crate) fn parse(labels: &str, fields: &str, resource: &Resource) -> Result<Self, Failure> {
        let labels = parse_labels(labels).map_err(Failure::bad_request)?;
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

    /// Whether the object is selected. It is parsed only when a field selector needs it, and what it asks for is anywhere in the object:
    /// one pod in thousands is on the node whose pods are asked for.
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
                _ if field.written.as_ref().is_some_and(|written| written.find(&object.raw).is_none()) => return false,
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
        ["spec", "clusterIP" | "type"] => resource.plural == "services",
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

/// A word or sign of a label selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Token::Word(text) | Token::Sign(text) => text,
            Token::End => "",
        }
    }
}

/// Longer signs come first.
const SIGNS: [&str; 8] = ["==", "!=", "=", "!", "(", ")", "<", ">"];

/// A label selector, read from left to right as `k8s.io/apimachinery/pkg/labels` does; so are the complaints.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next token, and what comes after it.
    fn split(&self) -> (Token<'a>, &'a str) {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            return (Token::End, rest);
        }
        if let Some(sign) = SIGNS.iter().chain([&","]).find(|sign| rest.starts_with(**sign)) {
            let (sign, rest) = rest.split_at(sign.len());
            return (Token::Sign(sign), rest);
        }
        let is_end = |c: char| c.is_whitespace() || "=!(),<>".contains(c);
        let (word, rest) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        (Token::Word(word), rest)
    }

    fn next(&mut self) -> Token<'a> {
        let (token, rest) = self.split();
        self.rest = rest;
        token
    }

    fn peek(&self) -> Token<'a> {
        self.split().0
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Token::Sign("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(expected(other, ", expected: identifier")),
        };
        if let Some(why) = weir_apischema::names::qualified_name(key).into_iter().next() {
            return Err(format!("<nil>: Invalid value: {key:?}: {why}"));
        }
        let requirement = |test| Ok(Requirement { key: key.to_owned(), test });
        match self.peek() {
            // Whatever follows is refused by the caller.
            _ if absent => return requirement(Test::Absent),
            Token::End | Token::Sign(",") => return requirement(Test::Exists),
            _ => {}
        }
        requirement(match self.next() {
            Token::Word("in") => Test::In(some(self.values()?)?),
            Token::Word("notin") => Test::NotIn(some(self.values()?)?),
            Token::Sign("=" | "==") => Test::In(vec![self.value()?]),
            Token::Sign("!=") => Test::NotIn(vec![self.value()?]),
            Token::Sign(">") => Test::Above(bound(&self.value()?)?),
            Token::Sign("<") => Test::Below(bound(&self.value()?)?),
            other => return Err(expected(other, ", expected: in, notin, =, ==, !=, gt, lt")),
        })
    }

    /// What is after `=`; nothing is the empty value.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(String::new()),
            _ => match self.next() {
                Token::Word(value) => Ok(value.to_owned()),
                other => Err(expected(other, ", expected: identifier")),
            },
        }
    }

    /// `(a, b)`; between two commas is the empty value.
    fn values(&mut self) -> Result<Vec<String>, String> {
        let opening = self.next();
        if opening != Token::Sign("(") {
            return Err(expected(opening, " expected: '('"));
        }
        if self.peek() == Token::Sign(")") {
            self.next();
            return Ok(Vec::new());
        }
        let mut values = Vec::new();
        loop {
            values.push(match self.peek() {
                Token::Word(word) => {
                    self.next();
                    word.to_owned()
                }
                Token::Sign("," | ")") => String::new(),
                other => return Err(expected(other, ", expected: ',', ')' or identifier")),
            });
            match self.next() {
                Token::Sign(",") => {}
                Token::Sign(")") => return Ok(values),
                other => return Err(expected(other, ", expected: ',' or ')'")),
            }
        }
    }
}

fn expected(found: Token<'_>, expected: &str) -> String {
    format!("found '{}'{expected}", found.text())
}

fn some(values: Vec<String>) -> Result<Vec<String>, String> {
    if values.is_empty() {
        return Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned());
    }
    Ok(values)
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut reader = Reader { rest: text };
    let mut found = Vec::new();
    match reader.peek() {
        Token::End => return Ok(found),
        Token::Word(_) | Token::Sign("!") => {}
        other => return Err(expected(other, ", expected: !, identifier, or 'end of string'")),
    }
    loop {
        let requirement = reader.requirement().and_then(checked);
        found.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
        match reader.next() {
            Token::End => return Ok(found),
            Token::Sign(",") => {}
            other => return Err(expected(other, ", expected: ',' or 'end of string'")),
        }
        if !matches!(reader.peek(), Token::Word(_) | Token::Sign("!")) {
            return Err(expected(reader.peek(), ", expected: identifier after ','"));
        }
    }
}

fn checked(requirement: Requirement) -> Result<Requirement, String> {
    if let Test::In(values) | Test::NotIn(values) = &requirement.test {
        for (index, value) in values.iter().enumerate() {
            if let Some(why) = weir_apischema::names::label_value(value).into_iter().next() {
                return Err(format!("values[{index}][{}]: Invalid value: {value:?}: {why}", requirement.key));
            }
        }
    }
    Ok(requirement)
}

fn bound(text: &str) -> Result<i64, String> {
    let why = "for 'Gt', 'Lt' operators, the value must be an integer";
    text.parse().map_err(|_| format!("values[0]: Invalid value: {text:?}: {why}"))
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
        found.push(FieldRequirement::new(path, value, equal));
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
        let refused = [
            ("t===", "unable to parse requirement: found '=', expected: identifier"),
            ("a in 1", "unable to parse requirement: found '1' expected: '('"),
            (
                "a in ()",
                "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
            ),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            (
                "n>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("a)", "unable to parse requirement: found ')', expected: in, notin, =, ==, !=, gt, lt"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ];
        for (text, why) in refused {
            assert_eq!(parse_labels(text), Err(why.to_owned()), "{text}");
        }
        assert!(
            parse_labels("-=1")
                .unwrap_err()
                .starts_with("unable to parse requirement: <nil>: Invalid value: \"-\": name part")
        );
        assert!(parse_labels("a=?").unwrap_err().contains("values[0][a]: Invalid value: \"?\""));
        assert_eq!(parse_labels("a in (b,,c),d=").unwrap().len(), 2);
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

    #[test]
    fn what_is_not_anywhere_in_an_object_is_not_looked_for_in_it_and_nothing_else_changes() {
        let objects = [
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "a", "hostNetwork": true, "n": 1, "t": true}}),
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "b", "says": "\"a\", \u{e9}"}}),
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "worker-1", "o": {"a": [1]}}}),
            json!({"apiVersion": "v1", "kind": "Pod"}),
        ];
        let objects = objects.map(|value| Object::new(&value, 1));
        let paths = ["nodeName", "hostNetwork", "unschedulable", "n", "t", "says", "o"];
        let values = ["", "a", "b", "worker-1", "worker-11", "true", "false", "1", "\"a\"\\, \u{e9}", "{\"a\":[1]}"];
        let key = crate::store::Key::new("n", "p");
        let selected = |fields: Vec<FieldRequirement>| {
            let selector = Selector { labels: Vec::new(), fields };
            objects.each_ref().map(|object| selector.matches(&key, object))
        };
        let mut shortened = 0;
        for (path, value, term) in paths.iter().flat_map(|path| {
            values.iter().flat_map(move |value| ["=", "!="].map(|is| (path, value, format!("spec.{path}{is}{value}"))))
        }) {
            let fields = parse_fields(&term).unwrap();
            let whole = fields.iter().cloned().map(|field| FieldRequirement { written: None, ..field }).collect();
            shortened += usize::from(fields[0].written.is_some());
            assert_eq!(selected(fields), selected(whole), "{path} {value}");
        }
        assert_eq!(shortened, 49);
        assert_eq!(selected(parse_fields("spec.nodeName=worker-1").unwrap()), [false, false, true, false]);
        assert_eq!(selected(parse_fields("spec.hostNetwork=false").unwrap()), [false, true, true, true]);
    }
}
