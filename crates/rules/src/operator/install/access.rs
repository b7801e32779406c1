//! What each component may do. It may see what it watches; every other right is listed here with what it is needed for.

use super::{Component, Install, Watched, keeping, metadata};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    keys::{
        config_maps,
        names::{BUILD_PODS, OPERATOR_NAMESPACE, VERSION},
        namespaces,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";
/// Verbs in the order in which rules list them. A watch needs the first two.
const VERBS: [&str; 9] = ["list", "watch", "get", "create", "update", "patch", "delete", "escalate", "bind"];

/// One verb for the objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    /// Only those of this namespace.
    pub(super) namespace: Option<String>,
    pub(super) group: String,
    /// Plural of the kind, with the subresource if there is one.
    pub(super) resource: String,
    /// Only the one of this name.
    pub(super) name: Option<String>,
    pub(super) verb: &'static str,
}

/// The rights collected so far.
#[derive(Debug, Default)]
pub(super) struct Rights(BTreeSet<Right>);

impl Rights {
    /// To do this with any object of these kinds.
    pub(super) fn add(&mut self, namespace: Option<&str>, group: &str, resources: &[&str], verbs: &[&'static str]) {
        self.named(namespace, group, resources, None, verbs);
    }

    /// To do this with the object of this name, or with any without one.
    pub(super) fn named(
        &mut self,
        namespace: Option<&str>,
        group: &str,
        resources: &[&str],
        name: Option<&str>,
        verbs: &[&'static str],
    ) {
        for (resource, verb) in resources.iter().flat_map(|resource| verbs.iter().map(move |verb| (*resource, *verb))) {
            let [namespace, name] = [namespace, name].map(|text| text.map(str::to_owned));
            let (group, resource) = (group.to_owned(), resource.to_owned());
            self.0.insert(Right { namespace, group, resource, name, verb });
        }
    }

    /// To watch these.
    pub(super) fn see(&mut self, watched: &[Watched]) {
        for Watched { namespace, group, plural, name } in watched {
            self.named(*namespace, group, &[plural], *name, &VERBS[..2]);
        }
    }

    /// Roles with these rights, each with its binding to the service account of this name.
    pub(super) fn roles(self, name: &str) -> Vec<Value> {
        self.rules().into_iter().flat_map(|(namespace, rules)| role(name, namespace.as_deref(), &rules)).collect()
    }

    /// Rules by namespace. Kinds or names with the same verbs share one rule.
    fn rules(self) -> BTreeMap<Option<String>, Vec<Value>> {
        let mut verbs: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for right in &self.0 {
            let Right { namespace, group, resource, name, verb } = right;
            verbs.entry((namespace, group, resource, name.as_deref())).or_default().push(verb);
        }
        // Names of one kind, or kinds of one group, with the same verbs.
        let mut rules: BTreeMap<_, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for ((namespace, group, resource, name), mut verbs) in verbs {
            verbs.sort_by_key(|verb| VERBS.iter().position(|one| one == verb));
            let (resources, names) = rules.entry((namespace, group, name.map(|_| resource), verbs)).or_default();
            resources.insert(resource);
            names.extend(name);
        }
        let mut all: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for ((namespace, group, _, verbs), (resources, names)) in rules {
            let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
            if !names.is_empty() {
                rule["resourceNames"] = json!(names);
            }
            all.entry(namespace.clone()).or_default().push(rule);
        }
        all
    }
}

/// Service account, roles and bindings of a component.
pub(super) fn objects(component: Component, install: &Install<'_>) -> Vec<Value> {
    let name = component.name();
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)})];
    objects.extend(rights(component, install).roles(name));
    if component == Component::Builder {
        objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(BUILD_PODS)}));
    }
    objects
}

/// All rights of a component.
pub(super) fn rights(component: Component, install: &Install<'_>) -> Rights {
    let mut rights = Rights::default();
    rights.see(&install.watched.everybody);
    // Read once at startup: what cluster this is, and how long a lease lasts.
    rights.add(None, CONFIG_GROUP, &["clusterversions", "featuregates", "infrastructures"], &["get"]);
    // Leader election: a standby watches.
    let lease = ["get", "list", "watch", "create", "update"];
    rights.add(Some(OPERATOR_NAMESPACE), "coordination.k8s.io", &["leases"], &lease);
    // Events about cluster-scoped objects are in this namespace.
    rights.add(Some("default"), "", &["events"], &["create"]);
    match component {
        Component::Operator => operator(&mut rights, install),
        Component::Controller => controller(&mut rights, install),
        Component::Builder => builder(&mut rights, install),
    }
    rights
}

fn operator(rights: &mut Rights, install: &Install<'_>) {
    rights.see(&install.watched.operator);
    // The ClusterOperator.
    rights.add(None, CONFIG_GROUP, &["clusteroperators"], &["create"]);
    rights.add(None, CONFIG_GROUP, &["clusteroperators/status"], &["patch"]);
    // Completion of an update, in a ClusterVersion that weir made. A real OpenShift's is left alone.
    rights.named(None, CONFIG_GROUP, &["clusterversions/status"], Some(VERSION), &["patch"]);
    // The built-in pools, and the ControllerConfig.
    rights.add(None, MACHINE_CONFIG_GROUP, &["machineconfigpools", "controllerconfigs"], &["create", "patch"]);
    // The MachineConfiguration.
    rights.add(None, OPERATOR_GROUP, &["machineconfigurations"], &["create", "patch"]);
    rights.add(None, OPERATOR_GROUP, &["machineconfigurations/status"], &["patch"]);
    // Admission policies are created by applying them, and deleted when their gate is off.
    let policies = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];
    rights.add(None, "admissionregistration.k8s.io", &policies, &["create", "patch", "delete"]);
    // Writing a policy requires the right to read its parameter. Other parameters are read at startup anyway.
    rights.add(None, MACHINE_CONFIG_GROUP, &["osimagestreams"], &["get"]);
    // Certificates of the API server and of registries, for other components. `create` cannot be limited to a name.
    for (namespace, map) in [
        (OPERATOR_NAMESPACE, config_maps::KUBECONFIG_DATA),
        (namespaces::CONFIG_MANAGED, config_maps::MERGED_REGISTRY_CA),
    ] {
        rights.add(Some(namespace), "", &["configmaps"], &["create"]);
        rights.named(Some(namespace), "", &["configmaps"], Some(map), &["patch"]);
    }
    // User data of new machines. Their names begin with the name of a pool.
    rights.add(Some(namespaces::MACHINE_API), "", &["secrets"], &["create", "patch"]);
    // Copies for pods that build OS images: the cluster's pull secret, and for each pool the certificates of its subscription.
    rights.add(Some(OPERATOR_NAMESPACE), "", &["secrets"], &["create", "patch", "delete"]);
    // After taking over, the operator completes the ControllerConfig if there is nothing to generate.
    if install.take_over {
        rights.add(None, MACHINE_CONFIG_GROUP, &["controllerconfigs/status"], &["patch"]);
    }
    if install.operator_keeps_controller {
        rights.see(&install.watched.keeper);
        for component in Component::KEPT {
            let kept = self::rights(component, install);
            let namespaces: BTreeSet<_> = kept.0.iter().map(|right| right.namespace.as_deref()).collect();
            namespaces.into_iter().for_each(|namespace| keeping::rights(rights, component.name(), namespace));
        }
        keeping::rights_of_build_pods(rights);
    }
}

fn controller(rights: &mut Rights, install: &Install<'_>) {
    rights.see(&install.watched.controller);
    // Streams: the object with its status and annotations. Rendering: rendered MachineConfigs and the configuration of pools.
    rights.add(None, MACHINE_CONFIG_GROUP, &["osimagestreams", "machineconfigs"], &["create", "patch"]);
    rights.add(None, MACHINE_CONFIG_GROUP, &["machineconfigpools"], &["patch"]);
    // MachineConfigNodes, which report on nodes.
    rights.add(None, MACHINE_CONFIG_GROUP, &["machineconfignodes"], &["create", "patch", "delete"]);
    let statuses = ["osimagestreams/status", "machineconfigpools/status", "machineconfignodes/status"];
    rights.add(None, MACHINE_CONFIG_GROUP, &statuses, &["patch"]);
    // Rollouts and cordons, and what came of a write without an answer; labels and taints of the control plane that the Scheduler asks for.
    rights.add(None, "", &["nodes"], &["get", "patch"]);
    // Drains.
    rights.add(None, "", &["pods/eviction"], &["create"]);
    // Generated MachineConfigs go with the settings they come from; unused rendered ones, on request.
    rights.add(None, MACHINE_CONFIG_GROUP, &["machineconfigs"], &["delete"]);
    // Histories of rollouts, with who wrote what changed, which caches do not hold. `create` cannot be limited to a name.
    rights.add(Some(OPERATOR_NAMESPACE), "", &["configmaps"], &["create", "patch"]);
    let written =
        ["machineconfigs", "machineconfigpools", "osimagestreams", "kubeletconfigs", "containerruntimeconfigs"];
    rights.add(None, MACHINE_CONFIG_GROUP, &written, &["get"]);
    // The settings have the names of their MachineConfigs as finalizers, and each kind says what came of it.
    let settings = ["kubeletconfigs", "containerruntimeconfigs"];
    rights.add(None, MACHINE_CONFIG_GROUP, &settings, &["patch"]);
    let statuses = ["controllerconfigs/status", "kubeletconfigs/status", "containerruntimeconfigs/status"];
    rights.add(None, MACHINE_CONFIG_GROUP, &statuses, &["patch"]);
    let statuses = ["clusterimagepolicies/status", "imagepolicies/status", "criocredentialproviderconfigs/status"];
    rights.add(None, CONFIG_GROUP, &statuses, &["patch"]);
    // An owner may keep its object from being deleted only for those who may change its finalizers.
    let owners = ["controllerconfigs/finalizers", "kubeletconfigs/finalizers", "containerruntimeconfigs/finalizers"];
    rights.add(None, MACHINE_CONFIG_GROUP, &owners, &["update"]);
    if install.take_over {
        // That weir generates from now on is noted on the ControllerConfig.
        rights.add(None, MACHINE_CONFIG_GROUP, &["controllerconfigs"], &["patch"]);
    }
}

fn builder(rights: &mut Rights, install: &Install<'_>) {
    rights.see(&install.watched.builder);
    // Builds, and which one is in effect.
    rights.add(None, MACHINE_CONFIG_GROUP, &["machineosbuilds"], &["create", "patch", "delete"]);
    rights.add(None, MACHINE_CONFIG_GROUP, &["machineosconfigs"], &["patch"]);
    let statuses = ["machineosbuilds/status", "machineosconfigs/status", "machineconfigpools/status"];
    rights.add(None, MACHINE_CONFIG_GROUP, &statuses, &["patch"]);
    // An owner may keep its object from being deleted only for those who may change its finalizers.
    let owners = ["machineosconfigs/finalizers", "machineosbuilds/finalizers"];
    rights.add(None, MACHINE_CONFIG_GROUP, &owners, &["update"]);
    let own = Some(OPERATOR_NAMESPACE);
    // Jobs, what they read, and the digest that they leave. Users name the Secrets of which Jobs get copies.
    rights.add(own, "batch", &["jobs"], &["get", "create", "delete"]);
    rights.add(own, "", &["configmaps", "secrets"], &["get", "create", "patch", "delete"]);
    // Why a Job gets no pod is said in events only, which no cache holds.
    rights.add(own, "", &["events"], &["list"]);
    // What a pod may do with its digest, the builder has to be allowed itself, for a role that it makes for each Job.
    rights.add(own, "", &["configmaps"], &["update"]);
    rights.add(own, RBAC, &["roles", "rolebindings"], &["create", "patch"]);
}

/// A role with its binding, for a namespace or for the whole cluster.
fn role(name: &str, namespace: Option<&str>, rules: &[Value]) -> [Value; 2] {
    let (kind, metadata) = match namespace {
        Some(namespace) => ("Role", json!({"name": name, "namespace": namespace})),
        None => ("ClusterRole", json!({"name": name})),
    };
    let role = json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": metadata, "rules": rules});
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": OPERATOR_NAMESPACE}],
    });
    [role, binding]
}
