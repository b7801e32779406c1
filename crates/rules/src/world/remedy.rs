//! The command with which a user changes what a node or a pool waits for.
//!
//! R-REMEDY-1 There is one only where a user decides: what passes by itself has none, and what another node causes has that node's.
//! R-REMEDY-2 A command changes nothing by itself that a user may want otherwise: where it is open what is wanted, it opens the object.
//! R-REMEDY-3 Names in commands are those of objects, which have no characters that a shell would read.
//!
//! Source: the documentation of OpenShift on machine config pools and on unresponsive drains.

use crate::{
    rollout::{Step, WaitReason},
    view::Unreadiness,
};
use weir_api::keys::{names::OPERATOR_NAMESPACE, node::ROLE_PREFIX, pod::APP};

/// Name of the daemon's pods, in label `k8s-app`. Source: `manifests/machineconfigdaemon/daemonset.yaml` of the reference.
const DAEMON_APP: &str = "machine-config-daemon";

/// The command that shows which budgets allow no disruption.
pub(super) const BUDGETS: &str = "kubectl get poddisruptionbudgets --all-namespaces";

/// The command for what a node of a pool waits for.
#[must_use]
pub fn of_wait(reason: &WaitReason, node: &str, pool: &str) -> Option<String> {
    match reason {
        WaitReason::NoPool => Some(format!("kubectl label node/{node} {ROLE_PREFIX}worker=")),
        WaitReason::SeveralPools { pools } => {
            let last = pools.last()?;
            Some(format!("kubectl label node/{node} {ROLE_PREFIX}{last}-"))
        }
        WaitReason::PoolUnreadable { pool } => Some(format!("kubectl edit mcp/{pool}")),
        WaitReason::PoolPaused => Some(of_pool(pool, r#"{"spec":{"paused":false}}"#)),
        WaitReason::MaxUnavailable { .. } | WaitReason::NothingAllowed { .. } => {
            Some(of_pool(pool, r#"{"spec":{"maxUnavailable":1}}"#))
        }
        WaitReason::Updating { step: Step::Draining, blocked, .. } if !blocked.is_empty() => Some(BUDGETS.to_owned()),
        WaitReason::NotReady { what } if *what == Unreadiness::Unschedulable.to_string() => {
            Some(format!("kubectl uncordon {node}"))
        }
        WaitReason::NotReady { .. } => Some(format!("kubectl describe node/{node}")),
        WaitReason::NotReported => Some(format!(
            "kubectl get pods -n {OPERATOR_NAMESPACE} -l {APP}={DAEMON_APP} --field-selector spec.nodeName={node}"
        )),
        WaitReason::Failing { .. } => Some(format!("weir why node/{node}")),
        WaitReason::Image(wait) if wait.needs_user() => Some(format!("weir explain stream --pool {pool}")),
        WaitReason::Halted(_) => Some("weir why co/machine-config".to_owned()),
        WaitReason::PoolNotConfigured | WaitReason::ConfigMissing { .. } => Some(format!("weir why mcp/{pool}")),
        WaitReason::NotManaged
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
        | WaitReason::Joining { .. } => None,
    }
}

fn of_pool(pool: &str, patch: &str) -> String {
    format!("kubectl patch mcp/{pool} --type merge -p '{patch}'")
}

/// The command that has a daemon write what its node should have, whatever it finds on the disk.
#[must_use]
pub(super) fn of_drift(node: &str) -> String {
    format!("kubectl debug node/{node} -- chroot /host touch /run/machine-config-daemon-force")
}

/// The command that shows what an object asks for, to change it.
#[must_use]
pub(super) fn of_object(kind: &str, name: &str) -> String {
    format!("kubectl edit {}/{name}", kind.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_decide_has_a_command_and_what_passes_has_none() {
        let of = |reason: &WaitReason| of_wait(reason, "a", "worker");
        let paused = "kubectl patch mcp/worker --type merge -p '{\"spec\":{\"paused\":false}}'";
        assert_eq!(of(&WaitReason::PoolPaused).as_deref(), Some(paused));
        let cordoned = WaitReason::NotReady { what: "Unschedulable".into() };
        assert_eq!(of(&cordoned).as_deref(), Some("kubectl uncordon a"));
        let down = WaitReason::NotReady { what: "NotReady=Unknown".into() };
        assert_eq!(of(&down).as_deref(), Some("kubectl describe node/a"));
        let several = WaitReason::SeveralPools { pools: vec!["gpu".into(), "infra".into()] };
        assert_eq!(of(&several).as_deref(), Some("kubectl label node/a node-role.kubernetes.io/infra-"));
        assert_eq!(of(&WaitReason::Queued { ahead: 1 }), None);
        let drain =
            |blocked: &str| WaitReason::Updating { config: "r".into(), step: Step::Draining, blocked: blocked.into() };
        assert_eq!(of(&drain("")), None);
        assert!(of(&drain("default/db-0: a budget")).is_some());
    }
}
