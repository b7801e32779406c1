//! Objects for support tools to collect when we have a problem.
//!
//! Source: `relatedObjects` in `pkg/operator/status.go` of github.com/openshift/machine-config-operator; `osimagestreams`,
//! `machineconfignodes` and the roles of weir's components are ours.

use weir_api::{
    cluster_operator::RelatedObject,
    keys::names::{COMPONENTS, OPERATOR_NAMESPACE},
    kind::{MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};

const RBAC: &str = "rbac.authorization.k8s.io";

const KINDS: [&str; 7] = [
    "machineconfigpools",
    "controllerconfigs",
    "kubeletconfigs",
    "containerruntimeconfigs",
    "machineconfigs",
    "osimagestreams",
    "machineconfignodes",
];

const NAMESPACES: [&str; 6] = [
    "openshift-kni-infra",
    "openshift-openstack-infra",
    "openshift-ovirt-infra",
    "openshift-vsphere-infra",
    "openshift-nutanix-infra",
    "openshift-cloud-platform-infra",
];

const ROLES: [&str; 8] = [
    "machine-config-controller",
    "machine-config-controller-events",
    "machine-config-daemon",
    "machine-config-daemon-events",
    "machine-config-server",
    "machine-os-builder",
    "machine-os-builder-events",
    "system:openshift:machine-config-operator:cluster-reader",
];

const BINDINGS: [&str; 8] = [
    "machine-config-controller",
    "machine-config-daemon",
    "machine-config-server",
    "machine-os-builder",
    "machine-os-builder-anyuid",
    "custom-account-openshift-machine-config-operator",
    "system-bootstrap-node-bootstrapper",
    "system-bootstrap-node-renewal",
];

/// The objects.
pub(crate) fn related_objects() -> Vec<RelatedObject> {
    let object = |group: &str, resource: &str, name: &str| RelatedObject {
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: None,
        name: name.to_owned(),
        ..RelatedObject::default()
    };
    let mut all = vec![object("", "namespaces", OPERATOR_NAMESPACE)];
    all.extend(KINDS.map(|kind| object(MACHINE_CONFIG_GROUP, kind, "")));
    all.push(object(OPERATOR_GROUP, "machineconfigurations", ""));
    all.push(object("", "nodes", ""));
    all.extend(NAMESPACES.map(|name| object("", "namespaces", name)));
    all.extend(ROLES.into_iter().chain(COMPONENTS).map(|name| object(RBAC, "clusterroles", name)));
    all.extend(BINDINGS.into_iter().chain(COMPONENTS).map(|name| object(RBAC, "clusterrolebindings", name)));
    all
}
