//! The labels and taints of control plane nodes.
//!
//! R-MASTERS-1 A node with the master label also gets the control plane label.
//! R-MASTERS-2 If the Scheduler says that masters are schedulable they are also workers, and no taint of their role keeps
//! pods away; otherwise they are not workers, and the master taint keeps pods away.
//! R-MASTERS-3 Without a Scheduler, both stay as they are.
//! R-MASTERS-4 Other labels and taints are left alone. A list of taints is written as a whole, so the change applies only to the node as
//! it was read.
//!
//! Source: `reconcileMaster` in `pkg/controller/node/node_controller.go` of
//! github.com/openshift/machine-config-operator. The second half of R-MASTERS-4 is ours.

use k8s_openapi::api::core::v1::{Node, Taint};
use serde_json::{Value, json};
use weir_api::keys::node::{CONTROL_PLANE, MASTER, WORKER};

const NO_SCHEDULE: &str = "NoSchedule";

/// The change to a node, as a merge patch; `None` when there is none. `schedulable` is the Scheduler's setting,
/// absent without a Scheduler.
#[must_use]
pub fn change(node: &Node, schedulable: Option<bool>) -> Option<Value> {
    let has = |label: &str| node.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(label));
    if !has(MASTER) {
        return None;
    }
    let mut labels = json!({});
    if !has(CONTROL_PLANE) {
        labels[CONTROL_PLANE] = json!("");
    }
    match schedulable {
        Some(true) if !has(WORKER) => labels[WORKER] = json!(""),
        Some(false) if has(WORKER) => labels[WORKER] = Value::Null,
        _ => {}
    }
    let before = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let after = schedulable.map_or_else(|| before.clone(), |schedulable| taints(&before, schedulable));
    if labels.as_object().is_none_or(serde_json::Map::is_empty) && after == before {
        return None;
    }
    let mut patch = json!({"metadata": {"resourceVersion": node.metadata.resource_version, "labels": labels}});
    if after != before {
        patch["spec"] = json!({ "taints": after });
    }
    Some(patch)
}

/// R-MASTERS-2.
fn taints(before: &[Taint], schedulable: bool) -> Vec<Taint> {
    let is = |taint: &Taint, keys: &[&str]| taint.effect == NO_SCHEDULE && keys.contains(&taint.key.as_str());
    if schedulable {
        return before.iter().filter(|taint| !is(taint, &[MASTER, CONTROL_PLANE])).cloned().collect();
    }
    let mut after = before.to_vec();
    if !before.iter().any(|taint| is(taint, &[MASTER])) {
        after.push(Taint { key: MASTER.to_owned(), effect: NO_SCHEDULE.to_owned(), ..Taint::default() });
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(labels: &[&str], taints: Value) -> Node {
        let labels: serde_json::Map<_, _> = labels.iter().map(|label| ((*label).to_owned(), json!(""))).collect();
        serde_json::from_value(json!({
            "metadata": {"name": "m", "resourceVersion": "7", "labels": labels}, "spec": {"taints": taints},
        }))
        .unwrap()
    }

    /// Labels, taints and the Scheduler; the change.
    type Case<'a> = (&'a [&'a str], Value, Option<bool>, Option<Value>);

    #[test]
    fn labels_and_taints_follow_the_scheduler() {
        let taint = |key: &str, effect: &str| json!({"key": key, "effect": effect});
        let (of_master, of_plane) = (taint(MASTER, NO_SCHEDULE), taint(CONTROL_PLANE, NO_SCHEDULE));
        let (busy, evicting) = (taint("busy", NO_SCHEDULE), taint(MASTER, "NoExecute"));
        let both = &[MASTER, CONTROL_PLANE][..];
        let all = &[MASTER, CONTROL_PLANE, WORKER][..];
        let table: [Case<'_>; 13] = [
            (&[WORKER], json!([of_master]), Some(true), None),
            (&[CONTROL_PLANE], json!([]), Some(false), None),
            (&[MASTER], json!([busy]), None, Some(json!({"labels": {CONTROL_PLANE: ""}}))),
            (both, json!([of_master]), None, None),
            (all, json!(null), None, None),
            (
                both,
                json!([of_master, busy, of_plane]),
                Some(true),
                Some(json!({"labels": {WORKER: ""}, "taints": [busy]})),
            ),
            (all, json!([of_plane]), Some(true), Some(json!({"labels": {}, "taints": []}))),
            (all, json!([busy, evicting]), Some(true), None),
            (both, json!([evicting]), Some(false), Some(json!({"labels": {}, "taints": [evicting, of_master]}))),
            (all, json!(null), Some(false), Some(json!({"labels": {WORKER: null}, "taints": [of_master]}))),
            (both, json!([busy, of_master]), Some(false), None),
            (all, json!([of_master]), Some(false), Some(json!({"labels": {WORKER: null}}))),
            (&[MASTER], json!(null), Some(true), Some(json!({"labels": {CONTROL_PLANE: "", WORKER: ""}}))),
        ];
        for (labels, taints, schedulable, expected) in table {
            let found = change(&node(labels, taints.clone()), schedulable).map(|patch| {
                assert_eq!(patch["metadata"]["resourceVersion"], "7");
                let mut found = json!({"labels": patch["metadata"]["labels"]});
                if let Some(taints) = patch.pointer("/spec/taints") {
                    found["taints"] = taints.clone();
                }
                found
            });
            assert_eq!(found, expected, "{labels:?} {taints} {schedulable:?}");
        }
    }
}
