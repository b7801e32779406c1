//! The pods on the machines of a life, and what their users do with them and with their budget.

use super::world::Pods;
use anyhow::{Context as _, Result};
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};
use weir_fleet::{
    Workload,
    pods::{APP, NAME, NAMESPACE},
};

use crate::write::merge;

/// What the fleet makes of it.
pub(super) fn workload(pods: &Pods) -> Result<Workload> {
    let budget = pods.budget.clone().map(serde_json::from_value::<IntOrString>).transpose();
    Ok(Workload { pods: pods.each, budget: budget.context("world.pods.budget")?, heeds_taints: false })
}

/// Deletes the pods of the workload on a node; gives their names.
pub(super) async fn delete_on(client: &Client, node: &str) -> Result<Vec<String>> {
    let api: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let all = api.list(&ListParams::default().labels(&format!("{APP}={NAME}"))).await.context("listing pods")?;
    let on_it = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
    let names: Vec<String> = all.items.iter().filter(on_it).map(Pod::name_any).collect();
    for name in &names {
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(error).context("a user's deletion of a pod"),
        }
    }
    Ok(names)
}

/// Sets how many pods may be missing at a time; none deletes the budget.
pub(super) async fn budget(client: &Client, most: Option<&Value>) -> Result<()> {
    let api: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), NAMESPACE);
    let Some(most) = most else {
        return match api.delete(NAME, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error).context("a user's deletion of a budget"),
        };
    };
    let spec = json!({"maxUnavailable": most, "selector": {"matchLabels": {APP: NAME}}});
    let metadata = json!({"name": NAME, "namespace": NAMESPACE});
    let object = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec});
    merge(client, &object).await
}
