//! Pods of Jobs, until they have been counted: a pod that is deleted says why, and what the Job's policy says of that decides.
//!
//! Source: "Job termination and cleanup" and "Pod failure policy" of the Kubernetes documentation.

use super::FIELD_MANAGER;
use crate::environment::Environment;
use k8s_openapi::api::{
    batch::v1::{Job, PodFailurePolicyRule},
    core::v1::Pod,
};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// Keeps a pod that was deleted until it has been counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// Pods that nobody counts any more, as their Jobs are over or gone.
pub(super) fn left<T>(environment: &Environment, doing: &BTreeMap<String, T>) -> Vec<Arc<Pod>> {
    let mut pods = environment.pods.all();
    pods.retain(|pod| is_tracked(pod) && pod.owner_references().iter().all(|owner| !doing.contains_key(&owner.uid)));
    pods
}

fn is_tracked(pod: &Pod) -> bool {
    pod.finalizers().iter().any(|name| name == TRACKING)
}

/// Says that a pod has been counted.
pub(super) async fn release(environment: &Environment, pod: &Pod) {
    let api: Api<Pod> = Api::namespaced(environment.client.clone(), &pod.namespace().unwrap_or_default());
    let kept: Vec<&String> = pod.finalizers().iter().filter(|name| *name != TRACKING).collect();
    let change = Patch::Merge(json!({"metadata": {"uid": pod.uid(), "finalizers": kept}}));
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = pod.name_any();
    let write = async || match api.patch(&name, &parameters, &change).await {
        Ok(written) => {
            environment.pods.observe(written);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error),
    };
    environment.insist(&name, write).await;
}

/// Whether the Job does not count it when this pod fails: the first rule that applies decides. Rules about exit codes apply to no pod that
/// is deleted.
pub(super) fn is_ignored(job: &Job, pod: &Pod) -> bool {
    let policy = job.spec.as_ref().and_then(|spec| spec.pod_failure_policy.as_ref());
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let applies = |rule: &&PodFailurePolicyRule| {
        let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
        patterns
            .iter()
            .any(|wanted| conditions.iter().any(|held| (&held.type_, &held.status) == (&wanted.type_, &wanted.status)))
    };
    policy.and_then(|policy| policy.rules.iter().find(applies)).is_some_and(|rule| rule.action == "Ignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_was_evicted_is_not_counted_if_the_job_says_so() {
        let evicted = json!([{"type": "DisruptionTarget", "status": "True"}]);
        let ignore = json!({"action": "Ignore", "onPodConditions": evicted});
        let count = json!({"action": "Count", "onPodConditions": evicted});
        let codes = json!({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}});
        for (rules, conditions, ignored) in [
            (vec![&ignore], &evicted, true),
            (vec![&codes, &ignore], &evicted, true),
            (vec![&count, &ignore], &evicted, false),
            (vec![&ignore], &json!([{"type": "DisruptionTarget", "status": "False"}]), false),
            (vec![&ignore], &json!([]), false),
            (vec![&codes], &evicted, false),
            (vec![], &evicted, false),
        ] {
            let job = json!({"spec": {"podFailurePolicy": {"rules": rules}, "template": {"spec": {"containers": []}}}});
            let pod = json!({"metadata": {"name": "p"}, "status": {"conditions": conditions}});
            let (job, pod) = (serde_json::from_value(job).unwrap(), serde_json::from_value(pod).unwrap());
            assert_eq!(is_ignored(&job, &pod), ignored, "{rules:?} {conditions}");
        }
        assert!(!is_ignored(&Job::default(), &Pod::default()));
    }
}
