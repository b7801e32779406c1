//! An operator that keeps controller and builder: its rights (R-INSTALL-5) and its arguments.

use super::{
    Install,
    access::{RBAC, Rights},
};
use serde_json::{Value, json};
use weir_api::{
    keys::names::{BUILD_PODS, OPERATOR_NAMESPACE},
    kind::MONITORING_GROUP,
};

/// Rights to write the objects of a component in a namespace, or the cluster-scoped ones.
pub(super) fn rights(rights: &mut Rights, name: &str, namespace: Option<&str>) {
    let (role, kinds) = match namespace {
        Some(_) => ("roles", ["roles", "rolebindings"]),
        None => ("clusterroles", ["clusterroles", "clusterrolebindings"]),
    };
    writes(rights, name, namespace, RBAC, &kinds);
    rights.named(namespace, RBAC, &[role], Some(name), &["escalate", "bind"]);
    if namespace == Some(OPERATOR_NAMESPACE) {
        writes(rights, name, namespace, "", &["serviceaccounts", "services"]);
        writes(rights, name, namespace, "apps", &["deployments"]);
        writes(rights, name, namespace, "policy", &["poddisruptionbudgets"]);
        writes(rights, name, namespace, MONITORING_GROUP, &["servicemonitors"]);
    }
}

/// Rights to write the account of pods that build.
pub(super) fn rights_of_build_pods(rights: &mut Rights) {
    writes(rights, BUILD_PODS, Some(OPERATOR_NAMESPACE), "", &["serviceaccounts"]);
}

fn writes(rights: &mut Rights, name: &str, namespace: Option<&str>, group: &str, kinds: &[&str]) {
    // `create` cannot be limited to a name.
    rights.add(namespace, group, kinds, &["create"]);
    rights.named(namespace, group, kinds, Some(name), &["patch", "delete"]);
}

/// Arguments of `weir run operator` that describe what it keeps.
pub(super) fn arguments(install: &Install<'_>) -> Vec<Value> {
    let mut arguments = vec![
        json!(format!("--controller-image={}", install.image)),
        json!(format!("--controller-replicas={}", install.replicas)),
    ];
    arguments.extend((!install.monitoring).then(|| json!("--no-monitoring")));
    arguments.extend(install.builder_image.map(|image| json!(format!("--builder-image={image}"))));
    arguments.extend(install.take_over.then(|| json!("--controller-take-over")));
    arguments.extend(install.adopts_generated.then(|| json!("--controller-adopt-generated=ours")));
    arguments
        .extend(install.prune_rendered.map(|after| json!(format!("--controller-prune-rendered={}s", after.as_secs()))));
    arguments
}
