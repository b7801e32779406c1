//! The operator in process, against the embedded server with paused time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use crate::definitions::of_another_release;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::time::sleep;
use weir_api::{
    ClusterOperator, ClusterVersion, FeatureGate, MachineConfigPool,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
    keys::config::BUILT_IN,
};
use weir_apiserver::{ApiServer, Settings, User};
use weir_controllers::{Build, Cluster, Context, operator::Operator};
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

async fn says(client: &Client, type_: &'static str) -> (String, String) {
    let operator = Api::<ClusterOperator>::all(client.clone()).get("machine-config").await.unwrap();
    let status = operator.status.unwrap();
    let condition = find(status.conditions.as_deref().unwrap(), ConditionType::new(type_)).unwrap();
    (condition.status.clone(), condition.reason.clone().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn pools_are_made_and_the_state_is_said() {
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(of_another_release()).unwrap();
    let client = Client::new(server.service(), "default");
    let namespace = json!({"metadata": {"name": "openshift-machine-config-operator"}});
    create::<k8s_openapi::api::core::v1::Namespace>(&client, namespace).await;
    let context = Context {
        client: client.clone(),
        cluster: Cluster::default(),
        clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
        profile: &Profile::all()[0],
        build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
        settle: Duration::ZERO,
        generating: Default::default(),
    };
    tokio::spawn(context.cluster.clone().fill(client.clone()));
    let operator = Operator::new(context);
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

const GROUP: &str = "machineconfiguration.openshift.io";

/// What the API server says to a request: nothing where it does it.
fn refusal<T>(answer: kube::Result<T>) -> Option<String> {
    match answer {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "{status:?}");
            let denied = status.message.split_once(" denied request: ");
            Some(denied.unwrap_or_else(|| panic!("{}", status.message)).1.to_owned())
        }
        Err(error) => panic!("{error}"),
    }
}

fn dynamic(client: &Client, group: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind)))
}

/// A cluster on this platform, where the operator made its policies.
async fn guarded(platform: &str, gates: &[&str]) -> (ApiServer, Client) {
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(crds(FeatureSet::Default)).unwrap();
    let client = Client::new(server.service(), "default");
    let enabled: Vec<Value> = gates.iter().map(|name| json!({ "name": name })).collect();
    let desired = json!({"version": "5.0.0", "image": "q/release@sha256:1"});
    let version = json!({"desired": desired, "availableUpdates": [], "observedGeneration": 1, "versionHash": ""});
    for (kind, name, status) in [
        ("FeatureGate", "cluster", json!({"featureGates": [{"version": "5.0.0", "enabled": enabled}]})),
        ("ClusterVersion", "version", version),
        ("Infrastructure", "cluster", json!({"platformStatus": {"type": platform}})),
    ] {
        let api = dynamic(&client, "config.openshift.io", kind);
        let mut object = json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name}});
        object["spec"] = if kind == "ClusterVersion" { json!({"clusterID": "x"}) } else { json!({}) };
        api.create(&PostParams::default(), &of(object)).await.unwrap();
        let status = Patch::Merge(json!({ "status": status }));
        api.patch_status(name, &PatchParams::default(), &status).await.unwrap();
    }
    let context = Context {
        client: client.clone(),
        cluster: Cluster::default(),
        clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
        profile: Profile::by_name("ocp").unwrap(),
        build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
        settle: Duration::ZERO,
        generating: Default::default(),
    };
    tokio::spawn(context.cluster.clone().fill(client.clone()));
    let operator = Operator::new(context);
    tokio::spawn(async move { operator.run().await });
    sleep(Duration::from_secs(1)).await;
    (server, client)
}

/// A pool that selects MachineConfigs so.
fn pool(name: &str, selector: Option<Value>) -> Value {
    let mut object = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfigPool", "metadata": {"name": name},
        "spec": {"nodeSelector": {"matchLabels": {(format!("node-role.kubernetes.io/{name}")): ""}}},
    });
    if let Some(selector) = selector {
        object["spec"]["machineConfigSelector"] = selector;
    }
    object
}

#[tokio::test(start_paused = true)]
async fn a_custom_pool_has_what_workers_have() {
    const ROLE: &str = "machineconfiguration.openshift.io/role";
    let (_server, client) = guarded("None", &[]).await;
    let pools = dynamic(&client, GROUP, "MachineConfigPool");
    let labels = |role: &str| json!({"matchLabels": {ROLE: role}});
    let expression = |key: &str, operator: &str, values: &[&str]| {
        let mut expression = json!({"key": key, "operator": operator});
        if !values.is_empty() {
            expression["values"] = json!(values);
        }
        json!({ "matchExpressions": [expression] })
    };
    let mut both = labels("infra");
    both["matchExpressions"] = expression(ROLE, "In", &["worker"])["matchExpressions"].clone();
    let mut other = json!({"matchLabels": {"a": "b"}});
    other["matchExpressions"] = both["matchExpressions"].clone();
    let create = async |name: &str, selector: Option<Value>| {
        refusal(pools.create(&PostParams::default(), &of(pool(name, selector))).await)
    };
    for (number, selector) in [
        labels("worker"),
        labels("master"),
        labels("arbiter"),
        expression(ROLE, "In", &["worker", "infra"]),
        expression(ROLE, "NotIn", &["infra"]),
        both,
        other,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(create(&format!("good-{number}"), Some(selector.clone())).await, None, "{selector}");
    }
    for selector in [
        None,
        Some(json!({})),
        Some(labels("infra")),
        Some(json!({"matchLabels": {"a": "b"}})),
        Some(expression(ROLE, "In", &["infra"])),
        Some(expression(ROLE, "NotIn", &["worker"])),
        Some(expression(ROLE, "Exists", &[])),
        Some(expression("a", "In", &["worker"])),
    ] {
        let said = create("bad", selector.clone()).await;
        let said = said.unwrap_or_else(|| panic!("{selector:?} was accepted"));
        assert!(said.starts_with("All custom MachineConfigPools must inherit from the worker pool"), "{said}");
    }

    // One that is from before the policy can be written to, repaired, and not be made worse.
    let binding = dynamic(&client, "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding");
    let name = "custom-machine-config-pool-selector-binding";
    let change =
        async |patch: Value| refusal(pools.patch("legacy", &PatchParams::default(), &Patch::Merge(patch)).await);
    let bound = binding.get(name).await.unwrap();
    binding.delete(name, &kube::api::DeleteParams::default()).await.unwrap();
    assert_eq!(create("legacy", Some(labels("infra"))).await, None);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(binding.get(name).await.unwrap().data["spec"]["policyName"], bound.data["spec"]["policyName"]);
    assert_eq!(change(json!({"spec": {"paused": true}})).await, None);
    assert!(change(json!({"spec": {"machineConfigSelector": {"matchLabels": {ROLE: "x"}}}})).await.is_some());
    assert_eq!(change(json!({"spec": {"machineConfigSelector": {"matchLabels": {ROLE: "worker"}}}})).await, None);
    assert!(change(json!({"spec": {"machineConfigSelector": {"matchLabels": {ROLE: "infra"}}}})).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn there_is_one_machine_configuration_and_boot_images_follow_where_the_platform_can() {
    const CPMS: &str = "ManagedBootImagesCPMS";
    let configuration = |name: &str, resources: &[&str]| {
        let managers: Vec<Value> = resources
            .iter()
            .map(|resource| json!({"resource": resource, "apiGroup": "machine.openshift.io", "selection": {"mode": "None"}}))
            .collect();
        let mut object = json!({
            "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration", "metadata": {"name": name},
            "spec": {"managementState": "Managed"},
        });
        if !managers.is_empty() {
            object["spec"]["managedBootImages"] = json!({ "machineManagers": managers });
        }
        object
    };
    let (sets, planes) = (&["machinesets"][..], &["machinesets", "controlplanemachinesets"][..]);
    for (platform, gates, name, managers, said) in [
        ("AWS", &[CPMS][..], "mine", &[][..], Some("Only a single object of MachineConfiguration is allowed")),
        ("None", &[CPMS], "cluster", &[], None),
        (
            "None",
            &[],
            "cluster",
            sets,
            Some("This feature is only supported on these platforms: GCP, AWS, VSphere, Azure"),
        ),
        ("VSphere", &[CPMS], "cluster", sets, None),
        ("VSphere", &[CPMS], "cluster", planes, Some("The control plane machineset boot image update feature")),
        ("VSphere", &[], "cluster", planes, None),
        ("AWS", &[CPMS], "cluster", planes, None),
    ] {
        let (_server, client) = guarded(platform, gates).await;
        let api = dynamic(&client, "operator.openshift.io", "MachineConfiguration");
        // The operator made it by now.
        let object = configuration(name, managers);
        let answer = match api.get_opt(name).await.unwrap() {
            Some(_) => api.patch(name, &PatchParams::default(), &Patch::Merge(object)).await,
            None => api.create(&PostParams::default(), &of(object)).await,
        };
        let found = refusal(answer);
        let fits = said.map_or(found.is_none(), |said| found.as_ref().is_some_and(|found| found.starts_with(said)));
        assert!(fits, "{platform} {gates:?} {name} {managers:?}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_reports_about_its_own_node_and_no_other() {
    let (server, admin) = guarded("None", &[]).await;
    let daemon = |node: Option<&str>| {
        let claim =
            ("authentication.kubernetes.io/node-name".to_owned(), node.map(str::to_owned).into_iter().collect());
        let user = User {
            username: "system:serviceaccount:openshift-machine-config-operator:machine-config-daemon".to_owned(),
            groups: vec!["system:masters".to_owned()],
            extra: node.map(|_| claim).into_iter().collect(),
            ..User::default()
        };
        dynamic(&Client::new(server.service_as(user), "default"), GROUP, "MachineConfigNode")
    };
    let report = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "MachineConfigNode", "metadata": {"name": "a"},
        "spec": {"node": {"name": "a"}, "pool": {"name": "worker"}, "configVersion": {"desired": "rendered-worker-1"}},
    });
    dynamic(&admin, GROUP, "MachineConfigNode").create(&PostParams::default(), &of(report)).await.unwrap();
    let current = json!({"current": "rendered-worker-1", "desired": "rendered-worker-1"});
    let change = Patch::Merge(json!({"status": {"configVersion": current, "observedGeneration": 1}}));
    for (node, said) in [
        (Some("a"), None),
        (Some("b"), Some("updates to MCN a can only be done from the MCN's owner node")),
        (None, Some("this user must have a \"authentication.kubernetes.io/node-name\" claim")),
    ] {
        let answer = daemon(node).patch_status("a", &PatchParams::default(), &change).await;
        assert_eq!(refusal(answer).as_deref(), said, "{node:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_bundle_that_the_cluster_runs_from_is_not_deleted() {
    let (_server, client) = guarded("None", &[]).await;
    let bundles = dynamic(&client, GROUP, "InternalReleaseImage");
    let digest = |character: &str| format!("sha256:{}", character.repeat(64));
    let running = Patch::Merge(json!({"status": {"desired": {"image": format!("q/release@{}", digest("1"))}}}));
    let versions = dynamic(&client, "config.openshift.io", "ClusterVersion");
    versions.patch_status("version", &PatchParams::default(), &running).await.unwrap();
    for (held, kept) in [(None, false), (Some(digest("2")), false), (Some(digest("1")), true)] {
        let name = "ocp-release-bundle-5.0.0-x86_64";
        let object = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "InternalReleaseImage", "metadata": {"name": "cluster"},
            "spec": {"releases": [{"name": name}]},
        });
        bundles.create(&PostParams::default(), &of(object)).await.unwrap();
        if let Some(digest) = &held {
            let image = format!("registry.example.com/openshift/release@{digest}");
            let status = Patch::Merge(json!({"status": {"releases": [{"name": name, "image": image}]}}));
            bundles.patch_status("cluster", &PatchParams::default(), &status).await.unwrap();
        }
        let said = refusal(bundles.delete("cluster", &kube::api::DeleteParams::default()).await);
        assert_eq!(said.is_some(), kept, "{held:?}: {said:?}");
    }
}
