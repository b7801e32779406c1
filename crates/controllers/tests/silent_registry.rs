//! A registry that takes connections and never answers: what the stream controller says, and how it gets on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::LocalSet, time::timeout};
use weir_api::crds::{FeatureSet, crds};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context, stream};
use weir_distro::Profile;
use weir_images::{Images, Registries, Source, payload};
use weir_kubeio::Clock;

/// What is to be seen within a second is given that.
const SOON: Duration = Duration::from_secs(1);

fn api(client: &Client, group: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind)))
}

async fn create(client: &Client, kind: &str, name: &str, status: &Value) {
    let api = api(client, "config.openshift.io", kind);
    let object = json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {}});
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

fn desired(version: &str, image: &str) -> Value {
    json!({"desired": {"version": version, "image": image}, "history": [], "observedGeneration": 1, "versionHash": "", "availableUpdates": null})
}

/// A client of a server with one release to run, and the controllers' context.
async fn cluster(image: &str, version: &str) -> Context {
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(crds(FeatureSet::Default)).unwrap();
    let client = Client::new(server.service(), "default");
    let namespace = json!({"metadata": {"name": "openshift-machine-config-operator"}});
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    let gates = json!([{"version": version, "enabled": [{"name": "OSStreams"}], "disabled": []}]);
    create(&client, "FeatureGate", "cluster", &json!({ "featureGates": gates })).await;
    create(&client, "ClusterVersion", "version", &desired(version, image)).await;
    let build = Build { raw: "v1".to_owned(), hash: "h1".to_owned(), release: None };
    let profile = Profile::by_name("okd").unwrap();
    Context { client, cluster: Cluster::default(), clock: Clock::system(), profile, build: Arc::new(build) }
}

#[tokio::test]
async fn it_is_told_within_a_second_and_left_as_soon_as_another_release_is_wanted() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap();
    let image = format!("{host}/okd/release@sha256:{}", "0a".repeat(32));
    let context = cluster(&image, "5.0.0-okd-scos.0").await;
    let layout = payload::build(context.profile, None, &[]).unwrap();
    let good = layout.name(&layout.images()[0]).to_string();
    let registries = Registries::parse(&format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n")).unwrap();
    let images = Images::new(Source { layouts: vec![layout], registries, ..Source::default() });
    let controller = stream::Controller::new(context.clone(), images);
    let tasks = LocalSet::new();
    tasks.spawn_local(configuration(context.cluster.clone(), context.client.clone()));
    tasks.spawn_local(async move { controller.run().await });
    tasks.run_until(story(&context, &image, &good)).await;
}

/// Everything but nodes, which the stream controller has no use for and is not to wait for.
async fn configuration(cluster: Cluster, client: Client) {
    tokio::join!(
        cluster.versions.fill(client.clone()),
        cluster.gates.fill(client.clone()),
        cluster.streams.fill(client.clone()),
        cluster.controller_configs.fill(client.clone()),
        cluster.pools.fill(client.clone()),
        cluster.configs.fill(client.clone()),
        cluster.os_configs.fill(client),
    );
}

async fn story(context: &Context, image: &str, good: &str) {
    let troubles = &context.cluster.troubles;
    let mut changes = troubles.changes();
    timeout(SOON, changes.wait_for(|_| troubles.get().catalog.is_some())).await.unwrap().unwrap();
    let trouble = troubles.get().catalog.unwrap();
    assert_eq!((trouble.release.as_str(), trouble.blocking), (image, false));
    assert!(trouble.why.contains("has not answered yet"), "{trouble:?}");
    let versions = api(&context.client, "config.openshift.io", "ClusterVersion");
    let patch = Patch::Merge(json!({"status": desired("5.0.0-okd-scos.0", good)}));
    versions.patch_status("version", &PatchParams::default(), &patch).await.unwrap();
    timeout(SOON, changes.wait_for(|_| troubles.get().catalog.is_none())).await.unwrap().unwrap();
    let streams = context.cluster.streams.get("cluster").unwrap();
    assert_eq!(streams.status.as_ref().unwrap().default_stream, "centos-10");
    let events: Api<Event> = Api::all(context.client.clone());
    let events = events.list(&ListParams::default()).await.unwrap();
    let told = events.items.iter().filter(|event| event.reason.as_deref() == Some("OSImageStreamDelayed"));
    assert_eq!(told.count(), 1);
}
