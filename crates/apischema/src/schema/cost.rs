//! Whether the rules of a definition may cost too much
//! (k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation).
//!
//! 1. A rule costs what one evaluation may cost, times the number of values it may be evaluated on: the product of
//!    `maxItems` and `maxProperties` of all lists and maps around it, or, if one of them has no bound, the number of
//!    times that the smallest such value fits into the largest request.
//! 2. The expression of a message costs what one evaluation of it may cost.
//! 3. One expression may cost at most [`RULE_LIMIT`], unless the schema is stored already; all together may cost at most
//!    [`TOTAL_LIMIT`].

use super::{field::FieldError, structural::join};
use crate::{
    node::{Node, Rule},
    typing::{Declared, LARGEST_REQUEST, Scope},
};

/// What one expression may cost (`StaticEstimatedCostLimit`).
const RULE_LIMIT: u64 = 10_000_000;
/// What all expressions of a schema may cost together (`StaticEstimatedCRDCostLimit`).
const TOTAL_LIMIT: u64 = 100_000_000;
/// How many expressions are named if all together cost too much.
const NAMED: usize = 4;
/// Expressions that cost less are not named: a hundredth of the limit.
const WORTH_NAMING: u64 = TOTAL_LIMIT / 100;

/// All expressions that cost too much. `unchanged`: the schema is the one that is stored.
pub(super) fn check(root: &Node, unchanged: bool) -> Vec<FieldError> {
    let mut costs = Costs { unchanged, total: 0, expensive: Vec::new(), errors: Vec::new() };
    costs.node(root, "", true, Some(1));
    costs.finish()
}

struct Costs {
    unchanged: bool,
    total: u64,
    /// Expressions worth naming, with their costs.
    expensive: Vec<(u64, String)>,
    errors: Vec<FieldError>,
}

impl Costs {
    /// `count`: how many values of the node one resource may have; `None` if unbounded.
    fn node(&mut self, node: &Node, path: &str, resource: bool, count: Option<u64>) {
        if !node.has_rules {
            return;
        }
        let below = count.zip(elements(node)).map(|(count, elements)| count.saturating_mul(elements));
        for (step, child) in node.children() {
            self.node(child, &join(path, &step), false, below);
        }
        let resource = resource || node.embedded_resource;
        for (index, rule) in node.rules.iter().enumerate() {
            self.rule(rule, node, &join(path, &format!("x-kubernetes-validations[{index}]")), resource, count);
        }
    }

    fn rule(&mut self, rule: &Rule, node: &Node, path: &str, resource: bool, count: Option<u64>) {
        let Some(compiled) = &rule.compiled else { return };
        let root = Declared::Node(node, resource);
        let optional = rule.optional_old_self == Some(true);
        let scope = Scope::default().typed("self", node, resource, false).typed("oldSelf", node, resource, optional);
        let count = count.unwrap_or_else(|| LARGEST_REQUEST / (root.smallest() + 1));
        self.expression(compiled.rule.cost(&scope, root).saturating_mul(count), path, "rule");
        if let Some(message) = &compiled.message {
            self.expression(message.cost(&scope, root), path, "messageExpression");
        }
    }

    fn expression(&mut self, cost: u64, path: &str, name: &str) {
        let field = join(path, name);
        if cost > RULE_LIMIT && !self.unchanged {
            self.errors.push(exceeded(&field, &format!("estimated {name} cost"), cost, RULE_LIMIT));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= WORTH_NAMING {
            self.expensive.push((cost, field));
        }
    }

    fn finish(mut self) -> Vec<FieldError> {
        if self.total > TOTAL_LIMIT {
            self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            let named = self.expensive.into_iter().take(NAMED);
            self.errors.extend(named.map(|(_, field)| FieldError::forbidden(field, detail)));
            let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
            self.errors.push(exceeded("", what, self.total, TOTAL_LIMIT));
        }
        self.errors
    }
}

/// How many values of a child there may be for each value of the node; `None` if unbounded.
fn elements(node: &Node) -> Option<u64> {
    let limit = match node.kind.as_str() {
        "object" if node.additional_properties.is_some() => node.max_properties?,
        "array" => node.max_items?,
        _ => 1,
    };
    Some(u64::try_from(limit).unwrap_or_default())
}

fn exceeded(field: &str, what: &str, cost: u64, limit: u64) -> FieldError {
    #[allow(clippy::cast_precision_loss, reason = "a figure to read")]
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        // With one digit, it would read as exceeded by a factor of one.
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    let detail = format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    );
    FieldError::forbidden(field, &detail)
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;
    use serde_json::{Value, json};

    fn errors(schema: &Value, unchanged: bool) -> Vec<String> {
        let compiled = Schema::compile(schema).unwrap();
        compiled.too_expensive(unchanged).iter().map(ToString::to_string).collect()
    }

    /// A list of lists of strings, with a rule on each string, and bounds.
    fn lists(outer: Option<u64>, inner: Option<u64>, rule: &str, message: &str) -> Value {
        let mut text = json!({"type": "string", "maxLength": 100, "x-kubernetes-validations": [{"rule": rule}]});
        if !message.is_empty() {
            text["x-kubernetes-validations"][0]["messageExpression"] = message.into();
        }
        let list = |of: Value, max: Option<u64>| {
            let mut list = json!({"type": "array", "items": of});
            if let Some(max) = max {
                list["maxItems"] = max.into();
            }
            list
        };
        json!({"type": "object", "properties": {"lists": list(list(text, inner), outer)}})
    }

    const HINT: &str = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
    const RULE: &str = "properties[lists].items.items.x-kubernetes-validations[0].rule";

    #[test]
    fn a_rule_costs_once_for_each_possible_value() {
        // 40 for going through up to 400 bytes, and one for the variable.
        let contains = "self.contains('x')";
        let refused = |factor: &str| {
            format!("{RULE}: Forbidden: estimated rule cost exceeds budget by factor of {factor} {HINT}")
        };
        let cases = [
            (Some(100), Some(100), None),
            (Some(1_000), Some(243), None),
            (Some(1_000), Some(244), Some("1.000400x")),
            (Some(1_000), Some(1_000), Some("4.1x")),
            (Some(10_000), Some(10_000), Some("more than 100x")),
            // Without a bound: as often as two quotes and a comma fit into three MiB, whatever the other bound is.
            (None, Some(1), Some("4.3x")),
            (Some(1), None, Some("4.3x")),
        ];
        for (outer, inner, factor) in cases {
            let found = errors(&lists(outer, inner, contains, ""), false);
            assert_eq!(found.first(), factor.map(refused).as_ref(), "{outer:?} {inner:?}");
        }
    }

    #[test]
    fn a_message_costs_once() {
        let large = lists(Some(1_000), Some(1), "true", "self + self");
        assert_eq!(errors(&large, false), [""; 0]);
        let unbounded = lists(Some(1), Some(1), "true", "[self].map(a, a + 'x').join(',')");
        let found = errors(&unbounded, false);
        let place = RULE.replace(".rule", ".messageExpression");
        let start =
            format!("{place}: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x");
        assert!(found[0].starts_with(&start), "{found:?}");
    }

    #[test]
    fn a_stored_schema_is_only_subject_to_the_total_limit() {
        // 4.1 times the limit of one rule, but less than that of all.
        let one = lists(Some(1_000), Some(1_000), "self.contains('x')", "");
        assert_eq!(errors(&one, false).len(), 1);
        assert_eq!(errors(&one, true), [""; 0]);
        let rule = json!({"rule": "self.contains('x')"});
        let mut many = one;
        many["properties"]["lists"]["items"]["items"]["x-kubernetes-validations"] = json!(vec![rule; 6]);
        let found = errors(&many, true);
        let place = |index: usize| RULE.replace("[0].rule", &format!("[{index}].rule"));
        let contributed = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        let mut wanted: Vec<String> =
            (0..4).map(|index| format!("{}: Forbidden: {contributed}", place(index))).collect();
        wanted.push(format!(
            ": Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of 2.5x {HINT}"
        ));
        assert_eq!(found, wanted);
    }
}
