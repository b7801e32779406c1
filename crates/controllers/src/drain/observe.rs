//! A node's pods, disruption budgets and DaemonSets, as the rule takes them.

use super::{Controller, memory::NodeMemory};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::DaemonSet, core::v1::Pod, policy::v1::PodDisruptionBudget};
use std::{collections::BTreeSet, sync::Arc};
use weir_api::MachineConfigNode;
use weir_kubeio::{Error, pods};
use weir_rules::{
    rollout::drain::{DrainView, NodeDrain, drain, needs_pods},
    view::{BudgetView, NodeReport, NodeView, PodView},
};

/// What the decision about one node depends on.
pub(super) struct Observed {
    budgets: Vec<Arc<PodDisruptionBudget>>,
    /// Absent while they are not known.
    daemon_sets: Option<Vec<Arc<DaemonSet>>>,
    pub(super) report: Option<Arc<MachineConfigNode>>,
}

impl Observed {
    pub(super) fn new(controller: &Controller, node: &str) -> Self {
        let cluster = &controller.context.cluster;
        Self {
            budgets: cluster.budgets.all(),
            daemon_sets: cluster.daemon_sets.is_synced().then(|| cluster.daemon_sets.all()),
            report: cluster.reports.get(node),
        }
    }

    pub(super) fn decide(&self, node: &NodeView<'_>, memory: &NodeMemory, now: Timestamp) -> Option<NodeDrain> {
        let pods = memory.pods.as_ref().map(|(pods, _)| pods.as_slice()).unwrap_or_default();
        let pods: Vec<_> = pods.iter().map(PodView::new).collect();
        let budgets: Vec<_> = self.budgets.iter().map(|budget| BudgetView::new(budget)).collect();
        let sets = self.daemon_sets.as_ref().map(|sets| sets.iter().filter_map(|set| named(set)).collect());
        let sets: Option<BTreeSet<(&str, &str)>> = sets;
        let view = DrainView {
            node,
            pods: &pods.iter().collect::<Vec<_>>(),
            budgets: &budgets,
            daemon_sets: sets.as_ref(),
            cordon_reported: self.report.as_ref().is_some_and(|report| NodeReport::new(report).cordoned),
            tried: &memory.tried,
        };
        drain(&view, now)
    }
}

fn named(set: &DaemonSet) -> Option<(&str, &str)> {
    Some((set.metadata.namespace.as_deref()?, set.metadata.name.as_deref()?))
}

/// Lists the node's pods if the rule will use them and the known ones are too old.
pub(super) async fn look(
    controller: &Controller,
    node: &NodeView<'_>,
    memory: &mut NodeMemory,
    now: Timestamp,
) -> Result<(), Error> {
    let views = memory.pods.as_ref().map(|(pods, at)| (pods.iter().map(PodView::new).collect::<Vec<_>>(), *at));
    if !needs_pods(node, views.as_ref().map(|(pods, at)| (pods.as_slice(), *at)), &memory.tried, now) {
        return Ok(());
    }
    let pods = pods::on_node(&controller.context.client, node.name).await?;
    let is_there = |uid: &str| pods.iter().any(|pod: &Pod| pod.metadata.uid.as_deref() == Some(uid));
    memory.tried.keep(is_there);
    memory.pods = Some((pods, now));
    Ok(())
}
