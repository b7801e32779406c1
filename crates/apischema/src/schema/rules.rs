//! Evaluates the `x-kubernetes-validations` of a schema on an object
//! (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel).

use super::{
    field::{FieldError, MOST_ERRORS},
    lists::{self, Correlation},
    path::Path,
};
use crate::{
    cel::{Bindings, Bound, EvalError, EvalProblem, Meter, Output},
    node::{CompiledRule, ListType, Node, Rule},
};
use serde_json::Value;

/// Maximum length of the result of a `messageExpression`, in bytes; instead of a longer one, `message` is used.
pub(crate) const MAX_MESSAGE: usize = 5 << 10;

/// Evaluates all rules of a resource.
pub(super) fn check(
    value: &Value,
    old: Option<&Value>,
    root: &Node,
    prefix: &Path<'_>,
    resource: bool,
) -> Vec<FieldError> {
    let mut walk = Walk { errors: Vec::new(), meter: Meter::default(), stopped: false };
    walk.node(value, Old { value: old, around: None }, root, resource, prefix);
    walk.errors
}

/// The stored value at the current place.
#[derive(Clone, Copy)]
struct Old<'a> {
    /// The old value that this one replaces, if it can be identified.
    value: Option<&'a Value>,
    /// The enclosing values that have an old value.
    around: Option<&'a Pair<'a>>,
}

/// A value with the one it replaces.
struct Pair<'a> {
    new: &'a Value,
    old: &'a Value,
    node: &'a Node,
    around: Option<&'a Pair<'a>>,
}

impl Pair<'_> {
    /// Whether this value, or one that contains it, is unchanged, so that its problem existed before. Only called if there is a
    /// problem.
    fn is_unchanged(&self) -> bool {
        lists::unchanged(self.new, self.old, self.node) || self.around.is_some_and(Pair::is_unchanged)
    }
}

struct Walk {
    errors: Vec<FieldError>,
    meter: Meter,
    /// A rule took more steps than allowed: no more rules are evaluated.
    stopped: bool,
}

impl Walk {
    fn node(&mut self, value: &Value, old: Old<'_>, node: &Node, resource: bool, path: &Path<'_>) {
        if value.is_null() || !node.has_rules || self.stopped || self.errors.len() >= MOST_ERRORS {
            return;
        }
        let pair = old.value.map(|stored| Pair { new: value, old: stored, node, around: old.around });
        let pair = pair.as_ref().or(old.around);
        self.rules(value, old.value, pair, node, resource || node.embedded_resource, path);
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let known = node.properties.get(name);
                    let (child, path) = match (known, node.values()) {
                        (Some(child), _) => (child, path.field(name)),
                        (None, Some(child)) => (child, path.key(name)),
                        (None, None) => continue,
                    };
                    let old = Old { value: old.value.and_then(|old| old.get(name)), around: pair };
                    self.node(value, old, child, false, &path);
                }
            }
            Value::Array(items) => {
                let Some(child) = node.items() else { return };
                let correlation = Correlation::new(old.value, node);
                for (index, item) in items.iter().enumerate() {
                    let counterpart = correlation.of(item).filter(|_| node.list_type() == ListType::Map);
                    self.node(item, Old { value: counterpart, around: pair }, child, false, &path.index(index));
                }
            }
            _ => {}
        }
    }

    fn rules(
        &mut self,
        value: &Value,
        old: Option<&Value>,
        pair: Option<&Pair<'_>>,
        node: &Node,
        resource: bool,
        path: &Path<'_>,
    ) {
        let stored = old.filter(|old| !old.is_null());
        let meter = self.meter.clone();
        let bind = |value| Bound::typed(value, node, resource, &meter);
        // With a plain and with an optional oldSelf; each is created when the first rule needs it.
        let (mut plain, mut optional): (Option<Bindings<'_>>, Option<Bindings<'_>>) = (None, None);
        for rule in &node.rules {
            let Some(compiled) = &rule.compiled else { continue };
            let takes_absent = rule.optional_old_self == Some(true);
            if compiled.uses_old_self && stored.is_none() && !takes_absent {
                continue;
            }
            let slot = if takes_absent { &mut optional } else { &mut plain };
            let bindings = &*slot.get_or_insert_with(|| {
                let bindings = Bindings::metered(&meter).with("self", bind(value));
                match (takes_absent, stored) {
                    (true, stored) => bindings.with("oldSelf", Bound::optional(stored.map(bind))),
                    (false, Some(stored)) => bindings.with("oldSelf", bind(stored)),
                    (false, None) => bindings,
                }
            });
            match compiled.rule.evaluate(bindings) {
                Ok(Output::Bool(true)) => {}
                Ok(_) if !compiled.uses_old_self && pair.is_some_and(Pair::is_unchanged) => {}
                Ok(_) => self.errors.push(violation(rule, compiled, value, node, bindings, path)),
                Err(error) => {
                    self.errors.push(failure(rule, &error, node, path));
                    if error.problem == EvalProblem::OutOfBudget {
                        self.stopped = true;
                        return;
                    }
                }
            }
        }
    }
}

/// The rule evaluated to false.
fn violation(
    rule: &Rule,
    compiled: &CompiledRule,
    value: &Value,
    node: &Node,
    bindings: &Bindings<'_>,
    path: &Path<'_>,
) -> FieldError {
    let detail = match compiled.message.as_ref().and_then(|message| message_of(message.evaluate(bindings))) {
        Some(text) => text,
        None if rule.message.is_empty() => format!("failed rule: {}", rule.label()),
        None => rule.message.trim().to_owned(),
    };
    let field = match (path.bracketed(), compiled.field_path.as_str()) {
        (here, "") if here.is_empty() => path.or_nil(),
        (here, "") => here,
        (here, below) if here.is_empty() => below.to_owned(),
        (here, below) => format!("{here}.{below}"),
    };
    let shown = !["object", "array"].contains(&node.kind.as_str());
    match rule.reason.as_deref() {
        Some("FieldValueForbidden") => FieldError::forbidden(field, &detail),
        Some("FieldValueRequired") => FieldError::required(field, &detail),
        Some("FieldValueDuplicate") => FieldError::duplicate(field, shown.then_some(value)),
        _ if shown => FieldError::invalid(field, value, &detail),
        _ => FieldError::invalid_unshown(field, &detail),
    }
}

/// The message that an expression returned, unless it is unusable.
pub(crate) fn message_of(outcome: Result<Output, EvalError>) -> Option<String> {
    let Ok(Output::String(text)) = outcome else { return None };
    let text = text.trim();
    (!text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n')).then(|| text.to_owned())
}

/// The evaluation of the rule failed.
fn failure(rule: &Rule, error: &EvalError, node: &Node, path: &Path<'_>) -> FieldError {
    let label = rule.label();
    let detail = match error.problem {
        EvalProblem::NoOverload => format!(
            "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {label}"
        ),
        EvalProblem::OutOfBudget => {
            format!(
                "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {label}"
            )
        }
        EvalProblem::Other => format!("{error} evaluating rule: {label}"),
    };
    FieldError::invalid(path.or_nil(), &Value::from(node.kind.as_str()), &detail)
}
