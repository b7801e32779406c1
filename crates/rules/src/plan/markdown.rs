//! A plan for the comment of a merge request.

use super::{
    Finding, NodePlan, Plan, PoolPlan, Turn, Value,
    text::{DIFFERENCES, EVIDENCE, as_of, concerns, does, heading, listed_long, summary, together},
};
use crate::{objects::counted::Count, rollout::listed};
use std::{collections::BTreeMap, fmt::Write as _};

/// The plan as Markdown.
#[must_use]
pub fn markdown(plan: &Plan) -> String {
    let mut out = format!("**{}**\n", escaped(&summary(plan)));
    let pools: Vec<_> = plan.pools.iter().filter(|pool| concerns(pool)).collect();
    // Writing into a String cannot fail.
    if !pools.is_empty() {
        out.push_str("\n| pool | from → to | what its nodes do |\n|---|---|---|\n");
    }
    for pool in &pools {
        let (name, does) = (escaped(&pool.pool), what_nodes_do(plan, pool));
        let _ = writeln!(out, "| {name} | {} | {does} |", escaped(&heading(pool)));
    }
    for pool in &pools {
        out.push_str(&differences(pool));
    }
    for one in &plan.findings {
        out.push_str(&finding(one));
    }
    for unknown in &plan.unknown {
        let _ = writeln!(out, "\n> Not known: {}", escaped(unknown));
    }
    if let Some(as_of) = as_of(plan) {
        let _ = writeln!(out, "\n> {as_of}");
    }
    out
}

fn what_nodes_do(plan: &Plan, pool: &PoolPlan) -> String {
    let mut groups: BTreeMap<String, Vec<&NodePlan>> = BTreeMap::new();
    for node in pool.nodes.iter().flatten().filter(|node| node.turn != Turn::There) {
        groups.entry(does(node)).or_default().push(node);
    }
    let groups = groups.iter().map(|(does, nodes)| {
        let who = listed(nodes.iter().map(|node| node.node.as_str()));
        format!("{}: {}", escaped(&who), escaped(does))
    });
    let mut lines: Vec<String> = groups.collect();
    if lines.is_empty() {
        lines.push(if pool.is_unknown() { "not known" } else { "nothing" }.to_owned());
    }
    let order = order(plan, &pool.pool);
    if !order.is_empty() {
        lines.push(format!("in this order: {}", escaped(&order)));
    }
    lines.extend(pool.forecast.as_ref().map(|forecast| escaped(&forecast.to_string())));
    lines.join("<br>")
}

fn differences(pool: &PoolPlan) -> String {
    let mut out = String::new();
    let (name, all) = (escaped(&pool.pool), pool.differences.as_deref().unwrap_or_default());
    // Writing into a String cannot fail.
    for difference in all.iter().take(DIFFERENCES) {
        let what = match (&difference.before, &difference.after) {
            (Some(Value::Text(before)), Some(Value::Text(after))) => format!("{before} → {after}"),
            (None, Some(Value::Text(after))) => format!("+ {after}"),
            (Some(Value::Text(before)), None) => format!("- {before}"),
            (None, _) => "new".to_owned(),
            (_, None) => "removed".to_owned(),
            _ => "changed".to_owned(),
        };
        let (subject, from) = (escaped(&difference.what), escaped(&difference.origin.object));
        let _ = writeln!(out, "\n- {name}: {subject}: {}, from {from}", escaped(&what));
    }
    if all.len() > DIFFERENCES {
        let more = Count(all.len() - DIFFERENCES, "more difference");
        let _ = writeln!(out, "\n- {name}: and {more}");
    }
    out
}

fn finding(finding: &Finding) -> String {
    let mut out = String::new();
    let what = match finding.inhibits() {
        true => "**In the way**",
        false if finding.accepted => "Accepted",
        false => "Note",
    };
    let pool = finding.pool.as_ref().map(|pool| format!("pool {}: ", escaped(pool))).unwrap_or_default();
    let (found, remedy) = (escaped(&finding.found), escaped(&finding.remedy));
    // Writing into a String cannot fail.
    let _ = writeln!(out, "\n> {what} (`{}`): {pool}{found}. To do: {remedy}", finding.code);
    for seen in finding.evidence.iter().take(EVIDENCE) {
        let _ = writeln!(out, "> - in {}", escaped(seen));
    }
    if finding.evidence.len() > EVIDENCE {
        let _ = writeln!(out, "> - and {} more", finding.evidence.len() - EVIDENCE);
    }
    out
}

/// The nodes of a pool as they start, those of a wave together.
fn order(plan: &Plan, pool: &str) -> String {
    let waves = plan.waves.iter().map(|wave| wave.iter().filter(|one| one.pool == pool).map(|one| one.node.as_str()));
    let waves: Vec<String> =
        waves.map(|wave| together(&wave.collect::<Vec<_>>())).filter(|one| !one.is_empty()).collect();
    if waves.len() > 1 { listed_long(&waves) } else { String::new() }
}

/// Text that is nothing but text in Markdown, on one line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '\\' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
