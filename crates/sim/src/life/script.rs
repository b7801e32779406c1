//! What happens in a life: intents of users, and faults, each at its time. Pure: a seed and a world give a script.

use super::world::{self, RELEASES, World};
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
/// Longest time that a fault of the API server lasts.
const LONGEST_FAULT: Duration = Duration::from_mins(3);
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
}

impl Intent {
    /// The pools whose nodes may have to change; `None` for all.
    #[must_use]
    pub fn touches(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Stream { pool, .. } => Some([pool.clone()].into()),
            Self::Config { role, .. } | Self::NoConfig { role, .. } => Some([role.clone()].into()),
            Self::Pause { .. }
            | Self::Unavailable { .. }
            | Self::Cordon { .. }
            | Self::Replace { .. }
            | Self::Relabel { .. } => Some(BTreeSet::new()),
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
    let node = || -> Vec<String> {
        world.nodes.pools().flat_map(|(pool, count)| (0..count).map(move |n| format!("{pool}-{n}"))).collect()
    };
    let of_release = world::releases(world.profile).into_iter().nth(*release);
    let streams = &of_release.map(|release| release.streams).unwrap_or_default();
    let number = chance.below(2);
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

/// Moves one of the nodes that may be of a custom pool to another, if there is one.
fn relabel(chance: &mut Chance, world: &World) -> Option<Intent> {
    let custom: Vec<&str> = world.nodes.custom().collect();
    let movable = world.nodes.pools().filter(|(pool, _)| *pool == WORKER || custom.contains(pool));
    let nodes: Vec<String> = movable.flat_map(|(pool, count)| (0..count).map(move |n| format!("{pool}-{n}"))).collect();
    let pool =
        if custom.is_empty() || chance.one_in(3) { None } else { chance.pick(&custom).map(|pool| (*pool).to_owned()) };
    let node = chance.pick(&nodes).filter(|_| !custom.is_empty())?.clone();
    Some(Intent::Relabel { node, pool })
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
