//! What OpenShift's client looks for in a cluster beside what weir works on: `oc adm upgrade status`, `oc adm inspect`, a user
//! who may only read. Only a cluster that weir made up is given these; in OpenShift's own they are there.
//!
//! R-SURROUNDINGS-1 The Deployment `machine-config-operator` names the operator's image of the release, and says that it runs: this
//! process is what it would run.
//! R-SURROUNDINGS-2 The ClusterOperator is marked as part of the release before the operator reports in it.
//! R-SURROUNDINGS-3 Namespaces, roles and bindings that the ClusterOperator names as related exist, and the namespace of the
//! cluster-version operator, which `oc adm must-gather` inspects. The roles grant nothing: nobody works under them here.
//! R-SURROUNDINGS-4 The role `cluster-reader` may read whatever is served but Secrets.
//! R-SURROUNDINGS-5 The MachineConfiguration is there, as its operator would create it, for users to change.
//!
//! Source: `pkg/cli/admin/upgrade/status` and `pkg/cli/admin/inspect` of github.com/openshift/oc.

use crate::{
    objects::seed::{Facts, Owner, Seed},
    operator::machine_configuration,
    status::cluster_status::related::related_objects,
};
use serde_json::{Value, json};
use weir_api::{
    ClusterOperator,
    cluster_operator::RelatedObject,
    keys::{
        config::SEEDED,
        names::{CLUSTER_OPERATOR, OPERATOR_APP, OPERATOR_NAMESPACE},
    },
};

/// Where the cluster-version operator runs.
const VERSION_NAMESPACE: &str = "openshift-cluster-version";
const RBAC: &str = "rbac.authorization.k8s.io";
/// Says which clusters have an object of the release: those that run themselves.
const INCLUDED: &str = "include.release.openshift.io/self-managed-high-availability";
/// The role, and the label of roles that are part of it.
const READER: &str = "cluster-reader";
const TO_READER: &str = "rbac.authorization.k8s.io/aggregate-to-cluster-reader";
/// Kinds of the core group that the role may read: all but Secrets.
const READABLE: [&str; 7] = ["configmaps", "events", "namespaces", "nodes", "pods", "serviceaccounts", "services"];

/// The objects, in an order in which they can be created once those of [`crate::objects::seed`] exist.
#[must_use]
pub fn surroundings(facts: &Facts<'_>) -> Vec<Seed> {
    let cluster = |object| Seed { owner: Owner::Cluster, object };
    let user = |object| Seed { owner: Owner::User, object };
    let mut seeds: Vec<Seed> = related_objects().iter().filter_map(related).map(user).collect();
    seeds.push(user(namespace(VERSION_NAMESPACE)));
    seeds.extend([cluster(operator()), cluster(deployment(facts)), user(json!(machine_configuration::initial()))]);
    seeds.extend(reader().map(cluster));
    for seed in &mut seeds {
        seed.object["metadata"]["annotations"][SEEDED] = json!(facts.build.raw);
    }
    seeds
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// R-SURROUNDINGS-3; those of other kinds exist already, or stand for all of their kind.
fn related(object: &RelatedObject) -> Option<Value> {
    let name = &object.name;
    let of_rbac = |kind: &str| json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": {"name": name}});
    match (object.group.as_str(), object.resource.as_str()) {
        ("", "namespaces") if name != OPERATOR_NAMESPACE => Some(namespace(name)),
        (RBAC, "clusterroles") => {
            let mut role = of_rbac("ClusterRole");
            role["rules"] = json!([]);
            Some(role)
        }
        (RBAC, "clusterrolebindings") => {
            let mut binding = of_rbac("ClusterRoleBinding");
            binding["roleRef"] = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": name});
            Some(binding)
        }
        _ => None,
    }
}

/// R-SURROUNDINGS-2.
fn operator() -> Value {
    let mut object = ClusterOperator::named(CLUSTER_OPERATOR, Default::default());
    object.metadata.annotations = Some([(INCLUDED.to_owned(), "true".to_owned())].into());
    json!(object)
}

/// R-SURROUNDINGS-1.
fn deployment(facts: &Facts<'_>) -> Value {
    let labels = json!({"k8s-app": OPERATOR_APP});
    let image = facts.images.get(OPERATOR_APP).copied().unwrap_or(facts.image);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": OPERATOR_APP, "namespace": OPERATOR_NAMESPACE, "labels": labels, "annotations": {INCLUDED: "true"},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": OPERATOR_APP, "image": image}]},
            },
        },
        "status": {
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        },
    })
}

/// R-SURROUNDINGS-4.
fn reader() -> [Value; 2] {
    let role =
        |name: &str| json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name}});
    let may = |groups: &[&str], resources: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": ["get", "list", "watch"]});
    let mut all = role(READER);
    all["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {TO_READER: "true"}}]});
    let mut part = role("system:openshift:aggregate-to-cluster-reader");
    part["metadata"]["labels"] = json!({TO_READER: "true"});
    part["rules"] = json!([
        may(&[""], &READABLE),
        may(&["admissionregistration.k8s.io", "apiextensions.k8s.io", "apps", "batch", "coordination.k8s.io", "events.k8s.io"], &["*"]),
        may(&["networking.k8s.io", "policy", RBAC, "scheduling.k8s.io", "storage.k8s.io"], &["*"]),
        may(&["config.openshift.io", "image.openshift.io", "machineconfiguration.openshift.io", "operator.openshift.io"], &["*"]),
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]);
    [part, all]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{objects::seed::Shape, render::Build};
    use jiff::Timestamp;
    use std::collections::{BTreeMap, BTreeSet};
    use weir_distro::Profile;

    #[test]
    fn what_the_cluster_operator_names_is_there() {
        let images = BTreeMap::from([(OPERATOR_APP, "registry.example.com/mco@sha256:a")]);
        let facts = Facts {
            version: "5.0.0",
            image: "registry.example.com/release@sha256:b",
            images: &images,
            profile: &Profile::all()[0],
            build: &Build::ours(),
            shape: &Shape::default(),
            before: None,
            gates: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let seeds = surroundings(&facts);
        let there: BTreeSet<(String, String)> = seeds
            .iter()
            .map(|seed| {
                [&seed.object["kind"], &seed.object["metadata"]["name"]]
                    .map(|text| text.as_str().unwrap().to_owned())
                    .into()
            })
            .collect();
        let related = related_objects();
        let named = related.iter().filter(|object| !object.name.is_empty() && object.name != OPERATOR_NAMESPACE);
        for object in named {
            let kind = match object.resource.as_str() {
                "namespaces" => "Namespace",
                "clusterroles" => "ClusterRole",
                "clusterrolebindings" => "ClusterRoleBinding",
                other => panic!("{other}"),
            };
            assert!(there.contains(&(kind.to_owned(), object.name.clone())), "{object:?}");
        }
        let deployment = seeds.iter().find(|seed| seed.object["kind"] == "Deployment").unwrap();
        assert_eq!(deployment.object["spec"]["template"]["spec"]["containers"][0]["image"], images[OPERATOR_APP]);
    }
}
