//! A life as text: what the script did, and every change of every object.

use crate::{history::Change, story::judge::annotation};
use serde_json::Value;
use tokio::time::Instant;

/// Everything that happened, in order.
pub(super) fn lines(start: Instant, notes: &[(Instant, String)], changes: &[&Change]) -> Vec<String> {
    let mut all: Vec<(Instant, String)> = notes.to_vec();
    all.extend(changes.iter().map(|change| (change.at, described(change))));
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, what)| line(start, at, &what)).collect()
}

/// Something that happened, with its time since the beginning.
pub(super) fn line(start: Instant, at: Instant, what: &str) -> String {
    format!("{:>10.3}s  {what}", at.saturating_duration_since(start).as_secs_f64())
}

/// FNV-1a of all lines.
pub(super) fn hash(lines: &[String]) -> u64 {
    lines.iter().fold(0xcbf2_9ce4_8422_2325, |hash, line| fnv(hash, line))
}

fn fnv(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn described(change: &Change) -> String {
    let (kind, name) = &change.key;
    let version = change.version;
    let Some(after) = &change.after else { return format!("{version} {kind}/{name} deleted") };
    let hash = fnv(0xcbf2_9ce4_8422_2325, &after.to_string());
    let details = match *kind {
        "Node" => of_node(after),
        "MachineConfigPool" => of_pool(after),
        "Event" => format!("{} {}", text(&after["reason"]), text(&after["message"])),
        _ => String::new(),
    };
    format!("{version} {kind}/{name} {hash:016x} {details}").trim_end().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn of_node(node: &Value) -> String {
    let note = |key| annotation(node, key).unwrap_or("-");
    let ready = conditions(node).any(|c| c["type"] == "Ready" && c["status"] == "True");
    let cordoned = if node["spec"]["unschedulable"] == true { " cordoned" } else { "" };
    let [desired, current, state] = ["desiredConfig", "currentConfig", "state"].map(note);
    format!("wants {desired} has {current} {state}{}{cordoned}", if ready { "" } else { " not ready" })
}

fn of_pool(pool: &Value) -> String {
    let target = text(&pool["spec"]["configuration"]["name"]);
    let on: Vec<&str> = conditions(pool).filter(|c| c["status"] == "True").map(|c| text(&c["type"])).collect();
    format!("wants {target} is {}", on.join(","))
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"].as_array().into_iter().flatten()
}
