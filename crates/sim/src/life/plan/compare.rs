//! What happened to nodes, and where that is not what was planned.

use super::super::judge::{is, said as said_by};
use crate::{history::Change as Seen, story::judge::annotation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weir_rules::plan::{Code, Finding, NodePlan, Plan, Turn};

/// What happened to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    told: usize,
    boots: usize,
    cordoned: bool,
}

/// What happened to each node, and in which order they were told another configuration.
#[derive(Debug, Default)]
pub(super) struct Happened {
    nodes: BTreeMap<String, Done>,
    order: Vec<String>,
    /// Nodes that were cordoned already.
    cordoned: BTreeSet<String>,
    /// Nodes that had failed already.
    pub(super) failed: BTreeSet<String>,
}

impl Happened {
    pub(super) fn of(mut last: BTreeMap<String, Value>, changes: &[Seen]) -> Self {
        let mut found = Self::default();
        for (name, node) in &last {
            found.nodes.insert(name.clone(), Done::default());
            if node["spec"]["unschedulable"] == true {
                found.cordoned.insert(name.clone());
            }
            if annotation(node, "state") == Some("Degraded") {
                found.failed.insert(name.clone());
            }
        }
        for (name, now) in changes.iter().filter_map(|change| match (change.key.0, &change.after) {
            ("Node", Some(now)) => Some((&change.key.1, now)),
            _ => None,
        }) {
            let done = found.nodes.entry(name.clone()).or_default();
            done.cordoned |= now["spec"]["unschedulable"] == true;
            if let Some(before) = last.insert(name.clone(), now.clone()) {
                let boot = |node: &Value| node["status"]["nodeInfo"]["bootID"].clone();
                done.boots += usize::from(boot(&before) != boot(now));
                if told(&before) != told(now) {
                    done.told += 1;
                    found.order.push(name.clone());
                }
            }
        }
        found
    }
}

/// The configuration and the image that a node was told.
pub(super) fn told(node: &Value) -> [&str; 2] {
    ["desiredConfig", "desiredImage"].map(|key| annotation(node, key).unwrap_or_default())
}

/// Whether a plan says that no drain of a node can end as things are.
pub(super) fn is_blocked(node: &NodePlan) -> bool {
    node.turn == Turn::Wave(1) && !node.blocked.is_empty() && node.effect.as_ref().is_ok_and(|effect| effect.drains)
}

/// Where drains that were blocked are not those of the plan. Others may come to be: pods move to nodes that drain later. While nodes are
/// on their way, pods start elsewhere, and what budgets allow changes: the plan speaks of the moment.
pub(super) fn unforeseen(plan: &Plan, blocked: &BTreeSet<String>) -> impl Iterator<Item = String> {
    let all = || plan.pools.iter().filter_map(|pool| pool.nodes.as_deref()).flatten();
    let moving = all().any(|node| node.turn == Turn::UnderWay || node.first.is_some());
    let expected = all().filter(move |node| !moving && is_blocked(node) && !blocked.contains(&node.node));
    expected.map(|node| format!("{} drained, planned to be blocked by {:?}", node.node, node.blocked))
}

/// Whether the plan says in which order the nodes of a pool start (R-PREFLIGHT-10, R-PREFLIGHT-11).
fn knows_order(plan: &Plan, pool: &str) -> bool {
    let unknown = format!("in which order the nodes of pool {pool} start: ");
    let meanwhile = |finding: &Finding| finding.code == Code::Meanwhile && finding.pool.as_deref() == Some(pool);
    !plan.unknown.iter().any(|said| said.starts_with(&unknown)) && !plan.findings.iter().any(meanwhile)
}

/// Whether the plan says that a node may be told of what was wanted before (R-PREFLIGHT-11).
fn may_go_first(plan: &Plan, node: &str) -> bool {
    let names = |finding: &Finding| finding.evidence.iter().any(|named| named == node);
    plan.findings.iter().any(|finding| finding.code == Code::Meanwhile && names(finding))
}

/// Where what happened is not what was planned.
pub(super) fn compare(plan: &Plan, happened: &Happened, pools: &BTreeMap<&str, &Value>) -> Vec<String> {
    let mut differences = Vec::new();
    for pool in &plan.pools {
        let target = pools.get(pool.pool.as_str()).and_then(|held| held["spec"]["configuration"]["name"].as_str());
        if pool.after.config.as_deref() != target {
            differences.push(format!("pool {} got {target:?}, planned {:?}", pool.pool, pool.after.config));
        }
        let object = pools.get(pool.pool.as_str()).copied().unwrap_or(&Value::Null);
        if pool.image.is_some() && is(object, "ImageBuildDegraded") && said_by(object).contains(" has no node: ") {
            // No node goes before its image is there, the plan says; where machines fail, nothing may be left to build it on.
            let went = pool.nodes.iter().flatten().filter(|node| happened.order.contains(&node.node));
            differences.extend(went.map(|node| format!("{} went, and there is no image", node.node)));
            continue;
        }
        let of_nodes = pool.nodes.iter().flatten().filter_map(|node| of_node(plan, happened, node));
        let before = differences.len();
        differences.extend(of_nodes);
        if differences.len() > before {
            differences.push(format!("pool {} says {}", pool.pool, said_by(object)));
        }
        let wave = |name: &String| match pool.nodes.iter().flatten().find(|node| node.node == *name)?.turn {
            Turn::Wave(wave) => Some((name.clone(), wave)),
            _ => None,
        };
        let order: Vec<(String, usize)> = happened.order.iter().filter_map(wave).collect();
        if knows_order(plan, &pool.pool) && !order.is_sorted_by_key(|(_, wave)| *wave) {
            differences.push(format!("pool {} went {order:?}, each with its planned wave", pool.pool));
        }
    }
    differences
}

/// Where what a node did is not what was planned.
fn of_node(plan: &Plan, happened: &Happened, node: &NodePlan) -> Option<String> {
    let Ok(effect) = &node.effect else {
        return Some(format!("{}: what it does was not known: {:?}", node.node, node.effect));
    };
    let moves = matches!(node.turn, Turn::Wave(_));
    let boots = usize::from(moves && effect.reboots());
    let mut done = happened.nodes.get(&node.node).cloned().unwrap_or_default();
    if happened.failed.contains(&node.node) {
        // One that failed does not wait until its target settles: it is told of each of several changes.
        done.told = if (1..=plan.changes.len()).contains(&done.told) { 1 } else { done.told };
    }
    if node.first.is_some() || node.turn == Turn::UnderWay {
        // What it was told before may be done, begun or to come.
        done.boots = if (boots..=boots + 1).contains(&done.boots) { boots } else { done.boots };
        done.cordoned = moves && effect.drains;
    }
    if may_go_first(plan, &node.node) {
        // Once more than planned; there and back where the change wants it to stay.
        let (told, more) = (usize::from(moves), 1 + usize::from(node.turn == Turn::There));
        let boots_more = more + usize::from(node.first.is_some());
        done.told = if (told..=told + more).contains(&done.told) { told } else { done.told };
        done.boots = if (boots..=boots + boots_more).contains(&done.boots) { boots } else { done.boots };
        done.cordoned = moves && effect.drains;
    }
    let drains = if happened.cordoned.contains(&node.node) { done.cordoned } else { moves && effect.drains };
    let planned = Done { told: usize::from(moves), boots, cordoned: drains };
    (done != planned).then(|| format!("{} did {done:?}, planned {planned:?} ({:?}: {effect})", node.node, node.turn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;
    use weir_rules::rollout::{WaitReason, actions::Effect};

    /// A plan that says nothing but that a node may still be told of what was wanted before.
    fn naming(node: &str) -> Plan {
        let finding = Finding {
            code: Code::Meanwhile,
            pool: Some("worker".to_owned()),
            found: String::new(),
            evidence: vec![node.to_owned()],
            remedy: String::new(),
            accepted: false,
        };
        Plan {
            missing: Vec::new(),
            unseen: 0,
            changes: Vec::new(),
            pools: Vec::new(),
            waves: Vec::new(),
            findings: vec![finding],
            unknown: Vec::new(),
            depends_on: Vec::new(),
            made: Timestamp::UNIX_EPOCH,
            as_of: None,
        }
    }

    #[test]
    fn a_node_goes_once_more_only_where_the_plan_names_it() {
        let differs = |turn: Turn, told: usize, named: &str| {
            let node = NodePlan {
                node: "a".to_owned(),
                version: None,
                runs: None,
                first: None,
                effect: Ok(Effect::default()),
                turn,
                evicted: Vec::new(),
                blocked: Vec::new(),
                lost: Vec::new(),
            };
            let done = Done { told, ..Done::default() };
            let happened = Happened { nodes: BTreeMap::from([("a".to_owned(), done)]), ..Happened::default() };
            of_node(&naming(named), &happened, &node).is_some()
        };
        for (turn, most) in [(Turn::Wave(1), 2), (Turn::There, 2), (Turn::Waits(WaitReason::PoolPaused), 1)] {
            assert!(!differs(turn.clone(), most, "a") && differs(turn.clone(), most + 1, "a"), "{turn:?}");
            assert!(differs(turn.clone(), most, "b"), "{turn:?} of a node that is not named");
        }
        assert!(differs(Turn::Wave(1), 0, "a"), "it has to go");
    }

    #[test]
    fn a_difference_is_found() {
        let nodes =
            json!({"a": {"metadata": {"annotations": {}}, "status": {"nodeInfo": {"bootID": "1"}}, "spec": {}}});
        let before: BTreeMap<String, Value> = serde_json::from_value(nodes).unwrap();
        let mut after = before["a"].clone();
        after["status"]["nodeInfo"]["bootID"] = json!("2");
        after["spec"]["unschedulable"] = json!(true);
        after["metadata"]["annotations"]["machineconfiguration.openshift.io/desiredConfig"] = json!("x");
        let at = tokio::time::Instant::now();
        let change = Seen { key: ("Node", "a".to_owned()), version: 1, at, after: Some(after) };
        let happened = Happened::of(before, &[change]);
        assert_eq!(happened.nodes["a"], Done { told: 1, boots: 1, cordoned: true });
        assert_eq!(happened.order, ["a"]);
    }
}
