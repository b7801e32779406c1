//! The same for people.

use super::{Explained, Waits};
use crate::objects::counted::Count;
use crate::{build::pinned::Pinned, rollout::listed, status::notices::held};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, fmt::Write as _};
use weir_api::{
    condition::{TRUE, find, is_true},
    keys::pool::{DEGRADED, RENDER_DEGRADED, UPDATED, UPDATING},
};

/// Why the nodes of a pool are unknown.
pub(super) const UNSEEN: &str = "no nodes among the files";

/// Explains one pool in full, with what each node waits for.
#[must_use]
pub fn explained(pool: &Explained, now: Timestamp) -> String {
    let mut out = String::new();
    let target = if pool.target.is_empty() { "no configuration yet" } else { pool.target.as_str() };
    if pool.unseen {
        return format!("pool {}: to reach {target}; how far it is, is not known: {UNSEEN}\n", pool.pool);
    }
    let limit = match &pool.max_unavailable {
        Ok(max) => format!("{} of at most {max} unavailable", pool.unavailable.len()),
        Err(error) => error.clone(),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(out, "pool {}: {}, {limit}, to reach {target}", pool.pool, Count(pool.nodes.len(), "node"));
    for line in image_mode(pool) {
        let _ = writeln!(out, "  {line}");
    }
    for condition in pool.status.conditions.iter().flatten() {
        if !condition.message.is_empty() {
            let _ = writeln!(out, "  {}={}: {}", condition.type_, condition.status, condition.message);
        }
    }
    let waits: BTreeMap<&str, &Waits> = pool.hold.iter().map(|held| (held.node.as_str(), held)).collect();
    let width = pool.nodes.iter().map(String::len).max().unwrap_or_default();
    for node in &pool.nodes {
        let what = match (pool.start.iter().position(|start| start == node), waits.get(node.as_str())) {
            (Some(order), _) => format!("may start now, as number {}", order + 1),
            (None, Some(held)) => format!("waits: {}{}", held.reason, since(held.since, now)),
            (None, None) => "done".to_owned(),
        };
        let _ = writeln!(out, "  {node:width$}  {what}");
    }
    out
}

/// R-EXPLAIN-5.
fn image_mode(pool: &Explained) -> Vec<String> {
    // A pool whose image is pinned says so in a condition as well, once the controllers have seen it.
    let said = |pinned: &&Pinned| {
        let message = pinned.to_string();
        !pool.status.conditions.iter().flatten().any(|held| held.message == message)
    };
    let pinned = pool.pinned.as_ref().filter(said).map(ToString::to_string);
    let built_on = pool.built_on.as_ref().map(ToString::to_string);
    pool.image_mode.iter().cloned().chain(built_on).chain(pinned).collect()
}

/// All pools in a table, and below it what their nodes wait for.
#[must_use]
pub fn summary(pools: &[Explained], now: Timestamp) -> String {
    let header = ["POOL", "STREAM", "NODES", "UPDATED", "READY", "UNAVAILABLE", "DEGRADED", "STATE"];
    let mut rows = vec![header.map(str::to_owned)];
    for pool in pools {
        let status = &pool.status;
        let stream = status.os_image_stream.as_ref().map_or("-", |stream| stream.name.as_str());
        let count = |count: i32| if pool.unseen { "-".to_owned() } else { count.to_string() };
        rows.push([
            pool.pool.clone(),
            stream.to_owned(),
            count(status.machine_count),
            count(status.updated_machine_count),
            count(status.ready_machine_count),
            count(status.unavailable_machine_count),
            count(status.degraded_machine_count),
            state(pool).to_owned(),
        ]);
    }
    let mut out = table(&rows);
    for pool in pools {
        let conditions = pool.status.conditions.as_deref().unwrap_or_default();
        let waits = find(conditions, RENDER_DEGRADED).filter(|held| held.status != TRUE && !held.reason.is_empty());
        if let Some(waits) = waits {
            let _ = writeln!(out, "{}: still to be rendered: {}", pool.pool, waits.message);
        }
        for notice in held(conditions) {
            let _ = writeln!(out, "{}: {}", pool.pool, notice.message);
        }
        for line in image_mode(pool) {
            let _ = writeln!(out, "{}: {line}", pool.pool);
        }
        let mut groups: BTreeMap<String, Vec<&Waits>> = BTreeMap::new();
        for held in &pool.hold {
            // The place in the queue differs for each node, but that others go first is the same for all of them.
            let what = match held.reason.code() {
                "Queued" => "other nodes go first".to_owned(),
                _ => held.reason.to_string(),
            };
            groups.entry(what).or_default().push(held);
        }
        if !pool.start.is_empty() {
            let _ = writeln!(out, "{}: {} may start now", pool.pool, listed(pool.start.iter().map(String::as_str)));
        }
        for (what, held) in groups {
            let names = listed(held.iter().map(|held| held.node.as_str()));
            // For several nodes, how long each has waited is only shown with each node.
            let (wait, age) = match held.as_slice() {
                [one] => ("waits", since(one.since, now)),
                _ => ("wait", String::new()),
            };
            let _ = writeln!(out, "{}: {names} {wait}: {what}{age}", pool.pool);
        }
    }
    out
}

fn state(pool: &Explained) -> &'static str {
    let conditions = pool.status.conditions.as_deref().unwrap_or_default();
    let says = |type_| is_true(conditions, type_);
    match () {
        () if pool.unseen => "not known",
        () if says(DEGRADED) || says(RENDER_DEGRADED) => "degraded",
        () if pool.target.is_empty() => "not rendered",
        () if says(UPDATED) => "updated",
        () if says(UPDATING) => "updating",
        () if pool.paused => "paused",
        () => "not updating",
    }
}

fn since(since: Option<Timestamp>, now: Timestamp) -> String {
    let age = since.map(|since| now.duration_since(since)).filter(|age| *age >= SignedDuration::from_secs(1));
    // Seconds are enough for people.
    age.map_or_else(String::new, |age| format!(" (for {:#})", SignedDuration::from_secs(age.as_secs())))
}

fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let line: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "{}", line.join("  ").trim_end());
    }
    out
}
