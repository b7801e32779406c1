use super::*;
use crate::world::Object;
use k8s_openapi::api::core::v1::Node;
use serde::de::DeserializeOwned;
use weir_api::{ClusterOperator, MachineConfig, MachineConfigNode, MachineConfigPool};

fn list<K: DeserializeOwned + Into<Object>>(value: Value) -> Vec<Object> {
    serde_json::from_value::<Vec<K>>(value).unwrap().into_iter().map(Into::into).collect()
}

fn key(name: &str) -> String {
    format!("machineconfiguration.openshift.io/{name}")
}

fn pool(name: &str, more: Value) -> Value {
    let mut pool = json!({
        "metadata": {"name": name},
        "spec": {
            "configuration": {"name": format!("rendered-{name}-2")},
            "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
        },
        "status": {"configuration": {"name": format!("rendered-{name}-1")}},
    });
    for (at, value) in more.as_object().unwrap() {
        *pool.pointer_mut(at).unwrap() = value.clone();
    }
    pool
}

fn node(name: &str, roles: &[&str], configs: [&str; 2], more: &[(&str, &str)]) -> Value {
    let labels: Value = roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), json!(""))).collect();
    let state = if configs[0] == configs[1] { "Done" } else { "Working" };
    let mut annotations =
        json!({key("currentConfig"): configs[0], key("desiredConfig"): configs[1], key("state"): state});
    for (name, value) in more {
        annotations[key(name)] = json!(value);
    }
    json!({"metadata": {"name": name, "labels": labels, "annotations": annotations}, "spec": {}})
}

fn config(name: &str, argument: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"kernelArguments": [argument]}})
}

fn world(pools: Value, nodes: Value, reports: Value) -> World {
    let configs = json!([config("rendered-worker-1", "a"), config("rendered-worker-2", "b")]);
    let objects = [
        list::<MachineConfigPool>(pools),
        list::<Node>(nodes),
        list::<MachineConfig>(configs),
        list::<MachineConfigNode>(reports),
    ];
    World::of(objects.concat())
}

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn asked(world: &World, asked: Asked) -> Why {
    why(world, &asked, now()).unwrap()
}

const OLD: [&str; 2] = ["rendered-worker-1", "rendered-worker-1"];
const GOING: [&str; 2] = ["rendered-worker-1", "rendered-worker-2"];

#[test]
fn a_waiting_node_names_the_one_in_its_way_and_the_pod_in_that_ones() {
    let draining = node("b", &["worker"], GOING, &[("desiredDrain", "drain-rendered-worker-2")]);
    let report = json!({"metadata": {"name": "b"}, "status": {"conditions": [{
        "type": "Drained", "status": "Unknown", "reason": "X", "lastTransitionTime": "2026-01-01T00:00:00Z",
        "message": "Draining. In the way: default/db-0: budget db allows none",
    }]}});
    let world =
        world(json!([pool("worker", json!({}))]), json!([node("a", &["worker"], OLD, &[]), draining]), json!([report]));
    let answer = asked(&world, Asked::Node("a".into()));
    let said: Vec<_> = answer.chain.iter().map(|cause| (cause.about.as_str(), cause.code.as_str())).collect();
    assert_eq!(said[..2], [("node/a", "NoCapacity"), ("node/a", "InPools")], "{}", answer.text(now()));
    assert!(said.contains(&("node/b", "Updating")) && said.contains(&("mcp/worker", "Differs")), "{said:?}");
    let text = answer.text(now());
    assert!(
        text.contains("because node/b: draining on its way to rendered-worker-2; in the way: default/db-0"),
        "{text}"
    );
    assert!(text.contains("goes from rendered-worker-1 to rendered-worker-2"), "{text}");
    assert!(text.ends_with("change it: kubectl get poddisruptionbudgets --all-namespaces\n"), "{text}");
    assert_eq!(answer.json()["causes"][0]["rule"], "R-ROLLOUT-4");
}

#[test]
fn a_degraded_pool_leads_to_its_node_in_the_daemons_words() {
    let failed =
        node("b", &["worker"], GOING, &[("state", "Degraded"), ("reason", "unexpected on-disk state: /etc/a")]);
    let world = world(json!([pool("worker", json!({}))]), json!([failed]), json!([]));
    let answer = asked(&world, Asked::Pool("worker".into()));
    let text = answer.text(now());
    assert!(text.contains("Node b is reporting: \"unexpected on-disk state: /etc/a\""), "{text}");
    assert!(
        text.contains("because node/b: failed to reach rendered-worker-2: unexpected on-disk state: /etc/a"),
        "{text}"
    );
    assert!(text.contains("because mcp/worker: gives another kernelArguments b"), "{text}");
}

#[test]
fn a_paused_pool_and_a_drifted_node_have_a_command() {
    let paused = pool(
        "worker",
        json!({"/spec": {
            "paused": true, "configuration": {"name": "rendered-worker-2"},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}},
        }}),
    );
    let drifted = [("state", "Degraded"), ("reason", "content mismatch for file \"/etc/a\"")];
    let there = ["rendered-worker-2", "rendered-worker-2"];
    let world = world(
        json!([paused]),
        json!([node("a", &["worker"], OLD, &[]), node("b", &["worker"], there, &drifted)]),
        json!([]),
    );
    let answer = asked(&world, Asked::Node("a".into()));
    assert_eq!(answer.chain[0].code, "PoolPaused");
    assert_eq!(answer.commands, ["kubectl patch mcp/worker --type merge -p '{\"spec\":{\"paused\":false}}'"]);
    let mut told = world.clone();
    let mut with_time = (*told.pools[0]).clone();
    let marks = [("paused-until", "2026-01-01T04:00:00Z"), ("paused-because", "a holiday")];
    let marks = marks.map(|(key, value)| (format!("machineconfiguration.openshift.io/{key}"), value.to_owned()));
    with_time.metadata.annotations = Some(marks.into());
    told.pools = vec![with_time.into()];
    let text = asked(&told, Asked::Node("a".into())).text(now());
    let until = "because mcp/worker: paused until 2026-01-01T04:00:00Z, because: a holiday; nothing resumes it then";
    assert!(text.contains(until) && text.contains("how long a pause is safe is not known"), "{text}");
    let answer = asked(&world, Asked::Node("b".into()));
    assert_eq!(answer.chain[0].code, "Failing");
    assert_eq!(answer.commands, ["kubectl debug node/b -- chroot /host touch /run/machine-config-daemon-force"]);
}

#[test]
fn pools_of_a_node_cordons_and_configurations_that_are_gone() {
    let mut foreign = node("a", &["worker", "gpu"], ["rendered-gpu-0", "rendered-worker-1"], &[]);
    foreign["spec"]["unschedulable"] = json!(true);
    foreign["metadata"]["managedFields"] = json!([{
        "manager": "kubectl-cordon", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:unschedulable": {}}},
    }]);
    let both = node("x", &["gpu", "infra"], OLD, &[]);
    let pools = json!([pool("worker", json!({})), pool("gpu", json!({})), pool("infra", json!({}))]);
    let world = world(pools, json!([foreign, both]), json!([]));
    let answer = asked(&world, Asked::Node("a".into()));
    let text = answer.text(now());
    assert!(text.contains("is in pool gpu, which decides, and in worker"), "{text}");
    assert!(text.contains("is cordoned, and not for a drain, by kubectl-cordon at 2026-01-01T00:00:00Z"), "{text}");
    assert!(text.contains("runs MachineConfig rendered-gpu-0, which does not exist"), "{text}");
    assert!(answer.authors.contains(&("Node", "a".to_owned())));
    let answer = asked(&world, Asked::Node("x".into()));
    assert_eq!((answer.chain[0].code.as_str(), answer.chain.len()), ("SeveralPools", 1));
    assert_eq!(answer.commands, ["kubectl label node/x node-role.kubernetes.io/infra-"]);
}

#[test]
fn the_operator_leads_to_its_pools() {
    let failed = node("b", &["worker"], GOING, &[("state", "Degraded"), ("reason", "no space left")]);
    let mut world = world(json!([pool("worker", json!({}))]), json!([failed]), json!([]));
    let said = |world: &World| asked(world, Asked::Cluster);
    let text = said(&world).text(now());
    assert!(text.starts_with("co/machine-config: ") && text.contains("because node/b: failed to reach"), "{text}");
    world.put(
        list::<ClusterOperator>(json!([{"metadata": {"name": "machine-config"}, "spec": {}, "status": {"conditions": [
            {"type": "Degraded", "status": "True", "reason": "RequiredPoolsFailed", "message": "pool worker fails",
             "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ]}}]))
        .remove(0),
    );
    let answer = said(&world);
    assert_eq!((answer.chain[0].code.as_str(), answer.chain[0].depth), ("RequiredPoolsFailed", 0));
    assert!(answer.text(now()).starts_with("co/machine-config: Degraded=True: pool worker fails (for 1h)\n"));
}

#[test]
fn what_is_not_there_is_named() {
    let world = world(json!([pool("worker", json!({}))]), json!([]), json!([]));
    let said = |asked| why(&world, &asked, now()).unwrap_err().to_string();
    assert_eq!(said(Asked::Pool("gpu".into())), "there is no MachineConfigPool \"gpu\"; there are: worker");
    assert_eq!(said(Asked::Node("z".into())), "there is no node \"z\"; there are: ");
}

#[test]
fn a_chain_ends() {
    let nodes: Vec<Value> = (0..200).map(|at| node(&format!("n{at:03}"), &["worker"], GOING, &[])).collect();
    let world = world(json!([pool("worker", json!({}))]), json!(nodes), json!([]));
    let answer = asked(&world, Asked::Pool("worker".into()));
    assert!(answer.chain.len() <= LONGEST && !answer.chain.is_empty());
}
