//! What runs weir in a cluster, as manifests.
//!
//! | module | part |
//! |---|---|
//! | `access` | what each component may do: only what its code does |
//! | `workload` | deployments, and what watches over them |

mod access;
mod workload;

use serde_json::{Value, json};
use std::time::Duration;
use weir_api::keys::names::{COMPONENTS, OPERATOR_NAMESPACE};
use weir_rules::policies::pool_stream;

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

/// All objects, in the order in which they can be applied. The policy is the operator's to keep; it is here so that it holds
/// from the beginning.
#[must_use]
pub fn manifests(install: &Install<'_>) -> Vec<Manifest> {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": OPERATOR_NAMESPACE,
            "labels": {"openshift.io/cluster-monitoring": "true", "pod-security.kubernetes.io/enforce": "restricted"},
        },
    });
    let mut objects = vec![namespace];
    for component in Component::ALL {
        objects.extend(access::objects(component, install));
    }
    let guard = pool_stream();
    objects.extend([guard.policy, guard.binding]);
    for component in Component::ALL {
        objects.extend(workload::objects(component, install));
    }
    objects.into_iter().map(Manifest::from).collect()
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

    fn all() -> Vec<Manifest> {
        manifests(&Install {
            image: "registry.example.com/weir@sha256:1",
            replicas: 2,
            monitoring: true,
            prune_rendered: None,
            take_over: false,
        })
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
        for manifest in all() {
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
}
