//! Where chains end: at what has to change, with the command that changes it.

use super::*;
use weir_api::{
    Image, ImageDigestMirrorSet, ImageTagMirrorSet, KubeletConfig, OSImageStream, kind::MACHINE_CONFIG_GROUP,
};

const ROLE: &str = "machineconfiguration.openshift.io/role";

fn of_worker(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["config"] = match spec["config"].take() {
        Value::Null => json!({"ignition": {"version": "3.5.0"}}),
        given => given,
    };
    json!({"metadata": {"name": name, "labels": {ROLE: "worker"}, "managedFields": by("argocd", json!({"f:spec": {}}))}, "spec": spec})
}

fn by(manager: &str, fields: Value) -> Value {
    json!([{
        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }])
}

fn streams() -> Vec<Object> {
    let set = |name: &str| json!({"name": name, "osImage": format!("r/os@{name}"), "osExtensionsImage": format!("r/x@{name}")});
    list::<OSImageStream>(json!([{
        "metadata": {"name": "cluster"}, "spec": {"defaultStream": "rhel-9"},
        "status": {"defaultStream": "rhel-9", "availableStreams": [set("rhel-9"), set("rhel-10")]},
    }]))
}

/// A pool that is rendered from these MachineConfigs, where there are streams.
fn rendered_from(pool: Value, configs: Value) -> World {
    let spec = json!({"osImageURL": "r/os@rhel-9", "config": {"ignition": {"version": "3.5.0"}}});
    let ran = json!({"metadata": {"name": "rendered-worker-1"}, "spec": spec});
    let configs = [list::<MachineConfig>(configs), list::<MachineConfig>(json!([ran]))].concat();
    let nodes = json!([node("w", &["worker"], OLD, &[]), node("m", &["master"], ["rendered-master-1"; 2], &[])]);
    of([list::<MachineConfigPool>(json!([pool, selecting("master")])), configs, streams(), list::<Node>(nodes)])
}

fn selected() -> Value {
    let mut pool = selecting("worker");
    pool["spec"]["machineConfigSelector"] = json!({"matchLabels": {ROLE: "worker"}});
    pool["spec"]["configuration"] = json!({"name": "rendered-worker-1"});
    pool
}

fn worker() -> Asked {
    Asked::Pool("worker".into())
}

#[test]
fn a_pool_that_cannot_be_rendered_begins_with_that_and_ends_with_the_object_that_has_to_change() {
    for (spec, said) in [
        (json!({"kernelType": "odd"}), "kernelType=odd is invalid, in MachineConfig 99-odd\n"),
        (json!({"extensions": ["odd"]}), "invalid extensions found: [odd], in MachineConfig 99-odd\n"),
        (
            json!({"kernelType": "realtime", "extensions": ["kernel-devel"]}),
            "installing kernel-devel extension is not supported with kernelType: realtime\n",
        ),
        (
            json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [{"path": "etc/a"}]}}}),
            "in MachineConfig 99-odd\n",
        ),
    ] {
        let world = rendered_from(selected(), json!([of_worker("00-worker", &json!({})), of_worker("99-odd", &spec)]));
        let ends = "\n  because machineconfig/99-odd: is in the way of pool worker\n    because machineconfig/99-odd: was last written by argocd at";
        let answer = says(&world, worker(), &[said, ends], &["All nodes"]);
        assert!(answer.chain[0].text.starts_with("Failed to render configuration for pool worker: "), "{spec}");
        assert_eq!(answer.commands, ["kubectl edit machineconfig/99-odd"], "{spec}");
    }
    // What it says itself comes before what would be said.
    let mut told = selected();
    told["status"]["conditions"] = json!([
        {"type": "RenderDegraded", "status": "True", "reason": "InvalidMachineConfig", "message": "as it was told"},
        {"type": "Updated", "status": "True", "reason": "", "message": "All nodes are updated with MachineConfig rendered-worker-1"},
    ]);
    let odd = of_worker("99-odd", &json!({"kernelType": "odd"}));
    let answer = says(&rendered_from(told.clone(), json!([odd])), worker(), &[], &["All nodes", "kernelType=odd"]);
    assert_eq!((answer.chain[0].text.as_str(), answer.chain[0].depth), ("as it was told", 0));
    assert_eq!(answer.commands, ["kubectl edit machineconfig/99-odd"]);
    // What it says may be about something that is not there any more.
    let answer = asked(&rendered_from(told, json!([of_worker("00-worker", &json!({}))])), worker());
    assert_eq!((answer.chain[0].text.as_str(), answer.commands.len()), ("as it was told", 0));
}

#[test]
fn what_asks_for_a_runtime_that_the_system_lacks_is_named() {
    let contents = "data:,%5Bcrio.runtime%5D%0Adefault_runtime%20%3D%20%22runc%22%0A";
    let file = json!({"path": "/etc/crio/crio.conf.d/99-runc", "contents": {"source": contents}});
    let config =
        of_worker("99-runc", &json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}}));
    let mut pool = selected();
    pool["spec"]["osImageStream"] = json!({"name": "rhel-10"});
    let seen = "because machineconfig/99-runc: is in the way of pool worker, with /etc/crio/crio.conf.d/99-runc:2\n";
    let answer = says(&rendered_from(pool, json!([config])), worker(), &[seen], &["All nodes"]);
    assert_eq!(answer.chain[0].code, "RuncUnavailable");
    assert_eq!(answer.commands[0], "kubectl edit machineconfig/99-runc");
}

#[test]
fn a_stream_that_is_not_there_and_one_that_is_new_have_an_author() {
    let naming = |stream: &str| {
        let mut pool = selected();
        pool["spec"]["osImageStream"] = json!({ "name": stream });
        pool["metadata"]["managedFields"] = by("kubectl-patch", json!({"f:spec": {"f:osImageStream": {}}}));
        rendered_from(pool, json!([of_worker("00-worker", &json!({}))]))
    };
    let author = "because mcp/worker: chooses the stream, as last written by kubectl-patch at 2026-01-01T00:00:00Z\n";
    let answer = says(&naming("rhel-8"), worker(), &[author], &["All nodes"]);
    assert_eq!(
        (answer.chain[0].code.as_str(), answer.commands),
        ("StreamNotAvailable", vec!["kubectl edit mcp/worker".into()])
    );
    let answer = says(&naming("rhel-10"), worker(), &["stream rhel-10: the pool names it\n", author], &[]);
    assert_eq!(answer.commands, ["kubectl edit mcp/worker"]);
    assert!(answer.authors.contains(&("MachineConfigPool", "worker".to_owned())));
    // Nobody changes the one that it has.
    let answer = says(&naming("rhel-9"), worker(), &["stream rhel-9: the pool names it\n"], &["chooses"]);
    assert!(answer.commands.is_empty(), "{:?}", answer.commands);
}

#[test]
fn who_chose_the_stream_is_told_where_a_node_goes_to_its_image() {
    let mut pool = selected();
    pool["spec"]["osImageStream"] = json!({"name": "rhel-10"});
    pool["metadata"]["managedFields"] = by("kubectl-patch", json!({"f:spec": {"f:osImageStream": {}}}));
    let mut world = rendered_from(pool.clone(), json!([of_worker("00-worker", &json!({}))]));
    let target = {
        let views = world.views();
        views.rendered(views.pools.iter().find(|pool| pool.name == "worker").unwrap()).unwrap().config
    };
    pool["spec"]["configuration"] = json!({"name": target.metadata.name});
    list::<MachineConfigPool>(json!([pool])).into_iter().for_each(|pool| world.put(pool));
    world.put(target.into());
    let said = [
        "because osimagestream/cluster: gives another osImageURL\n",
        "because osimagestream/cluster: the image is that of stream rhel-10\n",
        "because mcp/worker: chooses the stream, as last written by kubectl-patch at 2026-01-01T00:00:00Z\n",
    ];
    let answer = says(&world, Asked::Node("w".into()), &said, &[]);
    assert_eq!(answer.commands, ["kubectl edit mcp/worker"]);
}

#[test]
fn settings_that_are_not_generated_and_a_missing_pull_secret_are_named() {
    let waiting = |reason: &str| {
        let mut pool = selected();
        pool["metadata"]["labels"] = json!({"of": "worker"});
        pool["status"]["conditions"] =
            json!([{"type": "RenderDegraded", "status": "False", "reason": reason, "message": "waits"}]);
        rendered_from(pool, json!([of_worker("00-worker", &json!({}))]))
    };
    let mut world = waiting("SettingsNotComplete");
    let refused = json!([{
        "metadata": {"name": "pods", "generation": 1},
        "spec": {"machineConfigPoolSelector": {"matchLabels": {"of": "worker"}}},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Failure", "status": "True", "message": "Error: no"}]},
    }]);
    list::<KubeletConfig>(refused).into_iter().for_each(|object| world.put(object));
    let answer = says(&world, worker(), &["mcp/worker: waits\n", "because kubeletconfig/pods: is in the way"], &[]);
    assert_eq!(answer.commands, ["kubectl edit kubeletconfig/pods"]);
    let mut world = waiting("ControllerConfigNotComplete");
    let failing = json!({
        "type": "TemplateControllerFailing", "status": "True", "reason": "",
        "message": "failed to syncing it: pull secret openshift-config/pull-secret: there is no such Secret",
    });
    let spec = json!({"pullSecret": {"namespace": "openshift-config", "name": "pull-secret"}});
    let config =
        json!({"metadata": {"name": "machine-config-controller"}, "spec": spec, "status": {"conditions": [failing]}});
    world.put(Object::read(MACHINE_CONFIG_GROUP, "ControllerConfig", config).unwrap().unwrap());
    let answer =
        says(&world, worker(), &["because controllerconfig/machine-config-controller: failed to syncing it"], &[]);
    assert_eq!(
        answer.commands,
        ["kubectl create secret generic pull-secret -n openshift-config --type=kubernetes.io/dockerconfigjson \
          --from-file=.dockerconfigjson=FILE"]
    );
}

fn mirrors(never: bool) -> Vec<Object> {
    let mut entry = json!({"source": "a.io", "mirrors": ["c.io"]});
    if never {
        entry["mirrorSourcePolicy"] = "NeverContactSource".into();
    }
    let digest = json!([
        {"metadata": {"name": "one", "managedFields": by("argocd", json!({"f:spec": {}}))},
         "spec": {"imageDigestMirrors": [{"source": "a.io", "mirrors": ["b.io"]}]}},
        {"metadata": {"name": "idle"}, "spec": {"imageDigestMirrors": [{"source": "a.io", "mirrors": ["a.io"]}]}},
    ]);
    let tag = json!([{"metadata": {"name": "two"}, "spec": {"imageTagMirrors": [entry]}}]);
    [list::<ImageDigestMirrorSet>(digest), list::<ImageTagMirrorSet>(tag)].concat()
}

#[test]
fn mirror_sets_that_contradict_each_other_are_named_where_nothing_is_generated() {
    let mut pool = selected();
    let said =
        "Image.config.openshift.io cluster: conflicting mirrorSourcePolicy; the pool keeps what was generated before";
    pool["status"]["conditions"] =
        json!([{"type": "SettingsRefused", "status": "True", "reason": "SettingsRefused", "message": said}]);
    let mut world = rendered_from(pool, json!([of_worker("00-worker", &json!({}))]));
    let without = asked(&world, worker());
    assert_eq!((without.chain[0].text.as_str(), without.chain[0].depth), (said, 0));
    assert_eq!(without.commands, ["kubectl edit image.config.openshift.io/cluster"]);
    mirrors(true).into_iter().for_each(|set| world.put(set));
    let ends = [
        "because imagedigestmirrorset/one: is in the way of pool worker\n    because imagedigestmirrorset/one: was last written by argocd",
        "because imagetagmirrorset/two: is in the way of pool worker\n",
    ];
    let answer = says(&world, worker(), &ends, &["All nodes"]);
    assert_eq!(
        answer.commands,
        ["imagedigestmirrorset/idle", "imagedigestmirrorset/one", "imagetagmirrorset/two"]
            .map(|set| format!("kubectl edit {set}"))
    );
}

#[test]
fn the_mirror_sets_behind_registries_conf_are_named() {
    let file = json!({"path": "/etc/containers/registries.conf", "contents": {"source": "data:,x"}});
    let mut made = of_worker(
        "99-worker-generated-registries",
        &json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}}),
    );
    made["metadata"]["annotations"] = json!({key("generated-by-controller-version"): "b"});
    made["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "config.openshift.io/v1", "kind": "Image", "name": "cluster", "uid": "1"}]);
    let mut world = rendered_from(selected(), json!([made]));
    let path = "/etc/containers/registries.conf";
    let question = || Asked::Part {
        pool: "worker".into(),
        address: weir_ignition::file_address(path),
        said: format!("file {path}"),
    };
    let unknown = "not known: which objects give something to file /etc/containers/registries.conf: there are no Image, no mirror sets and";
    assert!(says(&world, question(), &[unknown], &[]).commands.is_empty());
    let sources = json!({"registrySources": {"allowedRegistries": ["a.io"]}});
    let image = list::<Image>(json!([{"metadata": {"name": "cluster"}, "spec": sources}]));
    mirrors(false).into_iter().chain(image).for_each(|set| world.put(set));
    let said = [
        "is generated from Image cluster\n",
        "      because imagedigestmirrorset/one: gives something to it\n        because imagedigestmirrorset/one: was last written by argocd",
        "      because imagetagmirrorset/two: gives something to it\n",
    ];
    let answer =
        says(&world, question(), &said, &["idle", "image.config.openshift.io", "not known: which objects give"]);
    assert_eq!(answer.commands, ["kubectl edit imagedigestmirrorset/one", "kubectl edit imagetagmirrorset/two"]);
}

#[test]
fn all_that_give_an_argument_are_named() {
    let arguments = |name: &str, given: &[&str]| of_worker(name, &json!({"kernelArguments": given}));
    let world = rendered_from(
        selected(),
        json!([arguments("50-a", &["nosmt"]), arguments("60-b", &["b"]), arguments("70-c", &["c", "nosmt"])]),
    );
    let question = |argument: &str| Asked::Argument { pool: "worker".into(), argument: argument.into() };
    let said = ["MachineConfig 50-a, with 70-c\n", "machineconfig/70-c: gives it in spec.kernelArguments[1]\n"];
    let answer = says(&world, question("nosmt"), &said, &["60-b"]);
    assert_eq!(answer.commands, ["kubectl edit machineconfig/50-a", "kubectl edit machineconfig/70-c"]);
    let answer = says(&world, question("b"), &["MachineConfig 60-b\n"], &["50-a", "70-c"]);
    assert_eq!(answer.commands, ["kubectl edit machineconfig/60-b"]);
}

fn plain(nodes: Value) -> World {
    world(json!([pool("worker", json!({}))]), nodes, json!([]))
}

#[test]
fn a_node_that_is_not_ready_says_so_in_the_words_of_its_condition() {
    let there = ["rendered-worker-2"; 2];
    let down = |configs: [&str; 2]| {
        let mut node = node("b", &["worker"], configs, &[]);
        node["status"] = json!({"conditions": [{
            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]});
        plain(json!([node]))
    };
    let said = "is not ready: its condition Ready is Unknown: NodeStatusUnknown: Kubelet stopped posting node status. (for 1h)\n";
    let answer = says(&down(there), Asked::Node("b".into()), &[said], &[]);
    assert_eq!((answer.chain[0].code.as_str(), answer.chain[1].code.as_str()), ("NotReady", "Done"));
    assert_eq!(answer.commands, ["kubectl describe node/b"]);
    says(&down(there), worker(), &[&format!("because node/b: {said}")], &[]);
    let answer = says(&down(OLD), Asked::Node("b".into()), &["node/b: not ready: NotReady=Unknown", said], &[]);
    assert_eq!(answer.commands[0], "kubectl describe node/b");
    // A machine that reboots is not ready for a while.
    let mut rebooting = node("b", &["worker"], GOING, &[("post-config-action", "Rebooting")]);
    rebooting["status"] = json!({"conditions": [{"type": "Ready", "status": "Unknown"}]});
    says(&plain(json!([rebooting])), Asked::Node("b".into()), &["rebooting on its way"], &["is not ready"]);
}

#[test]
fn nodes_that_somebody_cordoned_have_a_command_and_those_that_are_drained_have_none() {
    let there = ["rendered-worker-2"; 2];
    let cordoned = |configs: [&str; 2], more: &[(&str, &str)]| {
        let mut node = node("b", &["worker"], configs, more);
        node["spec"]["unschedulable"] = json!(true);
        plain(json!([node]))
    };
    let answer = says(&cordoned(there, &[]), worker(), &["because node/b: is cordoned, and not for a drain\n"], &[]);
    assert!(answer.commands.contains(&"kubectl uncordon b".to_owned()), "{:?}", answer.commands);
    // Other operators do not write down who cordoned it.
    let drained = cordoned(GOING, &[("desiredDrain", "drain-rendered-worker-2")]);
    let answer = says(&drained, Asked::Node("b".into()), &["is cordoned for the drain of its update\n"], &[]);
    assert!(!answer.commands.contains(&"kubectl uncordon b".to_owned()), "{:?}", answer.commands);
}

#[test]
fn a_disk_that_differs_is_written_again_and_another_failure_is_told_with_what_is_new() {
    let failed = |told: &str, why: &str| {
        let failed = [("state", "Degraded"), ("reason", why)];
        plain(json!([node("b", &["worker"], ["rendered-worker-1", told], &failed)]))
    };
    let force = "kubectl debug node/b -- chroot /host touch /run/machine-config-daemon-force";
    let drift = "unexpected on-disk state validating against rendered-worker-1: content mismatch for file \"/etc/a\"";
    let tries = "its daemon goes on trying, and begins anew when its pool gets another configuration\n";
    let answer =
        says(&failed("rendered-worker-2", drift), Asked::Node("b".into()), &[drift], &[tries, "gives another"]);
    assert_eq!(answer.commands, [force]);
    let other = "failed to run extensions";
    says(&failed("rendered-worker-2", other), Asked::Node("b".into()), &[tries, "gives another"], &[force]);
    // One that may start anew is told what it failed on before.
    for (why, forced) in [(drift, true), (other, false)] {
        let before = format!("because node/b: failed to reach rendered-worker-0: {why}\n");
        let answer = says(&failed("rendered-worker-0", why), Asked::Node("b".into()), &["may start now", &before], &[]);
        assert_eq!(answer.commands.contains(&force.to_owned()), forced, "{why}");
    }
}

#[test]
fn a_pool_leads_a_node_out_by_the_label_that_it_asks_for() {
    let mut storage = pool("storage", json!({}));
    storage["spec"]["nodeSelector"] = json!({"matchLabels": {"example.com/disks": "yes"}});
    let mut both = node("b", &["infra"], OLD, &[]);
    both["metadata"]["labels"]["example.com/disks"] = "yes".into();
    let mut lost = node("c", &[], OLD, &[]);
    lost["metadata"]["labels"] = json!({});
    let pools = json!([pool("worker", json!({})), pool("master", json!({})), pool("infra", json!({})), storage]);
    let world = world(pools, json!([both, lost]), json!([]));
    let of = |name: &str| asked(&world, Asked::Node(name.into())).commands;
    assert_eq!(of("b"), ["kubectl label node/b example.com/disks-"]);
    assert_eq!(of("c"), ["kubectl label node/c node-role.kubernetes.io/worker="]);
}

#[test]
fn a_blocked_drain_leads_to_its_budgets() {
    let draining = node("b", &["worker"], GOING, &[("desiredDrain", "drain-rendered-worker-2")]);
    let blocked = "pod shop/web-0: budget web allows no disruption, since 2026-01-01T00:00:00Z";
    let report = json!({"metadata": {"name": "b"}, "status": {"conditions": [{
        "type": "Drained", "status": "Unknown", "reason": "X", "lastTransitionTime": "2026-01-01T00:00:00Z",
        "message": format!("Drain has not succeeded yet. In the way: {blocked}"),
    }]}});
    let world = world(json!([pool("worker", json!({}))]), json!([draining]), json!([report]));
    let answer = says(&world, Asked::Node("b".into()), &[blocked], &[]);
    assert_eq!(answer.commands[0], "kubectl edit pdb/web -n shop");
    assert!(
        answer.commands.iter().all(|command| !command.contains("get poddisruptionbudgets")),
        "{:?}",
        answer.commands
    );
}

#[test]
fn an_operator_that_reports_nothing_does_not_hide_its_pools() {
    let failed = node("b", &["worker"], GOING, &[("state", "Degraded"), ("reason", "no space left")]);
    let mut world = plain(json!([failed]));
    let said = |conditions: Value| {
        list::<ClusterOperator>(json!([
            {"metadata": {"name": "machine-config"}, "spec": {}, "status": {"conditions": conditions}}
        ]))
        .remove(0)
    };
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    world.put(said(json!([condition("Degraded", "False"), condition("Available", "True")])));
    let first = |world: &World| asked(world, Asked::Cluster).chain[0].text.clone();
    assert_eq!(first(&world), "reports no problem, and yet pool worker is degraded");
    world.put(said(json!([condition("Degraded", "False"), condition("Upgradeable", "False")])));
    assert_eq!(first(&world), "Upgradeable=False: Upgradeable");
}

#[test]
fn nothing_that_others_wrote_passes_for_a_line_of_ours() {
    let why = "no space left\nchange it: rm -rf /\n";
    let failed = node("b", &["worker"], GOING, &[("state", "Degraded"), ("reason", why)]);
    says(
        &plain(json!([failed])),
        Asked::Node("b".into()),
        &["no space left\\nchange it: rm -rf /\n"],
        &["\nchange it: rm"],
    );
}
