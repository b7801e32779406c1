//! Validation of values: types, bounds, enumerations, patterns, formats, required fields and combinations, with the
//! errors of the API server's OpenAPI validator (k8s.io/kube-openapi/pkg/validation/validate).

use super::{
    field::{FieldError, MOST_ERRORS},
    lists::{self, Correlation},
    path::{NIL, Path},
};
use crate::{
    node::{Additional, Node},
    text::{gotext, is_format},
};
use serde_json::{Number, Value};
use std::collections::HashSet;

/// Maximum number of steps that all patterns may take through the strings of one value: the parts of a pattern times the bytes of a
/// string. The engine usually takes far fewer, but that is not guaranteed.
const MOST_STEPS: u64 = 64_000_000;

/// Where errors are collected, and what they have in common.
pub(super) struct Report<'a> {
    /// Path of the validated value in its resource, e.g. `status`; empty for a whole resource. Messages name fields
    /// relative to it, error paths include it.
    pub(super) prefix: &'a str,
    pub(super) errors: Vec<FieldError>,
    /// Steps that patterns may still take.
    steps: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(prefix: &'a str) -> Self {
        Self { prefix, errors: Vec::new(), steps: MOST_STEPS }
    }

    /// Whether there are as many errors as anybody would read.
    fn is_full(&self) -> bool {
        self.errors.len() >= MOST_ERRORS
    }

    fn field(&self, path: &Path<'_>) -> String {
        self.join(&path.dotted())
    }

    fn join(&self, path: &str) -> String {
        match (self.prefix.is_empty(), path.is_empty()) {
            (true, true) => NIL.into(),
            (true, false) => path.into(),
            (false, true) => self.prefix.into(),
            (false, false) => format!("{}.{path}", self.prefix),
        }
    }

    /// Adds an error once, however often it occurs, as the reference's validator does.
    fn push(&mut self, error: FieldError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn invalid(&mut self, path: &Path<'_>, value: &Value, complaint: &str) {
        let detail = format!("{} in body {complaint}", path.dotted());
        self.push(FieldError::invalid(self.field(path), value, &detail));
    }

    fn wrong_type(&mut self, path: &Path<'_>, shown: &str, wanted: &str) {
        let detail = format!("{} in body must be of type {wanted}: {}", path.dotted(), gotext::quote(shown));
        self.push(FieldError::type_invalid(self.field(path), &Value::from(shown), &detail));
    }

    /// A number that its type cannot hold is reported against the whole validated value.
    fn range(&mut self, path: &Path<'_>, wanted: &str) {
        let detail = format!("Checked value must be of type {wanted} in {}", path.dotted());
        self.push(FieldError::invalid(self.join(""), &Value::from(""), &detail));
    }

    /// A failed combination of schemas is reported against the whole validated value.
    fn combination(&mut self, path: &Path<'_>, complaint: &str) {
        let detail = format!("{} {complaint}", gotext::quote(&path.dotted()));
        self.push(FieldError::invalid(self.join(""), &Value::from(""), &detail));
    }
}

/// Validates `value`. A value that equals its old value is skipped: if it is invalid, it was so before.
pub(super) fn check(value: &Value, old: Option<&Value>, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    if report.is_full() || old.is_some_and(|old| lists::unchanged(value, old, node)) {
        return;
    }
    check_type(value, node, path, report);
    if value.is_null() {
        check_enum(value, node, path, report);
        return;
    }
    check_combinations(value, node, path, report);
    match value {
        Value::String(text) => check_string(text, value, node, path, report),
        Value::Number(number) => check_number(number, value, node, path, report),
        Value::Array(items) => check_list(items, value, old, node, path, report),
        _ => {}
    }
    check_enum(value, node, path, report);
    if let Value::Object(_) = value {
        check_object(value, old, node, path, report);
    }
}

/// The JSON type of a value, as schemas name it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_type(value: &Value, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    let allowed: &[&str] = match (node.int_or_string, node.kind.as_str()) {
        (true, _) => &["integer", "string"],
        (false, "") => return,
        (false, kind) => &[kind],
    };
    let actual = type_of(value);
    let whole = value.as_f64().is_some_and(|float| float.fract() == 0.0);
    let fits = match actual {
        "null" => node.nullable,
        "integer" => allowed.contains(&"integer") || allowed.contains(&"number"),
        "number" => allowed.contains(&"number") || (allowed.contains(&"integer") && whole),
        other => allowed.contains(&other),
    };
    if fits {
        return;
    }
    // A format is more precise than the type, so messages about values with a format use the format.
    let formatted = match actual {
        "integer" => Some("int64"),
        "number" => Some("float64"),
        "boolean" | "object" => Some(""),
        _ => None,
    };
    match formatted {
        Some(shown) if effective_format(node).is_some() => report.wrong_type(path, shown, &node.format),
        _ => report.wrong_type(path, actual, &allowed.join(",")),
    }
}

/// The format, unless it has no meaning for the node's type.
fn effective_format(node: &Node) -> Option<&str> {
    let known = match node.kind.as_str() {
        "" | "string" => is_format(&node.format, "").is_some(),
        "integer" => ["int32", "int64"].contains(&node.format.as_str()),
        "number" => ["float", "double"].contains(&node.format.as_str()),
        _ => false,
    };
    known.then_some(node.format.as_str())
}

fn check_combinations(value: &Value, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    let attempt = |branch: &Node, report: &mut Report<'_>| {
        let mut inner = Report { prefix: report.prefix, errors: Vec::new(), steps: report.steps };
        check(value, None, branch, path, &mut inner);
        report.steps = inner.steps;
        inner.errors
    };
    if !node.any_of.is_empty() {
        let failures: Vec<_> = node.any_of.iter().map(|branch| attempt(branch, report)).collect();
        if failures.iter().all(|errors| !errors.is_empty()) {
            report.combination(path, "must validate at least one schema (anyOf)");
            failures.into_iter().next().into_iter().flatten().for_each(|error| report.push(error));
        }
    }
    if !node.one_of.is_empty() {
        let failures: Vec<_> = node.one_of.iter().map(|branch| attempt(branch, report)).collect();
        match failures.iter().filter(|errors| errors.is_empty()).count() {
            1 => {}
            0 => {
                report.combination(path, "must validate one and only one schema (oneOf). Found none valid");
                failures.into_iter().next().into_iter().flatten().for_each(|error| report.push(error));
            }
            n => {
                let complaint = format!("must validate one and only one schema (oneOf). Found {n} valid alternatives");
                report.combination(path, &complaint);
            }
        }
    }
    if !node.all_of.is_empty() {
        let failures: Vec<_> = node.all_of.iter().map(|branch| attempt(branch, report)).collect();
        let failed = failures.iter().filter(|errors| !errors.is_empty()).count();
        let none = if failed == failures.len() { ". None validated" } else { "" };
        failures.into_iter().flatten().for_each(|error| report.push(error));
        if failed > 0 {
            report.combination(path, &format!("must validate all the schemas (allOf){none}"));
        }
    }
    if node.not.as_ref().is_some_and(|branch| attempt(branch, report).is_empty()) {
        report.combination(path, "must not validate the schema (not)");
    }
}

/// Length and pattern (the first that fails), then the format.
fn check_string(text: &str, value: &Value, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(max) = node.max_length.filter(|max| length > *max) {
        report.push(FieldError::too_long(report.field(path), max));
    } else if let Some(min) = node.min_length.filter(|min| length < *min) {
        report.invalid(path, value, &format!("should be at least {min} chars long"));
    } else if let Some(pattern) = &node.pattern {
        let steps = pattern.steps(text);
        if steps > report.steps {
            report.invalid(path, value, &format!("is too long to be matched against '{}'", pattern.source));
        } else if !pattern.matches(text) {
            report.invalid(path, value, &format!("should match '{}'", pattern.source));
        }
        report.steps = report.steps.saturating_sub(steps);
    }
    if matches!(node.kind.as_str(), "" | "string") && is_format(&node.format, text) == Some(false) {
        report.wrong_type(path, text, &node.format);
    }
}

fn check_number(number: &Number, value: &Value, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    let float = number.as_f64().unwrap_or_default();
    if !in_range(number, node) {
        let format = match effective_format(node) {
            Some(format) => format!("with format {format}"),
            None => "(default format)".to_owned(),
        };
        report.range(path, &format!("{} {format}", node.kind));
    }
    let bound = |limit: &Option<Number>| limit.as_ref().and_then(Number::as_f64);
    let shown = |limit: &Option<Number>| limit.as_ref().map(gotext::number).unwrap_or_default();
    if bound(&node.multiple_of).is_some_and(|factor| factor != 0.0 && (float / factor).fract() != 0.0) {
        report.invalid(path, value, &format!("should be a multiple of {}", shown(&node.multiple_of)));
    }
    if bound(&node.minimum).is_some_and(|min| if node.exclusive_minimum { float <= min } else { float < min }) {
        let or_equal = if node.exclusive_minimum { "" } else { " or equal to" };
        report.invalid(path, value, &format!("should be greater than{or_equal} {}", shown(&node.minimum)));
    }
    if bound(&node.maximum).is_some_and(|max| if node.exclusive_maximum { float >= max } else { float > max }) {
        let or_equal = if node.exclusive_maximum { "" } else { " or equal to" };
        report.invalid(path, value, &format!("should be less than{or_equal} {}", shown(&node.maximum)));
    }
}

/// Whether a number fits the type and format.
fn in_range(number: &Number, node: &Node) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "the bound is a power of two")]
    let whole = |float: f64| float.fract() == 0.0 && float.abs() < i64::MAX as f64;
    match (node.kind.as_str(), node.format.as_str()) {
        ("integer", "int32") => {
            number.as_f64().is_some_and(|f| f.fract() == 0.0 && i32::MIN as f64 <= f && f <= i32::MAX as f64)
        }
        ("integer", _) => number.as_i64().is_some() || (number.is_f64() && number.as_f64().is_some_and(whole)),
        ("number", "float") => number.as_f64().is_some_and(|f| f.abs() <= f64::from(f32::MAX)),
        _ => true,
    }
}

fn check_list(
    items: &[Value],
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    path: &Path<'_>,
    report: &mut Report<'_>,
) {
    if let Some(child) = node.items() {
        let correlation = Correlation::new(old, node);
        for (index, item) in items.iter().enumerate() {
            check(item, correlation.of(item), child, &path.index(index), report);
        }
    }
    let count = Value::from(items.len());
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(min) = node.min_items.filter(|min| length < *min) {
        report.invalid(path, &count, &format!("should have at least {min} items"));
    }
    if let Some(max) = node.max_items.filter(|max| length > *max) {
        report.push(FieldError::too_many(report.field(path), items.len(), max));
    }
    let mut seen = HashSet::new();
    if node.unique_items && !items.iter().all(|item| seen.insert(item)) {
        report.invalid(path, value, "shouldn't contain duplicates");
    }
}

fn check_enum(value: &Value, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    let same = |allowed: &Value| match (allowed, value) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => allowed == value,
    };
    if node.allowed.is_empty() || node.allowed.iter().any(same) {
        return;
    }
    let shown: Vec<_> =
        node.allowed.iter().map(|v| v.as_str().map_or_else(|| gotext::json(v), str::to_owned)).collect();
    report.push(FieldError::not_supported(report.field(path), value, shown.iter().map(String::as_str)));
}

/// Checks the number of fields first (a wrong number ends the check), then the fields, then missing ones.
fn check_object(value: &Value, old: Option<&Value>, node: &Node, path: &Path<'_>, report: &mut Report<'_>) {
    let Value::Object(fields) = value else { return };
    let count = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(min) = node.min_properties.filter(|min| count < *min) {
        report.invalid(path, &Value::from(count), &format!("should have at least {min} properties"));
        return;
    }
    if let Some(max) = node.max_properties.filter(|max| count > *max) {
        report.push(FieldError::too_many(report.field(path), fields.len(), max));
        return;
    }
    for (name, value) in fields {
        if let Some(child) = node.child(name) {
            let old = old.and_then(|old| old.get(name));
            check(value, old, child, &path.field(name), report);
        } else if let Some(Additional::Allowed(false)) = node.additional_properties {
            let detail = format!("{}.{name} in body is a forbidden property", path.dotted());
            report.push(FieldError::invalid(report.field(path), &Value::from(""), &detail));
        }
    }
    for name in node.required.iter().filter(|name| !fields.contains_key(*name)) {
        report.push(FieldError::required(report.field(&path.field(name)), ""));
    }
}
