//! The operator with objects to keep, in process with paused time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::sleep};
use weir_api::{
    ClusterOperator,
    condition::{ConditionType, find},
    crds::{FeatureSet, crds},
    keys::operand::{MANAGED_BY, OPERATOR},
};
use weir_apiserver::{ApiServer, Service, Settings, User};
use weir_controllers::{Build, Cluster, Context, operator::Operator};
use weir_distro::Profile;
use weir_kubeio::Clock;
use weir_sim::{Trouble, Troubled};

const OWN: &str = "openshift-machine-config-operator";
const CONFIG: &str = "openshift-config";
const RBAC: &str = "rbac.authorization.k8s.io";

struct World {
    server: ApiServer,
    /// Of somebody who may do anything.
    client: Client,
    trouble: Trouble,
    clock: Clock,
    /// What the operator keeps while images are built.
    for_builds: Vec<Value>,
    operator: Vec<JoinHandle<()>>,
}

fn role(kind: &str, namespace: Option<&str>, name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    let rule = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["list", "watch"]});
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": metadata, "rules": [rule]})
}

fn binding(kind: &str, namespace: Option<&str>, to: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": format!("{kind}Binding"),
        "metadata": {"name": "c", "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": to},
        "subjects": [{"kind": "ServiceAccount", "name": "c", "namespace": OWN}],
    })
}

fn deployment() -> Value {
    let labels = json!({"app": "c"});
    let container = json!({
        "name": "weir", "image": "registry.example.com/weir:1", "args": ["run", "controller"],
        "ports": [{"name": "metrics", "containerPort": 8797}],
        "resources": {"requests": {"cpu": "20m", "memory": "50Mi"}},
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    });
    let pod = json!({
        "serviceAccountName": "c", "containers": [container], "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}}],
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "c", "namespace": OWN, "labels": {"mine": "yes"}},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}

fn monitor() -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "c", "namespace": OWN},
        "spec": {"endpoints": [{"port": "metrics", "interval": "30s"}], "selector": {"matchLabels": {"app": "c"}}},
    })
}

/// What the operator is given, not in the order in which it is to be applied.
fn wanted() -> Vec<Value> {
    let own = json!({"name": "c", "namespace": OWN});
    let selector = json!({"matchLabels": {"app": "c"}});
    vec![
        deployment(),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": own,
               "spec": {"maxUnavailable": 1, "selector": selector}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": own,
               "spec": {"selector": {"app": "c"}, "ports": [{"name": "metrics", "port": 8797, "targetPort": "metrics"}]}}),
        binding("Role", Some(OWN), "c"),
        binding("Role", Some(CONFIG), "c"),
        binding("ClusterRole", None, "c"),
        role("Role", Some(OWN), "c"),
        role("Role", Some(CONFIG), "c"),
        role("ClusterRole", None, "c"),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own}),
        monitor(),
    ]
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

impl World {
    async fn start() -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let world =
            Self { server, client, trouble: Trouble::default(), clock, for_builds: Vec::new(), operator: Vec::new() };
        for name in [OWN, CONFIG] {
            world.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
        }
        let gates = json!([{"version": "5.0.0", "enabled": [], "disabled": []}]);
        let config = "config.openshift.io/v1";
        let gate = json!({"apiVersion": config, "kind": "FeatureGate", "metadata": {"name": "cluster"}, "spec": {}});
        world.create(&gate).await;
        world.patch_status(&gate, json!({"status": {"featureGates": gates}})).await;
        world
    }

    /// Lets an operator that is given these work, and no other.
    async fn operate(&mut self, kept: Vec<Value>) {
        self.operate_as(self.server.service(), kept).await;
    }

    /// As [`Self::operate`], with the rights of somebody.
    async fn operate_as(&mut self, somebody: Service, kept: Vec<Value>) {
        self.operator.drain(..).for_each(|task| task.abort());
        let client = Client::new(Troubled::new(somebody, self.trouble.clone()), "default");
        let context = Context {
            client: client.clone(),
            cluster: Cluster::default(),
            clock: self.clock.clone(),
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: "v1".to_owned(), hash: "h".to_owned(), release: Some("5.0.0".to_owned()) }),
            settle: Duration::ZERO,
            generating: Default::default(),
        };
        let watching = tokio::spawn(context.cluster.clone().fill(client));
        let operator = Operator::new(context).keeping(kept).for_builds(self.for_builds.clone());
        self.operator = vec![watching, tokio::spawn(async move { operator.run().await })];
        sleep(Duration::from_secs(1)).await;
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (group, version) = text("/apiVersion").and_then(|v| v.split_once('/')).unwrap_or(("", "v1"));
        let mut kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind").unwrap()));
        kind.plural = format!("{}s", kind.kind.to_lowercase());
        match text("/metadata/namespace") {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    async fn create(&self, object: &Value) {
        self.api(object)
            .create(&PostParams::default(), &serde_json::from_value(object.clone()).unwrap())
            .await
            .unwrap();
    }

    async fn get(&self, object: &Value) -> Option<Value> {
        let found = self.api(object).get_opt(name(object)).await.unwrap();
        found.map(|found| serde_json::to_value(found).unwrap())
    }

    async fn delete(&self, object: &Value) {
        self.api(object).delete(name(object), &DeleteParams::default()).await.unwrap();
    }

    /// Somebody edits it; returns what it is a moment later.
    async fn edit(&self, object: &Value, change: Value) -> Value {
        let parameters = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
        self.api(object).patch(name(object), &parameters, &Patch::Merge(change)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        self.get(object).await.unwrap()
    }

    async fn patch_status(&self, object: &Value, change: Value) {
        self.api(object).patch_status(name(object), &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    }

    /// Writes of anything but the ClusterOperator and what is told about it.
    fn writes(&self) -> Vec<String> {
        let reads = ["list", "watch", "get"];
        let requests = self.trouble.take_requests().into_keys();
        let writes = requests.filter(|request| !reads.contains(&request.split(' ').next().unwrap()));
        writes.filter(|request| !request.contains("clusteroperators") && !request.contains("events")).collect()
    }

    /// Whether it is degraded and why, and what is waited for.
    async fn says(&self) -> (String, String, String) {
        let operator = Api::<ClusterOperator>::all(self.client.clone()).get("machine-config").await.unwrap();
        let status = operator.status.unwrap();
        let degraded = find(status.conditions.as_deref().unwrap(), ConditionType::new("Degraded")).unwrap();
        let waits = status.extension.unwrap()["lastSyncError"].as_str().unwrap_or_default().to_owned();
        (degraded.reason.clone().unwrap_or_default(), degraded.message.clone().unwrap_or_default(), waits)
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_was_given_is_kept_and_nothing_is_written_at_rest() {
    let mut world = World::start().await;
    world.operate(wanted()).await;
    let (monitors, others): (Vec<_>, Vec<_>) =
        wanted().into_iter().partition(|object| object["kind"] == "ServiceMonitor");
    for object in &others {
        let found = world.get(object).await.unwrap();
        assert_eq!(found["metadata"]["labels"][MANAGED_BY], OPERATOR, "{object}");
    }
    let status = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2});
    world.patch_status(&deployment(), json!({ "status": status })).await;
    sleep(Duration::from_secs(1)).await;
    world.writes();
    sleep(Duration::from_mins(25)).await;
    assert_eq!(world.writes(), Vec::<String>::new());

    // What is edited is put back, what was added stays.
    let image =
        json!({"spec": {"replicas": 0, "template": {"spec": {"containers": [{"name": "weir", "image": "other"}]}}}});
    let edited = world.edit(&deployment(), image).await;
    assert_eq!(edited["spec"]["replicas"], 2);
    let container = &edited["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/weir:1");
    assert_eq!(container["ports"][0]["name"], "metrics");
    let added = world.edit(&deployment(), json!({"metadata": {"annotations": {"mine": "stays"}}})).await;
    assert_eq!(added["metadata"]["annotations"]["mine"], "stays");
    for object in [role("Role", Some(CONFIG), "c"), role("ClusterRole", None, "c")] {
        let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        assert_eq!(world.edit(&object, json!({ "rules": all })).await["rules"], object["rules"]);
        let unlabelled = world.edit(&object, json!({"metadata": {"labels": {MANAGED_BY: null}}})).await;
        assert_eq!(unlabelled["metadata"]["labels"][MANAGED_BY], OPERATOR);
    }
    for object in &others {
        world.delete(object).await;
        sleep(Duration::from_secs(1)).await;
        assert!(world.get(object).await.is_some(), "{object}");
    }
    world.writes();
    sleep(Duration::from_mins(25)).await;
    assert_eq!(world.writes(), Vec::<String>::new());

    // A kind that comes later gets its object.
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"plural": "servicemonitors", "singular": "servicemonitor", "kind": "ServiceMonitor"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    world.create(&definition).await;
    sleep(Duration::from_mins(2)).await;
    assert!(world.get(&monitors[0]).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_given_goes_and_what_others_made_stays() {
    let mut world = World::start().await;
    let mut helm = role("Role", Some(OWN), "of-helm");
    helm["metadata"]["labels"] = json!({MANAGED_BY: "Helm"});
    let foreign = [role("Role", Some(OWN), "foreign"), role("ClusterRole", None, "foreign"), helm];
    for object in &foreign {
        world.create(object).await;
    }
    // One of ours, too, from before there was a label: it is taken over.
    world.create(&role("ClusterRole", None, "c")).await;
    world.operate(wanted()).await;
    let of_config: Vec<_> = wanted().into_iter().filter(|object| object["metadata"]["namespace"] == CONFIG).collect();
    for object in &of_config {
        assert!(world.get(object).await.is_some());
    }
    let less: Vec<_> = wanted().into_iter().filter(|object| !of_config.contains(object)).collect();
    world.operate(less.clone()).await;
    for object in &of_config {
        assert!(world.get(object).await.is_none(), "{object}");
    }
    for object in less.iter().filter(|object| object["kind"] != "ServiceMonitor").chain(&foreign) {
        assert!(world.get(object).await.is_some(), "{object}");
    }

    // The role of a binding cannot be changed.
    let mut other = binding("ClusterRole", None, "foreign");
    other["metadata"]["labels"] = json!({MANAGED_BY: OPERATOR});
    world.operate(Vec::new()).await;
    world.delete(&other).await;
    world.create(&other).await;
    world.operate(less).await;
    assert_eq!(world.get(&other).await.unwrap()["roleRef"]["name"], "c");

    // Without anything to keep, nothing is watched and nothing goes.
    world.writes();
    world.operate(Vec::new()).await;
    let requests = world.trouble.take_requests();
    assert!(requests.contains_key("watch machineconfigpools"), "{requests:?}");
    assert!(
        !requests.keys().any(|request| request.contains("roles") || request.contains("deployments")),
        "{requests:?}"
    );
    assert!(world.get(&deployment()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_pods_are_waited_for_and_in_the_end_that_is_a_failure() {
    let mut world = World::start().await;
    world.operate(wanted()).await;
    let (reason, _, waits) = world.says().await;
    assert_ne!(reason, "MachineConfigControllerFailed");
    assert_eq!(waits, "deployment c is not ready. status: (replicas: 0, updated: 0, ready: 0, unavailable: 0)");
    let status = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "unavailableReplicas": 1});
    world.patch_status(&deployment(), json!({ "status": status })).await;
    sleep(Duration::from_mins(11)).await;
    let (reason, message, _) = world.says().await;
    assert_eq!(reason, "MachineConfigControllerFailed");
    let status = "deployment c is not ready. status: (replicas: 2, updated: 2, ready: 1, unavailable: 1)";
    assert!(message.contains(status), "{message}");

    let ready = json!({"status": {"readyReplicas": 2, "unavailableReplicas": 0}});
    world.patch_status(&deployment(), ready).await;
    sleep(Duration::from_secs(1)).await;
    let (reason, message, waits) = world.says().await;
    assert_ne!(reason, "MachineConfigControllerFailed", "{message}");
    assert!(!waits.contains("deployment"), "{waits}");
}

/// The builder's deployment, and what makes it needed.
fn building() -> (Value, Value, Value) {
    let mut builder = deployment();
    builder["metadata"]["name"] = json!("b");
    let api = "machineconfiguration.openshift.io/v1";
    let config = json!({
        "apiVersion": api, "kind": "MachineOSConfig", "metadata": {"name": "worker"},
        "spec": {
            "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": "push"}, "renderedImagePushSpec": "registry.example.com/os/worker:latest",
        },
    });
    let build = json!({
        "apiVersion": api, "kind": "MachineOSBuild", "metadata": {"name": "worker-1"},
        "spec": {
            "machineConfig": {"name": "rendered-worker-1"}, "machineOSConfig": {"name": "worker"},
            "renderedImagePushSpec": "registry.example.com/os/worker:worker-1",
        },
    });
    (builder, config, build)
}

fn secret(namespace: &str, name: &str, type_: &str, data: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": {".dockerconfigjson": data}})
}

#[tokio::test(start_paused = true)]
async fn the_builder_runs_while_there_is_something_to_build_or_to_clean_away() {
    let mut world = World::start().await;
    let (builder, config, build) = building();
    let pull = |data| secret(CONFIG, "pull-secret", "kubernetes.io/dockerconfigjson", data);
    let copy = secret(OWN, "global-pull-secret-copy", "", "");
    world.create(&pull("e30=")).await;
    world.for_builds = vec![builder.clone()];
    world.operate(wanted()).await;
    let ready = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2});
    world.patch_status(&deployment(), json!({ "status": ready })).await;
    sleep(Duration::from_secs(1)).await;
    assert!(world.get(&builder).await.is_none() && world.get(&copy).await.is_none());

    world.create(&config).await;
    sleep(Duration::from_secs(1)).await;
    assert!(world.get(&builder).await.is_some());
    assert_eq!(world.get(&copy).await.unwrap()["data"][".dockerconfigjson"], "e30=");
    assert!(world.says().await.2.starts_with("deployment b is not ready"), "{:?}", world.says().await);
    world.edit(&pull(""), json!({"data": {".dockerconfigjson": "e30K"}})).await;
    assert_eq!(world.get(&copy).await.unwrap()["data"][".dockerconfigjson"], "e30K");
    world.delete(&copy).await;
    sleep(Duration::from_mins(11)).await;
    assert!(world.get(&copy).await.is_some());
    assert_eq!(world.says().await.0, "MachineOSBuilderFailed");
    world.patch_status(&builder, json!({ "status": ready })).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!world.says().await.2.contains("deployment"));
    world.writes();
    sleep(Duration::from_mins(25)).await;
    assert_eq!(world.writes(), Vec::<String>::new());

    // What is left of it has to be cleaned away, for which the builder is needed.
    world.create(&build).await;
    world.delete(&config).await;
    sleep(Duration::from_secs(1)).await;
    assert!(world.get(&copy).await.is_none());
    assert!(world.get(&builder).await.is_some());
    world.delete(&build).await;
    sleep(Duration::from_secs(1)).await;
    assert!(world.get(&builder).await.is_none());
    assert!(world.get(&deployment()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_said_to_be_in_image_mode_needs_a_machineosconfig() {
    let mut world = World::start().await;
    world.operate(Vec::new()).await;
    let pool = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": "worker"},
    });
    world
        .edit(&pool, json!({"metadata": {"labels": {"machineconfiguration.openshift.io/layering-enabled": ""}}}))
        .await;
    let (reason, message, _) = world.says().await;
    assert_eq!(reason, "MachineOSBuilderFailed", "{message}");
    assert!(message.contains("MachineOSConfig for pool worker missing, did you create it?"), "{message}");
    world.create(&building().1).await;
    sleep(Duration::from_secs(1)).await;
    assert_ne!(world.says().await.0, "MachineOSBuilderFailed");
    world.delete(&building().1).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.says().await.0, "MachineOSBuilderFailed");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_applied_is_said_and_tried_again() {
    let mut world = World::start().await;
    world.delete(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONFIG}})).await;
    sleep(Duration::from_secs(1)).await;
    world.operate(wanted()).await;
    let (reason, message, _) = world.says().await;
    assert_eq!(reason, "MachineConfigControllerFailed", "{message}");
    assert!(message.contains("Role openshift-config/c") && message.contains("not found"), "{message}");
    // Nothing is started whose rights are not there.
    assert!(world.get(&deployment()).await.is_none());
    world.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONFIG}})).await;
    sleep(Duration::from_mins(1)).await;
    assert!(world.get(&deployment()).await.is_some());
    assert_ne!(world.says().await.0, "MachineConfigControllerFailed");
}

#[tokio::test(start_paused = true)]
async fn without_the_rights_for_it_the_operator_does_the_rest_and_says_so() {
    let mut world = World::start().await;
    let known =
        ["", "config.openshift.io", "machineconfiguration.openshift.io", "operator.openshift.io", "apps", "policy"];
    let rule = |groups: &[&str]| json!({"apiGroups": groups, "resources": ["*"], "verbs": ["*"]});
    let mut rights = role("ClusterRole", None, "rights");
    rights["rules"] = json!([rule(&known), rule(&["admissionregistration.k8s.io", "monitoring.coreos.com"])]);
    let mut to = binding("ClusterRole", None, "rights");
    to["metadata"]["name"] = json!("rights");
    to["subjects"] = json!([{"apiGroup": RBAC, "kind": "User", "name": "jane"}]);
    for object in [&rights, &to] {
        world.create(object).await;
    }
    let groups = vec!["system:authenticated".to_owned()];
    let jane = User { username: "jane".to_owned(), groups, ..User::default() };
    world.operate_as(world.server.service_as(jane), wanted()).await;
    let (reason, message, _) = world.says().await;
    assert_eq!(reason, "MachineConfigControllerFailed");
    assert!(message.contains("ClusterRole cannot be watched") && message.contains("forbidden"), "{message}");
    let pool = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": "worker"}});
    assert!(world.get(&pool).await.is_some());
    assert!(world.get(&deployment()).await.is_none());

    rights["rules"].as_array_mut().unwrap().push(rule(&[RBAC]));
    world.edit(&rights, json!({"rules": rights["rules"]})).await;
    sleep(Duration::from_mins(1)).await;
    assert!(world.get(&deployment()).await.is_some());
    assert_ne!(world.says().await.0, "MachineConfigControllerFailed");
}
