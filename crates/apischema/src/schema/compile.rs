//! Makes an otherwise valid schema usable: compiles its rules and checks its defaults.

use super::{
    default, embedded,
    field::FieldError,
    field_path, lists,
    path::Path,
    prune, rules,
    structural::join,
    values::{self, Report},
};
use crate::{
    cel::Expression,
    node::{CompiledRule, ListType, Node, Rule},
    text::gotext,
    typing::Scope,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Compiles all rules at and below `node`. `uncorrelated` is the path of the closest enclosing list whose elements
/// cannot be matched with old ones, so that they have no old value.
pub(super) fn rules(node: &mut Node, path: &str, resource: bool, uncorrelated: Option<&str>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut compiled = Vec::new();
    let resource = resource || node.embedded_resource;
    for (index, rule) in node.rules.iter().enumerate() {
        let place = join(path, &format!("x-kubernetes-validations[{index}]"));
        compiled.push(compile(rule, node, resource, &place, uncorrelated, &mut errors));
    }
    node.rules_read = read_by(&compiled);
    for (rule, compiled) in node.rules.iter_mut().zip(compiled) {
        rule.compiled = compiled;
    }
    let elements = node.list_type() == ListType::Map;
    let steps: Vec<String> = node.children().map(|(step, _)| step).collect();
    let mut has_rules = !node.rules.is_empty();
    for (step, child) in steps.iter().zip(node.children_mut()) {
        let below = if step == "items" && !elements { uncorrelated.or(Some(path)) } else { uncorrelated };
        errors.extend(rules(child, &join(path, step), false, below));
        has_rules |= child.has_rules;
    }
    node.has_rules = has_rules;
    errors
}

/// The fields of the object that rules read; `None` if a rule uses the object as a whole.
fn read_by(rules: &[Option<CompiledRule>]) -> Option<BTreeSet<String>> {
    let expressions = rules.iter().flatten().flat_map(|rule| std::iter::once(&rule.rule).chain(&rule.message));
    let read: Option<Vec<_>> = expressions.map(|expression| expression.selects(&["self", "oldSelf"])).collect();
    read.map(|read| read.into_iter().flatten().collect())
}

fn compile(
    rule: &Rule,
    node: &Node,
    resource: bool,
    place: &str,
    uncorrelated: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> Option<CompiledRule> {
    let optional = rule.optional_old_self == Some(true);
    let scope = || Scope::default().typed("self", node, resource, false).typed("oldSelf", node, resource, optional);
    let mut refuse = |name: &str, detail: &str| {
        errors.push(FieldError::invalid_shown(join(place, name), shown(rule), detail));
    };
    let program = Expression::compile(&rule.rule, &scope().must_be_bool("cel expression must evaluate to a bool"));
    let program = program.map_err(|error| refuse("rule", &error.worded(""))).ok();
    let message = (!rule.message_expression.is_empty()).then(|| {
        let scope = scope().must_be_string("messageExpression must evaluate to a string");
        Expression::compile(&rule.message_expression, &scope)
    });
    let message = message.and_then(|message| {
        message.map_err(|error| refuse("messageExpression", &error.worded("messageExpression "))).ok()
    });
    let uses_old_self = program.as_ref().is_some_and(|program| program.uses("oldSelf"));
    if let (true, Some(within)) = (uses_old_self, uncorrelated) {
        let within = if within.is_empty() { super::path::NIL } else { within };
        let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
        errors.push(FieldError::invalid(join(place, "rule"), &Value::from(rule.rule.as_str()), &detail));
    }
    if let (true, false, Some(set)) = (program.is_some(), uses_old_self, rule.optional_old_self) {
        let detail = "may not be set if oldSelf is not used in rule";
        errors.push(FieldError::invalid(join(place, "optionalOldSelf"), &Value::from(set), detail));
    }
    let field_path = field_path::resolve(&rule.field_path, node, resource);
    if field_path.is_none() {
        let value = Value::from(rule.field_path.as_str());
        errors.push(FieldError::invalid(join(place, "fieldPath"), &value, "must be a valid path"));
    }
    Some(CompiledRule { rule: program?, message, uses_old_self, field_path: field_path? })
}

/// A rule as shown in errors about it.
fn shown(rule: &Rule) -> String {
    let optional = |value: Option<Value>| gotext::json(&value.unwrap_or_default());
    let text = |value: &str| gotext::json(&Value::from(value));
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text(&rule.rule),
        text(&rule.message),
        text(&rule.message_expression),
        optional(rule.reason.clone().map(Value::from)),
        text(&rule.field_path),
        optional(rule.optional_old_self.map(Value::from)),
    )
}

/// Checks that every default is valid where it is set.
pub(super) fn defaults(node: &Node, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(value) = &node.default {
        let place = join(path, "default");
        let mut pruned = value.clone();
        prune::prune_value(&mut pruned, node);
        if pruned != *value {
            errors.push(FieldError::invalid(place.clone(), value, "must not have unknown fields"));
        }
        let mut full = value.clone();
        if let Err(why) = default::apply(&mut full, node) {
            errors.push(FieldError::invalid_unshown(place, &why.to_string()));
            return;
        }
        let mut report = Report::new(&place);
        values::check(&full, None, node, &Path::ROOT, &mut report);
        let mut found = report.errors;
        let prefix = Path::ROOT;
        let prefix = prefix.field(&place);
        embedded::check(&full, node, &prefix, &mut found);
        lists::check(&full, node, &prefix, &mut found);
        if found.is_empty() {
            found.extend(rules::check(&full, None, node, &prefix, false));
        }
        errors.extend(found);
    }
    for (step, child) in node.children() {
        defaults(child, &join(path, &step), errors);
    }
}
