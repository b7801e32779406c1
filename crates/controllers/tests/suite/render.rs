//! The render controller in process, against the embedded server with paused time: one intent is one rendering.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    client::Body,
    core::DynamicObject,
    discovery::ApiResource,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::time::sleep;
use tower::{BoxError, ServiceExt as _, service_fn};
use weir_api::{
    ContainerRuntimeConfig, ControllerConfig, FeatureGate, KubeletConfig, MachineConfig, MachineConfigPool,
    MachineConfiguration, MachineOSConfig, PinnedImageSet,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
    keys::names::OPERATOR_NAMESPACE,
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Access, Build, Cluster, Context, Generating, render, rollout};
use weir_distro::Profile;
use weir_images::{Images, Source};
use weir_kubeio::{Clock, drive};

const ROLE: &str = "machineconfiguration.openshift.io/role";

async fn create<K>(client: &Client, object: Value) -> K
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + Debug,
{
    let object = serde_json::from_value(object).unwrap();
    Api::<K>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap()
}

fn config(name: &str, argument: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {ROLE: "worker"}}, "spec": {"kernelArguments": [argument]}})
}

fn controller_config() -> Value {
    let none = "IyBub25lCg==";
    json!({
        "metadata": {"name": "machine-config-controller", "annotations": {
            "machineconfiguration.openshift.io/generated-by-version": "v1",
            "machineconfiguration.openshift.io/release-image-version": "5.0.0",
        }},
        "spec": {
            "additionalTrustBundle": null, "baseOSContainerImage": "registry.example.com/os@sha256:1",
            "cloudProviderCAData": null, "cloudProviderConfig": "", "clusterDNSIP": "172.30.0.10", "images": {},
            "dns": {"apiVersion": "config.openshift.io/v1", "kind": "DNS", "spec": {"baseDomain": "example.com"}, "status": {}},
            "infra": {"apiVersion": "config.openshift.io/v1", "kind": "Infrastructure", "spec": {}, "status": {}},
            "ipFamilies": "IPv4", "kubeAPIServerServingCAData": none, "network": null, "proxy": null, "releaseImage": "",
            "rootCAData": none,
        },
    })
}

/// How long a new target settles.
const SETTLE: Duration = Duration::from_secs(3);

async fn started() -> Client {
    started_with(|_| true, |_| false).await
}

/// With the kinds that are served, on a server that has to refuse what is spoilt: method and path.
async fn started_with(is_served: impl Fn(&str) -> bool, is_spoilt: fn(&str) -> bool) -> Client {
    let server = ApiServer::new(Settings::default()).unwrap();
    let mut definitions = crds(FeatureSet::Default);
    definitions.retain(|definition| definition["spec"]["names"]["kind"].as_str().is_some_and(&is_served));
    // So that there can be one that cannot be read.
    let lax = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    for definition in definitions.iter_mut().filter(|definition| definition["spec"]["names"]["kind"] == "MachineConfig")
    {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = lax.clone();
    }
    server.define(definitions).unwrap();
    let service = server.service();
    let service = service_fn(move |mut request: http::Request<Body>| {
        if is_spoilt(&format!("{} {}", request.method(), request.uri().path())) {
            *request.body_mut() = Body::from(br#"{"metadata": {"name": "another"}}"#.to_vec());
        }
        let service = service.clone();
        async move { Ok::<_, BoxError>(service.oneshot(request).await?) }
    });
    let client = Client::new(service, "default");
    create::<Namespace>(&client, json!({"metadata": {"name": OPERATOR_NAMESPACE}})).await;
    create::<FeatureGate>(&client, json!({"metadata": {"name": "cluster"}, "spec": {}})).await;
    let gates = json!({"status": {"featureGates": [{"version": "5.0.0",
        "enabled": [{"name": "IrreconcilableMachineConfig"}], "disabled": [{"name": "OSStreams"}]}]}});
    let api = Api::<FeatureGate>::all(client.clone());
    api.patch_status("cluster", &PatchParams::default(), &Patch::Merge(gates)).await.unwrap();
    create::<ControllerConfig>(&client, controller_config()).await;
    let completed = json!({"status": {"conditions": [{"type": "TemplateControllerCompleted", "status": "True",
        "reason": "", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}], "observedGeneration": 1}});
    let api = Api::<ControllerConfig>::all(client.clone());
    api.patch_status("machine-config-controller", &PatchParams::default(), &Patch::Merge(completed)).await.unwrap();
    for name in ["00-worker", "01-worker-kubelet"] {
        let mut own = config(name, name);
        own["metadata"]["annotations"] =
            json!({"machineconfiguration.openshift.io/generated-by-controller-version": "h"});
        create::<MachineConfig>(&client, own).await;
    }
    let selector = json!({"matchLabels": {ROLE: "worker"}});
    let nodes = json!({"matchLabels": {"node-role.kubernetes.io/worker": ""}});
    let metadata = json!({"name": "worker", "labels": {"pool": "worker"}});
    let pool = json!({"metadata": metadata, "spec": {"machineConfigSelector": selector, "nodeSelector": nodes}});
    create::<MachineConfigPool>(&client, pool).await;
    let context = Context {
        client: client.clone(),
        cluster: Cluster::default(),
        clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
        profile: Profile::by_name("ocp").unwrap(),
        build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
        settle: SETTLE,
        generating: Generating { continues: true, ..Generating::default() },
    };
    tokio::spawn(context.cluster.clone().fill(client.clone()));
    let access = Access::new(&context.cluster, Images::new(Source::default()));
    let rollout = rollout::Controller::new(context.clone());
    let controller = render::Controller::new(context, access);
    tokio::spawn(async move { tokio::join!(drive(&controller), drive(&rollout)) });
    settle().await;
    client
}

/// As long as anything takes that was set off; time is paused.
async fn settle() {
    sleep(Duration::from_secs(1)).await;
}

async fn pool(client: &Client) -> MachineConfigPool {
    Api::<MachineConfigPool>::all(client.clone()).get("worker").await.unwrap()
}

/// Status, reason and message of a condition of the pool; absent when there is none.
async fn says(client: &Client, type_: &'static str) -> Option<(String, String, String)> {
    let conditions = pool(client).await.status?.conditions?;
    find(&conditions, ConditionType::new(type_))
        .map(|held| (held.status.clone(), held.reason.clone(), held.message.clone()))
}

async fn turn(client: &Client, enabled: &[&str], disabled: &[&str]) {
    let names = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let list = json!({"version": "5.0.0", "enabled": names(enabled), "disabled": names(disabled)});
    let patch = Patch::Merge(json!({"status": {"featureGates": [list]}}));
    Api::<FeatureGate>::all(client.clone()).patch_status("cluster", &PatchParams::default(), &patch).await.unwrap();
    settle().await;
}

async fn rendered(client: &Client) -> Vec<String> {
    let all = Api::<MachineConfig>::all(client.clone()).list(&ListParams::default()).await.unwrap();
    let names = all.items.into_iter().filter_map(|config| config.metadata.name);
    names.filter(|name| name.starts_with("rendered-")).collect()
}

async fn told(client: &Client, reason: &str) -> usize {
    let events = Api::<Event>::all(client.clone()).list(&ListParams::default()).await.unwrap();
    events.items.iter().filter(|event| event.reason.as_deref() == Some(reason)).count()
}

#[tokio::test(start_paused = true)]
async fn a_change_of_many_objects_is_one_rendering() {
    let client = started().await;
    assert_eq!((rendered(&client).await.len(), told(&client, "RenderedConfigGenerated").await), (1, 1));
    for number in 0..20 {
        create::<MachineConfig>(&client, config(&format!("50-{number:02}"), &format!("a={number}"))).await;
    }
    settle().await;
    assert_eq!((rendered(&client).await.len(), told(&client, "RenderedConfigGenerated").await), (2, 2));
    let found = pool(&client).await.spec.configuration.unwrap();
    assert!(rendered(&client).await.contains(&found.name().to_owned()));
    let source: Vec<String> = found.source.unwrap().iter().filter_map(|s| s.name().map(str::to_owned)).collect();
    assert_eq!(source.len(), 22);
    assert!(source.is_sorted(), "{source:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_when_nothing_changed() {
    let client = started().await;
    let before = pool(&client).await.metadata.resource_version;
    let configs = Api::<MachineConfig>::all(client.clone());
    let note = Patch::Merge(json!({"metadata": {"annotations": {"example.com/note": "x"}}}));
    configs.patch("00-worker", &PatchParams::default(), &note).await.unwrap();
    settle().await;
    assert_eq!(pool(&client).await.metadata.resource_version, before);
    assert_eq!(told(&client, "RenderedConfigGenerated").await, 1);
    // What is rendered again the same way, after a detour, is there already.
    let first = pool(&client).await.spec.configuration.unwrap().name().to_owned();
    create::<MachineConfig>(&client, config("99-detour", "a=b")).await;
    settle().await;
    assert_ne!(pool(&client).await.spec.configuration.unwrap().name(), first);
    configs.delete("99-detour", &Default::default()).await.unwrap();
    settle().await;
    assert_eq!(pool(&client).await.spec.configuration.unwrap().name(), first);
    assert_eq!((rendered(&client).await.len(), told(&client, "RenderedConfigGenerated").await), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_rendered_is_said_once_and_the_pool_keeps_what_it_has() {
    let client = started().await;
    let before = pool(&client).await.spec.configuration;
    let mut bad = config("99-bad", "");
    bad["spec"] = json!({"config": {"ignition": {"version": "3.6.0"}}});
    create::<MachineConfig>(&client, bad).await;
    settle().await;
    let after = pool(&client).await;
    assert_eq!(after.spec.configuration, before);
    let conditions = after.status.unwrap().conditions.unwrap();
    let degraded = find(&conditions, ConditionType::new("RenderDegraded")).unwrap();
    assert_eq!((degraded.status.as_str(), degraded.reason.as_str()), ("True", "InvalidMachineConfig"));
    let message = degraded.message.clone();
    let expected =
        "Failed to render configuration for pool worker: could not generate rendered MachineConfig: parsing ";
    assert!(message.starts_with(expected) && message.contains("unknown version."), "{message}");
    assert!(message.ends_with("in MachineConfig 99-bad"), "{message}");
    create::<MachineConfig>(&client, config("98-good", "a=b")).await;
    settle().await;
    assert_eq!(told(&client, "InvalidMachineConfig").await, 1);
    Api::<MachineConfig>::all(client.clone()).delete("99-bad", &Default::default()).await.unwrap();
    settle().await;
    let conditions = pool(&client).await.status.unwrap().conditions.unwrap();
    assert_eq!(find(&conditions, ConditionType::new("RenderDegraded")).unwrap().status, "False");
}

#[tokio::test(start_paused = true)]
async fn what_machines_cannot_follow_is_refused_until_the_machine_configuration_allows_it() {
    let client = started().await;
    let before = pool(&client).await.spec.configuration.unwrap();
    let mut disks = config("99-disks", "");
    let disk = json!({"device": "/dev/sdb", "wipeTable": true});
    disks["spec"] = json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"disks": [disk]}}});
    create::<MachineConfig>(&client, disks).await;
    settle().await;
    let refused = pool(&client).await;
    assert_eq!(refused.spec.configuration.unwrap().name(), before.name());
    let conditions = refused.status.unwrap().conditions.unwrap();
    let degraded = find(&conditions, ConditionType::new("RenderDegraded")).unwrap();
    assert_eq!(degraded.status, "True");
    assert!(degraded.message.contains("disks"), "{}", degraded.message);

    let overrides = json!({"irreconcilableValidationOverrides": {"storage": ["Disks"]}});
    let allowing = json!({"metadata": {"name": "cluster"}, "spec": overrides});
    create::<MachineConfiguration>(&client, allowing).await;
    settle().await;
    let rendered = pool(&client).await;
    assert_ne!(rendered.spec.configuration.unwrap().name(), before.name());
    assert_eq!(
        find(&rendered.status.unwrap().conditions.unwrap(), ConditionType::new("RenderDegraded")).unwrap().status,
        "False"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rendered_config_that_somebody_changed_is_put_right() {
    let client = started().await;
    let name = pool(&client).await.spec.configuration.unwrap().name().to_owned();
    let configs = Api::<MachineConfig>::all(client.clone());
    let before = configs.get(&name).await.unwrap();
    let mark = "machineconfiguration.openshift.io/generated-by-controller-version";
    let change = json!({"metadata": {"annotations": {mark: "older"}}, "spec": {"kernelArguments": ["evil"]}});
    configs.patch(&name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    settle().await;
    let after = configs.get(&name).await.unwrap();
    assert_eq!((&after.spec, &after.metadata.annotations), (&before.spec, &before.metadata.annotations));
    assert_eq!(pool(&client).await.spec.configuration.unwrap().name(), name);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_controller_config_is_not_complete_says_so_and_is_not_updated() {
    let client = started().await;
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
    let configs = Api::<ControllerConfig>::all(client.clone());
    let name = "machine-config-controller";
    let change = Patch::Merge(json!({"spec": {"networkType": "Other"}}));
    let changed = configs.patch(name, &PatchParams::default(), &change).await.unwrap();
    // What is over in a moment is no news.
    sleep(Duration::from_millis(300)).await;
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
    settle().await;
    let (status, reason, message) = says(&client, "RenderDegraded").await.unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ControllerConfigNotComplete"));
    assert!(message.contains("is being reported for 1, expecting it for 2; whoever makes MachineConfigs"), "{message}");
    assert_eq!(says(&client, "Updated").await.unwrap().0, "False");
    let (status, _, message) = says(&client, "Updating").await.unwrap();
    assert!(status == "True" && message.contains("waits for another one: status for ControllerConfig"), "{message}");

    let complete = Patch::Merge(json!({"status": {"observedGeneration": changed.metadata.generation}}));
    configs.patch_status(name, &PatchParams::default(), &complete).await.unwrap();
    settle().await;
    assert_eq!(says(&client, "RenderDegraded").await.unwrap().1, "");
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_selects_everything_says_so() {
    let client = started().await;
    let pools = Api::<MachineConfigPool>::all(client.clone());
    let everything = Patch::Merge(json!({"spec": {"machineConfigSelector": {"matchLabels": null}}}));
    pools.patch("worker", &PatchParams::default(), &everything).await.unwrap();
    settle().await;
    let (status, reason, _) = says(&client, "RenderDegraded").await.unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("False", "SelectingAll"));
    assert_eq!(says(&client, "Updated").await.unwrap().0, "False");
    assert_eq!(told(&client, "SelectingAll").await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_said_on_the_pool() {
    // Only the render controller patches a pool itself.
    let spoilt = |request: &str| request.starts_with("PATCH ") && request.ends_with("/machineconfigpools/worker");
    let client = started_with(|_| true, spoilt).await;
    let (status, reason, message) = says(&client, "RenderDegraded").await.unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "WriteRefused"));
    let expected = "Failed to render configuration for pool worker: patching MachineConfigPool worker: ";
    assert!(message.starts_with(expected) && message.len() > expected.len() + 10, "{message}");
}

#[tokio::test(start_paused = true)]
async fn settings_without_effect_are_told_on_them_and_on_the_pools_they_select() {
    let client = started().await;
    let before = pool(&client).await;
    let of_worker = json!({"matchLabels": {"pool": "worker"}});
    let kubelet = json!({"metadata": {"name": "max-pods"},
        "spec": {"machineConfigPoolSelector": of_worker, "kubeletConfig": {"maxPods": 300}}});
    create::<KubeletConfig>(&client, kubelet).await;
    let runtime = json!({"metadata": {"name": "log-size"},
        "spec": {"machineConfigPoolSelector": of_worker, "containerRuntimeConfig": {"logSizeMax": "1Gi"}}});
    create::<ContainerRuntimeConfig>(&client, runtime).await;
    let image = format!("registry.example.com/a@sha256:{}", "0".repeat(64));
    let pinned =
        json!({"metadata": {"name": "mine", "labels": {ROLE: "worker"}}, "spec": {"pinnedImages": [{"name": image}]}});
    create::<PinnedImageSet>(&client, pinned).await;
    settle().await;
    let (status, reason, message) = says(&client, "SettingsNotApplied").await.unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "SettingsNotApplied"));
    let all = "not applied to this pool: ContainerRuntimeConfig log-size, KubeletConfig max-pods, PinnedImageSet mine;";
    assert!(message.starts_with(all), "{message}");
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
    let events = Api::<Event>::all(client.clone()).list(&ListParams::default()).await.unwrap().items;
    let about = events.iter().filter(|event| event.reason.as_deref() == Some("SettingsNotApplied"));
    let mut about: Vec<_> = about.filter_map(|event| event.involved_object.kind.as_deref()).collect();
    about.sort_unstable();
    assert_eq!(about, ["ContainerRuntimeConfig", "KubeletConfig", "PinnedImageSet"]);

    Api::<KubeletConfig>::all(client.clone()).delete("max-pods", &Default::default()).await.unwrap();
    Api::<ContainerRuntimeConfig>::all(client.clone()).delete("log-size", &Default::default()).await.unwrap();
    // Whoever hands sets to nodes writes them into the pool.
    let handed = Patch::Merge(json!({"spec": {"pinnedImageSets": [{"name": "mine"}]}}));
    Api::<MachineConfigPool>::all(client.clone()).patch("worker", &PatchParams::default(), &handed).await.unwrap();
    settle().await;
    assert_eq!(says(&client, "SettingsNotApplied").await, None);
    let after = pool(&client).await;
    assert_eq!(after.spec.configuration, before.spec.configuration);
    assert_eq!(after.spec.pinned_image_sets.unwrap().len(), 1, "what others write is kept");
}

#[tokio::test(start_paused = true)]
async fn kinds_of_settings_that_are_not_served_keep_nobody_waiting() {
    let settings = ["KubeletConfig", "ContainerRuntimeConfig", "PinnedImageSet"];
    let client = started_with(move |kind| !settings.contains(&kind), |_| false).await;
    assert_eq!(rendered(&client).await.len(), 1);
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
}

#[tokio::test(start_paused = true)]
async fn generated_configs_of_other_feature_gates_are_named_and_kept() {
    let client = started().await;
    let conf = "data:,featureGates%3A%0A%20%20IrreconcilableMachineConfig%3A%20true%0A%20%20OSStreams%3A%20false%0A";
    let mut generated = config("98-worker-generated-kubelet", "");
    let file = json!({"path": "/etc/kubernetes/kubelet.conf", "contents": {"source": conf}});
    generated["spec"] = json!({"config": {"ignition": {"version": "3.5.0"}, "storage": {"files": [file]}}});
    create::<MachineConfig>(&client, generated).await;
    settle().await;
    assert_eq!(says(&client, "GeneratedConfigsStale").await, None);
    let before = pool(&client).await.spec.configuration;
    turn(&client, &[], &["IrreconcilableMachineConfig", "OSStreams"]).await;
    let (status, _, message) = says(&client, "GeneratedConfigsStale").await.unwrap();
    assert_eq!(status, "True");
    let expected = "98-worker-generated-kubelet is of other feature gates (IrreconcilableMachineConfig is off now)";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(told(&client, "GeneratedConfigsStale").await, 1);
    assert_eq!(pool(&client).await.spec.configuration, before);
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
    turn(&client, &["IrreconcilableMachineConfig"], &["OSStreams"]).await;
    assert_eq!(says(&client, "GeneratedConfigsStale").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_config_that_cannot_be_read_is_named_on_the_pools_that_select_it() {
    let client = started().await;
    let before = pool(&client).await.spec.configuration;
    let configs: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<MachineConfig>(&()));
    for (role, concerns) in [("infra", false), ("worker", true)] {
        let mut odd = config(&format!("99-{role}"), "");
        odd["apiVersion"] = json!("machineconfiguration.openshift.io/v1");
        odd["kind"] = json!("MachineConfig");
        odd["metadata"]["labels"][ROLE] = json!(role);
        odd["spec"] = json!({"kernelArguments": {"password": "s3cret"}});
        configs.create(&PostParams::default(), &serde_json::from_value(odd).unwrap()).await.unwrap();
        settle().await;
        assert_eq!(says(&client, "Updated").await.unwrap().0 == "False", concerns, "{role}");
    }
    let (status, reason, message) = says(&client, "RenderDegraded").await.unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "ObjectUnreadable"));
    assert!(message.contains("MachineConfig 99-worker cannot be read: spec.kernelArguments: "), "{message}");
    assert!(message.ends_with("; correct or delete it") && !message.contains("s3cret"), "{message}");
    assert_eq!(says(&client, "Degraded").await.unwrap().0, "True");
    assert_eq!(pool(&client).await.spec.configuration, before);
    // Others are taken in as soon as it is gone, and not before.
    create::<MachineConfig>(&client, config("50-later", "a=b")).await;
    settle().await;
    assert_eq!(pool(&client).await.spec.configuration, before);
    configs.delete("99-worker", &Default::default()).await.unwrap();
    settle().await;
    assert_ne!(pool(&client).await.spec.configuration, before);
    assert_eq!(says(&client, "Updated").await.unwrap().0, "True");
}

#[tokio::test(start_paused = true)]
async fn a_new_target_says_when_it_is_settled() {
    let client = started().await;
    let dates = async || -> Option<(Timestamp, Timestamp)> {
        let annotations = pool(&client).await.metadata.annotations?;
        let time = |key: &str| annotations.get(&format!("machineconfiguration.openshift.io/{key}"))?.parse().ok();
        Some((time("unsettled-since")?, time("settled-from")?))
    };
    assert_eq!(dates().await, None, "the first target settles at once");
    create::<MachineConfig>(&client, config("50-a", "a=1")).await;
    settle().await;
    let (since, first) = dates().await.unwrap();
    assert_eq!(first.duration_since(since).unsigned_abs(), SETTLE);
    create::<MachineConfig>(&client, config("51-b", "b=1")).await;
    settle().await;
    let (still, second) = dates().await.unwrap();
    assert!(still == since && second > first, "{still} {second}");
    // What is rendered to the same name starts no clock.
    let source = json!({"spec": {"configuration": {"source": []}}});
    let pools = Api::<MachineConfigPool>::all(client.clone());
    pools.patch("worker", &PatchParams::default(), &Patch::Merge(source)).await.unwrap();
    settle().await;
    assert_eq!(dates().await, Some((still, second)));
    sleep(SETTLE).await;
    create::<MachineConfig>(&client, config("52-c", "c=1")).await;
    settle().await;
    assert!(dates().await.unwrap().0 > second, "what settled is over");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_selects_every_node_is_told_that_it_has_none() {
    let client = started().await;
    assert_eq!(says(&client, "SelectingAllNodes").await, None);
    let pools = Api::<MachineConfigPool>::all(client.clone());
    let everything = Patch::Merge(json!({"spec": {"nodeSelector": {"matchLabels": null}}}));
    pools.patch("worker", &PatchParams::default(), &everything).await.unwrap();
    settle().await;
    assert_eq!(says(&client, "SelectingAllNodes").await.unwrap().0, "True");
    assert_eq!(told(&client, "SelectingAll").await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_an_installer_pinned_stays_until_a_user_asks_for_another() {
    const PINNING: &str = "10-prebuiltimage-osimageurl-worker";
    let key = |name: &str| format!("machineconfiguration.openshift.io/{name}");
    let client = started().await;
    let image = format!("registry.example.com/os@sha256:{}", "2".repeat(64));
    let mut pinning = config(PINNING, "");
    pinning["metadata"]["annotations"] = json!({key("pre-built-image"): image});
    pinning["spec"] = json!({"osImageURL": image});
    create::<MachineConfig>(&client, pinning).await;
    let spec = json!({
        "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
        "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/worker:latest",
    });
    create::<MachineOSConfig>(&client, json!({"metadata": {"name": "worker"}, "spec": spec})).await;
    let taken_in = json!({"status": {"currentImagePullSpec": image, "observedGeneration": 1}});
    let os_configs = Api::<MachineOSConfig>::all(client.clone());
    os_configs.patch_status("worker", &PatchParams::default(), &Patch::Merge(taken_in)).await.unwrap();
    settle().await;
    let runs = async || {
        let name = pool(&client).await.spec.configuration.unwrap().name().to_owned();
        Api::<MachineConfig>::all(client.clone()).get(&name).await.unwrap().spec.os_image_url.unwrap()
    };
    let (_, reason, message) = says(&client, "OSImagePinned").await.unwrap();
    assert_eq!((runs().await, reason.as_str()), (image.clone(), "PreBuiltImage"));
    assert!(message.contains(PINNING) && message.contains("since "), "{message}");
    // A change of what the pool is rendered from asks for nothing.
    create::<MachineConfig>(&client, config("99-more", "more")).await;
    settle().await;
    assert_eq!(runs().await, image);

    let asking = json!({"metadata": {"annotations": {key("rebuild"): ""}}});
    os_configs.patch("worker", &PatchParams::default(), &Patch::Merge(asking)).await.unwrap();
    settle().await;
    assert_eq!(runs().await, "registry.example.com/os@sha256:1");
    assert_eq!((says(&client, "OSImagePinned").await, told(&client, "PreBuiltImageReplaced").await), (None, 1));
    let freed = Api::<MachineConfig>::all(client.clone()).get(PINNING).await.unwrap();
    let marks = freed.metadata.annotations.unwrap();
    assert_eq!((freed.spec.os_image_url, marks.get(&key("pre-built-image-replaced"))), (None, Some(&image)));
    // It stays so.
    let built = json!({"metadata": {"annotations": {key("rebuild"): null}}});
    os_configs.patch("worker", &PatchParams::default(), &Patch::Merge(built)).await.unwrap();
    settle().await;
    assert_eq!(runs().await, "registry.example.com/os@sha256:1");
    let (status, ..) = says(&client, "RenderDegraded").await.unwrap();
    assert_eq!(status, "False");
}
