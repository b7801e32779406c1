//! The rollout in process, against the embedded server with paused time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use weir_api::{
    MachineConfig, MachineConfigPool,
    crds::{FeatureSet, crds},
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Access, Build, Cluster, Context, render, rollout};
use weir_distro::Profile;
use weir_images::{Images, Source};
use weir_kubeio::{Clock, Controller as _, Driven, drive};

const PREFIX: &str = "machineconfiguration.openshift.io";
const NAMESPACE: &str = "openshift-machine-config-operator";

/// Three masters that are to go from r1 to r2, two at a time, of which m1 runs the operator.
async fn cluster() -> Context {
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(crds(FeatureSet::Default)).unwrap();
    let client = Client::new(server.service(), "default");
    let parameters = PostParams::default();
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).unwrap();
    Api::all(client.clone()).create(&parameters, &namespace).await.unwrap();
    let config: MachineConfig = serde_json::from_value(json!({"metadata": {"name": "r2"}})).unwrap();
    Api::all(client.clone()).create(&parameters, &config).await.unwrap();
    let role = json!({"node-role.kubernetes.io/master": ""});
    let pool: MachineConfigPool = serde_json::from_value(json!({
        "metadata": {"name": "master"},
        "spec": {"configuration": {"name": "r2"}, "nodeSelector": {"matchLabels": role}, "maxUnavailable": 2},
    }))
    .unwrap();
    Api::all(client.clone()).create(&parameters, &pool).await.unwrap();
    let nodes: Api<Node> = Api::all(client.clone());
    for name in ["m1", "m2", "m3"] {
        let annotations = json!({
            format!("{PREFIX}/currentConfig"): "r1", format!("{PREFIX}/desiredConfig"): "r1",
            format!("{PREFIX}/state"): "Done",
        });
        let node = json!({"metadata": {"name": name, "labels": role, "annotations": annotations}});
        nodes.create(&parameters, &serde_json::from_value(node).unwrap()).await.unwrap();
    }
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "operator", "labels": {"k8s-app": "machine-config-operator"}},
        "spec": {"nodeName": "m1", "containers": [{"name": "c", "image": "i"}]},
    }))
    .unwrap();
    Api::namespaced(client.clone(), NAMESPACE).create(&parameters, &pod).await.unwrap();
    Context {
        client,
        cluster: Cluster::default(),
        clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
        profile: &Profile::all()[0],
        build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: None }),
        settle: Duration::ZERO,
        generating: Default::default(),
    }
}

/// The masters that were told r2 after this time, in which all of these controllers were driven.
async fn told(context: &Context, time: Duration, controllers: &[&dyn Driven]) -> Vec<String> {
    tokio::select! {
        () = context.cluster.clone().fill(context.client.clone()) => panic!("the watches ended"),
        _ = join_all(controllers.iter().map(|controller| drive(*controller))) => panic!("the controllers ended"),
        () = sleep(time) => {}
    }
    told_now(context).await
}

async fn told_now(context: &Context) -> Vec<String> {
    let nodes = Api::<Node>::all(context.client.clone()).list(&ListParams::default()).await.unwrap();
    let told = nodes.into_iter().filter(|node| {
        let annotations = node.metadata.annotations.as_ref().unwrap();
        annotations[&format!("{PREFIX}/desiredConfig")] == "r2"
    });
    told.filter_map(|node| node.metadata.name).collect()
}

/// That a node came to a pool is known, and that the pool is gone is not yet: their watches are two.
#[tokio::test(start_paused = true)]
async fn a_node_that_comes_from_another_pool_is_told_nothing_of_a_pool_that_is_gone() {
    for (gone, expected) in [(false, &["m2", "m3"][..]), (true, &[])] {
        let context = cluster().await;
        let pools: Api<MachineConfigPool> = Api::all(context.client.clone());
        let former = serde_json::from_value(json!({"metadata": {"name": "former"}, "spec": {}})).unwrap();
        let former = pools.create(&PostParams::default(), &former).await.unwrap();
        let owner = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "name": "former", "uid": former.metadata.uid,
        });
        let config: MachineConfig =
            serde_json::from_value(json!({"metadata": {"name": "r1", "ownerReferences": [owner]}})).unwrap();
        Api::all(context.client.clone()).create(&PostParams::default(), &config).await.unwrap();
        tokio::select! {
            () = context.cluster.clone().fill(context.client.clone()) => panic!("the watches ended"),
            () = sleep(Duration::from_secs(1)) => {}
        }
        if gone {
            pools.delete("master", &DeleteParams::default()).await.unwrap();
        }
        let passed = rollout::Controller::new(context.clone()).reconcile().await;
        assert_eq!(passed.is_err(), gone, "whose status it would have written: {passed:?}");
        assert_eq!(told_now(&context).await, expected, "gone: {gone}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_master_that_runs_the_operator_goes_last() {
    let context = cluster().await;
    let controller = rollout::Controller::new(context.clone());
    assert_eq!(told(&context, Duration::from_secs(2), &[&controller]).await, ["m2", "m3"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_anything_before_the_pools_were_rendered_once_or_that_takes_too_long() {
    let controllers = async || {
        let context = cluster().await;
        let access = Access::new(&context.cluster, Images::new(Source::default()));
        let render = render::Controller::new(context.clone(), access);
        (context.clone(), rollout::Controller::new(context), render)
    };
    for (seconds, expected) in [(9, &[][..]), (11, &["m2", "m3"])] {
        let (context, rollout, _nobody_drives_it) = controllers().await;
        assert_eq!(told(&context, Duration::from_secs(seconds), &[&rollout]).await, expected, "after {seconds} s");
    }
    let (context, rollout, render) = controllers().await;
    assert_eq!(told(&context, Duration::from_secs(2), &[&rollout, &render]).await, ["m2", "m3"], "rendered");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_a_target_that_is_older_than_what_is_known_or_rendering_takes_too_long() {
    // The pool is paused until it was rendered, and that it no longer is comes after that.
    let controllers = async || {
        let context = cluster().await;
        let pools: Api<MachineConfigPool> = Api::all(context.client.clone());
        let paused = async |paused: bool| {
            let patch = Patch::Merge(json!({"spec": {"paused": paused}}));
            pools.patch("master", &PatchParams::default(), &patch).await.unwrap();
        };
        paused(true).await;
        let access = Access::new(&context.cluster, Images::new(Source::default()));
        let render = render::Controller::new(context.clone(), access);
        let rollout = rollout::Controller::new(context.clone());
        assert_eq!(told(&context, Duration::from_secs(2), &[&rollout, &render]).await, [""; 0], "paused");
        paused(false).await;
        (context, rollout, render)
    };
    for (seconds, expected) in [(9, &[][..]), (11, &["m2", "m3"])] {
        let (context, rollout, _nobody_drives_it) = controllers().await;
        assert_eq!(told(&context, Duration::from_secs(seconds), &[&rollout]).await, expected, "after {seconds} s");
    }
    let (context, rollout, render) = controllers().await;
    assert_eq!(told(&context, Duration::from_secs(2), &[&rollout, &render]).await, ["m2", "m3"], "rendered");
}
