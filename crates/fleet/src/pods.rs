//! Pods on machines. The fleet stands in for the parts of a cluster that handle pods: a controller that creates them, a scheduler,
//! and the kubelets, which start them and confirm that they have ended.
//!
//! It starts and ends every pod bound to one of its machines; it creates pods only for its own workload, in its own
//! namespace.

use crate::{
    environment::Environment,
    faults::LIFT,
    machine::{self, POOL_LABEL},
};
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::ReplicaSet,
        core::v1::{Container, Namespace, Node, Pod},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;
use weir_api::keys::names;
use weir_kubeio::drive::chain;
use weir_rules::view::NodeView;

/// Namespace of everything the fleet creates besides Nodes.
pub const NAMESPACE: &str = "weir-fleet";
/// The workload: name of its ReplicaSet and of its budget, and value of [`APP`] on its pods.
pub const NAME: &str = "app";
/// Label of pods that the fleet created.
pub const APP: &str = "fleet.weir/app";
const FIELD_MANAGER: &str = "weir-fleet";
/// Changes within this time are handled together.
const QUIET: Duration = Duration::from_millis(5);
/// Capacity of a node: the kubelet's default `maxPods`.
const FULL: usize = 110;
/// An image that is never pulled.
const IMAGE: &str = "registry.invalid/simulated";

/// The pods that run on workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Pods for each worker; they may be on any of them.
    pub pods: u32,
    /// How many of them may be missing at a time, a number or a percentage; no budget without it.
    pub budget: Option<IntOrString>,
    /// Whether they avoid nodes with a taint `PreferNoSchedule`, as a scheduler does.
    pub heeds_taints: bool,
}

/// Something to do for a pod, and its key while in progress.
type Doing<'w> = BoxFuture<'w, String>;

/// Runs pods until the future is dropped.
pub(crate) async fn run(environment: &Environment, workers: usize) {
    let workload = environment.settings.workload.as_ref();
    let owner = match workload {
        Some(workload) => Some(found(environment, workload, workers).await),
        None => None,
    };
    let mut changes = (environment.pods.changes(), environment.seen.nodes.changes());
    let mut busy: BTreeSet<String> = BTreeSet::new();
    let mut told = Counts::default();
    let mut doing: FuturesUnordered<Doing<'_>> = FuturesUnordered::new();
    loop {
        if environment.pods.is_synced() && environment.seen.nodes.is_synced() {
            for (key, work) in due(environment, owner.as_ref(), &busy) {
                busy.insert(key);
                doing.push(work);
            }
            let counts = Counts::of(&environment.pods.all());
            if let Some(owner) = owner.as_ref().filter(|_| counts != told && !busy.contains(COUNTS)) {
                told = counts;
                busy.insert(COUNTS.to_owned());
                doing.push(Box::pin(count(environment, owner, counts)));
            }
        }
        tokio::select! {
            biased;
            _ = changes.0.changed() => sleep(QUIET).await,
            _ = changes.1.changed() => sleep(QUIET).await,
            Some(key) = doing.next() => { busy.remove(&key); }
        }
    }
}

/// Key of the work of writing the counts.
const COUNTS: &str = "counts";

/// How many pods the ReplicaSet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    all: i32,
    ready: i32,
}

impl Counts {
    fn of(pods: &[Arc<Pod>]) -> Self {
        let counts = |pod: &&Arc<Pod>| is_ours(pod) && pod.metadata.deletion_timestamp.is_none() && !is_over(pod);
        let all = pods.iter().filter(counts);
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Self { all: number(all.clone().count()), ready: number(all.filter(|pod| is_ready(pod)).count()) }
    }

    fn status(self, owner: &ReplicaSet) -> Value {
        let Self { all, ready } = self;
        json!({"status": {
            "replicas": all, "fullyLabeledReplicas": all, "readyReplicas": ready, "availableReplicas": ready,
            "observedGeneration": owner.metadata.generation,
        }})
    }
}

/// The ReplicaSet says how many pods it has.
async fn count(environment: &Environment, owner: &ReplicaSet, counts: Counts) -> String {
    let api: Api<ReplicaSet> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let patch = Patch::Merge(counts.status(owner));
    if let Err(error) = api.patch_status(NAME, &PatchParams::default(), &patch).await {
        failed("counting", NAME, &error);
    }
    COUNTS.to_owned()
}

fn is_ours(pod: &Pod) -> bool {
    pod.labels().get(APP).is_some_and(|app| app == NAME)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What needs doing for pods and is not in progress.
fn due<'w>(
    environment: &'w Environment,
    owner: Option<&ReplicaSet>,
    busy: &BTreeSet<String>,
) -> Vec<(String, Doing<'w>)> {
    let pods = environment.pods.all();
    if pods.is_empty() && owner.is_none() {
        return Vec::new();
    }
    let nodes: BTreeMap<String, _> =
        environment.seen.nodes.all().into_iter().map(|node| (node.name_any(), node)).collect();
    let mut work: Vec<(String, Doing<'w>)> = Vec::new();
    let mut load: BTreeMap<&str, usize> =
        nodes.values().filter(|node| takes_pods(node)).filter_map(|n| Some((n.metadata.name.as_deref()?, 0))).collect();
    let heeds = environment.settings.workload.as_ref().is_some_and(|workload| workload.heeds_taints);
    let avoided: BTreeSet<&str> =
        load.keys().copied().filter(|name| heeds && nodes.get(*name).is_some_and(|node| is_avoided(node))).collect();
    let mut running = 0;
    for pod in &pods {
        let on = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
        let ours = is_ours(pod);
        let ending = pod.metadata.deletion_timestamp.is_some();
        running += usize::from(ours && !ending);
        if let Some(count) = load.get_mut(on) {
            *count += 1;
        }
        let simulated = nodes.get(on).is_some_and(|node| node.labels().contains_key(POOL_LABEL));
        let of_job = is_of_job(pod);
        let lost = (ours || of_job) && !on.is_empty() && !nodes.contains_key(on);
        let key = pod.uid().unwrap_or_default();
        if busy.contains(&key) {
            continue;
        }
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        if lost || (simulated && ending) {
            work.push((key.clone(), Box::pin(end(environment, namespace, name, key))));
        } else if simulated && !of_job && is_pending(pod) {
            // Pods of Jobs are started by whoever runs these.
            work.push((key.clone(), Box::pin(start(environment, pod.clone(), key))));
        }
    }
    let Some(owner) = owner else { return work };
    let wanted = owner.spec.as_ref().and_then(|spec| spec.replicas).and_then(|n| usize::try_from(n).ok());
    let making = busy.iter().filter(|key| key.starts_with(NAME)).count();
    for slot in 0..wanted.unwrap_or_default().saturating_sub(running + making) {
        let Some(node) = place(&load, &avoided) else { break };
        load.entry(node).and_modify(|count| *count += 1);
        let key = (0..).map(|n| format!("{NAME}-{slot}-{n}")).find(|key| !busy.contains(key)).unwrap_or_default();
        work.push((key.clone(), Box::pin(make(environment, pod(owner, node), key))));
    }
    work
}

/// The node for the next pod, given each node's number of pods: the emptiest that is neither full nor to be avoided.
fn place<'a>(load: &BTreeMap<&'a str, usize>, avoided: &BTreeSet<&str>) -> Option<&'a str> {
    let rank = |name: &str, count: usize| (avoided.contains(name) || count >= FULL, count);
    load.iter().min_by_key(|(name, count)| (rank(name, **count), **name)).map(|(name, _)| *name)
}

/// The node for a pod that may run anywhere, as a scheduler chooses it: the emptiest that is ready and schedulable. Nodes of the control
/// plane take pods where there are no others. The error is what a scheduler says when there is none.
pub(crate) fn scheduled(nodes: &[&Node], pods: &[&Pod]) -> Result<String, String> {
    let workers: Vec<&Node> = nodes.iter().copied().filter(|node| is_worker(node)).collect();
    let those = if workers.is_empty() { nodes } else { &workers };
    let fit = those.iter().filter(|node| NodeView::new(node).is_ready());
    let mut load: BTreeMap<&str, usize> = fit.filter_map(|node| Some((node.metadata.name.as_deref()?, 0))).collect();
    for on in pods.iter().filter(|pod| !is_over(pod)).filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref()) {
        load.entry(on).and_modify(|count| *count += 1);
    }
    load.retain(|_, count| *count < FULL);
    let avoided: BTreeSet<&str> =
        those.iter().filter(|node| is_avoided(node)).filter_map(|node| node.metadata.name.as_deref()).collect();
    place(&load, &avoided).map(str::to_owned).ok_or_else(|| {
        let (all, masters, left) = (nodes.len(), nodes.len() - those.len(), those.len());
        format!("0/{all} nodes are available: {masters} of the control plane, {left} not ready, unschedulable or full.")
    })
}

/// Whether a pod was made for a Job.
fn is_of_job(pod: &Pod) -> bool {
    pod.owner_references().iter().any(|owner| owner.kind == "Job")
}

/// Whether a pod has ended.
pub(crate) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase.is_some_and(|phase| ["Succeeded", "Failed"].contains(&phase))
}

/// A simulated node that is not of the control plane.
fn is_worker(node: &Node) -> bool {
    let pool = node.labels().get(POOL_LABEL);
    pool.is_some_and(|pool| ![names::MASTER, names::ARBITER].contains(&pool.as_str()))
}

/// A simulated worker that is ready and schedulable.
fn takes_pods(node: &Node) -> bool {
    is_worker(node) && NodeView::new(node).is_ready()
}

/// Whether pods avoid the node.
fn is_avoided(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().any(|taint| taint.effect == "PreferNoSchedule")
}

fn is_pending(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).is_none_or(|phase| phase == "Pending")
}

/// The kubelet starts a pod.
async fn start(environment: &Environment, pod: Arc<Pod>, key: String) -> String {
    sleep(environment.settings.step).await;
    if let Err(error) = started(environment, &pod).await {
        failed("starting", &pod.name_any(), &error);
    }
    key
}

/// The status of a pod all of whose containers run.
fn runs(pod: &Pod, now: Timestamp) -> Value {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ready = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now});
    let conditions =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(ready);
    let runs = |container: &Container| {
        json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {"startedAt": now}},
        })
    };
    let spec = pod.spec.clone().unwrap_or_default();
    let containers: Vec<Value> = spec.containers.iter().map(runs).collect();
    let host = machine::address(spec.node_name.as_deref().unwrap_or_default());
    let own =
        if spec.host_network == Some(true) { host.clone() } else { machine::address(&pod.uid().unwrap_or_default()) };
    json!({
        "phase": "Running", "conditions": conditions, "containerStatuses": containers, "startTime": now,
        "hostIP": host, "hostIPs": [{"ip": host}], "podIP": own, "podIPs": [{"ip": own}],
    })
}

async fn started(environment: &Environment, pod: &Pod) -> Result<(), kube::Error> {
    let patch = json!({"status": runs(pod, environment.now())});
    let api: Api<Pod> = Api::namespaced(environment.client.clone(), &pod.namespace().unwrap_or_default());
    let pod = api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await?;
    environment.pods.observe(pod);
    Ok(())
}

/// The kubelet confirms that a pod has ended, or its node is gone.
async fn end(environment: &Environment, namespace: String, name: String, key: String) -> String {
    sleep(environment.settings.step).await;
    let api: Api<Pod> = Api::namespaced(environment.client.clone(), &namespace);
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    if let Err(error) = api.delete(&name, &now).await {
        failed("ending", &name, &error);
    }
    key
}

async fn make(environment: &Environment, pod: Value, key: String) -> String {
    let api = Api::namespaced(environment.client.clone(), NAMESPACE);
    match serde_json::from_value::<Pod>(pod) {
        Ok(pod) => match api.create(&parameters(), &pod).await {
            Ok(pod) => environment.pods.observe(pod),
            Err(error) => failed("making", NAME, &error),
        },
        Err(error) => tracing::error!(%error, "a pod cannot be built"),
    }
    key
}

/// A failure is retried when something changes, and changes are constant.
fn failed(doing: &str, pod: &str, error: &kube::Error) {
    match error {
        kube::Error::Api(status) if status.is_not_found() => {}
        kube::Error::Api(_) => tracing::warn!(pod, doing, error = %chain(error), "a pod's write failed"),
        // If the server does not respond, the watches report it for all pods.
        _ => tracing::debug!(pod, doing, error = %chain(error), "a pod's write failed"),
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Creates the owner of the workload's pods, and its budget; existing ones of an earlier run are reused.
async fn found(environment: &Environment, workload: &Workload, workers: usize) -> ReplicaSet {
    let replicas = u64::from(workload.pods).saturating_mul(u64::try_from(workers).unwrap_or(u64::MAX));
    let labels = json!({"matchLabels": {APP: NAME}});
    let set = json!({
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "selector": labels, "template": {
            "metadata": {"labels": {APP: NAME}}, "spec": {"containers": [{"name": NAME, "image": IMAGE}]},
        }},
    });
    make_namespace(environment).await;
    if let Some(most) = &workload.budget {
        let spec = json!({"maxUnavailable": most, "selector": labels});
        let budget = json!({"metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec});
        environment.insist(NAME, || ensure::<PodDisruptionBudget>(environment, &budget)).await;
    }
    environment.insist(NAME, || ensure(environment, &set)).await
}

async fn make_namespace(environment: &Environment) {
    let namespace = json!({"metadata": {"name": NAMESPACE}});
    let object: Namespace = serde_json::from_value(namespace).unwrap_or_default();
    let make = || async {
        match environment.api().create(&parameters(), &object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            made => made.map(|_: Namespace| ()),
        }
    };
    environment.insist(NAMESPACE, make).await;
}

/// Creates an object in the fleet's namespace, or updates the spec of an existing one.
async fn ensure<K>(environment: &Environment, object: &Value) -> Result<K, kube::Error>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let typed: K = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    match api.create(&parameters(), &typed).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let patch = json!({"spec": object["spec"]});
            api.patch(&typed.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await
        }
        made => made,
    }
}

fn pod(owner: &ReplicaSet, node: &str) -> Value {
    let reference = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": NAME, "uid": owner.metadata.uid, "controller": true,
    });
    json!({
        "metadata": {"generateName": format!("{NAME}-"), "labels": {APP: NAME}, "ownerReferences": [reference]},
        "spec": {"nodeName": node, "containers": [{"name": NAME, "image": IMAGE}]},
    })
}

/// Name of the pod and of the budget that block a node's drain.
fn stuck(node: &str) -> String {
    format!("stuck-{node}")
}

impl Environment {
    /// Blocks a node's drain with a pod whose budget allows no disruption.
    pub(crate) async fn hold(&self, node: &str) {
        make_namespace(self).await;
        let name = stuck(node);
        let labels = json!({APP: name});
        let budget = json!({
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        });
        let pod = json!({
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"nodeName": node, "containers": [{"name": NAME, "image": IMAGE}]},
        });
        let hold = || async {
            ensure::<PodDisruptionBudget>(self, &budget).await?;
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
            let pod: Pod = serde_json::from_value(pod.clone()).map_err(kube::Error::SerdeError)?;
            let pod = match pods.create(&parameters(), &pod).await {
                Err(kube::Error::Api(status)) if status.is_already_exists() => pods.get(&name).await?,
                made => made?,
            };
            self.pods.observe(pod.clone());
            // A pod that does not run yet may be evicted whatever its budget says.
            started(self, &pod).await
        };
        self.insist(&name, hold).await;
        tracing::info!(node, lift = LIFT, "a pod is in the way of its drain");
    }

    /// Removes the budget, so that the pod may be evicted.
    pub(crate) async fn let_go(&self, node: &str) {
        let (budgets, name): (Api<PodDisruptionBudget>, _) =
            (Api::namespaced(self.client.clone(), NAMESPACE), stuck(node));
        let let_go = || async {
            match budgets.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                deleted => deleted.map(drop),
            }
        };
        self.insist(&name, let_go).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_workload(status: &Value) -> Arc<Pod> {
        let metadata = json!({"name": "p", "uid": "u", "labels": {APP: NAME}});
        let spec = json!({"nodeName": "worker-0", "containers": [{"name": "c", "image": "i"}]});
        Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap())
    }

    #[test]
    fn a_pod_that_was_started_is_ready_and_counts() {
        let pending = of_workload(&json!({"phase": "Pending"}));
        let running = of_workload(&runs(&pending, Timestamp::UNIX_EPOCH));
        let status = running.status.as_ref().unwrap();
        let containers = status.container_statuses.as_ref().unwrap();
        assert!(containers.iter().all(|c| c.name == "c" && c.ready && c.state.as_ref().unwrap().running.is_some()));
        assert_eq!(status.host_ip.as_deref(), Some(machine::address("worker-0").as_str()));
        let mut ending = Pod::clone(&running);
        ending.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        let over = of_workload(&json!({"phase": "Failed"}));
        assert_eq!(Counts::of(&[pending, running, Arc::new(ending), over]), Counts { all: 2, ready: 1 });
    }

    #[test]
    fn a_pod_of_a_job_gets_a_node_that_takes_it() {
        let node = |name: &str, pool: &str, ready: bool, cordoned: bool| -> Node {
            let conditions = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
            let metadata = json!({"name": name, "labels": {POOL_LABEL: pool}});
            let object = json!({"metadata": metadata, "spec": {"unschedulable": cordoned}, "status": {"conditions": conditions}});
            serde_json::from_value(object).unwrap()
        };
        let on = |node: &str, phase: &str| -> Pod {
            serde_json::from_value(
                json!({"metadata": {}, "spec": {"nodeName": node, "containers": []}, "status": {"phase": phase}}),
            )
            .unwrap()
        };
        let (master, a, b) =
            (node("m", "master", true, false), node("a", "worker", true, false), node("b", "infra", true, false));
        assert_eq!(scheduled(&[&master, &a, &b], &[&on("a", "Running")]).as_deref(), Ok("b"));
        // What has ended takes no room.
        assert_eq!(scheduled(&[&master, &a, &b], &[&on("a", "Failed")]).as_deref(), Ok("a"));
        assert_eq!(scheduled(&[&master], &[]).as_deref(), Ok("m"));
        let (cordoned, down) = (node("a", "worker", true, true), node("b", "worker", false, false));
        let none = scheduled(&[&master, &cordoned, &down], &[]).unwrap_err();
        assert_eq!(none, "0/3 nodes are available: 1 of the control plane, 2 not ready, unschedulable or full.");
        assert!(scheduled(&[], &[]).unwrap_err().starts_with("0/0 nodes"));
    }

    #[test]
    fn pods_are_kept_off_nodes_that_are_better_left_alone() {
        let load = BTreeMap::from([("a", 0), ("b", 1), ("c", 2)]);
        assert_eq!(place(&load, &BTreeSet::new()), Some("a"));
        assert_eq!(place(&load, &["a", "b"].into()), Some("c"));
        // A node to be avoided is better than none or a full one.
        assert_eq!(place(&load, &["a", "b", "c"].into()), Some("a"));
        assert_eq!(place(&BTreeMap::from([("a", 5), ("c", FULL)]), &["a"].into()), Some("a"));
        assert_eq!(place(&BTreeMap::new(), &BTreeSet::new()), None);
    }
}
