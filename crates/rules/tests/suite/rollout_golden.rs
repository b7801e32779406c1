//! Recorded behaviour of the reference's node controller, compared case by case.
//!
//! The cases in which weir differs on purpose are listed by name with the difference, and must differ;
//! `docs/user/differences.md` explains each.

use crate::recorded::{Case, cases};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::keys::{gates::IMAGE_MODE_STATUS_REPORTING, pool::NODES_WITHOUT_POOL, rollout::CONTROL_PLANE_TOPOLOGY};
use weir_rules::{
    rollout::{capacity, check::check_plan, max_unavailable::max_unavailable, plan_rollout},
    status::pool_status::{PoolStatusView, certificate_expiry, pool_status, status_changed},
    view::NodeView,
    world::{
        Views,
        explain::{explain, membership as membership_json},
    },
};

const NOW: jiff::Timestamp = jiff::Timestamp::constant(1_800_000_000, 0);

const NO_LABEL: &str = "a machine booted into a pool whose selector tells no label is updated where it is";
const ASTRAY: &str = "a node that failed on another configuration may go down at any moment: it counts, and goes first";
/// Cases in which other nodes are chosen, or chosen for ever.
const CHOSEN: &[(&str, &str)] = &[
    ("candidates-051", ASTRAY),
    ("candidates-081", NO_LABEL),
    ("candidates-152", NO_LABEL),
    ("candidates-162", ASTRAY),
    ("candidates-258", NO_LABEL),
];

const NAMED: &str = "a degraded node is named although no MachineConfigNode reports it";
const EMPTY: &str = "a MachineConfigNode without conditions hides none of the others";
/// Cases in which degraded nodes or MachineConfigNodes are counted better.
const REPORTS: &[(&str, &str)] = &[
    ("status-006", NAMED),
    ("status-031", NAMED),
    ("status-057", EMPTY),
    ("status-062", NAMED),
    ("status-064", NAMED),
    ("status-073", "NodeDegraded wins over Updated whatever their order in the MachineConfigNode"),
    ("status-103", NAMED),
    ("status-124", EMPTY),
    ("status-130", NAMED),
    ("status-133", NAMED),
    ("status-135", NAMED),
    ("status-169", EMPTY),
    ("status-179", EMPTY),
    ("status-180", NAMED),
    ("status-183", EMPTY),
    ("status-196", NAMED),
    ("status-221", NAMED),
    ("status-258", NAMED),
    ("status-260", EMPTY),
    ("status-284", NAMED),
    ("status2-001-break-of-status-089", NAMED),
];

/// Cases in image mode of the same kinds.
const REPORTS_IN_IMAGE_MODE: &[(&str, &str)] = &[
    ("status-026", NAMED),
    ("status-138", NAMED),
    ("status-218", NAMED),
    ("status-243", NAMED),
    ("status-267", NAMED),
    ("status-281", NAMED),
    ("status-layered-57", EMPTY),
    ("status2-018-same-of-status-181", NAMED),
];

const ON_ITS_IMAGE: &str = "a node that failed on its image has failed, and is not down for that alone";
const TWICE: &str = "Updating is written once, not twice, so that an unchanged one keeps its place and time";
/// Cases in image mode that differ in what is counted or written.
const IMAGES: &[(&str, &str)] = &[
    ("status-033", ON_ITS_IMAGE),
    ("status-279", ON_ITS_IMAGE),
    ("status2-016-same-of-status-layered-43", TWICE),
    ("status2-022-finish-of-status-layered-09", TWICE),
    ("status2-024-finish-of-status-layered-29", TWICE),
    ("status2-026-same-of-status-layered-04", TWICE),
    ("status2-027-ready-of-status-layered-25", TWICE),
    ("status2-028-same-of-status-295", TWICE),
    ("status2-034-finish-of-status-267", TWICE),
    ("status2-037-finish-of-status-layered-35", TWICE),
];
/// Cases in image mode that differ in the times of conditions alone.
const TIMES: &[(&str, &str)] = &[("status-018", TWICE), ("status2-023-break-of-status-215", TWICE)];

/// Cases in which a pool that is updating names nodes that somebody cordoned.
const CORDONED: &[(&str, &str)] = &[("status-011", UNCORDON), ("status-013", UNCORDON), ("status-066", UNCORDON)];
const UNCORDON: &str = "the pool says that nodes are cordoned until a user uncordons them";

/// Cases with a node that is in no pool, which the pool it concerns says in a condition of its own: all else is compared.
const LOST: &[&str] = &[
    "status-011",
    "status-013",
    "status-022",
    "status-050",
    "status-055",
    "status-098",
    "status-158",
    "status-164",
    "status-212",
    "status-214",
    "status-233",
    "status-240",
    "status-246",
    "status-259",
    "status2-004-break-of-status-214",
    "status2-032-same-of-status-000",
];

/// Takes that condition out of a status; whether it is there must be as listed.
fn take_lost(out: &mut Vec<String>, case: &Case, status: &mut Value) {
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let before = conditions.len();
    conditions.retain(|condition| condition["type"] != NODES_WITHOUT_POOL.name());
    differ(out, "nodes without a pool", &json!(conditions.len() < before), &json!(LOST.contains(&case.id.as_str())));
}

/// Runs all cases of a file; `compare` says what differs, if anything does.
fn run(file: &str, deliberate: &[(&str, &str)], compare: impl Fn(&Case) -> Vec<String>) {
    let cases = cases(file);
    let deliberate: BTreeMap<&str, &str> = deliberate.iter().copied().collect();
    let (mut wrong, mut equal) = (Vec::new(), 0);
    let mut differing = BTreeSet::new();
    for case in &cases {
        let differences = compare(case);
        match (differences.is_empty(), deliberate.contains_key(case.id.as_str())) {
            (true, _) => equal += 1,
            (false, true) => _ = differing.insert(case.id.as_str()),
            (false, false) => wrong.push(format!("{}: {}", case.id, differences.join("; "))),
        }
    }
    println!("{file}: {} cases, {equal} equal, {} differ on purpose", cases.len(), differing.len());
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    let stale: Vec<_> = deliberate.keys().filter(|id| !differing.contains(*id)).collect();
    assert!(stale.is_empty(), "listed as different but equal, or not there: {stale:?}");
}

fn differ(out: &mut Vec<String>, what: &str, ours: &Value, theirs: &Value) {
    if ours != theirs {
        out.push(format!("{what}: ours {ours}, recorded {theirs}"));
    }
}

#[test]
fn membership() {
    run("membership", &[], |case| {
        let world = case.inputs.world();
        let Views { nodes, membership, .. } = world.views();
        let mut out = Vec::new();
        let recorded = &case.output["nodes"];
        for (node, assignment) in nodes.iter().zip(&membership.assignments) {
            let recorded = &recorded[node.name];
            let error = !membership.unreadable.is_empty()
                || matches!(assignment, weir_rules::rollout::membership::Assignment::Conflict(_));
            if recorded.get("error").is_some() {
                differ(&mut out, node.name, &json!(error), &json!(true));
                continue;
            }
            differ(&mut out, node.name, &json!(assignment.pools()), &recorded["pools"]);
            differ(&mut out, node.name, &json!(assignment.primary()), &recorded["primary"]);
            differ(&mut out, node.name, &json!(node.is_managed()), &recorded["managed"]);
        }
        for (pool, recorded) in case.output["pools"].as_object().unwrap() {
            let names: Vec<_> = membership.nodes[pool.as_str()].iter().map(|&i| nodes[i].name).collect();
            match recorded.get("error") {
                Some(_) => {
                    differ(&mut out, pool, &json!(membership.unreadable.contains_key(pool.as_str())), &json!(true))
                }
                None if membership.unreadable.is_empty() => differ(&mut out, pool, &json!(names), &recorded["nodes"]),
                // The reference loses every node of every pool; that is the difference R-MEMBER-5.
                None => {}
            }
        }
        out
    });
}

#[test]
fn candidates() {
    run("candidates", CHOSEN, |case| {
        let world = case.inputs.world();
        let views = world.views();
        let mut out = Vec::new();
        let name = case.inputs.pool_name();
        let nodes = views.nodes_of(name);
        let names = |list: &[&NodeView<'_>]| json!(list.iter().map(|n| n.name).collect::<Vec<_>>());
        let direct = &case.output["direct"];
        let pool = views.pools.iter().find(|pool| pool.name == name).unwrap();
        if pool.selector.is_err() {
            differ(&mut out, "error", &json!(direct.get("error").is_some()), &json!(true));
            return out;
        }
        differ(&mut out, "nodes", &names(&nodes), &direct["nodes"]);
        let max = max_unavailable(pool, nodes.len());
        differ(&mut out, "max error", &json!(max.is_err()), &json!(direct.get("error").is_some()));
        let room = capacity(&nodes, pool.aim(), max.clone().unwrap_or_default());
        differ(&mut out, "unavailable", &names(&room.unavailable), &direct["unavailable"]);
        if let Ok(max) = max {
            differ(&mut out, "maxUnavailable", &json!(max), &direct["maxUnavailable"]);
            differ(&mut out, "candidates", &names(&room.candidates), &direct["candidates"]);
            let left = if room.candidates.is_empty() && direct["capacity"] == 0 { 0 } else { room.left };
            differ(&mut out, "capacity", &json!(left), &direct["capacity"]);
        }
        let (plan, broken) = views.with_rollout(None, |view| {
            let plan = plan_rollout(view, NOW);
            let broken = check_plan(view, &plan);
            (plan, broken)
        });
        differ(&mut out, "check", &json!(broken.iter().map(ToString::to_string).collect::<Vec<_>>()), &json!([]));
        let recorded: Vec<&str> =
            case.output["sync"]["chosen"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        // A sync of the control plane pool handles the arbiter pool as well, a sync of any other pool only itself.
        let handled = |pool: &str| pool == name || (name == "master" && pool == "arbiter");
        let chosen: Vec<_> = plan.start.iter().filter(|s| handled(&s.pool)).map(|s| s.node.as_str()).collect();
        differ(&mut out, "chosen", &json!(chosen), &json!(recorded));
        let labelled: BTreeSet<&str> = case.output["sync"]["nodesAfter"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(node, after)| after.get("labels").map(|_| node.as_str()))
            .collect();
        let adopted: BTreeSet<&str> =
            plan.adopt.iter().filter(|a| nodes.iter().any(|n| n.name == a.node)).map(|a| a.node.as_str()).collect();
        differ(&mut out, "labelled", &json!(adopted), &json!(labelled));
        // Nodes of pools that wait are told the topology as well: no more is compared than that those recorded are.
        let told = plan.marks.iter().filter(|mark| mark.topology.is_some()).map(|mark| mark.node.as_str());
        let told: BTreeSet<&str> = told.chain(plan.start.iter().map(|start| start.node.as_str())).collect();
        for (node, after) in case.output["sync"]["nodesAfter"].as_object().unwrap() {
            let topology = after["annotations"][CONTROL_PLANE_TOPOLOGY].as_str();
            let before = nodes.iter().find(|n| n.name == node).and_then(|n| n.topology);
            if topology.is_some() && topology != before && nodes.iter().any(|n| n.name == node) {
                differ(&mut out, "topology", &json!(told.contains(node.as_str())), &json!(true));
            }
        }
        out
    });
}

/// `weir explain rollout -o json` gives what was recorded, and never something else than the rules it is made of.
#[test]
fn explained() {
    run("membership", &[], |case| {
        let told = membership_json(&case.inputs.world());
        let mut out = Vec::new();
        for (node, recorded) in case.output["nodes"].as_object().unwrap() {
            // An invalid selector is an error for every node in the reference (R-MEMBER-5).
            if recorded.get("error").is_none() {
                for key in ["pools", "primary"] {
                    differ(&mut out, node, &told["nodes"][node][key], &recorded[key]);
                }
            }
        }
        out
    });
    run("candidates", &[], |case| {
        let mut out = Vec::new();
        let direct = &case.output["direct"];
        let told = explain(&case.inputs.world(), case.inputs.pool_name(), NOW).unwrap().json();
        for key in ["nodes", "unavailable", "maxUnavailable", "candidates", "capacity"] {
            if direct.get(key).is_some() {
                differ(&mut out, key, &told[key], &direct[key]);
            }
        }
        out
    });
    run("status", &[REPORTS, REPORTS_IN_IMAGE_MODE, IMAGES, CORDONED].concat(), |case| {
        let mut out = Vec::new();
        if case.error.is_none() {
            let told = explain(&case.inputs.world(), case.inputs.pool_name(), NOW).unwrap().json();
            let mut status = told["status"].clone();
            for condition in status["conditions"].as_array_mut().unwrap() {
                condition.as_object_mut().unwrap().remove("lastTransitionTime");
            }
            take_lost(&mut out, case, &mut status);
            differ(&mut out, "status", &status, &case.output["status"]);
        }
        out
    });
}

#[test]
fn status() {
    run("status", &[REPORTS, REPORTS_IN_IMAGE_MODE, IMAGES, TIMES, CORDONED].concat(), |case| {
        let world = case.inputs.world();
        let views = world.views();
        let mut out = Vec::new();
        let pool = views.pools.iter().find(|pool| pool.name == case.inputs.pool_name()).unwrap();
        if let Some(error) = case.error.as_deref() {
            differ(&mut out, error, &json!(pool.selector.is_err()), &json!(true));
            return out;
        }
        let nodes = views.nodes_of(pool.name);
        let plan = views.plan(None, NOW);
        let status = pool_status(
            &PoolStatusView {
                pool,
                nodes: &nodes,
                reports: &views.reports,
                configs: &views.configs,
                streams: world.streams_in_effect(),
                counts_from_reports: world.is_on(IMAGE_MODE_STATUS_REPORTING),
                certificates: &certificate_expiry(case.inputs.certificates()),
                standing: plan.standing(pool.name),
                lost: &views.lost(),
            },
            NOW,
        );
        if !LOST.contains(&case.id.as_str()) {
            let written = status_changed(pool.object.status.as_ref(), &status);
            differ(&mut out, "written", &json!(written), &case.output["statusWritten"]);
        }
        let old = pool.conditions();
        let conditions = status.conditions.clone().unwrap_or_default();
        let kept: Vec<_> = conditions
            .iter()
            .filter(|c| old.iter().any(|o| o.type_ == c.type_ && o.last_transition_time == c.last_transition_time))
            .map(|c| c.type_.as_str())
            .collect();
        differ(&mut out, "kept times", &json!(kept), &case.output["keptTransitionTimes"]);
        let mut ours = serde_json::to_value(&status).unwrap();
        for condition in ours["conditions"].as_array_mut().unwrap() {
            condition.as_object_mut().unwrap().remove("lastTransitionTime");
        }
        take_lost(&mut out, case, &mut ours);
        let recorded = case.output["status"].as_object().unwrap();
        let keys: BTreeSet<&String> = recorded.keys().chain(ours.as_object().unwrap().keys()).collect();
        for key in keys {
            differ(&mut out, key, &ours[key], &case.output["status"][key]);
        }
        out
    });
}
