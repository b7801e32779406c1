//! What a rehearsal of a cluster starts from: of the cluster's objects, those that its users and machines brought.
//!
//! R-IMPORT-1 What users set is kept as they set it: name, labels, annotations, spec. Owners, ids, finalizers, who wrote what, and statuses
//! are left out, and so is what an annotation of kubectl repeats of an object.
//! R-IMPORT-2 What weir makes itself is left out: generated MachineConfigs, and rendered ones that no pool names and no node runs.
//! R-IMPORT-3 A node that is in a pool and says which configuration it runs is kept, with its labels and taints, at rest: it runs that
//! configuration, and is up. What its machine is identified by is left out. One of which the configuration is not there is left out.
//! R-IMPORT-4 Secrets are left out. In MachineConfigs, hashes of passwords are replaced, and files with logins or private keys have no logins
//! instead (R-DIFFERENCE-4).
//! R-IMPORT-5 Of the ClusterVersion the releases are kept, so that it is known what the cluster was installed with. It is marked as weir's,
//! with the distribution: nobody else manages the rehearsal.
//! R-IMPORT-6 What is left out is counted by kind, with the reason.

use super::World;
use crate::{
    generated::config::made_of,
    view::{Annotations, NodeView},
    world::generated::difference::hidden,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    MachineConfig,
    keys::{
        config::{DISTRIBUTION, SEEDED},
        daemon,
        drain::CORDONED_BY_CONTROLLER,
        names::RENDERED_PREFIX,
        rollout, taints,
    },
};
use weir_distro::Profile;
use weir_ignition::contents::decode;

/// Kinds of which spec and name are kept, with their groups: settings of users.
const SETTINGS: [&str; 13] = [
    "MachineConfigPool",
    "KubeletConfig",
    "ContainerRuntimeConfig",
    "MachineConfiguration",
    "OSImageStream",
    "ImageDigestMirrorSet",
    "ImageTagMirrorSet",
    "ImageContentSourcePolicy",
    "Image",
    "ClusterImagePolicy",
    "ImagePolicy",
    "APIServer",
    "CRIOCredentialProviderConfig",
];
/// Taints that a cluster puts on nodes by itself begin with this.
const OF_THE_CLUSTER: &str = "node.kubernetes.io/";
/// What kubectl keeps of an object within it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What a file with secrets has instead.
const NO_LOGINS: &str = "data:,%7B%22auths%22%3A%7B%7D%7D";
/// A hash that no password has (crypt(5)).
const NO_PASSWORD: &str = "*";

/// A node and its pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The Node, with its status.
    pub node: Value,
    /// Its pool.
    pub pool: String,
}

/// What a rehearsal starts from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The objects, in an order in which they can be created.
    pub objects: Vec<Value>,
    /// The nodes.
    pub machines: Vec<Machine>,
    /// What is left out, by reason and kind.
    pub left: BTreeMap<(&'static str, String), usize>,
}

/// Takes what is kept of the objects of a cluster. The world is that of the same objects.
#[must_use]
pub fn import(objects: &[Value], world: &World, profile: &Profile, build: &str) -> Import {
    let mut import = Import::default();
    let views = world.views();
    let pools = views.nodes.iter().zip(&views.membership.assignments);
    let pools: BTreeMap<&str, &str> =
        pools.filter_map(|(node, assignment)| Some((node.name, assignment.primary()?))).collect();
    let used = used(world);
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let core = !object["apiVersion"].as_str().unwrap_or_default().contains('/');
        let kept = match kind {
            "Node" if core => match machine(object, &pools, world) {
                Ok(machine) => {
                    import.machines.push(machine);
                    continue;
                }
                Err(why) => Err(why),
            },
            "ClusterVersion" => cluster_version(object, profile, build),
            "FeatureGate" => Ok(with_status(object)),
            "MachineConfig" => machine_config(object, &used),
            "Secret" => Err("secrets"),
            // What `config.openshift.io` calls a Node is a setting.
            "Node" => Ok(cleaned(object)),
            kind if SETTINGS.contains(&kind) => Ok(cleaned(object)),
            _ => Err("made or reported by the cluster itself"),
        };
        match kept {
            Ok(kept) => import.objects.push(kept),
            Err(why) => *import.left.entry((why, kind.to_owned())).or_default() += 1,
        }
    }
    import
}

/// Rendered MachineConfigs that pools name or nodes run.
fn used(world: &World) -> BTreeSet<&str> {
    let nodes = world.nodes.iter().filter_map(|node| NodeView::new(node).current_config);
    let pools = world.pools.iter().flat_map(|pool| {
        let status = pool.status.as_ref().and_then(|status| status.configuration.as_ref());
        [pool.spec.configuration.as_ref(), status].into_iter().flatten().map(|config| config.name())
    });
    nodes.chain(pools).filter(|name| !name.is_empty()).collect()
}

/// R-IMPORT-1.
fn cleaned(object: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "labels"] {
        metadata.extend(object["metadata"].get(field).map(|value| (field.to_owned(), value.clone())));
    }
    let marks = object["metadata"]["annotations"].as_object().into_iter().flatten();
    let marks: Map<String, Value> =
        marks.filter(|(key, _)| *key != LAST_APPLIED).map(|(key, value)| (key.clone(), value.clone())).collect();
    if !marks.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(marks));
    }
    let mut kept = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata});
    if let Some(spec) = object.get("spec") {
        kept["spec"] = spec.clone();
    }
    kept
}

fn with_status(object: &Value) -> Value {
    let mut kept = cleaned(object);
    kept["status"] = object["status"].clone();
    kept
}

/// R-IMPORT-5.
fn cluster_version(object: &Value, profile: &Profile, build: &str) -> Result<Value, &'static str> {
    let status = &object["status"];
    if !status["desired"]["version"].is_string() {
        return Err("names no release");
    }
    let mut kept = cleaned(object);
    kept["metadata"]["annotations"] = json!({SEEDED: build, DISTRIBUTION: profile.name});
    kept["spec"] = json!({"clusterID": "00000000-0000-0000-0000-000000000000"});
    kept["status"] = json!({
        "desired": status["desired"], "history": status["history"].as_array().cloned().unwrap_or_default(),
        "observedGeneration": 1, "versionHash": "", "availableUpdates": [],
    });
    Ok(kept)
}

/// R-IMPORT-2, R-IMPORT-4.
fn machine_config(object: &Value, used: &BTreeSet<&str>) -> Result<Value, &'static str> {
    let config: MachineConfig = serde_json::from_value(object.clone()).map_err(|_| "cannot be read")?;
    let name = config.metadata.name.as_deref().unwrap_or_default();
    let is_rendered = name.starts_with(RENDERED_PREFIX);
    if is_rendered && !used.contains(name) {
        return Err("rendered, and used by no pool or node");
    }
    if !is_rendered && made_of(&config).is_some() {
        return Err("generated: weir generates it again");
    }
    let mut kept = cleaned(object);
    without_secrets(&mut kept["spec"]["config"]);
    Ok(kept)
}

fn without_secrets(config: &mut Value) {
    let list = |value: &mut Value| value.as_array_mut().map(std::mem::take).unwrap_or_default();
    if config["passwd"]["users"].is_array() {
        let mut users = list(&mut config["passwd"]["users"]);
        for user in users.iter_mut().filter(|user| user.get("passwordHash").is_some_and(|hash| !hash.is_null())) {
            user["passwordHash"] = json!(NO_PASSWORD);
        }
        config["passwd"]["users"] = Value::Array(users);
    }
    if config["storage"]["files"].is_array() {
        let mut files = list(&mut config["storage"]["files"]);
        for file in &mut files {
            let contents = file.get("contents").and_then(Value::as_object).and_then(|contents| decode(contents).ok());
            if contents.is_some_and(|contents| hidden(&String::from_utf8_lossy(&contents)).is_some()) {
                file["contents"] = json!({ "source": NO_LOGINS });
            }
        }
        config["storage"]["files"] = Value::Array(files);
    }
}

/// R-IMPORT-3.
fn machine(object: &Value, pools: &BTreeMap<&str, &str>, world: &World) -> Result<Machine, &'static str> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let pool = pools.get(name).ok_or("in no pool")?;
    let found = world.nodes.iter().find(|node| node.metadata.name.as_deref() == Some(name)).ok_or("cannot be read")?;
    let view = NodeView::new(found);
    let config = view.current_config.filter(|config| world.config(config).is_some());
    let config = config.ok_or("what it runs is not among the objects")?;
    let mut node = cleaned(object);
    node["metadata"]["annotations"] = json!({
        daemon::CURRENT_CONFIG: config, rollout::DESIRED_CONFIG: config, daemon::STATE: daemon::STATE_DONE, daemon::REASON: "",
    });
    let by_us = |taint: &&Value| {
        let key = taint["key"].as_str().unwrap_or_default();
        key != taints::UPDATE_IN_PROGRESS && !key.starts_with(OF_THE_CLUSTER)
    };
    let taints: Vec<Value> = object["spec"]["taints"].as_array().into_iter().flatten().filter(by_us).cloned().collect();
    node["spec"] = json!({ "taints": taints });
    if view.unschedulable && view.cordoned_by != Some(CORDONED_BY_CONTROLLER) {
        node["spec"]["unschedulable"] = json!(true);
    }
    let mut info = object["status"]["nodeInfo"].clone();
    for id in ["machineID", "systemUUID", "bootID"] {
        info[id] = json!("");
    }
    node["status"] = json!({
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}],
        "nodeInfo": info,
    });
    Ok(Machine { node, pool: (*pool).to_owned() })
}

impl Import {
    /// What is left out, a line for each reason.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((why, kind), count) in &self.left {
            reasons.entry(why).or_default().push(format!("{count} {kind}"));
        }
        reasons.into_iter().map(|(why, kinds)| format!("{}: {why}", kinds.join(", "))).collect()
    }
}

/// Whether an object was brought by a rehearsal's cluster, not made by weir.
#[must_use]
pub fn is_brought(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> bool {
    !Annotations::of(metadata).has(SEEDED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Object;
    use k8s_openapi::api::core::v1::Node;
    use weir_api::MachineConfigPool;

    const GROUP: &str = "machineconfiguration.openshift.io";

    fn config(name: &str, more: Value) -> Value {
        let mut metadata = json!({"name": name, "uid": "u", "resourceVersion": "7", "labels": {format!("{GROUP}/role"): "worker"},
            "ownerReferences": [], "managedFields": [{}], "annotations": {LAST_APPLIED: "{}"}});
        for (key, value) in more["metadata"].as_object().into_iter().flatten() {
            metadata[key] = value.clone();
        }
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfig", "metadata": metadata, "spec": more["spec"]})
    }

    fn cluster() -> Vec<Value> {
        let ignition = json!({"ignition": {"version": "3.5.0"},
        "passwd": {"users": [{"name": "core", "passwordHash": "$6$secret", "sshAuthorizedKeys": ["k"]}]},
        "storage": {"files": [
            {"path": "/var/lib/kubelet/config.json", "contents": {"source": "data:,%7B%22auths%22%3A%7B%22q%22%3A1%7D%7D"}},
            {"path": "/etc/motd", "contents": {"source": "data:,hello"}},
            {"path": "/etc/key", "contents": {"source": "data:,-----BEGIN%20EC%20PRIVATE%20KEY-----%0Akey"}},
        ]}});
        let by = json!({format!("{GROUP}/generated-by-controller-version"): "abc"});
        let owner = json!([{"apiVersion": "v1", "kind": "ControllerConfig", "name": "c", "uid": "u"}]);
        let node = |name: &str, runs: &str| {
            json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "uid": "u", "labels": {"node-role.kubernetes.io/worker": "", "rack": "1"}, "annotations": {
                    format!("{GROUP}/currentConfig"): runs, format!("{GROUP}/desiredConfig"): "rendered-worker-9",
                    format!("{GROUP}/state"): "Degraded", format!("{GROUP}/reason"): "disk full",
                }},
                "spec": {"providerID": "aws:///i-1", "unschedulable": true, "taints": [
                    {"key": "UpdateInProgress", "effect": "PreferNoSchedule"}, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
                    {"key": "gpu", "effect": "NoSchedule"},
                ]},
                "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"machineID": "m", "systemUUID": "s", "bootID": "b", "osImage": "an OS", "architecture": "arm64"}}})
        };
        vec![
            json!({"apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfigPool", "metadata": {"name": "worker", "uid": "u"},
                "spec": {"configuration": {"name": "rendered-worker-1"}, "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}},
                "status": {"machineCount": 2}}),
            config("99-mine", json!({"spec": {"config": ignition}})),
            config("00-worker", json!({"metadata": {"annotations": by, "ownerReferences": owner}, "spec": {}})),
            config("rendered-worker-1", json!({"metadata": {"annotations": by}, "spec": {"config": ignition}})),
            config("rendered-worker-0", json!({"metadata": {"annotations": by}, "spec": {}})),
            node("a", "rendered-worker-1"),
            node("b", "rendered-worker-gone"),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull-secret"}, "data": {"a": "c2VjcmV0"}}),
            json!({"apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
                "spec": {"clusterID": "11111111-0000-0000-0000-000000000000", "channel": "stable"},
                "status": {"desired": {"version": "5.0.1", "image": "r@b"}, "history": [{"state": "Completed", "version": "4.21.0"}]}}),
            json!({"apiVersion": "config.openshift.io/v1", "kind": "Node", "metadata": {"name": "cluster"}, "spec": {"cgroupMode": "v2"}}),
        ]
    }

    fn imported() -> Import {
        fn of<K: serde::de::DeserializeOwned + Into<Object>>(value: &Value) -> Object {
            serde_json::from_value::<K>(value.clone()).unwrap().into()
        }
        let objects = cluster();
        let known =
            objects.iter().filter_map(|object| match (object["kind"].as_str()?, object["apiVersion"].as_str()?) {
                ("MachineConfigPool", _) => Some(of::<MachineConfigPool>(object)),
                ("MachineConfig", _) => Some(of::<MachineConfig>(object)),
                ("Node", "v1") => Some(of::<Node>(object)),
                _ => None,
            });
        import(&objects, &World::of(known.collect::<Vec<_>>()), &Profile::all()[0], "v1")
    }

    #[test]
    fn what_users_brought_is_kept_without_ids_owners_and_secrets() {
        let import = imported();
        let names: Vec<&str> = import.objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["worker", "99-mine", "rendered-worker-1", "version", "cluster"]);
        let text = json!(import.objects).to_string()
            + &json!(import.machines.iter().map(|m| &m.node).collect::<Vec<_>>()).to_string();
        for gone in [
            "\"uid\"",
            "resourceVersion",
            "managedFields",
            "ownerReferences",
            "last-applied",
            "$6$",
            "%22q%22",
            "PRIVATE",
            "11111111",
            "aws:",
            "10.0.0.1",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        let mine = &import.objects[1]["spec"]["config"];
        assert_eq!(
            mine["passwd"]["users"][0],
            json!({"name": "core", "passwordHash": "*", "sshAuthorizedKeys": ["k"]})
        );
        assert_eq!(mine["storage"]["files"][0]["contents"]["source"], NO_LOGINS);
        assert_eq!(mine["storage"]["files"][1]["contents"]["source"], "data:,hello");
        assert_eq!(mine["storage"]["files"][2]["contents"]["source"], NO_LOGINS);
        assert!(import.objects[0].get("status").is_none());
        let version = &import.objects[3];
        assert_eq!(
            (&version["status"]["history"][0]["version"], &version["metadata"]["annotations"][SEEDED]),
            (&json!("4.21.0"), &json!("v1"))
        );
    }

    #[test]
    fn a_node_is_kept_at_rest_if_it_is_known_what_it_runs() {
        let import = imported();
        let [Machine { node, pool }] = import.machines.as_slice() else { panic!("{:?}", import.machines) };
        assert_eq!((node["metadata"]["name"].as_str(), pool.as_str()), (Some("a"), "worker"));
        let marks = &node["metadata"]["annotations"];
        assert_eq!(marks[rollout::DESIRED_CONFIG], "rendered-worker-1");
        assert_eq!((&marks[daemon::STATE], &marks[daemon::REASON]), (&json!("Done"), &json!("")));
        assert_eq!(node["spec"], json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}], "unschedulable": true}));
        assert_eq!(
            (&node["status"]["nodeInfo"]["bootID"], &node["status"]["nodeInfo"]["osImage"]),
            (&json!(""), &json!("an OS"))
        );
        assert_eq!(node["metadata"]["labels"]["rack"], "1");
        let left = import.left_out();
        for line in [
            "1 MachineConfig: generated: weir generates it again",
            "1 MachineConfig: rendered, and used by no pool or node",
            "1 Node: what it runs is not among the objects",
            "1 Secret: secrets",
        ] {
            assert!(left.iter().any(|found| found == line), "{line}: {left:?}");
        }
    }
}
