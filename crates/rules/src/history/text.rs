//! The same for people.

use super::{Changed, History, Outcome, Passage, Phase, Quantiles, Rollout};
use crate::objects::counted::Count;
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, fmt::Write as _};

/// The last rollout of each pool in a line.
#[must_use]
pub fn table(pools: &BTreeMap<String, History>, now: Timestamp) -> String {
    let mut out = String::new();
    for (pool, history) in pools {
        if let Some(rollout) = history.rollouts.last() {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "{pool}: {}", line(rollout, now));
        }
    }
    out
}

/// The last rollout that ended, in a line.
#[must_use]
pub fn last(history: &History) -> Option<String> {
    let ended = history.rollouts.iter().rev().find_map(|rollout| Some((rollout, rollout.ended?)));
    ended.map(|(rollout, ended)| line(rollout, ended))
}

/// The rollouts of a pool, newest first, and of each what changed and how long its phases took.
#[must_use]
pub fn of_pool(history: &History, now: Timestamp) -> String {
    let mut out = String::new();
    for rollout in history.rollouts.iter().rev() {
        let _ = writeln!(out, "{}", line(rollout, now));
        for changed in &rollout.changed {
            let _ = writeln!(out, "  {}", said(changed));
        }
        if rollout.more > 0 {
            let _ = writeln!(out, "  and {}", Count(rollout.more, "more object"));
        }
        let phases = rollout.phases.iter().map(|(phase, took)| format!("{} {}", phase.word(), quantiles(took)));
        let phases: Vec<_> = phases.collect();
        if !phases.is_empty() {
            let _ = writeln!(out, "  per node: {}; in all {}", phases.join(", "), quantiles(&rollout.total));
        }
    }
    out
}

/// A node's part in the last rollout of each pool.
#[must_use]
pub fn of_node(pools: &BTreeMap<String, History>, node: &str, now: Timestamp) -> String {
    let mut out = String::new();
    for (pool, history) in pools {
        let last = history.rollouts.last().and_then(|last| Some((last, last.each.get(node)?)));
        if let Some((last, passage)) = last {
            let _ = writeln!(out, "{node} in pool {pool}, to {}: {}", last.to, passed(passage, now));
            for blocked in &passage.blocked {
                let _ = writeln!(out, "  its drain was blocked: {blocked}");
            }
        }
    }
    out
}

/// Whose nodes are not all told by themselves: of last rollouts with many of them, those that took longest are (R-HISTORY-6). Empty if all
/// are.
#[must_use]
pub fn left_out(pools: &BTreeMap<String, History>) -> String {
    let last = pools.iter().filter_map(|(pool, history)| Some((pool, history.rollouts.last()?)));
    let short = last.filter(|(_, last)| last.left_out() > 0).map(|(pool, last)| {
        format!(
            "of {} in the last rollout of pool {pool}, {} were left out for their size",
            last.nodes,
            last.left_out()
        )
    });
    short.collect::<Vec<_>>().join("; ")
}

/// A rollout in a line.
#[must_use]
pub fn line(rollout: &Rollout, now: Timestamp) -> String {
    let mut text = format!("{}: {} to {}", seconds(rollout.began), rollout.from, rollout.to);
    if let (Some(from), Some(to)) = (&rollout.from_stream, &rollout.to_stream)
        && from != to
    {
        let _ = write!(text, ", stream {from} to {to}");
    }
    let took = milliseconds(super::milliseconds(rollout.began, rollout.ended.unwrap_or(now)));
    let after = if rollout.result == Outcome::UnderWay { "for" } else { "after" };
    let nodes = Count(rollout.nodes, "node");
    let _ = write!(text, "; {} {after} {took}, {nodes}, {}", rollout.result, Count(rollout.reboots, "reboot"));
    if rollout.failed > 0 {
        let _ = write!(text, ", {} failed on the way", rollout.failed);
    }
    if rollout.again > 0 {
        let _ = write!(text, ", {} rebooted more than once", rollout.again);
    }
    text
}

/// What changed, and who changed it.
#[must_use]
pub fn said(changed: &Changed) -> String {
    let mut text = format!("{}: {}", changed.object, changed.what.join(", "));
    if changed.more > 0 {
        let _ = write!(text, " and {} more", changed.more);
    }
    if let Some(manager) = &changed.manager {
        let at = changed.at.map(|at| format!(" at {}", seconds(at))).unwrap_or_default();
        let _ = write!(text, "; last written by {manager}{at}");
    }
    text
}

/// How a node's part went.
#[must_use]
pub fn passed(passage: &Passage, now: Timestamp) -> String {
    let mut phases = passage.phases.clone();
    if passage.ended.is_none() {
        phases.insert(passage.phase, passage.in_phase(now));
    }
    let of = |phase: &Phase| phases.get(phase).map(|took| format!("{} {}", phase.word(), milliseconds(*took)));
    let phases: Vec<_> = Phase::ALL.iter().filter_map(of).collect();
    let end = if passage.ended.is_some() { "done after" } else { "under way for" };
    let failed = if passage.failed { ", failed on the way" } else { "" };
    let reboots = Count(passage.reboots, "reboot");
    format!("{end} {} ({}), {reboots}{failed}", milliseconds(passage.took(now)), phases.join(", "))
}

/// How long nodes took.
#[must_use]
pub fn quantiles(took: &Quantiles) -> String {
    format!("{} (90 % within {})", milliseconds(took.median), milliseconds(took.ninety))
}

/// A time without fractions of a second.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A duration in milliseconds as people read it: whole seconds, below one milliseconds.
#[must_use]
pub fn milliseconds(took: u64) -> String {
    let took = SignedDuration::from_millis(i64::try_from(took).unwrap_or(i64::MAX));
    let whole = SignedDuration::from_secs(took.as_secs());
    if whole.is_zero() { format!("{took:#}") } else { format!("{whole:#}") }
}
