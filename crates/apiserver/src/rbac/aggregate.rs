//! Cluster roles that aggregate others: `aggregationRule`.
//!
//! Source: `pkg/controller/clusterroleaggregation` of github.com/kubernetes/kubernetes.

use super::grants::SUFFIX;
use crate::{
    object::{self, list, meta},
    selectors,
    store::{Key, Writer},
};
use serde_json::Value;
use std::sync::Arc;

/// Table of the cluster roles.
const CLUSTER_ROLES: &str = "clusterroles";

/// Brings the rules of aggregated cluster roles up to date. One may be part of another, so this is repeated until
/// nothing changes, at most once for each role.
pub(crate) fn aggregate(writer: &mut Writer<'_>) {
    let storage: Arc<str> = format!("{CLUSTER_ROLES}{SUFFIX}").into();
    let stored = |writer: &Writer<'_>| -> Vec<Value> {
        let tables = writer.read();
        tables.table(&storage).into_iter().flat_map(|t| t.range("", None)).map(|(_, o)| o.value()).collect()
    };
    for _ in 0..stored(writer).len() {
        let roles = stored(writer);
        let stale = roles.iter().find_map(|role| Some((role, rules(role, &roles)?)));
        let Some((old, rules)) = stale else { return };
        let mut new = old.clone();
        object::set(&mut new, "rules", rules);
        writer.put(&storage, Key::new("", meta(old, "name")), new);
    }
}

/// The rules that an aggregated role should have, if its present ones differ.
fn rules(role: &Value, roles: &[Value]) -> Option<Value> {
    role.get("aggregationRule")?;
    let mut rules: Vec<&Value> = Vec::new();
    for selector in list(role, &["aggregationRule", "clusterRoleSelectors"]) {
        for other in roles.iter().filter(|other| meta(other, "name") != meta(role, "name")) {
            let labels = object::at(other, &["metadata", "labels"]);
            let selected = selectors::matches(selector, |key| labels.and_then(|labels| labels.get(key)?.as_str()));
            for rule in list(other, &["rules"]).iter().filter(|_| selected) {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }
    let same = list(role, &["rules"]).iter().eq(rules.iter().copied());
    (!same).then(|| rules.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_aggregated_role_has_every_selected_rule_once() {
        let rule = |resource: &str| json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]});
        let sum = json!({"metadata": {"name": "sum"}, "aggregationRule": {"clusterRoleSelectors": [
            {"matchLabels": {"add": "yes"}}, {"matchExpressions": [{"key": "add", "operator": "Exists"}]}]}, "rules": null});
        let part = |name: &str, add: &str, rules: Value| json!({"metadata": {"name": name, "labels": {"add": add}}, "rules": rules});
        let mut roles = vec![
            part("a", "yes", json!([rule("pods")])),
            part("b", "no", json!([rule("nodes"), rule("pods")])),
            json!({"metadata": {"name": "c"}, "rules": [rule("secrets")]}),
            sum.clone(),
        ];
        let wanted = json!([rule("pods"), rule("nodes")]);
        assert_eq!(rules(&sum, &roles), Some(wanted.clone()));
        roles[3]["rules"] = wanted;
        assert_eq!(rules(&roles[3], &roles), None);
        assert_eq!(rules(&roles[0], &roles), None);
    }
}
