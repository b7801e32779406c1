//! What cannot be used: each object, or the pools if it has no status for it, says what, where and what to do. Nothing is half written,
//! and everything else goes on.

use super::{CONFIG, GROUP, World, condition, file, kubelet_config, tree};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinHandle;
use weir_api::{
    Class,
    keys::{
        cluster_operator::DEGRADED,
        controller_config::FAILING,
        names::CONTROLLER_CONFIG,
        pool::{RENDER_DEGRADED, SETTINGS_REFUSED},
    },
};
use weir_controllers::{Generating, templates::of_release};
use weir_distro::sample::templates;
use weir_images::release::OPERATOR;
use weir_rules::template::Tree;

/// A template, and what the ControllerConfig says of it.
const TEMPLATES: [(&str, &str); 7] = [
    ("path: /a\ncontents:\n  inline: {{if .Infra}}\n", "_base/files/a.yaml:4:0: unexpected end of the template"),
    ("path: /a\nmode: {{.Nope}}\n", "_base/files/a.yaml:2:8: executing"),
    ("{{define \"a\"}}{{template \"a\"}}{{end}}\n{{template \"a\"}}", "deep"),
    ("a: 1\n{{range 1000000000}}{{end}}", "steps"),
    ("a: 1\n{{range 100000}}{{printf \"%1000d\" 1}}{{end}}", "bytes of output"),
    ("path: [a]\n", "_base/files/a.yaml into struct: path is a list where text belongs"),
    ("path: /a\n\tmode: 1\n", "_base/files/a.yaml into struct: its output is not YAML in line 1, column 7"),
];

#[tokio::test]
async fn templates_that_cannot_be_used_are_named_with_line_and_column_and_nothing_is_written() {
    let mut world = World::new().await;
    world.run("h1", Generating::default());
    world.completed().await;
    let before = world.configs().await;
    for (template, says) in TEMPLATES {
        world.run("h1", Generating { templates: Some(tree(template)), ..Generating::default() });
        let told = |config: &Value| {
            let said = condition(config, FAILING.name());
            let message = said["message"].as_str().unwrap_or_default();
            said["status"] == "True" && message.contains("_base/files/a.yaml") && message.contains(says)
        };
        world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, told).await;
        assert_eq!(world.configs().await, before, "{template}");
    }
}

#[tokio::test]
async fn a_pull_secret_of_another_type_is_told_until_it_is_mended() {
    let mut world = World::new().await;
    world.run("h1", Generating::default());
    world.completed().await;
    let before = world.configs().await;
    let secrets = kube::Api::<k8s_openapi::api::core::v1::Secret>::namespaced(world.client.clone(), "openshift-config");
    let good = secrets.get("pull-secret").await.unwrap();
    let fails = |says: &'static str| {
        move |config: &Value| condition(config, FAILING.name())["message"].as_str().unwrap_or_default().contains(says)
    };
    secrets.delete("pull-secret", &DeleteParams::default()).await.unwrap();
    let absent = "pull secret openshift-config/pull-secret: there is no such Secret";
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, fails(absent)).await;
    let metadata = json!({"name": "pull-secret", "namespace": "openshift-config"});
    let opaque =
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "stringData": {"a": "b"}});
    world.create(opaque).await;
    let wrong = "expected secret type kubernetes.io/dockerconfigjson found Opaque";
    world.until(GROUP, "ControllerConfig", CONTROLLER_CONFIG, fails(wrong)).await;
    assert_eq!(world.configs().await, before);
    secrets.delete("pull-secret", &DeleteParams::default()).await.unwrap();
    let mended =
        json!({"apiVersion": "v1", "kind": "Secret", "type": good.type_, "metadata": metadata, "data": good.data});
    world.create(mended).await;
    world.completed().await;
    assert_eq!(world.configs().await, before);
}

/// The sample's templates with another `storage.conf`.
fn with_storage(text: &str) -> Arc<Tree> {
    let mut tree = Tree::default();
    for (path, template) in templates() {
        let template = if path.ends_with("/storage.yaml") {
            format!("mode: 0644\npath: /etc/containers/storage.conf\ncontents:\n  inline: |\n    {text}\n")
        } else {
            template
        };
        tree.add_file(&path, template.as_bytes()).unwrap();
    }
    Arc::new(tree)
}

fn runtime_config(name: &str, settings: &Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ContainerRuntimeConfig", "metadata": {"name": name},
        "spec": {
            "machineConfigPoolSelector": {"matchLabels": {"pools.operator.machineconfiguration.openshift.io/worker": ""}},
            "containerRuntimeConfig": settings,
        },
    })
}

#[tokio::test]
async fn a_storage_conf_that_is_no_toml_stops_what_needs_it() {
    let mut world = World::new().await;
    world.run("h1", Generating { templates: Some(with_storage("[storage")), ..Generating::default() });
    world.completed().await;
    world.create(runtime_config("larger", &json!({"overlaySize": "10G"}))).await;
    world.create(kubelet_config("pods", "worker", json!({"maxPods": 500}))).await;
    let failed = |object: &Value| condition(object, "Failure")["status"] == "True";
    let object = world.until(GROUP, "ContainerRuntimeConfig", "larger", failed).await;
    let why = condition(&object, "Failure")["message"].as_str().unwrap();
    assert!(why.contains("storage.conf of the templates: TOML parse error at line 1"), "{why}");
    let done = |object: &Value| condition(object, "Success")["status"] == "True";
    world.until(GROUP, "KubeletConfig", "pods", done).await;
    let configs = world.configs().await;
    assert!(!configs.contains_key("99-worker-generated-containerruntime"), "{:?}", configs.keys());
    assert!(configs.contains_key("99-worker-generated-kubelet"));
}

/// Settings of workers' kubelets: type of the condition that tells, and what it says.
fn kubelets() -> [(&'static str, Value, &'static str, &'static str); 6] {
    let limits = json!({"reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Zi"}}]});
    [
        ("unknown", json!({"maxPids": 7}), "Warning", "spec.kubeletConfig.maxPids: no such field in this release"),
        (
            "threshold",
            json!({"evictionHard": {"memory.available": "100MB"}}),
            "Warning",
            "spec.kubeletConfig.evictionHard.memory.available: quantity above zero such as 500Mi, or percentage such as 10% expected, \
             found \"100MB\": kubelets do not start with it",
        ),
        ("zero", json!({"maxPods": 0}), "Warning", "spec.kubeletConfig.maxPods: 0 has no effect, 250 stays"),
        (
            "quantity",
            limits,
            "Failure",
            "reservedMemory.limits.memory: quantity such as 500m or 1.5Gi expected, found \"1Zi\"",
        ),
        (
            "forbidden",
            json!({"clusterDomain": "a.test"}),
            "Failure",
            "clusterDomain is not allowed to be set, but contains: a.test",
        ),
        (
            "type",
            json!({"maxPods": "many"}),
            "Failure",
            "spec.kubeletConfig: maxPods: number of 32 bits expected, found \"many\"",
        ),
    ]
}

#[tokio::test]
async fn each_kubelet_config_says_what_is_wrong_and_only_its_pools_wait() {
    let mut world = World::new().await;
    world.run_everything("h1");
    world.completed().await;
    for (name, settings, type_, says) in kubelets() {
        world.create(kubelet_config(name, "worker", settings)).await;
        let told = |object: &Value| condition(object, type_)["message"].as_str().unwrap_or_default().contains(says);
        let object = world.until(GROUP, "KubeletConfig", name, told).await;
        let last = object["status"]["conditions"].as_array().unwrap().last().unwrap();
        assert_eq!(last["type"], if type_ == "Warning" { "Success" } else { type_ }, "others read the last one");
        let written = world
            .configs()
            .await
            .values()
            .filter(|config| {
                config
                    .metadata
                    .owner_references
                    .iter()
                    .flatten()
                    .any(|owner| owner.kind == "KubeletConfig" && owner.name == name)
            })
            .count();
        assert_eq!(written, usize::from(type_ == "Warning"), "{name}");
    }
    world.create(runtime_config("loud", &json!({"logLevel": "loud"}))).await;
    let told = |object: &Value| condition(object, "Failure")["message"].as_str().unwrap_or_default().contains("loud");
    world.until(GROUP, "ContainerRuntimeConfig", "loud", told).await;
    let waits = |pool: &Value| {
        let said = condition(pool, RENDER_DEGRADED.name());
        said["status"] == "False"
            && said["message"]
                .as_str()
                .unwrap_or_default()
                .ends_with("; the pool keeps the configuration it has until then")
    };
    world.until(GROUP, "MachineConfigPool", "worker", waits).await;
    let target = |pool: &Value| pool["spec"]["configuration"]["name"].clone();
    let [master, worker] = [
        target(&world.object(GROUP, "MachineConfigPool", "master").await),
        target(&world.object(GROUP, "MachineConfigPool", "worker").await),
    ];
    world.create(kubelet_config("good", "master", json!({"maxPods": 500}))).await;
    world.until(GROUP, "MachineConfigPool", "master", |pool| target(pool) != master && !target(pool).is_null()).await;
    assert_eq!(target(&world.object(GROUP, "MachineConfigPool", "worker").await), worker);
}

fn policy(name: &str, scope: &str, key: &str) -> Value {
    let key = STANDARD.encode(format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"));
    json!({
        "apiVersion": format!("{CONFIG}/v1"), "kind": "ClusterImagePolicy", "metadata": {"name": name},
        "spec": {"scopes": [scope], "policy": {"rootOfTrust": {"policyType": "PublicKey", "publicKey": {"keyData": key}}}},
    })
}

/// Nothing can be generated for registries as long as one of these is there.
fn refused() -> [(Value, &'static str, Option<&'static str>); 3] {
    const ICSP: &str = "operator.openshift.io/v1alpha1";
    let mirrors = |source: &str, mirror: &str| {
        json!({
            "apiVersion": ICSP, "kind": "ImageContentSourcePolicy", "metadata": {"name": "m"},
            "spec": {"repositoryDigestMirrors": [{"source": source, "mirrors": [mirror]}]},
        })
    };
    [
        (mirrors("a.*.test", "m.test"), "invalid format for source \"a.*.test\" (of ImageContentSourcePolicy m)", None),
        (mirrors("a.test", "*.m.test"), "invalid format for mirror \"*.m.test\" (of ImageContentSourcePolicy m)", None),
        (
            policy("inside", "blocked.test/x", "MAA="),
            "clusterimagePolicy configured for the scope blocked.test/x is nested inside blockedRegistries",
            Some("InvalidPolicy"),
        ),
    ]
}

#[tokio::test]
async fn what_has_no_status_is_told_on_the_pools_and_the_cluster_and_policies_say_it_themselves() {
    let mut world = World::new().await;
    world.run_everything("h1");
    let sources = json!({"registrySources": {"blockedRegistries": ["blocked.test"]}});
    world.create(json!({"apiVersion": format!("{CONFIG}/v1"), "kind": "Image", "metadata": {"name": "cluster"}, "spec": sources})).await;
    let is_there = |object: &Value| !object.is_null();
    world.until(GROUP, "MachineConfig", "99-worker-generated-registries", is_there).await;
    world.until(GROUP, "MachineConfig", "99-master-generated-registries", is_there).await;
    let registries = |configs: std::collections::BTreeMap<String, weir_api::MachineConfig>| {
        configs.into_iter().filter(|(name, _)| name.ends_with("-registries")).collect::<Vec<_>>()
    };
    let before = registries(world.configs().await);
    for (number, (object, says, reason)) in refused().into_iter().enumerate() {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        let api = world.api(group, version, &kind);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        world.create(object.clone()).await;
        for pool in ["master", "worker"] {
            let told = |pool: &Value| {
                let message = condition(pool, SETTINGS_REFUSED.name())["message"].as_str().unwrap_or_default();
                message.starts_with("Image.config.openshift.io cluster: ")
                    && message.contains(says)
                    && message.ends_with("; the pool keeps what was generated before")
            };
            world.until(GROUP, "MachineConfigPool", pool, told).await;
        }
        world
            .until(CONFIG, "ClusterOperator", "machine-config", |operator| {
                let said = condition(operator, DEGRADED.name());
                said["status"] == "True" && said["reason"] == "SettingsRefused"
            })
            .await;
        if let Some(reason) = reason {
            world.until(CONFIG, &kind, &name, |policy| condition(policy, "Pending")["reason"] == reason).await;
        }
        assert_eq!(registries(world.configs().await), before, "{says}");
        // Other kinds go on meanwhile.
        let pods = format!("pods-{number}");
        world.create(kubelet_config(&pods, "master", json!({"maxPods": 321}))).await;
        world.until(GROUP, "KubeletConfig", &pods, |object| condition(object, "Success")["status"] == "True").await;
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        let is_over = |pool: &Value| condition(pool, SETTINGS_REFUSED.name()).is_null();
        world.until(GROUP, "MachineConfigPool", "worker", is_over).await;
    }
    // A key that only looks like one: machines refuse the images, as they do with the reference, and the policy says so.
    world.create(policy("garbled", "b.test", "AAAA")).await;
    world
        .until(CONFIG, "ClusterImagePolicy", "garbled", |policy| {
            condition(policy, "Pending")["reason"] == "UnreadableKey"
        })
        .await;
    let config = world.configs().await.remove("99-worker-generated-registries").unwrap();
    assert!(file(&config, "/etc/containers/policy.json").contains("b.test"));
    world.running.take().inspect(JoinHandle::abort);
}

#[tokio::test]
async fn a_payload_without_the_image_or_the_folder_says_so() {
    let world = World::new().await;
    let config = world.object(GROUP, "ControllerConfig", CONTROLLER_CONFIG).await;
    let release = world.images.release(config["spec"]["releaseImage"].as_str().unwrap()).await.unwrap();
    assert!(of_release(&world.images, &release).await.is_ok());
    let mut without = release.clone();
    without.tags.retain(|tag| tag.name != OPERATOR);
    let error = of_release(&world.images, &without).await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    let said = "release 5.0.0 has no templates: it refers to no image machine-config-operator";
    assert_eq!(error.to_string(), said);
    // Another image in its place.
    let other = release.tags.iter().find(|tag| tag.name == "cli").or(release.tags.last()).unwrap().image.clone();
    for tag in without.tags.iter_mut().take(1) {
        (tag.name, tag.image) = (OPERATOR.to_owned(), other.clone());
    }
    let error = of_release(&world.images, &without).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("has no templates: its image ") && said.ends_with(" has no folder /etc/mcc/templates"),
        "{said}"
    );
}
