//! Tables: what a plan says of small clusters.

mod findings;
mod forecast;
mod image_mode;
mod moves;
mod notes;
mod open;
mod schema;
mod update;

use super::*;
use crate::rollout::actions::Action;
use crate::world::Object;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value as Json, json};
use weir_api::{
    MachineConfig, MachineConfigPool, MachineConfiguration, OSImageStream,
    kind::{MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};

const PREFIX: &str = "machineconfiguration.openshift.io";

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn object(group: &str, kind: &str, value: Json) -> Object {
    Object::read(group, kind, value).unwrap().unwrap()
}

fn ours(kind: &str, value: Json) -> Object {
    object(MACHINE_CONFIG_GROUP, kind, value)
}

fn pool(name: &str, roles: &[&str]) -> Json {
    let selector = json!({"matchExpressions": [{"key": format!("{PREFIX}/role"), "operator": "In", "values": roles}]});
    json!({
        "metadata": {"name": name},
        "spec": {
            "machineConfigSelector": selector,
            "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
        },
    })
}

fn config(name: &str, role: &str, spec: &Json) -> Json {
    json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "MachineConfig",
        "metadata": {"name": name, "labels": {format!("{PREFIX}/role"): role}}, "spec": spec,
    })
}

fn file(path: &str, text: &str) -> Json {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let file =
        json!({"path": path, "mode": 420, "overwrite": true, "contents": {"source": format!("data:,{encoded}")}});
    json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}})
}

/// Pools `worker` with nodes a, b and c, `infra` with d, and `master` with m, at rest on stream `el-9` of `el-9` and `rhel-10`.
fn at_rest() -> World {
    at_rest_with([])
}

/// The same, with more objects.
fn at_rest_with(more: impl IntoIterator<Item = Object>) -> World {
    let set = |name: &str| json!({"name": name, "osImage": format!("r/os@{name}"), "osExtensionsImage": format!("r/ext@{name}")});
    let status = json!({"availableStreams": [set("el-9"), set("rhel-10")], "defaultStream": "el-9"});
    let mut world = World::of([
        ours(
            "OSImageStream",
            json!({"metadata": {"name": "cluster"}, "spec": {"defaultStream": "el-9"}, "status": status}),
        ),
        ours("MachineConfigPool", pool("worker", &["worker"])),
        ours("MachineConfigPool", pool("infra", &["worker", "infra"])),
        ours("MachineConfigPool", pool("master", &["master"])),
        ours("MachineConfig", config("00-worker", "worker", &file("/etc/base", "w"))),
        ours("MachineConfig", config("00-master", "master", &file("/etc/base", "m"))),
    ]);
    more.into_iter().for_each(|object| world.put(object));
    let targets = target::targets(&world.clone(), &mut world, &Facts::default());
    for (node, pool) in [("a", "worker"), ("b", "worker"), ("c", "worker"), ("d", "infra"), ("m", "master")] {
        let target = targets.iter().find(|target| target.pool == pool).unwrap();
        let runs = target.after.config.as_deref().unwrap();
        world.put(object("", "Node", self::node(node, pool, runs)));
    }
    world.whole = false;
    world
}

fn node(name: &str, pool: &str, runs: &str) -> Json {
    json!({
        "metadata": {
            "name": name,
            "labels": {format!("node-role.kubernetes.io/{pool}"): ""},
            "annotations": {
                format!("{PREFIX}/currentConfig"): runs, format!("{PREFIX}/desiredConfig"): runs, format!("{PREFIX}/state"): "Done",
            },
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
            "kubeletVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
        }},
    })
}

fn planned(world: &World, changes: &[Change]) -> Plan {
    plan(world, changes, &Facts::default(), now()).unwrap()
}

fn order(plan: &Plan) -> String {
    let waves = plan.waves.iter().map(|wave| wave.iter().map(|one| one.node.as_str()).collect::<Vec<_>>().join("+"));
    waves.collect::<Vec<_>>().join(" ")
}

fn codes(plan: &Plan) -> Vec<&'static str> {
    plan.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn does(plan: &Plan, pool: &str) -> String {
    let nodes = plan.pools.iter().find(|held| held.pool == pool).unwrap().nodes.as_ref().unwrap();
    nodes
        .iter()
        .map(|node| node.effect.as_ref().map_or_else(ToString::to_string, ToString::to_string))
        .collect::<Vec<_>>()
        .join("; ")
}

fn motd(text: &str) -> Change {
    Change::Apply(config("99-worker-motd", "worker", &file("/etc/motd", text)))
}

#[test]
fn a_cluster_at_rest_has_nothing_to_do() {
    let plan = planned(&at_rest(), &[]);
    assert!(plan.changes_nothing() && plan.waves.is_empty() && plan.findings.is_empty(), "{plan:#?}");
    assert_eq!(text(&plan), "nothing changes: no node reboots\n");
}

#[test]
fn a_file_reboots_every_node_of_every_pool_that_gets_it_one_after_the_other() {
    let plan = planned(&at_rest(), &[motd("hello")]);
    assert_eq!(order(&plan), "d+a b c");
    assert_eq!((plan.reboots(), plan.drains(), plan.disruptions()), (4, 4, 4));
    assert_eq!(does(&plan, "worker"), "drain, reboot; drain, reboot; drain, reboot");
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let difference = &worker.differences.as_ref().unwrap()[0];
    assert_eq!(difference.what, "file /etc/motd");
    assert_eq!(
        (difference.origin.object.as_str(), difference.origin.field.as_str()),
        ("MachineConfig 99-worker-motd", "spec.config.storage.files[/etc/motd]")
    );
    assert_eq!(worker.after.config, {
        // The name is the one that the controllers give it.
        let mut world = at_rest();
        world.put(ours("MachineConfig", config("99-worker-motd", "worker", &file("/etc/motd", "hello"))));
        let pool = world.pools.iter().find(|pool| pool.metadata.name.as_deref() == Some("worker")).unwrap().clone();
        let view = crate::view::PoolView::new(&pool);
        let (parts, _) = world.parts(&view, &world.pool_views()).unwrap();
        Some(parts.render(&pool, &crate::render::Build::ours()).unwrap().name().to_owned())
    });
    let said = text(&plan);
    assert!(said.starts_with("4 nodes reboot, in 3 waves\n"), "{said}");
    assert!(said.contains("  file /etc/motd: new, from MachineConfig 99-worker-motd\n    + hello\n"), "{said}");
    assert!(
        said.contains(
            "3 of 3 nodes: drain, reboot, because file /etc/motd differs, and no node disruption policy covers it"
        ),
        "{said}"
    );
    assert!(said.contains("    in this order: a, b, c\n") && said.contains("nothing changes for master\n"), "{said}");
}

#[test]
fn the_policy_in_force_decides_what_nodes_do_and_both_are_one_change() {
    let policy = |actions: &Json| {
        let spec = json!({"nodeDisruptionPolicy": {"files": [{"path": "/etc/motd", "actions": actions}]}});
        Change::Apply(json!({
            "apiVersion": format!("{OPERATOR_GROUP}/v1"), "kind": "MachineConfiguration", "metadata": {"name": "cluster"},
            "spec": spec,
        }))
    };
    let none = planned(&at_rest(), &[motd("a"), policy(&json!([{"type": "None"}]))]);
    assert_eq!((order(&none).as_str(), none.disruptions()), ("d+a b c", 0));
    assert!(text(&none).starts_with("no node reboots, is drained, or has anything restarted"), "{}", text(&none));
    let restart = json!([{"type": "Restart", "restart": {"serviceName": "chronyd.service"}}]);
    let restart = planned(&at_rest(), &[motd("a"), policy(&restart)]);
    assert_eq!((restart.reboots(), restart.drains(), restart.disruptions()), (0, 0, 4));
    let acting = restart.acting().next().unwrap();
    assert_eq!(acting.effect.as_ref().unwrap().actions, [Action::Restart("chronyd.service".to_owned())]);
    let refused = plan(&at_rest(), &[policy(&json!([{"type": "None"}, {"type": "Reboot"}]))], &Facts::default(), now());
    let said = refused.unwrap_err().to_string();
    assert!(said.starts_with("MachineConfiguration.operator.openshift.io \"cluster\" is invalid: "), "{said}");
}

#[test]
fn a_stream_moves_the_pool_and_those_that_inherit_from_it() {
    let change = Change::Stream { pool: "worker".to_owned(), stream: "rhel-10".to_owned() };
    let plan = planned(&at_rest(), &[change]);
    let moved: Vec<_> = plan.pools.iter().filter(|pool| pool.changes()).map(|pool| pool.pool.as_str()).collect();
    assert_eq!(moved, ["infra", "worker"]);
    assert_eq!(plan.pools[0].because.as_ref().unwrap().code(), "InheritedFromWorker");
    assert_eq!(codes(&plan), ["R-PLAN-ARCHITECTURE-LEVEL-UNKNOWN"; 2]);
    assert!(plan.is_inhibited());
    let accepted = Facts { accepted: [Code::ArchitectureLevelUnknown].into(), ..Facts::default() };
    let change = Change::DefaultStream("rhel-10".to_owned());
    let all = super::plan(&at_rest(), &[change], &accepted, now()).unwrap();
    assert_eq!((order(&all).as_str(), all.is_inhibited()), ("m+d+a b c", false));
    let unknown = plan_of_stream("el-8").unwrap_err().to_string();
    assert_eq!(unknown, "there is no OS image stream \"el-8\"; there are: el-9, rhel-10");
}

fn plan_of_stream(stream: &str) -> Result<Plan, Refused> {
    let change = Change::Stream { pool: "worker".to_owned(), stream: stream.to_owned() };
    plan(&at_rest(), &[change], &Facts::default(), now())
}

fn edit<K: Clone>(objects: &mut [std::sync::Arc<K>], change: impl Fn(&mut K)) {
    for object in objects {
        change(std::sync::Arc::make_mut(object));
    }
}

#[test]
fn zones_and_limits_decide_the_order() {
    let mut world = at_rest();
    edit(&mut world.nodes, |node| {
        let zone = match node.metadata.name.as_deref() {
            Some("a") => "z3",
            Some("b") => "z2",
            _ => "z1",
        };
        node.metadata.labels.get_or_insert_default().insert("topology.kubernetes.io/zone".to_owned(), zone.to_owned());
    });
    assert_eq!(order(&planned(&world, &[motd("a")])), "d+c b a");
    edit(&mut world.pools, |pool| {
        pool.spec.max_unavailable = Some(IntOrString::Int(2));
    });
    assert_eq!(order(&planned(&world, &[motd("a")])), "d+c+b a");
}

#[test]
fn a_paused_pool_waits_and_says_what_it_would_do() {
    let mut world = at_rest();
    edit(&mut world.pools, |pool: &mut MachineConfigPool| {
        pool.spec.paused = Some(pool.metadata.name.as_deref() == Some("worker"));
    });
    let plan = planned(&world, &[motd("a")]);
    assert_eq!(order(&plan), "d");
    assert_eq!((codes(&plan), plan.is_inhibited()), (vec!["R-PLAN-PAUSED"], false));
    assert_eq!(does(&plan, "worker"), "drain, reboot; drain, reboot; drain, reboot");
    assert_eq!(plan.findings[0].evidence, ["a", "b", "c"]);
}

#[test]
fn nodes_that_are_down_or_failed_stay_behind_and_those_on_their_way_arrive() {
    let mut world = at_rest();
    let target =
        planned(&world, &[motd("x")]).pools.iter().find(|pool| pool.pool == "worker").unwrap().after.config.clone();
    edit(&mut world.nodes, |node| match node.metadata.name.as_deref() {
        Some("a") => node.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "Unknown".to_owned(),
        Some("d") => {
            let marks = node.metadata.annotations.as_mut().unwrap();
            marks.insert(format!("{PREFIX}/desiredConfig"), "elsewhere".to_owned());
            marks.insert(format!("{PREFIX}/state"), "Working".to_owned());
        }
        _ => {}
    });
    let plan = planned(&world, &[motd("x")]);
    // The one that is down uses up what may be down.
    assert_eq!(order(&plan), "d");
    // The other one may be told of what its pool wants before the change takes effect.
    assert_eq!(codes(&plan), ["R-PLAN-STAYS", "R-PLAN-STAYS", "R-PLAN-MEANWHILE"]);
    let d = plan.acting().find(|node| node.node == "d").unwrap();
    assert_eq!((d.first.as_deref(), d.effect.is_err()), (Some("elsewhere"), true), "{d:?}");
    assert!(text(&plan).contains("\n  first reach what they were told before: d\n"), "{}", text(&plan));
    world.put(ours("MachineConfig", config("99-worker-motd", "worker", &file("/etc/motd", "x"))));
    edit(&mut world.nodes, |node| {
        if node.metadata.name.as_deref() == Some("a") {
            let marks = node.metadata.annotations.as_mut().unwrap();
            marks.insert(format!("{PREFIX}/desiredConfig"), target.clone().unwrap());
            marks.insert(format!("{PREFIX}/state"), "Working".to_owned());
        }
    });
    let plan = planned(&world, &[]);
    let of = |name: &str| plan.acting().find(|node| node.node == name).unwrap().turn.clone();
    assert_eq!((of("a"), of("b"), of("c")), (Turn::UnderWay, Turn::Wave(1), Turn::Wave(2)));
}

#[test]
fn what_a_drain_takes_away_and_what_keeps_it_from_ending() {
    let mut world = at_rest();
    let pod = |name: &str, owner: Option<&str>| {
        let owners = owner
            .map(|kind| json!([{"apiVersion": "v1", "kind": kind, "name": "web", "uid": "u", "controller": true}]));
        json!({"metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, "ownerReferences": owners}, "spec": {"nodeName": "b", "containers": []}})
    };
    for (name, owner) in [("web", Some("ReplicaSet")), ("logs", Some("DaemonSet")), ("bare", None)] {
        world.put(object("", "Pod", pod(name, owner)));
    }
    let budget = json!({
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    });
    world.put(object("policy", "PodDisruptionBudget", budget));
    let plan = planned(&world, &[motd("x")]);
    assert_eq!((codes(&plan), plan.is_inhibited()), (vec!["R-PLAN-BUDGET", "R-PLAN-PODS-LOST"], true));
    assert_eq!(plan.findings[0].evidence, ["pod shop/web of ReplicaSet web on b: budget web"]);
    assert_eq!(plan.acting().find(|node| node.node == "b").unwrap().evicted, ["shop/bare", "shop/web"]);
    // Where nothing is drained, no budget is in the way.
    let mut quiet = world.clone();
    let policy = json!({"nodeDisruptionPolicy": {"files": [{"path": "/etc/motd", "actions": [{"type": "None"}]}]}});
    quiet.put(MachineConfiguration::named("cluster", serde_json::from_value(policy).unwrap()).into());
    assert_eq!(codes(&planned(&quiet, &[motd("x")])), [""; 0]);
}

#[test]
fn what_the_api_refuses_is_refused_in_its_words() {
    let of =
        |object: Json| plan(&at_rest(), &[Change::Apply(object)], &Facts::default(), now()).unwrap_err().to_string();
    let unknown = config("99-a", "worker", &json!({"kernelArgs": ["a"]}));
    assert_eq!(
        of(unknown),
        "MachineConfig in version \"v1\" cannot be handled as a MachineConfig: strict decoding error: unknown field \
         \"spec.kernelArgs\""
    );
    let mut stream = pool("worker", &["worker"]);
    stream["apiVersion"] = json!(format!("{MACHINE_CONFIG_GROUP}/v1"));
    stream["kind"] = json!("MachineConfigPool");
    stream["spec"]["maxUnavailable"] = json!(true);
    assert!(of(stream).starts_with("MachineConfigPool.machineconfiguration.openshift.io \"worker\" is invalid: "));
    let pod = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    assert_eq!(of(pod), "ConfigMap a: no configuration of machines depends on this kind");
    let written = config("rendered-worker-1", "worker", &json!({}));
    assert!(of(written).contains("the controllers write this object"));
    assert!(of(json!({"kind": "MachineConfig"})).contains("has no name"));
    let gone = Change::Delete(change::Reference::ours("MachineConfig", "99-b"));
    let said = plan(&at_rest(), &[gone], &Facts::default(), now()).unwrap_err().to_string();
    assert_eq!(said, "MachineConfig 99-b does not exist");
}

#[test]
fn what_cannot_be_rendered_is_in_the_way_and_changes_nothing() {
    let image = Change::Apply(config("99-image", "worker", &json!({"osImageURL": "r/own@1"})));
    let free = planned(&at_rest(), std::slice::from_ref(&image));
    assert_eq!((codes(&free), free.is_inhibited()), (vec!["R-PLAN-IMAGE-OVERRIDDEN"; 2], false));
    let named = Change::Stream { pool: "worker".to_owned(), stream: "el-9".to_owned() };
    let conflict = planned(&at_rest(), &[image, named]);
    assert!(codes(&conflict).contains(&"R-PLAN-IMAGE-CONFLICT") && conflict.is_inhibited());
    let worker = conflict.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    assert!(!worker.changes(), "it keeps what it has");
    let fips = planned(&at_rest(), &[Change::Apply(config("99-fips", "worker", &json!({"fips": true})))]);
    assert!(
        fips.findings.iter().all(|finding| finding.code == Code::Render && finding.found.contains("FIPS")),
        "{:?}",
        fips.findings
    );
    assert_eq!(order(&fips), "");
}

#[test]
fn a_settings_object_makes_what_the_controllers_make_of_it_and_takes_it_away() {
    let mut world = at_rest();
    let kubelet = file(
        "/etc/kubernetes/kubelet.conf",
        "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nmaxPods: 250\n",
    );
    world.put(ours("MachineConfig", config("01-worker-kubelet", "worker", &kubelet)));
    edit(&mut world.pools, |pool| {
        let name = pool.metadata.name.clone().unwrap();
        pool.metadata.labels.get_or_insert_default().insert("pool".to_owned(), name);
    });
    let object = json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "KubeletConfig", "metadata": {"name": "pods"},
        "spec": {"machineConfigPoolSelector": {"matchLabels": {"pool": "worker"}}, "kubeletConfig": {"maxPods": 300}},
    });
    open::features().into_iter().for_each(|object| world.put(object));
    let plan = planned(&world, &[Change::Apply(object)]);
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let of_kubelet =
        worker.differences.as_ref().unwrap().iter().find(|one| one.what == "file /etc/kubernetes/kubelet.conf");
    let origin = of_kubelet.map(|one| (one.origin.object.clone(), one.origin.made_from.clone()));
    let wanted = ("MachineConfig 99-worker-generated-kubelet".to_owned(), Some("KubeletConfig pods".to_owned()));
    assert_eq!(origin, Some(wanted), "{:?} {:?}", plan.findings, plan.unknown);

    let mut generated = config("99-worker-generated-kubelet", "worker", &file("/etc/kubernetes/kubelet.conf", "other"));
    generated["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "KubeletConfig", "name": "pods", "uid": "u"}]);
    world.put(ours("MachineConfig", generated));
    let held = json!({
        "metadata": {"name": "pods", "finalizers": ["99-worker-generated-kubelet"],
            "annotations": {format!("{PREFIX}/mc-name-suffix"): ""}},
        "spec": {"machineConfigPoolSelector": {"matchLabels": {"pool": "worker"}}, "kubeletConfig": {"maxPods": 300}},
    });
    world.put(ours("KubeletConfig", held));
    let gone = super::plan(
        &world,
        &[Change::Delete(change::Reference::ours("KubeletConfig", "pods"))],
        &Facts::default(),
        now(),
    );
    let gone = gone.unwrap();
    let worker = gone.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let differences = worker.differences.as_ref().unwrap();
    assert!(
        differences.iter().any(|one| one.what == "file /etc/kubernetes/kubelet.conf"),
        "{differences:?} {:?}",
        gone.findings
    );
}

#[test]
fn runc_is_kept_from_an_os_without_it() {
    let crio = file("/etc/crio/crio.conf.d/99-runc", "[crio.runtime]\ndefault_runtime = \"runc\"\n");
    let changes = [
        Change::Apply(config("99-crio", "worker", &crio)),
        Change::Stream { pool: "worker".to_owned(), stream: "rhel-10".to_owned() },
    ];
    let plan = planned(&at_rest(), &changes);
    let runc: Vec<_> = plan.findings.iter().filter(|finding| finding.code == Code::Runc).collect();
    assert_eq!(runc.len(), 2);
    assert_eq!(runc[0].evidence, ["MachineConfig 99-crio: /etc/crio/crio.conf.d/99-runc:2"]);
}

#[test]
fn a_new_os_asks_for_more_than_the_old_one() {
    let mut world = at_rest();
    edit(&mut world.nodes, |node| {
        let labels = node.metadata.labels.as_mut().unwrap();
        let features: &[&str] =
            if node.metadata.name.as_deref() == Some("a") { &["AVX"] } else { &["AVX", "AVX2", "FMA3"] };
        for feature in features {
            labels.insert(format!("feature.node.kubernetes.io/cpu-cpuid.{feature}"), "true".to_owned());
        }
    });
    let spec = json!({"extensions": ["usbguard"], "kernelArguments": ["systemd.unified_cgroup_hierarchy=0"]});
    let before = Change::Apply(config("99-worker-x", "worker", &spec));
    let change = Change::Stream { pool: "worker".to_owned(), stream: "rhel-10".to_owned() };
    let plan = planned(&world, &[before, change]);
    let of_worker = plan.findings.iter().filter(|finding| finding.pool.as_deref() == Some("worker"));
    let found: Vec<_> = of_worker.map(|finding| finding.code.as_str()).collect();
    assert_eq!(found, ["R-PLAN-EXTENSIONS", "R-PLAN-ARCHITECTURE-LEVEL", "R-PLAN-KERNEL-ARGUMENTS"]);
    let level = plan.findings.iter().find(|finding| finding.code == Code::ArchitectureLevel).unwrap();
    assert_eq!(level.evidence, ["a"]);
    assert!(plan.unknown.iter().any(|text| text.starts_with("how old the boot images are")), "{:?}", plan.unknown);
}

#[test]
fn an_applied_object_loses_what_it_gave_before_and_keeps_what_others_gave() {
    let mut world = at_rest();
    let before = config("99-a", "worker", &json!({"kernelArguments": ["a"], "fips": false}));
    let mut held = before.clone();
    held["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": before.to_string()});
    held["spec"]["extensions"] = json!(["usbguard"]);
    world.put(ours("MachineConfig", held));
    let given = config("99-a", "worker", &json!({"fips": false}));
    let changed = change::apply(&mut world, &Change::Apply(given), now(), &mut Vec::new()).unwrap();
    assert_eq!(changed.to_string(), "MachineConfig 99-a is changed");
    let now: &MachineConfig = world.config("99-a").unwrap();
    assert_eq!(
        (now.spec.kernel_arguments.as_ref(), now.spec.extensions.as_deref()),
        (None, Some(&["usbguard".to_owned()][..]))
    );
}

#[test]
fn a_plan_is_printed_for_scripts_and_for_merge_requests() {
    let plan = planned(&at_rest(), &[motd("a|b")]);
    let data = data(&plan);
    assert_eq!((&data["reboots"], &data["inhibited"]), (&json!(4), &json!(false)));
    assert_eq!(data["waves"][0][0], json!({"node": "d", "pool": "infra"}));
    let worker = &data["pools"][2];
    assert_eq!(worker["differences"][0]["after"]["contents"]["text"], "a|b");
    assert_eq!(worker["nodes"][0]["effect"]["actions"], json!([{"type": "Reboot"}]));
    assert_eq!(data["changes"][0]["what"], "created");
    let text = markdown(&plan);
    assert!(text.starts_with("**4 nodes reboot, in 3 waves**\n\n| pool | from → to |"), "{text}");
    assert!(text.contains("- worker: file /etc/motd: new, from MachineConfig 99-worker-motd\n"), "{text}");
}

#[test]
fn a_value_stays_within_its_line() {
    let odd = config("99-a", "worker", &json!({"kernelArguments": ["a=1\nnote: all is well"]}));
    let said = text(&planned(&at_rest(), &[Change::Apply(odd)]));
    assert!(said.contains("a=1\\nnote: all is well") && !said.contains("\nnote: all is well"), "{said}");
}

#[test]
fn without_nodes_nothing_is_claimed_about_them() {
    let mut world = at_rest();
    world.nodes.clear();
    let plan = planned(&world, &[motd("a")]);
    assert!(plan.pools.iter().all(|pool| pool.nodes.is_none()));
    assert!(plan.unknown.iter().any(|text| text.contains("there are no nodes among the files")));
    assert!(text(&plan).contains("what its nodes do is not known"), "{}", text(&plan));
    let _: &OSImageStream = world.streams.as_deref().unwrap();
}

#[test]
fn a_node_of_a_deleted_pool_needs_the_configuration_that_it_runs() {
    let gone = || Change::Delete(change::Reference::ours("MachineConfigPool", "infra"));
    let with = |metadata: Json| {
        let mut world = at_rest_with([ours("ControllerConfig", json!({"metadata": metadata, "spec": {}}))]);
        edit(&mut world.nodes, |node: &mut k8s_openapi::api::core::v1::Node| {
            node.metadata
                .labels
                .get_or_insert_default()
                .insert("node-role.kubernetes.io/worker".to_owned(), String::new());
        });
        does(&planned(&world, &[gone()]), "worker")
    };
    let name = "machine-config-controller";
    let kept = with(json!({"name": name, "uid": "u"}));
    assert_eq!(kept, ["nothing is interrupted"; 4].join("; "));
    let lost = with(json!({"name": name}));
    assert!(lost.contains("is not among the objects"), "{lost}");
}

#[test]
fn nodes_on_their_way_to_what_was_wanted_before_arrive_there_and_then_start() {
    let mut world = at_rest();
    world.put(ours("MachineConfig", config("99-worker-motd", "worker", &file("/etc/motd", "x"))));
    let first = planned(&world, &[]);
    let target = first.pools.iter().find(|pool| pool.pool == "worker").unwrap().after.config.clone().unwrap();
    // The plan of what is still to be done has the world with its targets; the node needs the object that it was told.
    let mut with_targets = world.clone();
    target::targets(&world, &mut with_targets, &Facts::default());
    let mut world = with_targets;
    let send = |world: &mut World, name: &str| {
        edit(&mut world.nodes, |node| {
            if node.metadata.name.as_deref() == Some(name) {
                let marks = node.metadata.annotations.as_mut().unwrap();
                marks.insert(format!("{PREFIX}/desiredConfig"), target.clone());
                marks.insert(format!("{PREFIX}/state"), "Working".to_owned());
                node.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "Unknown".to_owned();
            }
        });
    };
    send(&mut world, "a");
    let plan = planned(&world, &[motd("y")]);
    let a = plan.acting().find(|node| node.node == "a").unwrap();
    assert_eq!((a.first.as_deref(), a.runs.as_deref() == Some(&target)), (Some(target.as_str()), false));
    assert!(matches!(a.turn, Turn::Wave(_)), "{:?}", a.turn);
    assert_eq!(plan.reboots(), 4, "{plan:#?}");
    assert!(!codes(&plan).contains(&"R-PLAN-STAYS"), "{:?}", plan.findings);
    let of_order = |plan: &Plan| -> Vec<String> {
        plan.unknown.iter().filter(|text| text.starts_with("in which order")).cloned().collect()
    };
    assert_eq!(of_order(&plan), [""; 0], "one arrives before the others start");
    let meanwhile = |changes: &[Change]| -> Vec<(Option<String>, Vec<String>)> {
        let findings = planned(&world, changes).findings.into_iter().filter(|found| found.code == Code::Meanwhile);
        findings.map(|found| (found.pool, found.evidence)).collect()
    };
    // The other nodes, which were not told of the target yet, may be before the change takes effect.
    let of_workers = (Some("worker".to_owned()), vec!["b".to_owned(), "c".to_owned()]);
    let of_infra = (Some("infra".to_owned()), vec!["d".to_owned()]);
    assert_eq!(meanwhile(&[motd("y")]), [of_infra, of_workers.clone()]);
    assert_eq!(meanwhile(&[]), [], "nothing is wanted but that");
    let paused = json!({"apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "MachineConfigPool",
        "metadata": {"name": "worker"}, "spec": {"paused": true}});
    let paused = [Change::Apply(paused)];
    assert_eq!(meanwhile(&paused), [of_workers]);
    let remedy = "\n  to do: to have each node go once, make the change when the pool is updated\n";
    assert!(text(&planned(&world, &paused)).contains(remedy), "it is no use to pause and resume it");
    let said = text(&plan);
    let wanted = format!(
        "note: pool worker: 2 nodes may be told of {target} before the change takes effect: if they are, they do what that asks as well, and others wait for it [R-PLAN-MEANWHILE]\n  in b\n  in c\n  to do: to have each node go once, make the change when the pool is updated, or run `weir pause worker` before it and `weir resume worker` after it\n"
    );
    assert!(said.contains(&wanted), "{said}");
    // One that starts while the first is still on its way may arrive before it.
    let mut two = world.clone();
    edit(&mut two.pools, |pool| pool.spec.max_unavailable = Some(IntOrString::Int(2)));
    let unknown = |why: &str| format!("in which order the nodes of pool worker start: {why}");
    let beside = unknown("a is on its way, and others may start and arrive before it does");
    assert_eq!(of_order(&planned(&two, &[motd("y")])), [beside]);
    send(&mut world, "b");
    let several = unknown("a, b are on their way, and which of them arrives first decides");
    assert_eq!(of_order(&planned(&world, &[motd("y")])), [several]);
}

#[test]
fn a_node_of_a_deleted_pool_that_is_on_its_way_arrives_before_or_after_others() {
    let mut world = at_rest();
    world.put(ours("MachineConfig", config("99-worker-motd", "worker", &file("/etc/motd", "x"))));
    let mut with_targets = world.clone();
    let targets = target::targets(&world, &mut with_targets, &Facts::default());
    for (name, pool) in [("a", "worker"), ("d", "infra")] {
        let target = targets.iter().find(|target| target.pool == pool).unwrap().after.config.clone().unwrap();
        edit(&mut with_targets.nodes, |node| {
            if node.metadata.name.as_deref() == Some(name) {
                let marks = node.metadata.annotations.as_mut().unwrap();
                marks.insert(format!("{PREFIX}/desiredConfig"), target.clone());
                marks.insert(format!("{PREFIX}/state"), "Working".to_owned());
                let labels = node.metadata.labels.as_mut().unwrap();
                labels.insert("node-role.kubernetes.io/worker".to_owned(), String::new());
            }
        });
    }
    let infra = [Change::Delete(change::Reference::ours("MachineConfigPool", "infra"))];
    let plan = planned(&with_targets, &infra);
    let said =
        "in which order the nodes of pool worker start: a, d are on their way, and which of them arrives first decides";
    assert!(plan.unknown.iter().any(|unknown| unknown == said), "{:#?}", plan.unknown);
    let plan = planned(&with_targets, &[]);
    assert!(!text(&plan).contains("in which order"), "each arrives where its pool is");
}

#[test]
fn what_the_controllers_make_again_is_not_changed() {
    let mut generated = config("99-worker-generated-kubelet", "worker", &file("/etc/kubernetes/kubelet.conf", "k"));
    generated["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "KubeletConfig", "name": "pods", "uid": "u"}]);
    generated["metadata"]["annotations"] = json!({format!("{PREFIX}/generated-by-controller-version"): "x"});
    let world = at_rest_with([ours("MachineConfig", generated.clone())]);
    let refused = |change| plan(&world, &[change], &Facts::default(), now()).unwrap_err().to_string();
    let said = "is generated from KubeletConfig pods, and made again; change that";
    let gone = Change::Delete(change::Reference::ours("MachineConfig", "99-worker-generated-kubelet"));
    assert!(refused(gone).ends_with(said));
    generated["spec"]["kernelArguments"] = json!(["a"]);
    assert!(refused(Change::Apply(generated)).ends_with(said));
}

#[test]
fn a_pool_that_every_cluster_has_comes_back_without_what_users_had_set() {
    let mut world = at_rest();
    edit(&mut world.pools, |pool: &mut MachineConfigPool| {
        if pool.metadata.name.as_deref() == Some("worker") {
            pool.spec.os_image_stream = Some(weir_api::pool::OsImageStreamReference {
                name: "rhel-10".to_owned(),
                ..weir_api::pool::OsImageStreamReference::default()
            });
        }
    });
    let gone = |name| Change::Delete(change::Reference::ours("MachineConfigPool", name));
    let plan = planned(&world, &[gone("worker")]);
    let worker = plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    assert_eq!(worker.after.stream.as_deref(), Some("el-9"), "{worker:#?}");
    let plan = planned(&world, &[gone("infra")]);
    let left = plan.findings.iter().find(|finding| finding.code == Code::Stays && finding.pool.is_none()).unwrap();
    assert_eq!(left.evidence, ["d"], "{left:?}");
    assert!(
        left.found.starts_with("1 node is in no pool then and keeps what it runs: no pool's nodeSelector"),
        "{left:?}"
    );
}

#[test]
fn what_was_not_computed_is_not_said_to_be_nothing() {
    let mut world = at_rest();
    world.nodes.clear();
    let plan = planned(&world, &[motd("x")]);
    assert!(plan.leaves_open());
    assert_eq!(summary(&plan), "what the nodes of infra, worker will do is not known");
    assert!(markdown(&plan).contains("| not known |"), "{}", markdown(&plan));
    let mut world = at_rest();
    world.streams = None;
    edit(&mut world.pools, |pool| pool.spec.configuration = None);
    world.configs.clear();
    let plan = planned(&world, &[motd("x")]);
    assert!(plan.leaves_open() && !plan.changes_nothing(), "{plan:#?}");
    world.whole = true;
    assert!(!planned(&world, &[motd("x")]).pools.iter().any(|pool| pool.unrendered));
}
