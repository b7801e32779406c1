//! Taking over from the recorded build: its MachineConfigs, and the objects that it made them from, on one cluster.

use super::{CONTINUES, GROUP, World, altered, condition};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{
    MachineConfig,
    keys::{
        config::{ADOPTED_FROM, GENERATED_BY_CONTROLLER_VERSION, RELEASE_IMAGE_VERSION},
        controller_config::GENERATED_CONFIGS_ADOPTED,
        names::CONTROLLER_CONFIG,
    },
};
use weir_controllers::Generating;
use weir_rules::template::Tree;

/// The recorded build, and the release that it is of.
const BUILD: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";
const RELEASE: &str = "5.0.0";
/// One recorded cluster in five cases, which share ControllerConfig, templates and pools: file and case.
const TEMPLATES: (&str, &str) = ("template-controller", "tc-001");
const NODES: (&str, &str) = ("kubelet-config", "kc-233");
const KUBELET: (&str, &str) = ("kubelet-config", "kc-246");
const RUNTIME: (&str, &str) = ("container-runtime", "cr-111");
const REGISTRIES: (&str, &str) = ("registries", "im-118");

fn case((file, name): (&str, &str)) -> Value {
    let text = weir_recorded::read(&format!("generated/{file}.jsonl"));
    let mut cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    cases.find(|case| case["case"] == name).unwrap()
}

/// What the case ends with.
fn last(case: &Value, what: &str) -> Vec<Value> {
    case["results"].as_array().unwrap().last().unwrap()[what].as_array().unwrap().clone()
}

fn templates() -> Arc<Tree> {
    let files: BTreeMap<String, String> =
        serde_json::from_str(&weir_recorded::read("generated/tree-main.json")).unwrap();
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.add_file(&path, text.as_bytes()).unwrap();
    }
    Arc::new(tree)
}

/// An object as it can be created: with kind, and without what the server sets.
fn creatable(mut object: Value, (group, kind): (&str, &str)) -> Value {
    (object["apiVersion"], object["kind"]) = (json!(format!("{group}/v1")), json!(kind));
    for set in ["uid", "generation"] {
        object["metadata"].as_object_mut().unwrap().remove(set);
    }
    // Times are not recorded.
    for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        condition["lastTransitionTime"] = json!("2026-08-20T00:00:00Z");
    }
    object
}

/// The cluster as the recorded build left it.
async fn left() -> World {
    const CONFIG: &str = "config.openshift.io";
    let world = World::bare();
    let (of_templates, nodes, kubelet) = (case(TEMPLATES), case(NODES), case(KUBELET));
    let (runtime, registries) = (case(RUNTIME), case(REGISTRIES));
    let mut config = creatable(of_templates["controllerConfig"].clone(), (GROUP, "ControllerConfig"));
    config["metadata"]["annotations"] = json!({ RELEASE_IMAGE_VERSION: RELEASE });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"namespace": "openshift-config", "name": "pull-secret"},
        "stringData": {".dockerconfigjson": of_templates["pullSecret"]},
    });
    let gates = |which: &str| -> Vec<Value> {
        nodes[which].as_array().into_iter().flatten().map(|name| json!({ "name": name })).collect()
    };
    let gates = json!({
        "metadata": {"name": "cluster"}, "spec": {},
        "status": {"featureGates": [{"version": RELEASE, "enabled": gates("enabled"), "disabled": gates("disabled")}]},
    });
    world.create(config).await;
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openshift-config"}})).await;
    world.create(secret).await;
    world.create(creatable(gates, (CONFIG, "FeatureGate"))).await;
    world.create(creatable(nodes["nodeConfig"].clone(), (CONFIG, "Node"))).await;
    world.create(creatable(registries["objects"]["image"].clone(), (CONFIG, "Image"))).await;
    for pool in nodes["pools"].as_array().unwrap() {
        world.create(creatable(pool.clone(), (GROUP, "MachineConfigPool"))).await;
    }
    for object in last(&kubelet, "kubeletConfigs") {
        world.create(creatable(object, (GROUP, "KubeletConfig"))).await;
    }
    for object in last(&runtime, "containerRuntimeConfigs") {
        world.create(creatable(object, (GROUP, "ContainerRuntimeConfig"))).await;
    }
    let of_templates = of_templates["machineConfigs"].as_array().unwrap().clone();
    let others = [&nodes, &kubelet, &runtime, &registries].map(|case| last(case, "machineConfigs"));
    for config in [of_templates, others.concat()].concat() {
        let mut config = creatable(config, (GROUP, "MachineConfig"));
        for owner in config["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
            // What belongs to nobody is collected.
            let (group, _) = owner["apiVersion"].as_str().unwrap().split_once('/').unwrap();
            let [kind, name] = ["kind", "name"].map(|field| owner[field].as_str().unwrap().to_owned());
            owner["uid"] = world.object(group, &kind, &name).await["metadata"]["uid"].clone();
        }
        world.create(config).await;
    }
    world
}

fn continuing(asked: bool) -> Generating {
    Generating { templates: Some(templates()), asked, ..CONTINUES }
}

fn says_adopted(config: &Value) -> &Value {
    condition(config, GENERATED_CONFIGS_ADOPTED.name())
}

#[tokio::test]
async fn what_the_recorded_build_generated_is_adopted_without_a_write() {
    let mut world = left().await;
    let before = world.configs().await;
    let names: Vec<&str> = before.keys().map(String::as_str).collect();
    let recorded = [
        "00-master",
        "00-worker",
        "01-master-container-runtime",
        "01-master-kubelet",
        "01-worker-container-runtime",
        "01-worker-kubelet",
        "97-infra-generated-kubelet",
        "97-master-generated-kubelet",
        "97-worker-generated-kubelet",
        "98-infra-generated-kubelet",
        "98-master-generated-kubelet",
        "98-worker-generated-kubelet",
        "99-master-generated-registries",
        "99-worker-generated-containerruntime",
        "99-worker-generated-kubelet",
        "99-worker-generated-registries",
    ];
    assert_eq!(names, recorded);
    let settings = [("KubeletConfig", "a"), ("ContainerRuntimeConfig", "a")];
    let mut objects = Vec::new();
    for (kind, name) in settings {
        objects.push(world.object(GROUP, kind, name).await);
    }
    world.run(BUILD, continuing(false));
    let config = world
        .until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, |config| !says_adopted(config)["status"].is_null())
        .await;
    assert_eq!(says_adopted(&config)["status"], "True", "{config}");
    assert_eq!(config["metadata"]["annotations"][ADOPTED_FROM], BUILD);
    assert_eq!(world.configs().await, before, "resource versions included");
    for ((kind, name), before) in settings.into_iter().zip(objects) {
        assert_eq!(world.object(GROUP, kind, name).await, before, "{kind} {name}");
    }
    world.until_observed("a", 321).await;
    let after = world.configs().await;
    let changed: Vec<&String> = after.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert_eq!(changed, ["99-worker-generated-kubelet"]);
    let marks = after["99-worker-generated-kubelet"].metadata.annotations.as_ref().unwrap();
    assert_eq!(marks[GENERATED_BY_CONTROLLER_VERSION], BUILD);
}

/// One file in each kind of MachineConfig that the recorded build always writes anew: its text, the changed one, and the line.
const BYTES: [(&str, &str, (&str, &str), usize); 3] = [
    ("00-worker", "/etc/kubernetes/apiserver-url.env", ("PORT=6443", "PORT=6444"), 2),
    ("97-worker-generated-kubelet", "/etc/kubernetes/kubelet.conf", ("cacheTTL: 0s", "cacheTTL: 1s"), 6),
    ("99-master-generated-registries", "/etc/containers/registries.conf", ("a.test", "b.test"), 7),
];

#[tokio::test]
async fn one_byte_in_one_recorded_file_and_nothing_is_written_until_it_is_asked_for() {
    let mut world = left().await;
    let original = world.configs().await;
    let api = Api::<MachineConfig>::all(world.client.clone());
    for (name, path, (from, to), line) in BYTES {
        let mut changed = api.get(name).await.unwrap();
        altered(&mut changed, path, from, to);
        api.replace(name, &PostParams::default(), &changed).await.unwrap();
        let before = world.configs().await;
        world.run(BUILD, continuing(false));
        let says = format!("MachineConfig {name} differs in {path}, line {line}");
        world
            .until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, |config| {
                says_adopted(config)["message"].as_str().unwrap_or_default().contains(&says)
            })
            .await;
        assert_eq!(world.configs().await, before, "{says}");
        world.running.take().inspect(tokio::task::JoinHandle::abort);
        let patch = Patch::Merge(json!({"spec": {"config": original[name].spec.config}}));
        api.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
    let mut changed = api.get("00-worker").await.unwrap();
    altered(&mut changed, "/etc/kubernetes/apiserver-url.env", "PORT=6443", "PORT=6444");
    api.replace("00-worker", &PostParams::default(), &changed).await.unwrap();
    let before = world.configs().await;
    world.run(BUILD, continuing(true));
    world
        .until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, |config| {
            config["metadata"]["annotations"][ADOPTED_FROM] == BUILD
        })
        .await;
    let after = world.configs().await;
    let written: Vec<&String> = after.keys().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert_eq!(written, ["00-worker"], "only what differs");
    assert_eq!(after["00-worker"].spec, original["00-worker"].spec);
}

/// The recorded build leaves alone what it once made from settings that have not changed since, whatever else has.
#[tokio::test]
async fn what_the_recorded_build_would_leave_stale_is_adopted_as_it_is() {
    let mut world = left().await;
    let api = Api::<MachineConfig>::all(world.client.clone());
    let stale = [
        (
            "99-worker-generated-kubelet",
            "/etc/kubernetes/kubelet.conf",
            "tlsMinVersion: VersionTLS12",
            "tlsMinVersion: VersionTLS11",
        ),
        ("99-worker-generated-containerruntime", "/etc/crio/crio.conf.d/01-ctrcfg-pidsLimit", "101", "102"),
    ];
    for (name, path, from, to) in stale {
        let mut changed = api.get(name).await.unwrap();
        altered(&mut changed, path, from, to);
        api.replace(name, &PostParams::default(), &changed).await.unwrap();
    }
    let specs = |configs: BTreeMap<String, MachineConfig>| {
        configs.into_iter().map(|(name, config)| (name, config.spec)).collect::<BTreeMap<_, _>>()
    };
    let before = specs(world.configs().await);
    world.run(BUILD, continuing(false));
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, |config| says_adopted(config)["status"] == "True").await;
    assert_eq!(specs(world.configs().await), before, "nobody reboots for it");
    world.until_observed("a", 321).await;
    let config = world.configs().await.remove("99-worker-generated-kubelet").unwrap();
    let text = super::file(&config, "/etc/kubernetes/kubelet.conf");
    assert!(text.contains("tlsMinVersion: VersionTLS12") && text.contains("maxPods: 321"), "{text}");
}
