//! The ways out that weir names: what a user who reads the conditions of the pools would do next, and what is said of a drain in the
//! events of its node. Only their words count; nothing here asks the rules.

use super::script::{Intent, Operator};
use crate::{
    history::Seen,
    story::judge::{ROLE, annotation},
};
use serde_json::{Value, json};
use std::fmt;
use weir_api::keys::names::WORKER;
use weir_fleet::{faults::LIFT, pods::NAME};

const POOL: &str = "MachineConfigPool";
/// MachineConfigs that users of a life write for each role.
pub(super) const CONFIGS: u64 = 2;

/// Something that somebody does because it was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// A change of an object.
    Change(Intent),
    /// A machine is repaired, so that it fails no more.
    Repair(String),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(intent) => write!(f, "as named: {intent:?}"),
            Self::Repair(node) => write!(f, "as named: {node} is repaired"),
        }
    }
}

/// The name of a MachineConfig of a user.
pub(super) fn config_name(role: &str, number: u64) -> String {
    format!("99-{role}-sim-{number}")
}

/// Everything that is named now.
pub(super) fn named(seen: &Seen) -> Vec<Way> {
    let mut all: Vec<Way> = Vec::new();
    for (name, pool) in seen.all(POOL) {
        for condition in pool["status"]["conditions"].as_array().into_iter().flatten() {
            all.extend(of_condition(seen, name, condition));
        }
    }
    for (name, _) in seen.all("Node").filter(|(_, node)| is_draining(node)) {
        all.extend(of_drain(seen, name));
    }
    // A machine that does not answer is nothing that anybody has to name.
    all.extend(seen.all("Node").filter(|(_, node)| is_dead(node)).map(|(name, _)| Way::Repair(name.to_owned())));
    let mut ways: Vec<Way> = Vec::new();
    for way in all {
        if !ways.contains(&way) && !is_repaired(seen, &way) {
            ways.push(way);
        }
    }
    ways
}

fn of_condition(seen: &Seen, pool: &str, condition: &Value) -> Vec<Way> {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let (type_, on, message) = (text("type"), text("status") == "True", text("message"));
    let one = |intent: Intent| vec![Way::Change(intent)];
    let nodes = || seen.all("Node").map(|(name, _)| name.to_owned());
    if message.contains("--take-over") {
        return one(Intent::Operator(Operator::TakesOver));
    }
    let owned = || pool.to_owned();
    match (type_, on) {
        ("ImageBuildDegraded", true) if message.contains("turn the feature gate OSStreams on") => {
            one(Intent::Gate(true))
        }
        ("ImageBuildDegraded", true) => one(Intent::Rebuild { pool: owned() }),
        ("Updating", _) if message.contains("OS image build being interrupted") => {
            one(Intent::Rebuild { pool: owned() })
        }
        ("Updating", _) if message.starts_with("Pool is paused") => one(Intent::Pause { pool: owned(), paused: false }),
        ("Updating", _) => {
            let cordoned = message.split_once("cordoned, until you uncordon them: ").map_or("", |(_, names)| names);
            let named = nodes().filter(|node| cordoned.contains(node.as_str()));
            named.map(|node| Way::Change(Intent::Cordon { node, on: false })).collect()
        }
        ("Degraded", true) if text("reason") == "InvalidNodeSelector" => {
            one(Intent::Select { pool: owned(), role: Some(owned()) })
        }
        ("RenderDegraded", true) => of_rendering(seen, pool, message),
        ("NodeDegraded", true) => {
            nodes().filter(|node| message.contains(&format!("Node {node} is reporting"))).map(Way::Repair).collect()
        }
        ("NodesWithoutPool", true) => {
            let sentences = message.split(". ").filter_map(|said| said.strip_prefix("in no pool: ")?.split_once(": "));
            sentences.flat_map(|(names, why)| of_lost(seen, names, why)).collect()
        }
        _ => Vec::new(),
    }
}

/// A pool cannot be rendered.
fn of_rendering(seen: &Seen, pool: &str, message: &str) -> Vec<Way> {
    let roles = seen.all(POOL).map(|(name, _)| name.to_owned());
    let all = roles.flat_map(|role| (0..CONFIGS).map(move |number| (role.clone(), number)));
    let bad: Vec<Way> = all
        .filter(|(role, number)| message.contains(&config_name(role, *number)))
        .map(|(role, number)| Way::Change(Intent::NoConfig { role, number }))
        .collect();
    if bad.is_empty() && message.to_lowercase().contains("stream") {
        return vec![Way::Change(Intent::Stream { pool: pool.to_owned(), name: None })];
    }
    bad
}

/// Nodes are in no pool.
fn of_lost(seen: &Seen, names: &str, why: &str) -> Vec<Way> {
    // Of many the first are named; the others are, once these are no longer among them.
    let nodes = || names.split(" and ").take(1).flat_map(|named| named.split(", ")).map(str::to_owned);
    let roles = |node: String, role: Option<&str>| {
        let roles = [WORKER].into_iter().chain(role).map(str::to_owned).collect();
        Way::Change(Intent::Roles { node, roles })
    };
    let Some((_, rest)) = why.split_once("custom pools ") else {
        return match why.contains("label it for one") {
            true => nodes().map(|node| roles(node, None)).collect(),
            false => Vec::new(),
        };
    };
    let pools: Vec<&str> = rest.split(" all match").next().unwrap_or_default().split(", ").collect();
    // Labels cannot tell pools apart that select the same.
    let by_own = |pool: &&str| {
        let own = json!({ format!("{ROLE}{pool}"): "" });
        seen.get(POOL, pool)["spec"]["nodeSelector"]["matchLabels"] == own
    };
    let others: Vec<&str> = pools.iter().copied().filter(|pool| !by_own(pool)).collect();
    if others.is_empty() {
        return nodes().map(|node| roles(node, pools.first().copied())).collect();
    }
    let select = |pool: &str| Intent::Select { pool: pool.to_owned(), role: Some(pool.to_owned()) };
    others.into_iter().map(|pool| Way::Change(select(pool))).collect()
}

/// Whether the kubelet of a node says that it is not ready, or nothing any more.
fn is_dead(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] != "True")
}

/// Whether it is about a machine that was repaired before: there is nothing to add.
fn is_repaired(seen: &Seen, way: &Way) -> bool {
    let Way::Repair(node) = way else { return false };
    !seen.get("Node", node)["metadata"]["annotations"][LIFT].is_null()
}

pub(super) fn is_draining(node: &Value) -> bool {
    let asked = annotation(node, "desiredDrain").filter(|asked| asked.starts_with("drain-"));
    asked.is_some() && asked != annotation(node, "lastAppliedDrain")
}

/// A budget is in the way of a node's drain.
fn of_drain(seen: &Seen, node: &str) -> Option<Way> {
    let about = |event: &&Value| event["involvedObject"]["kind"] == "Node" && event["involvedObject"]["name"] == node;
    let events = seen.all("Event").map(|(_, event)| event).filter(about);
    let last =
        events.filter(|event| event["message"].as_str().is_some_and(|said| said.contains("allows no disruption")));
    let last = last.max_by_key(|event| event["lastTimestamp"].as_str().unwrap_or_default().to_owned())?;
    let said = last["message"].as_str().unwrap_or_default();
    if said.contains(&format!("budget {NAME} ")) || said.contains(&format!("/{NAME} ")) {
        return Some(Way::Change(Intent::Budget { most: Some(json!("100%")) }));
    }
    Some(Way::Repair(node.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is named by the pool `infra` with this condition, beside two nodes and a pool that selects the same as another.
    fn of(type_: &str, reason: &str, message: &str) -> Vec<Way> {
        let mut seen = Seen::default();
        let selecting = |role: &str| {
            let selector = json!({"matchLabels": {format!("{ROLE}{role}"): ""}});
            json!({"spec": {"nodeSelector": selector}})
        };
        let status = if type_ == "Updating" { "False" } else { "True" };
        let mut infra = selecting("infra");
        infra["status"]["conditions"] =
            json!([{"type": type_, "status": status, "reason": reason, "message": message}]);
        let pools = [("infra", infra), ("gpu", selecting("gpu")), ("odd", selecting("infra")), ("worker", json!({}))];
        let nodes = ["w-0", "w-1"].map(|node| (("Node", node.to_owned()), json!({"metadata": {"name": node}})));
        seen.now.extend(pools.map(|(pool, object)| ((POOL, pool.to_owned()), object)));
        seen.now.extend(nodes);
        named(&seen)
    }

    #[test]
    fn what_conditions_name_is_done_and_nothing_else() {
        let infra = || "infra".to_owned();
        let change = |intent: Intent| vec![Way::Change(intent)];
        let roles = |roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            change(Intent::Roles { node: "w-0".to_owned(), roles })
        };
        let several =
            |pools: &str| format!("in no pool: w-0: custom pools {pools} all match it; change labels so that one does");
        for (type_, reason, message, ways) in [
            ("Updating", "", "All nodes are updating to MachineConfig r", vec![]),
            (
                "Updating",
                "",
                "Pool is paused; will not update to r",
                change(Intent::Pause { pool: infra(), paused: false }),
            ),
            (
                "Updating",
                "",
                "All nodes are updating to r; cordoned, until you uncordon them: w-1",
                change(Intent::Cordon { node: "w-1".to_owned(), on: false }),
            ),
            ("ImageBuildDegraded", "", "a step failed", change(Intent::Rebuild { pool: infra() })),
            ("Degraded", "InvalidNodeSelector", "", change(Intent::Select { pool: infra(), role: Some(infra()) })),
            ("Degraded", "", "", vec![]),
            ("NodeDegraded", "", "Node w-1 is reporting: \"x\"", vec![Way::Repair("w-1".to_owned())]),
            (
                "RenderDegraded",
                "",
                "MachineConfig 99-worker-sim-1: x",
                change(Intent::NoConfig { role: "worker".to_owned(), number: 1 }),
            ),
            ("RenderDegraded", "", "no stream of that name", change(Intent::Stream { pool: infra(), name: None })),
            ("RenderDegraded", "", "x", vec![]),
            (
                "NodesWithoutPool",
                "",
                "in no pool: w-0: no pool's nodeSelector matches it; label it for one",
                roles(&["worker"]),
            ),
            ("NodesWithoutPool", "", &several("gpu, infra"), roles(&["worker", "gpu"])),
            (
                "NodesWithoutPool",
                "",
                &several("infra, odd"),
                change(Intent::Select { pool: "odd".to_owned(), role: Some("odd".to_owned()) }),
            ),
            (
                "RenderDegraded",
                "",
                "another build manages the cluster: start with --take-over",
                change(Intent::Operator(Operator::TakesOver)),
            ),
        ] {
            assert_eq!(of(type_, reason, message), ways, "{type_} {message}");
        }
    }

    #[test]
    fn a_budget_in_the_way_of_a_drain_is_named_by_an_event_of_its_node() {
        let key = |key: &str| format!("machineconfiguration.openshift.io/{key}");
        let event = |said: &str| {
            let about = json!({"kind": "Node", "name": "w-0"});
            json!({"involvedObject": about, "message": format!("pod n/p: budget {said} allows no disruption, since")})
        };
        for (applied, said, way) in [
            ("", "app", Some(Way::Change(Intent::Budget { most: Some(json!("100%")) }))),
            ("", "stuck-w-0", Some(Way::Repair("w-0".to_owned()))),
            ("drain-r", "app", None),
        ] {
            let mut seen = Seen::default();
            let annotations = json!({key("desiredDrain"): "drain-r", key("lastAppliedDrain"): applied});
            let node = json!({"metadata": {"name": "w-0", "annotations": annotations}});
            seen.now.insert(("Node", "w-0".to_owned()), node);
            seen.now.insert(("Event", "e".to_owned()), event(said));
            assert_eq!(named(&seen), Vec::from_iter(way), "{said}");
        }
    }

    #[test]
    fn a_machine_that_does_not_answer_is_repaired_once() {
        for (status, lifted, ways) in [("Unknown", false, 1), ("True", false, 0), ("False", true, 0)] {
            let mut seen = Seen::default();
            let annotations = if lifted { json!({LIFT: ""}) } else { json!({}) };
            let status = json!({"conditions": [{"type": "Ready", "status": status}]});
            let node = json!({"metadata": {"name": "w-0", "annotations": annotations}, "status": status});
            seen.now.insert(("Node", "w-0".to_owned()), node);
            assert_eq!(named(&seen), vec![Way::Repair("w-0".to_owned()); ways]);
        }
    }
}
