//! A plan for people. One screen for a pool; what interrupts nothing is said in a line.

use super::{Difference, NoEffect, NodePlan, Plan, PoolPlan, Target, Turn, Value};
use crate::{
    objects::counted::Count,
    rollout::{
        WaitReason,
        actions::{Cause, Effect},
        listed,
    },
    world::{AsOf, generated::difference::hidden},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt::Write as _};
use weir_ignition::diff::{Contents, State};

/// Lines of a file that are shown of each side.
const SHOWN: usize = 3;
/// Differences of a pool that are shown; data has all of them.
pub(super) const DIFFERENCES: usize = 20;
/// Evidence that is shown of a finding.
pub(super) const EVIDENCE: usize = 5;

/// The whole plan.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut out = format!("{}\n", summary(plan));
    for pool in plan.pools.iter().filter(|pool| concerns(pool)) {
        out.push_str(&of_pool(pool, plan.made));
    }
    let quiet: Vec<&str> = plan.pools.iter().filter(|pool| !concerns(pool)).map(|pool| pool.pool.as_str()).collect();
    // Writing into a String cannot fail.
    if !quiet.is_empty() && quiet.len() < plan.pools.len() {
        let _ = writeln!(out, "nothing changes for {}", listed(quiet.iter().copied()));
    }
    for finding in &plan.findings {
        let what = if finding.inhibits() {
            "in the way"
        } else if finding.accepted {
            "accepted"
        } else {
            "note"
        };
        let pool = finding.pool.as_ref().map(|pool| format!("pool {pool}: ")).unwrap_or_default();
        let _ = writeln!(out, "{what}: {pool}{} [{}]", finding.found, finding.code);
        for seen in finding.evidence.iter().take(EVIDENCE) {
            let _ = writeln!(out, "  in {seen}");
        }
        if finding.evidence.len() > EVIDENCE {
            let _ = writeln!(out, "  and {} more", finding.evidence.len() - EVIDENCE);
        }
        let _ = writeln!(out, "  to do: {}", finding.remedy);
    }
    for unknown in &plan.unknown {
        let _ = writeln!(out, "not known: {unknown}");
    }
    if let Some(as_of) = as_of(plan) {
        let _ = writeln!(out, "{as_of}");
    }
    out
}

/// The time that files are of, where it matters.
pub(super) fn as_of(plan: &Plan) -> Option<AsOf> {
    plan.as_of.filter(|_| plan.pools.iter().any(|pool| pool.forecast.is_some()))
}

/// Whether there is anything to say about a pool.
pub(super) fn concerns(pool: &PoolPlan) -> bool {
    pool.changes() || pool.is_unknown() || pool.nodes.iter().flatten().any(|node| node.turn != Turn::There)
}

/// The whole in a line. Nodes that wait or stay behind are counted apart: they go nowhere as things are.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    if plan.changes_nothing() {
        let more = if plan.is_inhibited() { "; something is in the way" } else { "" };
        return format!("nothing changes: no node reboots{more}");
    }
    let waiting = waiting(plan);
    let mut said = going(plan, !waiting.is_empty());
    let unknown = plan.acting().filter(|node| node.effect.is_err()).count() + plan.unseen;
    let missing = plan.missing.iter().map(String::as_str);
    let pools: Vec<&str> = plan.unknown_pools().map(|pool| pool.pool.as_str()).chain(missing).collect();
    let of_nodes = (unknown > 0).then(|| Count(unknown, "node").to_string());
    let of_pools = (!pools.is_empty()).then(|| format!("the nodes of {}", listed(pools)));
    let open: Vec<String> = of_nodes.into_iter().chain(of_pools).collect();
    if !open.is_empty() {
        let gap = if said.is_empty() { "" } else { "; " };
        said = format!("{said}{gap}what {} will do is not known", open.join(" and "));
    }
    if plan.waves.len() > 1 {
        said = format!("{said}, in {} waves", plan.waves.len());
    }
    for waits in waiting {
        said = format!("{said}; {waits}");
    }
    if plan.is_inhibited() {
        said = format!("{said}; something is in the way");
    }
    said
}

/// What the nodes do that go, in a line; empty where that is not known and none reboots.
fn going(plan: &Plan, others_wait: bool) -> String {
    let going = || plan.acting().filter(|node| !matches!(node.turn, Turn::Waits(_)));
    let number = |does: fn(&Effect) -> bool| going().filter(|node| node.effect.as_ref().is_ok_and(does)).count();
    let (reboots, drains, disturbed) =
        (number(Effect::reboots), number(|effect| effect.drains), number(Effect::disrupts));
    let known = !plan.leaves_open();
    match (reboots, disturbed) {
        (0, 0) if known && others_wait && going().next().is_none() => "no node starts".to_owned(),
        (0, 0) if known => "no node reboots, is drained, or has anything restarted".to_owned(),
        (0, _) if drains == 0 && known => {
            format!("no node reboots or is drained; something is restarted on {}", Count(disturbed, "node"))
        }
        (0, _) if known => format!(
            "no node reboots; {} drained",
            if drains == 1 { "1 node is".to_owned() } else { format!("{drains} nodes are") }
        ),
        (0, _) => String::new(),
        _ => of(reboots, "reboot"),
    }
}

/// How many nodes do not go as things are.
fn waiting(plan: &Plan) -> Vec<String> {
    let waits = |node: &&NodePlan| matches!(node.turn, Turn::Waits(_));
    let is_paused = |node: &&NodePlan| node.turn == Turn::Waits(WaitReason::PoolPaused);
    let (paused, behind): (Vec<_>, Vec<_>) = plan.acting().filter(waits).partition(is_paused);
    let pools = plan.pools.iter().filter(|pool| pool.nodes.iter().flatten().any(|node| is_paused(&node)));
    let of_pools = if pools.count() > 1 { "paused pools" } else { "a paused pool" };
    let paused = (!paused.is_empty()).then(|| format!("{} for {of_pools}", of(paused.len(), "wait")));
    let behind = (!behind.is_empty()).then(|| format!("{} behind", of(behind.len(), "stay")));
    paused.into_iter().chain(behind).collect()
}

fn of(number: usize, verb: &str) -> String {
    let ending = if number == 1 { "s" } else { "" };
    format!("{} {verb}{ending}", Count(number, "node"))
}

fn of_pool(pool: &PoolPlan, now: Timestamp) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "pool {}: {}", pool.pool, heading(pool));
    if let Some(image) = &pool.image {
        let _ = writeln!(out, "  the pool is in image mode: {image}");
    }
    if pool.unrendered {
        out.push_str("  what it is rendered to is not known\n");
        if pool.nodes.is_none() {
            return out;
        }
    }
    match &pool.differences {
        Err(_) if pool.unrendered => {}
        Err(why) => _ = writeln!(out, "  what differs is not known: {why}"),
        Ok(differences) => {
            for difference in differences.iter().take(DIFFERENCES) {
                out.push_str(&of_difference(difference));
            }
            if differences.len() > DIFFERENCES {
                let _ = writeln!(out, "  and {} more", Count(differences.len() - DIFFERENCES, "difference"));
            }
        }
    }
    out.push_str(&of_nodes(pool));
    if let Some(forecast) = &pool.forecast {
        let over =
            forecast.over(now).map(|[from, to]| format!("; over between {from:.0} and {to:.0}")).unwrap_or_default();
        let _ = writeln!(out, "  {forecast}{over}");
    }
    out
}

/// From what to what.
pub(super) fn heading(pool: &PoolPlan) -> String {
    let (Target { config: from, stream: was, .. }, Target { config: to, stream: is, .. }) = (&pool.before, &pool.after);
    let name = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let config = if from == to { format!("stays on {}", name(to)) } else { format!("{} → {}", name(from), name(to)) };
    let because = pool.because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
    match (was, is) {
        (None, None) => config,
        (was, is) if was == is => format!("{config}, stream {}", name(is)),
        (was, is) => format!("{config}, stream {} → {}{because}", name(was), name(is)),
    }
}

fn of_difference(difference: &Difference) -> String {
    let Difference { what, before, after, origin } = difference;
    let what = one_line(what);
    let mut from = origin.object.clone();
    if let Some(made_from) = &origin.made_from {
        from = format!("{from}, made from {made_from}");
    }
    match (before, after) {
        (Some(Value::Text(before)), Some(Value::Text(after))) => {
            format!("  {what}: {} → {}, from {from}\n", one_line(before), one_line(after))
        }
        (None, Some(Value::Text(after))) => format!("  {what}: + {}, from {from}\n", one_line(after)),
        (Some(Value::Text(before)), None) => format!("  {what}: - {}, was from {from}\n", one_line(before)),
        (None, after) => format!("  {what}: new, from {from}\n{}", lines('+', after.as_ref())),
        (before, None) => format!("  {what}: removed, was from {from}\n{}", lines('-', before.as_ref())),
        (before, after) => format!("  {what}: changed, from {from}\n{}", changed(before.as_ref(), after.as_ref())),
    }
}

/// A value within a line: with its line breaks it could pretend to be further lines.
#[must_use]
pub fn one_line(value: &str) -> String {
    value.replace('\n', "\\n")
}

fn of_text(value: Option<&Value>) -> Option<&str> {
    match value {
        Some(Value::Part(State { contents: Contents::Text(text), .. })) if hidden(text).is_none() => Some(text),
        _ => None,
    }
}

fn lines(sign: char, value: Option<&Value>) -> String {
    let Some(text) = of_text(value) else { return String::new() };
    shown(sign, &text.lines().collect::<Vec<_>>())
}

fn shown(sign: char, lines: &[&str]) -> String {
    let mut out: String = lines.iter().take(SHOWN).map(|line| format!("    {sign} {line}\n")).collect();
    if lines.len() > SHOWN {
        let _ = writeln!(out, "    {sign} and {} more", Count(lines.len() - SHOWN, "line"));
    }
    out
}

/// The lines that only one side has.
fn changed(before: Option<&Value>, after: Option<&Value>) -> String {
    let (Some(before), Some(after)) = (of_text(before), of_text(after)) else { return String::new() };
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let removed: Vec<&str> = old.iter().filter(|line| !new.contains(line)).copied().collect();
    let added: Vec<&str> = new.iter().filter(|line| !old.contains(line)).copied().collect();
    shown('-', &removed) + &shown('+', &added)
}

/// Nodes that do the same at the same time, together.
fn of_nodes(pool: &PoolPlan) -> String {
    let Some(nodes) = &pool.nodes else {
        return "  what its nodes do is not known: there are no nodes among the files\n".to_owned();
    };
    let mut groups: BTreeMap<String, Vec<&NodePlan>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.turn != Turn::There) {
        groups.entry(does(node)).or_default().push(node);
    }
    if groups.is_empty() {
        return match nodes.len() {
            // What they stay on may not be what they are to have.
            _ if pool.unrendered => String::new(),
            0 => String::new(),
            1 => "  1 node stays as it is\n".to_owned(),
            more => format!("  {more} nodes stay as they are\n"),
        };
    }
    let mut out = String::new();
    for (does, members) in groups {
        let limit = match &pool.max_unavailable {
            Ok(limit) => format!("at most {limit} at a time"),
            Err(error) => error.clone(),
        };
        let _ = writeln!(out, "  {} of {}: {does}; {limit}", members.len(), Count(nodes.len(), "node"));
        let mut starts: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        let (mut under_way, mut waits) = (Vec::new(), Vec::new());
        for node in members {
            match &node.turn {
                Turn::Wave(wave) => starts.entry(*wave).or_default().push(&node.node),
                Turn::UnderWay => under_way.push(node.node.as_str()),
                Turn::Waits(_) => waits.push(node.node.as_str()),
                Turn::There => {}
            }
        }
        if !under_way.is_empty() {
            let _ = writeln!(out, "    on the way already: {}", listed(under_way));
        }
        if !starts.is_empty() {
            let order: Vec<String> = starts.values().map(|wave| together(wave)).collect();
            let _ = writeln!(out, "    in this order: {}", listed_long(&order));
        }
        if !waits.is_empty() {
            let _ = writeln!(out, "    wait: {}", listed(waits));
        }
    }
    let first: Vec<&str> = nodes.iter().filter(|node| node.first.is_some()).map(|node| node.node.as_str()).collect();
    if !first.is_empty() {
        let _ = writeln!(out, "  first reach what they were told before: {}", listed(first));
    }
    let evicted: usize = nodes.iter().map(|node| node.evicted.len()).sum();
    if evicted > 0 {
        let evicted = Count(evicted, "pod");
        let _ = writeln!(out, "  drains evict {evicted}, as things are now");
    }
    out
}

/// Waves of an order that are shown.
const WAVES: usize = 20;

pub(super) fn listed_long(order: &[String]) -> String {
    let first = order.iter().take(WAVES).cloned().collect::<Vec<_>>().join(", ");
    match order.len().saturating_sub(WAVES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

pub(super) fn together(wave: &[&str]) -> String {
    match wave {
        [] => String::new(),
        [one] => (*one).to_owned(),
        several => format!("({})", several.join(" ")),
    }
}

/// What a node does and why, which of several causes the first.
pub(super) fn does(node: &NodePlan) -> String {
    match &node.effect {
        Err(NoEffect::Unknown(why)) => format!("not known: {why}"),
        Err(refused) => refused.to_string(),
        Ok(effect) => format!("{effect}{}", why(effect)),
    }
}

fn why(effect: &Effect) -> String {
    let mut decisive: Vec<&Cause> = effect.decisive().collect();
    decisive.sort_by(|a, b| (&a.because, &a.what).cmp(&(&b.because, &b.what)));
    let Some(first) = decisive.first() else { return String::new() };
    match decisive.len() - 1 {
        0 => format!(", because {first}"),
        more => format!(", because {first} (and {more} more)"),
    }
}
