//! A world that followed what changed, and what was kept of its objects, against one that is made from nothing.

#![allow(clippy::unwrap_used, reason = "a test: malformed objects shall stop it")]

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{MachineConfigNode, MachineConfigPool, pool::MachineConfigPoolStatus};
use weir_rules::{
    rollout::RolloutPlan,
    world::{Changes, Kept, Views, World},
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What a node says of itself: the texts of its annotations, labels and conditions, each missing now and then.
fn node() -> impl Strategy<Value = Value> {
    let text = |values: &'static [&'static str]| prop::option::of(prop::sample::select(values));
    let runs = (
        text(&["", "r1", "r2"]),
        text(&["", "r1", "r2"]),
        text(&["", "image"]),
        text(&["image", "other"]),
        prop::sample::select(&["", "Done", "Done", "Working", "Degraded", "Unreconcilable", "?"][..]),
    );
    let says = (
        text(&["", "drain-r2", "uncordon-r2"]),
        text(&["drain-r2", "drain-r1"]),
        text(&["machine-config-controller"]),
        text(&["2026-01-01T00:00:00Z", "yesterday"]),
        text(&["Rebooting", "None"]),
        text(&["", "it fails, and says why"]),
    );
    let joined = (text(&["HighlyAvailable"]), text(&["r1"]), text(&[""]), text(&["east", "west"]), text(&["Pending"]));
    let there = (
        prop::sample::select(&["worker", "worker", "infra", "none"][..]),
        text(&["windows", "linux"]),
        prop::sample::select(&["True", "True", "False", "Unknown"][..]),
        any::<bool>(),
        any::<bool>(),
        text(&["2025-01-01T00:00:00Z"]),
    );
    (runs, says, joined, there).prop_map(|(runs, says, joined, there)| {
        let ours = |name: &str, value: Option<&str>| {
            Some((format!("machineconfiguration.openshift.io/{name}"), json!(value?)))
        };
        let annotations: Value = [
            ours("currentConfig", runs.0),
            ours("desiredConfig", runs.1),
            ours("currentImage", runs.2),
            ours("desiredImage", runs.3),
            ours("state", Some(runs.4)),
            ours("desiredDrain", says.0),
            ours("lastAppliedDrain", says.1),
            ours("cordonedBy", says.2),
            ours("drainStarted", says.3),
            ours("post-config-action", says.4),
            ours("reason", says.5),
            ours("controlPlaneTopology", joined.0),
            ours("firstPivotConfig", joined.1),
            ours("customPoolLabelsApplied", joined.2),
        ]
        .into_iter()
        .flatten()
        .collect();
        let label = |name: &str, value: Option<&str>| Some((name.to_owned(), json!(value?)));
        let labels: Value = [
            label(&format!("node-role.kubernetes.io/{}", there.0), Some("")),
            label("topology.kubernetes.io/zone", joined.3),
            label("kubernetes.io/os", there.1),
        ]
        .into_iter()
        .flatten()
        .collect();
        let taints =
            if there.4 { json!([{"key": "UpdateInProgress", "effect": "PreferNoSchedule"}]) } else { json!([]) };
        json!({
            "metadata": {"labels": labels, "annotations": annotations, "creationTimestamp": there.5},
            "spec": {"unschedulable": there.3, "taints": taints},
            "status": {"phase": joined.4, "conditions": [{"type": "Ready", "status": there.2}]},
        })
    })
}

/// What a MachineConfigNode reports.
fn report() -> impl Strategy<Value = Value> {
    let condition = |type_: &'static str| {
        prop::option::of(prop::sample::select(&["True", "False", "Unknown"][..])).prop_map(move |status| {
            let since = "2026-01-01T00:00:00Z";
            Some(json!({"type": type_, "status": status?, "reason": "R", "message": "so it is", "lastTransitionTime": since}))
        })
    };
    let conditions = ["Updated", "NodeDegraded", "Drained", "RebootedNode", "Cordoned", "Uncordoned"].map(condition);
    (conditions, prop::sample::select(&["", "r1", "r2"][..])).prop_map(|(conditions, desired)| {
        let conditions: Vec<_> = conditions.into_iter().flatten().collect();
        let version = json!({"current": "r1", "desired": desired});
        json!({
            "spec": {"node": {"name": ""}, "pool": {"name": "worker"}, "configVersion": {"desired": desired}},
            "status": {"conditions": conditions, "configVersion": version},
        })
    })
}

/// What one look sees: nodes and MachineConfigNodes that came, changed or went, nodes of which only the version is another, and the
/// pools' target and the second one's role, if they are others.
type Look =
    (Vec<(usize, Option<Value>)>, Vec<(usize, Option<Value>)>, Vec<usize>, Option<(&'static str, &'static str)>);

fn look() -> impl Strategy<Value = Look> {
    let some =
        |what: BoxedStrategy<Value>| prop::collection::vec((0..NAMES.len(), prop::option::weighted(0.8, what)), 0..4);
    let pools = (prop::sample::select(&["r1", "r2"][..]), prop::sample::select(&["infra", "none", "?"][..]));
    let touched = prop::collection::vec(0..NAMES.len(), 0..2);
    (some(node().boxed()), some(report().boxed()), touched, prop::option::weighted(0.2, pools))
}

/// The pools, with their target and the role that the first one selects, which may be none that there can be.
fn pools((target, role): (&str, &str)) -> Vec<Arc<MachineConfigPool>> {
    let pool = |(name, role): (&str, &str)| {
        let selector = json!({"matchLabels": {format!("node-role.kubernetes.io/{role}"): ""}});
        let spec = json!({"nodeSelector": selector, "configuration": {"name": target}, "maxUnavailable": 2});
        Arc::new(serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap())
    };
    [("infra", role), ("worker", "worker")].map(pool).into()
}

/// What a plan starts, ends and marks, for whom it waits, and the statuses that follow; what somebody waits for may change its wording.
/// Versions of nodes that start count where they are told (R-ROLLOUT-12).
fn outcome(views: &Views<'_>, now: Timestamp) -> (RolloutPlan, Vec<String>, Vec<(String, MachineConfigPoolStatus)>) {
    let mut plan = views.plan(None, now);
    plan.start.iter_mut().for_each(|start| start.version.clear());
    let statuses = views.statuses(&plan, &views.lost(), now);
    let statuses = statuses.into_iter().map(|new| (new.pool.metadata.name.clone().unwrap_or_default(), new.status));
    let waiting = plan.hold.iter().map(|held| held.node.clone()).collect();
    (RolloutPlan { hold: Vec::new(), ..plan }, waiting, statuses.collect())
}

proptest! {
    #![proptest_config(Config { cases: 150, rng_seed: RngSeed::Fixed(13), failure_persistence: None, ..Config::default() })]

    /// R-KEPT-1 and R-ALIKE-4: after any changes the world and its views are what they would be from nothing, and where a world says
    /// that nothing changed for the plan, the plan and the statuses are the same.
    #[test]
    fn what_follows_changes_equals_what_is_made_from_nothing(looks in prop::collection::vec(look(), 1..12)) {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let now = now + SignedDuration::from_secs(1);
        let (mut nodes, mut reports) = (BTreeMap::<String, Arc<Node>>::new(), BTreeMap::<String, Arc<MachineConfigNode>>::new());
        let mut others = World { pools: pools(("r1", "infra")), ..World::default() };
        let (mut followed, mut kept) = (others.clone(), Kept::default());
        for (version, (of_nodes, of_reports, touched, of_pools)) in looks.into_iter().enumerate() {
            let named = |at: usize, mut object: Value| {
                object["metadata"]["name"] = json!(NAMES[at]);
                object["metadata"]["resourceVersion"] = json!(version.to_string());
                object
            };
            let mut changes = Changes::default();
            for (at, object) in of_nodes {
                let now = object.map(|object| Arc::new(serde_json::from_value::<Node>(named(at, object)).unwrap()));
                set(&mut nodes, NAMES[at], now.clone());
                changes.nodes.push((NAMES[at].to_owned(), now));
            }
            for (at, object) in of_reports {
                let now = object.map(|object| Arc::new(serde_json::from_value::<MachineConfigNode>(named(at, object)).unwrap()));
                set(&mut reports, NAMES[at], now.clone());
                changes.reports.push((NAMES[at].to_owned(), now));
            }
            for at in touched {
                let Some(mut node) = nodes.get(NAMES[at]).map(|node| Node::clone(node)) else { continue };
                node.metadata.resource_version = Some(format!("{version}-again"));
                let now = Some(Arc::new(node));
                set(&mut nodes, NAMES[at], now.clone());
                changes.nodes.push((NAMES[at].to_owned(), now));
            }
            if let Some(of_pools) = of_pools {
                others.pools = pools(of_pools);
            }
            changes.others = others.clone();
            // A cache names each object once, as it is in the end.
            keep_last(&mut changes.nodes);
            keep_last(&mut changes.reports);
            let before = outcome(&followed.views(), now);
            let alike = followed.follow(changes);
            let anew =
                World { nodes: nodes.values().cloned().collect(), reports: reports.values().cloned().collect(), ..others.clone() };
            prop_assert_eq!(format!("{followed:?}"), format!("{anew:?}"));
            let views = followed.views_from(&mut kept);
            prop_assert_eq!(format!("{views:?}"), format!("{:?}", anew.views()));
            if alike {
                prop_assert_eq!(before, outcome(&views, now));
            }
        }
    }
}

fn set<K>(all: &mut BTreeMap<String, Arc<K>>, name: &str, now: Option<Arc<K>>) {
    match now {
        Some(now) => _ = all.insert(name.to_owned(), now),
        None => _ = all.remove(name),
    }
}

fn keep_last<K>(changed: &mut Vec<(String, Option<Arc<K>>)>) {
    let last: BTreeMap<_, _> = changed.drain(..).collect();
    changed.extend(last);
}
