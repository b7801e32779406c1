//! The built-in kinds, and what the server does for each.
//!
//! | module | what it holds |
//! |---|---|
//! | [`columns`], `pod_summary` | printer columns of these kinds; the line about a pod |
//! | [`core`] | Namespace, ConfigMap, Secret, ServiceAccount, Lease |
//! | [`node`], [`pod`], [`workload`], [`job`] | the kinds they are named after; workloads are Deployment, DaemonSet, ReplicaSet and Service |
//! | [`policy`] | PodDisruptionBudget, NetworkPolicy, PriorityClass, admission policies |
//! | [`storage`] | CSIDriver and CSINode |
//! | [`event`] | the two groups that share one store of events |
//! | [`definition`] | CustomResourceDefinition |

pub(crate) mod age;
pub(crate) mod columns;
pub(crate) mod core;
pub(crate) mod definition;
pub(crate) mod event;
pub(crate) mod job;
pub(crate) mod node;
pub(crate) mod pod;
mod pod_summary;
pub(crate) mod policy;
pub(crate) mod storage;
pub(crate) mod workload;

use crate::{
    built_in::BuiltIn,
    registry::{Definition, Resource},
    scale::Scale,
};
use k8s_openapi::{
    api::storage::v1 as csi,
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, batch::v1 as batch, coordination::v1 as coordination,
        core::v1 as api,
    },
    api::{events::v1 as events, networking::v1 as networking, policy::v1 as disruption, rbac::v1 as rbac},
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions,
};
use std::sync::Arc;
use weir_apischema::names::NameRule;

fn resource(kind: &'static BuiltIn) -> Resource {
    let dotted = if kind.group.is_empty() { kind.plural.to_owned() } else { format!("{}.{}", kind.plural, kind.group) };
    let storage = if kind.storage.is_empty() { dotted } else { kind.storage.to_owned() };
    Resource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        plural: kind.plural.to_owned(),
        singular: kind.kind.to_lowercase(),
        kind: kind.kind.to_owned(),
        list_kind: format!("{}List", kind.kind),
        namespaced: kind.namespaced,
        short_names: kind.short_names.iter().map(|s| (*s).to_owned()).collect(),
        categories: kind.categories.iter().map(|s| (*s).to_owned()).collect(),
        status: kind.status,
        scale: kind.scale.then(Scale::of_workload),
        generation: kind.generation,
        storage: storage.into(),
        definition: Definition::BuiltIn(kind),
    }
}

/// The built-in resources, in the order of discovery.
pub(crate) fn built_in() -> impl Iterator<Item = Arc<Resource>> {
    BUILT_IN.iter().map(|kind| Arc::new(resource(kind)))
}

const SPEC: &str = r#"{"spec":{}}"#;
const SPEC_STATUS: &str = r#"{"spec":{},"status":{}}"#;

static BUILT_IN: [BuiltIn; 29] = [
    BuiltIn::new::<api::ConfigMap>("", "configmaps", "ConfigMap").short(&["cm"]).rules(core::CONFIG_MAP),
    BuiltIn::new::<api::Event>("", "events", "Event")
        .short(&["ev"])
        .zero(event::ZERO)
        .create_on_update()
        .rules(event::EVENT),
    BuiltIn::new::<api::Namespace>("", "namespaces", "Namespace")
        .cluster()
        .short(&["ns"])
        .status()
        .names(NameRule::Label)
        .zero(SPEC_STATUS)
        .rules(core::NAMESPACE),
    BuiltIn::new::<api::Node>("", "nodes", "Node")
        .cluster()
        .short(&["no"])
        .status()
        .status_on_create()
        .zero(node::ZERO)
        .rules(node::NODE),
    BuiltIn::new::<api::Pod>("", "pods", "Pod")
        .short(&["po"])
        .all()
        .status()
        .generation()
        .returns_deleted()
        .zero(r#"{"spec":{"containers":null},"status":{}}"#)
        .rules(pod::POD),
    BuiltIn::new::<api::Secret>("", "secrets", "Secret").rules(core::SECRET),
    BuiltIn::new::<api::Service>("", "services", "Service")
        .short(&["svc"])
        .all()
        .status()
        .returns_deleted()
        .names(NameRule::Label1035)
        .zero(r#"{"spec":{},"status":{"loadBalancer":{}}}"#)
        .rules(workload::SERVICE),
    BuiltIn::new::<api::ServiceAccount>("", "serviceaccounts", "ServiceAccount").short(&["sa"]).returns_deleted(),
    BuiltIn::new::<admission::ValidatingAdmissionPolicy>(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
    )
    .cluster()
    .status()
    .generation()
    .zero(SPEC_STATUS)
    .rules(policy::ADMISSION_POLICY),
    BuiltIn::new::<admission::ValidatingAdmissionPolicyBinding>(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
    )
    .cluster()
    .generation()
    .zero(r#"{"spec":{}}"#)
    .rules(policy::ADMISSION_POLICY_BINDING),
    BuiltIn::new::<extensions::CustomResourceDefinition>(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
    )
    .cluster()
    .short(&["crd", "crds"])
    .status()
    .generation()
    .zero(definition::ZERO)
    .rules(definition::DEFINITION),
    BuiltIn::new::<apps::DaemonSet>("apps", "daemonsets", "DaemonSet")
        .short(&["ds"])
        .all()
        .status()
        .generation()
        .zero(workload::DAEMON_SET_ZERO)
        .rules(workload::DAEMON_SET),
    BuiltIn::new::<apps::Deployment>("apps", "deployments", "Deployment")
        .short(&["deploy"])
        .all()
        .status()
        .scale()
        .generation()
        .zero(workload::DEPLOYMENT_ZERO)
        .rules(workload::DEPLOYMENT),
    BuiltIn::new::<apps::ReplicaSet>("apps", "replicasets", "ReplicaSet")
        .short(&["rs"])
        .all()
        .status()
        .scale()
        .generation()
        .zero(workload::REPLICA_SET_ZERO)
        .rules(workload::REPLICA_SET),
    BuiltIn::new::<batch::Job>("batch", "jobs", "Job").all().status().generation().zero(job::ZERO).rules(job::JOB),
    BuiltIn::new::<coordination::Lease>("coordination.k8s.io", "leases", "Lease")
        .create_on_update()
        .zero(r#"{"spec":{}}"#),
    BuiltIn::new::<events::Event>("events.k8s.io", "events", "Event")
        .short(&["ev"])
        .create_on_update()
        .stored_as("events"),
    BuiltIn::new::<networking::NetworkPolicy>("networking.k8s.io", "networkpolicies", "NetworkPolicy")
        .short(&["netpol"])
        .generation()
        .zero(r#"{"spec":{"podSelector":{}}}"#)
        .rules(policy::NETWORK_POLICY),
    BuiltIn::new::<disruption::PodDisruptionBudget>("policy", "poddisruptionbudgets", "PodDisruptionBudget")
        .short(&["pdb"])
        .status()
        .generation()
        .zero(policy::BUDGET_ZERO)
        .rules(policy::BUDGET),
    BuiltIn::new::<rbac::ClusterRole>("rbac.authorization.k8s.io", "clusterroles", "ClusterRole")
        .cluster()
        .create_on_update()
        .names(NameRule::PathSegment)
        .zero(r#"{"rules":null}"#),
    BuiltIn::new::<rbac::ClusterRoleBinding>("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding")
        .cluster()
        .create_on_update()
        .names(NameRule::PathSegment)
        .rules(policy::ROLE_BINDING),
    BuiltIn::new::<rbac::Role>("rbac.authorization.k8s.io", "roles", "Role")
        .create_on_update()
        .names(NameRule::PathSegment)
        .zero(r#"{"rules":null}"#),
    BuiltIn::new::<rbac::RoleBinding>("rbac.authorization.k8s.io", "rolebindings", "RoleBinding")
        .create_on_update()
        .names(NameRule::PathSegment)
        .rules(policy::ROLE_BINDING),
    BuiltIn::new::<k8s_openapi::api::scheduling::v1::PriorityClass>(
        "scheduling.k8s.io",
        "priorityclasses",
        "PriorityClass",
    )
    .cluster()
    .short(&["pc"])
    .generation()
    .zero(r#"{"value":0}"#)
    .rules(policy::PRIORITY_CLASS),
    BuiltIn::new::<admission::ValidatingWebhookConfiguration>(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
    )
    .cluster()
    .generation(),
    BuiltIn::new::<admission::MutatingWebhookConfiguration>(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
    )
    .cluster()
    .generation(),
    BuiltIn::new::<k8s_openapi::api::node::v1::RuntimeClass>("node.k8s.io", "runtimeclasses", "RuntimeClass").cluster(),
    BuiltIn::new::<csi::CSIDriver>("storage.k8s.io", "csidrivers", "CSIDriver")
        .cluster()
        .zero(SPEC)
        .rules(storage::DRIVER),
    BuiltIn::new::<csi::CSINode>("storage.k8s.io", "csinodes", "CSINode")
        .cluster()
        .zero(r#"{"spec":{"drivers":null}}"#)
        .rules(storage::NODE),
];
