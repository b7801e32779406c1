//! The operator in process, against the embedded server with paused time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::time::sleep;
use weir_api::{
    ClusterOperator, ClusterVersion, FeatureGate, MachineConfigPool,
    condition::find,
    crds::{FeatureSet, crds},
    keys::config::BUILT_IN,
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context, operator};
use weir_distro::Profile;
use weir_kubeio::Clock;

fn of<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

async fn create<K>(client: &Client, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + Debug,
{
    Api::<K>::all(client.clone()).create(&PostParams::default(), &of(object)).await.unwrap();
}

async fn says(client: &Client, type_: &str) -> (String, String) {
    let operator = Api::<ClusterOperator>::all(client.clone()).get("machine-config").await.unwrap();
    let status = operator.status.unwrap();
    let condition = find(status.conditions.as_deref().unwrap(), type_).unwrap();
    (condition.status.clone(), condition.reason.clone().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn pools_are_made_and_the_state_is_said() {
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(crds(FeatureSet::Default)).unwrap();
    let client = Client::new(server.service(), "default");
    let namespace = json!({"metadata": {"name": "openshift-machine-config-operator"}});
    create::<k8s_openapi::api::core::v1::Namespace>(&client, namespace).await;
    let context = Context {
        client: client.clone(),
        cluster: Cluster::default(),
        clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
        profile: &Profile::all()[0],
        build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
    };
    tokio::spawn(context.cluster.clone().fill(client.clone()));
    let operator = operator::Controller::new(context);
    tokio::spawn(async move { operator.run().await });
    sleep(Duration::from_secs(1)).await;

    let pools = Api::<MachineConfigPool>::all(client.clone());
    let made = pools.list(&ListParams::default()).await.unwrap().items;
    let names: Vec<_> = made.iter().filter_map(|pool| pool.metadata.name.as_deref()).collect();
    assert_eq!(names, ["master", "worker"]);
    assert_eq!(says(&client, "Available").await.0, "True");
    assert_eq!(says(&client, "Degraded").await, ("True".to_owned(), "RenderConfigFailed".to_owned()));

    // What is the user's stays, what is ours comes back.
    let change = json!({"metadata": {"labels": {BUILT_IN: null}}, "spec": {"paused": true}});
    pools.patch("worker", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    create::<FeatureGate>(&client, json!({"metadata": {"name": "cluster"}, "spec": {}})).await;
    let gates = json!({"status": {"featureGates": [{"version": "5.0.0", "enabled": [], "disabled": []}]}});
    let gate_api = Api::<FeatureGate>::all(client.clone());
    gate_api.patch_status("cluster", &PatchParams::default(), &Patch::Merge(gates)).await.unwrap();
    create::<ClusterVersion>(&client, json!({"metadata": {"name": "version"}, "spec": {"clusterID": "x"}})).await;
    sleep(Duration::from_secs(1)).await;
    let worker = pools.get("worker").await.unwrap();
    assert_eq!(worker.spec.paused, Some(true));
    assert!(worker.metadata.labels.unwrap().contains_key(BUILT_IN));

    // What cannot be read is named.
    let odd = Patch::Merge(json!({"spec": {"featureSet": ["odd"]}}));
    gate_api.patch("cluster", &PatchParams::default(), &odd).await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(says(&client, "Degraded").await, ("True".to_owned(), "ObjectUnreadable".to_owned()));
    let mended = Patch::Merge(json!({"spec": {"featureSet": ""}}));
    gate_api.patch("cluster", &PatchParams::default(), &mended).await.unwrap();
    sleep(Duration::from_secs(1)).await;

    // The control plane's pool is waited for, and in the end that is a failure.
    assert_eq!(says(&client, "Degraded").await.0, "False");
    assert_eq!(says(&client, "Progressing").await.0, "True");
    let object = Api::<ClusterOperator>::all(client.clone()).get("machine-config").await.unwrap();
    let extension = object.status.unwrap().extension.unwrap();
    assert!(extension["lastSyncError"].as_str().unwrap().contains("configuration spec for pool master is empty"));
    sleep(Duration::from_mins(11)).await;
    assert_eq!(says(&client, "Degraded").await, ("True".to_owned(), "RequiredPoolsFailed".to_owned()));
    let version = Api::<ClusterOperator>::all(client.clone()).get("machine-config").await.unwrap();
    sleep(Duration::from_mins(5)).await;
    let later = Api::<ClusterOperator>::all(client).get("machine-config").await.unwrap();
    assert_eq!(version.metadata.resource_version, later.metadata.resource_version, "nothing new, nothing written");
}
