//! What runs weir in a cluster, as manifests.
//!
//! | module | part |
//! |---|---|
//! | `access` | what each component may do: only what its code does |
//! | `keeping` | what the operator may do to keep the controller, and what it is told about it |
//! | `workload` | deployments, and what watches over them |

mod access;
mod keeping;
mod workload;

use serde_json::{Value, json};
use std::time::Duration;
use weir_api::keys::names::{COMPONENTS, OPERATOR_NAMESPACE};
use weir_rules::operator::policies::always;

/// Pods of a component where nobody says how many: one works, one stands by.
pub const REPLICAS: u32 = 2;

/// What is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Install<'a> {
    /// Image that has the program.
    pub image: &'a str,
    /// Pods of each component.
    pub replicas: u32,
    /// With ServiceMonitors.
    pub monitoring: bool,
    /// After how long unused rendered MachineConfigs are deleted, if at all.
    pub prune_rendered: Option<Duration>,
    /// Whether the work of the operator that ran before is continued.
    pub take_over: bool,
    /// Whether the operator keeps the controller's objects, which are then its own to make.
    pub operator_keeps_controller: bool,
}

/// An object and what its file is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the file, without number and ending.
    pub file: String,
    /// The object.
    pub object: Value,
}

/// The two components, each with a service account of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Component {
    Operator,
    Controller,
}

impl Component {
    const ALL: [Self; 2] = [Self::Operator, Self::Controller];

    /// Name of its objects.
    fn name(self) -> &'static str {
        let [operator, controller] = COMPONENTS;
        match self {
            Self::Operator => operator,
            Self::Controller => controller,
        }
    }

    /// What `weir run` is given.
    fn role(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Controller => "controller",
        }
    }
}

/// All objects, in the order in which they can be applied. The policies are the operator's to keep; those that no gate decides
/// about are here so that they hold from the beginning.
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
    objects.into_iter().map(Manifest::from).collect()
}

/// Objects that the operator before made, too. Who takes over finds them: the namespace belongs to the cluster, and the
/// policies are brought in line by our operator once it has taken over, not by who installs it.
fn own(install: &Install<'_>, objects: Vec<Value>) -> Vec<Value> {
    if install.take_over { Vec::new() } else { objects }
}

/// The namespace as the reference makes it, field by field: where that was here before, applying this changes nothing. Its
/// daemon and server, which go on working there, need more than weir's own pods do.
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

/// The objects of the controller, for an operator that keeps them.
#[must_use]
pub fn operands(install: &Install<'_>) -> Vec<Value> {
    let component = Component::Controller;
    access::objects(component, install).into_iter().chain(workload::objects(component, install)).collect()
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
    use crate::cli::{
        Arguments, Command,
        run::{Run, What},
    };
    use clap::Parser as _;
    use std::collections::BTreeSet;
    use weir_controllers::{Cluster, cluster::Watcher};

    const INSTALL: Install<'_> = Install {
        image: "registry.example.com/weir@sha256:1",
        replicas: REPLICAS,
        monitoring: true,
        prune_rendered: None,
        take_over: false,
        operator_keeps_controller: false,
    };

    fn all() -> Vec<Manifest> {
        manifests(&INSTALL)
    }

    fn keeping() -> Vec<Manifest> {
        manifests(&Install { operator_keeps_controller: true, ..INSTALL })
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
    fn nobody_may_do_anything_to_everything_and_secrets_are_those_of_their_namespace() {
        for manifest in all().into_iter().chain(keeping()) {
            for rule in manifest.object["rules"].as_array().into_iter().flatten() {
                let text = rule.to_string();
                assert!(!text.contains("\"*\""), "{}: {text}", manifest.file);
                if text.contains("secrets") {
                    assert_eq!(manifest.object["kind"], "Role");
                    let namespace = manifest.object["metadata"]["namespace"].as_str().unwrap();
                    let of_operator = manifest.object["metadata"]["name"] == "weir-operator";
                    let verbs = match (of_operator, namespace) {
                        // Logins for the registry inside the cluster, and what machines boot with.
                        (true, OPERATOR_NAMESPACE) => json!(["list", "watch"]),
                        (true, "openshift-machine-api") => json!(["list", "watch", "create", "patch"]),
                        _ => {
                            assert_eq!(rule["resourceNames"], json!(["pull-secret"]), "{text}");
                            json!(["list", "watch"])
                        }
                    };
                    assert_eq!(rule["verbs"], verbs);
                }
            }
        }
    }

    /// Whether one of the operator's rules for this place allows it.
    fn may(printed: &[Manifest], namespace: &Value, verb: &str, plural: &str, name: Option<&str>) -> bool {
        let of_place = printed.iter().filter(|m| m.object["metadata"]["namespace"] == *namespace);
        let mut rules = of_place.flat_map(|m| m.object["rules"].as_array().into_iter().flatten());
        let has = |rule: &Value, key: &str, value: &str| {
            rule[key].as_array().is_some_and(|values| values.iter().any(|found| found == value))
        };
        rules.any(|rule| {
            let named = name.map_or(rule["resourceNames"].is_null(), |name| has(rule, "resourceNames", name));
            has(rule, "verbs", verb) && has(rule, "resources", plural) && named
        })
    }

    #[test]
    fn an_operator_that_keeps_the_controller_may_write_exactly_what_it_keeps() {
        let printed = keeping();
        assert!(!printed.iter().any(|manifest| manifest.file.ends_with("weir-controller")));
        let kept = operands(&INSTALL);
        for object in &kept {
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            let (namespace, name) = (&object["metadata"]["namespace"], object["metadata"]["name"].as_str());
            assert!(may(&printed, namespace, "create", &plural, None), "{plural}");
            let grants = if plural.ends_with("roles") { &["escalate", "bind"][..] } else { &[] };
            for verb in [&["patch", "delete"][..], grants].concat() {
                assert!(may(&printed, namespace, verb, &plural, name), "{verb} {plural}");
                assert!(!may(&printed, namespace, verb, &plural, None), "{verb} any {plural}");
            }
            let anywhere = [&Value::Null, namespace].map(|place| may(&printed, place, "watch", &plural, None));
            assert!(anywhere.contains(&true), "{plural}");
        }
        for manifest in all() {
            assert!(!manifest.object["rules"].to_string().contains("escalate"), "{}", manifest.file);
        }
    }

    #[test]
    fn roles_let_a_component_see_exactly_what_it_watches() {
        type Seen = BTreeSet<(Option<String>, String, String, Option<String>, String)>;
        let printed = |component: Component, install: &Install<'_>| -> Seen {
            let mut seen = Seen::new();
            for role in access::objects(component, install).iter().filter(|object| object["rules"].is_array()) {
                for rule in role["rules"].as_array().unwrap() {
                    let texts =
                        |key: &str| -> Vec<String> { serde_json::from_value(rule[key].clone()).unwrap_or_default() };
                    let names: Vec<_> = texts("resourceNames").into_iter().map(Some).collect();
                    let names = if names.is_empty() { vec![None] } else { names };
                    for (group, resource) in texts("apiGroups")
                        .iter()
                        .flat_map(|g| texts("resources").into_iter().map(move |r| (g.clone(), r)))
                    {
                        for verb in texts("verbs").into_iter().filter(|verb| ["list", "watch"].contains(&verb.as_str()))
                        {
                            seen.extend(names.iter().map(|name| {
                                let place = role["metadata"]["namespace"].as_str().map(str::to_owned);
                                (place, group.clone(), resource.clone(), name.clone(), verb.clone())
                            }));
                        }
                    }
                }
            }
            seen
        };
        let watched = |watchers: &[&[Watcher]]| -> Seen {
            let watches = Cluster::default().watches;
            let rows = watchers.iter().flat_map(|watchers| watches.of(watchers));
            rows.flat_map(|row| {
                let (kind, of) = (&row.kind, &row.selection);
                ["list", "watch"].map(|verb| {
                    let name = of.name.map(str::to_owned);
                    (of.namespace.map(str::to_owned), kind.group.clone(), kind.plural.clone(), name, verb.to_owned())
                })
            })
            .collect()
        };
        let keeping = Install {
            operator_keeps_controller: true,
            take_over: true,
            prune_rendered: Some(Duration::from_secs(1)),
            ..INSTALL
        };
        let (all, operator) = (Watcher::EVERYBODY, Watcher::OPERATOR);
        assert_eq!(printed(Component::Controller, &INSTALL), watched(&[all, Watcher::CONTROLLER]));
        assert_eq!(printed(Component::Controller, &keeping), watched(&[all, Watcher::CONTROLLER]));
        assert_eq!(printed(Component::Operator, &INSTALL), watched(&[all, operator]));
        assert_eq!(printed(Component::Operator, &keeping), watched(&[all, operator, &[Watcher::Operands]]));
    }

    #[test]
    fn who_takes_over_brings_nothing_that_is_there_already() {
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
    fn only_who_continues_the_work_of_another_may_complete_the_controller_config() {
        for take_over in [true, false] {
            let printed = manifests(&Install { take_over, ..INSTALL });
            assert_eq!(may(&printed, &Value::Null, "patch", "controllerconfigs/status", None), take_over);
        }
    }

    #[test]
    fn an_operator_that_keeps_the_controller_is_told_what_manifests_were_asked_for() {
        let install = Install {
            replicas: 3,
            monitoring: false,
            prune_rendered: Some(Duration::from_secs(60)),
            take_over: true,
            operator_keeps_controller: true,
            ..INSTALL
        };
        let printed = manifests(&install);
        let deployment = printed.iter().find(|manifest| manifest.file == "deployment-weir-operator").unwrap();
        let arguments = &deployment.object["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments = arguments.as_array().unwrap().iter().filter_map(Value::as_str);
        let parsed = Arguments::try_parse_from(["weir"].into_iter().chain(arguments)).unwrap();
        let Command::Run(Run { what: What::Operator(told), .. }) = parsed.command else { panic!("{parsed:?}") };
        assert!(told.options.take_over);
        assert_eq!(told.controller.objects(), operands(&install));
    }
}
