//! A plan for the comment of a merge request.

use super::{
    NodePlan, Plan, Turn, Value,
    text::{concerns, does, heading, summary},
};
use crate::rollout::listed;
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
        let mut groups: BTreeMap<String, Vec<&NodePlan>> = BTreeMap::new();
        for node in pool.nodes.iter().flatten().filter(|node| node.turn != Turn::There) {
            groups.entry(does(node)).or_default().push(node);
        }
        let groups = groups.iter().map(|(does, nodes)| {
            let who = listed(nodes.iter().map(|node| node.node.as_str()));
            format!("{}: {}", escaped(&who), escaped(does))
        });
        let groups = groups.collect::<Vec<_>>().join("<br>");
        let groups = if groups.is_empty() { "nothing".to_owned() } else { groups };
        let _ = writeln!(out, "| {} | {} | {groups} |", escaped(&pool.pool), escaped(&heading(pool)));
    }
    for pool in &pools {
        for difference in pool.differences.as_deref().unwrap_or_default() {
            let what = match (&difference.before, &difference.after) {
                (Some(Value::Text(before)), Some(Value::Text(after))) => format!("{before} → {after}"),
                (None, Some(Value::Text(after))) => format!("+ {after}"),
                (Some(Value::Text(before)), None) => format!("- {before}"),
                (None, _) => "new".to_owned(),
                (_, None) => "removed".to_owned(),
                _ => "changed".to_owned(),
            };
            let (subject, from) = (escaped(&difference.what), escaped(&difference.origin.object));
            let _ = writeln!(out, "\n- {}: {subject}: {}, from {from}", escaped(&pool.pool), escaped(&what));
        }
    }
    for finding in &plan.findings {
        let what = if finding.inhibits() { "**In the way**" } else { "Note" };
        let pool = finding.pool.as_ref().map(|pool| format!("pool {}: ", escaped(pool))).unwrap_or_default();
        let (found, remedy) = (escaped(&finding.found), escaped(&finding.remedy));
        let _ = writeln!(out, "\n> {what} (`{}`): {pool}{found}. To do: {remedy}", finding.code);
    }
    for unknown in &plan.unknown {
        let _ = writeln!(out, "\n> Not known: {}", escaped(unknown));
    }
    out
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
