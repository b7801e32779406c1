//! An operator that keeps the controller: its rights (R-INSTALL-5) and its arguments.

use super::{
    Component, Install,
    access::{RBAC, Rights},
};
use serde_json::{Value, json};
use weir_api::{keys::names::OPERATOR_NAMESPACE, kind::MONITORING_GROUP};

/// Rights to write the controller's objects in a namespace, or the cluster-scoped ones.
pub(super) fn rights(rights: &mut Rights, namespace: Option<&str>) {
    let (role, kinds) = match namespace {
        Some(_) => ("roles", ["roles", "rolebindings"]),
        None => ("clusterroles", ["clusterroles", "clusterrolebindings"]),
    };
    writes(rights, namespace, RBAC, &kinds);
    rights.named(namespace, RBAC, &[role], Some(Component::Controller.name()), &["escalate", "bind"]);
    if namespace == Some(OPERATOR_NAMESPACE) {
        writes(rights, namespace, "", &["serviceaccounts", "services"]);
        writes(rights, namespace, "apps", &["deployments"]);
        writes(rights, namespace, "policy", &["poddisruptionbudgets"]);
        writes(rights, namespace, MONITORING_GROUP, &["servicemonitors"]);
    }
}

fn writes(rights: &mut Rights, namespace: Option<&str>, group: &str, kinds: &[&str]) {
    // `create` cannot be limited to a name.
    rights.add(namespace, group, kinds, &["create"]);
    rights.named(namespace, group, kinds, Some(Component::Controller.name()), &["patch", "delete"]);
}

/// Arguments of `weir run operator` that describe the controller it keeps.
pub(super) fn arguments(install: &Install<'_>) -> Vec<Value> {
    let mut arguments = vec![
        json!(format!("--controller-image={}", install.image)),
        json!(format!("--controller-replicas={}", install.replicas)),
    ];
    arguments.extend((!install.monitoring).then(|| json!("--no-monitoring")));
    arguments.extend(install.take_over.then(|| json!("--controller-take-over")));
    arguments.extend(install.adopts_generated.then(|| json!("--controller-adopt-generated=ours")));
    arguments
        .extend(install.prune_rendered.map(|after| json!(format!("--controller-prune-rendered={}s", after.as_secs()))));
    arguments
}
