//! What each component may do: only what its code does. Each rule says which code.

use super::{Component, Install, keeping, metadata};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    keys::{
        config_maps,
        names::{OPERATOR_NAMESPACE, OS_PULLER, VERSION},
        namespaces, secrets,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, METAL_GROUP, OPERATOR_GROUP},
};
use weir_rules::{operator::controller_config::READ, stream::catalog::os_image_url};

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";
/// What a watch needs.
pub(super) const WATCH: &[&str] = &["list", "watch"];

/// Service account, roles and bindings of a component.
pub(super) fn objects(component: Component, install: &Install<'_>) -> Vec<Value> {
    let name = component.name();
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)}),
        cluster_role(name, &watched(component, install)),
        cluster_binding(name),
    ];
    for (namespace, rules) in namespaced(component, install) {
        objects.extend([role(name, namespace, &rules), binding(name, namespace)]);
    }
    objects
}

/// Rules by namespace.
fn namespaced(component: Component, install: &Install<'_>) -> BTreeMap<&'static str, Vec<Value>> {
    // The pull secret opens the registries that images are read from.
    let secret = named(&[""], &["secrets"], &[secrets::PULL], WATCH);
    // What is told to users stands in the namespace for objects that have none.
    let events = rule(&[""], &["events"], &["create"]);
    let mut rules = BTreeMap::from([
        (OPERATOR_NAMESPACE, own_namespace()),
        (namespaces::CONFIG, vec![secret]),
        ("default", vec![events]),
    ]);
    if component == Component::Operator {
        for (namespace, more) in of_openshift() {
            rules.entry(namespace).or_default().extend(more);
        }
        if install.operator_keeps_controller {
            for namespace in namespaced(Component::Controller, install).into_keys() {
                rules.entry(namespace).or_default().extend(keeping::namespaced(namespace));
            }
        }
    }
    rules
}

/// What the operator reads of an OpenShift, and the ConfigMaps that it writes there.
fn of_openshift() -> BTreeMap<&'static str, Vec<Value>> {
    let mut rules: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for namespace in READ.into_iter().map(|(namespace, _)| namespace).collect::<BTreeSet<_>>() {
        let maps: Vec<&str> = READ.into_iter().filter(|(of, _)| *of == namespace).map(|(_, name)| name).collect();
        rules.entry(namespace).or_default().push(named(&[""], &["configmaps"], &maps, WATCH));
    }
    // Which ones, Image and Proxy say.
    rules.entry(namespaces::CONFIG).or_default().push(rule(&[""], &["configmaps"], WATCH));
    for (namespace, map) in [
        (OPERATOR_NAMESPACE, config_maps::KUBECONFIG_DATA),
        (namespaces::CONFIG_MANAGED, config_maps::MERGED_REGISTRY_CA),
    ] {
        rules.entry(namespace).or_default().extend([
            // Who creates cannot be held to a name.
            rule(&[""], &["configmaps"], &["create"]),
            named(&[""], &["configmaps"], &[map], &["patch"]),
        ]);
    }
    // Logins for the registry inside the cluster: names of the secrets are made up by OpenShift.
    rules
        .entry(OPERATOR_NAMESPACE)
        .or_default()
        .extend([named(&[""], &["serviceaccounts"], &[OS_PULLER], WATCH), rule(&[""], &["secrets"], WATCH)]);
    // What machines boot with: names begin with those of pools.
    let user_data = rule(&[""], &["secrets"], &["list", "watch", "create", "patch"]);
    rules.entry(namespaces::MACHINE_API).or_default().push(user_data);
    rules
}

/// Rules for cluster-scoped kinds, and for pods wherever they are.
fn watched(component: Component, install: &Install<'_>) -> Vec<Value> {
    let mut rules = vec![
        // What `weir_controllers::watch` watches; `get` is how a process sees at the start what cluster this is.
        rule(&[CONFIG_GROUP], &["clusterversions", "featuregates"], &["get", "list", "watch"]),
        // How long a lease is respected.
        rule(&[CONFIG_GROUP], &["infrastructures"], &["get"]),
        rule(
            &[MACHINE_CONFIG_GROUP],
            &[
                "containerruntimeconfigs",
                "controllerconfigs",
                "kubeletconfigs",
                "machineconfignodes",
                "machineconfigpools",
                "machineconfigs",
                "machineosconfigs",
                "osimagestreams",
                "pinnedimagesets",
            ],
            WATCH,
        ),
        rule(&[""], &["nodes", "pods"], WATCH),
        // How images are read: both read the release, the operator to tell the distribution.
        rule(&[CONFIG_GROUP], &["images", "imagedigestmirrorsets", "imagetagmirrorsets"], WATCH),
        rule(&[OPERATOR_GROUP], &["imagecontentsourcepolicies"], WATCH),
        rule(&[OPERATOR_GROUP], &["machineconfigurations"], WATCH),
    ];
    rules.extend(match component {
        Component::Operator => operator(),
        Component::Controller => controller(),
    });
    if component == Component::Operator && install.operator_keeps_controller {
        rules.extend(keeping::cluster());
    }
    // Who continues another's work completes the ControllerConfig where there is nothing to generate.
    if component == Component::Operator && install.take_over {
        rules.push(rule(&[MACHINE_CONFIG_GROUP], &["controllerconfigs/status"], &["patch"]));
    }
    if component == Component::Controller && install.prune_rendered.is_some() {
        rules.push(rule(&[MACHINE_CONFIG_GROUP], &["machineconfigs"], &["delete"]));
    }
    rules
}

fn operator() -> Vec<Value> {
    let admission = "admissionregistration.k8s.io";
    vec![
        // The ClusterOperator.
        rule(&[CONFIG_GROUP], &["clusteroperators"], &["list", "watch", "create"]),
        rule(&[CONFIG_GROUP], &["clusteroperators/status"], &["patch"]),
        // Whether a release is complete, in a ClusterVersion that weir made; that of an OpenShift is left alone.
        named(&[CONFIG_GROUP], &["clusterversions/status"], &[VERSION], &["patch"]),
        // The built-in pools.
        rule(&[MACHINE_CONFIG_GROUP], &["machineconfigpools"], &["create", "patch"]),
        // The ControllerConfig, and on an OpenShift what it is made of.
        rule(&[MACHINE_CONFIG_GROUP], &["controllerconfigs"], &["create", "patch"]),
        rule(&[CONFIG_GROUP], &["dnses", "infrastructures", "networks", "proxies"], WATCH),
        // The MachineConfiguration, which is evaluated for the ClusterOperator, too, and how bare metal boots.
        rule(&[OPERATOR_GROUP], &["machineconfigurations"], &["list", "watch", "create", "patch"]),
        rule(&[OPERATOR_GROUP], &["machineconfigurations/status"], &["patch"]),
        rule(&[METAL_GROUP], &["provisionings"], WATCH),
        // Whether there are machines.
        named(&[""], &["namespaces"], &[namespaces::MACHINE_API], WATCH),
        // Admission policies are applied, which creates them, and go with the gate.
        rule(
            &[admission],
            &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
            &["list", "watch", "create", "patch", "delete"],
        ),
        // Who writes a policy must be allowed to read its parameter; ClusterVersions are read above.
        rule(&[MACHINE_CONFIG_GROUP], &["osimagestreams"], &["get"]),
        rule(&[CONFIG_GROUP], &["infrastructures"], &["get"]),
    ]
}

fn controller() -> Vec<Value> {
    vec![
        // Streams: the object, its status, its marks.
        rule(&[MACHINE_CONFIG_GROUP], &["osimagestreams"], &["create", "patch"]),
        // Rendering: rendered MachineConfigs, and the configuration of pools.
        rule(&[MACHINE_CONFIG_GROUP], &["machineconfigs"], &["create", "patch"]),
        rule(&[MACHINE_CONFIG_GROUP], &["machineconfigpools"], &["patch"]),
        // The reports about nodes.
        rule(&[MACHINE_CONFIG_GROUP], &["machineconfignodes"], &["create", "patch", "delete"]),
        rule(
            &[MACHINE_CONFIG_GROUP],
            &["osimagestreams/status", "machineconfigpools/status", "machineconfignodes/status"],
            &["patch"],
        ),
        // Rollout and cordons; labels and taints of the control plane, as the Scheduler says.
        rule(&[""], &["nodes"], &["patch"]),
        rule(&[CONFIG_GROUP], &["schedulers"], WATCH),
        // Drains.
        rule(&[""], &["pods/eviction"], &["create"]),
        rule(&["policy"], &["poddisruptionbudgets"], WATCH),
        rule(&["apps"], &["daemonsets"], WATCH),
    ]
}

/// Rules for the namespace that weir runs in.
fn own_namespace() -> Vec<Value> {
    vec![
        // The election.
        rule(&["coordination.k8s.io"], &["leases"], &["get", "create", "update"]),
        // A pair of OS images beside those of the release.
        named(&[""], &["configmaps"], &[os_image_url::NAME], WATCH),
    ]
}

pub(super) fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

pub(super) fn named(groups: &[&str], resources: &[&str], names: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "resourceNames": names, "verbs": verbs})
}

fn cluster_role(name: &str, rules: &[Value]) -> Value {
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
}

fn role(name: &str, namespace: &str, rules: &[Value]) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "Role", "metadata": metadata, "rules": rules})
}

fn cluster_binding(name: &str) -> Value {
    bound("ClusterRoleBinding", "ClusterRole", name, &json!({"name": name}))
}

fn binding(name: &str, namespace: &str) -> Value {
    bound("RoleBinding", "Role", name, &json!({"name": name, "namespace": namespace}))
}

fn bound(kind: &str, role: &str, name: &str, metadata: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": role, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": OPERATOR_NAMESPACE}],
    })
}
