//! The Leases by which kubelets say that they are there, in the namespace `kube-node-lease`.
//!
//! Each kubelet renews its own every ten seconds. A fleet does so as long as that is not more than ten writes a second for all of
//! its machines; larger fleets renew less often, and their Leases last longer. A machine that is down renews nothing.
//!
//! Source: `pkg/kubelet/nodelease` and `k8s.io/component-helpers/apimachinery/lease` of github.com/kubernetes/kubernetes.

use crate::{
    environment::Environment,
    machine::{self, POOL_LABEL},
};
use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use weir_kubeio::drive::chain;

const NAMESPACE: &str = "kube-node-lease";
const FIELD_MANAGER: &str = "kubelet";
/// How often a kubelet renews its Lease.
const PERIOD: Duration = Duration::from_secs(10);
/// Shortest time between two writes: the server of a laptop has better things to do.
const PAUSE: Duration = Duration::from_millis(100);
/// Changes of nodes within this time are looked at together.
const QUIET: Duration = Duration::from_millis(250);
/// A Lease lasts this many times as long as it takes to be renewed.
const LASTS: u32 = 4;

/// How often each of this many Leases is renewed.
fn period(machines: usize) -> Duration {
    PERIOD.max(PAUSE * u32::try_from(machines).unwrap_or(u32::MAX))
}

/// What is written for a node.
fn renewed(node: &Node, period: Duration, now: Timestamp) -> Value {
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": node.name_any(), "uid": node.uid()});
    json!({
        "metadata": {"name": node.name_any(), "namespace": NAMESPACE, "ownerReferences": [owner]},
        "spec": {
            "holderIdentity": node.name_any(),
            "leaseDurationSeconds": (period * LASTS).as_secs(),
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        },
    })
}

/// Renews them until the future is dropped.
pub(crate) async fn run(environment: &Environment) {
    let nodes = &environment.seen.nodes;
    let mut changes = nodes.changes();
    // Names in the order in which they are renewed, with the uid of the node that has its Lease.
    let mut turn: VecDeque<String> = VecDeque::new();
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut next = Instant::now();
    loop {
        let there: BTreeMap<String, Arc<Node>> =
            nodes.all().into_iter().filter(|node| is_ours(node)).map(|node| (node.name_any(), node)).collect();
        known.retain(|name, uid| there.get(name).is_some_and(|node| node.uid() == *uid));
        turn.retain(|name| known.contains_key(name));
        let every = period(there.len());
        for (name, node) in there.iter().filter(|(_, node)| machine::is_up(node)) {
            if !known.contains_key(name) && renew(environment, node, every).await {
                known.insert(name.clone(), node.uid());
                turn.push_back(name.clone());
            }
        }
        tokio::select! {
            biased;
            _ = changes.changed() => {
                sleep(QUIET).await;
                continue;
            }
            () = sleep_until(next) => {}
        }
        next = Instant::now() + every / u32::try_from(turn.len().max(1)).unwrap_or(u32::MAX);
        if let Some(name) = turn.pop_front() {
            if let Some(node) = there.get(&name).filter(|node| machine::is_up(node)) {
                renew(environment, node, every).await;
            }
            turn.push_back(name);
        }
    }
}

fn is_ours(node: &Node) -> bool {
    node.labels().contains_key(POOL_LABEL)
}

/// Whether it is there now.
async fn renew(environment: &Environment, node: &Node, every: Duration) -> bool {
    let api: Api<Lease> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let wanted = renewed(node, every, environment.now());
    let manager = Some(FIELD_MANAGER.to_owned());
    let parameters = PatchParams { field_manager: manager.clone(), ..PatchParams::default() };
    let written = match api.patch(&node.name_any(), &parameters, &Patch::Merge(&wanted)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => match serde_json::from_value(wanted) {
            Ok(lease) => api.create(&PostParams { field_manager: manager, ..PostParams::default() }, &lease).await,
            Err(error) => Err(kube::Error::SerdeError(error)),
        },
        written => written,
    };
    // The next turn comes; if the server does not answer, the watches say so.
    written
        .map_err(|error| tracing::debug!(node = node.name_any(), error = %chain(&error), "a lease's write failed"))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_writes_a_second_are_enough_for_any_fleet() {
        assert_eq!((period(0), period(6), period(100)), (PERIOD, PERIOD, PERIOD));
        assert_eq!(period(1_000), Duration::from_secs(100));
        let node: Node = serde_json::from_value(json!({"metadata": {"name": "n", "uid": "u"}})).unwrap();
        let lease: Lease = serde_json::from_value(renewed(&node, period(1_000), Timestamp::UNIX_EPOCH)).unwrap();
        let spec = lease.spec.unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("n"), Some(400)));
        assert_eq!(lease.metadata.owner_references.unwrap()[0].uid, "u");
    }
}
