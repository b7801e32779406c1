//! What lives reach: a simulation that reaches little finds little.

use super::{
    plot::Plot,
    script::{Event, What},
};
use crate::history::Change;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use tokio::time::Instant;
use weir_api::{
    ControllerConfig, FeatureGate, MachineConfig, MachineConfigPool, OSImageStream,
    keys::names::{ARBITER, MASTER},
};
use weir_rules::{rollout::RolloutPlan, world::World};

/// What a life reached: kinds of things, and their names.
pub type Reached = BTreeSet<(Kind, String)>;

/// Kinds of things that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Properties of worlds.
    World,
    /// What users do.
    Intent,
    /// What goes wrong on the way to the API server.
    Fault,
    /// Faults of machines.
    Machine,
    /// Conditions of pools and of the ClusterOperator, with status and reason.
    Condition,
    /// Reasons of events.
    Event,
    /// What nodes wait for.
    Waits,
    /// Why pools get their streams.
    Stream,
    /// Rules behind those two.
    Rule,
}

/// Everything that lives can be asked to reach, beside conditions and events, and what they do not reach yet, with the reason.
const KNOWN: [(Kind, &[&str]); 5] = [
    (
        Kind::Intent,
        &[
            "budget",
            "config",
            "cordon",
            "default",
            "delete-pods",
            "gate",
            "layered",
            "no-config",
            "operator",
            "pause",
            "rebuild",
            "release",
            "relabel",
            "replace",
            "roles",
            "select",
            "stream",
            "unavailable",
        ],
    ),
    (
        Kind::Fault,
        &[
            "clock-back",
            "clock-forward",
            "conflicts",
            "cut",
            "down",
            "failing-builds",
            "kill",
            "kill-at-write",
            "lag",
            "late",
            "no-registry",
            "other-digests",
            "refuse",
            "slow",
            "slow-builds",
            "stall",
            "suspend",
        ],
    ),
    (Kind::Machine, &["degraded", "never-returns", "returns-on-old-image", "slow", "stuck-in-drain"]),
    (
        Kind::Waits,
        &[
            "ArbiterUnavailable",
            "ConfigFailing",
            "ConfigMissing",
            "ControlPlaneFirst",
            "Failing",
            "Halted",
            "Joining",
            "MaxUnavailableInvalid",
            "NoArbiterPool",
            "NoArbiterTopology",
            "NoCapacity",
            "NoPool",
            "NotManaged",
            "NotReady",
            "NotReported",
            "NothingAllowed",
            "PoolDeleting",
            "PoolNotConfigured",
            "PoolPaused",
            "PoolUnreadable",
            "Queued",
            "RunsOperator",
            "Settling",
            "SeveralPools",
            "Updating",
        ],
    ),
    (Kind::Stream, &["Default", "Explicit", "GateOff", "InheritedFromWorker", "StalePin"]),
];

/// What no life reaches, and why.
const NEVER: [(Kind, &str, &str); 11] = [
    (Kind::Waits, "ConfigMissing", "that a pool wants what does not exist is a violation"),
    (Kind::Waits, "Joining", "machines of a fleet join with the labels of their pools"),
    (Kind::Waits, "MaxUnavailableInvalid", "users of lives write what is valid"),
    (Kind::Waits, "NoArbiterPool", "a cluster with an arbiter is installed with its pool"),
    (Kind::Waits, "NoArbiterTopology", "a cluster without an arbiter has no pool of that name"),
    (Kind::Waits, "NotManaged", "no machine of a fleet runs Windows"),
    (Kind::Waits, "NotReported", "machines of a fleet say what they run when they join"),
    (Kind::Waits, "NothingAllowed", "users of lives allow at least one node"),
    (Kind::Waits, "PoolDeleting", "no user of a life deletes a pool"),
    (Kind::Waits, "PoolNotConfigured", "machines boot with their pool's configuration, so there is one"),
    (Kind::Waits, "RunsOperator", "processes of lives have no pods"),
];

/// How many lives reached what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    lives: u64,
    reached: BTreeMap<(Kind, String), u64>,
}

impl Coverage {
    /// Takes in what a life reached.
    pub fn add(&mut self, reached: &Reached) {
        self.lives += 1;
        for what in reached {
            *self.reached.entry(what.clone()).or_default() += 1;
        }
    }

    /// What could have been reached, and was not; with the reason, if it never is.
    #[must_use]
    pub fn missing(&self) -> Vec<(Kind, &'static str, Option<&'static str>)> {
        let known = KNOWN.iter().flat_map(|(kind, names)| names.iter().map(|name| (*kind, *name)));
        let missing = known.filter(|(kind, name)| !self.reached.contains_key(&(*kind, (*name).to_owned())));
        missing.map(|(kind, name)| (kind, name, why_never(kind, name))).collect()
    }

    /// What was reached although it is said never to be.
    #[must_use]
    pub fn unexpected(&self) -> Vec<(Kind, &'static str)> {
        let reached = |(kind, name, _): &&(Kind, &str, &str)| self.reached.contains_key(&(*kind, (*name).to_owned()));
        NEVER.iter().filter(reached).map(|(kind, name, _)| (*kind, *name)).collect()
    }
}

fn why_never(kind: Kind, name: &str) -> Option<&'static str> {
    NEVER.iter().find(|(of, never, _)| (*of, *never) == (kind, name)).map(|(_, _, why)| *why)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::World => "world",
            Self::Intent => "intent",
            Self::Fault => "fault",
            Self::Machine => "machine",
            Self::Condition => "condition",
            Self::Event => "event",
            Self::Waits => "node waits",
            Self::Stream => "stream",
            Self::Rule => "rule",
        })
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>7}  of {} lives reached", "", self.lives)?;
        for ((kind, name), lives) in &self.reached {
            writeln!(f, "{lives:>7}  {kind:<10}  {name}")?;
        }
        for (kind, name, why) in self.missing() {
            let why = why.unwrap_or("not yet");
            writeln!(f, "{:>7}  {kind:<10}  {name}: {why}", 0)?;
        }
        Ok(())
    }
}

/// What a life reached, from its plot and from what happened.
pub(super) fn reached(plot: &Plot, changes: &[&Change], start: (Instant, Timestamp)) -> Reached {
    let mut all = of_plot(plot);
    let mut now =
        Now { world: World { whole: true, profile: Some(plot.world.profile), ..World::default() }, ..Now::default() };
    for change in changes {
        all.extend(of_change(change));
        let since = SignedDuration::try_from(change.at.saturating_duration_since(start.0)).unwrap_or_default();
        if now.take(change) {
            now.reach(&mut all, start.1.saturating_add(since).unwrap_or(start.1));
        }
    }
    all
}

fn of_plot(plot: &Plot) -> Reached {
    let mut all = Reached::new();
    let world = &plot.world;
    all.insert((Kind::World, world.profile.name.to_string()));
    let processes = if world.two_processes { "two processes" } else { "one process" };
    let control_plane = match (world.nodes.of(MASTER), world.nodes.of(ARBITER)) {
        (_, 1..) => "arbiter",
        (1, _) => "one control plane node",
        _ => "several control plane nodes",
    };
    let replicas = if world.replicas { "two replicas" } else { "one replica" };
    all.extend(world.pods.iter().map(|pods| {
        let budget = if pods.budget.is_some() { "pods with a budget" } else { "pods without a budget" };
        (Kind::World, budget.to_owned())
    }));
    all.extend(world.other_operator.then(|| (Kind::World, "another operator".to_owned())));
    all.extend(world.builds.then(|| (Kind::World, "builds".to_owned())));
    let custom = format!("custom pools: {}", world.nodes.custom().count());
    let words = [processes, control_plane, replicas].map(str::to_owned);
    all.extend(words.into_iter().chain([custom]).map(|name| (Kind::World, name)));
    all.extend(world.faults.iter().map(|fault| (Kind::Machine, fault.fault.to_string())));
    all.extend(plot.events.iter().map(|Event { what, .. }| match what {
        What::Intent(intent) => (Kind::Intent, variant(intent)),
        What::Fault(fault) => (Kind::Fault, variant(fault)),
    }));
    all
}

/// The name of an enum's variant, as it is in files.
fn variant(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

fn of_change(change: &Change) -> Reached {
    let (kind, Some(after)) = (change.key.0, &change.after) else { return Reached::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match kind {
        "Event" => [(Kind::Event, text(&after["reason"]))].into(),
        "MachineConfigPool" | "ClusterOperator" => {
            let of = |c: &Value| format!("{kind} {}={} {}", text(&c["type"]), text(&c["status"]), text(&c["reason"]));
            let conditions = after["status"]["conditions"].as_array().into_iter().flatten();
            conditions.map(|condition| (Kind::Condition, of(condition).trim_end().to_owned())).collect()
        }
        _ => Reached::new(),
    }
}

/// The objects at some time.
#[derive(Default)]
struct Now {
    world: World,
    pools: BTreeMap<String, Arc<MachineConfigPool>>,
    nodes: BTreeMap<String, Arc<Node>>,
    configs: BTreeMap<String, Arc<MachineConfig>>,
    plan: Option<RolloutPlan>,
}

impl Now {
    /// Takes in a change; whether a rollout depends on it.
    fn take(&mut self, change: &Change) -> bool {
        let world = &mut self.world;
        match change.key.0 {
            "MachineConfigPool" => world.pools = all(&mut self.pools, change),
            "Node" => world.nodes = all(&mut self.nodes, change),
            "MachineConfig" => world.configs = all(&mut self.configs, change),
            "OSImageStream" => world.streams = one::<OSImageStream>(change),
            "FeatureGate" => world.feature_gate = one::<FeatureGate>(change),
            "ControllerConfig" => world.controller_config = one::<ControllerConfig>(change),
            "ClusterVersion" => world.version = one(change),
            _ => return false,
        }
        true
    }

    fn reach(&mut self, reached: &mut Reached, now: Timestamp) {
        let pools = self.world.pool_views();
        let streams = pools.iter().filter_map(|pool| self.world.stream(pool, &pools).ok());
        for because in streams.map(|resolved| resolved.because) {
            reached.insert((Kind::Stream, because.code().to_owned()));
            reached.insert((Kind::Rule, because.rule().to_owned()));
        }
        let plan = self.world.views().plan(self.plan.as_ref(), now);
        for held in &plan.hold {
            reached.insert((Kind::Waits, held.reason.code().to_owned()));
            reached.insert((Kind::Rule, held.reason.rule().to_owned()));
        }
        self.plan = Some(plan);
    }
}

/// All objects of a kind after a change.
fn all<K: DeserializeOwned>(known: &mut BTreeMap<String, Arc<K>>, change: &Change) -> Vec<Arc<K>> {
    match one(change) {
        Some(object) => _ = known.insert(change.key.1.clone(), object),
        None => _ = known.remove(&change.key.1),
    }
    known.values().cloned().collect()
}

fn one<K: DeserializeOwned>(change: &Change) -> Option<Arc<K>> {
    change.after.as_ref().and_then(|object| K::deserialize(object).ok()).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes in a function of this source.
    fn codes(source: &str, function: &str) -> BTreeSet<String> {
        let body = source.split(function).nth(1).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        body.lines().filter_map(|line| Some(line.split_once("=> \"")?.1.split('"').next()?.to_owned())).collect()
    }

    fn known(kind: Kind) -> BTreeSet<String> {
        let (_, names) = KNOWN.iter().find(|(of, _)| *of == kind).unwrap();
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_reason_of_the_rules_is_known() {
        let waits = codes(include_str!("../../../rules/src/rollout/reason.rs"), "fn code(&self)");
        assert_eq!(waits, known(Kind::Waits));
        let streams = include_str!("../../../rules/src/stream.rs").split("impl StreamReason").nth(1).unwrap();
        assert_eq!(codes(streams, "fn code(&self)"), known(Kind::Stream));
    }

    #[test]
    fn what_is_never_reached_is_known_and_what_is_reached_is_counted() {
        for (kind, name, _) in NEVER {
            assert!(known(kind).contains(name), "{name}");
        }
        let mut coverage = Coverage::default();
        coverage.add(&[(Kind::Fault, "cut".to_owned())].into());
        coverage.add(&Reached::new());
        let text = coverage.to_string();
        assert!(text.starts_with("         of 2 lives reached\n      1  fault       cut\n"), "{text}");
        assert!(text.contains("\n      0  fault       kill: not yet\n"), "{text}");
        assert_eq!(coverage.unexpected(), []);
    }
}
