//! What happens in a life: intents of users, and faults, each at its time. Pure: a seed and a world give a script.

use super::{
    ways::CONFIGS,
    world::{self, RELEASES, World},
};
use crate::Chance;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeSet, fmt, time::Duration};
use weir_api::keys::names::{ARBITER, MASTER, WORKER};
use weir_distro::StreamsRule;

/// The longest pause before the next intent.
const LONGEST_PAUSE: Duration = Duration::from_mins(8);
/// The longest pause within a burst.
const BURST: Duration = Duration::from_millis(500);
/// Fewest and most intents of a life.
const INTENTS: (u64, u64) = (3, 6);
/// Most faults of a life, beside those of machines.
const FAULTS: u64 = 7;
/// How often the operator changes at most where there is another one.
const MOST_OPERATORS: u64 = 4;
/// Most intents about images that are built, beside the others, and most faults of the builder and its registry.
const INTENTS_ON_BUILDS: u64 = 4;
const FAULTS_OF_BUILDS: u64 = 2;
/// Longest time that one of these lasts.
const LONGEST_FAULT_OF_BUILDS: Duration = Duration::from_mins(10);
/// Most intents about which nodes pools have, beside the others.
const INTENTS_ON_MEMBERS: u64 = 3;
/// Most intents about which pools there are, beside the others.
const INTENTS_ON_POOLS: u64 = 3;
/// Most kubelets that stop, and longest time until one starts again.
const KUBELETS: u64 = 2;
const LONGEST_STOP: Duration = Duration::from_mins(20);
/// Most intents about pods, beside the others.
const INTENTS_ON_PODS: u64 = 3;
/// Longest time that a fault of the API server lasts.
const LONGEST_FAULT: Duration = Duration::from_mins(3);
/// Most faults of these kinds: slow requests, lag, clocks.
const MORE_FAULTS: u64 = 2;
/// So long before an update a part of its release is missing, and longest time until it is there.
const BEFORE_AN_UPDATE: Duration = Duration::from_secs(1);
const LONGEST_HALF: Duration = Duration::from_mins(10);
/// The farthest that a clock is set.
const LONGEST_STEP: Duration = Duration::from_hours(2);
/// How long a slow request takes at most on its way, and its answer.
pub(super) const SLOW: Duration = Duration::from_secs(4);
/// How far a replica of the API server is behind when clients come to it.
pub(super) const BEHIND: Duration = Duration::from_secs(5);
/// Longest time that an event of a watch is late.
pub(super) const LATEST: Duration = Duration::from_secs(10);
/// The most writes before a process is killed at one.
const MOST_WRITES: u64 = 40;

/// What a user, an administrator or an update does.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Intent {
    /// Sets the stream that a pool names.
    Stream {
        /// The pool.
        pool: String,
        /// The stream; none removes it.
        name: Option<String>,
    },
    /// Sets the default stream.
    Default(String),
    /// Writes a MachineConfig.
    Config {
        /// The role it is for.
        role: String,
        /// Which of the role's.
        number: u64,
        /// Its contents.
        revision: u64,
        /// Whether it can be rendered.
        good: bool,
    },
    /// Deletes it.
    NoConfig {
        /// The role it is for.
        role: String,
        /// Which of the role's.
        number: u64,
    },
    /// Pauses or unpauses a pool.
    Pause {
        /// The pool.
        pool: String,
        /// Whether it is to be paused.
        paused: bool,
    },
    /// Sets a pool's `maxUnavailable`.
    Unavailable {
        /// The pool.
        pool: String,
        /// The value.
        most: Value,
    },
    /// Updates the cluster to this one of its releases.
    Release(usize),
    /// Turns the gate of streams on or off.
    Gate(bool),
    /// Cordons or uncordons a node by hand.
    Cordon {
        /// The node.
        node: String,
        /// Whether it is to be cordoned.
        on: bool,
    },
    /// The kubelet of a node says nothing any more, or again.
    Kubelet {
        /// The node.
        node: String,
        /// Whether it runs.
        runs: bool,
    },
    /// Replaces a machine: its node goes, and a new one of that name joins.
    Replace {
        /// The node.
        node: String,
    },
    /// Moves a node to another pool, by the label of its role.
    Relabel {
        /// The node.
        node: String,
        /// The custom pool; none for the worker pool.
        pool: Option<String>,
    },
    /// Gives a node these roles, of `worker` and the custom pools, and no others: none or several may be more than it can have.
    Roles {
        /// The node.
        node: String,
        /// Its roles.
        roles: Vec<String>,
    },
    /// Changes which nodes a custom pool selects.
    Select {
        /// The pool.
        pool: String,
        /// Those with this role; with none the selector is one that cannot be read.
        role: Option<String>,
    },
    /// Makes a custom pool, which selects the nodes of its role; if it is there, it gets what it was made with.
    Pool {
        /// The pool.
        pool: String,
    },
    /// Deletes a custom pool.
    NoPool {
        /// The pool.
        pool: String,
    },
    /// Puts a pool in image mode, or changes what its image is built from.
    Layered {
        /// The pool.
        pool: String,
        /// What is in the image; none ends image mode.
        revision: Option<u64>,
    },
    /// Asks for a new image of a pool that is in image mode.
    Rebuild {
        /// The pool.
        pool: String,
    },
    /// Where another operator manages the cluster: runs weir instead of it, or it instead of weir.
    Operator(Operator),
    /// Deletes the pods of the workload that are on a node.
    DeletePods {
        /// The node.
        node: String,
    },
    /// Sets how many pods of the workload may be missing at a time.
    Budget {
        /// The number or percentage; none deletes the budget.
        most: Option<Value>,
    },
}

impl Intent {
    /// The pools whose nodes may have to change; `None` for all.
    #[must_use]
    pub fn touches(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Stream { pool, .. } | Self::Layered { pool, .. } | Self::Rebuild { pool } => {
                Some([pool.clone()].into())
            }
            Self::Config { role, .. } | Self::NoConfig { role, .. } => Some([role.clone()].into()),
            Self::Pause { .. }
            | Self::Unavailable { .. }
            | Self::Cordon { .. }
            | Self::Kubelet { .. }
            | Self::Replace { .. }
            | Self::Relabel { .. }
            | Self::Roles { .. }
            | Self::Select { .. }
            | Self::Pool { .. }
            | Self::NoPool { .. }
            | Self::Operator(_)
            | Self::DeletePods { .. }
            | Self::Budget { .. } => Some(BTreeSet::new()),
            Self::Default(_) | Self::Release(_) | Self::Gate(_) => None,
        }
    }

    /// Whether nodes of a pool may have to change. What a worker gets, nodes of pools that users made get as well.
    #[must_use]
    pub fn concerns(&self, pool: &str) -> bool {
        let custom = ![MASTER, WORKER, ARBITER].contains(&pool);
        self.touches().is_none_or(|pools| pools.contains(pool) || (custom && pools.contains(WORKER)))
    }
}

/// Who manages the cluster of another operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// The other one.
    Other,
    /// Nobody: weir stands by, because it was not told to take over.
    StandsBy,
    /// weir, which continues the other's work.
    TakesOver,
}

/// What goes wrong between the processes and the API server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The API server is unreachable, or is back.
    Down(bool),
    /// The first of every two writes of an object meets a conflict, or no longer.
    Conflicts(bool),
    /// Events are late, and requests and answers get lost, or no longer.
    Late(bool),
    /// Watches say nothing although they last, or speak again.
    Stall(bool),
    /// The next requests are refused.
    Refuse(u32),
    /// All watches break off.
    Cut,
    /// The processes are killed, and others start after this time.
    Kill(#[serde(with = "crate::duration::text")] Duration),
    /// The processes get no answer after so many more writes, and are then killed.
    KillAtWrite(u64),
    /// Processes start.
    Start,
    /// Requests take long, or no longer.
    Slow(bool),
    /// Clients come to a replica of the API server that lags behind, or is no longer behind.
    Lag(bool),
    /// The clock of a process is set forward.
    ClockForward(#[serde(with = "crate::duration::text")] Duration),
    /// It is set back.
    ClockBack(#[serde(with = "crate::duration::text")] Duration),
    /// Processes that start do not find an image of a stream of their release, or it is there again.
    HalfPayload(bool),
    /// The registry of images that are built cannot be reached, or can again.
    NoRegistry(bool),
    /// Builds fail, or no longer.
    FailingBuilds(bool),
    /// Builds take long, or no longer.
    SlowBuilds(bool),
    /// The registry has other images than those whose digests the builder reports, or no longer.
    OtherDigests(bool),
    /// The process that works stands still for this time, as on a machine that was suspended.
    Suspend(#[serde(with = "crate::duration::text")] Duration),
    /// It goes on.
    Resume,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Somebody wants something.
    Intent(Intent),
    /// Something goes wrong, or is over.
    Fault(Fault),
}

/// Something that happens, and when: since the cluster was first at rest.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    #[serde(with = "crate::duration::text")]
    pub at: Duration,
    /// What.
    pub what: What,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intent(intent) => write!(f, "intent {intent:?}"),
            Self::Fault(fault) => write!(f, "fault {fault:?}"),
        }
    }
}

/// Everything that happens in the life of a seed, in order.
#[must_use]
pub fn script(seed: u64, world: &World) -> Vec<Event> {
    let mut all = intents(&mut Chance::for_purpose(seed, "intents"), world);
    let end = all.last().map_or(Duration::ZERO, |event| event.at) + LONGEST_PAUSE;
    all.extend(faults(&mut Chance::for_purpose(seed, "faults"), end));
    all.extend(more_faults(&mut Chance::for_purpose(seed, "more faults"), end));
    if world.builds {
        all.extend(of_builds(&mut Chance::for_purpose(seed, "builds"), world, end));
    }
    if world.other_operator {
        all.extend(of_operators(&mut Chance::for_purpose(seed, "operators"), end));
    }
    let chance = &mut Chance::for_purpose(seed, "intents on members");
    if chance.one_in(3) {
        all.extend(of_members(chance, world, end));
    }
    let chance = &mut Chance::for_purpose(seed, "intents on pools");
    if chance.one_in(3) {
        all.extend(of_pools(chance, world, end));
    }
    let chance = &mut Chance::for_purpose(seed, "kubelets");
    if chance.one_in(3) {
        all.extend(of_kubelets(chance, world, end));
    }
    let chance = &mut Chance::for_purpose(seed, "half a payload");
    if chance.one_in(3) {
        all.extend(of_payloads(chance, &all));
    }
    if world.pods.is_some() {
        all.extend(of_pods(&mut Chance::for_purpose(seed, "intents on pods"), world, end));
    }
    all.sort_by_key(|event| event.at);
    all
}

fn intents(chance: &mut Chance, world: &World) -> Vec<Event> {
    let count = INTENTS.0 + chance.below(INTENTS.1 - INTENTS.0 + 1);
    let (mut at, mut release) = (Duration::ZERO, world.release);
    let mut all = Vec::new();
    for revision in 0..count {
        let longest = if chance.one_in(3) { BURST } else { LONGEST_PAUSE };
        at += chance.up_to(longest);
        let intent = intent(chance, world, &mut release, revision);
        all.push(Event { at, what: What::Intent(intent) });
    }
    all
}

fn intent(chance: &mut Chance, world: &World, release: &mut usize, revision: u64) -> Intent {
    let pools: Vec<String> = world.nodes.pools().map(|(pool, _)| pool.to_owned()).collect();
    let pool = chance.pick(&pools).cloned().unwrap_or_default();
    let node = || world.names();
    let of_release = world::releases(world.profile).into_iter().nth(*release);
    let streams = &of_release.map(|release| release.streams).unwrap_or_default();
    let number = chance.below(CONFIGS);
    match chance.below(16) {
        0..=3 => Intent::Config { role: pool, number, revision, good: !chance.one_in(8) },
        4 => Intent::NoConfig { role: pool, number },
        5 | 6 => Intent::Stream { pool, name: (!chance.one_in(4)).then(|| chance.pick(streams).cloned()).flatten() },
        7 => match chance.pick(streams).filter(|_| world.profile.streams.rule != StreamsRule::OneFollowingRelease) {
            Some(stream) => Intent::Default(stream.clone()),
            None => Intent::Config { role: pool, number, revision, good: true },
        },
        8 => Intent::Pause { pool, paused: !chance.one_in(3) },
        9 => Intent::Unavailable { pool, most: world::most_unavailable(chance) },
        10 if *release + 1 < RELEASES => {
            *release += 1 + usize::from(*release + 2 < RELEASES && chance.one_in(3));
            Intent::Release(*release)
        }
        11 => Intent::Cordon { node: chance.pick(&node()).cloned().unwrap_or_default(), on: !chance.one_in(3) },
        12 if chance.one_in(2) => Intent::Replace { node: chance.pick(&node()).cloned().unwrap_or_default() },
        13 if chance.one_in(3) => Intent::Gate(chance.one_in(2)),
        14 | 15 => match relabel(chance, world) {
            Some(intent) => intent,
            None => Intent::Config { role: pool, number, revision, good: true },
        },
        _ => Intent::Config { role: pool, number, revision, good: true },
    }
}

/// Nodes that may be of a custom pool.
fn movable(world: &World) -> Vec<String> {
    let custom: Vec<&str> = world.nodes.custom().collect();
    let movable = world.nodes.pools().filter(|(pool, _)| *pool == WORKER || custom.contains(pool));
    movable.flat_map(|(pool, count)| (0..count).map(move |n| format!("{pool}-{n}"))).collect()
}

/// Moves one of the nodes that may be of a custom pool to another, if there is one.
fn relabel(chance: &mut Chance, world: &World) -> Option<Intent> {
    let custom: Vec<&str> = world.nodes.custom().collect();
    let nodes = movable(world);
    let pool =
        if custom.is_empty() || chance.one_in(3) { None } else { chance.pick(&custom).map(|pool| (*pool).to_owned()) };
    let node = chance.pick(&nodes).filter(|_| !custom.is_empty())?.clone();
    Some(Intent::Relabel { node, pool })
}

/// What users do to what pools select: nodes may then be in no pool, because none selects them or several do.
fn of_members(chance: &mut Chance, world: &World, end: Duration) -> Vec<Event> {
    let (custom, nodes): (Vec<&str>, Vec<String>) = (world.nodes.custom().collect(), movable(world));
    let mut all = Vec::new();
    for _ in 0..=chance.below(INTENTS_ON_MEMBERS) {
        let at = chance.up_to(end);
        let mut roles = vec![WORKER];
        roles.extend(&custom);
        let intent = match (chance.below(4), chance.pick(&custom)) {
            (0, Some(pool)) => {
                let role = (!chance.one_in(4)).then(|| chance.pick(&roles).map(|role| (*role).to_owned())).flatten();
                Intent::Select { pool: (*pool).to_owned(), role }
            }
            _ => {
                roles.retain(|_| chance.one_in(2));
                let node = chance.pick(&nodes).cloned().unwrap_or_default();
                Intent::Roles { node, roles: roles.into_iter().map(str::to_owned).collect() }
            }
        };
        all.push(Event { at, what: What::Intent(intent) });
    }
    all
}

/// What users do to which pools there are, and to which of them nodes belong.
fn of_pools(chance: &mut Chance, world: &World, end: Duration) -> Vec<Event> {
    let nodes = movable(world);
    let mut all = Vec::new();
    for _ in 0..=chance.below(INTENTS_ON_POOLS) {
        let at = chance.up_to(end);
        let pool = chance.pick(&world::CUSTOM).copied().unwrap_or_default().to_owned();
        let intent = match chance.below(4) {
            0 => Intent::NoPool { pool },
            1 => {
                let node = chance.pick(&nodes).cloned().unwrap_or_default();
                Intent::Roles { node, roles: vec![WORKER.to_owned(), pool] }
            }
            _ => Intent::Pool { pool },
        };
        all.push(Event { at, what: What::Intent(intent) });
    }
    all
}

/// Kubelets that stop for a while.
fn of_kubelets(chance: &mut Chance, world: &World, end: Duration) -> Vec<Event> {
    let nodes = world.names();
    let mut all = Vec::new();
    for _ in 0..=chance.below(KUBELETS) {
        let (at, node) = (chance.up_to(end), chance.pick(&nodes).cloned().unwrap_or_default());
        let until = at + chance.up_to(LONGEST_STOP);
        let stops = [(at, false), (until, true)];
        all.extend(stops.map(|(at, runs)| {
            let node = node.clone();
            Event { at, what: What::Intent(Intent::Kubelet { node, runs }) }
        }));
    }
    all
}

/// Releases of which an image is missing for a while.
fn of_payloads(chance: &mut Chance, script: &[Event]) -> Vec<Event> {
    let updates = script.iter().filter(|event| matches!(event.what, What::Intent(Intent::Release(_))));
    let half = |at, on| Event { at, what: What::Fault(Fault::HalfPayload(on)) };
    let mut all = Vec::new();
    for update in updates {
        let begins = update.at.saturating_sub(BEFORE_AN_UPDATE);
        all.extend([half(begins, true), half(update.at + chance.up_to(LONGEST_HALF), false)]);
    }
    all
}

/// Who manages the cluster, one after the other.
fn of_operators(chance: &mut Chance, end: Duration) -> Vec<Event> {
    let mut all = Vec::new();
    for _ in 0..=chance.below(MOST_OPERATORS) {
        let operator = match chance.below(4) {
            0 => Operator::Other,
            1 => Operator::StandsBy,
            _ => Operator::TakesOver,
        };
        all.push(Event { at: chance.up_to(end), what: What::Intent(Intent::Operator(operator)) });
    }
    all
}

/// What users do to images that are built, and what goes wrong with these.
fn of_builds(chance: &mut Chance, world: &World, end: Duration) -> Vec<Event> {
    let pools: Vec<&str> = world.nodes.pools().map(|(pool, _)| pool).collect();
    let mut all = Vec::new();
    for revision in 0..=chance.below(INTENTS_ON_BUILDS) {
        let (at, pool) = (chance.up_to(end), chance.pick(&pools).copied().unwrap_or_default().to_owned());
        let intent = match chance.below(5) {
            0 => Intent::Rebuild { pool },
            1 => Intent::Layered { pool, revision: None },
            _ => Intent::Layered { pool, revision: Some(revision) },
        };
        all.push(Event { at, what: What::Intent(intent) });
    }
    for _ in 0..chance.below(FAULTS_OF_BUILDS + 1) {
        let at = chance.up_to(end);
        let until = at + chance.up_to(LONGEST_FAULT_OF_BUILDS);
        let fault = match chance.below(4) {
            0 => Fault::NoRegistry,
            1 => Fault::FailingBuilds,
            2 => Fault::SlowBuilds,
            _ => Fault::OtherDigests,
        };
        all.extend([(at, true), (until, false)].map(|(at, on)| Event { at, what: What::Fault(fault(on)) }));
    }
    all
}

/// What users do to pods and their budget.
fn of_pods(chance: &mut Chance, world: &World, end: Duration) -> Vec<Event> {
    let nodes = world.names();
    let mut all = Vec::new();
    for _ in 0..chance.below(INTENTS_ON_PODS + 1) {
        let at = chance.up_to(end);
        let intent = match chance.below(3) {
            0 => Intent::DeletePods { node: chance.pick(&nodes).cloned().unwrap_or_default() },
            1 if chance.one_in(2) => Intent::Budget { most: None },
            _ => Intent::Budget { most: Some(world::most_missing(chance)) },
        };
        all.push(Event { at, what: What::Intent(intent) });
    }
    all
}

fn faults(chance: &mut Chance, end: Duration) -> Vec<Event> {
    let mut all = Vec::new();
    for _ in 0..chance.below(FAULTS + 1) {
        let at = chance.up_to(end);
        let until = at + chance.up_to(LONGEST_FAULT);
        let (first, last) = match chance.below(9) {
            0 => (Fault::Down(true), Some(Fault::Down(false))),
            1 => (Fault::Conflicts(true), Some(Fault::Conflicts(false))),
            2 => (Fault::Late(true), Some(Fault::Late(false))),
            3 => (Fault::Refuse(u32::try_from(1 + chance.below(5)).unwrap_or(1)), None),
            4 => (Fault::Cut, None),
            5 => (Fault::Kill(until.saturating_sub(at)), None),
            6 => (Fault::Stall(true), Some(Fault::Stall(false))),
            7 => (Fault::Suspend(until.saturating_sub(at)), None),
            _ => (Fault::KillAtWrite(1 + chance.below(MOST_WRITES)), None),
        };
        all.push(Event { at, what: What::Fault(first) });
        all.extend(last.map(|last| Event { at: until, what: What::Fault(last) }));
    }
    all
}

/// What goes wrong with the way to the API server besides, and with clocks.
fn more_faults(chance: &mut Chance, end: Duration) -> Vec<Event> {
    let mut all = Vec::new();
    for _ in 0..chance.below(MORE_FAULTS + 1) {
        let at = chance.up_to(end);
        let until = at + chance.up_to(LONGEST_FAULT);
        let step = chance.up_to(LONGEST_STEP);
        let (first, last) = match chance.below(4) {
            0 => (Fault::Slow(true), Some(Fault::Slow(false))),
            1 => (Fault::Lag(true), Some(Fault::Lag(false))),
            2 => (Fault::ClockForward(step), None),
            _ => (Fault::ClockBack(step), None),
        };
        all.push(Event { at, what: What::Fault(first) });
        all.extend(last.map(|last| Event { at: until, what: What::Fault(last) }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_script_in_order_and_what_begins_ends() {
        for seed in 0..200 {
            let world = World::of(seed).unwrap();
            let script = script(seed, &world);
            assert_eq!(script, super::script(seed, &world));
            assert!(script.is_sorted_by_key(|event| event.at), "{seed}");
            let count = |fault: Fault| script.iter().filter(|event| event.what == What::Fault(fault.clone())).count();
            assert_eq!(count(Fault::Down(true)), count(Fault::Down(false)), "{seed}");
            assert_eq!(count(Fault::Late(true)), count(Fault::Late(false)), "{seed}");
        }
    }

    #[test]
    fn what_a_worker_gets_custom_pools_get_as_well() {
        let of = |pool: &str| Intent::Stream { pool: pool.to_owned(), name: None };
        assert!(of("worker").concerns("infra") && of("worker").concerns("worker") && !of("worker").concerns("master"));
        assert!(!of("infra").concerns("worker") && Intent::Release(1).concerns("master"));
        assert!(!Intent::Pause { pool: "worker".to_owned(), paused: false }.concerns("worker"));
    }
}
