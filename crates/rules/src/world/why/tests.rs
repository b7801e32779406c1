mod ends;

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
    let gone = "runs MachineConfig rendered-gpu-0, which is not among the files: if the cluster does not have it either, it was deleted";
    assert!(text.contains(gone), "{text}");
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
    assert_eq!(
        said(Asked::Pool("gpu".into())),
        "there is no MachineConfigPool \"gpu\" among the files; there are: worker"
    );
    assert_eq!(said(Asked::Node("z".into())), "there is no node \"z\" among the files; there are: none");
}

/// A pool that selects MachineConfigs.
fn selecting(name: &str) -> Value {
    let mut pool = pool(name, json!({}));
    pool["spec"]["machineConfigSelector"] = json!({"matchLabels": {key("role"): name}});
    pool
}

fn of(objects: impl IntoIterator<Item = Vec<Object>>) -> World {
    World::of(objects.into_iter().flatten())
}

/// `said` is in the answer, and `claims` are not.
fn says(world: &World, question: Asked, said: &[&str], claims: &[&str]) -> Why {
    let answer = asked(world, question);
    let text = answer.text(now());
    assert!(said.iter().all(|part| text.contains(part)), "{text}");
    assert!(claims.iter().all(|part| !text.contains(part)), "{text}");
    answer
}

#[test]
fn what_nodes_and_pools_alone_do_not_say_is_not_known() {
    let pools = list::<MachineConfigPool>(json!([selecting("worker"), selecting("master")]));
    let world = of([pools, list::<Node>(json!([node("a", &["worker"], OLD, &[])]))]);
    let differs = "not known: what differs between rendered-worker-1 and rendered-worker-2: MachineConfig rendered-worker-1 and \
                   MachineConfig rendered-worker-2 are not among the files\n";
    says(&world, Asked::Node("a".into()), &["is in pool worker only", differs], &["does not exist"]);
    let unknown = [
        differs,
        "not known: what pool worker is rendered from: none of the MachineConfigs that it selects is among the files\n",
        "not known: which stream pool worker gets: there is no OSImageStream and no FeatureGate among the files\n",
    ];
    let answer = says(&world, Asked::Pool("worker".into()), &unknown, &["no MachineConfigs found", "streams are off"]);
    let data = answer.json();
    assert_eq!(data["notKnown"].as_array().map(Vec::len), Some(3), "{data}");
    assert_eq!(data["notKnown"][0]["code"], "ComponentsUnknown", "{data}");
    let operator = "not known: what the operator reports: ClusterOperator machine-config is not among the files; ";
    let claims = ["reports no problem", "FeatureGate cluster"];
    says(&world, Asked::Cluster, &["co/machine-config: what it reports is not known\n", operator], &claims);
    // A selector that is absent selects nothing, whatever files leave out.
    let absent = of([list::<MachineConfigPool>(json!([pool("worker", json!({}))]))]);
    says(&absent, Asked::Pool("worker".into()), &["no MachineConfigs found"], &["is rendered from"]);
    // Of a whole cluster nothing is left out.
    let whole = World { whole: true, ..world };
    let claims = ["is rendered from", "among the files"];
    says(&whole, Asked::Pool("worker".into()), &["\"cluster\" not found"], &claims);
}

#[test]
fn which_master_goes_last_is_not_known_without_the_operators_pods() {
    use k8s_openapi::api::core::v1::Pod;
    let old = ["rendered-master-1", "rendered-master-1"];
    let nodes = list::<Node>(json!([node("m", &["master"], old, &[])]));
    let pools = list::<MachineConfigPool>(json!([selecting("master"), selecting("worker")]));
    let mut world = of([nodes, pools]);
    let unknown = "not known: whether node m runs the operator, and so goes after the other masters: there are no pods of the operator \
                   among the files\n";
    says(&world, Asked::Node("m".into()), &["node/m: may start now, as number 1\n", unknown], &[]);
    let operator = json!([{
        "metadata": {"name": "o", "namespace": "openshift-machine-config-operator", "labels": {"k8s-app": "machine-config-operator"}},
        "spec": {"nodeName": "m", "containers": []},
    }]);
    list::<Pod>(operator).into_iter().for_each(|pod| world.put(pod));
    says(&world, Asked::Node("m".into()), &["node/m: "], &["runs the operator, and so"]);
}

#[test]
fn nodes_without_their_pool_and_pools_without_their_nodes() {
    let nodes = list::<Node>(json!([
        node("m", &["master"], ["rendered-master-1", "rendered-master-1"], &[]),
        node("w", &["worker"], OLD, &[]),
    ]));
    let mut counted = selecting("worker");
    counted["status"]["machineCount"] = json!(3);
    let world = of([nodes.clone(), list::<MachineConfigPool>(json!([counted]))]);
    let pools =
        "not known: whether node m is in other pools: master, which every cluster has, is not among the files\n";
    let answer = says(
        &world,
        Asked::Node("m".into()),
        &["node/m: is in none of the pools among the files\n", pools],
        &["kubectl label", "matches"],
    );
    assert_eq!((answer.chain[0].code.as_str(), answer.commands.len()), ("NotKnown", 0));
    says(&world, Asked::Node("w".into()), &["is in pool worker\n", "is in other pools"], &["worker only"]);
    let nodes_of = "not known: how 2 of the 3 nodes of pool worker are: they are not among the files\n";
    says(&world, Asked::Pool("worker".into()), &[nodes_of], &[]);
    let mut other = selecting("gpu");
    other["status"]["machineCount"] = json!(2);
    let none = of([nodes, list::<MachineConfigPool>(json!([other]))]);
    let answer =
        says(&none, Asked::Pool("gpu".into()), &["not known: none of its nodes among the files"], &["All nodes"]);
    assert_eq!(answer.chain[0].code, "NotKnown");
}

#[test]
fn what_is_in_the_way_of_a_drain_is_said_by_pods_and_budgets_or_not_known() {
    use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
    let draining = node("b", &["worker"], GOING, &[("desiredDrain", "drain-rendered-worker-2")]);
    let world = world(json!([pool("worker", json!({}))]), json!([draining]), json!([]));
    let question = || Asked::Node("b".into());
    let unknown = "not known: which pods are in the way of the drain of node b: no MachineConfigNode says it, and there are no pods of \
                   the node among the files\n";
    let answer = says(&world, question(), &["draining on its way to rendered-worker-2\n", unknown], &["no budget"]);
    assert!(answer.drained.contains("b"));
    // Of a cluster pods are read where they are asked for. Until then, whoever drains has said what is in the way.
    let mut whole = World { whole: true, ..world.clone() };
    let nobody = "there is no MachineConfigNode of it, and pods and budgets were not read\n";
    says(&whole, question(), &[nobody], &["among the files"]);
    let draining = json!([{"metadata": {"name": "b"}, "status": {"conditions": [
        {"type": "Drained", "status": "Unknown", "reason": "X", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "Draining"},
    ]}}]);
    list::<MachineConfigNode>(draining).into_iter().for_each(|report| whole.put(report));
    assert!(says(&whole, question(), &["draining on its way"], &["which pods"]).drained.contains("b"));
    let pod = |name: &str, more: Value| {
        let owner = json!([{"apiVersion": "apps/v1", "kind": more, "name": "o", "uid": "u", "controller": true}]);
        json!({"metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, "ownerReferences": owner}, "spec": {"nodeName": "b", "containers": []}})
    };
    let pods = list::<Pod>(json!([pod("web", json!("ReplicaSet")), pod("agent", json!("DaemonSet"))]));
    let mut with_pods = world.clone();
    pods.into_iter().for_each(|pod| with_pods.put(pod));
    let budgets =
        "not known: which budget blocks the drain of node b: there are no PodDisruptionBudgets among the files\n";
    says(&with_pods, question(), &["because node/b: 1 pod still to go\n", budgets], &["no budget", "agent"]);
    let budget = |allowed: i32| {
        list::<PodDisruptionBudget>(json!([{
            "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
        }]))
    };
    let with = |allowed: i32| {
        let mut world = with_pods.clone();
        budget(allowed).into_iter().for_each(|budget| world.put(budget));
        world
    };
    let blocked = "because node/b: pod shop/web has to go, and budget web allows no disruption\n";
    let answer = says(&with(0), question(), &[blocked], &["not known: which pods", "not known: which budget"]);
    assert_eq!(answer.commands, ["kubectl edit pdb/web -n shop"]);
    says(
        &with(1),
        question(),
        &["1 pod still to go, and no budget is in the way\n"],
        &["not known: which pods", "not known: which budget"],
    );
}

/// A MachineConfig of a user, with a file and a kernel argument.
fn giving(name: &str, role: &str, path: &str) -> Value {
    let files = json!([{"path": "/etc/other", "contents": {"source": "data:,x"}}, {"path": path, "mode": 420, "contents": {"source": format!("data:,{name}")}}]);
    json!({
        "metadata": {"name": name, "labels": {key("role"): role}},
        "spec": {"kernelArguments": ["a", "nosmt"], "config": {"ignition": {"version": "3.5.0"}, "storage": {"files": files}}},
    })
}

fn motd() -> Asked {
    let address = weir_ignition::file_address("/etc/motd");
    Asked::Part { pool: "worker".into(), address, said: "file /etc/motd".into() }
}

fn with_configs(configs: Value) -> World {
    of([list::<MachineConfigPool>(json!([selecting("worker")])), list::<MachineConfig>(configs)])
}

#[test]
fn a_part_is_said_with_the_rendered_configuration_and_the_field_that_have_it() {
    let mut rendered = giving("rendered-worker-2", "none", "/etc/motd");
    let both = [giving("10-a", "worker", "/etc/motd"), giving("20-b", "worker", "/etc/motd")];
    let world = with_configs(json!([both[0], both[1], rendered]));
    says(
        &world,
        motd(),
        &[
            "mcp/worker: file /etc/motd: MachineConfig 20-b, instead of 10-a\n",
            "\n  because machineconfig/20-b: gives contents.source, mode in spec.config.storage.files[1]\n",
            "\n  because mcp/worker: rendered-worker-2, which its nodes are to reach, has it\n",
            "change it: kubectl edit machineconfig/20-b\n",
        ],
        &["not known"],
    );
    let argument = Asked::Argument { pool: "worker".into(), argument: "nosmt".into() };
    let field = "gives it in spec.kernelArguments[1]\n";
    says(&world, argument, &["kernel argument nosmt: MachineConfig ", field], &["not known"]);
    // What is rendered may be older than what there is now, and then does not have it, or is left out.
    rendered["spec"] = json!({"config": {"ignition": {"version": "3.5.0"}}});
    let older = with_configs(json!([both[0], rendered]));
    let not_yet =
        "rendered-worker-2, which its nodes are to reach, does not have it; the pool renders to rendered-worker-";
    says(&older, motd(), &["MachineConfig 10-a\n", not_yet], &["not known"]);
    let left_out = with_configs(json!([both[0]]));
    let unknown = "not known: whether rendered-worker-2, which the pool's nodes are to reach, has file /etc/motd: it is not among the files\n";
    says(&left_out, motd(), &["MachineConfig 10-a\n", unknown], &[]);
}

#[test]
fn a_part_that_only_the_rendered_configuration_has_and_one_that_nothing_has() {
    let rendered = giving("rendered-worker-2", "none", "/etc/motd");
    let held = "mcp/worker: file /etc/motd: rendered-worker-2, which its nodes are to reach, has it\n";
    let alone = "not known: which objects rendered-worker-2 comes from: what pool worker is rendered from: none of the MachineConfigs";
    says(&with_configs(json!([rendered])), motd(), &[held, alone], &["no MachineConfigs found"]);
    let others =
        "not known: which objects rendered-worker-2 comes from: those among the files render to rendered-worker-";
    says(&with_configs(json!([rendered, giving("10-a", "worker", "/etc/a")])), motd(), &[held, others], &[]);
    let refused = |world: &World| why(world, &motd(), now()).unwrap_err().to_string();
    let left_out = refused(&with_configs(json!([giving("10-a", "worker", "/etc/a")])));
    assert_eq!(
        left_out,
        "whether file /etc/motd is written to machines of pool worker is not known: no MachineConfig among the files gives it, and \
         rendered-worker-2 is not among them"
    );
    let nothing = refused(&with_configs(json!([])));
    assert!(
        nothing.contains("is not known: what pool worker is rendered from: none of the MachineConfigs"),
        "{nothing}"
    );
    let seen = giving("rendered-worker-2", "none", "/etc/a");
    assert_eq!(refused(&with_configs(json!([seen]))), "no file /etc/motd is written to machines of pool worker");
    let whole = World { whole: true, ..with_configs(json!([])) };
    assert!(!refused(&whole).contains("not known"), "{}", refused(&whole));
}

#[test]
fn whether_a_pause_ends_by_itself_may_not_be_known() {
    let mut paused = selecting("worker");
    paused["spec"]["paused"] = json!(true);
    paused["metadata"]["annotations"] = json!({key("paused-until"): "2026-01-01T04:00:00Z"});
    let world =
        of([list::<MachineConfigPool>(json!([paused])), list::<Node>(json!([node("a", &["worker"], OLD, &[])]))]);
    let unknown =
        "whether anything resumes it then is not known: neither its configuration nor the ControllerConfig is there";
    says(&world, Asked::Node("a".into()), &[unknown], &["nothing resumes it"]);
}

#[test]
fn a_chain_ends() {
    let nodes: Vec<Value> = (0..200).map(|at| node(&format!("n{at:03}"), &["worker"], GOING, &[])).collect();
    let world = world(json!([pool("worker", json!({}))]), json!(nodes), json!([]));
    let answer = asked(&world, Asked::Pool("worker".into()));
    assert!(answer.chain.len() <= LONGEST && !answer.chain.is_empty());
}
