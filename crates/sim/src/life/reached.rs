//! What lives reach: a simulation that reaches little finds little.
//!
//! | module | part |
//! |---|---|
//! | `known` | everything that can be reached, and what never is |
//! | `rules` | the same for rules |

mod known;
mod rules;

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

/// What annotations and labels of the machine config operator have before their name.
const OURS: &str = "machineconfiguration.openshift.io/";

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
    /// Marks on objects, and generated objects.
    Object,
    /// Rules behind all that.
    Rule,
}

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
        let missing = known().filter(|(kind, name)| !self.has(*kind, name));
        missing.map(|(kind, name)| (kind, name, why_never(kind, name))).collect()
    }

    /// What was reached although it is said never to be.
    #[must_use]
    pub fn unexpected(&self) -> Vec<(Kind, &'static str)> {
        let never = known().filter(|(kind, name)| *kind != Kind::Rule && why_never(*kind, name).is_some());
        never.filter(|(kind, name)| self.has(*kind, name)).collect()
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        self.reached.keys().any(|reached| is(reached, kind, name))
    }
}

/// Everything that can be reached.
fn known() -> impl Iterator<Item = (Kind, &'static str)> {
    let all = known::KNOWN.iter().flat_map(|(kind, names)| names.iter().map(|name| (*kind, *name)));
    all.chain(rules::RULES.iter().map(|rule| (Kind::Rule, *rule)))
}

/// Whether what was reached is what a name stands for: conditions are named without their status, or without their reason.
fn is((of, reached): &(Kind, String), kind: Kind, name: &str) -> bool {
    let begins = |text: &str| text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let without_status = || {
        let (before, after) = reached.split_once('=')?;
        Some(format!("{before} {}", after.split_once(' ')?.1))
    };
    *of == kind && (begins(reached) || without_status().is_some_and(|text| begins(&text)))
}

fn why_never(kind: Kind, name: &str) -> Option<&'static str> {
    match kind {
        Kind::Rule => rules::why_never(name),
        _ => known::NEVER.iter().find(|(of, never, _)| (*of, *never) == (kind, name)).map(|(_, _, why)| *why),
    }
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
            Self::Object => "object",
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
        let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (kind, name, why) in self.missing() {
            let why = why.unwrap_or("not yet");
            match kind {
                Kind::Rule => rules.entry(why).or_default().push(name),
                _ => writeln!(f, "{:>7}  {kind:<10}  {name}: {why}", 0)?,
            }
        }
        for (why, names) in rules {
            writeln!(f, "{:>7}  {:<10}  {}: {why}", 0, Kind::Rule, rules::listed(&names))?;
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
    let shown = rules::SHOWN.iter().filter(|(_, kind, name)| all.iter().any(|reached| is(reached, *kind, name)));
    let shown: Vec<(Kind, String)> = shown.map(|(rule, ..)| (Kind::Rule, (*rule).to_owned())).collect();
    all.extend(shown);
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
            let conditions = conditions.map(|condition| (Kind::Condition, of(condition).trim_end().to_owned()));
            conditions.chain(marks(kind, after)).collect()
        }
        _ => marks(kind, after).collect(),
    }
}

/// What marks an object: annotations and labels of the machine config operator, taints, states of a history; of a generated
/// MachineConfig its name without the pool.
fn marks(kind: &str, object: &Value) -> impl Iterator<Item = (Kind, String)> {
    let keys = |pointer: &str| object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let ours = keys("/metadata/annotations").chain(keys("/metadata/labels"));
    let ours = ours.filter_map(|(key, _)| key.split_once(OURS).map(|(_, name)| name.to_owned()));
    let listed = |pointer: &str, field: &'static str| {
        let items = object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(move |item| item[field].as_str())
    };
    let taints = listed("/spec/taints", "key").map(|key| format!("taint {key}"));
    let states = listed("/status/history", "state").map(str::to_owned);
    let name = object["metadata"]["name"].as_str().filter(|_| kind == "MachineConfig");
    let generated = name.and_then(|name| {
        let (number, rest) = name.split_once('-').filter(|(number, _)| number.parse::<u32>().is_ok())?;
        let what = rest.split_once('-').map(|(_, what)| format!("-{what}")).unwrap_or_default();
        (!what.starts_with("-sim-")).then(|| format!("{number}{what}"))
    });
    let all: Vec<String> = ours.chain(taints).chain(states).chain(generated).collect();
    all.into_iter().map(move |mark| (Kind::Object, format!("{kind} {mark}")))
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
    use std::{fs, path::Path};

    /// The codes in a function of this source.
    fn codes(source: &str, function: &str) -> BTreeSet<String> {
        let body = source.split(function).nth(1).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        body.lines().filter_map(|line| Some(line.split_once("=> \"")?.1.split('"').next()?.to_owned())).collect()
    }

    fn known(kind: Kind) -> BTreeSet<String> {
        super::known().filter(|(of, _)| *of == kind).map(|(_, name)| name.to_owned()).collect()
    }

    /// The sources of a crate, one after the other.
    fn sources(of: &str) -> String {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("src")];
        let mut text = String::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text += &fs::read_to_string(path).unwrap();
                }
            }
        }
        text
    }

    #[test]
    fn every_reason_of_the_rules_is_known() {
        let waits = codes(include_str!("../../../rules/src/rollout/reason.rs"), "fn code(&self)");
        assert_eq!(waits, known(Kind::Waits));
        let streams = include_str!("../../../rules/src/stream.rs");
        let [errors, reasons] = ["impl StreamError", "impl StreamReason"]
            .map(|of| codes(streams.split(of).nth(1).unwrap(), "fn code(&self)"));
        assert_eq!(reasons, known(Kind::Stream));
        let conditions = known(Kind::Condition);
        for (of, source) in [
            ("MachineConfigPool RenderDegraded", include_str!("../../../rules/src/render/failure.rs")),
            ("MachineConfigPool RenderDegraded", include_str!("../../../rules/src/render/components.rs")),
            ("MachineConfigPool RenderDegraded", include_str!("../../../rules/src/render/error.rs")),
            ("ClusterOperator Degraded", include_str!("../../../rules/src/status/cluster_status/failure.rs")),
            ("ClusterOperator Upgradeable", include_str!("../../../rules/src/status/cluster_status/upgradeable.rs")),
        ] {
            let codes = codes(source, "fn code(&self)");
            assert!(codes.len() > 3, "{of}");
            let missing: Vec<_> = codes.iter().filter(|code| !conditions.contains(&format!("{of} {code}"))).collect();
            assert_eq!(missing, [""; 0], "{of}");
        }
        assert!(errors.iter().all(|code| conditions.contains(&format!("MachineConfigPool RenderDegraded {code}"))));
        let controllers = sources("controllers");
        let recorded =
            ["Event::warning(\"", "Event::normal(\""].into_iter().flat_map(|call| controllers.split(call).skip(1));
        let events = known(Kind::Event);
        for reason in recorded.filter_map(|rest| rest.split('"').next()) {
            assert!(events.contains(reason), "{reason}");
        }
    }

    #[test]
    fn what_is_known_is_still_there() {
        let all: String = ["api", "controllers", "rules"].into_iter().map(sources).collect();
        for name in known(Kind::Condition).iter().chain(&known(Kind::Event)) {
            for word in name.split([' ', '=']).filter(|word| !["True", "False"].contains(word)) {
                assert!(all.contains(&format!("\"{}", word.trim_end_matches(':'))), "{word} of {name}");
            }
        }
        let rules = known(Kind::Rule);
        assert!(rules.len() > 500, "{}", rules.len());
        for (rule, kind, name) in rules::SHOWN {
            assert!(rules.contains(*rule), "{rule}");
            let known = super::known().any(|known| known == (*kind, *name));
            assert!(known || [Kind::World, Kind::Object, Kind::Condition].contains(kind), "{rule}: {name}");
        }
        for name in rules::NEVER.iter().flat_map(|(_, names)| *names) {
            let of_name = |rule: &String| rule == name || rule.rsplit_once('-').is_some_and(|(of, _)| of == *name);
            assert!(rules.iter().any(of_name), "{name}");
        }
        assert_eq!(
            rules.iter().filter(|rule| rules::why_never(rule).is_none() && !is_shown(rule)).collect::<Vec<_>>(),
            [""; 0]
        );
    }

    fn is_shown(rule: &str) -> bool {
        let of_reasons =
            ["R-MAX-3", "R-MAX-4", "R-STREAM-1", "R-STREAM-2", "R-STREAM-4", "R-SETTLE-1", "R-SETTLE-2", "R-SETTLE-4"];
        rules::SHOWN.iter().any(|(shown, ..)| *shown == rule)
            || rule.starts_with("R-ROLLOUT-")
            || of_reasons.contains(&rule)
    }

    #[test]
    fn what_is_never_reached_is_known_and_what_is_reached_is_counted() {
        for (kind, name, _) in known::NEVER {
            assert!(known(*kind).contains(*name), "{name}");
        }
        let mut coverage = Coverage::default();
        coverage.add(&[(Kind::Fault, "cut".to_owned())].into());
        coverage.add(&Reached::new());
        let text = coverage.to_string();
        assert!(text.starts_with("         of 2 lives reached\n      1  fault       cut\n"), "{text}");
        assert!(text.contains("\n      0  fault       kill: not yet\n"), "{text}");
        assert!(text.contains("R-LINT-1 to "), "{text}");
        assert_eq!(coverage.unexpected(), []);
        let said = (Kind::Condition, "MachineConfigPool RenderDegraded=True TooLarge".to_owned());
        for (name, stands) in [
            ("MachineConfigPool RenderDegraded=True", true),
            ("MachineConfigPool RenderDegraded TooLarge", true),
            ("MachineConfigPool RenderDegraded", true),
            ("MachineConfigPool Render", false),
            ("MachineConfigPool RenderDegraded=False", false),
        ] {
            assert_eq!(is(&said, Kind::Condition, name), stands, "{name}");
        }
        coverage.add(&[said].into());
        assert_eq!(coverage.unexpected(), [(Kind::Condition, "MachineConfigPool RenderDegraded TooLarge")]);
    }
}
