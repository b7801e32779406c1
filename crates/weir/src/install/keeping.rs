//! An operator that keeps the controller: what it may do for that, and what it is told.
//!
//! It writes roles that hold more than it does itself. For that Kubernetes has the verbs `escalate` and `bind`, which are
//! given for the names that it keeps and no others.

use super::{
    Component, Install,
    access::{RBAC, WATCH, named, rule},
};
use serde_json::{Value, json};
use weir_api::{keys::names::OPERATOR_NAMESPACE, kind::MONITORING_GROUP};

/// Rights for kinds that are in no namespace, and to see roles wherever they are: one that is no longer wanted may be in
/// another namespace than those that are.
pub(super) fn cluster() -> Vec<Value> {
    let kinds = ["clusterroles", "clusterrolebindings"];
    let watched = [&kinds[..], &["roles", "rolebindings"]].concat();
    let mut rules = vec![rule(&[RBAC], &watched, WATCH)];
    rules.extend(writes(RBAC, &kinds));
    rules.push(granted("clusterroles"));
    rules
}

/// Rights for a namespace that the controller has a role in.
pub(super) fn namespaced(namespace: &str) -> Vec<Value> {
    let mut rules = writes(RBAC, &["roles", "rolebindings"]).to_vec();
    rules.push(granted("roles"));
    if namespace == OPERATOR_NAMESPACE {
        for (group, kinds) in [
            ("", &["serviceaccounts", "services"][..]),
            ("apps", &["deployments"]),
            ("policy", &["poddisruptionbudgets"]),
            (MONITORING_GROUP, &["servicemonitors"]),
        ] {
            rules.push(rule(&[group], kinds, WATCH));
            rules.extend(writes(group, kinds));
        }
    }
    rules
}

fn writes(group: &str, kinds: &[&str]) -> [Value; 2] {
    [
        // Who creates cannot be held to a name.
        rule(&[group], kinds, &["create"]),
        named(&[group], kinds, &[Component::Controller.name()], &["patch", "delete"]),
    ]
}

fn granted(kind: &str) -> Value {
    named(&[RBAC], &[kind], &[Component::Controller.name()], &["escalate", "bind"])
}

/// Arguments of `weir run operator` that say which controller it keeps.
pub(super) fn arguments(install: &Install<'_>) -> Vec<Value> {
    let mut arguments = vec![
        json!(format!("--controller-image={}", install.image)),
        json!(format!("--controller-replicas={}", install.replicas)),
    ];
    arguments.extend((!install.monitoring).then(|| json!("--no-monitoring")));
    arguments.extend(install.take_over.then(|| json!("--controller-take-over")));
    arguments
        .extend(install.prune_rendered.map(|after| json!(format!("--controller-prune-rendered={}s", after.as_secs()))));
    arguments
}
