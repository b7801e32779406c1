//! Views of pools and nodes.

use crate::{Context, stream::being_made, unreadable::Objects};
use jiff::{SignedDuration, Timestamp};
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
        names::{CLUSTER, CONTROLLER_CONFIG, GATE_OS_STREAMS, OPERATOR_NAMESPACE},
    },
    pool::{CertExpiry, MachineConfigPoolStatus},
};
use weir_kubeio::seen::{changed, same, same_one};
use weir_rules::{
    rollout::{
        RolloutPlan, RolloutView, WaitReason, is_alike, is_on_its_way, is_report_alike,
        lost::{Lost, lost},
        membership::{Membership, assign},
        plan_rollout,
    },
    status::pool_status::{PoolStatusView, certificate_expiry, completed, pool_status, status_changed},
    stream::mismatch,
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
#[derive(Debug)]
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
    settle: SignedDuration,
}

/// The status a pool is to have.
pub(super) struct Wanted {
    pub(super) pool: Arc<MachineConfigPool>,
    pub(super) status: MachineConfigPoolStatus,
    /// What only a user can change, if that keeps the pool from moving.
    pub(super) stalled: Option<WaitReason>,
    /// What to say once it is written, when its nodes have reached its target.
    pub(super) completed: Option<String>,
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
            settle: SignedDuration::try_from(context.settle).unwrap_or(SignedDuration::MAX),
        }
    }

    /// Whether a look at this comes to what the look at `before` came to: most of what nodes say on their way changes nothing.
    pub(super) fn is_alike(&self, before: &Self) -> bool {
        let whole = (&self.halted, self.settle, self.counts_from_reports);
        let objects = same(&before.pools, &self.pools)
            && same(&before.configs, &self.configs)
            && same(&before.operator_pods, &self.operator_pods)
            && same(&before.os_configs, &self.os_configs)
            && same_one(before.controller_config.as_ref(), self.controller_config.as_ref())
            && same_one(before.streams.as_ref(), self.streams.as_ref());
        if !objects || whole != (&before.halted, before.settle, before.counts_from_reports) {
            return false;
        }
        let report = |report: &MachineConfigNode, now: &MachineConfigNode| {
            is_report_alike(&NodeReport::new(report), &NodeReport::new(now), self.counts_from_reports)
        };
        let reports = changed(&before.reports, &self.reports);
        if !reports.iter().all(|c| c.before.zip(c.now).is_some_and(|(before, now)| report(before, now))) {
            return false;
        }
        let nodes = changed(&before.nodes, &self.nodes);
        let pools: Vec<_> = if nodes.is_empty() { Vec::new() } else { self.pool_views() };
        let node = |before: &Node, now: &Node| is_alike(&NodeView::new(before), &NodeView::new(now), &pools);
        nodes.iter().all(|c| c.before.zip(c.now).is_some_and(|(before, now)| node(before, now)))
    }

    /// Takes in what the plan and the statuses made of this look wrote, so far as nobody else wrote into the same objects.
    pub(super) fn take_in(&mut self, context: &Context, plan: &RolloutPlan, written: &[Wanted]) {
        let told: BTreeMap<&str, &str> = plan.start.iter().map(|s| (s.node.as_str(), s.config.as_str())).collect();
        for node in self.nodes.iter_mut().filter(|_| !told.is_empty()) {
            let Some(name) = node.metadata.name.as_deref() else { continue };
            let Some((config, now)) = told.get(name).zip(context.cluster.nodes.get(name)) else { continue };
            let labels = now.metadata.labels == node.metadata.labels;
            let (view, before) = (NodeView::new(&now), NodeView::new(node));
            if labels && view.taints == before.taints && is_on_its_way(&view, config) {
                *node = now;
            }
        }
        for wanted in written {
            let Some(pool) = self.pools.iter_mut().find(|pool| Arc::ptr_eq(pool, &wanted.pool)) else { continue };
            let now = pool.metadata.name.as_deref().and_then(|name| context.cluster.pools.get(name));
            let Some(now) = now else { continue };
            let (new, old) = (&now.metadata, &pool.metadata);
            let same = (&new.labels, &new.annotations, &new.deletion_timestamp, new.generation)
                == (&old.labels, &old.annotations, &old.deletion_timestamp, old.generation);
            if same && now.spec == pool.spec && !status_changed(now.status.as_ref(), &wanted.status) {
                *pool = now;
            }
        }
    }

    fn pool_views(&self) -> Vec<PoolView<'_>> {
        self.pools.iter().map(|pool| PoolView::new(pool)).collect()
    }

    pub(crate) fn views(&self) -> Views<'_> {
        let pools = self.pool_views();
        let nodes: Vec<_> = self.nodes.iter().map(|node| NodeView::new(node)).collect();
        Views {
            observed: self,
            membership: assign(&pools, &nodes),
            pools,
            nodes,
            reports: self.reports(),
            configs: self.configs(),
            image_mode: self.image_mode_pools(),
        }
    }

    /// Nodes that run a pod of the operator, one entry for each pod.
    fn operator_nodes(&self) -> Vec<&str> {
        let ours = self.operator_pods.iter().map(|pod| PodView::new(pod));
        ours.filter(|pod| pod.namespace == OPERATOR_NAMESPACE).map(|pod| pod.node).collect()
    }

    fn reports(&self) -> BTreeMap<&str, NodeReport<'_>> {
        self.reports.iter().map(|report| NodeReport::new(report)).map(|report| (report.node, report)).collect()
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

/// What is made of the objects once, for everything that one look decides.
pub(crate) struct Views<'a> {
    observed: &'a Observed,
    pools: Vec<PoolView<'a>>,
    nodes: Vec<NodeView<'a>>,
    membership: Membership<'a>,
    reports: BTreeMap<&'a str, NodeReport<'a>>,
    configs: BTreeMap<&'a str, &'a MachineConfig>,
    image_mode: BTreeSet<&'a str>,
}

impl Views<'_> {
    pub(crate) fn plan(&self, previous: Option<&RolloutPlan>, now: Timestamp) -> RolloutPlan {
        let observed = self.observed;
        let view = RolloutView {
            pools: &self.pools,
            nodes: &self.nodes,
            membership: &self.membership,
            reports: &self.reports,
            topology: observed.controller_config.as_ref().and_then(|c| c.spec.control_plane_topology()),
            settle: Some(observed.settle),
            operator_nodes: &observed.operator_nodes(),
            image_mode_pools: &self.image_mode,
            config_owners: &observed.config_owners(),
            configs: Some(&self.configs.keys().copied().collect()),
            halted: observed.halted.as_deref(),
            previous,
        };
        plan_rollout(&view, now)
    }

    /// Nodes that should have a pool and have none.
    pub(super) fn lost(&self) -> Vec<Lost> {
        lost(&self.pools, &self.nodes, &self.membership)
    }

    /// The statuses that are to be written: those that say something else than before.
    pub(super) fn statuses(&self, plan: &RolloutPlan, lost: &[Lost], now: Timestamp) -> Vec<Wanted> {
        let observed = self.observed;
        let certificates = observed.certificates();
        let status = |pool: &PoolView<'_>, object: &Arc<MachineConfigPool>| {
            // A pool that was not rendered yet, or selects every node, is none of the rollout's business.
            if pool.target.is_none() || pool.selects_all() {
                return None;
            }
            let own: Vec<_> = self.membership.nodes.get(pool.name)?.iter().map(|&at| &self.nodes[at]).collect();
            let view = PoolStatusView {
                pool,
                nodes: &own,
                reports: &self.reports,
                configs: &self.configs,
                streams: observed.streams.as_deref(),
                counts_from_reports: observed.counts_from_reports,
                image_mode: self.image_mode.contains(pool.name),
                certificates: &certificates,
                standing: plan.standing(pool.name),
                lost,
            };
            let status = pool_status(&view, now);
            let changed = status_changed(object.status.as_ref(), &status);
            changed.then(|| Wanted {
                pool: object.clone(),
                completed: completed(pool, &status),
                status,
                stalled: plan.stalled(pool.name).cloned(),
            })
        };
        self.pools.iter().zip(&observed.pools).filter_map(|(pool, object)| status(pool, object)).collect()
    }
}
