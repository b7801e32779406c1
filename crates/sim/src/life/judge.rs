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
//! 8. Nodes are told no more often than somebody wanted something of their pool; changes that follow each other faster than a target
//!    settles count as one.
//! 9. Arbiter and control plane never move together.
//! 10. No node that is in no pool, or in several, is told anything; and that it is in none is said.
//! 11. No node is told an image that was not built for its pool, on the image and from the configuration that it is told, and none
//!     without an image while its pool is in image mode. No image is deleted that a node runs or is to run.
//! 12. While weir stands by, because another operator manages the cluster, no node is told anything, and no pool gets a configuration.
//! 13. No pod is evicted that a budget protects at that moment, or that is needed for it.
//! 14. No node is said to be drained while a pod that was on it when it was cordoned still is.
//! 20. A second after anything happened, and with nothing wrong, the numbers of a pool and whether it is updated are those of its nodes;
//!     and the ClusterOperator has a line for each pool and for no other, which says that all of its nodes are updated only if they are.
//! 21. The ClusterOperator reports no other version while a node of the control plane is on its way.
//!
//! At the end, when nothing is wrong any more:
//! 15. Every pool is updated, and each of its nodes runs what its pool wants, with the image to which that resolves.
//! 16. What a pool wants has everything that users wrote for it, and nothing that they deleted.
//! 17. The ClusterOperator is available, neither progressing nor degraded.
//! 18. Nothing is written.
//! 19. Until then, something happened at least every three minutes.
//!
//! What a process cannot know yet counts only once it could have known it: after [`LAG`], not counting times in which it was cut off.

mod end;
mod images;
mod members;
mod pods;
mod said;
#[cfg(test)]
mod tests;

use super::{cluster::BY_HAND, script::Intent, works::Image};
use crate::{
    history::{Change, Key},
    story::judge::{allowed, annotation, image_of},
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
/// So much later than another a change of a user may be seen, with everything that is written on the way, while nothing goes wrong.
const LATE: Duration = Duration::from_secs(1);
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
    /// When the new cluster was at rest.
    pub(super) begun: Option<Instant>,
    /// Whether weir stands by while another operator manages the cluster, from when on.
    pub(super) standing_by: Vec<(Instant, bool)>,
    /// Images that were built, by pull spec.
    pub(super) images: BTreeMap<String, Image>,
    /// Those that were deleted, and when.
    pub(super) removed: Vec<(Instant, String)>,
    /// Pods that somebody deleted by hand.
    pub(super) deleted: BTreeSet<String>,
    /// Whether the pools resolve to the only stream there is, whatever they name.
    pub(super) follows_release: bool,
    /// How long a pool's new target must stay the same.
    pub(super) settle: Duration,
}

impl Doings {
    /// Notes whether weir stands by from now on.
    pub(super) fn stands_by(&mut self, now: Instant, stands_by: bool) {
        self.standing_by.push((now, stands_by));
    }

    /// Whether weir has been standing by for a while.
    fn is_standing_by(&self, now: Instant) -> bool {
        // What happens at the moment in which that ends may be of either.
        let ends = self.standing_by.iter().any(|(since, stands_by)| *since == now && !stands_by);
        let last = self.standing_by.iter().rfind(|(since, _)| *since < now);
        last.is_some_and(|(_, stands_by)| *stands_by) && !ends
    }

    /// How many times something was wanted of a pool until then. What follows something else before that has settled is one with it,
    /// if it `settles` and nothing kept a process from seeing both in time.
    fn wanted(&self, pool: &str, until: Instant, settles: bool) -> usize {
        let (mut count, mut before) = (0, None);
        for (at, intent) in self.intents.iter().filter(|(at, intent)| *at <= until && intent.concerns(pool)) {
            let alone = matches!(intent, Intent::Release(_) | Intent::Gate(_) | Intent::Default(_));
            let is_one = settles && before.is_some_and(|before| !alone && self.is_burst(before, *at));
            count += usize::from(!is_one);
            before = (!alone).then_some(*at);
        }
        count
    }

    fn is_burst(&self, before: Instant, at: Instant) -> bool {
        let quiet = |(begun, over): &(Instant, Instant)| *over < before || *begun > at + self.settle + LATE;
        at.saturating_duration_since(before) + LATE < self.settle && self.troubles.iter().all(quiet)
    }

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
    /// The stream that it names.
    named: Past<Option<String>>,
    /// Which nodes it selects.
    selectors: Past<Value>,
    /// How many nodes it has.
    sizes: Past<usize>,
    /// Whether it is in image mode.
    layered: Past<bool>,
}

#[derive(Debug, Default)]
struct NodePast {
    /// Since when it is away, if it is.
    away: Option<Instant>,
    /// Since when it is as it is.
    same: Option<Instant>,
    /// How many times it was told something of each pool.
    told: BTreeMap<String, usize>,
    /// How many times it failed: then it is told at once what the others are told once it has settled.
    failed: usize,
    /// When it was told something for the last time.
    told_at: Option<Instant>,
    /// How many times it was told something while it failed, sooner after the last time than a target settles: it waits for none to.
    hasty: usize,
    /// How many times it came to another pool.
    moved: usize,
    /// How many times it joined.
    joined: usize,
    by_hand: bool,
    /// The image that it runs, and the one that it is to run.
    images: Past<[String; 2]>,
    /// The pool that it is in; none if that is empty.
    member: Past<String>,
    /// When that last changed because a pool selected otherwise.
    reselected: Option<Instant>,
    /// The version with which it joined, if it is there.
    came: Option<u64>,
    /// The version with which it was cordoned, if it is.
    cordoned: Option<u64>,
}

/// A violation, and when it happened.
pub(super) type Violation = (Instant, String);

struct Judge<'a> {
    doings: &'a Doings,
    now: BTreeMap<Key, &'a Value>,
    pools: BTreeMap<String, PoolPast>,
    /// The pool that is deleted now, as it was.
    deleting: Option<&'a Value>,
    nodes: BTreeMap<String, NodePast>,
    /// What streams there are.
    streams: Past<&'a Value>,
    /// Whether a version has streams on, and whether one has them off: processes of two versions may be running.
    gates: Past<(bool, bool)>,
    /// The image of the release where streams are off.
    base: Past<Option<&'a str>>,
    /// When something last happened.
    last: Option<Instant>,
    /// The version with which each pod came.
    pods: BTreeMap<String, u64>,
    broken: Vec<Violation>,
}

/// All violations, in the order in which they happened. The changes are in the order of their versions.
pub(super) fn judge(changes: &[&Change], doings: &Doings, end: Instant) -> Vec<Violation> {
    let mut judge = Judge {
        doings,
        now: BTreeMap::new(),
        pools: BTreeMap::new(),
        deleting: None,
        nodes: BTreeMap::new(),
        streams: Past::default(),
        gates: Past::default(),
        base: Past::default(),
        last: None,
        pods: BTreeMap::new(),
        broken: Vec::new(),
    };
    for change in changes {
        judge.quiet(change.at);
        judge.change(change);
    }
    judge.quiet(end);
    judge.removals();
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
                if before.is_none_or(|before| before["spec"]["nodeSelector"] != after["spec"]["nodeSelector"]) {
                    self.reselected(change.at);
                }
                self.pool(change.at, name, before, after);
            }
            (POOL, None) => {
                self.deleting = before;
                self.reselected(change.at);
                self.deleting = None;
            }
            ("Node", Some(after)) => {
                self.images(change.at, name, after);
                self.node(change.at, name, before, after);
                self.drained(change, before, after);
                self.sizes(change.at);
            }
            ("Node", None) => {
                self.sizes(change.at);
                self.nodes.entry(name.to_owned()).and_modify(|past| {
                    (past.away, past.same, past.by_hand, past.cordoned) = (None, None, false, None);
                    (past.member, past.images, past.came) = (Past::default(), Past::default(), None);
                });
            }
            ("MachineOSConfig", _) => self.layered(change.at),
            ("Pod", _) => self.pod(change, before),
            ("OSImageStream" | "FeatureGate" | "ControllerConfig", _) => self.resolve(change.at),
            ("ClusterOperator", Some(after)) => {
                before.into_iter().for_each(|before| self.transitions(change.at, name, before, after));
                self.reported(change.at, before, after);
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
        let layered = self.in_image_mode().contains(name);
        let past = self.pools.entry(name.to_owned()).or_default();
        past.layered.note(at, layered);
        past.targets.note(at, text(&pool["spec"]["configuration"]["name"]).to_owned());
        past.most.note(at, pool["spec"]["maxUnavailable"].clone());
        past.paused.note(at, pool["spec"]["paused"] == true);
        past.named.note(at, pool["spec"]["osImageStream"]["name"].as_str().map(str::to_owned));
        past.selectors.note(at, pool["spec"]["nodeSelector"].clone());
    }

    /// Notes what pools resolve by now.
    fn resolve(&mut self, at: Instant) {
        let gates = self.get("FeatureGate", "cluster")["status"]["featureGates"].as_array();
        let lists = gates.map(Vec::as_slice).unwrap_or_default();
        let on = |list: &Value| list["enabled"].as_array().is_some_and(|e| e.iter().any(|g| g["name"] == "OSStreams"));
        self.gates.note(at, (lists.iter().any(on), lists.iter().any(|list| !on(list))));
        self.streams.note(at, self.get("OSImageStream", "cluster"));
        let config = self.get("ControllerConfig", "machine-config-controller");
        self.base.note(at, config["spec"]["baseOSContainerImage"].as_str());
    }

    /// The images to which a pool may have resolved since then. Who decides hears of each object by itself, sooner or later.
    fn images_of(&self, pool: &str, since: Instant) -> BTreeSet<String> {
        let named = |pool: &str| -> BTreeSet<Option<&str>> {
            let past = self.pools.get(pool).map(|past| past.named.since(since).map(Option::as_deref).collect());
            past.unwrap_or_else(|| [None].into())
        };
        let of_worker = if [MASTER, WORKER, ARBITER].contains(&pool) { [None].into() } else { named(WORKER) };
        let mut images = BTreeSet::new();
        let (on, off) = self.gates.since(since).fold((false, false), |(on, off), now| (on | now.0, off | now.1));
        for stream in self.streams.since(since).filter(|_| on) {
            for (own, worker) in named(pool).iter().flat_map(|own| of_worker.iter().map(move |worker| (own, worker))) {
                let wanted = own.or(*worker).or_else(|| stream["status"]["defaultStream"].as_str());
                images.extend(wanted.and_then(|wanted| image_of(stream, wanted, self.doings.follows_release)));
            }
        }
        images.extend(self.base.since(since).filter(|_| off).flatten().map(|image| (*image).to_owned()));
        images
    }

    fn pool(&mut self, at: Instant, name: &str, before: Option<&Value>, after: &Value) {
        let since = self.doings.since(at);
        let target = text(&after["spec"]["configuration"]["name"]);
        let changed = before.is_none_or(|before| text(&before["spec"]["configuration"]["name"]) != target);
        if changed && before.is_some() && self.doings.is_standing_by(at) {
            self.violated(at, format!("{name} is to run {target} while another operator manages the cluster"));
        }
        if changed && !target.is_empty() {
            let config = self.get("MachineConfig", target);
            let image = text(&config["spec"]["osImageURL"]).to_owned();
            let resolved = self.images_of(name, since).contains(&image);
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
        let pool = self.pool_of(after);
        let moved = self.member(at, name, &pool) && before.is_some();
        let past = self.nodes.entry(name.to_owned()).or_default();
        let was_moving = before.is_some_and(is_moving);
        if moved {
            past.same = Some(at);
            past.moved += 1;
        }
        past.joined += usize::from(before.is_none());
        let failed = |node: &Value| annotation(node, "state") == Some("Degraded");
        past.failed += usize::from(failed(after) && !before.is_some_and(failed));
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
        if held && was && !cordoned {
            self.violated(at, format!("{name} was uncordoned, which had been cordoned by hand"));
        }
        if tells {
            self.told(at, name, after, was_moving);
        }
    }

    /// A node was told something.
    fn told(&mut self, at: Instant, name: &str, node: &Value, was_moving: bool) {
        let since = self.doings.since(at);
        let told = annotation(node, "desiredConfig").unwrap_or_default();
        let pool = self.pool_for(name, node, told, since);
        let settle = self.doings.settle;
        let past = self.nodes.entry(name.to_owned()).or_default();
        *past.told.entry(pool.clone()).or_default() += 1;
        let soon = past.told_at.replace(at).is_some_and(|last| at.saturating_duration_since(last) < settle);
        past.hasty += usize::from(soon && annotation(node, "state") == Some("Degraded"));
        if self.doings.is_standing_by(at) {
            self.violated(at, format!("{name} was told {told} while another operator manages the cluster"));
        }
        if self.is_outside(name, since) {
            self.violated(at, format!("{name} was told {told}, and is in no pool"));
        }
        if self.nodes.get(name).and_then(|past| past.reselected).is_some_and(|then| then >= since) {
            return;
        }
        let (Some(past), of_pool) = (self.pools.get(&pool), self.of_pool(&pool)) else { return };
        let wanted = past.targets.0.last().is_some_and(|(_, target)| target == told);
        let paused = past.paused.since(since).all(|paused| *paused);
        let size = past.sizes.since(since).copied().max().unwrap_or_default();
        let most = past.most.since(since).map(|most| allowed(most, size)).max().unwrap_or(1);
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
        self.image(at, name, (&pool, since), node);
        self.often(at, name, &pool);
    }

    /// The pool whose target a node was told: the one that it is in, or one that it was in a moment ago, or would be by what a pool
    /// selected then.
    fn pool_for(&self, name: &str, node: &Value, told: &str, since: Instant) -> String {
        let now = self.pool_of(node);
        let wants = |pool: &str| {
            let targets = self.pools.get(pool).map(|past| &past.targets.0);
            targets.and_then(|targets| targets.last()).is_some_and(|(_, target)| target == told)
        };
        if wants(&now) {
            return now;
        }
        let selected = |past: &PoolPast| {
            let mut all = past.selectors.since(since);
            all.any(|selector| members::selects(selector, &node["metadata"]["labels"]) == Some(true))
        };
        let before = self.nodes.get(name).into_iter().flat_map(|past| past.member.since(since));
        let by_then = self.pools.iter().filter(|(_, past)| selected(past)).map(|(pool, _)| pool);
        before.chain(by_then).find(|pool| wants(pool)).cloned().unwrap_or(now)
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
        let Some(past) = self.nodes.get(node) else { return false };
        let here = past.member.since(since).all(|pool| past.member.0.last().is_some_and(|(_, last)| last == pool));
        here && (is_moving(self.get("Node", node)) || past.away.is_some_and(|away| away <= since))
    }

    /// Whether a node was told something more often than somebody wanted something of its pool.
    fn often(&mut self, at: Instant, name: &str, pool: &str) {
        let Some(past) = self.nodes.get(name) else { return };
        let wanted = |settles| self.doings.wanted(pool, at, settles);
        let wanted = (wanted(true) + past.hasty).min(wanted(false));
        // A machine boots into its pool's last completed configuration, and then gets what the others have.
        let most = wanted + past.joined.saturating_sub(1) + past.moved + past.failed;
        let told = past.told.get(pool).copied().unwrap_or_default();
        if told > most {
            self.violated(at, format!("{name} was told something {told} times, and {most} changes concern it"));
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn has(object: &Value, key: &str) -> bool {
    object["metadata"]["annotations"].get(key).is_some()
}

fn of_conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn is(object: &Value, condition: &str) -> bool {
    of_conditions(object).iter().any(|found| found["type"] == condition && found["status"] == "True")
}

pub(super) fn said(object: &Value) -> String {
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
