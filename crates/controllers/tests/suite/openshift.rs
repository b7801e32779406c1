//! The operator on an API server that holds what an OpenShift does, in process with paused time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use crate::definitions::of_another_release;
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    client::Body,
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};
use tower::{BoxError, ServiceExt as _, service_fn};
use weir_api::{
    ClusterOperator, ControllerConfig, Infrastructure, MachineConfigPool, MachineConfiguration, Network,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
    keys::{
        boot_image::OPTED_IN_AT,
        config::{GENERATED_BY_VERSION, SERVICE_CA_ROTATE},
    },
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context, Generating, cluster::Watcher, masters, operator::Operator, unused};
use weir_distro::Profile;
use weir_images::{Images, Source};
use weir_kubeio::{Clock, drive};

const NAMESPACES: [&str; 6] = [
    "openshift-machine-config-operator",
    "openshift-config",
    "openshift-config-managed",
    "openshift-kube-apiserver-operator",
    "openshift-machine-api",
    "kube-system",
];
const MANAGED: &str = "openshift-config-managed";
const OWN: &str = "openshift-machine-config-operator";

/// A server with what an OpenShift holds, and an operator on it.
struct OpenShift {
    client: Client,
    /// How often somebody changed the ControllerConfig, or tried to.
    edits: Arc<AtomicUsize>,
    /// Whether its changes are refused.
    refused: Arc<AtomicBool>,
    /// What was asked for that changes something: method and path.
    writes: Arc<Mutex<BTreeSet<String>>>,
    operator: Vec<JoinHandle<()>>,
}

fn config(kind: &str, name: &str, spec: Value, status: Value) -> Value {
    let version = "config.openshift.io/v1";
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec, "status": status})
}

fn map(namespace: &str, name: &str, data: Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

fn objects() -> Vec<Value> {
    let images = json!({"releaseVersion": "5.0.0", "machineConfigOperator": "q/mco"}).to_string();
    let platform = json!({"type": "AWS", "aws": {"region": "us-east-1"}});
    let uri = "https://api-int.example.com:6443";
    let gates = json!([
        {"version": "5.0.0", "enabled": [{"name": "OSStreams"}, {"name": "BootImageSkewEnforcement"}], "disabled": []},
    ]);
    let entry = |version: &str, state: &str, end: Value| {
        let begin = "2026-01-01T00:00:00Z";
        let image = format!("q/release:{version}");
        json!({"version": version, "state": state, "image": image, "startedTime": begin, "completionTime": end, "verified": true})
    };
    let history =
        json!([entry("5.0.0", "Partial", Value::Null), entry("4.20.1", "Completed", json!("2026-01-01T01:00:00Z")),]);
    let desired = json!({"version": "5.0.0", "image": "q/release:5.0.0"});
    vec![
        config(
            "ClusterVersion",
            "version",
            json!({"clusterID": "x"}),
            json!({
                "desired": desired, "history": history, "availableUpdates": [], "observedGeneration": 1, "versionHash": "",
            }),
        ),
        config("FeatureGate", "cluster", json!({}), json!({ "featureGates": gates })),
        config(
            "Infrastructure",
            "cluster",
            json!({"platformSpec": {"type": "AWS"}}),
            json!({"platformStatus": platform, "apiServerInternalURI": uri, "controlPlaneTopology": "HighlyAvailable"}),
        ),
        config("Network", "cluster", json!({"serviceNetwork": ["172.30.0.0/16"]}), json!({"networkType": "OVN"})),
        config("Proxy", "cluster", json!({}), json!({})),
        config("DNS", "cluster", json!({"baseDomain": "example.com"}), json!({})),
        config("Image", "cluster", json!({}), json!({})),
        map(OWN, "machine-config-operator-images", json!({ "images.json": images })),
        map(OWN, "machine-config-server-ca", json!({"ca-bundle.crt": "server ca"})),
        map(MANAGED, "kube-apiserver-client-ca", json!({"ca-bundle.crt": "client ca"})),
        map(MANAGED, "kube-apiserver-server-ca", json!({"ca-bundle.crt": "api ca"})),
        map(MANAGED, "image-registry-ca", json!({"r.example.com": "registry ca"})),
        map("kube-system", "bootstrap", json!({"status": "complete"})),
    ]
}

impl OpenShift {
    /// Without the objects of these kinds, and without these namespaces.
    async fn start(without: &[&str]) -> Self {
        Self::defined_by(crds(FeatureSet::Default), without).await
    }

    /// As [`Self::start`], with these definitions.
    async fn defined_by(definitions: Vec<Value>, without: &[&str]) -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(definitions).unwrap();
        let edits = Arc::new(AtomicUsize::new(0));
        let refused = Arc::new(AtomicBool::new(false));
        let writes = Arc::new(Mutex::new(BTreeSet::new()));
        let counted = (server.service(), edits.clone(), refused.clone(), writes.clone());
        let service = service_fn(move |request: http::Request<Body>| {
            let (server, edits, refused, writes) = counted.clone();
            async move {
                if request.method() != Method::GET {
                    writes.lock().unwrap().insert(format!("{} {}", request.method(), request.uri().path()));
                }
                if request.method() == Method::PATCH && request.uri().path().contains("/controllerconfigs/") {
                    edits.fetch_add(1, Ordering::SeqCst);
                    if refused.load(Ordering::SeqCst) {
                        return Err(BoxError::from("connection reset"));
                    }
                }
                Ok(server.oneshot(request).await?)
            }
        });
        let client = Client::new(service, "default");
        let mut cluster = Self { client, edits, refused, writes, operator: Vec::new() };
        for name in NAMESPACES.into_iter().filter(|name| !without.contains(&&*format!("Namespace {name}"))) {
            // Some are there from the beginning.
            cluster.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
        }
        for object in objects().iter().filter(|object| !without.contains(&object["kind"].as_str().unwrap())) {
            cluster.create(object).await;
        }
        cluster.operate("v1", false);
        sleep(Duration::from_secs(1)).await;
        cluster
    }

    /// Lets an operator of this build work, which continues what another made or not, and no other.
    fn operate(&mut self, build: &str, continues: bool) {
        self.operator.drain(..).for_each(|task| task.abort());
        let generating = Generating { continues, ..Generating::default() };
        let context = Context { generating, ..self.context(build) };
        let watching = tokio::spawn(context.cluster.clone().fill(self.client.clone()));
        let operator = Operator::new(context);
        self.operator = vec![watching, tokio::spawn(async move { operator.run().await })];
    }

    fn context(&self, build: &str) -> Context {
        Context {
            client: self.client.clone(),
            cluster: Cluster::default(),
            clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: build.to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
            settle: Duration::ZERO,
            generating: Default::default(),
        }
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (group, version) = text("/apiVersion").and_then(|v| v.split_once('/')).unwrap_or(("", "v1"));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind").unwrap()));
        match text("/metadata/namespace") {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    async fn create(&self, object: &Value) {
        let api = self.api(object);
        let made: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        _ = api.create(&PostParams::default(), &made).await;
        // The status of Network is written with the rest.
        if !object["status"].is_null() && object["kind"] != "Network" {
            let status = Patch::Merge(json!({"status": object["status"]}));
            api.patch_status(made.metadata.name.as_deref().unwrap(), &PatchParams::default(), &status).await.unwrap();
        }
    }

    async fn config(&self) -> ControllerConfig {
        Api::all(self.client.clone()).get("machine-config-controller").await.unwrap()
    }

    async fn map(&self, namespace: &str, name: &str) -> ConfigMap {
        Api::namespaced(self.client.clone(), namespace).get(name).await.unwrap()
    }

    async fn put(&self, namespace: &str, name: &str, data: Value) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(json!({ "data": data }))).await.unwrap();
    }

    async fn degraded(&self) -> (String, String, String) {
        let operator: ClusterOperator = Api::all(self.client.clone()).get("machine-config").await.unwrap();
        let status = operator.status.unwrap();
        let condition = find(status.conditions.as_deref().unwrap(), ConditionType::new("Degraded")).unwrap().clone();
        (condition.status, condition.reason.unwrap_or_default(), condition.message.unwrap_or_default())
    }
}

fn annotation(config: &ControllerConfig, key: &str) -> String {
    config.metadata.annotations.as_ref().unwrap()[key].clone()
}

#[tokio::test(start_paused = true)]
async fn the_controller_config_is_made_from_the_cluster_and_follows_it() {
    let cluster = OpenShift::start(&[]).await;
    let made = cluster.config().await;
    assert_eq!(made.spec.cluster_dns_ip, "172.30.0.10");
    assert_eq!(made.spec.images["apiServerWatcherKey"], "q/mco");
    assert_eq!(made.spec.infra.as_ref().unwrap()["status"]["platformStatus"]["aws"]["region"], "us-east-1");
    assert_eq!(annotation(&made, GENERATED_BY_VERSION), "v1");
    let published = cluster.map(MANAGED, "merged-trusted-image-registry-ca").await.data.unwrap();
    assert_eq!(published["r.example.com"], "registry ca");
    assert_eq!(cluster.degraded().await.0, "False");

    // A change of the cluster, also one that takes something away.
    let api: Api<weir_api::Proxy> = Api::all(cluster.client.clone());
    let proxy = |value: Value| Patch::Merge(json!({"status": {"httpProxy": value}}));
    api.patch_status("cluster", &PatchParams::default(), &proxy(json!("http://p"))).await.unwrap();
    cluster.put(MANAGED, "image-registry-ca", json!({"r.example.com": null})).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.config().await.spec.proxy.unwrap().http_proxy, "http://p");
    assert_eq!(cluster.map(MANAGED, "merged-trusted-image-registry-ca").await.data.unwrap_or_default().len(), 0);
    api.patch_status("cluster", &PatchParams::default(), &proxy(Value::Null)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let now = cluster.config().await;
    assert_eq!(now.spec.proxy, None);

    // What the release image of the installation was is nobody's to change, nor what says the same.
    let api: Api<ControllerConfig> = Api::all(cluster.client.clone());
    let installed = Patch::Merge(json!({"spec": {"releaseImage": "q/release"}}));
    api.patch("machine-config-controller", &PatchParams::default(), &installed).await.unwrap();
    let api: Api<Infrastructure> = Api::all(cluster.client.clone());
    let noted = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
    api.patch("cluster", &PatchParams::default(), &noted).await.unwrap();
    sleep(Duration::from_mins(11)).await;
    let later = cluster.config().await;
    assert_eq!(later.spec.release_image, "q/release");
    assert_eq!(later.metadata.generation.unwrap(), now.metadata.generation.unwrap() + 1, "only our own change");
}

#[tokio::test(start_paused = true)]
async fn what_another_build_keeps_is_left_alone_until_it_is_told_to_continue() {
    let mut cluster = OpenShift::start(&[]).await;
    sleep(Duration::from_mins(2)).await;
    let before = cluster.config().await;
    let build = annotation(&before, GENERATED_BY_VERSION);
    cluster.operate("v2", false);
    sleep(Duration::from_secs(1)).await;
    cluster.put(OWN, "machine-config-server-ca", json!({"ca-bundle.crt": "new"})).await;
    sleep(Duration::from_mins(15)).await;
    assert_eq!(cluster.config().await.metadata.resource_version, before.metadata.resource_version);
    let (status, reason, message) = cluster.degraded().await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "RenderConfigFailed"));
    assert!(message.contains("kept by build") && message.contains("--take-over"), "{message}");

    // Under the marks that are there it goes on.
    cluster.operate(&build, true);
    sleep(Duration::from_secs(1)).await;
    let after = cluster.config().await;
    assert_ne!(after.spec.root_ca_data, before.spec.root_ca_data);
    assert_eq!(annotation(&after, GENERATED_BY_VERSION), build);
}

/// A cluster with something to do for every controller, all of which another build keeps.
async fn of_another_build() -> OpenShift {
    let cluster = OpenShift::start(&[]).await;
    cluster.operator.iter().for_each(JoinHandle::abort);
    let group = "machineconfiguration.openshift.io";
    let machine_config = |kind: &str, name: &str, spec: Value| {
        let metadata = json!({"name": name, "labels": {(format!("{group}/role")): "worker"}});
        json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "spec": spec})
    };
    let ignition = json!({"config": {"ignition": {"version": "3.5.0"}}});
    for name in ["00-worker", "rendered-worker-1", "rendered-worker-2", "rendered-worker-unused"] {
        cluster.create(&machine_config("MachineConfig", name, ignition.clone())).await;
    }
    let mut streams = machine_config("OSImageStream", "cluster", json!({"defaultStream": "rhel-9"}));
    let image = |name: &str| format!("quay.example.com/{name}@sha256:{}", "1".repeat(64));
    let set = json!({"name": "rhel-9", "osImage": image("os"), "osExtensionsImage": image("extensions")});
    streams["status"] = json!({"availableStreams": [set], "defaultStream": "rhel-9"});
    streams["metadata"]["annotations"] = json!({(format!("{group}/release-image-version")): "other"});
    cluster.create(&streams).await;
    let target = json!({"spec": {"configuration": {"name": "rendered-worker-2"}}, "metadata": {"labels": null}});
    let pools: Api<MachineConfigPool> = Api::all(cluster.client.clone());
    pools.patch("worker", &PatchParams::default(), &Patch::Merge(target)).await.unwrap();
    for (name, drain) in [("worker-0", ""), ("worker-1", "drain-rendered-worker-2")] {
        let annotations = json!({
            (format!("{group}/currentConfig")): "rendered-worker-1", (format!("{group}/state")): "Done",
            (format!("{group}/desiredConfig")): "rendered-worker-1", (format!("{group}/desiredDrain")): drain,
        });
        let labels = json!({"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/master": ""});
        let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        cluster.create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": ready})).await;
    }
    cluster.create(&config("Scheduler", "cluster", json!({}), Value::Null)).await;
    let bindings = "validatingadmissionpolicybindings/machineconfigpool-osimagestream-reference-validation-binding";
    let binding = json!({"spec": {"paramRef": {"parameterNotFoundAction": "Deny"}}}).to_string();
    let request = http::Request::patch(format!("/apis/admissionregistration.k8s.io/v1/{bindings}"));
    let request = request.header("content-type", "application/merge-patch+json").body(binding.into_bytes()).unwrap();
    cluster.client.request_text(request).await.unwrap();
    cluster
}

#[tokio::test(start_paused = true)]
async fn without_being_told_to_continue_nothing_is_written_but_that_another_build_keeps_it() {
    let mut cluster = of_another_build().await;
    cluster.writes.lock().unwrap().clear();
    let context = cluster.context("v2");
    let images = Images::new(Source::default());
    let pruning = unused::Controller::new(context.clone(), Duration::from_secs(1));
    cluster.operator = vec![
        tokio::spawn(async move { weir_controllers::run(context, images).await }),
        tokio::spawn(async move { drive(&pruning).await }),
    ];
    sleep(Duration::from_mins(20)).await;
    let mut written = cluster.writes.lock().unwrap().clone();
    written.retain(|write| {
        let told =
            ["clusteroperators", "clusteroperators/machine-config/status"].iter().any(|end| write.ends_with(end));
        let of_pool = write.contains("/machineconfigpools/") && write.ends_with("/status");
        !(told || of_pool || (write.starts_with("POST") && write.ends_with("/events")))
    });
    assert!(written.is_empty(), "{written:#?}");
    let (_, reason, message) = cluster.degraded().await;
    assert!(reason == "RenderConfigFailed" && message.contains("kept by build v1"), "{reason}: {message}");
    let pool: MachineConfigPool = Api::all(cluster.client.clone()).get("worker").await.unwrap();
    let condition = pool.status.unwrap().conditions.unwrap();
    let condition = find(&condition, ConditionType::new("RenderDegraded")).unwrap().clone();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "OtherBuild"));
    assert!(condition.message.contains("--take-over"), "{}", condition.message);
}

#[tokio::test(start_paused = true)]
async fn nodes_of_the_control_plane_have_the_labels_and_taints_that_the_scheduler_says() {
    let cluster = OpenShift::start(&[]).await;
    let role = |name: &str| format!("node-role.kubernetes.io/{name}");
    let node = |name: &str, roles: &[&str], taints: Value| {
        let labels: serde_json::Map<_, _> = roles.iter().map(|name| (role(name), json!(""))).collect();
        let metadata = json!({"name": name, "labels": labels});
        json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints}})
    };
    let taint = |key: &str| json!({"key": key, "effect": "NoSchedule"});
    let both = json!([taint(&role("master")), taint(&role("control-plane")), taint("mine")]);
    cluster.create(&node("m0", &["master"], both)).await;
    cluster.create(&node("w0", &["worker"], json!([taint(&role("master"))]))).await;
    let context = cluster.context("v1");
    tokio::spawn(context.cluster.clone().fill(cluster.client.clone()));
    let (masters, client) = (masters::Controller::new(context.clone()), cluster.client.clone());
    let masters = tokio::spawn(async move {
        tokio::join!(drive(&masters), context.cluster.watches.fill(&client, &[Watcher::ControlPlane]))
    });
    let has = async |name: &str| {
        sleep(Duration::from_secs(1)).await;
        let node: k8s_openapi::api::core::v1::Node = Api::all(cluster.client.clone()).get(name).await.unwrap();
        let labels: Vec<String> = node.metadata.labels.unwrap().into_keys().collect();
        let roles: Vec<String> =
            labels.iter().filter_map(|l| l.strip_prefix("node-role.kubernetes.io/").map(str::to_owned)).collect();
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default().into_iter().map(|taint| taint.key);
        // Its kubelet is not there: that is the API server's to say.
        let taints: Vec<String> = taints.filter(|key| !key.starts_with("node.kubernetes.io/")).collect();
        (roles.join(" "), taints.join(" "))
    };
    let (master, plane) = (role("master"), role("control-plane"));
    let is = |roles: &str, taints: &str| (roles.to_owned(), taints.to_owned());
    assert_eq!(has("m0").await, is("control-plane master", &format!("{master} {plane} mine")));
    let scheduler =
        |schedulable: bool| config("Scheduler", "cluster", json!({"mastersSchedulable": schedulable}), Value::Null);
    cluster.create(&scheduler(true)).await;
    assert_eq!(has("m0").await, is("control-plane master worker", "mine"));
    let turned = Patch::Merge(scheduler(false));
    cluster.api(&scheduler(false)).patch("cluster", &PatchParams::default(), &turned).await.unwrap();
    assert_eq!(has("m0").await, is("control-plane master", &format!("mine {master}")));
    // What is ours comes back, and other nodes are nobody's business here.
    let nodes = node("m0", &[], Value::Null);
    let without = Patch::Merge(json!({"metadata": {"labels": {(&plane): null}}}));
    cluster.api(&nodes).patch("m0", &PatchParams::default(), &without).await.unwrap();
    assert_eq!(has("m0").await.0, "control-plane master");
    assert_eq!(has("w0").await, is("worker", &master));
    masters.abort();
}

/// Who continues has nobody who generates: certificates change nothing about that, what templates read does.
#[tokio::test(start_paused = true)]
async fn a_controller_config_whose_certificates_change_is_complete_without_templates() {
    let mut cluster = OpenShift::start(&[]).await;
    sleep(Duration::from_mins(2)).await;
    let build = annotation(&cluster.config().await, GENERATED_BY_VERSION);
    let api: Api<ControllerConfig> = Api::all(cluster.client.clone());
    let completed = json!({"type": "TemplateControllerCompleted", "status": "True", "reason": "", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let generation = cluster.config().await.metadata.generation;
    let status = json!({"status": {"observedGeneration": generation, "conditions": [completed]}});
    api.patch_status("machine-config-controller", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    cluster.operate(&build, true);
    sleep(Duration::from_secs(1)).await;

    cluster.put(OWN, "machine-config-server-ca", json!({"ca-bundle.crt": "new"})).await;
    sleep(Duration::from_secs(1)).await;
    let renewed = cluster.config().await;
    assert!(renewed.metadata.generation > generation);
    assert_eq!(renewed.status.unwrap().observed_generation, renewed.metadata.generation);
    assert_eq!(cluster.degraded().await.0, "False");

    let network = json!({"status": {"networkType": "Other"}});
    let networks: Api<Network> = Api::all(cluster.client.clone());
    networks.patch("cluster", &PatchParams::default(), &Patch::Merge(network)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let changed = cluster.config().await;
    assert_eq!(changed.spec.network_type, "Other");
    assert!(changed.status.unwrap().observed_generation < changed.metadata.generation);
    let (status, reason, message) = cluster.degraded().await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "MachineConfigControllerFailed"));
    assert!(message.contains("generated from"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_and_found_when_it_comes() {
    let cluster = OpenShift::start(&["Network"]).await;
    let api: Api<ControllerConfig> = Api::all(cluster.client.clone());
    assert!(api.get_opt("machine-config-controller").await.unwrap().is_none());
    let (status, reason, message) = cluster.degraded().await;
    assert_eq!((status.as_str(), reason.as_str()), ("True", "RenderConfigFailed"));
    assert!(message.contains("networks.config.openshift.io \"cluster\" not found"), "{message}");
    let network = objects().into_iter().find(|object| object["kind"] == "Network").unwrap();
    cluster.create(&network).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.config().await.spec.network_type, "OVN");
    assert_eq!(cluster.degraded().await.0, "False");
    // What was made stays when something goes that it was made from.
    let api: Api<Network> = Api::all(cluster.client.clone());
    api.delete("cluster", &Default::default()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.degraded().await.1, "RenderConfigFailed");
    assert_eq!(cluster.config().await.spec.network_type, "OVN");
}

#[tokio::test(start_paused = true)]
async fn nodes_are_told_of_every_change_of_the_api_servers_ca() {
    let cluster = OpenShift::start(&[]).await;
    let copied = async || {
        let map = cluster.map(OWN, "kubeconfig-data").await;
        String::from_utf8(map.binary_data.unwrap()["ca-bundle.crt"].0.clone()).unwrap()
    };
    let mark = async || annotation(&cluster.config().await, SERVICE_CA_ROTATE);
    assert_eq!((copied().await, mark().await), ("api ca".into(), "true".into()));
    // A change while nodes look at the first one waits until they have seen both ends of it.
    cluster.put(MANAGED, "kube-apiserver-server-ca", json!({"ca-bundle.crt": "second"})).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!((copied().await, mark().await), ("api ca".into(), "true".into()));
    sleep(Duration::from_secs(40)).await;
    assert_eq!((copied().await, mark().await), ("api ca".into(), "false".into()));
    sleep(Duration::from_mins(1)).await;
    assert_eq!((copied().await, mark().await), ("second".into(), "true".into()));
    sleep(Duration::from_mins(2)).await;
    assert_eq!((copied().await, mark().await), ("second".into(), "false".into()));
}

#[tokio::test(start_paused = true)]
async fn nodes_are_told_of_a_copy_that_an_operator_made_and_could_not_tell_of() {
    let mut cluster = OpenShift::start(&[]).await;
    sleep(Duration::from_mins(3)).await;
    assert_eq!(annotation(&cluster.config().await, SERVICE_CA_ROTATE), "false");
    cluster.refused.store(true, Ordering::SeqCst);
    cluster.put(MANAGED, "kube-apiserver-server-ca", json!({"ca-bundle.crt": "second"})).await;
    sleep(Duration::from_secs(1)).await;
    let copy = cluster.map(OWN, "kubeconfig-data").await.binary_data.unwrap();
    assert_eq!(copy["ca-bundle.crt"].0, b"second");
    let (_, reason, message) = cluster.degraded().await;
    assert_eq!(reason, "MachineConfigControllerFailed", "{message}");
    assert!(message.contains("connection reset"), "{message}");
    assert_eq!(annotation(&cluster.config().await, SERVICE_CA_ROTATE), "false");
    // The next one knows nothing of it but what is on the objects.
    cluster.refused.store(false, Ordering::SeqCst);
    cluster.operate("v1", false);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(annotation(&cluster.config().await, SERVICE_CA_ROTATE), "true");
    assert_eq!(cluster.degraded().await.0, "False");
    sleep(Duration::from_mins(3)).await;
    assert_eq!(annotation(&cluster.config().await, SERVICE_CA_ROTATE), "false");
}

#[tokio::test(start_paused = true)]
async fn the_machine_configuration_is_made_and_what_others_write_there_stays() {
    let cluster = OpenShift::start(&[]).await;
    let api: Api<MachineConfiguration> = Api::all(cluster.client.clone());
    let made = api.get("cluster").await.unwrap();
    assert_eq!(made.spec.management_state.as_deref(), Some("Managed"));
    assert!(made.metadata.annotations.unwrap().contains_key(OPTED_IN_AT), "nobody asked for it");
    let status = json!(made.status.unwrap());
    assert_eq!(status["bootImageSkewEnforcementStatus"]["automatic"]["ocpVersion"], "4.20.1");
    assert_eq!(status["managedBootImagesStatus"]["machineManagers"][0]["selection"]["mode"], "All");

    // The user's policy, while the boot image controller says that it failed.
    let condition = json!({
        "type": "BootImageUpdateDegraded", "status": "True", "reason": "Failed", "message": "no image",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let noted = json!({"mode": "Automatic", "automatic": {"ocpVersion": "5.0.0"}});
    let theirs = json!({"status": {"conditions": [condition], "bootImageSkewEnforcementStatus": noted}});
    api.patch_status("cluster", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    let policy = json!([{"path": "/etc/mine", "actions": [{"type": "None"}]}]);
    let asked = json!({"spec": {"nodeDisruptionPolicy": {"files": policy}}});
    api.patch("cluster", &PatchParams::default(), &Patch::Merge(asked)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let after = api.get("cluster").await.unwrap();
    let status = json!(after.status.unwrap());
    let files = status["nodeDisruptionPolicyStatus"]["clusterPolicies"]["files"].as_array().unwrap();
    assert_eq!(files.last().unwrap()["path"], "/etc/mine");
    assert_eq!(json!(after.metadata.generation), status["observedGeneration"]);
    assert_eq!(status["conditions"][0]["message"], "no image");
    assert_eq!(status["bootImageSkewEnforcementStatus"], noted);
    let (_, reason, message) = cluster.degraded().await;
    assert_eq!(reason, "MachineConfigurationFailed");
    assert!(message.contains("bootimage update failed: no image"), "{message}");
    sleep(Duration::from_mins(11)).await;
    let later = api.get("cluster").await.unwrap();
    assert_eq!(later.metadata.resource_version, after.metadata.resource_version, "nothing new, nothing written");
}

#[tokio::test(start_paused = true)]
async fn machines_of_every_pool_are_told_where_to_boot_from_where_there_are_machines() {
    let cluster = OpenShift::start(&[]).await;
    let api: Api<Secret> = Api::namespaced(cluster.client.clone(), "openshift-machine-api");
    let told = async |pool: &str| {
        let secret = api.get(&format!("{pool}-user-data-managed")).await.unwrap();
        let text = secret.data.unwrap()["userData"].0.clone();
        let pointer: Value = serde_json::from_slice(&text).unwrap();
        pointer["ignition"]["config"]["merge"][0]["source"].as_str().unwrap().to_owned()
    };
    assert_eq!(told("worker").await, "https://api-int.example.com:22623/config/worker");
    // One that somebody made without our mark, and one that somebody broke.
    let odd = json!({"metadata": {"name": "infra-user-data-managed"}, "data": {"userData": ""}});
    api.create(&PostParams::default(), &serde_json::from_value(odd).unwrap()).await.unwrap();
    let pools: Api<MachineConfigPool> = Api::all(cluster.client.clone());
    let selector = json!({"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}});
    let pool = json!({"metadata": {"name": "infra"}, "spec": {"machineConfigSelector": selector}});
    pools.create(&PostParams::default(), &serde_json::from_value(pool).unwrap()).await.unwrap();
    let broken = Patch::Merge(json!({"data": {"userData": "e30="}}));
    api.patch("master-user-data-managed", &PatchParams::default(), &broken).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    for pool in ["infra", "master"] {
        assert_eq!(told(pool).await, format!("https://api-int.example.com:22623/config/{pool}"));
    }
    assert_eq!(cluster.degraded().await.0, "False");
    let before = api.get("infra-user-data-managed").await.unwrap();
    sleep(Duration::from_mins(11)).await;
    let later = api.get("infra-user-data-managed").await.unwrap();
    assert_eq!(before.metadata.resource_version, later.metadata.resource_version);

    // Without a namespace for machines there is nothing to tell, and nothing is wrong.
    let bare = OpenShift::start(&["Namespace openshift-machine-api"]).await;
    assert_eq!(bare.config().await.spec.cluster_dns_ip, "172.30.0.10");
    assert_eq!(bare.degraded().await.0, "False");
}

#[tokio::test(start_paused = true)]
async fn what_the_definition_does_not_know_is_not_written_again_and_again() {
    let cluster = OpenShift::defined_by(of_another_release(), &[]).await;
    sleep(Duration::from_mins(2)).await;
    let before = cluster.config().await;
    let edits = cluster.edits.load(Ordering::SeqCst);
    let api: Api<weir_api::Proxy> = Api::all(cluster.client.clone());
    let of_tomorrow = Patch::Merge(json!({"status": {"ofTomorrow": "x"}}));
    api.patch_status("cluster", &PatchParams::default(), &of_tomorrow).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    // Whatever else happens in the cluster.
    let pools: Api<MachineConfigPool> = Api::all(cluster.client.clone());
    for value in ["a", "b", "c", "d"] {
        let label = Patch::Merge(json!({"metadata": {"labels": {"any": value}}}));
        pools.patch("worker", &PatchParams::default(), &label).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_mins(11)).await;
    let after = cluster.config().await;
    assert!(after.spec.proxy.is_none_or(|proxy| proxy == Default::default()), "there is no such field");
    assert_eq!(after.spec.infra, before.spec.infra);
    let edits = cluster.edits.load(Ordering::SeqCst) - edits;
    assert!(edits <= 2, "{edits} edits");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_named() {
    let cluster = OpenShift::defined_by(of_another_release(), &[]).await;
    let made = cluster.config().await;
    for (kind, odd, mended) in [
        ("Network", json!({"serviceNetwork": "odd"}), json!({"serviceNetwork": ["172.30.0.0/16"]})),
        ("Infrastructure", json!({"cloudConfig": "odd"}), json!({"cloudConfig": null})),
    ] {
        let api = cluster.api(&json!({"apiVersion": "config.openshift.io/v1", "kind": kind}));
        let change = async |spec: &Value| {
            let change = Patch::Merge(json!({ "spec": spec }));
            api.patch("cluster", &PatchParams::default(), &change).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        };
        change(&odd).await;
        let (_, reason, message) = cluster.degraded().await;
        assert_eq!(reason, "RenderConfigFailed");
        assert!(message.contains(&format!("{kind} cluster cannot be read: ")), "{message}");
        change(&mended).await;
        assert_eq!(cluster.degraded().await.0, "False");
    }
    assert_eq!(cluster.config().await.spec.cluster_dns_ip, made.spec.cluster_dns_ip);
}

#[tokio::test(start_paused = true)]
async fn certificates_that_are_named_and_not_there_are_told_of_once() {
    let cluster = OpenShift::start(&[]).await;
    let events = async || {
        let all =
            Api::<Event>::namespaced(cluster.client.clone(), "default").list(&ListParams::default()).await.unwrap();
        all.items.into_iter().filter(|event| event.reason.as_deref() == Some("TrustedCANotFound")).collect::<Vec<_>>()
    };
    assert_eq!(events().await.len(), 0);
    let api: Api<weir_api::Image> = Api::all(cluster.client.clone());
    let named = Patch::Merge(json!({"spec": {"additionalTrustedCA": {"name": "mine"}}}));
    api.patch("cluster", &PatchParams::default(), &named).await.unwrap();
    // Several passes: the control plane is waited for.
    sleep(Duration::from_mins(3)).await;
    let [told] = &events().await[..] else { panic!("{:?}", events().await) };
    assert!(told.message.as_ref().unwrap().contains("ConfigMap openshift-config/mine"), "{told:?}");
    assert_eq!(cluster.degraded().await.0, "False");
    cluster.create(&map("openshift-config", "mine", json!({"r.example.com": "my ca"}))).await;
    sleep(Duration::from_secs(1)).await;
    let bundles = cluster.config().await.spec.image_registry_bundle_user_data.unwrap();
    assert_eq!(bundles[0].file, "r.example.com");
}
