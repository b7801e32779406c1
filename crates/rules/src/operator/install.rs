//! The manifests that run weir in a cluster.
//!
//! R-INSTALL-1 There are three components, the operator, the controller and the builder of OS images, each with a service account of
//! its own. The pods that build have another one, which may do nothing until the builder gives it a role for each Job (R-JOB-4): they
//! run what a user's Containerfile says.
//! R-INSTALL-2 A component may see exactly what it watches, and may write only what its code writes. Nothing is allowed for every
//! kind or with every verb.
//! R-INSTALL-3 Objects come in the order in which they can be applied: namespace, accounts and roles, policies, workloads.
//! R-INSTALL-4 When weir takes over from another operator, objects that operator made too are left out: the namespace belongs to
//! the cluster, and weir brings the policies in line once it has taken over.
//! R-INSTALL-5 An operator that keeps the controller gets the rights for that instead of the controller's objects. It writes roles
//! that allow more than it may do itself; Kubernetes has the verbs `escalate` and `bind` for that, and it gets them for the names
//! that it keeps and no others.
//!
//! | module | decides |
//! |---|---|
//! | `access` | what each component may do |
//! | [`alerts`] | what Prometheus alerts about |
//! | [`grafana`] | what a board in Grafana shows |
//! | [`page`] | the page, which only reads |
//! | `keeping` | what an operator that keeps the controller may do for that, and which arguments it gets |
//! | `workload` | Deployments, with their disruption budgets, Services and ServiceMonitors |
//!
//! All of this is ours, except the namespace.

mod access;
pub mod alerts;
pub mod grafana;
mod keeping;
pub mod page;
mod workload;

use super::policies::always;
use serde_json::{Value, json};
use std::time::Duration;
use weir_api::keys::names::{COMPONENTS, OPERATOR_NAMESPACE};

/// Default number of pods of a component: one works, one stands by.
pub const REPLICAS: u32 = 2;

/// What is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Install<'a> {
    /// Image that has the program.
    pub image: &'a str,
    /// Pods of each component.
    pub replicas: u32,
    /// With ServiceMonitors, a PrometheusRule and a board for Grafana.
    pub monitoring: bool,
    /// After how long unused rendered MachineConfigs are deleted, if at all.
    pub prune_rendered: Option<Duration>,
    /// Whether the work of the operator that ran before is continued.
    pub take_over: bool,
    /// Whether weir's generated MachineConfigs are taken even if they differ from that operator's.
    pub adopts_generated: bool,
    /// Whether the operator keeps the objects of controller and builder instead of having them installed.
    pub operator_keeps_controller: bool,
    /// Image that has buildah, for pods that build; absent for that of the release.
    pub builder_image: Option<&'a str>,
    /// What the components watch.
    pub watched: &'a WatchedBy,
}

/// What each component watches.
#[derive(Clone, Debug, Default)]
pub struct WatchedBy {
    /// All of them.
    pub everybody: Vec<Watched>,
    /// The operator.
    pub operator: Vec<Watched>,
    /// The controller.
    pub controller: Vec<Watched>,
    /// The builder.
    pub builder: Vec<Watched>,
    /// An operator that keeps the controller.
    pub keeper: Vec<Watched>,
}

/// Objects that are watched, as roles name them.
#[derive(Clone, Debug)]
pub struct Watched {
    /// API group of their kind, empty for the core group.
    pub group: String,
    /// Plural of their kind, in lower case.
    pub plural: String,
    /// Only those in this namespace.
    pub namespace: Option<&'static str>,
    /// Only the one of this name.
    pub name: Option<&'static str>,
}

/// An object with the name of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the file, without number and ending.
    pub file: String,
    /// The object.
    pub object: Value,
}

/// The components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Component {
    Operator,
    Controller,
    Builder,
}

impl Component {
    const ALL: [Self; 3] = [Self::Operator, Self::Controller, Self::Builder];
    /// Those whose objects an operator can keep.
    const KEPT: [Self; 2] = [Self::Controller, Self::Builder];

    /// Name of its objects.
    fn name(self) -> &'static str {
        let [operator, controller, builder] = COMPONENTS;
        match self {
            Self::Operator => operator,
            Self::Controller => controller,
            Self::Builder => builder,
        }
    }

    /// What `weir run` is given.
    fn role(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Controller => "controller",
            Self::Builder => "builder",
        }
    }
}

/// All objects, in the order in which they can be applied (R-INSTALL-3). The operator keeps the policies; those that do not depend
/// on a gate are installed as well, so that they hold from the beginning.
#[must_use]
pub fn manifests(install: &Install<'_>) -> Vec<Manifest> {
    let components = if install.operator_keeps_controller { &[Component::Operator] } else { &Component::ALL[..] };
    let mut objects: Vec<Value> = own(install, vec![namespace()]);
    for component in components {
        objects.extend(access::objects(*component, install));
    }
    objects.extend(own(install, always().into_iter().flat_map(|bound| [bound.policy, bound.binding]).collect()));
    for component in components {
        objects.extend(workload::objects(*component, install));
    }
    if install.monitoring {
        objects.extend([alerts::rule(&alerts::alerts(install.take_over)), grafana::config_map()]);
    }
    objects.into_iter().map(Manifest::from).collect()
}

/// These objects, unless the operator that ran before made them too (R-INSTALL-4).
fn own(install: &Install<'_>, objects: Vec<Value>) -> Vec<Value> {
    if install.take_over { Vec::new() } else { objects }
}

/// The namespace, field by field as the reference makes it: applying it where the reference was installed changes nothing. The
/// reference's daemon and server keep running there and need more privileges than weir's own pods.
///
/// Source: `install/0000_80_machine-config_00_namespace.yaml` of github.com/openshift/machine-config-operator.
fn namespace() -> Value {
    let mut labels = json!({"name": OPERATOR_NAMESPACE, "openshift.io/run-level": ""});
    labels["openshift.io/cluster-monitoring"] = json!("true");
    for mode in ["audit", "enforce", "warn"] {
        labels[format!("pod-security.kubernetes.io/{mode}")] = json!("privileged");
    }
    let annotations = json!({"openshift.io/node-selector": "", "workload.openshift.io/allowed": "management"});
    let metadata = json!({"name": OPERATOR_NAMESPACE, "labels": labels, "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
}

/// The objects that an operator keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operands {
    /// Always: those of the controller, and the accounts and roles of the builder.
    pub always: Vec<Value>,
    /// While OS images are built: what runs the builder.
    pub for_builds: Vec<Value>,
}

/// The objects of controller and builder, for an operator that keeps them.
#[must_use]
pub fn operands(install: &Install<'_>) -> Operands {
    let rights = Component::KEPT.into_iter().flat_map(|component| access::objects(component, install));
    let always = rights.chain(workload::objects(Component::Controller, install)).collect();
    Operands { always, for_builds: workload::objects(Component::Builder, install) }
}

impl From<Value> for Manifest {
    fn from(object: Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        Self { file: format!("{}-{}", text("/kind"), text("/metadata/name")), object }
    }
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": OPERATOR_NAMESPACE, "labels": {"app.kubernetes.io/part-of": "weir"}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    static NOTHING: WatchedBy = WatchedBy {
        everybody: Vec::new(),
        operator: Vec::new(),
        controller: Vec::new(),
        builder: Vec::new(),
        keeper: Vec::new(),
    };

    const INSTALL: Install<'_> = Install {
        image: "registry.example.com/weir@sha256:1",
        replicas: REPLICAS,
        monitoring: true,
        prune_rendered: None,
        take_over: false,
        adopts_generated: false,
        operator_keeps_controller: false,
        builder_image: None,
        watched: &NOTHING,
    };

    fn all() -> Vec<Manifest> {
        manifests(&INSTALL)
    }

    #[test]
    fn every_object_is_named_once_and_every_reference_meets_one() {
        let all = all();
        let identity = |manifest: &Manifest| {
            (manifest.file.clone(), manifest.object["metadata"]["namespace"].as_str().map(str::to_owned))
        };
        assert_eq!(all.iter().map(identity).collect::<BTreeSet<_>>().len(), all.len());
        let has = |kind: &str, name: &str| {
            all.iter().any(|m| m.object["kind"] == kind && m.object["metadata"]["name"] == name)
        };
        for manifest in &all {
            let reference = &manifest.object["roleRef"];
            if let (Some(kind), Some(name)) = (reference["kind"].as_str(), reference["name"].as_str()) {
                assert!(has(kind, name), "{kind} {name}");
            }
            if let Some(account) = manifest.object.pointer("/spec/template/spec/serviceAccountName") {
                assert!(has("ServiceAccount", account.as_str().unwrap()), "{account}");
            }
        }
    }

    #[test]
    fn taking_over_leaves_out_what_the_operator_before_made() {
        let shared = ["Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
        let printed = |take_over: bool| manifests(&Install { take_over, ..INSTALL });
        let kinds = |take_over| -> BTreeSet<String> {
            printed(take_over).iter().filter_map(|m| m.object["kind"].as_str().map(str::to_owned)).collect()
        };
        for kind in shared {
            assert_eq!([true, false].map(|take_over| kinds(take_over).contains(kind)), [false, true], "{kind}");
        }
        let namespace = printed(false).into_iter().find(|m| m.object["kind"] == "Namespace").unwrap().object;
        assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged");
    }

    #[test]
    fn pods_say_which_constraint_they_need_and_that_they_belong_to_the_platform() {
        let mut seen = 0;
        for manifest in all().iter().filter(|manifest| manifest.object["kind"] == "Deployment") {
            let annotations = &manifest.object["spec"]["template"]["metadata"]["annotations"];
            assert_eq!(annotations["openshift.io/required-scc"], "restricted-v2");
            let workload = annotations["target.workload.openshift.io/management"].as_str().unwrap();
            let workload: Value = serde_json::from_str(workload).unwrap();
            assert_eq!(workload, json!({"effect": "PreferredDuringScheduling"}));
            seen += 1;
        }
        assert_eq!(seen, Component::ALL.len());
    }

    #[test]
    fn kinds_and_names_with_the_same_verbs_share_a_rule_of_their_namespace() {
        let watched = |plural: &str, namespace, name| Watched {
            group: "g".to_owned(),
            plural: plural.to_owned(),
            namespace,
            name,
        };
        let everybody = vec![watched("as", None, None), watched("bs", None, None), watched("cs", Some("n"), None)];
        let controller = vec![watched("ds", Some("n"), Some("x")), watched("ds", Some("n"), Some("y"))];
        let install = Install { watched: &WatchedBy { everybody, controller, ..WatchedBy::default() }, ..INSTALL };
        let mut printed = operands(&install).always;
        printed.retain(|object| object["metadata"]["name"] == Component::Controller.name());
        let rules = |namespace: Value| -> Vec<&Value> {
            let of_place = printed.iter().filter(|object| object["metadata"]["namespace"] == namespace);
            let rules = of_place.flat_map(|object| object["rules"].as_array().into_iter().flatten());
            rules.filter(|rule| rule["apiGroups"] == json!(["g"])).collect()
        };
        let verbs = json!(["list", "watch"]);
        assert_eq!(rules(Value::Null), [&json!({"apiGroups": ["g"], "resources": ["as", "bs"], "verbs": verbs})]);
        let named = json!({"apiGroups": ["g"], "resources": ["ds"], "verbs": verbs, "resourceNames": ["x", "y"]});
        assert_eq!(rules(json!("n")), [&json!({"apiGroups": ["g"], "resources": ["cs"], "verbs": verbs}), &named]);
    }
}
