//! What must hold in every life, checked from the objects alone, with separate code: nothing here asks the rules under test.
//!
//! At every moment:
//! 1. No node is told anything while that makes more nodes of its pool move or stay away than the pool allows.
//! 2. No node is told a configuration that is not its pool's target.
//! 3. No pool gets a configuration with the OS image of a stream to which it did not resolve.
//! 4. No node of a paused pool is told anything.
//! 5. No pool is said to be updated while one of its nodes is not.
//! 6. A cordon by hand stays.
//! 7. No transition time of a condition moves without a flip.
//! 8. Nodes are told no more often than somebody wanted something of their pool.
//! 9. Arbiter and control plane never move together.
//!
//! At the end, when nothing is wrong any more:
//! 10. Every pool is updated, and each of its nodes runs what its pool wants, with the image to which that resolves.
//! 11. What a pool wants has everything that users wrote for it, and nothing that they deleted.
//! 12. The ClusterOperator is available, neither progressing nor degraded.
//! 13. Nothing is written.
//! 14. Until then, something happened at least every three minutes.
//!
//! What a process cannot know yet counts only once it could have known it: after [`LAG`], not counting times in which it was cut off.

use super::{
    cluster::{ARGUMENT, BY_HAND},
    script::Intent,
};
use crate::{
    history::{Change, Key},
    story::judge::{ROLE, allowed, annotation, stream_image},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;
use weir_api::keys::names::{ARBITER, MASTER, WORKER};

/// So long a process may not know of a change, and act as before.
const LAG: Duration = Duration::from_secs(15);
/// The longest pause of a machine that is slow, and of controllers that have something to do, with some room.
const LONGEST_PAUSE: Duration = Duration::from_mins(3);
const POOL: &str = "MachineConfigPool";

/// What happened in a life besides the changes of objects.
#[derive(Debug, Default)]
pub(super) struct Doings {
    /// What somebody wanted, and when.
    pub(super) intents: Vec<(Instant, Intent)>,
    /// Times in which processes were cut off or away.
    pub(super) troubles: Vec<(Instant, Instant)>,
    /// Writes of the processes while everything was at rest: verb and resource, and how many.
    pub(super) writes_at_rest: BTreeMap<String, u64>,
    /// When faults ended.
    pub(super) healed: Option<Instant>,
    /// Whether the pools resolve to the only stream there is, whatever they name.
    pub(super) follows_release: bool,
}

impl Doings {
    /// A process may act now as it should have at any time since then.
    fn since(&self, now: Instant) -> Instant {
        let mut start = now.checked_sub(LAG).unwrap_or(now);
        for (begun, over) in self.troubles.iter().rev() {
            if *begun <= now && *over + LAG >= start {
                start = start.min(begun.checked_sub(LAG).unwrap_or(*begun));
            }
        }
        start
    }
}

/// The values that something had, and since when.
#[derive(Debug)]
struct Past<T>(Vec<(Instant, T)>);

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Past<T> {
    fn note(&mut self, at: Instant, value: T) {
        if self.0.last().is_none_or(|(_, last)| *last != value) {
            self.0.push((at, value));
        }
    }

    /// The values that it had at any time since then.
    fn since(&self, start: Instant) -> impl Iterator<Item = &T> {
        let first = self.0.partition_point(|(at, _)| *at <= start).saturating_sub(1);
        self.0.iter().skip(first).map(|(_, value)| value)
    }
}

#[derive(Debug, Default)]
struct PoolPast {
    targets: Past<String>,
    most: Past<Value>,
    paused: Past<bool>,
    /// Images to which it resolves.
    images: Past<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct NodePast {
    /// Since when it is away, if it is.
    away: Option<Instant>,
    /// Since when it is as it is.
    same: Option<Instant>,
    /// How many times it was told something, in the pool that it is in.
    told: usize,
    /// How many times it came to another pool.
    moved: usize,
    /// How many times it joined.
    joined: usize,
    by_hand: bool,
}

/// A violation, and when it happened.
pub(super) type Violation = (Instant, String);

struct Judge<'a> {
    doings: &'a Doings,
    now: BTreeMap<Key, &'a Value>,
    pools: BTreeMap<String, PoolPast>,
    nodes: BTreeMap<String, NodePast>,
    broken: Vec<Violation>,
}

/// All violations, in the order in which they happened. The changes are in the order of their versions.
pub(super) fn judge(changes: &[&Change], doings: &Doings, end: Instant) -> Vec<Violation> {
    let (now, pools, nodes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut judge = Judge { doings, now, pools, nodes, broken: Vec::new() };
    for change in changes {
        judge.change(change);
    }
    judge.end(end);
    if let Some(healed) = doings.healed {
        judge.pauses(healed, changes);
    }
    judge.broken
}

impl<'a> Judge<'a> {
    fn change(&mut self, change: &'a Change) {
        let (kind, name) = (change.key.0, change.key.1.as_str());
        let before = match &change.after {
            Some(value) => self.now.insert(change.key.clone(), value),
            None => self.now.remove(&change.key),
        };
        match (kind, &change.after) {
            (POOL, Some(after)) => {
                self.note_pool(change.at, name, after);
                self.resolve(change.at);
                self.pool(change.at, name, before, after);
            }
            ("Node", Some(after)) => self.node(change.at, name, before, after),
            ("Node", None) => {
                self.nodes.entry(name.to_owned()).and_modify(|past| {
                    (past.away, past.same, past.by_hand) = (None, None, false);
                });
            }
            ("OSImageStream" | "FeatureGate" | "ControllerConfig", _) => self.resolve(change.at),
            ("ClusterOperator", Some(after)) => {
                before.into_iter().for_each(|before| self.transitions(change.at, name, before, after));
            }
            _ => {}
        }
    }

    fn violated(&mut self, at: Instant, what: String) {
        self.broken.push((at, what));
    }

    fn get(&self, kind: &'static str, name: &str) -> &'a Value {
        self.now.get(&(kind, name.to_owned())).copied().unwrap_or(&Value::Null)
    }

    fn note_pool(&mut self, at: Instant, name: &str, pool: &Value) {
        let past = self.pools.entry(name.to_owned()).or_default();
        past.targets.note(at, text(&pool["spec"]["configuration"]["name"]).to_owned());
        past.most.note(at, pool["spec"]["maxUnavailable"].clone());
        past.paused.note(at, pool["spec"]["paused"] == true);
    }

    /// Notes what each pool resolves to now. Gates of every listed version count: processes of two versions may be running.
    fn resolve(&mut self, at: Instant) {
        let gates = self.get("FeatureGate", "cluster")["status"]["featureGates"].as_array();
        let lists = gates.map(Vec::as_slice).unwrap_or_default();
        let on = |list: &Value| list["enabled"].as_array().is_some_and(|e| e.iter().any(|g| g["name"] == "OSStreams"));
        let (any_on, any_off) = (lists.iter().any(on), lists.iter().any(|list| !on(list)));
        let base = &self.get("ControllerConfig", "machine-config-controller")["spec"]["baseOSContainerImage"];
        let names: Vec<String> = self.pools.keys().cloned().collect();
        for name in names {
            let streamed = any_on
                .then(|| stream_image(|kind, name| self.get(kind, name), &name, self.doings.follows_release))
                .flatten();
            let based = base.as_str().filter(|_| any_off).map(str::to_owned);
            let images = streamed.into_iter().chain(based).collect();
            self.pools.entry(name).or_default().images.note(at, images);
        }
    }

    fn pool(&mut self, at: Instant, name: &str, before: Option<&Value>, after: &Value) {
        let since = self.doings.since(at);
        let target = text(&after["spec"]["configuration"]["name"]);
        let changed = before.is_none_or(|before| text(&before["spec"]["configuration"]["name"]) != target);
        if changed && !target.is_empty() {
            let config = self.get("MachineConfig", target);
            let image = text(&config["spec"]["osImageURL"]).to_owned();
            let past = self.pools.get(name);
            let resolved = past.is_some_and(|past| past.images.since(since).any(|images| images.contains(&image)));
            if config.is_null() {
                self.violated(at, format!("{name} is to run {target}, which does not exist"));
            } else if !resolved {
                self.violated(at, format!("{name} is to run {target} with {image}, to which it did not resolve"));
            }
        }
        if let Some(before) = before {
            self.transitions(at, name, before, after);
            if is(after, "Updated") && before["status"] != after["status"] {
                self.updated(at, since, name);
            }
        }
    }

    /// A pool was said to be updated.
    fn updated(&mut self, at: Instant, since: Instant, name: &str) {
        let Some(past) = self.pools.get(name) else { return };
        let targets: BTreeSet<&String> = past.targets.since(since).collect();
        let late = |node: &&str| {
            let object = self.get("Node", node);
            let told = annotation(object, "desiredConfig").unwrap_or_default();
            let as_told = !is_moving(object) && targets.iter().any(|target| *target == told);
            let old = self.nodes.get(*node).and_then(|past| past.same).is_some_and(|same| same <= since);
            !as_told && old
        };
        let late: Vec<String> = self.of_pool(name).into_iter().filter(late).map(str::to_owned).collect();
        for node in late {
            self.violated(at, format!("{name} was said to be updated, and {node} was not"));
        }
    }

    fn transitions(&mut self, at: Instant, name: &str, before: &Value, after: &Value) {
        let mut found = Vec::new();
        for now in of_conditions(after) {
            let Some(then) = of_conditions(before).iter().find(|then| then["type"] == now["type"]) else { continue };
            if then["status"] == now["status"] && then["lastTransitionTime"] != now["lastTransitionTime"] {
                found.push(format!("the transition time of {name}'s {} moved without a flip", text(&now["type"])));
            }
        }
        found.into_iter().for_each(|what| self.violated(at, what));
    }

    fn node(&mut self, at: Instant, name: &str, before: Option<&'a Value>, after: &'a Value) {
        let told = |node: &'a Value| (annotation(node, "desiredConfig"), annotation(node, "desiredImage"));
        let by_hand = has(after, BY_HAND);
        let (cordoned, was) = (is_cordoned(after), before.is_some_and(is_cordoned));
        let moved = before.is_some_and(|before| self.pool_of(before) != self.pool_of(after));
        let past = self.nodes.entry(name.to_owned()).or_default();
        let was_moving = before.is_some_and(is_moving);
        if moved {
            (past.told, past.same) = (0, Some(at));
            past.moved += 1;
        }
        past.joined += usize::from(before.is_none());
        let held = past.by_hand && by_hand;
        // A mark may be left of a cordon that somebody made over ours.
        let new = !before.is_some_and(|before| has(before, BY_HAND));
        past.by_hand = by_hand && cordoned && (past.by_hand || (new && !was));
        let away = is_away(after);
        past.away = if away { past.away.or(Some(at)) } else { None };
        if before.is_none_or(|before| told(before) != told(after) || is_moving(before) != is_moving(after)) {
            past.same = Some(at);
        }
        let tells = before.is_some_and(|before| told(before) != told(after));
        past.told += usize::from(tells);
        if held && was && !cordoned {
            self.violated(at, format!("{name} was uncordoned, which had been cordoned by hand"));
        }
        if tells {
            self.told(at, name, after, was_moving);
        }
    }

    /// A node was told something.
    fn told(&mut self, at: Instant, name: &str, node: &Value, was_moving: bool) {
        let (since, pool) = (self.doings.since(at), self.pool_of(node));
        let told = annotation(node, "desiredConfig").unwrap_or_default();
        let (Some(past), of_pool) = (self.pools.get(&pool), self.of_pool(&pool)) else { return };
        let wanted = past.targets.0.last().is_some_and(|(_, target)| target == told);
        let paused = past.paused.since(since).all(|paused| *paused);
        let most = past.most.since(since).map(|most| allowed(most, of_pool.len())).max().unwrap_or(1);
        if self.get("MachineConfig", told).is_null() {
            self.violated(at, format!("{name} was told {told}, which does not exist"));
        } else if !wanted {
            self.violated(at, format!("{name} was told {told}, which is not what {pool} is to run"));
        }
        if paused {
            self.violated(at, format!("{name} was told {told} while {pool} is paused"));
        }
        let busy = of_pool.iter().filter(|node| self.is_busy(node, since)).count();
        if busy > most && !was_moving {
            self.violated(at, format!("{name} was told {told}: {busy} nodes of {pool} move or are away, {most} may"));
        }
        if let Some(other) = self.opposite(&pool, since) {
            self.violated(at, format!("{name} was told {told} while {other} moves or is away"));
        }
        self.often(at, name, &pool);
    }

    /// With an arbiter: a node of the other part of the control plane that moves or is long away.
    fn opposite(&self, pool: &str, since: Instant) -> Option<&'a str> {
        let other = match pool {
            MASTER => ARBITER,
            ARBITER => MASTER,
            _ => return None,
        };
        self.of_pool(other).into_iter().find(|node| self.is_busy(node, since))
    }

    /// Whether a node moves, or has been away since then.
    fn is_busy(&self, node: &str, since: Instant) -> bool {
        let away = self.nodes.get(node).and_then(|past| past.away);
        is_moving(self.get("Node", node)) || away.is_some_and(|away| away <= since)
    }

    /// Whether a node was told something more often than somebody wanted something of its pool.
    fn often(&mut self, at: Instant, name: &str, pool: &str) {
        let wanted = self.doings.intents.iter().filter(|(then, intent)| *then <= at && intent.concerns(pool)).count();
        let Some(past) = self.nodes.get(name) else { return };
        // A machine boots into its pool's last completed configuration, and then gets what the others have.
        let most = wanted + past.joined.saturating_sub(1) + past.moved;
        if past.told > most {
            let told = past.told;
            self.violated(at, format!("{name} was told something {told} times, and {most} changes concern it"));
        }
    }

    fn of_pool(&self, pool: &str) -> Vec<&'a str> {
        let nodes = self.now.iter().filter(|((kind, _), _)| *kind == "Node").map(|(_, node)| *node);
        nodes.filter(|node| self.pool_of(node) == pool).map(|node| text(&node["metadata"]["name"])).collect()
    }

    /// The pool whose role the node has: custom before control plane before worker.
    fn pool_of(&self, node: &Value) -> String {
        let has = |pool: &&String| node["metadata"]["labels"].get(format!("{ROLE}{pool}")).is_some();
        let own = self.pools.keys().filter(has);
        own.min_by_key(|pool| (*pool == "worker", *pool == "master")).cloned().unwrap_or_default()
    }

    /// Whether anything took its time, once nothing was wrong any more.
    fn pauses(&mut self, healed: Instant, changes: &[&Change]) {
        let mut before = healed;
        for at in changes.iter().map(|change| change.at).filter(|at| *at > healed) {
            let pause = at.saturating_duration_since(before);
            if pause > LONGEST_PAUSE {
                self.violated(at, format!("nothing happened for {} s, and then something", pause.as_secs()));
            }
            before = at;
        }
    }

    /// Whether a pool's target has what users wrote for it, and nothing else of theirs.
    fn acknowledged(&mut self, at: Instant, pool: &str, target: &str) {
        let custom = ![MASTER, WORKER, ARBITER].contains(&pool);
        let for_pool = |config: &&Value| {
            let role = text(&config["metadata"]["labels"]["machineconfiguration.openshift.io/role"]);
            role == pool || (custom && role == WORKER)
        };
        let configs = self.now.iter().filter(|((kind, _), _)| *kind == "MachineConfig").map(|(_, config)| *config);
        let wrote: BTreeSet<&str> = configs.filter(for_pool).flat_map(of_users).collect();
        let has: BTreeSet<&str> = of_users(self.get("MachineConfig", target)).collect();
        if wrote != has {
            self.violated(at, format!("{pool} runs {target} at the end with {has:?}: users wrote {wrote:?}"));
        }
    }

    fn end(&mut self, at: Instant) {
        let pools: Vec<String> = self.pools.keys().cloned().collect();
        for name in pools {
            let (pool, nodes) = (self.get(POOL, &name), self.of_pool(&name));
            let target = text(&pool["spec"]["configuration"]["name"]);
            for node in nodes {
                let object = self.get("Node", node);
                let told = annotation(object, "desiredConfig").unwrap_or_default();
                if is_moving(object) || is_away(object) || told != target {
                    self.violated(at, format!("{node} of {name} is not as it should be at the end"));
                }
            }
            if !is(pool, "Updated") || is(pool, "Degraded") {
                self.violated(at, format!("{name} is not updated at the end: {}", said(pool)));
            }
            let image = text(&self.get("MachineConfig", target)["spec"]["osImageURL"]).to_owned();
            let last = self.pools.get(&name).and_then(|past| past.images.0.last());
            let resolved = last.is_some_and(|(_, images)| images.contains(&image));
            if !resolved {
                self.violated(at, format!("{name} runs {image} at the end, to which it does not resolve"));
            }
            self.acknowledged(at, &name, target);
        }
        let operator = self.get("ClusterOperator", "machine-config");
        let well = is(operator, "Available") && !is(operator, "Progressing") && !is(operator, "Degraded");
        if !operator.is_null() && !well {
            self.violated(at, format!("the ClusterOperator is not well at the end: {}", said(operator)));
        }
        for (what, times) in &self.doings.writes_at_rest {
            self.violated(at, format!("{what} was asked for {times} times while nothing happened"));
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The kernel arguments of users in a MachineConfig.
fn of_users(config: &Value) -> impl Iterator<Item = &str> {
    let arguments = config["spec"]["kernelArguments"].as_array();
    arguments.into_iter().flatten().map(text).filter(|argument| argument.starts_with(ARGUMENT))
}

fn has(object: &Value, key: &str) -> bool {
    object["metadata"]["annotations"].get(key).is_some()
}

fn of_conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is(object: &Value, condition: &str) -> bool {
    of_conditions(object).iter().any(|found| found["type"] == condition && found["status"] == "True")
}

fn said(object: &Value) -> String {
    let told = |c: &&Value| c["status"] == "True" || c["type"] == "Updated";
    let words = |c: &Value| format!("{}={} {:?}", text(&c["type"]), text(&c["status"]), text(&c["message"]));
    of_conditions(object).iter().filter(told).map(words).collect::<Vec<_>>().join(", ")
}

fn is_cordoned(node: &Value) -> bool {
    node["spec"]["unschedulable"] == true
}

/// Whether the node is on its way to what it was told.
fn is_moving(node: &Value) -> bool {
    annotation(node, "currentConfig") != annotation(node, "desiredConfig")
        || annotation(node, "currentImage") != annotation(node, "desiredImage")
        || annotation(node, "state") != Some("Done")
}

/// Whether pods cannot run on the node.
fn is_away(node: &Value) -> bool {
    let not_ready = of_conditions(node).iter().any(|c| c["type"] == "Ready" && c["status"] != "True");
    not_ready || is_cordoned(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PREFIX: &str = crate::story::judge::PREFIX;

    /// A life of a pool with three nodes, in which something happens every minute.
    struct Told {
        start: Instant,
        changes: Vec<Change>,
        doings: Doings,
    }

    impl Told {
        fn new() -> Self {
            let mut told = Self { start: Instant::now(), changes: Vec::new(), doings: Doings::default() };
            let set = |name: &str| json!({"name": name, "osImage": format!("image-{name}")});
            let stream = json!({"status": {"defaultStream": "a", "availableStreams": [set("a"), set("b")]}});
            let gates = json!({"status": {"featureGates": [{"version": "1", "enabled": [{"name": "OSStreams"}]}]}});
            told.change("FeatureGate", "cluster", gates);
            told.change("OSImageStream", "cluster", stream);
            for (name, image) in [("r-1", "image-a"), ("r-2", "image-a"), ("r-b", "image-b")] {
                told.change("MachineConfig", name, json!({"spec": {"osImageURL": image}}));
            }
            told.pool("r-1", &json!({}), true);
            for name in ["w-0", "w-1", "w-2"] {
                told.node(name, "r-1", "r-1", &json!({}));
            }
            told
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_mins(self.changes.len().try_into().unwrap())
        }

        fn change(&mut self, kind: &'static str, name: &str, after: Value) {
            let (at, version) = (self.now(), self.changes.len().try_into().unwrap());
            self.changes.push(Change { key: (kind, name.to_owned()), version, at, after: Some(after) });
        }

        fn intent(&mut self) {
            let intent = Intent::NoConfig { role: "worker".to_owned(), number: 0 };
            self.doings.intents.push((self.now(), intent));
        }

        fn pool(&mut self, target: &str, spec: &Value, updated: bool) {
            let mut pool = json!({"spec": {"configuration": {"name": target}}});
            for (key, value) in spec.as_object().unwrap() {
                pool["spec"][key] = value.clone();
            }
            let status = if updated { "True" } else { "False" };
            let seen = json!({"type": "Updated", "status": status, "lastTransitionTime": status});
            pool["status"] = json!({"conditions": [seen], "observed": self.changes.len()});
            self.change(POOL, "worker", pool);
        }

        fn node(&mut self, name: &str, desired: &str, current: &str, spec: &Value) {
            let key = |key: &str| format!("{PREFIX}{key}");
            let mut annotations =
                json!({key("desiredConfig"): desired, key("currentConfig"): current, key("state"): "Done"});
            if spec["unschedulable"] == true || spec["by-hand"] == true {
                annotations[BY_HAND] = json!("");
            }
            self.change(
                "Node",
                name,
                json!({
                    "metadata": {"name": name, "labels": {format!("{ROLE}worker"): ""}, "annotations": annotations},
                    "spec": spec,
                }),
            );
        }

        /// What was violated before the end.
        fn broken(&self) -> Vec<String> {
            let changes: Vec<_> = self.changes.iter().collect();
            let all = judge(&changes, &self.doings, self.now());
            all.into_iter().filter(|(at, _)| *at < self.now()).map(|(_, what)| what).collect()
        }

        fn at_the_end(&self) -> Vec<String> {
            let changes: Vec<_> = self.changes.iter().collect();
            let all = judge(&changes, &self.doings, self.now());
            all.into_iter().filter(|(at, _)| *at == self.now()).map(|(_, what)| what).collect()
        }
    }

    #[test]
    fn a_rollout_as_it_should_be_is_not_complained_about() {
        let mut told = Told::new();
        told.intent();
        told.pool("r-2", &json!({}), false);
        for name in ["w-0", "w-1", "w-2"] {
            told.node(name, "r-2", "r-1", &json!({}));
            told.node(name, "r-2", "r-2", &json!({}));
        }
        told.pool("r-2", &json!({}), true);
        assert_eq!((told.broken(), told.at_the_end()), (vec![], vec![]));
    }

    #[test]
    fn more_nodes_than_allowed_are_found_also_those_that_are_long_away() {
        let mut told = Told::new();
        told.intent();
        told.pool("r-2", &json!({}), false);
        told.node("w-0", "r-2", "r-1", &json!({}));
        told.node("w-1", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), ["w-1 was told r-2: 2 nodes of worker move or are away, 1 may"]);

        let mut told = Told::new();
        told.intent();
        told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
        told.pool("r-2", &json!({}), false);
        told.node("w-1", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), ["w-1 was told r-2: 2 nodes of worker move or are away, 1 may"]);
    }

    #[test]
    fn what_a_pool_does_not_want_or_did_not_resolve_to_is_found() {
        let mut told = Told::new();
        told.intent();
        told.node("w-0", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), ["w-0 was told r-2, which is not what worker is to run"]);
        let mut told = Told::new();
        told.pool("r-b", &json!({}), false);
        assert_eq!(told.broken(), ["worker is to run r-b with image-b, to which it did not resolve"]);
        let mut told = Told::new();
        told.pool("r-9", &json!({}), false);
        assert_eq!(told.broken(), ["worker is to run r-9, which does not exist"]);
    }

    #[test]
    fn a_paused_pool_that_starts_and_one_that_is_told_too_often_are_found() {
        let mut told = Told::new();
        told.intent();
        told.pool("r-2", &json!({"paused": true}), false);
        told.node("w-0", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), ["w-0 was told r-2 while worker is paused"]);
        let mut told = Told::new();
        told.pool("r-2", &json!({}), false);
        told.node("w-0", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), ["w-0 was told something 1 times, and 0 changes concern it"]);
    }

    #[test]
    fn what_a_process_cannot_know_yet_is_not_held_against_it() {
        let mut told = Told::new();
        told.intent();
        told.pool("r-2", &json!({"paused": true}), false);
        let at = told.now();
        told.doings.troubles.push((at - Duration::from_mins(2), at));
        told.node("w-0", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), [""; 0]);
    }

    #[test]
    fn a_pool_said_to_be_updated_and_a_transition_time_that_moves_are_found() {
        let mut told = Told::new();
        told.intent();
        told.pool("r-2", &json!({}), false);
        told.pool("r-2", &json!({}), true);
        let node = |n| format!("worker was said to be updated, and w-{n} was not");
        assert_eq!(told.broken(), [node(0), node(1), node(2)]);
        let mut told = Told::new();
        told.pool("r-1", &json!({}), true);
        let last = told.changes.last_mut().unwrap().after.as_mut().unwrap();
        last["status"]["conditions"][0]["lastTransitionTime"] = json!("later");
        assert_eq!(told.broken(), ["the transition time of worker's Updated moved without a flip"]);
    }

    #[test]
    fn an_arbiter_that_moves_with_the_control_plane_is_found() {
        let mut told = Told::new();
        let role = |role: &str| json!({format!("{ROLE}{role}"): ""});
        for (pool, name) in [("master", "m-0"), ("arbiter", "a-0")] {
            let pool_object = json!({"spec": {"configuration": {"name": "r-2"}}, "metadata": {"name": pool}});
            told.change(POOL, pool, pool_object);
            told.node(name, "r-1", "r-1", &json!({}));
            let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
            node["metadata"]["labels"] = role(pool);
        }
        told.intent();
        told.doings.intents.push((told.now(), Intent::Default("b".to_owned())));
        for (pool, name) in [("master", "m-0"), ("arbiter", "a-0")] {
            told.node(name, "r-2", "r-1", &json!({}));
            let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
            node["metadata"]["labels"] = role(pool);
        }
        told.intent();
        told.change("Event", "last", json!({}));
        assert_eq!(told.broken(), ["a-0 was told r-2 while m-0 moves or is away"]);
    }

    #[test]
    fn a_cordon_by_hand_that_goes_by_itself_is_found() {
        let mut told = Told::new();
        told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
        told.node("w-0", "r-1", "r-1", &json!({"by-hand": true}));
        assert_eq!(told.broken(), ["w-0 was uncordoned, which had been cordoned by hand"]);
        let mut told = Told::new();
        told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
        told.node("w-0", "r-1", "r-1", &json!({}));
        assert_eq!(told.broken(), [""; 0]);
        // A mark that is left over makes no cordon of ours one by hand.
        let mut told = Told::new();
        told.node("w-0", "r-1", "r-1", &json!({"by-hand": true}));
        told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
        told.node("w-0", "r-1", "r-1", &json!({"by-hand": true}));
        told.change("Event", "last", json!({}));
        assert_eq!(told.broken(), [""; 0]);
    }

    #[test]
    fn what_is_not_as_it_should_be_at_the_end_is_found() {
        let mut told = Told::new();
        told.pool("r-2", &json!({}), false);
        told.doings.writes_at_rest = [("patch nodes".to_owned(), 3)].into();
        let node = |n| format!("w-{n} of worker is not as it should be at the end");
        let pool = "worker is not updated at the end: Updated=False \"\"".to_owned();
        let writes = "patch nodes was asked for 3 times while nothing happened".to_owned();
        assert_eq!(told.at_the_end(), [node(0), node(1), node(2), pool, writes]);
    }

    #[test]
    fn a_long_pause_before_the_cluster_is_at_rest_is_found() {
        let mut told = Told::new();
        told.doings.healed = Some(told.now());
        told.change("Event", "one", json!({}));
        told.change("Event", "another", json!({}));
        assert_eq!(told.broken(), [""; 0]);
        let late = told.now() + Duration::from_mins(4);
        told.changes.last_mut().unwrap().at = late;
        assert_eq!(told.at_the_end(), [""; 0]);
        let changes: Vec<_> = told.changes.iter().collect();
        let found = judge(&changes, &told.doings, late);
        assert_eq!(found, [(late, "nothing happened for 360 s, and then something".to_owned())]);
    }

    #[test]
    fn what_users_wrote_and_is_not_there_at_the_end_is_found_and_what_they_deleted_and_is() {
        let config = |arguments: &[&str], labels: &Value| {
            let spec = json!({"osImageURL": "image-a", "kernelArguments": arguments});
            json!({"metadata": {"labels": labels}, "spec": spec})
        };
        let of = |role: &str| json!({"machineconfiguration.openshift.io/role": role});
        for (wrote, has, role, fine) in [
            (&["sim.worker.0=1"][..], &["quiet", "sim.worker.0=1"][..], "worker", true),
            (&["sim.master.0=1"], &[], "master", true),
            (&["sim.worker.0=2"], &["sim.worker.0=1"], "worker", false),
            (&["sim.worker.0=1"], &[], "worker", false),
            (&[], &["sim.worker.0=1"], "worker", false),
        ] {
            let mut told = Told::new();
            told.change("MachineConfig", "99-sim", config(wrote, &of(role)));
            told.change("MachineConfig", "r-1", config(has, &json!({})));
            told.pool("r-1", &json!({}), true);
            assert_eq!(told.at_the_end().is_empty(), fine, "{wrote:?} {has:?}: {:?}", told.at_the_end());
        }
    }

    #[test]
    fn a_cluster_operator_that_is_not_well_at_the_end_is_found_and_one_whose_times_move() {
        let operator = |degraded: &str, time: &str| {
            let condition =
                |type_: &str, status: &str| json!({"type": type_, "status": status, "lastTransitionTime": time});
            json!({"status": {"conditions": [
                condition("Available", "True"), condition("Progressing", "False"), condition("Degraded", degraded),
            ]}})
        };
        for (degraded, found) in [("False", 0), ("True", 1)] {
            let mut told = Told::new();
            told.change("ClusterOperator", "machine-config", operator(degraded, "1"));
            assert_eq!(told.at_the_end().len(), found, "{degraded}");
        }
        let mut told = Told::new();
        told.change("ClusterOperator", "machine-config", operator("False", "1"));
        told.change("ClusterOperator", "machine-config", operator("False", "2"));
        told.change("Event", "last", json!({}));
        let moved = |type_: &str| format!("the transition time of machine-config's {type_} moved without a flip");
        assert_eq!(told.broken(), [moved("Available"), moved("Progressing"), moved("Degraded")]);
    }
}
