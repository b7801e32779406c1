//! What came of the last rollouts of a pool: what changed, who changed it, how long nodes took, and how often they rebooted.
//!
//! R-HISTORY-1 A rollout begins when a pool's target is another configuration than the one that all its nodes ran last, and ends when
//! all run the target. If the pool gets another target before, it is superseded, and the next rollout begins where this one went to.
//! A pool's first configuration is no rollout.
//! R-HISTORY-2 A node takes part from when it is told the target until it runs it and is schedulable. All that time is in a phase. When
//! the pool says that all nodes run the target, every one is done, seen or not: what is known of nodes may be older than what is known
//! of their pool. A node that is deleted or leaves the pool before it is done takes part no longer.
//! R-HISTORY-3 The phases are draining; applying, which is everything else before the machine reboots; rebooting; and getting ready, which
//! is everything after.
//! R-HISTORY-4 One intent is one reboot: every new boot of a node that takes part is counted, and one that is not its first is told.
//! R-HISTORY-5 Of earlier rollouts only the sums are kept; nodes by themselves only of the last one.
//! R-HISTORY-6 What is written has at most [`LARGEST`] bytes. Single nodes take half of that at most, those that took longest; then the
//! oldest rollouts go.
//! R-HISTORY-7 It is written at the end of a rollout, and before that at most every 30 s. Without a rollout nothing is written. A
//! clock that was set back holds nothing up.
//! R-HISTORY-8 What cannot be read, because it is damaged or a newer build wrote it, is never overwritten: it is reported, and nothing is
//! recorded until somebody corrects or deletes it.
//! R-HISTORY-9 What is left out is counted: characters, objects, parts of objects, nodes.
//!
//! All of this is ours.

#[cfg(test)]
mod tests;
mod text;
mod unread;

pub use text::{last, left_out, line, milliseconds as written, of_node, of_pool, passed, quantiles, said, table};
pub use unread::{HistoryError, UnreadHistory, of_map};

use crate::{
    rollout::Step,
    view::{NodeReport, NodeView},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Most bytes of a pool's history; a ConfigMap may have four times as many.
pub const LARGEST: usize = 256 << 10;
/// Least time between two writes while a rollout goes on.
const PACE: SignedDuration = SignedDuration::from_secs(30);
/// Rollouts that are kept at most: about a year of weekly changes.
pub const KEPT: usize = 50;
/// Objects that are named as the cause of a rollout, and parts that are named of each.
const NAMED: usize = 10;
/// Texts of blocked evictions that are kept of a node, and characters of each.
const BLOCKED: usize = 3;
const BLOCKED_CHARACTERS: usize = 200;
/// Prefix of the names of the ConfigMaps; the name of the pool follows.
pub const PREFIX: &str = "weir-history-";
/// The key in a ConfigMap.
pub const KEY: &str = "history.json";
/// The version of what is written. A build that writes what this one would not understand counts it up.
const VERSION: u64 = 1;
/// The version of what was written before versions were.
const FIRST: u64 = 1;

/// What stands for an object that is not known.
pub const NOT_KNOWN: &str = "object not known";

/// When a history is written that was written at this time, or whose rollout began then (R-HISTORY-7).
#[must_use]
pub fn due(since: Option<Timestamp>, now: Timestamp) -> Timestamp {
    since.filter(|since| *since <= now).and_then(|since| since.checked_add(PACE).ok()).unwrap_or(now)
}

/// What is read first: whether the rest can be.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first")]
    version: u64,
}

fn first() -> u64 {
    FIRST
}

/// What is written.
#[derive(Serialize)]
struct Written<'h> {
    version: u64,
    rollouts: &'h [Rollout],
}

/// The rollouts of a pool, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The rollouts.
    #[serde(default)]
    pub rollouts: Vec<Rollout>,
}

/// A rollout. Names are those of objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The configuration that nodes ran before.
    pub from: String,
    /// The configuration that they were to reach.
    pub to: String,
    /// The stream of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stream: Option<String>,
    /// The stream of the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_stream: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What came of it.
    pub result: Outcome,
    /// What changed.
    #[serde(default)]
    pub changed: Vec<Changed>,
    /// How many more objects changed (R-HISTORY-9).
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
    /// Nodes that took part.
    #[serde(default)]
    pub nodes: usize,
    /// Nodes that failed at least once on their way.
    #[serde(default)]
    pub failed: usize,
    /// Reboots of all nodes.
    #[serde(default)]
    pub reboots: u32,
    /// Nodes that rebooted more than once.
    #[serde(default)]
    pub again: usize,
    /// How long nodes took for each phase.
    #[serde(default)]
    pub phases: BTreeMap<Phase, Quantiles>,
    /// How long nodes took in all.
    #[serde(default)]
    pub total: Quantiles,
    /// Each node; only of the last rollout, and of many nodes those that took longest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub each: BTreeMap<String, Passage>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

/// What a rollout comes from: the objects that are named, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// The objects.
    pub changed: Vec<Changed>,
    /// How many more.
    pub more: usize,
}

impl Causes {
    /// Of many objects and parts the first.
    #[must_use]
    pub fn of(mut changed: Vec<Changed>) -> Self {
        let more = changed.len().saturating_sub(NAMED);
        changed.truncate(NAMED);
        for one in &mut changed {
            one.more += one.what.len().saturating_sub(NAMED);
            one.what.truncate(NAMED);
        }
        Self { changed, more }
    }
}

/// What came of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It goes on.
    UnderWay,
    /// All nodes run the target.
    Done,
    /// The pool got another target before.
    Superseded,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnderWay => "under way",
            Self::Done => "done",
            Self::Superseded => "superseded",
        })
    }
}

/// An object that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The object, as kubectl names it, or [`NOT_KNOWN`].
    pub object: String,
    /// What it changed: files, units, fields.
    pub what: Vec<String>,
    /// How much more it changed (R-HISTORY-9).
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
    /// Who wrote it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What a node does (R-HISTORY-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It is drained.
    Drain,
    /// Files and the operating system are written.
    Apply,
    /// The machine reboots.
    Reboot,
    /// It becomes ready and schedulable.
    Ready,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Drain, Self::Apply, Self::Reboot, Self::Ready];

    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Apply => "apply",
            Self::Reboot => "reboot",
            Self::Ready => "ready",
        }
    }

    fn of(step: Step, before: Option<Self>) -> Self {
        match step {
            Step::Draining => Self::Drain,
            Step::Rebooting => Self::Reboot,
            Step::Uncordoning => Self::Ready,
            Step::Told | Step::Working if before >= Some(Self::Reboot) => Self::Ready,
            Step::Told | Step::Working => Self::Apply,
        }
    }
}

/// Durations of several nodes, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quantiles {
    /// How many nodes.
    pub count: usize,
    /// What half of them took at most.
    pub median: u64,
    /// What nine of ten took at most.
    pub ninety: u64,
    /// What all took at most.
    pub longest: u64,
}

impl Quantiles {
    /// Of these durations, in any order.
    #[must_use]
    pub fn of(mut durations: Vec<u64>) -> Self {
        durations.sort_unstable();
        let count = durations.len();
        // The smallest that at least this part of them do not exceed.
        let at = |tenths: usize| durations.get((count * tenths).div_ceil(10).saturating_sub(1)).copied();
        Self {
            count,
            median: at(5).unwrap_or_default(),
            ninety: at(9).unwrap_or_default(),
            longest: at(10).unwrap_or_default(),
        }
    }
}

/// A node's part in a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    /// When it was told.
    pub began: Timestamp,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How long it was in each phase until `since`, in milliseconds.
    #[serde(default)]
    pub phases: BTreeMap<Phase, u64>,
    /// The phase it is in.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// New boots.
    #[serde(default)]
    pub reboots: u32,
    /// The present boot: `status.nodeInfo.bootID`.
    #[serde(default)]
    pub boot: String,
    /// Whether it failed on its way.
    #[serde(default)]
    pub failed: bool,
    /// What blocked its drain, in the drain controller's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
}

impl Passage {
    /// How long it took, or has taken so far, in milliseconds.
    #[must_use]
    pub fn took(&self, now: Timestamp) -> u64 {
        milliseconds(self.began, self.ended.unwrap_or(now))
    }

    /// How long it has been in its present phase, in milliseconds.
    #[must_use]
    pub fn in_phase(&self, now: Timestamp) -> u64 {
        let since = if self.ended.is_some() { 0 } else { milliseconds(self.since, now) };
        self.phases.get(&self.phase).copied().unwrap_or_default() + since
    }
}

/// A pool, as far as a history depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolLook {
    /// Its target; empty until there is one.
    pub target: String,
    /// The configuration that all its nodes ran last; empty until there is one.
    pub former: String,
    /// Whether it is updated: its condition `Updated`.
    pub updated: bool,
}

/// What a look at a pool found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// A rollout began: what changed is still to be said with [`History::caused_by`].
    pub began: bool,
    /// A rollout ended.
    pub ended: bool,
}

/// A node that rebooted again for the same intent (R-HISTORY-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The configuration it was told.
    pub config: String,
    /// How often it has rebooted for it.
    pub reboots: u32,
}

impl Again {
    /// The reason of the event.
    pub const CODE: &'static str = "RebootedAgain";
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the machine rebooted {} times on its way to {}; one is enough", self.reboots, self.config)
    }
}

impl History {
    /// Reads what [`Self::text`] wrote.
    ///
    /// # Errors
    /// When it is something else, or a newer build wrote it.
    pub fn of_text(text: &str) -> Result<Self, HistoryError> {
        let damaged = |error: serde_json::Error| HistoryError::Damaged(error.to_string());
        match serde_json::from_str::<Versioned>(text).map_err(damaged)?.version {
            newer if newer > VERSION => Err(HistoryError::Newer(newer)),
            _ => serde_json::from_str(text).map_err(damaged),
        }
    }

    /// The rollout that goes on.
    #[must_use]
    pub fn under_way(&self) -> Option<&Rollout> {
        self.rollouts.last().filter(|last| last.result == Outcome::UnderWay)
    }

    fn current(&mut self) -> Option<&mut Rollout> {
        self.rollouts.last_mut().filter(|last| last.result == Outcome::UnderWay)
    }

    /// Looks at the pool (R-HISTORY-1).
    pub fn follow(&mut self, pool: &PoolLook, now: Timestamp) -> Turn {
        let mut turn = Turn::default();
        if pool.target.is_empty() || pool.former.is_empty() {
            return turn;
        }
        let mut from = pool.former.clone();
        if let Some(current) = self.current() {
            let is_done = current.to == pool.former && pool.updated;
            if current.to == pool.target && !is_done {
                return turn;
            }
            if !is_done && current.nodes > 0 {
                from = current.to.clone();
            }
            if is_done {
                current.each.values_mut().filter(|passage| passage.ended.is_none()).for_each(|one| one.end(now));
            }
            current.end(if is_done { Outcome::Done } else { Outcome::Superseded }, now);
            turn.ended = true;
        }
        if pool.target != from {
            self.begin(from, pool, now);
            turn.began = true;
        }
        turn
    }

    fn begin(&mut self, from: String, pool: &PoolLook, now: Timestamp) {
        for before in &mut self.rollouts {
            before.each.clear();
        }
        self.rollouts.push(Rollout {
            from,
            to: pool.target.clone(),
            from_stream: None,
            to_stream: None,
            began: now,
            ended: None,
            result: Outcome::UnderWay,
            changed: Vec::new(),
            more: 0,
            nodes: 0,
            failed: 0,
            reboots: 0,
            again: 0,
            phases: BTreeMap::new(),
            total: Quantiles::default(),
            each: BTreeMap::new(),
        });
        let more = self.rollouts.len().saturating_sub(KEPT);
        self.rollouts.drain(..more);
    }

    /// Says what the rollout that goes on comes from, and the streams before and after it.
    pub fn caused_by(&mut self, causes: Causes, [from, to]: [Option<String>; 2]) {
        if let Some(current) = self.current() {
            (current.changed, current.more) = (causes.changed, causes.more);
            (current.from_stream, current.to_stream) = (from, to);
        }
    }

    /// Looks at a node of the pool, which is in its boot `boot` (R-HISTORY-2). Returns whether anything changed, and what is to be told.
    pub fn node(
        &mut self,
        node: &NodeView<'_>,
        report: Option<&NodeReport<'_>>,
        boot: &str,
        now: Timestamp,
    ) -> (bool, Option<Again>) {
        let Some(current) = self.current() else { return (false, None) };
        let is_told = node.desired_config == Some(current.to.as_str());
        let is_there = node.is_done() && node.current_config == Some(current.to.as_str()) && !node.unschedulable;
        let passage = match current.each.get_mut(node.name) {
            Some(passage) => passage,
            None if !is_told || is_there => return (false, None),
            None => {
                let phase = Phase::of(Step::of(node), None);
                let (began, since) = (now, now);
                let passage = Passage {
                    began,
                    ended: None,
                    phases: BTreeMap::new(),
                    phase,
                    since,
                    reboots: 0,
                    boot: boot.to_owned(),
                    failed: false,
                    blocked: Vec::new(),
                };
                current.nodes += 1;
                current.each.entry(node.name.to_owned()).or_insert(passage)
            }
        };
        let before = passage.clone();
        passage.look(node, report, boot, is_there, now);
        let changed = *passage != before;
        let again = (passage.reboots > before.reboots && passage.reboots > 1)
            .then(|| Again { config: current.to.clone(), reboots: passage.reboots });
        (changed, again)
    }

    /// Takes out the nodes that are not done and are no members of the pool any more (R-HISTORY-2). Returns whether there were any.
    pub fn leave(&mut self, is_member: impl Fn(&str) -> bool) -> bool {
        let Some(current) = self.current() else { return false };
        let before = current.each.len();
        current.each.retain(|name, passage| passage.ended.is_some() || is_member(name));
        let left = before - current.each.len();
        current.nodes = current.nodes.saturating_sub(left);
        left > 0
    }

    /// The text to write, as of now (R-HISTORY-6).
    ///
    /// # Errors
    /// When it cannot be written as JSON, which the types do not allow.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let mut kept = self.clone();
        if let Some(last) = kept.rollouts.last_mut() {
            if last.result == Outcome::UnderWay {
                last.sum();
            }
            while serde_json::to_string(&last.each)?.len() > LARGEST / 2 {
                last.shorten();
            }
        }
        loop {
            let text = serde_json::to_string(&Written { version: VERSION, rollouts: &kept.rollouts })?;
            if text.len() <= LARGEST || kept.rollouts.is_empty() {
                return Ok(text);
            }
            kept.rollouts.remove(0);
        }
    }
}

impl Passage {
    fn look(
        &mut self,
        node: &NodeView<'_>,
        report: Option<&NodeReport<'_>>,
        boot: &str,
        is_there: bool,
        now: Timestamp,
    ) {
        if !boot.is_empty() && self.boot != boot {
            self.reboots += u32::from(!self.boot.is_empty());
            boot.clone_into(&mut self.boot);
        }
        if self.ended.is_some() {
            return;
        }
        self.failed |= node.is_failing();
        if let Some(blocked) = report.and_then(|report| report.blocked) {
            let blocked = cut(blocked);
            if self.blocked.len() < BLOCKED && !self.blocked.contains(&blocked) {
                self.blocked.push(blocked);
            }
        }
        let reached = if self.reboots > 0 { self.phase.max(Phase::Reboot) } else { self.phase };
        let phase = Phase::of(Step::of(node), Some(reached));
        if phase != self.phase || is_there {
            *self.phases.entry(self.phase).or_default() += milliseconds(self.since, now);
            (self.phase, self.since) = (phase, now);
        }
        if is_there {
            self.ended = Some(now);
        }
    }

    fn end(&mut self, now: Timestamp) {
        *self.phases.entry(self.phase).or_default() += milliseconds(self.since, now);
        (self.since, self.ended) = (now, Some(now));
    }
}

impl Rollout {
    fn end(&mut self, result: Outcome, now: Timestamp) {
        (self.result, self.ended) = (result, Some(now));
        self.sum();
    }

    /// How many of its nodes took part and are not told by themselves.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.nodes.saturating_sub(self.each.len())
    }

    /// Sums up its nodes. Of one that was read from a text, nodes may have been left out: what was summed before counts, then.
    fn sum(&mut self) {
        if self.each.is_empty() {
            return;
        }
        let ended = || self.each.values().filter_map(|passage| Some((passage, passage.ended?)));
        let of_phase = |phase| {
            let took = ended().filter_map(|(passage, _)| passage.phases.get(&phase).copied());
            Some((phase, Quantiles::of(took.collect()))).filter(|(_, found)| found.count > 0)
        };
        let phases = Phase::ALL.into_iter().filter_map(of_phase).collect();
        let total = Quantiles::of(ended().map(|(passage, ended)| passage.took(ended)).collect());
        let reboots = self.each.values().map(|passage| passage.reboots).sum();
        self.failed = self.failed.max(self.each.values().filter(|passage| passage.failed).count());
        self.reboots = self.reboots.max(reboots);
        self.again = self.again.max(self.each.values().filter(|passage| passage.reboots > 1).count());
        if total.count >= self.total.count {
            (self.phases, self.total) = (phases, total);
        }
    }

    /// Leaves out the half of its nodes that took the least time, but first those that are done: one that goes on would be counted
    /// anew by whoever reads this.
    fn shorten(&mut self) {
        let mut by_time: Vec<(bool, u64, String)> = self
            .each
            .iter()
            .map(|(name, one)| (one.ended.is_none(), one.took(self.ended.unwrap_or(one.since)), name.clone()))
            .collect();
        by_time.sort_unstable();
        for (.., name) in by_time.iter().take(by_time.len().div_ceil(2)) {
            self.each.remove(name);
        }
    }
}

/// A text of a blocked eviction, or as much of it as is kept.
fn cut(text: &str) -> String {
    match text.char_indices().nth(BLOCKED_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
}
