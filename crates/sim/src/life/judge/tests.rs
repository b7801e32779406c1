//! Lives told by hand, and what is found in them.

use super::*;
use crate::story::judge::ROLE;
use serde_json::json;

const PREFIX: &str = crate::story::judge::PREFIX;

/// A life of a pool with three nodes, in which something happens every minute.
struct Told {
    start: Instant,
    changes: Vec<Change>,
    doings: Doings,
}

impl Told {
    fn new() -> Self {
        let mut told = Self { start: Instant::now(), changes: Vec::new(), doings: Doings::default() };
        let set = |name: &str| json!({"name": name, "osImage": format!("image-{name}")});
        let stream = json!({"status": {"defaultStream": "a", "availableStreams": [set("a"), set("b")]}});
        let gates = json!({"status": {"featureGates": [{"version": "1", "enabled": [{"name": "OSStreams"}]}]}});
        told.change("FeatureGate", "cluster", gates);
        told.change("OSImageStream", "cluster", stream);
        for (name, image) in [("r-1", "image-a"), ("r-2", "image-a"), ("r-b", "image-b")] {
            told.change("MachineConfig", name, json!({"spec": {"osImageURL": image}}));
        }
        told.pool("r-1", &json!({}), true);
        for name in ["w-0", "w-1", "w-2"] {
            told.node(name, "r-1", "r-1", &json!({}));
        }
        told
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_mins(self.changes.len().try_into().unwrap())
    }

    fn change(&mut self, kind: &'static str, name: &str, after: Value) {
        let (at, version) = (self.now(), self.changes.len().try_into().unwrap());
        self.changes.push(Change { key: (kind, name.to_owned()), version, at, after: Some(after) });
    }

    fn intent(&mut self) {
        let intent = Intent::NoConfig { role: "worker".to_owned(), number: 0 };
        self.doings.intents.push((self.now(), intent));
    }

    fn pool(&mut self, target: &str, spec: &Value, updated: bool) {
        let selector = json!({"matchLabels": {format!("{ROLE}worker"): ""}});
        let mut pool = json!({"spec": {"configuration": {"name": target}, "nodeSelector": selector}});
        for (key, value) in spec.as_object().unwrap() {
            pool["spec"][key] = value.clone();
        }
        let status = if updated { "True" } else { "False" };
        let seen = json!({"type": "Updated", "status": status, "lastTransitionTime": status});
        pool["status"] = json!({"conditions": [seen], "observed": self.changes.len()});
        self.change(POOL, "worker", pool);
    }

    fn node(&mut self, name: &str, desired: &str, current: &str, spec: &Value) {
        let key = |key: &str| format!("{PREFIX}{key}");
        let mut annotations =
            json!({key("desiredConfig"): desired, key("currentConfig"): current, key("state"): "Done"});
        if spec["unschedulable"] == true || spec["by-hand"] == true {
            annotations[BY_HAND] = json!("");
        }
        self.change(
            "Node",
            name,
            json!({
                "metadata": {"name": name, "labels": {format!("{ROLE}worker"): ""}, "annotations": annotations},
                "spec": spec,
            }),
        );
    }

    /// What was violated before the end.
    fn broken(&self) -> Vec<String> {
        let changes: Vec<_> = self.changes.iter().collect();
        let all = judge(&changes, &self.doings, self.now());
        all.into_iter().filter(|(at, _)| *at < self.now()).map(|(_, what)| what).collect()
    }

    fn at_the_end(&self) -> Vec<String> {
        let changes: Vec<_> = self.changes.iter().collect();
        let all = judge(&changes, &self.doings, self.now());
        all.into_iter().filter(|(at, _)| *at == self.now()).map(|(_, what)| what).collect()
    }
}

#[test]
fn a_rollout_as_it_should_be_is_not_complained_about() {
    let mut told = Told::new();
    told.intent();
    told.pool("r-2", &json!({}), false);
    for name in ["w-0", "w-1", "w-2"] {
        told.node(name, "r-2", "r-1", &json!({}));
        told.node(name, "r-2", "r-2", &json!({}));
    }
    told.pool("r-2", &json!({}), true);
    assert_eq!((told.broken(), told.at_the_end()), (vec![], vec![]));
}

#[test]
fn more_nodes_than_allowed_are_found_also_those_that_are_long_away() {
    let mut told = Told::new();
    told.intent();
    told.pool("r-2", &json!({}), false);
    told.node("w-0", "r-2", "r-1", &json!({}));
    told.node("w-1", "r-2", "r-1", &json!({}));
    assert_eq!(told.broken(), ["w-1 was told r-2: 2 nodes of worker move or are away, 1 may"]);

    let mut told = Told::new();
    told.intent();
    told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
    told.pool("r-2", &json!({}), false);
    told.node("w-1", "r-2", "r-1", &json!({}));
    assert_eq!(told.broken(), ["w-1 was told r-2: 2 nodes of worker move or are away, 1 may"]);
}

#[test]
fn what_a_pool_does_not_want_or_did_not_resolve_to_is_found() {
    let mut told = Told::new();
    told.intent();
    told.node("w-0", "r-2", "r-1", &json!({}));
    assert_eq!(told.broken(), ["w-0 was told r-2, which is not what worker is to run"]);
    let mut told = Told::new();
    told.pool("r-b", &json!({}), false);
    assert_eq!(told.broken(), ["worker is to run r-b with image-b, to which it did not resolve"]);
    let mut told = Told::new();
    told.pool("r-9", &json!({}), false);
    assert_eq!(told.broken(), ["worker is to run r-9, which does not exist"]);
}

#[test]
fn a_paused_pool_that_starts_and_one_that_is_told_too_often_are_found() {
    let mut told = Told::new();
    told.intent();
    told.pool("r-2", &json!({"paused": true}), false);
    told.node("w-0", "r-2", "r-1", &json!({}));
    assert_eq!(told.broken(), ["w-0 was told r-2 while worker is paused"]);
    let mut told = Told::new();
    told.pool("r-2", &json!({}), false);
    told.node("w-0", "r-2", "r-1", &json!({}));
    assert_eq!(told.broken(), ["w-0 was told something 1 times, and 0 changes concern it"]);
}

#[test]
fn what_a_process_cannot_know_yet_is_not_held_against_it() {
    let mut told = Told::new();
    told.intent();
    told.pool("r-2", &json!({"paused": true}), false);
    let at = told.now();
    told.doings.troubles.push((at - Duration::from_mins(2), at));
    told.node("w-0", "r-2", "r-1", &json!({}));
    assert_eq!(told.broken(), [""; 0]);
}

#[test]
fn a_node_told_without_an_image_is_found_unless_its_pool_may_seem_to_be_not_in_image_mode() {
    for (trouble, found) in
        [(false, &["w-0 was told r-2 without an image, and worker is in image mode"][..]), (true, &[])]
    {
        let mut told = Told::new();
        told.intent();
        told.pool("r-2", &json!({}), false);
        let begun = told.now();
        told.change("MachineOSConfig", "worker", json!({"spec": {"machineConfigPool": {"name": "worker"}}}));
        if trouble {
            told.doings.troubles.push((begun, told.now()));
        }
        told.node("w-0", "r-2", "r-1", &json!({}));
        assert_eq!(told.broken(), found, "{trouble}");
    }
}

#[test]
fn a_pool_said_to_be_updated_and_a_transition_time_that_moves_are_found() {
    let mut told = Told::new();
    told.intent();
    told.pool("r-2", &json!({}), false);
    told.pool("r-2", &json!({}), true);
    let node = |n| format!("worker was said to be updated, and w-{n} was not");
    assert_eq!(told.broken(), [node(0), node(1), node(2)]);
    let mut told = Told::new();
    told.pool("r-1", &json!({}), true);
    let last = told.changes.last_mut().unwrap().after.as_mut().unwrap();
    last["status"]["conditions"][0]["lastTransitionTime"] = json!("later");
    assert_eq!(told.broken(), ["the transition time of worker's Updated moved without a flip"]);
}

#[test]
fn an_arbiter_that_moves_with_the_control_plane_is_found() {
    let mut told = Told::new();
    let role = |role: &str| json!({format!("{ROLE}{role}"): ""});
    for (pool, name) in [("master", "m-0"), ("arbiter", "a-0")] {
        let spec = json!({"configuration": {"name": "r-2"}, "nodeSelector": {"matchLabels": role(pool)}});
        let pool_object = json!({"spec": spec, "metadata": {"name": pool}});
        told.change(POOL, pool, pool_object);
        told.node(name, "r-1", "r-1", &json!({}));
        let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
        node["metadata"]["labels"] = role(pool);
    }
    told.intent();
    told.doings.intents.push((told.now(), Intent::Default("b".to_owned())));
    for (pool, name) in [("master", "m-0"), ("arbiter", "a-0")] {
        told.node(name, "r-2", "r-1", &json!({}));
        let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
        node["metadata"]["labels"] = role(pool);
    }
    told.intent();
    told.change("Event", "last", json!({}));
    assert_eq!(told.broken(), ["a-0 was told r-2 while m-0 moves or is away"]);
}

#[test]
fn a_cordon_by_hand_that_goes_by_itself_is_found() {
    let mut told = Told::new();
    told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
    told.node("w-0", "r-1", "r-1", &json!({"by-hand": true}));
    assert_eq!(told.broken(), ["w-0 was uncordoned, which had been cordoned by hand"]);
    let mut told = Told::new();
    told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
    told.node("w-0", "r-1", "r-1", &json!({}));
    assert_eq!(told.broken(), [""; 0]);
    // A mark that is left over makes no cordon of ours one by hand.
    let mut told = Told::new();
    told.node("w-0", "r-1", "r-1", &json!({"by-hand": true}));
    told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
    told.node("w-0", "r-1", "r-1", &json!({"by-hand": true}));
    told.change("Event", "last", json!({}));
    assert_eq!(told.broken(), [""; 0]);
}

#[test]
fn what_is_not_as_it_should_be_at_the_end_is_found() {
    let mut told = Told::new();
    told.pool("r-2", &json!({}), false);
    told.doings.writes_at_rest = [("patch nodes".to_owned(), 3)].into();
    let node = |n| format!("w-{n} of worker is not as it should be at the end");
    let pool = "worker is not updated at the end: Updated=False \"\"".to_owned();
    let writes = "patch nodes was asked for 3 times while nothing happened".to_owned();
    assert_eq!(told.at_the_end(), [node(0), node(1), node(2), pool, writes]);
}

#[test]
fn a_long_pause_before_the_cluster_is_at_rest_is_found() {
    let mut told = Told::new();
    told.doings.healed = Some(told.now());
    told.change("Event", "one", json!({}));
    told.change("Event", "another", json!({}));
    assert_eq!(told.broken(), [""; 0]);
    let late = told.now() + Duration::from_mins(4);
    told.changes.last_mut().unwrap().at = late;
    assert_eq!(told.at_the_end(), [""; 0]);
    let changes: Vec<_> = told.changes.iter().collect();
    let found = judge(&changes, &told.doings, late);
    assert_eq!(found, [(late, "nothing happened for 360 s, and then something".to_owned())]);
}

#[test]
fn what_users_wrote_and_is_not_there_at_the_end_is_found_and_what_they_deleted_and_is() {
    let config = |arguments: &[&str], labels: &Value| {
        let spec = json!({"osImageURL": "image-a", "kernelArguments": arguments});
        json!({"metadata": {"labels": labels}, "spec": spec})
    };
    let of = |role: &str| json!({"machineconfiguration.openshift.io/role": role});
    for (wrote, has, role, fine) in [
        (&["sim.worker.0=1"][..], &["quiet", "sim.worker.0=1"][..], "worker", true),
        (&["sim.master.0=1"], &[], "master", true),
        (&["sim.worker.0=2"], &["sim.worker.0=1"], "worker", false),
        (&["sim.worker.0=1"], &[], "worker", false),
        (&[], &["sim.worker.0=1"], "worker", false),
    ] {
        let mut told = Told::new();
        told.change("MachineConfig", "99-sim", config(wrote, &of(role)));
        told.change("MachineConfig", "r-1", config(has, &json!({})));
        told.pool("r-1", &json!({}), true);
        assert_eq!(told.at_the_end().is_empty(), fine, "{wrote:?} {has:?}: {:?}", told.at_the_end());
    }
}

#[test]
fn a_cluster_operator_that_is_not_well_at_the_end_is_found_and_one_whose_times_move() {
    let operator = |degraded: &str, time: &str| {
        let condition =
            |type_: &str, status: &str| json!({"type": type_, "status": status, "lastTransitionTime": time});
        json!({"status": {"conditions": [
            condition("Available", "True"), condition("Progressing", "False"), condition("Degraded", degraded),
        ]}})
    };
    for (degraded, found) in [("False", 0), ("True", 1)] {
        let mut told = Told::new();
        told.change("ClusterOperator", "machine-config", operator(degraded, "1"));
        assert_eq!(told.at_the_end().len(), found, "{degraded}");
    }
    let mut told = Told::new();
    told.change("ClusterOperator", "machine-config", operator("False", "1"));
    told.change("ClusterOperator", "machine-config", operator("False", "2"));
    told.change("Event", "last", json!({}));
    let moved = |type_: &str| format!("the transition time of machine-config's {type_} moved without a flip");
    assert_eq!(told.broken(), [moved("Available"), moved("Progressing"), moved("Degraded")]);
}

#[test]
fn a_node_in_no_pool_that_is_told_something_or_that_nobody_speaks_of_is_found() {
    let labelled = |told: &mut Told, desired: &str, roles: &[&str]| {
        told.node("w-0", desired, "r-1", &json!({}));
        let labels: Value = roles.iter().map(|role| (format!("{ROLE}{role}"), json!(""))).collect();
        told.changes.last_mut().unwrap().after.as_mut().unwrap()["metadata"]["labels"] = labels;
    };
    let custom = |told: &mut Told, name: &str, selector: &Value| {
        let spec = json!({"configuration": {"name": "r-1"}, "nodeSelector": selector});
        told.change(POOL, name, json!({"metadata": {"name": name}, "spec": spec}));
    };
    let by_role = |role: &str| json!({"matchExpressions": [{"key": format!("{ROLE}{role}"), "operator": "Exists"}]});
    let outside = "w-0 was told r-2, and is in no pool".to_owned();
    for roles in [&[][..], &["worker", "infra", "gpu"]] {
        let mut told = Told::new();
        custom(&mut told, "infra", &by_role("infra"));
        custom(&mut told, "gpu", &by_role("gpu"));
        labelled(&mut told, "r-1", roles);
        labelled(&mut told, "r-2", roles);
        labelled(&mut told, "r-2", &["worker"]);
        told.change("Event", "last", json!({}));
        assert_eq!(told.broken(), [outside.clone(), "w-0 was in no pool, and no pool said so".to_owned()]);
    }
    // What a selector changes counts once it can be known.
    let mut told = Told::new();
    custom(&mut told, "infra", &by_role("worker"));
    custom(&mut told, "gpu", &by_role("worker"));
    labelled(&mut told, "r-2", &["worker"]);
    let last = told.changes.len() - 1;
    assert_eq!(told.broken(), [outside]);
    told.changes[last].at = told.changes[last - 1].at + Duration::from_secs(1);
    assert_eq!(told.broken(), [""; 0]);
    assert!(told.at_the_end().contains(&"w-0 is in no pool at the end".to_owned()));
}

#[test]
fn pods_that_are_evicted_against_a_budget_or_are_left_on_a_drained_node_are_found() {
    let pod = |node: &str, ready: &str, ending: bool| {
        let owner = json!([{"kind": "ReplicaSet", "name": "app"}]);
        let mut metadata = json!({"namespace": "n", "labels": {"app": "a"}, "ownerReferences": owner});
        if ending {
            metadata["deletionTimestamp"] = json!("now");
        }
        let conditions = json!([{"type": "Ready", "status": ready}]);
        json!({"metadata": metadata, "spec": {"nodeName": node}, "status": {"conditions": conditions}})
    };
    let workload = |most: &Value| {
        let mut told = Told::new();
        let selector = json!({"matchLabels": {"app": "a"}});
        let budget = json!({"maxUnavailable": most, "selector": selector});
        told.change("PodDisruptionBudget", "b", json!({"metadata": {"namespace": "n"}, "spec": budget}));
        told.change("ReplicaSet", "app", json!({"spec": {"replicas": 3}}));
        for name in ["p-0", "p-1", "p-2"] {
            told.change("Pod", name, pod("w-0", "True", false));
        }
        told
    };
    let evicted = |left: u64, needed: u64| {
        format!("a pod was evicted that budget b needs: p-1; {left} are left, {needed} have to be")
    };
    for (most, found) in [(json!(1), Some((1, 2))), (json!("34%"), None), (json!("0%"), Some((1, 3)))] {
        let mut told = workload(&most);
        told.change("Pod", "p-0", pod("w-0", "False", false));
        told.change("Pod", "p-1", pod("w-0", "True", true));
        told.change("Pod", "p-1", pod("w-0", "True", true));
        told.change("Event", "last", json!({}));
        assert_eq!(told.broken(), Vec::from_iter(found.map(|(left, needed)| evicted(left, needed))), "{most}");
        told.doings.deleted = ["p-1".to_owned()].into();
        assert_eq!(told.broken(), [""; 0]);
    }
    let mut told = workload(&json!(3));
    let drained = |told: &mut Told| {
        told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
        let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
        node["metadata"]["annotations"][format!("{PREFIX}lastAppliedDrain")] = json!("drain-r-1");
    };
    told.node("w-0", "r-1", "r-1", &json!({"unschedulable": true}));
    told.change("Pod", "late", pod("w-0", "True", false));
    drained(&mut told);
    told.change("Event", "last", json!({}));
    let left = |pod: &str| format!("w-0 was said to be drained, and was not: {pod}");
    assert_eq!(told.broken(), ["p-0", "p-1", "p-2"].map(left));
}

#[test]
fn what_is_no_longer_so_after_a_second_is_found_unless_something_is_wrong() {
    let pool = |told: &mut Told, field: &str, count: u64| {
        told.pool("r-1", &json!({}), true);
        let pool = told.changes.last_mut().unwrap().after.as_mut().unwrap();
        for (of, count) in [("machineCount", 3), ("updatedMachineCount", 3), ("readyMachineCount", 3), (field, count)] {
            pool["status"][of] = json!(count);
        }
    };
    for (field, wanted) in [
        ("machineCount", 3),
        ("updatedMachineCount", 3),
        ("readyMachineCount", 3),
        ("unavailableMachineCount", 0),
        ("degradedMachineCount", 0),
    ] {
        let mut told = Told::new();
        told.doings.begun = Some(told.now());
        pool(&mut told, field, 2);
        pool(&mut told, field, wanted);
        told.change("Event", "last", json!({}));
        assert_eq!(
            told.broken(),
            [format!("worker said {field} 2 a second after the last change, and it is {wanted}")],
            "{field}"
        );
        let now = told.now();
        told.doings.troubles.push((told.start, now));
        assert_eq!(told.broken(), [""; 0]);
    }
}

#[test]
fn changes_that_follow_each_other_before_a_target_settles_are_one() {
    let live = |settle: u64, trouble: bool| {
        let mut told = Told::new();
        told.doings.settle = Duration::from_secs(settle);
        // At the same time.
        told.intent();
        told.intent();
        if trouble {
            told.doings.troubles.push((told.now(), told.now()));
        }
        for (before, target) in [("r-1", "r-2"), ("r-2", "r-1")] {
            told.pool(target, &json!({}), false);
            told.node("w-0", target, before, &json!({}));
            told.node("w-0", target, target, &json!({}));
        }
        told.broken()
    };
    assert_eq!(live(3, false), ["w-0 was told something 2 times, and 1 changes concern it"]);
    assert_eq!(live(0, false), [""; 0], "nothing settles");
    assert_eq!(live(3, true), [""; 0], "a process may not have seen both in time");
}

/// A life with a control plane of one node, whose ClusterOperator says this.
fn with_operator(version: &str, moving: bool, lines: &Value) -> Told {
    let mut told = Told::new();
    let selector = json!({"matchLabels": {format!("{ROLE}master"): ""}});
    let said = json!({"conditions": [{"type": "Updated", "status": "True"}]});
    let spec = json!({"configuration": {"name": "r-1"}, "nodeSelector": selector});
    told.change(POOL, "master", json!({"spec": spec, "status": said}));
    let key = |key: &str| format!("{PREFIX}{key}");
    let runs = if moving { "r-0" } else { "r-1" };
    let annotations = json!({key("desiredConfig"): "r-1", key("currentConfig"): runs, key("state"): "Done"});
    let metadata = json!({"name": "m-0", "labels": {format!("{ROLE}master"): ""}, "annotations": annotations});
    told.change("Node", "m-0", json!({ "metadata": metadata }));
    let operator = |version: &str| {
        let versions = json!([{"name": "operator", "version": version}]);
        json!({"status": {"versions": versions, "extension": lines}})
    };
    told.change("ClusterOperator", "machine-config", operator("1"));
    told.change("ClusterOperator", "machine-config", operator(version));
    told
}

#[test]
fn a_version_is_reported_once_the_control_plane_has_arrived() {
    let lines = json!({"master": "all 1 nodes are", "worker": "all 3 nodes are"});
    for (version, moving, count) in [("1", true, 0), ("2", false, 0), ("2", true, 1)] {
        let broken = with_operator(version, moving, &lines).broken();
        assert_eq!(broken.len(), count, "{version} {moving}: {broken:?}");
        assert!(
            broken.iter().all(|what| what.ends_with(r#"was reported, and ["m-0"] are on their way"#)),
            "{broken:?}"
        );
    }
}

#[test]
fn a_line_of_the_operator_is_what_its_pool_says_and_no_pool_is_missing() {
    let all = "all 3 nodes are";
    for (lines, said) in [
        (json!({"master": "all 1 nodes are", "worker": all, "lastSyncError": "x"}), None),
        (json!({"worker": all}), Some("lines for {\"worker\"}")),
        (json!({"master": "all 1 nodes are", "worker": all, "infra": all}), Some("\"infra\"")),
        (json!({"master": "2 (ready 1) out of 3 nodes are", "worker": all}), Some("of master a second after")),
    ] {
        let mut told = with_operator("1", false, &lines);
        told.doings.begun = Some(told.now().checked_sub(Duration::from_secs(90)).unwrap());
        told.node("w-0", "r-1", "r-1", &json!({"a": 1}));
        let broken = told.broken();
        let found: Vec<&String> = broken.iter().filter(|what| what.starts_with("the ClusterOperator")).collect();
        assert_eq!(!found.is_empty(), said.is_some(), "{lines}: {broken:?}");
        assert!(said.is_none_or(|said| found[0].contains(said)), "{found:?}");
    }
}

#[test]
fn a_pool_that_was_deleted_has_no_nodes_and_is_not_judged() {
    let mut told = Told::new();
    let selector = json!({"matchLabels": {format!("{ROLE}infra"): ""}});
    told.change(POOL, "infra", json!({"spec": {"configuration": {"name": "r-b"}, "nodeSelector": selector}}));
    let (at, version) = (told.now(), told.changes.len().try_into().unwrap());
    told.changes.push(Change { key: (POOL, "infra".to_owned()), version, at, after: None });
    told.node("w-0", "r-1", "r-1", &json!({"a": 1}));
    assert!(told.at_the_end().iter().all(|what| !what.contains("infra")), "{:?}", told.at_the_end());
}

#[test]
fn a_node_that_fails_may_be_told_of_each_change_and_one_that_did_may_not() {
    let live = |times: usize, state: &str| {
        let mut told = Told::new();
        told.doings.settle = Duration::from_hours(1);
        let tell = |told: &mut Told, target: &str, state: &str| {
            told.pool(target, &json!({}), false);
            told.node("w-0", target, "r-0", &json!({}));
            let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
            node["metadata"]["annotations"][format!("{PREFIX}state")] = json!(state);
        };
        tell(&mut told, "r-1", "Degraded");
        // At the same time.
        (0..3).for_each(|_| told.intent());
        for number in 0..times {
            tell(&mut told, if number % 2 == 0 { "r-2" } else { "r-1" }, state);
        }
        told.broken()
    };
    assert_eq!(live(4, "Degraded"), [""; 0], "three changes, and once more because it failed");
    assert_eq!(live(5, "Degraded"), ["w-0 was told something 5 times, and 4 changes concern it"]);
    assert_eq!(live(2, "Done"), [""; 0], "one change, and once more because it failed");
    assert_eq!(live(3, "Done"), ["w-0 was told something 3 times, and 2 changes concern it"]);
}

#[test]
fn what_a_node_is_told_of_the_pool_that_it_has_left_is_not_of_the_next_one() {
    let mut told = Told::new();
    let selector = json!({"matchLabels": {format!("{ROLE}infra"): ""}});
    let infra = |target: &str| json!({"spec": {"configuration": {"name": target}, "nodeSelector": selector.clone()}});
    told.change(POOL, "infra", infra("r-1"));
    told.pool("r-2", &json!({}), false);
    let tell = |told: &mut Told, desired: &str| {
        told.node("w-0", desired, "r-1", &json!({}));
        let node = told.changes.last_mut().unwrap().after.as_mut().unwrap();
        node["metadata"]["labels"][format!("{ROLE}infra")] = json!("");
    };
    let moved = told.now();
    tell(&mut told, "r-1");
    // By a process that has not heard of it.
    tell(&mut told, "r-2");
    tell(&mut told, "r-1");
    told.doings.troubles.push((moved, told.now()));
    assert_eq!(told.broken(), [""; 0]);
    told.change(POOL, "infra", infra("r-2"));
    tell(&mut told, "r-2");
    assert_eq!(told.broken(), ["w-0 was told something 2 times, and 1 changes concern it"]);
}

#[test]
fn a_pool_that_named_a_node_and_is_deleted_had_named_it() {
    for (named, found) in [("w-0", 0), ("w-9", 1)] {
        let mut told = Told::new();
        let says = json!({"type": "NodesWithoutPool", "status": "True", "message": format!("in no pool: {named}")});
        for (pool, conditions) in [("infra", json!([])), ("gpu", json!([says]))] {
            let selector = json!({"matchExpressions": [{"key": format!("{ROLE}{pool}"), "operator": "Exists"}]});
            let spec = json!({"configuration": {"name": "r-1"}, "nodeSelector": selector});
            let status = json!({ "conditions": conditions });
            told.change(POOL, pool, json!({"metadata": {"name": pool}, "spec": spec, "status": status}));
        }
        told.node("w-0", "r-1", "r-1", &json!({}));
        let labels = &mut told.changes.last_mut().unwrap().after.as_mut().unwrap()["metadata"]["labels"];
        for role in ["infra", "gpu"] {
            labels[format!("{ROLE}{role}")] = json!("");
        }
        let (at, version) = (told.now(), told.changes.len().try_into().unwrap());
        told.changes.push(Change { key: (POOL, "gpu".to_owned()), version, at, after: None });
        told.change("Event", "last", json!({}));
        let broken = told.broken();
        let unnamed = broken.iter().filter(|what| what.ends_with("and no pool said so")).count();
        assert_eq!(unnamed, found, "{broken:?}");
    }
}

#[test]
fn a_pool_that_was_never_rendered_counts_nobody_and_is_not_updated() {
    for (updated, found) in [("False", None), ("True", Some("infra said Updated=true, and was never rendered"))] {
        let mut told = Told::new();
        told.doings.begun = Some(told.now());
        let selector = json!({"matchLabels": {format!("{ROLE}worker"): ""}});
        let said = json!({"conditions": [{"type": "Updated", "status": updated}]});
        told.change(
            POOL,
            "infra",
            json!({"metadata": {"name": "infra"}, "spec": {"nodeSelector": selector}, "status": said}),
        );
        told.change("Event", "last", json!({}));
        let broken = told.broken();
        assert_eq!(broken.iter().find(|what| what.starts_with("infra")).map(String::as_str), found, "{broken:?}");
    }
}
