//! The command with which a user changes what a node or a pool waits for.
//!
//! R-REMEDY-1 There is one only where a user decides: what passes by itself has none, and what another node causes has that node's.
//! R-REMEDY-2 A command changes nothing by itself that a user may want otherwise: where it is open what is wanted, it opens the object.
//! R-REMEDY-3 Names in commands are those of objects, which have no characters that a shell would read.
//! R-REMEDY-4 A node gets into a pool and out of it by the labels that the pool's selector asks for. Where that asks for more than labels
//! with one value, the pool is opened.
//! R-REMEDY-5 What is in the way of a drain is the budget that allows no disruption, or else the pod; where neither is known, all budgets
//! are listed.
//! R-REMEDY-6 A daemon that finds something else on the disk than it wrote can be told to write it again.
//!
//! Source: the documentation of OpenShift on machine config pools and on unresponsive drains; `validateOnDiskState` in `pkg/daemon` of
//! github.com/openshift/machine-config-operator.

use crate::{
    objects::selector::{Requirement, Selector, Test},
    rollout::{Step, WaitReason, drain::named},
    view::{NodeView, PoolView, Unreadiness},
};
use weir_api::keys::{names::OPERATOR_NAMESPACE, pod::APP};

/// Name of the daemon's pods, in label `k8s-app`. Source: `manifests/machineconfigdaemon/daemonset.yaml` of the reference.
const DAEMON_APP: &str = "machine-config-daemon";

/// The command that shows which budgets allow no disruption.
pub(super) const BUDGETS: &str = "kubectl get poddisruptionbudgets --all-namespaces";

/// What daemons say of a disk that has something else than they wrote (R-REMEDY-6).
const ON_DISK: [&str; 3] = ["unexpected on-disk state", "content mismatch for file", "mode mismatch for file"];

/// The commands for what a node of a pool waits for. Which label a node needs, or has too many of, only pools say (R-REMEDY-4).
#[must_use]
pub fn of_wait(reason: &WaitReason, node: &str, pool: &str) -> Vec<String> {
    let one = match reason {
        WaitReason::PoolUnreadable { pool } => of_object("MachineConfigPool", pool),
        WaitReason::PoolPaused => of_pool(pool, r#"{"spec":{"paused":false}}"#),
        WaitReason::MaxUnavailable { .. } | WaitReason::NothingAllowed { .. } => {
            of_pool(pool, r#"{"spec":{"maxUnavailable":1}}"#)
        }
        WaitReason::Updating { step: Step::Draining, blocked, .. } if !blocked.is_empty() => {
            let named = of_blocked(blocked);
            return if named.is_empty() { vec![BUDGETS.to_owned()] } else { named };
        }
        WaitReason::NotReady { what } if *what == Unreadiness::Unschedulable.to_string() => of_cordon(node),
        WaitReason::NotReady { .. } => of_unready(node),
        WaitReason::NotReported => format!(
            "kubectl get pods -n {OPERATOR_NAMESPACE} -l {APP}={DAEMON_APP} --field-selector spec.nodeName={node}"
        ),
        WaitReason::Failing { .. } => format!("weir why node/{node}"),
        WaitReason::Image(wait) if wait.needs_user() => format!("weir explain stream --pool {pool}"),
        WaitReason::Halted(_) => "weir why co/machine-config".to_owned(),
        WaitReason::PoolNotConfigured | WaitReason::ConfigMissing { .. } => format!("weir why mcp/{pool}"),
        WaitReason::NotManaged
        | WaitReason::NoPool
        | WaitReason::SeveralPools { .. }
        | WaitReason::PoolDeleting
        | WaitReason::Image(_)
        | WaitReason::NoArbiterPool
        | WaitReason::NoArbiterTopology
        | WaitReason::ArbiterUnavailable { .. }
        | WaitReason::ControlPlaneFirst { .. }
        | WaitReason::Updating { .. }
        | WaitReason::Settling { .. }
        | WaitReason::NoCapacity { .. }
        | WaitReason::ConfigFailing { .. }
        | WaitReason::Queued { .. }
        | WaitReason::RunsOperator
        | WaitReason::Joining { .. } => return Vec::new(),
    };
    vec![one]
}

fn of_pool(pool: &str, patch: &str) -> String {
    format!("kubectl patch mcp/{pool} --type merge -p '{patch}'")
}

/// The command for a node that somebody cordoned.
pub(super) fn of_cordon(node: &str) -> String {
    format!("kubectl uncordon {node}")
}

/// The command that shows what keeps a node from being ready.
pub(super) fn of_unready(node: &str) -> String {
    format!("kubectl describe node/{node}")
}

/// The labels that a selector asks for, if that is all that it asks for (R-REMEDY-4).
fn labels<'p>(pool: &'p PoolView<'_>) -> Option<Vec<(&'p str, &'p str)>> {
    let Ok(Selector::All(asked)) = &pool.selector else { return None };
    let label = |of: &'p Requirement| match &of.test {
        Test::In(values) => match values.as_slice() {
            [value] => Some((of.key.as_str(), value.as_str())),
            _ => None,
        },
        Test::NotIn(_) | Test::Exists | Test::DoesNotExist => None,
    };
    asked.iter().map(label).collect()
}

/// The command that gets a node into a pool.
pub(super) fn into(pool: &PoolView<'_>, node: &NodeView<'_>) -> String {
    let Some(labels) = labels(pool).filter(|labels| !labels.is_empty()) else {
        return of_object("MachineConfigPool", pool.name);
    };
    let missing = labels.into_iter().filter(|(key, value)| node.labels.get(*key).is_none_or(|held| held != value));
    let missing: Vec<(&str, &str)> = missing.collect();
    let text: Vec<String> = missing.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let others = missing.iter().any(|(key, _)| node.labels.contains_key(*key));
    format!("kubectl label node/{} {}{}", node.name, text.join(" "), if others { " --overwrite" } else { "" })
}

/// The command that gets a node out of the last of several pools, and out of that one only.
pub(super) fn out_of(pools: &[&PoolView<'_>], node: &str) -> Option<String> {
    let (last, others) = pools.split_last()?;
    let kept = |key: &str| {
        others.iter().any(|other| match &other.selector {
            Ok(Selector::All(asked)) => asked.iter().any(|asked| asked.key == key),
            Ok(Selector::Nothing) | Err(_) => false,
        })
    };
    let own = labels(last).and_then(|labels| labels.into_iter().map(|(key, _)| key).find(|key| !kept(key)));
    Some(match own {
        Some(key) => format!("kubectl label node/{node} {key}-"),
        None => of_object("MachineConfigPool", last.name),
    })
}

/// The commands for what is in the way of a drain, as far as that names it (R-REMEDY-5).
pub(super) fn of_blocked(said: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for named in named(said) {
        let of_budgets = named.budgets.iter().map(|budget| of_budget(named.namespace, budget));
        let mut of_one: Vec<String> = of_budgets.collect();
        if of_one.is_empty() {
            of_one.push(format!("kubectl describe pod/{} -n {}", named.pod, named.namespace));
        }
        for command in of_one {
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
    }
    commands
}

/// The command that opens a budget.
pub(super) fn of_budget(namespace: &str, name: &str) -> String {
    format!("kubectl edit pdb/{name} -n {namespace}")
}

/// Whether a daemon says that it finds something else on the disk than it wrote (R-REMEDY-6).
pub(super) fn is_drift(said: &str) -> bool {
    ON_DISK.iter().any(|words| said.contains(words))
}

/// The command that has a daemon write what its node should have, whatever it finds on the disk.
#[must_use]
pub(super) fn of_drift(node: &str) -> String {
    format!("kubectl debug node/{node} -- chroot /host touch /run/machine-config-daemon-force")
}

/// An object as kubectl names it. A kind whose name others have, too, has its group with it.
#[must_use]
pub(super) fn address(kind: &str, name: &str) -> String {
    match kind {
        "MachineConfigPool" => format!("mcp/{name}"),
        "Image" => format!("image.config.openshift.io/{name}"),
        _ => format!("{}/{name}", kind.to_lowercase()),
    }
}

/// The command that shows what an object asks for, to change it.
#[must_use]
pub(super) fn of_object(kind: &str, name: &str) -> String {
    format!("kubectl edit {}", address(kind, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};
    use weir_api::MachineConfigPool;

    #[test]
    fn what_users_decide_has_a_command_and_what_passes_has_none() {
        let of = |reason: &WaitReason| of_wait(reason, "a", "worker");
        let paused = "kubectl patch mcp/worker --type merge -p '{\"spec\":{\"paused\":false}}'";
        assert_eq!(of(&WaitReason::PoolPaused), [paused]);
        let cordoned = WaitReason::NotReady { what: "Unschedulable".into() };
        assert_eq!(of(&cordoned), ["kubectl uncordon a"]);
        let down = WaitReason::NotReady { what: "NotReady=Unknown".into() };
        assert_eq!(of(&down), ["kubectl describe node/a"]);
        assert!(of(&WaitReason::Queued { ahead: 1 }).is_empty());
        let drain =
            |blocked: &str| WaitReason::Updating { config: "r".into(), step: Step::Draining, blocked: blocked.into() };
        assert!(of(&drain("")).is_empty());
        assert_eq!(of(&drain("error when evicting pods")), [BUDGETS]);
        let said = "pod shop/a: budget web allows no disruption, since 2026-01-01T00:00:00Z; pod shop/b: budgets web, db allow no \
                    disruption, since 2026-01-01T00:00:00Z; pod shop/c: is terminating, since 2026-01-01T00:00:00Z";
        let wanted = ["kubectl edit pdb/web -n shop", "kubectl edit pdb/db -n shop", "kubectl describe pod/c -n shop"];
        assert_eq!(of(&drain(said)), wanted);
    }

    fn pool(name: &str, selector: &Value) -> MachineConfigPool {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"nodeSelector": selector}})).unwrap()
    }

    #[test]
    fn labels_that_pools_ask_for_get_nodes_in_and_out() {
        let labels = |labels: Value| json!({ "matchLabels": labels });
        let expression = json!({"matchExpressions": [{"key": "disks", "operator": "Exists"}]});
        let infra = pool("infra", &labels(json!({"role/infra": ""})));
        for (selector, wanted) in [
            (labels(json!({"example.com/disks": "yes"})), "kubectl label node/a example.com/disks-"),
            (labels(json!({"role/infra": "", "tier": "x"})), "kubectl label node/a tier-"),
            (expression.clone(), "kubectl edit mcp/storage"),
        ] {
            let storage = pool("storage", &selector);
            let pools = [&PoolView::new(&infra), &PoolView::new(&storage)];
            assert_eq!(out_of(&pools, "a").as_deref(), Some(wanted));
        }
        let node: Node = serde_json::from_value(json!({"metadata": {"name": "a", "labels": {"tier": "y"}}})).unwrap();
        for (selector, wanted) in [
            (labels(json!({"role/worker": ""})), "kubectl label node/a role/worker="),
            (labels(json!({"role/worker": "", "tier": "x"})), "kubectl label node/a role/worker= tier=x --overwrite"),
            (expression, "kubectl edit mcp/worker"),
        ] {
            let worker = pool("worker", &selector);
            assert_eq!(into(&PoolView::new(&worker), &NodeView::new(&node)), wanted);
        }
    }

    #[test]
    fn what_is_on_the_disk_is_told_from_other_failures() {
        let of_disk =
            "unexpected on-disk state validating against rendered-worker-1: content mismatch for file \"/etc/a\"";
        assert!(is_drift(of_disk) && is_drift("mode mismatch for file: \"/etc/a\""));
        assert!(!is_drift("failed to drain node") && !is_drift(""));
    }
}
