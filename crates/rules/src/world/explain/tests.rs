use super::*;
use crate::world::Object;
use k8s_openapi::api::core::v1::Node;
use weir_api::{MachineConfigNode, MachineConfigPool};

fn objects(value: Value) -> World {
    fn of<K: serde::de::DeserializeOwned + Into<Object>>(list: &Value) -> Vec<Object> {
        let list: Vec<K> = serde_json::from_value(if list.is_null() { json!([]) } else { list.clone() }).unwrap();
        list.into_iter().map(Into::into).collect()
    }
    let (pools, nodes) = (of::<MachineConfigPool>(&value["pools"]), of::<Node>(&value["nodes"]));
    World::of([pools, nodes, of::<MachineConfigNode>(&value["reports"])].concat())
}

fn pool(name: &str, spec: Value) -> Value {
    let mut pool = json!({
        "metadata": {"name": name},
        "spec": {
            "configuration": {"name": format!("rendered-{name}-2")},
            "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        pool["spec"][key] = value.clone();
    }
    pool
}

fn node(name: &str, roles: &[&str], current: &str, desired: &str) -> Value {
    let labels: BTreeMap<_, _> = roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), "")).collect();
    let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
    json!({"metadata": {"name": name, "labels": labels, "annotations": {
        key("currentConfig"): current, key("desiredConfig"): desired,
        key("state"): if current == desired { "Done" } else { "Working" },
    }}})
}

fn sample() -> World {
    objects(json!({
        "pools": [pool("worker", json!({"maxUnavailable": 2})), pool("infra", json!({})), pool("edge", json!({}))],
        "nodes": [
            node("a", &["worker"], "rendered-worker-1", "rendered-worker-2"),
            node("b", &["worker"], "rendered-worker-1", "rendered-worker-1"),
            node("c", &["worker"], "rendered-worker-1", "rendered-worker-1"),
            node("d", &["worker"], "rendered-worker-2", "rendered-worker-2"),
            node("i", &["worker", "infra"], "rendered-infra-2", "rendered-infra-2"),
            node("x", &["infra", "edge"], "rendered-infra-2", "rendered-infra-2"),
            node("y", &["lost"], "rendered-worker-2", "rendered-worker-2"),
        ],
        "reports": [{"metadata": {"name": "a"}, "status": {"conditions": [
            {"type": "Updated", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ]}}],
    }))
}

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

#[test]
fn the_json_has_exactly_the_agreed_shape() {
    let told = membership(&sample());
    assert_eq!(told["nodes"]["i"], json!({"pools": ["infra", "worker"], "primary": "infra"}));
    assert_eq!(told["nodes"]["y"], json!({"pools": [], "primary": null}));
    assert!(told["nodes"]["x"]["error"].as_str().unwrap().contains("edge, infra"));
    let explained = explain(&sample(), "worker", now()).unwrap().json();
    let keys: Vec<_> = explained.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["candidates", "capacity", "hold", "maxUnavailable", "nodes", "start", "status", "unavailable"]);
    assert_eq!(explained["nodes"], json!(["a", "b", "c", "d"]));
    assert_eq!((&explained["unavailable"], &explained["maxUnavailable"]), (&json!(["a"]), &json!(2)));
    assert_eq!((&explained["capacity"], &explained["candidates"]), (&json!(1), &json!(["b", "c"])));
    assert_eq!(explained["start"], json!(["b"]));
    assert_eq!(
        explained["hold"],
        json!([
            {"node": "a", "reason": "Updating: updating to rendered-worker-2", "since": "2026-01-01T00:00:00Z"},
            {"node": "c", "reason": "Queued: 1 node goes first", "since": null},
        ])
    );
    assert_eq!(explained["status"]["updatedMachineCount"], 1);
    let missing = explain(&sample(), "gpu", now()).unwrap_err();
    assert_eq!(missing.to_string(), "there is no MachineConfigPool \"gpu\"; there are: edge, infra, worker");
}

#[test]
fn what_nobody_can_mean_is_explained_as_well() {
    let odd = objects(json!({
        "pools": [pool("worker", json!({"maxUnavailable": "abc"}))],
        "nodes": [node("a", &["worker"], "rendered-worker-1", "rendered-worker-1")],
    }));
    let explained = explain(&odd, "worker", now()).unwrap().json();
    assert_eq!((&explained["maxUnavailable"], &explained["capacity"]), (&Value::Null, &json!(0)));
    assert!(explained["hold"][0]["reason"].as_str().unwrap().starts_with("MaxUnavailableInvalid: "));
}

#[test]
fn for_people() {
    let objects = sample();
    let text = explained(&explain(&objects, "worker", now()).unwrap(), now());
    assert_eq!(
        text,
        "pool worker: 4 nodes, 1 of at most 2 unavailable, to reach rendered-worker-2
  Updating=True: All nodes are updating to MachineConfig rendered-worker-2
  NodesWithoutPool=True: in no pool: y: no pool's nodeSelector matches it; label it for one
  a  waits: updating to rendered-worker-2 (for 1h)
  b  may start now, as number 1
  c  waits: 1 node goes first
  d  done
"
    );
    assert_eq!(
        summary(&explain_all(&objects, now()), now()),
        "health: updating (worker), updated (edge, infra)
POOL    STREAM  NODES  UPDATED  READY  UNAVAILABLE  DEGRADED  STATE
edge    -       0      0        0      0            0         updated
infra   -       1      1        1      0            0         updated
worker  -       4      1        1      1            0         updating
worker: 1 of 4 nodes done; 1 applying
worker: 3 nodes to go, longer than forecast by 50m so far; the others in 5m to 10m after that, 2 at a time (OpenShift's documented 5 to 10 minutes a node; this pool has no history yet)
worker: b may start now
worker: c waits: other nodes go first
worker: a waits: updating to rendered-worker-2 (for 1h)
"
    );
    let lost = |world: &World| -> Vec<_> {
        without_pool(world).into_iter().map(|(node, reason)| (node, reason.code())).collect()
    };
    let several = ("x".to_owned(), "SeveralPools");
    // The files leave out the pool of the control plane, which may be y's.
    assert_eq!(lost(&objects), std::slice::from_ref(&several));
    assert_eq!(
        unplaced(&objects).unwrap().to_string(),
        "1 node is in none of the pools among the files, which have no pool master: y"
    );
    let cluster = World { whole: true, ..objects };
    assert_eq!((lost(&cluster), unplaced(&cluster)), (vec![several, ("y".to_owned(), "NoPool")], None));
}

#[test]
fn what_a_pool_waits_for_and_what_its_users_should_know_is_in_the_summary() {
    let mut waiting = pool("worker", json!({}));
    let told = |type_: &str, status: &str, reason: &str, message: &str| json!({"type": type_, "status": status, "reason": reason, "message": message});
    waiting["status"] = json!({"conditions": [
        told("RenderDegraded", "False", "ControllerConfigNotComplete", "it is not complete"),
        told("StreamNameIgnored", "True", "StalePin", "b is the only stream there is"),
        told("Other", "True", "Other", "not ours"),
    ]});
    let odd = World { whole: true, ..objects(json!({ "pools": [waiting, pool("infra", json!({}))] })) };
    let said = summary(&explain_all(&odd, now()), now());
    let lines: Vec<&str> = said.lines().skip(2).collect();
    assert!(lines[0].ends_with("updated") && lines[1].ends_with("updating"), "{said}");
    assert_eq!(
        lines[2..],
        ["worker: still to be rendered: it is not complete", "worker: b is the only stream there is"]
    );
}

#[test]
fn a_degraded_pool_says_why_and_what_to_do_in_its_conditions_words() {
    let mut broken = pool("worker", json!({}));
    broken["status"] = json!({
        "configuration": {"name": "rendered-worker-1"},
        "conditions": [{"type": "RenderDegraded", "status": "True", "reason": "RuncOnNewer", "message": "runc is\nnot there"}],
    });
    let failed = |name: &str| {
        let mut node = node(name, &["worker"], "rendered-worker-1", "rendered-worker-2");
        node["metadata"]["annotations"]["machineconfiguration.openshift.io/state"] = json!("Degraded");
        node["metadata"]["annotations"]["machineconfiguration.openshift.io/reason"] = json!("no space left");
        node
    };
    let world = objects(json!({"pools": [broken], "nodes": [failed("a")]}));
    let pools = explain_all(&world, now());
    assert_eq!(pools[0].health(), Health::Degraded);
    let text = summary(&pools, now());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "health: degraded (worker)");
    assert_eq!(lines[3], "worker: from rendered-worker-1 to rendered-worker-2");
    assert_eq!(lines[4], "worker: degraded: runc is not there");
    assert_eq!(lines[5], "worker: degraded: Node a is reporting: \"no space left\"");
    assert_eq!(lines[lines.len() - 2..], ["next: weir why mcp/worker", "next: weir why node/a"]);
    let told = pools[0].overview();
    assert_eq!((&told["health"], &told["from"]), (&json!("degraded"), &json!("rendered-worker-1")));
    assert_eq!(told["causes"][0]["reason"], "RuncOnNewer");
}

#[test]
fn a_paused_pool_says_what_ends_that_and_a_bar_how_far_it_is() {
    let paused = pool("worker", json!({"paused": true}));
    let there = |name: &str, config: &str| node(name, &["worker"], config, config);
    let nodes = json!([there("a", "rendered-worker-2"), there("b", "rendered-worker-1")]);
    let pools = explain_all(&objects(json!({"pools": [paused], "nodes": nodes})), now());
    let text = summary(&pools, now());
    assert!(text.starts_with("health: paused (worker)\n"), "{text}");
    assert!(
        text.contains("worker: 1 node waits, and takes 5m to 10m once it may start: the pool is paused;"),
        "{text}"
    );
    assert!(
        text.ends_with("next: kubectl patch mcp/worker --type merge -p '{\"spec\":{\"paused\":false}}'\n"),
        "{text}"
    );
    assert_eq!(bars(&pools), format!("worker  {}{} 1/2\n", "█".repeat(15), "░".repeat(15)));
}

#[test]
fn only_what_time_does_to_a_forecast_is_no_change() {
    let now_of = |left: [u64; 2], slow: Option<u64>| {
        let mut pools = explain_all(&sample(), now());
        let forecast = pools.iter_mut().find_map(|pool| pool.forecast.as_mut()).unwrap();
        (forecast.left, forecast.longer) = (left, None);
        forecast.slow = slow
            .map(|took| crate::forecast::Slow {
                node: "a".to_owned(),
                phase: crate::history::Phase::Drain,
                took,
                usual: 1_000,
            })
            .into_iter()
            .collect();
        summary(&timeless(&pools), Timestamp::MIN)
    };
    let first = now_of([600_000, 1_200_000], None);
    assert!(first.contains("3 nodes to go within ") && !first.contains("(for 1h)"), "{first}");
    assert_eq!(now_of([599_000, 1_199_000], None), first);
    let slow = now_of([0, 600_000], Some(2_000));
    assert!(slow.contains("a takes longer than others: drain"), "{slow}");
    assert_eq!(now_of([0, 500_000], Some(3_000)), slow);
}

#[test]
fn a_drain_that_a_budget_blocks_has_no_end_in_sight() {
    let said = |blocked: &str| {
        let mut node = node("a", &["worker"], "rendered-worker-1", "rendered-worker-2");
        node["metadata"]["annotations"]["machineconfiguration.openshift.io/desiredDrain"] =
            json!("drain-rendered-worker-2");
        let message = format!(
            "Draining node. The drain will not be complete until desired drainer x matches current drainer y. In the way: {blocked}"
        );
        let report = json!({"metadata": {"name": "a"}, "status": {"conditions": [
            {"type": "Drained", "status": "Unknown", "reason": "Drained", "message": message, "lastTransitionTime": "2026-01-01T00:59:00Z"},
        ]}});
        let world = objects(json!({"pools": [pool("worker", json!({}))], "nodes": [node], "reports": [report]}));
        summary(&explain_all(&world, now()), now())
    };
    let budget = "pod shop/web: budget web allows no disruption, since 2026-01-01T00:59:00Z";
    assert!(
        said(budget).contains(&format!("\nworker: 1 node to go, no end in sight: a: {budget}\n")),
        "{}",
        said(budget)
    );
    let passes = said("pod shop/web: is terminating, since 2026-01-01T00:59:00Z");
    assert!(passes.contains("\nworker: 1 node to go in 5m to 10m ("), "{passes}");
}

#[test]
fn nodes_that_files_leave_out_are_not_passed_over() {
    let counted = |counted: i32, nodes: &[&str]| {
        let mut held = pool("worker", json!({}));
        held["status"] = json!({"machineCount": counted});
        let nodes: Vec<Value> =
            nodes.iter().map(|name| node(name, &["worker"], "rendered-worker-2", "rendered-worker-2")).collect();
        objects(json!({"pools": [held], "nodes": nodes}))
    };
    let said = |world: &World| summary(&explain_all(world, now()), now());
    let one = counted(3, &["a", "b"]);
    let line = "not known: how 1 of the 3 nodes of pool worker is: it is not among the files\n";
    assert!(said(&one).contains(line), "{}", said(&one));
    let explained = explain(&one, "worker", now()).unwrap();
    assert!(super::explained(&explained, now()).contains(line));
    assert!(explained.overview()["nodesNotKnown"].is_string());
    for world in [counted(2, &["a", "b"]), counted(0, &["a"]), World { whole: true, ..one }] {
        assert!(!said(&world).contains("not known: "), "{}", said(&world));
    }
}

#[test]
fn a_rollout_that_no_history_has_is_told_by_its_nodes() {
    let history = |to: &str| -> History {
        let rollout = json!({"from": "r0", "to": to, "began": "2026-01-01T00:00:00Z", "result": "underWay"});
        serde_json::from_value(json!({"rollouts": [rollout]})).unwrap()
    };
    let of = |paused: bool, told: &str| {
        let mut held = pool("worker", json!({"paused": paused}));
        held["status"] = json!({"configuration": {"name": "rendered-worker-1"}});
        let nodes = json!([
            node("a", &["worker"], "rendered-worker-1", told),
            node("b", &["worker"], "rendered-worker-1", "rendered-worker-1"),
        ]);
        explain(&objects(json!({"pools": [held], "nodes": nodes})), "worker", now()).unwrap()
    };
    let begun = of(false, "rendered-worker-2");
    let said =
        "rendered-worker-1 to rendered-worker-2; under way, 0 of 2 nodes done; nothing of it has been recorded so far";
    assert_eq!(begun.unrecorded(None).as_deref(), Some(said));
    assert_eq!(begun.unrecorded(Some(&history("rendered-worker-1"))).as_deref(), Some(said));
    assert_eq!(begun.unrecorded(Some(&history("rendered-worker-2"))), None);
    assert_eq!(of(true, "rendered-worker-1").unrecorded(None), None, "a paused pool has not begun");
}
