//! The same for people.

use super::{Explained, Health, Waits};
use crate::objects::counted::Count;
use crate::world::World;
use crate::{
    build::pinned::Pinned,
    rollout::{listed, pause::Paused},
    status::notices::held,
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, fmt::Write as _};
use weir_api::{
    condition::{TRUE, find},
    keys::pool::RENDER_DEGRADED,
};

/// Why the nodes of all pools are unknown.
pub(super) const UNSEEN: &str = "no nodes among the files";
/// Why the nodes of one pool are.
pub(super) const NONE_OF_IT: &str = "none of its nodes among the files";

/// Explains one pool in full, with what each node waits for.
#[must_use]
pub fn explained(pool: &Explained, now: Timestamp) -> String {
    let mut out = String::new();
    let target = if pool.target.is_empty() { "no configuration yet" } else { pool.target.as_str() };
    if let Some(unseen) = pool.unseen {
        return format!("pool {}: to reach {target}; how far it is, is not known: {unseen}\n", pool.pool);
    }
    let limit = match &pool.max_unavailable {
        Ok(max) => format!("{} of at most {max} unavailable", pool.unavailable.len()),
        Err(error) => error.clone(),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(out, "pool {}: {}, {limit}, to reach {target}", pool.pool, Count(pool.nodes.len(), "node"));
    if let Some(unknown) = &pool.left_out {
        let _ = writeln!(out, "  not known: {unknown}");
    }
    for line in image_mode(pool).into_iter().chain(pause(pool)) {
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

/// Until when it is paused and why, and how long that is safe.
fn pause(pool: &Explained) -> Vec<String> {
    let paused = pool.pause.as_ref();
    paused
        .and_then(Paused::told)
        .into_iter()
        .chain(paused.and_then(Paused::safety))
        .map(|line| one_line(&line))
        .collect()
}

/// Commands that are shown at the end of a summary: more than these nobody follows at once.
const NEXT: usize = 3;

/// How the pools are; all pools in a table; below it where each goes, what is wrong, and what its nodes wait for; and what to do next.
#[must_use]
pub fn summary(pools: &[Explained], now: Timestamp) -> String {
    let header = ["POOL", "STREAM", "NODES", "UPDATED", "READY", "UNAVAILABLE", "DEGRADED", "STATE"];
    let mut rows = vec![header.map(str::to_owned)];
    for pool in pools {
        let status = &pool.status;
        let count = |count: i32| if pool.unseen.is_some() { "-".to_owned() } else { count.to_string() };
        rows.push([
            pool.pool.clone(),
            stream(pool),
            count(status.machine_count),
            count(status.updated_machine_count),
            count(status.ready_machine_count),
            count(status.unavailable_machine_count),
            count(status.degraded_machine_count),
            pool.health().word().to_owned(),
        ]);
    }
    let health = health(pools);
    let mut out = if health.is_empty() { health } else { format!("health: {health}\n") };
    out.push_str(&table(&rows));
    for pool in pools {
        if let Some(unknown) = &pool.left_out {
            let _ = writeln!(out, "not known: {unknown}");
        }
        for line in of_pool(pool).into_iter().chain(expected(pool)).chain(waits(pool, now)) {
            let _ = writeln!(out, "{}: {line}", pool.pool);
        }
    }
    let mut next: Vec<String> = Vec::new();
    for command in pools.iter().flat_map(Explained::next) {
        if !next.contains(&command) {
            next.push(command);
        }
    }
    for command in next.iter().take(NEXT) {
        let _ = writeln!(out, "next: {command}");
    }
    out
}

/// How all pools are in a line, worst first; empty without pools.
#[must_use]
pub fn health(pools: &[Explained]) -> String {
    let mut by_health: BTreeMap<Health, Vec<&str>> = BTreeMap::new();
    for pool in pools {
        by_health.entry(pool.health()).or_default().push(&pool.pool);
    }
    let all_are = by_health.len() == 1;
    let each = by_health.iter().map(|(health, pools)| match health {
        Health::Updated if all_are => health.word().to_owned(),
        health => format!("{} ({})", health.word(), listed(pools.iter().copied())),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The stream of a pool: the one that all nodes run, or where they come from and go to.
fn stream(pool: &Explained) -> String {
    let [from, to] = pool.streams.each_ref().map(|name| name.as_deref());
    match (&pool.status.os_image_stream, from, to) {
        (Some(stream), ..) if to.is_none_or(|to| to == stream.name) => stream.name.clone(),
        (_, Some(from), Some(to)) if from != to => format!("{from} → {to}"),
        (_, _, Some(one)) | (_, Some(one), None) => one.to_owned(),
        (_, None, None) => "-".to_owned(),
    }
}

/// Where a pool goes, how far it is, what is wrong with it, and what its users should know.
fn of_pool(pool: &Explained) -> Vec<String> {
    let mut lines = Vec::new();
    if !pool.former.is_empty() && !pool.target.is_empty() && pool.former != pool.target {
        lines.push(format!("from {} to {}", pool.former, pool.target));
    }
    lines.extend(pool.pause.as_ref().and_then(Paused::told).map(|pause| one_line(&pause)));
    let steps = pool.under_way().into_iter().map(|(step, nodes)| format!("{} {}", nodes.len(), step.phase()));
    let steps: Vec<_> = steps.collect();
    if !steps.is_empty() {
        let (all, to_go) = (pool.nodes.len(), pool.to_go());
        lines.push(format!("{} of {} done; {}", all.saturating_sub(to_go), Count(all, "node"), steps.join(", ")));
    }
    for cause in pool.causes() {
        let text = if cause.message.is_empty() { &cause.reason } else { &cause.message };
        lines.push(format!("degraded: {}", one_line(text)));
    }
    let conditions = pool.status.conditions.as_deref().unwrap_or_default();
    let waits = find(conditions, RENDER_DEGRADED).filter(|held| held.status != TRUE && !held.reason.is_empty());
    lines.extend(waits.map(|waits| format!("still to be rendered: {}", one_line(&waits.message))));
    lines.extend(held(conditions).map(|notice| one_line(&notice.message)));
    lines.extend(image_mode(pool));
    lines
}

/// How long it will take, and which nodes take longer than others did; or how long it took last.
fn expected(pool: &Explained) -> Vec<String> {
    let Some(forecast) = pool.forecast.as_ref().filter(|_| pool.unseen.is_none()) else {
        return pool.last.iter().map(|last| format!("last rollout {last}")).collect();
    };
    let slow = forecast.slow.iter().map(ToString::to_string);
    std::iter::once(forecast.to_string()).chain(slow).collect()
}

/// The nodes of a pool that wait, by what they wait for.
#[must_use]
pub fn groups(pool: &Explained) -> BTreeMap<String, Vec<&Waits>> {
    let mut groups: BTreeMap<String, Vec<&Waits>> = BTreeMap::new();
    for held in &pool.hold {
        // The place in the queue differs for each node, but that others go first is the same for all of them.
        let what = match held.reason.code() {
            "Queued" => "other nodes go first".to_owned(),
            _ => one_line(&held.reason.to_string()),
        };
        groups.entry(what).or_default().push(held);
    }
    groups
}

/// What the nodes of a pool wait for, one line for all that wait for the same.
fn waits(pool: &Explained, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if !pool.start.is_empty() {
        lines.push(format!("{} may start now", listed(pool.start.iter().map(String::as_str))));
    }
    for (what, held) in groups(pool) {
        let names = listed(held.iter().map(|held| held.node.as_str()));
        // For several nodes, how long each has waited is only shown with each node.
        let (wait, age) = match held.as_slice() {
            [one] => ("waits", since(one.since, now)),
            _ => ("wait", String::new()),
        };
        lines.push(format!("{names} {wait}: {what}{age}"));
    }
    lines
}

/// All nodes in a table: their pool, what they run, what they were told, and what their daemon says.
#[must_use]
pub fn nodes(world: &World) -> String {
    let views = world.views();
    let mut rows = vec![["NODE", "POOL", "CURRENT", "DESIRED", "STATE"].map(str::to_owned)];
    for (node, assignment) in views.nodes.iter().zip(&views.membership.assignments) {
        let word = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
        rows.push([
            node.name.to_owned(),
            word(assignment.primary()),
            word(node.current_config),
            word(node.desired_config),
            word(Some(node.state.word())),
        ]);
    }
    if rows.len() == 1 { String::new() } else { table(&rows) }
}

/// Characters of a bar.
const BAR: usize = 30;

/// How far each pool is, as a bar, for a terminal.
#[must_use]
pub fn bars(pools: &[Explained]) -> String {
    let width = pools.iter().map(|pool| pool.pool.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for pool in pools.iter().filter(|pool| pool.unseen.is_none() && !pool.nodes.is_empty()) {
        let all = pool.nodes.len();
        let done = all.saturating_sub(pool.to_go());
        let filled = done * BAR / all;
        let bar: String = (0..BAR).map(|at| if at < filled { '█' } else { '░' }).collect();
        let _ = writeln!(out, "{:width$}  {bar} {done}/{all}", pool.pool);
    }
    out
}

/// Text of somebody else within a line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
