//! Views of pools and nodes.

use crate::{Context, stream::being_made, unreadable::Objects};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigNode, MachineConfigPool, MachineOSConfig, OSImageStream,
    condition::{TRUE, find},
    keys::{
        gates::IMAGE_MODE_STATUS_REPORTING,
        names::{ARBITER_TOPOLOGY, CLUSTER, CONTROLLER_CONFIG, GATE_OS_STREAMS, OPERATOR_NAMESPACE},
    },
    pool::{CertExpiry, MachineConfigPoolStatus},
};
use weir_rules::{
    membership::assign,
    mismatch,
    pool_status::{PoolStatusView, certificate_expiry, pool_status, status_changed},
    rollout::{RolloutPlan, RolloutView, WaitReason, plan_rollout},
    view::{NodeReport, NodeView, PodView, PoolView},
};

const BEING_READ: &str = "the streams of the desired release are being read";

const STALE: &str = "a pool is still to be rendered after what contradicted the distribution is gone";

/// The pool's target is from before a contradiction: it is rendered anew first, so that its nodes reboot once.
fn is_stale(pool: &MachineConfigPool) -> bool {
    let conditions = pool.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    let degraded = find(conditions, "RenderDegraded").filter(|condition| condition.status == TRUE);
    pool.metadata.deletion_timestamp.is_none() && degraded.is_some_and(|condition| condition.reason == mismatch::CODE)
}

/// The cluster as one pass sees it.
pub(crate) struct Observed {
    pools: Vec<Arc<MachineConfigPool>>,
    nodes: Vec<Arc<Node>>,
    configs: Vec<Arc<MachineConfig>>,
    reports: Vec<Arc<MachineConfigNode>>,
    /// Whether counts come from MachineConfigNodes.
    counts_from_reports: bool,
    operator_pods: Vec<Arc<Pod>>,
    os_configs: Vec<Arc<MachineOSConfig>>,
    controller_config: Option<Arc<ControllerConfig>>,
    /// Absent while the gate is off, or not known to be on.
    streams: Option<Arc<OSImageStream>>,
    /// Why no node may start.
    halted: Option<String>,
}

/// The status a pool is to have.
pub(super) struct Wanted {
    pub(super) pool: Arc<MachineConfigPool>,
    pub(super) status: MachineConfigPoolStatus,
    /// What only a user can change, if that keeps the pool from moving.
    pub(super) stalled: Option<WaitReason>,
}

impl Observed {
    pub(crate) fn new(context: &Context) -> Self {
        let cluster = &context.cluster;
        let is_on = |gate| context.gates().is_ok_and(|gates| gates.is_on(gate));
        Self {
            pools: cluster.pools.all(),
            nodes: cluster.nodes.all(),
            configs: cluster.configs.all(),
            reports: cluster.reports.all(),
            counts_from_reports: is_on(IMAGE_MODE_STATUS_REPORTING),
            operator_pods: cluster.operator_pods.all(),
            os_configs: cluster.os_configs.all(),
            controller_config: cluster.controller_configs.get(CONTROLLER_CONFIG),
            streams: cluster.streams.get(CLUSTER).filter(|_| is_on(GATE_OS_STREAMS)),
            // Until a release was read nobody knows whether it is for this cluster.
            halted: context
                .kept_by_us()
                .err()
                .map(|error| error.to_string())
                .or_else(|| context.halted())
                .or_else(|| Objects::of(cluster).halts())
                .or_else(|| being_made(context).then(|| BEING_READ.to_owned()))
                .or_else(|| cluster.pools.all().iter().any(|pool| is_stale(pool)).then(|| STALE.to_owned())),
        }
    }

    pub(crate) fn plan(&self, previous: Option<&RolloutPlan>, now: Timestamp) -> RolloutPlan {
        let (pools, nodes) = self.views();
        let topology = self.controller_config.as_ref().and_then(|c| c.spec.control_plane_topology());
        let view = RolloutView {
            pools: &pools,
            nodes: &nodes,
            membership: &assign(&pools, &nodes),
            reports: &self.reports(),
            arbiter_topology: topology == Some(ARBITER_TOPOLOGY),
            operator_nodes: &self.operator_nodes(),
            image_mode_pools: &self.image_mode_pools(),
            config_owners: &self.config_owners(),
            configs: Some(&self.configs().into_keys().collect()),
            halted: self.halted.as_deref(),
            previous,
        };
        plan_rollout(&view, now)
    }

    /// The statuses that are to be written: those that say something else than before.
    pub(super) fn statuses(&self, plan: &RolloutPlan, now: Timestamp) -> Vec<Wanted> {
        let (pools, nodes) = self.views();
        let (image_mode, reports) = (self.image_mode_pools(), self.reports());
        let (membership, configs, certificates) = (assign(&pools, &nodes), self.configs(), self.certificates());
        let status = |pool: &PoolView<'_>, object: &Arc<MachineConfigPool>| {
            // A pool that was not rendered yet, or selects every node, is none of the rollout's business.
            if pool.target.is_none() || pool.selects_all() {
                return None;
            }
            let own: Vec<&NodeView<'_>> = membership.nodes.get(pool.name)?.iter().map(|&at| &nodes[at]).collect();
            let stalled = plan.stalled(pool.name);
            let view = PoolStatusView {
                pool,
                nodes: &own,
                reports: &reports,
                configs: &configs,
                streams: self.streams.as_deref(),
                counts_from_reports: self.counts_from_reports,
                image_mode: image_mode.contains(pool.name),
                certificates: &certificates,
                stalled,
            };
            let status = pool_status(&view, now);
            let changed = status_changed(object.status.as_ref(), &status);
            changed.then(|| Wanted { pool: object.clone(), status, stalled: stalled.cloned() })
        };
        pools.iter().zip(&self.pools).filter_map(|(pool, object)| status(pool, object)).collect()
    }

    /// Nodes that run a pod of the operator, one entry for each pod.
    fn operator_nodes(&self) -> Vec<&str> {
        let ours = self.operator_pods.iter().map(|pod| PodView::new(pod));
        ours.filter(|pod| pod.namespace == OPERATOR_NAMESPACE).map(|pod| pod.node).collect()
    }

    fn reports(&self) -> BTreeMap<&str, NodeReport<'_>> {
        self.reports.iter().map(|report| NodeReport::new(report)).map(|report| (report.node, report)).collect()
    }

    fn views(&self) -> (Vec<PoolView<'_>>, Vec<NodeView<'_>>) {
        let pools = self.pools.iter().map(|pool| PoolView::new(pool)).collect();
        (pools, self.nodes.iter().map(|node| NodeView::new(node)).collect())
    }

    fn configs(&self) -> BTreeMap<&str, &MachineConfig> {
        self.configs.iter().filter_map(|config| Some((config.metadata.name.as_deref()?, config.as_ref()))).collect()
    }

    fn image_mode_pools(&self) -> BTreeSet<&str> {
        self.os_configs.iter().map(|config| config.spec.machine_config_pool.name.as_str()).collect()
    }

    fn config_owners(&self) -> BTreeMap<&str, &str> {
        fn owner(config: &Arc<MachineConfig>) -> Option<(&str, &str)> {
            let owner = config.metadata.owner_references.as_ref()?.first()?;
            Some((config.metadata.name.as_deref()?, owner.name.as_str()))
        }
        self.configs.iter().filter_map(owner).collect()
    }

    fn certificates(&self) -> Vec<CertExpiry> {
        let status = self.controller_config.as_ref().and_then(|c| c.status.as_ref());
        let known = status.map(|s| s.controller_certificates.as_slice()).unwrap_or_default();
        let values: Vec<_> = known.iter().filter_map(|certificate| serde_json::to_value(certificate).ok()).collect();
        certificate_expiry(&values)
    }
}
