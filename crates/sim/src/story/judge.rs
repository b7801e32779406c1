//! Invariants of every story, checked from the objects alone and with separate code, not with the rules
//! under test.
//!
//! 1. No node is told a configuration when that leaves more nodes of its pool down than the pool allows.
//! 2. No node is told a configuration that does not exist, was never the target of its pool, or is no longer its target.
//! 3. No pool gets a configuration with an OS image other than those of streams that it has resolved to since its last one, and the one
//!    that an installer's MachineConfig pins.
//! 4. No node of a paused pool is told anything.
//! 5. No node is told an image whose labels, read back from the registry, do not name its pool, the base image of the configuration it
//!    is told, and a configuration that differs from that one in files and units at most; nor an image outside image mode. An image that
//!    was not built is told with configurations that name it alone.
//! 6. No image is deleted from the registry that a node runs or is to run.

use super::images::{Built, needs};
use crate::history::{Change, Key};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const PREFIX: &str = "machineconfiguration.openshift.io/";
pub(crate) const ROLE: &str = "node-role.kubernetes.io/";
const POOL: &str = "MachineConfigPool";
/// How the MachineConfig begins with which an installer pins the image of a pool.
const PINNING: &str = "10-prebuiltimage-osimageurl-";

/// Reads a history.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Whether a stale name resolves to the only stream.
    follows_release: bool,
    now: BTreeMap<Key, Value>,
    targets: BTreeMap<String, BTreeSet<String>>,
    resolved: BTreeMap<String, BTreeSet<String>>,
    /// Those of the images that nodes were told which were built.
    built: Built,
    broken: Vec<String>,
}

/// The images that nodes were told.
pub(super) fn images(changes: &[Change]) -> BTreeSet<String> {
    let nodes = changes.iter().filter(|change| change.key.0 == "Node").filter_map(|change| change.after.as_ref());
    nodes.filter_map(|node| annotation(node, "desiredImage")).map(str::to_owned).collect()
}

/// All violations, in time order.
pub(super) fn judge(changes: &[Change], follows_release: bool, built: &Built) -> Vec<String> {
    let mut judge = Judge { follows_release, built: built.clone(), ..Judge::default() };
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| change.version);
    for change in sorted {
        let before = match &change.after {
            Some(value) => judge.now.insert(change.key.clone(), value.clone()),
            None => judge.now.remove(&change.key),
        };
        judge.resolve();
        if let Some(after) = &change.after {
            match change.key.0 {
                POOL => judge.pool(&change.key.1, before.as_ref(), after),
                "Node" => judge.node(&change.key.1, before.as_ref(), after),
                _ => {}
            }
        }
    }
    judge.deleted();
    judge.broken
}

/// The OS image of the stream that a pool resolves to, from the objects of a cluster; absent if there is no such stream. With
/// `follows_release` the only stream of a release counts, whatever pools name.
pub(crate) fn stream_image<'a>(
    get: impl Fn(&'static str, &str) -> &'a Value,
    pool: &str,
    follows_release: bool,
) -> Option<String> {
    let stream = get("OSImageStream", "cluster");
    let named = |pool: &str| get(POOL, pool)["spec"]["osImageStream"]["name"].as_str();
    let inherits = !["master", "worker", "arbiter"].contains(&pool);
    let wanted = named(pool)
        .or_else(|| named("worker").filter(|_| inherits))
        .or_else(|| stream["status"]["defaultStream"].as_str())?;
    image_of(stream, wanted, follows_release)
}

/// The OS image of the stream of that name; with `follows_release` that of the only one there is, whatever it is called.
pub(crate) fn image_of(stream: &Value, wanted: &str, follows_release: bool) -> Option<String> {
    let available = stream["status"]["availableStreams"].as_array()?;
    let found = available.iter().find(|set| set["name"] == wanted);
    let only = available.first().filter(|_| follows_release && available.len() == 1);
    found.or(only)?["osImage"].as_str().map(str::to_owned)
}

impl Judge {
    fn get(&self, kind: &'static str, name: &str) -> &Value {
        self.now.get(&(kind, name.to_owned())).unwrap_or(&Value::Null)
    }

    fn pools(&self) -> Vec<String> {
        self.now.keys().filter(|(kind, _)| *kind == POOL).map(|(_, name)| name.clone()).collect()
    }

    /// Records what each pool resolves to now. Gates of every listed version count: controllers of two versions may be running.
    fn resolve(&mut self) {
        let gates = &self.get("FeatureGate", "cluster")["status"]["featureGates"];
        let lists = gates.as_array().map(Vec::as_slice).unwrap_or_default();
        let on = |list: &Value| list["enabled"].as_array().is_some_and(|e| e.iter().any(|g| g["name"] == "OSStreams"));
        let (any_on, any_off) = (lists.iter().any(on), lists.iter().any(|list| !on(list)));
        let base = self.get("ControllerConfig", "machine-config-controller")["spec"]["baseOSContainerImage"].clone();
        for pool in self.pools() {
            let streamed =
                any_on.then(|| stream_image(|kind, name| self.get(kind, name), &pool, self.follows_release)).flatten();
            let based = any_off.then(|| base.as_str().map(str::to_owned)).flatten();
            let pinned = self.get("MachineConfig", &format!("{PINNING}{pool}"))["spec"]["osImageURL"].as_str();
            let pinned = pinned.map(str::to_owned);
            self.resolved.entry(pool).or_default().extend(streamed.into_iter().chain(based).chain(pinned));
        }
    }

    fn pool(&mut self, name: &str, before: Option<&Value>, after: &Value) {
        let target = |pool: &Value| pool["spec"]["configuration"]["name"].as_str().map(str::to_owned);
        let Some(now) = target(after) else { return };
        if before.and_then(target).as_ref() == Some(&now) {
            return;
        }
        let config = self.get("MachineConfig", &now);
        match config["spec"]["osImageURL"].as_str() {
            None => self.broken.push(format!("{name} is to run {now}, which does not exist")),
            Some(image) => {
                let resolved = self.resolved.get(name).is_some_and(|images| images.contains(image));
                if !resolved {
                    self.broken.push(format!("{name} is to run {now} with {image}, to which it did not resolve"));
                }
            }
        }
        self.targets.entry(name.to_owned()).or_default().insert(now);
        self.resolved.remove(name);
        self.resolve();
    }

    fn node(&mut self, name: &str, before: Option<&Value>, after: &Value) {
        let Some(told) = annotation(after, "desiredConfig") else { return };
        let image = annotation(after, "desiredImage");
        let told_before = before.map(|node| (annotation(node, "desiredConfig"), annotation(node, "desiredImage")));
        if told_before == Some((Some(told), image)) {
            return;
        }
        let pool = self.pool_of(after);
        if let Some(image) = image {
            self.built_for(name, &pool, told, image);
        }
        if self.get("MachineConfig", told).is_null() {
            self.broken.push(format!("{name} was told {told}, which does not exist"));
        }
        if !self.targets.get(&pool).is_some_and(|targets| targets.contains(told)) {
            self.broken.push(format!("{name} was told {told}, which {pool} never asked for"));
        }
        if before.is_none() {
            // A machine boots into its pool's last completed configuration.
            return;
        }
        let target = &self.get(POOL, &pool)["spec"]["configuration"]["name"];
        if *target != *told {
            self.broken.push(format!("{name} was told {told}, which {pool} has left for {target}"));
        }
        if self.get(POOL, &pool)["spec"]["paused"] == true {
            self.broken.push(format!("{name} was told {told} while {pool} is paused"));
        }
        let nodes = self.now.iter().filter(|((kind, _), _)| *kind == "Node").map(|(_, node)| node);
        let of_pool: Vec<&Value> = nodes.filter(|node| self.pool_of(node) == pool).collect();
        let down = of_pool.iter().filter(|node| is_down(node)).count();
        let allowed = allowed(&self.get(POOL, &pool)["spec"]["maxUnavailable"], of_pool.len());
        if down > allowed {
            self.broken.push(format!("{name} was told {told}: {down} nodes of {pool} are down, {allowed} may be"));
        }
    }

    /// Invariant 5.
    fn built_for(&mut self, name: &str, pool: &str, told: &str, image: &str) {
        const DECIDES: [&str; 4] = ["osImageURL", "kernelType", "extensions", "kernelArguments"];
        let modes = self.now.iter().filter(|((kind, _), _)| *kind == "MachineOSConfig").map(|(_, config)| config);
        if !modes.into_iter().any(|config| config["spec"]["machineConfigPool"]["name"] == pool) {
            self.broken.push(format!("{name} was told image {image}, and {pool} is not in image mode"));
        }
        let base = self.get("MachineConfig", told)["spec"]["osImageURL"].as_str().unwrap_or_default().to_owned();
        let labels = self.built.labels.get(image).cloned().unwrap_or_default();
        if !labels.contains_key("machineconfig") {
            if base != image {
                self.broken.push(format!("{name} was told {told} with image {image}, which nobody built"));
            }
            return;
        }
        let label = |key: &str| labels.get(key).map(String::as_str).unwrap_or_default();
        let (of, config) = (self.get("MachineConfig", label("machineconfig")), self.get("MachineConfig", told));
        let same = DECIDES.iter().all(|field| of["spec"][field] == config["spec"][field]);
        if label("machineconfigpool") != pool || label("baseOSContainerImage") != base || of.is_null() || !same {
            self.broken.push(format!("{name} was told {told} with image {image}, which was built as {labels:?}"));
        }
    }

    /// Invariant 6, as it is at the end. What holds at the moment of each deletion is found by who deletes.
    fn deleted(&mut self) {
        let nodes: Vec<_> = self.now.iter().filter(|((kind, _), _)| *kind == "Node").collect();
        for image in &self.built.deleted {
            let of_it = nodes.iter().filter(|(_, node)| needs(node, image));
            self.broken.extend(of_it.map(|((_, name), _)| format!("{image} was deleted, and {name} needs it")));
        }
    }

    /// The pool whose role the node has: custom before control plane before worker.
    fn pool_of(&self, node: &Value) -> String {
        let has = |pool: &String| node["metadata"]["labels"].get(format!("{ROLE}{pool}")).is_some();
        let mut own: Vec<String> = self.pools().into_iter().filter(has).collect();
        own.sort_by_key(|pool| (pool == "worker", pool == "master"));
        own.into_iter().next().unwrap_or_default()
    }
}

pub(crate) fn annotation<'a>(node: &'a Value, key: &str) -> Option<&'a str> {
    node["metadata"]["annotations"][format!("{PREFIX}{key}")].as_str()
}

fn is_down(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let not_ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] != "True");
    let moving = annotation(node, "currentConfig") != annotation(node, "desiredConfig")
        || annotation(node, "currentImage") != annotation(node, "desiredImage");
    not_ready || node["spec"]["unschedulable"] == true || moving || annotation(node, "state") != Some("Done")
}

/// `maxUnavailable` as its documentation says: a number, or a percentage of the nodes rounded down, at least 1.
pub(crate) fn allowed(max: &Value, nodes: usize) -> usize {
    let percent = max.as_str().and_then(|text| text.strip_suffix('%')?.parse::<usize>().ok());
    let number = max.as_u64().and_then(|n| usize::try_from(n).ok());
    number.or(percent.map(|p| p * nodes / 100)).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(version: u64, kind: &'static str, name: &str, after: Value) -> Change {
        Change { key: (kind, name.to_owned()), version, at: tokio::time::Instant::now(), after: Some(after) }
    }

    fn pool(target: &str, paused: bool) -> Value {
        json!({"spec": {"configuration": {"name": target}, "paused": paused}})
    }

    fn node(current: &str, desired: &str) -> Value {
        let key = |key: &str| format!("{PREFIX}{key}");
        json!({"metadata": {
            "labels": {format!("{ROLE}worker"): ""},
            "annotations": {key("currentConfig"): current, key("desiredConfig"): desired, key("state"): "Done"},
        }})
    }

    fn history() -> Vec<Change> {
        let set = |name: &str| json!({"name": name, "osImage": format!("image-{name}")});
        let stream = json!({"status": {"defaultStream": "a", "availableStreams": [set("a"), set("b")]}});
        let gates = json!({"status": {"featureGates": [{"version": "1", "enabled": [{"name": "OSStreams"}]}]}});
        let config = |name: &str| json!({"spec": {"osImageURL": format!("image-{name}")}});
        vec![
            change(1, "FeatureGate", "cluster", gates),
            change(2, "OSImageStream", "cluster", stream),
            change(3, "MachineConfig", "r-a", config("a")),
            change(4, "MachineConfig", "r-b", config("b")),
            change(5, POOL, "worker", json!({"spec": {}})),
            change(6, POOL, "worker", pool("r-a", false)),
            change(7, "Node", "w-0", node("r-a", "r-a")),
            change(8, "Node", "w-1", node("r-a", "r-a")),
        ]
    }

    fn broken(more: Vec<Change>) -> Vec<String> {
        judge(&[history(), more].concat(), false, &Built::default())
    }

    #[test]
    fn a_rollout_as_it_should_be_is_not_complained_about() {
        let named = json!({"spec": {"configuration": {"name": "r-a"}, "osImageStream": {"name": "b"}}});
        let mut to_b = named.clone();
        to_b["spec"]["configuration"]["name"] = json!("r-b");
        let changes = vec![
            change(9, POOL, "worker", named),
            change(10, POOL, "worker", to_b),
            change(11, "Node", "w-0", node("r-a", "r-b")),
            change(12, "Node", "w-0", node("r-b", "r-b")),
            change(13, "Node", "w-1", node("r-a", "r-b")),
        ];
        assert_eq!(broken(changes), [""; 0]);
    }

    #[test]
    fn every_kind_of_breach_is_found() {
        let missing = broken(vec![change(9, POOL, "worker", pool("r-c", false))]);
        assert_eq!(missing, ["worker is to run r-c, which does not exist"]);
        let foreign = broken(vec![change(9, POOL, "worker", pool("r-b", false))]);
        assert_eq!(foreign, ["worker is to run r-b with image-b, to which it did not resolve"]);
        let unasked = broken(vec![change(9, "Node", "w-0", node("r-a", "r-b"))]);
        let left = "w-0 was told r-b, which worker has left for \"r-a\"";
        assert_eq!(unasked, ["w-0 was told r-b, which worker never asked for", left]);
        let again = |version, node: &str, value| change(version, "Node", node, value);
        let paused = broken(vec![
            again(9, "w-0", node("r-a", "")),
            change(10, POOL, "worker", pool("r-a", true)),
            again(11, "w-0", node("r-a", "r-a")),
        ]);
        assert!(paused.contains(&"w-0 was told r-a while worker is paused".to_owned()), "{paused:?}");
        let both = broken(vec![
            change(
                9,
                POOL,
                "worker",
                json!({"spec": {"configuration": {"name": "r-a"}, "osImageStream": {"name": "b"}}}),
            ),
            change(10, POOL, "worker", pool("r-b", false)),
            again(11, "w-0", node("r-a", "r-b")),
            again(12, "w-1", node("r-a", "r-b")),
        ]);
        assert_eq!(both, ["w-1 was told r-b: 2 nodes of worker are down, 1 may be"]);
    }

    #[test]
    fn an_image_that_was_not_built_for_what_a_node_is_told_is_found() {
        let key = |key: &str| format!("{PREFIX}{key}");
        let with_image = |image: &str| {
            let mut node = node("r-a", "r-a");
            node["metadata"]["annotations"][key("desiredImage")] = json!(image);
            node
        };
        let labels = |config: &str, base: &str| -> BTreeMap<String, String> {
            let all = [("machineconfig", config), ("machineconfigpool", "worker"), ("baseOSContainerImage", base)];
            all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let of = [
            ("i-a".to_owned(), labels("r-a", "image-a")),
            ("i-b".to_owned(), labels("r-b", "image-b")),
            ("i-odd".to_owned(), labels("r-b", "image-a")),
        ];
        let built = Built { labels: of.into(), ..Built::default() };
        let mode = json!({"spec": {"machineConfigPool": {"name": "worker"}}});
        for (image, in_image_mode, found) in [
            ("i-a", true, 0),
            ("i-a", false, 1),
            ("i-b", true, 1),
            ("i-odd", true, 1),
            ("i-none", true, 1),
            // The configuration names it.
            ("image-a", true, 0),
        ] {
            let mut changes = history();
            changes.extend(in_image_mode.then(|| change(9, "MachineOSConfig", "worker", mode.clone())));
            changes.push(change(10, "Node", "w-0", with_image(image)));
            assert_eq!(images(&changes), BTreeSet::from([image.to_owned()]));
            let broken = judge(&changes, false, &built);
            assert_eq!(broken.len(), found, "{image} {in_image_mode}: {broken:?}");
        }
    }

    #[test]
    fn a_pinned_image_is_taken_as_long_as_it_is_pinned() {
        let pinned = json!({"spec": {"osImageURL": "image-p"}});
        let target = change(11, POOL, "worker", pool("r-p", false));
        let rendered = change(10, "MachineConfig", "r-p", pinned.clone());
        let pinning = change(9, "MachineConfig", "10-prebuiltimage-osimageurl-worker", pinned);
        assert_eq!(broken(vec![pinning, rendered.clone(), target.clone()]), [""; 0]);
        let not_pinned = "worker is to run r-p with image-p, to which it did not resolve";
        assert_eq!(broken(vec![rendered, target]), [not_pinned]);
    }

    #[test]
    fn an_image_that_is_deleted_under_a_node_is_found() {
        let deleted = BTreeSet::from(["i".to_owned()]);
        let built = Built { deleted, ..Built::default() };
        let key = format!("{PREFIX}currentImage");
        let node = |image: &str| json!({"metadata": {"annotations": {key.as_str(): image}}});
        let found = |image: &str| judge(&[change(1, "Node", "w-0", node(image))], false, &built);
        assert_eq!(found("i"), ["i was deleted, and w-0 needs it"]);
        assert_eq!(found("other"), [""; 0]);
    }
}
